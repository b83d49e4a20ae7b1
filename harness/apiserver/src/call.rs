//! A request for a stored resource, answered.

mod deletions;
mod subresources;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use serde_json::Value;

use crate::answer::{self, Body};
use crate::authn::User;
use crate::authz::{self, Ask};
use crate::components;
use crate::consent::Consent;
use crate::conversion;
use crate::custom::instance;
use crate::managed;
use crate::names;
use crate::negotiate::{self, Form};
use crate::objects::{self, Intent, Part, Place};
use crate::parameters::{ListOptions, WriteKind, WriteOptions};
use crate::patch::{self, Patch};
use crate::reads::{self, Selection, Watch};
use crate::registry::Resource;
use crate::request::{Query, ResourcePath};
use crate::reviews::{self, Question};
use crate::shape::shape;
use crate::show::Shower;
use crate::state::State;
use crate::status::{Failure, quoted};

/// A request for a stored resource.
pub struct Call<'a> {
    /// The server.
    pub state: &'a Arc<State>,
    /// Who asks.
    pub user: &'a User,
    /// What for.
    pub resource: &'a Arc<Resource>,
    /// The path.
    pub path: &'a ResourcePath,
    /// The parameters.
    pub query: &'a Query,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The body.
    pub body: Bytes,
    /// How the answer is to look.
    pub form: Form,
    /// Who must agree to what is written.
    pub consent: Consent<'a>,
}

