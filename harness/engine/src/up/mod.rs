//! Two clusters that stay: for a person to explore, as they would real ones.

mod forward;
mod kubeconfig;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::future::try_join_all;
use k8s_openapi::api::core::v1::{Node, Service};
use kube::Api;
use kube::api::ListParams;
use kubesphere::Release;
use kubesphere::names::namespaces;
use providers::leases::{Lease, LeaseError, sweep};
use providers::process::Process;
use providers::{Cluster, Pair, PairPlan, Provider, ProviderError, Restore};
use rand::RngExt as _;
use scenario::model::{Given, GivenCluster, GivenKubesphere, On};
use serde::{Deserialize, Serialize};
use stub::Behaviour;
use tokio_util::sync::CancellationToken;

pub(crate) use self::forward::Forward;
use crate::given::{self, GivenError};
use crate::needs::shape;
use crate::releases::Releases;
use crate::waiter::PairWaiter;

/// Name of the file, in the run's directory, that describes clusters that are up.
const DESCRIPTION: &str = "up.json";
/// Name of the file with a context for each cluster.
const KUBECONFIG: &str = "kubeconfig";

/// What is to stand.
pub struct UpOptions {
    /// Makes the clusters.
    pub provider: Arc<dyn Provider>,
    /// Where leases live; see [`providers::leases::state_directory`].
    pub state: PathBuf,
    /// KubeSphere release of both clusters.
    pub release: &'static Release,
    /// What is on them.
    pub given: Given,
    /// How the stub behaves.
    pub behaviour: Behaviour,
}

/// Clusters that could not be brought up.
#[derive(Debug, thiserror::Error)]
pub enum UpError {
    /// Nothing was made.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// A cluster does not come up.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// The provider's clusters cannot be as is asked for.
    #[error("{0}")]
    Unsupported(String),
    /// KubeSphere does not settle.
    #[error(transparent)]
    Given(#[from] GivenError),
    /// The cluster cannot be asked where its parts are.
    #[error("{on} cluster: cannot {operation}: {source}")]
    Ask {
        /// Cluster.
        on: On,
        /// What was asked.
        operation: &'static str,
        /// Why not.
        source: Box<kube::Error>,
    },
    /// A file or a listener of this machine.
    #[error("cannot {operation}: {source}; is TMPDIR a directory that you may write to?")]
    Machine {
        /// What was tried.
        operation: String,
        /// Why not.
        source: io::Error,
    },
    /// Interrupted before they stood.
    #[error("interrupted")]
    Interrupted,
}

/// What a person needs to use clusters that are up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Description {
    /// The run, as `down` takes it.
    pub run_id: String,
    /// The process that holds them.
    pub process: Process,
    /// Name of the provider.
    pub provider: String,
    /// A kubeconfig with the contexts `host` and `member`.
    pub kubeconfig: PathBuf,
    /// The clusters, the host first.
    pub clusters: Vec<Place>,
}

/// Where one cluster is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// Which one; the name of its context, too.
    pub on: On,
    /// Kubernetes version.
    pub kubernetes: String,
    /// KubeSphere release, if it is installed.
    pub kubesphere: Option<String>,
    /// Role it was installed with, if it was.
    pub cluster_role: Option<String>,
    /// A kubeconfig whose server the other cluster reaches, to be pasted into its console.
    pub kubeconfig_to_paste: PathBuf,
    /// Where the console is, if KubeSphere is installed.
    pub console: Option<String>,
    /// Where ks-apiserver is, if KubeSphere is installed and this machine can reach it.
    pub ks_apiserver: Option<String>,
}

impl Description {
    /// The clusters that the run with `directory` holds up; none where it is a run of another kind.
    #[must_use]
    pub fn read(directory: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(directory.join(DESCRIPTION)).ok()?).ok()
    }

    /// Puts it where [`Self::read`] finds it.
    pub(crate) fn write(&self, directory: &Path) -> Result<(), UpError> {
        let text = serde_json::to_vec_pretty(self).map_err(|error| machine("describe the clusters")(error.into()))?;
        write(&directory.join(DESCRIPTION), &text)
    }
}

/// Clusters that stand until [`Up::end`].
pub struct Up {
    lease: Lease,
    pair: Pair,
    description: Description,
    _forwards: Vec<Forward>,
}

impl Up {
    /// Brings clusters up and settles what is to be on them. Remains of dead runs are removed first.
    ///
    /// # Errors
    /// When they do not come up, or `stop` came first; nothing is left then.
    pub async fn begin(options: UpOptions, stop: &CancellationToken) -> Result<Self, UpError> {
        // The first call decides for the whole process; any later one finds the same provider in place.
        let _installed = rustls::crypto::ring::default_provider().install_default();
        // Remains of dead runs are no reason to fail this one; `ks-e2e sweep` reports them.
        let _swept = sweep(&options.state);
        let run_id = format!("{:08x}", rand::rng().random::<u32>());
        let lease = Lease::begin(&options.state, &std::env::temp_dir(), &run_id)?;
        let begun = stop.run_until_cancelled(stand(&options, &run_id, &lease)).await;
        match begun.unwrap_or(Err(UpError::Interrupted)) {
            Ok((pair, description, forwards)) => Ok(Self { lease, pair, description, _forwards: forwards }),
            Err(error) => {
                // What cannot be removed is named in the lease, for `sweep`.
                let _left = lease.end().await;
                Err(error)
            }
        }
    }

    /// What a person needs to use them.
    #[must_use]
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Lets their time pass as real time does, until `stop`.
    pub async fn stay(&self, stop: &CancellationToken) {
        stop.run_until_cancelled(self.pair.clock.flow()).await;
    }

