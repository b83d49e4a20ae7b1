//! Which users have a role in a cluster, noted on the host's users (kubesphere v3.3.2, `syncClusterMembers`).

use std::collections::BTreeSet;

use kubesphere::names::{USER, labels};
use serde_json::{Value, json};

use super::controller::Controller;
use crate::member::{ApiClient, CallError, Target};

/// The Clusters that a user has a role in, with commas between.
const GRANTED_CLUSTERS: &str = "iam.kubesphere.io/granted-clusters";

impl Controller {
    /// Notes on each user of the host whether `cluster` has a `ClusterRoleBinding` for it.
    ///
    /// # Errors
    /// When a cluster does not answer, or somebody else changes the same user.
    pub(super) async fn note_grants(&self, cluster: &str, member: &ApiClient) -> Result<(), CallError> {
        let bindings = Target::group("rbac.authorization.k8s.io", "v1", "clusterrolebindings")
            .query(&format!("labelSelector={}", labels::USER_REF.replace('/', "%2F")));
        let bindings = member.get(&bindings).await?;
        let granted: BTreeSet<&str> = bindings["items"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|binding| binding["metadata"]["labels"][labels::USER_REF].as_str())
            .collect();
        self.note_cluster(cluster, |user| granted.contains(user)).await
    }

    /// Takes `cluster` away from all users.
    ///
    /// # Errors
    /// When the host does not answer, or somebody else changes the same user.
    pub(super) async fn forget_grants(&self, cluster: &str) -> Result<(), CallError> {
        self.note_cluster(cluster, |_| false).await
    }

    async fn note_cluster(&self, cluster: &str, granted: impl Fn(&str) -> bool) -> Result<(), CallError> {
        let users = Target::group(USER.group, USER.version, USER.plural);
        let found = self.host.get(&users).await?;
        for user in found["items"].as_array().into_iter().flatten() {
            let Some(name) = user["metadata"]["name"].as_str() else { continue };
            let before = user["metadata"]["annotations"][GRANTED_CLUSTERS].as_str().unwrap_or_default();
            let Some(after) = noted(before, cluster, granted(name)) else { continue };
            let mut user = user.clone();
            if !user["metadata"]["annotations"].is_object() {
                user["metadata"]["annotations"] = json!({});
            }
            user["metadata"]["annotations"][GRANTED_CLUSTERS] = Value::from(after);
            self.host.update(&users.clone().named(name), &user).await?;
        }
        Ok(())
    }
}

/// The annotation with or without `cluster`, if that is a change; names are sorted.
fn noted(before: &str, cluster: &str, granted: bool) -> Option<String> {
    let mut clusters: BTreeSet<&str> = before.split(',').filter(|name| !name.is_empty()).collect();
    let changed = if granted { clusters.insert(cluster) } else { clusters.remove(cluster) };
    changed.then(|| clusters.into_iter().collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::first("", true, Some("m"))]
    #[case::another("z,a", true, Some("a,m,z"))]
    #[case::again("a,m", true, None)]
    #[case::last("m", false, Some(""))]
    #[case::never("a", false, None)]
    fn notes_a_cluster_once(#[case] before: &str, #[case] granted: bool, #[case] after: Option<&str>) {
        assert_eq!(noted(before, "m", granted).as_deref(), after);
    }
}
