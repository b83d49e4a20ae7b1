//! Lists and watches.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use serde_json::Value;
use tokio::time::Instant;

use crate::answer::{self, Body, Next, Shower};
use crate::registry::Resource;
use crate::request::Query;
use crate::selector::{FieldSelector, LabelSelector};
use crate::state::State;
use crate::status::Failure;
use crate::store::{Change, Follower, Stored};

/// How often a watcher that asked for them hears a bookmark; the original sends one about a minute apart.
const BOOKMARK_EVERY: Duration = Duration::from_mins(1);
/// How long a watch lasts that names no end: the original picks half an hour to an hour.
const LONGEST_WATCH: Duration = Duration::from_mins(45);

/// Which objects are meant.
#[derive(Clone)]
pub struct Selection {
    namespace: Option<String>,
    name: Option<String>,
    labels: LabelSelector,
    fields: FieldSelector,
}

impl Selection {
    /// Reads the selectors of a query.
    ///
    /// # Errors
    /// 400, in the original's words.
    pub fn read(resource: &Resource, namespace: &str, name: &str, query: &Query) -> Result<Self, Failure> {
        let labels =
            LabelSelector::parse(query.get("labelSelector").unwrap_or_default()).map_err(Failure::bad_request)?;
        let fields = FieldSelector::parse(query.get("fieldSelector").unwrap_or_default(), resource)?;
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Ok(Self { namespace: some(namespace).filter(|_| resource.namespaced), name: some(name), labels, fields })
    }

    fn matches(&self, object: &Value) -> bool {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
        self.namespace.as_deref().is_none_or(|wanted| text("/metadata/namespace") == Some(wanted))
            && self.name.as_deref().is_none_or(|wanted| text("/metadata/name") == Some(wanted))
            && self.labels.matches(object)
            && self.fields.matches(object)
    }

    fn is_everything(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// The objects meant, and the revision at which they are so.
    pub fn list(&self, state: &State, resource: &Resource) -> (Vec<Arc<Stored>>, u64) {
        let snapshot = state.store.list(&resource.full_name, self.namespace.as_deref());
        let objects = snapshot.objects.into_iter().map(|(_, stored)| stored);
        (objects.filter(|stored| self.matches(&stored.value)).collect(), snapshot.revision)
    }
}

/// The `resourceVersion` of a query.
///
/// # Errors
/// The original's 500 for what is no number.
pub fn revision(query: &Query) -> Result<Option<u64>, Failure> {
    let Some(text) = query.get("resourceVersion") else { return Ok(None) };
    let parsed = text.parse::<u64>();
    parsed.map(Some).map_err(|_| {
        let shown = crate::status::quoted(text);
        Failure::internal(format!(
            "resourceVersion: Invalid value: {shown}: strconv.ParseUint: parsing {shown}: invalid syntax"
        ))
    })
}

/// Answers a list. A `limit` is honoured with a `continue` token that holds the offset; between the pages of a list
/// objects may come and go, as in the original once its token has expired.
///
/// # Errors
/// 400 and 500, in the original's words.
pub fn list(
    state: &State,
    resource: &Resource,
    selection: &Selection,
    shower: &Shower,
    query: &Query,
) -> Result<Response<Body>, Failure> {
    revision(query)?;
    let (objects, revision) = selection.list(state, resource);
    let limit = match query.get("limit") {
        None => 0,
        Some(text) => text.parse::<usize>().map_err(|_| {
            let shown = crate::status::quoted(text);
            Failure::bad_request(format!("strconv.ParseInt: parsing {shown}: invalid syntax"))
        })?,
    };
    if limit == 0 {
        return Ok(shower.list(&objects, revision, None));
    }
    let start = match query.get("continue") {
        None => 0,
        Some(token) => token
            .strip_prefix("offset-")
            .and_then(|text| text.parse::<usize>().ok())
            .ok_or_else(|| Failure::bad_request("continue key is not valid: illegal base64 data at input byte 0"))?,
    };
    let end = start.saturating_add(limit).min(objects.len());
    let page = objects.get(start..end).unwrap_or_default();
    let remaining = objects.len() - end;
    let next = (remaining > 0)
        .then(|| Next { token: format!("offset-{end}"), remaining: selection.is_everything().then_some(remaining) });
    Ok(shower.list(page, revision, next.as_ref()))
}

/// What a change is to someone who sees only the objects of a selection.
fn seen_as(selection: &Selection, change: &Change) -> Option<&'static str> {
    let before = change.before.as_ref().is_some_and(|before| selection.matches(&before.value));
    let after = !change.deleted && selection.matches(&change.object.value);
    match (before, after) {
        (false, true) => Some("ADDED"),
        (true, true) => Some("MODIFIED"),
        (true, false) => Some("DELETED"),
        (false, false) => None,
    }
}

