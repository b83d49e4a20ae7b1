//! Whether a process or a runtime has anything to do, as the scheduler sees it.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

thread_local! {
    static OWN: RefCell<Option<Threads>> = const { RefCell::new(None) };
}

/// The threads of one runtime among those of the process.
#[derive(Debug, Clone, Default)]
pub struct Threads(Arc<Mutex<BTreeSet<String>>>);

impl Threads {
    /// The calling thread is one of them from now on, and of no others.
    pub fn enter(&self) {
        if let Some(id) = current_thread() {
            self.ids().insert(id);
            OWN.set(Some(self.clone()));
        }
    }

    /// The calling thread is none of them any more.
    pub fn leave(&self) {
        if let Some(id) = current_thread() {
            self.ids().remove(&id);
            OWN.set(None);
        }
    }

    fn ids(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether every other thread of the calling one's runtime waits for something; of its process, where the runtime's
/// [`Threads`] are not known. `None` where that cannot be told.
#[must_use]
pub fn others_wait() -> Option<bool> {
    let Some(threads) = OWN.with_borrow(Clone::clone) else { return waits(std::process::id()) };
    let own = current_thread()?;
    let others = threads.ids();
    Some(others.iter().filter(|id| **id != own).all(|id| thread_waits(&Path::new("/proc/self/task").join(id))))
}

/// Whether every thread of process `pid`, except the calling one when it is this process, waits for something.
/// `None` where that cannot be told (systems without `/proc`, a process that is gone).
fn waits(pid: u32) -> Option<bool> {
    let own = (pid == std::process::id()).then(current_thread).flatten();
    for task in fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        let task = task.ok()?;
        if own.as_deref() != task.file_name().to_str() && !thread_waits(&task.path()) {
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

/// The same for `pid` and all its descendants.
#[must_use]
pub fn tree_waits(pid: u32) -> Option<bool> {
    let mut waiting = vec![pid];
    while let Some(pid) = waiting.pop() {
        if !waits(pid)? {
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
    #[cfg_attr(not(target_os = "linux"), ignore = "cannot tell without /proc")]
    fn looks_at_threads_of_the_same_runtime_alone() {
        let spins = |runtime: &Threads, end: Arc<std::sync::atomic::AtomicBool>| {
            let runtime = runtime.clone();
            let (entered, has_entered) = std::sync::mpsc::channel();
            let thread = std::thread::spawn(move || {
                runtime.enter();
                entered.send(()).unwrap();
                while !end.load(std::sync::atomic::Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
                runtime.leave();
            });
            has_entered.recv().unwrap();
            thread
        };
        let (own, other) = (Threads::default(), Threads::default());
        own.enter();
        let [end_of_other, end_of_own] = [(); 2].map(|()| Arc::default());
        let of_other = spins(&other, Arc::clone(&end_of_other));
        assert_eq!(others_wait(), Some(true));
        let of_own = spins(&own, Arc::clone(&end_of_own));
        assert_eq!(others_wait(), Some(false));
        for (end, thread) in [(end_of_other, of_other), (end_of_own, of_own)] {
            end.store(true, std::sync::atomic::Ordering::Relaxed);
            thread.join().unwrap();
        }
        assert_eq!(others_wait(), Some(true));
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
