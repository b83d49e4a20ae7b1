//! The handler of ks-apiserver and the order of its filters: who asks, which cluster is meant, what is allowed, and
//! then what is served (kubesphere v3.3.2, `pkg/apiserver/apiserver.go`).

use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::BodyExt as _;
use hyper::upgrade::OnUpgrade;
use kubesphere::{Feature, Release};
use nodes::network::serve::{Abort, Asked};
use nodes::program::PodContext;

use super::authenticate::{self, Identity};
use super::request_info::RequestInfo;
use super::respond::{self, Answer};
use super::settings::Settings;
use super::tokens::TokenCache;
use super::users::{self, Failures};
use super::{dispatch, oauth, proxy, resources, upgrade, validation, version};
use crate::member::ApiClient;
use crate::{Behaviour, Deviation};

/// A running ks-apiserver.
pub struct Server {
    /// The pod's world.
    pub ctx: PodContext,
    /// The release that it is.
    pub release: &'static Release,
    /// The program's own API server.
    pub api: ApiClient,
    /// Tokens of this process.
    pub tokens: TokenCache,
    /// Wrong passwords seen by this process.
    pub failures: Failures,
    /// Clients of members.
    pub members: dispatch::Members,
    settings: RwLock<Arc<Settings>>,
    behaviour: Behaviour,
}

/// A request whose body has been read.
pub struct Incoming {
    /// Method.
    pub method: Method,
    /// Path and query as asked.
    pub uri: Uri,
    /// Headers, with `X-KubeSphere-Authorization` moved back to `Authorization`.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
    /// The connection, where it is asked to become something else.
    pub upgrade: Option<OnUpgrade>,
}

impl Server {
    /// A server of `release` with `settings`.
    #[must_use]
    pub fn new(ctx: PodContext, release: &'static Release, settings: Settings, behaviour: Behaviour) -> Arc<Self> {
        Arc::new(Self {
            api: ApiClient::own(&ctx),
            ctx,
            release,
            tokens: TokenCache::default(),
            failures: Failures::default(),
            members: dispatch::Members::default(),
            settings: RwLock::new(Arc::new(settings)),
            behaviour,
        })
    }

    /// Whether the server has `deviation`.
    #[must_use]
    pub fn deviates(&self, deviation: Deviation) -> bool {
        self.behaviour.deviates(deviation)
    }

