//! What an ELF file asks for at run time (System V ABI: program headers and dynamic section).

use std::fs::File;
use std::io;
use std::path::Path;

use object::Endianness;
use object::elf::{DT_NEEDED, DT_SONAME, EM_AARCH64, EM_X86_64, FileHeader64, PT_DYNAMIC};
use object::read::ReadCache;
use object::read::elf::{FileHeader, ProgramHeader as _};
use serde::{Deserialize, Serialize};

/// A processor architecture, named as in OCI image configurations (Go's `GOARCH`) and in a Node's `nodeInfo`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Architecture {
    /// 64-bit x86.
    Amd64,
    /// 64-bit ARM.
    Arm64,
}

impl Architecture {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }
}

/// The parts of an ELF file that decide where and with what it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Elf {
    /// Whose instructions it has.
    pub(super) architecture: Architecture,
    /// Path of the loader it asks for; none where it is statically linked, or a library.
    pub(super) interpreter: Option<String>,
    /// The libraries it asks for, by the names it uses.
    pub(super) needed: Vec<String>,
    /// The name by which others ask for it.
    pub(super) soname: Option<String>,
}

/// Why a file is no use as an executable or a library of a Linux node.
#[derive(Debug, thiserror::Error)]
pub(super) enum ElfError {
    /// It cannot be read at all.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// It is another kind of file, or a damaged one.
    #[error("is not a 64-bit ELF file: {0}")]
    Malformed(#[from] object::read::Error),
    /// Nothing here runs on such a processor.
    #[error("is for a processor that is neither amd64 nor arm64 (ELF machine {0})")]
    Machine(u16),
    /// What it needs can only be guessed.
    #[error("has no section headers, so what it needs cannot be read")]
    NoSections,
}

impl Elf {
    /// Reads the headers of the file at `path`; the rest of it is not loaded.
    pub(super) fn read(path: &Path) -> Result<Self, ElfError> {
        let data = ReadCache::new(File::open(path)?);
        let data = &data;
        let header = FileHeader64::<Endianness>::parse(data)?;
        let endian = header.endian()?;
        let architecture = match (header.e_machine(endian), header.is_little_endian()) {
            (EM_X86_64, true) => Architecture::Amd64,
            (EM_AARCH64, true) => Architecture::Arm64,
            (other, _) => return Err(ElfError::Machine(other)),
        };
        let mut elf = Self { architecture, interpreter: None, needed: Vec::new(), soname: None };
        let mut dynamic = false;
        for segment in header.program_headers(endian, data)? {
            if let Some(path) = segment.interpreter(endian, data)? {
                elf.interpreter = Some(lossy(path));
            }
            dynamic |= segment.p_type(endian) == PT_DYNAMIC;
        }
        let table = header.sections(endian, data)?.dynamic_table(endian, data)?;
        // Guessing would make an image that does not start; tools that remove section headers are rare.
        if dynamic && table.is_empty() {
            return Err(ElfError::NoSections);
        }
        for entry in &table {
            match entry.tag {
                DT_NEEDED => elf.needed.push(lossy(table.string(entry)?)),
                DT_SONAME => elf.soname = Some(lossy(table.string(entry)?)),
                _ => {}
            }
        }
        Ok(elf)
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::testing::{self, AMD64, ARM64, S390X};

    fn read(content: &[u8]) -> Result<Elf, ElfError> {
        let directory = tempfile::tempdir().unwrap();
        Elf::read(&testing::executable(directory.path(), content))
    }

    #[test]
    fn reads_a_static_executable() {
        let elf = read(&testing::static_elf(AMD64)).unwrap();
        assert_eq!((elf.architecture, elf.interpreter, elf.needed), (Architecture::Amd64, None, Vec::new()));
        assert_eq!(read(&testing::static_elf(ARM64)).unwrap().architecture, Architecture::Arm64);
    }

    #[test]
    fn reads_what_this_test_needs() {
        let elf = Elf::read(&std::env::current_exe().unwrap()).unwrap();
        assert_eq!(elf.interpreter.is_some(), !elf.needed.is_empty(), "{elf:?}");
    }

    #[test]
    fn says_what_is_wrong_with_a_file() {
        assert!(read(b"#!/bin/sh\n").unwrap_err().to_string().starts_with("is not a 64-bit ELF file"));
        assert!(read(b"\x7fELF").unwrap_err().to_string().starts_with("is not a 64-bit ELF file"));
        let other = read(&testing::static_elf(S390X)).unwrap_err().to_string();
        assert!(other.ends_with("neither amd64 nor arm64 (ELF machine 22)"), "{other}");
        let gone = Elf::read(Path::new("/nowhere")).unwrap_err().to_string();
        assert!(gone.starts_with("cannot be read: "), "{gone}");
    }
}
