//! Creating, updating and patching.

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{call, start};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const SERVICES: &str = "/api/v1/namespaces/default/services";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";

#[rstest]
#[case::bad_name("/api/v1/namespaces", json!({"metadata": {"name": "A_b"}}), 422, "Namespace \"A_b\" is invalid: metadata.name: Invalid value: \"A_b\": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')")]
#[case::no_name("/api/v1/namespaces", json!({}), 422, "Namespace \"\" is invalid: metadata.name: Required value: name or generateName is required")]
#[case::other_kind("/api/v1/namespaces", json!({"apiVersion": "v1", "kind": "Pod"}), 400, "Pod in version \"v1\" cannot be handled as a Namespace: converting (v1.Pod) to (core.Namespace): unknown conversion")]
#[case::other_namespace(MAPS, json!({"metadata": {"name": "a", "namespace": "other"}}), 400, "the namespace of the provided object does not match the namespace sent on the request")]
#[case::no_namespace("/api/v1/namespaces/nons/configmaps", json!({"metadata": {"name": "a"}}), 404, "namespaces \"nons\" not found")]
#[case::exists("/api/v1/namespaces", json!({"metadata": {"name": "default"}}), 409, "namespaces \"default\" already exists")]
#[case::revision_given(MAPS, json!({"metadata": {"name": "a", "resourceVersion": "5"}}), 500, "resourceVersion should not be set on objects to be created")]
#[case::no_ports(SERVICES, json!({"metadata": {"name": "s"}, "spec": {}}), 422, "Service \"s\" is invalid: spec.ports: Required value")]
#[case::no_containers("/api/v1/namespaces/default/pods", json!({"metadata": {"name": "p"}, "spec": {"containers": []}}), 422, "Pod \"p\" is invalid: spec.containers: Required value")]
#[case::token_of_nobody("/api/v1/namespaces/default/secrets", json!({"metadata": {"name": "y"}, "type": "kubernetes.io/service-account-token"}), 422, "Secret \"y\" is invalid: metadata.annotations[kubernetes.io/service-account.name]: Required value")]
#[case::loopback("/api/v1/namespaces/default/endpoints", json!({"metadata": {"name": "y"}, "subsets": [{"addresses": [{"ip": "127.0.0.1"}], "ports": [{"port": 80}]}]}), 422, "Endpoints \"y\" is invalid: subsets[0].addresses[0].ip: Invalid value: \"127.0.0.1\": may not be in the loopback range (127.0.0.0/8)")]
#[case::selector_misses_template(DEPLOYMENTS, json!({"metadata": {"name": "d2"}, "spec": {"template": {"metadata": {"labels": {"a": "c"}}, "spec": {"containers": [{"name": "a"}]}}}}), 422, "Deployment.apps \"d2\" is invalid: [spec.selector: Required value, spec.template.metadata.labels: Invalid value: map[string]string{\"a\":\"c\"}: `selector` does not match template `labels`, spec.template.spec.containers[0].image: Required value]")]
#[tokio::test]
async fn refuses_in_the_words_of_the_original(
    #[case] path: &str,
    #[case] body: Value,
    #[case] code: u16,
    #[case] message: &str,
) {
    let cluster = start().await;
    assert_eq!(cluster.refused("POST", path, body).await, (code, message.to_owned()));
}

#[tokio::test]
async fn gives_new_objects_their_identity() {
    let cluster = start().await;
    let made = cluster.post(MAPS, json!({"metadata": {"generateName": "y-"}, "data": {"k": "v"}, "unknown": 1})).await;
    let text = |pointer: &str| made.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    assert!(text("/metadata/name").starts_with("y-") && text("/metadata/name").len() == 7);
    assert_eq!((text("/metadata/uid").len(), text("/metadata/namespace")), (36, "default"));
    assert!(text("/metadata/creationTimestamp").ends_with('Z'));
    assert!(made.get("unknown").is_none() && made["metadata"].get("generation").is_none());
    let keys: Vec<&String> = made.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["kind", "apiVersion", "metadata", "data"]);
}

