//! Groups of the Kubernetes community are protected: a definition in one says where it was approved
//! (`pkg/apihelpers` of apiextensions, Kubernetes 1.20).

use serde_json::Value;

use super::model::annotations;
use crate::custom::path::Path;
use crate::custom::schema::is_request_uri;
use crate::go;
use crate::status::Cause;

/// The annotation that says it.
const ANNOTATION: &str = "api-approved.kubernetes.io";

/// What a definition says of its approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Approval {
    /// Where it was approved.
    Approved,
    /// That it was not.
    Bypassed,
    /// Nothing.
    Missing,
    /// Nothing that makes sense.
    Invalid,
}

/// Whether `group` is protected.
#[must_use]
pub fn is_protected(group: &str) -> bool {
    ["k8s.io", "kubernetes.io"]
        .iter()
        .any(|domain| group.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
}

/// What the definition `object` says of its approval, and the original's words for that.
#[must_use]
pub fn approval(object: &Value) -> (Approval, String) {
    let given = annotations(object).and_then(|map| map.get(ANNOTATION)).and_then(Value::as_str).unwrap_or_default();
    let demand = format!("protected groups must have approval annotation {}", go::quoted(ANNOTATION));
    let see = "see https://github.com/kubernetes/enhancements/pull/1111";
    let host = given.split_once("://").map(|(_, rest)| rest.split(['/', '?']).next().unwrap_or_default());
    let is_link = is_request_uri(given) && host.is_some_and(|host| !host.is_empty());
    match given {
        "" => (Approval::Missing, format!("{demand}, {see}")),
        _ if given.starts_with("unapproved") => (Approval::Bypassed, format!("not approved: {}", go::quoted(given))),
        _ if is_link => (Approval::Approved, format!("approved in {given}")),
        _ => {
            let either = "with either a URL or a reason starting with \"unapproved\"";
            (Approval::Invalid, format!("{demand} {either}, {see}"))
        }
    }
}

/// What is wrong with the approval of the definition `object`, which replaces `old`.
#[must_use]
pub fn validate(object: &Value, old: Option<&Value>, group: &str) -> Option<Cause> {
    let (found, reason) = approval(object);
    if !is_protected(group) || old.is_some_and(|old| approval(old).0 == found) {
        return None;
    }
    let place = Path::new("metadata.annotations").key(ANNOTATION);
    let given = annotations(object).and_then(|map| map.get(ANNOTATION)).and_then(Value::as_str).unwrap_or_default();
    match found {
        Approval::Approved | Approval::Bypassed => None,
        Approval::Missing => Some(Cause::required(place, &reason)),
        Approval::Invalid => Some(Cause::invalid(place, go::quoted(given), &reason)),
    }
}
