//! The `ReplicaSets` of a Deployment: which one is new, which are old.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::PodTemplateSpec;

use crate::cluster::{Cluster, Failure};
use crate::controllers::claims::Claim;
use crate::controllers::{owners, pods};

/// The label that tells the pods of one template from those of another.
pub(super) const HASH: &str = "pod-template-hash";

/// The `ReplicaSets` of a Deployment; the old ones from the oldest.
#[derive(Debug, Clone, Default)]
pub(super) struct Sets {
    pub(super) new: Option<Arc<ReplicaSet>>,
    pub(super) old: Vec<Arc<ReplicaSet>>,
}

/// The replicas that `set` should have.
pub(super) fn wanted(set: &ReplicaSet) -> i32 {
    set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1)
}

/// The replicas that there are.
pub(super) fn there(set: &ReplicaSet) -> i32 {
    set.status.as_ref().map_or(0, |status| status.replicas)
}

/// Those that have been ready for long enough.
pub(super) fn available(set: &ReplicaSet) -> i32 {
    set.status.as_ref().and_then(|status| status.available_replicas).unwrap_or(0)
}

/// Those that are ready.
pub(super) fn ready(set: &ReplicaSet) -> i32 {
    set.status.as_ref().and_then(|status| status.ready_replicas).unwrap_or(0)
}

impl Sets {
    /// The sets that `deployment` owns now.
    pub(super) async fn of(cluster: &Cluster, deployment: &Deployment) -> Result<Self, Failure> {
        let Some(spec) = &deployment.spec else { return Ok(Self::default()) };
        let cache = &cluster.caches.replica_sets;
        let claim = Claim { cluster, owner: deployment, selector: &spec.selector, cache };
        let mut own = claim.of(|_| true).await?;
        own.sort_by(|a, b| {
            let created = |set: &ReplicaSet| set.metadata.creation_timestamp.as_ref().map(|time| time.0);
            created(a).cmp(&created(b)).then_with(|| a.metadata.name.cmp(&b.metadata.name))
        });
        let template = without_hash(&spec.template);
        // Of several with the same template the oldest counts (kubernetes v1.20, `FindNewReplicaSet`).
        let is_new = |set: &Arc<ReplicaSet>| {
            set.spec.as_ref().and_then(|spec| spec.template.as_ref()).is_some_and(|own| without_hash(own) == template)
        };
        let new = own.iter().position(is_new).map(|at| own.remove(at));
        Ok(Self { new, old: own })
    }

    /// The new one and the old ones.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<ReplicaSet>> {
        self.old.iter().chain(&self.new)
    }

    /// Those that should have replicas.
    pub(super) fn active(&self) -> impl Iterator<Item = &Arc<ReplicaSet>> {
        self.all().filter(|set| wanted(set) > 0)
    }

    /// Whether pods of old sets are still there, ended ones aside.
    pub(super) fn old_pods_run(&self, cluster: &Cluster) -> bool {
        let runs = |set: &Arc<ReplicaSet>| {
            let namespace = set.metadata.namespace.as_deref().unwrap_or_default();
            let pods = cluster.caches.pods.in_namespace(namespace);
            pods.iter().any(|pod| owners::is_controlled_by(pod.as_ref(), set.as_ref()) && !pods::has_ended(pod))
        };
        self.old.iter().any(|set| there(set) > 0 || runs(set))
    }
}

/// A template as the Deployment has it.
pub(super) fn without_hash(template: &PodTemplateSpec) -> PodTemplateSpec {
    let mut template = template.clone();
    if let Some(metadata) = &mut template.metadata {
        if let Some(labels) = &mut metadata.labels {
            labels.remove(HASH);
        }
        metadata.labels = metadata.labels.take().filter(|labels| !labels.is_empty());
        metadata.creation_timestamp = None;
    }
    template
}
