//! What the images of the sessions contain.

use std::time::Duration;

use nodes::clock::Delay;
use nodes::program::{ExitCode, PodContext, Programs};

/// Between two lines of `ticker`.
const TICK: Delay = Delay::new("tick", Duration::from_millis(200));

pub(super) fn programs() -> Programs {
    Programs::new()
        .with("nginx", |context| stays(context, &["starting", "ready for connections"]))
        .with("httpd", |context| stays(context, &["httpd is up"]))
        .with("ticker", ticks)
        .with("crash", |context| ends(context, "cannot go on", ExitCode::FAILURE))
        .with("done", |context| ends(context, "all done", ExitCode::SUCCESS))
}

/// Says `lines` and waits for its stop.
async fn stays(context: PodContext, lines: &'static [&'static str]) -> ExitCode {
    for line in lines {
        context.log.line(line);
    }
    context.stop.cancelled().await;
    ExitCode::SUCCESS
}

/// Says ten lines one after the other, then waits for its stop.
async fn ticks(context: PodContext) -> ExitCode {
    for number in 1..=10 {
        context.log.line(format!("tick {number}"));
        tokio::select! {
            () = context.stop.cancelled() => return ExitCode::SUCCESS,
            () = context.clock.sleep(TICK) => {}
        }
    }
    context.stop.cancelled().await;
    ExitCode::SUCCESS
}

fn ends(context: PodContext, last_words: &'static str, exit: ExitCode) -> std::future::Ready<ExitCode> {
    context.log.line(last_words);
    drop(context);
    std::future::ready(exit)
}
