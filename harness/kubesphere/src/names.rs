//! Names that KubeSphere 3.x gives to things (ks-installer and kubesphere, v3.2.1 to v3.4.1).

/// A kind of object and where the API server serves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Resource {
    /// API group, empty for the core group.
    pub group: &'static str,
    /// Version.
    pub version: &'static str,
    /// Kind.
    pub kind: &'static str,
    /// Plural, as in paths.
    pub plural: &'static str,
    /// Singular, as in a CRD's names.
    pub singular: &'static str,
    /// Where its objects live.
    pub scope: Scope,
}

/// Where objects of a kind live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// In a namespace.
    Namespaced,
    /// In the cluster.
    Cluster,
}

impl Scope {
    /// As a CRD spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Namespaced => "Namespaced",
            Self::Cluster => "Cluster",
        }
    }
}

impl Resource {
    const fn new(
        group: &'static str,
        version: &'static str,
        kind: &'static str,
        plural: &'static str,
        singular: &'static str,
        scope: Scope,
    ) -> Self {
        Self { group, version, kind, plural, singular, scope }
    }

    /// `group/version`, or the version alone for the core group.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }

    /// The name of the CRD that defines it, `plural.group`.
    #[must_use]
    pub fn crd_name(&self) -> String {
        format!("{}.{}", self.plural, self.group)
    }
}

/// What the installer reads its orders from.
pub const CLUSTER_CONFIGURATION: Resource = Resource::new(
    "installer.kubesphere.io",
    "v1alpha1",
    "ClusterConfiguration",
    "clusterconfigurations",
    "clusterconfiguration",
    Scope::Namespaced,
);
/// A cluster that the host manages, itself included.
pub const CLUSTER: Resource =
    Resource::new("cluster.kubesphere.io", "v1alpha1", "Cluster", "clusters", "cluster", Scope::Cluster);
/// A cluster as kubefed knows it.
pub const KUBEFED_CLUSTER: Resource = Resource::new(
    "core.kubefed.io",
    "v1beta1",
    "KubeFedCluster",
    "kubefedclusters",
    "kubefedcluster",
    Scope::Namespaced,
);
/// kubefed's own configuration.
pub const KUBEFED_CONFIG: Resource =
    Resource::new("core.kubefed.io", "v1beta1", "KubeFedConfig", "kubefedconfigs", "kubefedconfig", Scope::Namespaced);
/// Which kinds kubefed spreads.
pub const FEDERATED_TYPE_CONFIG: Resource = Resource::new(
    "core.kubefed.io",
    "v1beta1",
    "FederatedTypeConfig",
    "federatedtypeconfigs",
    "federatedtypeconfig",
    Scope::Namespaced,
);
/// A workspace of one cluster.
pub const WORKSPACE: Resource =
    Resource::new("tenant.kubesphere.io", "v1alpha1", "Workspace", "workspaces", "workspace", Scope::Cluster);
/// A workspace as a person makes it on the host.
pub const WORKSPACE_TEMPLATE: Resource = Resource::new(
    "tenant.kubesphere.io",
    "v1alpha2",
    "WorkspaceTemplate",
    "workspacetemplates",
    "workspacetemplate",
    Scope::Cluster,
);
/// A workspace and the clusters it is spread to.
pub const FEDERATED_WORKSPACE: Resource = Resource::new(
    "types.kubefed.io",
    "v1beta1",
    "FederatedWorkspace",
    "federatedworkspaces",
    "federatedworkspace",
    Scope::Cluster,
);
/// A namespace and the clusters it is spread to.
pub const FEDERATED_NAMESPACE: Resource = Resource::new(
    "types.kubefed.io",
    "v1beta1",
    "FederatedNamespace",
    "federatednamespaces",
    "federatednamespace",
    Scope::Namespaced,
);
/// A person.
pub const USER: Resource = Resource::new("iam.kubesphere.io", "v1alpha2", "User", "users", "user", Scope::Cluster);
/// What a role may do on the whole platform.
pub const GLOBAL_ROLE: Resource =
    Resource::new("iam.kubesphere.io", "v1alpha2", "GlobalRole", "globalroles", "globalrole", Scope::Cluster);
/// Who has a global role.
pub const GLOBAL_ROLE_BINDING: Resource = Resource::new(
    "iam.kubesphere.io",
    "v1alpha2",
    "GlobalRoleBinding",
    "globalrolebindings",
    "globalrolebinding",
    Scope::Cluster,
);

