//! The parameters of requests, as the original's `ListOptions`, `DeleteOptions` and their siblings of `meta/v1` read
//! them from a query, and what it says to those that it cannot read (Kubernetes 1.20).

use crate::request::Query;
use crate::selector::{LabelSelector, RawFieldSelector};
use crate::status::{Cause, Failure, quoted};

/// The group of the options' kinds.
const META: &str = "meta.k8s.io";

/// A whole number in the words of Go's `strconv.ParseInt`.
///
/// # Errors
/// 400.
pub fn integer(text: &str) -> Result<i64, Failure> {
    let failed = |why: &str| Failure::bad_request(format!("strconv.ParseInt: parsing {}: {why}", quoted(text)));
    text.parse::<i64>().map_err(|error| match error.kind() {
        std::num::IntErrorKind::PosOverflow | std::num::IntErrorKind::NegOverflow => failed("value out of range"),
        _ => failed("invalid syntax"),
    })
}

fn unsigned(text: &str) -> Result<u64, String> {
    let failed = |why: &str| {
        let shown = quoted(text);
        format!("resourceVersion: Invalid value: {shown}: strconv.ParseUint: parsing {shown}: {why}")
    };
    // Rust would take a plus sign.
    if text.starts_with('+') {
        return Err(failed("invalid syntax"));
    }
    text.parse::<u64>().map_err(|error| match error.kind() {
        std::num::IntErrorKind::PosOverflow => failed("value out of range"),
        _ => failed("invalid syntax"),
    })
}

/// A `resourceVersion`, as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revision<'a>(&'a str);

impl<'a> Revision<'a> {
    /// The revision that a query names.
    #[must_use]
    pub fn of(query: &'a Query) -> Self {
        Self(query.first("resourceVersion").unwrap_or_default())
    }

    /// Whether none is named.
    #[must_use]
    pub fn is_unset(self) -> bool {
        self.0.is_empty()
    }

    /// Whether any will do.
    #[must_use]
    pub fn is_any(self) -> bool {
        self.0 == "0"
    }

    /// The number, where the original's cache reads it; none is zero.
    ///
    /// # Errors
    /// 500: the cache's error is no answer of the API.
    pub fn cached(self) -> Result<u64, Failure> {
        if self.0.is_empty() { Ok(0) } else { unsigned(self.0).map_err(Failure::internal) }
    }

    /// The number, where the original's storage reads it; none is zero.
    ///
    /// # Errors
    /// 400.
    pub fn stored(self) -> Result<u64, Failure> {
        if self.0.is_empty() {
            return Ok(0);
        }
        unsigned(self.0).map_err(|text| Failure::bad_request(format!("invalid resource version: {text}")))
    }
}

/// How a list's `resourceVersion` is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// As it was before there was a choice.
    Unset,
    /// This very revision.
    Exact,
    /// This revision or a newer one.
    NotOlderThan,
}

/// What a list or a watch asks for.
#[derive(Debug, Clone)]
pub struct ListOptions<'a> {
    /// The demands on labels.
    pub labels: LabelSelector,
    /// The demands on fields, of whatever kind.
    pub fields: RawFieldSelector,
    /// Whether bookmarks are.
    pub bookmarks: bool,
    /// From when, or as of when.
    pub revision: Revision<'a>,
    /// How that is meant.
    pub revision_match: Match,
    /// How long a watch may last.
    pub timeout_seconds: Option<i64>,
    /// How many objects at once; zero is all.
    pub limit: i64,
    /// Where the last page ended.
    pub continued: &'a str,
}

impl<'a> ListOptions<'a> {
    /// Reads a query, in the original's order: what is no number first, then selectors.
    ///
    /// # Errors
    /// 400 and 422.
    pub fn read(query: &'a Query) -> Result<Self, Failure> {
        let timeout_seconds = query.first("timeoutSeconds").map(integer).transpose()?;
        let limit = query.first("limit").map_or(Ok(0), integer)?;
        let labels = LabelSelector::parse(query.first("labelSelector").unwrap_or_default());
        let labels = labels.map_err(Failure::bad_request)?;
        let fields = RawFieldSelector::parse(query.first("fieldSelector").unwrap_or_default());
        let fields = fields.map_err(Failure::bad_request)?;
        let watch = query.flag("watch");
        let revision = Revision::of(query);
        let continued = query.first("continue").unwrap_or_default();
        let revision_match = revision_match(query, watch, revision, continued)?;
        let bookmarks = query.flag("allowWatchBookmarks");
        Ok(Self { labels, fields, bookmarks, revision, revision_match, timeout_seconds, limit, continued })
    }
}

