//! Runs a container's program, again and again as its pod's restart policy says.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Kubelet;
use super::container::{Container, HEALTHY_RUN, backoff};
use super::context::Contexts;
use super::shared::{Shared, Signal};
use super::status::restarts;
use crate::events::{News, record};
use crate::logs::{Log, LogWriter};
use crate::program::{ExitCode, Program};

/// How long a program may take to heed its stop token when the whole cluster stops. Real time: nobody moves the clock.
const LAST_GRACE: Duration = Duration::from_millis(200);

/// Exit code of a program that panicked, as of a Go program.
const PANICKED: ExitCode = ExitCode(2);

/// Exit code of a container that was killed: 128 + SIGKILL.
const KILLED: ExitCode = ExitCode(137);

/// A container under supervision.
pub(super) struct Supervised {
    /// Asks the program to stop, for good.
    pub(super) stop: CancellationToken,
    /// Aborts it.
    pub(super) kill: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Supervised {
    pub(super) fn has_ended(&self) -> bool {
        self.task.is_finished() || self.kill.is_cancelled()
    }

    /// Waits a moment for the end, then aborts.
    pub(super) async fn end_now(self) {
        let kill = self.kill;
        let mut task = self.task;
        if tokio::time::timeout(LAST_GRACE, &mut task).await.is_err() {
            kill.cancel();
            let _ended = task.await;
        }
    }
}

pub(super) fn supervise(
    kubelet: &Arc<Kubelet>,
    shared: &Arc<Shared>,
    container: &Arc<Container>,
    program: Program,
    contexts: Contexts,
) -> Supervised {
    let (stop, kill) = (CancellationToken::new(), CancellationToken::new());
    let supervision = Supervision {
        kubelet: kubelet.clone(),
        shared: shared.clone(),
        container: container.clone(),
        program,
        contexts,
        stop: stop.clone(),
        kill: kill.clone(),
    };
    // Nothing may pass for quiet between the decision to start and the program's first action.
    let busy = kubelet.cluster.clock.busy();
    let task = tokio::spawn(async move {
        supervision.run(busy).await;
    });
    Supervised { stop, kill, task }
}

struct Supervision {
    kubelet: Arc<Kubelet>,
    shared: Arc<Shared>,
    container: Arc<Container>,
    program: Program,
    contexts: Contexts,
    stop: CancellationToken,
    kill: CancellationToken,
}

impl Supervision {
    async fn run(self, busy: Option<crate::clock::BusyGuard>) {
        let mut busy = busy;
        let mut crashes = 0;
        let mut restart = 0;
        while !self.stop.is_cancelled() {
            let begun = self.kubelet.cluster.clock.now();
            let exit = self.once(restart, busy.take()).await;
            restart += 1;
            let again = self.shared.pod().is_some_and(|pod| restarts(&pod, i32::from(exit.0)));
            if self.stop.is_cancelled() || !again {
                break;
            }
            if self.kubelet.cluster.clock.now().saturating_sub(begun) >= HEALTHY_RUN {
                crashes = 0;
            }
            if let Some(delay) = backoff(crashes) {
                self.announce_backoff(delay.duration);
                let wait = self.kubelet.cluster.clock.sleep(delay);
                if self.stop.run_until_cancelled(wait).await.is_none() {
                    break;
                }
            }
            crashes += 1;
            busy = self.kubelet.cluster.clock.busy();
        }
        self.kill.cancel();
        self.shared.queue.push(Signal::Changed);
    }

    /// One run of the program, from start to end.
    async fn once(&self, restarts: u32, busy: Option<crate::clock::BusyGuard>) -> ExitCode {
        let clock = &self.kubelet.cluster.clock;
        let log = Log::new();
        let writer = LogWriter::new(log.clone(), clock.clone());
        let stop = self.stop.child_token();
        let id = format!("containerd://{}", container_id(&self.shared.uid, &self.container.state().name, restarts));
        self.container.starts(id, log, clock.wall());
        let exit = match (self.contexts)(restarts, writer.clone(), stop.clone()) {
            Err(error) => {
                writer.line(format!("the in-cluster client cannot be made: {error}"));
                ExitCode::FAILURE
            }
            Ok(context) => {
                let mut running = tokio::spawn((self.program)(context));
                self.shared.queue.push(Signal::Changed);
                drop(busy);
                tokio::select! {
                    biased;
                    ended = &mut running => match ended {
                        Ok(exit) => exit,
                        Err(error) => {
                            writer.line(panic_text(error));
                            PANICKED
                        }
                    },
                    () = self.kill.cancelled() => {
                        running.abort();
                        KILLED
                    }
                }
            }
        };
        // What the program has spawned has to go with it.
        stop.cancel();
        self.container.ends(exit, clock.wall());
        self.shared.queue.push(Signal::Changed);
        exit
    }

    fn announce_backoff(&self, delay: Duration) {
        let name = self.container.state().name;
        let pod = format!("{}_{}({})", self.shared.key.name, self.shared.key.namespace, self.shared.uid);
        let seconds = delay.as_secs();
        let length = if seconds < 60 { format!("{seconds}s") } else { format!("{}m{}s", seconds / 60, seconds % 60) };
        let message = format!("back-off {length} restarting failed container={name} pod={pod}");
        self.container.waits("CrashLoopBackOff", Some(message));
        if let Some(pod) = self.shared.pod() {
            let news = News::warning("BackOff", "Back-off restarting failed container");
            record(&self.kubelet.cluster, "kubelet", Some(&self.shared.node), pod.as_ref(), news);
        }
        self.shared.queue.push(Signal::Changed);
    }
}

fn panic_text(error: tokio::task::JoinError) -> String {
    let Ok(panic) = error.try_into_panic() else { return "panic: the program was aborted".to_owned() };
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    format!("panic: {}", text.unwrap_or_else(|| "without a message".to_owned()))
}

fn container_id(pod: &str, container: &str, run: u32) -> String {
    use sha2::Digest as _;
    let digest = sha2::Sha256::digest(format!("{pod}/{container}/{run}"));
    crate::names::hex(&digest)
}
