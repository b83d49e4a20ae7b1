//! Compares the embedded API server with a real one: `differential --real DIR [FILTER…]`.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use differential::corpus;
use differential::endpoint::{Endpoint, RealKeys, RealServer};
use differential::generate;
use differential::run::run;

/// Sends the corpus to the embedded API server and to a real kube-apiserver 1.20, and shows what differs.
#[derive(Parser)]
struct Arguments {
    /// Directory of a running, otherwise unused server: `kubeconfig` (everything inline), `ca.key`, `sa.key`
    #[arg(long, value_name = "DIR")]
    real: PathBuf,
    /// Instead of the corpus, this many sessions by chance
    #[arg(long, value_name = "COUNT")]
    generate: Option<usize>,
    /// The number of the first of them
    #[arg(long, value_name = "NUMBER", default_value_t = 1, requires = "generate")]
    first: u64,
    /// Show the requests of sessions in which something differs
    #[arg(long)]
    requests: bool,
    /// Show the differences that have a reason, too
    #[arg(long)]
    reasons: bool,
    /// Only sessions whose category or name contains one of these
    filter: Vec<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match compare(&Arguments::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            let mut cause = error.source();
            while let Some(source) = cause {
                eprintln!("  because: {source}");
                cause = source.source();
            }
            ExitCode::from(2)
        }
    }
}

async fn compare(arguments: &Arguments) -> Result<bool, Box<dyn Error>> {
    let mut sessions = match arguments.generate {
        Some(count) => generate::sessions(count, arguments.first),
        None => corpus::load()?,
    };
    let filter = &arguments.filter;
    sessions.retain(|session| {
        filter.is_empty() || filter.iter().any(|part| session.category.contains(part) || session.name.contains(part))
    });
    let real = Endpoint::real(&RealServer::in_directory(&arguments.real)?, RealKeys::in_directory(&arguments.real)?)?;
    let (embedded, server) = Endpoint::embedded().await?;
    let report = run(&real, &embedded, &sessions).await?;
    for outcome in &report.outcomes {
        let with_reason = matches!(outcome.verdict, differential::outcome::Verdict::Expected { .. });
        if report.wrong().any(|wrong| std::ptr::eq(wrong, outcome)) || (arguments.reasons && with_reason) {
            println!("{outcome}");
            let session = sessions.iter().find(|session| session.name == outcome.session);
            let steps = session.filter(|_| arguments.requests).map(|session| session.steps.iter().take(outcome.number));
            for step in steps.into_iter().flatten() {
                println!("    {} {} {}", step.method, step.path, step.body.as_deref().unwrap_or_default());
            }
        }
    }
    println!("{}", report.table());
    server.stop().await;
    Ok(report.wrong().next().is_none())
}
