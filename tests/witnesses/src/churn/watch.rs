//! A watch beside the writers: what each object went through, in its order, whether or not a server breaks it off.

use std::collections::BTreeMap;

use futures::TryStreamExt as _;
use kube::ResourceExt as _;
use kube::api::{ListParams, WatchEvent, WatchParams};
use kube::core::DynamicObject;

use super::things::{LAST, Things, state_of};
use super::{Cause, LIMIT, entry};
use crate::transcript::Entry;

/// As often may a watch begin: a server that breaks off more is no server to watch.
const WATCHES: usize = 3;

/// What a watch saw.
#[derive(Default)]
struct Seen {
    by_name: BTreeMap<String, Vec<String>>,
    newest: u64,
    out_of_order: usize,
}

impl Seen {
    /// Notes an event; true when it is the last one.
    fn note(&mut self, kind: &str, thing: &DynamicObject) -> bool {
        let version = thing.resource_version().and_then(|version| version.parse().ok()).unwrap_or_default();
        self.out_of_order += usize::from(version <= self.newest);
        self.newest = version;
        let name = thing.name_any();
        let last = name == LAST;
        self.by_name.entry(name).or_default().push(format!("{kind} {}", state_of(thing)));
        last
    }
}

pub(super) async fn play(things: &Things) -> Result<Vec<Entry>, Cause> {
    let begin = things.api().list(&ListParams::default()).await?.metadata.resource_version.unwrap_or_default();
    let watching = async {
        let (mut seen, mut from) = (Seen::default(), begin);
        let api = things.api();
        // A server ends the watch of a client that is slow to read, which then goes on where it was.
        for _ in 0..WATCHES {
            let mut events = Box::pin(api.watch(&WatchParams::default(), &from).await?);
            while let Some(event) = events.try_next().await? {
                let last = match &event {
                    WatchEvent::Added(thing) => seen.note("added", thing),
                    WatchEvent::Modified(thing) => seen.note("modified", thing),
                    WatchEvent::Deleted(thing) => seen.note("deleted", thing),
                    WatchEvent::Bookmark(_) => false,
                    WatchEvent::Error(status) => return Err::<_, Cause>(status.message.clone().into()),
                };
                if last {
                    return Ok(seen);
                }
            }
            if seen.newest > 0 {
                from = seen.newest.to_string();
            }
        }
        Err(format!("the watch was broken off {WATCHES} times").into())
    };
    let watching = tokio::time::timeout(LIMIT, watching);
    let (seen, written) = tokio::join!(watching, things.write());
    written?;
    let seen = seen??;
    let events = seen.by_name.iter().map(|(name, events)| format!("{name}: {}\n", events.join(", ")));
    Ok(vec![
        entry("what each object went through", events.collect::<String>()),
        entry("versions out of order", seen.out_of_order.to_string()),
    ])
}