/// Namespaces.
pub mod namespaces {
    /// Where KubeSphere itself runs.
    pub const SYSTEM: &str = "kubesphere-system";
    /// Where per-user tools run.
    pub const CONTROLS: &str = "kubesphere-controls-system";
    /// Where monitoring runs.
    pub const MONITORING: &str = "kubesphere-monitoring-system";
    /// Where federated monitoring rules live.
    pub const MONITORING_FEDERATED: &str = "kubesphere-monitoring-federated";
    /// Where kubefed runs on the host, and where a joined cluster keeps the host's ServiceAccount.
    pub const FEDERATION: &str = "kube-federation-system";
}

/// Names of single objects.
pub mod objects {
    /// The installer's `ClusterConfiguration`, Deployment, ServiceAccount and cluster role.
    pub const INSTALLER: &str = "ks-installer";
    /// The ConfigMap that all components read.
    pub const CONFIG: &str = "kubesphere-config";
    /// Its only key.
    pub const CONFIG_KEY: &str = "kubesphere.yaml";
    /// Where the components find it.
    pub const CONFIG_PATH: &str = "/etc/kubesphere/kubesphere.yaml";
    /// The Secret that keeps a generated `jwtSecret`.
    pub const SECRET: &str = "kubesphere-secret";
    /// The ServiceAccount of the components.
    pub const SERVICE_ACCOUNT: &str = "kubesphere";
    /// The API server of KubeSphere.
    pub const APISERVER: &str = "ks-apiserver";
    /// The controllers of KubeSphere.
    pub const CONTROLLER_MANAGER: &str = "ks-controller-manager";
    /// The web console.
    pub const CONSOLE: &str = "ks-console";
    /// The console's ConfigMap.
    pub const CONSOLE_CONFIG: &str = "ks-console-config";
    /// The proxy for agent connections.
    pub const TOWER: &str = "tower";
    /// kubefed's release and `KubeFedConfig`.
    pub const KUBEFED: &str = "kubefed";
    /// kubefed's controllers.
    pub const KUBEFED_CONTROLLER_MANAGER: &str = "kubefed-controller-manager";
    /// kubefed's admission webhook.
    pub const KUBEFED_WEBHOOK: &str = "kubefed-admission-webhook";
    /// The first user.
    pub const ADMIN: &str = "admin";
    /// The name of the host's Cluster when nobody chose one (`DefaultHostClusterName`).
    pub const DEFAULT_HOST_CLUSTER: &str = "host";
    /// The workspace of KubeSphere's own namespaces.
    pub const SYSTEM_WORKSPACE: &str = "system-workspace";
}

/// Label keys.
pub mod labels {
    /// On the host's Cluster, with an empty value.
    pub const HOST_CLUSTER: &str = "cluster-role.kubesphere.io/host";
    /// On objects that KubeSphere made by itself.
    pub const MANAGED: &str = "kubesphere.io/managed";
    /// A namespace's own name, for selectors.
    pub const NAMESPACE: &str = "kubesphere.io/namespace";
    /// The workspace a namespace belongs to.
    pub const WORKSPACE: &str = "kubesphere.io/workspace";
    /// What a cluster is for: the tag in the console.
    pub const GROUP: &str = "cluster.kubesphere.io/group";
    /// The user a role binding is for.
    pub const USER_REF: &str = "iam.kubesphere.io/user-ref";
}

/// Annotation keys.
pub mod annotations {
    /// Description in the console.
    pub const DESCRIPTION: &str = "kubesphere.io/description";
    /// A name for people.
    pub const ALIAS: &str = "kubesphere.io/alias-name";
    /// The user has to change the password at the first login.
    pub const UNINITIALIZED: &str = "iam.kubesphere.io/uninitialized";
    /// The password of a user is hashed already.
    pub const PASSWORD_ENCRYPTED: &str = "iam.kubesphere.io/password-encrypted";
    /// What `kubectl apply` sent last.
    pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
}

/// The finalizer of a Cluster.
pub const CLUSTER_FINALIZER: &str = "finalizer.cluster.kubesphere.io";
/// The finalizer of every namespace where ks-controller-manager runs.
pub const NAMESPACE_FINALIZER: &str = "finalizers.kubesphere.io/namespaces";

/// The password of [`objects::ADMIN`] when the `ClusterConfiguration` sets none (ks-installer, `preinstall` role).
pub const DEFAULT_ADMIN_PASSWORD: &str = "P@88w0rd";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_crd_by_plural_and_group() {
        assert_eq!(CLUSTER_CONFIGURATION.crd_name(), "clusterconfigurations.installer.kubesphere.io");
        assert_eq!(CLUSTER.api_version(), "cluster.kubesphere.io/v1alpha1");
    }
}
