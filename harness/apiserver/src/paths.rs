//! Paths that are no resources: versions, discovery, health, the description of the API.

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use serde_json::Value;

use crate::answer::{self, Body};
use crate::negotiate;
use crate::state::State;
use crate::status::Failure;
use crate::{discovery, openapi, surface};

/// Answers a request for a path that is no resource.
///
/// # Errors
/// 404 for a version that is not there, 406 for a form that is not.
pub fn answer(state: &State, request: &Request<Incoming>) -> Result<Response<Body>, Failure> {
    let registry = state.registry();
    let path = request.uri().path();
    let trimmed = if path.len() > 1 { path.trim_end_matches('/') } else { path };
    let form = || negotiate::wanted(request.headers());
    let document = |value: &Value| Ok(answer::value(form()?, StatusCode::OK, value));
    let segments: Vec<&str> = trimmed.split('/').skip(1).collect();
    match segments.as_slice() {
        [""] => Ok(answer::indented(StatusCode::OK, &discovery::paths(&registry))),
        ["api"] => document(&discovery::api_versions(state.address)),
        ["apis"] => document(&discovery::groups(&registry)),
        ["version"] => Ok(answer::indented(StatusCode::OK, &discovery::version())),
        [name @ ("healthz" | "livez" | "readyz")] => Ok(answer::text(
            StatusCode::OK,
            discovery::health(name, request.uri().query().is_some_and(|q| q.contains("verbose"))),
        )),
        ["healthz" | "livez" | "readyz", _, ..] => Ok(answer::text(StatusCode::OK, "ok")),
        ["openapi", "v2"] => {
            let accept =
                request.headers().get(http::header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
            if accept.contains("proto-openapi") {
                return Ok(answer::bytes("application/octet-stream", openapi::as_protobuf(&registry)));
            }
            let document = serde_json::to_vec(&openapi::as_json(&registry)).unwrap_or_default();
            Ok(answer::json_bytes(StatusCode::OK, document))
        }
        ["api", version] => match discovery::resources(&registry, "", version) {
            Some(found) => document(&found),
            None => Err(Failure::unknown_resource()),
        },
        ["apis", group] => match discovery::one_group(&registry, group) {
            Some(found) => document(&found),
            None => Ok(no_such_group(state, request, group, "")),
        },
        ["apis", group, version] => match discovery::resources(&registry, group, version) {
            Some(found) => document(&found),
            None if discovery::one_group(&registry, group).is_some() => {
                if surface::original_serves(group, version) {
                    note_miss(state, request);
                }
                Err(Failure::unknown_resource())
            }
            None => Ok(no_such_group(state, request, group, version)),
        },
        _ => {
            if surface::original_answers(path) {
                note_miss(state, request);
            }
            Ok(answer::indented(StatusCode::NOT_FOUND, &discovery::paths(&registry)))
        }
    }
}

/// Notes a request that the original would have served.
pub fn note_miss(state: &State, request: &Request<Incoming>) {
    state.miss(format!("{} {}", request.method(), request.uri().path()));
}

fn no_such_group(state: &State, request: &Request<Incoming>, group: &str, version: &str) -> Response<Body> {
    if surface::original_serves(group, version) {
        note_miss(state, request);
    }
    answer::page_not_found()
}
