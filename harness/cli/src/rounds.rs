//! A run, or the same run again and again until a cell fails.

use std::io::{self, ErrorKind, IsTerminal as _, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use clap::Args;
use engine::{RunOptions, Session};
use report::{Terminal, TerminalOptions};
use scenario::Report;
use scenario::repeat::{derived, repeated};
use tokio_util::sync::CancellationToken;

use crate::output::{self, Stream};

/// How often cells run.
#[derive(Args, Debug, Clone, Copy)]
pub struct Often {
    /// Run every cell this often, each time with another seed, which is printed
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub repeat: u32,
    /// Run the cells again and again, each round with another seed, until one fails or Ctrl-C; the report is the last
    /// round's
    #[arg(long)]
    pub until_failure: bool,
}

/// Runs `options` as often as asked for, tells of it on a stream, where errors of that are noted, and returns the report
/// of the last round.
pub async fn run(
    session: &Session,
    options: RunOptions,
    often: Often,
    (to, printed): (Stream, &Printed),
    stop: &CancellationToken,
) -> Report {
    let mut round = 0;
    loop {
        let mut options = options.clone();
        options.seed = derived(options.seed, round);
        options.cells = repeated(options.cells, often.repeat, options.seed);
        options.fail_fast |= often.until_failure;
        round += 1;
        let mut terminal = Terminal::new(terminal_options(to), to.writer());
        if often.until_failure {
            printed.note(writeln!(to.writer(), "round {round}, --seed {}", options.seed));
            terminal = terminal.brief();
        }
        let noted = printed.clone();
        let observer = Box::new(move |event: &_| noted.note(terminal.on_event(event)));
        let report = session.run(options, observer, stop.clone()).await;
        if !often.until_failure || stop.is_cancelled() || printed.is_unread() || !goes_on(&report) {
            return report;
        }
    }
}

/// A round in which nothing ran would be followed by another such one for ever.
fn goes_on(report: &Report) -> bool {
    report.summary.failed == 0 && report.summary.passed + report.summary.known_issue > 0
}

fn terminal_options(to: Stream) -> TerminalOptions {
    let terminal = to.is_terminal();
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    TerminalOptions { colour: terminal && !no_color, live: terminal && io::stderr().is_terminal(), width: None }
}

/// The first error of printing. It is told after the run, for it is no reason to leave clusters behind.
#[derive(Clone, Default)]
pub struct Printed(Arc<Mutex<Option<io::Error>>>);

impl Printed {
    /// Keeps the error, if there is one and it is the first.
    pub fn note(&self, written: io::Result<()>) {
        if let Err(error) = written {
            self.first().get_or_insert(error);
        }
    }

    /// Whether the reader went away: rounds that go on until somebody has seen enough are over then.
    fn is_unread(&self) -> bool {
        self.first().as_ref().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
    }

    /// The error; a reader that went away is none.
    pub fn error(&self) -> Option<io::Error> {
        self.first().take().and_then(|error| output::unless_unread(Err(error)).err())
    }

    fn first(&self) -> MutexGuard<'_, Option<io::Error>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
