//! Services and Endpoints → the network's tables, as kube-proxy and the cluster's DNS read them.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use k8s_openapi::api::core::v1::{Endpoints, Service};

use crate::cache::Key;
use crate::cluster::{Caches, Cluster};
use crate::network::simulated::{ServiceKey, ServicePort, ServiceTable};
use crate::node_network::NodeNetwork;

/// The network's tables. Reading the caches and setting a table is one step, or of a Service and its Endpoints that change
/// at once the older view could be set last.
struct Tables {
    network: Arc<dyn NodeNetwork>,
    updating: Mutex<()>,
}

pub(crate) fn start(cluster: &Arc<Cluster>, network: &Arc<dyn NodeNetwork>) {
    let services = Arc::new(Tables { network: network.clone(), updating: Mutex::default() });
    let (home, tables) = (Arc::downgrade(cluster), services.clone());
    cluster.caches.services.on_change(move |change| {
        if let (Some(home), Some(service)) = (home.upgrade(), change.any()) {
            tables.update(&home.caches, Key::of(service.as_ref()));
        }
    });
    let (home, tables) = (Arc::downgrade(cluster), services);
    cluster.caches.endpoints.on_change(move |change| {
        if let (Some(home), Some(endpoints)) = (home.upgrade(), change.any()) {
            tables.update(&home.caches, Key::of(endpoints.as_ref()));
        }
    });
}

impl Tables {
    fn update(&self, caches: &Caches, key: Key) {
        let _updating = self.updating.lock().unwrap_or_else(PoisonError::into_inner);
        let service = caches.services.get(&key);
        let endpoints = caches.endpoints.get(&key);
        let table = service.map(|service| table(&service, endpoints.as_deref()));
        self.network.set_service(ServiceKey { namespace: key.namespace, name: key.name }, table);
    }
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
    use crate::network::Network;
    use crate::node_network::PodNetwork;

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

    /// Takes a while to set the first table.
    struct Slow {
        entered: Mutex<Option<std::sync::mpsc::Sender<()>>>,
        set: Mutex<Vec<usize>>,
    }

    impl NodeNetwork for Slow {
        fn node(&self, _: IpAddr) -> Arc<dyn Network> {
            unreachable!()
        }

        fn add_pod(&self, _: IpAddr, _: &str) -> PodNetwork {
            unreachable!()
        }

        fn restore_pod(&self, _: IpAddr, _: &str, _: IpAddr) -> PodNetwork {
            unreachable!()
        }

        fn remove_pod(&self, _: IpAddr) {}

        fn set_service(&self, _: ServiceKey, table: Option<ServiceTable>) {
            let first = self.entered.lock().unwrap().take();
            if let Some(entered) = first {
                entered.send(()).unwrap();
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
            self.set.lock().unwrap().push(table.unwrap().ready.len());
        }
    }

    #[tokio::test]
    async fn sets_the_newest_table_last() {
        let (entered, first_entered) = std::sync::mpsc::channel();
        let slow = Arc::new(Slow { entered: Mutex::new(Some(entered)), set: Mutex::default() });
        let cluster = Cluster::new(crate::Components::alike(&crate::testing::client()), crate::clock::Clock::real());
        let network: Arc<dyn NodeNetwork> = slow.clone();
        start(&cluster, &network);
        let meta = |version: &str| json!({"name": "web", "namespace": "ns", "resourceVersion": version});
        let service = serde_json::from_value(json!({"metadata": meta("1")})).unwrap();
        let subsets = json!([{"addresses": [{"ip": "10.1.0.1"}]}]);
        let endpoints = serde_json::from_value(json!({"metadata": meta("2"), "subsets": subsets})).unwrap();
        std::thread::scope(|threads| {
            threads.spawn(|| cluster.caches.services.wrote(service));
            first_entered.recv().unwrap();
            cluster.caches.endpoints.wrote(endpoints);
        });
        assert_eq!(*slow.set.lock().unwrap(), [0, 1]);
    }
}
