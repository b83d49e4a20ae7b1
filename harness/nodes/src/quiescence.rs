//! Whether a process or a runtime has anything to do, as the scheduler sees it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::{fs, io};

use tokio::runtime::{Builder, Runtime};

/// Runtimes of their own, by the IDs of their threads.
static RUNTIMES: Mutex<BTreeMap<String, u64>> = Mutex::new(BTreeMap::new());

/// How many turns without any action tell that a runtime of one thread has nothing to do. Tasks that wake one another
/// without an action, as through a channel, do so a few times in a row; a turn takes a microsecond or two.
const TURNS: u32 = 20;

/// The threads of a runtime that has to do with no other thread of the process but those that it starts.
#[derive(Debug, Clone, Copy)]
pub struct Threads(u64);

impl Threads {
    /// Those of a runtime to come.
    #[must_use]
    pub fn begin() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// A runtime of one thread, which has to [`Threads::enter`] itself, and of those that block for it.
    ///
    /// # Errors
    /// When the system has no more of what a runtime is made of.
    pub fn runtime(self) -> io::Result<Runtime> {
        let mut runtime = Builder::new_current_thread();
        runtime.enable_all().on_thread_start(move || self.enter()).on_thread_stop(Self::leave).build()
    }

    /// The calling thread is one of them from now on, and of no others.
    pub fn enter(self) {
        if let Some(id) = current_thread() {
            runtimes().insert(id, self.0);
        }
    }

    /// The calling thread is none of any runtime's any more.
    pub fn leave() {
        if let Some(id) = current_thread() {
            runtimes().remove(&id);
        }
    }
}

fn runtimes() -> MutexGuard<'static, BTreeMap<String, u64>> {
    RUNTIMES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets every task of a runtime of one thread run until none is ready, as far as that shows: each turn ends with one of
/// the driver, which wakes the tasks whose sockets became ready, and the queue is first in, first out.
pub(crate) async fn let_the_others_run() {
    for _ in 0..TURNS {
        // To the end of the queue.
        let mut again = true;
        std::future::poll_fn(|context| {
            if std::mem::take(&mut again) {
                context.waker().wake_by_ref();
                return std::task::Poll::Pending;
            }
            std::task::Poll::Ready(())
        })
        .await;
        tokio::task::yield_now().await;
    }
}

/// Whether every other worker thread of this runtime is parked, no task waits for one, and every thread that blocks for
/// it waits, too (hashing, asking a webhook). A thread that the machine has preempted amid a task is not parked, so a
/// loaded machine cannot pass for a quiet one.
#[must_use]
pub(crate) fn others_rest() -> bool {
    let metrics = tokio::runtime::Handle::current().metrics();
    let counts =
        || (0..metrics.num_workers()).map(|worker| metrics.worker_park_unpark_count(worker)).collect::<Vec<_>>();
    let before = counts();
    // The count is odd while a worker is parked (tokio, `RuntimeMetrics::worker_park_unpark_count`).
    let parked = before.iter().filter(|&&count| count % 2 == 1).count();
    parked + 1 >= before.len()
        && others_wait().unwrap_or(true)
        // Last: what a thread did before it was seen waiting may have woken a task here.
        && metrics.global_queue_depth() == 0
        // Threads are looked at one after the other: what one handed to another meanwhile is seen on neither.
        && counts() == before
}

/// Whether every other thread of the calling one's runtime waits for something: every one of the process, except those
/// that are known to be another runtime's, since one that has just been started is not known yet. `None` where that
/// cannot be told.
fn others_wait() -> Option<bool> {
    let own = current_thread()?;
    // Not held while the threads are looked at: one that waits for it would seem to rest.
    let known = runtimes().clone();
    threads_wait(std::process::id(), |id| id == own || is_of_another(&known, &own, id))
}

