//! Brings clusters to what a scenario presupposes: a real installation through the same programs, settled.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use checks::{CheckContext, Facts, Finding, NoWait, Waiter};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::{ApiResource, DynamicObject, PostParams};
use kube::core::GroupVersionKind;
use kube::runtime::wait::{await_condition, conditions};
use kubesphere::Release;
use providers::{Cluster, Pair, Restore};
use scenario::model::{Given, GivenCluster, GivenKubesphere, GivenSecret, On};
use serde::Deserialize as _;
use serde_json::Value;
use stub::Behaviour;
use tokio_util::sync::CancellationToken;

use crate::manifests::{self, Manifests};
use crate::releases::Releases;
use crate::secrets;
use crate::serving::{self, THROUGH_CONSOLE, rolled_out, serves};
use crate::waiter::PairWaiter;

/// How long pods may take to be replaced, and Services to lead to those that are Ready.
const SERVES_LIMIT: Duration = Duration::from_mins(1);

/// A precondition that could not be met.
#[derive(Debug, thiserror::Error)]
pub enum GivenError {
    /// The API server refused an object of the installation.
    #[error("{on} cluster: cannot create {object}: {source}")]
    Create {
        /// Cluster.
        on: On,
        /// Kind and name.
        object: String,
        /// Why.
        source: Box<kube::Error>,
    },
    /// A manifest of ours is not usable.
    #[error("{on} cluster: the manifest is not usable: {reason}")]
    Manifest {
        /// Cluster.
        on: On,
        /// Why.
        reason: String,
    },
    /// KubeSphere did not settle.
    #[error("{on} cluster: KubeSphere did not settle: {check}: {message}")]
    Unsettled {
        /// Cluster.
        on: On,
        /// The check that waits for it.
        check: String,
        /// What it last saw.
        message: String,
    },
    /// KubeSphere was there before, and is not as it should be.
    #[error("{on} cluster: the KubeSphere that is there is not as the scenario presupposes: {message}")]
    Otherwise {
        /// Cluster.
        on: On,
        /// What it is instead.
        message: String,
    },
    /// The host's secret could not be read.
    #[error("host cluster: cannot read the jwtSecret that the member is to share: {0}")]
    Secret(String),
}

/// Installs what `given` asks for, where the cluster did not begin with it, and waits until it has settled.
///
/// # Errors
/// When an installation fails.
pub(crate) async fn bring(
    pair: &Pair,
    given: &Given,
    releases: Releases,
    manifests: Option<&Manifests>,
    restored: &Restore,
    waiter: &dyn Waiter,
) -> Result<(), GivenError> {
    let setting = Setting { pair, releases, manifests, restored, waiter };
    let host = setting.install(&pair.host, &given.host, None);
    let (Some(member), Some(wanted)) = (&pair.member, &given.member) else { return host.await };
    if wanted.jwt_secret == GivenSecret::OfHost && wanted.kubesphere == GivenKubesphere::Installed {
        host.await?;
        let secret = secrets::jwt_secret(&pair.host.client()).await.map_err(GivenError::Secret)?;
        setting.install(member, wanted, Some(secret)).await
    } else {
        tokio::try_join!(host, setting.install(member, wanted, None)).map(|_| ())
    }
}

/// Installs what `given` asks for on a pair of its own, and waits until it has settled.
///
/// # Errors
/// When an installation fails.
pub async fn install(pair: &Pair, given: &Given, release: &'static Release) -> Result<(), GivenError> {
    let waiter = PairWaiter::new(pair, &CancellationToken::new());
    bring(pair, given, Releases::both(release), None, &Restore::default(), &waiter).await
}

/// Creates the `CustomResourceDefinition`s of `kubesphere-installer.yaml` and waits until they are served.
///
/// # Errors
/// When the API server refuses one, or does not establish it within ten seconds.
pub async fn establish_crds(cluster: &Arc<dyn Cluster>, release: &Release) -> Result<(), GivenError> {
    let on = cluster.on();
    for object in documents(on, &stub::manifests::installer_yaml(release))? {
        if object["kind"] != "CustomResourceDefinition" {
            continue;
        }
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        create(cluster, object).await?;
        let api: Api<CustomResourceDefinition> = Api::all(cluster.client());
        let established = await_condition(api, &name, conditions::is_crd_established());
        let waited = tokio::time::timeout(Duration::from_secs(10), established).await;
        if !matches!(waited, Ok(Ok(_))) {
            let message = format!("CustomResourceDefinition {name} is not established");
            return Err(GivenError::Unsettled { on, check: "established".to_owned(), message });
        }
    }
    Ok(())
}

struct Setting<'a> {
    pair: &'a Pair,
    releases: Releases,
    manifests: Option<&'a Manifests>,
    restored: &'a Restore,
    waiter: &'a dyn Waiter,
}

