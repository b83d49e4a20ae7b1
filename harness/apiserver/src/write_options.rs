//! The options of a write that are in its query: who writes, whether it insists, whether it is only tried.

use http::{HeaderMap, header};

use crate::managed::{LONGEST_MANAGER, manager_of_user_agent};
use crate::request::Query;
use crate::status::{Cause, Failure, quoted};

/// What is written how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// A POST.
    Create,
    /// A PUT.
    Update,
    /// A PATCH that says what to change.
    Patch,
    /// A PATCH that says how it shall be.
    Apply,
    /// A DELETE.
    Delete,
}

impl Verb {
    /// The kind of its options.
    fn kind(self) -> &'static str {
        match self {
            Self::Create => "CreateOptions",
            Self::Update => "UpdateOptions",
            Self::Patch | Self::Apply => "PatchOptions",
            Self::Delete => "DeleteOptions",
        }
    }
}

/// The options of a write.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WriteOptions {
    /// Who writes.
    pub manager: String,
    /// Whether it takes what others own.
    pub force: bool,
}

impl WriteOptions {
    /// Reads and checks the options of a write.
    ///
    /// # Errors
    /// 422, in the original's words.
    pub fn read(verb: Verb, query: &Query, headers: &HeaderMap) -> Result<Self, Failure> {
        let manager = query.get("fieldManager").filter(|_| verb != Verb::Delete).unwrap_or_default();
        let force = query.get("force");
        let mut causes = Vec::new();
        match verb {
            Verb::Patch if force.is_some() => {
                causes.push(Cause::forbidden("force", "may not be specified for non-apply patch"));
            }
            Verb::Apply if manager.is_empty() => {
                causes.push(Cause::required("fieldManager", "is required for apply patch"));
            }
            _ => {}
        }
        causes.extend(faults_of(manager));
        if let Some(given) = query.get("dryRun").filter(|given| *given != "All") {
            let shown = format!("[]string{{{}}}", quoted(given));
            causes.push(Cause::unsupported("dryRun", shown, &[quoted("All")]));
        }
        if !causes.is_empty() {
            return Err(Failure::invalid(verb.kind(), "meta.k8s.io", "", &causes));
        }
        let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
        let manager = if manager.is_empty() { manager_of_user_agent(agent) } else { manager.to_owned() };
        let force = force.is_some_and(|given| !given.eq_ignore_ascii_case("false") && given != "0");
        Ok(Self { manager, force })
    }
}

/// What is wrong with the name of a manager.
fn faults_of(manager: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    if manager.len() > LONGEST_MANAGER {
        causes.push(Cause::too_long("fieldManager", LONGEST_MANAGER));
    }
    for (position, character) in manager.char_indices().filter(|(_, character)| character.is_control()) {
        let detail = format!("invalid character U+{:04X} (at position {position})", u32::from(character));
        causes.push(Cause::invalid("fieldManager", quoted(manager), &detail));
    }
    causes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;
    use rstest::rstest;

    fn read(verb: Verb, query: &str) -> Result<WriteOptions, Failure> {
        let mut headers = HeaderMap::new();
        headers.insert(header::USER_AGENT, "kubectl/v1.20.2 (linux/amd64)".parse().unwrap());
        WriteOptions::read(verb, &Query::parse(Some(query)), &headers)
    }

    #[rstest]
    #[case::by_the_query("fieldManager=me", "me")]
    #[case::by_the_user_agent("", "kubectl")]
    fn knows_who_writes(#[case] query: &str, #[case] expected: &str) {
        assert_eq!(read(Verb::Create, query).unwrap().manager, expected);
    }

    #[rstest]
    #[case::force_without_apply(
        Verb::Patch,
        "force=true",
        "force: Forbidden: may not be specified for non-apply patch"
    )]
    #[case::apply_without_a_manager(Verb::Apply, "", "fieldManager: Required value: is required for apply patch")]
    #[case::a_control_character(
        Verb::Update,
        "fieldManager=a%0Ab",
        "fieldManager: Invalid value: \"a\\nb\": invalid character U+000A (at position 1)"
    )]
    fn refuses_options(#[case] verb: Verb, #[case] query: &str, #[case] expected: &str) {
        let message = read(verb, query).unwrap_err().message;
        assert!(message.ends_with(&format!(" is invalid: {expected}")), "{message}");
    }

    #[test]
    fn refuses_a_long_manager() {
        let message = read(Verb::Create, &format!("fieldManager={}", "x".repeat(129))).unwrap_err().message;
        assert!(message.ends_with("fieldManager: Too long: must have at most 128 bytes"), "{message}");
    }
}
