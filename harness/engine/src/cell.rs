//! One cell from its first cluster to its verdict: provision, given, steps, checks, release.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use checks::{CheckContext, Facts, Finding};
use kubesphere::KubeKey;
use providers::leases::Lease;
use providers::pool::{Pool, Taken};
use providers::{Cluster, Pair};
use scenario::event::{CheckReport, Event, Evidence, Outcome, StepReport};
use scenario::model::{CheckCall, GivenCluster, On, Step};
use scenario::plan::Cell;
use scenario::skip::SkipReason;
use tokio_util::sync::CancellationToken;

use crate::export;
use crate::given::GivenError;
use crate::kept::{Keep, Kept};
use crate::known_issue::Expectation;
use crate::manifests::{self, Manifests};
use crate::needs::{pair_plan, unsupported};
use crate::originals::Originals;
use crate::recorder::Recorder;
use crate::releases::Releases;
use crate::sandbox::Sandbox;
use crate::tools::Tools;
use crate::waiter::PairWaiter;
use crate::{evidence, followed, given, millis, secrets, steps};

/// What every cell of a run shares.
#[derive(Clone)]
pub struct Surroundings {
    /// Gives out clusters.
    pub pool: Arc<Pool>,
    /// What they can begin with.
    pub(crate) originals: Option<Arc<Originals>>,
    /// Owns what is made.
    pub lease: Lease,
    /// Programs of the machine.
    pub tools: Tools,
    /// Makes things visible.
    pub recorder: Recorder,
    /// Ends the run early.
    pub stop: CancellationToken,
    /// The secrets that `recorder` masks already.
    pub learned: secrets::Learned,
    /// How the stub behaves.
    pub behaviour: stub::Behaviour,
    /// What is installed in its place, if anything is.
    pub manifests: Option<Arc<Manifests>>,
    /// Seed of the run.
    pub seed: u64,
    /// Where the clusters' own logs go when a cell fails.
    pub export: Option<PathBuf>,
    /// Which cells keep their clusters.
    pub keep: Keep,
    /// Those that did.
    pub kept: Kept,
    /// Name of the provider.
    pub provider: String,
}

/// What the steps of a cell act on and leave behind.
pub struct World<'a> {
    pub(crate) pair: &'a Pair,
    pub(crate) sandboxes: BTreeMap<On, Sandbox>,
    pub(crate) tools: &'a Tools,
    pub(crate) lease: &'a Lease,
    pub(crate) stop: &'a CancellationToken,
    pub(crate) waiter: &'a PairWaiter,
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) facts: Facts,
    /// How often what a step waits for stood in its log before the change that it watches, by the step's name.
    pub(crate) known: BTreeMap<String, usize>,
}

impl World<'_> {
    pub(crate) fn sandbox(&self, on: On) -> &Sandbox {
        // The parser refuses a member step without a member, so the host's is never handed out in its place.
        self.sandboxes.get(&on).unwrap_or_else(|| &self.sandboxes[&On::Host])
    }

    pub(crate) fn substituted(&self, text: &str) -> String {
        steps::substitute(text, &self.variables)
    }
}

/// A verdict with its reason and what explains it.
struct Verdict {
    result: Outcome,
    reason: Option<String>,
    evidence: Vec<Evidence>,
    kubectl_calls: u64,
}

impl Verdict {
    fn failed(reason: impl Into<String>) -> Self {
        Self { result: Outcome::Failed, reason: Some(reason.into()), evidence: Vec::new(), kubectl_calls: 0 }
    }

    fn skipped(reason: impl Into<String>) -> Self {
        Self { result: Outcome::Skipped, reason: Some(reason.into()), evidence: Vec::new(), kubectl_calls: 0 }
    }

    fn interrupted() -> Self {
        Self::skipped(SkipReason::Interrupted.as_str())
    }
}

/// Runs `cell` and returns its verdict and the number of kubectl processes.
pub async fn run(cell: &Cell, around: &Surroundings) -> (Outcome, u64) {
    let begin = Instant::now();
    around.recorder.record(&Event::CellStarted { cell: cell.id.clone() });
    let verdict = provision(cell, around, begin).await;
    around.recorder.record(&Event::CellFinished {
        cell: cell.id.clone(),
        result: verdict.result,
        reason: verdict.reason,
        evidence: verdict.evidence,
        duration_ms: millis(begin.elapsed()),
    });
    (verdict.result, verdict.kubectl_calls)
}

