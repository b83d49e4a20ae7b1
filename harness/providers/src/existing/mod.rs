//! Somebody's own clusters: nothing is made but what the scenarios install, and all of that is taken away again.

mod cluster;
mod irrevocable;
mod kubeconfig;
mod plan;
mod prober;
mod survey;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use scenario::model::{Given, GivenCluster, GivenKubesphere, On, Scenario};
use stub::StubImage;
use tokio::sync::OnceCell;

pub use self::kubeconfig::Place;

use self::cluster::TheirCluster;
use self::survey::Found;
use crate::cluster::Cluster;
use crate::delays;
use crate::inside::BEHAVIOUR_VARIABLE;
use crate::inventory::{SharedInventory, Standing as KubesphereStanding};
use crate::leases::{ExistingCluster, Lease};
use crate::pair::{Life, Pair, PairPlan};
use crate::provider::{Capabilities, Missing, Provider, ProviderError, Standing};

/// Name of this provider.
pub const NAME: &str = "existing";

/// What a person says about their clusters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExistingOptions {
    /// The host.
    pub host: Place,
    /// The member, if there is one.
    pub member: Place,
    /// Whether the stand-in may be installed.
    pub allow_install: bool,
    /// The image of ks-e2e, which their nodes can get.
    pub stub_image: Option<String>,
    /// Whether what scenarios install is KubeSphere itself.
    pub real: bool,
}

/// Works on two clusters that are there.
#[derive(Default)]
pub struct Existing {
    options: ExistingOptions,
    found: OnceCell<Vec<Found>>,
    /// There is one pair, and somebody has it.
    taken: AtomicBool,
}

impl Existing {
    /// On the clusters that `options` names.
    #[must_use]
    pub fn new(options: ExistingOptions) -> Self {
        Self { options, ..Self::default() }
    }

    async fn look(&self) -> Result<Vec<Found>, Missing> {
        let ExistingOptions { host, member, .. } = &self.options;
        if !host.is_named() {
            return Err(Missing::new(
                "no host cluster is named",
                "name it with --host-context or --host-kubeconfig, and the member with --member-context or \
                 --member-kubeconfig; nobody's current context is used by itself",
            ));
        }
        if self.options.stub_image.is_none() {
            return Err(Missing::new(
                "the nodes need the image of ks-e2e, from which KubeSphere's stand-in runs and addresses are probed",
                "write it with `ks-e2e image --tag NAME --output FILE`, put it where the nodes find it (a registry, or \
                 `kind load image-archive FILE`), and name it with --stub-image NAME",
            ));
        }
        let places = [(On::Host, host), (On::Member, member)];
        let named = places.into_iter().filter(|(_, place)| place.is_named());
        let found: Vec<_> = futures::future::try_join_all(named.map(|(on, place)| survey::look(on, place))).await?;
        if let [host, member] = &found[..]
            && host.uid == member.uid
        {
            return Err(Missing::new(
                format!("contexts {} and {} lead to one cluster", host.chosen.context, member.chosen.context),
                "name another one with --member-context",
            ));
        }
        let installed = found.iter().find(|found| found.standing == KubesphereStanding::Installed);
        if let Some(installed) = installed.filter(|_| found.len() < 2) {
            return Err(Missing::new(
                format!("{} cluster, context {}: KubeSphere is on it", installed.on, installed.chosen.context),
                "name both clusters, so that it is sure which two are meant",
            ));
        }
        Ok(found)
    }

    fn on(&self, on: On) -> Option<&Found> {
        self.found.get()?.iter().find(|found| found.on == on)
    }

    fn cannot_give(&self, on: On, given: &GivenCluster) -> Option<String> {
        let Some(found) = self.on(on) else { return Some(format!("no {on} cluster is named")) };
        let wants = given.kubesphere;
        match found.standing {
            KubesphereStanding::Installed if wants == GivenKubesphere::Absent => {
                Some(format!("KubeSphere is on the {on} cluster already"))
            }
            KubesphereStanding::Absent if !self.options.allow_install => {
                Some(format!("KubeSphere is not on the {on} cluster, and --allow-install is not given"))
            }
            _ if found.nodes.len() < given.nodes => {
                Some(format!("the {on} cluster has {} of {} nodes", found.nodes.len(), given.nodes))
            }
            _ => None,
        }
    }
}

#[async_trait]
impl Provider for Existing {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn probe(&self) -> Result<Capabilities, Missing> {
        let found = self.found.get_or_try_init(|| self.look()).await?;
        let kubernetes = found.first().map(|host| host.version.clone());
        Ok(Capabilities { kubernetes, shares_pairs: true, jobs: 1, virtual_clock: false })
    }

