//! The columns of the built-in kinds (pkg/printers/internalversion/printers.go, Kubernetes 1.20).

use crate::registry::Resource;

/// Kinds and their columns: a name, and a second word for the type where it is not `string`; a leading `+` marks
/// columns of `-o wide`, a `!` one whose format is `name`, besides that of the first.
const COLUMNS: &[(&str, &[&str])] = &[
    (
        "pods",
        &["Name", "Ready", "Status", "Restarts:integer", "Age", "+IP", "+Node", "+Nominated Node", "+Readiness Gates"],
    ),
    ("podtemplates", &["Name", "Containers", "Images", "Pod Labels"]),
    (
        "poddisruptionbudgets.policy",
        &["Name", "Min Available", "Max Unavailable", "Allowed Disruptions:integer", "Age"],
    ),
    ("replicationcontrollers", REPLICAS),
    ("replicasets.apps", REPLICAS),
    (
        "daemonsets.apps",
        &[
            "Name",
            "Desired:integer",
            "Current:integer",
            "Ready:integer",
            "Up-to-date:integer",
            "Available:integer",
            "Node Selector",
            "Age",
            "+Containers",
            "+Images",
            "+Selector",
        ],
    ),
    ("jobs.batch", &["Name", "Completions", "Duration", "Age", "+Containers", "+Images", "+Selector"]),
    (
        "cronjobs.batch",
        &[
            "Name",
            "Schedule",
            "Suspend:boolean",
            "Active:integer",
            "Last Schedule",
            "Age",
            "+Containers",
            "+Images",
            "+Selector",
        ],
    ),
    ("services", &["Name", "Type", "Cluster-IP", "External-IP", "Port(s)", "Age", "+Selector"]),
    ("ingresses.networking.k8s.io", &["Name", "Class", "Hosts", "Address", "Ports", "Age"]),
    ("ingressclasses.networking.k8s.io", &["Name", "Controller", "Parameters", "Age"]),
    ("statefulsets.apps", &["Name", "Ready", "Age", "+Containers", "+Images"]),
    ("endpoints", &["Name", "Endpoints", "Age"]),
    (
        "nodes",
        &[
            "Name",
            "Status",
            "Roles",
            "Age",
            "Version",
            "+Internal-IP",
            "+External-IP",
            "+OS-Image",
            "+Kernel-Version",
            "+Container-Runtime",
        ],
    ),
    (
        "events",
        &[
            "Last Seen",
            "Type",
            "Reason",
            "Object",
            "+Subobject",
            "+Source",
            "Message",
            "+First Seen",
            "+Count",
            "+!Name",
        ],
    ),
    ("namespaces", &["Name", "Status", "Age"]),
    ("secrets", &["Name", "Type", "Data", "Age"]),
    ("serviceaccounts", &["Name", "Secrets", "Age"]),
    (
        "persistentvolumes",
        &[
            "Name",
            "Capacity",
            "Access Modes",
            "Reclaim Policy",
            "Status",
            "Claim",
            "StorageClass",
            "Reason",
            "Age",
            "+VolumeMode",
        ],
    ),
    (
        "persistentvolumeclaims",
        &["Name", "Status", "Volume", "Capacity", "Access Modes", "StorageClass", "Age", "+VolumeMode"],
    ),
    ("componentstatuses", &["Name", "Status", "Message", "Error"]),
    ("deployments.apps", &["Name", "Ready", "Up-to-date", "Available", "Age", "+Containers", "+Images", "+Selector"]),
    (
        "horizontalpodautoscalers.autoscaling",
        &["Name", "Reference", "Targets", "MinPods", "MaxPods", "Replicas", "Age"],
    ),
    ("configmaps", &["Name", "Data", "Age"]),
    (
        "podsecuritypolicies.policy",
        &["Name", "Priv", "Caps", "SELinux", "RunAsUser", "FsGroup", "SupGroup", "ReadOnlyRootFs", "Volumes"],
    ),
    ("networkpolicies.networking.k8s.io", &["Name", "Pod-Selector", "Age"]),
    ("rolebindings.rbac.authorization.k8s.io", BINDINGS),
    ("clusterrolebindings.rbac.authorization.k8s.io", BINDINGS),
    ("certificatesigningrequests.certificates.k8s.io", &["Name", "Age", "SignerName", "Requestor", "Condition"]),
    ("leases.coordination.k8s.io", &["Name", "Holder", "Age"]),
    (
        "storageclasses.storage.k8s.io",
        &["Name", "Provisioner", "ReclaimPolicy", "VolumeBindingMode", "AllowVolumeExpansion", "Age"],
    ),
    ("controllerrevisions.apps", &["Name", "Controller", "Revision", "Age"]),
    ("resourcequotas", &["Name", "Age", "Request", "Limit"]),
    ("priorityclasses.scheduling.k8s.io", &["Name", "Value:integer", "Global-Default:boolean", "Age"]),
    ("runtimeclasses.node.k8s.io", &["Name", "Handler", "Age"]),
    ("volumeattachments.storage.k8s.io", &["Name", "!Attacher", "PV", "Node", "Attached:boolean", "Age"]),
    ("endpointslices.discovery.k8s.io", &["Name", "AddressType", "Ports", "Endpoints", "Age"]),
    ("csinodes.storage.k8s.io", &["Name", "Drivers:integer", "Age"]),
    ("csidrivers.storage.k8s.io", &["Name", "AttachRequired:boolean", "PodInfoOnMount:boolean", "Modes", "Age"]),
    ("mutatingwebhookconfigurations.admissionregistration.k8s.io", &["Name", "Webhooks:integer", "Age"]),
    ("validatingwebhookconfigurations.admissionregistration.k8s.io", &["Name", "Webhooks:integer", "Age"]),
    ("apiservices.apiregistration.k8s.io", &["Name", "Service", "Available", "Age"]),
    (
        "flowschemas.flowcontrol.apiserver.k8s.io",
        &["Name", "PriorityLevel", "MatchingPrecedence", "DistinguisherMethod", "Age", "MissingPL"],
    ),
    (
        "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io",
        &["Name", "Type", "AssuredConcurrencyShares", "Queues", "HandSize", "QueueLengthLimit", "Age"],
    ),
];

const REPLICAS: &[&str] =
    &["Name", "Desired:integer", "Current:integer", "Ready:integer", "Age", "+Containers", "+Images", "+Selector"];
const BINDINGS: &[&str] = &["Name", "Role", "Age", "+Users", "+Groups", "+ServiceAccounts"];

/// Kinds without columns of their own.
const PLAIN: &[&str] = &["Name", "Created At:date"];

/// One column.
pub(super) struct Column {
    pub name: &'static str,
    pub kind: &'static str,
    pub format: &'static str,
    pub wide: bool,
}

/// The columns of a resource, as it is kept.
pub(super) fn of(resource: &Resource) -> impl Iterator<Item = Column> {
    let found = COLUMNS.iter().find(|(name, _)| *name == &*resource.full_name);
    let columns = found.map_or(PLAIN, |(_, columns)| *columns);
    columns.iter().map(|column| {
        let (wide, column) = column.strip_prefix('+').map_or((false, *column), |column| (true, column));
        let (named, column) = column.strip_prefix('!').map_or((false, column), |column| (true, column));
        let (name, kind) = column.split_once(':').unwrap_or((column, "string"));
        let format = if named || (name == "Name" && !wide) { "name" } else { "" };
        Column { name, kind, format, wide }
    })
}
