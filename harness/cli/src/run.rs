//! `ks-e2e run`

use std::process::ExitCode;
use std::sync::Arc;

use engine::up::UpError;
use engine::{Behaviour, Manifests, RunOptions, Session, SessionOptions, Tools, library};
use providers::Missing;
use scenario::event::Outcome;
use scenario::report::Report;
use scenario::skip::SkipReason;
use tokio_util::sync::CancellationToken;

use crate::arguments::{KubesphereArguments, KubesphereName, RunArguments};
use crate::output::Stream;
use crate::rounds::{self, Printed};
use crate::{exit, keep, output, provider, report_directory, scenarios, signals};

pub async fn run(arguments: RunArguments) -> ExitCode {
    let stop = match signals::stop_on_signal() {
        Ok(stop) => stop,
        Err(error) => return exit::environment(&format!("cannot listen for signals: {error}")),
    };
    match perform(&arguments, Stream::Out, &stop).await {
        Ok(ran) => ExitCode::from(code(ran.interrupted, ran.report.summary.failed > 0, ran.troubled)),
        Err(code) => code,
    }
}

/// A run that has ended.
pub struct Ran {
    pub report: Report,
    pub interrupted: bool,
    /// Something went wrong around it, which has been told.
    pub troubled: bool,
}

/// Runs, prints and reports; what keeps it from beginning is told, and its exit code returned.
pub async fn perform(arguments: &RunArguments, to: Stream, stop: &CancellationToken) -> Result<Ran, ExitCode> {
    let cells = scenarios::cells(&arguments.chosen).map_err(|message| exit::usage(&message))?;
    if let (Some(shard), true) = (arguments.chosen.shard, cells.is_empty()) {
        output::say(&format!("no cell falls on shard {shard}"));
    }
    let manifests = manifests(arguments).map_err(|message| exit::usage(&message))?;
    if let Some(directory) = &arguments.report {
        report_directory::prepare(directory)?;
    }
    let clusters = arguments.report.as_ref().map(|directory| directory.join("clusters"));
    let provider = provider::make(
        arguments.require.unwrap_or(arguments.provider),
        &arguments.options,
        arguments.kubesphere.kubesphere,
        clusters.clone(),
    );
    let provider = provider.map_err(|message| exit::usage(&message))?;
    let missing = |missing: Missing| exit::environment(&missing.to_string());
    let capabilities = provider.probe().await.map_err(missing)?;
    let tools = Tools::find().await.map_err(missing)?;
    provider::consent(provider.as_ref(), arguments.options.existing.yes).map_err(|message| exit::usage(&message))?;
    if !arguments.allow_unsupported_kubernetes
        && let Some(message) = engine::unsupported_kubernetes(&cells, &capabilities)
    {
        return Err(exit::environment(&message));
    }
    let mut session = SessionOptions::new(provider, capabilities);
    session.isolate = arguments.isolate;
    session.jobs = arguments.jobs.map_or(session.jobs, usize::from);
    let mut options = RunOptions::new(cells, tools);
    options.shard = arguments.chosen.shard;
    options.fail_fast = arguments.fail_fast;
    options.seed = arguments.seed.unwrap_or(options.seed);
    options.behaviour = arguments.defects.behaviour();
    options.manifests = manifests;
    options.export = clusters;
    options.keep = arguments.keep.into();
    let session = Session::begin(session).map_err(|error| exit::environment(&error.to_string()))?;
    let printed = Printed::default();
    let report = rounds::run(&session, options, arguments.often, (to, &printed), stop).await;
    let written = arguments.report.as_ref().map_or(Ok(()), |directory| report::write(directory, &report).map(drop));
    // Ctrl-C ends what is held; it does not make the run an interrupted one.
    let interrupted = stop.is_cancelled();
    let held = if interrupted { Ok(()) } else { hold(&session, &printed, stop).await };
    let left_over = session.end().await.err();
    let troubles: Vec<String> = [
        printed.error().map(|error| exit::unprinted(&error)),
        written.err().map(|error| error.to_string()),
        unprovided(&report),
        arguments.require.and_then(|_| nothing_ran(&report)),
        held.err().map(|error| error.to_string()),
        left_over.map(|error| format!("something of this run is left: {error}; `ks-e2e sweep` removes it")),
    ]
    .into_iter()
    .flatten()
    .collect();
    for trouble in &troubles {
        output::say(&format!("error: {trouble}"));
    }
    Ok(Ran { report, interrupted, troubled: !troubles.is_empty() })
}

