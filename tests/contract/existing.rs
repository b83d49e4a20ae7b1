//! Somebody's own clusters, played by kind's: a run finds them by a kubeconfig, installs, and leaves them as it found them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use engine::library;
use engine::{Manifests, RunOptions, Session, SessionOptions, Tools};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::Api;
use kube::api::{DynamicObject, ListParams, PostParams};
use kube::discovery::{Discovery, verbs};
use kubesphere::Release;
use providers::existing::{Existing, ExistingOptions, Place};
use providers::leases::{Lease, sweep};
use providers::{Cluster, ClusterShape, Pair, PairPlan, Provider, Restore};
use scenario::event::{Event, Outcome};
use scenario::model::SyncFrequency;
use scenario::plan;
use scenario::select::Selection;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::kind;

/// The image, by a name that no registry has.
const IMAGE: &str = "ks-e2e:contract";

/// The stand-in is installed by both ways.
pub async fn are_left_as_found(pair: Pair) -> Option<Pair> {
    let cells = ["host-pre-install-linux", "host-pre-install-k8s"].map(|name| (name, Outcome::Passed));
    let pair = run(pair, &cells, None).await;
    a_killed_run_is_cleaned_up_after(&pair).await;
    Some(pair)
}

/// What a run has made is found by its lease alone, and what another run makes at the same time is not touched.
async fn a_killed_run_is_cleaned_up_after(pair: &Pair) {
    let directories = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let before = inventory(&pair.host).await;
    let begin = |run_id| Lease::begin(directories[0].path(), directories[1].path(), run_id).unwrap();
    let shape = ClusterShape { nodes: 1, sync_frequency: SyncFrequency::Short };
    let plan = PairPlan {
        host: shape,
        member: None,
        seed: 7,
        behaviour: stub::Behaviour::default(),
        restore: Restore::default(),
    };
    let on_host = || ExistingOptions { member: Place::default(), ..options(pair, directories[1].path(), false) };
    let (killed, late) = (begin("killed"), begin("late"));
    let [first, second] = [Existing::new(on_host()), Existing::new(on_host())];
    first.probe().await.unwrap();
    second.probe().await.unwrap();
    let made = first.create(&killed, &plan).await.unwrap();
    engine::establish_crds(&made.host, Release::find("3.4.1").unwrap()).await.unwrap();
    let refused = second.create(&late, &plan).await.err().unwrap().to_string();
    assert!(refused.contains("already exists"), "{refused}");
    late.end().await.unwrap();
    let during = inventory(&pair.host).await;
    assert!(during.keys().any(|what| what.contains("installer.kubesphere.io")), "the other run has taken it away");
    let third = Existing::new(on_host()).probe().await.unwrap_err().to_string();
    assert!(third.contains("another run of ks-e2e is on it"), "{third}");
    drop((made, killed));
    let state = directories[0].path().to_owned();
    let swept = tokio::task::spawn_blocking(move || sweep(&state).unwrap()).await.unwrap();
    assert_eq!(swept.len(), 1);
    assert!(swept[0].failed.is_empty(), "{:?}", swept[0].failed);
    assert!(swept[0].removed.iter().any(|what| what.contains("on the host cluster")), "{:?}", swept[0].removed);
    are_the_same(&before, &inventory(&pair.host).await);
    assert_eq!(std::fs::read_dir(directories[0].path()).unwrap().count(), 0);
}

/// What a person would say about the clusters of `pair`, whose kubeconfigs are written into `directory`.
fn options(pair: &Pair, directory: &Path, real: bool) -> ExistingOptions {
    let place = |cluster: &Arc<dyn Cluster>| {
        let path = directory.join(format!("{}.kubeconfig", cluster.on()));
        std::fs::write(&path, cluster.admin_kubeconfig()).unwrap();
        Place { kubeconfig: Some(path), ..Place::default() }
    };
    ExistingOptions {
        host: place(&pair.host),
        member: place(pair.member.as_ref().unwrap()),
        allow_install: true,
        stub_image: Some(IMAGE.to_owned()),
        real,
    }
}

/// A person's manifests install what their images are, which is the stand-in here as well: the harness does not know. The
/// last scenario leaves a member that nobody has unbound.
pub async fn get_a_persons_own_kubesphere(pair: Pair) -> Option<Pair> {
    let release = Release::find("3.4.1").unwrap();
    let delays = [("KS_E2E_DELAYS".to_owned(), "config-reload=100ms,cluster-resync=5s".to_owned())];
    let image = stub::StubImage::new(IMAGE, delays.into());
    let directory = tempfile::tempdir().unwrap();
    let [installer, configuration] =
        ["kubesphere-installer.yaml", "cluster-configuration.yaml"].map(|name| directory.path().join(name));
    let text = stub::manifests::installer_yaml_with(release, stub::Behaviour::default(), Some(&image));
    std::fs::write(&installer, text).unwrap();
    std::fs::write(&configuration, stub::manifests::cluster_configuration_yaml(release)).unwrap();
    let manifests = Manifests::read(release, &installer, &configuration).unwrap();
    let cells = [("host-pre-install-linux", Outcome::Skipped), ("direct-connection", Outcome::Passed)];
    Some(run(pair, &cells, Some(Arc::new(manifests))).await)
}

