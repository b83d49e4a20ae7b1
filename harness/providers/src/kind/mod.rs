//! Real Kubernetes in containers: two [kind](https://kind.sigs.k8s.io) clusters on a network of their own, whose nodes get
//! the stub under KubeSphere's image names.

mod cluster;
mod configuration;
mod create;
mod kubeconfig;
mod machine;
mod node;
mod probe;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use scenario::model::On;
use tokio::process::Command;
use tokio::sync::OnceCell;

pub use self::configuration::{Configuration, ConfigurationError};
use self::create::{Cause, Made, Workshop};
use self::machine::Free;
use self::probe::{find_kind, name_for_kind, storage_of};
use crate::container_engine::{About, ContainerEngine, make_network, version_in};
use crate::delays;
use crate::image::{Layer, Settings};
use crate::inside::BEHAVIOUR_VARIABLE;
use crate::inventory::Keeper;
use crate::leases::Lease;
use crate::pair::{Life, Pair, PairPlan};
use crate::program;
use crate::provider::{Capabilities, Missing, Provider, ProviderError, Standing};

/// Name of this provider.
pub const NAME: &str = "kind";

/// The node image unless another one is asked for: of the Kubernetes version that the scenarios are run on here.
pub const DEFAULT_NODE_IMAGE: &str = "kindest/node:v1.20.15";

/// What a person chooses of the clusters.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KindOptions {
    /// Node image; [`DEFAULT_NODE_IMAGE`] if not given.
    pub node_image: Option<String>,
    /// Configuration of the host cluster in place of the built-in one.
    pub host: Option<Configuration>,
    /// Configuration of the member cluster in place of the built-in one.
    pub member: Option<Configuration>,
    /// Archives of images that every node gets, as `docker save` writes them.
    pub archives: Vec<PathBuf>,
    /// Whether what scenarios install is KubeSphere itself, out of the images of its registry.
    pub real: bool,
    /// Where kind's log goes when it does not make a cluster; nowhere if not given.
    pub logs: Option<PathBuf>,
}

/// Makes kind clusters.
pub struct Kind {
    options: KindOptions,
    /// Pairs made so far, for their names.
    made: AtomicUsize,
    network: OnceCell<String>,
    layer: OnceCell<Arc<Layer>>,
}

impl Kind {
    /// With these choices.
    #[must_use]
    pub fn new(options: KindOptions) -> Self {
        Self { options, made: AtomicUsize::new(0), network: OnceCell::new(), layer: OnceCell::new() }
    }

    fn node_image(&self) -> &str {
        self.options.node_image.as_deref().unwrap_or(DEFAULT_NODE_IMAGE)
    }

    fn configuration(&self, on: On, plan: &PairPlan) -> Result<Option<Configuration>, ConfigurationError> {
        let Some(shape) = plan.shape(on) else { return Ok(None) };
        let own = match on {
            On::Host => &self.options.host,
            On::Member => &self.options.member,
        };
        match own {
            Some(own) => Ok(Some(own.clone().shaped(shape))),
            None => Configuration::of_shape(on, shape).map(Some),
        }
    }

    async fn create_pair(&self, lease: &Lease, plan: &PairPlan) -> Result<Running, Cause> {
        let number = self.made.fetch_add(1, Ordering::Relaxed) + 1;
        let directory = lease.directory().join(format!("{NAME}-{number}"));
        std::fs::create_dir_all(&directory)?;
        let engine = ContainerEngine::find()?;
        let free = Free::now(&storage_of(&engine).await);
        free.has_room_for(u64::try_from(plan.host.nodes + plan.member.map_or(0, |member| member.nodes))?)?;
        let settings = Settings {
            environment: BTreeMap::from([
                ("KS_E2E_DELAYS".to_owned(), delays::on_real_time(plan.host).to_string()),
                (BEHAVIOUR_VARIABLE.to_owned(), plan.behaviour.to_string()),
            ]),
        };
        let workshop = Workshop {
            lease: lease.clone(),
            kind: find_kind()?,
            network: self.network.get_or_try_init(|| make_network(lease, &engine)).await?.clone(),
            node_image: name_for_kind(&engine, self.node_image()).await,
            layer: self.layer.get_or_try_init(|| pack(lease, &engine)).await?.clone(),
            engine,
            settings,
            kept_logs: self.options.logs.clone(),
            archives: self.options.archives.clone(),
            real: self.options.real,
        };
        let make = |on: On| {
            let (workshop, directory) = (&workshop, &directory);
            let name = format!("{}-{number}-{on}", lease.name());
            async move {
                match self.configuration(on, plan)? {
                    None => Ok(None),
                    Some(configuration) => workshop.make(on, name, &configuration, directory).await.map(Some),
                }
            }
        };
        // The first failure ends both: the lease removes what was made so far.
        let (host, member) = tokio::try_join!(make(On::Host), make(On::Member))?;
        let host = host.ok_or("the plan has no host cluster")?;
        Ok(Running { lease: lease.clone(), kind: workshop.kind, plan: plan.clone(), host, member })
    }
}

