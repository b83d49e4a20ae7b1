//! Makes one kind cluster: `kind create cluster`, then what the harness needs on its nodes.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Node as NodeObject;
use kube::Api;
use kube::runtime::wait::{Condition, await_condition};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use scenario::model::On;

use super::cluster::KindCluster;
use super::configuration::Configuration;
use super::kubeconfig;
use super::node::{Node, control_plane_of};
use crate::access::with_server;
use crate::container_engine::{ContainerEngine, ENGINE_VARIABLE};
use crate::image::{Layer, Settings};
use crate::inventory::Inventory;
use crate::leases::{EngineObject, EngineObjectKind, Lease, gated};
use crate::program;
use crate::simulated::admin_client;

/// Port of the API server on a node (kind 0.27, `pkg/cluster/internal/kubeadm`).
const API_PORT: u16 = 6443;
/// How long kind itself may take, images being there.
const KIND_LIMIT: Duration = Duration::from_mins(6);
/// How long the nodes may take to be Ready after kind has ended.
const READY_LIMIT: Duration = Duration::from_mins(3);
/// Lines of kind's output that an error shows.
const SHOWN_LINES: usize = 20;

pub(super) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// What all clusters of a run share.
pub(super) struct Workshop {
    pub(super) lease: Lease,
    pub(super) kind: PathBuf,
    pub(super) engine: ContainerEngine,
    pub(super) network: String,
    pub(super) node_image: String,
    pub(super) layer: Arc<Layer>,
    pub(super) settings: Settings,
    pub(super) kept_logs: Option<PathBuf>,
    /// Archives of images that nodes get, and whether they get those alone, since KubeSphere itself is to run.
    pub(super) archives: Vec<PathBuf>,
    pub(super) real: bool,
}

/// A kind cluster, and what it held before anybody used it.
pub(super) struct Made {
    pub(super) cluster: Arc<KindCluster>,
    pub(super) empty: Inventory,
    pub(super) kind_name: String,
}

impl Workshop {
    /// Makes the cluster `on` under the name `kind_name` with the files in `directory`.
    pub(super) async fn make(
        &self,
        on: On,
        kind_name: String,
        configuration: &Configuration,
        directory: &Path,
    ) -> Result<Made, Cause> {
        let admin = kubeconfig::read(&self.create(on, &kind_name, configuration, directory).await?)?;
        let control_plane = control_plane_of(&kind_name);
        let pasteable = with_server(&admin, &format!("https://{}:{API_PORT}", self.address_of(&control_plane).await?))?;
        let client = admin_client(&admin)?;
        let mut names = self.engine.nodes_of(&kind_name).await?;
        // The control plane first, as a person would name them.
        names.sort_by_key(|name| (*name != control_plane, name.clone()));
        let services = configuration.service_subnet();
        let stand_in = (!self.real).then_some(&self.settings);
        let equipped =
            names.iter().map(|name| Node::equip(&self.engine, name, &services, &self.layer, stand_in, &self.archives));
        let equipped = async { futures::future::try_join_all(equipped).await.map_err(Cause::from) };
        let (nodes, ()) = tokio::try_join!(equipped, all_ready(&client, &names))?;
        let empty = Inventory::take(&client).await?;
        let cluster = KindCluster {
            on,
            client,
            nodes,
            admin,
            pasteable,
            name: control_plane,
            layer: self.layer.clone(),
            settings: self.settings.clone(),
            real: self.real,
        };
        Ok(Made { cluster: Arc::new(cluster), empty, kind_name })
    }

