//! A cluster that others use, too: what a run makes there is told from what they make, and only the run's is taken away.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::Api;
use kube::api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams};
use kubesphere::names::{CLUSTER, namespaces, objects};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::leases::NAMESPACE;

use super::object::{is_noise, is_the_harness};
use super::restore::{ROUNDS, delete, gone, remove, unless_gone};
use super::{AT_A_TIME, InventoryError, Keeper, Key, Object, kinds};

/// Namespaces of KubeSphere's, with what only a run of ours makes.
const NAMESPACES: [&str; 5] = [
    namespaces::SYSTEM,
    namespaces::CONTROLS,
    namespaces::MONITORING,
    namespaces::MONITORING_FEDERATED,
    namespaces::FEDERATION,
];

/// What API groups, and keys of labels and annotations, of KubeSphere's and kubefed's end with.
const DOMAINS: [&str; 2] = ["kubesphere.io", "kubefed.io"];

/// What was on a cluster before a run, without what is inside of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SharedInventory {
    standing: Standing,
    present: BTreeSet<Key>,
    namespaces: BTreeMap<String, Marks>,
}

/// Whether KubeSphere was there before the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Standing {
    /// It was not: all of it is the run's.
    Absent,
    /// It was: nothing is the run's but the Clusters that it has imported, which their controller lets go, and what a join
    /// leaves of kubefed's.
    Installed,
}

/// What KubeSphere's controllers write into namespaces of others.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Marks {
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    finalizers: BTreeSet<String>,
}

impl SharedInventory {
    /// Lists what is behind `client`, without reading it.
    pub(crate) async fn take(client: &kube::Client, standing: Standing) -> Result<Self, InventoryError> {
        let objects = list_all(client).await?;
        let namespaces = objects.iter().filter(|object| object.is("", "namespaces"));
        let namespaces = namespaces.map(|object| (name(object), Marks::of(object))).collect();
        Ok(Self { standing, present: objects.iter().map(Object::key).collect(), namespaces })
    }

    /// Takes away what a run has made since, but for its own namespace. What others have made or changed stays.
    pub(crate) async fn restore(&self, client: &kube::Client) -> Result<(), InventoryError> {
        for round in 0..=ROUNDS {
            let now = list_all(client).await?;
            let extra: Vec<_> = now.iter().filter(|object| self.is_of_the_run(object)).cloned().collect();
            let marked: Vec<_> = now.iter().filter_map(|object| Some((object, self.unmarked(object)?))).collect();
            if extra.is_empty() && marked.is_empty() {
                return Ok(());
            }
            if round == ROUNDS {
                let left = extra.iter().map(|object| format!("{} is left", object.key()));
                let left = left.chain(marked.iter().map(|(object, _)| format!("{} is changed", object.key())));
                return Err(InventoryError::Dirty(left.collect::<Vec<_>>().join(", ")));
            }
            let (clusters, others): (Vec<_>, Vec<_>) = match self.standing {
                Standing::Absent => (Vec::new(), extra),
                Standing::Installed => extra.into_iter().partition(is_a_cluster),
            };
            for cluster in &clusters {
                delete(client, cluster).await?;
                gone(client, cluster).await?;
            }
            remove(client, &others, Keeper::Controllers).await?;
            // Not before what writes them is gone.
            for (object, patch) in marked {
                let api: Api<DynamicObject> = Api::all_with(client.clone(), &object.resource);
                let patched = api.patch(&name(object), &PatchParams::default(), &Patch::Merge(patch)).await;
                unless_gone(format!("restore {}", object.key()), patched)?;
            }
        }
        Ok(())
    }

    fn is_of_the_run(&self, object: &Object) -> bool {
        if self.present.contains(&object.key()) {
            return false;
        }
        match self.standing {
            Standing::Installed => is_a_cluster(object) || is_of_a_join(object),
            Standing::Absent => {
                if object.is("", "namespaces") && name(object) == NAMESPACE {
                    return false;
                }
                let namespace = if object.is("", "namespaces") { Some(name(object)) } else { None };
                let namespace = namespace.as_deref().or_else(|| object.namespace());
                let is_new = |name: &str| NAMESPACES.contains(&name) && !self.namespaces.contains_key(name);
                namespace.is_some_and(is_new)
                    // A kind that was there before is somebody's who uses a part of KubeSphere alone.
                    || (is_of_kubesphere(&object.resource.group)
                        && !self.present.contains(&Key::of_definition(&object.resource)))
                    || (object.is("apiextensions.k8s.io", "customresourcedefinitions")
                        && is_of_kubesphere(&name(object)))
                    || (object.resource.group == RBAC && name(object) == objects::INSTALLER)
                    || is_written_by_the_harness(object)
            }
        }
    }

