//! Witnesses: sessions of real clients, which nobody here wrote, on the embedded API server and on a real kube-apiserver.
//! Both servers have the same controllers and the same simulated node; the clients must see the same.
//!
//! `sessions/` holds what people type at kubectl, `clients/` scripts for the clients of Python and Node.js, and
//! `churn/` lets kube-rs watch while many write. `ci/witnesses DIRECTORY` fetches the clients.

mod churn;
mod clients;
mod difference;
mod managers;
mod normalise;
mod plan;
mod play;
mod report;
mod servers;
mod session;
mod transcript;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

use crate::plan::{Play, Theatre};
use crate::servers::Server;

/// Lets real clients compare the embedded API server with a real kube-apiserver 1.20.
#[derive(Debug, Parser)]
#[command(name = "ks-e2e-witnesses")]
struct Arguments {
    /// Directory of a running, otherwise unused server: `kubeconfig` (everything inline), `ca.crt`, `ca.key`, `sa.key`
    #[arg(long, value_name = "DIR")]
    real: PathBuf,
    /// Directory of the clients, as `ci/witnesses` leaves it.
    #[arg(long, value_name = "DIR")]
    clients: PathBuf,
    /// How many sessions go on at once.
    #[arg(long, default_value_t = 2, value_name = "N")]
    jobs: usize,
    /// Writes what every session showed, normalised, into this directory.
    #[arg(long, value_name = "DIR")]
    transcripts: Option<PathBuf>,
    /// Only sessions whose name and client have all of these texts.
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,
}

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// This package's directory, where sessions and scripts are.
fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[tokio::main]
async fn main() -> ExitCode {
    match compare(Arguments::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(3)
        }
    }
}

/// Plays everything; true when nothing differs that is not explained.
async fn compare(arguments: Arguments) -> Result<bool, Cause> {
    let mut there = Vec::new();
    // Clients run in directories of their own.
    let directory = std::path::absolute(&arguments.clients)?;
    for found in clients::find(&directory).await {
        match found {
            Ok(client) => there.push(client),
            Err(missing) => println!("skipped: {}: {}", missing.name, missing.reason),
        }
    }
    let plays = plan::plan(&there, &arguments.filters)?;
    if plays.is_empty() {
        return Err("no session and client match; give other texts".into());
    }
    let embedded = Server::embedded().await?;
    let real = Server::real(&arguments.real).await?;
    let theatre = Theatre::new(&embedded, &real, arguments.transcripts)?;
    let outcomes = theatre.play(&plays, arguments.jobs.max(1)).await;
    drop(theatre);

    let names: Vec<_> = there.iter().map(|client| client.name.clone()).collect();
    let names: Vec<_> =
        names.into_iter().filter(|name| plays.iter().any(|play: &Play| play.client.name == *name)).collect();
    println!("{}", report::table(&outcomes, &names));
    for outcome in outcomes.iter().filter(|outcome| outcome.fails()) {
        println!("\n{}", report::differences(outcome));
    }
    for miss in embedded.surface_misses() {
        println!("not served by the embedded server: {miss}");
    }
    println!("\n{}", report::sums(&outcomes));
    let holds = !outcomes.iter().any(report::Outcome::fails);
    if !holds {
        for server in [&embedded, &real] {
            for failure in server.failures() {
                eprintln!("{} server, a controller or kubelet: {failure}", server.side);
            }
        }
    }
    embedded.stop().await;
    real.stop().await;
    Ok(holds)
}
