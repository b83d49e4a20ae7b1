//! A container: its starts, ends and logs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use crate::clock::Delay;
use crate::logs::Log;
use crate::memory::Memory;
use crate::program::ExitCode;
use crate::snapshot::KeptContainer;

/// How long a kubelet waits before it restarts a container that ended twice: 10 s, doubled each time up to five minutes
/// (kubernetes v1.20, `pkg/kubelet/kubelet.go`). The first restart comes at once.
pub const RESTART_BACKOFF: Delay = Delay::new("restart-backoff", Duration::from_secs(10));

const LONGEST_BACKOFF: Duration = Duration::from_mins(5);

/// A container that ran for this long is no longer taken for one that crashes in a loop.
pub(crate) const HEALTHY_RUN: Duration = Duration::from_mins(10);

/// A run of a container that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) reason: &'static str,
    pub(crate) started: Timestamp,
    pub(crate) finished: Timestamp,
    pub(crate) id: String,
}

/// What a container does now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Phase {
    Waiting { reason: &'static str, message: Option<String> },
    Running { since: Timestamp },
    Ended(Ended),
}

/// A container as its pod's status shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) name: String,
    pub(crate) image: String,
    pub(crate) phase: Phase,
    pub(crate) last: Option<Ended>,
    pub(crate) restarts: u32,
    /// Identity of the latest run; none before the first.
    pub(crate) id: Option<String>,
}

/// When in a pod's life a container runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Before the others, to its end.
    Init,
    /// For the pod's whole life.
    Main,
}

/// A container's state and logs, for its supervisor, the pod's status and the kubelet's API.
pub(crate) struct Container {
    pub(crate) role: Role,
    inner: Mutex<Inner>,
}

struct Inner {
    state: State,
    /// Logs of the run before the latest, and of the latest.
    logs: (Option<Arc<Log>>, Option<Arc<Log>>),
    /// That of the program that runs.
    memory: Memory,
}

/// Why there is no log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoLog {
    /// The container waits for this reason.
    Waiting(&'static str),
    /// It has not ended before.
    NoPrevious,
}

impl Container {
    /// A container that waits for `reason`.
    pub(crate) fn new(role: Role, name: &str, image: &str, reason: &'static str) -> Arc<Self> {
        let phase = Phase::Waiting { reason, message: None };
        let state = State { name: name.to_owned(), image: image.to_owned(), phase, last: None, restarts: 0, id: None };
        Arc::new(Self { role, inner: Mutex::new(Inner { state, logs: (None, None), memory: Memory::default() }) })
    }

    /// One that was kept.
    pub(crate) fn restored(role: Role, kept: &KeptContainer) -> Arc<Self> {
        let KeptContainer { state, logs: (before, latest), memory } = kept.clone();
        let runs = matches!(state.phase, Phase::Running { .. });
        let logs = (before.map(|lines| Log::of(lines, true)), latest.map(|lines| Log::of(lines, !runs)));
        let memory = memory.map(Memory::of).unwrap_or_default();
        Arc::new(Self { role, inner: Mutex::new(Inner { state, logs, memory }) })
    }

    /// All of it, if it has done its work or its program is at rest.
    pub(crate) fn keep(&self) -> Option<KeptContainer> {
        let inner = self.lock();
        let memory = match (&inner.state.phase, self.role) {
            (Phase::Running { .. }, Role::Main) => Some(inner.memory.kept()?),
            (Phase::Ended(ended), Role::Init) if ended.code == 0 => None,
            _ => return None,
        };
        let lines = |log: &Option<Arc<Log>>| log.as_ref().map(|log| log.lines_from(0));
        Some(KeptContainer { state: inner.state.clone(), logs: (lines(&inner.logs.0), lines(&inner.logs.1)), memory })
    }

    /// Log and memory of the run that has begun, for its program.
    pub(crate) fn goes_on(&self) -> (Arc<Log>, Memory) {
        let mut inner = self.lock();
        let memory = inner.memory.clone();
        (inner.logs.1.get_or_insert_with(Log::new).clone(), memory)
    }

    /// The part of the pod's object that is about the container, as events have it.
    pub(crate) fn field_path(&self) -> String {
        let list = match self.role {
            Role::Init => "initContainers",
            Role::Main => "containers",
        };
        format!("spec.{list}{{{}}}", self.lock().state.name)
    }

