//! Clusters in this process: an embedded API server, simulated nodes, a simulated network between them.

mod fleet;

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use apiserver::{ApiServer, Audit};
use async_trait::async_trait;
use nodes::clock::{Clock, VirtualClock};
use nodes::network::simulated::SimulatedNetwork;
use nodes::{NodeSpec, Nodes};
use scenario::model::On;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::leases::Lease;
use crate::pair::{ClusterShape, Life, Pair, PairPlan};
use crate::provider::{Capabilities, Missing, Provider, ProviderError, Standing};
use crate::simulated::{self, Inhabited, Seat, Server, Site};
use crate::snapshot::{ClusterSnapshot, Kept};

pub use self::fleet::Fleet;

/// Name of this provider.
pub const NAME: &str = "embedded";

/// Kubernetes version that the API server models; the nodes have the same.
const KUBERNETES_VERSION: &str = "v1.20.2";

/// Makes clusters in this process, in milliseconds, without any other program.
#[derive(Debug, Clone, Default)]
pub struct Embedded {
    options: EmbeddedOptions,
}

/// What embedded clusters can be told.
#[derive(Debug, Clone, Default)]
pub struct EmbeddedOptions {
    /// A directory in whose `host.log` and `member.log` every request is noted, an event of `audit.k8s.io/v1` a line
    /// ([`apiserver::AuditEvent`]).
    pub audit_logs: Option<PathBuf>,
}

impl Embedded {
    /// With `options`.
    #[must_use]
    pub fn new(options: EmbeddedOptions) -> Self {
        Self { options }
    }
}

#[async_trait]
impl Provider for Embedded {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn probe(&self) -> Result<Capabilities, Missing> {
        Ok(Capabilities {
            kubernetes: Some(KUBERNETES_VERSION.to_owned()),
            shares_pairs: false,
            jobs: std::thread::available_parallelism().map_or(2, |cores| cells_at_a_time(cores.get())),
            virtual_clock: true,
        })
    }

    async fn create(&self, _lease: &Lease, plan: &PairPlan) -> Result<Pair, ProviderError> {
        let (standing, life) = Box::pin(create(plan, self.options.audit_logs.clone())).await?;
        Ok(Pair::new(standing, Box::new(life)))
    }
}

/// Three for two cores: a cell waits for its commands, which are other processes, and they for it.
const fn cells_at_a_time(cores: usize) -> usize {
    cores + cores.div_ceil(2)
}

/// A world before there is a cluster in it.
struct World {
    network: SimulatedNetwork,
    clock: Clock,
    running: Running,
}

impl World {
    fn begin(audit_logs: Option<PathBuf>) -> Self {
        let driver = VirtualClock::new();
        let stop = CancellationToken::new();
        let driving = tokio::spawn(driver.clone().drive(stop.clone()));
        let clock = Clock::virtual_from(driver);
        let network = SimulatedNetwork::new(clock.clone());
        Self { network, clock, running: Running { clusters: Vec::new(), stop: stop.drop_guard(), driving, audit_logs } }
    }
}

async fn create(plan: &PairPlan, audit_logs: Option<PathBuf>) -> Result<(Standing, Running), ProviderError> {
    let World { network, clock, mut running } = World::begin(audit_logs.clone());
    let logs = audit_logs.as_deref();
    let host = start(Seat::Host, plan.host, plan, (&network, &clock), logs);
    let member = async {
        match plan.member {
            None => Ok(None),
            Some(shape) => start(Seat::Member(0), shape, plan, (&network, &clock), logs).await.map(Some),
        }
    };
    // Both to their end: a cluster that came up is taken down in order although the other one did not.
    let (host, member) = tokio::join!(host, member);
    let host = host.map(|host| running.takes(host));
    let member = member.map(|member| member.map(|member| running.takes(member)));
    match (host, member) {
        (Ok(host), Ok(member)) => Ok((Standing { host, member, clock }, running)),
        (Err(error), _) | (_, Err(error)) => {
            running.end().await;
            Err(error)
        }
    }
}

/// What stands in this process for a cluster.
struct Started {
    on: On,
    cluster: Arc<dyn crate::Cluster>,
    specs: Vec<NodeSpec>,
    nodes: Nodes,
    server: ApiServer,
    service_account_key_pem: String,
}

/// What stands in this process for a pair.
struct Running {
    clusters: Vec<Started>,
    /// The clock stops with the pair, however it goes.
    stop: DropGuard,
    driving: tokio::task::JoinHandle<()>,
    audit_logs: Option<PathBuf>,
}

