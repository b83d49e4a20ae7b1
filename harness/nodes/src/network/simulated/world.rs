//! The state of the simulated network and its rules: where a dial ends, what a name means.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::faults::{Fault, Unreachable};
use super::streams::Arrival;
use super::{ClusterPlan, ServiceKey, ServiceTable};
use crate::network::NetError;

/// Who dials or looks up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) cluster: usize,
    pub(super) place: Place,
    /// The node underneath, for a pod whose node is known.
    pub(super) node: Option<IpAddr>,
    /// The namespace whose services short names mean; none on a node, which does not ask the cluster's DNS.
    pub(super) namespace: Option<String>,
}

impl Source {
    pub(super) fn is(&self, address: IpAddr) -> bool {
        self.place.address() == address || self.node == Some(address)
    }
}

/// Something with an address of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// A node; its address is reachable from both clusters.
    Node(IpAddr),
    /// A pod; its address means something only in its cluster.
    Pod(usize, IpAddr),
}

impl Place {
    pub(super) fn address(self) -> IpAddr {
        match self {
            Self::Node(address) | Self::Pod(_, address) => address,
        }
    }
}

/// Where a dial ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    /// A real socket of an API server.
    Socket(SocketAddr),
    /// A port of a node or pod.
    Port(Place, u16),
    /// Nowhere, without an answer.
    Dropped,
}

pub(super) struct Cluster {
    pub(super) plan: ClusterPlan,
    pub(super) names: BTreeMap<String, Vec<IpAddr>>,
    pub(super) nodes: BTreeSet<IpAddr>,
    pub(super) pods: BTreeMap<IpAddr, Option<IpAddr>>,
    pub(super) services: BTreeMap<ServiceKey, ServiceTable>,
    /// Addresses inside this cluster only that lead to real sockets, as the `kubernetes` Service's.
    pub(super) sockets: BTreeMap<SocketAddr, SocketAddr>,
    pub(super) next_pod: u32,
}

#[derive(Default)]
pub(super) struct World {
    pub(super) clusters: Vec<Cluster>,
    pub(super) names: BTreeMap<String, Vec<IpAddr>>,
    pub(super) sockets: BTreeMap<SocketAddr, SocketAddr>,
    pub(super) hosts: BTreeSet<IpAddr>,
    pub(super) blackholes: BTreeSet<SocketAddr>,
    pub(super) listeners: BTreeMap<(Place, u16), mpsc::UnboundedSender<Arrival>>,
    pub(super) faults: BTreeMap<u64, Fault>,
    pub(super) connections: Vec<Connection>,
    pub(super) next_id: u64,
    pub(super) turn: usize,
}

/// An open connection, so that a fault can break it.
pub(super) struct Connection {
    pub(super) source: Source,
    pub(super) to: SocketAddr,
    /// The address behind a service's, which a fault may name as well.
    pub(super) behind: Option<SocketAddr>,
    pub(super) reset: CancellationToken,
    /// Dropped with the connection's streams.
    pub(super) alive: std::sync::Weak<()>,
}

impl World {
    /// Where a dial from `source` to `to` ends, and the address behind a service's address.
    pub(super) fn route(&mut self, source: &Source, to: SocketAddr) -> Result<(Route, Option<SocketAddr>), NetError> {
        if to.ip().is_loopback() || to.ip().is_unspecified() {
            // 127.0.0.1 is the pod itself (observed/validation.json, `loopback`).
            return self.port(source.place, to).map(|route| (route, None));
        }
        if let Some(how) = self.fault(source, to) {
            return Self::broken(how, to);
        }
        if self.blackholes.contains(&to) {
            return Ok((Route::Dropped, None));
        }
        let Some(behind) = self.behind_service(source, to)? else {
            return self.address(source.cluster, to).map(|route| (route, None));
        };
        let (cluster, behind) = behind;
        if let Some(how) = self.fault(source, behind) {
            return Self::broken(how, to);
        }
        let route = self.address(cluster, behind).map_err(|error| match error {
            NetError::Refused { .. } => NetError::Refused { to },
            _ => NetError::NoRoute { to },
        })?;
        Ok((route, Some(behind)))
    }

    fn broken(how: Unreachable, to: SocketAddr) -> Result<(Route, Option<SocketAddr>), NetError> {
        match how {
            Unreachable::Dropped => Ok((Route::Dropped, None)),
            how => Err(how.error(to)),
        }
    }

    fn fault(&self, source: &Source, to: SocketAddr) -> Option<Unreachable> {
        self.faults.values().find_map(|fault| fault.hits_dial(source, to))
    }

