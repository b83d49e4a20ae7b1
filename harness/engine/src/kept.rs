//! Cells whose clusters stay after their verdict, for a person to look at and go on from.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use checks::Facts;
use futures::future::join_all;
use kubesphere::Release;
use providers::Pair;
use providers::pool::Taken;
use scenario::event::{CellId, Event, Outcome};
use scenario::model::On;
use scenario::plan::Cell;
use tokio_util::sync::CancellationToken;

use crate::cell::{Surroundings, directory_of};
use crate::explain::Explanation;
use crate::session::Session;
use crate::up::{Description, Forward, Place, Run, UpError, describe};

/// Which cells keep their clusters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keep {
    /// None.
    #[default]
    Never,
    /// Those that fail.
    OnFailure,
    /// All that had clusters.
    Always,
}

impl Keep {
    pub(crate) fn wants(self, result: Outcome) -> bool {
        match self {
            Self::Never => false,
            Self::OnFailure => result == Outcome::Failed,
            Self::Always => result != Outcome::Skipped,
        }
    }
}

/// What a person needs to go on where a cell ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptCell {
    /// The cell.
    pub cell: CellId,
    /// Its verdict.
    pub result: Outcome,
    /// Where its clusters are.
    pub description: Description,
    /// Its directory, with one for each cluster in which the steps ran.
    pub directory: PathBuf,
    /// The step or check that failed, in words.
    pub failed_at: Option<String>,
    /// The scenario, told, for what is left of it.
    pub explanation: Explanation,
    /// The first step that is left.
    pub from: usize,
    /// A script that does what is left.
    pub script: PathBuf,
}

/// The kept cells of a session.
#[derive(Clone, Default)]
pub(crate) struct Kept(Arc<Mutex<Vec<Held>>>);

/// A cell's clusters, and what leads to them.
struct Held {
    kept: KeptCell,
    pair: Pair,
    _forwards: Vec<Forward>,
}

impl Kept {
    /// Keeps `taken`, the clusters of `cell`.
    ///
    /// # Errors
    /// With the clusters, when a person could not find their way to them.
    pub(crate) async fn keep(
        &self,
        cell: &Cell,
        result: Outcome,
        taken: Taken,
        around: &Surroundings,
    ) -> Result<(), (Box<Taken>, UpError)> {
        let directory = around.lease.directory().join(directory_of(cell));
        match told(cell, result, &taken.pair, directory, around).await {
            Ok((kept, forwards)) => {
                let held = Held { kept, pair: taken.keep(), _forwards: forwards };
                self.0.lock().unwrap_or_else(PoisonError::into_inner).push(held);
                Ok(())
            }
            Err(error) => Err((Box::new(taken), error)),
        }
    }

    fn take(&self) -> Vec<Held> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes all clusters down.
    pub(crate) async fn drain(&self) {
        // What stays of them is named in the lease, whose end tries again and tells.
        join_all(self.take().into_iter().map(|held| held.pair.destroy())).await;
    }
}

impl Session {
    /// The cells that were kept, in the order in which they ended.
    #[must_use]
    pub fn kept(&self) -> Vec<KeptCell> {
        self.kept.0.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|held| held.kept.clone()).collect()
    }

    /// Lets the time of kept clusters pass as real time does until `stop`; `ks-e2e down` finds them meanwhile.
    ///
    /// # Errors
    /// When nobody would find them.
    pub async fn hold(&self, stop: &CancellationToken) -> Result<(), UpError> {
        let held = self.kept.take();
        let found = held.first().map_or(Ok(()), |first| first.kept.description.write(self.lease.directory()));
        if found.is_ok() {
            stop.run_until_cancelled(join_all(held.iter().map(|held| held.pair.clock.flow()))).await;
        }
        *self.kept.0.lock().unwrap_or_else(PoisonError::into_inner) = held;
        found
    }
}

async fn told(
    cell: &Cell,
    result: Outcome,
    pair: &Pair,
    directory: PathBuf,
    around: &Surroundings,
) -> Result<(KeptCell, Vec<Forward>), UpError> {
    let machine = |source| UpError::Machine { operation: format!("write below {}", directory.display()), source };
    // It is there, unless the cell failed before its first step.
    fs::create_dir_all(&directory).map_err(machine)?;
    let release = Release::find(&cell.release.name).unwrap_or_else(|_| Release::newest());
    let run = Run { id: around.lease.run_id(), provider: &around.provider, directory: &directory };
    let (description, forwards) = describe(pair, &cell.scenario.given, release, run).await?;
    let (from, failed_at) = end(cell, result, &around.recorder.events());
    let explanation = Explanation::of(cell);
    let script = directory.join("go-on.sh");
    let variables: Vec<(String, String)> =
        description.clusters.iter().flat_map(|place| variables(place, &directory)).collect();
    fs::write(&script, explanation.rest(&cell.scenario, from, &variables)).map_err(machine)?;
    let id = cell.id.clone();
    Ok((KeptCell { cell: id, result, description, directory, failed_at, explanation, from, script }, forwards))
}

/// What a script has to know of a cluster.
fn variables(place: &Place, directory: &Path) -> Vec<(String, String)> {
    let kubeconfig = kubeconfig_of(directory, place.on).to_string_lossy().into_owned();
    let known = [
        ("KUBECONFIG", Some(kubeconfig)),
        ("KUBECONFIG_TO_PASTE", Some(place.kubeconfig_to_paste.to_string_lossy().into_owned())),
        ("KS_APISERVER", place.ks_apiserver.clone()),
        ("PASSWORD", place.ks_apiserver.is_some().then(|| Facts::default().admin_password)),
    ];
    let on = place.on.to_string().to_uppercase();
    known.into_iter().filter_map(|(name, value)| Some((format!("{on}_{name}"), value?))).collect()
}

/// The kubeconfig that steps on a cluster use, in a cell's directory.
#[must_use]
pub fn kubeconfig_of(directory: &Path, on: On) -> PathBuf {
    directory.join(on.to_string()).join("home/.kube/config")
}

/// The first step that is left, and what failed.
fn end(cell: &Cell, result: Outcome, events: &[Event]) -> (usize, Option<String>) {
    let (mut steps, mut failed_step, mut failed_check) = (0, None, None);
    for event in events {
        match event {
            Event::StepFinished { cell: id, step } if *id == cell.id && step.result != Outcome::Skipped => {
                // The last one counts: an earlier failure was expected, or the cell would have ended with it.
                failed_step = (step.result == Outcome::Failed).then(|| (steps, format!("the step \"{}\"", step.name)));
                steps += 1;
            }
            Event::CheckFinished { cell: id, check } if *id == cell.id && check.result == Outcome::Failed => {
                failed_check.get_or_insert_with(|| format!("the check {}", check.name));
            }
            _ => {}
        }
    }
    match failed_step {
        Some((index, name)) if result == Outcome::Failed => (index, Some(name)),
        _ => (steps, failed_check),
    }
}
