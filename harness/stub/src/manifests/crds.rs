//! The custom resource definitions that KubeSphere and kubefed bring.

use kubesphere::names::{self, Resource};
use serde_json::{Map, Value, json};

/// The definition of `ClusterConfiguration`: anything goes below `spec` and `status`, no status subresource, no columns
/// (ks-installer v3.3.2, `deploy/kubesphere-installer.yaml`).
#[must_use]
pub fn cluster_configuration() -> Value {
    define(names::CLUSTER_CONFIGURATION, &["cc"], &[], &[], &open_schema())
}

/// The definitions of the chart `ks-core`.
#[must_use]
pub fn core() -> Vec<Value> {
    vec![
        cluster(),
        define(names::WORKSPACE, &[], &["tenant"], &[], &open_schema()),
        define(names::WORKSPACE_TEMPLATE, &[], &["tenant"], &[], &open_schema()),
        define(
            names::USER,
            &[],
            &["iam"],
            &[("Email", "string", ".spec.email"), ("Status", "string", ".status.state")],
            &open_schema(),
        ),
        define(names::GLOBAL_ROLE, &[], &["iam"], &[], &schema(&[("rules", list()), ("aggregationRoles", open())])),
        define(names::GLOBAL_ROLE_BINDING, &[], &["iam"], &[], &schema(&[("roleRef", open()), ("subjects", list())])),
    ]
}

/// The definitions that kubefed brings to a host.
#[must_use]
pub fn federation() -> Vec<Value> {
    let kubefed_cluster = define(
        names::KUBEFED_CLUSTER,
        &[],
        &[],
        &[
            ("age", "date", ".metadata.creationTimestamp"),
            ("ready", "string", ".status.conditions[?(@.type=='Ready')].status"),
        ],
        &open_schema(),
    );
    vec![
        with_status(kubefed_cluster),
        define(names::KUBEFED_CONFIG, &[], &[], &[], &open_schema()),
        with_status(define(names::FEDERATED_TYPE_CONFIG, &["ftc"], &[], &[], &open_schema())),
        with_status(define(names::FEDERATED_WORKSPACE, &["fw"], &[], &[], &open_schema())),
        with_status(define(names::FEDERATED_NAMESPACE, &["fns"], &[], &[], &open_schema())),
    ]
}

/// The definition of Cluster: typed fields, `kubeconfig` as base64, no status subresource, so that one update writes
/// both (kubesphere v3.3.2, `staging/src/kubesphere.io/api/cluster/v1alpha1/cluster_types.go`).
fn cluster() -> Value {
    let text = || json!({"type": "string"});
    let number = || json!({"type": "integer"});
    let flag = || json!({"type": "boolean"});
    let connection = object(&[
        ("type", text()),
        ("kubernetesAPIEndpoint", text()),
        ("externalKubernetesAPIEndpoint", text()),
        ("kubesphereAPIEndpoint", text()),
        ("kubeconfig", json!({"type": "string", "format": "byte"})),
        ("token", text()),
        ("kubernetesAPIServerPort", number()),
        ("kubesphereAPIServerPort", number()),
    ]);
    let spec = object(&[
        ("joinFederation", flag()),
        ("enable", flag()),
        ("externalKubeAPIEnabled", flag()),
        ("provider", text()),
        ("connection", connection),
    ]);
    let mut condition = object(&[
        ("type", text()),
        ("status", text()),
        ("lastUpdateTime", json!({"type": "string", "format": "date-time"})),
        ("lastTransitionTime", json!({"type": "string", "format": "date-time"})),
        ("reason", text()),
        ("message", text()),
    ]);
    condition["required"] = json!(["status", "type"]);
    let status = object(&[
        ("conditions", json!({"type": "array", "items": condition})),
        ("kubernetesVersion", text()),
        ("kubeSphereVersion", text()),
        ("nodeCount", number()),
        ("zones", json!({"type": "array", "items": text()})),
        ("region", text()),
        ("configz", json!({"type": "object", "additionalProperties": {"type": "boolean"}})),
        ("uid", text()),
    ]);
    let columns = [
        ("Federated", "boolean", ".spec.joinFederation"),
        ("Provider", "string", ".spec.provider"),
        ("Active", "boolean", ".spec.enable"),
        ("Version", "string", ".status.kubernetesVersion"),
    ];
    define(names::CLUSTER, &[], &[], &columns, &schema(&[("spec", spec), ("status", status)]))
}

fn define(
    resource: Resource,
    short_names: &[&str],
    categories: &[&str],
    columns: &[(&str, &str, &str)],
    schema: &Value,
) -> Value {
    let mut names = json!({
        "kind": resource.kind,
        "listKind": format!("{}List", resource.kind),
        "plural": resource.plural,
        "singular": resource.singular,
    });
    if !short_names.is_empty() {
        names["shortNames"] = json!(short_names);
    }
    if !categories.is_empty() {
        names["categories"] = json!(categories);
    }
    let mut version = json!({
        "name": resource.version,
        "served": true,
        "storage": true,
        "schema": {"openAPIV3Schema": schema},
    });
    if !columns.is_empty() {
        let columns: Vec<Value> =
            columns.iter().map(|(name, kind, path)| json!({"name": name, "type": kind, "jsonPath": path})).collect();
        version["additionalPrinterColumns"] = columns.into();
    }
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": resource.crd_name()},
        "spec": {
            "group": resource.group,
            "names": names,
            "scope": resource.scope.as_str(),
            "versions": [version],
        },
    })
}

fn with_status(mut definition: Value) -> Value {
    if let Some(version) = definition.pointer_mut("/spec/versions/0") {
        version["subresources"] = json!({"status": {}});
    }
    definition
}

fn open() -> Value {
    json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}

fn list() -> Value {
    json!({"type": "array", "items": open()})
}

fn open_schema() -> Value {
    schema(&[("spec", open()), ("status", open())])
}

fn schema(fields: &[(&str, Value)]) -> Value {
    let text = json!({"type": "string"});
    let mut all = vec![("apiVersion", text.clone()), ("kind", text), ("metadata", json!({"type": "object"}))];
    all.extend(fields.iter().cloned());
    object(&all)
}

fn object(fields: &[(&str, Value)]) -> Value {
    let properties: Map<String, Value> =
        fields.iter().map(|(name, field)| ((*name).to_owned(), field.clone())).collect();
    json!({"type": "object", "properties": properties})
}
