//! Executables to pack, for tests.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// ELF machine of amd64.
pub(super) const AMD64: u16 = 62;
/// ELF machine of arm64.
pub(super) const ARM64: u16 = 183;
/// ELF machine of a processor that nothing here knows.
pub(super) const S390X: u16 = 22;

/// The least statically linked executable: an ELF header, one loaded segment, and `exit(0)` in amd64's instructions.
pub(super) fn static_elf(machine: u16) -> Vec<u8> {
    const LOADED_AT: u64 = 0x40_0000;
    const CODE: [u8; 9] = [0x31, 0xff, 0xb8, 60, 0, 0, 0, 0x0f, 0x05];
    const HEADERS: u64 = 64 + 56;
    let size = HEADERS + CODE.len() as u64;
    let mut elf = b"\x7fELF\x02\x01\x01".to_vec();
    elf.resize(16, 0);
    elf.extend(2_u16.to_le_bytes()); // an executable
    elf.extend(machine.to_le_bytes());
    elf.extend(1_u32.to_le_bytes());
    elf.extend((LOADED_AT + HEADERS).to_le_bytes()); // entry point
    elf.extend(64_u64.to_le_bytes()); // program headers
    elf.extend(0_u64.to_le_bytes()); // no section headers
    elf.extend(0_u32.to_le_bytes());
    for half in [64_u16, 56, 1, 64, 0, 0] {
        elf.extend(half.to_le_bytes());
    }
    elf.extend(1_u32.to_le_bytes()); // PT_LOAD
    elf.extend(5_u32.to_le_bytes()); // readable, executable
    for word in [0, LOADED_AT, LOADED_AT, size, size, 0x1000] {
        elf.extend(word.to_le_bytes());
    }
    elf.extend(CODE);
    elf
}

/// Writes `content` as an executable file below `directory`.
pub(super) fn executable(directory: &Path, content: &[u8]) -> PathBuf {
    let path = directory.join("executable");
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}
