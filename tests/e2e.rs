//! A named test per cell, listed by the planner that the command uses. `KS_E2E_PROVIDER` and `KS_E2E_RELEASE` choose
//! the provider and the releases; what is missing makes the tests ignored, with the reason on standard error.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test stops at the first surprise")]

use std::io::Write;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use engine::{RunOptions, Session, SessionOptions, Tools, library};
use libtest_mimic::{Arguments, Failed, Trial};
use providers::{Capabilities, Provider};
use report::{Terminal, TerminalOptions};
use scenario::event::Outcome;
use scenario::plan::{self, Cell};
use scenario::select::Selection;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

fn main() -> ExitCode {
    // kubectl's editor is this very executable.
    if let Some(code) = engine::serve_hidden() {
        return code;
    }
    let arguments = Arguments::from_args();
    let runtime = Arc::new(Runtime::new().expect("a runtime"));
    let _inside = runtime.enter();
    let cells = match cells() {
        Ok(cells) => cells,
        Err(message) => {
            eprintln!("error: {message}");
            return ExitCode::FAILURE;
        }
    };
    let shared = match runtime.block_on(needs()) {
        Ok((provider, capabilities, tools)) if !arguments.list => {
            let session = Session::begin(SessionOptions::new(provider, capabilities)).expect("a lease");
            Some(Arc::new(Shared { session, tools, runtime: runtime.clone() }))
        }
        Ok(_) => None,
        Err(missing) => {
            eprintln!("every cell is ignored: {missing}");
            let trials =
                cells.into_iter().map(|cell| Trial::test(cell.id.to_string(), || Ok(())).with_ignored_flag(true));
            return libtest_mimic::run(&arguments, trials.collect()).exit_code();
        }
    };
    let cells = shared.as_ref().map_or_else(|| cells.clone(), |shared| shared.session.in_order(cells.clone()));
    let trials = cells.into_iter().map(|cell| trial(cell, shared.clone())).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    if let Some(shared) = shared
        && let Some(shared) = Arc::into_inner(shared)
        && let Err(left_over) = runtime.block_on(shared.session.end())
    {
        eprintln!("error: {left_over}");
        return ExitCode::FAILURE;
    }
    conclusion.exit_code()
}

/// What the tests of this process share.
struct Shared {
    session: Session,
    tools: Tools,
    runtime: Arc<Runtime>,
}

fn cells() -> Result<Vec<Cell>, String> {
    let scenarios = library::suite().map_err(|error| error.to_string())?;
    let asked = std::env::var("KS_E2E_RELEASE").unwrap_or_default();
    let asked: Vec<String> = asked.split(',').filter(|asked| !asked.is_empty()).map(str::to_owned).collect();
    let releases = library::releases(&asked).map_err(|error| format!("KS_E2E_RELEASE: {error}"))?;
    let cells = plan::plan(&scenarios, &releases, &Selection::all());
    if cells.is_empty() { Err("no scenario is for the releases in KS_E2E_RELEASE".to_owned()) } else { Ok(cells) }
}

async fn needs() -> Result<(Arc<dyn Provider>, Capabilities, Tools), String> {
    let asked = std::env::var("KS_E2E_PROVIDER").unwrap_or_default();
    let all = providers::all(providers::Options::of_environment());
    let names: Vec<_> = all.iter().map(|provider| provider.name()).collect();
    let asked = if asked.is_empty() { names[0] } else { &asked };
    let provider =
        all.iter().find(|provider| provider.name() == asked).cloned().ok_or_else(|| {
            format!("there is no provider {asked:?}; KS_E2E_PROVIDER takes one of {}", names.join(", "))
        })?;
    // nextest runs every test in a process of its own; they share what takes long to make.
    let (provider, capabilities) =
        providers::keeper::for_this_process(provider).await.map_err(|missing| missing.to_string())?;
    let tools = Tools::find().await.map_err(|missing| missing.to_string())?;
    Ok((provider, capabilities, tools))
}

fn trial(cell: Cell, shared: Option<Arc<Shared>>) -> Trial {
    let name = cell.id.to_string();
    let unsupported = shared.as_ref().and_then(|shared| shared.session.unsupported(&cell));
    if let Some(reason) = &unsupported {
        eprintln!("{name} is ignored: {reason}");
    }
    Trial::test(name, move || shared.map_or(Ok(()), |shared| shared.runtime.block_on(run(cell, &shared))))
        .with_ignored_flag(unsupported.is_some())
}

async fn run(cell: Cell, shared: &Shared) -> Result<(), Failed> {
    let output = Output::default();
    let mut terminal = Terminal::new(TerminalOptions { colour: false, live: false, width: Some(120) }, output.clone());
    let observer = Box::new(move |event: &_| drop(terminal.on_event(event)));
    let options = RunOptions::new(vec![cell], shared.tools.clone());
    let report = shared.session.run(options, observer, CancellationToken::new()).await;
    match report.scenarios.first().map(|cell| cell.result) {
        Some(Outcome::Passed | Outcome::KnownIssue) => Ok(()),
        _ => Err(output.text().into()),
    }
}

#[derive(Clone, Default)]
struct Output(Arc<Mutex<Vec<u8>>>);

impl Output {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("no panic while writing")).into_owned()
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic while writing").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
