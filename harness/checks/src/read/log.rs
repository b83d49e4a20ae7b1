//! The log of ks-installer, and what it says about a run.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{ListParams, LogParams};
use kubesphere::names::namespaces;

use super::{Seen, absent, unreadable};
use crate::view::ClusterView;

/// Selects the installer's pod: its label is `ks-install` up to 3.2.1 and `ks-installer` from 3.3.0 on.
const SELECTOR: &str = "app in (ks-install, ks-installer)";

/// What every run prints first, of the playbook that looks at the cluster (ks-installer v3.3.2, `playbooks/preinstall.yaml`).
const FIRST_TASKS: &str = "TASK [preinstall";
/// The line that every run prints when its parallel tasks have started.
const WAITING: &str = "Waiting for all tasks to be completed";
/// The line that a run prints for the multi-cluster task, whatever the role.
const MULTICLUSTER_DONE: &str = "task multicluster status is successful";
/// The line that ends a good run.
const BANNER: &str = "Welcome to KubeSphere!";

/// Lines of the installer's log, in order.
pub(crate) struct InstallerLog {
    /// Pod they come from.
    pub(crate) pod: String,
    /// Since when.
    pub(crate) since: Option<Timestamp>,
    lines: Vec<String>,
}

/// How the run in a stretch of log ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RunState {
    /// With a banner, after its tasks.
    Completed,
    /// With these lines about what failed.
    Failed(Vec<String>),
    /// It has not; this is what it lacks.
    Unfinished(String),
}

/// Name and value of label `app` of the installer's pod.
pub(crate) async fn installer_pod(view: &dyn ClusterView) -> Seen<(String, String)> {
    let pods = Api::<Pod>::namespaced(view.client(), namespaces::SYSTEM)
        .list(&ListParams::default().labels(SELECTOR))
        .await
        .map_err(|cause| unreadable(view, "the installer's pod", &cause))?;
    // A replaced pod lives on for its grace period; the newest one that is not going is the one that works.
    let newest = pods
        .items
        .into_iter()
        .filter(|pod| pod.metadata.deletion_timestamp.is_none())
        .max_by_key(|pod| pod.metadata.creation_timestamp.as_ref().map(|at| at.0))
        .ok_or_else(|| {
            absent(
                view,
                "a pod of ks-installer (app in (ks-install, ks-installer)) in kubesphere-system",
                "apply kubesphere-installer.yaml",
            )
        })?;
    let label = newest.metadata.labels.as_ref().and_then(|labels| labels.get("app")).cloned();
    Ok((newest.metadata.name.unwrap_or_default(), label.unwrap_or_default()))
}

/// The installer's log, since that time where one is given.
pub(crate) async fn installer_log(view: &dyn ClusterView, since: Option<Timestamp>) -> Seen<InstallerLog> {
    let (pod, _) = installer_pod(view).await?;
    let params = LogParams {
        timestamps: true,
        // The API takes whole seconds, and a banner of the run before may stand in the same second: ask for more, then
        // cut at the exact time.
        since_time: since.map(|at| at.saturating_sub(SignedDuration::from_secs(1)).unwrap_or(at)),
        ..LogParams::default()
    };
    let text = Api::<Pod>::namespaced(view.client(), namespaces::SYSTEM)
        .logs(&pod, &params)
        .await
        .map_err(|cause| unreadable(view, &format!("the log of pod kubesphere-system/{pod}"), &cause))?;
    Ok(InstallerLog { lines: cut(&text, since), pod, since })
}

fn cut(text: &str, since: Option<Timestamp>) -> Vec<String> {
    let mut lines = Vec::new();
    for line in text.lines() {
        let (at, rest) = line.split_once(' ').unwrap_or((line, ""));
        match at.parse::<Timestamp>() {
            Ok(at) if since.is_some_and(|since| at < since) => {}
            Ok(_) => lines.push(rest.to_owned()),
            Err(_) => lines.push(line.to_owned()),
        }
    }
    lines
}

impl InstallerLog {
    /// The stretch of log in words.
    pub(crate) fn describe(&self) -> String {
        match self.since {
            Some(since) => format!("log of pod {} since the edit at {since}", self.pod),
            None => format!("log of pod {}", self.pod),
        }
    }

    /// How the last run in it ended.
    pub(crate) fn run_state(&self) -> RunState {
        let failures = self.failures();
        if !failures.is_empty() {
            return RunState::Failed(failures);
        }
        let Some(start) = self.last_line_with(WAITING, 0) else {
            return RunState::Unfinished(if self.lines.is_empty() {
                "it is empty: no run has begun".to_owned()
            } else {
                format!("it has no line `{WAITING} ...`")
            });
        };
        if self.last_line_with(MULTICLUSTER_DONE, start).is_none() {
            return RunState::Unfinished(format!("it has no line `{MULTICLUSTER_DONE}`"));
        }
        if self.last_line_with(BANNER, start).is_none() {
            return RunState::Unfinished(format!("it has no banner `{BANNER}` after its tasks"));
        }
        RunState::Completed
    }

    /// Whether a playbook of a run has begun in it.
    pub(crate) fn has_begun_a_run(&self) -> bool {
        self.lines.iter().any(|line| line.contains(FIRST_TASKS) || line.contains(WAITING))
    }

    /// Whether a run begins in it and ends in it with a banner. One that was under way when it begins does not count.
    pub(crate) fn holds_a_whole_run(&self) -> bool {
        let begins = self.lines.iter().position(|line| line.contains(FIRST_TASKS));
        let tasks = self.last_line_with(WAITING, 0);
        begins.zip(tasks).is_some_and(|(begins, tasks)| begins < tasks) && self.run_state() == RunState::Completed
    }

