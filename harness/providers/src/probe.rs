//! Reaching an API server layer by layer, and ks-apiserver behind it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use checks::view::{Layer, Probe, ViewError};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use kube::client::Body;
use nodes::clock::{Clock, Delay};
use nodes::network::connector::DialError;
use nodes::network::{NetError, Network, client};
use scenario::model::On;

use crate::access::Access;

/// Longest wait for the answer to a probe.
const ANSWER: Delay = Delay::new("probe", Duration::from_secs(40));

/// Path of ks-apiserver behind the API server's service proxy.
const SERVICE_PROXY: &str = "/api/v1/namespaces/kubesphere-system/services/:ks-apiserver:80/proxy";

/// `GET /version` with `kubeconfig` over `network`.
pub(crate) async fn probe(network: Arc<dyn Network>, clock: &Clock, kubeconfig: &str) -> Probe {
    let stopped = |layer, detail: String| Probe::Stopped { layer, detail };
    let access = match Access::of(kubeconfig) {
        Ok(access) => access,
        Err(error) => return stopped(Layer::Kubeconfig, error.to_string()),
    };
    let client = access
        .endpoint()
        .map_err(|error| error.to_string())
        .and_then(|endpoint| client::client(network, clock, &endpoint).map_err(|error| error.to_string()));
    let client = match client {
        Ok(client) => client,
        Err(reason) => return stopped(Layer::Kubeconfig, reason),
    };
    match clock.within(ANSWER, client.apiserver_version()).await {
        Err(elapsed) => stopped(Layer::Http, format!("{}: no answer: {elapsed}", access.server)),
        Ok(Ok(version)) => Probe::Reached { git_version: version.git_version },
        Ok(Err(error)) => match DialError::find(&error) {
            Some(dial) => stopped(layer_of(dial), format!("{}: {dial}", access.server)),
            None => stopped(Layer::Http, format!("{}: {error}", access.server)),
        },
    }
}

fn layer_of(error: &DialError) -> Layer {
    match error {
        DialError::Net(NetError::NoSuchHost { .. } | NetError::NameServer { .. }) => Layer::Dns,
        DialError::Net(_) => Layer::Tcp,
        DialError::Tls(_) | DialError::Handshake(_) => Layer::Tls,
        DialError::Address(_) => Layer::Kubeconfig,
    }
}

/// Sends `request` to ks-apiserver through the API server that `client` talks to.
pub(crate) async fn through_service_proxy(
    on: On,
    client: &kube::Client,
    request: Request<Bytes>,
) -> Result<Response<Bytes>, ViewError> {
    let operation = format!("{} {}", request.method(), request.uri().path());
    let failed = |reason: String| ViewError { cluster: on, operation: operation.clone(), reason };
    let (mut parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    parts.uri =
        format!("{SERVICE_PROXY}{path}").parse().map_err(|error: http::uri::InvalidUri| failed(error.to_string()))?;
    let answer = client.send(Request::from_parts(parts, Body::from(body))).await;
    let (parts, body) = answer.map_err(|error| failed(error.to_string()))?.into_parts();
    let body = body.collect().await.map_err(|error| failed(error.to_string()))?;
    Ok(Response::from_parts(parts, body.to_bytes()))
}
