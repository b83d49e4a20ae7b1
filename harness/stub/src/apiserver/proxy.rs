//! Passing requests on: to the program's own kube-apiserver, and answers back (kubesphere v3.3.2,
//! `pkg/apiserver/filters`).

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body_util::BodyExt as _;
use kube::client::Body;

use super::respond::{self, Answer};
use super::server::{Incoming, Server};
use crate::member::api_client::cause_of;

/// Passes a request, already allowed, to the kube-apiserver, as ServiceAccount `kubesphere`.
pub async fn to_own_cluster(server: &Server, request: Incoming) -> Answer {
    // A dispatching host spells the parameter in small letters, so that kube-apiserver's service proxy leaves it alone.
    let target = renamed_parameter(&request.uri, "dryrun", "dryRun");
    let uri = request.uri.clone();
    match forward(&server.ctx.client, request, &target, None).await {
        Ok(answer) => answer,
        Err(cause) => internal_error(&uri, &cause),
    }
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
    let mut headers = passed_on(&request.headers);
    let credentials = headers.remove(header::AUTHORIZATION);
    if let (Some(name), Some(credentials)) = (carried_as, credentials) {
        headers.insert(name, credentials);
    }
    let mut onward = Request::new(Body::from(request.body.to_vec()));
    *onward.method_mut() = request.method;
    *onward.uri_mut() = target.parse().map_err(|error: http::uri::InvalidUri| error.to_string())?;
    *onward.headers_mut() = headers;
    let (parts, body) = client.send(onward).await.map_err(|error| cause_of(&error))?.into_parts();
    let mut answer = Response::new(body.map_err(Into::into).boxed_unsync());
    *answer.status_mut() = parts.status;
    *answer.headers_mut() = passed_on(&parts.headers);
    Ok(answer)
}

/// The answer to a request that could not be passed on.
#[must_use]
pub fn internal_error(uri: &Uri, cause: &str) -> Answer {
    let path = uri.path_and_query().map_or(uri.path(), http::uri::PathAndQuery::as_str);
    respond::text_error(StatusCode::INTERNAL_SERVER_ERROR, &format!("Internal Server Error: {path:?}: {cause}"))
}

/// The path and query of `uri` with one parameter renamed.
#[must_use]
pub fn renamed_parameter(uri: &Uri, from: &str, to: &str) -> String {
    let Some(query) = uri.query() else { return uri.path().to_owned() };
    let pairs: Vec<_> = query
        .split('&')
        .map(|pair| match pair.strip_prefix(from).and_then(|rest| rest.strip_prefix('=')) {
            Some(value) => format!("{to}={value}"),
            None => pair.to_owned(),
        })
        .collect();
    format!("{}?{}", uri.path(), pairs.join("&"))
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
    use super::*;

    #[test]
    fn renames_only_the_parameter_meant() {
        let uri = Uri::from_static("/api/v1/namespaces?dryRun=All&fieldManager=dryRun");
        assert_eq!(renamed_parameter(&uri, "dryRun", "dryrun"), "/api/v1/namespaces?dryrun=All&fieldManager=dryRun");
    }
}
