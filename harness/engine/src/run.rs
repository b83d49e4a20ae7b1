//! A whole run: every cell on its clusters, some at a time, nothing left behind.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use nix::sys::resource::{UsageWho, getrusage};
use providers::Provider;
use providers::leases::{Lease, LeaseError, state_directory, sweep};
use rand::RngExt as _;
use scenario::event::{Event, Outcome, ProcessUsage};
use scenario::mask::Masker;
use scenario::plan::Cell;
use scenario::report::Report;
use scenario::skip::SkipReason;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::cell::{self, Surroundings};
use crate::millis;
use crate::recorder::{Observer, Recorder};
use crate::tools::Tools;

/// What a run is asked to do.
pub struct RunOptions {
    /// The cells, in the order of the report.
    pub cells: Vec<Cell>,
    /// Makes the clusters.
    pub provider: Arc<dyn Provider>,
    /// Programs of the machine.
    pub tools: Tools,
    /// Cells at a time.
    pub jobs: usize,
    /// Begin no more cells after the first failure.
    pub fail_fast: bool,
    /// Seed of the run's randomness.
    pub seed: u64,
    /// How the stub behaves.
    pub behaviour: stub::Behaviour,
    /// Where leases live; see [`state_directory`].
    pub state: PathBuf,
}

impl RunOptions {
    /// A run of `cells` with the defaults of the command line.
    #[must_use]
    pub fn new(cells: Vec<Cell>, provider: Arc<dyn Provider>, tools: Tools) -> Self {
        let jobs = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Self {
            cells,
            provider,
            tools,
            jobs,
            fail_fast: false,
            seed: rand::rng().random::<u32>().into(),
            behaviour: stub::Behaviour::default(),
            state: state_directory(),
        }
    }
}

/// What became of a run.
#[derive(Debug)]
pub struct RunOutcome {
    /// Its report.
    pub report: Report,
    /// What could not be cleaned up, if anything.
    pub left_over: Option<LeaseError>,
}

/// Runs the cells, tells `observer` of every event at once, and returns the report. `stop` ends the run early: what
/// runs is stopped, cleaned up and reported as interrupted.
///
/// # Errors
/// When no lease can be written; nothing was made then.
pub async fn run(options: RunOptions, observer: Observer, stop: CancellationToken) -> Result<RunOutcome, LeaseError> {
    // The first call decides for the whole process; any later one finds the same provider in place.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let begin = Instant::now();
    // Remains of dead runs are no reason to fail this one; `ks-e2e sweep` reports them.
    let _swept = sweep(&options.state);
    let run_id = format!("{:08x}", rand::rng().random::<u32>());
    let lease = Lease::begin(&options.state, &std::env::temp_dir(), &run_id)?;
    let recorder = Recorder::new(Masker::new(rand::rng().random()), observer);
    recorder.record(&Event::RunStarted {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        provider: options.provider.name().to_owned(),
        seed: options.seed,
        started_at: jiff::Timestamp::now().to_string(),
        kubectl: Some(options.tools.kubectl_version.clone()),
        cells: options.cells.iter().map(Cell::info).collect(),
    });
    let children_before = children_cpu_ms();
    let processes = run_cells(options, &lease, &recorder, &stop).await;
    let left_over = lease.end().await.err();
    recorder.record(&Event::RunFinished {
        duration_ms: millis(begin.elapsed()),
        kubectl: ProcessUsage { processes, cpu_ms: children_cpu_ms().saturating_sub(children_before) },
        interrupted: stop.is_cancelled(),
    });
    Ok(RunOutcome { report: Report::from_events(&recorder.events()), left_over })
}

async fn run_cells(options: RunOptions, lease: &Lease, recorder: &Recorder, stop: &CancellationToken) -> u64 {
    let slots = Arc::new(Semaphore::new(options.jobs.max(1)));
    let no_more = CancellationToken::new();
    let shared = Arc::new((options.provider, options.tools, options.behaviour));
    let mut running = JoinSet::new();
    for cell in options.cells {
        let (slots, shared, no_more) = (slots.clone(), shared.clone(), no_more.clone());
        let (lease, recorder, stop) = (lease.clone(), recorder.clone(), stop.clone());
        let (seed, fail_fast) = (options.seed, options.fail_fast);
        running.spawn(async move {
            let Ok(_slot) = slots.acquire_owned().await else { return 0 };
            let skipped = if stop.is_cancelled() {
                Some(SkipReason::Interrupted)
            } else {
                no_more.is_cancelled().then_some(SkipReason::FailFast)
            };
            if let Some(reason) = skipped {
                finish(&recorder, &cell, Outcome::Skipped, reason.as_str());
                return 0;
            }
            let (id, for_panic) = (cell.clone(), recorder.clone());
            // A task of its own: a panic in one cell is that cell's failure and nobody else's.
            let cell_task = tokio::spawn(async move {
                let (provider, tools, behaviour) = shared.as_ref();
                let around = Surroundings {
                    provider: provider.as_ref(),
                    lease: &lease,
                    tools,
                    recorder: &recorder,
                    stop: &stop,
                    behaviour,
                    seed,
                };
                cell::run(&cell, &around).await
            });
            let (outcome, processes) = cell_task.await.unwrap_or_else(|error| {
                finish(&for_panic, &id, Outcome::Failed, &format!("a bug in ks-e2e: {error}; please report it"));
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