async fn provision(cell: &Cell, around: &Surroundings, begin: Instant) -> Verdict {
    let releases = match Releases::of(cell) {
        Ok(releases) => releases,
        Err(error) => return Verdict::failed(error.to_string()),
    };
    let not_with = |manifests: &Arc<Manifests>| manifests.cannot(&cell.scenario, releases);
    if let Some(reason) = unsupported(cell, &around.pool).or_else(|| around.manifests.as_ref().and_then(not_with)) {
        return Verdict::skipped(SkipReason::Unsupported.with(reason));
    }
    let given = &cell.scenario.given;
    let mut plan = pair_plan(cell, around.seed, around.behaviour);
    // What repetitions are to find may lie in an installation.
    let originals = around.originals.as_ref().filter(|_| cell.repetition.is_none());
    if let Some(originals) = originals {
        plan.restore = originals.restore(given, releases);
    }
    let taken = match around.stop.run_until_cancelled(around.pool.take(&plan)).await {
        Some(Ok(taken)) => taken,
        Some(Err(error)) => return Verdict::skipped(SkipReason::ProviderFailed.with(error)),
        None => return Verdict::interrupted(),
    };
    let pair = &taken.pair;
    let waiter = PairWaiter::new(pair, &around.stop);
    // Whatever waits for the clusters ends with the run.
    let manifests = around.manifests.as_deref();
    let prepared = given::bring(pair, given, releases, manifests, &plan.restore, &waiter);
    let prepared = around.stop.run_until_cancelled(prepared).await;
    if let (Some(Ok(())), Some(originals)) = (&prepared, originals) {
        originals.keep(pair, given, releases, &plan.restore).await;
    }
    secrets::learn(around.recorder.masker(), &around.learned, pair).await;
    let mut verdict = match prepared {
        _ if around.stop.is_cancelled() => Verdict::interrupted(),
        None => Verdict::interrupted(),
        Some(Err(error @ GivenError::Otherwise { .. })) => Verdict::skipped(SkipReason::Unsupported.with(error)),
        Some(Err(error)) => {
            let mut verdict = Verdict::failed(format!("precondition: {error}"));
            let masker = around.recorder.masker();
            verdict.evidence = evidence::collect(pair, &Facts::default(), Vec::new(), masker).await;
            verdict
        }
        Some(Ok(())) => {
            around.recorder.record(&Event::CellProvisioned {
                cell: cell.id.clone(),
                duration_ms: millis(begin.elapsed()),
                replaced: taken.replaced.clone(),
            });
            act(cell, around, releases, pair, &waiter).await
        }
    };
    drop(waiter);
    if verdict.result == Outcome::Failed
        && let Some(directory) = &around.export
        && let Err(error) = export::masked(pair, &directory.join(directory_of(cell)), around.recorder.masker()).await
    {
        verdict.evidence.push(evidence::shown("logs of the clusters".to_owned(), error));
    }
    if let Some(taken) = keep(cell, around, taken, &mut verdict).await
        && let Err(error) = around.pool.give_back(taken).await
    {
        verdict.evidence.push(evidence::shown("left over".to_owned(), error.to_string()));
    }
    verdict
}

/// Keeps the clusters if they are to stay; else gives them back.
async fn keep(cell: &Cell, around: &Surroundings, taken: Taken, verdict: &mut Verdict) -> Option<Taken> {
    if around.stop.is_cancelled() || !around.keep.wants(verdict.result) {
        return Some(taken);
    }
    match around.kept.keep(cell, verdict.result, taken, around).await {
        Ok(()) => None,
        Err((taken, error)) => {
            verdict.evidence.push(evidence::shown("not kept".to_owned(), error.to_string()));
            Some(*taken)
        }
    }
}

/// The cell's name as one of a directory.
pub(crate) fn directory_of(cell: &Cell) -> String {
    cell.id.0.replace(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '.', "_")
}

