//! `services/proxy`, `pods/proxy`: passes a request on to a pod.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::Value;

use crate::answer::{self, Body, Foreign, RequestBody};
use crate::fields::text;
use crate::registry::Resource;
use crate::request::ResourcePath;
use crate::state::State;
use crate::status::Failure;
use crate::store::Key;
use crate::upstream::{self, Upstream};

/// Headers that belong to one connection.
const HOP_BY_HOP: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// `[scheme:]name[:port]`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Reference {
    tls: bool,
    name: String,
    port: String,
}

impl Reference {
    fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split(':').collect();
        let (scheme, name, port) = match *parts.as_slice() {
            [name] => ("", name, ""),
            [name, port] => ("", name, port),
            [scheme, name, port] => (scheme, name, port),
            _ => return None,
        };
        if name.is_empty() || !matches!(scheme, "" | "http" | "https") {
            return None;
        }
        Some(Self { tls: scheme == "https", name: name.to_owned(), port: port.to_owned() })
    }
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

/// A pod's address counts only where the Endpoints name a pod that has it: else anyone who may write Endpoints could
/// have the server call any address.
fn is_address_of_pod(state: &State, namespace: &str, address: &Value) -> bool {
    let target = |key: &str| text(address, &format!("/targetRef/{key}"));
    if target("kind") != "Pod" || target("namespace") != namespace {
        return false;
    }
    let pod = state.store.get(&Arc::from("pods"), &Key::new(namespace, target("name")));
    pod.is_some_and(|pod| {
        let ip = text(address, "/ip");
        let others = pod.value.pointer("/status/podIPs").and_then(Value::as_array).into_iter().flatten();
        text(&pod.value, "/status/podIP") == ip || others.map(|other| text(other, "/ip")).any(|other| other == ip)
    })
}

/// Where a Service leads, as `ServiceStorage.ResourceLocation` of Kubernetes 1.20 finds it.
fn service(state: &State, namespace: &str, id: &str) -> Result<Upstream, Failure> {
    let reference =
        Reference::parse(id).ok_or_else(|| Failure::bad_request(format!("invalid service request \"{id}\"")))?;
    let key = Key::new(namespace, &*reference.name);
    let service = state.store.get(&Arc::from("services"), &key);
    let service = service.ok_or_else(|| Failure::core_not_found("services", &reference.name))?;
    let mut wanted = reference.port.clone();
    if let Ok(number) = reference.port.parse::<u64>() {
        let ports = service.value.pointer("/spec/ports").and_then(Value::as_array).into_iter().flatten();
        let named = ports.clone().find(|port| port.get("port").and_then(Value::as_u64) == Some(number));
        let Some(port) = named else {
            let text = format!("no service port {number} found for service \"{}\"", reference.name);
            return Err(Failure::unavailable(text));
        };
        text(port, "/name").clone_into(&mut wanted);
    }
    let endpoints = state.store.get(&Arc::from("endpoints"), &key);
    let endpoints = endpoints.ok_or_else(|| Failure::core_not_found("endpoints", &reference.name))?;
    let mut candidates = Vec::new();
    for subset in list(&endpoints.value, "subsets") {
        let Some(port) = list(subset, "ports").find(|port| text(port, "/name") == wanted) else { continue };
        let number = port.get("port").and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok()).unwrap_or(0);
        candidates.extend(
            list(subset, "addresses")
                .filter(|address| is_address_of_pod(state, namespace, address))
                .map(|address| (text(address, "/ip").to_owned(), number)),
        );
    }
    if candidates.is_empty() {
        return Err(Failure::unavailable(format!("no endpoints available for service \"{id}\"")));
    }
    let (host, port) = candidates.swap_remove(rand::random_range(0..candidates.len()));
    Ok(Upstream { tls: reference.tls, host, port })
}

