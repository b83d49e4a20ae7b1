//! Which resources a server has, as its discovery tells.

use futures::future::try_join_all;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{APIGroup, APIResource, GroupVersionForDiscovery};
use kube::Api;
use kube::core::{ApiResource, DynamicObject};

use crate::cluster::{Cluster, During as _, Failure};

/// A resource whose objects can be listed and deleted.
#[derive(Debug, Clone)]
pub(crate) struct Deletable {
    pub(crate) resource: ApiResource,
    pub(crate) namespaced: bool,
    pub(crate) collection: bool,
    pub(crate) watchable: bool,
}

impl Deletable {
    pub(crate) fn api(&self, cluster: &Cluster, namespace: &str) -> Api<DynamicObject> {
        if self.namespaced {
            Api::namespaced_with(cluster.client.clone(), namespace, &self.resource)
        } else {
            self.everywhere(cluster)
        }
    }

    /// Its objects in all namespaces.
    pub(crate) fn everywhere(&self, cluster: &Cluster) -> Api<DynamicObject> {
        Api::all_with(cluster.client.clone(), &self.resource)
    }
}

/// The resources that can be listed and deleted, each in its group's preferred version or, where that does not have it, in
/// another one (`ServerPreferredResources` of client-go 0.20, `discovery_client.go`).
pub(crate) async fn deletable(cluster: &Cluster) -> Result<Vec<Deletable>, Failure> {
    let core = async {
        let list = cluster.client.list_core_api_resources("v1").await.during("discover v1")?;
        Ok(of_list("", "v1", list.resources).collect::<Vec<_>>())
    };
    let (core, others) = futures::try_join!(core, deletable_in(cluster, |_| true))?;
    Ok(core.into_iter().chain(others).collect())
}

/// Those in the groups whose names are `wanted`, the core's aside.
pub(crate) async fn deletable_in(cluster: &Cluster, wanted: impl Fn(&str) -> bool) -> Result<Vec<Deletable>, Failure> {
    let client = &cluster.client;
    let groups = client.list_api_groups().await.during("discover the groups")?;
    let groups = groups.groups.into_iter().filter(|group| wanted(&group.name));
    let lists = groups.map(|group| async move {
        let mut found: Vec<Deletable> = Vec::new();
        for version in preferred_first(&group) {
            let list = client.list_api_group_resources(&version.group_version).await;
            // A version whose definitions went meanwhile has nothing to delete either.
            let list = list.unless_gone(&format!("discover {}", version.group_version))?;
            let Some(list) = list else { continue };
            for one in of_list(&group.name, &version.version, list.resources) {
                if found.iter().all(|known| known.resource.plural != one.resource.plural) {
                    found.push(one);
                }
            }
        }
        Ok::<_, Failure>(found)
    });
    Ok(try_join_all(lists).await?.into_iter().flatten().collect())
}

fn preferred_first(group: &APIGroup) -> impl Iterator<Item = &GroupVersionForDiscovery> {
    let preferred = group.preferred_version.as_ref();
    preferred.into_iter().chain(group.versions.iter().filter(move |version| Some(*version) != preferred))
}

fn of_list(group: &str, version: &str, resources: Vec<APIResource>) -> impl Iterator<Item = Deletable> {
    let api_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    let (group, version) = (group.to_owned(), version.to_owned());
    resources.into_iter().filter_map(move |resource| {
        let can = |verb: &str| resource.verbs.iter().any(|one| one == verb);
        let is_object = !resource.name.contains('/') && can("list") && can("delete");
        is_object.then(|| Deletable {
            namespaced: resource.namespaced,
            collection: can("deletecollection"),
            watchable: can("watch"),
            resource: ApiResource {
                group: group.clone(),
                version: version.clone(),
                api_version: api_version.clone(),
                kind: resource.kind.clone(),
                plural: resource.name.clone(),
            },
        })
    })
}
