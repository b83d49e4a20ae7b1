//! A ServiceAccount `default` in every namespace.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::api::PostParams;

use crate::cache::Key;
use crate::cluster::{Cluster, During as _, Failure, is_terminating};
use crate::queue::{Queue, work};

pub(crate) const DEFAULT: &str = "default";

pub(crate) fn start(cluster: &Arc<Cluster>) {
    let queue = Queue::new(cluster.clock.clone());
    let namespaces = queue.clone();
    cluster.caches.namespaces.on_change(move |change| {
        if let Some(namespace) = change.new {
            namespaces.push(Key::of(namespace.as_ref()).name);
        }
    });
    let accounts = queue.clone();
    cluster.caches.service_accounts.on_change(move |change| {
        if let (Some(old), None) = (change.old, change.new) {
            accounts.push(Key::of(old.as_ref()).namespace);
        }
    });
    let home = cluster.clone();
    work(cluster, "serviceaccount", queue, move |namespace| reconcile(home.clone(), namespace));
}

async fn reconcile(cluster: Arc<Cluster>, namespace: String) -> Result<(), Failure> {
    let active =
        cluster.caches.namespaces.get(&Key::new("", &namespace)).is_some_and(|namespace| is_active(&namespace));
    if !active || cluster.caches.service_accounts.get(&Key::new(&namespace, DEFAULT)).is_some() {
        return Ok(());
    }
    let mut account = ServiceAccount::default();
    account.metadata.name = Some(DEFAULT.to_owned());
    match cluster.api(&namespace).create(&PostParams::default(), &account).await {
        Err(error) if is_terminating(&error) => {}
        created => {
            if let Some(created) = created.unless_there("create ServiceAccount default")? {
                cluster.caches.service_accounts.wrote(created);
            }
        }
    }
    Ok(())
}

/// Whether new objects may be created in the namespace.
pub(crate) fn is_active(namespace: &Namespace) -> bool {
    namespace.metadata.deletion_timestamp.is_none()
        && namespace.status.as_ref().and_then(|status| status.phase.as_deref()) != Some("Terminating")
}

/// Waits until every namespace that is not going has its account.
pub(crate) async fn all_there(cluster: &Cluster) {
    let mut accounts = cluster.caches.service_accounts.version();
    loop {
        accounts.borrow_and_update();
        let namespaces = cluster.caches.namespaces.all();
        let mut active = namespaces.iter().filter(|namespace| is_active(namespace));
        let has_account = |namespace: &Namespace| {
            let name = namespace.metadata.name.as_deref().unwrap_or_default();
            cluster.caches.service_accounts.get(&Key::new(name, DEFAULT)).is_some()
        };
        if active.all(|namespace| has_account(namespace)) || accounts.changed().await.is_err() {
            return;
        }
    }
}
