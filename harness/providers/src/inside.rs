//! What this executable is for the harness itself: inside a cluster the program of a pod, on a node the registry that the
//! image comes from and the prober that looks from there, and on this machine the keeper that lends pairs of clusters.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use nodes::clock::Clock;
use nodes::network::sockets::Sockets;
use std::sync::Arc;

use crate::image::{POD_ARGUMENT, registry};
use crate::keeper::{self, KEEP_ARGUMENT};
use crate::probe;

/// First argument of the registry on a node; its document's path follows.
pub(crate) const REGISTRY_ARGUMENT: &str = "__registry";
/// First argument of the prober on a node: a kubeconfig on its standard input or in the file that follows, a
/// [`checks::view::Probe`] as JSON on its standard output.
pub(crate) const PROBE_ARGUMENT: &str = "__probe";
/// Holds the defects of the stub in a pod.
pub(crate) const BEHAVIOUR_VARIABLE: &str = "KS_E2E_BEHAVIOUR";

/// Acts as what the harness has called this process as, if it has; to be asked first thing in `main`.
#[must_use]
pub fn serve() -> Option<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    let role = arguments.next()?;
    let rest: Vec<String> = arguments.collect();
    match role.as_str() {
        POD_ARGUMENT => Some(with_runtime(pod(rest))),
        REGISTRY_ARGUMENT => Some(with_runtime(serve_registry(rest))),
        PROBE_ARGUMENT => Some(with_runtime(probe_from_here(rest))),
        KEEP_ARGUMENT => Some(with_runtime(keeper::keep(rest))),
        _ => None,
    }
}

fn with_runtime(role: impl Future<Output = Result<ExitCode, String>>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let done = runtime.map_err(|error| format!("cannot start: {error}")).and_then(|runtime| {
        let done = runtime.block_on(role);
        // A look-up that hangs does not keep the process.
        runtime.shutdown_background();
        done
    });
    done.unwrap_or_else(|error| {
        // Where nobody reads it, the exit code still tells.
        let _shown = writeln!(std::io::stderr(), "{error}");
        ExitCode::FAILURE
    })
}

async fn pod(arguments: Vec<String>) -> Result<ExitCode, String> {
    let mut arguments = arguments.into_iter();
    let image = arguments.next().ok_or_else(|| format!("{POD_ARGUMENT}: no image is named"))?;
    let behaviour = std::env::var(BEHAVIOUR_VARIABLE).unwrap_or_default();
    let behaviour = behaviour.parse().map_err(|error| format!("{BEHAVIOUR_VARIABLE}: {error}"))?;
    Ok(nodes::in_pod::run(&image, arguments.collect(), &stub::programs_with(behaviour)).await)
}

async fn serve_registry(arguments: Vec<String>) -> Result<ExitCode, String> {
    let document = arguments.first().ok_or_else(|| format!("{REGISTRY_ARGUMENT}: no document is named"))?;
    registry::serve_from(Path::new(document)).await.map_err(|error| error.to_string())?;
    Ok(ExitCode::SUCCESS)
}

async fn probe_from_here(arguments: Vec<String>) -> Result<ExitCode, String> {
    let kubeconfig = match arguments.first() {
        Some(path) => std::fs::read_to_string(path),
        None => std::io::read_to_string(std::io::stdin()),
    };
    let kubeconfig = kubeconfig.map_err(|error| format!("no kubeconfig: {error}"))?;
    let network = Sockets::system().map_err(|error| error.to_string())?;
    let probe = probe::probe(Arc::new(network), &Clock::real(), &kubeconfig).await;
    let text = serde_json::to_string(&probe).map_err(|error| error.to_string())?;
    println!("{text}");
    Ok(ExitCode::SUCCESS)
}
