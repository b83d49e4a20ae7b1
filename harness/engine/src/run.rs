//! A whole run: every cell on its clusters, some at a time.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use nix::sys::resource::{UsageWho, getrusage};
use rand::RngExt as _;
use scenario::event::{Event, Outcome, ProcessUsage};
use scenario::mask::Masker;
use scenario::plan::{Cell, Shard};
use scenario::report::Report;
use scenario::skip::SkipReason;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::cell::{self, Surroundings};
use crate::kept::Keep;
use crate::manifests::Manifests;
use crate::millis;
use crate::recorder::{Observer, Recorder};
use crate::secrets::Learned;
use crate::session::Session;
use crate::tools::Tools;

/// What a run is asked to do.
#[derive(Clone)]
pub struct RunOptions {
    /// The cells, in the order of the report.
    pub cells: Vec<Cell>,
    /// Which part of a run they are; none where they are a whole one.
    pub shard: Option<Shard>,
    /// Programs of the machine.
    pub tools: Tools,
    /// Begin no more cells after the first failure.
    pub fail_fast: bool,
    /// Seed of the run's randomness.
    pub seed: u64,
    /// How the stub behaves.
    pub behaviour: stub::Behaviour,
    /// What is installed in its place, if anything is.
    pub manifests: Option<Arc<Manifests>>,
    /// Where the clusters' own logs go when a cell fails, a directory for each cell; nowhere if not given.
    pub export: Option<PathBuf>,
    /// Which cells keep their clusters until the session ends.
    pub keep: Keep,
}

impl RunOptions {
    /// A run of `cells` with the defaults of the command line.
    #[must_use]
    pub fn new(cells: Vec<Cell>, tools: Tools) -> Self {
        Self {
            cells,
            shard: None,
            tools,
            fail_fast: false,
            seed: rand::rng().random::<u32>().into(),
            behaviour: stub::Behaviour::default(),
            manifests: None,
            export: None,
            keep: Keep::Never,
        }
    }
}

impl Session {
    /// Runs the cells, tells `observer` of every event at once, and returns the report. `stop` ends the run early: what
    /// runs is stopped and reported as interrupted.
    pub async fn run(&self, options: RunOptions, observer: Observer, stop: CancellationToken) -> Report {
        let begin = Instant::now();
        let recorder = Recorder::new(Masker::new(rand::rng().random()), observer);
        recorder.record(&Event::RunStarted {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            provider: self.provider.name().to_owned(),
            seed: options.seed,
            started_at: jiff::Timestamp::now().to_string(),
            kubectl: Some(options.tools.kubectl_version.clone()),
            shard: options.shard,
            cells: options.cells.iter().map(Cell::info).collect(),
        });
        let children_before = children_cpu_ms();
        let processes = self.run_cells(options, &recorder, &stop).await;
        recorder.record(&Event::RunFinished {
            duration_ms: millis(begin.elapsed()),
            kubectl: ProcessUsage { processes, cpu_ms: children_cpu_ms().saturating_sub(children_before) },
            interrupted: stop.is_cancelled(),
        });
        Report::from_events(&recorder.events())
    }

    async fn run_cells(&self, options: RunOptions, recorder: &Recorder, stop: &CancellationToken) -> u64 {
        let slots = Arc::new(Semaphore::new(self.jobs.max(1)));
        let no_more = CancellationToken::new();
        let RunOptions { cells, shard: _, tools, fail_fast, seed, behaviour, manifests, export, keep } = options;
        let faithful = behaviour == stub::Behaviour::default() && manifests.is_none();
        let around = Surroundings {
            pool: self.pool.clone(),
            originals: self.originals.clone().filter(|_| faithful),
            lease: self.lease.clone(),
            tools,
            recorder: recorder.clone(),
            learned: Learned::default(),
            stop: stop.clone(),
            behaviour,
            manifests,
            seed,
            export,
            keep,
            kept: self.kept.clone(),
            provider: self.provider.name().to_owned(),
        };
        let mut running = JoinSet::new();
        for cell in self.in_order(cells) {
            // Before the task exists: tasks begin in any order, and the cells' order spares clusters.
            let slot = slots.clone().acquire_owned().await;
            let (no_more, around, threads) = (no_more.clone(), around.clone(), self.threads.clone());
            running.spawn(async move {
                let _slot = slot;
                let skipped = if around.stop.is_cancelled() {
                    Some(SkipReason::Interrupted)
                } else {
                    no_more.is_cancelled().then_some(SkipReason::FailFast)
                };
                if let Some(reason) = skipped {
                    finish(&around.recorder, &cell, Outcome::Skipped, reason.as_str());
                    return 0;
                }
                let (id, recorder) = (cell.clone(), around.recorder.clone());
                // A task of its own: a panic in one cell is that cell's failure and nobody else's.
                let task = async move { cell::run(&cell, &around).await };
                let ended = match &threads {
                    Some(threads) => threads.run(task).await,
                    None => Ok(tokio::spawn(task).await),
                };
                let ended = match ended {
                    Ok(ended) => ended,
                    Err(error) => {
                        let reason = SkipReason::ProviderFailed.with(format!("no thread for the cell: {error}"));
                        finish(&recorder, &id, Outcome::Skipped, &reason);
                        return 0;
                    }
                };
                let (outcome, processes) = ended.unwrap_or_else(|error| {
                    finish(&recorder, &id, Outcome::Failed, &format!("a bug in ks-e2e: {error}; please report it"));
                    (Outcome::Failed, 0)
                });
                if outcome == Outcome::Failed && fail_fast {
                    no_more.cancel();
                }
                processes
            });
        }
        running.join_all().await.into_iter().sum()
    }
}

fn finish(recorder: &Recorder, cell: &Cell, result: Outcome, reason: &str) {
    recorder.record(&Event::CellFinished {
        cell: cell.id.clone(),
        result,
        reason: Some(reason.to_owned()),
        evidence: Vec::new(),
        duration_ms: 0,
    });
}

/// CPU time of all children that have ended, user and system.
fn children_cpu_ms() -> u64 {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_CHILDREN) else { return 0 };
    [usage.user_time(), usage.system_time()]
        .into_iter()
        .map(|time| u64::try_from(time.tv_sec() * 1000 + time.tv_usec() / 1000).unwrap_or_default())
        .sum()
}
