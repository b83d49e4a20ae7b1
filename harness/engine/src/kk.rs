//! `./kk` in a sandbox: this executable, called as `KubeKey`.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use kubesphere::KubeKey;
use nodes::clock::Clock;
use nodes::network::client::client;
use nodes::network::sockets::Sockets;
use providers::access::Access;
use stub::kk::{World, run};
use stub::{Behaviour, StubImage};
use tokio_util::sync::CancellationToken;

use crate::sandbox::quoted;

/// First argument by which this executable knows that it is `KubeKey`; the version to be, what it does otherwise and the
/// image in the place of KubeSphere's (`null`, or JSON) follow, then what a person wrote.
const KK_ARGUMENT: &str = "__kk";

/// The script `./kk` that calls this executable as `kubekey`.
///
/// # Errors
/// When this executable cannot be found again.
pub fn script(kubekey: KubeKey, behaviour: Behaviour, image: Option<&StubImage>) -> io::Result<String> {
    let executable = providers::own_executable()?;
    let (executable, version) = (quoted(&executable), kubekey.version);
    let image = quoted(Path::new(&serde_json::to_string(&image)?));
    Ok(format!("#!/bin/sh\nexec {executable} {KK_ARGUMENT} {version} '{behaviour}' {image} \"$@\"\n"))
}

/// Acts as `KubeKey` if this process was called as it.
pub fn serve() -> Option<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    if arguments.next()? != KK_ARGUMENT {
        return None;
    }
    let version = arguments.next().unwrap_or_default();
    // The script is ours, so there is no other text than what it wrote.
    let behaviour = arguments.next().unwrap_or_default().parse().unwrap_or_default();
    let stub_image = arguments.next().and_then(|image| serde_json::from_str(&image).ok()).unwrap_or_default();
    let arguments: Vec<String> = arguments.collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = match (runtime, KubeKey::find(&version)) {
        (Ok(runtime), Some(kubekey)) => runtime
            .block_on(act(kubekey, behaviour, stub_image, &arguments))
            .map_err(|error| (error.to_string(), error.exit_code())),
        (Err(error), _) => Err((format!("cannot start: {error}"), 1)),
        (_, None) => Err((format!("no profile of KubeKey {version:?}"), 1)),
    };
    Some(match done {
        Ok(()) => ExitCode::SUCCESS,
        Err((message, code)) => {
            // Where nobody reads it, the exit code still tells.
            let _shown = writeln!(io::stderr(), "error: {message}");
            ExitCode::from(code)
        }
    })
}

async fn act(
    kubekey: KubeKey,
    behaviour: Behaviour,
    stub_image: Option<StubImage>,
    arguments: &[String],
) -> Result<(), stub::kk::KkError> {
    let clock = Clock::real();
    let world = World {
        kubekey,
        behaviour,
        stub_image,
        client: cluster(&clock),
        directory: Path::new("."),
        out: &mut io::stdout(),
        clock: clock.clone(),
        stop: CancellationToken::new(),
    };
    run(arguments, world).await
}

/// The cluster of the sandbox's kubeconfig.
fn cluster(clock: &Clock) -> Result<kube::Client, String> {
    let path = std::env::var_os("KUBECONFIG").unwrap_or_default();
    let kubeconfig = std::fs::read_to_string(&path).map_err(|error| format!("read {}: {error}", path.display()))?;
    let endpoint = Access::of(&kubeconfig).and_then(|access| access.endpoint()).map_err(|error| error.to_string())?;
    let network = Sockets::system().map_err(|error| error.to_string())?;
    client(Arc::new(network), clock, &endpoint).map_err(|error| error.to_string())
}
