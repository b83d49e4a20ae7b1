//! Every defect that the stub can have fails a cell, by the check or the step that is there for it and with its cause;
//! with every benign variation cells pass all the same.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

mod benign;
mod defects;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use assert_cmd::Command;
use engine::Deviation;
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;

fn main() -> ExitCode {
    let trials = defects::trials().into_iter().chain(benign::trials()).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// What became of the only cell of a run.
struct Ran {
    cell: Value,
    text: String,
}

/// Runs the cell of `scenario`, a file below `scenarios/` or of its own, with these deviations.
fn run(scenario: &Path, release: &str, deviations: &[Deviation]) -> Ran {
    let directory = tempfile::tempdir().unwrap();
    let ids: Vec<_> = deviations.iter().map(|deviation| deviation.id()).collect();
    let output = Command::new(env!("CARGO_BIN_EXE_ks-e2e"))
        .args(["run", "--provider", "embedded", "--release", release, "--jobs", "1", "--defect", &ids.join(",")])
        .arg("--report")
        .arg(directory.path())
        .arg(scenario)
        .output()
        .unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let report =
        fs::read_to_string(directory.path().join("report.json")).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let report: Value = serde_json::from_str(&report).unwrap();
    let [cell] = report["scenarios"].as_array().unwrap().as_slice() else { panic!("not one cell:\n{text}") };
    Ran { cell: cell.clone(), text }
}

impl Ran {
    fn is(&self, result: &str) -> Result<(), Failed> {
        let actual = self.cell["result"].as_str().unwrap_or_default();
        if actual == result { Ok(()) } else { Err(self.failed(&format!("the cell {actual}, and not {result}"))) }
    }

    fn failed(&self, what: &str) -> Failed {
        Failed::from(format!("{what}\n{}", self.text))
    }
}

/// A file below `scenarios/`.
fn scenario(file: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(file)
}

/// A test of its own name.
fn trial(name: String, test: impl FnOnce() -> Result<(), Failed> + Send + 'static) -> Trial {
    Trial::test(name, test)
}
