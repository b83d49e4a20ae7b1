//! ks-controller-manager: the namespace controller everywhere and the cluster controller of a host (kubesphere v3.3.2,
//! `cmd/controller-manager`, `pkg/controller/cluster`).

mod conditions;
mod config_rewrite;
mod controller;
mod grants;
mod host_cluster;
mod join;
mod namespaces;
mod places;
mod queue;
mod reconcile;
mod restarts;
mod status;
mod variations;
mod webhook;

use futures::future;
use kubesphere::{Feature, Release};
use nodes::program::{ExitCode, PodContext};

use crate::apiserver::configuration::Configuration;
use crate::apiserver::klog;
use crate::apiserver::settings::Settings;
use crate::{Behaviour, Deviation};
use controller::Controller;
use webhook::{Registration, Webhook};

/// Runs ks-controller-manager until the pod has to stop. It works with a changed configuration in place, without
/// checking its options again; v3.2.1 keeps the one it started with.
pub async fn run(ctx: PodContext, behaviour: Behaviour) -> ExitCode {
    let (configuration, settings) = Configuration::open(&ctx, behaviour);
    let settings = match settings {
        Ok(settings) => settings,
        Err(text) => {
            klog(&ctx, 'F', "server.go:53", &format!("Failed to load configuration from disk {text}"));
            return ExitCode::FAILURE;
        }
    };
    if let Err(reason) = host_cluster::check_name(&settings.host_cluster_name) {
        let text = format!("[failed to create the host cluster because of invalid cluster name, {reason}]");
        klog(&ctx, 'E', if has(&ctx, Feature::ClusterWebhook) { "server.go:82" } else { "server.go:80" }, &text);
        return ExitCode::FAILURE;
    }
    if !ctx.goes_on() {
        klog(&ctx, 'I', "server.go:241", "setting up manager");
    }
    configuration.keep();
    if !has(&ctx, Feature::ClusterWebhook) {
        return control(&ctx, behaviour, configuration, settings, None).await;
    }
    let webhook = match Webhook::open(&ctx, behaviour).await {
        Ok(webhook) => webhook,
        Err(reason) => {
            klog(&ctx, 'F', "server.go:283", &format!("unable to run the manager: {reason}"));
            return ExitCode::FAILURE;
        }
    };
    let registration = webhook.registration();
    tokio::select! {
        ended = control(&ctx, behaviour, configuration, settings, Some(registration)) => ended,
        () = webhook.serve() => ExitCode::SUCCESS,
    }
}

/// Runs the controllers, with each configuration in turn, until the pod has to stop.
async fn control(
    ctx: &PodContext,
    behaviour: Behaviour,
    mut configuration: Configuration,
    mut settings: Settings,
    registration: Option<Registration>,
) -> ExitCode {
    loop {
        if let Some(registration) = &registration {
            registration.set(settings.multicluster);
        }
        let controller = Controller::new(ctx.clone(), settings.clone(), behaviour);
        let clusters = async {
            if settings.multicluster {
                controller.run().await;
            }
        };
        tokio::select! {
            () = ctx.stop.cancelled() => return ExitCode::SUCCESS,
            changed = next_settings(ctx, &mut configuration) => {
                if behaviour.deviates(Deviation::ControllerRestarts) && restarts::is_first_start(ctx).await {
                    return ExitCode::FAILURE;
                }
                settings = changed;
            }
            ((), ()) = future::join(namespaces::run(ctx), clusters) => {}
        }
        klog(ctx, 'I', "server.go:117", "config changed, the controllers start again");
    }
}

/// Whether the release of the program's image has `feature`.
fn has(ctx: &PodContext, feature: Feature) -> bool {
    Release::of_image(&ctx.pod.image).is_ok_and(|release| release.has(feature))
}

/// The next configuration that can be read.
async fn next_settings(ctx: &PodContext, configuration: &mut Configuration) -> Settings {
    if !has(ctx, Feature::HotReload) {
        return std::future::pending().await;
    }
    while let Some(settings) = configuration.next().await {
        match settings {
            Ok(settings) => return settings,
            Err(text) => klog(ctx, 'E', "config.go:157", &text),
        }
    }
    // The file's source is gone with the pod.
    std::future::pending().await
}
