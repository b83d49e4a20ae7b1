//! What is printed. A reader that went away (`| head`) is no error; whatever else keeps output from its reader is.

use std::io::{self, ErrorKind, IsTerminal as _, Write as _};

/// Where a run tells of itself.
#[derive(Clone, Copy)]
pub enum Stream {
    /// The standard output.
    Out,
    /// The standard error.
    Err,
}

impl Stream {
    /// A writer to it.
    pub fn writer(self) -> Box<dyn io::Write + Send> {
        match self {
            Self::Out => Box::new(io::stdout()),
            Self::Err => Box::new(io::stderr()),
        }
    }

    /// Whether a person sees it as it is written.
    pub fn is_terminal(self) -> bool {
        match self {
            Self::Out => io::stdout().is_terminal(),
            Self::Err => io::stderr().is_terminal(),
        }
    }
}

/// Prints `text` to the standard output.
pub fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    unless_unread(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()))
}

/// Says something on the standard error. Where that cannot be written nobody is left to be told; the exit code tells.
pub fn say(message: &str) {
    let _unheard = io::stderr().lock().write_all(format!("{message}\n").as_bytes());
}

/// What became of writing, but for a reader that went away.
pub fn unless_unread(written: io::Result<()>) -> io::Result<()> {
    written.or_else(|error| if error.kind() == ErrorKind::BrokenPipe { Ok(()) } else { Err(error) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_a_reader_that_went_away_for_no_error() {
        assert!(unless_unread(Err(ErrorKind::BrokenPipe.into())).is_ok());
    }

    #[test]
    fn keeps_any_other_error() {
        assert!(unless_unread(Err(ErrorKind::StorageFull.into())).is_err());
    }
}
