//! What a person's browser does in the web console: log in, fill in the Add Cluster form, press Create.

use std::time::Duration;

use nodes::clock::{Clock, Delay};
use providers::access::Access;
use reqwest::StatusCode;
use serde_json::Value;
use stub::console::form;

/// Longest wait of a browser for one answer.
const ANSWER: Delay = Delay::new("browser", Duration::from_mins(1));

/// A person's session in the console of one cluster.
pub struct Console {
    http: reqwest::Client,
    /// Where the console is, reached through the API server's service proxy.
    base: String,
    clock: Clock,
}

/// What became of the Add Cluster form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Import {
    /// The form showed a message and stayed open.
    Refused {
        /// The message.
        message: String,
        /// Answer to the validation call, if it came to that.
        validation: Option<(u16, String)>,
    },
    /// The Cluster was created.
    Created {
        /// Answer to the validation call.
        validation: (u16, String),
    },
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
    #[error("{call}: answered {status}: {body}")]
    Unexpected {
        /// The call.
        call: String,
        /// Status code.
        status: u16,
        /// Body.
        body: String,
    },
}

impl Console {
    /// Opens the console of the cluster that `admin_kubeconfig` belongs to and logs in.
    ///
    /// # Errors
    /// When the console does not answer or refuses the password.
    pub async fn log_in(
        admin_kubeconfig: &str,
        clock: &Clock,
        user: &str,
        password: &str,
    ) -> Result<Self, ConsoleError> {
        let (http, server) = http_client(admin_kubeconfig)?;
        let base = format!("{server}/api/v1/namespaces/kubesphere-system/services/ks-console:80/proxy");
        let console = Self { http, base, clock: clock.clone() };
        let form = [("username", user), ("password", password)];
        let request = console.http.post(console.url("/login")).form(&form);
        let (status, body) = console.answer("POST /login", request).await?;
        if status.is_success() || status.is_redirection() {
            Ok(console)
        } else {
            Err(ConsoleError::Unexpected { call: "POST /login".to_owned(), status: status.as_u16(), body })
        }
    }

    /// Fills in the Add Cluster form for a direct connection and presses Create.
    ///
    /// # Errors
    /// When the console does not answer as it should.
    pub async fn import_cluster(&self, name: &str, kubeconfig: &str) -> Result<Import, ConsoleError> {
        if let Err(message) = form::check_name(name) {
            return Ok(Import::Refused { message, validation: None });
        }
        if self.exists(name).await? {
            return Ok(Import::Refused { message: form::NAME_EXISTS.to_owned(), validation: None });
        }
        let [validate, create] = form::create_calls(name, kubeconfig);
        let (status, body) = self.send(validate).await?;
        let validation = (status.as_u16(), body.clone());
        if !status.is_success() {
            return Ok(Import::Refused { message: body.trim_end().to_owned(), validation: Some(validation) });
        }
        let (status, body) = self.send(create).await?;
        if status.is_success() {
            Ok(Import::Created { validation })
        } else {
            Ok(Import::Refused { message: body.trim_end().to_owned(), validation: Some(validation) })
        }
    }

    async fn exists(&self, name: &str) -> Result<bool, ConsoleError> {
        let call = form::exists_call(name);
        let shown = format!("{} {}", call.method, call.path);
        let (status, body) = self.send(call).await?;
        match status {
            StatusCode::NOT_FOUND => Ok(false),
            // The console answers the question itself: `{"exist": false}` for a name that is free.
            StatusCode::OK => {
                let answer = serde_json::from_str::<Value>(&body).unwrap_or_default();
                Ok(answer["exist"].as_bool().unwrap_or(true))
            }
            _ => Err(ConsoleError::Unexpected { call: shown, status: status.as_u16(), body }),
        }
    }

    async fn send(&self, call: form::Call) -> Result<(StatusCode, String), ConsoleError> {
        let shown = format!("{} {}", call.method, call.path);
        let mut request = self.http.request(call.method, self.url(&call.path));
        if call.check_exist {
            request = request.header("x-check-exist", "true");
        }
        if let Some(body) = &call.body {
            request = request.json(body);
        }
        self.answer(&shown, request).await
    }

    async fn answer(&self, call: &str, request: reqwest::RequestBuilder) -> Result<(StatusCode, String), ConsoleError> {
        let no_answer = |reason: String| ConsoleError::NoAnswer { call: call.to_owned(), reason };
        let _progress = self.clock.wants_progress();
        let exchange = async {
            let response = request.send().await?;
            let status = response.status();
            Ok::<_, reqwest::Error>((status, response.text().await?))
        };
        match self.clock.within(ANSWER, exchange).await {
            Err(elapsed) => Err(no_answer(elapsed.to_string())),
            Ok(Err(error)) => Err(no_answer(causes(&error.without_url()))),
            Ok(Ok(answer)) => Ok(answer),
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

fn http_client(kubeconfig: &str) -> Result<(reqwest::Client, String), ConsoleError> {
    let unusable = |error: &dyn std::error::Error| ConsoleError::Kubeconfig(causes(error));
    let access = Access::of(kubeconfig).map_err(|error| unusable(&error))?;
    let authority = reqwest::Certificate::from_pem(&access.authority_pem).map_err(|error| unusable(&error))?;
    let mut builder = reqwest::Client::builder()
        .cookie_store(true)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .tls_certs_only([authority]);
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