/// Where a pod listens.
fn pod(state: &State, namespace: &str, id: &str) -> Result<Upstream, Failure> {
    let reference =
        Reference::parse(id).ok_or_else(|| Failure::bad_request(format!("invalid pod request \"{id}\"")))?;
    let key = Key::new(namespace, &*reference.name);
    let pod = state.store.get(&Arc::from("pods"), &key);
    let pod = pod.ok_or_else(|| Failure::core_not_found("pods", &reference.name))?;
    let first = pod.value.pointer("/spec/containers/0/ports/0/containerPort").and_then(Value::as_u64);
    let port = reference.port.parse().ok().or_else(|| first.and_then(|port| u16::try_from(port).ok())).unwrap_or(80);
    let host = text(&pod.value, "/status/podIP");
    if host.is_empty() {
        return Err(Failure::bad_request("address not allowed"));
    }
    Ok(Upstream { tls: reference.tls, host: host.to_owned(), port })
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in HOP_BY_HOP {
        headers.remove(*name);
    }
}

/// Passes `request` on.
///
/// # Errors
/// As the original refuses, and when the pod cannot be reached.
pub async fn answer(
    state: &Arc<State>,
    resource: &Resource,
    path: &ResourcePath,
    request: Request<RequestBody>,
) -> Result<Response<Body>, Failure> {
    let to = match &*resource.plural {
        "services" => service(state, &path.namespace, &path.name)?,
        "pods" => pod(state, &path.namespace, &path.name)?,
        other => return Err(Failure::unavailable(format!("the proxy of {other} is not served"))),
    };
    // As it was sent: `/api/v1/namespaces/NS/services/NAME/proxy/REST`.
    let rest = request.uri().path().splitn(9, '/').nth(8).map(|rest| format!("/{rest}"));
    if rest.is_none() && matches!(*request.method(), Method::GET | Method::HEAD) {
        return Ok(redirect(&request));
    }
    let rest = rest.unwrap_or_else(|| "/".to_owned());
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    let (mut parts, body) = request.into_parts();
    let mut headers = std::mem::take(&mut parts.headers);
    remove_hop_by_hop(&mut headers);
    // Who asked is proven; the proof is nobody else's business.
    headers.remove(header::AUTHORIZATION);
    headers.remove(header::HOST);
    for name in ["impersonate-user", "impersonate-group"] {
        headers.remove(name);
    }
    let failed = |text: String| Failure::internal(format!("error trying to reach service: {text}"));
    let mut outgoing = Request::new(body);
    *outgoing.method_mut() = parts.method;
    *outgoing.uri_mut() = format!("{rest}{query}").parse().map_err(|_| Failure::bad_request("invalid path"))?;
    *outgoing.headers_mut() = headers;
    let host = to.authority().parse().map_err(|_| Failure::bad_request("invalid host"))?;
    outgoing.headers_mut().insert(header::HOST, host);
    let response = upstream::send(state, &to, outgoing).await.map_err(failed)?;
    let (mut head, body) = response.into_parts();
    remove_hop_by_hop(&mut head.headers);
    let mut answer = Response::new(body.map_err(Into::into).boxed_unsync());
    *answer.status_mut() = head.status;
    *answer.headers_mut() = head.headers;
    answer.extensions_mut().insert(Foreign);
    Ok(answer)
}

/// A path without its trailing slash is sent to the one with it.
fn redirect(request: &Request<RequestBody>) -> Response<Body> {
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    let place = format!("{}/{query}", request.uri().path());
    let mut response = Response::new(answer::full(bytes::Bytes::new()));
    *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
    if let Ok(place) = place.parse() {
        response.headers_mut().insert(header::LOCATION, place);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("a", Some((false, "a", "")))]
    #[case("a:80", Some((false, "a", "80")))]
    #[case(":ks-apiserver:", Some((false, "ks-apiserver", "")))]
    #[case(":ks-apiserver:80", Some((false, "ks-apiserver", "80")))]
    #[case("https:a:web", Some((true, "a", "web")))]
    #[case("ftp:a:1", None)]
    #[case("a:b:c:d", None)]
    fn reads_references(#[case] text: &str, #[case] expected: Option<(bool, &str, &str)>) {
        let found = Reference::parse(text);
        let found = found.as_ref().map(|found| (found.tls, found.name.as_str(), found.port.as_str()));
        assert_eq!(found, expected);
    }
}
