//! Service → Endpoints, from the pods that its selector selects.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{
    EndpointAddress, EndpointPort, EndpointSubset, Endpoints, ObjectReference, Pod, Service, ServicePort,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::{DeleteParams, PostParams};

use super::pods::{has_ended, is_ready};
use crate::cache::Key;
use crate::cluster::{Cluster, During as _, Failure, is_terminating};
use crate::queue::{Queue, work};

pub(crate) fn start(cluster: &Arc<Cluster>) {
    let queue = Queue::new(cluster.clock.clone());
    let services = queue.clone();
    cluster.caches.services.on_change(move |change| {
        if let Some(service) = change.any() {
            services.push(Key::of(service.as_ref()));
        }
    });
    let endpoints = queue.clone();
    cluster.caches.endpoints.on_change(move |change| {
        if let Some(endpoints_object) = change.any() {
            endpoints.push(Key::of(endpoints_object.as_ref()));
        }
    });
    follow_pods(cluster, &queue);
    let home = cluster.clone();
    work(cluster, "endpoints", queue, move |key| reconcile(home.clone(), key));
}

/// Queues the services that select a pod that changed, as it was or as it is.
pub(super) fn follow_pods(cluster: &Arc<Cluster>, queue: &Arc<Queue<Key>>) {
    let (services, home) = (queue.clone(), Arc::downgrade(cluster));
    cluster.caches.pods.on_change(move |change| {
        let (Some(home), Some(pod)) = (home.upgrade(), change.any()) else { return };
        let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
        for service in home.caches.services.in_namespace(namespace) {
            if change.both().any(|pod| selected(&service, pod)) {
                services.push(Key::of(service.as_ref()));
            }
        }
    });
}

pub(super) fn selector_of(service: &Service) -> Option<&BTreeMap<String, String>> {
    service.spec.as_ref()?.selector.as_ref().filter(|selector| !selector.is_empty())
}

pub(super) fn selected(service: &Service, pod: &Pod) -> bool {
    let labels = pod.metadata.labels.as_ref();
    selector_of(service).is_some_and(|selector| {
        selector.iter().all(|(key, value)| labels.and_then(|labels| labels.get(key)) == Some(value))
    })
}

async fn reconcile(cluster: Arc<Cluster>, key: Key) -> Result<(), Failure> {
    let caches = &cluster.caches;
    let api = cluster.api::<Endpoints>(&key.namespace);
    let current = caches.endpoints.get(&key);
    let Some(service) = caches.services.get(&key) else {
        // Only what this controller made goes with its service; leader elections keep Endpoints of their own.
        if current.is_some_and(|current| is_made_here(&current)) {
            api.delete(&key.name, &DeleteParams::default()).await.unless_gone(&format!("delete Endpoints {key}"))?;
        }
        return Ok(());
    };
    if selector_of(&service).is_none() || service.metadata.deletion_timestamp.is_some() {
        return Ok(());
    }
    let pods = caches.pods.in_namespace(&key.namespace);
    let subsets = subsets(&service, pods.iter().map(AsRef::as_ref).filter(|pod| selected(&service, pod)));
    let subsets = (!subsets.is_empty()).then_some(subsets);
    let labels = service.metadata.labels.clone();
    let operation = format!("write Endpoints {key}");
    let written = match current {
        Some(current) if current.subsets == subsets && has_labels(&current, labels.as_ref()) => None,
        Some(current) => {
            let mut wanted = current.as_ref().clone();
            wanted.metadata.labels = labels;
            wanted.subsets = subsets;
            mark(&mut wanted, &service);
            api.replace(&key.name, &PostParams::default(), &wanted).await.unless_gone(&operation)?
        }
        None => {
            let mut wanted = Endpoints { subsets, ..Endpoints::default() };
            wanted.metadata.name = Some(key.name.clone());
            wanted.metadata.labels = labels;
            mark(&mut wanted, &service);
            match api.create(&PostParams::default(), &wanted).await {
                Err(error) if is_terminating(&error) => None,
                created => created.unless_there(&operation)?,
            }
        }
    };
    if let Some(written) = written {
        caches.endpoints.wrote(written);
    }
    Ok(())
}

const HEADLESS: &str = "service.kubernetes.io/headless";
const TRIGGER: &str = "endpoints.kubernetes.io/last-change-trigger-time";

fn mark(endpoints: &mut Endpoints, service: &Service) {
    if service.spec.as_ref().and_then(|spec| spec.cluster_ip.as_deref()) == Some("None") {
        endpoints.metadata.labels.get_or_insert_default().insert(HEADLESS.to_owned(), String::new());
    }
    if let Some(created) = &service.metadata.creation_timestamp {
        let annotations = endpoints.metadata.annotations.get_or_insert_default();
        annotations.entry(TRIGGER.to_owned()).or_insert_with(|| created.0.to_string());
    }
}

fn is_made_here(endpoints: &Endpoints) -> bool {
    endpoints.metadata.annotations.as_ref().is_some_and(|annotations| annotations.contains_key(TRIGGER))
}

fn has_labels(endpoints: &Endpoints, wanted: Option<&BTreeMap<String, String>>) -> bool {
    let mut labels = endpoints.metadata.labels.clone().unwrap_or_default();
    labels.remove(HEADLESS);
    &labels == wanted.unwrap_or(&BTreeMap::new())
}

/// Name, number and protocol of a port.
pub(super) type Port = (Option<String>, i32, String);

