//! The kubeconfig that was pasted last is the one that the host works with.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::FutureExt;

use super::kubeconfig_reachable::server;
use super::{NAME, flat};
use crate::call::{CheckEntry, Clusters};
use crate::context::CheckContext;
use crate::finding::Finding;
use crate::read::{Seen, cluster};

pub(super) const ENTRY: CheckEntry = CheckEntry {
    name: "kubeconfig-stored",
    id: "C26",
    about: "the Cluster has the kubeconfig that a step pasted last",
    args: &[NAME],
    on: Clusters::Host,
    run: |args, ctx| {
        async move {
            let Some(name) = args.text("name").or(ctx.facts.imported_cluster.as_deref()) else {
                return Ok(Finding::cannot_tell("no step imported a cluster; name it with `name`"));
            };
            Ok(flat(check(ctx, name).await))
        }
        .boxed()
    },
};

async fn check(ctx: &CheckContext<'_>, name: &str) -> Seen<Finding> {
    let Some(pasted) = &ctx.facts.pasted_kubeconfig else {
        return Ok(Finding::cannot_tell("no step pasted a kubeconfig"));
    };
    let expected = format!("Cluster {name} has the kubeconfig that was pasted last");
    let Some(found) = cluster::named(ctx.host, name).await? else {
        let message = format!("host cluster: there is no Cluster {name}");
        return Ok(Finding::fails(expected, "not found", message));
    };
    let stored = STANDARD.decode(found.kubeconfig()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let actual = match stored {
        Some(stored) if stored.trim() == pasted.trim() => return Ok(Finding::holds()),
        None => "none that can be read".to_owned(),
        Some(stored) => match (server(&stored), server(pasted)) {
            (Some(stored), Some(pasted)) if stored != pasted => format!("one for {stored}, not for {pasted}"),
            _ => "another one for the same server".to_owned(),
        },
    };
    let message = format!(
        "host cluster: Cluster {name} has another kubeconfig than was pasted last: {actual}; the host goes on with that one, also when it \
         expires"
    );
    Ok(Finding::fails(expected, actual, message))
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use rstest::rstest;
    use serde_json::json;

    use crate::testing::{FakeCluster, Run, kubeconfig};

    fn run(stored: &str) -> Run {
        let connection = json!({"type": "direct", "kubeconfig": STANDARD.encode(stored)});
        let cluster = json!({"metadata": {"name": "m1"}, "spec": {"connection": connection}});
        Run::new(FakeCluster::host().cluster(&cluster), FakeCluster::member())
            .imported("m1")
            .pasted(&kubeconfig("https://10.0.0.2:6443"))
    }

    #[tokio::test]
    async fn holds_for_the_one_that_was_pasted() {
        run(&(kubeconfig("https://10.0.0.2:6443") + "\n")).check("kubeconfig-stored", &[]).await.holds();
    }

    #[rstest]
    #[case(&kubeconfig("https://10.0.0.2:6444"), "one for https://10.0.0.2:6444, not for https://10.0.0.2:6443")]
    #[case(&(kubeconfig("https://10.0.0.2:6443") + "# older"), "another one for the same server")]
    #[tokio::test]
    async fn fails_for_another_one(#[case] stored: &str, #[case] actual: &str) {
        run(stored).check("kubeconfig-stored", &[]).await.fails(&format!(
            "host cluster: Cluster m1 has another kubeconfig than was pasted last: {actual}; the host goes on with that one, also when \
             it expires"
        ));
    }

    #[tokio::test]
    async fn fails_without_the_cluster() {
        run("").check("kubeconfig-stored", &[("name", "m2")]).await.fails("host cluster: there is no Cluster m2");
    }
}
