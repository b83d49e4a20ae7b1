//! The state of both clusters that explains a failure: what was seen and answered, what is set and who wrote it last, how
//! the installer's log ends. Whole objects are for the report.

mod settings;
mod writer;

use checks::Facts;
use kube::Api;
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::core::GroupVersionKind;
use kubesphere::Resource;
use kubesphere::names::namespaces;
use providers::{Cluster, Pair};
use scenario::event::Evidence;
use scenario::mask::Masker;

use crate::installer_log;

/// Lines of the installer's log that are shown.
const LOG_TAIL: usize = 25;

/// A cluster's objects, read once.
struct Objects {
    pods: Vec<DynamicObject>,
    events: Vec<DynamicObject>,
    cluster_configurations: Vec<DynamicObject>,
    config_maps: Vec<DynamicObject>,
    clusters: Vec<DynamicObject>,
}

/// Collects it, after what the checks themselves have `seen`. Secrets that it shows are taught to `masker` first.
pub(crate) async fn collect(pair: &Pair, facts: &Facts, seen: Vec<Evidence>, masker: &Masker) -> Vec<Evidence> {
    let mut evidence = seen;
    if let Some(validation) = &facts.validation {
        let body = if validation.body.is_empty() { "(an empty body)" } else { &validation.body };
        evidence
            .push(shown("host: answer to the last validation".to_owned(), format!("{}\n{body}", validation.status)));
    }
    let mut whole = Vec::new();
    for cluster in pair.clusters() {
        let on = cluster.on();
        let objects = Objects::read(cluster.as_ref()).await;
        evidence.push(shown(format!("{on}: what is set, and who wrote it last"), settings::told(&objects, masker)));
        let warnings: Vec<String> = objects.events.iter().filter_map(|event| objects.warning(event)).collect();
        if !warnings.is_empty() {
            evidence.push(shown(format!("{on}: warnings"), warnings.join("\n")));
        }
        if let Some(log) = installer_log::read(cluster.client()).await {
            evidence.push(shown(format!("{on}: end of the installer's log"), log_tail(&log)));
        }
        whole.extend(objects.into_whole().map(|(kind, object)| Evidence {
            title: format!("{on}: {kind} {}", object.metadata.name.clone().unwrap_or_default()),
            text: serde_yaml::to_string(&object).unwrap_or_default(),
            whole: true,
        }));
    }
    evidence.extend(whole);
    evidence
}

/// The last lines, or that they are the banner, with its date.
fn log_tail(log: &str) -> String {
    let lines: Vec<_> = log.trim_end().lines().collect();
    let last = lines.iter().rfind(|line| !line.starts_with('#')).copied().unwrap_or_default();
    match last.strip_prefix("https://kubesphere.io") {
        Some(date) => format!("its banner, {}", date.trim()),
        None => lines[lines.len().saturating_sub(LOG_TAIL)..].join("\n"),
    }
}

/// What a terminal shows, too.
pub(crate) fn shown(title: String, text: String) -> Evidence {
    Evidence { title, text, whole: false }
}

impl Objects {
    async fn read(cluster: &dyn Cluster) -> Self {
        let core = |kind| ("", "v1", kind);
        let named = |resource: Resource| (resource.group, resource.version, resource.kind);
        let system = Some(namespaces::SYSTEM);
        Self {
            pods: list(cluster, core("Pod"), system).await,
            events: list(cluster, core("Event"), system).await,
            cluster_configurations: list(cluster, named(kubesphere::names::CLUSTER_CONFIGURATION), system).await,
            config_maps: list(cluster, core("ConfigMap"), system).await,
            clusters: list(cluster, named(kubesphere::names::CLUSTER), None).await,
        }
    }

    /// A warning in a line. One of a pod that is well or gone says what has passed.
    fn warning(&self, event: &DynamicObject) -> Option<String> {
        let text = |pointer: &str| event.data.pointer(pointer).and_then(|value| value.as_str()).unwrap_or_default();
        let (kind, name) = (text("/involvedObject/kind"), text("/involvedObject/name"));
        let mut pods = self.pods.iter().filter(|pod| settings::name(pod) == name);
        let has_passed = kind == "Pod" && pods.next().is_none_or(settings::is_well);
        (text("/type") != "Normal" && !has_passed)
            .then(|| format!("{kind} {name}: {}: {}", text("/reason"), text("/message")))
    }

    /// With their kinds, and without what explains nothing or is of no use to a reader.
    fn into_whole(self) -> impl Iterator<Item = (&'static str, DynamicObject)> {
        let of =
            |kind: &'static str, objects: Vec<DynamicObject>| objects.into_iter().map(move |object| (kind, object));
        let warnings = self.events.into_iter().filter(|event| event.data["type"] != "Normal").collect();
        let config_maps = self.config_maps.into_iter().filter(|object| settings::name(object) != "kube-root-ca.crt");
        of("Pod", self.pods)
            .chain(of("Event", warnings))
            .chain(of("ClusterConfiguration", self.cluster_configurations))
            .chain(of("ConfigMap", config_maps.collect()))
            .chain(of("Cluster", self.clusters))
            .map(|(kind, mut object)| {
                object.metadata.managed_fields = None;
                object.metadata.annotations = None;
                if let Some(connection) = object.data.pointer_mut("/spec/connection").and_then(|at| at.as_object_mut())
                {
                    connection.remove("kubeconfig");
                }
                (kind, object)
            })
    }
}

async fn list(
    cluster: &dyn Cluster,
    (group, version, kind): (&str, &str, &str),
    namespace: Option<&str>,
) -> Vec<DynamicObject> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    let api: Api<DynamicObject> = match namespace {
        Some(namespace) => Api::namespaced_with(cluster.client(), namespace, &resource),
        None => Api::all_with(cluster.client(), &resource),
    };
    // A kind that is not served is told by its absence.
    api.list(&ListParams::default()).await.map(|list| list.items).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    #[rstest]
    #[case::ended(
        "TASK one\n### Welcome\nhttps://kubesphere.io   2026-01-01 10:00:00\n######\n",
        "its banner, 2026-01-01 10:00:00"
    )]
    #[case::failed(
        "https://kubesphere.io  2026-01-01 10:00:00\n###\nTASK one\n",
        "https://kubesphere.io  2026-01-01 10:00:00\n###\nTASK one"
    )]
    #[case::runs("TASK one\n", "TASK one")]
    fn tells_how_a_log_ends(#[case] log: &str, #[case] told: &str) {
        assert_eq!(super::log_tail(log), told);
    }
}
