//! The label selector that a page prints finds the installer's pod.

use futures::FutureExt;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::ListParams;
use kubesphere::names::namespaces;

use super::{ON, flat};
use crate::call::{ArgSpec, CheckEntry, Clusters};
use crate::finding::Finding;
use crate::read::log::installer_pod;
use crate::read::{Seen, unreadable};
use crate::view::ClusterView;

pub(super) const ENTRY: CheckEntry = CheckEntry {
    name: "pod-selector",
    id: "C22",
    about: "the label selector, as the page prints it, matches the pod of ks-installer and no other one",
    args: &[ON, SELECTOR],
    on: Clusters::Named,
    run: |args, ctx| {
        async move {
            let (on, selector) = (args.cluster()?, args.required("selector")?);
            let Some(view) = ctx.cluster(on) else {
                return Ok(Finding::cannot_tell(format!("there is no {on} cluster")));
            };
            Ok(flat(check(view, selector).await))
        }
        .boxed()
    },
};

const SELECTOR: ArgSpec = ArgSpec {
    name: "selector",
    about: "the label selector, as `app in (ks-install, ks-installer)`",
    required: true,
    values: &[],
};

async fn check(view: &dyn ClusterView, selector: &str) -> Seen<Finding> {
    let (wanted, label) = installer_pod(view).await?;
    let pods = Api::<Pod>::namespaced(view.client(), namespaces::SYSTEM)
        .list(&ListParams::default().labels(selector))
        .await
        .map_err(|cause| unreadable(view, &format!("pods with {selector}"), &cause))?;
    let staying = pods.items.into_iter().filter(|pod| pod.metadata.deletion_timestamp.is_none());
    let found: Vec<String> = staying.filter_map(|pod| pod.metadata.name).collect();
    if found == [wanted.as_str()] {
        return Ok(Finding::holds().with(format!("{}: pods with {selector}", view.on()), wanted));
    }
    let actual = if found.is_empty() { "no pod".to_owned() } else { found.join(", ") };
    let message = format!(
        "{} cluster: {selector} matches {actual}, and not the installer's pod {wanted} alone, whose label is app={label}; \
         write -l 'app in (ks-install, ks-installer)'",
        view.on()
    );
    Ok(Finding::fails(format!("pod {wanted}"), actual, message))
}

#[cfg(test)]
mod tests {
    use crate::testing::{FakeCluster, Run};

    fn run(label: &str) -> Run {
        Run::new(FakeCluster::host().installer(label), FakeCluster::member())
    }

    #[tokio::test]
    async fn holds_when_it_matches_the_installer() {
        for selector in ["app=ks-installer", "app in (ks-install, ks-installer)"] {
            run("ks-installer").check("pod-selector", &[("on", "host"), ("selector", selector)]).await.holds();
        }
    }

    #[tokio::test]
    async fn fails_with_the_selector_of_another_release() {
        run("ks-installer").check("pod-selector", &[("on", "host"), ("selector", "app=ks-install")]).await.fails(
            "host cluster: app=ks-install matches no pod, and not the installer's pod ks-installer-1 alone, whose label is \
             app=ks-installer; write -l 'app in (ks-install, ks-installer)'",
        );
    }
}
