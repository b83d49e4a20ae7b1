//! ks-installer has taken up the last edit and ended well.

use futures::FutureExt;
use scenario::model::On;

use super::ON;
use crate::budget;
use crate::call::{CheckEntry, Clusters};
use crate::context::CheckContext;
use crate::finding::Finding;
use crate::read::Seen;
use crate::read::log::{InstallerLog, RunState, installer_log};
use crate::settle::{Look, settle};

pub(super) const ENTRY: CheckEntry = CheckEntry {
    name: "installer-run-completed",
    id: "C07",
    about: "since the last edit ks-installer has run all tasks and printed a new `Welcome to KubeSphere!` banner",
    args: &[ON],
    on: Clusters::Named,
    run: |args, ctx| {
        async move {
            let on = args.cluster()?;
            // A failed run is not worth waiting for: ks-installer does not try again.
            Ok(settle(ctx.waiter, budget::INSTALLER_RUN, &|| look(ctx, on).boxed()).await)
        }
        .boxed()
    },
};

async fn look(ctx: &CheckContext<'_>, on: On) -> Seen<Look> {
    let Some(log) = read(ctx, on).await? else {
        return Ok(Look::Decided(Finding::cannot_tell(format!("there is no {on} cluster"))));
    };
    let stretch = log.describe();
    let fails = |actual: String, advice: &str| {
        let message = format!("{on} cluster: no complete run in the {stretch}: {actual}; {advice}");
        Finding::fails("all tasks, then a new banner `Welcome to KubeSphere!`", actual, message)
    };
    Ok(match log.run_state() {
        RunState::Completed => {
            Look::Decided(Finding::holds().with(format!("{on}: {stretch}"), "all tasks, then the banner"))
        }
        RunState::Failed(lines) => {
            let first = lines.first().map(String::as_str).unwrap_or_default();
            Look::Decided(fails(
                format!("`{first}`"),
                "correct the ClusterConfiguration: ks-installer runs again only when its spec changes",
            ))
        }
        RunState::Unfinished(lacks) => {
            Look::NotYet(fails(lacks, "see whether the run goes on and whether the spec was changed at all"))
        }
    })
}

/// The log since the last edit; none without such a cluster.
pub(super) async fn read(ctx: &CheckContext<'_>, on: On) -> Seen<Option<InstallerLog>> {
    match ctx.cluster(on) {
        Some(view) => installer_log(view, ctx.facts.last_edit.get(&on).copied()).await.map(Some),
        None => Ok(None),
    }
}

/// Whether the run in the log since the last edit has ended, one way or the other.
pub(super) async fn ended(ctx: &CheckContext<'_>, on: On) -> bool {
    let look = || {
        async move {
            let state = read(ctx, on).await?.map(|log| log.run_state());
            Ok(match state {
                Some(RunState::Unfinished(lacks)) => Look::NotYet(Finding::cannot_tell(lacks)),
                _ => Look::Decided(Finding::holds()),
            })
        }
        .boxed()
    };
    settle(ctx.waiter, budget::INSTALLER_RUN, &look).await.is_holding()
}

#[cfg(test)]
mod tests {
    use scenario::model::On;

    use crate::testing::{BANNER, FakeCluster, GOOD_RUN, Run};

    fn run(lines: &[(&str, &str)]) -> Run {
        let member = FakeCluster::member().installer("ks-installer").log(lines);
        Run::new(FakeCluster::host(), member).edited(On::Member, "2024-01-01T00:01:00Z")
    }

    #[tokio::test]
    async fn holds_after_a_run_since_the_edit() {
        run(&GOOD_RUN.map(|line| ("2024-01-01T00:02:00Z", line)))
            .check("installer-run-completed", &[("on", "member")])
            .await
            .holds();
    }

    #[tokio::test]
    async fn fails_on_the_banner_of_the_run_before() {
        run(&GOOD_RUN.map(|line| ("2024-01-01T00:00:59.9Z", line))).check("installer-run-completed", &[("on", "member")]).await.fails(
            "member cluster: no complete run in the log of pod ks-installer-1 since the edit at 2024-01-01T00:01:00Z: it is empty: no \
             run has begun; see whether the run goes on and whether the spec was changed at all",
        );
    }

    #[tokio::test]
    async fn fails_naming_what_ended_the_run() {
        let lines = [
            ("2024-01-01T00:02:00Z", "Waiting for all tasks to be completed ..."),
            ("2024-01-01T00:02:01Z", "task multicluster status is successful  (4/4)"),
            ("2024-01-01T00:02:02Z", "Failed to ansible-playbook ks-config.yaml"),
        ];
        run(&lines).check("installer-run-completed", &[("on", "member")]).await.fails(
            "member cluster: no complete run in the log of pod ks-installer-1 since the edit at 2024-01-01T00:01:00Z: `Failed to \
             ansible-playbook ks-config.yaml`; correct the ClusterConfiguration: ks-installer runs again only when its spec changes",
        );
    }

    #[tokio::test]
    async fn fails_when_the_banner_came_without_its_tasks() {
        run(&[("2024-01-01T00:02:00Z", BANNER)])
            .check("installer-run-completed", &[("on", "member")])
            .await
            .fails_with("it has no line `Waiting for all tasks to be completed ...`");
    }

    #[tokio::test]
    async fn fails_without_an_installer() {
        Run::new(FakeCluster::host(), FakeCluster::member()).check("installer-run-completed", &[("on", "host")]).await.fails(
            "host cluster: a pod of ks-installer (app in (ks-install, ks-installer)) in kubesphere-system is not there; apply \
             kubesphere-installer.yaml",
        );
    }
}
