//! Services and Endpoints → the network's tables, as kube-proxy and the cluster's DNS read them.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Endpoints, Service};

use crate::cache::Key;
use crate::cluster::Cluster;
use crate::network::simulated::{ServiceKey, ServicePort, ServiceTable};
use crate::node_network::NodeNetwork;

pub(crate) fn start(cluster: &Arc<Cluster>, network: &Arc<dyn NodeNetwork>) {
    let (home, tables) = (Arc::downgrade(cluster), network.clone());
    cluster.caches.services.on_change(move |change| {
        if let (Some(home), Some(service)) = (home.upgrade(), change.any()) {
            update(&home, tables.as_ref(), Key::of(service.as_ref()));
        }
    });
    let (home, tables) = (Arc::downgrade(cluster), network.clone());
    cluster.caches.endpoints.on_change(move |change| {
        if let (Some(home), Some(endpoints)) = (home.upgrade(), change.any()) {
            update(&home, tables.as_ref(), Key::of(endpoints.as_ref()));
        }
    });
}

fn update(cluster: &Cluster, network: &dyn NodeNetwork, key: Key) {
    let service = cluster.caches.services.get(&key);
    let endpoints = cluster.caches.endpoints.get(&key);
    let table = service.map(|service| table(&service, endpoints.as_deref()));
    network.set_service(ServiceKey { namespace: key.namespace, name: key.name }, table);
}

fn table(service: &Service, endpoints: Option<&Endpoints>) -> ServiceTable {
    let spec = service.spec.clone().unwrap_or_default();
    let subsets = endpoints.and_then(|endpoints| endpoints.subsets.as_deref()).unwrap_or_default();
    let addresses = |subset: &k8s_openapi::api::core::v1::EndpointSubset| -> Vec<IpAddr> {
        subset.addresses.iter().flatten().filter_map(|address| address.ip.parse().ok()).collect()
    };
    let port = |number: i32| u16::try_from(number).ok();
    let ports = spec.ports.iter().flatten().filter_map(|service_port| {
        let behind = subsets.iter().flat_map(|subset| {
            let number = subset
                .ports
                .iter()
                .flatten()
                .find(|one| one.name.as_deref().unwrap_or_default() == service_port.name.as_deref().unwrap_or_default())
                .and_then(|one| port(one.port));
            let addresses = addresses(subset);
            number
                .into_iter()
                .flat_map(move |number| addresses.clone().into_iter().map(move |ip| SocketAddr::new(ip, number)))
        });
        Some(ServicePort {
            port: port(service_port.port)?,
            node_port: service_port.node_port.and_then(port).filter(|port| *port != 0),
            endpoints: behind.collect(),
        })
    });
    ServiceTable {
        cluster_ip: spec.cluster_ip.as_deref().and_then(|address| address.parse().ok()),
        ready: subsets.iter().flat_map(addresses).collect(),
        ports: ports.collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn joins_service_ports_and_endpoint_ports_by_name() {
        let service = serde_json::from_value(json!({"metadata": {}, "spec": {"clusterIP": "10.96.0.7", "ports": [
            {"name": "web", "port": 80, "nodePort": 30880}, {"name": "admin", "port": 81},
        ]}}));
        let endpoints = serde_json::from_value::<Endpoints>(json!({"metadata": {}, "subsets": [
            {"addresses": [{"ip": "10.1.0.1"}, {"ip": "10.1.0.2"}], "ports": [{"name": "web", "port": 8000}]},
        ]}));
        let table = table(&service.unwrap(), Some(&endpoints.unwrap()));
        assert_eq!(table.cluster_ip, Some("10.96.0.7".parse().unwrap()));
        assert_eq!(table.ports[0].node_port, Some(30880));
        let expected: Vec<SocketAddr> = vec!["10.1.0.1:8000".parse().unwrap(), "10.1.0.2:8000".parse().unwrap()];
        assert_eq!(table.ports[0].endpoints, expected);
        assert!(table.ports[1].endpoints.is_empty());
        assert_eq!(table.ready.len(), 2);
    }
}
