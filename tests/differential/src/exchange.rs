//! One request and its answer. Every request has a connection of its own, so that none depends on the one before.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;

use crate::corpus::Step;
use crate::credentials::Credentials;
use crate::endpoint::Endpoint;

/// Longest exchange: the slowest answer of the corpus is a watch with a limit of a few seconds.
const LIMIT: Duration = Duration::from_secs(15);

/// Why no answer came.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// No answer came.
#[derive(Debug, thiserror::Error)]
#[error("{method} {path} on {server}")]
pub struct ExchangeError {
    method: String,
    path: String,
    server: &'static str,
    #[source]
    source: Cause,
}

impl ExchangeError {
    /// No answer to `step` because of `source`.
    pub fn new(step: &Step, server: &'static str, source: impl Into<Cause>) -> Self {
        Self { method: step.method.clone(), path: step.path.clone(), server, source: source.into() }
    }
}

/// What a server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body, or its first lines.
    pub body: Bytes,
}

/// `text` with `${name}` replaced.
#[must_use]
pub fn filled(text: &str, variables: &BTreeMap<String, String>) -> String {
    variables.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("${{{name}}}"), value))
}

/// Sends `step` to `endpoint`.
///
/// # Errors
/// When there is no answer within 15 s.
pub async fn send(
    endpoint: &Endpoint<'_>,
    step: &Step,
    variables: &BTreeMap<String, String>,
) -> Result<Answer, ExchangeError> {
    let path = filled(&step.path, variables);
    let exchange = async {
        let request = request(endpoint, step, &path, variables)?;
        let fill = |text: &str| filled(text, variables);
        let tls = match &step.credentials {
            Credentials::Administrator => Arc::clone(&endpoint.admin),
            Credentials::Anonymous | Credentials::Bearer(_) => endpoint.tls_for(None, fill)?,
            Credentials::Certificate(spec) => endpoint.tls_for(Some(spec), fill)?,
        };
        answer(endpoint, tls, request, step.lines).await
    };
    let outcome = match tokio::time::timeout(LIMIT, exchange).await {
        Ok(outcome) => outcome,
        Err(_) => Err(format!("no whole answer within {} s", LIMIT.as_secs()).into()),
    };
    outcome.map_err(|source| ExchangeError {
        method: step.method.clone(),
        path: path.clone(),
        server: endpoint.name,
        source,
    })
}

fn request(
    endpoint: &Endpoint<'_>,
    step: &Step,
    path: &str,
    variables: &BTreeMap<String, String>,
) -> Result<Request<Full<Bytes>>, Cause> {
    let mut request = Request::builder().method(step.method.as_str()).uri(path).header(header::HOST, &endpoint.address);
    for (name, value) in [(header::ACCEPT, &step.accept), (header::CONTENT_TYPE, &step.content_type)] {
        if let Some(value) = value {
            request = request.header(name, value);
        }
    }
    if !step.headers.keys().any(|name| name.eq_ignore_ascii_case("user-agent")) {
        request = request.header(header::USER_AGENT, "differential/v1");
    }
    if let Some(impersonation) = &step.impersonation {
        request = request.header("Impersonate-User", filled(&impersonation.user, variables));
        for group in &impersonation.groups {
            request = request.header("Impersonate-Group", filled(group, variables));
        }
    }
    if let Credentials::Bearer(token) = &step.credentials {
        request = request.header(header::AUTHORIZATION, format!("Bearer {}", filled(token, variables)));
    }
    for (name, value) in &step.headers {
        request = request.header(name, filled(value, variables));
    }
    let body = step.body.as_deref().map(|body| filled(body, variables)).unwrap_or_default();
    Ok(request.body(Full::from(body))?)
}

async fn answer(
    endpoint: &Endpoint<'_>,
    tls: Arc<rustls::ClientConfig>,
    request: Request<Full<Bytes>>,
    lines: Option<usize>,
) -> Result<Answer, Cause> {
    let stream = TcpStream::connect(&endpoint.address).await?;
    stream.set_nodelay(true)?;
    let connector = tokio_rustls::TlsConnector::from(tls);
    let stream = connector.connect(ServerName::try_from("127.0.0.1")?, stream).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // Ends with the exchange: what goes wrong on it shows in the answer.
    let connection = tokio::spawn(connection);
    let (parts, mut body) = sender.send_request(request).await?.into_parts();
    let mut collected = Vec::new();
    while lines.is_none_or(|lines| collected.split(|byte| *byte == b'\n').count() <= lines) {
        let Some(frame) = body.frame().await else { break };
        if let Some(data) = frame?.data_ref() {
            collected.extend_from_slice(data);
        }
    }
    connection.abort();
    if let Some(lines) = lines {
        truncate(&mut collected, lines);
    }
    Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body: collected.into() })
}

/// Leaves the first `lines` lines: what had come by then is not asked for.
fn truncate(text: &mut Vec<u8>, lines: usize) {
    let ends = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
    let end = if lines == 0 { Some(0) } else { ends.clone().nth(lines - 1) };
    text.truncate(end.unwrap_or(text.len()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::more_than_asked_for("a\nb\nc", 2, "a\nb\n")]
    #[case::as_many("a\nb\n", 2, "a\nb\n")]
    #[case::fewer("a\n", 2, "a\n")]
    #[case::none("a\n", 0, "")]
    fn leaves_the_lines_asked_for(#[case] text: &str, #[case] lines: usize, #[case] expected: &str) {
        let mut bytes = text.as_bytes().to_vec();
        truncate(&mut bytes, lines);
        assert_eq!(bytes, expected.as_bytes());
    }
}