impl Running {
    fn takes(&mut self, started: Started) -> Arc<dyn crate::Cluster> {
        let cluster = started.cluster.clone();
        self.clusters.push(started);
        cluster
    }

    async fn end(self) {
        for Started { nodes, server, .. } in self.clusters {
            nodes.stop().await;
            server.stop().await;
        }
        drop(self.stop);
        // It has no result, and a panic in it would have shown as waits that never end.
        let _ended = self.driving.await;
    }
}

#[async_trait]
impl Life for Running {
    fn fits(&self, _plan: &PairPlan) -> bool {
        true
    }

    /// New clusters take less than looking for what was made on the old ones.
    async fn reset(&mut self, plan: &PairPlan) -> Result<Standing, ProviderError> {
        let (standing, running) = Box::pin(create(plan, self.audit_logs.clone())).await?;
        std::mem::replace(self, running).end().await;
        Ok(standing)
    }

    async fn snapshot(&self, on: On) -> Option<ClusterSnapshot> {
        let started = self.clusters.iter().find(|started| started.on == on)?;
        // First what is at rest: what others write meanwhile, they would write again.
        let nodes = started.nodes.snapshot().await?;
        Some(ClusterSnapshot(Arc::new(Kept {
            server: started.server.snapshot(),
            nodes,
            specs: started.specs.clone(),
            service_account_key_pem: started.service_account_key_pem.clone(),
        })))
    }

    /// There are no logs beside those of the pods.
    async fn export(&self, _directory: &Path) -> Result<(), ProviderError> {
        Ok(())
    }

    async fn destroy(self: Box<Self>) -> Result<(), ProviderError> {
        self.end().await;
        Ok(())
    }
}

/// Writes what is audited on the cluster `on` into a file of `directory`, which is made where it is missing.
fn audit_log(directory: &Path, on: On) -> io::Result<Audit> {
    std::fs::create_dir_all(directory)?;
    let file = Mutex::new(File::options().create(true).append(true).open(directory.join(format!("{on}.log")))?);
    Ok(Arc::new(move |event| {
        if let Ok(mut line) = serde_json::to_vec(event) {
            line.push(b'\n');
            // Where it cannot be written, the request was answered all the same.
            let _written = file.lock().unwrap_or_else(PoisonError::into_inner).write_all(&line);
        }
    }))
}

async fn start(
    seat: Seat,
    shape: ClusterShape,
    plan: &PairPlan,
    (world, clock): (&SimulatedNetwork, &Clock),
    audit_logs: Option<&Path>,
) -> Result<Started, ProviderError> {
    let failed = |operation: &str, source: Box<dyn std::error::Error + Send + Sync>| {
        ProviderError::new(NAME, format!("{operation} of the {seat} cluster"), source)
    };
    let on = seat.on();
    let kept = plan.restore.on(on).map(|snapshot| &*snapshot.0);
    let specs = kept.map_or_else(|| seat.nodes(shape.nodes), |kept| kept.specs.clone());
    let site = Site::new(seat, specs.clone(), world, clock);
    let key = match kept {
        Some(kept) => rcgen::KeyPair::from_pem(&kept.service_account_key_pem),
        None => rcgen::KeyPair::generate(),
    };
    let key = key.map_err(|error| failed("make the ServiceAccount key", error.into()))?;
    let audit = audit_logs.map(|directory| audit_log(directory, on)).transpose();
    let server = ApiServer::start(apiserver::Options {
        audit: audit.map_err(|error| failed("open the audit log", error.into()))?,
        server_names: seat.server_names(),
        service_account_public_keys_pem: vec![key.public_key_pem()],
        service_cidr_prefix: simulated::SERVICE_CIDR_PREFIX,
        advertise: seat.control_plane(),
        dialer: site.dialer(),
        restore: kept.map(|kept| kept.server.clone()),
        ..apiserver::Options::default()
    })
    .await
    .map_err(|error| failed("start the API server", error.into()))?;
    let admin = server
        .admin_kubeconfig(&format!("https://{}", server.address()), "cluster.local")
        .map_err(|error| failed("write the kubeconfig", error.into()))?;
    let seen = Server {
        address: server.address(),
        admin,
        ca_pem: server.ca_pem().to_owned(),
        service_account_key_pem: key.serialize_pem(),
        version: KUBERNETES_VERSION.to_owned(),
        embedded: Some(server.clone()),
    };
    let Inhabited { cluster, nodes } = site.inhabit(NAME, seen, plan, kept.map(|kept| kept.nodes.clone())).await?;
    Ok(Started { on, cluster, specs, nodes, server, service_account_key_pem: key.serialize_pem() })
}