/// Pods grouped by the ports that the service's ports mean on them: a named target port may differ from pod to pod.
fn subsets<'a>(service: &Service, pods: impl Iterator<Item = &'a Pod>) -> Vec<EndpointSubset> {
    let publish_all = service.spec.as_ref().and_then(|spec| spec.publish_not_ready_addresses).unwrap_or(false);
    let service_ports = service.spec.as_ref().and_then(|spec| spec.ports.clone()).unwrap_or_default();
    let mut groups: BTreeMap<Vec<Port>, (Vec<EndpointAddress>, Vec<EndpointAddress>)> = BTreeMap::new();
    for pod in pods {
        let Some(address) = address_of(pod) else { continue };
        let ports: Vec<_> = service_ports.iter().filter_map(|port| port_on(port, pod)).collect();
        if ports.is_empty() && !service_ports.is_empty() {
            continue;
        }
        let (ready, unready) = groups.entry(ports).or_default();
        if publish_all || is_ready(pod) {
            ready.push(address);
        } else {
            unready.push(address);
        }
    }
    let some = |mut addresses: Vec<EndpointAddress>| {
        addresses.sort_by(|a, b| a.ip.cmp(&b.ip));
        (!addresses.is_empty()).then_some(addresses)
    };
    groups
        .into_iter()
        .map(|(ports, (ready, unready))| EndpointSubset {
            addresses: some(ready),
            not_ready_addresses: some(unready),
            ports: (!ports.is_empty()).then(|| {
                let port = |(name, port, protocol)| EndpointPort {
                    name,
                    port,
                    protocol: Some(protocol),
                    ..EndpointPort::default()
                };
                ports.into_iter().map(port).collect()
            }),
        })
        .collect()
}

fn address_of(pod: &Pod) -> Option<EndpointAddress> {
    let ip = pod.status.as_ref()?.pod_ip.clone().filter(|ip| !ip.is_empty())?;
    if pod.metadata.deletion_timestamp.is_some() || has_ended(pod) {
        return None;
    }
    Some(EndpointAddress {
        ip,
        node_name: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()),
        target_ref: Some(ObjectReference {
            kind: Some("Pod".to_owned()),
            name: pod.metadata.name.clone(),
            namespace: pod.metadata.namespace.clone(),
            uid: pod.metadata.uid.clone(),
            ..ObjectReference::default()
        }),
        ..EndpointAddress::default()
    })
}

pub(super) fn port_on(port: &ServicePort, pod: &Pod) -> Option<Port> {
    let protocol = port.protocol.clone().unwrap_or_else(|| "TCP".to_owned());
    let number = match &port.target_port {
        None | Some(IntOrString::Int(0)) => port.port,
        Some(IntOrString::Int(number)) => *number,
        Some(IntOrString::String(name)) => {
            let containers = pod.spec.as_ref().map(|spec| spec.containers.as_slice()).unwrap_or_default();
            let mut ports = containers.iter().flat_map(|container| container.ports.iter().flatten());
            ports.find(|port| port.name.as_ref() == Some(name))?.container_port
        }
    };
    Some((port.name.clone(), number, protocol))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(name: &str, ip: &str, ready: bool) -> Pod {
        let status = if ready { "True" } else { "False" };
        serde_json::from_value(json!({
            "metadata": {"name": name, "namespace": "ns", "labels": {"app": "a"}},
            "spec": {"containers": [{"name": "c", "ports": [{"name": "web", "containerPort": 9090}]}]},
            "status": {"podIP": ip, "conditions": [{"type": "Ready", "status": status}]},
        }))
        .unwrap()
    }

    fn service(ports: &Value) -> Service {
        serde_json::from_value(json!({
            "metadata": {"name": "s", "namespace": "ns"}, "spec": {"selector": {"app": "a"}, "ports": ports},
        }))
        .unwrap()
    }

    #[test]
    fn lists_ready_pods_with_named_and_numbered_ports() {
        let service = service(&json!([
            {"name": "a", "port": 80, "targetPort": "web"},
            {"name": "b", "port": 81, "targetPort": 8081},
            {"name": "c", "port": 82},
        ]));
        let pods = [pod("one", "10.0.0.2", true), pod("two", "10.0.0.1", false)];
        let subsets = subsets(&service, pods.iter());
        assert_eq!(subsets.len(), 1);
        let ports: Vec<_> = subsets[0].ports.iter().flatten().map(|port| port.port).collect();
        assert_eq!(ports, [9090, 8081, 82]);
        assert_eq!(subsets[0].addresses.as_ref().unwrap()[0].ip, "10.0.0.2");
        assert_eq!(subsets[0].not_ready_addresses.as_ref().unwrap()[0].ip, "10.0.0.1");
        let target = subsets[0].addresses.as_ref().unwrap()[0].target_ref.as_ref().unwrap();
        assert_eq!(target.name.as_deref(), Some("one"));
    }

    #[test]
    fn leaves_out_pods_that_lack_the_named_port() {
        let service = service(&json!([{"port": 80, "targetPort": "other"}]));
        assert!(subsets(&service, [pod("one", "10.0.0.2", true)].iter()).is_empty());
    }

    #[test]
    fn selects_nothing_without_a_selector() {
        let mut service = service(&json!([]));
        service.spec.as_mut().unwrap().selector = Some(BTreeMap::new());
        assert!(!selected(&service, &pod("one", "10.0.0.2", true)));
    }
}
