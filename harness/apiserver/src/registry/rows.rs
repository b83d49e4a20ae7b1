//! The table of built-in resources.

use super::{ALL_VERBS, NO_COLLECTION};

const CREATE: &[&str] = &["create"];

/// Where objects live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// In the cluster.
    Cluster,
    /// In namespaces.
    Namespaced,
}

/// One row: a resource in one or more versions of its group.
pub(super) struct Row {
    pub group: &'static str,
    pub versions: &'static [&'static str],
    pub plural: &'static str,
    pub kind: &'static str,
    pub scope: Scope,
    pub short_names: &'static [&'static str],
    pub categories: &'static [&'static str],
    pub verbs: &'static [&'static str],
    pub subresources: &'static [&'static str],
    /// Group and version in which objects are kept; without it the row's first version.
    pub kept_as: Option<(&'static str, &'static str)>,
}

impl Row {
    const fn short(self, short_names: &'static [&'static str]) -> Self {
        Self { short_names, ..self }
    }

    const fn within(self, categories: &'static [&'static str]) -> Self {
        Self { categories, ..self }
    }

    const fn can(self, verbs: &'static [&'static str]) -> Self {
        Self { verbs, ..self }
    }

    const fn has(self, subresources: &'static [&'static str]) -> Self {
        Self { subresources, ..self }
    }

    const fn kept_as(self, group: &'static str, version: &'static str) -> Self {
        Self { kept_as: Some((group, version)), ..self }
    }
}

const fn row(
    group: &'static str,
    versions: &'static [&'static str],
    plural: &'static str,
    kind: &'static str,
    scope: Scope,
) -> Row {
    Row {
        group,
        versions,
        plural,
        kind,
        scope,
        short_names: &[],
        categories: &[],
        verbs: ALL_VERBS,
        subresources: &[],
        kept_as: None,
    }
}

const fn namespaced(
    group: &'static str,
    versions: &'static [&'static str],
    plural: &'static str,
    kind: &'static str,
) -> Row {
    row(group, versions, plural, kind, Scope::Namespaced)
}

const fn cluster(
    group: &'static str,
    versions: &'static [&'static str],
    plural: &'static str,
    kind: &'static str,
) -> Row {
    row(group, versions, plural, kind, Scope::Cluster)
}

const REGISTRATION: &str = "apiregistration.k8s.io";
const ADMISSION: &str = "admissionregistration.k8s.io";
const EXTENSIONS: &str = "apiextensions.k8s.io";
const AUTHENTICATION: &str = "authentication.k8s.io";
const AUTHORIZATION: &str = "authorization.k8s.io";
const CERTIFICATES: &str = "certificates.k8s.io";
const COORDINATION: &str = "coordination.k8s.io";
const DISCOVERY: &str = "discovery.k8s.io";
const EVENTS: &str = "events.k8s.io";
const FLOW: &str = "flowcontrol.apiserver.k8s.io";
const NETWORKING: &str = "networking.k8s.io";
const NODE: &str = "node.k8s.io";
const RBAC: &str = "rbac.authorization.k8s.io";
const SCHEDULING: &str = "scheduling.k8s.io";
const STORAGE: &str = "storage.k8s.io";

/// The groups of the table, in the original's order (cmd/kube-apiserver/app/aggregator.go, Kubernetes 1.20).
pub(super) const GROUP_ORDER: &[&str] = &[
    "",
    REGISTRATION,
    "apps",
    EVENTS,
    AUTHENTICATION,
    AUTHORIZATION,
    "autoscaling",
    "batch",
    CERTIFICATES,
    NETWORKING,
    "extensions",
    "policy",
    RBAC,
    STORAGE,
    ADMISSION,
    EXTENSIONS,
    SCHEDULING,
    COORDINATION,
    NODE,
    DISCOVERY,
    FLOW,
];

const V1: &[&str] = &["v1"];
const BETA: &[&str] = &["v1beta1"];
const BOTH: &[&str] = &["v1", "v1beta1"];
const ALL: &[&str] = &["all"];
const STATUS: &[&str] = &["status"];
const SCALED: &[&str] = &["scale", "status"];
const API_EXTENSIONS: &[&str] = &["api-extensions"];