/// Whether the thread `id` is of another runtime than the thread `own`, as far as is known.
fn is_of_another(known: &BTreeMap<String, u64>, own: &str, id: &str) -> bool {
    matches!((known.get(own), known.get(id)), (Some(own), Some(other)) if own != other)
}

/// Whether every thread of process `pid` waits for something, except those that are passed over.
/// `None` where that cannot be told (systems without `/proc`, a process that is gone).
fn threads_wait(pid: u32, passes_over: impl Fn(&str) -> bool) -> Option<bool> {
    for task in fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        let task = task.ok()?;
        if !task.file_name().to_str().is_some_and(&passes_over) && !thread_waits(&task.path()) {
            return Some(false);
        }
    }
    Some(true)
}

/// Whether the thread with this directory waits, or is gone: one that computes, or would if it got a core, is in state
/// `R`; on disk, `D` (proc(5), `/proc/PID/task/TID/stat`).
fn thread_waits(directory: &Path) -> bool {
    fs::read_to_string(directory.join("stat"))
        .map_or(true, |stat| matches!(state(&stat), Some('S' | 'Z' | 'X' | 'T' | 't' | 'I')))
}

/// Whether every thread of process `pid` and of all its descendants waits for something. `None` where that cannot be
/// told.
#[must_use]
pub fn tree_waits(pid: u32) -> Option<bool> {
    let mut waiting = vec![pid];
    while let Some(pid) = waiting.pop() {
        if !threads_wait(pid, |_| false)? {
            return Some(false);
        }
        for task in fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten() {
            let children = fs::read_to_string(task.path().join("children")).ok()?;
            waiting.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
    }
    Some(true)
}

fn state(stat: &str) -> Option<char> {
    stat.rsplit_once(')')?.1.trim_start().chars().next()
}

fn current_thread() -> Option<String> {
    let link = fs::read_link("/proc/thread-self").ok()?;
    Some(link.file_name()?.to_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_state_behind_a_strange_name() {
        assert_eq!(state("12 (a ) b) R 1 2 3"), Some('R'));
    }

    #[test]
    fn passes_over_threads_that_are_known_to_be_of_another_runtime() {
        let known = [("1", 7), ("2", 7), ("3", 8)].map(|(id, runtime)| (id.to_owned(), runtime)).into();
        let of_another = |own, id| is_of_another(&known, own, id);
        assert!(of_another("1", "3") && of_another("3", "1"));
        assert!(!of_another("1", "2"), "the same runtime's");
        assert!(!of_another("1", "4"), "it may have been started by the same runtime just now");
        assert!(!of_another("4", "1"), "a runtime that is not known shares its work with any");
    }

    #[test]
    #[cfg_attr(not(target_os = "linux"), ignore = "cannot tell without /proc")]
    fn knows_the_threads_of_a_runtime_until_they_leave() {
        let threads = Threads::begin();
        let known = || runtimes().values().filter(|id| **id == threads.0).count();
        threads.enter();
        let runtime = threads.runtime().unwrap();
        runtime.block_on(async { tokio::task::spawn_blocking(|| ()).await }).unwrap();
        assert_eq!(known(), 2, "this thread and the one that blocks");
        drop(runtime);
        Threads::leave();
        // A thread of a runtime may end a little later than its runtime.
        assert!((0..1000).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(1));
            known() == 0
        }));
    }

    #[test]
    #[cfg_attr(not(target_os = "linux"), ignore = "cannot tell without /proc")]
    fn tells_a_sleeper_from_a_spinner() {
        let mut sleeper = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let mut spinner = std::process::Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
        let waits_within = |pid, wanted| {
            (0..200).any(|_| {
                std::thread::sleep(std::time::Duration::from_millis(5));
                tree_waits(pid) == Some(wanted)
            })
        };
        assert!(waits_within(sleeper.id(), true));
        assert!(waits_within(spinner.id(), false));
        sleeper.kill().unwrap();
        spinner.kill().unwrap();
        sleeper.wait().unwrap();
        spinner.wait().unwrap();
    }
}
