//! `TokenRequest`: a token of an account for an audience and a time (Kubernetes 1.20,
//! `pkg/registry/core/serviceaccount/storage/token.go`).

use serde_json::{Value, json};

use super::{Question, shaped, text, texts};
use crate::authn::{Bound, BoundClaims, Reference, account_user};
use crate::clock;
use crate::registry::Resource;
use crate::status::{Cause, Failure, quoted};
use crate::store::{Key, Stored};

/// Where the request leaves it open (`SetDefaults_TokenRequestSpec`).
const DEFAULT_SECONDS: i64 = 3600;
const LEAST_SECONDS: i64 = 10 * 60;
const MOST_SECONDS: i64 = 1 << 32;
/// The seconds that a kubelet of a transition period asks for: such tokens of pods hold for a year.
const TRANSITION_SECONDS: i64 = 3607;
const TRANSITION_HOLDS: i64 = 365 * 24 * 3600;

fn check_seconds(seconds: i64) -> Result<(), Failure> {
    let detail = match seconds {
        ..LEAST_SECONDS => "may not specify a duration less than 10 minutes",
        LEAST_SECONDS..=MOST_SECONDS => return Ok(()),
        _ => "may not specify a duration larger than 2^32 seconds",
    };
    let cause = Cause::invalid("spec.expirationSeconds", seconds, detail);
    Err(Failure::invalid("TokenRequest", "authentication.k8s.io", "", &[cause]))
}

/// An object that says it is something else is none.
fn check_kind(request: &Value) -> Result<(), Failure> {
    let (kind, api_version) = (text(request, "/kind"), text(request, "/apiVersion"));
    if matches!(kind, "" | "TokenRequest") {
        return Ok(());
    }
    let version = api_version.rsplit('/').next().unwrap_or_default();
    Err(Failure::bad_request(format!(
        "{kind} in version {} cannot be handled as a TokenRequest: converting ({version}.{kind}) to (authentication.TokenRequest): unknown conversion",
        quoted(api_version)
    )))
}

/// What the token ends with besides its time.
enum Binding {
    Nothing,
    Pod(Reference),
    Secret(Reference),
}

fn stored(question: &Question<'_>, plural: &str, name: &str) -> Result<std::sync::Arc<Stored>, Failure> {
    let found = question.state.store.get(&std::sync::Arc::from(plural), &Key::new(question.namespace, name));
    found.ok_or_else(|| Failure::core_not_found(plural, name))
}

fn binding(question: &Question<'_>, request: &Value) -> Result<Binding, Failure> {
    let Some(reference) = request.pointer("/spec/boundObjectRef").filter(|reference| !reference.is_null()) else {
        return Ok(Binding::Nothing);
    };
    let (kind, name, uid) = (text(reference, "/kind"), text(reference, "/name"), text(reference, "/uid"));
    let (group, version) = match text(reference, "/apiVersion").split_once('/') {
        Some((_, version)) if version.contains('/') => ("", ""),
        Some((group, version)) => (group, version),
        None => ("", text(reference, "/apiVersion")),
    };
    let (object, is_pod) = match (group, kind) {
        ("", "Pod") => {
            let pod = stored(question, "pods", name)?;
            if text(&pod.value, "/spec/serviceAccountName") != question.name {
                let account = quoted(question.name);
                return Err(Failure::bad_request(format!(
                    "cannot bind token for serviceaccount {account} to pod running with different serviceaccount name."
                )));
            }
            (pod, true)
        }
        ("", "Secret") => (stored(question, "secrets", name)?, false),
        _ => {
            let text = format!("cannot bind token to object of type {group}/{version}, Kind={kind}");
            return Err(Failure::bad_request(text));
        }
    };
    let known = text(&object.value, "/metadata/uid");
    if !uid.is_empty() && uid != known {
        let why = format!(
            "the UID in the bound object reference ({uid}) does not match the UID in record. The object might have been deleted and then recreated"
        );
        return Err(Failure::conflict_with(kind, "", name, &why));
    }
    let bound = Reference { name: name.to_owned(), uid: known.to_owned() };
    Ok(if is_pod { Binding::Pod(bound) } else { Binding::Secret(bound) })
}

/// The resource that the requests below `accounts` are of.
pub fn resource(accounts: &Resource) -> Resource {
    Resource {
        group: "authentication.k8s.io".to_owned(),
        kind: "TokenRequest".to_owned(),
        type_name: Some("authentication.v1.TokenRequest"),
        ..accounts.clone()
    }
}

/// Fills in what a request leaves open and the original notes as asked for.
pub fn fill(request: &mut Value) {
    if request.pointer("/spec/expirationSeconds").is_none_or(Value::is_null)
        && let Some(Value::Object(spec)) = request.get_mut("spec")
    {
        spec.insert("expirationSeconds".to_owned(), Value::from(DEFAULT_SECONDS));
    }
}

/// The request with a token.
///
/// # Errors
/// 400, 404, 409 and 422, in the original's words.
pub fn answer(question: &Question<'_>) -> Result<Value, Failure> {
    check_kind(question.object)?;
    let mut request = shaped("authentication.v1.TokenRequest", question.object.clone())?;
    let seconds = request.pointer("/spec/expirationSeconds").and_then(Value::as_i64).unwrap_or(DEFAULT_SECONDS);
    check_seconds(seconds)?;
    let account = stored(question, "serviceaccounts", question.name)?;
    let bound = binding(question, &request)?;
    let state = question.state;
    let mut audiences = texts(&request, "/spec/audiences");
    if audiences.is_empty() {
        audiences = state.tokens.audiences().to_vec();
    }
    let extended = matches!(bound, Binding::Pod(_)) && seconds == TRANSITION_SECONDS;
    let now = state.clock.now().as_second();
    let (pod, secret) = match bound {
        Binding::Nothing => (None, None),
        Binding::Pod(pod) => (Some(pod), None),
        Binding::Secret(secret) => (None, Some(secret)),
    };
    let uid = text(&account.value, "/metadata/uid").to_owned();
    let claims = BoundClaims {
        aud: audiences.clone(),
        exp: now + if extended { TRANSITION_HOLDS } else { seconds },
        iat: now,
        iss: state.tokens.issuer().to_owned(),
        kubernetes: Bound {
            namespace: question.namespace.to_owned(),
            pod,
            secret,
            serviceaccount: Reference { name: question.name.to_owned(), uid },
            warnafter: extended.then_some(now + seconds),
        },
        nbf: now,
        sub: account_user(question.namespace, question.name),
    };
    let token =
        state.signer.sign(&claims).map_err(|error| Failure::internal(format!("failed to generate token: {error}")))?;
    request["spec"]["audiences"] = Value::from(audiences);
    request["spec"]["expirationSeconds"] = Value::from(seconds);
    if request["spec"].get("boundObjectRef").is_none() {
        request["spec"]["boundObjectRef"] = Value::Null;
    }
    request["status"] = json!({"token": token, "expirationTimestamp": clock::stamp(state.clock.after(seconds))});
    request["kind"] = Value::from("TokenRequest");
    request["apiVersion"] = Value::from("authentication.k8s.io/v1");
    shaped("authentication.v1.TokenRequest", request)
}
