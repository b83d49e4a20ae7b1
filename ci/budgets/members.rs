//! What a host with many members costs.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::ByteString;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, PostParams};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, ResourceExt as _};
use nodes::clock::Delay;
use providers::PairPlan;
use providers::embedded::Fleet;
use scenario::model::{Given, GivenCluster, GivenKubesphere, GivenSecret};
use serde_json::json;

use crate::Failure;
use crate::figures::cpu;

/// How many members are installed, and imported, at a time.
const AT_A_TIME: usize = 8;

/// A period of ks-controller-manager's resync, and a little more (kubesphere v3.3.2, `cluster_controller.go`).
const RESYNC: Delay = Delay::new("bench", Duration::from_secs(130));

/// What importing members took.
pub struct Imported {
    /// From the first Cluster created to the last one Ready, and a resync of all.
    pub wall: Duration,
    /// CPU of that for each member.
    pub cpu: Duration,
}

/// Imports `count` members into a host of their own. Making and installing them is not counted.
pub async fn imported(plan: &PairPlan, count: u16) -> Result<Imported, Failure> {
    let release = kubesphere::Release::find("3.3.2")?;
    let fleet = Fleet::create(plan, count).await?;
    let installed = |role: &str, jwt_secret| GivenCluster {
        kubesphere: GivenKubesphere::Installed,
        cluster_role: role.to_owned(),
        jwt_secret,
        ..GivenCluster::default()
    };
    let mut pairs: Vec<_> = fleet.pairs().collect();
    if let Some(first) = pairs.pop() {
        let host = Given { host: installed("host", GivenSecret::Generated), member: None };
        engine::install(&first, &host, release).await?;
        pairs.push(first);
    }
    let member = Given { host: GivenCluster::default(), member: Some(installed("member", GivenSecret::OfHost)) };
    let installing = pairs.iter().map(|pair| engine::install(pair, &member, release));
    futures::stream::iter(installing).buffer_unordered(AT_A_TIME).try_collect::<Vec<()>>().await?;

    let kind = GroupVersionKind::gvk("cluster.kubesphere.io", "v1alpha1", "Cluster");
    let clusters: Api<DynamicObject> = Api::all_with(fleet.host().client(), &ApiResource::from_gvk(&kind));
    let (begin, used) = (Instant::now(), cpu::own());
    let progress = fleet.clock().wants_progress();
    let create = async {
        let post = PostParams::default();
        let imports = pairs.iter().enumerate().filter_map(|(number, pair)| Some((number, pair.member.as_ref()?)));
        let imports = imports.map(|(number, member)| {
            let kubeconfig = ByteString(member.pasteable_kubeconfig().as_bytes().to_vec());
            let mut object = DynamicObject::new(&format!("member{number}"), &ApiResource::from_gvk(&kind));
            object.data = json!({"spec": {
                "joinFederation": true,
                "connection": {"type": "direct", "kubeconfig": kubeconfig},
            }});
            let (clusters, post) = (&clusters, &post);
            async move { clusters.create(post, &object).await }
        });
        futures::stream::iter(imports).buffer_unordered(AT_A_TIME).try_collect::<Vec<_>>().await
    };
    let ready = all_ready(clusters.clone(), usize::from(count) + 1);
    let (created, ready) = tokio::join!(create, ready);
    created?;
    ready?;
    fleet.clock().sleep(RESYNC).await;
    let (wall, used) = (begin.elapsed(), cpu::own().saturating_sub(used));
    drop(progress);
    fleet.destroy().await;
    Ok(Imported { wall, cpu: used / u32::from(count) })
}

/// Waits until `count` Clusters are Ready.
async fn all_ready(clusters: Api<DynamicObject>, count: usize) -> Result<(), Failure> {
    let mut ready = BTreeMap::new();
    let mut changes = std::pin::pin!(watcher(clusters, watcher::Config::default()).default_backoff().applied_objects());
    while ready.values().filter(|ready| **ready).count() < count {
        let cluster = changes.try_next().await?.ok_or("the watch ended")?;
        let conditions = cluster.data["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let is_ready = conditions.iter().any(|one| one["type"] == "Ready" && one["status"] == "True");
        ready.insert(cluster.name_any(), is_ready);
    }
    Ok(())
}
