//! Access reviews: may this user do that?

use std::sync::Arc;

use serde_json::{Value, json};

use crate::authn::User;
use crate::authz::{self, Ask};
use crate::registry::Resource;
use crate::state::State;
use crate::status::{Cause, Failure};

/// The review with its answer.
///
/// # Errors
/// 422 for a review that asks nothing.
pub fn answer(
    state: &State,
    user: &User,
    resource: &Arc<Resource>,
    namespace: &str,
    review: &Value,
) -> Result<Value, Failure> {
    let text = |pointer: &str| review.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let ask = if review.pointer("/spec/resourceAttributes").is_some() {
        let attribute = |key: &str| text(&format!("/spec/resourceAttributes/{key}"));
        let name = match attribute("subresource") {
            sub if sub.is_empty() => attribute("resource"),
            sub => format!("{}/{sub}", attribute("resource")),
        };
        let given = attribute("namespace");
        Ask::Resource {
            verb: attribute("verb"),
            group: attribute("group"),
            resource: name,
            namespace: if resource.namespaced { namespace.to_owned() } else { given },
            name: attribute("name"),
        }
    } else if review.pointer("/spec/nonResourceAttributes").is_some() {
        Ask::Path { verb: text("/spec/nonResourceAttributes/verb"), path: text("/spec/nonResourceAttributes/path") }
    } else {
        let detail = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
        let cause = Cause::invalid("spec.resourceAttributes", "\"null\"", detail);
        return Err(Failure::invalid("", &resource.group, "", &[cause]));
    };
    let user = if resource.plural == "selfsubjectaccessreviews" {
        user.clone()
    } else {
        let groups = review.pointer("/spec/groups").and_then(Value::as_array).into_iter().flatten();
        User { name: text("/spec/user"), groups: groups.filter_map(Value::as_str).map(str::to_owned).collect() }
    };
    let allowed = authz::allowed(&state.store, &user, &ask);
    Ok(json!({
        "kind": resource.kind,
        "apiVersion": resource.api_version(),
        "metadata": {"creationTimestamp": null},
        "spec": review.get("spec"),
        "status": {"allowed": allowed},
    }))
}
