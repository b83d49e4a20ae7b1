//! kube-rs under churn: many writers at once, streams that break, versions that are too old. Whatever happens on the
//! way, the final state is the same on both servers, and nothing was overlooked.

mod conflicts;
mod controller;
mod reflector;
mod things;
mod unrest;
mod watch;

use std::fmt::Write as _;
use std::time::Duration;

use crate::play::Stage;
use crate::transcript::Entry;

use self::things::{States, Things};

/// Longest that anything may take to settle after the writers are done.
const LIMIT: Duration = Duration::from_mins(1);
/// Between two looks whether it has.
const LOOK: Duration = Duration::from_millis(100);

/// What is seen through kube-rs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Witness {
    /// One unbroken watch.
    Watch,
    /// A reflector over streams that break.
    Reflector,
    /// A controller over streams that break.
    Controller,
    /// Writers of the same object.
    Conflicts,
}

/// A witness that could not do its work.
#[derive(Debug, thiserror::Error)]
#[error("{witness}: {source}")]
pub struct ChurnError {
    witness: &'static str,
    source: Cause,
}

type Cause = Box<dyn std::error::Error + Send + Sync>;

impl Witness {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Watch, Self::Reflector, Self::Controller, Self::Conflicts];

    /// Its name in tables, verb first.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Watch => "sees every event of many writers",
            Self::Reflector => "keeps a reflector true while streams break",
            Self::Controller => "reconciles everything while streams break",
            Self::Conflicts => "loses no update to conflicts",
        }
    }

    /// Lets it work on one server.
    ///
    /// # Errors
    /// [`ChurnError`] when a request failed that must not.
    pub async fn play(self, stage: &Stage<'_>) -> Result<Vec<Entry>, ChurnError> {
        let outcome = async {
            let things = Things::define(stage).await?;
            let seen = match self {
                Self::Watch => watch::play(&things).await,
                Self::Reflector => reflector::play(&things).await,
                Self::Controller => controller::play(&things).await,
                Self::Conflicts => conflicts::play(&things).await,
            };
            things.remove().await?;
            seen
        };
        outcome.await.map_err(|source| ChurnError { witness: self.name(), source })
    }
}

fn entry(title: &str, shown: impl Into<String>) -> Entry {
    Entry { title: title.to_owned(), shown: shown.into(), known: None }
}

fn rendered(states: &States) -> String {
    states.iter().fold(String::new(), |mut text, (name, state)| {
        // Writing to a text does not fail.
        let _ = writeln!(text, "{name}: {state}");
        text
    })
}
