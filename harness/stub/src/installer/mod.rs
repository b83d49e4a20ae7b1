//! ks-installer: runs the playbooks whenever the spec of the `ClusterConfiguration` changes.

mod ansible;
pub(crate) mod apply;
pub(crate) mod banner;
mod component;
mod core;
#[cfg(test)]
pub(crate) mod fake;
mod host;
pub(crate) mod kubectl;
mod migration;
mod preinstall;
mod render;
mod run;
mod secret;
mod spec;
mod variations;
pub(crate) mod wait;

use std::pin::pin;

use futures::StreamExt as _;
use jiff::tz::TimeZone;
use kubesphere::Release;
use kubesphere::names::{namespaces, objects};
use nodes::logs::LogWriter;
use nodes::program::{ExitCode, PodContext};
use serde_json::Value;
use tokio::sync::watch;

use self::kubectl::{Change, Kubectl, KubectlError, Target};
use self::run::Run;
use crate::{Behaviour, Deviation, delays};

/// The `ClusterConfiguration` that the installer obeys; others are ignored (ks-installer v3.3.2, `installRunner.py`).
const ORDERS: Target<'static> =
    Target::new("installer.kubesphere.io/v1alpha1", "ClusterConfiguration", namespaces::SYSTEM, objects::INSTALLER);

/// Runs until the pod has to stop.
pub async fn run(mut ctx: PodContext, behaviour: Behaviour) -> ExitCode {
    if behaviour.deviates(Deviation::InstallerSilent) {
        ctx.log = LogWriter::to(std::io::sink(), ctx.clock.clone());
    }
    let release = match Release::of_image(&ctx.pod.image) {
        Ok(release) => release,
        Err(error) => {
            ctx.log.line(format!("image {}: {error}", ctx.pod.image));
            return ExitCode::FAILURE;
        }
    };
    let stop = ctx.stop.clone();
    Box::pin(stop.run_until_cancelled(serve(&ctx, release, behaviour))).await;
    ExitCode::SUCCESS
}

async fn serve(ctx: &PodContext, release: &'static Release, behaviour: Behaviour) {
    let greeting = [
        "shell-operator latest",
        "Listen on 0.0.0.0:9115",
        "Search and load hooks ...",
        "Load hook config from '/hooks/kubesphere/installRunner.py'",
        "Load hook config from '/hooks/kubesphere/schedule.sh'",
        "MAIN: run main loop",
    ];
    for text in greeting.into_iter().filter(|_| !ctx.goes_on()) {
        operator_line(ctx, text);
    }
    let carried_out = ctx.memory.of_before().unwrap_or_default();
    ctx.memory.keep(carried_out.clone());
    let (ordered, mut orders) = watch::channel(carried_out);
    let work = async {
        // Orders that arrive during a run wait, and count as one.
        while orders.changed().await.is_ok() {
            ctx.memory.forget();
            let spec = orders.borrow_and_update().clone();
            Run::new(ctx, release, behaviour).execute().await;
            ctx.memory.keep(spec);
            if behaviour.deviates(Deviation::OrdersTakenOnce) {
                return;
            }
        }
    };
    tokio::join!(observe(ctx, &ordered), work);
}

/// Follows the `ClusterConfiguration`: each new spec is put into `ordered`, null at first.
async fn observe(ctx: &PodContext, ordered: &watch::Sender<Value>) {
    let kubectl = Kubectl::new(ctx.client.clone());
    let mut seen = Some(ordered.borrow().clone()).filter(|spec| !spec.is_null());
    let mut complained = false;
    loop {
        if let Err(error) = follow(&kubectl, &mut seen, ordered).await
            && !complained
        {
            complained = true;
            operator_line(ctx, &format!("error getting GVR for kind '{}': {}", ORDERS.kind, error.text()));
        }
        ctx.clock.sleep(delays::WATCH_PAUSE).await;
    }
}

async fn follow(
    kubectl: &Kubectl,
    seen: &mut Option<Value>,
    ordered: &watch::Sender<Value>,
) -> Result<(), KubectlError> {
    let query = format!("fieldSelector=metadata.name%3D{}", ORDERS.name);
    let (items, changes) = kubectl.follow(ORDERS, &query).await?;
    let mut notice = |spec: Option<Value>| {
        if let Some(spec) = spec.as_ref().filter(|spec| Some(*spec) != seen.as_ref()) {
            ordered.send_replace(spec.clone());
        }
        *seen = spec;
    };
    notice(items.into_iter().find(is_orders).map(spec_of));
    let mut changes = pin!(changes);
    while let Some(change) = changes.next().await {
        match change {
            Change::Set(object) if is_orders(&object) => notice(Some(spec_of(object))),
            Change::Gone(object) if is_orders(&object) => notice(None),
            Change::Set(_) | Change::Gone(_) => {}
            Change::Broken => break,
        }
    }
    Ok(())
}

fn is_orders(object: &Value) -> bool {
    object.pointer("/metadata/name").and_then(Value::as_str) == Some(ORDERS.name)
}

fn spec_of(mut object: Value) -> Value {
    object.get_mut("spec").map(Value::take).unwrap_or_default()
}

fn operator_line(ctx: &PodContext, text: &str) {
    let at = ctx.clock.wall().to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
    ctx.log.line(format!("{at} INFO     : {text}"));
}

#[cfg(test)]
mod tests;