/// Runs scenarios on the clusters of `pair` as on somebody's, and compares what is there before and after. Somebody else's
/// namespace, made in the meantime, stays.
async fn run(pair: Pair, expected: &[(&str, Outcome)], manifests: Option<Arc<Manifests>>) -> Pair {
    let directory = tempfile::tempdir().unwrap();
    load_image(&pair, directory.path());
    let member = pair.member.clone().unwrap();
    let provider = Arc::new(Existing::new(options(&pair, directory.path(), manifests.is_some())));
    let before = [inventory(&pair.host).await, inventory(&member).await];
    let capabilities = provider.probe().await.unwrap();
    assert!(provider.plan().unwrap().contains("no KubeSphere"), "{:?}", provider.plan());
    let mut options = SessionOptions::new(provider, capabilities);
    options.state = directory.path().join("leases");
    let session = Session::begin(options).unwrap();
    let mut scenarios = library::built_in().unwrap();
    scenarios.retain(|scenario| expected.iter().any(|(name, _)| *name == scenario.name));
    let releases = library::releases(&["3.4.1".to_owned()]).unwrap();
    let cells = plan::plan(&scenarios, &releases, &Selection::all());
    let begun = Arc::new(Mutex::new(Some(())));
    let (host, handle) = (pair.host.client(), tokio::runtime::Handle::current());
    let observer = Box::new(move |event: &Event| {
        if matches!(event, Event::StepStarted { .. }) && begun.lock().unwrap().take().is_some() {
            drop(handle.spawn(open_shop(host.clone())));
        }
    });
    let tools = Tools::find().await.unwrap();
    let options = RunOptions { manifests, ..RunOptions::new(cells, tools) };
    let report = session.run(options, observer, CancellationToken::new()).await;
    session.end().await.unwrap();
    assert_eq!(report.scenarios.len(), expected.len());
    for (name, result) in expected {
        let cell = report.scenarios.iter().find(|cell| cell.name == *name).unwrap();
        assert_eq!(cell.result, *result, "{}: {:?}", cell.id, cell.reason);
    }
    let shops: Api<ConfigMap> = Api::namespaced(pair.host.client(), "shop");
    assert!(shops.get("goods").await.is_ok(), "what somebody else has made is gone");
    let mut after = [inventory(&pair.host).await, inventory(&member).await];
    after[0].retain(|what, _| !what.ends_with(" shop") && !what.contains(" shop/"));
    for (before, after) in before.into_iter().zip(after) {
        are_the_same(&before, &after);
    }
    pair
}

/// Somebody else at work, with the same kubectl.
async fn open_shop(client: kube::Client) {
    let create = PostParams { field_manager: Some("kubectl-create".to_owned()), ..PostParams::default() };
    let namespace: Namespace = serde_json::from_value(json!({"metadata": {"name": "shop"}})).unwrap();
    Api::all(client.clone()).create(&create, &namespace).await.unwrap();
    let goods: ConfigMap = serde_json::from_value(json!({"metadata": {"name": "goods"}})).unwrap();
    Api::namespaced(client, "shop").create(&create, &goods).await.unwrap();
}

fn load_image(pair: &Pair, directory: &Path) {
    let file = directory.join("image.tar");
    providers::image::save(&providers::own_executable().unwrap(), IMAGE, &file).unwrap();
    for node in pair.clusters().flat_map(|cluster| cluster.nodes()) {
        kind::import_image(&node, std::fs::File::open(&file).unwrap());
    }
}

/// Every object but those that a cluster writes by itself, with what namespaces are marked with.
async fn inventory(cluster: &Arc<dyn Cluster>) -> BTreeMap<String, String> {
    let client = cluster.client();
    let discovery = Discovery::new(client.clone()).run().await.unwrap();
    let kinds = discovery.groups().flat_map(kube::discovery::ApiGroup::recommended_resources);
    let mut found = BTreeMap::new();
    for (resource, _) in kinds.filter(|(_, capabilities)| capabilities.supports_operation(verbs::LIST)) {
        if ["events", "leases", "certificatesigningrequests", "componentstatuses"].contains(&resource.plural.as_str()) {
            continue;
        }
        let objects: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
        for object in objects.list(&ListParams::default()).await.unwrap() {
            let metadata = object.metadata;
            let name = metadata.name.unwrap_or_default();
            let place = metadata.namespace.map_or_else(|| name.clone(), |namespace| format!("{namespace}/{name}"));
            let marks = if resource.plural == "namespaces" {
                json!([metadata.labels, metadata.annotations, metadata.finalizers]).to_string()
            } else {
                String::new()
            };
            found.insert(format!("{}.{} {place}", resource.plural, resource.group), marks);
        }
    }
    found
}

fn are_the_same(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) {
    let left: Vec<_> = after.iter().filter(|(what, marks)| before.get(*what) != Some(marks)).collect();
    let gone: Vec<_> = before.keys().filter(|what| !after.contains_key(*what)).collect();
    assert!(left.is_empty() && gone.is_empty(), "left or changed: {left:#?}, gone: {gone:#?}");
}
