//! What a check is given: the clusters, what the run itself knows, and a way to wait.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use jiff::Timestamp;
use scenario::model::On;

use crate::finding::Finding;
use crate::view::ClusterView;

/// What a check is given.
#[derive(Clone, Copy)]
pub struct CheckContext<'a> {
    /// The host cluster.
    pub host: &'a dyn ClusterView,
    /// The member cluster, where there is one.
    pub member: Option<&'a dyn ClusterView>,
    /// The host's KubeSphere release, as `3.3.2`.
    pub release: &'a str,
    /// The member's KubeSphere release.
    pub member_release: &'a str,
    /// What the run itself knows.
    pub facts: &'a Facts,
    /// How to wait.
    pub waiter: &'a dyn Waiter,
}

impl<'a> CheckContext<'a> {
    /// The cluster of that role, where there is one.
    #[must_use]
    pub fn cluster(&self, on: On) -> Option<&'a dyn ClusterView> {
        match on {
            On::Host => Some(self.host),
            On::Member => self.member,
        }
    }

    /// The release of the cluster of that role.
    #[must_use]
    pub fn release_on(&self, on: On) -> &'a str {
        match on {
            On::Host => self.release,
            On::Member => self.member_release,
        }
    }
}

/// What the run itself knows, besides what the clusters show.
#[derive(Clone)]
pub struct Facts {
    /// The steps done so far, by name.
    pub steps: BTreeMap<String, StepFact>,
    /// The kubeconfig that a step pasted last, into the import form or as an imported Cluster's new one, as YAML.
    pub pasted_kubeconfig: Option<String>,
    /// Name of the Cluster that a step imported.
    pub imported_cluster: Option<String>,
    /// What the validation call of the import form was answered, when a step filled that form in.
    pub validation: Option<ValidationFact>,
    /// When a step last changed a cluster's `ClusterConfiguration`, on that cluster's clock.
    pub last_edit: BTreeMap<On, Timestamp>,
    /// Password of KubeSphere's user `admin`.
    pub admin_password: String,
}

impl Default for Facts {
    /// Nothing done yet, and the password that ks-installer gives `admin` and prints in its banner.
    fn default() -> Self {
        Self {
            steps: BTreeMap::new(),
            pasted_kubeconfig: None,
            imported_cluster: None,
            validation: None,
            last_edit: BTreeMap::new(),
            admin_password: kubesphere::names::DEFAULT_ADMIN_PASSWORD.to_owned(),
        }
    }
}

// Written by hand because outputs, the kubeconfig and the password are secret.
impl std::fmt::Debug for Facts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Facts")
            .field("steps", &self.steps)
            .field("pasted_kubeconfig", &self.pasted_kubeconfig.as_ref().map(String::len))
            .field("imported_cluster", &self.imported_cluster)
            .field("validation", &self.validation)
            .field("last_edit", &self.last_edit)
            .finish_non_exhaustive()
    }
}

/// A step as it was done.
#[derive(Clone)]
pub struct StepFact {
    /// Cluster it acted on.
    pub on: On,
    /// The command as the page has it; empty for a step without one.
    pub command: String,
    /// Exit code, if the process ended by itself.
    pub exit_code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// The step was ended because it had printed what it was waited for, or by its deadline.
    pub ended_by_until: bool,
    /// When it began, on the cluster's clock.
    pub started_at: Timestamp,
}

// Written by hand because outputs may hold secrets.
impl std::fmt::Debug for StepFact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StepFact")
            .field("on", &self.on)
            .field("command", &self.command)
            .field("exit_code", &self.exit_code)
            .field("stdout", &self.stdout.len())
            .field("stderr", &self.stderr.len())
            .field("ended_by_until", &self.ended_by_until)
            .field("started_at", &self.started_at)
            .finish()
    }
}

/// Answer to `POST …/clusters/validation`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidationFact {
    /// HTTP status.
    pub status: u16,
    /// Body; empty when the kubeconfig was accepted.
    pub body: String,
}

/// Waits without sleeping: attempts again whenever one of the clusters has changed.
#[async_trait]
pub trait Waiter: Send + Sync {
    /// Attempts until a finding holds or `budget` (on the clusters' clock) is spent, and returns the last finding. It
    /// attempts at least once, and once more when the budget is spent.
    async fn until_holds<'a>(
        &self,
        budget: Duration,
        attempt: &(dyn Fn() -> BoxFuture<'a, Finding> + Send + Sync),
    ) -> Finding;
}

/// Attempts once: for looking at clusters as they are.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoWait;

#[async_trait]
impl Waiter for NoWait {
    async fn until_holds<'a>(
        &self,
        _budget: Duration,
        attempt: &(dyn Fn() -> BoxFuture<'a, Finding> + Send + Sync),
    ) -> Finding {
        attempt().await
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::step;

    use super::*;

    #[test]
    fn tells_of_facts_without_their_secrets() {
        let printed = step(On::Host, "kubectl get cm").prints("jwtSecret: 12345678").complains("token 87654321");
        let facts = Facts {
            steps: BTreeMap::from([("read".to_owned(), printed)]),
            pasted_kubeconfig: Some("users: 12345678".to_owned()),
            ..Facts::default()
        };
        let told = format!("{facts:?}");
        for known in ["steps: {\"read\"", "command: \"kubectl get cm\"", "stdout: 19", "pasted_kubeconfig: Some(15)"] {
            assert!(told.contains(known), "{told}");
        }
        for secret in ["12345678", "87654321", &facts.admin_password] {
            assert!(!told.contains(secret), "{told}");
        }
    }
}
