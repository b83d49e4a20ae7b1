//! ks-console: sessions, and requests passed on to ks-apiserver (console v3.4.1, `server/`). It may stand behind a path,
//! as behind the API server's service proxy: it sends nobody to a path of its own, and its cookie is for every path.

pub mod browser;
mod configuration;
pub mod form;
pub mod members;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::BodyExt as _;
use kube::client::Body;
use nodes::network::client::{Endpoint, client};
use nodes::network::serve::{self, Abort, Asked};
use nodes::network::tls::TlsSettings;
use nodes::program::{ExitCode, PodContext};
use serde_json::{Value, json};

use crate::apiserver::proxy::forward;
use crate::apiserver::respond::{self, Answer};
use crate::apiserver::server::Incoming;
use crate::apiserver::{klog, parse_form};
use crate::member::api_client::cause_of;

/// The port it listens on (ks-installer v3.3.2, chart ks-core).
pub const PORT: u16 = 8000;

/// Where ks-apiserver is (ks-installer v3.3.2, ConfigMap `ks-console-config`).
const APISERVER: &str = "http://ks-apiserver.kubesphere-system.svc";

/// The cookie that holds the session's token.
const SESSION: &str = "token";

/// Runs ks-console until the pod has to stop.
pub async fn run(ctx: PodContext) -> ExitCode {
    let endpoint = Endpoint {
        server: Uri::from_static(APISERVER),
        tls: TlsSettings::default(),
        authorization: None,
        agent: Some(ctx.pod.agent()),
    };
    let started = async {
        let upstream = client(ctx.network.clone(), &ctx.clock, &endpoint).map_err(|error| error.to_string())?;
        let listener = ctx.network.listen(PORT).await.map_err(|error| error.to_string())?;
        Ok::<_, String>((upstream, listener))
    };
    let (upstream, listener) = match started.await {
        Ok(started) => started,
        Err(error) => {
            klog(&ctx, 'E', "server.js", &error);
            return ExitCode::FAILURE;
        }
    };
    if !ctx.goes_on() {
        ctx.log.line(format!("Dashboard app running at port {PORT}"));
    }
    // Sessions are in the browser's cookie.
    ctx.memory.keep(Value::Null);
    let console = Arc::new(Console { ctx: ctx.clone(), upstream });
    serve::serve(listener, None, ctx.stop.clone(), move |asked| console.clone().handle(asked)).await;
    ExitCode::SUCCESS
}

struct Console {
    ctx: PodContext,
    upstream: kube::Client,
}

