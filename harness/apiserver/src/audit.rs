//! Who asked for what, as events of `audit.k8s.io/v1` at the level `Metadata`
//! (k8s.io/apiserver `pkg/apis/audit/v1/types.go` and `pkg/endpoints/filters/audit.go`, Kubernetes 1.20). Bodies are not
//! noted, so that no secret is. A request that goes on, as a watch, is noted when its answer begins, others when they are
//! answered.

use std::sync::Arc;

use http::{HeaderMap, Request, header};
use serde::Serialize;

use crate::authn::{PeerCertificate, User};
use crate::limits;
use crate::request::{self, Query, ResourcePath, Target};
use crate::state::State;

/// Takes the events, in the order in which requests are answered. It must not block.
pub type Audit = Arc<dyn Fn(&AuditEvent) + Send + Sync>;

/// An `Event` of `audit.k8s.io/v1`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditEvent {
    kind: &'static str,
    api_version: &'static str,
    level: &'static str,
    #[serde(rename = "auditID")]
    audit_id: String,
    /// `ResponseStarted` or `ResponseComplete`.
    pub stage: &'static str,
    /// Path and query.
    #[serde(rename = "requestURI")]
    pub request_uri: String,
    /// `get`, `list`, `watch`, `create`, …
    pub verb: String,
    /// Who has asked.
    pub user: AuditUser,
    /// In whose name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub impersonated_user: Option<AuditUser>,
    /// The client's program.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user_agent: String,
    /// What is asked for; nothing for paths beside the resources.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object_ref: Option<ObjectRef>,
    /// What was answered.
    pub response_status: ResponseStatus,
    request_received_timestamp: String,
    stage_timestamp: String,
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditUser {
    /// Name.
    pub username: String,
    /// Groups.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
}

/// What a request names; parts that it does not name are empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectRef {
    /// Resource.
    pub resource: String,
    /// Namespace.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// API group.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub api_group: String,
    /// API version.
    pub api_version: String,
    /// Subresource.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub subresource: String,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ResponseStatus {
    metadata: serde_json::Map<String, serde_json::Value>,
    /// HTTP status code.
    pub code: u16,
}

/// A request that is not answered yet, where it is noted.
pub struct Unanswered {
    audit: Audit,
    event: AuditEvent,
}

impl Unanswered {
    /// What is known of `request` before it is answered; nothing where nobody takes it.
    pub fn of<B>(
        state: &State,
        peer: &PeerCertificate,
        target: &Target,
        query: &Query,
        request: &Request<B>,
    ) -> Option<Self> {
        let audit = state.audit.clone()?;
        let (method, headers) = (request.method(), request.headers());
        let user = state.evidence().authenticate(peer, headers).unwrap_or_else(|_| User::anonymous());
        let (verb, object_ref, goes_on) = match target {
            Target::Resource(path) => (
                request::verb(method, path, query).to_owned(),
                Some(object_ref(path)),
                limits::is_long_running(method, path, query),
            ),
            Target::Path(_) | Target::Nothing => (method.as_str().to_lowercase(), None, false),
        };
        let event = AuditEvent {
            kind: "Event",
            api_version: "audit.k8s.io/v1",
            level: "Metadata",
            audit_id: uuid::Uuid::new_v4().to_string(),
            stage: if goes_on { "ResponseStarted" } else { "ResponseComplete" },
            request_uri: request.uri().path_and_query().map(ToString::to_string).unwrap_or_default(),
            verb,
            user: AuditUser { username: user.name, groups: user.groups },
            impersonated_user: header_text(headers, "impersonate-user")
                .map(|username| AuditUser { username, groups: Vec::new() }),
            user_agent: header_text(headers, header::USER_AGENT.as_str()).unwrap_or_default(),
            object_ref,
            response_status: ResponseStatus { metadata: serde_json::Map::new(), code: 0 },
            request_received_timestamp: micro(state),
            stage_timestamp: String::new(),
        };
        Some(Self { audit, event })
    }

    /// Notes that it was answered with `code`.
    pub fn answered(mut self, state: &State, code: u16) {
        self.event.response_status.code = code;
        self.event.stage_timestamp = micro(state);
        (self.audit)(&self.event);
    }
}

fn object_ref(path: &ResourcePath) -> ObjectRef {
    ObjectRef {
        resource: path.resource.clone(),
        namespace: path.namespace.clone(),
        name: path.name.clone(),
        api_group: path.group.clone(),
        api_version: path.version.clone(),
        subresource: path.subresource.clone(),
    }
}

fn header_text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

fn micro(state: &State) -> String {
    state.clock.now().strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}
