//! A work queue like client-go's: a name is worked on once at a time, and a failure comes back later, each time after
//! twice the pause (client-go, `util/workqueue`; kubesphere v3.3.2 gives up after 15 times).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use nodes::clock::Delay;

/// The first pause; client-go's default.
const RETRY: Delay = Delay::new("cluster-retry", Duration::from_millis(5));
/// How often a failure comes back (kubesphere v3.3.2, `pkg/controller/cluster/cluster_controller.go`).
const RETRIES: u32 = 15;
/// How many names are worked on at once (the same).
const WORKERS: usize = 3;

/// Names that wait and names that are worked on.
#[derive(Default)]
pub struct Queue {
    waiting: VecDeque<String>,
    working: BTreeSet<String>,
    again: BTreeSet<String>,
    failures: BTreeMap<String, u32>,
}

/// What becomes of a failed name.
#[derive(Debug, PartialEq, Eq)]
pub enum Failed {
    /// It has to be added again after this delay.
    Retry(Delay),
    /// It is given up, until something else adds it.
    GivenUp,
}

impl Queue {
    /// Adds `name`, unless it waits already.
    pub fn add(&mut self, name: &str) {
        if self.working.contains(name) {
            self.again.insert(name.to_owned());
        } else if !self.waiting.iter().any(|waiting| waiting == name) {
            self.waiting.push_back(name.to_owned());
        }
    }

    /// The next name to work on, if a worker is free.
    pub fn take(&mut self) -> Option<String> {
        if self.working.len() >= WORKERS {
            return None;
        }
        let name = self.waiting.pop_front()?;
        self.working.insert(name.clone());
        Some(name)
    }

    /// The work on `name` went well.
    pub fn succeeded(&mut self, name: &str) {
        self.failures.remove(name);
        self.done(name);
    }

    /// The work on `name` failed.
    pub fn failed(&mut self, name: &str) -> Failed {
        self.done(name);
        let failures = self.failures.entry(name.to_owned()).or_default();
        if *failures >= RETRIES {
            self.failures.remove(name);
            return Failed::GivenUp;
        }
        let pause = RETRY.duration * 2_u32.pow(*failures);
        *failures += 1;
        Failed::Retry(RETRY.lasting(pause))
    }

    fn done(&mut self, name: &str) {
        self.working.remove(name);
        if self.again.remove(name) {
            self.add(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn works_on_three_names_at_once() {
        let mut queue = Queue::default();
        for name in ["a", "b", "c", "d"] {
            queue.add(name);
        }
        let taken: Vec<_> = std::iter::from_fn(|| queue.take()).collect();
        assert_eq!(taken, ["a", "b", "c"]);
        queue.succeeded("b");
        assert_eq!(queue.take().as_deref(), Some("d"));
    }

    #[test]
    fn brings_back_a_name_that_was_added_meanwhile() {
        let mut queue = Queue::default();
        queue.add("a");
        queue.add("a");
        assert_eq!(queue.take().as_deref(), Some("a"));
        queue.add("a");
        assert_eq!(queue.take(), None);
        queue.succeeded("a");
        assert_eq!(queue.take().as_deref(), Some("a"));
    }

    #[test]
    fn gives_up_after_fifteen_retries() {
        let mut queue = Queue::default();
        let pauses: Vec<_> = std::iter::from_fn(|| match queue.failed("a") {
            Failed::Retry(delay) => Some(delay.duration),
            Failed::GivenUp => None,
        })
        .collect();
        assert_eq!(pauses.len(), 15);
        assert_eq!((pauses[0], pauses[14]), (Duration::from_millis(5), Duration::from_millis(81_920)));
    }
}
