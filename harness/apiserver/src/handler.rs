//! One request: who asks, what for, whether they may, and the answer.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::{Value, json};

use crate::answer::{self, Body, Shower};
use crate::authn::{self, PeerCertificate, User};
use crate::authz::{self, Ask};
use crate::custom::instance;
use crate::deletion::{DeleteOptions, Deleted};
use crate::negotiate::{self, Form};
use crate::objects::{Intent, Part, Place};
use crate::patch::Patch;
use crate::reads::{self, Selection};
use crate::registry::Resource;
use crate::request::{self, Query, ResourcePath, Target};
use crate::state::State;
use crate::status::{Cause, Failure, quoted};
use crate::{discovery, logs, openapi, proxy, registry, reviews, scale, surface};

/// The largest body that is read (`--max-request-bytes` of etcd and the original's own limit: 3 MiB).
const LARGEST_BODY: usize = 3 * 1024 * 1024;

/// Answers `request`.
pub async fn handle(state: Arc<State>, peer: Arc<PeerCertificate>, request: Request<Incoming>) -> Response<Body> {
    match respond(&state, &peer, request).await {
        Ok(response) => response,
        Err(failure) => answer::failure(&failure),
    }
}

async fn respond(
    state: &Arc<State>,
    peer: &PeerCertificate,
    request: Request<Incoming>,
) -> Result<Response<Body>, Failure> {
    let user = authn::authenticate(peer, request.headers(), &state.tokens, &state.store, state.clock)
        .map_err(|_| Failure::unauthorized())?;
    let user = impersonated(state, user, request.headers())?;
    let query = Query::parse(request.uri().query());
    match request::parse_path(request.uri().path()) {
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
    if name.is_empty() && matches!(verb, "list" | "watch" | "deletecollection") {
        let selector = query.get("fieldSelector").unwrap_or_default();
        let named = selector.split(',').find_map(|part| part.strip_prefix("metadata.name="));
        named.unwrap_or_default().trim_start_matches('=').clone_into(&mut name);
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
            None if registry::is_built_in(group) => {
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
    let itself = path.resource == "namespaces" && path.name == path.namespace;
    if !resource.namespaced && !path.namespace.is_empty() && !itself {
        return Err(Failure::unknown_resource());
    }
    if !path.subresource.is_empty() {
        // Of custom resources the original has no more subresources than their definitions say.
        if resource.custom.is_none() && !resource.answers(&path.subresource) {
            note_miss(state, &request);
        }
        let Some(sub) = resource.subresource(&path.subresource) else {
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
    } else if !resource.verbs.contains(&verb) {
        return Err(not_allowed(resource, verb));
    }
    let (parts, body) = request.into_parts();
    let form = negotiate::wanted(&parts.headers)?;
    let body = read_body(body).await?;
    let call = Call { state, user, resource, path: &path, query: &query, headers: &parts.headers, body, form };
    let mut response = call.answer(verb).unwrap_or_else(|failure| answer::failure(&failure));
    let warning = resource.custom.as_ref().and_then(|custom| custom.warning.as_deref());
    if let Some(value) = warning.and_then(|text| HeaderValue::from_str(&format!("299 - {}", quoted(text))).ok()) {
        response.headers_mut().append(http::header::WARNING, value);
    }
    Ok(response)
}

fn not_allowed(resource: &Resource, verb: &str) -> Failure {
    match &resource.custom {
        Some(_) => Failure::method_not_supported(resource, verb, None),
        None => Failure::method_not_allowed(),
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

/// A request for a stored resource.
struct Call<'a> {
    state: &'a Arc<State>,
    user: &'a User,
    resource: &'a Arc<Resource>,
    path: &'a ResourcePath,
    query: &'a Query,
    headers: &'a HeaderMap,
    body: Bytes,
    form: Form,
}

impl Call<'_> {
    fn shower(&self) -> Shower {
        let whole = self.query.get("includeObject") == Some("Object");
        Shower::new(self.resource, self.form, self.state.clock, whole)
    }

    fn place(&self) -> Place<'_> {
        Place {
            state: self.state,
            resource: self.resource,
            namespace: if self.resource.namespaced { &self.path.namespace } else { "" },
            dry_run: self.query.get("dryRun") == Some("All"),
        }
    }

    fn object(&self) -> Result<Value, Failure> {
        let object = negotiate::read_object(self.resource, self.headers, &self.body)?;
        if self.path.subresource != "scale" && self.path.subresource != "binding" {
            negotiate::check_kind(self.resource, &object)?;
        }
        Ok(object)
    }

    fn answer(&self, verb: &str) -> Result<Response<Body>, Failure> {
        if self.resource.group == "authorization.k8s.io" {
            let object = self.object()?;
            let review = reviews::answer(self.state, self.user, self.resource, &self.path.namespace, &object)?;
            return Ok(answer::value(self.form, StatusCode::CREATED, &review));
        }
        match self.path.subresource.as_str() {
            "scale" => return self.scale(verb),
            "binding" => return self.bind(),
            _ => {}
        }
        if matches!(verb, "create" | "update" | "patch" | "delete" | "deletecollection") {
            self.check_dry_run(verb)?;
        }
        match verb {
            "get" => Ok(self.shower().answer(StatusCode::OK, &*self.place().get(&self.path.name)?)),
            "list" => {
                let selection = self.selection()?;
                reads::list(self.state, self.resource, &selection, &self.shower(), self.query)
            }
            "watch" => reads::watch(self.state, self.resource, self.selection()?, self.shower(), self.query),
            "create" => self.create(),
            "update" => self.update(),
            "patch" => self.patch(),
            "delete" => self.delete(),
            "deletecollection" => self.delete_collection(),
            _ => Err(Failure::method_not_allowed()),
        }
    }

    /// `dryRun` is all or nothing.
    fn check_dry_run(&self, verb: &str) -> Result<(), Failure> {
        let Some(given) = self.query.get("dryRun").filter(|given| *given != "All") else { return Ok(()) };
        let kind = match verb {
            "create" => "CreateOptions",
            "patch" => "PatchOptions",
            "update" => "UpdateOptions",
            _ => "DeleteOptions",
        };
        let shown = format!("[]string{{{}}}", quoted(given));
        let cause = Cause::unsupported("dryRun", shown, &[quoted("All")]);
        Err(Failure::invalid(kind, "meta.k8s.io", "", &[cause]))
    }

    fn selection(&self) -> Result<Selection, Failure> {
        let namespace = if self.resource.namespaced { &*self.path.namespace } else { "" };
        Selection::read(self.resource, namespace, &self.path.name, self.query)
    }

    fn create(&self) -> Result<Response<Body>, Failure> {
        let named = !self.path.name.is_empty() && self.resource.custom.is_none();
        if named || (self.resource.namespaced && self.path.namespace.is_empty()) {
            return Err(Failure::method_not_allowed());
        }
        if instance::is_terminating(self.resource) {
            let text = "create not allowed while custom resource definition is terminating";
            return Err(Failure::method_not_supported(self.resource, "create", Some(text)));
        }
        let stored = self.place().create(self.object()?)?;
        Ok(self.shower().answer(StatusCode::CREATED, &stored))
    }

    fn part(&self) -> Part {
        match self.path.subresource.as_str() {
            "status" => Part::Status,
            "finalize" => Part::Finalize,
            _ => Part::Object,
        }
    }

    fn update(&self) -> Result<Response<Body>, Failure> {
        if self.path.name.is_empty() {
            return Err(Failure::method_not_allowed());
        }
        let object = self.object()?;
        let change = |_: &Value| Ok(object.clone());
        let (stored, created) = self.place().update(&self.path.name, self.part(), Intent::Put, change)?;
        let status = if created { StatusCode::CREATED } else { StatusCode::OK };
        Ok(self.shower().answer(status, &stored))
    }

    fn patch(&self) -> Result<Response<Body>, Failure> {
        if self.path.name.is_empty() {
            return Err(Failure::method_not_allowed());
        }
        let patch = Patch::read(self.state, self.resource, self.headers, &self.body)?;
        let revision = |value: &Value| value.pointer("/metadata/resourceVersion").cloned();
        let change = |object: &Value| {
            let mut patched = patch.apply(object)?;
            negotiate::check_patched_kind(self.resource, &patched)?;
            // A patch that names no revision is meant for whatever is there.
            if revision(&patched) == revision(object)
                && let Some(Value::Object(meta)) = patched.get_mut("metadata")
            {
                meta.remove("resourceVersion");
            }
            Ok(patched)
        };
        let (stored, _) = self.place().update(&self.path.name, self.part(), Intent::Patch, change)?;
        Ok(self.shower().answer(StatusCode::OK, &stored))
    }

    fn delete_options(&self) -> Result<DeleteOptions, Failure> {
        if self.body.is_empty() {
            return Ok(DeleteOptions::read(&Value::Null, self.query));
        }
        let body = negotiate::read_object(self.resource, self.headers, &self.body)?;
        Ok(DeleteOptions::read(&body, self.query))
    }

    fn dry_run_of(&self, place: &mut Place<'_>) {
        let in_body = serde_json::from_slice::<Value>(&self.body).ok();
        place.dry_run |= in_body.is_some_and(|body| body.pointer("/dryRun/0").is_some());
    }

    fn delete(&self) -> Result<Response<Body>, Failure> {
        let options = self.delete_options()?;
        let mut place = self.place();
        self.dry_run_of(&mut place);
        match place.delete(&self.path.name, &options)? {
            Deleted::Object(stored) => Ok(self.shower().answer(StatusCode::OK, &stored)),
            Deleted::Gone(stored) => {
                let mut details = json!({"name": self.path.name});
                if !self.resource.group.is_empty() {
                    details["group"] = Value::from(self.resource.group.as_str());
                }
                details["kind"] = Value::from(self.resource.plural.as_str());
                details["uid"] = stored.value.pointer("/metadata/uid").cloned().unwrap_or_default();
                let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details});
                Ok(answer::value(self.form, StatusCode::OK, &status))
            }
        }
    }

    fn delete_collection(&self) -> Result<Response<Body>, Failure> {
        let options = self.delete_options()?;
        let (objects, revision) = self.selection()?.list(self.state, self.resource);
        for stored in &objects {
            let text = |pointer: &str| stored.value.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            let mut place = self.place();
            self.dry_run_of(&mut place);
            let place = Place { namespace: text("/metadata/namespace"), ..place };
            match place.delete(text("/metadata/name"), &options) {
                Ok(_) => {}
                // Someone else was quicker.
                Err(failure) if failure.code == StatusCode::NOT_FOUND => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok(self.shower().list(&objects, revision, None))
    }

    fn scale(&self, verb: &str) -> Result<Response<Body>, Failure> {
        let place = self.place();
        let name = &self.path.name;
        if verb == "get" {
            let stored = place.get(name)?;
            let scale = scale::read(self.resource, &self.shower().seen(&stored))?;
            return Ok(answer::value(self.form, StatusCode::OK, &scale));
        }
        let (patch, whole) = if verb == "patch" {
            (Some(Patch::read(self.state, self.resource, self.headers, &self.body)?), Value::Null)
        } else {
            let whole = self.object()?;
            scale::check_name(&whole, name)?;
            (None, whole)
        };
        let change = |object: &Value| {
            let wanted = match &patch {
                Some(patch) => patch.apply(&scale::read_for_patch(self.resource, object)?)?,
                None => whole.clone(),
            };
            scale::write(self.resource, object, &wanted)
        };
        let (stored, _) = place.update(name, Part::Object, Intent::Patch, change)?;
        let scale = scale::read_written(self.resource, &self.shower().seen(&stored))?;
        Ok(answer::value(self.form, StatusCode::OK, &scale))
    }

    /// Puts a pod on a node.
    fn bind(&self) -> Result<Response<Body>, Failure> {
        let binding = self.object()?;
        let node = binding.pointer("/target/name").and_then(Value::as_str).unwrap_or_default().to_owned();
        self.place().bind_pod(&self.path.name, &node)?;
        let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201});
        Ok(answer::value(self.form, StatusCode::CREATED, &status))
    }
}