/// What is installed in the stand-in's place, if anything is.
fn manifests(arguments: &RunArguments) -> Result<Option<Arc<Manifests>>, String> {
    let KubesphereArguments { kubesphere, installer_manifest, cluster_configuration } = &arguments.kubesphere;
    if *kubesphere == KubesphereName::Stub {
        let given = installer_manifest.is_some();
        return if given { Err("error: manifests are for --kubesphere real".to_owned()) } else { Ok(None) };
    }
    if arguments.defects.behaviour() != Behaviour::default() {
        return Err("error: --defect is for the stand-in, and not for --kubesphere real".to_owned());
    }
    let ([release], Some(installer), Some(configuration)) =
        (&arguments.chosen.release[..], installer_manifest, cluster_configuration)
    else {
        return Err(
            "error: --kubesphere real takes one --release, --installer-manifest and --cluster-configuration".to_owned()
        );
    };
    let release = library::release(Some(release)).map_err(|error| format!("error: {error}"))?;
    let read = Manifests::read(release, installer, configuration);
    read.map(|manifests| Some(Arc::new(manifests))).map_err(|error| format!("error: {error}"))
}

/// Tells of the clusters that are kept, if there are any, and holds them until `stop`.
async fn hold(session: &Session, printed: &Printed, stop: &CancellationToken) -> Result<(), UpError> {
    let kept = session.kept();
    if kept.is_empty() {
        return Ok(());
    }
    printed.note(output::print(&keep::shown(&kept)));
    session.hold(stop).await
}

/// Why cells got no clusters, if some did not.
fn unprovided(report: &Report) -> Option<String> {
    let reasons = report.scenarios.iter().filter_map(|cell| cell.reason.as_deref());
    let mut failed = reasons.filter(|reason| reason.parse() == Ok(SkipReason::ProviderFailed));
    failed.next().map(str::to_owned)
}

/// That every cell was skipped, and why the first one was. A shard without cells has nothing to skip.
fn nothing_ran(report: &Report) -> Option<String> {
    let all = report.scenarios.iter().all(|cell| cell.result == Outcome::Skipped);
    let reason = report.scenarios.first()?.reason.as_deref().unwrap_or("there was none");
    all.then(|| format!("no cell has run on the provider that --require names; the first was skipped: {reason}"))
}

/// What the run found counts for more than what went wrong around it.
fn code(interrupted: bool, failed: bool, troubled: bool) -> u8 {
    if interrupted {
        exit::INTERRUPTED
    } else if failed {
        exit::FAILED
    } else if troubled {
        exit::ENVIRONMENT
    } else {
        exit::SUCCESS
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::all_is_well((false, false, false), exit::SUCCESS)]
    #[case::no_report((false, false, true), exit::ENVIRONMENT)]
    #[case::failed((false, true, false), exit::FAILED)]
    #[case::failed_and_no_report((false, true, true), exit::FAILED)]
    #[case::interrupted((true, true, true), exit::INTERRUPTED)]
    fn tells_what_the_run_found_before_what_went_wrong_around_it(
        #[case] (interrupted, failed, troubled): (bool, bool, bool),
        #[case] expected: u8,
    ) {
        assert_eq!(code(interrupted, failed, troubled), expected);
    }
}
