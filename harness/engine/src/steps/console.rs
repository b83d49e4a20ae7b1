//! The HTTP client of a person's browser, which reaches the console through the API server's service proxy.

use std::time::Duration;

use async_trait::async_trait;
use http::header::{self, HeaderValue};
use nodes::clock::{Clock, Delay};
use providers::access::Access;
use stub::console::browser::{Answer, Body, Browser, Call, Http, Unexpected};

/// Longest wait of a browser for one answer.
const ANSWER: Delay = Delay::new("browser", Duration::from_mins(1));

/// What browsers call themselves. API servers take the name before the slash for the writer's.
const BROWSER: &str = "Mozilla/5.0 (compatible; ks-e2e)";

/// The console of one cluster as a browser reaches it.
pub struct Console {
    http: reqwest::Client,
    /// Where the console is, reached through the API server's service proxy.
    base: String,
    clock: Clock,
}

/// A console that could not be used at all.
#[derive(Debug, thiserror::Error)]
pub enum ConsoleError {
    /// The harness's own kubeconfig is not usable.
    #[error("the admin kubeconfig of this cluster is not usable: {0}")]
    Kubeconfig(String),
    /// No answer came.
    #[error("{call}: no answer: {reason}; is the Service kubesphere-system/ks-console there, and its pod Running?")]
    NoAnswer {
        /// The call, as `POST /login`.
        call: String,
        /// Why.
        reason: String,
    },
    /// The answer is not one that the console's pages know.
    #[error(transparent)]
    Unexpected(#[from] Unexpected),
}

/// Opens the console of the cluster that `admin_kubeconfig` belongs to and logs in.
///
/// # Errors
/// When the console does not answer or refuses the password.
pub async fn open(
    admin_kubeconfig: &str,
    clock: &Clock,
    user: &str,
    password: &str,
) -> Result<Browser<Console>, ConsoleError> {
    let (http, server) = http_client(admin_kubeconfig)?;
    let base = format!("{server}/api/v1/namespaces/kubesphere-system/services/ks-console:80/proxy");
    Browser::open(Console { http, base, clock: clock.clone() }, user, password).await
}

#[async_trait]
impl Http for Console {
    type Error = ConsoleError;

    async fn send(&self, call: &Call) -> Result<Answer, ConsoleError> {
        let no_answer = |reason: String| ConsoleError::NoAnswer { call: call.to_string(), reason };
        let mut request = self.http.request(call.method.clone(), format!("{}{}", self.base, call.path));
        if call.check_exist {
            request = request.header("x-check-exist", "true");
        }
        request = match &call.body {
            Some(Body::Json(value)) => request.json(value),
            Some(Body::Form(fields)) => request.form(fields),
            None => request,
        };
        let _progress = self.clock.wants_progress();
        let exchange = async {
            let response = request.send().await?;
            let status = response.status().as_u16();
            Ok::<_, reqwest::Error>(Answer { status, body: response.text().await? })
        };
        match self.clock.within(ANSWER, exchange).await {
            Err(elapsed) => Err(no_answer(elapsed.to_string())),
            Ok(Err(error)) => Err(no_answer(causes(&error.without_url()))),
            Ok(Ok(answer)) => Ok(answer),
        }
    }
}

fn http_client(kubeconfig: &str) -> Result<(reqwest::Client, String), ConsoleError> {
    let unusable = |error: &dyn std::error::Error| ConsoleError::Kubeconfig(causes(error));
    let access = Access::of(kubeconfig).map_err(|error| unusable(&error))?;
    let authority = reqwest::Certificate::from_pem(&access.authority_pem).map_err(|error| unusable(&error))?;
    let mut builder = reqwest::Client::builder()
        .user_agent(BROWSER)
        .cookie_store(true)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .tls_certs_only([authority]);
    if access.insecure {
        builder = builder.tls_danger_accept_invalid_certs(true);
    }
    if let Some(token) = &access.token {
        // The API server's, and it takes it away before the console is asked.
        let mut value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|error| unusable(&error))?;
        value.set_sensitive(true);
        builder = builder.default_headers([(header::AUTHORIZATION, value)].into_iter().collect());
    }
    if let Some(identity) = access.identity {
        let pem = [identity.certificate_pem, b"\n".to_vec(), identity.key_pem].concat();
        builder = builder.identity(reqwest::Identity::from_pem(&pem).map_err(|error| unusable(&error))?);
    }
    let client = builder.build().map_err(|error| unusable(&error))?;
    Ok((client, access.server))
}

fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
