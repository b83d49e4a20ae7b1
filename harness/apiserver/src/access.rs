//! Whether a request may go on: what it asks in authorization's terms, and as whom.

use http::{HeaderMap, Method};

use crate::authn::{self, User, account_groups, account_user, split_account};
use crate::authz::{self, Ask};
use crate::parameters::ListOptions;
use crate::request::{self, Query, ResourcePath};
use crate::status::Failure;
use crate::store::Store;

const USER: &str = "impersonate-user";
const GROUP: &str = "impersonate-group";
const EXTRA: &str = "impersonate-extra-";
const AUTHENTICATION: &str = "authentication.k8s.io";

/// What is asked of a resource, in authorization's terms.
#[must_use]
pub fn ask(method: &Method, path: &ResourcePath, query: &Query) -> Ask {
    let verb = request::verb(method, path, query);
    let mut name = path.name.clone();
    // A list that asks for one name is judged as if it named it.
    if name.is_empty()
        && matches!(verb, "list" | "watch")
        && let Ok(options) = ListOptions::read(query)
    {
        options.fields.exact("metadata.name").unwrap_or_default().clone_into(&mut name);
    }
    let verb = if path.subresource == "proxy" { proxy_verb(method) } else { verb };
    Ask::Resource {
        verb: verb.to_owned(),
        group: path.group.clone(),
        resource: path.resource.clone(),
        subresource: path.subresource.clone(),
        namespace: path.namespace.clone(),
        name,
    }
}

fn proxy_verb(method: &Method) -> &'static str {
    match *method {
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ => "get",
    }
}

/// Why nobody is impersonated.
#[derive(Debug)]
pub enum NotImpersonated {
    /// It is not allowed.
    Forbidden(Failure),
    /// The headers make no sense, in the original's words.
    Senseless(String),
}

