//! Where the report goes: looked at before a run, for a run may take long and its report must not be lost then.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use crate::exit;

/// Makes the directory where it is missing, and sees that a file can be written into it.
pub fn prepare(directory: &Path) -> Result<(), ExitCode> {
    if directory.is_file() {
        return Err(exit::usage(&format!("error: --report {} is a file; name a directory", directory.display())));
    }
    let failed = |error| {
        let directory = directory.display();
        let message =
            format!("cannot write a report into {directory}: {error}; give --report a directory that you may write to");
        exit::environment(&message)
    };
    fs::create_dir_all(directory).map_err(failed)?;
    let probe = directory.join(format!(".probe-{}", std::process::id()));
    // Something is written, since an empty file can be made even where the disk is full.
    let written = fs::write(&probe, "can be written\n");
    let removed = fs::remove_file(&probe);
    written.and(removed).map_err(failed)
}
