//! Joining a cluster to the federation, and leaving it (kubesphere v3.3.2, `pkg/controller/cluster/join.go`).

use std::pin::pin;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::StreamExt as _;
use http::Request;
use kube::core::WatchEvent;
use kubesphere::Resource;
use kubesphere::names::{FEDERATED_WORKSPACE, KUBEFED_CLUSTER, WORKSPACE, namespaces};
use nodes::clock::Clock;
use serde_json::{Value, json};

use crate::delays::{JOIN_LIMIT, JOIN_POLL, WATCH_PAUSE};
use crate::member::{ApiClient, CallError, RestConfig, Target};
use crate::{Behaviour, Deviation};

const SYSTEM: &str = namespaces::FEDERATION;
const TOKEN_TYPE: &str = "kubernetes.io/service-account-token";

/// Why a join failed, in the words that become the condition's reason.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// A call to the host or the member.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The ServiceAccount got no token Secret.
    #[error("timed out waiting for the condition")]
    NoSecret,
    /// The Secret got no token.
    #[error("Key \"token\" not found in service account secret")]
    NoToken,
    /// A workspace of the member exists on the host, without the member in its placement.
    #[error(
        "The workspace {workspace} is found in the target member cluster {cluster}, which is conflict with the workspace on host"
    )]
    Workspace {
        /// Its name.
        workspace: String,
        /// The Cluster.
        cluster: String,
    },
}

impl JoinError {
    /// Somebody else changed an object meanwhile.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        matches!(self, Self::Call(error) if error.is_stale())
    }
}

/// A cluster that joins, and the host it joins.
pub struct Join<'a> {
    /// The Cluster's name.
    pub cluster: &'a str,
    /// Labels of the Cluster.
    pub labels: &'a Value,
    /// The host.
    pub host: &'a ApiClient,
    /// The member.
    pub member: &'a ApiClient,
    /// How the member is reached.
    pub config: &'a RestConfig,
    /// The clock.
    pub clock: &'a Clock,
    /// What goes otherwise.
    pub behaviour: Behaviour,
}

fn target(resource: Resource) -> Target {
    Target::group(resource.group, resource.version, resource.plural)
}

fn accounts() -> Target {
    Target::core("serviceaccounts").within(SYSTEM)
}

fn secrets() -> Target {
    Target::core("secrets").within(SYSTEM)
}

