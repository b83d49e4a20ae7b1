//! `TokenReview`: whose token this is (Kubernetes 1.20, `pkg/registry/authentication/tokenreview`).

use serde_json::{Value, json};

use super::{Question, text, texts};
use crate::authn::{Proof, User};
use crate::status::Failure;

fn user_info(user: &User) -> Value {
    let mut info = json!({"username": user.name});
    if !user.uid.is_empty() {
        info["uid"] = Value::from(user.uid.as_str());
    }
    if !user.groups.is_empty() {
        info["groups"] = Value::from(user.groups.clone());
    }
    if !user.extra.is_empty() {
        info["extra"] = json!(user.extra);
    }
    info
}

/// The review with its answer.
///
/// # Errors
/// 400 without a token.
pub fn answer(question: &Question<'_>) -> Result<Value, Failure> {
    let token = text(question.object, "/spec/token");
    if token.is_empty() {
        return Err(Failure::bad_request("token is required for TokenReview in authentication"));
    }
    let evidence = question.state.evidence();
    let mut audiences = texts(question.object, "/spec/audiences");
    if audiences.is_empty() {
        audiences = evidence.tokens.audiences().to_vec();
    }
    let status = match evidence.review(token, &audiences) {
        Proof::Proven(user, audiences) => {
            json!({"authenticated": true, "user": user_info(&user), "audiences": audiences})
        }
        Proof::Failed(why) => json!({"user": {}, "error": why}),
        Proof::Absent => json!({"user": {}}),
    };
    Ok(question.with_status(status))
}