    /// The settings that the process works with now.
    #[must_use]
    pub fn settings(&self) -> Arc<Settings> {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Works with `settings` from now on, as if it had just started.
    pub fn reload(&self, settings: Settings) {
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
        self.tokens.clear();
    }

    /// Writes a line of klog: `severity`, the place in KubeSphere's source, and `text`.
    pub fn log(&self, severity: char, place: &str, text: &str) {
        super::klog(&self.ctx, severity, place, text);
    }

    /// Answers one request.
    ///
    /// # Errors
    /// [`Abort`] where KubeSphere's handler panics.
    pub async fn handle(self: Arc<Self>, (request, _): Asked) -> Result<Answer, Abort> {
        let mut request = read(request).await.map_err(|_broken| Abort)?;
        let info = RequestInfo::of(&request.method, &request.uri);
        let identity = match authenticate::identify(&self, &request.headers).await {
            Ok(identity) => identity,
            Err(reason) => return Ok(respond::unauthorized(&reason)),
        };
        let info = match dispatch::route(&self, &request, info).await {
            dispatch::Route::Answered(answer) => return Ok(answer),
            dispatch::Route::Here(info) => info,
        };
        if !self.allows(&identity, &info).await {
            let (message, details) = info.forbidden(identity.name());
            return Ok(respond::status(StatusCode::FORBIDDEN, "Forbidden", &message, Some(details)));
        }
        if let Some(cluster) = &info.cluster {
            self.log('W', "apiserver.go", &format!("multicluster is off, {cluster} cannot be asked"));
            let message = "the server could not find the requested resource";
            return Ok(respond::status(StatusCode::NOT_FOUND, "NotFound", message, Some(serde_json::json!({}))));
        }
        request.uri = with_query(&request.uri, &info.path, request.uri.query());
        match info.prefix.as_str() {
            "api" | "apis" => Ok(proxy::to_own_cluster(&self, request).await),
            "kapis" | "oauth" => self.route(&request, &info, &identity).await,
            "healthz" if self.release.has(Feature::Healthz) => Ok(respond::healthy()),
            _ => Ok(respond::no_such_path()),
        }
    }

    /// Platform administrators may do everything; others may see the public paths and, of clusters, the lists.
    async fn allows(&self, identity: &Identity, info: &RequestInfo) -> bool {
        if info.is_public() || (info.path == "/healthz" && self.release.has(Feature::Healthz)) {
            return true;
        }
        let Identity::User(user) = identity else { return false };
        let lists_clusters = info.prefix == "kapis"
            && info.resource.as_ref().is_some_and(|resource| {
                resource.plural == "clusters"
                    && matches!(resource.group.as_str(), "resources.kubesphere.io" | "tenant.kubesphere.io")
            })
            && matches!(info.verb.as_str(), "get" | "list");
        lists_clusters || users::is_admin(&self.api, user).await
    }

    async fn route(&self, request: &Incoming, info: &RequestInfo, identity: &Identity) -> Result<Answer, Abort> {
        let path: Vec<&str> = info.path.split('/').filter(|part| !part.is_empty()).collect();
        let method = &request.method;
        match path.as_slice() {
            ["oauth", "token"] => Ok(only(method, &Method::POST, oauth::token(self, request)).await),
            ["kapis", "version"] => Ok(only(method, &Method::GET, version::answer(self)).await),
            ["kapis", "config.kubesphere.io", "v1alpha2", "configs", "configz"] => {
                let mut configz = self.settings().configz.clone();
                if self.deviates(Deviation::ConfigzDenies) {
                    configz.insert("multicluster".to_owned(), false.into());
                }
                Ok(only(method, &Method::GET, async { respond::entity(StatusCode::OK, &configz.into()) }).await)
            }
            ["kapis", "cluster.kubesphere.io", "v1alpha1", "clusters", "validation"] if *method == Method::POST => {
                validation::validate(self, request).await
            }
            ["kapis", "cluster.kubesphere.io", "v1alpha1", "clusters", name, "kubeconfig"]
                if *method == Method::PUT && self.release.has(Feature::ClusterUid) =>
            {
                validation::update_kubeconfig(self, request, name).await
            }
            [
                "kapis",
                group @ ("resources.kubesphere.io" | "tenant.kubesphere.io" | "iam.kubesphere.io"),
                _version,
                rest @ ..,
            ] if *method == Method::GET => {
                Ok(resources::answer(self, group, rest, request.uri.query().unwrap_or_default(), identity).await)
            }
            _ => Ok(respond::route_error(StatusCode::NOT_FOUND)),
        }
    }
}

/// `answer`, or go-restful's refusal of another method.
async fn only(method: &Method, wanted: &Method, answer: impl Future<Output = Answer>) -> Answer {
    if method == wanted { answer.await } else { respond::route_error(StatusCode::METHOD_NOT_ALLOWED) }
}

/// kube-apiserver's service proxy takes `Authorization` for itself, so KubeSphere sends its own in another header.
const CARRIED_AUTHORIZATION: &str = "x-kubesphere-authorization";
/// It also loses the query of a request that upgrades its connection.
const CARRIED_QUERY: &str = "x-kubesphere-rawquery";

async fn read(request: Request<hyper::body::Incoming>) -> Result<Incoming, hyper::Error> {
    let (mut parts, body) = request.into_parts();
    let is_empty = |value: Option<&HeaderValue>| value.is_none_or(HeaderValue::is_empty);
    if is_empty(parts.headers.get(header::AUTHORIZATION))
        && let Some(carried) = parts.headers.remove(CARRIED_AUTHORIZATION)
    {
        parts.headers.insert(header::AUTHORIZATION, carried);
    }
    let query = match parts.uri.query() {
        // A dispatching host spells the parameter in small letters, so that the service proxy leaves it alone.
        Some(query) => Some(proxy::respelled(query, "dryrun", "dryRun")),
        None => parts.headers.remove(CARRIED_QUERY).and_then(|query| query.to_str().ok().map(str::to_owned)),
    };
    let uri = query.map_or_else(|| parts.uri.clone(), |query| with_query(&parts.uri, parts.uri.path(), Some(&query)));
    let upgrade = parts.extensions.remove::<OnUpgrade>().filter(|_| upgrade::is_asked_for(&parts.headers));
    let body = body.collect().await?.to_bytes();
    Ok(Incoming { method: parts.method, uri, headers: parts.headers, body, upgrade })
}

/// `uri` with another path and query.
fn with_query(uri: &Uri, path: &str, query: Option<&str>) -> Uri {
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    format!("{path}{query}").parse().unwrap_or_else(|_| uri.clone())
}
