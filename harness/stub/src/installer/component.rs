//! The component tasks, which the original runs side by side.

use serde_json::json;

use super::ansible::Failed;
use super::host;
use super::run::{Facts, Run};
use super::spec::components;
use crate::{Deviation, delays};

/// Installs every component and prints how it went; true when all went well.
pub async fn install_all(run: &Run<'_>, facts: &Facts) -> bool {
    let names = components(&facts.spec);
    for name in &names {
        run.line(&format!("Start installing {name}"));
    }
    run.line(&"*".repeat(50));
    run.line("Waiting for all tasks to be completed ...");
    let mut failures = Vec::new();
    if run.deviates(Deviation::InstallerTalkative) {
        run.line(TALK);
    }
    for (index, name) in names.iter().enumerate() {
        let slow = run.deviates(Deviation::InstallerSlow);
        run.ctx.clock.sleep(if slow { delays::INSTALLER_TASK_SLOW } else { delays::INSTALLER_TASK }).await;
        let result = install(run, facts, name).await;
        let fails = result.is_err() || (*name == "monitoring" && run.deviates(Deviation::TaskFailed));
        let word = if fails { "failed" } else { "successful" };
        run.line(&format!("task {name} status is {word}  ({}/{})", index + 1, names.len()));
        if let Err(failed) = result {
            failures.push((name, failed));
        }
    }
    run.line(&"*".repeat(50));
    run.line("Collecting installation results ...");
    for (name, failed) in &failures {
        run.line(&failure(name, failed));
    }
    failures.is_empty()
}

/// What Ansible says of itself, and of a failure that a playbook ignores.
const TALK: &str = "\
[DEPRECATION WARNING]: Distribution debian 11 on host localhost should use /usr/bin/python3.
[WARNING]: Consider using the get_url or uri module rather than running 'curl'.
fatal: [localhost]: FAILED! => {\"changed\": true, \"msg\": \"non-zero return code\", \"rc\": 1}
...ignoring
localhost                  : ok=3    changed=2    unreachable=0    failed=0    skipped=4    rescued=0    ignored=1   ";

async fn install(run: &Run<'_>, facts: &Facts, name: &str) -> Result<(), Failed> {
    match name {
        "multicluster" => host::install(run, facts).await,
        // Neither of these notes its state.
        "openpitrix" | "network" => Ok(()),
        _ => Ok(run.note_enabled(facts, name).await?),
    }
}

/// How a failed task is shown: the event of Ansible's runner with sorted keys.
fn failure(name: &str, Failed(result): &Failed) -> String {
    let event = json!({
        "event": "runner_on_failed",
        "event_data": {"host": "localhost", "res": result, "role": name, "task_action": "command"},
    });
    let stars = "*".repeat(150);
    let event = serde_json::to_string_pretty(&event).unwrap_or_default();
    format!("\n\nTask '{name}' failed:\n{stars}\n{event}\n{stars}")
}
