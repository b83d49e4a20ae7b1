//! The browser's side of the console: what its pages send and in which order (console v3.4.1, `src`). Whoever acts as
//! the browser brings the HTTP client.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use http::Method;
use serde_json::Value;

/// A request that the browser sends to the console.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Method.
    pub method: Method,
    /// Path.
    pub path: String,
    /// Whether it carries `x-check-exist: true`, so that the console answers `{"exist": …}` in place of an object.
    pub check_exist: bool,
    /// Body.
    pub body: Option<Body>,
}

/// What a request carries.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// JSON.
    Json(Value),
    /// Fields of an HTML form.
    Form(Vec<(&'static str, String)>),
}

impl Call {
    /// A request without a body.
    #[must_use]
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), check_exist: false, body: None }
    }

    /// The same with a JSON body.
    #[must_use]
    pub fn with(mut self, body: Value) -> Self {
        self.body = Some(Body::Json(body));
        self
    }
}

impl std::fmt::Display for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.path)?;
        if self.check_exist { f.write_str(" (x-check-exist)") } else { Ok(()) }
    }
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Body.
    pub body: String,
}

impl Answer {
    /// Whether it is one of 2xx.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// As JSON; null where it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// What a toast shows of a refusal: the `message` of a `Status`, else the text.
    #[must_use]
    pub fn message(&self) -> String {
        let status = self.json();
        status["message"].as_str().map_or_else(|| self.body.trim_end().to_owned(), str::to_owned)
    }
}

/// The HTTP client of a browser: it keeps the session's cookie.
#[async_trait]
pub trait Http: Send + Sync {
    /// Why there is no answer, or none that a page knows.
    type Error: From<Unexpected> + Send;

    /// Sends `call` to the console.
    ///
    /// # Errors
    /// When no answer came.
    async fn send(&self, call: &Call) -> Result<Answer, Self::Error>;
}

/// An answer that the console's pages do not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{call}: answered {status}: {body}")]
pub struct Unexpected {
    /// The call, as `POST /login`.
    pub call: String,
    /// Status code.
    pub status: u16,
    /// Body.
    pub body: String,
}

/// Whether the console manages one cluster or several. A page asks when it is loaded, and does not notice a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The cluster that it runs on, shown as `default`.
    Single,
    /// A host and its members.
    Multi,
}

/// What a page shows after a button was pressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is done.
    Done,
    /// A message is shown, and the form stays open.
    Refused {
        /// The message.
        message: String,
    },
}

impl Outcome {
    pub(super) fn of(answer: &Answer) -> Self {
        if answer.is_success() { Self::Done } else { Self::Refused { message: answer.message() } }
    }
}

/// A page of the console in a person's browser, logged in.
pub struct Browser<H> {
    http: H,
    mode: Mode,
    log: Mutex<Vec<String>>,
}

impl<H: Http> Browser<H> {
    /// Logs in and loads a page, which learns whether there are several clusters.
    ///
    /// # Errors
    /// When the console does not answer, or refuses the password.
    pub async fn open(http: H, user: &str, password: &str) -> Result<Self, H::Error> {
        let mut browser = Self { http, mode: Mode::Single, log: Mutex::default() };
        let mut login = Call::new(Method::POST, "/login");
        login.body = Some(Body::Form(vec![("username", user.to_owned()), ("password", password.to_owned())]));
        let answer = browser.send(&login).await?;
        if !answer.is_success() && !(300..400).contains(&answer.status) {
            return Err(unexpected(&login, answer).into());
        }
        browser.reload().await?;
        Ok(browser)
    }

    /// Loads the page again.
    ///
    /// # Errors
    /// When the console does not answer as it should.
    pub async fn reload(&mut self) -> Result<(), H::Error> {
        let configz = self.get("/kapis/config.kubesphere.io/v1alpha2/configs/configz").await?;
        self.mode = if configz["multicluster"] == true { Mode::Multi } else { Mode::Single };
        Ok(())
    }

    /// What the page knows since it was loaded.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Every request so far with the status of its answer, one a line.
    #[must_use]
    pub fn requests(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }

    pub(super) async fn send(&self, call: &Call) -> Result<Answer, H::Error> {
        let answer = self.http.send(call).await?;
        self.log.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{call} {}", answer.status));
        Ok(answer)
    }

    /// An object that a page cannot do without.
    pub(super) async fn get(&self, path: &str) -> Result<Value, H::Error> {
        let call = Call::new(Method::GET, path);
        let answer = self.send(&call).await?;
        if answer.is_success() { Ok(answer.json()) } else { Err(unexpected(&call, answer).into()) }
    }
}

pub(super) fn unexpected(call: &Call, answer: Answer) -> Unexpected {
    Unexpected { call: call.to_string(), status: answer.status, body: answer.body }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("cluster kubeconfig MUST NOT be empty\n", "cluster kubeconfig MUST NOT be empty")]
    #[case(
        r#"{"kind":"Status","message":"clusters \"m\" already exists","code":409}"#,
        "clusters \"m\" already exists"
    )]
    fn shows_the_message_of_a_refusal(#[case] body: &str, #[case] message: &str) {
        assert_eq!(Answer { status: 400, body: body.to_owned() }.message(), message);
    }
}
