//! The host's own Cluster (kubesphere v3.3.2, `reconcileHostCluster`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kubesphere::names::{CLUSTER, annotations, labels};
use nodes::program::ServiceAccountMount;
use serde_json::{Value, json};

use super::controller::Controller;
use super::places::Place;
use super::variations;
use crate::Deviation;
use crate::member::Target;

const DESCRIPTION: &str = "The description was created by KubeSphere automatically. It is recommended that you use the \
                           Host Cluster to manage clusters only and deploy workloads on Member Clusters.";

impl Controller {
    /// Creates the host's Cluster when there is none; with more than one it only complains.
    pub(super) async fn ensure_host_cluster(&self) {
        if self.deviates(Deviation::HostClusterMissing) {
            return;
        }
        let hosts = Target::clusters().query("labelSelector=cluster-role.kubesphere.io%2Fhost");
        let outcome = match self.host.get(&hosts).await {
            Err(error) => Err(error.to_string()),
            Ok(list) => match list["items"].as_array().map_or(0, Vec::len) {
                0 => {
                    let cluster = variations::of_host_cluster(
                        host_cluster(&self.settings.host_cluster_name, &self.ctx.service_account),
                        self.behaviour,
                    );
                    self.host.create(&Target::clusters(), &cluster).await.map(drop).map_err(|error| error.to_string())
                }
                1 => Ok(()),
                _ if self.deviates(Deviation::SecondHostAccepted) => Ok(()),
                several => Err(format!("there MUST not be more than one host clusters, while there are {several}")),
            },
        };
        if let Err(error) = outcome {
            self.log(Place::HostCluster, &format!("Error create host cluster, error {error}"));
        }
    }
}

fn host_cluster(name: &str, account: &ServiceAccountMount) -> Value {
    json!({
        "apiVersion": CLUSTER.api_version(),
        "kind": CLUSTER.kind,
        "metadata": {
            "name": name,
            "labels": {labels::HOST_CLUSTER: "", labels::MANAGED: "true"},
            "annotations": {annotations::DESCRIPTION: DESCRIPTION},
        },
        "spec": {
            "joinFederation": true,
            "enable": true,
            "provider": "kubesphere",
            "connection": {"type": "direct", "kubeconfig": STANDARD.encode(in_cluster_kubeconfig(account))},
        },
    })
}

/// A kubeconfig for the address inside the cluster with the program's own token.
fn in_cluster_kubeconfig(account: &ServiceAccountMount) -> String {
    let config = json!({
        "apiVersion": "v1",
        "clusters": [{
            "cluster": {
                "certificate-authority-data": STANDARD.encode(&account.ca_pem),
                "server": account.server,
            },
            "name": "kubernetes",
        }],
        "contexts": [{
            "context": {"cluster": "kubernetes", "user": "kubernetes-admin"},
            "name": "kubernetes-admin@kubernetes",
        }],
        "current-context": "kubernetes-admin@kubernetes",
        "kind": "Config",
        "preferences": {},
        "users": [{
            "name": "kubernetes-admin",
            "user": {
                "token": account.token,
                "tokenFile": "/var/run/secrets/kubernetes.io/serviceaccount/token",
            },
        }],
    });
    serde_yaml::to_string(&config).unwrap_or_else(|_| config.to_string())
}

/// The option check of `hostClusterName`: a qualified name of Kubernetes (apimachinery, `IsQualifiedName`), which is
/// more than the API server accepts for a Cluster's name.
///
/// # Errors
/// What is wrong with it.
pub fn check_name(name: &str) -> Result<(), String> {
    let name = match name.split('/').collect::<Vec<_>>().as_slice() {
        ["", _] => return Err("prefix part must be non-empty".to_owned()),
        [name] | [_, name] => *name,
        _ => {
            return Err("a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
                        alphanumeric character with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
                .to_owned());
        }
    };
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let outer = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    if name.is_empty() {
        Err("name part must be non-empty".to_owned())
    } else if name.len() > 63 {
        Err("name part must be no more than 63 characters".to_owned())
    } else if !name.chars().all(inner) || !outer(name.chars().next()) || !outer(name.chars().last()) {
        Err("name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric \
             character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
             '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
            .to_owned())
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing unwrap fails the test")]

    use rstest::rstest;

    use super::*;
    use crate::member::kubeconfig;

    #[rstest]
    #[case("UPPER")]
    #[case("under_score")]
    #[case("a.b-c")]
    #[case("host/name")]
    fn accepts_more_than_the_api_server_does(#[case] name: &str) {
        check_name(name).unwrap();
    }

    #[rstest]
    #[case("Bad_Name!", "name part must consist of alphanumeric characters")]
    #[case("-dash", "name part must consist of alphanumeric characters")]
    #[case(&"x".repeat(70), "name part must be no more than 63 characters")]
    fn refuses_what_the_real_option_check_refuses(#[case] name: &str, #[case] reason: &str) {
        assert!(check_name(name).unwrap_err().starts_with(reason));
    }

    #[test]
    fn builds_a_kubeconfig_that_loads() {
        let account = ServiceAccountMount {
            server: "https://10.96.0.1:443".to_owned(),
            ca_pem: bytes::Bytes::from_static(b"-----BEGIN CERTIFICATE-----\n"),
            token: "t".to_owned(),
        };
        let config = kubeconfig::load(in_cluster_kubeconfig(&account).as_bytes()).unwrap();
        assert_eq!((config.server(), config.authorities()), ("https://10.96.0.1:443", &account.ca_pem[..]));
    }
}
