//! `ks-e2e parity`

use std::process::ExitCode;

use clap::ValueEnum as _;
use report::Parity;
use scenario::Report;

use crate::arguments::{
    KubesphereArguments, KubesphereName, ParityArguments, ParityOutput, ProviderName, RunArguments,
};
use crate::defect::Defects;
use crate::keep::KeepName;
use crate::output::Stream;
use crate::rounds::Often;
use crate::{exit, output, provider, report_files, run, signals};

pub async fn parity(arguments: &ParityArguments) -> ExitCode {
    if arguments.providers.len().max(arguments.reports.len()) < 2 {
        return exit::usage("error: parity needs two providers or more: --providers embedded,envtest");
    }
    let reports = if arguments.reports.is_empty() {
        run_all(arguments).await
    } else {
        report_files::read_all(&arguments.reports).map_err(|message| exit::usage(&message))
    };
    let reports = match reports {
        Ok(reports) => reports,
        Err(code) => return code,
    };
    let parity = Parity::of(&reports);
    let text = match arguments.output {
        ParityOutput::Table => parity.table(),
        ParityOutput::Json => match serde_json::to_string_pretty(&parity) {
            Ok(text) => text + "\n",
            Err(error) => return exit::environment(&error.to_string()),
        },
    };
    let printed = output::print(&text);
    if parity.untyped() > 0 { ExitCode::from(exit::FAILED) } else { exit::after_printing(printed) }
}

/// Runs on each provider in turn: real clusters leave no room beside each other. The runs tell of themselves on the
/// standard error, since the comparison is the output.
async fn run_all(arguments: &ParityArguments) -> Result<Vec<Report>, ExitCode> {
    let failed = |error| exit::environment(&format!("cannot listen for signals: {error}"));
    let stop = signals::stop_on_signal().map_err(failed)?;
    // What the last one lacks is said before the first one has run.
    for name in &arguments.providers {
        let provider = provider::make(*name, &arguments.options, KubesphereName::default(), None);
        let provider = provider.map_err(|message| exit::usage(&message))?;
        provider.probe().await.map_err(|missing| exit::environment(&missing.to_string()))?;
    }
    let mut reports = Vec::new();
    for provider in &arguments.providers {
        let ran = run::perform(&of(arguments, *provider), Stream::Err, &stop).await?;
        if ran.interrupted {
            return Err(ExitCode::from(exit::INTERRUPTED));
        }
        if ran.troubled {
            return Err(ExitCode::from(exit::ENVIRONMENT));
        }
        reports.push(ran.report);
    }
    Ok(reports)
}

/// What `run` would be given.
fn of(arguments: &ParityArguments, provider: ProviderName) -> RunArguments {
    let name = provider.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
    RunArguments {
        chosen: arguments.chosen.clone(),
        provider,
        require: None,
        options: arguments.options.clone(),
        kubesphere: KubesphereArguments::default(),
        allow_unsupported_kubernetes: arguments.allow_unsupported_kubernetes,
        isolate: false,
        jobs: None,
        fail_fast: false,
        report: arguments.report.as_ref().map(|directory| directory.join(name)),
        often: Often { repeat: 1, until_failure: false },
        keep: KeepName::default(),
        seed: arguments.seed,
        defects: Defects::default(),
    }
}