    /// What brings KubeSphere's marks in a namespace to what they were, if they are others now.
    fn unmarked(&self, object: &Object) -> Option<serde_json::Value> {
        if self.standing == Standing::Installed || !object.is("", "namespaces") || self.is_of_the_run(object) {
            return None;
        }
        // One that somebody has made in the meantime had none.
        let (before, now) = (self.namespaces.get(&name(object)).cloned().unwrap_or_default(), Marks::of(object));
        if before == now {
            return None;
        }
        let of_others =
            object.content.metadata.finalizers.iter().flatten().filter(|one| !is_of_kubesphere(domain(one)));
        let finalizers: Vec<_> = of_others.chain(&before.finalizers).collect();
        Some(json!({"metadata": {
            // Somebody else's finalizer, set in the meantime, is not to be lost.
            "resourceVersion": object.content.metadata.resource_version,
            "labels": difference(&before.labels, &now.labels),
            "annotations": difference(&before.annotations, &now.annotations),
            "finalizers": finalizers,
        }}))
    }
}

impl Marks {
    fn of(object: &Object) -> Self {
        let metadata = &object.content.metadata;
        let ours = |map: &Option<BTreeMap<String, String>>| {
            let ours = map.iter().flatten().filter(|(key, _)| is_of_kubesphere(domain(key)));
            ours.map(|(key, value)| (key.clone(), value.clone())).collect()
        };
        let finalizers = metadata.finalizers.iter().flatten().filter(|one| is_of_kubesphere(domain(one)));
        Self {
            labels: ours(&metadata.labels),
            annotations: ours(&metadata.annotations),
            finalizers: finalizers.cloned().collect(),
        }
    }
}

fn is_a_cluster(object: &Object) -> bool {
    object.is(CLUSTER.group, CLUSTER.plural)
}

/// Whether it is kubefed's namespace, in it, or gives its ServiceAccount for a host its rights (kubesphere v3.3.2,
/// `pkg/controller/cluster/join.go`).
fn is_of_a_join(object: &Object) -> bool {
    object.namespace() == Some(namespaces::FEDERATION)
        || (object.is("", "namespaces") && name(object) == namespaces::FEDERATION)
        || (object.resource.group == RBAC && name(object).starts_with("kubefed-controller-manager:"))
}

const RBAC: &str = "rbac.authorization.k8s.io";

/// Whether the harness or its programs have written an object, and nobody else but Kubernetes' own parts: what somebody has
/// made, KubeSphere's controllers may have written in, too.
fn is_written_by_the_harness(object: &Object) -> bool {
    let (ours, others): (Vec<_>, Vec<_>) = object.managers().partition(|manager| is_the_harness(manager));
    !ours.is_empty() && others.iter().all(|manager| KUBERNETES.contains(manager))
}

/// Parts of Kubernetes that write into objects of others.
const KUBERNETES: [&str; 4] = ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet"];

/// The part of a merge patch that makes `before` of `now`.
fn difference(before: &BTreeMap<String, String>, now: &BTreeMap<String, String>) -> serde_json::Value {
    let gone = now.keys().filter(|key| !before.contains_key(*key)).map(|key| (key.clone(), json!(null)));
    gone.chain(before.iter().map(|(key, value)| (key.clone(), json!(value)))).collect()
}

/// What stands before the slash of a label's, annotation's or finalizer's name.
fn domain(key: &str) -> &str {
    // `finalizers.kubesphere.io/namespaces`, and older ones have no slash.
    key.split('/').next().unwrap_or_default()
}

