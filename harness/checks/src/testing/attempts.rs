//! A waiter without a clock.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;

use crate::context::Waiter;
use crate::finding::Finding;

/// Attempts so many times at most, and knows whether it had to.
pub(crate) struct Attempts {
    most: usize,
    all: AtomicBool,
}

impl Attempts {
    pub(crate) fn at_most(most: usize) -> Self {
        Self { most, all: AtomicBool::new(false) }
    }

    /// Whether a wait was spent to its end.
    pub(crate) fn were_all_made(&self) -> bool {
        self.all.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Waiter for Attempts {
    async fn until_holds<'a>(
        &self,
        _budget: Duration,
        attempt: &(dyn Fn() -> BoxFuture<'a, Finding> + Send + Sync),
    ) -> Finding {
        for _ in 1..self.most {
            let finding = attempt().await;
            if finding.is_holding() {
                return finding;
            }
        }
        self.all.store(true, Ordering::SeqCst);
        attempt().await
    }
}