async fn act(cell: &Cell, around: &Surroundings, releases: Releases, pair: &Pair, waiter: &PairWaiter) -> Verdict {
    let sandboxes = match sandboxes(cell, around, releases, pair) {
        Ok(sandboxes) => sandboxes,
        Err(error) => return Verdict::failed(error.to_string()),
    };
    let mut world = World {
        pair,
        sandboxes,
        tools: &around.tools,
        lease: &around.lease,
        stop: &around.stop,
        waiter,
        variables: BTreeMap::from([("release".to_owned(), cell.release.name.clone())]),
        facts: Facts::default(),
        known: BTreeMap::new(),
    };
    let mut expectation = Expectation::of(&cell.scenario, &cell.release.name);
    let mut failure = do_steps(cell, around, &mut world, &mut expectation).await;
    if failure.is_none() && !around.stop.is_cancelled() {
        failure = foreign_image(pair).await;
    }
    let mut seen = Vec::new();
    if failure.is_none() && !around.stop.is_cancelled() {
        (failure, seen) = do_checks(cell, around, &world, releases, &mut expectation).await;
    } else {
        for call in &cell.scenario.checks {
            around.recorder.record(&Event::CheckFinished { cell: cell.id.clone(), check: not_tried(call) });
        }
    }
    let ended = do_finally(cell, around, &mut world, &mut expectation).await;
    failure = failure.or(ended);
    if failure.is_none() {
        failure = surface_miss(pair);
    }
    let kubectl_calls = world.sandboxes.values().map(Sandbox::kubectl_calls).sum();
    let mut verdict = if around.stop.is_cancelled() {
        Verdict::interrupted()
    } else {
        let (result, reason) = expectation.verdict(failure);
        Verdict { result, reason, evidence: Vec::new(), kubectl_calls: 0 }
    };
    if verdict.result == Outcome::Failed {
        verdict.evidence = evidence::collect(pair, &world.facts, seen, around.recorder.masker()).await;
        secrets::learn(around.recorder.masker(), &around.learned, pair).await;
    }
    verdict.kubectl_calls = kubectl_calls;
    verdict
}

/// A verdict on anything but the stub would be taken for one on the stub.
async fn foreign_image(pair: &Pair) -> Option<String> {
    let looks = pair.clusters().map(|cluster| cluster.images_are_ours());
    futures::future::join_all(looks).await.into_iter().find_map(Result::err).map(|error| error.to_string())
}

/// A verdict on an answer that a real API server would have given otherwise is worth nothing.
fn surface_miss(pair: &Pair) -> Option<String> {
    let misses: Vec<_> = pair.clusters().flat_map(|cluster| cluster.surface_misses()).collect();
    (!misses.is_empty()).then(|| {
        format!(
            "the embedded API server does not serve what was asked: {}; harness/apiserver/surface.toml lists what it serves",
            misses.join(", ")
        )
    })
}

/// The first failure that the scenario does not expect, in words.
async fn do_steps(
    cell: &Cell,
    around: &Surroundings,
    world: &mut World<'_>,
    expectation: &mut Expectation<'_>,
) -> Option<String> {
    let mut failure = None;
    for (index, step) in cell.scenario.steps.iter().enumerate() {
        if failure.is_some() || around.stop.is_cancelled() {
            record_step(cell, around, not_begun(step));
            continue;
        }
        failure = do_step(cell, around, world, expectation, index, step).await;
    }
    failure
}

/// The steps that are done whatever happened before, all of them; the first failure that the scenario does not expect.
async fn do_finally(
    cell: &Cell,
    around: &Surroundings,
    world: &mut World<'_>,
    expectation: &mut Expectation<'_>,
) -> Option<String> {
    let mut failure = None;
    for (index, step) in cell.scenario.finally.iter().enumerate() {
        if around.stop.is_cancelled() {
            record_step(cell, around, not_begun(step));
            continue;
        }
        let index = cell.scenario.steps.len() + index;
        let failed = do_step(cell, around, world, expectation, index, step).await;
        failure = failure.or(failed);
    }
    failure
}

async fn do_step(
    cell: &Cell,
    around: &Surroundings,
    world: &mut World<'_>,
    expectation: &mut Expectation<'_>,
    index: usize,
    step: &Step,
) -> Option<String> {
    if step.until.is_none() {
        let known = followed::count(&cell.scenario, index, world).await;
        world.known.extend(known);
    }
    around.recorder.record(&Event::StepStarted {
        cell: cell.id.clone(),
        index,
        name: step.name.clone(),
        on: step.on,
        command: None,
    });
    let mut failure = None;
    let report = steps::perform(step, world).await;
    secrets::learn(around.recorder.masker(), &around.learned, world.pair).await;
    // In the report the step has failed either way; the cell's verdict tells that it was expected.
    if report.result == Outcome::Failed && expectation.judge(&step.name, &step_texts(&report)) == Outcome::Failed {
        failure = Some(format!(
            "step \"{}\": expected {}, got {}",
            report.name,
            report.expected.as_deref().unwrap_or_default(),
            report.actual.as_deref().unwrap_or_default()
        ));
    }
    record_step(cell, around, report);
    failure
}

