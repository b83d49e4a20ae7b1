//! KubeSphere users: passwords, states and rights (kubesphere v3.3.2, `pkg/models/auth`, `pkg/models/iam`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use kubesphere::duration;
use nodes::clock::Clock;
use serde_json::{Value, json};

use super::server::Server;
use super::settings::Settings;
use crate::member::{ApiClient, CallError, Target};

/// A user object.
#[derive(Clone)]
pub struct User(Value);

/// Why a password grant fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Unknown user or wrong password; nobody is told which.
    #[error("incorrect password")]
    Incorrect,
    /// Too many tries.
    #[error("auth rate limit exceeded")]
    RateLimit,
    /// The account is disabled.
    #[error("account is not active")]
    NotActive,
}

/// Users of KubeSphere's iam API.
#[must_use]
pub fn target() -> Target {
    Target::group("iam.kubesphere.io", "v1alpha2", "users")
}

impl User {
    /// The user `name`.
    ///
    /// # Errors
    /// [`CallError`] when the API server does not say.
    pub async fn find(api: &ApiClient, name: &str) -> Result<Option<Self>, CallError> {
        Ok(api.find(&target().named(name)).await?.map(Self))
    }

    /// The user who logs in as `login`: a name or an e-mail address.
    async fn of_login(api: &ApiClient, login: &str) -> Option<Self> {
        if !login.contains('@') {
            return Self::find(api, login).await.ok().flatten();
        }
        let list = api.get(&target()).await.ok()?;
        let user = list["items"].as_array()?.iter().find(|user| user["spec"]["email"] == login)?;
        Some(Self(user.clone()))
    }

    /// Whether an administrator has disabled it. Of the other states one who has a token hears nothing.
    #[must_use]
    pub fn is_disabled(&self) -> bool {
        self.0["status"]["state"] == DISABLED
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0["metadata"]["name"].as_str().unwrap_or_default()
    }

    /// `extra` of its tokens: tells that its password was never changed.
    #[must_use]
    pub fn extra(&self) -> Option<Value> {
        let uninitialized = self.0["metadata"]["annotations"]["iam.kubesphere.io/uninitialized"].as_str()?;
        (!uninitialized.is_empty()).then(|| json!({"uninitialized": [uninitialized]}))
    }
}

/// Whether `user` may do everything: role `platform-admin`.
pub async fn is_admin(api: &ApiClient, user: &str) -> bool {
    if user == "admin" {
        return true;
    }
    let bindings = api.get(&Target::group("iam.kubesphere.io", "v1alpha2", "globalrolebindings")).await;
    let bound = |binding: &Value| {
        let subjects = binding["subjects"].as_array();
        binding["roleRef"]["name"] == "platform-admin"
            && subjects
                .is_some_and(|all| all.iter().any(|subject| subject["kind"] == "User" && subject["name"] == user))
    };
    bindings.is_ok_and(|list| list["items"].as_array().is_some_and(|items| items.iter().any(bound)))
}

/// Wrong passwords by user, for the rate limit.
#[derive(Default)]
pub struct Failures(Mutex<BTreeMap<String, Vec<Timestamp>>>);

impl Failures {
    fn recent(&self, settings: &Settings, user: &str, now: Timestamp) -> usize {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(times) = failures.get_mut(user) else { return 0 };
        let window = i64::try_from(settings.tries_window.as_secs()).unwrap_or(i64::MAX);
        times.retain(|time| now.as_second() - time.as_second() < window);
        times.len()
    }

    fn add(&self, user: &str, now: Timestamp) {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failures.entry(user.to_owned()).or_default().push(now);
    }

    fn forget(&self, user: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(user);
    }
}

