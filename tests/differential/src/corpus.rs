//! The requests: files of sessions, each a sequence of requests in a namespace of its own.

use std::collections::BTreeMap;

use include_dir::{Dir, include_dir};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::credentials::Credentials;
use crate::credentials::token::TokenSpec;

static CORPUS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/corpus");

/// The categories, each a folder of the corpus.
pub const CATEGORIES: &[&str] = &[
    "authentication",
    "create-update-conflict",
    "custom-resources",
    "defaulting-validation",
    "delete-finalizers-namespaces",
    "discovery-openapi",
    "errors-malformed",
    "json-patch",
    "list-selectors-pagination",
    "merge-patch",
    "rbac",
    "server-side-apply",
    "strategic-merge-patch",
    "subresources",
    "tables",
    "watch",
];

/// A file of the corpus cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
    /// A file is not what it should be.
    #[error("read {file} of the corpus")]
    Unreadable {
        /// Path below the corpus.
        file: String,
        /// What the parser says, with its position.
        #[source]
        source: serde_yaml::Error,
    },
    /// A file is in no known category.
    #[error("{file} is in no category: put it into one of {}", CATEGORIES.join(", "))]
    NoCategory {
        /// Path below the corpus.
        file: String,
    },
    /// Two sessions have one name.
    #[error("two sessions are called {name:?}, the second in {file}: give it another name")]
    Twice {
        /// The name.
        name: String,
        /// Path below the corpus.
        file: String,
    },
}

/// Requests that follow each other, in a namespace of their own.
#[derive(Debug, Clone)]
pub struct Session {
    /// Its category.
    pub category: String,
    /// What it shows.
    pub name: String,
    /// Its requests.
    pub steps: Vec<Step>,
}

impl Session {
    /// The namespace that the session finds on both servers when it is played for the `attempt`th time: the same on
    /// both, another for each session and time.
    #[must_use]
    pub fn namespace(&self, attempt: u8) -> String {
        // FNV-1a: the name must not depend on which other sessions run.
        let hash =
            self.name.bytes().chain((attempt > 0).then_some(attempt)).fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
            });
        format!("s{:010x}", hash & 0xff_ffff_ffff)
    }
}

/// Whom a request claims to be for, by impersonation.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Impersonation {
    /// User name.
    pub user: String,
    /// Groups.
    #[serde(default)]
    pub groups: Vec<String>,
}

/// One request, and how its answer is taken.
#[derive(Debug, Clone, Default)]
pub struct Step {
    /// HTTP method.
    pub method: String,
    /// Path and query, with variables.
    pub path: String,
    /// Body, with variables.
    pub body: Option<String>,
    /// `Content-Type`; none is sent where this is none.
    pub content_type: Option<String>,
    /// `Accept`.
    pub accept: Option<String>,
    /// Further headers.
    pub headers: BTreeMap<String, String>,
    /// Whom the request is for.
    pub impersonation: Option<Impersonation>,
    /// Who asks.
    pub credentials: Credentials,
    /// Tokens that are signed before the request, by the names of their variables.
    pub tokens: Vec<(String, TokenSpec)>,
    /// Values of the answer that later steps use.
    pub keep: BTreeMap<String, String>,
    /// The request is repeated until this status is answered.
    pub until: Option<u16>,
    /// The request is repeated until the answer has this, a JSON pointer.
    pub has: Option<String>,
    /// This part of the answer alone is compared, a JSON pointer; the request is repeated until there is one.
    pub only: Option<String>,
    /// So many lines of a stream are read.
    pub lines: Option<usize>,
    /// Why the answers differ.
    pub differs: Option<String>,
}

/// A step as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StepText {
    #[serde(rename = "GET")]
    get: Option<String>,
    #[serde(rename = "HEAD")]
    head: Option<String>,
    #[serde(rename = "OPTIONS")]
    options: Option<String>,
    #[serde(rename = "POST")]
    post: Option<String>,
    #[serde(rename = "PUT")]
    put: Option<String>,
    #[serde(rename = "PATCH")]
    patch: Option<String>,
    #[serde(rename = "DELETE")]
    delete: Option<String>,
    body: Option<Value>,
    raw: Option<String>,
    r#type: Option<String>,
    accept: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    r#as: Option<Impersonation>,
    #[serde(default)]
    credentials: Credentials,
    #[serde(default)]
    tokens: Map<String, Value>,
    #[serde(default)]
    keep: BTreeMap<String, String>,
    until: Option<u16>,
    has: Option<String>,
    only: Option<String>,
    watch: Option<usize>,
    differs: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SessionText {
    session: String,
    steps: Vec<Step>,
}

