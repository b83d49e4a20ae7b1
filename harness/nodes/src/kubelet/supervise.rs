//! Runs a container: pulls its image, then runs its program again and again as its pod's restart policy says.

mod pull;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Container as Spec;
use tokio_util::sync::CancellationToken;

use super::Kubelet;
use super::container::{Container, HEALTHY_RUN, Phase, State, backoff};
use super::context::{Contexts, Start};
use super::shared::{Shared, Signal};
use super::status::restarts;
use crate::clock::{BusyGuard, Delay};
use crate::events::{News, Source, record_about, reference};
use crate::logs::{Log, LogWriter};
use crate::memory::Memory;
use crate::program::{ExitCode, Program};

/// How long a program may take to heed its stop token when the whole cluster stops. Real time: nobody moves the clock.
const LAST_GRACE: Duration = Duration::from_millis(200);

/// How long a kubelet waits before it looks again for what a container's environment lacks: its next look at the pod.
const CONFIGURATION_RETRY: Delay = Delay::new("container-configuration", Duration::from_secs(10));

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

/// A container that is to run.
pub(super) struct Ready {
    pub(super) container: Arc<Container>,
    pub(super) spec: Spec,
    pub(super) contexts: Contexts,
}

pub(super) fn supervise(kubelet: &Arc<Kubelet>, shared: &Arc<Shared>, ready: Ready) -> Supervised {
    let (stop, kill) = (CancellationToken::new(), CancellationToken::new());
    let supervision = Supervision {
        kubelet: kubelet.clone(),
        shared: shared.clone(),
        container: ready.container,
        spec: ready.spec,
        contexts: ready.contexts,
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

/// A run of a container that has begun.
struct Begun {
    restarts: u32,
    environment: BTreeMap<String, String>,
    log: Arc<Log>,
    memory: Memory,
}

struct Supervision {
    kubelet: Arc<Kubelet>,
    shared: Arc<Shared>,
    container: Arc<Container>,
    spec: Spec,
    contexts: Contexts,
    stop: CancellationToken,
    kill: CancellationToken,
}

impl Supervision {
    async fn run(self, busy: Option<BusyGuard>) {
        self.runs(busy).await;
        self.kill.cancel();
        self.shared.queue.push(Signal::Changed);
    }

    async fn runs(&self, busy: Option<BusyGuard>) {
        let mut busy = busy;
        let State { phase, restarts: mut restart, .. } = self.container.state();
        let mut goes_on = matches!(phase, Phase::Running { .. });
        let mut crashes = 0;
        while !self.stop.is_cancelled() {
            let present = self.spec.image.as_deref().filter(|_| goes_on);
            let program = match present.and_then(|image| self.kubelet.programs.find(image)) {
                None => self.pull(&mut busy).await,
                present => present,
            };
            let Some(program) = program else { return };
            let Some(environment) = self.configure(&mut busy).await else { return };
            let begun = self.kubelet.cluster.clock.now();
            let (log, memory) = if goes_on { self.container.goes_on() } else { self.begin(restart) };
            let exit = self.once(&program, Begun { restarts: restart, environment, log, memory }, busy.take()).await;
            (goes_on, restart) = (false, restart + 1);
            let again = self.shared.pod().is_some_and(|pod| restarts(&pod, self.container.role, i32::from(exit.0)));
            if self.stop.is_cancelled() || !again {
                return;
            }
            if self.kubelet.cluster.clock.now().saturating_sub(begun) >= HEALTHY_RUN {
                crashes = 0;
            }
            if let Some(delay) = backoff(crashes) {
                self.announce_backoff(delay.duration);
                let wait = self.kubelet.cluster.clock.sleep(delay);
                if self.stop.run_until_cancelled(wait).await.is_none() {
                    return;
                }
            }
            crashes += 1;
            busy = self.kubelet.cluster.clock.busy();
        }
    }

    /// The environment of the next run; none when the container is told to stop before it is complete.
    async fn configure(&self, busy: &mut Option<BusyGuard>) -> Option<BTreeMap<String, String>> {
        let clock = &self.kubelet.cluster.clock;
        loop {
            let lack = match self.contexts.environment() {
                Ok(environment) => return Some(environment),
                Err(lack) => lack,
            };
            self.tell(News::warning("Failed", format!("Error: {lack}")));
            self.container.waits("CreateContainerConfigError", Some(lack));
            let _stopped = self.stop.run_until_cancelled(self.shared.shown()).await;
            busy.take();
            self.stop.run_until_cancelled(clock.sleep(CONFIGURATION_RETRY)).await?;
            *busy = clock.busy();
        }
    }

    /// Says that a run of the container begins; its log and memory.
    fn begin(&self, restarts: u32) -> (Arc<Log>, Memory) {
        let name = self.container.state().name;
        let id = format!("containerd://{}", container_id(&self.shared.uid, &name, restarts));
        self.tell(News::normal("Created", format!("Created container {name}")));
        self.container.starts(id, self.kubelet.cluster.clock.wall());
        self.tell(News::normal("Started", format!("Started container {name}")));
        self.container.goes_on()
    }

    /// One run of the program, to its end.
    async fn once(&self, program: &Program, begun: Begun, busy: Option<BusyGuard>) -> ExitCode {
        let clock = &self.kubelet.cluster.clock;
        let Begun { restarts, environment, log, memory } = begun;
        let writer = LogWriter::new(log, clock.clone());
        let stop = self.stop.child_token();
        let start = Start { restarts, environment, log: writer.clone(), memory, stop: stop.clone() };
        let exit = match self.contexts.make(start) {
            Err(error) => {
                writer.line(format!("the in-cluster client cannot be made: {error}"));
                ExitCode::FAILURE
            }
            Ok(context) => {
                let mut running = tokio::spawn(program(context));
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
        self.tell(News::warning("BackOff", "Back-off restarting failed container"));
        self.shared.queue.push(Signal::Changed);
    }

    /// Records an event about this container.
    fn tell(&self, news: News) {
        let Some(pod) = self.shared.pod() else { return };
        let mut involved = reference(pod.as_ref());
        involved.field_path = Some(self.container.field_path());
        let source = Source { component: "kubelet", host: Some(&self.shared.node) };
        record_about(&self.kubelet.cluster, source, involved, news);
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
