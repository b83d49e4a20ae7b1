//! A controller over streams that break: everything that stays is reconciled in its last state.

use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt as _;
use kube::ResourceExt as _;
use kube::core::DynamicObject;
use kube::runtime::controller::{Action, Controller};
use kube::runtime::watcher;

use super::things::{States, Things, state_of};
use super::{Cause, LIMIT, LOOK, entry, rendered, unrest};
use crate::transcript::Entry;

/// The last state that was reconciled, by name.
type Reconciled = Mutex<States>;

async fn reconcile(thing: Arc<DynamicObject>, reconciled: Arc<Reconciled>) -> Result<Action, std::convert::Infallible> {
    reconciled.lock().unwrap_or_else(PoisonError::into_inner).insert(thing.name_any(), state_of(&thing));
    Ok(Action::await_change())
}

pub(super) async fn play(things: &Things) -> Result<Vec<Entry>, Cause> {
    let api = things.over(&unrest::client(&things.access).await?);
    let reconciled = Arc::new(Reconciled::default());
    let controller = Controller::new_with(api, watcher::Config::default(), things.resource().clone());
    let never = |_: Arc<DynamicObject>, error: &std::convert::Infallible, _: Arc<Reconciled>| match *error {};
    let running = tokio::spawn(controller.run(reconcile, never, Arc::clone(&reconciled)).for_each(|_| async {}));
    let outcome = settled(things, &reconciled).await;
    running.abort();
    let (listed, agrees) = outcome?;
    Ok(vec![
        entry("what the list shows", rendered(&listed)),
        entry("all of it is reconciled in its last state", agrees.to_string()),
    ])
}

async fn settled(things: &Things, reconciled: &Reconciled) -> Result<(States, bool), Cause> {
    things.write().await?;
    let listed = things.listed().await?;
    let mut looks = tokio::time::interval(LOOK);
    let agreeing = async {
        loop {
            looks.tick().await;
            let reconciled = reconciled.lock().unwrap_or_else(PoisonError::into_inner);
            if listed.iter().all(|(name, state)| reconciled.get(name) == Some(state)) {
                return;
            }
        }
    };
    let agrees = tokio::time::timeout(LIMIT, agreeing).await.is_ok();
    Ok((listed, agrees))
}
