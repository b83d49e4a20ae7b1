//! One history of a host and its members on a release, told once, of which many tests read.

use std::collections::BTreeMap;
use std::panic::catch_unwind;
use std::sync::{LazyLock, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use kubesphere::{Feature, Release};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::fixture::{Cluster, World, refuse_ks_apiserver};
use crate::imports::{CLUSTERS, CONFIG, TWO_RESYNCS, import};
use crate::kubeconfigs;
use crate::timeline::Timeline;

/// What was there in the end, and on the way.
pub struct Story {
    pub release: &'static Release,
    /// Objects of the host and the member by path, as they were when the story had got to them.
    host: BTreeMap<String, Value>,
    member: BTreeMap<String, Value>,
    timelines: BTreeMap<String, Vec<Value>>,
    /// The host's log.
    pub log: String,
}

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());
static TOLD: [OnceLock<Option<Story>>; 4] = [const { OnceLock::new() }; 4];

/// The story of `version`, told at the first call.
pub fn story(version: &str) -> &'static Story {
    let at = Release::all().iter().position(|release| release.tag() == version).unwrap();
    // A story that breaks off has been told all the same: its readers need not wait for it each.
    let tell = || catch_unwind(|| RUNTIME.block_on(Story::tell(version))).ok();
    TOLD[at].get_or_init(tell).as_ref().expect("a whole story")
}

const ACCOUNTS: &str = "/api/v1/namespaces/kube-federation-system";
const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const ADMIN: &str = "/apis/iam.kubesphere.io/v1alpha2/users/admin";

impl Story {
    async fn tell(version: &str) -> Self {
        let world = World::start(version).await;
        let mut story = Self {
            release: Release::find(version).unwrap(),
            host: BTreeMap::new(),
            member: BTreeMap::new(),
            timelines: BTreeMap::new(),
            log: String::new(),
        };
        world.host.until_ready("host", "True").await;
        if story.release.has(Feature::ClusterNameWritten) {
            world
                .host
                .until("the host is named", async || {
                    let config = world.host.get(CONFIG).await;
                    config["data"]["kubesphere.yaml"].as_str().unwrap().contains("clusterName: host\n")
                })
                .await;
        }
        let watch = Timeline::start(&world.host).await;
        story.join_one(&world).await;
        let names = story.fail_others(&world).await;
        story.lose_the_configuration(&world).await;
        story.silence_one(&world).await;
        story.import_itself(&world).await;
        for name in names.iter().copied().chain(["joined", "host", "silent", "nameless", "itself"]) {
            story.timelines.insert(name.to_owned(), watch.of(&world, name).await);
        }
        story.log = world.host.logs().await;
        world.stop().await;
        story
    }

    async fn see(&mut self, cluster: &Cluster, path: &str) {
        let object = cluster.get(path).await;
        let seen = if cluster.name == "host" { &mut self.host } else { &mut self.member };
        seen.insert(path.to_owned(), object);
    }

