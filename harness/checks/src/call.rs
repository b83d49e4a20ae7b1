//! Calling a check by name with arguments.

use std::collections::BTreeMap;

use futures::future::BoxFuture;
use scenario::model::On;

use crate::catalogue::catalogue;
use crate::context::CheckContext;
use crate::finding::Finding;

/// A check as the catalogue lists it.
#[derive(Clone, Copy)]
pub struct CheckEntry {
    /// Name in scenario files, as `jwt-secret-equal`.
    pub name: &'static str,
    /// Number in the list of documented promises, as `C04`.
    pub id: &'static str,
    /// What holds when it passes, in a sentence.
    pub about: &'static str,
    /// Arguments it takes.
    pub args: &'static [ArgSpec],
    /// Clusters it looks at.
    pub on: Clusters,
    pub(crate) run: Run,
}

pub(crate) type Run =
    for<'a> fn(args: &'a Arguments<'a>, ctx: &'a CheckContext<'a>) -> BoxFuture<'a, Result<Finding, CallError>>;

impl std::fmt::Debug for CheckEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CheckEntry").field("name", &self.name).field("id", &self.id).finish_non_exhaustive()
    }
}

/// An argument of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArgSpec {
    /// Name.
    pub name: &'static str,
    /// What it means, with its default.
    pub about: &'static str,
    /// A call without it is an error.
    pub required: bool,
    /// Values it may have; any when empty.
    pub values: &'static [&'static str],
}

/// Clusters a check looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clusters {
    /// The host alone.
    Host,
    /// The member alone.
    Member,
    /// Both.
    Both,
    /// The one that the argument `on` names.
    Named,
    /// The one a step ran its command on.
    OfStep,
}

/// A call that no check answers to.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CallError {
    /// No check has this name.
    #[error("there is no check `{name}`{}", or_these(suggestion.as_deref(), known))]
    UnknownCheck {
        /// The name.
        name: String,
        /// A name that is spelled much the same.
        suggestion: Option<String>,
        /// All names.
        known: String,
    },
    /// The check has no such argument.
    #[error("check `{check}` has no argument `{arg}`; it takes: {known}")]
    UnknownArgument {
        /// The check.
        check: String,
        /// The argument.
        arg: String,
        /// The arguments it takes.
        known: String,
    },
    /// The check cannot do without this argument.
    #[error("check `{check}` needs the argument `{arg}`: {about}")]
    MissingArgument {
        /// The check.
        check: String,
        /// The argument.
        arg: String,
        /// What it means.
        about: String,
    },
    /// The argument has a value that the check does not know.
    #[error("check `{check}`: `{arg}` cannot be `{value}`; use one of: {values}")]
    BadValue {
        /// The check.
        check: String,
        /// The argument.
        arg: String,
        /// The value.
        value: String,
        /// The values it may have.
        values: String,
    },
}

/// Arguments of one call, already known to fit the check.
pub(crate) struct Arguments<'a> {
    entry: &'static CheckEntry,
    values: &'a BTreeMap<String, String>,
}

impl<'a> Arguments<'a> {
    /// The argument's value, if it was given.
    pub(crate) fn text(&self, arg: &str) -> Option<&'a str> {
        self.values.get(arg).map(String::as_str)
    }

    /// The argument's value.
    pub(crate) fn required(&self, arg: &str) -> Result<&'a str, CallError> {
        self.text(arg).ok_or_else(|| missing(self.entry, arg))
    }

    /// The cluster that the argument `on` names.
    pub(crate) fn cluster(&self) -> Result<On, CallError> {
        match self.required("on")? {
            "host" => Ok(On::Host),
            "member" => Ok(On::Member),
            other => Err(CallError::BadValue {
                check: self.entry.name.to_owned(),
                arg: "on".to_owned(),
                value: other.to_owned(),
                values: "host, member".to_owned(),
            }),
        }
    }
}

fn missing(entry: &CheckEntry, arg: &str) -> CallError {
    let about = entry.args.iter().find(|spec| spec.name == arg).map_or("", |spec| spec.about);
    CallError::MissingArgument { check: entry.name.to_owned(), arg: arg.to_owned(), about: about.to_owned() }
}

fn find(name: &str) -> Result<&'static CheckEntry, CallError> {
    catalogue().iter().find(|entry| entry.name == name).ok_or_else(|| CallError::UnknownCheck {
        name: name.to_owned(),
        suggestion: nearest(name),
        known: catalogue().iter().map(|entry| entry.name).collect::<Vec<_>>().join(", "),
    })
}

fn or_these(suggestion: Option<&str>, known: &str) -> String {
    match suggestion {
        Some(near) => format!(", did you mean `{near}`?"),
        None => format!("; the checks are: {known}"),
    }
}

fn nearest(name: &str) -> Option<String> {
    let distances = catalogue().iter().map(|entry| (strsim::damerau_levenshtein(name, entry.name), entry.name));
    // Farther than this a suggestion is a guess.
    distances.min().filter(|(distance, _)| *distance <= 4).map(|(_, near)| near.to_owned())
}

/// The check of this name, if it takes these arguments; else the first thing that does not fit.
pub(crate) fn validate(name: &str, args: &BTreeMap<String, String>) -> Result<&'static CheckEntry, CallError> {
    let entry = find(name)?;
    for (arg, value) in args {
        let Some(spec) = entry.args.iter().find(|spec| spec.name == arg) else {
            return Err(CallError::UnknownArgument {
                check: name.to_owned(),
                arg: arg.clone(),
                known: match entry.args {
                    [] => "none".to_owned(),
                    specs => specs.iter().map(|spec| spec.name).collect::<Vec<_>>().join(", "),
                },
            });
        };
        if !spec.values.is_empty() && !spec.values.contains(&value.as_str()) {
            return Err(CallError::BadValue {
                check: name.to_owned(),
                arg: arg.clone(),
                value: value.clone(),
                values: spec.values.join(", "),
            });
        }
    }
    match entry.args.iter().find(|spec| spec.required && !args.contains_key(spec.name)) {
        Some(spec) => Err(missing(entry, spec.name)),
        None => Ok(entry),
    }
}

/// Runs the check of that name.
///
/// # Errors
/// When there is no such check, or it does not take these arguments.
pub async fn run(name: &str, args: &BTreeMap<String, String>, ctx: &CheckContext<'_>) -> Result<Finding, CallError> {
    let entry = validate(name, args)?;
    (entry.run)(&Arguments { entry, values: args }, ctx).await
}

#[cfg(test)]
mod tests {
    #[test]
    fn tells_which_check_an_entry_is() {
        let told = format!("{:?}", crate::catalogue().first());
        assert!(told.contains("name: \"") && told.contains("id: \"C"), "{told}");
    }
}