impl Call<'_> {
    /// Answers as `verb` asks.
    ///
    /// # Errors
    /// As the original refuses.
    pub fn answer(&self, verb: &str) -> Result<Response<Body>, Failure> {
        self.check_name()?;
        if reviews::is_review(self.resource) || self.path.subresource == "token" {
            return self.review();
        }
        match self.path.subresource.as_str() {
            "scale" => return self.scale(verb),
            "binding" => return self.bind(&self.path.name),
            "eviction" => return self.evict(),
            _ => {}
        }
        match &*self.resource.full_name {
            "bindings" => return self.bind(""),
            "componentstatuses" => return components::answer(&self.shower()?, &self.path.name, verb),
            _ => {}
        }
        match verb {
            "get" => self.get(),
            "list" => self.list(),
            "watch" => self.watch(),
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
        let mut object = negotiate::read_object(self.resource, self.headers, &self.body)?;
        if self.path.subresource.is_empty() {
            negotiate::check_kind(self.resource, self.headers, &object, &self.body)?;
            negotiate::check_fields(self.resource, self.headers, &object, &self.body)?;
            shape(self.resource, &mut object).map_err(|text| objects::undecodable(self.resource, &text))?;
        }
        let question = Question {
            state: self.state,
            user: self.user,
            resource: self.resource,
            namespace: &self.path.namespace,
            name: &self.path.name,
            object: &object,
        };
        let mut answer = question.answer()?;
        let manager = managed::manager(self.query.get("fieldManager").unwrap_or_default(), self.headers);
        if let (Some(owners), Some(Value::Object(meta))) = (question.owners(&manager), answer.get_mut("metadata")) {
            meta.insert("managedFields".to_owned(), owners);
        }
        Ok(answer::value(self.form, StatusCode::CREATED, &answer))
    }

    /// What the path names must be able to be a key of the storage.
    fn check_name(&self) -> Result<(), Failure> {
        let faults = names::path_segment(&self.path.name);
        if faults.is_empty() {
            return Ok(());
        }
        let name = quoted(&self.path.name);
        Err(Failure::bad_request(format!("Name parameter invalid: {name}: {}", faults.join(";"))))
    }

    fn shower(&self) -> Result<Shower, Failure> {
        Shower::new(self.resource, self.form, self.state.clock, self.query)
    }

    fn namespace(&self) -> &str {
        if self.resource.namespaced { &self.path.namespace } else { "" }
    }

    fn place(&self, dry_run: bool) -> Place<'_> {
        Place {
            state: self.state,
            resource: self.resource.stored(),
            requested: self.resource,
            namespace: self.namespace(),
            dry_run,
            manager: "",
            consent: Some(self.consent),
        }
    }

    /// Who writes.
    fn manager(&self, options: &WriteOptions<'_>) -> String {
        managed::manager(options.manager, self.headers)
    }

    /// Who applies to what is not there yet must be allowed to create it.
    fn may_create(&self) -> Result<(), Failure> {
        let ask = Ask::Resource {
            verb: "create".to_owned(),
            group: self.path.group.clone(),
            resource: self.path.resource.clone(),
            subresource: String::new(),
            namespace: self.path.namespace.clone(),
            name: self.path.name.clone(),
        };
        authz::authorize(&self.state.store, self.user, &ask)
            .map_err(|_| Failure::refused(self.resource, &self.path.name, ""))
    }

    /// The kind of a PATCH.
    fn patch_kind(&self) -> WriteKind {
        if negotiate::content_type(self.headers) == patch::APPLY { WriteKind::Apply } else { WriteKind::Patch }
    }

    fn object(&self) -> Result<Value, Failure> {
        let object = negotiate::read_object(self.resource, self.headers, &self.body)?;
        if matches!(self.path.subresource.as_str(), "" | "status" | "finalize" | "approval") {
            negotiate::check_kind(self.resource, self.headers, &object, &self.body)?;
            negotiate::check_fields(self.resource, self.headers, &object, &self.body)?;
            return self.stored_form(object);
        }
        match self.path.subresource.as_str() {
            "scale" => negotiate::check_type("Scale", "autoscaling/v1", "autoscaling", &object)?,
            "binding" => negotiate::check_type("Binding", "v1", "core", &object)?,
            "eviction" => negotiate::check_type("Eviction", "policy/v1beta1", "policy", &object)?,
            _ => {}
        }
        Ok(object)
    }

    /// An object of the version that was asked for in the form in which it is kept.
    fn stored_form(&self, object: Value) -> Result<Value, Failure> {
        conversion::to_stored(self.resource, object).map_err(|text| objects::undecodable(self.resource, &text))
    }

    fn get(&self) -> Result<Response<Body>, Failure> {
        reads::check_fresh(self.state, self.resource.stored(), self.query)?;
        let stored = self.place(false).get(&self.path.name)?;
        self.shower()?.answer(StatusCode::OK, &stored)
    }

    fn selection(&self, options: &ListOptions<'_>) -> Result<Selection, Failure> {
        Selection::new(self.resource.stored(), self.namespace(), &self.path.name, options)
    }

    fn list(&self) -> Result<Response<Body>, Failure> {
        let options = ListOptions::read(self.query)?;
        let list = reads::list(self.state, self.resource.stored(), &self.selection(&options)?, &options)?;
        self.shower()?.list(&list.objects, list.revision, list.next.as_ref())
    }

    fn watch(&self) -> Result<Response<Body>, Failure> {
        let options = ListOptions::read(self.query)?;
        let selection = self.selection(&options)?;
        let shower = self.shower()?;
        shower.check_stream()?;
        let watch = Watch::start(self.state, self.resource.stored(), selection, shower, &options)?;
        Ok(reads::watch_answer(watch))
    }

    fn create(&self) -> Result<Response<Body>, Failure> {
        if instance::is_terminating(self.resource) {
            let why = "create not allowed while custom resource definition is terminating";
            return Err(Failure::method_not_supported(self.resource, "create", Some(why)));
        }
        let options = WriteOptions::read(self.query, WriteKind::Create)?;
        let manager = self.manager(&options);
        let stored = Place { manager: &manager, ..self.place(options.dry_run) }.create(self.object()?)?;
        self.shower()?.answer(StatusCode::CREATED, &stored)
    }

    fn part(&self) -> Part {
        match self.path.subresource.as_str() {
            "status" | "approval" => Part::Status,
            "finalize" => Part::Finalize,
            _ => Part::Object,
        }
    }

    /// Only paths of custom resources are there without a name, too.
    fn check_named(&self) -> Result<(), Failure> {
        if self.path.name.is_empty() { Err(Failure::bad_request("name must be provided")) } else { Ok(()) }
    }

    fn update(&self) -> Result<Response<Body>, Failure> {
        self.check_named()?;
        let options = WriteOptions::read(self.query, WriteKind::Update)?;
        let object = self.object()?;
        let change = |_: &Value| Ok(object.clone());
        let manager = self.manager(&options);
        let place = Place { manager: &manager, ..self.place(options.dry_run) };
        let (stored, created) = place.update(&self.path.name, self.part(), Intent::Put, change)?;
        let status = if created { StatusCode::CREATED } else { StatusCode::OK };
        self.shower()?.answer(status, &stored)
    }

    fn patch(&self) -> Result<Response<Body>, Failure> {
        let patch = Patch::read(self.resource, self.resource.custom.is_some(), self.headers, &self.body)?;
        self.check_named()?;
        let options = WriteOptions::read(self.query, self.patch_kind())?;
        let (manager, now) = (self.manager(&options), self.state.clock.stamp());
        let place = Place { manager: &manager, ..self.place(options.dry_run) };
        let tracker = place.tracker(&now);
        let change = |object: &Value| {
            let patched = patch.apply(&conversion::shown(self.resource, object), tracker, options.force)?;
            if object.is_null() {
                self.may_create()?;
            }
            negotiate::check_patched_kind(self.resource, &patched)?;
            self.stored_form(patched)
        };
        let intent = if self.patch_kind() == WriteKind::Apply { Intent::Apply } else { Intent::Patch };
        let (stored, created) = place.update(&self.path.name, self.part(), intent, change)?;
        let status = if created { StatusCode::CREATED } else { StatusCode::OK };
        self.shower()?.answer(status, &stored)
    }
}
