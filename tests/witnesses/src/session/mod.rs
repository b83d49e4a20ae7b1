//! A session as data: what a person types at one client, in order.

mod load;

use std::collections::BTreeMap;

use serde::Deserialize;

pub use self::load::load;
use crate::difference::Difference;

/// What stands for the session's own namespace in commands and files.
pub const NAMESPACE: &str = "${ns}";

/// Commands of one person, in a namespace of their own.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// What happens in it, verb first.
    #[serde(rename = "session")]
    pub name: String,
    /// It changes or shows what others would see, so nothing else may run beside it.
    #[serde(default)]
    pub alone: bool,
    /// Files of the working directory.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    /// The commands.
    pub steps: Vec<Step>,
}

/// A step of a session.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Step {
    /// A command that is waited for.
    Run(Run),
    /// A command that goes on beside the next steps.
    Begin(Begin),
    /// The end of a command that was begun.
    End(End),
}

/// A command that is waited for.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The command line, for a POSIX shell.
    #[serde(rename = "run")]
    pub command: String,
    /// What it reads.
    #[serde(default)]
    pub stdin: String,
    /// What the editor behind `kubectl edit` does to its file, a `sed` script.
    pub editor: Option<String>,
    /// It is repeated until its output has this pattern; the last answer counts.
    pub eventually: Option<String>,
    /// How its output is compared.
    #[serde(default)]
    pub compare: Compare,
    /// What is known to differ.
    #[serde(default)]
    pub differs: Vec<Difference>,
}

/// A command that goes on beside the next steps.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Begin {
    /// Its name in this session.
    #[serde(rename = "begin")]
    pub name: String,
    /// The command line, for a POSIX shell.
    #[serde(rename = "run")]
    pub command: String,
    /// The next step waits until its output has this pattern.
    pub until: Option<String>,
}

/// The end of a command that was begun: it is killed once its output has what is awaited, if it has not ended before.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// Its name.
    #[serde(rename = "end")]
    pub name: String,
    /// What its output has to have.
    pub until: String,
    /// How its output is compared.
    #[serde(default)]
    pub compare: Compare,
    /// What is known to differ.
    #[serde(default)]
    pub differs: Vec<Difference>,
}

/// How outputs are compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compare {
    /// As texts.
    #[default]
    Text,
    /// As lines in any order, each as often as it is there: the order is nobody's promise.
    Lines,
    /// As a set of lines: how often one comes depends on who is faster.
    LineSet,
    /// What `kubectl explain` tells of fields and their types, without descriptions: the embedded server has the types of
    /// Kubernetes' API, and not the prose of its authors.
    Fields,
    /// By the exit code alone: the output is about the client or the moment.
    ExitCode,
}

impl Compare {
    /// The part of `output` that counts.
    pub fn of(self, output: &str) -> String {
        let mut lines: Vec<_> = output.lines().collect();
        match self {
            Self::Text => return output.to_owned(),
            Self::ExitCode => return String::new(),
            Self::Fields => {
                lines.retain(|line| line.contains("\t<") || line.starts_with(|first| !char::is_whitespace(first)));
            }
            Self::Lines => lines.sort_unstable(),
            Self::LineSet => {
                lines.sort_unstable();
                lines.dedup();
            }
        }
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(Compare::Text, "b\na\nb\n")]
    #[case(Compare::Lines, "a\nb\nb")]
    #[case(Compare::LineSet, "a\nb")]
    #[case(Compare::Fields, "b\na\nb")]
    #[case(Compare::ExitCode, "")]
    fn keeps_what_counts(#[case] compare: Compare, #[case] expected: &str) {
        assert_eq!(compare.of("b\na\nb\n"), expected);
    }
    #[test]
    fn leaves_prose_out_of_what_is_explained() {
        let explained = "KIND:  Role\nDESCRIPTION:\n     Rules.\nFIELDS:\n   kind\t<string>\n     Its kind.\n\n";
        assert_eq!(Compare::Fields.of(explained), "KIND:  Role\nDESCRIPTION:\nFIELDS:\n   kind\t<string>");
    }
}