/// Whether an API group, a CRD's name or a domain is one of KubeSphere's or kubefed's.
fn is_of_kubesphere(name: &str) -> bool {
    DOMAINS.iter().any(|domain| name.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
}

fn name(object: &Object) -> String {
    object.content.metadata.name.clone().unwrap_or_default()
}

/// Everything but what running clusters write all the time: names, labels and who wrote it, no contents.
async fn list_all(client: &kube::Client) -> Result<Vec<Object>, InventoryError> {
    let kinds = kinds(client).await?.into_iter().filter(|resource| !is_noise(resource));
    let lists: Vec<_> =
        stream::iter(kinds).map(|resource| list(client, resource)).buffer_unordered(AT_A_TIME).try_collect().await?;
    Ok(lists.into_iter().flatten().collect())
}

async fn list(client: &kube::Client, resource: ApiResource) -> Result<Vec<Object>, InventoryError> {
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    match api.list_metadata(&ListParams::default()).await {
        Ok(list) => {
            let bare = |metadata| DynamicObject { types: None, metadata, data: serde_json::Value::Null };
            Ok(list.items.into_iter().map(|one| Object::new(resource.clone(), bare(one.metadata))).collect())
        }
        // The kind went between the two questions.
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(Vec::new()),
        Err(error) => Err(InventoryError::api(format!("list {}", resource.plural))(error)),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn object((group, plural): (&str, &str), namespace: Option<&str>, name: &str, manager: &str) -> Object {
        let resource = ApiResource {
            group: group.to_owned(),
            version: "v1".to_owned(),
            api_version: "v1".to_owned(),
            kind: "Any".to_owned(),
            plural: plural.to_owned(),
        };
        let content = json!({"metadata": {
            "name": name, "namespace": namespace, "managedFields": [{"manager": manager, "operation": "Update"}],
        }});
        Object::new(resource, serde_json::from_value(content).unwrap())
    }

    fn before(standing: Standing) -> SharedInventory {
        let namespaces = BTreeMap::from([("default".to_owned(), Marks::default())]);
        SharedInventory { standing, present: BTreeSet::new(), namespaces }
    }

    const CRDS: (&str, &str) = ("apiextensions.k8s.io", "customresourcedefinitions");
    const ROLES: (&str, &str) = ("rbac.authorization.k8s.io", "clusterroles");

    #[rstest]
    #[case::namespace(("", "namespaces"), None, "kubesphere-system", "kubectl-client-side-apply", true)]
    #[case::what_is_in_it(("", "secrets"), Some("kube-federation-system"), "any", "kubectl-create", true)]
    #[case::kind(CRDS, None, "clusters.cluster.kubesphere.io", "kubectl-client-side-apply", true)]
    #[case::object_of_such_a_kind(("types.kubefed.io", "federatednamespaces"), Some("default"), "any", "any", true)]
    #[case::role_of_the_manifest(ROLES, None, "ks-installer", "kubectl-client-side-apply", true)]
    #[case::role_of_a_program(ROLES, None, "any", "ks-controller-manager", true)]
    #[case::pod_of_a_probe(("", "pods"), Some("ks-e2e"), "probe-1", "ks-e2e", true)]
    #[case::namespace_of_the_run(("", "namespaces"), None, "ks-e2e", "ks-e2e", false)]
    #[case::somebodys_namespace(("", "namespaces"), None, "shop", "kubectl-create", false)]
    #[case::somebodys_secret(("", "secrets"), Some("default"), "any", "kubectl-create", false)]
    #[case::somebodys_kind(CRDS, None, "shops.notkubesphere.io", "kubectl-create", false)]
    #[case::somebodys_role(ROLES, None, "ks-installer-2", "helm", false)]
    fn tells_what_a_run_has_made(
        #[case] kind: (&str, &str),
        #[case] namespace: Option<&str>,
        #[case] name: &str,
        #[case] manager: &str,
        #[case] expected: bool,
    ) {
        let object = object(kind, namespace, name, manager);
        assert_eq!(before(Standing::Absent).is_of_the_run(&object), expected);
        let mut known = before(Standing::Absent);
        known.present.insert(object.key());
        assert!(!known.is_of_the_run(&object), "it was there before");
    }

    #[test]
    fn leaves_objects_of_a_kind_that_was_there_before() {
        let address = object(("network.kubesphere.io", "eips"), None, "public", "kubectl-create");
        let mut before = before(Standing::Absent);
        assert!(before.is_of_the_run(&address));
        before.present.insert(object(CRDS, None, "eips.network.kubesphere.io", "helm").key());
        assert!(!before.is_of_the_run(&address));
    }

    #[test]
    fn leaves_what_somebody_has_made_though_a_program_has_written_in_it() {
        let mut namespace = object(("", "namespaces"), None, "shop", "kubectl-create");
        let program =
            serde_json::from_value(json!({"manager": "ks-controller-manager", "operation": "Update"})).unwrap();
        namespace.content.metadata.managed_fields.as_mut().unwrap().push(program);
        assert!(!before(Standing::Absent).is_of_the_run(&namespace));
        let finalizer = "finalizers.kubesphere.io/namespaces".to_owned();
        namespace.content.metadata.finalizers = Some(vec![finalizer]);
        let patch = before(Standing::Absent).unmarked(&namespace).unwrap();
        assert_eq!(patch["metadata"]["finalizers"], json!([]), "it could never be deleted");
    }

    #[test]
    fn takes_nothing_of_an_installed_kubesphere_but_what_an_import_makes() {
        let installed = before(Standing::Installed);
        let clusters = ("cluster.kubesphere.io", "clusters");
        assert!(installed.is_of_the_run(&object(clusters, None, "member1", "ks-console")));
        let joined = "kubefed-controller-manager:member1-kubesphere";
        assert!(installed.is_of_the_run(&object(ROLES, None, joined, "ks-controller-manager")));
        assert!(installed.is_of_the_run(&object(("", "namespaces"), None, "kube-federation-system", "any")));
        assert!(!installed.is_of_the_run(&object(ROLES, None, "any", "ks-controller-manager")));
        assert!(!installed.is_of_the_run(&object(("", "pods"), Some("kubesphere-system"), "any", "any")));
    }

    #[test]
    fn takes_only_kubespheres_marks_from_a_namespace() {
        let mut namespace = object(("", "namespaces"), None, "default", "ks-controller-manager");
        let mut before = before(Standing::Absent);
        before.present.insert(namespace.key());
        assert_eq!(before.unmarked(&namespace), None);
        let metadata = &mut namespace.content.metadata;
        metadata.labels = Some(
            [("kubesphere.io/workspace", "system-workspace"), ("team", "a")]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
        );
        metadata.finalizers = Some(vec!["finalizers.kubesphere.io/namespaces".to_owned(), "example.com/x".to_owned()]);
        metadata.resource_version = Some("7".to_owned());
        let expected = json!({"metadata": {
            "resourceVersion": "7",
            "labels": {"kubesphere.io/workspace": null}, "annotations": {}, "finalizers": ["example.com/x"],
        }});
        assert_eq!(before.unmarked(&namespace), Some(expected));
    }
}
