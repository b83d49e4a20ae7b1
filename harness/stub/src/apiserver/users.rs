//! KubeSphere users: passwords, states and rights (kubesphere v3.3.2, `pkg/models/auth`, `pkg/models/iam`).

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde_json::{Value, json};

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

/// Checks a password.
///
/// # Errors
/// [`PasswordError`] as the client is told.
pub async fn log_in(
    api: &ApiClient,
    settings: &Settings,
    failures: &Failures,
    now: Timestamp,
    login: &str,
    password: &str,
) -> Result<User, PasswordError> {
    let user = User::of_login(api, login).await.ok_or(PasswordError::Incorrect)?;
    match user.0["status"]["state"].as_str() {
        Some("AuthLimitExceeded") => return Err(PasswordError::RateLimit),
        None | Some("" | "Active") => {}
        Some(_) => return Err(PasswordError::NotActive),
    }
    if failures.recent(settings, user.name(), now) >= settings.max_tries {
        return Err(PasswordError::RateLimit);
    }
    let hash = user.0["spec"]["password"].as_str().unwrap_or_default();
    if matches(password, hash).await {
        failures.forget(user.name());
        Ok(user)
    } else {
        failures.add(user.name(), now);
        Err(PasswordError::Incorrect)
    }
}

/// bcrypt is meant to be slow, so it runs where it holds up nobody.
async fn matches(password: &str, hash: &str) -> bool {
    let (password, hash) = (password.to_owned(), hash.to_owned());
    tokio::task::spawn_blocking(move || bcrypt::verify(password, &hash).unwrap_or(false)).await.unwrap_or(false)
}