    /// The ready endpoint that a ClusterIP or node port leads to, in turn, and the cluster it is in; `None` where `to` is
    /// no service's address.
    fn behind_service(&mut self, source: &Source, to: SocketAddr) -> Result<Option<(usize, SocketAddr)>, NetError> {
        let cluster = self.clusters.get(source.cluster).ok_or(NetError::Closed)?;
        if cluster.sockets.contains_key(&to) {
            return Ok(None);
        }
        // A node port is served by every node of the service's own cluster, whoever dials.
        let by_node_port =
            self.clusters.iter().enumerate().filter(|(_, cluster)| cluster.nodes.contains(&to.ip())).flat_map(
                |(at, cluster)| {
                    let ports = cluster.services.values().flat_map(|table| &table.ports);
                    ports.filter(|port| port.node_port == Some(to.port())).map(move |port| (at, port))
                },
            );
        let by_cluster_ip = cluster.services.values().filter(|table| table.cluster_ip == Some(to.ip()));
        let mut known = false;
        let by_cluster_ip = by_cluster_ip.flat_map(|table| {
            known = true;
            table.ports.iter().filter(|port| port.port == to.port()).map(|port| (source.cluster, port))
        });
        let port = by_cluster_ip.chain(by_node_port).next();
        match port {
            // kube-proxy rejects connections to a service without endpoints.
            Some((_, port)) if port.endpoints.is_empty() => Err(NetError::Refused { to }),
            Some((at, port)) => {
                let chosen = port.endpoints.get(self.turn % port.endpoints.len()).map(|endpoint| (at, *endpoint));
                self.turn = self.turn.wrapping_add(1);
                Ok(chosen)
            }
            // kube-proxy has no rule for other ports of a ClusterIP, and no network leads to that address.
            None if known => Err(NetError::NoRoute { to }),
            None => Ok(None),
        }
    }

    /// Where an address leads inside a cluster, services aside.
    fn address(&self, index: usize, to: SocketAddr) -> Result<Route, NetError> {
        let cluster = self.clusters.get(index).ok_or(NetError::Closed)?;
        if let Some(socket) = cluster.sockets.get(&to).or_else(|| self.sockets.get(&to)) {
            return Ok(Route::Socket(*socket));
        }
        if self.hosts.contains(&to.ip()) {
            return self.port(Place::Node(to.ip()), to);
        }
        if cluster.pods.contains_key(&to.ip()) {
            return self.port(Place::Pod(index, to.ip()), to);
        }
        Err(NetError::NoRoute { to })
    }

    fn port(&self, place: Place, to: SocketAddr) -> Result<Route, NetError> {
        // An API server listens on all of its node's addresses, so the node's own loopback reaches it too.
        if let Place::Node(address) = place
            && let Some(socket) = self.sockets.get(&SocketAddr::new(address, to.port()))
        {
            return Ok(Route::Socket(*socket));
        }
        if self.listeners.contains_key(&(place, to.port())) {
            Ok(Route::Port(place, to.port()))
        } else {
            Err(NetError::Refused { to })
        }
    }

    /// The addresses that `host` has for `source`.
    pub(super) fn resolve(&self, source: &Source, host: &str) -> Result<Vec<IpAddr>, NetError> {
        if let Ok(address) = host.parse() {
            return Ok(vec![address]);
        }
        let cluster = self.clusters.get(source.cluster).ok_or(NetError::Closed)?;
        let missing = || NetError::NoSuchHost { host: host.to_owned(), server: cluster.plan.dns_server.clone() };
        let name = host.trim_end_matches('.').to_ascii_lowercase();
        if name == "localhost" {
            // In this order on the observed control plane (observed/validation.json, `localhost-name`).
            return Ok(vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()]);
        }
        if self.faults.values().any(|fault| fault.hides(source, &name)) {
            return Err(missing());
        }
        if let Some(addresses) = cluster.names.get(&name).or_else(|| self.names.get(&name)) {
            return Ok(addresses.clone());
        }
        let namespace = source.namespace.as_deref().ok_or_else(missing)?;
        let key = service_of(&name, namespace, &cluster.plan.domain).ok_or_else(missing)?;
        let table = cluster.services.get(&key).ok_or_else(missing)?;
        let addresses = match table.cluster_ip {
            Some(address) => vec![address],
            None => table.ready.clone(),
        };
        if addresses.is_empty() { Err(missing()) } else { Ok(addresses) }
    }

    /// Sets a fault and breaks the open connections that it is about.
    pub(super) fn set_fault(&mut self, fault: Fault) -> u64 {
        self.connections.retain(|connection| connection.alive.strong_count() > 0);
        for connection in &self.connections {
            let addresses = std::iter::once(connection.to).chain(connection.behind);
            if addresses.into_iter().any(|to| fault.hits_dial(&connection.source, to).is_some()) {
                connection.reset.cancel();
            }
        }
        self.next_id += 1;
        self.faults.insert(self.next_id, fault);
        self.next_id
    }
}

/// The service that `name` means to a pod of `namespace`: `svc`, `svc.ns`, `svc.ns.svc` or the full name.
fn service_of(name: &str, namespace: &str, domain: &str) -> Option<ServiceKey> {
    let name = name.strip_suffix(domain).and_then(|name| name.strip_suffix('.')).unwrap_or(name);
    let mut parts = name.split('.');
    let (service, in_namespace, svc) = (parts.next()?, parts.next(), parts.next());
    let rest_is_known = matches!(svc, None | Some("svc")) && parts.next().is_none();
    rest_is_known
        .then(|| ServiceKey { namespace: in_namespace.unwrap_or(namespace).to_owned(), name: service.to_owned() })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("api", Some(("mine", "api")))]
    #[case("api.other", Some(("other", "api")))]
    #[case("api.other.svc", Some(("other", "api")))]
    #[case("api.other.svc.cluster.local", Some(("other", "api")))]
    #[case("api.other.pod", None)]
    #[case("api.other.svc.example.org", None)]
    fn reads_a_service_name_as_a_pods_search_list_does(#[case] name: &str, #[case] meant: Option<(&str, &str)>) {
        let expected =
            meant.map(|(namespace, name)| ServiceKey { namespace: namespace.to_owned(), name: name.to_owned() });
        assert_eq!(service_of(name, "mine", "cluster.local"), expected);
    }
}
