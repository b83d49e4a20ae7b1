//! The line that moves while the run goes on.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use scenario::event::{CellId, Outcome};

/// How often the time on the line moves on.
const TICK: Duration = Duration::from_millis(200);

/// Cells that are done, those that failed, and those that run. The line goes away with it.
pub struct Live {
    bar: ProgressBar,
    running: Vec<CellId>,
    failed: usize,
}

impl Live {
    pub fn new(total: usize) -> Self {
        let bar = ProgressBar::with_draw_target(u64::try_from(total).ok(), ProgressDrawTarget::stderr());
        // The template is a constant; without it the bar has its default look.
        if let Ok(style) = ProgressStyle::with_template("{elapsed:>4} {pos}/{len} {wide_msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(TICK);
        Self { bar, running: Vec::new(), failed: 0 }
    }

    pub fn started(&mut self, cell: &CellId) {
        self.running.push(cell.clone());
        self.show();
    }

    pub fn finished(&mut self, cell: &CellId, result: Outcome) {
        self.running.retain(|running| running != cell);
        self.failed += usize::from(result == Outcome::Failed);
        self.bar.inc(1);
        self.show();
    }

    /// Writes something while the line is off the screen.
    pub fn beside<T>(&self, write: impl FnOnce() -> T) -> T {
        self.bar.suspend(write)
    }

    fn show(&self) {
        self.bar.set_message(message(&self.running, self.failed));
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn message(running: &[CellId], failed: usize) -> String {
    let names: Vec<&str> = running.iter().map(|cell| cell.0.as_str()).collect();
    let failed = if failed == 0 { String::new() } else { format!("{failed} failed  ") };
    format!("{failed}{}", names.join("  "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_failed_and_what_runs() {
        let running = ["a@3.3.2", "b@3.4.1"].map(|id| CellId(id.to_owned()));
        assert_eq!(message(&running, 0), "a@3.3.2  b@3.4.1");
        assert_eq!(message(&running, 2), "2 failed  a@3.3.2  b@3.4.1");
    }
}