impl Join<'_> {
    /// Joins, or brings an earlier join up to date.
    ///
    /// # Errors
    /// [`JoinError`] of the first step that fails; what was made before stays.
    pub async fn run(&self) -> Result<(), JoinError> {
        let is = |deviation| self.behaviour.deviates(deviation);
        if is(Deviation::JoinSkipped) {
            return Ok(());
        }
        let account = format!("{}-kubesphere", self.cluster);
        self.member.find(&accounts().named(&account)).await?;
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM}});
        create_unless_there(self.member, &Target::core("namespaces"), &namespace).await?;
        let token = if is(Deviation::JoinWithoutAccount) {
            STANDARD.encode("of nobody")
        } else {
            self.make_account(&account).await?;
            self.token(&account).await?
        };
        if !is(Deviation::JoinWithoutRights) {
            self.grant(&account).await?;
        }
        self.store_token(if is(Deviation::JoinWithoutToken) { "" } else { &token }).await?;
        if is(Deviation::JoinUnregistered) { Ok(()) } else { self.register().await }
    }

    /// The ServiceAccount with a token Secret: the token controller's, where there is one, else one made here. The
    /// real code does not wait for that controller and loses the race now and then, which would make runs differ; here
    /// the controller comes first, unless the join is to lose a race.
    async fn make_account(&self, account: &str) -> Result<(), JoinError> {
        let object = json!({
            "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account, "namespace": SYSTEM},
        });
        let made = create_unless_there(self.member, &accounts(), &object).await?;
        if let Some(mut stale) = made {
            if self.behaviour.deviates(Deviation::FirstJoinTokenRace) {
                // The answer is the Secret as it is before the token controller sees it.
                let secret = self.make_secret(account).await?;
                return if has_token(&secret) { Ok(()) } else { Err(JoinError::NoToken) };
            }
            if self.behaviour.deviates(Deviation::FirstJoinAccountRace) {
                let _whether_it_came = self.clock.within(JOIN_LIMIT, self.account_lists_secrets(account)).await;
                let secret = self.make_secret(account).await?;
                stale["secrets"] = json!([{"name": secret["metadata"]["name"]}]);
                self.member.update(&accounts().named(account), &stale).await?;
                return Ok(());
            }
        }
        if self.clock.within(JOIN_LIMIT, self.account_lists_secrets(account)).await.unwrap_or(Ok(false))? {
            return Ok(());
        }
        let secret = self.make_secret(account).await?;
        Ok(self.list_secret(account, &secret["metadata"]["name"]).await?)
    }

    async fn make_secret(&self, account: &str) -> Result<Value, CallError> {
        let secret = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "generateName": format!("{account}-token-"),
                "namespace": SYSTEM,
                "annotations": {"kubernetes.io/service-account.name": account},
            },
            "type": TOKEN_TYPE,
        });
        self.member.create(&secrets(), &secret).await
    }

    /// Watches the account until it lists a Secret; false when the member does not let itself be watched.
    async fn account_lists_secrets(&self, account: &str) -> Result<bool, CallError> {
        loop {
            let found = self.member.get(&accounts().named(account)).await?;
            if has_secrets(&found) {
                return Ok(true);
            }
            let version = found["metadata"]["resourceVersion"].as_str().unwrap_or_default();
            let path = format!(
                "/api/v1/namespaces/{SYSTEM}/serviceaccounts?watch=1&resourceVersion={version}&fieldSelector=metadata.name%3D{account}"
            );
            let Ok(request) = Request::get(path).body(Vec::new()) else { return Ok(false) };
            let Ok(events) = self.member.kube().request_events::<Value>(request).await else { return Ok(false) };
            let mut events = pin!(events);
            while let Some(Ok(WatchEvent::Added(account) | WatchEvent::Modified(account))) = events.next().await {
                if has_secrets(&account) {
                    return Ok(true);
                }
            }
            // The watch ended early or the account is gone, which the next look tells.
            self.clock.sleep(WATCH_PAUSE).await;
        }
    }

    /// Adds the Secret `name` to the account, unless the account lists one by now. A change in between counts.
    async fn list_secret(&self, account: &str, name: &Value) -> Result<(), CallError> {
        let mut again = true;
        loop {
            let mut found = self.member.get(&accounts().named(account)).await?;
            if has_secrets(&found) {
                return Ok(());
            }
            found["secrets"] = json!([{"name": name}]);
            match self.member.update(&accounts().named(account), &found).await {
                Err(error) if error.is_conflict() && again => again = false,
                updated => return updated.map(drop),
            }
        }
    }

    async fn grant(&self, account: &str) -> Result<(), CallError> {
        let name = format!("kubefed-controller-manager:{account}");
        let rbac = |plural| Target::group("rbac.authorization.k8s.io", "v1", plural);
        let role = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": name},
            "rules": [
                {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
                {"verbs": ["get"], "nonResourceURLs": ["*"]},
            ],
        });
        create_or_update(self.member, &rbac("clusterroles"), &name, role, "rules").await?;
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": SYSTEM}],
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
        });
        create_or_update(self.member, &rbac("clusterrolebindings"), &name, binding, "subjects").await
    }

    /// The account's token, still base64, once the member has filled it in.
    async fn token(&self, account: &str) -> Result<String, JoinError> {
        let mut last = JoinError::NoSecret;
        let polls = JOIN_LIMIT.duration.as_secs() / JOIN_POLL.duration.as_secs().max(1);
        for poll in 0..=polls {
            if poll > 0 {
                self.clock.sleep(JOIN_POLL).await;
            }
            let found = self.member.get(&accounts().named(account)).await?;
            for reference in found["secrets"].as_array().into_iter().flatten() {
                let Some(name) = reference["name"].as_str() else { continue };
                let Some(secret) = self.member.find(&secrets().named(name)).await? else { continue };
                if secret["type"] != TOKEN_TYPE {
                    continue;
                }
                match secret["data"]["token"].as_str() {
                    Some(token) if !token.is_empty() => return Ok(token.to_owned()),
                    _ => last = JoinError::NoToken,
                }
            }
        }
        Err(last)
    }

    async fn store_token(&self, token: &str) -> Result<(), CallError> {
        let name = secret_name(self.cluster);
        let secret = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": SYSTEM},
            "data": {"token": token},
        });
        create_or_update(self.host, &secrets(), &name, secret, "data").await
    }

    async fn register(&self) -> Result<(), JoinError> {
        let mut spec = json!({
            "apiEndpoint": self.config.server(),
            "caBundle": STANDARD.encode(self.config.authorities()),
            "proxyURL": "",
            "secretRef": {"name": secret_name(self.cluster)},
        });
        if self.config.insecure() {
            spec["disabledTLSValidations"] = json!(["*"]);
        }
        let clusters = target(KUBEFED_CLUSTER).within(SYSTEM);
        if let Some(mut found) = self.host.find(&clusters.clone().named(self.cluster)).await? {
            if found["spec"] != spec {
                found["spec"] = spec;
                self.host.update(&clusters.named(self.cluster), &found).await?;
            }
            return Ok(());
        }
        self.check_workspaces().await?;
        let mut object = json!({
            "apiVersion": KUBEFED_CLUSTER.api_version(),
            "kind": KUBEFED_CLUSTER.kind,
            "metadata": {"name": self.cluster, "namespace": SYSTEM},
            "spec": spec,
        });
        if self.labels.is_object() {
            object["metadata"]["labels"] = self.labels.clone();
        }
        self.host.create(&clusters, &object).await?;
        Ok(())
    }

    async fn check_workspaces(&self) -> Result<(), JoinError> {
        let managed = target(WORKSPACE).query("labelSelector=kubefed.io%2Fmanaged%3Dtrue");
        let list = self.member.get(&managed).await?;
        for workspace in list["items"].as_array().into_iter().flatten() {
            let Some(name) = workspace["metadata"]["name"].as_str() else { continue };
            let Some(federated) = self.host.find(&target(FEDERATED_WORKSPACE).named(name)).await? else { continue };
            let placed = federated["spec"]["placement"]["clusters"].as_array();
            if !placed.is_some_and(|all| all.iter().any(|cluster| cluster["name"] == self.cluster)) {
                return Err(JoinError::Workspace { workspace: name.to_owned(), cluster: self.cluster.to_owned() });
            }
        }
        Ok(())
    }
}