#[tokio::test]
async fn fills_in_what_a_user_would_notice() {
    let cluster = start().await;
    let service = cluster.post(SERVICES, json!({"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}})).await;
    assert_eq!(service["spec"]["ports"][0], json!({"port": 80, "protocol": "TCP", "targetPort": 80}));
    assert!(service["spec"]["clusterIP"].as_str().unwrap().starts_with("10.96."));
    let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "a", "image": "i"}]}});
    let body =
        json!({"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}});
    let deployment = cluster.post(DEPLOYMENTS, body).await;
    assert_eq!(deployment["spec"]["replicas"], 1);
    assert_eq!(deployment["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"], "Always");
    assert_eq!(
        deployment["spec"]["strategy"],
        json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}})
    );
    let secret = cluster
        .post("/api/v1/namespaces/default/secrets", json!({"metadata": {"name": "x"}, "stringData": {"a": "b"}}))
        .await;
    assert_eq!((&secret["data"], &secret["type"]), (&json!({"a": "Yg=="}), &json!("Opaque")));
}

#[tokio::test]
async fn refuses_stale_updates() {
    let cluster = start().await;
    let made = cluster.post(MAPS, json!({"metadata": {"name": "q"}})).await;
    cluster.merge(&format!("{MAPS}/q"), json!({"data": {"a": "1"}})).await;
    let stale = json!({"metadata": {"name": "q", "resourceVersion": made["metadata"]["resourceVersion"]}});
    let message = "Operation cannot be fulfilled on configmaps \"q\": the object has been modified; please apply your changes to the latest version and try again";
    for method in ["PUT", "PATCH"] {
        let refused = cluster.refused(method, &format!("{MAPS}/q"), stale.clone()).await;
        assert_eq!(refused, (409, message.to_owned()));
    }
    // Without a revision an update of a built-in object replaces whatever is there.
    assert!(cluster.put(&format!("{MAPS}/q"), json!({"metadata": {"name": "q"}})).await.get("data").is_none());
}

#[tokio::test]
async fn keeps_the_revision_of_updates_that_change_nothing() {
    let cluster = start().await;
    cluster.post(MAPS, json!({"metadata": {"name": "q"}, "data": {"a": "1"}})).await;
    let first = cluster.merge(&format!("{MAPS}/q"), json!({"data": {"a": "2"}})).await;
    let second = cluster.merge(&format!("{MAPS}/q"), json!({"data": {"a": "2"}})).await;
    assert_eq!(first["metadata"]["resourceVersion"], second["metadata"]["resourceVersion"]);
}

#[tokio::test]
async fn patches_by_every_media_type() {
    let cluster = start().await;
    cluster.post(MAPS, json!({"metadata": {"name": "q"}, "data": {"a": "1"}})).await;
    let place = format!("{MAPS}/q");
    let patch = async |media: &str, body: Value| call(&cluster.admin, "PATCH", &place, media, body).await;
    let json_patch = json!([{"op": "replace", "path": "/data/a", "value": "2"}]);
    assert_eq!(patch("application/json-patch+json", json_patch).await.unwrap()["data"]["a"], "2");
    let strategic = json!({"data": {"b": "3"}});
    assert_eq!(
        patch("application/strategic-merge-patch+json", strategic).await.unwrap()["data"],
        json!({"a": "2", "b": "3"})
    );
    let merge = json!({"data": {"a": null}});
    assert_eq!(patch("application/merge-patch+json", merge).await.unwrap()["data"], json!({"b": "3"}));
    let Err(kube::Error::Api(status)) = patch("text/plain", json!({})).await else { panic!("must fail") };
    assert_eq!((status.code, status.message.as_str()), (415, "415: Unsupported Media Type"));
    let test = json!([{"op": "test", "path": "/data/b", "value": "x"}]);
    let Err(kube::Error::Api(status)) = patch("application/json-patch+json", test).await else { panic!("must fail") };
    assert_eq!((status.code, status.reason.as_str()), (422, "Invalid"));
}

