//! What a request is about: the path and the query taken apart, as apiserver's `RequestInfo` does.

use http::Method;

/// A path below an API group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResourcePath {
    /// API group; empty is the core group.
    pub group: String,
    /// API version.
    pub version: String,
    /// Namespace; empty for none or all.
    pub namespace: String,
    /// Resource.
    pub resource: String,
    /// Name; empty for the collection.
    pub name: String,
    /// Subresource; empty for the object itself.
    pub subresource: String,
    /// What follows the subresource, with its leading slash.
    pub rest: String,
    /// The deprecated way to watch: `watch` before the resource.
    pub watch: bool,
}

/// What a path leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Something in an API group.
    Resource(ResourcePath),
    /// Any other path.
    Path(String),
    /// A watch of nothing: the original gives up before it knows who asks.
    Nothing,
}

/// `%41` and the like decoded; what is no valid escape stays.
#[must_use]
pub fn percent_decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let hex = bytes.get(at + 1..at + 3).and_then(|pair| std::str::from_utf8(pair).ok());
        if *byte == b'%'
            && let Some(value) = hex.and_then(|pair| u8::from_str_radix(pair, 16).ok())
        {
            out.push(value);
            at += 3;
        } else {
            out.push(*byte);
            at += 1;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn has_valid_escapes(text: &str) -> bool {
    let is_hex = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_hexdigit());
    text.split('%').skip(1).all(|rest| {
        let mut bytes = rest.bytes();
        is_hex(bytes.next()) && is_hex(bytes.next())
    })
}

/// Takes `path` apart.
#[must_use]
pub fn parse_path(path: &str) -> Target {
    let other = || Target::Path(percent_decoded(path));
    // Go takes a path apart after it has decoded it; what goes through a proxy stays as it is.
    let whole = if path.contains("/proxy/") { path.to_owned() } else { path.replace("%2F", "/").replace("%2f", "/") };
    let path = whole.as_str();
    let mut segments = path.strip_prefix('/').unwrap_or(path).split('/');
    let mut next = || segments.next().map(percent_decoded).unwrap_or_default();
    let mut found = ResourcePath::default();
    match next().as_str() {
        "api" => found.version = next(),
        "apis" => {
            found.group = next();
            found.version = next();
        }
        _ => return other(),
    }
    let mut first = next();
    if found.version.is_empty() || first.is_empty() {
        return other();
    }
    if first == "watch" {
        found.watch = true;
        first = next();
        if first.is_empty() {
            return Target::Nothing;
        }
    }
    if first == "namespaces" {
        let namespace = next();
        let below = next();
        let ends = below.is_empty() && !path.trim_end_matches('/').contains("//");
        if ends || below == "status" || below == "finalize" {
            // The namespace itself: it counts as lying in itself.
            found.namespace.clone_from(&namespace);
            found.name = namespace;
            found.resource = first;
            found.subresource = below;
            return Target::Resource(found);
        }
        // Nothing lies in a namespace without a name.
        first = if namespace.is_empty() { String::new() } else { below };
        found.namespace = namespace;
    }
    found.resource = first;
    found.name = next();
    found.subresource = next();
    let consumed: Vec<&str> = segments.collect();
    // Nothing lies behind an empty segment, but for what goes through a proxy.
    let empty = path.split('/').skip(1).position(str::is_empty);
    let last = path.matches('/').count().saturating_sub(1);
    if found.subresource != "proxy" && empty.is_some_and(|at| at < last) {
        found.resource = String::new();
    }
    if !consumed.is_empty() {
        found.rest = format!("/{}", consumed.join("/"));
    }
    Target::Resource(found)
}

