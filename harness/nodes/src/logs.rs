//! A container's log: lines with the time they were written, kept for readers that come later or follow.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::clock::Clock;

/// One line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When it was written.
    pub at: jiff::Timestamp,
    /// Text without its line break.
    pub text: Arc<str>,
}

/// The log of one container start.
pub struct Log {
    lines: Mutex<Vec<LogLine>>,
    length: watch::Sender<Progress>,
}

/// How far a log has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Lines written so far.
    pub lines: usize,
    /// No more will come.
    pub ended: bool,
}

impl Log {
    /// An empty log.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self { lines: Mutex::default(), length: watch::Sender::new(Progress::default()) })
    }

    /// The lines from `start` on.
    #[must_use]
    pub fn lines_from(&self, start: usize) -> Vec<LogLine> {
        self.lines().get(start..).unwrap_or_default().to_vec()
    }

    /// Follows the log's growth.
    #[must_use]
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.length.subscribe()
    }

    /// Says that no more lines come.
    pub fn end(&self) {
        self.length.send_modify(|progress| progress.ended = true);
    }

    fn lines(&self) -> MutexGuard<'_, Vec<LogLine>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A program's standard output.
#[derive(Clone)]
pub struct LogWriter {
    log: Arc<Log>,
    clock: Clock,
}

impl LogWriter {
    /// Writes into `log` with the times of `clock`.
    #[must_use]
    pub fn new(log: Arc<Log>, clock: Clock) -> Self {
        Self { log, clock }
    }

    /// Writes `text`, which may hold several lines.
    pub fn line(&self, text: impl AsRef<str>) {
        let at = self.clock.wall();
        let count = {
            let mut lines = self.log.lines();
            lines.extend(text.as_ref().split('\n').map(|text| LogLine { at, text: text.into() }));
            lines.len()
        };
        self.log.length.send_modify(|progress| progress.lines = count);
        self.clock.touch();
    }
}
