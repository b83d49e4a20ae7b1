//! Programs that only have to be there: tower and kubefed's two.

use nodes::program::{ExitCode, PodContext};

use crate::manifests::federation;

/// tower, the proxy for agent connections, which direct connections never use.
pub async fn tower(ctx: PodContext) -> ExitCode {
    ctx.log.line("tower: waiting for agents");
    ctx.stop.cancelled().await;
    ExitCode::SUCCESS
}

/// kubefed: its controller manager or its webhook, as the first argument says. Nothing is ever federated here.
pub async fn kubefed(ctx: PodContext) -> ExitCode {
    if ctx.pod.args.first().map(String::as_str) == Some(federation::WEBHOOK) {
        return webhook(ctx).await;
    }
    ctx.log.line("kubefed: controller manager started");
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
    ctx.log.line(format!("kubefed: webhook listens on {}", listener.address()));
    let serve = async { while listener.accept().await.is_ok() {} };
    ctx.stop.run_until_cancelled(serve).await;
    ExitCode::SUCCESS
}
