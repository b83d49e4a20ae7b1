//! One request: who asks, what for, whether they may, and the answer.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::Value;

use crate::answer::{self, Body};
use crate::authn::{self, PeerCertificate, User};
use crate::authz::{self, Ask};
use crate::call::Call;
use crate::negotiate::{Encoding, Endpoint};
use crate::parameters::ListOptions;
use crate::registry::Resource;
use crate::request::{self, Query, ResourcePath, Target};
use crate::state::State;
use crate::status::Failure;
use crate::{deprecation, discovery, logs, negotiate, openapi, paths, proxy, reads, surface};

/// The largest body that is read (`--max-request-bytes` of etcd and the original's own limit: 3 MiB).
const LARGEST_BODY: usize = 3 * 1024 * 1024;

/// Answers `request`.
pub async fn handle(state: Arc<State>, peer: Arc<PeerCertificate>, request: Request<Incoming>) -> Response<Body> {
    let form = negotiate::for_failure(request.headers());
    let query = Query::parse(request.uri().query());
    let people = negotiate::is_for_people(request.headers(), query.first("pretty"));
    let response = match respond(&state, &peer, request).await {
        Ok(response) => response,
        Err(failure) => answer::failure(form, &failure),
    };
    if people { answer::for_people(response).await } else { response }
}

async fn respond(
    state: &Arc<State>,
    peer: &PeerCertificate,
    request: Request<Incoming>,
) -> Result<Response<Body>, Failure> {
    let target = request::parse_path(request.uri().path());
    if target == Target::Nothing {
        let (path, url) = (request.uri().path(), request.uri());
        let why = "failed to create RequestInfo: unable to determine kind and namespace from url";
        let text = format!("Internal Server Error: {path:?}: {why}, {url}\n");
        return Ok(answer::text(StatusCode::INTERNAL_SERVER_ERROR, text));
    }
    let user = authn::authenticate(peer, request.headers(), &state.tokens, &state.store, state.clock)
        .map_err(|_| Failure::unauthorized())?;
    let user = impersonated(state, user, request.headers())?;
    let query = Query::parse(request.uri().query());
    match target {
        Target::Nothing => Err(Failure::unknown_resource()),
        Target::Path(path) => {
            let ask = Ask::Path { verb: request.method().as_str().to_lowercase(), path };
            authorize(state, &user, &ask)?;
            path_answer(state, &request)
        }
        Target::Resource(path) => {
            let ask = ask(request.method(), &path, &query);
            authorize(state, &user, &ask)?;
            resource_answer(state, &user, path, query, request).await
        }
    }
}

fn authorize(state: &State, user: &User, ask: &Ask) -> Result<(), Failure> {
    if authz::allowed(&state.store, user, ask) { Ok(()) } else { Err(ask.refusal(user)) }
}

/// What is asked of a resource, in authorization's terms.
fn ask(method: &Method, path: &ResourcePath, query: &Query) -> Ask {
    let resource = match path.subresource.as_str() {
        "" => path.resource.clone(),
        sub => format!("{}/{sub}", path.resource),
    };
    let verb = request::verb(method, path, query);
    let mut name = path.name.clone();
    // A list that asks for one name is judged as if it named it.
    if name.is_empty()
        && matches!(verb, "list" | "watch" | "deletecollection")
        && let Ok(options) = ListOptions::read(query)
    {
        options.fields.exact("metadata.name").unwrap_or_default().clone_into(&mut name);
    }
    let verb = if path.subresource == "proxy" { proxy_verb(method) } else { verb };
    Ask::Resource {
        verb: verb.to_owned(),
        group: path.group.clone(),
        resource,
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

/// The user that `Impersonate-*` headers name, if this user may act as them.
fn impersonated(state: &State, user: User, headers: &HeaderMap) -> Result<User, Failure> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(name) = header("impersonate-user") else { return Ok(user) };
    let groups: Vec<String> = headers
        .get_all("impersonate-group")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .map(str::to_owned)
        .collect();
    let account = name.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'));
    let ask = |resource: &str, namespace: &str, name: &str| Ask::Resource {
        verb: "impersonate".to_owned(),
        group: String::new(),
        resource: resource.to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    };
    match account {
        Some((namespace, account)) => authorize(state, &user, &ask("serviceaccounts", namespace, account))?,
        None => authorize(state, &user, &ask("users", "", name))?,
    }
    for group in &groups {
        authorize(state, &user, &ask("groups", "", group))?;
    }
    if name == "system:anonymous" {
        return Ok(User::anonymous());
    }
    let groups = match account {
        Some((namespace, _)) if groups.is_empty() => {
            vec!["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")]
        }
        _ => groups,
    };
    Ok(User::authenticated(name, groups))
}

