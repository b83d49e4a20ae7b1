//! `SubjectAccessReview` and its siblings (Kubernetes 1.20, `pkg/apis/authorization/validation`).

use serde_json::{Value, json};

use super::{Question, text, texts};
use crate::authn::User;
use crate::authz::{self, Ask, Decision};
use crate::status::{Cause, Failure, quoted};

/// Whose rights are asked for, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum About {
    /// Who asks.
    Oneself,
    /// Anybody.
    Anybody,
    /// Anybody, in the namespace of the path.
    AnybodyHere,
}

/// Non-resource attributes as Go's `%#v` writes them.
fn shown(attributes: &Value) -> String {
    let (path, verb) = (quoted(text(attributes, "/path")), quoted(text(attributes, "/verb")));
    format!("authorization.NonResourceAttributes{{Path:{path}, Verb:{verb}}}")
}

/// The groups of a review; v1beta1 calls them `group`.
fn groups(review: &Value) -> Vec<String> {
    let groups = texts(review, "/spec/groups");
    if groups.is_empty() { texts(review, "/spec/group") } else { groups }
}

fn metadata_besides(review: &Value, allowed: &[&str]) -> bool {
    let metadata = review.get("metadata").and_then(Value::as_object);
    let set = |value: &Value| match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(entries) => !entries.is_empty(),
        _ => true,
    };
    metadata.into_iter().flatten().any(|(key, value)| set(value) && !allowed.contains(&key.as_str()))
}

fn faults(about: About, review: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let resource = review.pointer("/spec/resourceAttributes");
    let path = review.pointer("/spec/nonResourceAttributes");
    match (resource, path) {
        (Some(_), Some(path)) => {
            let detail = "cannot be specified in combination with resourceAttributes";
            causes.push(Cause::invalid("spec.nonResourceAttributes", shown(path), detail));
        }
        (None, None) => {
            let detail = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
            causes.push(Cause::invalid("spec.resourceAttributes", quoted("null"), detail));
        }
        _ => {}
    }
    if about != About::Oneself && text(review, "/spec/user").is_empty() && groups(review).is_empty() {
        let detail = "at least one of user or group must be specified";
        causes.push(Cause::invalid("spec.user", quoted(""), detail));
    }
    let (allowed, detail): (&[&str], _) = if about == About::AnybodyHere {
        (&["namespace", "managedFields"], "must be empty except for namespace")
    } else {
        (&["managedFields"], "must be empty")
    };
    if metadata_besides(review, allowed) {
        causes.push(Cause::invalid("metadata", review.get("metadata").unwrap_or(&Value::Null), detail));
    }
    if about == About::AnybodyHere {
        let (own, asked) = (text(review, "/metadata/namespace"), text(review, "/spec/resourceAttributes/namespace"));
        if resource.is_some() && own != asked {
            let detail = "must match metadata.namespace";
            causes.push(Cause::invalid("spec.resourceAttributes.namespace", quoted(asked), detail));
        }
        if let Some(path) = path {
            let detail = "disallowed on this kind of request";
            causes.push(Cause::invalid("spec.nonResourceAttributes", shown(path), detail));
        }
    }
    causes
}

fn ask(review: &Value) -> Ask {
    let own = |pointer: &str| text(review, pointer).to_owned();
    if review.pointer("/spec/resourceAttributes").is_some() {
        let attribute = |key: &str| own(&format!("/spec/resourceAttributes/{key}"));
        return Ask::Resource {
            verb: attribute("verb"),
            group: attribute("group"),
            resource: attribute("resource"),
            subresource: attribute("subresource"),
            namespace: attribute("namespace"),
            name: attribute("name"),
        };
    }
    Ask::Path { verb: own("/spec/nonResourceAttributes/verb"), path: own("/spec/nonResourceAttributes/path") }
}

/// The review with its answer.
///
/// # Errors
/// 422 for a review that asks nothing or too much, 400 for one of another namespace.
pub fn answer(question: &Question<'_>) -> Result<Value, Failure> {
    let review = question.object;
    let about = match question.resource.plural.as_str() {
        "selfsubjectaccessreviews" => About::Oneself,
        "localsubjectaccessreviews" => About::AnybodyHere,
        _ => About::Anybody,
    };
    let causes = faults(about, review);
    if !causes.is_empty() {
        // The kind is lost when the original converts the review: its texts begin with a dot.
        return Err(Failure::invalid("", &question.resource.group, "", &causes));
    }
    if about == About::AnybodyHere && text(review, "/metadata/namespace") != question.namespace {
        let text = format!("spec.resourceAttributes.namespace must match namespace: {}", question.namespace);
        return Err(Failure::bad_request(text));
    }
    let user = match about {
        About::Oneself => question.user.clone(),
        _ => User::new(text(review, "/spec/user"), groups(review)),
    };
    let Decision { allowed, reason } = authz::decide(&question.state.store, &user, &ask(review));
    let mut status = json!({"allowed": allowed});
    if !reason.is_empty() {
        status["reason"] = Value::from(reason);
    }
    Ok(question.with_status(status))
}
