//! Requests for what lies below an object and is none of its parts.

use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::Call;
use crate::answer::{self, Body};
use crate::objects::{Intent, Part};
use crate::parameters::{WriteKind, WriteOptions};
use crate::patch::Patch;
use crate::scale;
use crate::status::Failure;

impl Call<'_> {
    pub(super) fn scale(&self, verb: &str) -> Result<Response<Body>, Failure> {
        let name = &self.path.name;
        if verb == "get" {
            let stored = self.place(false).get(name)?;
            return Ok(answer::value(self.form, StatusCode::OK, &scale::read(self.resource, &stored.value)));
        }
        let (patch, whole) = if verb == "patch" {
            (Some(Patch::read(self.state, self.resource, self.headers, &self.body)?), Value::Null)
        } else {
            (None, self.object()?)
        };
        let kind = if verb == "patch" { WriteKind::Patch } else { WriteKind::Update };
        let options = WriteOptions::read(self.query, kind)?;
        let change = |object: &Value| {
            let wanted = match &patch {
                Some(patch) => patch.apply(&scale::read(self.resource, object))?,
                None => whole.clone(),
            };
            scale::write(self.resource, object, &wanted)
        };
        let (stored, _) = self.place(options.dry_run).update(name, Part::Object, Intent::Patch, change)?;
        Ok(answer::value(self.form, StatusCode::OK, &scale::read(self.resource, &stored.value)))
    }

    /// Puts a pod on a node.
    pub(super) fn bind(&self) -> Result<Response<Body>, Failure> {
        let options = WriteOptions::read(self.query, WriteKind::Create)?;
        let binding = self.object()?;
        let node = binding.pointer("/target/name").and_then(Value::as_str).unwrap_or_default().to_owned();
        self.place(options.dry_run).bind_pod(&self.path.name, &node)?;
        let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201});
        Ok(answer::value(self.form, StatusCode::CREATED, &status))
    }
}
