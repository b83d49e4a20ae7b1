//! Nothing failed in ks-installer's run.

use futures::FutureExt;
use scenario::model::On;

use super::installer_run_completed::{ended, read};
use super::{ON, flat};
use crate::call::{CheckEntry, Clusters};
use crate::context::CheckContext;
use crate::finding::Finding;
use crate::read::Seen;

pub(super) const ENTRY: CheckEntry = CheckEntry {
    name: "no-failed-task",
    id: "C08",
    about: "since the last edit no task and no playbook of ks-installer has failed",
    args: &[ON],
    on: Clusters::Named,
    run: |args, ctx| {
        async move {
            let on = args.cluster()?;
            Ok(flat(check(ctx, on).await))
        }
        .boxed()
    },
};

async fn check(ctx: &CheckContext<'_>, on: On) -> Seen<Finding> {
    let ended = ended(ctx, on).await;
    let Some(log) = read(ctx, on).await? else {
        return Ok(Finding::cannot_tell(format!("there is no {on} cluster")));
    };
    let stretch = log.describe();
    let failures = log.failures();
    if let Some(first) = failures.first() {
        let message =
            format!("{on} cluster: something failed in the {stretch}: `{first}`; the lines around it say why");
        let finding = Finding::fails("no failed task and no failed playbook", format!("`{first}`"), message);
        return Ok(finding.with(format!("{on}: failures in the {stretch}"), failures.join("\n")));
    }
    Ok(if ended {
        Finding::holds()
    } else {
        Finding::cannot_tell(format!(
            "{on} cluster: nothing has failed so far in the {stretch}, but no run has ended in it"
        ))
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use crate::testing::{FakeCluster, GOOD_RUN, Run};

    fn run(lines: &[&str]) -> Run {
        let lines: Vec<_> = lines.iter().map(|&line| ("2024-01-01T00:02:00Z", line)).collect();
        Run::new(FakeCluster::host().installer("ks-install").log(&lines), FakeCluster::member())
    }

    #[tokio::test]
    async fn holds_after_a_good_run() {
        run(&GOOD_RUN).check("no-failed-task", &[("on", "host")]).await.holds();
    }

    #[rstest]
    #[case("task multicluster status is failed  (4/4)")]
    #[case("Task 'multicluster' failed:")]
    #[case("Failed to ansible-playbook result-info.yaml")]
    #[case("localhost : ok=3 changed=1 unreachable=0 failed=1 skipped=0 ignored=0")]
    #[tokio::test]
    async fn fails_naming_the_line(#[case] line: &str) {
        run(&["Waiting for all tasks to be completed ...", line])
            .check("no-failed-task", &[("on", "host")])
            .await
            .fails(&format!(
                "host cluster: something failed in the log of pod ks-installer-1: `{line}`; the lines around it say why"
            ));
    }

    #[tokio::test]
    async fn cannot_tell_while_the_run_goes_on() {
        run(&["Waiting for all tasks to be completed ..."])
            .check("no-failed-task", &[("on", "host")])
            .await
            .cannot_tell(
                "host cluster: nothing has failed so far in the log of pod ks-installer-1, but no run has ended in it",
            );
    }
}