/// The parameters of a query.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads the text after the `?`. What is no valid escape drops its pair, and a semicolon ends one, as in Go 1.15's
    /// `url.ParseQuery`.
    #[must_use]
    pub fn parse(text: Option<&str>) -> Self {
        let decode = |part: &str| {
            let part = part.replace('+', " ");
            has_valid_escapes(&part).then(|| percent_decoded(&part))
        };
        let pairs = text.unwrap_or_default().split(['&', ';']).filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        Self(pairs.filter_map(|(key, value)| Some((decode(key)?, decode(value)?))).collect())
    }

    /// The first value of `key`, an empty one too.
    #[must_use]
    pub fn first(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found == key).map(|(_, value)| value.as_str())
    }

    /// Every value of `key`.
    #[must_use]
    pub fn all(&self, key: &str) -> Vec<&str> {
        self.0.iter().filter(|(found, _)| found == key).map(|(_, value)| value.as_str()).collect()
    }

    /// The first value of `key`, if it is not empty.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found == key).map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// Whether `key` is there and neither `0` nor `false`: all else is true, an empty value too
    /// (`Convert_Slice_string_To_bool` of apimachinery, Kubernetes 1.20).
    #[must_use]
    pub fn flag(&self, key: &str) -> bool {
        self.first(key).is_some_and(|value| value != "0" && !value.eq_ignore_ascii_case("false"))
    }
}

/// The verb that authorization knows for a method on a resource.
#[must_use]
pub fn verb(method: &Method, path: &ResourcePath, query: &Query) -> &'static str {
    let collection = path.name.is_empty();
    match *method {
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE if collection => "deletecollection",
        Method::DELETE => "delete",
        _ if path.watch => "watch",
        _ if !collection => "get",
        _ if query.flag("watch") => "watch",
        _ => "list",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn path(parts: [&str; 7]) -> Target {
        let [group, version, namespace, resource, name, subresource, rest] = parts.map(str::to_owned);
        let watch = false;
        Target::Resource(ResourcePath { group, version, namespace, resource, name, subresource, rest, watch })
    }

    #[rstest]
    #[case("/api/v1/pods", path(["", "v1", "", "pods", "", "", ""]))]
    #[case("/api/v1/namespaces", path(["", "v1", "", "namespaces", "", "", ""]))]
    #[case("/api/v1/namespaces/a", path(["", "v1", "a", "namespaces", "a", "", ""]))]
    #[case("/api/v1/namespaces/a/finalize", path(["", "v1", "a", "namespaces", "a", "finalize", ""]))]
    #[case("/api/v1/namespaces/a/pods/p/log", path(["", "v1", "a", "pods", "p", "log", ""]))]
    #[case("/apis/apps/v1/namespaces/a/deployments", path(["apps", "v1", "a", "deployments", "", "", ""]))]
    #[case("/api/v1/namespaces/a/services/:x:/proxy/kapis/y", path(["", "v1", "a", "services", ":x:", "proxy", "/kapis/y"]))]
    #[case("/api/v1/namespaces/a/services/http%3Ax%3A/proxy/", path(["", "v1", "a", "services", "http:x:", "proxy", "/"]))]
    #[case("/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Anode", path(["rbac.authorization.k8s.io", "v1", "", "clusterroles", "system:node", "", ""]))]
    #[case("/healthz", Target::Path("/healthz".into()))]
    #[case("/api", Target::Path("/api".into()))]
    #[case("/apis/apps/v1", Target::Path("/apis/apps/v1".into()))]
    fn takes_paths_apart(#[case] text: &str, #[case] expected: Target) {
        assert_eq!(parse_path(text), expected);
    }

    #[test]
    fn knows_the_deprecated_paths_of_watches() {
        let Target::Resource(path) = parse_path("/api/v1/watch/namespaces/a/pods/p") else { panic!("no resource") };
        assert!(path.watch);
        assert_eq!((&*path.namespace, &*path.resource, &*path.name), ("a", "pods", "p"));
        assert_eq!(verb(&Method::GET, &path, &Query::default()), "watch");
    }

    #[rstest]
    #[case("watch=0", false)]
    #[case("watch=False", false)]
    #[case("watch", true)]
    #[case("watch=no", true)]
    #[case("watch=%zz", false)]
    fn takes_for_true_what_is_not_false(#[case] query: &str, #[case] expected: bool) {
        assert_eq!(Query::parse(Some(query)).flag("watch"), expected);
    }

    #[test]
    fn reads_queries() {
        let query = Query::parse(Some("watch=true&labelSelector=a%3Db%2Cc+in+(d)&x"));
        assert!(query.flag("watch"));
        assert_eq!(query.get("labelSelector"), Some("a=b,c in (d)"));
        assert_eq!(query.get("x"), None);
    }
}