impl<'de> Deserialize<'de> for Step {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(StepText::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl Step {
    fn read(text: StepText) -> Result<Self, String> {
        let methods = [
            ("GET", text.get),
            ("HEAD", text.head),
            ("OPTIONS", text.options),
            ("POST", text.post),
            ("PUT", text.put),
            ("PATCH", text.patch),
            ("DELETE", text.delete),
        ];
        let mut given = methods.into_iter().filter_map(|(method, path)| path.map(|path| (method, path)));
        let (method, path) =
            given.next().ok_or("a step needs a method: GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS")?;
        if given.next().is_some() {
            return Err("a step has one method".to_owned());
        }
        let body = match (text.body, text.raw) {
            (Some(_), Some(_)) => return Err("a step has a body or a raw one, not both".to_owned()),
            (Some(body), None) => Some(body.to_string()),
            (None, raw) => raw,
        };
        let json = || body.is_some().then(|| "application/json".to_owned());
        let content_type = text.r#type.or_else(json).filter(|given| given != "none");
        if text.differs.as_ref().is_some_and(|reason| reason.trim().is_empty()) {
            return Err("`differs` needs a reason".to_owned());
        }
        let tokens = text.tokens.into_iter().map(|(name, spec)| {
            serde_json::from_value(spec).map(|spec| (name, spec)).map_err(|error| format!("a token: {error}"))
        });
        let tokens = tokens.collect::<Result<_, _>>()?;
        Ok(Self {
            method: method.to_owned(),
            path,
            body,
            content_type,
            accept: text.accept,
            headers: text.headers,
            impersonation: text.r#as,
            credentials: text.credentials,
            tokens,
            keep: text.keep,
            until: text.until,
            has: text.has,
            only: text.only,
            lines: text.watch,
            differs: text.differs,
        })
    }
}

/// All sessions, in the order of their files.
///
/// # Errors
/// [`CorpusError`].
pub fn load() -> Result<Vec<Session>, CorpusError> {
    let mut files: Vec<_> = CORPUS.dirs().flat_map(Dir::files).collect();
    files.sort_by_key(|file| file.path());
    let mut sessions: Vec<Session> = Vec::new();
    for file in files {
        let path = file.path().display().to_string();
        let category = path.split('/').next().unwrap_or_default().to_owned();
        if !CATEGORIES.contains(&category.as_str()) {
            return Err(CorpusError::NoCategory { file: path });
        }
        for session in read(&path, file.contents_utf8().unwrap_or_default())? {
            if sessions.iter().any(|known| known.name == session.session) {
                return Err(CorpusError::Twice { name: session.session, file: path });
            }
            sessions.push(Session { category: category.clone(), name: session.session, steps: session.steps });
        }
    }
    Ok(sessions)
}

fn read(file: &str, text: &str) -> Result<Vec<SessionText>, CorpusError> {
    serde_yaml::from_str(text).map_err(|source| CorpusError::Unreadable { file: file.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn reads_the_whole_corpus() {
        assert!(!load().unwrap().is_empty());
    }

    #[rstest]
    #[case("[{session: a, steps: [{body: {}}]}]", "needs a method")]
    #[case("[{session: a, steps: [{GET: /, POST: /}]}]", "one method")]
    #[case("[{session: a, steps: [{POST: /, body: {}, raw: x}]}]", "not both")]
    #[case("[{session: a, steps: [{GET: /, differs: ' '}]}]", "needs a reason")]
    #[case("[{session: a, steps: [{GET: /, unknown: 1}]}]", "unknown field")]
    fn refuses_steps_that_mean_nothing(#[case] text: &str, #[case] expected: &str) {
        let CorpusError::Unreadable { source, .. } = read("a", text).err().unwrap() else { panic!("another error") };
        assert!(source.to_string().contains(expected), "{source}");
    }

    #[test]
    fn keeps_the_order_of_a_body() {
        let text = "[{session: a, steps: [{POST: /, body: {b: 1, a: {d: 2, c: 3}}}]}]";
        assert_eq!(read("a", text).unwrap()[0].steps[0].body.as_deref(), Some(r#"{"b":1,"a":{"d":2,"c":3}}"#));
    }
}