impl Console {
    async fn handle(self: Arc<Self>, (request, _): Asked) -> Result<Answer, Abort> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map_err(|_broken| Abort)?.to_bytes();
        let first = parts.uri.path().split('/').find(|part| !part.is_empty()).unwrap_or_default();
        Ok(match (first, &parts.method) {
            ("login", &Method::POST) => self.log_in(&parts.headers, &body).await,
            ("kapis" | "apis" | "api" | "oauth", _) => {
                let request =
                    Incoming { method: parts.method, uri: parts.uri, headers: parts.headers, body, upgrade: None };
                self.pass_on(request).await
            }
            ("" | "login", &Method::GET) => respond::answer(StatusCode::OK, "text/html; charset=utf-8", PAGE),
            _ => respond::no_such_path(),
        })
    }

    /// Exchanges a name and a password for a session.
    async fn log_in(&self, headers: &HeaderMap, body: &Bytes) -> Answer {
        let (username, password) = credentials(headers, body);
        let form = [
            ("grant_type", "password"),
            ("username", &username),
            ("password", &password),
            ("client_id", "kubesphere"),
            ("client_secret", "kubesphere"),
        ];
        let form: Vec<_> = form.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
        let (code, granted) = match self.grant(form.join("&")).await {
            Ok(answer) => answer,
            Err(cause) => {
                klog(&self.ctx, 'E', "login.js", &cause);
                (StatusCode::BAD_GATEWAY, json!({"error": "server_error", "error_description": cause}))
            }
        };
        let token = granted["access_token"]
            .as_str()
            .and_then(|token| HeaderValue::from_str(&format!("{SESSION}={token}; Path=/; HttpOnly")).ok());
        let Some(cookie) = token else {
            let message = granted["error_description"].as_str().unwrap_or("the login failed");
            let body = json!({"status": code.as_u16(), "reason": granted["error"], "message": message});
            let code = if code.is_success() { StatusCode::BAD_GATEWAY } else { code };
            return respond::answer(code, "application/json", body.to_string());
        };
        let mut answer = respond::answer(StatusCode::OK, "application/json", json!({"success": true}).to_string());
        answer.headers_mut().insert(header::SET_COOKIE, cookie);
        answer
    }

    async fn grant(&self, form: String) -> Result<(StatusCode, Value), String> {
        let request = Request::post("/oauth/token")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(form.into_bytes()))
            .map_err(|error| error.to_string())?;
        let answer = self.upstream.send(request).await.map_err(|error| cause_of(&error))?;
        let code = answer.status();
        let body = answer.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
        Ok((code, serde_json::from_slice(&body).unwrap_or_default()))
    }

    /// Passes a request on with the session's token.
    async fn pass_on(&self, mut request: Incoming) -> Answer {
        let session = session_of(&request.headers);
        request.headers.remove(header::COOKIE);
        if let Some(token) = session
            && let Ok(value) = HeaderValue::from_str(&format!("Bearer {token}"))
        {
            request.headers.insert(header::AUTHORIZATION, value);
        }
        let asks_whether = request.headers.remove("x-check-exist").is_some() && request.method == Method::GET;
        let target = request.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str).to_owned();
        match forward(&self.upstream, request, &target, Some(header::AUTHORIZATION)).await {
            Ok(answer) if asks_whether => existence(answer),
            Ok(answer) => answer,
            Err(cause) => {
                klog(&self.ctx, 'E', "proxy.js", &cause);
                respond::text_error(StatusCode::BAD_GATEWAY, &cause)
            }
        }
    }
}

const PAGE: &str = "<!DOCTYPE html>\n<title>KubeSphere</title>\n\
                    <p>This console has no pages. POST a username and a password to login.</p>\n";

/// An object and its absence are both answers to the form's question; anything else is passed on.
fn existence(answer: Answer) -> Answer {
    let exists = match answer.status() {
        StatusCode::NOT_FOUND => false,
        code if code.is_success() => true,
        _ => return answer,
    };
    let content = json!({ "exist": exists }).to_string();
    let mut told = Response::new(serve::full(content));
    told.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    told
}

fn credentials(headers: &HeaderMap, body: &Bytes) -> (String, String) {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if content_type.starts_with("application/json") {
        let fields: Value = serde_json::from_slice(body).unwrap_or_default();
        let field = |name: &str| fields[name].as_str().unwrap_or_default().to_owned();
        return (field("username"), field("password"));
    }
    let mut fields = parse_form(body);
    (fields.remove("username").unwrap_or_default(), fields.remove("password").unwrap_or_default())
}

fn session_of(headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, value)| *name == SESSION && !value.is_empty()).map(|(_, value)| value.to_owned())
}

fn encode(text: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    text.bytes().map(|byte| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_session_among_other_cookies() {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, HeaderValue::from_static("lang=en; token=abc.def; other=1"));
        assert_eq!(session_of(&headers).as_deref(), Some("abc.def"));
    }

    #[test]
    fn reads_a_login_from_a_form_and_from_json() {
        let expected = ("admin".to_owned(), "P@88w0rd".to_owned());
        let form = Bytes::from(format!("username=admin&password={}", encode("P@88w0rd")));
        assert_eq!(credentials(&HeaderMap::new(), &form), expected);
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let body = Bytes::from_static(br#"{"username":"admin","password":"P@88w0rd"}"#);
        assert_eq!(credentials(&headers, &body), expected);
    }
}
