//! The pasted kubeconfig reaches the member from every node of the host.

use futures::FutureExt;
use futures::future::join_all;
use serde_yaml::Value;

use crate::call::{CheckEntry, Clusters};
use crate::context::CheckContext;
use crate::finding::Finding;
use crate::view::{Layer, Probe};

pub(super) const ENTRY: CheckEntry = CheckEntry {
    name: "kubeconfig-reachable",
    id: "C15",
    about: "GET /version with the pasted kubeconfig answers 200 from every node of the host",
    args: &[],
    on: Clusters::Host,
    run: |_, ctx| async move { Ok(check(ctx).await) }.boxed(),
};

async fn check(ctx: &CheckContext<'_>) -> Finding {
    let Some(kubeconfig) = &ctx.facts.pasted_kubeconfig else {
        return Finding::cannot_tell("no step pasted a kubeconfig");
    };
    let nodes = ctx.host.nodes();
    if nodes.is_empty() {
        return Finding::cannot_tell("host cluster has no nodes to ask from");
    }
    let server = server(kubeconfig).unwrap_or_else(|| "the server of the kubeconfig".to_owned());
    let mut seen = Vec::new();
    let mut failed: Vec<(String, Layer, String)> = Vec::new();
    // All at once: an address that swallows packets costs its whole time limit from each node.
    let probes = nodes.iter().map(|node| ctx.host.probe(node, kubeconfig));
    for (node, probe) in nodes.iter().zip(join_all(probes).await) {
        match probe {
            Probe::Reached { git_version } => seen.push(format!("{node}: {git_version}")),
            Probe::Stopped { layer, detail } => {
                seen.push(format!("{node}: {layer}: {detail}"));
                failed.push((node.clone(), layer, detail));
            }
        }
    }
    let title = format!("from the host's nodes: GET {server}/version");
    let Some((node, layer, detail)) = failed.first() else {
        return Finding::holds().with(title, seen.join("\n"));
    };
    let others = match failed.len() - 1 {
        0 => String::new(),
        1 => " (and from one more node)".to_owned(),
        more => format!(" (and from {more} more nodes)"),
    };
    let actual = format!("node {node}: {layer}: {detail}");
    let message = format!(
        "host node {node} does not reach {server}{others}: it stops at {layer}: {detail}; {}",
        advice(*layer, &server)
    );
    Finding::fails(format!("GET {server}/version answers 200 from every node of the host"), actual, message)
        .with(title, seen.join("\n"))
}

/// The server of the current context.
pub(super) fn server(kubeconfig: &str) -> Option<String> {
    let root: Value = serde_yaml::from_str(kubeconfig).ok()?;
    let named = |list: &str, name: &str| {
        let entries = root.get(list)?.as_sequence()?;
        entries.iter().find(|entry| entry.get("name").and_then(Value::as_str) == Some(name)).cloned()
    };
    let context = named("contexts", root.get("current-context")?.as_str()?)?;
    let cluster = named("clusters", context.get("context")?.get("cluster")?.as_str()?)?;
    Some(cluster.get("cluster")?.get("server")?.as_str()?.to_owned())
}

fn advice(layer: Layer, server: &str) -> &'static str {
    let loopback = ["//127.", "//localhost", "//0.0.0.0", "//[::1]"].iter().any(|own| server.contains(own));
    match layer {
        Layer::Kubeconfig => "paste a kubeconfig whose current context names a cluster and a user with inline data",
        _ if loopback => {
            "that address is the node itself: write an address of the member that every node of the host reaches"
        }
        Layer::Dns => "write an address, or a name that resolves on every node of the host",
        Layer::Tcp => {
            "write an address and a port of the member that every node of the host reaches, and open the firewall"
        }
        Layer::Tls => {
            "use an address that the certificate of the member's API server names, and its own certificate authority"
        }
        Layer::Http => {
            "use credentials of an administrator that the member's API server accepts, and that have not expired"
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use crate::testing::{FakeCluster, Run, kubeconfig};
    use crate::view::{Layer, Probe};

    fn reached() -> Probe {
        Probe::Reached { git_version: "v1.20.2".to_owned() }
    }

    fn stopped(layer: Layer, detail: &str) -> Probe {
        Probe::Stopped { layer, detail: detail.to_owned() }
    }

    fn run(server: &str, probes: &[(&str, Probe)]) -> Run {
        let host = probes
            .iter()
            .fold(FakeCluster::host(), |host, (node, probe)| host.node(node, node).probed(node, probe.clone()));
        Run::new(host, FakeCluster::member()).pasted(&kubeconfig(server))
    }

    #[tokio::test]
    async fn holds_from_every_node() {
        run("https://10.0.0.2:6443", &[("n1", reached()), ("n2", reached())])
            .check("kubeconfig-reachable", &[])
            .await
            .holds();
    }

    #[rstest]
    #[case(
        "https://127.0.0.1:6443",
        Layer::Tcp,
        "connection refused",
        "host node n2 does not reach https://127.0.0.1:6443: it stops at TCP: connection refused; that address is the node itself: \
         write an address of the member that every node of the host reaches"
    )]
    #[case(
        "https://lb.kubesphere.local:6443",
        Layer::Dns,
        "no such host",
        "host node n2 does not reach https://lb.kubesphere.local:6443: it stops at DNS: no such host; write an address, or a name that \
         resolves on every node of the host"
    )]
    #[case(
        "https://10.0.0.2:6443",
        Layer::Http,
        "401 Unauthorized",
        "host node n2 does not reach https://10.0.0.2:6443: it stops at HTTP: 401 Unauthorized; use credentials of an administrator \
         that the member's API server accepts, and that have not expired"
    )]
    #[tokio::test]
    async fn fails_naming_node_and_layer(
        #[case] server: &str,
        #[case] layer: Layer,
        #[case] detail: &str,
        #[case] message: &str,
    ) {
        let probes = [("n1", reached()), ("n2", stopped(layer, detail))];
        run(server, &probes).check("kubeconfig-reachable", &[]).await.fails(message);
    }

    #[tokio::test]
    async fn fails_counting_the_other_nodes() {
        let refused = || stopped(Layer::Tcp, "no route to host");
        run("https://10.0.0.2:6443", &[("n1", refused()), ("n2", reached()), ("n3", refused()), ("n4", refused())])
            .check("kubeconfig-reachable", &[])
            .await
            .fails_with("host node n1 does not reach https://10.0.0.2:6443 (and from 2 more nodes)");
    }

    #[tokio::test]
    async fn cannot_tell_without_a_kubeconfig() {
        Run::new(FakeCluster::host(), FakeCluster::member())
            .check("kubeconfig-reachable", &[])
            .await
            .cannot_tell("no step pasted a kubeconfig");
    }
}
