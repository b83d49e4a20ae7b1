//! Digests as OCI descriptors write them: `sha256:` and lower-case hexadecimal (image-spec v1.0, `descriptor.md`).

use std::fmt::Write as _;
use std::io::{self, Write};

use sha2::{Digest as _, Sha256};

/// The digest of `bytes`.
pub(super) fn of(bytes: &[u8]) -> String {
    text(&Sha256::digest(bytes))
}

fn text(digest: &[u8]) -> String {
    digest.iter().fold(String::from("sha256:"), |mut text, byte| {
        // Writing to a String never fails.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Digests and counts what is written through it, so that a large file is read only once.
pub(super) struct Hashing<W> {
    inner: W,
    hasher: Sha256,
    written: u64,
}

impl<W: Write> Hashing<W> {
    /// Writes to `inner`.
    pub(super) fn new(inner: W) -> Self {
        Self { inner, hasher: Sha256::new(), written: 0 }
    }

    /// The digest of everything written, and how many bytes that was.
    pub(super) fn finish(mut self) -> io::Result<(String, u64)> {
        self.inner.flush()?;
        Ok((text(&self.hasher.finalize()), self.written))
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.written += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Digest of nothing, as `sha256sum /dev/null` prints it.
    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn digests_what_is_written() {
        assert_eq!(of(b""), EMPTY);
        let mut sink = Vec::new();
        let mut hashing = Hashing::new(&mut sink);
        hashing.write_all(b"some").unwrap();
        hashing.write_all(b"thing").unwrap();
        assert_eq!(hashing.finish().unwrap(), (of(b"something"), 9));
        assert_eq!(sink, b"something");
    }
}
