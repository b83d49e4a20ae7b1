//! Sessions on both servers.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::canonical::Seen;
use crate::compare::{Difference, differences};
use crate::corpus::{Session, Step};
use crate::endpoint::Endpoint;
use crate::exchange::{Answer, ExchangeError, filled, send};
use crate::outcome::{Outcome, Report, Verdict};

/// How often a request with `until` is repeated, and what is waited in between: ten seconds in all.
const REPEATS: usize = 200;
const PAUSE: std::time::Duration = std::time::Duration::from_millis(50);

/// One server in one session.
struct Side<'a> {
    endpoint: &'a Endpoint<'a>,
    variables: BTreeMap<String, String>,
    /// What the tokens say that this session signed.
    claims: BTreeMap<String, Map<String, Value>>,
    seen: Seen,
}

impl<'a> Side<'a> {
    fn new(endpoint: &'a Endpoint<'a>, namespace: &str) -> Self {
        let variables = BTreeMap::from([("ns".to_owned(), namespace.to_owned())]);
        Self { endpoint, variables, claims: BTreeMap::new(), seen: Seen::in_session(&endpoint.address, namespace) }
    }

    async fn make_namespace(&self, name: &str) -> Result<(), ExchangeError> {
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        let step = Step {
            method: "POST".to_owned(),
            path: "/api/v1/namespaces".to_owned(),
            body: Some(namespace.to_string()),
            content_type: Some("application/json".to_owned()),
            ..Step::default()
        };
        send(self.endpoint, &step, &self.variables).await.map(drop)
    }

    fn sign_tokens(&mut self, step: &Step) -> Result<(), ExchangeError> {
        for (name, spec) in &step.tokens {
            let variables = &self.variables;
            let signed = self.endpoint.tokens.sign(name, spec, &mut self.claims, |text| filled(text, variables));
            let token = signed.map_err(|error| ExchangeError::new(step, self.endpoint.name, error))?;
            self.variables.insert(name.clone(), token);
        }
        Ok(())
    }

    async fn answer(&mut self, step: &Step) -> Result<Answer, ExchangeError> {
        self.sign_tokens(step)?;
        let body: Value = step.body.as_deref().and_then(|body| serde_json::from_str(body).ok()).unwrap_or_default();
        if let Some(prefix) = body.pointer("/metadata/generateName").and_then(Value::as_str) {
            self.seen.expect_generated(prefix);
        }
        let mut answer = send(self.endpoint, step, &self.variables).await?;
        let mut tick = tokio::time::interval(PAUSE);
        for _ in 0..REPEATS {
            if self.is_awaited(step, &answer) {
                break;
            }
            tick.tick().await;
            answer = send(self.endpoint, step, &self.variables).await?;
        }
        let document: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        for (name, pointer) in &step.keep {
            let found = match document.pointer(pointer) {
                Some(Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
                None => format!("(no {pointer})"),
            };
            self.variables.insert(name.clone(), found);
        }
        if let Some(part) = &step.only {
            let part = document.pointer(&filled(part, &self.variables)).unwrap_or(&Value::Null);
            answer.body = part.to_string().into();
        }
        Ok(answer)
    }

    /// Whether `answer` is what `step` waits for.
    fn is_awaited(&self, step: &Step, answer: &Answer) -> bool {
        let mut wanted = [&step.has, &step.only].into_iter().flatten().peekable();
        if step.until.is_some_and(|status| answer.status != status) {
            return false;
        }
        if wanted.peek().is_none() {
            return true;
        }
        let document: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        wanted.all(|pointer| document.pointer(&filled(pointer, &self.variables)).is_some())
    }
}

/// How often a session is played at most. A few answers of the original come in the random order of Go's maps, or tell
/// which of its caches was quicker: what such a session has wrong is not wrong the next time. What this server has wrong
/// stays.
const ATTEMPTS: u8 = 3;

/// Why nothing is compared where the original broke off.
const BROKE_OFF: &str = "the original breaks off, as it does where its code panics; this server answers 500";

/// Sends all of `sessions` to both servers.
///
/// # Errors
/// When a server cannot be spoken to at all.
pub async fn run(real: &Endpoint<'_>, embedded: &Endpoint<'_>, sessions: &[Session]) -> Result<Report, ExchangeError> {
    let mut report = Report::default();
    for session in sessions {
        let mut outcomes = Vec::new();
        for attempt in 0..ATTEMPTS {
            outcomes = play(real, embedded, session, &session.namespace(attempt)).await?;
            if !outcomes.iter().any(Outcome::is_wrong) {
                report.repeated += usize::from(attempt > 0);
                break;
            }
        }
        report.outcomes.extend(outcomes);
    }
    Ok(report)
}

async fn play(
    real: &Endpoint<'_>,
    embedded: &Endpoint<'_>,
    session: &Session,
    namespace: &str,
) -> Result<Vec<Outcome>, ExchangeError> {
    let mut outcomes = Vec::new();
    let (mut left, mut right) = (Side::new(real, namespace), Side::new(embedded, namespace));
    left.make_namespace(namespace).await?;
    right.make_namespace(namespace).await?;
    for (index, step) in session.steps.iter().enumerate() {
        let (real, embedded) = tokio::join!(left.answer(step), right.answer(step));
        let broke_off = real.is_err() && embedded.as_ref().is_ok_and(|answer| answer.status == 500);
        let verdict = if broke_off && step.differs.is_none() {
            Verdict::Expected { reason: BROKE_OFF.to_owned() }
        } else {
            Verdict::of(compared(&mut left, &mut right, real, embedded), step.differs.clone())
        };
        outcomes.push(Outcome {
            category: session.category.clone(),
            session: session.name.clone(),
            number: index + 1,
            request: format!("{} {}", step.method, filled(&step.path, &left.variables)),
            verdict,
        });
        if broke_off {
            // What is left of the object is nobody's promise.
            break;
        }
    }
    Ok(outcomes)
}

fn compared(
    left: &mut Side<'_>,
    right: &mut Side<'_>,
    real: Result<Answer, ExchangeError>,
    embedded: Result<Answer, ExchangeError>,
) -> Vec<Difference> {
    match (real, embedded) {
        (Ok(real), Ok(embedded)) => differences(&left.seen.canonical(&real), &right.seen.canonical(&embedded)),
        (real, embedded) => {
            let shown = |answer: Result<Answer, ExchangeError>| match answer {
                Ok(answer) => format!("status {}", answer.status),
                Err(error) => std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string),
            };
            vec![Difference { at: "exchange".to_owned(), real: shown(real), embedded: shown(embedded) }]
        }
    }
}
