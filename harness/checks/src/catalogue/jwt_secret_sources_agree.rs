//! The secret that ks-installer keeps is the one that KubeSphere's processes run with.

use futures::FutureExt;
use scenario::model::On;

use super::flat;
use super::jwt_secret_equal::in_words;
use crate::call::{ArgSpec, CheckEntry, Clusters};
use crate::context::CheckContext;
use crate::finding::Finding;
use crate::read::{Seen, objects};
use crate::view::ClusterView;

pub(super) const ENTRY: CheckEntry = CheckEntry {
    name: "jwt-secret-sources-agree",
    id: "C05",
    about: "Secret kubesphere-secret and kubesphere-config hold the same jwtSecret on each cluster",
    args: &[ArgSpec {
        name: "on",
        about: "the cluster to look at; each one there is when absent",
        required: false,
        values: &["host", "member"],
    }],
    on: Clusters::Both,
    run: |args, ctx| {
        async move {
            let only = match args.text("on") {
                Some(_) => Some(args.cluster()?),
                None => None,
            };
            Ok(flat(check(ctx, only).await))
        }
        .boxed()
    },
};

async fn check(ctx: &CheckContext<'_>, only: Option<On>) -> Seen<Finding> {
    let views: Vec<_> = [Some(ctx.host), ctx.member]
        .into_iter()
        .flatten()
        .filter(|view| only.is_none_or(|on| on == view.on()))
        .collect();
    if views.is_empty() {
        return Ok(Finding::cannot_tell("there is no member cluster"));
    }
    for view in views {
        let finding = agree(view).await?;
        if !finding.is_holding() {
            return Ok(finding);
        }
    }
    Ok(Finding::holds())
}

async fn agree(view: &dyn ClusterView) -> Seen<Finding> {
    let kept = objects::kept_jwt_secret(view).await?;
    let config = objects::kubesphere_config(view).await?;
    let used = config.secret();
    let on = view.on();
    let expected = "one jwtSecret in Secret kubesphere-secret and ConfigMap kubesphere-config";
    if kept.is_empty() && used.is_empty() {
        let message = format!(
            "{on} cluster: jwtSecret is empty in Secret kubesphere-secret and in kubesphere-config; set \
             spec.authentication.jwtSecret of its ClusterConfiguration to a value and wait for ks-installer"
        );
        return Ok(Finding::fails(expected, "both are empty", message));
    }
    if kept == used {
        return Ok(Finding::holds());
    }
    let actual = format!("Secret: {}, ConfigMap: {}, not the same", in_words(&kept), in_words(used));
    let message = format!(
        "{on} cluster: Secret kubesphere-secret ({}) and kubesphere-config ({}) hold different jwtSecrets; a run of ks-installer \
         renders the one into the other: see in its log whether it has ended well",
        in_words(&kept),
        in_words(used)
    );
    Ok(Finding::fails(expected, actual, message))
}

#[cfg(test)]
mod tests {
    use crate::testing::{FakeCluster, Run, config_with_secret};

    fn cluster(cluster: FakeCluster, kept: &str, used: &str) -> FakeCluster {
        cluster.kept_secret(kept).config(&config_with_secret(used))
    }

    #[tokio::test]
    async fn holds_when_both_clusters_are_in_step() {
        let run =
            Run::new(cluster(FakeCluster::host(), "one", "one"), cluster(FakeCluster::member(), "two", "\"two\""));
        run.check("jwt-secret-sources-agree", &[]).await.holds();
    }

    #[tokio::test]
    async fn fails_when_the_member_was_not_rendered_again() {
        let run =
            Run::new(cluster(FakeCluster::host(), "one", "one"), cluster(FakeCluster::member(), "one", "another"));
        run.check("jwt-secret-sources-agree", &[]).await.fails(
            "member cluster: Secret kubesphere-secret (3 characters) and kubesphere-config (7 characters) hold different jwtSecrets; \
             a run of ks-installer renders the one into the other: see in its log whether it has ended well",
        );
        run.check("jwt-secret-sources-agree", &[("on", "host")]).await.holds();
    }

    #[tokio::test]
    async fn fails_when_both_are_empty() {
        let run = Run::new(cluster(FakeCluster::host(), "", "\"\""), FakeCluster::member());
        run.check("jwt-secret-sources-agree", &[("on", "host")]).await.fails(
            "host cluster: jwtSecret is empty in Secret kubesphere-secret and in kubesphere-config; set \
             spec.authentication.jwtSecret of its ClusterConfiguration to a value and wait for ks-installer",
        );
    }

    #[tokio::test]
    async fn fails_when_one_is_empty() {
        for (kept, used) in [("", "one"), ("one", "\"\"")] {
            let run = Run::new(cluster(FakeCluster::host(), kept, used), FakeCluster::member());
            run.check("jwt-secret-sources-agree", &[("on", "host")]).await.fails_with("hold different jwtSecrets");
        }
    }

    #[tokio::test]
    async fn fails_when_a_run_stopped_after_deleting_the_secret() {
        let host = FakeCluster::host().config(&config_with_secret("one"));
        Run::new(host, FakeCluster::member()).check("jwt-secret-sources-agree", &[("on", "host")]).await.fails(
            "host cluster: Secret kubesphere-system/kubesphere-secret with key secret is not there; ks-installer deletes it before \
             it creates it again, so a run stopped in between; see its log",
        );
    }
}
