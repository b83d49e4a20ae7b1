//! What tests of checks are made of: two fake clusters, a run on them, and what it found.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop at what it does not expect")]

mod attempts;
mod cluster;

use jiff::Timestamp;
use scenario::model::On;
use serde_json::{Value, json};

pub(crate) use self::attempts::Attempts;
pub(crate) use self::cluster::FakeCluster;
use crate::context::{CheckContext, Facts, ValidationFact};
use crate::finding::Finding;

pub(crate) use crate::context::StepFact;

pub(crate) const BANNER: &str = "###              Welcome to KubeSphere!           ###";
pub(crate) const GOOD_RUN: [&str; 5] = [
    "Waiting for all tasks to be completed ...",
    "task network status is successful  (1/4)",
    "task multicluster status is successful  (4/4)",
    "Collecting installation results ...",
    BANNER,
];

/// Two clusters and what the run knows.
pub(crate) struct Run {
    host: FakeCluster,
    member: FakeCluster,
    release: &'static str,
    facts: Facts,
}

impl Run {
    pub(crate) fn new(host: FakeCluster, member: FakeCluster) -> Self {
        Self { host, member, release: "3.3.2", facts: Facts::default() }
    }

    pub(crate) fn release(mut self, release: &'static str) -> Self {
        self.release = release;
        self
    }

    pub(crate) fn password(mut self, password: &str) -> Self {
        password.clone_into(&mut self.facts.admin_password);
        self
    }

    pub(crate) fn pasted(mut self, kubeconfig: &str) -> Self {
        self.facts.pasted_kubeconfig = Some(kubeconfig.to_owned());
        self
    }

    pub(crate) fn imported(mut self, name: &str) -> Self {
        self.facts.imported_cluster = Some(name.to_owned());
        self
    }

    pub(crate) fn validated(mut self, status: u16, body: &str) -> Self {
        self.facts.validation = Some(ValidationFact { status, body: body.to_owned() });
        self
    }

    pub(crate) fn edited(mut self, on: On, at: &str) -> Self {
        self.facts.last_edit.insert(on, at.parse().unwrap());
        self
    }

    pub(crate) fn step(mut self, name: &str, step: StepFact) -> Self {
        self.facts.steps.insert(name.to_owned(), step);
        self
    }

    /// Runs a check, which must not tell a secret.
    pub(crate) async fn check(&self, name: &str, args: &[(&str, &str)]) -> Checked {
        let args = args.iter().map(|(arg, value)| ((*arg).to_owned(), (*value).to_owned())).collect();
        let waiter = Attempts::at_most(2);
        let ctx = CheckContext {
            host: &self.host,
            member: Some(&self.member),
            release: self.release,
            member_release: self.release,
            facts: &self.facts,
            waiter: &waiter,
        };
        let finding = crate::run(name, &args, &ctx).await.unwrap();
        let shown = format!("{finding:?}");
        // Shorter ones are words that a message may hold as well.
        for secret in [&self.host, &self.member].into_iter().flat_map(|cluster| &cluster.secrets) {
            assert!(secret.len() < 8 || !shown.contains(secret), "check {name} tells a secret: {shown}");
        }
        Checked(finding, waiter.were_all_made())
    }
}

/// What a check found, and whether it has waited for something else to the end.
pub(crate) struct Checked(Finding, bool);

impl Checked {
    #[track_caller]
    pub(crate) fn holds(self) {
        assert!(self.0.is_holding(), "{:?}", self.0);
    }

    #[track_caller]
    pub(crate) fn does_not_hold(self) {
        assert!(!self.0.is_holding(), "{:?}", self.0);
    }

    /// It may still become good: it was looked at again.
    #[track_caller]
    pub(crate) fn after_a_wait(self) -> Self {
        assert!(self.1, "decided at once: {:?}", self.0);
        self
    }

    /// Waiting would not change it: nobody waits for nothing.
    #[track_caller]
    pub(crate) fn at_once(self) -> Self {
        assert!(!self.1, "waited: {:?}", self.0);
        self
    }

    #[track_caller]
    pub(crate) fn fails(self, expected: &str) {
        assert_eq!(self.message(), expected);
    }

    #[track_caller]
    pub(crate) fn fails_with(self, part: &str) {
        let message = self.message();
        assert!(message.contains(part), "{message}");
    }

    #[track_caller]
    pub(crate) fn cannot_tell(self, part: &str) {
        match self.0 {
            Finding::CannotTell { reason } => assert!(reason.contains(part), "{reason}"),
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn message(&self) -> &str {
        match &self.0 {
            Finding::Fails { message, .. } => message,
            other => panic!("{other:?}"),
        }
    }
}

/// A step with this command that has neither ended nor printed.
pub(crate) fn step(on: On, command: &str) -> StepFact {
    StepFact {
        on,
        command: command.to_owned(),
        exit_code: None,
        stdout: String::new(),
        stderr: String::new(),
        ended_by_until: false,
        started_at: Timestamp::UNIX_EPOCH,
    }
}

impl StepFact {
    pub(crate) fn exits(self, code: i32) -> Self {
        Self { exit_code: Some(code), ..self }
    }

    pub(crate) fn prints(self, text: &str) -> Self {
        Self { stdout: text.to_owned(), ..self }
    }

    pub(crate) fn complains(self, text: &str) -> Self {
        Self { stderr: text.to_owned(), ..self }
    }

    /// It was done after the others.
    pub(crate) fn later(self) -> Self {
        Self { started_at: Timestamp::UNIX_EPOCH + std::time::Duration::from_secs(1), ..self }
    }

    pub(crate) fn ends_by_until(self) -> Self {
        Self { ended_by_until: true, ..self }
    }
}

/// A kubesphere.yaml with this secret, written as given.
pub(crate) fn config_with_secret(written: &str) -> String {
    format!("authentication:\n  jwtSecret: {written}\n")
}

/// A condition.
pub(crate) fn condition(kind: &str, status: &str, reason: &str) -> Value {
    json!({"type": kind, "status": status, "reason": reason, "message": ""})
}

/// A token of KubeSphere's.
pub(crate) fn token(secret: &str) -> String {
    let claims =
        json!({"iss": "kubesphere", "sub": "admin", "username": "admin", "token_type": "access_token", "iat": 1});
    let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap()
}

/// A kubeconfig for this server.
pub(crate) fn kubeconfig(server: &str) -> String {
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "admin@member",
        "clusters": [{"name": "other", "cluster": {"server": "https://other"}}, {"name": "member", "cluster": {"server": server}}],
        "contexts": [{"name": "admin@member", "context": {"cluster": "member", "user": "admin"}}],
        "users": [{"name": "admin", "user": {"token": "t"}}],
    });
    config.to_string()
}
