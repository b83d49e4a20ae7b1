//! What a run is about to do to somebody's clusters, for them to read before it begins.

use kubesphere::names::namespaces;

use super::ExistingOptions;
use super::survey::Found;
use crate::inventory::Standing;
use crate::leases::NAMESPACE;

/// The plan, in lines.
pub(super) fn text(found: &[Found], options: &ExistingOptions) -> String {
    let mut lines = vec!["This run works on clusters that are there:".to_owned()];
    for found in found {
        let Found { on, chosen, version, nodes, standing, .. } = found;
        let kubesphere = match standing {
            Standing::Installed => "KubeSphere is installed",
            Standing::Absent => "no KubeSphere",
        };
        let nodes = if nodes.len() == 1 { "1 node".to_owned() } else { format!("{} nodes", nodes.len()) };
        lines.push(format!(
            "  {:<7}context {}, {}, Kubernetes {version}, {nodes}, {kubesphere}",
            on.to_string(),
            chosen.context,
            chosen.access.server
        ));
    }
    lines.push(String::new());
    let image = options.stub_image.as_deref().unwrap_or_default();
    lines.push(format!(
        "On each it makes the namespace {NAMESPACE}, with short-lived pods of {image} on the nodes' networks."
    ));
    let [absent, installed] =
        [Standing::Absent, Standing::Installed].map(|wanted| found.iter().any(|found| found.standing == wanted));
    if absent && options.allow_install {
        lines.push(format!(
            "Where no KubeSphere is, scenarios install {}: the namespaces {}, {}, {}, {} and {}; \
             CustomResourceDefinitions of *.kubesphere.io and *.kubefed.io with their objects; ClusterRoles, bindings and \
             webhooks of its programs; labels and finalizers of *.kubesphere.io on namespaces that are there.",
            if options.real { "it with your manifests".to_owned() } else { format!("its stand-in from {image}") },
            namespaces::SYSTEM,
            namespaces::CONTROLS,
            namespaces::MONITORING,
            namespaces::MONITORING_FEDERATED,
            namespaces::FEDERATION,
        ));
    } else if absent {
        lines.push("Where no KubeSphere is, nothing is installed: --allow-install is not given.".to_owned());
    }
    if absent && options.allow_install && options.real {
        lines.push(
            "What KubeSphere's own installer makes beyond that, as the kinds of monitoring, stays: clusters that may be \
             thrown away are best."
                .to_owned(),
        );
    }
    if installed {
        lines.push(
            "Where KubeSphere is, nothing is installed: scenarios run whose preconditions hold already and that leave its \
             configuration alone. They may import the member cluster, and unbind it."
                .to_owned(),
        );
    }
    lines.push(
        "After each scenario all of this is taken away again, and nothing else; `ks-e2e sweep` does it after a crash."
            .to_owned(),
    );
    lines.join("\n")
}
