//! How often the container was started.

use kubesphere::names::namespaces;
use nodes::program::PodContext;

use crate::member::{ApiClient, Target};

/// Whether the kubelet has not started the pod's container again yet; false when nobody says.
pub async fn is_first_start(ctx: &PodContext) -> bool {
    let pod = Target::core("pods").within(namespaces::SYSTEM).named(&ctx.pod.name);
    let pod = ApiClient::own(ctx).get(&pod).await.unwrap_or_default();
    pod["status"]["containerStatuses"][0]["restartCount"] == 0
}
