//! A default `StorageClass`, which KubeSphere's installer demands.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::storage::v1::StorageClass;
use kube::Api;
use kube::api::{ListParams, PostParams};

use crate::cluster::{Cluster, During as _, Failure};

const IS_DEFAULT: &str = "storageclass.kubernetes.io/is-default-class";

/// Creates the class `local`, as a `KubeKey` installation does, unless some class is the default already.
pub(crate) async fn ensure_default_class(cluster: &Arc<Cluster>) -> Result<(), Failure> {
    let _busy = cluster.clock.busy();
    let api = Api::<StorageClass>::all(cluster.client.clone());
    let classes = api.list(&ListParams::default()).await.during("list StorageClasses")?;
    let is_default = |class: &StorageClass| {
        class.metadata.annotations.as_ref().and_then(|all| all.get(IS_DEFAULT)).is_some_and(|value| value == "true")
    };
    if classes.items.iter().any(is_default) {
        return Ok(());
    }
    let mut class = StorageClass {
        provisioner: "openebs.io/local".to_owned(),
        reclaim_policy: Some("Delete".to_owned()),
        volume_binding_mode: Some("WaitForFirstConsumer".to_owned()),
        ..StorageClass::default()
    };
    class.metadata.name = Some("local".to_owned());
    class.metadata.annotations = Some(BTreeMap::from([(IS_DEFAULT.to_owned(), "true".to_owned())]));
    api.create(&PostParams::default(), &class).await.unless_there("create StorageClass local")?;
    Ok(())
}
