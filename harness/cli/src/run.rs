//! `ks-e2e run`

use std::io::{self, IsTerminal as _};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use engine::{RunOptions, RunOutcome, Tools};
use providers::Provider;
use providers::embedded::Embedded;
use report::{Terminal, TerminalOptions};

use crate::arguments::{Defect, ProviderName, RunArguments};
use crate::{exit, output, report_directory, scenarios, signals};

pub async fn run(arguments: RunArguments) -> ExitCode {
    let cells = match scenarios::cells(&arguments.chosen) {
        Ok(cells) => cells,
        Err(message) => return exit::usage(&message),
    };
    if let Some(directory) = &arguments.report
        && let Err(message) = report_directory::prepare(directory)
    {
        return exit::environment(&message);
    }
    let provider: Arc<dyn Provider> = match arguments.provider {
        ProviderName::Embedded => Arc::new(Embedded),
    };
    let tools = match provider.probe().await {
        Ok(()) => Tools::find().await,
        Err(missing) => Err(missing),
    };
    let tools = match tools {
        Ok(tools) => tools,
        Err(missing) => return exit::environment(&missing.to_string()),
    };
    let mut options = RunOptions::new(cells, provider, tools);
    options.jobs = arguments.jobs.map_or(options.jobs, usize::from);
    options.fail_fast = arguments.fail_fast;
    options.seed = arguments.seed.unwrap_or(options.seed);
    options.behaviour.role_ignored = matches!(arguments.defect, Some(Defect::RoleIgnored));
    let stop = match signals::stop_on_signal() {
        Ok(stop) => stop,
        Err(error) => return exit::environment(&format!("cannot listen for signals: {error}")),
    };
    let printed = Printed::default();
    let mut terminal = Terminal::new(terminal_options(), std::io::stdout());
    let noted = printed.clone();
    let observer = Box::new(move |event: &_| noted.note(terminal.on_event(event)));
    let RunOutcome { report, left_over } = match engine::run(options, observer, stop.clone()).await {
        Ok(outcome) => outcome,
        Err(error) => return exit::environment(&error.to_string()),
    };
    let written = arguments.report.as_ref().map_or(Ok(()), |directory| report::write(directory, &report).map(drop));
    let troubles: Vec<String> = [
        printed.error().map(|error| exit::unprinted(&error)),
        written.err().map(|error| error.to_string()),
        left_over.map(|error| format!("something of this run is left: {error}; `ks-e2e sweep` removes it")),
    ]
    .into_iter()
    .flatten()
    .collect();
    for trouble in &troubles {
        output::say(&format!("error: {trouble}"));
    }
    ExitCode::from(code(stop.is_cancelled(), report.summary.failed > 0, !troubles.is_empty()))
}

/// What the run found counts for more than what went wrong around it.
fn code(interrupted: bool, failed: bool, troubled: bool) -> u8 {
    if interrupted {
        exit::INTERRUPTED
    } else if failed {
        exit::FAILED
    } else if troubled {
        exit::ENVIRONMENT
    } else {
        exit::SUCCESS
    }
}

/// The first error of printing. It is told after the run, for it is no reason to leave clusters behind.
#[derive(Clone, Default)]
struct Printed(Arc<Mutex<Option<io::Error>>>);

impl Printed {
    fn note(&self, written: io::Result<()>) {
        if let Err(error) = output::unless_unread(written) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        }
    }

    fn error(&self) -> Option<io::Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

fn terminal_options() -> TerminalOptions {
    let terminal = std::io::stdout().is_terminal();
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    TerminalOptions { colour: terminal && !no_color, live: terminal && std::io::stderr().is_terminal(), width: None }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::all_is_well((false, false, false), exit::SUCCESS)]
    #[case::no_report((false, false, true), exit::ENVIRONMENT)]
    #[case::failed((false, true, false), exit::FAILED)]
    #[case::failed_and_no_report((false, true, true), exit::FAILED)]
    #[case::interrupted((true, true, true), exit::INTERRUPTED)]
    fn tells_what_the_run_found_before_what_went_wrong_around_it(
        #[case] (interrupted, failed, troubled): (bool, bool, bool),
        #[case] expected: u8,
    ) {
        assert_eq!(code(interrupted, failed, troubled), expected);
    }
}
