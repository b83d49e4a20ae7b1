//! What the harness puts on a kind node: its own executable, unpacked and as the layer of the stub's image, and a registry
//! that serves the image as if it were docker.io.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use checks::view::Probe;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::container_engine::{ContainerEngine, EngineError};
use crate::image::registry::Document;
use crate::image::{Layer, Settings};
use crate::inside::{PROBE_ARGUMENT, REGISTRY_ARGUMENT};
use crate::program;

/// Where everything of ours is on a node, and the executable unpacked below it.
const HOME: &str = "/ks-e2e";
const ROOT: &str = "/ks-e2e/root";
/// The registry's port on the node's loopback.
const PORT: u16 = 5785;

/// Lays out what comes on standard input, and starts the registry if it is described. `docker.io` itself is never asked
/// then: the mirror stands in for it, and the server behind it is the mirror again (containerd 1.6, `docs/hosts.md`).
///
/// What is sent to a ClusterIP that kube-proxy does not know yet is refused on the node. It would go out by the default
/// route else, to whoever answers there: an HTTP client that gets such an answer keeps the connection, and goes on asking
/// the wrong server. kube-proxy translates addresses before both chains.
const INSTALL: &str = r#"
set -eu
mkdir -p /ks-e2e/root
cat >/ks-e2e/layer.tar
tar -x --no-same-owner -C /ks-e2e/root -f /ks-e2e/layer.tar
for chain in FORWARD OUTPUT; do
    iptables -w -A $chain -d "$KS_E2E_SERVICES" -j REJECT --reject-with icmp-host-unreachable
done
[ -n "$KS_E2E_DOCUMENT" ] || exit 0
mkdir -p /etc/containerd/certs.d/docker.io
printf '%s\n' "$KS_E2E_DOCUMENT" >/ks-e2e/registry.json
printf '%s\n' "$KS_E2E_HOSTS" >/etc/containerd/certs.d/docker.io/hosts.toml
printf '%s\n' "$KS_E2E_UNIT" >/etc/systemd/system/ks-e2e-registry.service
systemctl daemon-reload
systemctl enable --now --quiet ks-e2e-registry
"#;

/// A node that is up, with the registry on it.
#[derive(Debug, Clone)]
pub(super) struct Node {
    engine: ContainerEngine,
    pub(super) name: String,
    launch: Vec<String>,
}

impl Node {
    /// Puts `layer` on the node `name`, and starts the registry, which serves it with the settings of the stand-in, if that
    /// is to run; `services` is the range of the cluster's ClusterIPs, and `archives` hold images that the node gets.
    pub(super) async fn equip(
        engine: &ContainerEngine,
        name: &str,
        services: &str,
        layer: &Layer,
        stand_in: Option<&Settings>,
        archives: &[PathBuf],
    ) -> Result<Self, EngineError> {
        let document = stand_in.map(|settings| Document {
            layer: layer.clone().moved_to(format!("{HOME}/layer.tar")),
            port: PORT,
            repositories: stub::programs().repositories().map(str::to_owned).collect(),
            tags: Vec::new(),
            settings: settings.clone(),
        });
        let launch = layer.launch_in(ROOT);
        let failed = |reason: String| EngineError { call: format!("set up {name}"), reason };
        let document = document.map(|document| serde_json::to_string(&document)).transpose();
        let document = document.map_err(|error| failed(error.to_string()))?.unwrap_or_default();
        let hosts = format!(
            "server = \"http://127.0.0.1:{PORT}\"\n[host.\"http://127.0.0.1:{PORT}\"]\n  capabilities = [\"pull\", \"resolve\"]"
        );
        let unit = format!(
            "[Service]\nExecStart={} {REGISTRY_ARGUMENT} {HOME}/registry.json\nRestart=always\n[Install]\nWantedBy=multi-user.target",
            launch.join(" ")
        );
        let variables = [
            ("KS_E2E_DOCUMENT", document),
            ("KS_E2E_HOSTS", hosts),
            ("KS_E2E_UNIT", unit),
            ("KS_E2E_SERVICES", services.to_owned()),
        ];
        let mut arguments = vec!["exec".to_owned(), "-i".to_owned()];
        for (variable, value) in variables {
            arguments.extend(["-e".to_owned(), format!("{variable}={value}")]);
        }
        arguments.extend([name, "sh", "-c", INSTALL].map(str::to_owned));
        let node = Self { engine: engine.clone(), name: name.to_owned(), launch };
        node.feed(&arguments, &layer.tar).await?;
        for archive in archives {
            let import = ["exec", "-i", name, "ctr", "-n", "k8s.io", "images", "import", "-"].map(str::to_owned);
            node.feed(&import, archive).await?;
        }
        Ok(node)
    }

    /// Calls the engine with what is in `file` on its standard input.
    async fn feed(&self, arguments: &[String], file: &Path) -> Result<(), EngineError> {
        let opened = tokio::fs::File::open(file).await;
        let opened = opened.map_err(|error| EngineError {
            call: format!("read {} for {}", file.display(), self.name),
            reason: error.to_string(),
        })?;
        let mut command = self.command(arguments);
        command.stdin(opened.into_std().await);
        let output = program::output(&mut command).await;
        self.engine.ended(&["exec", &self.name, "…"], output).map(drop)
    }

    /// Asks from the node for the API server that `kubeconfig` leads to.
    pub(super) async fn probe(&self, kubeconfig: &str) -> Result<Probe, EngineError> {
        let mut arguments = vec!["exec".to_owned(), "-i".to_owned(), self.name.clone()];
        arguments.extend(self.launch.iter().cloned());
        arguments.push(PROBE_ARGUMENT.to_owned());
        let shown = ["exec", "-i", self.name.as_str(), "ks-e2e", PROBE_ARGUMENT];
        let failed = |reason: String| EngineError { call: format!("probe from {}", self.name), reason };
        let child = program::start(self.command(&arguments).stdin(Stdio::piped()));
        let mut child = child.map_err(|error| failed(error.to_string()))?;
        if let Some(mut stdin) = child.stdin.take() {
            // A prober that is gone tells by its exit code.
            let _written = stdin.write_all(kubeconfig.as_bytes()).await;
        }
        let text = self.engine.ended(&shown, child.wait_with_output().await)?;
        serde_json::from_str(&text).map_err(|error| failed(format!("{error} in its answer {text:?}")))
    }

    fn command(&self, arguments: &[String]) -> Command {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut command = Command::from(self.engine.command(&arguments));
        command.kill_on_drop(true);
        command
    }
}

/// The name of the node that kind puts the API server on.
pub(super) fn control_plane_of(cluster: &str) -> String {
    format!("{cluster}-control-plane")
}

/// Where the layer is packed.
pub(super) fn layer_path(directory: &Path) -> std::path::PathBuf {
    directory.join("layer.tar")
}
