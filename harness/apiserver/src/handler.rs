//! One request: who asks, what for, whether they may, and the answer.

use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::upgrade::OnUpgrade;
use serde_json::{Value, json};
use tokio::runtime::Handle;

use crate::access::{self, NotImpersonated};
use crate::answer::{self, Body, RequestBody};
use crate::audit::Unanswered;
use crate::authn::{PeerCertificate, User};
use crate::authz::{self, Ask};
use crate::call::Call;
use crate::consent::{Asking, Consent};
use crate::custom::instance;
use crate::in_process::WithoutManagedFields;
use crate::negotiate::{Document, Encoding, Endpoint, Form};
use crate::registry::{self, Resource};
use crate::request::{self, Query, ResourcePath, Target};
use crate::state::State;
use crate::status::Failure;
use crate::warnings::Warnings;
use crate::websocket::{self, Opening};
use crate::{deprecation, discovery, limits, logs, negotiate, openapi, paths, proxy, reads, surface, webhooks};

/// Answers `request`.
pub async fn handle(state: Arc<State>, peer: Arc<PeerCertificate>, request: Request<RequestBody>) -> Response<Body> {
    let form = negotiate::for_failure(request.headers());
    let query = Query::parse(request.uri().query());
    let people = negotiate::is_for_people(request.headers(), query.first("pretty"));
    let target = request::parse_path(request.uri().path());
    let unbounded =
        matches!(&target, Target::Resource(path) if limits::is_long_running(request.method(), path, &query));
    let limit = state.time_limits.request;
    let noted = Unanswered::of(&state, &peer, &target, &query, &request);
    // In its place: it is large, and would be moved.
    let answer = pin!(respond(&state, &peer, target, query, request));
    let answer = if unbounded { Ok(answer.await) } else { tokio::time::timeout(limit, answer).await };
    let (response, people) = match answer {
        Ok(Ok(response)) => (response, people),
        Ok(Err(failure)) => (answer::failure(form, &failure), people),
        Err(_) => {
            let (code, status) = limits::timed_out(limit);
            (answer::json_value(code, &status), false)
        }
    };
    if let Some(noted) = noted {
        noted.answered(&state, response.status().as_u16());
    }
    if people { answer::for_people(response).await } else { response }
}

async fn respond(
    state: &Arc<State>,
    peer: &PeerCertificate,
    target: Target,
    query: Query,
    request: Request<RequestBody>,
) -> Result<Response<Body>, Failure> {
    if target == Target::Nothing {
        let (path, url) = (request.uri().path(), request.uri());
        let why = "failed to create RequestInfo: unable to determine kind and namespace from url";
        let text = format!("Internal Server Error: {path:?}: {why}, {url}\n");
        return Ok(answer::text(StatusCode::INTERNAL_SERVER_ERROR, text));
    }
    let user = state.evidence().authenticate(peer, request.headers()).map_err(|_| Failure::unauthorized())?;
    let user = match access::impersonated(&state.store, user, request.headers()) {
        Ok(user) => user,
        Err(NotImpersonated::Forbidden(failure)) => return Err(failure),
        Err(NotImpersonated::Senseless(why)) => return Ok(answer::internal_error(request.uri(), &why)),
    };
    match target {
        Target::Nothing => Err(Failure::unknown_resource()),
        Target::Path(path) => {
            let ask = Ask::Path { verb: request.method().as_str().to_lowercase(), path };
            authz::authorize(&state.store, &user, &ask)?;
            path_answer(state, &request)
        }
        Target::Resource(path) => {
            authz::authorize(&state.store, &user, &access::ask(request.method(), &path, &query))?;
            resource_answer(state, user, path, query, request).await
        }
    }
}

