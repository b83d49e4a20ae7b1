//! How `kk` learns that the installation is complete. The original looks again and again for a file that the installer
//! writes just before its banner, and prints it; here the banner is taken from the installer's log. Neither ever comes
//! when the installer fails (kubekey v3.0.13, `cmd/kk/pkg/kubesphere/tasks.go`, `Check`).

use std::pin::pin;

use futures::{AsyncBufReadExt as _, StreamExt as _};
use http::Request;
use kubesphere::names::namespaces;
use nodes::clock::Clock;
use serde_json::Value;

use crate::delays;
use crate::installer::banner::Reader;
use crate::installer::kubectl::{Kubectl, KubectlError, Target};
use crate::installer::wait;

/// The first banner in the log of the installer that has this label.
pub async fn banner(client: &kube::Client, clock: &Clock, label: &str) -> String {
    let kubectl = Kubectl::new(client.clone());
    loop {
        if let Ok(Some(pod)) = running(&kubectl, clock, label).await
            && let Some(banner) = read(client, &pod).await
        {
            return banner;
        }
        clock.sleep(delays::WATCH_PAUSE).await;
    }
}

/// The name of the installer's pod, once it runs.
async fn running(kubectl: &Kubectl, clock: &Clock, label: &str) -> Result<Option<String>, KubectlError> {
    let pods = Target::new("v1", "Pod", namespaces::SYSTEM, "");
    let query = format!("labelSelector=app%3D{label}");
    let runs = |pod: &Value| pod.pointer("/status/phase").and_then(Value::as_str) == Some("Running");
    let limit = delays::INSTALLER_PODS_LIMIT;
    wait::until(kubectl, clock, (pods, &query), limit, |pods| pods.iter().any(|pod| runs(pod))).await?;
    let found = kubectl.list(pods, &query).await?.into_iter().find(runs);
    Ok(found.and_then(|pod| pod.pointer("/metadata/name").and_then(Value::as_str).map(str::to_owned)))
}

/// Follows the pod's log up to the end of a banner.
async fn read(client: &kube::Client, pod: &str) -> Option<String> {
    let path = format!("/api/v1/namespaces/{}/pods/{pod}/log?follow=true", namespaces::SYSTEM);
    let request = Request::get(path).body(Vec::new()).ok()?;
    let log = pin!(client.request_stream(request).await.ok()?);
    let mut lines = log.lines();
    let mut reader = Reader::default();
    while let Some(Ok(line)) = lines.next().await {
        if let Some(banner) = reader.read(&line) {
            return Some(banner);
        }
    }
    None
}