fn revision_match(query: &Query, watch: bool, revision: Revision<'_>, continued: &str) -> Result<Match, Failure> {
    const FIELD: &str = "resourceVersionMatch";
    let given = query.first(FIELD).unwrap_or_default();
    let mut causes = Vec::new();
    let meant = match given {
        "" => return Ok(Match::Unset),
        "Exact" => Match::Exact,
        _ => Match::NotOlderThan,
    };
    if watch {
        causes.push(Cause::forbidden(FIELD, "resourceVersionMatch is forbidden for watch"));
    }
    if revision.is_unset() {
        let detail = "resourceVersionMatch is forbidden unless resourceVersion is provided";
        causes.push(Cause::forbidden(FIELD, detail));
    }
    if !continued.is_empty() {
        causes.push(Cause::forbidden(FIELD, "resourceVersionMatch is forbidden when continue is provided"));
    }
    if !matches!(given, "Exact" | "NotOlderThan") {
        let supported = ["Exact", "NotOlderThan", ""].map(quoted);
        causes.push(Cause::unsupported(FIELD, quoted(given), &supported));
    }
    if meant == Match::Exact && revision.is_any() {
        let detail = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
        causes.push(Cause::forbidden(FIELD, detail));
    }
    if causes.is_empty() { Ok(meant) } else { Err(Failure::invalid("ListOptions", META, "", &causes)) }
}

/// A slice of texts as Go's `%#v` writes it.
fn go_slice(texts: &[&str]) -> String {
    format!("[]string{{{}}}", texts.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(", "))
}

/// Adds what is wrong with `dryRun`, which is all or nothing.
pub fn check_dry_run(given: &[&str], causes: &mut Vec<Cause>) {
    if given.iter().any(|given| *given != "All") {
        causes.push(Cause::unsupported("dryRun", go_slice(given), &[quoted("All")]));
    }
}

/// The most bytes of a `fieldManager`.
const LONGEST_MANAGER: usize = 128;

fn check_manager(given: &str, causes: &mut Vec<Cause>) {
    if given.len() > LONGEST_MANAGER {
        let message = format!("Too long: must have at most {LONGEST_MANAGER} bytes");
        causes.push(Cause { reason: "FieldValueTooLong", message, field: "fieldManager".to_owned() });
    }
    for (at, c) in given.char_indices().filter(|(_, c)| c.is_control()) {
        let detail = format!("invalid character U+{:04X} (at position {at})", u32::from(c));
        causes.push(Cause::invalid("fieldManager", quoted(given), &detail));
    }
}

/// What a write asks for besides its object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteOptions<'a> {
    /// Nothing is stored.
    pub dry_run: bool,
    /// Who is to be named as the manager of fields; empty is whoever the client's program is.
    pub manager: &'a str,
}

/// The kind of a write's options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteKind {
    /// `CreateOptions`.
    Create,
    /// `UpdateOptions`.
    Update,
    /// `PatchOptions`, of a patch that is no apply.
    Patch,
    /// `PatchOptions` of an apply, which names its manager.
    Apply,
}

impl<'a> WriteOptions<'a> {
    /// Reads a query.
    ///
    /// # Errors
    /// 422.
    pub fn read(query: &'a Query, kind: WriteKind) -> Result<Self, Failure> {
        let dry_run = query.all("dryRun");
        let manager = query.first("fieldManager").unwrap_or_default();
        let mut causes = Vec::new();
        if kind == WriteKind::Patch && query.first("force").is_some() {
            causes.push(Cause::forbidden("force", "may not be specified for non-apply patch"));
        }
        if kind == WriteKind::Apply && manager.is_empty() {
            causes.push(Cause::required("fieldManager", "is required for apply patch"));
        }
        check_manager(manager, &mut causes);
        check_dry_run(&dry_run, &mut causes);
        if causes.is_empty() {
            return Ok(Self { dry_run: !dry_run.is_empty(), manager });
        }
        let kind = match kind {
            WriteKind::Create => "CreateOptions",
            WriteKind::Update => "UpdateOptions",
            WriteKind::Patch | WriteKind::Apply => "PatchOptions",
        };
        Err(Failure::invalid(kind, META, "", &causes))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("limit=abc", "strconv.ParseInt: parsing \"abc\": invalid syntax")]
    #[case("limit=", "strconv.ParseInt: parsing \"\": invalid syntax")]
    #[case("limit=99999999999999999999", "strconv.ParseInt: parsing \"99999999999999999999\": value out of range")]
    #[case("labelSelector=,&timeoutSeconds=x", "strconv.ParseInt: parsing \"x\": invalid syntax")]
    #[case("labelSelector=,&fieldSelector=x", "found ',', expected: !, identifier, or 'end of string'")]
    #[case("fieldSelector=x", "invalid selector: 'x'; can't understand 'x'")]
    #[case(
        "resourceVersionMatch=foo&continue=x",
        "ListOptions.meta.k8s.io \"\" is invalid: [resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided, resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden when continue is provided, resourceVersionMatch: Unsupported value: \"foo\": supported values: \"Exact\", \"NotOlderThan\", \"\"]"
    )]
    fn tells_what_cannot_be_read(#[case] query: &str, #[case] expected: &str) {
        let query = Query::parse(Some(query));
        assert_eq!(ListOptions::read(&query).unwrap_err().message, expected);
    }

    #[rstest]
    #[case("abc", "resourceVersion: Invalid value: \"abc\": strconv.ParseUint: parsing \"abc\": invalid syntax")]
    #[case("-1", "resourceVersion: Invalid value: \"-1\": strconv.ParseUint: parsing \"-1\": invalid syntax")]
    fn tells_what_is_no_revision(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(Revision(text).cached().unwrap_err().message, expected);
        assert_eq!(Revision(text).stored().unwrap_err().message, format!("invalid resource version: {expected}"));
    }
}
