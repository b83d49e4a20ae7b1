//! The options of each provider. Those of one that does not run are refused by the headings that they have here.

use std::path::PathBuf;

use clap::Args;

/// What providers can be told.
#[derive(Args, Clone)]
pub struct ProviderOptions {
    #[command(flatten)]
    pub embedded: EmbeddedArguments,
    #[command(flatten)]
    pub kind: KindArguments,
    #[command(flatten)]
    pub containers: ContainersArguments,
    #[command(flatten)]
    pub existing: ExistingArguments,
}

#[derive(Args, Clone)]
#[command(next_help_heading = "Options for --provider embedded")]
pub struct EmbeddedArguments {
    /// Note every request to the API servers in host.log and member.log of this directory, as kube-apiserver does with
    /// --audit-log-path: events of audit.k8s.io/v1 without bodies
    #[arg(long, value_name = "DIR")]
    pub audit_logs: Option<PathBuf>,
}

#[derive(Args, Clone)]
#[command(next_help_heading = "Options for --provider kind")]
pub struct KindArguments {
    /// Node image, which has to be in the container engine [default: kindest/node:v1.20.15]
    #[arg(long, value_name = "IMAGE", env = "KS_E2E_NODE_IMAGE")]
    pub node_image: Option<String>,
    /// kind configuration of the host cluster: a name of kind-configs/ or a file
    #[arg(long, value_name = "NAME|FILE")]
    pub host_config: Option<String>,
    /// kind configuration of the member cluster: a name of kind-configs/ or a file
    #[arg(long, value_name = "NAME|FILE")]
    pub member_config: Option<String>,
    /// Archive of images that every node gets, as `docker save` writes it; may be given more than once
    #[arg(long, value_name = "FILE")]
    pub load_image: Vec<PathBuf>,
}

#[derive(Args, Clone)]
#[command(next_help_heading = "Options for --provider containers")]
pub struct ContainersArguments {
    /// Image of kube-apiserver, which has to be in the container engine
    /// [default: registry.k8s.io/kube-apiserver:v1.20.15]
    #[arg(long, value_name = "IMAGE", env = "KS_E2E_APISERVER_IMAGE")]
    pub apiserver_image: Option<String>,
    /// Image of etcd, which has to be in the container engine [default: registry.k8s.io/etcd:3.4.13-0]
    #[arg(long, value_name = "IMAGE", env = "KS_E2E_ETCD_IMAGE")]
    pub etcd_image: Option<String>,
}

#[derive(Args, Clone)]
#[command(next_help_heading = "Options for --provider existing")]
pub struct ExistingArguments {
    /// Kubeconfig of the host cluster [default: what kubectl reads]
    #[arg(long, value_name = "FILE")]
    pub host_kubeconfig: Option<PathBuf>,
    /// Context of the host cluster [default: the current one of --host-kubeconfig]
    #[arg(long, value_name = "CONTEXT")]
    pub host_context: Option<String>,
    /// Address at which the member reaches the host's API server, where it is not the kubeconfig's
    #[arg(long, value_name = "URL")]
    pub host_server: Option<String>,
    /// Kubeconfig of the member cluster [default: what kubectl reads]
    #[arg(long, value_name = "FILE")]
    pub member_kubeconfig: Option<PathBuf>,
    /// Context of the member cluster [default: the current one of --member-kubeconfig]
    #[arg(long, value_name = "CONTEXT")]
    pub member_context: Option<String>,
    /// Address at which the host reaches the member's API server, where it is not the kubeconfig's
    #[arg(long, value_name = "URL")]
    pub member_server: Option<String>,
    /// The image that `ks-e2e image` has written, by a name that the clusters' nodes can pull or have
    #[arg(long, value_name = "IMAGE", env = "KS_E2E_STUB_IMAGE")]
    pub stub_image: Option<String>,
    /// Install the stand-in for `KubeSphere` where no `KubeSphere` is
    #[arg(long)]
    pub allow_install: bool,
    /// Do not ask before clusters that are there are used
    #[arg(long, short, help_heading = None::<&str>)]
    pub yes: bool,
}