impl Setting<'_> {
    async fn install(
        &self,
        cluster: &Arc<dyn Cluster>,
        wanted: &GivenCluster,
        secret: Option<String>,
    ) -> Result<(), GivenError> {
        if wanted.kubesphere == GivenKubesphere::Absent {
            return Ok(());
        }
        let on = cluster.on();
        if self.restored.on(on).is_some() {
            return self.settle(on, wanted).await;
        }
        let release = self.releases.on(on);
        if cluster.has_kubesphere() {
            return self.is_there(cluster, wanted, secret).await;
        }
        let [installer, configuration] =
            manifests::files(self.manifests, release, Behaviour::default(), cluster.stub_image());
        for object in documents(on, &installer)? {
            create(cluster, object).await?;
        }
        for mut object in documents(on, &configuration)? {
            configure(&mut object, wanted, secret.as_deref());
            create(cluster, object).await?;
        }
        self.settle(on, wanted).await
    }

    /// Whether the KubeSphere that was on `cluster` before is what is wanted.
    async fn is_there(
        &self,
        cluster: &Arc<dyn Cluster>,
        wanted: &GivenCluster,
        secret: Option<String>,
    ) -> Result<(), GivenError> {
        let (on, release) = (cluster.on(), self.releases.on(cluster.on()));
        let otherwise = |message: String| GivenError::Otherwise { on, message };
        let version = serving::version(cluster.view()).await.map_err(otherwise)?;
        if version != release.tag() {
            return Err(otherwise(format!("it is {version}, and the cell is for {}", release.tag())));
        }
        if let Some(secret) = secret {
            let own = secrets::jwt_secret(&cluster.client()).await.map_err(otherwise)?;
            if own != secret {
                return Err(otherwise("its jwtSecret is not the host's".to_owned()));
            }
        }
        let now = Setting { waiter: &NoWait, ..*self };
        now.runs(on, wanted).await.map_err(|error| otherwise(error.to_string()))
    }

    async fn settle(&self, on: On, wanted: &GivenCluster) -> Result<(), GivenError> {
        let args = BTreeMap::from([("on".to_owned(), on.to_string())]);
        self.holds(on, "installer-run-completed", args).await?;
        self.runs(on, wanted).await
    }

    async fn runs(&self, on: On, wanted: &GivenCluster) -> Result<(), GivenError> {
        let args = [("on", on.to_string()), ("is", wanted.cluster_role.clone())];
        let args = args.map(|(key, value)| (key.to_owned(), value)).into();
        self.holds(on, "cluster-role-in-effect", args).await?;
        if on == On::Host && wanted.cluster_role == "host" {
            let name = wanted.host_cluster_name.as_deref().unwrap_or("host");
            let args = BTreeMap::from([("name".to_owned(), name.to_owned())]);
            self.holds(on, "host-cluster-object", args).await?;
        }
        let Some(cluster) = self.pair.cluster(on) else { return Ok(()) };
        let client = cluster.client();
        self.until(on, "rolled out", &|| rolled_out(&client).boxed()).await?;
        self.until(on, &format!("GET {THROUGH_CONSOLE}"), &|| serves(&client).boxed()).await
    }

    async fn until<'c>(
        &self,
        on: On,
        what: &str,
        attempt: &(dyn Fn() -> BoxFuture<'c, Finding> + Send + Sync),
    ) -> Result<(), GivenError> {
        match self.waiter.until_holds(SERVES_LIMIT, attempt).await {
            Finding::Fails { message, .. } => Err(GivenError::Unsettled { on, check: what.to_owned(), message }),
            _ => Ok(()),
        }
    }

    async fn holds(&self, on: On, check: &str, args: BTreeMap<String, String>) -> Result<(), GivenError> {
        let unsettled = |message: String| GivenError::Unsettled { on, check: check.to_owned(), message };
        let facts = Facts::default();
        let context = CheckContext {
            host: self.pair.host.view(),
            member: self.pair.member.as_deref().map(Cluster::view),
            release: self.releases.host.version,
            member_release: self.releases.member.version,
            facts: &facts,
            waiter: self.waiter,
        };
        match checks::run(check, &args, &context).await {
            Ok(Finding::Holds { .. }) => Ok(()),
            Ok(Finding::Fails { message, .. }) => Err(unsettled(message)),
            Ok(Finding::CannotTell { reason, .. }) => Err(unsettled(reason)),
            Err(error) => Err(unsettled(error.to_string())),
        }
    }
}

fn documents(on: On, manifest: &str) -> Result<Vec<Value>, GivenError> {
    let unusable = |error: serde_yaml::Error| GivenError::Manifest { on, reason: error.to_string() };
    let mut objects = Vec::new();
    for document in serde_yaml::Deserializer::from_str(manifest) {
        let object = Value::deserialize(document).map_err(unusable)?;
        if !object.is_null() {
            objects.push(object);
        }
    }
    Ok(objects)
}

fn configure(object: &mut Value, wanted: &GivenCluster, secret: Option<&str>) {
    let spec = &mut object["spec"];
    spec["multicluster"]["clusterRole"] = wanted.cluster_role.clone().into();
    if let Some(name) = &wanted.host_cluster_name {
        spec["multicluster"]["hostClusterName"] = name.clone().into();
    }
    if let Some(secret) = secret {
        spec["authentication"]["jwtSecret"] = secret.into();
    }
}

async fn create(cluster: &Arc<dyn Cluster>, object: Value) -> Result<(), GivenError> {
    let on = cluster.on();
    let object: DynamicObject =
        serde_json::from_value(object).map_err(|error| GivenError::Manifest { on, reason: error.to_string() })?;
    let types = object.types.clone().unwrap_or_default();
    let kind =
        GroupVersionKind::try_from(types).map_err(|error| GivenError::Manifest { on, reason: error.to_string() })?;
    let resource = ApiResource::from_gvk(&kind);
    let api: Api<DynamicObject> = match &object.metadata.namespace {
        Some(namespace) => Api::namespaced_with(cluster.client(), namespace, &resource),
        None => Api::all_with(cluster.client(), &resource),
    };
    let name = object.metadata.name.clone().unwrap_or_default();
    let created = api.create(&PostParams::default(), &object).await;
    created.map(|_| ()).map_err(|source| GivenError::Create {
        on,
        object: format!("{} {name}", kind.kind),
        source: Box::new(source),
    })
}
