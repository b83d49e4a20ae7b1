//! Requests that delete.

use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::Call;
use crate::answer::{self, Body};
use crate::custom::instance;
use crate::deletion::{DeleteOptions, Deleted};
use crate::negotiate;
use crate::objects::Place;
use crate::parameters::ListOptions;
use crate::reads;
use crate::status::{Failure, quoted};

/// The scheme of `meta/v1`, as messages name it.
const META_SCHEME: &str = "k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme/register.go:27";

impl Call<'_> {
    /// The options of a body, or those of the query where there is none.
    fn delete_options(&self) -> Result<DeleteOptions, Failure> {
        if self.body.is_empty() {
            return DeleteOptions::from_query(self.query);
        }
        // What cannot be read here is no answer of the API in the original, but an error of the handler.
        let body = negotiate::decode(self.resource, self.headers, &self.body)?.map_err(Failure::internal)?;
        let text = |key: &str| body.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        if let Some(kind) = text("kind").filter(|kind| *kind != "DeleteOptions") {
            let version = text("apiVersion").unwrap_or("v1");
            return Err(Failure::internal(format!(
                "no kind {} is registered for version {} in scheme {}",
                quoted(kind),
                quoted(version),
                quoted(META_SCHEME)
            )));
        }
        DeleteOptions::from_body(&body)
    }

    pub(super) fn delete(&self) -> Result<Response<Body>, Failure> {
        let options = self.delete_options()?;
        let status = |gone: bool| {
            // The original says so to those alone who asked not to orphan, in the older word.
            if !gone && options.orphan == Some(false) { StatusCode::ACCEPTED } else { StatusCode::OK }
        };
        if instance::has_webhook(self.resource) {
            // What cannot be converted cannot be deleted in that version.
            self.shower()?.converted(&self.place(options.dry_run).get(&self.path.name)?)?;
        }
        match self.place(options.dry_run).delete(&self.path.name, &options)? {
            Deleted::Object { shown, gone } => self.shower()?.answer(status(gone), &shown),
            Deleted::Gone(stored) => {
                let mut details = json!({"name": self.path.name});
                if !self.resource.group.is_empty() {
                    details["group"] = Value::from(self.resource.group.as_str());
                }
                details["kind"] = Value::from(self.resource.plural.as_str());
                details["uid"] = stored.value.pointer("/metadata/uid").cloned().unwrap_or_default();
                let told = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details});
                Ok(answer::value(self.form, StatusCode::OK, &told))
            }
        }
    }

    pub(super) fn delete_collection(&self) -> Result<Response<Body>, Failure> {
        let listing = ListOptions::read(self.query)?;
        let selection = self.selection(&listing)?;
        let options = self.delete_options()?;
        let list = reads::list(self.state, self.resource.stored(), &selection, &listing)?;
        let shower = self.shower()?;
        list.objects.iter().try_for_each(|stored| shower.converted(stored).map(drop))?;
        for stored in &list.objects {
            let text = |pointer: &str| stored.value.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            let place = Place { namespace: text("/metadata/namespace"), ..self.place(options.dry_run) };
            match place.delete(text("/metadata/name"), &options) {
                Ok(_) => {}
                // Someone else was quicker.
                Err(failure) if failure.code == StatusCode::NOT_FOUND => {}
                Err(failure) => return Err(failure),
            }
        }
        shower.list(&list.objects, list.revision, list.next.as_ref())
    }
}
