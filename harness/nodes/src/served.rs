//! Which kinds the server has, of those that have caches.

use std::collections::BTreeSet;

use futures::future::try_join_all;

use crate::cluster::{Cluster, During as _, Failure};

/// The groups and versions whose kinds have caches, the core aside.
const WANTED: [&str; 5] = ["apps/v1", "batch/v1", "batch/v1beta1", "discovery.k8s.io/v1beta1", "storage.k8s.io/v1"];

/// Resources of a server, by group and version.
#[derive(Debug, Clone, Default)]
pub(crate) struct Served(BTreeSet<(String, String)>);

impl Served {
    /// Asks the server. Only groups that it lists are asked for.
    pub(crate) async fn ask(cluster: &Cluster) -> Result<Self, Failure> {
        let client = &cluster.client;
        let core = async { client.list_core_api_resources("v1").await.during("discover v1") };
        let others = async {
            let groups = client.list_api_groups().await.during("discover the groups")?;
            let versions = groups.groups.into_iter().flat_map(|group| group.versions);
            let wanted = versions.map(|version| version.group_version).filter(|name| WANTED.contains(&name.as_str()));
            let lists = wanted.map(|name| async move {
                client.list_api_group_resources(&name).await.during(&format!("discover {name}"))
            });
            try_join_all(lists).await
        };
        let (core, others) = futures::try_join!(core, others)?;
        let lists = others.into_iter().chain([core]);
        let resources = lists.flat_map(|list| {
            let group_version = list.group_version;
            list.resources.into_iter().map(move |resource| (group_version.clone(), resource.name))
        });
        Ok(Self(resources.collect()))
    }

    /// Whether the server has the resource `plural` of `api_version`.
    pub(crate) fn has(&self, api_version: &str, plural: &str) -> bool {
        self.0.contains(&(api_version.to_owned(), plural.to_owned()))
    }
}
