//! ks-controller-manager: the cluster controller of a host (kubesphere v3.3.2, `cmd/controller-manager`,
//! `pkg/controller/cluster`).

mod conditions;
mod config_rewrite;
mod controller;
mod host_cluster;
mod join;
mod queue;
mod reconcile;

use nodes::program::{ExitCode, PodContext};

use crate::apiserver::configuration::Configuration;
use crate::apiserver::klog;
use crate::apiserver::settings::Settings;
use controller::Controller;

/// Runs ks-controller-manager until the pod has to stop. It works with a changed configuration in place, without
/// checking its options again.
pub async fn run(ctx: PodContext) -> ExitCode {
    let (mut configuration, settings) = Configuration::open(&ctx);
    let mut settings = match settings {
        Ok(settings) => settings,
        Err(text) => {
            klog(&ctx, 'F', "server.go:53", &format!("Failed to load configuration from disk {text}"));
            return ExitCode::FAILURE;
        }
    };
    if let Err(reason) = host_cluster::check_name(&settings.host_cluster_name) {
        let text = format!("[failed to create the host cluster because of invalid cluster name, {reason}]");
        klog(&ctx, 'E', "server.go:80", &text);
        return ExitCode::FAILURE;
    }
    klog(&ctx, 'I', "server.go:241", "setting up manager");
    loop {
        let controller = Controller::new(ctx.clone(), settings.clone());
        let work = async {
            if settings.multicluster {
                controller.run().await;
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = ctx.stop.cancelled() => return ExitCode::SUCCESS,
            changed = next_settings(&ctx, &mut configuration) => settings = changed,
            () = work => {}
        }
        klog(&ctx, 'I', "server.go:117", "config changed, the controllers start again");
    }
}

/// The next configuration that can be read.
async fn next_settings(ctx: &PodContext, configuration: &mut Configuration) -> Settings {
    while let Some(settings) = configuration.next().await {
        match settings {
            Ok(settings) => return settings,
            Err(text) => klog(ctx, 'E', "config.go:157", &text),
        }
    }
    // The file's source is gone with the pod.
    std::future::pending().await
}
