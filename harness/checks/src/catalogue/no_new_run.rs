//! What changes no spec starts no run of ks-installer.

use futures::FutureExt;
use scenario::model::On;

use super::ON;
use super::installer_run_completed::read;
use crate::budget;
use crate::call::{CheckEntry, Clusters};
use crate::context::CheckContext;
use crate::finding::Finding;

pub(super) const ENTRY: CheckEntry = CheckEntry {
    name: "no-new-run",
    id: "C23",
    about: "since the last edit, which changed nothing in the spec, ks-installer has begun no run",
    args: &[ON],
    on: Clusters::Named,
    run: |args, ctx| {
        async move {
            let on = args.cluster()?;
            // It looks for a run, so that one that begins late is found, too.
            let found = ctx.waiter.until_holds(budget::RUN_BEGINS, &|| begun(ctx, on).boxed()).await;
            Ok(match found {
                Finding::Holds { .. } => Finding::fails(
                    "no run since the last edit",
                    "a run",
                    format!(
                        "{on} cluster: ks-installer has begun a run since the last edit, although nothing in the spec \
                         changed; see what differs: kubectl -n kubesphere-system get cc ks-installer -o yaml"
                    ),
                ),
                Finding::Fails { .. } => Finding::holds(),
                unknown @ Finding::CannotTell { .. } => unknown,
            })
        }
        .boxed()
    },
};

/// Holds once a run has begun.
async fn begun(ctx: &CheckContext<'_>, on: On) -> Finding {
    match read(ctx, on).await {
        Err(finding) => Finding::cannot_tell(match finding {
            Finding::Fails { message, .. } => message,
            Finding::CannotTell { reason, .. } => reason,
            Finding::Holds { .. } => String::new(),
        }),
        Ok(None) => Finding::cannot_tell(format!("there is no {on} cluster")),
        Ok(Some(log)) if log.has_begun_a_run() => Finding::holds(),
        Ok(Some(_)) => Finding::fails("a run", "none", "none"),
    }
}

#[cfg(test)]
mod tests {
    use scenario::model::On;

    use crate::testing::{FakeCluster, GOOD_RUN, Run};

    fn run(at: &str) -> Run {
        let log: Vec<(&str, &str)> = GOOD_RUN.iter().map(|line| (at, *line)).collect();
        let host = FakeCluster::host().installer("ks-installer").log(&log);
        Run::new(host, FakeCluster::member()).edited(On::Host, "2024-01-01T00:01:00Z")
    }

    #[tokio::test]
    async fn holds_after_the_run_before() {
        run("2024-01-01T00:00:59.9Z").check("no-new-run", &[("on", "host")]).await.holds();
    }

    #[tokio::test]
    async fn fails_on_a_run_since_the_edit() {
        run("2024-01-01T00:01:01Z").check("no-new-run", &[("on", "host")]).await.fails(
            "host cluster: ks-installer has begun a run since the last edit, although nothing in the spec changed; see what \
             differs: kubectl -n kubesphere-system get cc ks-installer -o yaml",
        );
    }
}
