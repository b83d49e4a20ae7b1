//! The ConfigMap `kube-root-ca.crt` in every namespace (kubernetes v1.20, feature `RootCAConfigMap`).

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::PostParams;

use super::accounts::is_active;
use crate::cache::Key;
use crate::cluster::{Cluster, During as _, Failure, is_terminating};
use crate::queue::{Queue, work};

const NAME: &str = "kube-root-ca.crt";

pub(crate) fn start(cluster: &Arc<Cluster>, ca_pem: &Arc<str>) {
    let queue = Queue::new(cluster.clock.clone());
    let namespaces = queue.clone();
    cluster.caches.namespaces.on_change(move |change| {
        if let Some(namespace) = change.new {
            namespaces.push(Key::of(namespace.as_ref()).name);
        }
    });
    let maps = queue.clone();
    cluster.caches.config_maps.on_change(move |change| {
        if let Some(map) = change.any().filter(|map| map.metadata.name.as_deref() == Some(NAME)) {
            maps.push(Key::of(map.as_ref()).namespace);
        }
    });
    let (home, ca_pem) = (cluster.clone(), ca_pem.clone());
    work(cluster, "root-ca", queue, move |namespace| reconcile(home.clone(), ca_pem.clone(), namespace));
}

async fn reconcile(cluster: Arc<Cluster>, ca_pem: Arc<str>, namespace: String) -> Result<(), Failure> {
    if !cluster.caches.namespaces.get(&Key::new("", &namespace)).is_some_and(|namespace| is_active(&namespace)) {
        return Ok(());
    }
    let data = Some(BTreeMap::from([("ca.crt".to_owned(), ca_pem.to_string())]));
    let api = cluster.api::<ConfigMap>(&namespace);
    let written = match cluster.caches.config_maps.get(&Key::new(&namespace, NAME)) {
        Some(map) if map.data == data => None,
        Some(map) => {
            let wanted = ConfigMap { data, ..map.as_ref().clone() };
            api.replace(NAME, &PostParams::default(), &wanted).await.unless_gone("update ConfigMap kube-root-ca.crt")?
        }
        None => {
            let mut map = ConfigMap { data, ..ConfigMap::default() };
            map.metadata.name = Some(NAME.to_owned());
            match api.create(&PostParams::default(), &map).await {
                Err(error) if is_terminating(&error) => None,
                created => created.unless_there("create ConfigMap kube-root-ca.crt")?,
            }
        }
    };
    if let Some(written) = written {
        cluster.caches.config_maps.wrote(written);
    }
    Ok(())
}
