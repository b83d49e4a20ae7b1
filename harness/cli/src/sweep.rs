//! `ks-e2e sweep`

use std::process::ExitCode;

use providers::leases::{state_directory, sweep as sweep_leases};

use crate::exit;

pub fn sweep() -> ExitCode {
    let state = state_directory();
    let swept = match sweep_leases(&state) {
        Ok(swept) => swept,
        Err(error) => return exit::environment(&format!("cannot read the leases in {}: {error}", state.display())),
    };
    if swept.is_empty() {
        println!("nothing to sweep");
    }
    let mut code = ExitCode::SUCCESS;
    for run in swept {
        for removed in run.removed {
            println!("run {}: removed {removed}", run.run_id);
        }
        for failed in run.failed {
            eprintln!("run {}: could not remove {failed}; remove it by hand", run.run_id);
            code = ExitCode::from(exit::FAILED);
        }
    }
    code
}
