//! Requests for what lies below an object and is none of its parts.

use std::borrow::Cow;

use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::Call;
use crate::answer::{self, Body};
use crate::custom::instance;
use crate::deletion::DeleteOptions;
use crate::managed::Tracker;
use crate::objects::{Intent, Part, Place};
use crate::parameters::{WriteKind, WriteOptions};
use crate::patch::Patch;
use crate::scale;
use crate::status::{Failure, quoted};
use crate::store::Stored;

impl Call<'_> {
    pub(super) fn scale(&self, verb: &str) -> Result<Response<Body>, Failure> {
        let name = &self.path.name;
        if verb == "get" {
            let found = self.state.store.get(&self.resource.full_name, &self.place(false).key(name));
            let stored = found.ok_or_else(|| scale::missing(self.resource, name))?;
            return Ok(answer::value(self.form, StatusCode::OK, &scale::read(self.resource, &*self.served(&stored)?)?));
        }
        let scales = scale::resource(self.resource);
        let (patch, whole) = if verb == "patch" {
            (Some(Patch::read(&scales, self.resource.custom.is_some(), self.headers, &self.body)?), Value::Null)
        } else {
            (None, self.object()?)
        };
        let kind = if verb == "patch" { self.patch_kind() } else { WriteKind::Update };
        let options = WriteOptions::read(self.query, kind)?;
        let place = self.place(options.dry_run);
        let (manager, now) = (self.manager(&options), self.state.clock.stamp());
        let tracker = Tracker { resource: &scales, manager: &manager, now: &now };
        let change = |object: &Value| {
            let wanted = match &patch {
                Some(patch) => patch.apply(&scale::read_for_patch(self.resource, object)?, tracker, options.force)?,
                None => whole.clone(),
            };
            place.check_name(name, &wanted)?;
            scale::write(self.resource, object, &wanted)
        };
        let (stored, _) = place.update(name, Part::Object, Intent::Scale, change)?;
        Ok(answer::value(self.form, StatusCode::OK, &scale::read_written(self.resource, &*self.served(&stored)?)?))
    }

    fn served<'a>(&self, stored: &'a Stored) -> Result<Cow<'a, Value>, Failure> {
        if self.resource.custom.is_none() {
            return Ok(Cow::Borrowed(&stored.value));
        }
        let converted = instance::through_webhook(self.resource, &stored.value, &self.resource.api_version())?;
        Ok(Cow::Owned(instance::served(self.resource, converted.as_ref().unwrap_or(&stored.value))))
    }

    /// Puts a pod on a node; without a name in the path it is the one that the binding names.
    pub(super) fn bind(&self, pod: &str) -> Result<Response<Body>, Failure> {
        let options = WriteOptions::read(self.query, WriteKind::Create)?;
        let binding = self.object()?;
        let text = |pointer: &str| binding.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let pod = if pod.is_empty() { text("/metadata/name") } else { pod };
        if text("/metadata/name") != pod {
            return Err(Failure::bad_request("name in URL does not match name in Binding object"));
        }
        let mut faults = Vec::new();
        if !matches!(text("/target/kind"), "" | "Node") {
            let shown = quoted(text("/target/kind"));
            faults.push(format!("target.kind: Unsupported value: {shown}: supported values: \"Node\", \"<empty>\""));
        }
        if text("/target/name").is_empty() {
            faults.push("target.name: Required value".to_owned());
        }
        match faults.as_slice() {
            [] => {}
            [one] => return Err(Failure::internal(one.as_str())),
            several => return Err(Failure::internal(format!("[{}]", several.join(", ")))),
        }
        let registry = self.state.registry();
        let pods = registry.built_in("", "pods").ok_or_else(Failure::unknown_resource)?;
        Place { resource: pods, ..self.place(options.dry_run) }.bind_pod(pod, &binding)?;
        Ok(self.done())
    }

    /// Deletes a pod where its disruption budgets let it go.
    pub(super) fn evict(&self) -> Result<Response<Body>, Failure> {
        let options = WriteOptions::read(self.query, WriteKind::Create)?;
        let eviction = self.object()?;
        let deletion = DeleteOptions::from_body(eviction.get("deleteOptions").unwrap_or(&Value::Null))?;
        self.place(options.dry_run || deletion.dry_run).evict(&self.path.name, &deletion)?;
        Ok(self.done())
    }

    fn done(&self) -> Response<Body> {
        let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201});
        answer::value(self.form, StatusCode::CREATED, &status)
    }
}
