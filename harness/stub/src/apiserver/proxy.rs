//! Passing requests on: to the program's own kube-apiserver, and answers back (kubesphere v3.3.2,
//! `pkg/apiserver/filters`).

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body_util::BodyExt as _;
use kube::client::Body;

use super::respond::{self, Answer};
use super::server::{Incoming, Server};
use super::upgrade;
use crate::member::RestConfig;
use crate::member::api_client::cause_of;
use crate::member::rest_config::Credentials;

/// Passes a request, already allowed, to the kube-apiserver, as ServiceAccount `kubesphere`.
pub async fn to_own_cluster(server: &Server, request: Incoming) -> Answer {
    let uri = request.uri.clone();
    let target = uri.path_and_query().map_or(uri.path(), http::uri::PathAndQuery::as_str).to_owned();
    let answered = match request.upgrade.clone() {
        None => forward(&server.ctx.client, request, &target, None).await,
        Some(upgrade) => upgrade::forward(server, &own_config(server), request, upgrade, &target, None).await,
    };
    answered.unwrap_or_else(|cause| internal_error(&uri, &cause))
}

/// The program's own cluster with its ServiceAccount's credentials.
fn own_config(server: &Server) -> RestConfig {
    let mount = &server.ctx.service_account;
    let credentials = Credentials { token: mount.token.clone(), ..Credentials::default() };
    RestConfig::new(&mount.server, mount.ca_pem.to_vec(), false, None, credentials)
}

/// Sends `request` to `target` with `client`, with the user's credentials moved to the header `carried_as` or dropped.
///
/// # Errors
/// The cause in Go's words when no answer came.
pub async fn forward(
    client: &kube::Client,
    request: Incoming,
    target: &str,
    carried_as: Option<HeaderName>,
) -> Result<Answer, String> {
    let onward = onward(request, target, carried_as)?;
    Ok(answer_of(client.send(onward).await.map_err(|error| cause_of(&error))?))
}

/// The request that goes on to `target`.
///
/// # Errors
/// When `target` is no path.
pub fn onward(request: Incoming, target: &str, carried_as: Option<HeaderName>) -> Result<Request<Body>, String> {
    let mut headers = passed_on(&request.headers);
    let credentials = headers.remove(header::AUTHORIZATION);
    if let (Some(name), Some(credentials)) = (carried_as, credentials) {
        headers.insert(name, credentials);
    }
    let mut onward = Request::new(Body::from(request.body.to_vec()));
    *onward.method_mut() = request.method;
    *onward.uri_mut() = target.parse().map_err(|error: http::uri::InvalidUri| error.to_string())?;
    *onward.headers_mut() = headers;
    Ok(onward)
}

/// The answer that goes back for `answer`.
#[must_use]
pub fn answer_of(answer: Response<Body>) -> Answer {
    let (parts, body) = answer.into_parts();
    let mut answer = Response::new(body.map_err(Into::into).boxed_unsync());
    *answer.status_mut() = parts.status;
    *answer.headers_mut() = passed_on(&parts.headers);
    answer
}

/// The answer to a request that could not be passed on.
#[must_use]
pub fn internal_error(uri: &Uri, cause: &str) -> Answer {
    let path = uri.path_and_query().map_or(uri.path(), http::uri::PathAndQuery::as_str);
    respond::text_error(StatusCode::INTERNAL_SERVER_ERROR, &format!("Internal Server Error: {path:?}: {cause}"))
}

/// `query` with the parameter `from` spelled `to`: as KubeSphere does it, the first text in it that reads so, whichever
/// parameter that belongs to.
#[must_use]
pub fn respelled(query: &str, from: &str, to: &str) -> String {
    let is_there = query.split('&').any(|pair| pair.split('=').next() == Some(from));
    if is_there { query.replacen(from, to, 1) } else { query.to_owned() }
}

/// Headers that concern more than one connection.
fn passed_on(headers: &HeaderMap<HeaderValue>) -> HeaderMap<HeaderValue> {
    let mut kept = headers.clone();
    for name in
        [header::CONNECTION, header::HOST, header::TRANSFER_ENCODING, header::UPGRADE, header::TE, header::TRAILER]
    {
        kept.remove(name);
    }
    kept.remove("keep-alive");
    kept.remove("proxy-connection");
    kept.remove(header::CONTENT_LENGTH);
    kept
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    #[rstest]
    #[case("dryRun=All&fieldManager=dryRun", "dryrun=All&fieldManager=dryRun")]
    #[case("fieldManager=dryRun&dryRun=All", "fieldManager=dryrun&dryRun=All")]
    #[case("fieldManager=dryRun", "fieldManager=dryRun")]
    fn spells_a_parameter_as_kubesphere_does(#[case] query: &str, #[case] respelled: &str) {
        assert_eq!(super::respelled(query, "dryRun", "dryrun"), respelled);
    }
}
