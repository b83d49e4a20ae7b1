//! Waiting for something to be decided, and keeping what was seen last.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;

use crate::context::Waiter;
use crate::finding::Finding;
use crate::read::Seen;

/// What one look says.
pub(crate) enum Look {
    /// Waiting longer would not change it.
    Decided(Finding),
    /// It may still come; this is the finding if it does not.
    NotYet(Finding),
}

/// Looks again after every change until something is decided or `budget` is spent; the finding is that of the last look.
/// What cannot be read yet is looked at again, too.
pub(crate) async fn settle<'a>(
    waiter: &dyn Waiter,
    budget: Duration,
    look: &(dyn Fn() -> BoxFuture<'a, Seen<Look>> + Send + Sync),
) -> Finding {
    let last: Arc<Mutex<Option<Finding>>> = Arc::default();
    let attempt = || {
        let (last, looking) = (Arc::clone(&last), look());
        async move {
            let (seen, answer) = match looking.await.unwrap_or_else(Look::NotYet) {
                // "Holds" ends the wait, whatever was decided.
                Look::Decided(finding) => (finding, Finding::holds()),
                Look::NotYet(finding) => (finding.clone(), finding),
            };
            *last.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
            answer
        }
        .boxed()
    };
    let answer = waiter.until_holds(budget, &attempt).await;
    let seen = last.lock().unwrap_or_else(PoisonError::into_inner).take();
    seen.unwrap_or(answer)
}

#[cfg(test)]
mod tests {
    use crate::testing::Attempts;

    use super::*;

    async fn settle_with(looks: Vec<Seen<Look>>) -> (Finding, usize) {
        let looks = Arc::new(Mutex::new(looks.into_iter()));
        let look = || {
            let next = looks.lock().unwrap_or_else(PoisonError::into_inner).next();
            async move { next.unwrap_or_else(|| Err(Finding::cannot_tell("looked too often"))) }.boxed()
        };
        let finding = settle(&Attempts::at_most(3), Duration::ZERO, &look).await;
        let left = looks.lock().unwrap_or_else(PoisonError::into_inner).len();
        (finding, left)
    }

    fn failing(actual: &str) -> Finding {
        Finding::fails("x", actual, actual)
    }

    #[tokio::test]
    async fn stops_looking_at_a_decided_failure() {
        let looks = vec![
            Ok(Look::NotYet(failing("one"))),
            Ok(Look::Decided(failing("two"))),
            Ok(Look::Decided(Finding::holds())),
        ];
        assert_eq!(settle_with(looks).await, (failing("two"), 1));
    }

    #[tokio::test]
    async fn reports_what_was_seen_last() {
        let looks = vec![Ok(Look::NotYet(failing("one"))), Err(failing("two")), Ok(Look::NotYet(failing("three")))];
        assert_eq!(settle_with(looks).await, (failing("three"), 0));
    }

    #[tokio::test]
    async fn goes_on_when_something_cannot_be_read_yet() {
        let looks = vec![Err(Finding::cannot_tell("later")), Ok(Look::Decided(Finding::holds()))];
        assert_eq!(settle_with(looks).await, (Finding::holds(), 0));
    }
}
