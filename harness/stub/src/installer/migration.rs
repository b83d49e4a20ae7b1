//! The migration of an older `ClusterConfiguration`: the object is deleted and created again in the present form
//! (ks-installer v3.3.2 and v3.4.1, `controller/installRunner.py`, `generate_new_cluster_configuration`).

use kubesphere::names::{self, namespaces, objects};
use kubesphere::{Feature, Release};
use serde_json::{Map, Value, json};

use super::spec::{Spec, truth};

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
        "spec": migrated(spec, live.get("status").unwrap_or(&Value::Null), release),
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
    let before_terminal =
        !spec.contains_key("terminal") || lacks("servicemesh", "istio") || spec.contains_key("kubeedge");
    let before_ruler = lacks("events", "ruler")
        || (is_on(spec, "devops") && (lacks("devops", "jenkinsCpuReq") || lacks("devops", "jenkinsCpuLim")));
    (release.has(Feature::Terminal) && before_terminal)
        || (release.has(Feature::EventsRuler) && before_ruler)
        || spec.contains_key("networkpolicy")
        || spec.contains_key("notification")
        || lacks("openpitrix", "store")
        || has("logging", "logsidecarReplicas")
        || other_version
}

/// Whether a section is on, as Python sees it.
fn is_on(spec: &Spec, section: &str) -> bool {
    spec.get(section).and_then(|section| section.get("enabled")).is_some_and(truth)
}

/// `spec` in the present form; the blocks `multicluster` and `authentication` stay as they are.
fn migrated(spec: &Spec, status: &Value, release: &Release) -> Spec {
    let mut spec = spec.clone();
    migrate_common(&mut spec, status);
    if spec.get("logging").is_some_and(|logging| logging.get("logsidecarReplicas").is_some()) {
        let enabled = is_on(&spec, "logging");
        let logsidecar = json!({"enabled": enabled, "replicas": 2});
        spec.insert("logging".to_owned(), json!({"enabled": enabled, "logsidecar": logsidecar}));
    }
    if release.has(Feature::EventsRuler) {
        add(&mut spec, "events", "ruler", &json!({"enabled": true, "replicas": 2}));
        if is_on(&spec, "devops") {
            add(&mut spec, "devops", "jenkinsCpuReq", &json!(0.5));
            add(&mut spec, "devops", "jenkinsCpuLim", &json!(4));
        }
    }
    spec.remove("notification");
    if spec.get("openpitrix").is_some_and(|openpitrix| openpitrix.get("store").is_none()) {
        let enabled = is_on(&spec, "openpitrix");
        spec.insert("openpitrix".to_owned(), json!({"store": {"enabled": enabled}}));
    }
    if spec.contains_key("networkpolicy") {
        let policy = json!({"enabled": is_on(&spec, "networkpolicy")});
        let network = json!({"networkpolicy": policy, "ippool": {"type": "none"}, "topology": {"type": "none"}});
        spec.insert("network".to_owned(), network);
        spec.remove("networkpolicy");
    }
    if release.has(Feature::Terminal) {
        spec.entry("terminal").or_insert_with(|| json!({"timeout": 600}));
        let istio = json!({"components": {
            "ingressGateways": [{"name": "istio-ingressgateway", "enabled": false}], "cni": {"enabled": false},
        }});
        add(&mut spec, "servicemesh", "istio", &istio);
        migrate_kubeedge(&mut spec);
    }
    spec
}

/// `common`: which stores are on is taken from the status, whatever the spec said.
fn migrate_common(spec: &mut Spec, status: &Value) {
    if !spec.get("common").is_some_and(Value::is_object) {
        return;
    }
    let console = spec.remove("console");
    let Some(Value::Object(common)) = spec.get_mut("common") else { return };
    for (store, old_size) in [("redis", "redisVolumSize"), ("openldap", "openldapVolumeSize")] {
        let enabled =
            status.get(store).and_then(|store| store.get("status")).and_then(Value::as_str) == Some("enabled");
        let mut section = json!({"enabled": enabled});
        if let Some(size) = common.remove(old_size) {
            section["volumeSize"] = size;
        }
        common.insert(store.to_owned(), section);
    }
    for old in ["mysqlVolumeSize", "etcdVolumeSize"] {
        common.remove(old);
    }
    if let Some(Value::Object(search)) = common.get_mut("es") {
        search.entry("master").or_insert_with(|| json!({"volumeSize": "4Gi"}));
        search.entry("data").or_insert_with(|| json!({"volumeSize": "20Gi"}));
    }
    if let Some(console) = console
        && let Value::Object(core) = common.entry("core").or_insert_with(|| json!({}))
    {
        core.insert("console".to_owned(), console);
    }
}

