//! ks-apiserver: tokens, validation, dispatch and the reads that the console makes (kubesphere v3.3.2).

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
mod users;
mod validation;
mod version;

pub use oauth::parse_form;

use kubesphere::Feature;
use kubesphere::Release;
use nodes::network::serve;
use nodes::program::{ExitCode, PodContext};

use configuration::Configuration;
use server::Server;

/// The port it listens on (ks-installer v3.3.2, chart ks-core).
pub const PORT: u16 = 9090;

/// Runs ks-apiserver until the pod has to stop.
pub async fn run(ctx: PodContext) -> ExitCode {
    let (configuration, settings) = Configuration::open(&ctx);
    let settings = match settings {
        Ok(settings) => settings,
        Err(text) => {
            klog(&ctx, 'F', "server.go:47", &format!("Failed to load configuration from disk {text}"));
            return ExitCode::FAILURE;
        }
    };
    if settings.jwt_secret.is_empty() {
        klog(&ctx, 'E', "server.go:70", "[JWT secret MUST not be empty, please check whether the jwtSecret is set]");
        return ExitCode::FAILURE;
    }
    let listener = match ctx.network.listen(PORT).await {
        Ok(listener) => listener,
        Err(error) => {
            klog(&ctx, 'E', "server.go:79", &error.to_string());
            return ExitCode::FAILURE;
        }
    };
    klog(&ctx, 'I', "apiserver.go:356", &format!("Start listening on :{PORT}"));
    let server = Server::new(ctx.clone(), settings);
    let handler = {
        let server = server.clone();
        move |asked| server.clone().handle(asked)
    };
    let serving = serve::serve(listener, None, ctx.stop.clone(), handler);
    tokio::select! {
        () = serving => {}
        () = follow_configuration(&server, configuration) => {}
    }
    ExitCode::SUCCESS
}

/// Works with a changed configuration in place, without a restart; one that cannot be read changes nothing. v3.4.1
/// ends instead, and without a secret, too (seen on both).
async fn follow_configuration(server: &Server, mut configuration: Configuration) {
    let ctx = &server.ctx;
    while let Some(settings) = configuration.next().await {
        match settings {
            Ok(settings) if settings.jwt_secret.is_empty() && server.has(Feature::MemberRoleChecked) => {
                klog(
                    ctx,
                    'E',
                    "server.go:70",
                    "[JWT secret MUST not be empty, please check whether the jwtSecret is set]",
                );
                return;
            }
            Ok(settings) => {
                server.reload(settings);
                klog(ctx, 'I', "server.go:112", "config changed, the server works with the new one");
            }
            Err(_) if server.has(Feature::MemberRoleChecked) => return,
            Err(text) => klog(ctx, 'E', "config.go:157", &text),
        }
    }
    // The files' source is gone with the pod; the server runs on until it is told to stop.
    ctx.stop.cancelled().await;
}

impl Server {
    /// Whether the program's release has `feature`; an image without a known tag counts as v3.3.2.
    pub(crate) fn has(&self, feature: Feature) -> bool {
        Release::of_image(&self.ctx.pod.image).is_ok_and(|release| release.has(feature))
    }
}

/// Writes a line as klog does: severity, time, place in the source, text.
pub(crate) fn klog(ctx: &PodContext, severity: char, place: &str, text: &str) {
    let time = ctx.clock.wall().to_zoned(jiff::tz::TimeZone::UTC).strftime("%m%d %H:%M:%S%.6f").to_string();
    ctx.log.line(format!("{severity}{time}       1 {place}] {text}"));
}
