//! The banner tells where the console is and who may log in.

use futures::FutureExt;
use scenario::model::On;
use serde_json::Value;

use super::{ON, flat, installer_run_completed};
use crate::call::{CheckEntry, Clusters};
use crate::context::CheckContext;
use crate::finding::Finding;
use crate::read::{Seen, objects};
use crate::view::ClusterView;

pub(super) const ENTRY: CheckEntry = CheckEntry {
    name: "banner-content",
    id: "C21",
    about: "the banner names the console at a node's InternalIP and the NodePort of ks-console, the account admin and a password",
    args: &[ON],
    on: Clusters::Named,
    run: |args, ctx| {
        async move {
            let on = args.cluster()?;
            Ok(flat(check(ctx, on).await))
        }
        .boxed()
    },
};

async fn check(ctx: &CheckContext<'_>, on: On) -> Seen<Finding> {
    let (Some(view), Some(log)) = (ctx.cluster(on), installer_run_completed::read(ctx, on).await?) else {
        return Ok(Finding::cannot_tell(format!("there is no {on} cluster")));
    };
    let stretch = log.describe();
    let Some(banner) = log.banner() else {
        return Ok(Finding::cannot_tell(format!("there is no banner in the {stretch}")));
    };
    let told = |label: &str| {
        banner.iter().find_map(|line| line.trim().strip_prefix(label)).map(str::trim).filter(|told| !told.is_empty())
    };
    let wanted = consoles(view).await?;
    let fails = |expected: String, actual: String| {
        let message = format!("{on} cluster: the banner in the {stretch} says {actual}, not {expected}");
        Finding::fails(expected, actual, message)
    };
    let console = told("Console:");
    if !console.is_some_and(|console| wanted.iter().any(|wanted| wanted == console)) {
        let actual =
            console.map_or_else(|| "nothing of the console".to_owned(), |console| format!("`Console: {console}`"));
        return Ok(fails(format!("`Console: {}`", wanted.join("` or `Console: ")), actual));
    }
    let account = told("Account:");
    if account != Some("admin") {
        return Ok(fails("`Account: admin`".to_owned(), format!("`Account: {}`", account.unwrap_or_default())));
    }
    if told("Password:").is_none() {
        return Ok(fails("`Password:` with a password".to_owned(), "no password".to_owned()));
    }
    Ok(Finding::holds())
}

/// Where the console may be: at each node's InternalIP.
async fn consoles(view: &dyn ClusterView) -> Seen<Vec<String>> {
    let service = objects::at(view, "/api/v1/namespaces/kubesphere-system/services/ks-console").await?;
    let port = service.as_ref().and_then(|service| service.pointer("/spec/ports/0/nodePort")?.as_u64());
    let Some(port) = port else {
        return Err(Finding::cannot_tell(format!("{} cluster: Service ks-console has no NodePort", view.on())));
    };
    let nodes = objects::at(view, "/api/v1/nodes").await?.unwrap_or_default();
    let internal = |node: &Value| -> Option<String> {
        let addresses = node.pointer("/status/addresses")?.as_array()?;
        let address = addresses.iter().find(|address| address["type"] == "InternalIP")?;
        Some(format!("http://{}:{port}", address["address"].as_str()?))
    };
    Ok(nodes["items"].as_array().into_iter().flatten().filter_map(internal).collect())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use crate::testing::{BANNER, FakeCluster, Run};

    fn run(lines: &[&str]) -> Run {
        let at = "2024-01-01T00:02:00Z";
        let banner = [BANNER].into_iter().chain(lines.iter().copied());
        let log: Vec<_> = banner.map(|line| (at, line)).collect();
        let node = json!({"status": {"addresses": [
            {"type": "Hostname", "address": "n1"}, {"type": "InternalIP", "address": "10.0.0.1"},
        ]}});
        let host =
            FakeCluster::host().installer("ks-installer").log(&log).object("/api/v1/nodes/n1".to_owned(), node).object(
                "/api/v1/namespaces/kubesphere-system/services/ks-console".to_owned(),
                json!({"spec": {"ports": [{"nodePort": 30880}]}}),
            );
        Run::new(host, FakeCluster::member())
    }

    const CONSOLE: &str = "Console: http://10.0.0.1:30880";

    #[tokio::test]
    async fn holds_with_console_account_and_password() {
        run(&[CONSOLE, "Account: admin", "Password: P@88w0rd"])
            .check("banner-content", &[("on", "host")])
            .await
            .holds();
    }

    #[rstest]
    #[case(
        &["Console: http://10.0.0.9:30880", "Account: admin", "Password: x"],
        "says `Console: http://10.0.0.9:30880`, not `Console: http://10.0.0.1:30880`"
    )]
    #[case(&["Account: admin", "Password: x"], "says nothing of the console, not `Console: http://10.0.0.1:30880`")]
    #[case(&[CONSOLE, "Account: root", "Password: x"], "says `Account: root`, not `Account: admin`")]
    #[case(&[CONSOLE, "Account: admin", "Password:"], "says no password, not `Password:` with a password")]
    #[tokio::test]
    async fn fails_on_another_text(#[case] lines: &[&str], #[case] message: &str) {
        run(lines).check("banner-content", &[("on", "host")]).await.fails_with(message);
    }
}