fn path_answer(state: &State, request: &Request<RequestBody>) -> Result<Response<Body>, Failure> {
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
        [""] => Ok(answer::indented(StatusCode::OK, &paths::all(&registry, state.remembered_groups()))),
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
        ["openapi", "v2"] => Ok(match negotiate::document(request.headers()) {
            // What it is, the original lets Go find out from its first bytes.
            Some(Document::Protobuf) => answer::bytes("application/octet-stream", openapi::as_protobuf(&registry)),
            Some(Document::Json) => answer::text(StatusCode::OK, openapi::as_json(&registry).to_string()),
            None => answer::empty(StatusCode::NOT_ACCEPTABLE),
        }),
        ["api", version] => match discovery::resources(&registry, "", version) {
            Some(found) => document(&found),
            None => Err(Failure::unknown_resource()),
        },
        ["apis", group] => match discovery::one_group(&registry, group) {
            Some(found) => document(&found),
            None => Ok(answer::page_not_found()),
        },
        ["apis", group, version] => match discovery::resources(&registry, group, version) {
            Some(found) => document(&found),
            None if registry::is_built_in(group) => Err(Failure::unknown_resource()),
            None => Ok(answer::page_not_found()),
        },
        // What goes on behind an empty segment is no resource.
        ["api", _, ..] => Err(Failure::unknown_resource()),
        ["apis", group, _, ..] if registry::is_built_in(group) => Err(Failure::unknown_resource()),
        ["apis", _, _, ..] => Ok(answer::page_not_found()),
        _ => {
            if surface::original_answers(path) {
                note_miss(state, request);
            }
            Ok(answer::indented(StatusCode::NOT_FOUND, &paths::of_the_last_server()))
        }
    }
}

fn note_miss(state: &State, request: &Request<RequestBody>) {
    state.miss(format!("{} {}", request.method(), request.uri().path()));
}

async fn resource_answer(
    state: &Arc<State>,
    user: User,
    path: ResourcePath,
    query: Query,
    request: Request<RequestBody>,
) -> Result<Response<Body>, Failure> {
    let registry = state.registry();
    let Some(resource) = registry.find(&path.group, &path.version, &path.resource) else {
        let known = registry::is_built_in(&path.group);
        return if known { Err(Failure::unknown_resource()) } else { Ok(answer::page_not_found()) };
    };
    let verb = request::verb(request.method(), &path, &query);
    if resource.custom.is_some() {
        let everywhere = matches!(verb, "list" | "watch");
        if resource.namespaced == path.namespace.is_empty() && !(resource.namespaced && everywhere) {
            return Ok(answer::page_not_found());
        }
    }
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
    if !path.subresource.is_empty() {
        if resource.subresource(&path.subresource).is_some() && !resource.answers(&path.subresource) {
            note_miss(state, &request);
        }
        let Some(sub) = resource.subresource(&path.subresource).filter(|sub| resource.answers(sub.name)) else {
            return Err(match &resource.custom {
                Some(_) => Failure::not_found(resource, &path.name),
                None => Failure::unknown_resource(),
            });
        };
        match sub.name {
            "proxy" => return proxy::answer(state, resource, &path, request).await,
            _ if !sub.verbs.contains(&verb) => return Err(not_allowed(resource, verb)),
            "log" => return logs::answer(state, &path, &query).await,
            _ => {}
        }
    } else if !resource.verbs.contains(&verb) || !is_routed(request.method(), resource, &path) {
        return Err(not_allowed(resource, verb));
    }
    let (mut parts, body) = request.into_parts();
    let upgrade = parts.extensions.remove::<OnUpgrade>();
    let socket = upgrade.filter(|_| verb == "watch" && websocket::is_asked_for(&parts.headers));
    let socket = socket.map(|upgrade| Opening::read(&parts.headers, upgrade));
    let endpoint = match (&resource.custom, path.subresource.as_str()) {
        (Some(_), _) => Endpoint::Custom,
        (None, "") => Endpoint::BuiltIn,
        (None, _) => Endpoint::BelowBuiltIn,
    };
    let managed_fields = parts.extensions.get::<WithoutManagedFields>().is_none();
    let form = Form { managed_fields, ..negotiate::wanted(&parts.headers, endpoint)? };
    let body = read_body(body).await?;
    if matches!(verb, "get" | "list") {
        reads::fresh(state, resource.stored(), &query).await;
    }
    limits::check_nesting(&body).map_err(|too_deep| {
        if too_deep.only_here {
            state.miss(format!("BODY nested deeper than {} {verb} {}", limits::NESTING_SERVED, resource.full_name));
        }
        too_deep.refusal(&resource.kind, &body)
    })?;
    let failed = negotiate::for_failure(&parts.headers);
    let warnings = Arc::new(Warnings::default());
    let asked = Asked {
        state: Arc::clone(state),
        user,
        resource: Arc::clone(resource),
        path,
        query,
        headers: parts.headers,
        body,
        form,
    };
    let answer = if WRITES.contains(&verb) && webhooks::any(state) {
        let asking = Asking { runtime: Handle::current(), warnings: Arc::clone(&warnings) };
        // Webhooks take their time: a thread waits for them, so that everything else about a write stays in one piece.
        tokio::task::spawn_blocking(move || asked.answer(verb, Some(&asking)))
            .await
            .unwrap_or_else(|error| Err(Failure::internal_error(error.to_string())))
    } else if instance::has_webhook(resource) {
        // As above, for the webhook that converts objects.
        tokio::task::spawn_blocking(move || asked.answer(verb, None))
            .await
            .unwrap_or_else(|error| Err(Failure::internal_error(error.to_string())))
    } else {
        asked.answer(verb, None)
    };
    let mut response = answer.unwrap_or_else(|failure| answer::failure(failed, &failure));
    if let Some(warning) = deprecation::warning(resource).and_then(|text| HeaderValue::from_str(&text).ok()) {
        response.headers_mut().insert(http::header::WARNING, warning);
    }
    warnings.write(response.headers_mut());
    // What cannot be watched is told as without a WebSocket.
    let Some(socket) = socket.filter(|_| response.status() == StatusCode::OK) else { return Ok(response) };
    Ok(match socket {
        Ok(opening) => {
            let (opened, sending) = opening.open(response, state.stop.clone());
            state.tasks.spawn(sending);
            opened
        }
        Err(refused) => *refused,
    })
}

