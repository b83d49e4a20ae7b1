//! A cluster as a place to run the suite on: in shards, as `ci/kubernetes/run` does it.

use std::path::Path;
use std::process::{Command, Stdio};

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};
use providers::Pair;
use providers::container_engine::ContainerEngine;
use scenario::report::Report;

use crate::kind;

/// The image, by a name that no registry has.
const IMAGE: &str = "ks-e2e-suite:contract";
const SHARDS: &str = "4";
/// What of the suite is run: cells of several scenarios, and more of them than there are shards.
const PART: [&str; 4] = ["--release", "3.3.2,3.4.1", "jwt-*", "host-post-install-*"];

/// Four pods run the suite, each its shard; their reports together say what one run says. Nothing of them stays.
pub async fn run_on_its_nodes(pair: Pair) -> Option<Pair> {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    std::fs::write(at("kubeconfig"), pair.host.admin_kubeconfig()).unwrap();
    give_image_to_workers(&pair).await;

    let mut shards = Command::new(script("ci/kubernetes/run"));
    shards.args([IMAGE, SHARDS]).arg(at("merged")).args(PART).env("KUBECONFIG", at("kubeconfig"));
    must_succeed(shards.env("KS_E2E", executable()).env("TIMEOUT", "10m"));
    let mut single = Command::new(executable());
    must_succeed(single.args(["run", "--provider", "embedded"]).args(PART).arg("--report").arg(at("single")));

    let [merged, single] = ["merged", "single"].map(|name| report(&at(name)));
    assert_eq!(merged.summary, single.summary);
    assert_eq!(verdicts(&merged), verdicts(&single));
    let client = pair.host.client();
    let jobs = Api::<Job>::default_namespaced(client.clone()).list(&ListParams::default()).await.unwrap();
    let pods = Api::<Pod>::default_namespaced(client).list(&ListParams::default()).await.unwrap();
    assert!(jobs.items.is_empty() && pods.items.is_empty(), "{jobs:?} {pods:?}");
    Some(pair)
}

/// The suite's image is made of the node image, which has everything that it needs, without any network. Only nodes that
/// take pods get it: it is as large as a node.
async fn give_image_to_workers(pair: &Pair) {
    let node_image = std::env::var("KS_E2E_NODE_IMAGE");
    let node_image = node_image.unwrap_or_else(|_| providers::kind::DEFAULT_NODE_IMAGE.to_owned());
    must_succeed(Command::new(script("ci/suite-image")).args([IMAGE, &node_image]).env("KS_E2E", executable()));
    let engine = ContainerEngine::find().unwrap();
    let nodes = Api::<Node>::all(pair.host.client()).list(&ListParams::default()).await.unwrap();
    for node in nodes.into_iter().filter(|node| node.spec.as_ref().is_none_or(|spec| spec.taints.is_none())) {
        let mut save = engine.command(&["save", IMAGE]).stdout(Stdio::piped()).spawn().unwrap();
        kind::import_image(&node.name_any(), save.stdout.take().unwrap());
        assert!(save.wait().unwrap().success());
    }
    must_succeed(&mut engine.command(&["rmi", IMAGE]));
}

fn script(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn executable() -> &'static str {
    env!("CARGO_BIN_EXE_ks-e2e")
}

fn must_succeed(command: &mut Command) {
    let output = command.stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
    let said = [&output.stdout, &output.stderr].map(|said| String::from_utf8_lossy(said).into_owned());
    assert!(output.status.success(), "{command:?}: {}", said.concat());
}

fn report(directory: &Path) -> Report {
    serde_json::from_slice(&std::fs::read(directory.join("report.json")).unwrap()).unwrap()
}

/// What is said of each cell, its steps and its checks, in the report's order; not how long it took.
fn verdicts(report: &Report) -> Vec<String> {
    let cells = report.scenarios.iter();
    cells
        .map(|cell| {
            let steps = cell.steps.iter().map(|step| format!("{}: {:?}", step.name, step.result));
            let checks = cell.checks.iter().map(|check| format!("{}: {:?}", check.name, check.result));
            let parts: Vec<_> = steps.chain(checks).collect();
            format!("{}: {:?}: {}", cell.id, cell.result, parts.join(", "))
        })
        .collect()
}
