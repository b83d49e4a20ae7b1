//! Somebody's own clusters while a run works in them: how to get there, and what was there before.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{DeleteParams, ObjectMeta, PostParams};
use kube::runtime::wait::{await_condition, conditions};
use scenario::model::On;
use serde::{Deserialize, Serialize};

use super::make_private_directories;
use crate::inventory::SharedInventory;
use crate::simulated::admin_client;

/// The namespace of a run on a cluster that is not its own: the first thing that it makes there and the last that goes, so
/// that two runs never meet. Pods that look from nodes are in it, too.
pub(crate) const NAMESPACE: &str = "ks-e2e";
/// Its label with the run's id.
const RUN: &str = "ks-e2e.dev/run";
/// How long the namespace may take to go.
const GOING_LIMIT: Duration = Duration::from_mins(1);

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A cluster that is not the run's, and what it held before. It is kept beside the lease, which outlives the machine's next
/// start, as the cluster does.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct ExistingCluster {
    pub(crate) on: On,
    pub(crate) run_id: String,
    /// The context as its owner calls it.
    pub(crate) context: String,
    /// A kubeconfig with an administrator's rights, everything inside. YAML text.
    pub(crate) kubeconfig: String,
    pub(crate) before: SharedInventory,
}

impl ExistingCluster {
    /// Makes the run's namespace, as nobody else has.
    pub(crate) async fn move_in(&self, client: &kube::Client) -> Result<(), kube::Error> {
        let labels = [(RUN, self.run_id.as_str()), ("pod-security.kubernetes.io/enforce", "privileged")];
        let namespace = Namespace {
            metadata: ObjectMeta {
                name: Some(NAMESPACE.to_owned()),
                labels: Some(labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into()),
                ..ObjectMeta::default()
            },
            ..Namespace::default()
        };
        Api::all(client.clone()).create(&PostParams::default(), &namespace).await.map(drop)
    }

    /// Takes away what the run has made there, but for its namespace.
    pub(crate) async fn reset(&self) -> Result<(), String> {
        let client = admin_client(&self.kubeconfig).map_err(|error| error.to_string())?;
        // Where the namespace is somebody else's, or none is there, this run has made nothing, or nothing any more.
        if !self.lives_there(&client).await.map_err(|error| error.to_string())? {
            return Ok(());
        }
        self.before.restore(&client).await.map_err(|error| error.to_string())
    }

    /// Takes away what the run has made there.
    pub(crate) async fn restore(&self) -> Result<(), String> {
        self.reset().await?;
        let client = admin_client(&self.kubeconfig).map_err(|error| error.to_string())?;
        self.move_out(&client).await.map_err(|error| format!("namespace {NAMESPACE}: {error}"))
    }

    async fn lives_there(&self, client: &kube::Client) -> Result<bool, kube::Error> {
        let namespace = Api::<Namespace>::all(client.clone()).get_opt(NAMESPACE).await?;
        let labels = namespace.and_then(|namespace| namespace.metadata.labels).unwrap_or_default();
        Ok(labels.get(RUN) == Some(&self.run_id))
    }

    async fn move_out(&self, client: &kube::Client) -> Result<(), Cause> {
        if !self.lives_there(client).await? {
            return Ok(());
        }
        let namespaces: Api<Namespace> = Api::all(client.clone());
        let namespace = namespaces.get(NAMESPACE).await?;
        namespaces.delete(NAMESPACE, &DeleteParams::default()).await?;
        let uid = namespace.metadata.uid.unwrap_or_default();
        let gone = await_condition(namespaces, NAMESPACE, conditions::is_deleted(&uid));
        match tokio::time::timeout(GOING_LIMIT, gone).await {
            Ok(gone) => Ok(gone.map(drop)?),
            Err(_) => Err(format!("it is not gone within {} s", GOING_LIMIT.as_secs()).into()),
        }
    }

    /// The same from a thread that serves nobody else.
    pub(super) fn restore_blocking(&self) -> Result<(), String> {
        let cluster = self.clone();
        let restored = std::thread::spawn(move || {
            // The first call decides for the whole process.
            let _installed = rustls::crypto::ring::default_provider().install_default();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map_err(|error| error.to_string())?.block_on(cluster.restore())
        });
        restored.join().unwrap_or_else(|_| Err("it ended in a panic".to_owned()))
    }

    /// Writes it where only this user reads it; it holds credentials.
    pub(super) fn write(&self, state: &Path, run_id: &str) -> io::Result<PathBuf> {
        let directory = directory(state, run_id);
        make_private_directories(&directory)?;
        let path = directory.join(format!("{}.json", self.on));
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_all()?;
        Ok(path)
    }

    pub(super) fn read(path: &Path) -> io::Result<Self> {
        Ok(serde_json::from_slice(&fs::read(path)?)?)
    }
}

impl std::fmt::Display for ExistingCluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "what the run made on the {} cluster, context {}", self.on, self.context)
    }
}

/// Where the clusters of a run are described; a lease can name no other place.
pub(super) fn directory(state: &Path, run_id: &str) -> PathBuf {
    state.join(format!("{run_id}.clusters"))
}
