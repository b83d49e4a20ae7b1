//! What is on somebody's cluster before a run touches it.

use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use k8s_openapi::api::core::v1::{Endpoints, Namespace, Node};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::{ListParams, PostParams};
use kubesphere::names::{CLUSTER_CONFIGURATION, namespaces};
use scenario::model::On;

use super::kubeconfig::{self, Chosen, Place};
use crate::access::with_server;
use crate::inventory::Standing;
use crate::leases::NAMESPACE;
use crate::provider::Missing;
use crate::simulated::admin_client;

/// One cluster, as it was found.
#[derive(Clone)]
pub(super) struct Found {
    pub(super) on: On,
    pub(super) chosen: Chosen,
    pub(super) client: kube::Client,
    /// A kubeconfig whose server the other cluster reaches. YAML text.
    pub(super) pasteable: String,
    pub(super) version: String,
    /// UID of kube-system, by which clusters are told apart.
    pub(super) uid: String,
    pub(super) nodes: Vec<String>,
    pub(super) standing: Standing,
}

/// Looks at the cluster `on`, and changes nothing there.
pub(super) async fn look(on: On, place: &Place) -> Result<Found, Missing> {
    let chosen = kubeconfig::read(on, place)?;
    let context = chosen.context.clone();
    let asked = |what: &str, error: &dyn std::fmt::Display| {
        Missing::new(
            format!("{on} cluster, context {context}: cannot {what}: {error}"),
            format!("see that `kubectl --context {context} auth can-i '*' '*'` says yes, or name another context"),
        )
    };
    let client = admin_client(&chosen.kubeconfig).map_err(|error| asked("use the kubeconfig", &error))?;
    let version = client.apiserver_version().await.map_err(|error| asked("reach the API server", &error))?;
    if !may_do_everything(&client).await.map_err(|error| asked("ask for the rights", &error))? {
        return Err(asked("install anything", &"the kubeconfig's user may not do everything"));
    }
    let all = ListParams::default();
    let nodes = Api::<Node>::all(client.clone()).list(&all).await.map_err(|error| asked("list nodes", &error))?;
    let existing: Api<Namespace> = Api::all(client.clone());
    let system = existing.get("kube-system").await.map_err(|error| asked("read kube-system", &error))?;
    let is_there = |name: &'static str| {
        let existing = existing.clone();
        async move { existing.get_opt(name).await.map(|found| found.is_some()) }
    };
    if is_there(NAMESPACE).await.map_err(|error| asked("list namespaces", &error))? {
        return Err(Missing::new(
            format!("{on} cluster, context {context}: another run of ks-e2e is on it (namespace {NAMESPACE})"),
            "wait for its end, or clean up after it with `ks-e2e sweep` where it ran",
        ));
    }
    let kinds: Api<CustomResourceDefinition> = Api::all(client.clone());
    let kind = kinds.get_opt(&CLUSTER_CONFIGURATION.crd_name()).await;
    let kind = kind.map_err(|error| asked("list CustomResourceDefinitions", &error))?;
    let namespace = is_there(namespaces::SYSTEM).await.map_err(|error| asked("list namespaces", &error))?;
    let standing = if kind.is_some() || namespace { Standing::Installed } else { Standing::Absent };
    let server = match &place.server {
        Some(server) => server.clone(),
        None => {
            server_for_others(&client, &chosen).await.map_err(|error| asked("read Endpoints kubernetes", &error))?
        }
    };
    let pasteable = with_server(&chosen.kubeconfig, &server).map_err(|error| asked("write a kubeconfig", &error))?;
    let mut nodes: Vec<_> = nodes.items.into_iter().filter_map(|node| node.metadata.name).collect();
    nodes.sort();
    Ok(Found {
        on,
        chosen,
        client,
        pasteable,
        version: version.git_version,
        uid: system.metadata.uid.unwrap_or_default(),
        nodes,
        standing,
    })
}

async fn may_do_everything(client: &kube::Client) -> Result<bool, kube::Error> {
    let everything = ResourceAttributes {
        group: Some("*".to_owned()),
        resource: Some("*".to_owned()),
        verb: Some("*".to_owned()),
        ..ResourceAttributes::default()
    };
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec { resource_attributes: Some(everything), ..Default::default() },
        ..Default::default()
    };
    let reviews: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let answer = reviews.create(&PostParams::default(), &review).await?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}

/// The kubeconfig's own server, unless that is this machine: then where the API server says that it listens, which kubeadm's
/// certificate names (kubernetes v1.20, `pkg/controlplane/controller.go`, keeps these Endpoints).
async fn server_for_others(client: &kube::Client, chosen: &Chosen) -> Result<String, kube::Error> {
    let server: Option<http::Uri> = chosen.access.server.parse().ok();
    let is_here = server.as_ref().and_then(http::Uri::host).is_none_or(|host| {
        let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback() || address.is_unspecified())
    });
    if !is_here {
        return Ok(chosen.access.server.clone());
    }
    let endpoints: Api<Endpoints> = Api::namespaced(client.clone(), "default");
    let endpoints = endpoints.get("kubernetes").await?;
    let subset = endpoints.subsets.into_iter().flatten().next();
    let place = subset.and_then(|subset| {
        let port = subset.ports.into_iter().flatten().next()?.port;
        Some((subset.addresses.into_iter().flatten().next()?.ip, port))
    });
    Ok(place.map_or_else(
        || chosen.access.server.clone(),
        |(ip, port)| if ip.contains(':') { format!("https://[{ip}]:{port}") } else { format!("https://{ip}:{port}") },
    ))
}