    fn plan(&self) -> Option<String> {
        self.found.get().map(|found| plan::text(found, &self.options))
    }

    fn cannot_be(&self, given: &Given) -> Option<String> {
        let member = || given.member.as_ref().and_then(|member| self.cannot_give(On::Member, member));
        self.cannot_give(On::Host, &given.host).or_else(member)
    }

    fn cannot_do(&self, scenario: &Scenario) -> Option<String> {
        if let Some(step) = irrevocable::first_that_takes(scenario) {
            return Some(format!("step \"{}\" would take away what is there", step.name));
        }
        let installed = self.found.get()?.iter().any(|found| found.standing == KubesphereStanding::Installed);
        let step = irrevocable::first_that_configures(scenario).filter(|_| installed)?;
        Some(format!("step \"{}\" would change the configuration of a KubeSphere that is there", step.name))
    }

    async fn create(&self, lease: &Lease, plan: &PairPlan) -> Result<Pair, ProviderError> {
        let failed = |operation: String, error: Box<dyn std::error::Error + Send + Sync>| {
            ProviderError::new(NAME, operation, error)
        };
        let found = self.found.get_or_try_init(|| self.look()).await;
        let found = found.map_err(|missing| failed("find the clusters".to_owned(), missing.into()))?;
        let image = self.options.stub_image.clone().unwrap_or_default();
        if self.taken.swap(true, Ordering::SeqCst) {
            let one = "they are in use; there is one pair of them: --jobs 1, without --isolate";
            return Err(failed("give out the clusters again".to_owned(), one.into()));
        }
        for found in found {
            let on = found.on;
            let before = SharedInventory::take(&found.client, found.standing).await;
            let before = before.map_err(|error| failed(format!("list what is on the {on} cluster"), error.into()))?;
            let cluster = ExistingCluster {
                on,
                run_id: lease.run_id().to_owned(),
                context: found.chosen.context.clone(),
                kubeconfig: found.chosen.kubeconfig.clone(),
                before,
            };
            let owned = lease.own_existing_cluster(cluster.clone());
            owned.map_err(|error| failed(format!("write down what is on the {on} cluster"), error.into()))?;
            let moved_in = cluster.move_in(&found.client).await;
            moved_in.map_err(|error| failed(format!("create a namespace on the {on} cluster"), error.into()))?;
        }
        let running = Running { lease: lease.clone(), found: found.clone(), image, real: self.options.real };
        Ok(Pair::new(running.standing(plan), Box::new(running)))
    }
}

/// Two clusters of somebody's, while a run works in them.
struct Running {
    lease: Lease,
    found: Vec<Found>,
    image: String,
    real: bool,
}

impl Running {
    fn standing(&self, plan: &PairPlan) -> Standing {
        let cluster = |found: &Found| -> Arc<dyn Cluster> {
            let shape = plan.shape(found.on).unwrap_or(plan.host);
            let environment = BTreeMap::from([
                ("KS_E2E_DELAYS".to_owned(), delays::on_real_time(shape).to_string()),
                (BEHAVIOUR_VARIABLE.to_owned(), plan.behaviour.to_string()),
            ]);
            Arc::new(TheirCluster {
                server_name: server_name(&found.pasteable),
                found: found.clone(),
                stub_image: StubImage::new(&self.image, environment),
                real: self.real,
            })
        };
        let on = |on: On| self.found.iter().find(|found| found.on == on).map(cluster);
        let member = on(On::Member).filter(|_| plan.member.is_some());
        // There is a host, or there is no pair.
        let host = on(On::Host).unwrap_or_else(|| cluster(&self.found[0]));
        Standing { host, member, clock: delays::real_clock() }
    }
}

fn server_name(kubeconfig: &str) -> String {
    let access = crate::access::Access::of(kubeconfig);
    let server = access.ok().and_then(|access| access.server.parse::<http::Uri>().ok());
    server.and_then(|server| server.host().map(str::to_owned)).unwrap_or_default()
}

#[async_trait]
impl Life for Running {
    fn fits(&self, _plan: &PairPlan) -> bool {
        true
    }

    async fn reset(&mut self, plan: &PairPlan) -> Result<Standing, ProviderError> {
        let reset = self.lease.reset_existing_clusters().await;
        reset.map_err(|error| ProviderError::new(NAME, "reset the clusters", error))?;
        Ok(self.standing(plan))
    }

    async fn export(&self, _directory: &Path) -> Result<(), ProviderError> {
        // What else runs on their clusters is nobody's business.
        Ok(())
    }

    async fn destroy(self: Box<Self>) -> Result<(), ProviderError> {
        let restored = self.lease.restore_existing_clusters().await;
        restored.map_err(|error| ProviderError::new(NAME, "leave the clusters as they were", error))
    }
}
