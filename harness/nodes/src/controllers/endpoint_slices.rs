//! Service → `EndpointSlices` (`discovery.k8s.io/v1beta1`), where the server has them (kubernetes v1.20,
//! `pkg/controller/endpointslice`). A Service has one slice; it would take a hundred pods for a second.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{ObjectReference, Pod, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::json;

use super::endpoints::{follow_pods, port_on, selected, selector_of};
use super::owners::reference;
use super::pods::{has_ended, is_ready, node_of};
use crate::cache::Key;
use crate::cluster::{Cluster, During as _, Failure, is_terminating};
use crate::names::random_suffix;
use crate::old_kinds::{EndpointSlice, SliceConditions, SliceEndpoint, SlicePort};
use crate::queue::{Queue, work};

const OF_SERVICE: &str = "kubernetes.io/service-name";
const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
const MANAGER: &str = "endpointslice-controller.k8s.io";
const HEADLESS: &str = "service.kubernetes.io/headless";

pub(crate) fn start(cluster: &Arc<Cluster>) {
    let queue = Queue::new(cluster.clock.clone());
    let services = queue.clone();
    cluster.caches.services.on_change(move |change| {
        if let Some(service) = change.new {
            services.push(Key::of(service.as_ref()));
        }
    });
    let slices = queue.clone();
    cluster.caches.endpoint_slices.on_change(move |change| {
        let Some(slice) = change.any() else { return };
        if let Some(service) = service_of(slice) {
            slices.push(Key::new(Key::of(slice.as_ref()).namespace, service));
        }
    });
    follow_pods(cluster, &queue);
    let home = cluster.clone();
    work(cluster, "endpointslice", queue, move |key| reconcile(home.clone(), key));
}

/// The Service of a slice that this controller made.
fn service_of(slice: &EndpointSlice) -> Option<&String> {
    let labels = slice.metadata.labels.as_ref()?;
    labels.get(OF_SERVICE).filter(|_| labels.get(MANAGED_BY).is_some_and(|manager| manager == MANAGER))
}

async fn reconcile(cluster: Arc<Cluster>, key: Key) -> Result<(), Failure> {
    let caches = &cluster.caches;
    let Some(service) = caches.services.get(&key) else { return Ok(()) };
    if selector_of(&service).is_none() || service.metadata.deletion_timestamp.is_some() {
        return Ok(());
    }
    let pods = caches.pods.in_namespace(&key.namespace);
    let selected: Vec<_> = pods.iter().filter(|pod| selected(&service, pod)).map(AsRef::as_ref).collect();
    let wanted = slice(&service, &selected);
    let api = cluster.api::<EndpointSlice>(&key.namespace);
    let operation = format!("write the EndpointSlice of Service {key}");
    let own = caches.endpoint_slices.in_namespace(&key.namespace);
    let written = match own.iter().find(|slice| service_of(slice) == Some(&key.name)) {
        Some(now)
            if now.endpoints.as_deref().unwrap_or_default() == wanted.endpoints.as_deref().unwrap_or_default()
                && now.ports.as_deref().unwrap_or_default() == wanted.ports.as_deref().unwrap_or_default()
                && now.metadata.labels == wanted.metadata.labels =>
        {
            None
        }
        Some(now) => {
            let metadata =
                json!({ "resourceVersion": now.metadata.resource_version, "labels": wanted.metadata.labels });
            let patch = json!({ "metadata": metadata, "endpoints": wanted.endpoints, "ports": wanted.ports });
            let name = now.metadata.name.as_deref().unwrap_or_default();
            api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unless_gone(&operation)?
        }
        None => match api.create(&PostParams::default(), &wanted).await {
            Err(error) if is_terminating(&error) => None,
            created => Some(created.during(&operation)?),
        },
    };
    if let Some(written) = written {
        caches.endpoint_slices.wrote(written);
    }
    Ok(())
}

fn slice(service: &Service, pods: &[&Pod]) -> EndpointSlice {
    let Key { namespace, name } = Key::of(service);
    let spec = service.spec.clone().unwrap_or_default();
    let publish_all = spec.publish_not_ready_addresses.unwrap_or(false);
    let mut labels = service.metadata.labels.clone().unwrap_or_default();
    labels.insert(OF_SERVICE.to_owned(), name.clone());
    labels.insert(MANAGED_BY.to_owned(), MANAGER.to_owned());
    if spec.cluster_ip.as_deref() == Some("None") {
        labels.insert(HEADLESS.to_owned(), String::new());
    }
    let mut endpoints: Vec<_> = pods.iter().filter_map(|pod| endpoint(pod, publish_all)).collect();
    endpoints.sort_by(|a, b| a.addresses.cmp(&b.addresses));
    let on_pods = |port| pods.iter().find_map(|pod| port_on(port, pod));
    let ports = spec.ports.iter().flatten().filter_map(on_pods);
    let ports = ports.map(|(name, port, protocol)| SlicePort {
        name: Some(name.unwrap_or_default()),
        port: Some(port),
        protocol: Some(protocol),
    });
    let metadata = ObjectMeta {
        generate_name: Some(format!("{name}-")),
        name: Some(format!("{name}-{}", random_suffix())),
        namespace: Some(namespace),
        labels: Some(labels),
        owner_references: Some(vec![reference(service)]),
        ..ObjectMeta::default()
    };
    EndpointSlice::new(metadata, endpoints, ports.collect())
}

fn endpoint(pod: &Pod, publish_all: bool) -> Option<SliceEndpoint> {
    let address = pod.status.as_ref()?.pod_ip.clone().filter(|ip| !ip.is_empty())?;
    if pod.metadata.deletion_timestamp.is_some() || has_ended(pod) {
        return None;
    }
    let topology = node_of(pod).map(|node| BTreeMap::from([("kubernetes.io/hostname".to_owned(), node.to_owned())]));
    Some(SliceEndpoint {
        addresses: vec![address],
        conditions: SliceConditions { ready: Some(publish_all || is_ready(pod)) },
        hostname: None,
        target_ref: Some(ObjectReference {
            kind: Some("Pod".to_owned()),
            name: pod.metadata.name.clone(),
            namespace: pod.metadata.namespace.clone(),
            uid: pod.metadata.uid.clone(),
            ..ObjectReference::default()
        }),
        topology,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_pods_with_their_nodes_and_readiness() {
        let service = serde_json::from_value(json!({
            "metadata": {"name": "web", "namespace": "ns", "uid": "u"},
            "spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]},
        }));
        let pod = json!({
            "metadata": {"name": "web-1", "namespace": "ns"}, "spec": {"containers": [], "nodeName": "n1"},
            "status": {"podIP": "10.0.0.1"},
        });
        let pod: Pod = serde_json::from_value(pod).unwrap();
        let slice = slice(&service.unwrap(), &[&pod]);
        let endpoints = slice.endpoints.unwrap();
        assert_eq!(endpoints[0].addresses, ["10.0.0.1"]);
        assert_eq!(endpoints[0].conditions.ready, Some(false));
        assert_eq!(endpoints[0].topology.as_ref().unwrap()["kubernetes.io/hostname"], "n1");
        assert_eq!(slice.ports.unwrap()[0].port, Some(8080));
        assert_eq!(slice.metadata.labels.unwrap()[OF_SERVICE], "web");
    }
}
