//! What a session showed on one server, and how two transcripts compare.

/// What one step showed, normalised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The step.
    pub title: String,
    /// What it showed.
    pub shown: String,
    /// Why the servers are known to show something else here.
    pub known: Option<String>,
}

/// What both servers showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The same.
    Equal,
    /// Not the same, as is known.
    Explained {
        /// The reason.
        because: String,
    },
    /// Not the same.
    Differs {
        /// What the embedded server showed.
        embedded: String,
        /// What the real one did.
        real: String,
    },
    /// The same, although a difference is listed.
    NotAnyMore {
        /// The reason that holds no longer.
        because: String,
    },
}

/// A step and its verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// The step.
    pub title: String,
    /// What both servers showed.
    pub verdict: Verdict,
}

impl Judged {
    /// A failure of the run.
    pub fn fails(&self) -> bool {
        matches!(self.verdict, Verdict::Differs { .. } | Verdict::NotAnyMore { .. })
    }
}

/// Compares step by step; a transcript that ends early differs from there on.
pub fn compare(embedded: &[Entry], real: &[Entry]) -> Vec<Judged> {
    (0..embedded.len().max(real.len())).map(|at| judge(embedded.get(at), real.get(at))).collect()
}

fn judge(embedded: Option<&Entry>, real: Option<&Entry>) -> Judged {
    let text = |entry: Option<&Entry>| entry.map_or_else(|| "(no such step)".to_owned(), |entry| entry.shown.clone());
    let either = embedded.or(real);
    let title = either.map(|entry| entry.title.clone()).unwrap_or_default();
    let known = either.and_then(|entry| entry.known.clone());
    let verdict = match (embedded == real, known) {
        (true, None) => Verdict::Equal,
        (true, Some(because)) => Verdict::NotAnyMore { because },
        (false, Some(because)) => Verdict::Explained { because },
        (false, None) => Verdict::Differs { embedded: text(embedded), real: text(real) },
    };
    Judged { title, verdict }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn entry(shown: &str, known: bool) -> Vec<Entry> {
        let known = known.then(|| "why".to_owned());
        vec![Entry { title: "get".to_owned(), shown: shown.to_owned(), known }]
    }

    #[rstest]
    #[case::equal(&entry("a", false), &entry("a", false), false)]
    #[case::explained(&entry("a", true), &entry("b", true), false)]
    #[case::different(&entry("a", false), &entry("b", false), true)]
    #[case::no_more(&entry("a", true), &entry("a", true), true)]
    #[case::ended_early(&entry("a", false), &[], true)]
    fn fails_on_what_nobody_explains(#[case] embedded: &[Entry], #[case] real: &[Entry], #[case] expected: bool) {
        assert_eq!(compare(embedded, real)[0].fails(), expected);
    }
}
