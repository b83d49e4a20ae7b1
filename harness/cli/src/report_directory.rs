//! Where the report goes: looked at before a run, for a run may take long and its report must not be lost then.

use std::fs;
use std::path::Path;

/// Makes the directory where it is missing, and sees that a file can be written into it.
pub fn prepare(directory: &Path) -> Result<(), String> {
    let failed = |error| {
        let directory = directory.display();
        format!("cannot write a report into {directory}: {error}; give --report a directory that you may write to")
    };
    fs::create_dir_all(directory).map_err(failed)?;
    let probe = directory.join(format!(".probe-{}", std::process::id()));
    // Something is written, since an empty file can be made even where the disk is full.
    let written = fs::write(&probe, "can be written\n");
    let removed = fs::remove_file(&probe);
    written.and(removed).map_err(failed)
}
