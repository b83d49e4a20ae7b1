//! A reflector over streams that break: what it keeps, and what it has seen.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt as _;
use kube::ResourceExt as _;
use kube::core::DynamicObject;
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{Store, reflector};
use kube::runtime::watcher::{self, Event, watcher};

use super::things::{LAST, States, Things, state_of};
use super::{Cause, LIMIT, LOOK, entry, rendered, unrest};
use crate::transcript::Entry;

/// Objects a page: lists go on in several requests while writers write.
const PAGE: u32 = 7;
/// The status code of a version that is too old.
const GONE: u16 = 410;

#[derive(Default)]
struct Seen {
    names: BTreeSet<String>,
    lists: usize,
    too_old: usize,
}

impl Seen {
    fn note(&mut self, event: &Result<Event<DynamicObject>, watcher::Error>) {
        match event {
            Ok(Event::Apply(thing) | Event::InitApply(thing)) => {
                self.names.insert(thing.name_any());
            }
            Ok(Event::InitDone) => self.lists += 1,
            Err(watcher::Error::WatchError(status)) if status.code == GONE => self.too_old += 1,
            // The next one makes up for it.
            _ => {}
        }
    }
}

pub(super) async fn play(things: &Things) -> Result<Vec<Entry>, Cause> {
    let api = things.over(&unrest::client(&things.access).await?);
    let seen = Arc::new(Mutex::new(Seen::default()));
    let writer = Writer::new(things.resource().clone());
    let store = writer.as_reader();
    let noting = Arc::clone(&seen);
    let events = reflector(writer, watcher(api, watcher::Config::default().page_size(PAGE)));
    let reflecting = tokio::spawn(events.for_each(move |event| {
        noting.lock().unwrap_or_else(PoisonError::into_inner).note(&event);
        futures::future::ready(())
    }));
    let outcome = settled(things, &store).await;
    reflecting.abort();
    let (listed, agrees) = outcome?;
    let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    let overlooked: Vec<_> = listed.keys().filter(|name| !seen.names.contains(*name)).cloned().collect();
    Ok(vec![
        entry("what the list shows", rendered(&listed)),
        entry("the store agrees", agrees.to_string()),
        entry("overlooked", overlooked.join(" ")),
        entry("it had to list again", (seen.lists > 1).to_string()),
        entry("it met versions that are too old", (seen.too_old > 0).to_string()),
    ])
}

/// Lets the writers write and waits until the store shows what a list does.
async fn settled(things: &Things, store: &Store<DynamicObject>) -> Result<(States, bool), Cause> {
    things.write().await?;
    let listed = things.listed().await?;
    let mut looks = tokio::time::interval(LOOK);
    let agreeing = async {
        loop {
            looks.tick().await;
            let kept: States = store.state().iter().map(|thing| (thing.name_any(), state_of(thing))).collect();
            if kept.contains_key(LAST) && kept == listed {
                return;
            }
        }
    };
    let agrees = tokio::time::timeout(LIMIT, agreeing).await.is_ok();
    Ok((listed, agrees))
}
