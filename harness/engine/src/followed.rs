//! What a followed log says already when a step waits for a text in it: an old line is never taken for a new one.

use std::collections::BTreeMap;
use std::time::Duration;

use scenario::model::{Action, Scenario, Step};

use crate::cell::World;
use crate::steps::command::{self, CommandLine};
use crate::{installer_log, steps};

/// Longest duration of a command that shows what is there and ends, in real time.
const SHOWN_WITHIN: Duration = Duration::from_secs(30);

/// `command`, which follows a log, so that it shows what is there and ends; none for one that follows none.
pub(crate) fn so_far(command: &str) -> Option<String> {
    let (before, behind) = command.split_once("kubectl logs")?;
    let flag = [" --follow", " -f"].into_iter().find_map(|flag| {
        let start = behind.rfind(flag)?;
        let rest = &behind[start + flag.len()..];
        (rest.is_empty() || rest.starts_with([' ', ';', '|', ')'])).then_some((start, rest))
    })?;
    Some(format!("{before}kubectl logs{}{}", &behind[..flag.0], flag.1))
}

/// The steps before that of `index` on the same cluster, the nearest first.
fn before(scenario: &Scenario, index: usize) -> impl Iterator<Item = (usize, &Step)> {
    let all: Vec<(usize, &Step)> = all(scenario).take(index + 1).collect();
    let on = all.last().map(|(_, step)| step.on);
    all.into_iter().take(index).rev().filter(move |(_, step)| Some(step.on) == on)
}

fn all(scenario: &Scenario) -> impl Iterator<Item = (usize, &Step)> {
    scenario.steps.iter().chain(&scenario.finally).enumerate()
}

/// The later steps that wait for another line than stands in their log before the step at `index`, each with the command
/// that shows what is there.
///
/// That is the last step before them on their cluster that does not itself wait for a line: whatever they wait for is
/// its doing.
pub(crate) fn from(scenario: &Scenario, index: usize) -> impl Iterator<Item = (usize, &Step, String)> {
    all(scenario).skip(index + 1).filter_map(move |(later, step)| {
        let Action::Run { command, .. } = &step.action else { return None };
        step.until.as_ref()?;
        let so_far = so_far(command)?;
        (counted_at(scenario, later) == Some(index)).then_some((later, step, so_far))
    })
}

/// The step before which lines that are there already are counted, for the step at `index` if it follows a log.
pub(crate) fn counted_at(scenario: &Scenario, index: usize) -> Option<usize> {
    let (_, step) = all(scenario).nth(index)?;
    let Action::Run { command, .. } = &step.action else { return None };
    so_far(command)?;
    before(scenario, index).find(|(_, step)| step.until.is_none()).map(|(before, _)| before)
}

/// How often each text that waits for the step at `index` is there already, by the name of the step that waits.
pub(crate) async fn count(scenario: &Scenario, index: usize, world: &World<'_>) -> BTreeMap<String, usize> {
    let mut known = BTreeMap::new();
    for (_, step, command) in from(scenario, index) {
        let Some(until) = &step.until else { continue };
        let said = said(step, &command, world).await;
        known.insert(step.name.clone(), said.matches(&until.output).count());
    }
    known
}

/// The installer's log is read without a process, since nearly every scenario follows it.
async fn said(step: &Step, command: &str, world: &World<'_>) -> String {
    if command.contains("ks-install") {
        let client = world.pair.cluster(step.on).map(|cluster| cluster.client());
        return match client {
            Some(client) => installer_log::read(client).await.unwrap_or_default(),
            None => String::new(),
        };
    }
    let text = steps::local_downloads(&world.substituted(command)).into_owned();
    let line = CommandLine { text: &text, environment: Vec::new(), until: None, timeout: SHOWN_WITHIN };
    let sandbox = world.sandbox(step.on);
    let outcome = command::run(&line, sandbox, world.tools, &world.pair.clock, world.lease, world.stop).await;
    // Where nothing can be shown yet, nothing is old.
    outcome.map(|outcome| outcome.stdout).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("kubectl logs deploy/a -f", Some("kubectl logs deploy/a"))]
    #[case("kubectl logs -f -n b deploy/a", Some("kubectl logs -n b deploy/a"))]
    #[case("kubectl logs --follow deploy/a | grep x", Some("kubectl logs deploy/a | grep x"))]
    #[case("kubectl logs deploy/a -foo", None)]
    #[case("kubectl logs deploy/a", None)]
    #[case("kubectl apply -f a.yaml", None)]
    #[case("kubectl logs $(kubectl get pod -l a=b -o name) -f", Some("kubectl logs $(kubectl get pod -l a=b -o name)"))]
    fn knows_what_shows_a_log_so_far(#[case] command: &str, #[case] shown: Option<&str>) {
        assert_eq!(so_far(command).as_deref(), shown);
    }
}