    /// Runs kind, and returns the path of the kubeconfig that it has written.
    async fn create(
        &self,
        on: On,
        name: &str,
        configuration: &Configuration,
        directory: &Path,
    ) -> Result<PathBuf, Cause> {
        let configuration_path = directory.join(format!("{name}.yaml"));
        let (kubeconfig, log) = (directory.join(format!("{name}.kubeconfig")), directory.join(format!("{name}.log")));
        std::fs::write(&configuration_path, configuration.text())?;
        self.lease.own_engine_object(EngineObject {
            engine: self.engine.clone(),
            what: EngineObjectKind::KindCluster,
            name: name.to_owned(),
        })?;
        let arguments = ["create", "cluster", "--name", name, "--image", &self.node_image, "--config"];
        let arguments: Vec<&std::ffi::OsStr> = arguments
            .iter()
            .map(std::ffi::OsStr::new)
            .chain([configuration_path.as_os_str(), "--kubeconfig".as_ref(), kubeconfig.as_os_str()])
            .collect();
        let (out, err) = (std::fs::File::create(&log)?, std::fs::File::options().append(true).open(&log)?);
        let mut command = gated(&self.kind, arguments);
        command
            // A person's own kubeconfig is neither read nor written.
            .env_remove("KUBECONFIG")
            .env(ENGINE_VARIABLE, self.engine.name.program())
            .env(self.engine.name.network_variable(), &self.network)
            .stdout(Stdio::from(out))
            .stderr(Stdio::from(err));
        let mut child = program::start(&mut command)?;
        let group = self.lease.own(&mut child).await?;
        let ended = tokio::time::timeout(KIND_LIMIT, child.wait()).await;
        let _gone = killpg(Pid::from_raw(group), Signal::SIGKILL);
        self.lease.process_group_ended(group).await?;
        let how = match ended {
            Ok(status) => {
                let status = status?;
                if status.success() {
                    return Ok(kubeconfig);
                }
                status.to_string()
            }
            Err(_) => format!("no end within {} s", KIND_LIMIT.as_secs()),
        };
        let said = last_lines(&std::fs::read_to_string(&log).unwrap_or_default());
        let all = self.keep(&log);
        Err(format!("`kind create cluster` for the {on} cluster: {how}; it said:\n{said}\n{all}").into())
    }

    /// Keeps the log of a failure, if it is to be kept, and says where all of it is.
    fn keep(&self, log: &Path) -> String {
        let Some(directory) = &self.kept_logs else {
            return "(--report DIR keeps all that it said; https://kind.sigs.k8s.io/docs/user/known-issues/ may know it)"
                .to_owned();
        };
        let kept = directory.join(log.file_name().unwrap_or_default());
        match std::fs::create_dir_all(directory).and_then(|()| std::fs::copy(log, &kept)) {
            Ok(_) => format!(
                "(all that it said: {}; https://kind.sigs.k8s.io/docs/user/known-issues/ may know it)",
                kept.display()
            ),
            Err(error) => format!("(all that it said cannot be kept as {}: {error})", kept.display()),
        }
    }

    async fn address_of(&self, node: &str) -> Result<String, Cause> {
        let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        Ok(self.engine.ask(&["inspect", "--format", format, node]).await?)
    }
}

async fn all_ready(client: &kube::Client, names: &[String]) -> Result<(), Cause> {
    let nodes: Api<NodeObject> = Api::all(client.clone());
    let ready = names.iter().map(|name| await_condition(nodes.clone(), name, is_ready()));
    if let Ok(ready) = tokio::time::timeout(READY_LIMIT, futures::future::try_join_all(ready)).await {
        return Ok(ready.map(drop)?);
    }
    let list = nodes.list(&kube::api::ListParams::default()).await?;
    let states = list
        .items
        .iter()
        .map(|node| format!("{}: {}", node.metadata.name.clone().unwrap_or_default(), condition(node)));
    let (limit, states) = (READY_LIMIT.as_secs(), states.collect::<Vec<_>>().join("; "));
    Err(format!("the nodes are not Ready within {limit} s; last seen: {states}").into())
}

fn is_ready() -> impl Condition<NodeObject> {
    |node: Option<&NodeObject>| node.is_some_and(|node| condition(node).starts_with("True"))
}

/// Status and message of the condition Ready.
fn condition(node: &NodeObject) -> String {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    let ready = conditions.into_iter().flatten().find(|condition| condition.type_ == "Ready");
    ready.map_or_else(
        || "no condition Ready".to_owned(),
        |ready| format!("{} {}", ready.status, ready.message.as_deref().unwrap_or_default()),
    )
}

fn last_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
}
