//! Watches (`cacher.go` and `watch.go` of apiserver, Kubernetes 1.20).
//!
//! A watcher holds a cursor into the shared changes and the bytes that its connection has not taken yet, one event at a
//! time: who does not read costs nothing more. Where the original ends such a watcher once its buffers are full, this
//! one ends when the changes that it has not seen are forgotten, without a word, as there.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use tokio::time::{Instant, Sleep};

use super::Selection;
use crate::answer::{self, Body};
use crate::parameters::ListOptions;
use crate::registry::Resource;
use crate::show::Shower;
use crate::state::State;
use crate::status::Failure;
use crate::store::{Change, Follower, Lost, Stored};

/// How often a watcher that asked for them hears a bookmark.
const BOOKMARK_EVERY: Duration = Duration::from_mins(1);
/// How long before its end a watch gets its last bookmark.
const LAST_BOOKMARK: Duration = Duration::from_secs(2);
/// How long a watch lasts that names no end: the original picks half an hour to an hour.
const LONGEST_WATCH: Duration = Duration::from_mins(45);
/// The most that a client gets: what the clock can still add.
const NO_LONGER: Duration = Duration::from_hours(24 * 365);

/// What a change is to someone who sees only the objects of a selection: the event, and the object that it shows.
fn seen_as(selection: &Selection, change: &Change) -> Option<(&'static str, Arc<Stored>)> {
    let before = change.before.as_ref().is_some_and(|before| selection.matches(&before.value));
    let after = !change.deleted && selection.matches(&change.object.value);
    match (before, after) {
        (false, true) => Some(("ADDED", Arc::clone(&change.object))),
        (true, true) => Some(("MODIFIED", Arc::clone(&change.object))),
        (true, false) => change.departed().map(|departed| ("DELETED", departed)),
        (false, false) => None,
    }
}

/// What is still to be sent.
enum Waiting {
    Present(Arc<Stored>),
    Change(Arc<Change>),
}

/// When bookmarks are due.
struct Bookmarks {
    next: Option<Instant>,
    ends: Instant,
}

impl Bookmarks {
    fn new(now: Instant, ends: Instant) -> Self {
        let mut bookmarks = Self { next: None, ends };
        bookmarks.plan(now);
        bookmarks
    }

    fn plan(&mut self, now: Instant) {
        let last = self.ends.checked_sub(LAST_BOOKMARK);
        let next = last.map_or(now, |last| last.min(now + BOOKMARK_EVERY));
        self.next = (next > now).then_some(next);
    }
}

/// A watch that is going on.
pub struct Watch {
    follower: Follower,
    selection: Selection,
    shower: Shower,
    waiting: VecDeque<Waiting>,
    bookmarks: Option<Bookmarks>,
    /// Rows of a Table name its columns once.
    headed: bool,
    /// Something was sent: from here on, falling behind ends the watch.
    begun: bool,
    ends: Instant,
    /// Until the next bookmark or the end; one for all events, since each event would make one anew.
    timer: Pin<Box<Sleep>>,
    over: bool,
}

impl Watch {
    /// Starts a watch: from a revision, or with what is there first.
    ///
    /// # Errors
    /// 500 for a `resourceVersion` that is no number.
    pub fn start(
        state: &State,
        resource: &Resource,
        selection: Selection,
        shower: Shower,
        options: &ListOptions<'_>,
    ) -> Result<Self, Failure> {
        let asked = options.revision.cached()?;
        let (waiting, from) = if asked > 0 {
            (VecDeque::new(), asked)
        } else {
            let (objects, revision) = selection.list(state, resource);
            (objects.into_iter().map(Waiting::Present).collect(), revision)
        };
        let now = Instant::now();
        let lasts = match options.timeout_seconds {
            None | Some(0) => LONGEST_WATCH,
            Some(seconds) => Duration::from_secs(u64::try_from(seconds).unwrap_or(0)).min(NO_LONGER),
        };
        let ends = now + lasts;
        Ok(Self {
            follower: state.store.watch(&resource.full_name, from),
            selection,
            shower,
            begun: !waiting.is_empty(),
            waiting,
            bookmarks: (options.bookmarks && super::is_cached(resource)).then(|| Bookmarks::new(now, ends)),
            headed: false,
            ends,
            timer: Box::pin(tokio::time::sleep_until(ends)),
            // A time before now has passed before the first event.
            over: lasts.is_zero(),
        })
    }

    /// The line of an event whose object a webhook has to convert: it is waited for elsewhere.
    async fn converted_line(&mut self, waiting: Waiting) -> Option<Bytes> {
        let (kind, object) = match waiting {
            Waiting::Present(stored) => ("ADDED", stored),
            Waiting::Change(change) => seen_as(&self.selection, &change)?,
        };
        let shower = self.shower.clone();
        let converted = tokio::task::spawn_blocking(move || shower.converted(&object)).await;
        let converted = converted.unwrap_or_else(|error| Err(Failure::internal(error.to_string())));
        let first = !std::mem::replace(&mut self.headed, true);
        Some(match converted {
            Ok(object) => self.shower.event(kind, &object, first),
            Err(failure) => {
                self.over = true;
                self.shower.failure(&failure)
            }
        })
    }

    fn line(&mut self, waiting: &Waiting) -> Option<Bytes> {
        let first = !self.headed;
        let line = match waiting {
            Waiting::Present(stored) => Some(self.shower.event("ADDED", stored, first)),
            Waiting::Change(change) => {
                seen_as(&self.selection, change).map(|(kind, object)| self.shower.change(kind, change, &object, first))
            }
        };
        self.headed |= line.is_some();
        line
    }

    /// The next event, or the end.
    pub async fn next(&mut self) -> Option<Bytes> {
        loop {
            if self.over {
                return None;
            }
            while let Some(waiting) = self.waiting.pop_front() {
                let line = if self.shower.waits() { self.converted_line(waiting).await } else { self.line(&waiting) };
                if line.is_some() {
                    return line;
                }
            }
            let bookmark = self.bookmarks.as_ref().and_then(|bookmarks| bookmarks.next);
            let due = bookmark.map_or(self.ends, |bookmark| bookmark.min(self.ends));
            if self.timer.deadline() != due {
                self.timer.as_mut().reset(due);
            }
            let changes = tokio::select! {
                biased;
                changes = self.follower.next() => changes,
                () = &mut self.timer => {
                    if due >= self.ends {
                        return None;
                    }
                    if let Some(bookmarks) = &mut self.bookmarks {
                        bookmarks.plan(Instant::now());
                    }
                    let Some(position) = self.follower.position() else { continue };
                    return Some(self.shower.bookmark(position));
                }
            };
            match changes {
                Ok(changes) => {
                    self.begun = true;
                    self.waiting.extend(changes.into_iter().map(Waiting::Change));
                }
                Err(lost) => {
                    self.over = true;
                    if let Lost::Forgotten { asked, oldest } = lost
                        && !self.begun
                    {
                        return Some(self.shower.failure(&Failure::expired(asked, oldest)));
                    }
                }
            }
        }
    }
}

/// Answers with the events of `watch`.
pub fn answer(watch: Watch) -> Response<Body> {
    let media = watch.shower.stream_media();
    let events = futures::stream::unfold(watch, async |mut watch| watch.next().await.map(|event| (event, watch)));
    answer::stream(media, answer::streamed(events))
}