#[tokio::test]
async fn counts_generations_of_specs_and_separates_status() {
    let cluster = start().await;
    let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "a", "image": "i"}]}});
    let body =
        json!({"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}});
    cluster.post(DEPLOYMENTS, body).await;
    let place = format!("{DEPLOYMENTS}/d");
    let labelled = cluster.merge(&place, json!({"metadata": {"labels": {"x": "y"}}, "status": {"replicas": 9}})).await;
    assert_eq!((&labelled["metadata"]["generation"], labelled["status"].get("replicas")), (&json!(1), None));
    let scaled = cluster.merge(&format!("{place}/scale"), json!({"spec": {"replicas": 3}})).await;
    assert_eq!((&scaled["kind"], &scaled["spec"]["replicas"]), (&json!("Scale"), &json!(3)));
    let told =
        cluster.merge(&format!("{place}/status"), json!({"spec": {"replicas": 7}, "status": {"replicas": 2}})).await;
    assert_eq!((&told["spec"]["replicas"], &told["status"]["replicas"]), (&json!(3), &json!(2)));
    assert_eq!(told["metadata"]["generation"], 2);
}

#[tokio::test]
async fn keeps_what_cannot_change() {
    let cluster = start().await;
    let service = cluster.post(SERVICES, json!({"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}})).await;
    let refused = cluster.refused("PATCH", &format!("{SERVICES}/s"), json!({"spec": {"clusterIP": "10.96.9.9"}})).await;
    assert_eq!(
        refused.1,
        "Service \"s\" is invalid: spec.clusterIPs[0]: Invalid value: []string{\"10.96.9.9\"}: may not change once set"
    );
    let bare = json!({"metadata": {"name": "s"}, "spec": {"ports": [{"port": 81}]}});
    let refused = cluster.refused("PUT", &format!("{SERVICES}/s"), bare).await;
    assert_eq!(
        refused.1,
        "Service \"s\" is invalid: [metadata.resourceVersion: Invalid value: \"\": must be specified for an update, spec.clusterIPs[0]: Invalid value: []string(nil): primary clusterIP can not be unset]"
    );
    let mut whole = service.clone();
    whole["spec"]["ports"][0]["port"] = json!(81);
    let replaced = cluster.put(&format!("{SERVICES}/s"), whole).await;
    assert_eq!(replaced["spec"]["clusterIP"], service["spec"]["clusterIP"]);
    let refused = cluster.refused("PATCH", &format!("{SERVICES}/s"), json!({"metadata": {"uid": "b"}})).await;
    assert_eq!(refused.1, "Service \"s\" is invalid: metadata.uid: Invalid value: \"b\": field is immutable");
}

#[tokio::test]
async fn survives_many_writers_of_one_object() {
    let cluster = start().await;
    cluster.post(MAPS, json!({"metadata": {"name": "q"}})).await;
    let place = format!("{MAPS}/q");
    let writes = (0..20).map(|index| cluster.merge(&place, json!({"data": {format!("k{index}"): "v"}})));
    futures::future::join_all(writes).await;
    assert_eq!(cluster.get(&place).await["data"].as_object().unwrap().len(), 20);
}

#[tokio::test]
async fn takes_no_address_for_a_service_that_is_only_tried() {
    let cluster = start().await;
    let body = json!({"metadata": {"name": "s"}, "spec": {"type": "NodePort", "ports": [{"port": 80}]}});
    let tried = cluster.post(&format!("{SERVICES}?dryRun=All"), body).await;
    assert_eq!(tried["spec"].get("clusterIP"), None);
    assert!(tried["spec"]["ports"][0]["nodePort"].is_number());
}

#[tokio::test]
async fn tells_whether_the_priority_level_of_a_flow_schema_is_there() {
    const FLOW: &str = "/apis/flowcontrol.apiserver.k8s.io/v1beta1";
    let cluster = start().await;
    let schema = json!({"metadata": {"name": "mine"}, "spec": {"priorityLevelConfiguration": {"name": "level"}, "matchingPrecedence": 5}});
    cluster.post(&format!("{FLOW}/flowschemas"), schema).await;
    let dangling = async || {
        let found = cluster.get(&format!("{FLOW}/flowschemas/mine")).await;
        (found["status"]["conditions"][0]["status"].clone(), found["status"]["conditions"][0]["reason"].clone())
    };
    assert_eq!(dangling().await, (json!("True"), json!("NotFound")));
    let level = json!({"metadata": {"name": "level"}, "spec": {"type": "Exempt"}});
    cluster.post(&format!("{FLOW}/prioritylevelconfigurations"), level).await;
    assert_eq!(dangling().await, (json!("False"), json!("Found")));
    cluster.delete(&format!("{FLOW}/prioritylevelconfigurations/level")).await;
    assert_eq!(dangling().await, (json!("True"), json!("NotFound")));
}