    /// Takes them down and removes everything that was made.
    ///
    /// # Errors
    /// When something is left; `ks-e2e sweep` tries again.
    pub async fn end(self) -> Result<(), UpError> {
        let destroyed = self.pair.destroy().await;
        self.lease.end().await?;
        Ok(destroyed?)
    }
}

async fn stand(options: &UpOptions, run_id: &str, lease: &Lease) -> Result<(Pair, Description, Vec<Forward>), UpError> {
    let plan = PairPlan {
        host: shape(&options.given.host),
        member: options.given.member.as_ref().map(shape),
        seed: rand::rng().random(),
        behaviour: options.behaviour,
        restore: Restore::default(),
    };
    if let Some(why) = options.provider.cannot_be(&options.given) {
        return Err(UpError::Unsupported(why));
    }
    let pair = options.provider.create(lease, &plan).await?;
    {
        let waiter = PairWaiter::new(&pair, &CancellationToken::new());
        given::bring(&pair, &options.given, Releases::both(options.release), None, &plan.restore, &waiter).await?;
    }
    let run = Run { id: run_id, provider: options.provider.name(), directory: lease.directory() };
    let (description, forwards) = describe(&pair, &options.given, options.release, run).await?;
    description.write(lease.directory())?;
    Ok((pair, description, forwards))
}

/// The run whose clusters are described.
#[derive(Clone, Copy)]
pub(crate) struct Run<'a> {
    pub(crate) id: &'a str,
    pub(crate) provider: &'a str,
    /// Where kubeconfigs are written.
    pub(crate) directory: &'a Path,
}

/// Makes `pair` reachable for a person, and tells how.
pub(crate) async fn describe(
    pair: &Pair,
    given: &Given,
    release: &Release,
    run: Run<'_>,
) -> Result<(Description, Vec<Forward>), UpError> {
    let directory = run.directory;
    let kubeconfig = directory.join(KUBECONFIG);
    let merged = kubeconfig::merged(pair.clusters().map(|cluster| (cluster.on(), cluster.admin_kubeconfig())));
    write(&kubeconfig, merged.as_bytes())?;
    let (mut clusters, mut forwards) = (Vec::new(), Vec::new());
    for cluster in pair.clusters() {
        let given = match cluster.on() {
            On::Host => Some(&given.host),
            On::Member => given.member.as_ref(),
        };
        clusters.push(place(cluster, given, release, directory, &mut forwards).await?);
    }
    let process = Process::own().ok_or_else(|| machine("read /proc/self/stat")(io::ErrorKind::NotFound.into()))?;
    let (run_id, provider) = (run.id.to_owned(), run.provider.to_owned());
    Ok((Description { run_id, process, provider, kubeconfig, clusters }, forwards))
}

async fn place(
    cluster: &Arc<dyn Cluster>,
    given: Option<&GivenCluster>,
    release: &Release,
    directory: &Path,
    forwards: &mut Vec<Forward>,
) -> Result<Place, UpError> {
    let on = cluster.on();
    let ask = |operation: &'static str| move |source| UpError::Ask { on, operation, source: Box::new(source) };
    let version = cluster.client().apiserver_version().await.map_err(ask("read its version"))?;
    let kubeconfig_to_paste = directory.join(format!("{on}-to-paste.yaml"));
    write(&kubeconfig_to_paste, cluster.pasteable_kubeconfig().as_bytes())?;
    let installed = given.filter(|given| given.kubesphere == GivenKubesphere::Installed);
    let (mut console, mut ks_apiserver) = (None, None);
    if installed.is_some() {
        match cluster.inside() {
            Some(network) => {
                let open = ["ks-console", "ks-apiserver"].map(|service| {
                    let host = format!("{service}.{}.svc", namespaces::SYSTEM);
                    Forward::open(network.clone(), host, 80)
                });
                let opened = try_join_all(open).await.map_err(machine("listen on 127.0.0.1"))?;
                let mut addresses = opened.iter().map(|forward| format!("http://{}", forward.address()));
                (console, ks_apiserver) = (addresses.next(), addresses.next());
                forwards.extend(opened);
            }
            None => console = console_of_node(&cluster.client()).await.map_err(ask("find its console"))?,
        }
    }
    Ok(Place {
        on,
        kubernetes: version.git_version,
        kubesphere: installed.map(|_| release.version.to_owned()),
        cluster_role: installed.map(|given| given.cluster_role.clone()),
        kubeconfig_to_paste,
        console,
        ks_apiserver,
    })
}

/// The console at the first node's address and its Service's port there, as the installer's banner has it.
async fn console_of_node(client: &kube::Client) -> Result<Option<String>, kube::Error> {
    let nodes: Api<Node> = Api::all(client.clone());
    let nodes = nodes.list(&ListParams::default()).await?;
    let services: Api<Service> = Api::namespaced(client.clone(), namespaces::SYSTEM);
    let service = services.get("ks-console").await?;
    let addresses = nodes.items.into_iter().filter_map(|node| node.status?.addresses).flatten();
    let address = addresses.into_iter().find(|address| address.type_ == "InternalIP").map(|address| address.address);
    let port = service.spec.and_then(|spec| spec.ports?.first()?.node_port);
    Ok(address.zip(port).map(|(address, port)| format!("http://{address}:{port}")))
}

fn machine(operation: impl Into<String>) -> impl FnOnce(io::Error) -> UpError {
    let operation = operation.into();
    move |source| UpError::Machine { operation, source }
}

/// The run's directory is private to its user.
fn write(path: &Path, content: &[u8]) -> Result<(), UpError> {
    std::fs::write(path, content).map_err(machine(format!("write {}", path.display())))
}
