//! One request: who asks, what for, whether they may, and the answer.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::runtime::Handle;

use crate::access::{self, NotImpersonated};
use crate::admission::{Admission, Asking};
use crate::answer::{self, Body, Shower};
use crate::authn::{PeerCertificate, User};
use crate::authz::{self, Ask};
use crate::deletion::{DeleteOptions, Deleted};
use crate::negotiate::{self, Form};
use crate::objects::{Intent, Part, Place};
use crate::patch::Patch;
use crate::reads::{self, Selection};
use crate::registry::Resource;
use crate::request::{self, Query, ResourcePath, Target};
use crate::reviews::{self, Question};
use crate::state::State;
use crate::status::{Cause, Failure, quoted};
use crate::warnings::Warnings;
use crate::{limits, logs, paths, proxy, scale, surface, webhooks};

/// Answers `request`.
pub async fn handle(state: Arc<State>, peer: Arc<PeerCertificate>, request: Request<Incoming>) -> Response<Body> {
    let target = request::parse_path(request.uri().path());
    let query = Query::parse(request.uri().query());
    let unbounded =
        matches!(&target, Target::Resource(path) if limits::is_long_running(request.method(), path, &query));
    let answer = respond(&state, &peer, target, query, request);
    let answer = if unbounded {
        answer.await
    } else {
        let limit = state.time_limits.request;
        match tokio::time::timeout(limit, answer).await {
            Ok(answer) => answer,
            Err(_) => {
                let (code, status) = limits::timed_out(limit);
                return answer::json_value(code, &status);
            }
        }
    };
    answer.unwrap_or_else(|failure| answer::failure(&failure))
}

async fn respond(
    state: &Arc<State>,
    peer: &PeerCertificate,
    target: Target,
    query: Query,
    request: Request<Incoming>,
) -> Result<Response<Body>, Failure> {
    let user = state.evidence().authenticate(peer, request.headers()).map_err(|_| Failure::unauthorized())?;
    let user = match access::impersonated(&state.store, user, request.headers()) {
        Ok(user) => user,
        Err(NotImpersonated::Forbidden(failure)) => return Err(failure),
        Err(NotImpersonated::Senseless(why)) => return Ok(answer::internal_error(request.uri(), &why)),
    };
    match target {
        Target::Path(path) => {
            let ask = Ask::Path { verb: request.method().as_str().to_lowercase(), path };
            authz::authorize(&state.store, &user, &ask)?;
            paths::answer(state, &request)
        }
        Target::Resource(path) => {
            authz::authorize(&state.store, &user, &access::ask(request.method(), &path, &query))?;
            resource_answer(state, user, path, query, request).await
        }
    }
}

async fn resource_answer(
    state: &Arc<State>,
    user: User,
    path: ResourcePath,
    query: Query,
    request: Request<Incoming>,
) -> Result<Response<Body>, Failure> {
    let registry = state.registry();
    let Some(resource) = registry.find(&path.group, &path.version, &path.resource) else {
        if surface::original_serves(&path.group, &path.version) {
            paths::note_miss(state, &request);
        }
        let known = path.group.is_empty() || registry.groups().iter().any(|(group, _)| *group == path.group);
        return if known { Err(Failure::unknown_resource()) } else { Ok(answer::page_not_found()) };
    };
    if resource.namespaced && path.namespace.is_empty() && !path.name.is_empty() {
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
            paths::note_miss(state, &request);
        }
        let Some(sub) = resource.subresource(&path.subresource) else {
            return Err(Failure::unknown_resource());
        };
        match sub.name {
            "proxy" => return proxy::answer(state, resource, &path, request).await,
            _ if !sub.verbs.contains(&verb) => return Err(Failure::method_not_allowed()),
            "log" => return logs::answer(state, &path, &query).await,
            _ => {}
        }
    } else if !resource.verbs.contains(&verb) {
        return Err(Failure::method_not_allowed());
    }
    let (parts, body) = request.into_parts();
    let form = negotiate::wanted(&parts.headers)?;
    let body = read_body(body).await?;
    limits::check_nesting(&body).map_err(|too_deep| {
        if too_deep.only_here {
            state.miss(format!("BODY nested deeper than {} {verb} {}", limits::NESTING_SERVED, resource.full_name));
        }
        too_deep.refusal(&resource.kind, &body)
    })?;
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
            .unwrap_or_else(|error| Err(Failure::internal_error(&error.to_string())))
    } else {
        asked.answer(verb, None)
    };
    let mut response = answer.unwrap_or_else(|failure| answer::failure(&failure));
    warnings.write(response.headers_mut());
    Ok(response)
}

/// Verbs that webhooks are asked about.
const WRITES: &[&str] = &["create", "update", "patch", "delete", "deletecollection"];

async fn read_body(body: Incoming) -> Result<Bytes, Failure> {
    match http_body_util::Limited::new(body, limits::BODY).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            Err(Failure::too_large(&format!("limit is {}", limits::BODY)))
        }
        Err(error) => Err(Failure::bad_request(error.to_string())),
    }
}

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
        let admission = Admission {
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
            admission,
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
    admission: Admission<'a>,
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
            admission: Some(self.admission),
        }
    }

    fn object(&self) -> Result<Value, Failure> {
        let object = negotiate::read_object(self.resource, self.headers, &self.body)?;
        if !matches!(self.path.subresource.as_str(), "scale" | "binding" | "token") {
            negotiate::check_kind(self.resource, &object)?;
        }
        Ok(object)
    }

    fn answer(&self, verb: &str) -> Result<Response<Body>, Failure> {
        if reviews::is_review(self.resource) || self.path.subresource == "token" {
            return self.review();
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

    /// Answers a question.
    fn review(&self) -> Result<Response<Body>, Failure> {
        let object = self.object()?;
        let question = Question {
            state: self.state,
            user: self.user,
            resource: self.resource,
            namespace: &self.path.namespace,
            name: &self.path.name,
            object: &object,
        };
        Ok(answer::value(self.form, StatusCode::CREATED, &question.answer()?))
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
        if !self.path.name.is_empty() || (self.resource.namespaced && self.path.namespace.is_empty()) {
            return Err(Failure::method_not_allowed());
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
            return Ok(answer::value(self.form, StatusCode::OK, &scale::read(self.resource, &stored.value)));
        }
        let (patch, whole) = if verb == "patch" {
            (Some(Patch::read(self.state, self.resource, self.headers, &self.body)?), Value::Null)
        } else {
            (None, self.object()?)
        };
        let change = |object: &Value| {
            let wanted = match &patch {
                Some(patch) => patch.apply(&scale::read(self.resource, object))?,
                None => whole.clone(),
            };
            scale::write(self.resource, object, &wanted)
        };
        let (stored, _) = place.update(name, Part::Object, Intent::Patch, change)?;
        Ok(answer::value(self.form, StatusCode::OK, &scale::read(self.resource, &stored.value)))
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
