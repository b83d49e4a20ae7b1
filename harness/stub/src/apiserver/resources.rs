//! Lists and objects for the console: `resources.kubesphere.io`, `tenant.kubesphere.io`, `iam.kubesphere.io`
//! (kubesphere v3.3.2, `pkg/models/resources/v1alpha3`).

use http::StatusCode;
use serde_json::{Value, json};

use super::authenticate::Identity;
use super::oauth::parse_form;
use super::respond::{self, Answer};
use super::server::Server;
use super::users;
use crate::member::{CallError, Target};

/// Answers a read below `/kapis/GROUP/VERSION/`.
pub async fn answer(server: &Server, group: &str, rest: &[&str], query: &str, identity: &Identity) -> Answer {
    let (namespace, rest) = match rest {
        ["namespaces", namespace, more @ ..] if !more.is_empty() => (Some(*namespace), more),
        _ => (None, rest),
    };
    let Some((kind, name)) = (match rest {
        [plural] => kind_of(group, plural).map(|kind| (kind, None)),
        [plural, name] => kind_of(group, plural).map(|kind| (kind, Some(*name))),
        _ => None,
    }) else {
        server.log('I', "server.go", &format!("{} asked for a path that is not served", identity.name()));
        return respond::route_error(StatusCode::NOT_FOUND);
    };
    let target = match namespace {
        Some(namespace) => kind.target.within(namespace),
        None => kind.target,
    };
    match name {
        Some(name) => match server.api.get(&target.named(name)).await {
            Ok(object) => respond::entity(StatusCode::OK, &shown(object)),
            Err(error) if error.is_not_found() => refused(&format!("{} {name:?} not found", kind.singular)),
            Err(error) => refused(&error.to_string()),
        },
        None => match server.api.get(&target).await {
            Ok(list) => respond::entity(StatusCode::OK, &page(list, query)),
            // Without the kind there is nothing of it (a cluster that never was a host has no Clusters either).
            Err(CallError::Refused { code: 404, .. }) => {
                respond::entity(StatusCode::OK, &json!({"items": [], "totalItems": 0}))
            }
            Err(error) => refused(&error.to_string()),
        },
    }
}

fn refused(text: &str) -> Answer {
    respond::text_error(StatusCode::INTERNAL_SERVER_ERROR, text)
}

struct Kind {
    target: Target,
    /// As an informer's lister names it in an error.
    singular: String,
}

fn kind_of(group: &str, plural: &str) -> Option<Kind> {
    let target = match (group, plural) {
        ("resources.kubesphere.io" | "tenant.kubesphere.io", "clusters") => Target::clusters(),
        ("resources.kubesphere.io" | "iam.kubesphere.io", "users") => users::target(),
        (
            "resources.kubesphere.io",
            "nodes" | "namespaces" | "pods" | "services" | "configmaps" | "secrets" | "serviceaccounts",
        ) => Target::core(plural),
        ("resources.kubesphere.io", "deployments" | "statefulsets" | "daemonsets") => {
            Target::group("apps", "v1", plural)
        }
        _ => return None,
    };
    let singular = target.description().unwrap_or_default();
    let (resource, group) = singular.split_once('.').unwrap_or((&singular, ""));
    let resource = resource.strip_suffix('s').unwrap_or(resource);
    let singular = if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") };
    Some(Kind { target, singular })
}

/// An object as the console sees it: without type, without credentials.
fn shown(mut object: Value) -> Value {
    if let Some(fields) = object.as_object_mut() {
        fields.shift_remove("apiVersion");
        fields.shift_remove("kind");
    }
    if let Some(connection) = object.pointer_mut("/spec/connection").and_then(Value::as_object_mut) {
        connection.shift_remove("kubeconfig");
    }
    if object.pointer("/spec/email").is_some()
        && let Some(spec) = object["spec"].as_object_mut()
    {
        spec.shift_remove("password");
    }
    object
}

/// The asked page of a list, newest first, equally old ones by name from the end.
fn page(mut list: Value, query: &str) -> Value {
    let query = parse_form(query.as_bytes());
    let number = |name: &str| query.get(name).and_then(|text| text.parse::<usize>().ok());
    let mut items: Vec<Value> = match list["items"].take() {
        Value::Array(items) => items.into_iter().map(shown).collect(),
        _ => Vec::new(),
    };
    let meta = |item: &Value, field: &str| item["metadata"][field].as_str().unwrap_or_default().to_owned();
    if let Some(part) = query.get("name") {
        items.retain(|item| meta(item, "name").contains(part.as_str()));
    }
    items.sort_by_cached_key(|item| {
        (std::cmp::Reverse(meta(item, "creationTimestamp")), std::cmp::Reverse(meta(item, "name")))
    });
    if query.get("ascending").is_some_and(|flag| flag == "true") {
        items.reverse();
    }
    let total = items.len();
    let limit = number("limit").filter(|limit| *limit > 0).unwrap_or(total.max(1));
    let skipped = number("page").unwrap_or(1).saturating_sub(1) * limit;
    let items: Vec<_> = items.into_iter().skip(skipped).take(limit).collect();
    json!({"items": items, "totalItems": total})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str, created: &str) -> Value {
        json!({"kind": "Node", "metadata": {"name": name, "creationTimestamp": created}})
    }

    fn names(page: &Value) -> Vec<&str> {
        page["items"].as_array().into_iter().flatten().filter_map(|item| item["metadata"]["name"].as_str()).collect()
    }

    #[test]
    fn lists_the_newest_first_and_equals_from_the_end() {
        let list = json!({"items": [named("a", "2026-01-01T00:00:00Z"), named("b", "2026-01-01T00:00:00Z"), named("c", "2026-01-02T00:00:00Z")]});
        assert_eq!(names(&page(list.clone(), "")), ["c", "b", "a"]);
        assert_eq!(names(&page(list, "limit=1&page=2")), ["b"]);
    }

    #[test]
    fn shows_no_credentials() {
        let cluster = json!({"kind": "Cluster", "spec": {"connection": {"type": "direct", "kubeconfig": "c2VjcmV0"}}});
        assert_eq!(shown(cluster), json!({"spec": {"connection": {"type": "direct"}}}));
        let user = json!({"spec": {"email": "a@b", "password": "$2a$10$x"}});
        assert_eq!(shown(user), json!({"spec": {"email": "a@b"}}));
    }

    #[test]
    fn names_a_missing_object_as_an_informer_does() {
        let kind = kind_of("resources.kubesphere.io", "clusters").map(|kind| kind.singular);
        assert_eq!(kind.as_deref(), Some("cluster.cluster.kubesphere.io"));
    }
}
