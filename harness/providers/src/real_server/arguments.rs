//! How etcd and kube-apiserver are started.

use std::net::SocketAddr;

use scenario::model::On;

use crate::simulated::{SERVICE_CIDR_PREFIX, Seat};

/// Names of etcd's sockets. `host:port` is the form that etcd asks of a Unix socket's address, too; they are relative to
/// the directory that both programs run in (etcd 3.4, `pkg/types/urls.go`).
const ETCD: &str = "unix://etcd:1";
const ETCD_PEER: &str = "unix://etcd-peer:1";

/// The arguments of etcd.
pub(crate) fn etcd_arguments() -> Vec<String> {
    let peers = format!("default={ETCD_PEER}");
    [
        ["--data-dir", "etcd.data"],
        ["--listen-client-urls", ETCD],
        ["--advertise-client-urls", ETCD],
        ["--listen-peer-urls", ETCD_PEER],
        ["--initial-advertise-peer-urls", ETCD_PEER],
        ["--initial-cluster", &peers],
    ]
    .concat()
    .into_iter()
    // What it stores lives no longer than it.
    .chain(["--unsafe-no-fsync"])
    .map(str::to_owned)
    .collect()
}

/// The arguments of kube-apiserver of the cluster `on`, which listens on `at`.
pub(crate) fn apiserver_arguments(on: On, at: SocketAddr) -> Vec<String> {
    let [one, two] = SERVICE_CIDR_PREFIX;
    [
        ("etcd-servers", ETCD.to_owned()),
        ("bind-address", at.ip().to_string()),
        ("secure-port", at.port().to_string()),
        ("advertise-address", Seat::from(on).control_plane().to_string()),
        ("service-cluster-ip-range", format!("{one}.{two}.0.0/16")),
        ("authorization-mode", "RBAC".to_owned()),
        // As kubeadm has it: without, privileged pods are refused.
        ("allow-privileged", "true".to_owned()),
        ("client-ca-file", "ca.crt".to_owned()),
        ("cert-dir", ".".to_owned()),
        ("tls-cert-file", "apiserver.crt".to_owned()),
        ("tls-private-key-file", "apiserver.key".to_owned()),
        ("kubelet-client-certificate", "kubelet-client.crt".to_owned()),
        ("kubelet-client-key", "kubelet-client.key".to_owned()),
        ("kubelet-preferred-address-types", "InternalIP".to_owned()),
        ("service-account-issuer", "https://kubernetes.default.svc".to_owned()),
        ("service-account-key-file", "sa.pub".to_owned()),
        ("service-account-signing-key-file", "sa.key".to_owned()),
        // It would wait for the token of each account, which no controller of its own makes here.
        ("disable-admission-plugins", "ServiceAccount".to_owned()),
        ("egress-selector-config-file", "egress.json".to_owned()),
    ]
    .into_iter()
    .map(|(name, value)| format!("--{name}={value}"))
    .collect()
}
