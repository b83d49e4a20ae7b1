//! The browser's side of *Add Cluster*: what the form checks, what it sends and in which order (console v3.4.1,
//! `src/components/Forms/Cluster`, `src/actions/cluster.js`). Whoever acts as the browser uses this.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::{Value, json};

/// The longest name that the form takes.
const LONGEST_NAME: usize = 63;

/// Checks a name as the form does while it is typed. Unlike `hostClusterName` it may hold no periods.
///
/// # Errors
/// The message below the field.
pub fn check_name(name: &str) -> Result<(), String> {
    let outer = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let inner = |c: char| c == '-' || outer(Some(c));
    if name.is_empty() {
        Err("Please enter a cluster name.".to_owned())
    } else if name.len() > LONGEST_NAME {
        Err(format!("The name is too long: it may have {LONGEST_NAME} characters at most."))
    } else if !name.chars().all(inner) || !outer(name.chars().next()) || !outer(name.chars().last()) {
        Err("The name is not valid: use lower-case letters, digits and hyphens (-), and begin and end with a letter or a digit."
            .to_owned())
    } else {
        Ok(())
    }
}

/// The message below a name that is taken.
pub const NAME_EXISTS: &str = "The name already exists. Please enter another name.";

/// The object that the form sends for a direct connection. It encodes the kubeconfig itself: one that is encoded
/// already is encoded twice.
#[must_use]
pub fn cluster_object(name: &str, kubeconfig_text: &str) -> Value {
    json!({
        "apiVersion": "cluster.kubesphere.io/v1alpha1",
        "kind": "Cluster",
        "metadata": {"name": name, "labels": {}, "annotations": {}},
        "spec": {
            "provider": "",
            "connection": {"type": "direct", "kubeconfig": STANDARD.encode(kubeconfig_text)},
            "joinFederation": true,
        },
    })
}

/// A request that the browser sends to the console.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Method.
    pub method: Method,
    /// Path.
    pub path: String,
    /// Whether it carries `x-check-exist: true`, so that the console answers `{"exist": …}` in place of an object.
    pub check_exist: bool,
    /// JSON body.
    pub body: Option<Value>,
}

/// Asks whether a Cluster is named `name` already, as the form does while the name is typed.
#[must_use]
pub fn exists_call(name: &str) -> Call {
    let path = format!("/apis/cluster.kubesphere.io/v1alpha1/clusters/{name}");
    Call { method: Method::GET, path, check_exist: true, body: None }
}

/// What *Create* sends, in order. The next call is made only after the one before answered 2xx; otherwise its body is
/// shown and the form stays open.
#[must_use]
pub fn create_calls(name: &str, kubeconfig_text: &str) -> [Call; 2] {
    let cluster = cluster_object(name, kubeconfig_text);
    ["/kapis/cluster.kubesphere.io/v1alpha1/clusters/validation", "/apis/cluster.kubesphere.io/v1alpha1/clusters"].map(
        |path| Call { method: Method::POST, path: path.to_owned(), check_exist: false, body: Some(cluster.clone()) },
    )
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("member1", true)]
    #[case("m-1", true)]
    #[case("1", true)]
    #[case("", false)]
    #[case("my-host.1", false)]
    #[case("Member", false)]
    #[case("-m", false)]
    #[case("m-", false)]
    #[case("m_1", false)]
    #[case(&"x".repeat(64), false)]
    fn checks_a_name_as_the_form_does(#[case] name: &str, #[case] valid: bool) {
        assert_eq!(check_name(name).is_ok(), valid, "{name}");
    }

    #[test]
    fn encodes_whatever_was_pasted() {
        assert_eq!(cluster_object("m", "a: b")["spec"]["connection"]["kubeconfig"], "YTogYg==");
    }

    #[test]
    fn validates_before_it_creates() {
        let [validation, create] = create_calls("m", "");
        assert!(validation.path.ends_with("/clusters/validation") && create.path.ends_with("/clusters"));
        assert_eq!(validation.body, create.body);
    }
}