/// Checks a password. Whoever failed too often is locked out by the state of the User, which outlives this process.
///
/// # Errors
/// [`PasswordError`] as the client is told.
pub async fn log_in(server: &Server, login: &str, password: &str) -> Result<User, PasswordError> {
    let (settings, failures, clock) = (server.settings(), &server.failures, &server.ctx.clock);
    let now = clock.wall();
    let user = User::of_login(&server.api, login).await.ok_or(PasswordError::Incorrect)?;
    match user.0["status"]["state"].as_str() {
        // Without a password nobody is told the state.
        _ if password.is_empty() => {}
        Some(LOCKED) if is_locked(&user.0["status"], &settings, now) => return Err(PasswordError::RateLimit),
        None | Some("" | "Active" | LOCKED) => {}
        Some(_) => return Err(PasswordError::NotActive),
    }
    if !password.is_empty() && failures.recent(&settings, user.name(), now) >= settings.max_tries {
        return Err(PasswordError::RateLimit);
    }
    let hash = user.0["spec"]["password"].as_str().unwrap_or_default();
    if !password.is_empty() && matches(clock, password, hash).await {
        failures.forget(user.name());
        return Ok(user);
    }
    failures.add(user.name(), now);
    if failures.recent(&settings, user.name(), now) >= settings.max_tries
        && let Err(error) = lock(&server.api, &settings, user.name(), now).await
    {
        server.log('E', "user_controller.go", &error.to_string());
    }
    Err(PasswordError::Incorrect)
}

/// The state of a user who failed too often (seen on v3.3.2 and v3.4.1).
const LOCKED: &str = "AuthLimitExceeded";

/// The state of a user whom an administrator has disabled.
const DISABLED: &str = "Disabled";

/// Until the window has passed since (kubesphere v3.3.2, `user_controller.go`).
fn is_locked(status: &Value, settings: &Settings, now: Timestamp) -> bool {
    let since = status["lastTransitionTime"].as_str().and_then(|time| time.parse::<Timestamp>().ok());
    let window = i64::try_from(settings.tries_window.as_secs()).unwrap_or(i64::MAX);
    since.is_none_or(|since| now.as_second() - since.as_second() <= window)
}

/// Writes the state; a change in between counts.
async fn lock(api: &ApiClient, settings: &Settings, name: &str, now: Timestamp) -> Result<(), CallError> {
    let (tries, window) = (settings.max_tries, duration::spell(settings.tries_window));
    let status = json!({
        "lastTransitionTime": now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "reason": format!("Failed login attempts exceed {tries} in last {window}"),
        "state": LOCKED,
    });
    let mut again = true;
    loop {
        let mut user = api.get(&target().named(name)).await?;
        user["status"] = status.clone();
        match api.update(&target().named(name), &user).await {
            Err(error) if error.is_conflict() && again => again = false,
            updated => return updated.map(drop),
        }
    }
}

/// Passwords and hashes that were found to match. Every cluster that begins as another one was has the same.
static MATCHING: Mutex<BTreeSet<(String, String)>> = Mutex::new(BTreeSet::new());

/// bcrypt is meant to be slow, so it runs once, where it holds up nobody; time stands still meanwhile.
async fn matches(clock: &Clock, password: &str, hash: &str) -> bool {
    let matching = || MATCHING.lock().unwrap_or_else(PoisonError::into_inner);
    let asked = (password.to_owned(), hash.to_owned());
    if matching().contains(&asked) {
        return true;
    }
    let _busy = clock.busy();
    let compare = move || bcrypt::verify(&asked.0, &asked.1).unwrap_or(false).then(|| matching().insert(asked));
    tokio::task::spawn_blocking(compare).await.is_ok_and(|matched| matched.is_some())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing unwrap fails the test")]

    use rstest::rstest;

    use super::*;

    #[tokio::test]
    async fn compares_every_password_however_often_another_matched() {
        let hash = |password: &str| bcrypt::hash(password, 4).unwrap();
        let (known, other) = (hash("right"), hash("other"));
        let asked = [
            ("wrong", &known, false),
            ("right", &known, true),
            ("right", &known, true),
            ("wrong", &known, false),
            ("right", &other, false),
        ];
        for (password, hash, expected) in asked {
            assert_eq!(matches(&Clock::real(), password, hash).await, expected, "{password}");
        }
    }

    #[rstest]
    #[case(json!({"lastTransitionTime": "2026-11-22T13:00:00Z"}), "2026-11-22T13:09:59Z", true)]
    #[case(json!({"lastTransitionTime": "2026-11-22T13:00:00Z"}), "2026-11-22T13:10:01Z", false)]
    #[case(json!({}), "2026-11-22T13:10:01Z", true)]
    fn locks_a_user_for_the_window(#[case] status: Value, #[case] now: &str, #[case] locked: bool) {
        let settings = Settings::parse("authentication: {authenticateRateLimiterDuration: 10m0s}").unwrap();
        assert_eq!(is_locked(&status, &settings, now.parse().unwrap()), locked);
    }
}