fn not_allowed(resource: &Resource, verb: &str) -> Failure {
    match &resource.custom {
        Some(_) => Failure::method_not_supported(resource, verb, None),
        None => Failure::method_not_allowed(),
    }
}

/// Verbs that webhooks are asked about.
const WRITES: &[&str] = &["create", "update", "patch", "delete", "deletecollection"];

/// A request for a stored resource, with everything that it needs: it may go to another thread.
struct Asked {
    state: Arc<State>,
    user: User,
    resource: Arc<Resource>,
    path: ResourcePath,
    query: Query,
    headers: HeaderMap,
    body: Bytes,
    form: Form,
}

impl Asked {
    fn answer(&self, verb: &str, asking: Option<&Asking>) -> Result<Response<Body>, Failure> {
        let options = if asking.is_some() { self.options(verb) } else { Value::Null };
        let consent = Consent {
            user: &self.user,
            subresource: &self.path.subresource,
            name: &self.path.name,
            options: &options,
            webhooks: asking,
        };
        let call = Call {
            state: &self.state,
            user: &self.user,
            resource: &self.resource,
            path: &self.path,
            query: &self.query,
            headers: &self.headers,
            body: self.body.clone(),
            form: self.form,
            consent,
        };
        call.answer(verb)
    }

    /// The options of a write, as webhooks are shown them.
    fn options(&self, verb: &str) -> Value {
        let mut options = json!({});
        if verb.starts_with("delete")
            && let Ok(Value::Object(given)) = serde_json::from_slice(&self.body)
        {
            options = Value::Object(given);
        }
        if let Some(dry_run) = self.query.get("dryRun") {
            options["dryRun"] = json!([dry_run]);
        }
        if let Some(manager) = self.query.get("fieldManager") {
            options["fieldManager"] = Value::from(manager);
        }
        options
    }
}

/// Whether the original has a route for the method: objects are made and deleted together in a namespace alone, and
/// never under the name of one. Custom resources have no routes of their own.
fn is_routed(method: &Method, resource: &Resource, path: &ResourcePath) -> bool {
    let collection = path.name.is_empty();
    if resource.custom.is_some() {
        return true;
    }
    match *method {
        Method::GET => true,
        Method::POST => collection && !path.watch && !(resource.namespaced && path.namespace.is_empty()),
        Method::PUT | Method::PATCH => !collection && !path.watch,
        Method::DELETE => !(path.watch || collection && resource.namespaced && path.namespace.is_empty()),
        _ => false,
    }
}

async fn read_body(body: RequestBody) -> Result<Bytes, Failure> {
    match http_body_util::Limited::new(body, limits::BODY).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            Err(Failure::too_large(&format!("limit is {}", limits::BODY)))
        }
        Err(error) => Err(Failure::bad_request(error.to_string())),
    }
}