#[async_trait]
impl Provider for Kind {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn probe(&self) -> Result<Capabilities, Missing> {
        let image = self.node_image();
        let own = [&self.options.host, &self.options.member].into_iter().flatten();
        probe::probe(image, own.flat_map(Configuration::host_ports)).await?;
        Ok(Capabilities { kubernetes: version_in(image), shares_pairs: true, jobs: 1, virtual_clock: false })
    }

    async fn create(&self, lease: &Lease, plan: &PairPlan) -> Result<Pair, ProviderError> {
        let running = self.create_pair(lease, plan).await;
        let running = running.map_err(|source| ProviderError::new(NAME, "make the clusters", source))?;
        Ok(Pair::new(running.standing(), Box::new(running)))
    }
}

/// Packs this executable for the nodes.
async fn pack(lease: &Lease, engine: &ContainerEngine) -> Result<Arc<Layer>, Cause> {
    let architecture = engine.tell(About::Architecture).await?;
    let path = node::layer_path(lease.directory());
    let executable = crate::own_executable()?;
    let packed = tokio::task::spawn_blocking(move || Layer::pack(&executable, &architecture, &path)).await??;
    Ok(Arc::new(packed))
}

/// Two kind clusters that stand.
struct Running {
    lease: Lease,
    kind: PathBuf,
    plan: PairPlan,
    host: Made,
    member: Option<Made>,
}

impl Running {
    fn standing(&self) -> Standing {
        Standing {
            host: self.host.cluster.clone(),
            member: self.member.as_ref().map(|member| member.cluster.clone() as Arc<dyn crate::Cluster>),
            clock: delays::real_clock(),
        }
    }

    fn clusters(&self) -> impl Iterator<Item = &Made> {
        [Some(&self.host), self.member.as_ref()].into_iter().flatten()
    }
}

#[async_trait]
impl Life for Running {
    /// A member that nobody asks for is no hindrance.
    fn fits(&self, plan: &PairPlan) -> bool {
        plan.behaviour == self.plan.behaviour
            && plan.host == self.plan.host
            && plan.member.is_none_or(|member| self.plan.member == Some(member))
    }

    async fn reset(&mut self, plan: &PairPlan) -> Result<Standing, ProviderError> {
        // The host first: its controller holds the member's kubeconfig and would go on writing there.
        for made in self.clusters() {
            let restored = made.empty.restore(&made.cluster.client, Keeper::Controllers).await;
            restored
                .map_err(|error| ProviderError::new(NAME, format!("reset the {} cluster", made.cluster.on), error))?;
        }
        let mut standing = self.standing();
        standing.member = standing.member.filter(|_| plan.member.is_some());
        Ok(standing)
    }

    async fn export(&self, directory: &Path) -> Result<(), ProviderError> {
        for made in self.clusters() {
            let into = directory.join(made.cluster.on.to_string());
            let mut command = Command::new(&self.kind);
            command.args(["export", "logs", "--name", &made.kind_name]).arg(into);
            command.env_remove("KUBECONFIG").kill_on_drop(true);
            let failed = |reason: String| ProviderError::new(NAME, "export the logs", reason);
            let output = program::output(&mut command).await.map_err(|error| failed(error.to_string()))?;
            if !output.status.success() {
                return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
            }
        }
        Ok(())
    }

    async fn destroy(self: Box<Self>) -> Result<(), ProviderError> {
        let names: Vec<String> = self.clusters().map(|made| made.kind_name.clone()).collect();
        let lease = self.lease.clone();
        let removed = tokio::task::spawn_blocking(move || lease.remove_engine_objects(|one| names.contains(&one.name)));
        let removed = removed.await.map_err(|error| error.to_string()).and_then(|removed| removed);
        removed.map_err(|error| ProviderError::new(NAME, "remove the clusters", error))
    }
}