fn path_answer(state: &State, request: &Request<Incoming>) -> Result<Response<Body>, Failure> {
    let registry = state.registry();
    let path = request.uri().path();
    let trimmed = if path.len() > 1 { path.trim_end_matches('/') } else { path };
    let form = || negotiate::wanted(request.headers(), Endpoint::Plain);
    let document = |value: &Value| Ok(answer::value(form()?, StatusCode::OK, value));
    let segments: Vec<&str> = trimmed.split('/').skip(1).collect();
    if request.method() != Method::GET && matches!(segments.first(), Some(&("api" | "apis" | "version"))) {
        return Err(Failure::method_not_allowed());
    }
    match segments.as_slice() {
        [""] => Ok(answer::indented(StatusCode::OK, &paths::all(&registry))),
        ["api"] => document(&discovery::api_versions(state.address)),
        ["apis"] => document(&discovery::groups(&registry)),
        ["version"] if form()?.encoding != Encoding::Json => Err(Failure::not_acceptable()),
        ["version"] => Ok(answer::indented(StatusCode::OK, &discovery::version())),
        [name @ ("healthz" | "livez" | "readyz")] if trimmed == path => {
            let query = Query::parse(request.uri().query());
            let verbose = request.uri().query().is_some_and(|query| query.contains("verbose"));
            let excluded: Vec<&str> = query.get("exclude").into_iter().collect();
            Ok(answer::text(StatusCode::OK, paths::health(name, verbose, &excluded)))
        }
        [name @ ("healthz" | "livez" | "readyz"), check @ ..] if paths::is_check(name, &check.join("/")) => {
            Ok(answer::text(StatusCode::OK, "ok"))
        }
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
        // What goes on behind an empty segment is no resource.
        ["api", _, ..] => Err(Failure::unknown_resource()),
        ["apis", group, _, ..] if discovery::one_group(&registry, group).is_some() => Err(Failure::unknown_resource()),
        ["apis", group, version, ..] => Ok(no_such_group(state, request, group, version)),
        _ => {
            if surface::original_answers(path) {
                note_miss(state, request);
            }
            Ok(answer::indented(StatusCode::NOT_FOUND, &paths::of_the_last_server()))
        }
    }
}

fn note_miss(state: &State, request: &Request<Incoming>) {
    state.miss(format!("{} {}", request.method(), request.uri().path()));
}

fn no_such_group(state: &State, request: &Request<Incoming>, group: &str, version: &str) -> Response<Body> {
    if surface::original_serves(group, version) {
        note_miss(state, request);
    }
    answer::page_not_found()
}

async fn resource_answer(
    state: &Arc<State>,
    user: &User,
    path: ResourcePath,
    query: Query,
    request: Request<Incoming>,
) -> Result<Response<Body>, Failure> {
    let registry = state.registry();
    let Some(resource) = registry.find(&path.group, &path.version, &path.resource) else {
        if surface::original_serves(&path.group, &path.version) {
            note_miss(state, &request);
        }
        let known = path.group.is_empty() || registry.groups().iter().any(|(group, _)| *group == path.group);
        return if known { Err(Failure::unknown_resource()) } else { Ok(answer::page_not_found()) };
    };
    if resource.namespaced && path.namespace.is_empty() && !path.name.is_empty() {
        return Err(Failure::unknown_resource());
    }
    // What can only be created has no names.
    if !path.name.is_empty()
        && !resource.verbs.iter().any(|verb| matches!(*verb, "get" | "update" | "patch" | "delete"))
    {
        return Err(Failure::unknown_resource());
    }
    let itself = path.resource == "namespaces" && path.name == path.namespace;
    if !resource.namespaced && !path.namespace.is_empty() && !itself {
        return Err(Failure::unknown_resource());
    }
    let verb = request::verb(request.method(), &path, &query);
    if !path.subresource.is_empty() {
        // Of custom resources the original has no more subresources than their definitions say.
        if resource.custom.is_none() && !resource.answers(&path.subresource) {
            note_miss(state, &request);
        }
        let Some(sub) = resource.subresource(&path.subresource).filter(|sub| resource.answers(sub.name)) else {
            return Err(Failure::unknown_resource());
        };
        match sub.name {
            "proxy" => return proxy::answer(state, resource, &path, request).await,
            _ if !sub.verbs.contains(&verb) => return Err(Failure::method_not_allowed()),
            "log" => return logs::answer(state, &path, &query).await,
            _ => {}
        }
    } else if !resource.verbs.contains(&verb) || !is_routed(request.method(), resource, &path) {
        return Err(Failure::method_not_allowed());
    }
    let (parts, body) = request.into_parts();
    let endpoint = if resource.custom.is_some() { Endpoint::Custom } else { Endpoint::BuiltIn };
    let form = negotiate::wanted(&parts.headers, endpoint)?;
    let body = read_body(body).await?;
    if matches!(verb, "get" | "list") {
        reads::fresh(state, resource.stored(), &query).await;
    }
    let call = Call { state, user, resource, path: &path, query: &query, headers: &parts.headers, body, form };
    let failed = |failure: Failure| answer::failure(negotiate::for_failure(&parts.headers), &failure);
    let mut response = call.answer(verb).unwrap_or_else(failed);
    if let Some(warning) = deprecation::warning(resource).and_then(|text| HeaderValue::from_str(&text).ok()) {
        response.headers_mut().insert(http::header::WARNING, warning);
    }
    Ok(response)
}

/// Whether the original has a route for the method: objects are made and deleted together in a namespace alone, and
/// never under the name of one.
fn is_routed(method: &Method, resource: &Resource, path: &ResourcePath) -> bool {
    let collection = path.name.is_empty();
    match *method {
        Method::GET => true,
        Method::POST => collection && !path.watch && !(resource.namespaced && path.namespace.is_empty()),
        Method::PUT | Method::PATCH => !collection && !path.watch,
        Method::DELETE => !path.watch && !(collection && resource.namespaced && path.namespace.is_empty()),
        _ => false,
    }
}

async fn read_body(body: Incoming) -> Result<Bytes, Failure> {
    match http_body_util::Limited::new(body, LARGEST_BODY).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            let mut failure = Failure::bad_request(format!("limit is {LARGEST_BODY}"));
            failure.code = StatusCode::PAYLOAD_TOO_LARGE;
            failure.reason = "RequestEntityTooLarge";
            Err(failure)
        }
        Err(error) => Err(Failure::bad_request(error.to_string())),
    }
}
