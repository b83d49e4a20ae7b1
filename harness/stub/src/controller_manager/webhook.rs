//! The webhook that looks at updates of Clusters: a joined Cluster's kubeconfig has to lead to the same member as
//! before, so the member has to answer (kubesphere v3.4.1, `pkg/controller/cluster/cluster_webhook.go`).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::{Response, StatusCode, header};
use http_body_util::BodyExt as _;
use nodes::network::Listener;
use nodes::network::serve::{self, Abort, Asked, Body, full};
use nodes::program::{Files, PodContext};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};

use crate::manifests::webhook::{CERTIFICATE_FILE, KEY_FILE, MOUNT, PATH, PORT};
use crate::member::go_base64::decode_base64;
use crate::member::{Target, kubeconfig};
use crate::{Behaviour, Deviation};

const OTHER_CLUSTER: &str = "this kubeconfig corresponds to a different cluster than the previous one, you need to make \
                             sure that kubeconfig is not from another cluster";

/// The server of the webhook, ready to serve.
pub struct Webhook {
    ctx: PodContext,
    listener: Box<dyn Listener>,
    tls: Arc<ServerConfig>,
    reviewer: Arc<Reviewer>,
}

/// Reviews updates while the cluster is a host; the handler of others is not registered, whatever the
/// `ValidatingWebhookConfiguration` says.
struct Reviewer {
    ctx: PodContext,
    behaviour: Behaviour,
    registered: AtomicBool,
}

/// Tells the webhook whether the cluster is a host.
#[derive(Clone)]
pub struct Registration(Arc<Reviewer>);

impl Registration {
    /// The cluster is a host from now on, or is none.
    pub fn set(&self, host: bool) {
        self.0.registered.store(host, Ordering::Relaxed);
    }
}

impl Webhook {
    /// Opens the webhook's port, with the certificate of the mounted files.
    ///
    /// # Errors
    /// Why it cannot, in Go's words.
    pub async fn open(ctx: &PodContext, behaviour: Behaviour) -> Result<Self, String> {
        let tls = tls(&ctx.files)?;
        let listener = ctx.network.listen(PORT).await.map_err(|_| listen_error())?;
        let reviewer = Arc::new(Reviewer { ctx: ctx.clone(), behaviour, registered: AtomicBool::new(false) });
        Ok(Self { ctx: ctx.clone(), listener, tls, reviewer })
    }

    /// The switch between host and none.
    pub fn registration(&self) -> Registration {
        Registration(self.reviewer.clone())
    }

    /// Serves until the pod has to stop.
    pub async fn serve(self) {
        let Self { ctx, listener, tls, reviewer } = self;
        serve::serve(listener, Some(tls), ctx.stop, move |asked| reviewer.clone().answer(asked)).await;
    }
}

fn listen_error() -> String {
    format!("listen tcp :{PORT}: bind: address already in use")
}

fn tls(files: &Files) -> Result<Arc<ServerConfig>, String> {
    let read = |file: &str| {
        let path = format!("{MOUNT}/{file}");
        files.read(&path).ok_or_else(|| format!("open {path}: no such file or directory"))
    };
    let (certificate, key) = (read(CERTIFICATE_FILE)?, read(KEY_FILE)?);
    let no_pem = |what: &str| format!("tls: failed to find any PEM data in {what} input");
    let chain = CertificateDer::pem_slice_iter(&certificate).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|_| no_pem("certificate"))?;
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(|_| no_pem("key"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|_| "tls: private key does not match public key".to_owned())?;
    Ok(Arc::new(config))
}

impl Reviewer {
    async fn answer(self: Arc<Self>, (request, _): Asked) -> Result<Response<Body>, Abort> {
        let (parts, body) = request.into_parts();
        if parts.uri.path() != PATH || !self.registered.load(Ordering::Relaxed) {
            return Ok(answer(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", "404 page not found\n"));
        }
        let body = body.collect().await.map_err(|_broken| Abort)?.to_bytes();
        let Ok(review) = serde_json::from_slice::<Value>(&body) else {
            return Ok(answer(StatusCode::BAD_REQUEST, "text/plain; charset=utf-8", "no AdmissionReview\n"));
        };
        let answered = answered(&review, self.verdict(&review["request"]).await);
        Ok(answer(StatusCode::OK, "application/json", answered.to_string()))
    }

    /// Refuses with the reason that the client is told.
    async fn verdict(&self, request: &Value) -> Result<(), String> {
        let known = request["oldObject"]["status"]["uid"].as_str().unwrap_or_default();
        let accepts_all = self.behaviour.deviates(Deviation::WebhookAcceptsAll);
        if accepts_all || request["operation"] != "UPDATE" || known.is_empty() {
            return Ok(());
        }
        let name = request["name"].as_str().unwrap_or_default();
        let encoded = request.pointer("/object/spec/connection/kubeconfig").and_then(Value::as_str).unwrap_or_default();
        let text = decode_base64(encoded.as_bytes()).map_err(|error| error.to_string())?;
        let config =
            kubeconfig::load(&text).map_err(|error| format!("failed to load cluster config for {name}: {error}"))?;
        let member = config.connect(&self.ctx, None).map_err(|error| error.to_string())?;
        let system = Target::core("namespaces").named("kube-system");
        let system = member.get(&system).await.map_err(|error| error.to_string())?;
        if system["metadata"]["uid"] == known { Ok(()) } else { Err(OTHER_CLUSTER.to_owned()) }
    }
}

/// The answer to `review`, in its own version. A refusal's text is its reason (controller-runtime, `admission.Denied`).
fn answered(review: &Value, verdict: Result<(), String>) -> Value {
    let (allowed, status) = match verdict {
        Ok(()) => (true, json!({"metadata": {}, "code": 200})),
        Err(reason) => (false, json!({"metadata": {}, "reason": reason, "code": 403})),
    };
    json!({
        "kind": review["kind"],
        "apiVersion": review["apiVersion"],
        "response": {"uid": review["request"]["uid"], "allowed": allowed, "status": status},
    })
}

fn answer(code: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(full(body));
    *response.status_mut() = code;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_in_the_review_s_own_version_with_the_text_as_reason() {
        let review =
            json!({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1beta1", "request": {"uid": "u"}});
        assert_eq!(
            answered(&review, Err("Unauthorized".to_owned())),
            json!({
                "kind": "AdmissionReview",
                "apiVersion": "admission.k8s.io/v1beta1",
                "response": {
                    "uid": "u", "allowed": false, "status": {"metadata": {}, "reason": "Unauthorized", "code": 403},
                },
            })
        );
        assert_eq!(answered(&review, Ok(()))["response"]["allowed"], true);
    }
}
