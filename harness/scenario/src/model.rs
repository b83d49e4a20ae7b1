//! The scenario file as data, after parsing and linting.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Which of the two clusters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum On {
    /// The host cluster.
    Host,
    /// The member cluster.
    Member,
}

impl std::fmt::Display for On {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Host => "host",
            Self::Member => "member",
        })
    }
}

/// Where something stands in a file; line and column count from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// Path as given, or the name inside the binary.
    pub file: String,
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// A scenario: a procedure on given preconditions, with checks.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Unique name.
    pub name: String,
    /// The combination of its matrix that this is, parameter to value; empty for a scenario without one.
    pub params: BTreeMap<String, String>,
    /// Labels: `part`, `phase`, `via` and others.
    pub labels: BTreeMap<String, String>,
    /// The page whose procedure this is.
    pub page: Option<Page>,
    /// Releases it holds for, as a version requirement (`>=3.2.1`).
    pub releases: Requirement,
    /// What the clusters hold before the first step.
    pub given: Given,
    /// Steps, in order.
    pub steps: Vec<Step>,
    /// Checks after the last step, in order.
    pub checks: Vec<CheckCall>,
    /// Steps that are done at the end, whatever happened before.
    pub finally: Vec<Step>,
    /// The one step or check that is known to fail.
    pub known_issue: Option<KnownIssue>,
    /// Where it stands.
    pub location: Location,
}

/// A page of the documentation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Name, as `direct-connection`.
    pub name: String,
    /// Section on the page.
    pub section: Option<String>,
    /// Option letter or name within the section.
    pub option: Option<String>,
}

/// A requirement on a release: a comma-separated list of `>=`, `<=`, `>`, `<`, `=` comparisons, all of which hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement(pub Vec<(Comparison, [u32; 3])>);

/// How a release compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// At least.
    AtLeast,
    /// At most.
    AtMost,
    /// Newer.
    Newer,
    /// Older.
    Older,
    /// Exactly.
    Exactly,
}

/// What both clusters hold before the first step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Given {
    /// The host cluster.
    pub host: GivenCluster,
    /// The member cluster; none when the scenario needs no second cluster.
    pub member: Option<GivenCluster>,
}

/// What one cluster holds before the first step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenCluster {
    /// Whether KubeSphere is there.
    pub kubesphere: GivenKubesphere,
    /// Its release, where that is not the cell's.
    pub release: Option<String>,
    /// The version of `KubeKey` that `./kk` is, where that is not the one of its release.
    pub kubekey: Option<String>,
    /// Role it was installed with.
    pub cluster_role: String,
    /// `hostClusterName` it was installed with.
    pub host_cluster_name: Option<String>,
    /// jwtSecret it was installed with.
    pub jwt_secret: GivenSecret,
    /// Nodes it has.
    pub nodes: usize,
    /// How soon its kubelets see changed ConfigMaps.
    pub sync_frequency: SyncFrequency,
}

impl Default for GivenCluster {
    fn default() -> Self {
        Self {
            kubesphere: GivenKubesphere::Absent,
            release: None,
            kubekey: None,
            cluster_role: "none".to_owned(),
            host_cluster_name: None,
            jwt_secret: GivenSecret::Generated,
            nodes: 1,
            sync_frequency: SyncFrequency::Short,
        }
    }
}

/// How soon kubelets bring a changed ConfigMap to the pods that mount it: `syncFrequency` of a kubelet's configuration
/// (kubernetes v1.20, `KubeletConfiguration`). A virtual clock makes no difference between the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SyncFrequency {
    /// As short as the provider can make it, so that nobody waits.
    Short,
    /// A kubelet's default of a minute.
    Default,
}

/// Whether KubeSphere is installed before the first step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GivenKubesphere {
    /// Plain Kubernetes.
    Absent,
    /// Installed, and settled.
    Installed,
}

/// The jwtSecret a cluster was installed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GivenSecret {
    /// Generated by the installer.
    Generated,
    /// The host's.
    OfHost,
}

/// One step.
#[derive(Debug, Clone)]
pub struct Step {
    /// Name.
    pub name: String,
    /// Cluster it acts on.
    pub on: On,
    /// What is done.
    pub action: Action,
    /// Values taken from the output, by variable name.
    pub capture: BTreeMap<String, Capture>,
    /// How the step ends before its process does.
    pub until: Option<Until>,
    /// What a good end is.
    pub expect: Expect,
    /// How long a command that does not end well is given again, or the console asked again, on the clusters' clock: a
    /// person who follows a page tries again while a pod is being created. Never when absent.
    pub retry: Option<Duration>,
    /// Longest duration on the clusters' clock.
    pub timeout: Duration,
    /// Where it stands.
    pub location: Location,
}

