//! ks-apiserver: tokens, validation, dispatch and the reads that the console makes (kubesphere v3.3.2; what other
//! releases do is a `Feature`).

mod authenticate;
mod cluster_body;
pub mod configuration;
mod dispatch;
mod oauth;
pub(crate) mod proxy;
mod request_info;
mod resources;
pub mod respond;
pub(crate) mod server;
pub mod settings;
mod tokens;
mod upgrade;
mod users;
mod validation;
mod version;

pub use oauth::parse_form;

use kubesphere::{Feature, Release};
use nodes::network::serve;
use nodes::program::{ExitCode, PodContext};

use configuration::Configuration;
use server::Server;
use settings::Settings;

use crate::{Behaviour, Deviation};

/// The port it listens on (ks-installer v3.3.2, chart ks-core).
pub const PORT: u16 = 9090;

/// How klog's `Fatal` ends a process.
const FATAL: ExitCode = ExitCode(255);

/// Runs ks-apiserver until the pod has to stop.
pub async fn run(ctx: PodContext, behaviour: Behaviour) -> ExitCode {
    let release = match Release::of_image(&ctx.pod.image) {
        Ok(release) => release,
        Err(error) => {
            klog(&ctx, 'F', "server.go:47", &error.to_string());
            return FATAL;
        }
    };
    let (configuration, settings) = Configuration::open(&ctx, behaviour);
    let settings = match settings {
        Ok(settings) => settings,
        Err(text) => {
            klog(&ctx, 'F', "server.go:47", &format!("Failed to load configuration from disk {text}"));
            return FATAL;
        }
    };
    if settings.jwt_secret.is_empty() {
        return refuse_options(&ctx);
    }
    let listener = match ctx.network.listen(PORT).await {
        Ok(listener) => listener,
        Err(error) => {
            klog(&ctx, 'E', "server.go:79", &error.to_string());
            return ExitCode::FAILURE;
        }
    };
    if !ctx.goes_on() {
        klog(&ctx, 'I', "apiserver.go:356", &format!("Start listening on :{PORT}"));
    }
    configuration.keep();
    let server = Server::new(ctx.clone(), release, settings, behaviour);
    let handler = {
        let server = server.clone();
        move |asked| server.clone().handle(asked)
    };
    let serving = serve::serve(listener, None, ctx.stop.clone(), handler);
    tokio::select! {
        () = serving => ExitCode::SUCCESS,
        exit = follow_configuration(&server, configuration) => exit,
    }
}

/// Works with a changed configuration in place, without a restart; before v3.3.0 with none but the first. v3.3.2 works
/// on with an empty secret, and with the configuration before where it cannot read the new one. v3.4.1 ends then, with
/// the same words as at its start (seen on both).
async fn follow_configuration(server: &Server, mut configuration: Configuration) -> ExitCode {
    let ctx = &server.ctx;
    if server.release.has(Feature::HotReload) {
        let checks = server.release.has(Feature::ReloadChecked);
        let holds = |settings: &Settings| !checks || !settings.jwt_secret.is_empty();
        while let Some(settings) = configuration.next().await {
            match settings {
                Ok(mut settings) if holds(&settings) => {
                    if server.deviates(Deviation::OldSecretServed) {
                        settings.jwt_secret = server.settings().jwt_secret.clone();
                    }
                    server.reload(settings);
                    klog(ctx, 'I', "server.go:112", "config changed, the server works with the new one");
                }
                Err(text) if !checks => klog(ctx, 'E', "config.go:157", &text),
                Ok(_) | Err(_) => return refuse_options(ctx),
            }
        }
    }
    // The files' source is gone with the pod; the server runs on until it is told to stop.
    ctx.stop.cancelled().await;
    ExitCode::SUCCESS
}

/// The options' only check that a configuration of ks-installer can fail.
fn refuse_options(ctx: &PodContext) -> ExitCode {
    klog(ctx, 'E', "server.go:70", "[JWT secret MUST not be empty, please check whether the jwtSecret is set]");
    ExitCode::FAILURE
}

/// Writes a line as klog does: severity, time, place in the source, text.
pub(crate) fn klog(ctx: &PodContext, severity: char, place: &str, text: &str) {
    let time = ctx.clock.wall().to_zoned(jiff::tz::TimeZone::UTC).strftime("%m%d %H:%M:%S%.6f").to_string();
    ctx.log.line(format!("{severity}{time}       1 {place}] {text}"));
}
