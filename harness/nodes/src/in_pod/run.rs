//! Runs a program as the process of its container.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode as ProcessExit;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{InPodError, Surroundings};
use crate::program::{ExitCode, PodContext, Program, Programs};

/// Exit code of a program that panicked, as of a Rust process.
pub const PANICKED: ExitCode = ExitCode(101);

/// Runs the program of `image` with the arguments `args` in the container of this process, until it ends; SIGTERM and
/// SIGINT ask it to stop. What keeps it from starting goes to standard error.
///
/// `args` are those of the container, without what the caller's own command line needs. The process that calls this is
/// usually the container's first, for which the kernel ignores signals that nobody handles.
pub async fn run(image: &str, args: Vec<String>, programs: &Programs) -> ProcessExit {
    let exit = match start(Path::new("/"), image, args, environment(), programs) {
        Ok((program, context, stopping)) => supervise(program, context, stopping).await,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    };
    ProcessExit::from(exit.0)
}

fn start(
    root: &Path,
    image: &str,
    args: Vec<String>,
    env: BTreeMap<String, String>,
    programs: &Programs,
) -> Result<(Program, PodContext, Stopping), InPodError> {
    // Before all else: the pod may be told to stop while it starts.
    let stopping = Stopping::begin()?;
    let program = programs.find(image).ok_or_else(|| InPodError::NoProgram { image: image.to_owned() })?;
    let context = Surroundings::read(root, image, args, env)?.context(CancellationToken::new())?;
    Ok((program, context, stopping))
}

/// Runs `program` to its end and passes the wish to stop on to it. How long it may take then is the kubelet's affair.
async fn supervise(program: Program, context: PodContext, mut stopping: Stopping) -> ExitCode {
    let stop = context.stop.clone();
    let mut running = tokio::spawn(async move { program(context).await });
    let ended = loop {
        tokio::select! {
            ended = &mut running => break ended,
            () = stopping.wanted(), if !stop.is_cancelled() => stop.cancel(),
        }
    };
    // What the program has spawned has to go with it.
    stop.cancel();
    // The runtime's panic hook has printed why.
    ended.unwrap_or(PANICKED)
}

/// The signals that ask a process to stop.
struct Stopping {
    terminate: Signal,
    interrupt: Signal,
}

impl Stopping {
    fn begin() -> Result<Self, InPodError> {
        let on = |kind| signal(kind).map_err(InPodError::Signals);
        Ok(Self { terminate: on(SignalKind::terminate())?, interrupt: on(SignalKind::interrupt())? })
    }

    /// Waits for one of them.
    async fn wanted(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// The process's environment, as far as it is text.
fn environment() -> BTreeMap<String, String> {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(text).collect()
}

#[cfg(test)]
mod tests {
    use nix::sys::signal::{Signal as Number, kill};
    use nix::unistd::Pid;
    use rstest::rstest;

    use super::*;
    use crate::testing::Container;

    const IMAGE: &str = "kubesphere/x:v1";

    async fn exit_of<F, R>(program: F) -> ExitCode
    where
        F: Fn(PodContext) -> R + Send + Sync + 'static,
        R: Future<Output = ExitCode> + Send + 'static,
    {
        let container = Container::new();
        let programs = Programs::new().with("kubesphere/x", program);
        let (program, context, stopping) =
            start(container.root(), IMAGE, Vec::new(), Container::env(), &programs).unwrap();
        supervise(program, context, stopping).await
    }

    #[tokio::test]
    async fn ends_as_its_program_does() {
        assert_eq!(exit_of(|_| async { ExitCode(7) }).await, ExitCode(7));
        assert_eq!(exit_of(|_| async { panic!("on purpose") }).await, PANICKED);
    }

    #[rstest]
    #[case(Number::SIGTERM)]
    #[case(Number::SIGINT)]
    #[tokio::test]
    async fn stops_its_program_on(#[case] number: Number) {
        let exit = exit_of(move |context| async move {
            kill(Pid::this(), number).unwrap();
            context.stop.cancelled().await;
            ExitCode(3)
        });
        assert_eq!(exit.await, ExitCode(3));
    }

    #[tokio::test]
    async fn names_an_image_without_program() {
        let container = Container::new();
        let started = start(container.root(), "other/x:v1", Vec::new(), Container::env(), &Programs::new());
        assert!(started.err().unwrap().to_string().contains("other/x:v1"));
    }
}
