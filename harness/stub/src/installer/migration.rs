//! The migration of an older `ClusterConfiguration`: the object is deleted and created again in the present form
//! (ks-installer v3.3.2, `controller/installRunner.py`, `generate_new_cluster_configuration`).

use kubesphere::names::{self, namespaces, objects};
use kubesphere::{Feature, Release};
use serde_json::{Map, Value, json};

use super::spec::Spec;

/// The object that replaces `live`, when `live` has an older form or another version's traces.
pub fn replacement(live: &Value, release: &Release) -> Option<Value> {
    let empty = Map::new();
    let spec = live.get("spec").and_then(Value::as_object).unwrap_or(&empty);
    if !is_old(spec, live, release) {
        return None;
    }
    let cluster_id = live.pointer("/status/clusterId");
    let mut object = json!({
        "apiVersion": names::CLUSTER_CONFIGURATION.api_version(),
        "kind": names::CLUSTER_CONFIGURATION.kind,
        "metadata": {
            "name": objects::INSTALLER,
            "namespace": namespaces::SYSTEM,
            "labels": {"version": release.tag()},
        },
        "spec": migrated(spec, release),
    });
    if let Some(id) = cluster_id {
        object["status"] = json!({"clusterId": id});
    }
    Some(object)
}

fn is_old(spec: &Spec, live: &Value, release: &Release) -> bool {
    let lacks = |section: &str, key: &str| {
        spec.get(section).and_then(Value::as_object).is_some_and(|section| !section.contains_key(key))
    };
    let has = |section: &str, key: &str| spec.get(section).is_some_and(|section| section.get(key).is_some());
    let other_version = live
        .pointer("/status/core")
        .is_some_and(|core| core.get("version").and_then(Value::as_str) != Some(release.tag().as_str()));
    (release.has(Feature::Terminal) && !spec.contains_key("terminal"))
        || lacks("servicemesh", "istio")
        || spec.contains_key("kubeedge")
        || spec.contains_key("networkpolicy")
        || spec.contains_key("notification")
        || lacks("openpitrix", "store")
        || has("logging", "logsidecarReplicas")
        || other_version
}

/// `spec` in the present form; the blocks `multicluster` and `authentication` stay as they are.
fn migrated(spec: &Spec, release: &Release) -> Spec {
    let mut spec = spec.clone();
    if release.has(Feature::Terminal) {
        spec.entry("terminal").or_insert_with(|| json!({"timeout": 600}));
    }
    let istio = json!({"components": {
        "ingressGateways": [{"name": "istio-ingressgateway", "enabled": false}], "cni": {"enabled": false},
    }});
    add(&mut spec, "servicemesh", "istio", &istio);
    if let Some(Value::Object(openpitrix)) = spec.get_mut("openpitrix")
        && !openpitrix.contains_key("store")
    {
        let enabled = openpitrix.remove("enabled").unwrap_or(Value::Bool(false));
        openpitrix.insert("store".to_owned(), json!({"enabled": enabled}));
    }
    if let Some(policy) = spec.remove("networkpolicy") {
        let network = spec.entry("network").or_insert_with(|| json!({}));
        if let Value::Object(network) = network {
            network.insert("networkpolicy".to_owned(), policy);
        }
    }
    spec.remove("notification");
    if let Some(kubeedge) = spec.remove("kubeedge") {
        let enabled = kubeedge.get("enabled").cloned().unwrap_or(Value::Bool(false));
        spec.insert("edgeruntime".to_owned(), json!({"enabled": enabled, "kubeedge": kubeedge}));
    }
    if let Some(Value::Object(logging)) = spec.get_mut("logging")
        && let Some(replicas) = logging.remove("logsidecarReplicas")
    {
        logging.insert("logsidecar".to_owned(), json!({"enabled": true, "replicas": replicas}));
    }
    spec
}

fn add(spec: &mut Spec, section: &str, key: &str, value: &Value) {
    if let Some(Value::Object(section)) = spec.get_mut(section) {
        section.entry(key).or_insert_with(|| value.clone());
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::manifests::cluster_configuration_yaml;

    fn release() -> &'static Release {
        Release::find("3.3.2").unwrap()
    }

    fn shipped() -> Value {
        serde_yaml::from_str(&cluster_configuration_yaml(release())).unwrap()
    }

    #[test]
    fn leaves_the_shipped_configuration_of_each_release_alone() {
        for release in Release::all() {
            let object: Value = serde_yaml::from_str(&cluster_configuration_yaml(release)).unwrap();
            assert_eq!(replacement(&object, release), None, "{release}");
        }
    }

    #[test]
    fn replaces_a_minimal_configuration_and_keeps_role_and_secret() {
        let spec = json!({"authentication": {"jwtSecret": "x"}, "multicluster": {"clusterRole": "member"}});
        let live = json!({
            "metadata": {"uid": "1", "labels": {"mine": "1"}},
            "spec": spec,
            "status": {"clusterId": "c", "core": {"version": "v3.3.2"}},
        });
        let made = replacement(&live, release()).unwrap();
        assert_eq!(made["metadata"]["labels"], json!({"version": "v3.3.2"}));
        assert_eq!(made["spec"]["authentication"], spec["authentication"]);
        assert_eq!(made["spec"]["multicluster"], spec["multicluster"]);
        assert_eq!(made["spec"]["terminal"], json!({"timeout": 600}));
        assert_eq!(made["status"], json!({"clusterId": "c"}));
        assert_eq!(replacement(&made, release()), None);
    }

    #[rstest]
    #[case("/status", json!({"core": {"version": "v3.3.1"}}))]
    #[case("/status", json!({"core": {"status": "enabled"}}))]
    #[case("/spec/networkpolicy", json!({"enabled": true}))]
    #[case("/spec/notification", json!({"enabled": true}))]
    #[case("/spec/kubeedge", json!({"enabled": false}))]
    #[case("/spec/openpitrix", json!({"enabled": true}))]
    #[case("/spec/servicemesh", json!({"enabled": true}))]
    #[case("/spec/logging", json!({"enabled": false, "logsidecarReplicas": 2}))]
    fn replaces_older_forms_once(#[case] pointer: &str, #[case] value: Value) {
        let mut live = shipped();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        live.pointer_mut(parent).unwrap()[key] = value;
        let made = replacement(&live, release()).unwrap();
        assert_eq!(replacement(&made, release()), None);
    }
}