/// Leaves the federation. Only the host forgets; nothing on the member is touched.
///
/// # Errors
/// When the host's API server refuses.
pub async fn unjoin(host: &ApiClient, cluster: &str, behaviour: Behaviour) -> Result<(), CallError> {
    if !behaviour.deviates(Deviation::RegistrationKept) {
        host.delete(&target(KUBEFED_CLUSTER).within(SYSTEM).named(cluster)).await?;
    }
    host.delete(&secrets().named(&secret_name(cluster))).await
}

fn secret_name(cluster: &str) -> String {
    format!("{cluster}-secret")
}

fn has_token(secret: &Value) -> bool {
    secret["data"]["token"].as_str().is_some_and(|token| !token.is_empty())
}

fn has_secrets(account: &Value) -> bool {
    account["secrets"].as_array().is_some_and(|secrets| !secrets.is_empty())
}

/// Creates `object`; `None` when it is there already.
async fn create_unless_there(api: &ApiClient, target: &Target, object: &Value) -> Result<Option<Value>, CallError> {
    match api.create(target, object).await {
        Ok(made) => Ok(Some(made)),
        Err(error) if error.is_conflict() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Creates `object`, or brings its `field` up to date.
async fn create_or_update(
    api: &ApiClient,
    target: &Target,
    name: &str,
    object: Value,
    field: &str,
) -> Result<(), CallError> {
    let one = target.clone().named(name);
    match api.find(&one).await? {
        None => api.create(target, &object).await.map(drop),
        Some(found) if found[field] == object[field] => Ok(()),
        Some(mut found) => {
            found[field] = object[field].clone();
            api.update(&one, &found).await.map(drop)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing unwrap fails the test")]

    use std::net::{IpAddr, SocketAddr};
    use std::sync::Arc;

    use http::{Method, StatusCode};
    use nodes::clock::VirtualClock;
    use nodes::network::{BoxStream, Listener, NetError, Network};
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::installer::fake::Fake;
    use crate::member::kubeconfig;

    const ACCOUNT: &str = "/api/v1/namespaces/kube-federation-system/serviceaccounts/m-kubesphere";
    const MADE: &str = "/api/v1/namespaces/kube-federation-system/secrets/m-kubesphere-token-made";
    const KUBECONFIG: &str = "{clusters: [{name: c, cluster: {server: 'https://192.0.2.1:6443'}}], current-context: c, \
                              contexts: [{name: c, context: {cluster: c, user: c}}], users: [{name: c, user: {token: t}}]}";

    struct NoNetwork;

    #[async_trait::async_trait]
    impl Network for NoNetwork {
        async fn resolve(&self, _: &str) -> Result<Vec<IpAddr>, NetError> {
            Err(NetError::Closed)
        }

        async fn connect(&self, _: SocketAddr) -> Result<BoxStream, NetError> {
            Err(NetError::Closed)
        }

        async fn listen(&self, _: u16) -> Result<Box<dyn Listener>, NetError> {
            Err(NetError::Closed)
        }
    }

    /// Makes the account of `fake`; returns how long that took.
    async fn make_account(fake: &Arc<Fake>) -> std::time::Duration {
        let (virtual_clock, stop) = (VirtualClock::new(), CancellationToken::new());
        tokio::spawn(virtual_clock.clone().drive(stop.clone()));
        let _stop = stop.drop_guard();
        let _progress = virtual_clock.wants_progress();
        let clock = Clock::virtual_from(virtual_clock.clone());
        let api =
            ApiClient::new(fake.client(), "https://192.0.2.1:6443", Arc::new(NoNetwork), clock.clone(), None, None);
        let config = kubeconfig::load(KUBECONFIG.as_bytes()).unwrap();
        let join = Join {
            cluster: "m",
            labels: &Value::Null,
            host: &api,
            member: &api,
            config: &config,
            clock: &clock,
            behaviour: Behaviour::default(),
        };
        join.make_account("m-kubesphere").await.unwrap();
        virtual_clock.now()
    }

    #[tokio::test]
    async fn leaves_the_secret_to_a_token_controller_that_exists() {
        let fake = Fake::new();
        let controller = async {
            while fake.get(ACCOUNT).is_none() {
                tokio::task::yield_now().await;
            }
            fake.put(ACCOUNT, &json!({"metadata": {"name": "m-kubesphere"}, "secrets": [{"name": "theirs"}]}));
        };
        let (took, ()) = tokio::join!(make_account(&fake), controller);
        assert!(took < JOIN_LIMIT.duration);
        assert_eq!(fake.get(ACCOUNT).unwrap()["secrets"], json!([{"name": "theirs"}]));
        assert_eq!(fake.get(MADE), None);
    }

    #[tokio::test]
    async fn makes_a_secret_where_nobody_else_does_and_survives_a_change_in_between() {
        let fake = Fake::new();
        fake.fail_once(Method::PUT, ACCOUNT, StatusCode::CONFLICT);
        let took = make_account(&fake).await;
        assert!(took >= JOIN_LIMIT.duration);
        assert_eq!(fake.get(ACCOUNT).unwrap()["secrets"], json!([{"name": "m-kubesphere-token-made"}]));
        assert_eq!(fake.get(MADE).unwrap()["type"], TOKEN_TYPE);
    }
}
