//! Threads that cells run on. A cell whose clusters are in this process has one to itself, with a runtime of its own: its
//! virtual clock waits until all that the runtime does is done, and would wait for the other cells', too.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{io, thread};

use nodes::quiescence::Threads;
use tokio::runtime::Handle;
use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;

/// How long the end of a thread waits for what still blocks there.
const PATIENCE: Duration = Duration::from_secs(1);

/// The threads of a session, as many as cells have run at a time. They stay for its whole length: clusters that are kept
/// live on them.
#[derive(Clone, Default)]
pub(crate) struct CellThreads(Arc<Mutex<Vec<CellThread>>>);

impl CellThreads {
    /// Runs `cell` to its end on a thread that nobody else uses meanwhile; a panic there is a [`JoinError`].
    ///
    /// # Errors
    /// When the system has no thread for it.
    pub(crate) async fn run<F>(&self, cell: F) -> io::Result<Result<F::Output, JoinError>>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let idle = self.idle().pop();
        let thread = idle.map_or_else(CellThread::start, Ok)?;
        let ended = thread.runtime.spawn(cell).await;
        self.idle().push(thread);
        Ok(ended)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<CellThread>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A thread that drives a runtime until it is dropped, which drops whatever still runs there.
struct CellThread {
    runtime: Handle,
    stop: CancellationToken,
    thread: Option<thread::JoinHandle<()>>,
}

impl CellThread {
    fn start() -> io::Result<Self> {
        let threads = Threads::begin();
        let runtime = threads.runtime()?;
        let (handle, stop) = (runtime.handle().clone(), CancellationToken::new());
        let stopped = stop.clone();
        let thread = thread::Builder::new().name("cell".to_owned()).spawn(move || {
            threads.enter();
            runtime.block_on(stopped.cancelled());
            runtime.shutdown_timeout(PATIENCE);
            Threads::leave();
        })?;
        Ok(Self { runtime: handle, stop, thread: Some(thread) })
    }
}

impl Drop for CellThread {
    fn drop(&mut self) {
        self.stop.cancel();
        // A panic there was told by the panic hook, and nothing is left to do for it.
        let _ended = self.thread.take().map(thread::JoinHandle::join);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn gives_cells_that_run_at_a_time_threads_of_their_own() {
        let threads = CellThreads::default();
        let both_run = Arc::new(tokio::sync::Barrier::new(2));
        let cell = || {
            let both_run = both_run.clone();
            async move {
                both_run.wait().await;
                thread::current().id()
            }
        };
        let (first, second) = tokio::join!(threads.run(cell()), threads.run(cell()));
        let (first, second) = (first.unwrap().unwrap(), second.unwrap().unwrap());
        assert!(first != second && first != thread::current().id() && second != thread::current().id());
        let third = threads.run(async { thread::current().id() }).await.unwrap().unwrap();
        assert!(third == first || third == second, "threads are used again");
    }

    #[tokio::test]
    async fn goes_on_after_a_panic() {
        let threads = CellThreads::default();
        let panicked = threads.run(async { panic!("a cell's") }).await.unwrap();
        assert!(panicked.is_err_and(|error: JoinError| error.is_panic()));
        assert_eq!(threads.run(async { 1 }).await.unwrap().unwrap(), 1);
    }

    #[tokio::test]
    async fn drops_with_a_thread_what_still_runs_there() {
        let (dropped, is_dropped) = tokio::sync::oneshot::channel::<()>();
        let threads = CellThreads::default();
        let cell = async {
            tokio::spawn(async {
                let _dropped = dropped;
                std::future::pending::<()>().await;
            });
        };
        threads.run(cell).await.unwrap().unwrap();
        drop(threads);
        assert!(is_dropped.await.is_err());
    }
}