    /// The last banner, from its title to the end of the log.
    pub(crate) fn banner(&self) -> Option<&[String]> {
        self.last_line_with(BANNER, 0).and_then(|title| self.lines.get(title..))
    }

    /// Lines that say that something failed, without what they quote: Ansible quotes command lines with secrets in them.
    pub(crate) fn failures(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut fatal = None;
        for line in &self.lines {
            let line = line.trim();
            if line.starts_with("fatal: ") {
                // Fatal alone does not count: Ansible goes on where the playbook ignores errors.
                fatal = line.split(" => ").next().map(str::to_owned);
            } else if line.contains("status is failed")
                || (line.starts_with("Task '") && line.contains("' failed:"))
                || line.contains("Failed to ansible-playbook")
            {
                found.push(line.to_owned());
            } else if recap_of_failure(line) {
                found.extend(fatal.take());
                found.push(line.to_owned());
            }
        }
        found
    }

    fn last_line_with(&self, text: &str, from: usize) -> Option<usize> {
        let found = self.lines.iter().skip(from).rposition(|line| line.contains(text))?;
        Some(from + found)
    }
}

/// A line of a play recap (`localhost : ok=1 … failed=1 …`) with a failure that was not ignored.
fn recap_of_failure(line: &str) -> bool {
    line.contains("ok=")
        && line
            .split_whitespace()
            .find_map(|word| word.strip_prefix("failed="))
            .is_some_and(|count| count.parse::<u32>().is_ok_and(|count| count > 0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop at what it does not expect")]

    use rstest::rstest;

    use super::*;

    fn log(lines: &[&str]) -> InstallerLog {
        InstallerLog {
            pod: "ks-installer-x".to_owned(),
            since: None,
            lines: lines.iter().map(|&line| line.to_owned()).collect(),
        }
    }

    #[rstest]
    #[case(&[], "it is empty: no run has begun")]
    #[case(&["PLAY [localhost] ***"], "it has no line `Waiting for all tasks to be completed ...`")]
    #[case(
        &["Waiting for all tasks to be completed ...", "task network status is successful  (1/4)"],
        "it has no line `task multicluster status is successful`"
    )]
    // The banner of the run before, then a new run.
    #[case(
        &["###  Welcome to KubeSphere!  ###", "Waiting for all tasks to be completed ...", "task multicluster status is successful  (4/4)"],
        "it has no banner `Welcome to KubeSphere!` after its tasks"
    )]
    fn says_what_an_unfinished_run_lacks(#[case] lines: &[&str], #[case] lacks: &str) {
        assert_eq!(log(lines).run_state(), RunState::Unfinished(lacks.to_owned()));
    }

    #[test]
    fn leaves_out_what_ansible_quotes() {
        let failures = log(&[
            "fatal: [localhost]: FAILED! => {\"cmd\": \"kubectl create secret --from-literal=secret=s3cr3t\"}",
            "localhost                  : ok=3    changed=1    unreachable=0    failed=1    skipped=0    ignored=0",
        ])
        .failures();
        assert_eq!(failures.first().unwrap(), "fatal: [localhost]: FAILED!");
        assert_eq!(failures.len(), 2);
    }

    #[rstest]
    #[case::of_a_task("Task 'multicluster' failed:", true)]
    #[case::status_of_a_task("task multicluster status is failed  (4/4)", true)]
    #[case::of_the_playbook("Failed to ansible-playbook result-info.yaml", true)]
    #[case::a_task_that_goes_on("Task 'multicluster' is running", false)]
    #[case::a_quoted_word("the check of 'images' failed: 3 are missing", false)]
    fn knows_lines_of_failure(#[case] line: &str, #[case] counts: bool) {
        assert_eq!(log(&[line]).failures().len(), usize::from(counts));
    }

    #[test]
    fn overlooks_failures_that_ansible_ignores() {
        let lines = [
            "fatal: [localhost]: FAILED! => {\"rc\": 1}",
            "...ignoring",
            "localhost : ok=3 changed=1 unreachable=0 failed=0 skipped=0 ignored=1",
        ];
        assert_eq!(log(&lines).failures(), Vec::<String>::new());
    }

    /// A log may be long, and whole seconds are what the API server can cut at.
    #[tokio::test]
    async fn asks_for_no_more_than_it_needs() {
        let lines = [
            ("2024-01-01T00:00:03Z", "long ago"),
            ("2024-01-01T00:00:05.1Z", "a moment before"),
            ("2024-01-01T00:00:05.3Z", "after"),
        ];
        let view = crate::testing::FakeCluster::host().installer("ks-installer").log(&lines);
        let since = Some("2024-01-01T00:00:05.2Z".parse().unwrap());
        let lines = installer_log(&view, since).await.map_err(|finding| format!("{finding:?}")).unwrap().lines;
        assert_eq!(lines, ["after"]);
        assert_eq!(view.log_lines_sent(), 2);
    }

    #[test]
    fn cuts_at_the_exact_time_within_a_second() {
        let text = "2024-01-01T00:00:05.100000000Z old\n2024-01-01T00:00:05.200000000Z at once\n2024-01-01T00:00:05.400000000Z\n";
        let since = "2024-01-01T00:00:05.2Z".parse().unwrap();
        assert_eq!(cut(text, Some(since)), ["at once", ""]);
    }
}