    /// The container's last run ended well, and there will be no other.
    pub(crate) fn has_succeeded(&self) -> bool {
        matches!(&self.lock().state.phase, Phase::Ended(ended) if ended.code == 0)
    }

    pub(crate) fn state(&self) -> State {
        self.lock().state.clone()
    }

    pub(crate) fn waits(&self, reason: &'static str, message: Option<String>) {
        let mut inner = self.lock();
        if let Phase::Ended(ended) = &inner.state.phase {
            inner.state.last = Some(ended.clone());
        }
        inner.state.phase = Phase::Waiting { reason, message };
    }

    /// A run begins, with a log of its own.
    pub(crate) fn starts(&self, id: String, now: Timestamp) {
        let mut inner = self.lock();
        if let Phase::Ended(ended) = &inner.state.phase {
            inner.state.last = Some(ended.clone());
        }
        if inner.state.id.is_some() {
            inner.state.restarts += 1;
        }
        inner.state.id = Some(id);
        inner.state.phase = Phase::Running { since: now };
        inner.logs = (inner.logs.1.take(), Some(Log::new()));
        inner.memory = Memory::default();
    }

    /// The run ended.
    pub(crate) fn ends(&self, exit: ExitCode, now: Timestamp) {
        let mut inner = self.lock();
        let started = match inner.state.phase {
            Phase::Running { since } => since,
            _ => now,
        };
        let reason = if exit == ExitCode::SUCCESS { "Completed" } else { "Error" };
        let id = inner.state.id.clone().unwrap_or_default();
        inner.state.phase = Phase::Ended(Ended { code: i32::from(exit.0), reason, started, finished: now, id });
        if let Some(log) = &inner.logs.1 {
            log.end();
        }
    }

    /// The log that `kubectl logs` shows, with `--previous` if `previous`.
    pub(crate) fn log(&self, previous: bool) -> Result<Arc<Log>, NoLog> {
        let inner = self.lock();
        let (before, latest) = &inner.logs;
        let missing = || match &inner.state.phase {
            Phase::Waiting { reason, .. } if !previous => NoLog::Waiting(reason),
            _ => NoLog::NoPrevious,
        };
        let waits = matches!(inner.state.phase, Phase::Waiting { .. });
        // Between two runs the latest is the previous one already (kubernetes v1.20, `validateContainerLogStatus`).
        let wanted = if previous && !waits { before } else { latest };
        wanted.clone().ok_or_else(missing)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long to wait before restart number `restart` (from 0) of a crash loop; none for the first.
pub(crate) fn backoff(restart: u32) -> Option<Delay> {
    let doublings = restart.checked_sub(1)?;
    let duration = RESTART_BACKOFF.duration * 2_u32.pow(doublings.min(8));
    Some(RESTART_BACKOFF.lasting(duration.min(LONGEST_BACKOFF)))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(0, None)]
    #[case(1, Some(10))]
    #[case(2, Some(20))]
    #[case(5, Some(160))]
    #[case(6, Some(300))]
    #[case(60, Some(300))]
    fn backs_off_as_a_kubelet(#[case] restart: u32, #[case] seconds: Option<u64>) {
        assert_eq!(backoff(restart).map(|delay| delay.duration.as_secs()), seconds);
    }

    #[test]
    fn shows_the_latest_log_and_the_one_before() {
        let container = Container::new(Role::Main, "c", "i", "ContainerCreating");
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(container.log(false).err(), Some(NoLog::Waiting("ContainerCreating")));
        assert_eq!(container.log(true).err(), Some(NoLog::NoPrevious));
        container.starts("1".to_owned(), now);
        let first = container.log(false).unwrap();
        assert_eq!(container.log(true).err(), Some(NoLog::NoPrevious));
        container.ends(ExitCode::FAILURE, now);
        container.waits("CrashLoopBackOff", None);
        assert!(Arc::ptr_eq(&container.log(true).unwrap(), &first));
        container.starts("2".to_owned(), now);
        assert!(!Arc::ptr_eq(&container.log(false).unwrap(), &first));
        assert!(Arc::ptr_eq(&container.log(true).unwrap(), &first));
        assert_eq!(container.state().restarts, 1);
        assert_eq!(container.state().last.unwrap().code, 1);
    }
}
