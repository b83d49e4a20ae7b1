//! Writers of the same object, each reading what it changes: no update gets lost, and stale ones are refused.

use futures::future::try_join_all;
use kube::api::PostParams;
use serde_json::json;

use super::things::{Things, state_of};
use super::{Cause, entry};
use crate::transcript::Entry;

const WRITERS: usize = 6;
const EACH_ADDS: usize = 10;
const NAME: &str = "shared";
/// The status code of a stale update.
const CONFLICT: u16 = 409;

pub(super) async fn play(things: &Things) -> Result<Vec<Entry>, Cause> {
    let first = things.api().create(&PostParams::default(), &things.thing(NAME, 0)).await?;
    let refusals = try_join_all((0..WRITERS).map(|_| add(things))).await?;
    let end = things.api().get(NAME).await?;
    let stale = match things.api().replace(NAME, &PostParams::default(), &first).await {
        Ok(_) => "taken".to_owned(),
        Err(kube::Error::Api(status)) => format!("{} {}: {}", status.code, status.reason, status.message),
        Err(error) => return Err(error.into()),
    };
    let texts: std::collections::BTreeSet<_> = refusals.into_iter().flatten().collect();
    let texts: Vec<_> = texts.into_iter().collect();
    Ok(vec![
        entry("all additions", state_of(&end).to_string()),
        entry("how stale updates are refused", texts.join("\n")),
        entry("an update of the first version", stale),
    ])
}

/// Adds one, again and again; returns the words of the refusals.
async fn add(things: &Things) -> Result<Vec<String>, Cause> {
    let api = things.api();
    let mut refusals = Vec::new();
    for _ in 0..EACH_ADDS {
        loop {
            let mut shared = api.get(NAME).await?;
            let state = state_of(&shared) + 1;
            shared.data = json!({"spec": {"state": state}});
            match api.replace(NAME, &PostParams::default(), &shared).await {
                Ok(_) => break,
                Err(kube::Error::Api(status)) if status.code == CONFLICT => refusals.push(status.message.clone()),
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(refusals)
}