/// Something of a user that a header names.
enum Part<'a> {
    Account(&'a str, &'a str),
    User(&'a str),
    Group(&'a str),
    Extra(String, &'a str),
}

/// `%41` and the like decoded, or the text as it is if any escape is wrong (`url.PathUnescape` in Kubernetes 1.20).
fn unescaped(text: &str) -> String {
    let mut pieces = text.split('%').skip(1);
    let valid = pieces.all(|piece| piece.get(..2).is_some_and(|hex| u8::from_str_radix(hex, 16).is_ok()));
    if valid { request::percent_decoded(text) } else { text.to_owned() }
}

impl<'a> Part<'a> {
    fn of_headers(headers: &'a HeaderMap) -> Vec<Self> {
        let texts = |name: &str| -> Vec<&'a str> {
            headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect()
        };
        let mut parts = Vec::new();
        if let Some(name) = texts(USER).first().filter(|name| !name.is_empty()) {
            parts.push(match split_account(name) {
                Some((namespace, account)) => Self::Account(namespace, account),
                None => Self::User(name),
            });
        }
        parts.extend(texts(GROUP).into_iter().map(Self::Group));
        for name in headers.keys() {
            if let Some(key) = name.as_str().strip_prefix(EXTRA) {
                parts.extend(texts(name.as_str()).into_iter().map(|value| Self::Extra(unescaped(key), value)));
            }
        }
        parts
    }

    fn ask(&self) -> Ask {
        let (group, resource, subresource, namespace, name) = match self {
            Self::Account(namespace, name) => ("", "serviceaccounts", "", *namespace, *name),
            Self::User(name) => ("", "users", "", "", *name),
            Self::Group(name) => ("", "groups", "", "", *name),
            Self::Extra(key, value) => (AUTHENTICATION, "userextras", key.as_str(), "", *value),
        };
        let own = str::to_owned;
        Ask::Resource {
            verb: own("impersonate"),
            group: own(group),
            resource: own(resource),
            subresource: own(subresource),
            namespace: own(namespace),
            name: own(name),
        }
    }

    /// The part as Go's `%v` writes the object reference that the original makes of it.
    fn reference(&self) -> String {
        match self {
            Self::Account(namespace, name) => format!("{{ServiceAccount {namespace} {name}    }}"),
            Self::User(name) => format!("{{User  {name}    }}"),
            Self::Group(name) => format!("{{Group  {name}    }}"),
            Self::Extra(key, value) => format!("{{UserExtra  {value}  {AUTHENTICATION}/v1  {key}}}"),
        }
    }
}

/// The user that `Impersonate-*` headers name, if `user` may act as them.
///
/// # Errors
/// [`NotImpersonated`].
pub fn impersonated(store: &Store, user: User, headers: &HeaderMap) -> Result<User, NotImpersonated> {
    let parts = Part::of_headers(headers);
    match parts.first() {
        None => return Ok(user),
        Some(Part::Account(..) | Part::User(_)) => {}
        Some(_) => {
            let shown: Vec<String> = parts.iter().map(Part::reference).collect();
            let text = format!("requested [{}] without impersonating a user", shown.join(" "));
            return Err(NotImpersonated::Senseless(text));
        }
    }
    let mut other = User::default();
    let groups_given = parts.iter().any(|part| matches!(part, Part::Group(_)));
    for part in parts {
        authz::authorize(store, &user, &part.ask()).map_err(NotImpersonated::Forbidden)?;
        match part {
            Part::Account(namespace, name) => {
                other.name = account_user(namespace, name);
                if !groups_given {
                    other.groups = account_groups(namespace);
                }
            }
            Part::User(name) => name.clone_into(&mut other.name),
            Part::Group(name) => other.groups.push(name.to_owned()),
            Part::Extra(key, value) => other.extra.entry(key).or_default().push(value.to_owned()),
        }
    }
    if other.name == authn::ANONYMOUS && !other.in_group(authn::UNAUTHENTICATED) {
        other.groups.push(authn::UNAUTHENTICATED.to_owned());
    }
    Ok(other.among_authenticated())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;
    use rstest::rstest;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn master() -> User {
        User::authenticated("admin", vec![authz::MASTERS.to_owned()])
    }

    #[rstest]
    #[case(&[], "admin", &["system:masters", "system:authenticated"])]
    #[case(&[(USER, "jane")], "jane", &["system:authenticated"])]
    #[case(&[(USER, "jane"), (GROUP, "a"), (GROUP, "b")], "jane", &["a", "b", "system:authenticated"])]
    #[case(&[(USER, "jane"), (GROUP, "system:unauthenticated")], "jane", &["system:unauthenticated"])]
    #[case(&[(USER, "system:anonymous")], "system:anonymous", &["system:unauthenticated"])]
    #[case(
        &[(USER, "system:serviceaccount:n:s")], "system:serviceaccount:n:s",
        &["system:serviceaccounts", "system:serviceaccounts:n", "system:authenticated"],
    )]
    #[case(&[(USER, "system:serviceaccount:n:s"), (GROUP, "a")], "system:serviceaccount:n:s", &["a", "system:authenticated"])]
    fn becomes_who_is_named(#[case] given: &[(&'static str, &str)], #[case] name: &str, #[case] groups: &[&str]) {
        let user = impersonated(&Store::new(), master(), &headers(given)).unwrap();
        assert_eq!(
            (user.name.as_str(), user.groups.as_slice()),
            (name, &*groups.iter().map(|g| (*g).to_owned()).collect::<Vec<_>>())
        );
    }

    #[test]
    fn reads_extras_with_escaped_keys() {
        let given = headers(&[
            (USER, "jane"),
            ("impersonate-extra-example.com%2fteam", "a"),
            ("impersonate-extra-bad%zz", "b"),
        ]);
        let user = impersonated(&Store::new(), master(), &given).unwrap();
        assert_eq!(user.extra.get("example.com/team"), Some(&vec!["a".to_owned()]));
        assert_eq!(user.extra.get("bad%zz"), Some(&vec!["b".to_owned()]));
    }

    #[rstest]
    #[case(&[(GROUP, "dev")], "requested [{Group  dev    }] without impersonating a user")]
    #[case(
        &[("impersonate-extra-scopes", "view")],
        "requested [{UserExtra  view  authentication.k8s.io/v1  scopes}] without impersonating a user",
    )]
    fn finds_no_sense_in_parts_of_nobody(#[case] given: &[(&'static str, &str)], #[case] expected: &str) {
        match impersonated(&Store::new(), master(), &headers(given)) {
            Err(NotImpersonated::Senseless(text)) => assert_eq!(text, expected),
            other => panic!("{other:?}"),
        }
    }

    #[rstest]
    #[case(&[(USER, "joe")], r#"users "joe" is forbidden: User "jane" cannot impersonate resource "users" in API group "" at the cluster scope"#)]
    #[case(
        &[(USER, "system:serviceaccount:n:s")],
        r#"serviceaccounts "s" is forbidden: User "jane" cannot impersonate resource "serviceaccounts" in API group "" in the namespace "n""#,
    )]
    fn asks_whether_it_may(#[case] given: &[(&'static str, &str)], #[case] expected: &str) {
        match impersonated(&Store::new(), User::authenticated("jane", vec![]), &headers(given)) {
            Err(NotImpersonated::Forbidden(failure)) => assert_eq!(failure.message, expected),
            other => panic!("{other:?}"),
        }
    }
}
