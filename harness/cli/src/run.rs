//! `ks-e2e run`

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::sync::Arc;

use engine::{RunOptions, Tools};
use providers::Provider;
use providers::embedded::Embedded;
use report::{Terminal, TerminalOptions};
use scenario::report::Report;

use crate::arguments::{Defect, ProviderName, RunArguments};
use crate::{exit, scenarios, signals};

pub async fn run(arguments: RunArguments) -> ExitCode {
    let cells = match scenarios::cells(&arguments.chosen) {
        Ok(cells) => cells,
        Err(message) => return exit::usage(&message),
    };
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
    let mut terminal = Terminal::new(terminal_options(), std::io::stdout());
    // A closed standard output (`| head`) is no reason to leave clusters behind.
    let observer = Box::new(move |event: &_| drop(terminal.on_event(event)));
    let report = match engine::run(options, observer, stop.clone()).await {
        Ok(report) => report,
        Err(error) => return exit::environment(&error.to_string()),
    };
    if let Some(directory) = &arguments.report
        && let Err(error) = report::write(directory, &report)
    {
        return exit::environment(&error.to_string());
    }
    code(&report, stop.is_cancelled())
}

fn code(report: &Report, interrupted: bool) -> ExitCode {
    if interrupted {
        ExitCode::from(exit::INTERRUPTED)
    } else if report.summary.failed > 0 {
        ExitCode::from(exit::FAILED)
    } else {
        ExitCode::SUCCESS
    }
}

fn terminal_options() -> TerminalOptions {
    let terminal = std::io::stdout().is_terminal();
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    TerminalOptions { colour: terminal && !no_color, live: terminal && std::io::stderr().is_terminal(), width: None }
}
