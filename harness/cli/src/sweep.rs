//! `ks-e2e sweep`

use std::process::ExitCode;

use providers::leases::{state_directory, sweep as sweep_leases};

use crate::{exit, output};

pub fn sweep() -> ExitCode {
    let state = state_directory();
    let swept = match sweep_leases(&state) {
        Ok(swept) => swept,
        Err(error) => return exit::environment(&format!("cannot read the leases in {}: {error}", state.display())),
    };
    let (mut lines, mut complete) = (Vec::new(), true);
    if swept.is_empty() {
        lines.push("nothing to sweep\n".to_owned());
    }
    for run in swept {
        for removed in run.removed {
            lines.push(format!("run {}: removed {removed}\n", run.run_id));
        }
        for failed in run.failed {
            output::say(&format!("run {}: could not remove {failed}; remove it by hand", run.run_id));
            complete = false;
        }
    }
    let printed = exit::after_printing(output::print(&lines.concat()));
    if complete { printed } else { ExitCode::from(exit::FAILED) }
}
