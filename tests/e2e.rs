//! A named test per cell, listed by the planner that the command uses. `KS_E2E_PROVIDER` and `KS_E2E_RELEASE` choose
//! the provider and the releases; what is missing makes the tests ignored, with the reason on standard error.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test stops at the first surprise")]

use std::io::Write;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use engine::{RunOptions, Tools, library};
use libtest_mimic::{Arguments, Failed, Trial};
use providers::Provider;
use providers::embedded::Embedded;
use report::{Terminal, TerminalOptions};
use scenario::event::Outcome;
use scenario::plan::{self, Cell};
use scenario::select::Selection;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

fn main() -> ExitCode {
    // kubectl's editor is this very executable.
    if let Some(code) = engine::serve_as_editor() {
        return code;
    }
    let arguments = Arguments::from_args();
    let runtime = Arc::new(Runtime::new().expect("a runtime"));
    let cells = match cells() {
        Ok(cells) => cells,
        Err(message) => {
            eprintln!("error: {message}");
            return ExitCode::FAILURE;
        }
    };
    let tools = runtime.block_on(tools());
    if let Err(missing) = &tools {
        eprintln!("every cell is ignored: {missing}");
    }
    let trials = cells.into_iter().map(|cell| trial(cell, tools.clone().ok(), runtime.clone())).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn cells() -> Result<Vec<Cell>, String> {
    let scenarios = library::built_in().map_err(|error| error.to_string())?;
    let asked = std::env::var("KS_E2E_RELEASE").unwrap_or_default();
    let asked: Vec<String> = asked.split(',').filter(|asked| !asked.is_empty()).map(str::to_owned).collect();
    let releases = library::releases(&asked).map_err(|error| format!("KS_E2E_RELEASE: {error}"))?;
    let cells = plan::plan(&scenarios, &releases, &Selection::all());
    if cells.is_empty() { Err("no scenario is for the releases in KS_E2E_RELEASE".to_owned()) } else { Ok(cells) }
}

async fn tools() -> Result<Tools, String> {
    let provider = std::env::var("KS_E2E_PROVIDER").unwrap_or_default();
    if !provider.is_empty() && provider != "embedded" {
        return Err(format!("there is no provider {provider:?}; KS_E2E_PROVIDER takes embedded"));
    }
    Embedded.probe().await.map_err(|missing| missing.to_string())?;
    Tools::find().await.map_err(|missing| missing.to_string())
}

fn trial(cell: Cell, tools: Option<Tools>, runtime: Arc<Runtime>) -> Trial {
    let ignored = tools.is_none();
    let name = cell.id.to_string();
    let run = move || tools.map_or(Ok(()), |tools| runtime.block_on(run(cell, tools)));
    Trial::test(name, run).with_ignored_flag(ignored)
}

async fn run(cell: Cell, tools: Tools) -> Result<(), Failed> {
    let output = Shared::default();
    let mut terminal = Terminal::new(TerminalOptions { colour: false, live: false, width: Some(120) }, output.clone());
    let observer = Box::new(move |event: &_| drop(terminal.on_event(event)));
    let options = RunOptions::new(vec![cell], Arc::new(Embedded), tools);
    let outcome = engine::run(options, observer, CancellationToken::new()).await?;
    if let Some(left_over) = outcome.left_over {
        return Err(left_over.into());
    }
    match outcome.report.scenarios.first().map(|cell| cell.result) {
        Some(Outcome::Passed | Outcome::KnownIssue) => Ok(()),
        _ => Err(output.text().into()),
    }
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("no panic while writing")).into_owned()
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic while writing").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