/// The first failure that the scenario does not expect, in words, and what the checks that failed have seen.
async fn do_checks(
    cell: &Cell,
    around: &Surroundings,
    world: &World<'_>,
    releases: Releases,
    expectation: &mut Expectation<'_>,
) -> (Option<String>, Vec<Evidence>) {
    let context = CheckContext {
        host: world.pair.host.view(),
        member: world.pair.member.as_deref().map(Cluster::view),
        release: releases.host.version,
        member_release: releases.member.version,
        facts: &world.facts,
        waiter: world.waiter,
    };
    let (mut failure, mut seen) = (None, Vec::new());
    for call in &cell.scenario.checks {
        let begin = Instant::now();
        let finding = checks::run(&call.name, &call.args, &context).await;
        if around.stop.is_cancelled() {
            return (None, Vec::new());
        }
        let mut report = CheckReport { result: Outcome::Passed, ..not_tried(call) };
        match finding {
            Ok(Finding::Holds { .. }) => {}
            Ok(Finding::Fails { expected, actual, message, evidence }) => {
                report.result = expectation.judge(&call.name, &[&message, &actual]);
                if report.result == Outcome::Failed {
                    seen.extend(evidence);
                }
                (report.expected, report.actual, report.message) = (Some(expected), Some(actual), Some(message));
            }
            Ok(Finding::CannotTell { reason, .. }) => {
                report.result = Outcome::Failed;
                report.message = Some(format!("cannot tell: {reason}"));
            }
            Err(error) => {
                report.result = Outcome::Failed;
                report.message = Some(error.to_string());
            }
        }
        if report.result == Outcome::Failed && failure.is_none() {
            let message = report.message.clone().unwrap_or_default();
            failure = Some(format!("check {} at {}: {message}", call.name, call.location));
        }
        report.duration_ms = millis(begin.elapsed());
        if report.message.is_some() {
            // It may name what came into being since the last step.
            secrets::learn(around.recorder.masker(), &around.learned, world.pair).await;
        }
        around.recorder.record(&Event::CheckFinished { cell: cell.id.clone(), check: report });
    }
    (failure, seen)
}

fn sandboxes(
    cell: &Cell,
    around: &Surroundings,
    releases: Releases,
    pair: &Pair,
) -> Result<BTreeMap<On, Sandbox>, crate::sandbox::SandboxError> {
    let mut sandboxes = BTreeMap::new();
    for cluster in pair.clusters() {
        let release = releases.on(cluster.on());
        let own = around.manifests.as_deref();
        let [installer, configuration] = manifests::files(own, release, around.behaviour, cluster.stub_image());
        let files = [("kubesphere-installer.yaml", installer), ("cluster-configuration.yaml", configuration)];
        let root = around.lease.directory().join(directory_of(cell)).join(cluster.on().to_string());
        let sandbox = Sandbox::create(root, &around.tools, cluster.admin_kubeconfig(), &files)?;
        let given = given_on(cell, cluster.on()).and_then(|given| given.kubekey.as_deref());
        let kubekey = given.and_then(KubeKey::find).unwrap_or(release.kubekey);
        sandbox.add_kubekey(kubekey, around.behaviour, cluster.stub_image())?;
        sandboxes.insert(cluster.on(), sandbox);
    }
    Ok(sandboxes)
}

fn given_on(cell: &Cell, on: On) -> Option<&GivenCluster> {
    match on {
        On::Host => Some(&cell.scenario.given.host),
        On::Member => cell.scenario.given.member.as_ref(),
    }
}

fn record_step(cell: &Cell, around: &Surroundings, step: StepReport) {
    around.recorder.record(&Event::StepFinished { cell: cell.id.clone(), step });
}

fn not_tried(call: &CheckCall) -> CheckReport {
    CheckReport {
        name: call.name.clone(),
        on: call.args.get("on").and_then(|on| match on.as_str() {
            "host" => Some(On::Host),
            "member" => Some(On::Member),
            _ => None,
        }),
        result: Outcome::Skipped,
        expected: None,
        actual: None,
        message: None,
        duration_ms: 0,
        location: Some(call.location.to_string()),
    }
}

fn not_begun(step: &scenario::model::Step) -> StepReport {
    StepReport {
        name: step.name.clone(),
        on: step.on,
        command: None,
        executed: None,
        exit_code: None,
        stdout: None,
        stderr: None,
        duration_ms: 0,
        result: Outcome::Skipped,
        expected: None,
        actual: None,
        location: Some(step.location.to_string()),
    }
}

fn step_texts(report: &StepReport) -> Vec<&str> {
    [&report.stderr, &report.stdout, &report.actual].into_iter().flatten().map(String::as_str).collect()
}
