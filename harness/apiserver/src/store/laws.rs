//! Laws of the storage: whoever writes at once and whoever comes back to a watch, nothing is lost, told twice or out of
//! order, and a list of a revision stays what it was.
#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;

use super::history::REMEMBERED;
use super::{Key, Lost, Store};

/// A write by number: what it does depends on what is there.
#[derive(Debug, Clone, Copy)]
struct Write {
    name: u8,
    delete: bool,
}

fn writes() -> impl Strategy<Value = Vec<Write>> {
    let write = (0_u8..6, prop::bool::weighted(0.3)).prop_map(|(name, delete)| Write { name, delete });
    prop::collection::vec(write, 1..60)
}

fn table() -> Arc<str> {
    Arc::from("configmaps")
}

fn write(store: &Store, write: Write) {
    let key = Key::new(if write.name % 2 == 0 { "a" } else { "a-b" }, format!("n{}", write.name));
    let value = json!({"metadata": {"name": key.name, "namespace": key.namespace}});
    // Someone else may be quicker: then there was no write.
    match store.get(&table(), &key) {
        None => drop(store.create(&table(), key, value)),
        Some(before) if write.delete => drop(store.remove(&table(), &key, &before)),
        Some(before) => drop(store.replace(&table(), &key, &before, value)),
    }
}

type Folded = BTreeMap<Key, u64>;

fn listed(store: &Store) -> Folded {
    store.list(&table(), None).objects.into_iter().map(|(key, stored)| (key, stored.revision)).collect()
}

/// Follows until `last` was seen, and comes anew after every `patience` changes.
async fn folded(store: Arc<Store>, patience: usize, last: u64) -> Result<Folded, String> {
    let (mut state, mut seen) = (Folded::new(), 0);
    while seen < last {
        let mut follower = store.watch(&table(), seen);
        let mut changes = 0;
        while seen < last && changes < patience {
            for change in follower.next().await.map_err(|lost| format!("{lost:?}"))?.into_iter().take(patience) {
                if change.revision <= seen {
                    return Err(format!("{} after {seen}", change.revision));
                }
                if change.before.as_ref().map(|before| before.revision) != state.get(&change.key).copied() {
                    return Err(format!("{} does not follow what was told", change.revision));
                }
                seen = change.revision;
                changes += 1;
                if change.deleted {
                    state.remove(&change.key);
                } else {
                    state.insert(change.key.clone(), change.object.revision);
                }
            }
            // What a batch held beyond our patience is asked for again.
            if changes >= patience {
                break;
            }
        }
    }
    Ok(state)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn watchers_that_come_back_see_everything_once(
        writers in prop::collection::vec(writes(), 1..4),
        patience in prop::collection::vec(1_usize..9, 1..4),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(3).build().unwrap();
        runtime.block_on(async {
            let store = Arc::new(Store::new());
            // The last write is known beforehand: it comes when all others are done.
            let watchers: Vec<_> = patience
                .iter()
                .map(|patience| {
                    let (store, patience) = (Arc::clone(&store), *patience);
                    let (last, seen) = tokio::sync::oneshot::channel();
                    let early = tokio::spawn(async move {
                        let last = seen.await.unwrap_or(0);
                        folded(store, patience, last).await
                    });
                    (last, early)
                })
                .collect();
            let writing: Vec<_> = writers
                .into_iter()
                .map(|writes| {
                    let store = Arc::clone(&store);
                    tokio::spawn(async move {
                        for one in writes {
                            write(&store, one);
                            tokio::task::yield_now().await;
                        }
                    })
                })
                .collect();
            let meanwhile = tokio::spawn(folded(Arc::clone(&store), 3, 4));
            for task in writing {
                task.await.unwrap();
            }
            for name in 0..6 {
                write(&store, Write { name, delete: false });
            }
            let (last, expected) = (store.revision(), listed(&store));
            for (told, watcher) in watchers {
                told.send(last).unwrap();
                prop_assert_eq!(watcher.await.unwrap(), Ok(expected.clone()));
            }
            prop_assert!(meanwhile.await.unwrap().is_ok());
            Ok(())
        })?;
    }

    #[test]
    fn pages_of_a_revision_are_not_disturbed_by_writers(
        before in writes(),
        after in writes(),
        page in 1_usize..4,
    ) {
        let store = Store::new();
        before.into_iter().for_each(|one| write(&store, one));
        let (revision, expected) = (store.revision(), listed(&store));
        let mut collected = Folded::new();
        for one in after {
            write(&store, one);
            let snapshot = store.list_at(&table(), None, revision).unwrap();
            let last = collected.keys().next_back().cloned();
            let rest = snapshot.objects.into_iter().filter(|(key, _)| last.as_ref().is_none_or(|last| key > last));
            collected.extend(rest.take(page).map(|(key, stored)| (key, stored.revision)));
        }
        let read = expected.into_iter().take(collected.len()).collect::<Folded>();
        prop_assert_eq!(collected, read);
    }
}

#[test]
fn tells_those_who_come_too_late() {
    let store = Store::new();
    let rounds = u8::try_from(REMEMBERED / 100).unwrap() + 1;
    for _ in 0..rounds {
        for name in 0..100 {
            write(&store, Write { name, delete: false });
        }
    }
    let oldest = store.revision() - u64::try_from(REMEMBERED).unwrap();
    assert!(store.list_at(&table(), None, oldest).is_ok());
    assert_eq!(store.list_at(&table(), None, oldest - 1).err(), Some(Lost::Forgotten { asked: oldest - 1, oldest }));
}
