//! `ks-e2e down`

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use engine::up::Description;
use providers::leases::{living, state_directory};
use tokio::time::timeout;

use crate::arguments::DownArguments;
use crate::{exit, output};

/// How long clusters may take to go; containers take the longest.
const LIMIT: Duration = Duration::from_mins(1);

pub async fn down(arguments: DownArguments) -> ExitCode {
    let state = state_directory();
    let up = match all(&state) {
        Ok(up) => up,
        Err(error) => return exit::environment(&format!("cannot read the leases in {}: {error}", state.display())),
    };
    if let Some(unknown) = arguments.runs.iter().find(|run| up.iter().all(|one| one.run_id != **run)) {
        let known: Vec<&str> = up.iter().map(|one| one.run_id.as_str()).collect();
        let known = if known.is_empty() { "none are".to_owned() } else { format!("these are: {}", known.join(", ")) };
        return exit::usage(&format!("error: no clusters {unknown} are up; {known}"));
    }
    let chosen = |one: &Description| arguments.runs.is_empty() || arguments.runs.contains(&one.run_id);
    let (mut lines, mut complete) = (Vec::new(), true);
    for one in up.into_iter().filter(chosen) {
        match end(&one).await {
            Ok(()) => lines.push(format!("clusters {} are gone\n", one.run_id)),
            Err(reason) => {
                output::say(&format!("clusters {}: {reason}", one.run_id));
                complete = false;
            }
        }
    }
    if lines.is_empty() && complete {
        lines.push("no clusters are up\n".to_owned());
    }
    let printed = exit::after_printing(output::print(&lines.concat()));
    if complete { printed } else { ExitCode::from(exit::FAILED) }
}

fn all(state: &Path) -> std::io::Result<Vec<Description>> {
    Ok(living(state)?.iter().filter_map(|run| Description::read(&run.directory)).collect())
}

/// The process that holds the clusters removes them itself.
async fn end(up: &Description) -> Result<(), String> {
    let pid = up.process.pid;
    let process = up.process.watch().map_err(|error| format!("{error}; `ks-e2e sweep` removes what it left"))?;
    process.terminate().map_err(|error| format!("cannot ask process {pid} to end: {error}"))?;
    timeout(LIMIT, process.ended())
        .await
        .map_err(|_| format!("process {pid} has not ended within {} s; kill it, then `ks-e2e sweep`", LIMIT.as_secs()))
}