/// What a step does.
#[derive(Debug, Clone)]
pub enum Action {
    /// Runs a command line in the cluster's sandbox.
    Run {
        /// The command, verbatim from the page, with `${variable}` still in it.
        command: String,
        /// What the person does in the editor that the command opens.
        edit: Option<Edit>,
    },
    /// Edits a file of the working directory.
    EditFile {
        /// File name.
        file: String,
        /// The edit.
        edit: Edit,
    },
    /// Acts in the web console.
    Console(ConsoleAction),
    /// Waits until the cluster's objects are as they should be.
    Objects(Objects),
    /// Keeps every delay of this name from ending, on both clusters: what waits for it stands still.
    Hold(String),
    /// Lets delays of this name end again.
    Release(String),
}

/// What is waited for among a cluster's objects.
#[derive(Debug, Clone, PartialEq)]
pub struct Objects {
    /// What has to become true.
    pub wanted: Wanted,
    /// The object in part, with `${variable}` still in its texts. It has an `apiVersion` and a `kind`.
    pub partial: serde_json::Value,
}

/// What a step that looks at objects waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Some object is as the partial one says (`assert`).
    Some,
    /// No object is as the partial one says (`error`).
    None,
    /// No object has its name, namespace and labels, whatever else it holds (`absent`).
    Absent,
}

/// Fields to set, by path (`spec.multicluster.clusterRole`), in order; values may hold `${variable}`.
pub type Edit = Vec<(String, String)>;

/// An act in the web console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConsoleAction {
    /// Fills in the Add Cluster form and presses Create.
    ImportCluster(Box<ImportCluster>),
    /// Opens the `ClusterConfiguration` in the editor, changes fields and presses OK.
    EditClusterConfiguration(Edit),
    /// Pastes another kubeconfig into the dialog that updates a member's one.
    UpdateKubeconfig {
        /// Cluster name.
        name: String,
        /// What is pasted.
        kubeconfig: PastedKubeconfig,
    },
    /// Removes a member.
    RemoveCluster {
        /// Cluster name.
        name: String,
    },
}

/// The form *Add Cluster*, as a person fills it in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImportCluster {
    /// *Cluster Name*.
    pub name: String,
    /// *Alias*.
    pub alias: String,
    /// *Tag*.
    pub tag: String,
    /// *Provider*.
    pub provider: String,
    /// *Description*.
    pub description: String,
    /// What is pasted.
    pub kubeconfig: PastedKubeconfig,
    /// Where the person switches to the object as YAML, and what is changed there.
    pub edit_mode: Option<(EditMode, Edit)>,
}

/// The step of the form on which its toggle is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EditMode {
    /// The first, before the form has looked at the name.
    Basic,
    /// The second, where the kubeconfig is.
    Kubeconfig,
}

/// The kubeconfig a person pastes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PastedKubeconfig {
    /// Where it comes from.
    pub source: KubeconfigSource,
    /// The server written over the one in it, if any (`https://127.0.0.1:6443`).
    pub server: Option<String>,
}

/// Where a pasted kubeconfig comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KubeconfigSource {
    /// The administrator's of a cluster, with a server that the other cluster's nodes reach.
    Of(On),
    /// What an earlier step printed. Where it names the address at which the harness reaches the cluster, the person
    /// writes the one that nodes reach.
    Output(String),
    /// This text, with `${variable}` still in it.
    Text(String),
}

impl Default for KubeconfigSource {
    /// Nothing was pasted.
    fn default() -> Self {
        Self::Text(String::new())
    }
}

/// A value taken from a step's standard output by a pattern whose first group, or whole match, is the value.
#[derive(Debug, Clone)]
pub struct Capture {
    /// The pattern, with `^` and `$` matching at line ends.
    pub pattern: regex::Regex,
}

/// Ends a step by its own output; of a log that it follows, by a line that was not there before the change it watches.
#[derive(Debug, Clone)]
pub struct Until {
    /// The text to wait for.
    pub output: String,
    /// The longest wait, on the clusters' clock.
    pub within: Duration,
}

/// What a good end of a step is.
#[derive(Debug, Clone, Default)]
pub struct Expect {
    /// Expected exit code; 0 when absent.
    pub exit_code: Option<i32>,
    /// Text that standard output holds.
    pub stdout: Option<String>,
    /// Text that standard error holds.
    pub stderr: Option<String>,
    /// Text of the refusal that the console shows; then the step must be refused.
    pub refused: Option<String>,
}

/// A check by name, with arguments that the check itself interprets.
#[derive(Debug, Clone)]
pub struct CheckCall {
    /// Name, as `jwt-secret-equal`.
    pub name: String,
    /// Arguments.
    pub args: BTreeMap<String, String>,
    /// Where it stands.
    pub location: Location,
}

/// A real misbehaviour of KubeSphere or a page that the scenario expects.
#[derive(Debug, Clone)]
pub struct KnownIssue {
    /// Name of the check or step that fails.
    pub fails: String,
    /// Releases it fails on.
    pub releases: Requirement,
    /// Upstream reference.
    pub reference: String,
    /// Pattern of the failure's text.
    pub text: regex::Regex,
}
