//! JSON that is now and then an object of Kubernetes, or a patch of one.

use arbitrary::{Arbitrary, Result, Unstructured};
use serde_json::{Map, Value};

/// Keys that mean something to somebody.
const KEYS: &[&str] = &[
    "apiVersion",
    "kind",
    "metadata",
    "name",
    "namespace",
    "generateName",
    "labels",
    "annotations",
    "finalizers",
    "ownerReferences",
    "uid",
    "resourceVersion",
    "managedFields",
    "manager",
    "operation",
    "fieldsType",
    "fieldsV1",
    "f:spec",
    "k:{\"name\":\"a\"}",
    "v:1",
    ".",
    "spec",
    "status",
    "data",
    "binaryData",
    "stringData",
    "type",
    "template",
    "containers",
    "initContainers",
    "image",
    "ports",
    "containerPort",
    "port",
    "protocol",
    "targetPort",
    "nodePort",
    "clusterIP",
    "env",
    "value",
    "valueFrom",
    "volumes",
    "volumeMounts",
    "mountPath",
    "emptyDir",
    "configMap",
    "items",
    "resources",
    "limits",
    "requests",
    "cpu",
    "memory",
    "selector",
    "matchLabels",
    "matchExpressions",
    "key",
    "values",
    "operator",
    "replicas",
    "strategy",
    "rollingUpdate",
    "maxSurge",
    "tolerations",
    "effect",
    "conditions",
    "rules",
    "verbs",
    "apiGroups",
    "roleRef",
    "subjects",
    "group",
    "scope",
    "names",
    "plural",
    "singular",
    "versions",
    "served",
    "storage",
    "schema",
    "openAPIV3Schema",
    "properties",
    "additionalProperties",
    "default",
    "pattern",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-list-type",
    "x-kubernetes-int-or-string",
    "subresources",
    "scale",
    "additionalPrinterColumns",
    "jsonPath",
    "$patch",
    "$retainKeys",
    "$setElementOrder/containers",
    "$setElementOrder/finalizers",
    "$deleteFromPrimitiveList/finalizers",
    "op",
    "path",
    "from",
    "a",
    "b",
    "",
];
/// Texts of the same kind.
const TEXTS: &[&str] = &[
    "a",
    "b",
    "",
    "v1",
    "apps/v1",
    "Pod",
    "ConfigMap",
    "Deployment",
    "Service",
    "CustomResourceDefinition",
    "default",
    "merge",
    "replace",
    "delete",
    "add",
    "remove",
    "move",
    "copy",
    "test",
    "/metadata/name",
    "/spec/containers/0",
    "/spec/containers/-",
    "/a~1b/~0",
    "1",
    "100m",
    "1Gi",
    "-1e400",
    "25%",
    "TCP",
    "ClusterIP",
    "None",
    "10.96.0.1",
    "Namespaced",
    "object",
    "string",
    "array",
    "integer",
    "^[",
    ".spec.a[*]",
    "2020-01-01T00:00:00Z",
    "Update",
    "Apply",
    "FieldsV1",
    "In",
    "Exists",
    "\u{9e}\u{0}",
];

/// A value of some depth.
#[derive(Debug, Clone)]
pub struct Json(pub Value);

impl<'a> Arbitrary<'a> for Json {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        value(bytes, 7).map(Self)
    }
}

fn text(bytes: &mut Unstructured<'_>, known: &[&str]) -> Result<String> {
    Ok(if bytes.ratio(9, 10)? { (*bytes.choose(known)?).to_owned() } else { String::arbitrary(bytes)? })
}

fn value(bytes: &mut Unstructured<'_>, depth: u8) -> Result<Value> {
    Ok(match bytes.int_in_range(0..=9)? {
        0 => Value::Null,
        1 => Value::from(bool::arbitrary(bytes)?),
        2 => Value::from(i16::arbitrary(bytes)?),
        3 => Value::from(f64::arbitrary(bytes)?),
        4 | 5 => Value::from(text(bytes, TEXTS)?),
        6 if depth > 0 => {
            let length = bytes.int_in_range(0..=3)?;
            Value::from((0..length).map(|_| value(bytes, depth - 1)).collect::<Result<Vec<_>>>()?)
        }
        _ if depth > 0 => {
            let mut map = Map::new();
            for _ in 0..bytes.int_in_range(0..=5)? {
                map.insert(text(bytes, KEYS)?, value(bytes, depth - 1)?);
            }
            Value::Object(map)
        }
        _ => Value::from(i64::arbitrary(bytes)?),
    })
}
