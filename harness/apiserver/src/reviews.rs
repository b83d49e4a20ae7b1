//! Questions that are answered and not stored: may this user do that, whose token is this, and a token, please.

mod access;
mod rules;
mod token_request;
mod token_review;

use std::sync::Arc;

use serde_json::Value;

use crate::authn::User;
use crate::fields::text;
use crate::jsoniter;
use crate::managed::{Sent, Tracker};
use crate::normal;
use crate::registry::Resource;
use crate::state::State;
use crate::status::Failure;

/// A question.
pub struct Question<'a> {
    /// The server.
    pub state: &'a State,
    /// Who asks.
    pub user: &'a User,
    /// The resource of the path.
    pub resource: &'a Arc<Resource>,
    /// The namespace of the path.
    pub namespace: &'a str,
    /// The name in the path; empty for all but the token of an account.
    pub name: &'a str,
    /// The object that asks, in its kind's shape.
    pub object: &'a Value,
}

/// Whether POSTs to the resource are questions.
#[must_use]
pub fn is_review(resource: &Resource) -> bool {
    matches!(resource.group.as_str(), "authorization.k8s.io" | "authentication.k8s.io")
}

/// The texts of the list at `pointer`.
fn texts(value: &Value, pointer: &str) -> Vec<String> {
    let list = value.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_owned).collect()
}

impl Question<'_> {
    /// The object with its answer.
    ///
    /// # Errors
    /// As the original refuses.
    pub fn answer(&self) -> Result<Value, Failure> {
        match self.resource.plural.as_str() {
            "tokenreviews" => token_review::answer(self),
            "selfsubjectrulesreviews" => rules::answer(self),
            "serviceaccounts" => token_request::answer(self),
            _ => access::answer(self),
        }
    }

    /// The `metadata.managedFields` of the answer: a question is an object that `manager` creates.
    #[must_use]
    pub fn owners(&self, manager: &str) -> Option<Value> {
        // Its answer is an object of its own, without the question.
        if self.resource.plural == "selfsubjectrulesreviews" {
            return None;
        }
        let now = self.state.clock.stamp();
        let updated = |resource: &Resource, object: &Value| {
            Tracker { resource, manager, now: &now }.updated(None, object, Sent::Nothing)
        };
        if self.resource.plural != "serviceaccounts" {
            return updated(self.resource, self.object);
        }
        let mut object = self.object.clone();
        token_request::fill(&mut object);
        updated(&token_request::resource(self.resource), &object)
    }

    /// The object that asked, with `status` in place of its own.
    fn with_status(&self, status: Value) -> Value {
        let mut answer = self.object.clone();
        answer["status"] = status;
        self.in_shape(answer)
    }

    /// An object of the resource's kind, in its shape and order.
    fn in_shape(&self, mut answer: Value) -> Value {
        answer["kind"] = Value::from(self.resource.kind.as_str());
        answer["apiVersion"] = Value::from(self.resource.api_version());
        if let Some(type_name) = self.resource.type_name {
            // What this server wrote itself is of the right type.
            let _ = normal::normalize(type_name, &mut answer);
        }
        answer
    }
}

/// Brings an object of a kind that is not the path's own into its shape.
///
/// # Errors
/// 400, in the words of the original's decoder.
fn shaped(type_name: &str, mut object: Value) -> Result<Value, Failure> {
    let kind = type_name.rsplit('.').next().unwrap_or(type_name);
    let checked = jsoniter::check(type_name, &serde_json::to_vec(&object).unwrap_or_default());
    checked.and_then(|()| normal::normalize(type_name, &mut object)).map_err(|text| {
        Failure::bad_request(format!("{kind} in version \"v1\" cannot be handled as a {kind}: {text}"))
    })?;
    Ok(object)
}
