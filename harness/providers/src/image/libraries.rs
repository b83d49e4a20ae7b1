//! Which files a dynamically linked executable runs with.
//!
//! The loader's search is not repeated here: it depends on caches, configuration and the environment. It has been done
//! already, for this very process, and `/proc/self/maps` (proc(5)) says with what result. Of what is mapped only the
//! libraries that the executable asks for are taken, directly or through others: modules that happen to be loaded
//! (name services, preloads) must not make a difference to the image.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::elf::{Elf, ElfError};

/// Why the libraries of an executable are not known.
#[derive(Debug, thiserror::Error)]
pub(super) enum LibraryError {
    /// This is not Linux, or `/proc` is not there.
    #[error("the libraries of this process cannot be listed: /proc/self/maps: {0}")]
    Unlisted(#[source] io::Error),
    /// A library is asked for that this process does not run with.
    #[error("{asker} needs the library {name}, which this process has not loaded")]
    Unknown {
        /// Who asks.
        asker: String,
        /// For what.
        name: String,
    },
    /// A library is there, but of no use.
    #[error("the library {path} {error}")]
    Unusable {
        /// Where it is.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        error: ElfError,
    },
    /// A library is for another processor than the executable.
    #[error("the library {path} is for {has}, its user is not")]
    Foreign {
        /// Where it is.
        path: PathBuf,
        /// The library's processor.
        has: &'static str,
    },
}

/// Files that this process runs with.
pub(super) struct Loaded(Vec<PathBuf>);

impl Loaded {
    /// Those of this process, now.
    pub(super) fn of_this_process() -> Result<Self, LibraryError> {
        let maps = fs::read_to_string("/proc/self/maps").map_err(LibraryError::Unlisted)?;
        Ok(Self(code_files(&maps)))
    }

    /// The libraries that `executable` asks for, and those that they ask for, by the names asked for. The loader
    /// itself, which libraries may ask for too, is left out: it is there before them.
    pub(super) fn needed_by(&self, executable: &Elf) -> Result<BTreeMap<String, PathBuf>, LibraryError> {
        let loader = executable.interpreter.as_ref().and_then(|path| fs::canonicalize(path).ok());
        let mut found = BTreeMap::new();
        let asked_by =
            |asker: &str, elf: &Elf| elf.needed.iter().map(|name| (asker.to_owned(), name.clone())).collect::<Vec<_>>();
        let mut open = asked_by("the executable", executable);
        while let Some((asker, name)) = open.pop() {
            if found.contains_key(&name) {
                continue;
            }
            let path = self.find(&name).ok_or(LibraryError::Unknown { asker, name: name.clone() })?;
            if fs::canonicalize(path).ok().is_some_and(|path| Some(path) == loader) {
                continue;
            }
            let library = Elf::read(path).map_err(|error| LibraryError::Unusable { path: path.to_owned(), error })?;
            if library.architecture != executable.architecture {
                return Err(LibraryError::Foreign { path: path.to_owned(), has: library.architecture.name() });
            }
            open.extend(asked_by(&path.display().to_string(), &library));
            found.insert(name, path.to_owned());
        }
        Ok(found)
    }

    /// A library is asked for by its file name or, where that is the name of a symbolic link, by its own name for
    /// itself.
    fn find(&self, name: &str) -> Option<&Path> {
        let by_file_name = self.0.iter().find(|path| path.file_name().is_some_and(|file| file == name));
        let by_own_name =
            || self.0.iter().find(|path| Elf::read(path).is_ok_and(|elf| elf.soname.as_deref() == Some(name)));
        by_file_name.or_else(by_own_name).map(PathBuf::as_path)
    }
}

/// The files in `maps` that are mapped with the right to execute, each once. The kernel marks a file that was replaced
/// since; the one that is there now is what the loader would find.
fn code_files(maps: &str) -> Vec<PathBuf> {
    let code = maps.lines().filter(|line| line.split(' ').nth(1).is_some_and(|rights| rights.contains('x')));
    let paths = code.filter_map(|line| line.find('/').map(|at| line[at..].trim_end_matches(" (deleted)")));
    let mut paths: Vec<_> = paths.map(PathBuf::from).collect();
    paths.sort();
    paths.dedup();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::elf::Architecture;

    const MAPS: &str = "\
55f0-55f1 r--p 00000000 fe:00 1    /usr/bin/cat
55f1-55f2 r-xp 00002000 fe:00 1    /usr/bin/cat
7f9a-7f9b r--p 00000000 fe:00 2    /usr/lib/locale/C.utf8/LC_CTYPE
7f9b-7f9c r-xp 00026000 fe:00 3    /usr/lib/with space/libc.so.6 (deleted)
7f9c-7f9d r-xp 00000000 00:00 0    [vdso]
7f9d-7f9e rwxp 00000000 00:00 0 
";

    #[test]
    fn lists_files_that_are_executed() {
        assert_eq!(code_files(MAPS), [Path::new("/usr/bin/cat"), Path::new("/usr/lib/with space/libc.so.6")]);
    }

    fn asking_for(name: &str) -> Elf {
        let architecture = Elf::read(&std::env::current_exe().unwrap()).unwrap().architecture;
        Elf { architecture, interpreter: None, needed: vec![name.to_owned()], soname: None }
    }

    #[test]
    fn says_who_needs_an_unknown_library() {
        let error = Loaded::of_this_process().unwrap().needed_by(&asking_for("libnone.so.1")).unwrap_err().to_string();
        assert_eq!(error, "the executable needs the library libnone.so.1, which this process has not loaded");
    }

    #[test]
    fn says_which_library_is_no_use() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("libtext.so");
        fs::write(&path, "INPUT(-lnone)").unwrap();
        let error = Loaded(vec![path.clone()]).needed_by(&asking_for("libtext.so")).unwrap_err().to_string();
        assert!(error.starts_with(&format!("the library {} is not a 64-bit ELF file", path.display())), "{error}");
    }

    #[test]
    fn takes_no_library_of_another_processor() {
        let mut wants = asking_for("executable");
        wants.architecture = Architecture::Arm64;
        let directory = tempfile::tempdir().unwrap();
        let content = crate::image::testing::static_elf(crate::image::testing::AMD64);
        let path = crate::image::testing::executable(directory.path(), &content);
        let error = Loaded(vec![path]).needed_by(&wants).unwrap_err().to_string();
        assert!(error.ends_with("is for amd64, its user is not"), "{error}");
    }
}
