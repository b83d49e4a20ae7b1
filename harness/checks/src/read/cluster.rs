//! Cluster objects of the host, as KubeSphere's cluster controller leaves them.

use kube::Api;
use kube::api::{DynamicObject, ListParams};
use kubesphere::names;
use serde_json::Value;

use super::{Seen, resource, unreadable};
use crate::view::ClusterView;

/// Label of the host's own Cluster (kubesphere, `cluster_types.go`).
pub(crate) const HOST_LABEL: &str = "cluster-role.kubesphere.io/host";

/// A Cluster.
pub(crate) struct Cluster(DynamicObject);

/// One entry of `status.conditions`.
pub(crate) struct Condition<'a> {
    /// `True`, `False` or `Unknown`.
    pub(crate) status: &'a str,
    /// Reason; for `Federated` the raw error.
    pub(crate) reason: &'a str,
}

impl Cluster {
    /// Name.
    pub(crate) fn name(&self) -> &str {
        self.0.metadata.name.as_deref().unwrap_or_default()
    }

    /// Whether it is being deleted.
    pub(crate) fn is_going(&self) -> bool {
        self.0.metadata.deletion_timestamp.is_some()
    }

    /// Value of a label.
    pub(crate) fn label(&self, key: &str) -> Option<&str> {
        self.0.metadata.labels.as_ref()?.get(key).map(String::as_str)
    }

    /// Whether it has a finalizer.
    pub(crate) fn has_finalizer(&self, finalizer: &str) -> bool {
        self.0.metadata.finalizers.iter().flatten().any(|found| found == finalizer)
    }

    /// Its kubeconfig in base64; empty when there is none.
    pub(crate) fn kubeconfig(&self) -> &str {
        self.0.data.pointer("/spec/connection/kubeconfig").and_then(Value::as_str).unwrap_or_default()
    }

    /// A field of its status.
    pub(crate) fn status(&self, field: &str) -> Option<&Value> {
        self.0.data.get("status")?.get(field).filter(|value| !value.is_null())
    }

    /// A text of its status; empty when it is not there.
    pub(crate) fn status_text(&self, field: &str) -> &str {
        self.status(field).and_then(Value::as_str).unwrap_or_default()
    }

    /// A condition by type.
    pub(crate) fn condition(&self, kind: &str) -> Option<Condition<'_>> {
        let conditions = self.status("conditions")?.as_array()?;
        let found = conditions.iter().find(|condition| text(condition, "type") == kind)?;
        Some(Condition { status: text(found, "status"), reason: text(found, "reason") })
    }

    /// Whether a condition is `True`.
    pub(crate) fn is(&self, kind: &str) -> bool {
        self.condition(kind).is_some_and(|condition| condition.status == "True")
    }

    /// All conditions on a line, as `Federated=False (Unauthorized), Ready=False (…)`.
    pub(crate) fn conditions_line(&self) -> String {
        let conditions = self.status("conditions").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        if conditions.is_empty() {
            return "no conditions".to_owned();
        }
        let shown: Vec<_> = conditions
            .iter()
            .map(|condition| {
                let (kind, status, reason) =
                    (text(condition, "type"), text(condition, "status"), text(condition, "reason"));
                if reason.is_empty() || reason == kind {
                    format!("{kind}={status}")
                } else {
                    format!("{kind}={status} ({reason})")
                }
            })
            .collect();
        shown.join(", ")
    }
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn api(view: &dyn ClusterView) -> Api<DynamicObject> {
    Api::all_with(view.client(), &resource(names::CLUSTER))
}

/// The Cluster of that name.
pub(crate) async fn named(view: &dyn ClusterView, name: &str) -> Seen<Option<Cluster>> {
    let found = api(view).get_opt(name).await;
    found.map(|found| found.map(Cluster)).map_err(|cause| unreadable(view, &format!("Cluster {name}"), &cause))
}

/// All Clusters with the host's label.
pub(crate) async fn with_host_label(view: &dyn ClusterView) -> Seen<Vec<Cluster>> {
    let found = api(view).list(&ListParams::default().labels(HOST_LABEL)).await;
    if matches!(&found, Err(kube::Error::Api(status)) if status.code == 404) {
        // The kind is not served before ks-installer has installed it, so there is none.
        return Ok(Vec::new());
    }
    found
        .map(|list| list.items.into_iter().map(Cluster).collect())
        .map_err(|cause| unreadable(view, "Clusters", &cause))
}
