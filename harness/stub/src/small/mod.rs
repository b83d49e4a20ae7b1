//! Programs that only have to be there: tower and kubefed's two.

use nodes::program::{ExitCode, PodContext};
use serde_json::Value;

use crate::manifests::federation;

/// tower, the proxy for agent connections, which direct connections never use.
pub async fn tower(ctx: PodContext) -> ExitCode {
    begins(&ctx, "tower: waiting for agents");
    ctx.stop.cancelled().await;
    ExitCode::SUCCESS
}

/// kubefed: its controller manager or its webhook, as the first argument says. Nothing is ever federated here.
pub async fn kubefed(ctx: PodContext) -> ExitCode {
    if ctx.pod.args.first().map(String::as_str) == Some(federation::WEBHOOK) {
        return webhook(ctx).await;
    }
    begins(&ctx, "kubefed: controller manager started");
    ctx.stop.cancelled().await;
    ExitCode::SUCCESS
}

/// Takes connections, which is all that the installer asks of it.
async fn webhook(ctx: PodContext) -> ExitCode {
    let mut listener = match ctx.network.listen(federation::WEBHOOK_PORT).await {
        Ok(listener) => listener,
        Err(error) => {
            ctx.log.line(format!("kubefed: {error}"));
            return ExitCode::FAILURE;
        }
    };
    begins(&ctx, &format!("kubefed: webhook listens on {}", listener.address()));
    let serve = async { while listener.accept().await.is_ok() {} };
    ctx.stop.run_until_cancelled(serve).await;
    ExitCode::SUCCESS
}

/// Says so unless it was said before. The program knows nothing that another one could not find.
fn begins(ctx: &PodContext, text: &str) {
    if !ctx.goes_on() {
        ctx.log.line(text);
    }
    ctx.memory.keep(Value::Null);
}
