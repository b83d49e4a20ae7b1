//! A tar file that is the same whenever it has the same content.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Read as _};
use std::path::{Path, PathBuf};

use tar::{Builder, EntryType, Header};

use super::digest::Hashing;

/// Something in the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    /// An empty directory with these rights.
    Directory(u32),
    /// An executable file with the content of this one.
    Executable(PathBuf),
}

/// Entries by path, which is relative to the root.
pub(super) type Entries = BTreeMap<String, Entry>;

/// Writes `entries` to the new file `into`, with the directories above them; gives the archive's digest and size.
///
/// Owner, group and time of every entry are 0, the order is that of the paths: nothing of the machine shows.
pub(super) fn write(mut entries: Entries, into: &Path) -> io::Result<(String, u64)> {
    for path in entries.keys().cloned().collect::<Vec<_>>() {
        for (slash, _) in path.match_indices('/') {
            entries.entry(path[..slash].to_owned()).or_insert(Entry::Directory(0o755));
        }
    }
    let output = File::create(into).map_err(|error| at(into, "write", &error))?;
    let mut archive = Builder::new(Hashing::new(BufWriter::new(output)));
    for (path, entry) in &entries {
        match entry {
            Entry::Directory(mode) => {
                let mut header = header(EntryType::Directory, *mode, 0);
                archive.append_data(&mut header, path, io::empty()).map_err(|error| at(into, "write", &error))?;
            }
            Entry::Executable(from) => {
                append(&mut archive, path, from).map_err(|error| at(from, "pack", &error))?;
            }
        }
    }
    archive.into_inner().and_then(Hashing::finish).map_err(|error| at(into, "write", &error))
}

fn append<W: io::Write>(archive: &mut Builder<W>, path: &str, from: &Path) -> io::Result<()> {
    let file = File::open(from)?;
    let size = file.metadata()?.len();
    // A file that is being rewritten must not shift the entries after it.
    let mut content = file.take(size);
    archive.append_data(&mut header(EntryType::Regular, 0o755, size), path, &mut content)?;
    if content.limit() > 0 {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it became shorter while it was read"));
    }
    Ok(())
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    header
}

fn at(path: &Path, doing: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot {doing} {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_directories_before_what_is_in_them() {
        let directory = tempfile::tempdir().unwrap();
        let (from, into) = (directory.path().join("from"), directory.path().join("layer.tar"));
        std::fs::write(&from, "content").unwrap();
        let entries = Entries::from([
            ("tmp".to_owned(), Entry::Directory(0o1777)),
            ("lib64/deep/file".to_owned(), Entry::Executable(from)),
        ]);
        let (digest, size) = write(entries, &into).unwrap();
        let written = std::fs::read(&into).unwrap();
        assert_eq!((digest, size), (super::super::digest::of(&written), written.len() as u64));

        let mut archive = tar::Archive::new(&written[..]);
        let listed: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let header = entry.header();
                assert_eq!((header.uid().unwrap(), header.gid().unwrap(), header.mtime().unwrap()), (0, 0, 0));
                (entry.path().unwrap().display().to_string(), header.mode().unwrap())
            })
            .collect();
        let expected = [("lib64", 0o755), ("lib64/deep", 0o755), ("lib64/deep/file", 0o755), ("tmp", 0o1777)];
        assert_eq!(listed, expected.map(|(path, mode)| (path.to_owned(), mode)));
    }

    #[test]
    fn says_which_file_cannot_be_packed() {
        let directory = tempfile::tempdir().unwrap();
        let entries = Entries::from([("file".to_owned(), Entry::Executable("/nowhere/file".into()))]);
        let error = write(entries, &directory.path().join("layer.tar")).unwrap_err().to_string();
        assert!(error.starts_with("cannot pack /nowhere/file: "), "{error}");
        let error = write(Entries::new(), Path::new("/nowhere/layer.tar")).unwrap_err().to_string();
        assert!(error.starts_with("cannot write /nowhere/layer.tar: "), "{error}");
    }
}
