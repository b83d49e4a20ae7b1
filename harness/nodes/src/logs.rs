//! A container's log: lines with the time they were written, kept for readers that come later or follow.

use std::io::Write;
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

    /// A log that has `lines`.
    #[must_use]
    pub(crate) fn of(lines: Vec<LogLine>, ended: bool) -> Arc<Self> {
        let length = watch::Sender::new(Progress { lines: lines.len(), ended });
        Arc::new(Self { lines: Mutex::new(lines), length })
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
    sink: Sink,
    clock: Clock,
}

#[derive(Clone)]
enum Sink {
    Kept(Arc<Log>),
    Written(Arc<Mutex<dyn Write + Send>>),
}

impl LogWriter {
    /// Writes into `log` with the times of `clock`.
    #[must_use]
    pub fn new(log: Arc<Log>, clock: Clock) -> Self {
        Self { sink: Sink::Kept(log), clock }
    }

    /// Writes to `output` at once, line by line; whoever reads it notes the time, as a container runtime does. An output
    /// that takes no more is no reason for a program to end.
    #[must_use]
    pub fn to(output: impl Write + Send + 'static, clock: Clock) -> Self {
        Self { sink: Sink::Written(Arc::new(Mutex::new(output))), clock }
    }

    /// Writes `text`, which may hold several lines.
    pub fn line(&self, text: impl AsRef<str>) {
        let text = text.as_ref();
        match &self.sink {
            Sink::Kept(log) => {
                let at = self.clock.wall();
                let count = {
                    let mut lines = log.lines();
                    lines.extend(text.split('\n').map(|text| LogLine { at, text: text.into() }));
                    lines.len()
                };
                log.length.send_modify(|progress| progress.lines = count);
            }
            Sink::Written(output) => {
                let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
                let _nobody_reads_any_more = output.write_all(format!("{text}\n").as_bytes());
                let _nobody_reads_any_more = output.flush();
            }
        }
        self.clock.touch();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes bytes until it is closed.
    #[derive(Clone, Default)]
    struct Output(Arc<Mutex<(Vec<u8>, bool)>>);

    impl Write for Output {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let mut inner = self.0.lock().unwrap();
            if inner.1 {
                return Err(std::io::ErrorKind::BrokenPipe.into());
            }
            inner.0.extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            if self.0.lock().unwrap().1 { Err(std::io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
        }
    }

    #[test]
    fn writes_lines_until_nobody_reads() {
        let output = Output::default();
        let writer = LogWriter::to(output.clone(), Clock::real());
        writer.line("one\ntwo");
        writer.clone().line("three");
        output.0.lock().unwrap().1 = true;
        writer.line("four");
        assert_eq!(output.0.lock().unwrap().0, b"one\ntwo\nthree\n");
    }
}