fn migrate_kubeedge(spec: &mut Spec) {
    let Some(mut kubeedge) = spec.remove("kubeedge") else { return };
    let enabled = kubeedge.get("enabled").cloned();
    if let (Some(enabled), Some(section)) = (enabled, kubeedge.as_object_mut()) {
        section.insert("iptables-manager".to_owned(), json!({"enabled": true, "mode": "external"}));
        section.shift_remove("edgeWatcher");
        spec.insert("edgeruntime".to_owned(), json!({"enabled": enabled, "kubeedge": kubeedge}));
    }
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
    #[case::no_terminal(&["3.3.2", "3.4.0", "3.4.1"], "/spec/terminal", Value::Null)]
    #[case::servicemesh_without_istio(&["3.3.2", "3.4.0", "3.4.1"], "/spec/servicemesh", json!({"enabled": true}))]
    #[case::kubeedge(&["3.3.2", "3.4.0", "3.4.1"], "/spec/kubeedge", json!({"enabled": false}))]
    #[case::networkpolicy(&["3.2.1", "3.3.2", "3.4.0", "3.4.1"], "/spec/networkpolicy", json!({"enabled": true}))]
    #[case::notification(&["3.2.1", "3.3.2", "3.4.0", "3.4.1"], "/spec/notification", json!({"enabled": true}))]
    #[case::openpitrix_without_store(&["3.2.1", "3.3.2", "3.4.0", "3.4.1"], "/spec/openpitrix", json!({"enabled": true}))]
    #[case::sidecar_replicas(&["3.2.1", "3.3.2", "3.4.0", "3.4.1"], "/spec/logging", json!({"logsidecarReplicas": 2}))]
    #[case::events_without_ruler(&["3.4.0", "3.4.1"], "/spec/events", json!({"enabled": false}))]
    #[case::devops_without_cpu(&["3.4.0", "3.4.1"], "/spec/devops", json!({"enabled": true}))]
    #[case::status_of_another_version(
        &["3.2.1", "3.3.2", "3.4.0", "3.4.1"], "/status", json!({"core": {"version": "v3.3.1"}})
    )]
    #[case::status_without_version(
        &["3.2.1", "3.3.2", "3.4.0", "3.4.1"], "/status", json!({"core": {"status": "enabled"}})
    )]
    fn replaces_older_forms_once(#[case] versions: &[&str], #[case] pointer: &str, #[case] value: Value) {
        for release in Release::all() {
            let mut live: Value = serde_yaml::from_str(&cluster_configuration_yaml(release)).unwrap();
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            let parent = live.pointer_mut(parent).unwrap().as_object_mut().unwrap();
            match &value {
                Value::Null => parent.remove(key),
                value => parent.insert(key.to_owned(), value.clone()),
            };
            let made = replacement(&live, release);
            assert_eq!(made.is_some(), versions.contains(&release.version), "{release}");
            if let Some(made) = made {
                assert_eq!(replacement(&made, release), None, "{release}");
                assert_eq!(made["spec"]["authentication"], live["spec"]["authentication"]);
                assert_eq!(made["spec"]["multicluster"], live["spec"]["multicluster"]);
            }
        }
    }

    #[test]
    fn carries_old_settings_into_their_new_places() {
        let live = json!({
            "spec": {
                "common": {"redisVolumSize": "3Gi", "es": {}}, "console": {"port": 30881},
                "networkpolicy": {"enabled": true}, "openpitrix": {"enabled": true},
                "kubeedge": {"enabled": true, "edgeWatcher": {}}, "logging": {"enabled": true, "logsidecarReplicas": 3},
            },
            "status": {"redis": {"status": "enabled"}},
        });
        let spec = replacement(&live, release()).unwrap()["spec"].take();
        assert_eq!(spec["common"]["redis"], json!({"enabled": true, "volumeSize": "3Gi"}));
        assert_eq!(spec["common"]["openldap"], json!({"enabled": false}));
        assert_eq!(spec["common"]["es"], json!({"master": {"volumeSize": "4Gi"}, "data": {"volumeSize": "20Gi"}}));
        assert_eq!(spec["common"]["core"]["console"], json!({"port": 30881}));
        assert_eq!(spec["network"]["networkpolicy"], json!({"enabled": true}));
        assert_eq!(spec["openpitrix"], json!({"store": {"enabled": true}}));
        assert_eq!(spec["logging"], json!({"enabled": true, "logsidecar": {"enabled": true, "replicas": 2}}));
        let kubeedge = json!({"enabled": true, "iptables-manager": {"enabled": true, "mode": "external"}});
        assert_eq!(spec["edgeruntime"], json!({"enabled": true, "kubeedge": kubeedge}));
    }
}