/// The built-in resources. Names, short names, categories, verbs and subresources as kube-apiserver 1.20.2's discovery
/// lists them, in its order within a group.
pub(super) const BUILT_IN: &[Row] = &[
    namespaced("", V1, "bindings", "Binding").can(CREATE),
    cluster("", V1, "componentstatuses", "ComponentStatus").short(&["cs"]).can(&["get", "list"]),
    namespaced("", V1, "configmaps", "ConfigMap").short(&["cm"]),
    namespaced("", V1, "endpoints", "Endpoints").short(&["ep"]),
    namespaced("", V1, "events", "Event").short(&["ev"]),
    namespaced("", V1, "limitranges", "LimitRange").short(&["limits"]),
    cluster("", V1, "namespaces", "Namespace").short(&["ns"]).can(NO_COLLECTION).has(&["finalize", "status"]),
    cluster("", V1, "nodes", "Node").short(&["no"]).has(&["proxy", "status"]),
    namespaced("", V1, "persistentvolumeclaims", "PersistentVolumeClaim").short(&["pvc"]).has(STATUS),
    cluster("", V1, "persistentvolumes", "PersistentVolume").short(&["pv"]).has(STATUS),
    namespaced("", V1, "pods", "Pod").short(&["po"]).within(ALL).has(&[
        "attach",
        "binding",
        "eviction",
        "exec",
        "log",
        "portforward",
        "proxy",
        "status",
    ]),
    namespaced("", V1, "podtemplates", "PodTemplate"),
    namespaced("", V1, "replicationcontrollers", "ReplicationController").short(&["rc"]).within(ALL).has(SCALED),
    namespaced("", V1, "resourcequotas", "ResourceQuota").short(&["quota"]).has(STATUS),
    namespaced("", V1, "secrets", "Secret"),
    namespaced("", V1, "serviceaccounts", "ServiceAccount").short(&["sa"]).has(&["token"]),
    namespaced("", V1, "services", "Service").short(&["svc"]).within(ALL).can(NO_COLLECTION).has(&["proxy", "status"]),
    cluster(REGISTRATION, BOTH, "apiservices", "APIService").within(API_EXTENSIONS).has(STATUS),
    namespaced("apps", V1, "controllerrevisions", "ControllerRevision"),
    namespaced("apps", V1, "daemonsets", "DaemonSet").short(&["ds"]).within(ALL).has(STATUS),
    namespaced("apps", V1, "deployments", "Deployment").short(&["deploy"]).within(ALL).has(SCALED),
    namespaced("apps", V1, "replicasets", "ReplicaSet").short(&["rs"]).within(ALL).has(SCALED),
    namespaced("apps", V1, "statefulsets", "StatefulSet").short(&["sts"]).within(ALL).has(SCALED),
    namespaced(EVENTS, BOTH, "events", "Event").short(&["ev"]).kept_as("", "v1"),
    cluster(AUTHENTICATION, BOTH, "tokenreviews", "TokenReview").can(CREATE),
    namespaced(AUTHORIZATION, BOTH, "localsubjectaccessreviews", "LocalSubjectAccessReview").can(CREATE),
    cluster(AUTHORIZATION, BOTH, "selfsubjectaccessreviews", "SelfSubjectAccessReview").can(CREATE),
    cluster(AUTHORIZATION, BOTH, "selfsubjectrulesreviews", "SelfSubjectRulesReview").can(CREATE),
    cluster(AUTHORIZATION, BOTH, "subjectaccessreviews", "SubjectAccessReview").can(CREATE),
    namespaced("autoscaling", &["v1", "v2beta1", "v2beta2"], "horizontalpodautoscalers", "HorizontalPodAutoscaler")
        .short(&["hpa"])
        .within(ALL)
        .has(STATUS),
    namespaced("batch", BETA, "cronjobs", "CronJob").short(&["cj"]).within(ALL).has(STATUS),
    namespaced("batch", V1, "jobs", "Job").within(ALL).has(STATUS),
    cluster(CERTIFICATES, BOTH, "certificatesigningrequests", "CertificateSigningRequest")
        .short(&["csr"])
        .has(&["approval", "status"]),
    cluster(NETWORKING, BOTH, "ingressclasses", "IngressClass"),
    namespaced(NETWORKING, BOTH, "ingresses", "Ingress").short(&["ing"]).has(STATUS),
    namespaced(NETWORKING, V1, "networkpolicies", "NetworkPolicy").short(&["netpol"]),
    namespaced("extensions", BETA, "ingresses", "Ingress").short(&["ing"]).has(STATUS).kept_as(NETWORKING, "v1"),
    namespaced("policy", BETA, "poddisruptionbudgets", "PodDisruptionBudget").short(&["pdb"]).has(STATUS),
    cluster("policy", BETA, "podsecuritypolicies", "PodSecurityPolicy").short(&["psp"]),
    cluster(RBAC, BOTH, "clusterrolebindings", "ClusterRoleBinding"),
    cluster(RBAC, BOTH, "clusterroles", "ClusterRole"),
    namespaced(RBAC, BOTH, "rolebindings", "RoleBinding"),
    namespaced(RBAC, BOTH, "roles", "Role"),
    cluster(STORAGE, BOTH, "csidrivers", "CSIDriver"),
    cluster(STORAGE, BOTH, "csinodes", "CSINode"),
    cluster(STORAGE, BOTH, "storageclasses", "StorageClass").short(&["sc"]),
    cluster(STORAGE, V1, "volumeattachments", "VolumeAttachment").has(STATUS),
    cluster(STORAGE, BETA, "volumeattachments", "VolumeAttachment").kept_as(STORAGE, "v1"),
    cluster(ADMISSION, BOTH, "mutatingwebhookconfigurations", "MutatingWebhookConfiguration").within(API_EXTENSIONS),
    cluster(ADMISSION, BOTH, "validatingwebhookconfigurations", "ValidatingWebhookConfiguration")
        .within(API_EXTENSIONS),
    cluster(EXTENSIONS, BOTH, "customresourcedefinitions", "CustomResourceDefinition")
        .short(&["crd", "crds"])
        .within(API_EXTENSIONS)
        .has(STATUS),
    cluster(SCHEDULING, BOTH, "priorityclasses", "PriorityClass").short(&["pc"]),
    namespaced(COORDINATION, BOTH, "leases", "Lease"),
    cluster(NODE, BOTH, "runtimeclasses", "RuntimeClass"),
    namespaced(DISCOVERY, BETA, "endpointslices", "EndpointSlice"),
    cluster(FLOW, BETA, "flowschemas", "FlowSchema").has(STATUS),
    cluster(FLOW, BETA, "prioritylevelconfigurations", "PriorityLevelConfiguration").has(STATUS),
];