struct Watch {
    follower: Follower,
    selection: Selection,
    shower: Shower,
    first: Option<Vec<Arc<Stored>>>,
    bookmarks: Option<Instant>,
    headed: bool,
    ends: Instant,
    over: bool,
}

impl Watch {
    fn lines(&mut self, changes: &[Arc<Change>]) -> Vec<u8> {
        let mut lines = Vec::new();
        for change in changes {
            let Some(kind) = seen_as(&self.selection, change) else { continue };
            // Rows of a Table name its columns once.
            lines.extend_from_slice(&self.shower.event(kind, &change.object, !self.headed));
            self.headed = true;
        }
        lines
    }

    /// The next piece of the stream, or its end.
    async fn piece(&mut self) -> Option<Bytes> {
        if let Some(objects) = self.first.take() {
            let mut lines = Vec::new();
            for stored in objects {
                lines.extend_from_slice(&self.shower.event("ADDED", &stored, !self.headed));
                self.headed = true;
            }
            if !lines.is_empty() {
                return Some(lines.into());
            }
        }
        while !self.over {
            let bookmark = self.bookmarks.unwrap_or(self.ends);
            let changes = tokio::select! {
                changes = self.follower.next() => changes,
                () = tokio::time::sleep_until(self.ends) => {
                    self.over = true;
                    return self.bookmarks.map(|_| self.shower.bookmark(self.follower.position()));
                }
                () = tokio::time::sleep_until(bookmark) => {
                    self.bookmarks = self.bookmarks.map(|_| Instant::now() + BOOKMARK_EVERY);
                    return Some(self.shower.bookmark(self.follower.position()));
                }
            };
            match changes {
                Ok(changes) => {
                    let lines = self.lines(&changes);
                    if !lines.is_empty() {
                        return Some(lines.into());
                    }
                }
                Err(forgotten) => {
                    self.over = true;
                    return Some(answer::error_event(&Failure::expired(forgotten.asked, forgotten.oldest)));
                }
            }
        }
        None
    }
}

/// Answers a watch: from a revision, or with what is there first.
///
/// # Errors
/// 500 for a `resourceVersion` that is no number.
pub fn watch(
    state: &State,
    resource: &Resource,
    selection: Selection,
    shower: Shower,
    query: &Query,
) -> Result<Response<Body>, Failure> {
    let asked = revision(query)?.filter(|revision| *revision > 0);
    let (first, from) = if let Some(revision) = asked {
        (None, revision)
    } else {
        let (objects, revision) = selection.list(state, resource);
        (Some(objects), revision)
    };
    let seconds = query.get("timeoutSeconds").and_then(|text| text.parse::<u64>().ok()).filter(|seconds| *seconds > 0);
    let lasts = seconds.map_or(LONGEST_WATCH, Duration::from_secs);
    let watch = Watch {
        follower: state.store.watch(&resource.full_name, from),
        selection,
        shower,
        first,
        bookmarks: query.flag("allowWatchBookmarks").then(|| Instant::now() + BOOKMARK_EVERY),
        headed: false,
        ends: Instant::now() + lasts,
        over: false,
    };
    let pieces = futures::stream::unfold(watch, async |mut watch| watch.piece().await.map(|piece| (piece, watch)));
    Ok(answer::stream("application/json", answer::streamed(pieces)))
}
