//! The programs that steps need from the machine.

use std::path::{Path, PathBuf};

use providers::Missing;
use providers::program::{self, on_path};
use tokio::process::Command;

/// Names another kubectl than the one on the PATH.
pub const KUBECTL_VARIABLE: &str = "KS_E2E_KUBECTL";

/// Programs that steps use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tools {
    /// Path of kubectl.
    pub kubectl: PathBuf,
    /// Its version, as `v1.20.2`.
    pub kubectl_version: String,
    /// The shell that runs commands as a person's would.
    pub shell: PathBuf,
}

impl Tools {
    /// Finds them.
    ///
    /// # Errors
    /// [`Missing`] when kubectl is not there or does not run.
    pub async fn find() -> Result<Self, Missing> {
        let kubectl = match std::env::var_os(KUBECTL_VARIABLE).filter(|value| !value.is_empty()) {
            // Steps run in another directory.
            Some(path) => std::path::absolute(&path).unwrap_or_else(|_| PathBuf::from(path)),
            None => on_path("kubectl").ok_or_else(|| missing("kubectl is not on the PATH"))?,
        };
        let kubectl_version = version(&kubectl).await?;
        let shell = on_path("bash").unwrap_or_else(|| PathBuf::from("/bin/sh"));
        Ok(Self { kubectl, kubectl_version, shell })
    }
}

async fn version(kubectl: &Path) -> Result<String, Missing> {
    let failed = |why: &str| missing(&format!("{} does not tell its version: {why}", kubectl.display()));
    let mut command = Command::new(kubectl);
    // A person's own kubeconfig is not read, for whatever reason kubectl might.
    command.args(["version", "--client", "-o", "json"]).env_remove("KUBECONFIG");
    let answer = program::answer(command).await.map_err(|reason| failed(&reason))?;
    let answer: serde_json::Value =
        serde_json::from_str(&answer).map_err(|_| failed(&format!("no JSON in its answer {answer:?}")))?;
    let version = answer["clientVersion"]["gitVersion"].as_str();
    version.map(str::to_owned).ok_or_else(|| failed("no clientVersion.gitVersion in its answer"))
}

fn missing(what: &str) -> Missing {
    Missing {
        what: what.to_owned(),
        how: format!(
            "install kubectl 1.20 or newer (Debian: `apt-get install kubernetes-client`, or run ci/setup; others: \
             https://kubernetes.io/docs/tasks/tools/), or set {KUBECTL_VARIABLE} to its path"
        ),
    }
}
