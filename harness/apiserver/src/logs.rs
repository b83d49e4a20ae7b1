//! `pods/log`: asks the kubelet of the pod's node.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Empty};
use serde_json::Value;

use crate::answer::{self, Body};
use crate::fields::text;
use crate::parameters::integer;
use crate::request::{Query, ResourcePath};
use crate::state::State;
use crate::status::{Cause, Failure};
use crate::store::Key;
use crate::upstream::{self, Upstream};

/// The options that the kubelet is told, in the order in which the original's encoder writes them.
const OPTIONS: &[&str] = &["follow", "limitBytes", "previous", "sinceSeconds", "sinceTime", "tailLines", "timestamps"];

fn names(pod: &Value, key: &str) -> Vec<String> {
    let containers = pod.pointer(&format!("/spec/{key}")).and_then(Value::as_array).into_iter().flatten();
    containers.map(|container| text(container, "/name").to_owned()).collect()
}

fn check_options(name: &str, query: &Query) -> Result<(), Failure> {
    let mut causes = Vec::new();
    for (key, least) in [("tailLines", 0), ("limitBytes", 1), ("sinceSeconds", 1)] {
        let Some(given) = query.first(key).map(integer).transpose()? else { continue };
        if given < least {
            let detail = if least == 0 { "must be greater than or equal to 0" } else { "must be greater than 0" };
            causes.push(Cause::invalid(key, given, detail));
        }
    }
    if causes.is_empty() { Ok(()) } else { Err(Failure::invalid("PodLogOptions", "", name, &causes)) }
}

/// The container that is meant: the only one, unless one is named.
fn container(pod: &Value, name: &str, query: &Query) -> Result<String, Failure> {
    let (own, init) = (names(pod, "containers"), names(pod, "initContainers"));
    match query.get("container") {
        Some(wanted) if own.iter().chain(&init).any(|found| found == wanted) => Ok(wanted.to_owned()),
        Some(wanted) => Err(Failure::bad_request(format!("container {wanted} is not valid for pod {name}"))),
        None => match own.as_slice() {
            [only] if init.is_empty() => Ok(only.clone()),
            _ => {
                let listed = |lead: &str, names: &[String]| {
                    if names.is_empty() { String::new() } else { format!("{lead}: [{}]", names.join(" ")) }
                };
                Err(Failure::bad_request(format!(
                    "a container name must be specified for pod {name}{}{}",
                    listed(", choose one of", &own),
                    listed(" or one of the init containers", &init)
                )))
            }
        },
    }
}

/// Where the node's kubelet listens.
fn kubelet(state: &State, node: &str) -> Result<Upstream, Failure> {
    // The original names the resource wrongly here; clients show what it says.
    let found = state.store.get(&Arc::from("nodes"), &Key::new("", node));
    let found = found.ok_or_else(|| Failure::core_not_found("pods", node))?;
    let addresses = found.value.pointer("/status/addresses").and_then(Value::as_array).into_iter().flatten();
    let by_kind = |kind: &str| {
        addresses
            .clone()
            .find(|address| text(address, "/type") == kind)
            .map(|address| text(address, "/address").to_owned())
    };
    // The order that kubeadm configures (`--kubelet-preferred-address-types`).
    let host = ["InternalIP", "ExternalIP", "Hostname"].iter().find_map(|kind| by_kind(kind));
    let host = host.ok_or_else(|| {
        Failure::internal(format!("no preferred addresses found; known addresses: []; node {node} reports none"))
    })?;
    let port = found.value.pointer("/status/daemonEndpoints/kubeletEndpoint/Port").and_then(Value::as_u64);
    let port = port.and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0).unwrap_or(10250);
    Ok(Upstream { tls: true, host, port })
}

/// Answers `GET …/pods/NAME/log`.
///
/// # Errors
/// As the original refuses.
pub async fn answer(state: &Arc<State>, path: &ResourcePath, query: &Query) -> Result<Response<Body>, Failure> {
    let key = Key::new(&*path.namespace, &*path.name);
    let pod = state.store.get(&Arc::from("pods"), &key).ok_or_else(|| Failure::core_not_found("pods", &path.name))?;
    check_options(&path.name, query)?;
    let container = container(&pod.value, &path.name, query)?;
    let node = text(&pod.value, "/spec/nodeName");
    if node.is_empty() {
        // No node, no log yet: nothing, and no error.
        return Ok(no_content());
    }
    let to = kubelet(state, node)?;
    let options: Vec<String> = OPTIONS
        .iter()
        .filter_map(|key| {
            query.get(key).map(|value| format!("{key}={}", value.replace('+', "%2B").replace(':', "%3A")))
        })
        .collect();
    let suffix = if options.is_empty() { String::new() } else { format!("?{}", options.join("&")) };
    let place = format!("/containerLogs/{}/{}/{container}{suffix}", path.namespace, path.name);
    let url = format!("https://{}{place}", to.authority());
    let failed = |text: String| Failure::internal(format!("Get {}: {text}", crate::status::quoted(&url)));
    let request = Request::get(&place)
        .header(header::HOST, to.authority())
        .body(Empty::<Bytes>::new())
        .map_err(|error| failed(error.to_string()))?;
    let response = upstream::send(state, &to, request).await.map_err(failed)?;
    let status = response.status();
    if status.is_success() {
        let body = response.into_body().map_err(Into::into).boxed_unsync();
        return Ok(answer::stream("text/plain", body));
    }
    let told = response.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    Err(kubelet_failure(status, &to, &told))
}

fn no_content() -> Response<Body> {
    let mut response = Response::new(answer::full(Bytes::new()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-cache, private"));
    response
}

/// What the kubelet's refusal becomes: its text as a bad request, unless it says more (`GenericHttpResponseChecker`).
fn kubelet_failure(status: StatusCode, to: &Upstream, told: &Bytes) -> Failure {
    let text = String::from_utf8_lossy(told).trim_end().to_owned();
    match status {
        StatusCode::BAD_REQUEST => Failure::bad_request(text),
        StatusCode::NOT_FOUND => {
            let mut failure = Failure::bad_request(format!(
                "the server could not find the requested resource ( pods/log {})",
                to.host
            ));
            failure.code = StatusCode::NOT_FOUND;
            failure.reason = "NotFound".into();
            failure
        }
        _ => Failure::internal(text),
    }
}