    /// A member as it should be, with a user who has a role in it; then its Cluster is deleted.
    async fn join_one(&mut self, world: &World) {
        self.member.insert("before".to_owned(), world.member.get(CONFIG).await);
        world
            .member
            .create(&json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
                "metadata": {"name": "admin-cluster-admin", "labels": {"iam.kubesphere.io/user-ref": "admin"}},
                "subjects": [{"kind": "User", "name": "admin", "apiGroup": "rbac.authorization.k8s.io"}],
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            }))
            .await;
        world.host.create(&stub::console::form::cluster_object("joined", &kubeconfigs::valid(&world.member))).await;
        world
            .host
            .until("the host notes who may use the member", async || {
                let admin = world.host.get(ADMIN).await;
                admin["metadata"]["annotations"]["iam.kubesphere.io/granted-clusters"].is_string()
            })
            .await;
        self.see(&world.host, ADMIN).await;
        self.see(&world.host, &format!("{CLUSTERS}/joined")).await;
        self.see(&world.host, &format!("{ACCOUNTS}/secrets/joined-secret")).await;
        self.see(&world.host, "/apis/core.kubefed.io/v1beta1/namespaces/kube-federation-system/kubefedclusters/joined")
            .await;
        self.see(&world.host, CONFIG).await;
        for path in [
            "/api/v1/namespaces/kube-federation-system".to_owned(),
            format!("{ACCOUNTS}/serviceaccounts/joined-kubesphere"),
            format!("{RBAC}/clusterroles/kubefed-controller-manager:joined-kubesphere"),
            format!("{RBAC}/clusterrolebindings/kubefed-controller-manager:joined-kubesphere"),
            format!("{ACCOUNTS}/secrets"),
            CONFIG.to_owned(),
        ] {
            self.see(&world.member, &path).await;
        }
        world.host.call(Method::DELETE, &format!("{CLUSTERS}/joined"), None).await;
        world
            .host
            .until("joined is gone", async || world.host.get(&format!("{CLUSTERS}/joined")).await["code"] == 404)
            .await;
        self.host.insert("admin afterwards".to_owned(), world.host.get(ADMIN).await);
    }

    /// Clusters that stop at one step each.
    async fn fail_others(&mut self, world: &World) -> Vec<&'static str> {
        for (user, nodes, system) in [("without-nodes", false, true), ("without-system", true, false)] {
            grant(&world.member, user, nodes, system).await;
        }
        grant(&world.bare, "without-version", true, true).await;
        for binding in ["system:discovery", "system:public-info-viewer"] {
            world.bare.call(Method::DELETE, &format!("{RBAC}/clusterrolebindings/{binding}"), None).await;
        }
        // The bare cluster has no workspaces, which the join wants to see.
        for crd in stub::manifests::crds::core() {
            world.bare.create(&crd).await;
        }
        let closed = kubeconfigs::of_case(world, "closed-port").await.unwrap();
        let kubeconfigs = [
            ("unfederated", kubeconfigs::valid(&world.member)),
            ("empty", String::new()),
            ("malformed", "apiVersion: v1: kind: Config".to_owned()),
            ("closed", closed),
            ("without-version", kubeconfigs::of_user(&world.bare, "without-version")),
            ("without-nodes", kubeconfigs::of_user(&world.member, "without-nodes")),
            ("without-system", kubeconfigs::of_user(&world.member, "without-system")),
            ("token", kubeconfigs::with_token(&world.member).await),
        ];
        for (name, kubeconfig) in &kubeconfigs {
            let mut object = stub::console::form::cluster_object(name, kubeconfig);
            object["spec"]["joinFederation"] = json!(*name != "unfederated");
            let connection = object["spec"]["connection"].as_object_mut().unwrap();
            if kubeconfig.is_empty() {
                connection.shift_remove("kubeconfig");
            } else {
                connection.insert("kubeconfig".to_owned(), STANDARD.encode(kubeconfig).into());
            }
            world.host.create(&object).await;
        }
        // Gone before anybody looks.
        let absent = stub::console::form::cluster_object("absent", "{}");
        world.host.create(&absent).await;
        let path = format!("{CLUSTERS}/absent");
        world.host.call(Method::DELETE, &path, None).await;
        world.pass(TWO_RESYNCS).await;
        let names = kubeconfigs.map(|(name, _)| name);
        for name in names.iter().chain(&["absent"]) {
            self.see(&world.host, &format!("{CLUSTERS}/{name}")).await;
            world.host.call(Method::DELETE, &format!("{CLUSTERS}/{name}"), None).await;
        }
        names.into_iter().chain(["absent"]).collect()
    }

    /// A member whose ConfigMap is missing.
    async fn lose_the_configuration(&mut self, world: &World) {
        let mut config = world.member.get(CONFIG).await;
        world.member.call(Method::DELETE, CONFIG, None).await;
        import(world, "nameless").await;
        world.pass(TWO_RESYNCS).await;
        self.see(&world.host, &format!("{CLUSTERS}/nameless")).await;
        world.host.call(Method::DELETE, &format!("{CLUSTERS}/nameless"), None).await;
        config["metadata"].as_object_mut().unwrap().shift_remove("resourceVersion");
        config["metadata"].as_object_mut().unwrap().shift_remove("uid");
        world.member.create(&config).await;
    }

    /// A member whose ks-apiserver does not answer.
    async fn silence_one(&mut self, world: &World) {
        let fault = refuse_ks_apiserver(world).await;
        import(world, "silent").await;
        self.see(&world.host, &format!("{CLUSTERS}/silent")).await;
        world.network.clear_fault(fault);
    }

    /// The host as its own member.
    async fn import_itself(&mut self, world: &World) {
        world.host.create(&stub::console::form::cluster_object("itself", &kubeconfigs::valid(&world.host))).await;
        world.host.until_ready("itself", "True").await;
        self.see(&world.host, &format!("{CLUSTERS}/itself")).await;
    }

    /// A Cluster as it was.
    pub fn cluster(&self, name: &str) -> &Value {
        &self.host[&format!("{CLUSTERS}/{name}")]
    }

    /// The states of a Cluster.
    pub fn states(&self, name: &str) -> &[Value] {
        &self.timelines[name]
    }

    /// An object of the host as it was.
    pub fn on_host(&self, path: &str) -> &Value {
        &self.host[path]
    }

    /// An object of the member as it was.
    pub fn on_member(&self, path: &str) -> &Value {
        &self.member[path]
    }

    /// The lines of the host's log about `what`.
    pub fn logged(&self, what: &str) -> Vec<&str> {
        self.log.lines().filter(|line| line.contains(what)).collect()
    }
}

/// Lets `user` do all that a join asks for, and what comes after it as far as told.
async fn grant(cluster: &Cluster, user: &str, nodes: bool, system: bool) {
    let mut rules = vec![
        json!({"apiGroups": [""], "resources": ["serviceaccounts", "secrets", "configmaps"], "verbs": ["*"]}),
        json!({"apiGroups": [""], "resources": ["namespaces"], "verbs": ["create"]}),
        json!({"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["*"], "verbs": ["*"]}),
        json!({"apiGroups": ["tenant.kubesphere.io"], "resources": ["*"], "verbs": ["*"]}),
    ];
    if nodes {
        rules.push(json!({"apiGroups": [""], "resources": ["nodes", "services/proxy"], "verbs": ["*"]}));
    }
    if system {
        rules.push(json!({"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"]}));
    }
    cluster.create(&json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": user}, "rules": rules,
    })).await;
    cluster
        .create(&json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": user},
            "subjects": [{"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"}],
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": user},
        }))
        .await;
}
