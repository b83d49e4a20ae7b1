//! What people read: a table of sessions and clients, and every difference that nobody explains.

use std::fmt::Write as _;

use comfy_table::{Table, presets};
use similar::{ChangeTag, TextDiff};

use crate::transcript::{Judged, Verdict};

/// A session at one client, on both servers.
pub struct Outcome {
    /// The session.
    pub session: String,
    /// The client.
    pub client: String,
    /// Its steps, or why it could not be played.
    pub judged: Result<Vec<Judged>, String>,
}

impl Outcome {
    /// Something differs that nobody explains, or it was not played.
    pub fn fails(&self) -> bool {
        self.judged.as_ref().map_or(true, |judged| judged.iter().any(Judged::fails))
    }

    fn cell(&self) -> String {
        let Ok(judged) = &self.judged else { return "FAILS".to_owned() };
        let count = |what: fn(&Verdict) -> bool| judged.iter().filter(|judged| what(&judged.verdict)).count();
        let differs = judged.iter().filter(|judged| judged.fails()).count();
        let explained = count(|verdict| matches!(verdict, Verdict::Explained { .. }));
        match (differs, explained) {
            (0, 0) => format!("equal {}", judged.len()),
            (0, explained) => format!("explained {explained} of {}", judged.len()),
            (differs, _) => format!("DIFFERS {differs} of {}", judged.len()),
        }
    }
}

/// The table: a row for each session, a column for each of `clients`.
pub fn table(outcomes: &[Outcome], clients: &[String]) -> String {
    let mut sessions: Vec<&str> = Vec::new();
    for outcome in outcomes {
        if !sessions.contains(&outcome.session.as_str()) {
            sessions.push(&outcome.session);
        }
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["session"].into_iter().chain(clients.iter().map(String::as_str)));
    for session in sessions {
        let cell = |client: &String| {
            let found = outcomes.iter().find(|outcome| outcome.session == session && outcome.client == *client);
            found.map_or_else(String::new, Outcome::cell)
        };
        table.add_row([session.to_owned()].into_iter().chain(clients.iter().map(cell)));
    }
    table.trim_fmt()
}

/// The sums: steps that are equal, explained and not.
pub fn sums(outcomes: &[Outcome]) -> String {
    let judged: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.judged.as_ref().ok()).flatten().collect();
    let count = |what: fn(&Verdict) -> bool| judged.iter().filter(|judged| what(&judged.verdict)).count();
    format!(
        "{} steps: {} equal, {} explained, {} differ; {} sessions were not played",
        judged.len(),
        count(|verdict| matches!(verdict, Verdict::Equal)),
        count(|verdict| matches!(verdict, Verdict::Explained { .. })),
        judged.iter().filter(|judged| judged.fails()).count(),
        outcomes.iter().filter(|outcome| outcome.judged.is_err()).count(),
    )
}

/// The differences of `outcome` that nobody explains.
pub fn differences(outcome: &Outcome) -> String {
    let mut text = format!("=== {} ({})\n", outcome.session, outcome.client);
    // Writing to a text does not fail.
    let _ = match &outcome.judged {
        Err(why) => writeln!(text, "could not be played: {why}"),
        Ok(judged) => judged.iter().filter(|judged| judged.fails()).try_for_each(|judged| {
            writeln!(text, "$ {}", judged.title)?;
            match &judged.verdict {
                Verdict::Differs { embedded, real } => text.write_str(&diff(embedded, real)),
                Verdict::NotAnyMore { because } => {
                    writeln!(text, "both show the same now; take the difference out of the list: {because}")
                }
                Verdict::Equal | Verdict::Explained { .. } => Ok(()),
            }
        }),
    };
    text
}

/// Lines of the real server alone with `+`, of the embedded one alone with `-`, a little of what is around.
fn diff(embedded: &str, real: &str) -> String {
    let diff = TextDiff::from_lines(embedded, real);
    let mut text = String::new();
    for group in diff.grouped_ops(2) {
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let sign = match change.tag() {
                ChangeTag::Delete => "- embedded | ",
                ChangeTag::Insert => "+ real     | ",
                ChangeTag::Equal => "           | ",
            };
            let _ = writeln!(text, "{sign}{}", change.value().trim_end_matches('\n'));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(verdict: Verdict) -> Outcome {
        let judged = vec![Judged { title: "kubectl get cm".to_owned(), verdict }];
        Outcome { session: "reads".to_owned(), client: "kubectl 1.20".to_owned(), judged: Ok(judged) }
    }

    #[test]
    fn shows_what_each_server_said() {
        let differs = Verdict::Differs { embedded: "a\nb\n".to_owned(), real: "a\nc\n".to_owned() };
        let text = differences(&outcome(differs));
        assert!(text.contains("$ kubectl get cm"), "{text}");
        assert!(text.contains("- embedded | b") && text.contains("+ real     | c"), "{text}");
    }

    #[test]
    fn counts_in_the_table() {
        let explained = outcome(Verdict::Explained { because: "why".to_owned() });
        let table = table(&[explained], &["kubectl 1.20".to_owned()]);
        assert!(table.contains("explained 1 of 1"), "{table}");
    }
}
