//! `DeleteOptions`: from a body, or from the query of a request without one.

use serde_json::Value;

use crate::parameters::{check_dry_run, integer};
use crate::request::Query;
use crate::status::{Cause, Failure, quoted};

/// What becomes of an object's dependents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// They stay.
    Orphan,
    /// They go afterwards.
    Background,
    /// They go first.
    Foreground,
}

impl Policy {
    /// The finalizer that stands for it.
    #[must_use]
    pub fn finalizer(self) -> Option<&'static str> {
        match self {
            Self::Orphan => Some("orphan"),
            Self::Background => None,
            Self::Foreground => Some("foregroundDeletion"),
        }
    }
}

/// How an object is to be deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeleteOptions {
    /// Only this very object.
    pub uid: Option<String>,
    /// Only in this revision.
    pub resource_version: Option<String>,
    /// Seconds until it goes.
    pub grace_period_seconds: Option<i64>,
    /// The older word for a policy.
    pub orphan: Option<bool>,
    /// What becomes of its dependents.
    pub policy: Option<Policy>,
    /// Nothing is deleted.
    pub dry_run: bool,
}

/// Options as they were given, not judged yet.
#[derive(Default)]
struct Given {
    options: DeleteOptions,
    policy: Option<String>,
    dry_run: Vec<String>,
}

impl DeleteOptions {
    /// Reads a `DeleteOptions` object.
    ///
    /// # Errors
    /// 422, in the original's words.
    pub fn from_body(body: &Value) -> Result<Self, Failure> {
        let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let options = Self {
            uid: text("/preconditions/uid"),
            resource_version: text("/preconditions/resourceVersion"),
            grace_period_seconds: body.get("gracePeriodSeconds").and_then(Value::as_i64),
            orphan: body.get("orphanDependents").and_then(Value::as_bool),
            ..Self::default()
        };
        let dry_run = body.get("dryRun").and_then(Value::as_array).into_iter().flatten();
        let dry_run = dry_run.filter_map(Value::as_str).map(str::to_owned).collect();
        Given { options, policy: text("/propagationPolicy"), dry_run }.judged()
    }

    /// Reads the parameters of the same names.
    ///
    /// # Errors
    /// 400 and 422, in the original's words.
    pub fn from_query(query: &Query) -> Result<Self, Failure> {
        let options = Self {
            grace_period_seconds: query.first("gracePeriodSeconds").map(integer).transpose()?,
            orphan: query.first("orphanDependents").map(|_| query.flag("orphanDependents")),
            ..Self::default()
        };
        let policy = query.first("propagationPolicy").map(str::to_owned);
        let dry_run = query.all("dryRun").into_iter().map(str::to_owned).collect();
        Given { options, policy, dry_run }.judged()
    }
}

impl Given {
    fn judged(self) -> Result<DeleteOptions, Failure> {
        const FIELD: &str = "propagationPolicy";
        let mut causes = Vec::new();
        let policy = match self.policy.as_deref() {
            None => None,
            Some("Orphan") => Some(Policy::Orphan),
            Some("Background") => Some(Policy::Background),
            Some("Foreground") => Some(Policy::Foreground),
            Some(_) => None,
        };
        if let Some(given) = self.policy.as_deref() {
            if self.options.orphan.is_some() {
                let detail = "orphanDependents and deletionPropagation cannot be both set";
                causes.push(Cause::invalid(FIELD, quoted(given), detail));
            }
            if policy.is_none() {
                let supported = ["Foreground", "Background", "Orphan", "nil"].map(quoted);
                causes.push(Cause::unsupported(FIELD, quoted(given), &supported));
            }
        }
        let dry_run: Vec<&str> = self.dry_run.iter().map(String::as_str).collect();
        check_dry_run(&dry_run, &mut causes);
        if causes.is_empty() {
            return Ok(DeleteOptions { policy, dry_run: !dry_run.is_empty(), ..self.options });
        }
        Err(Failure::invalid("DeleteOptions", "meta.k8s.io", "", &causes))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(
        "propagationPolicy=Sideways",
        "DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: Unsupported value: \"Sideways\": supported values: \"Foreground\", \"Background\", \"Orphan\", \"nil\""
    )]
    #[case(
        "propagationPolicy=Orphan&orphanDependents=false",
        "DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: Invalid value: \"Orphan\": orphanDependents and deletionPropagation cannot be both set"
    )]
    #[case("gracePeriodSeconds=x", "strconv.ParseInt: parsing \"x\": invalid syntax")]
    fn tells_what_cannot_be(#[case] query: &str, #[case] expected: &str) {
        assert_eq!(DeleteOptions::from_query(&Query::parse(Some(query))).unwrap_err().message, expected);
    }
}
