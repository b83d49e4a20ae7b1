//! The bodies of the validation calls as Go's decoder reads them into KubeSphere's types.

use bytes::Bytes;
use serde_json::Value;

use super::validation::kubeconfig_bytes;
use crate::member::go_json;
use crate::member::kubeconfig::json_type;

/// What validation takes from a Cluster.
#[derive(Debug, PartialEq, Eq, Default)]
pub struct ClusterBody {
    /// `metadata.name`.
    pub name: String,
    /// `spec.connection.type`.
    pub connection_type: String,
    /// `spec.connection.kubeconfig`, decoded.
    pub kubeconfig: Bytes,
}

/// The first JSON value of `body`.
///
/// # Errors
/// Go's words.
pub fn document(body: &[u8]) -> Result<Value, String> {
    go_json::check(body).map_err(|error| error.to_string())?;
    let mut values = serde_json::Deserializer::from_slice(body).into_iter::<Value>();
    values.next().unwrap_or(Ok(Value::Null)).map_err(|error| error.to_string())
}

/// Reads a Cluster.
///
/// # Errors
/// Go's words for the first field of the wrong type, or for a kubeconfig that is not base64.
pub fn cluster(body: &Value) -> Result<ClusterBody, String> {
    let mismatch = |value: &Value, field: &str, go_type: &str| {
        format!("json: cannot unmarshal {} into Go struct field {field} of type {go_type}", json_type(value))
    };
    if !matches!(body, Value::Object(_) | Value::Null) {
        return Err(format!("json: cannot unmarshal {} into Go value of type v1alpha1.Cluster", json_type(body)));
    }
    for (path, field, go_type) in [
        ("/metadata", "Cluster.metadata", "v1.ObjectMeta"),
        ("/spec", "Cluster.spec", "v1alpha1.ClusterSpec"),
        ("/spec/connection", "Connection.spec.connection", "v1alpha1.Connection"),
    ] {
        match body.pointer(path) {
            None | Some(Value::Object(_) | Value::Null) => {}
            Some(value) => return Err(mismatch(value, field, go_type)),
        }
    }
    let text = |path: &str, field: &str, go_type: &str| match body.pointer(path) {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(value) => Err(mismatch(value, field, go_type)),
    };
    let kubeconfig = text("/spec/connection/kubeconfig", "Connection.spec.connection.kubeconfig", "[]uint8")?;
    Ok(ClusterBody {
        name: text("/metadata/name", "ObjectMeta.metadata.name", "string")?,
        connection_type: text("/spec/connection/type", "Connection.spec.connection.type", "v1alpha1.ConnectionType")?,
        kubeconfig: kubeconfig_bytes(&kubeconfig)?,
    })
}

/// Reads the body of a kubeconfig update.
///
/// # Errors
/// Go's words.
pub fn kubeconfig(body: &Value) -> Result<Bytes, String> {
    match body.get("kubeconfig") {
        None | Some(Value::Null) => Ok(Bytes::new()),
        Some(Value::String(text)) => kubeconfig_bytes(text),
        Some(value) => Err(format!(
            "json: cannot unmarshal {} into Go struct field UpdateClusterRequest.kubeconfig of type []uint8",
            json_type(value)
        )),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing unwrap fails the test")]

    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case(json!([]), "json: cannot unmarshal array into Go value of type v1alpha1.Cluster")]
    #[case(json!({"spec": {"connection": {"kubeconfig": "%%% not base64"}}}), "illegal base64 data at input byte 0")]
    #[case(json!({"spec": {"connection": {"kubeconfig": "apiVersion: v1\n"}}}), "illegal base64 data at input byte 10")]
    #[case(json!({"spec": 1}), "json: cannot unmarshal number into Go struct field Cluster.spec of type v1alpha1.ClusterSpec")]
    fn words_a_body_of_the_wrong_type(#[case] body: Value, #[case] words: &str) {
        assert_eq!(cluster(&body).unwrap_err(), words);
    }

    #[test]
    fn takes_what_is_absent_for_empty() {
        assert_eq!(cluster(&json!({})).unwrap(), ClusterBody::default());
    }

    #[test]
    fn reads_the_first_value_only() {
        assert_eq!(document(b"{\"a\":1} more").unwrap(), json!({"a": 1}));
        assert_eq!(document(b"").unwrap_err(), "EOF");
    }
}
