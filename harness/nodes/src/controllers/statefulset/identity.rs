//! Names, labels and claims of a `StatefulSet`'s pods (kubernetes v1.20, `pkg/controller/statefulset`).

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{
    PersistentVolumeClaim, PersistentVolumeClaimVolumeSource, Pod, PodTemplateSpec, Volume,
};

use super::HASH_OF_PODS;
use crate::controllers::pods;

const POD_NAME: &str = "statefulset.kubernetes.io/pod-name";

/// The number at the end of a pod's name, if the rest is the set's.
pub(super) fn ordinal(set: &StatefulSet, pod: &Pod) -> Option<usize> {
    let (parent, number) = pod.metadata.name.as_deref()?.rsplit_once('-')?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    (Some(parent) == set.metadata.name.as_deref() && is_number).then(|| number.parse().ok())?
}

pub(super) fn is_member(set: &StatefulSet, pod: &Pod) -> bool {
    ordinal(set, pod).is_some()
}

/// The revision that a pod was made from.
pub(super) fn revision_of(pod: &Pod) -> Option<&str> {
    pod.metadata.labels.as_ref()?.get(HASH_OF_PODS).map(String::as_str)
}

/// The claims of the pod named `pod`.
pub(super) fn claims(set: &StatefulSet, pod: &str) -> Vec<PersistentVolumeClaim> {
    let Some(spec) = &set.spec else { return Vec::new() };
    let templates = spec.volume_claim_templates.iter().flatten().cloned();
    templates
        .map(|template| {
            let mut claim = template;
            let name = claim_name(&claim, pod);
            claim.metadata.name = Some(name);
            claim.metadata.namespace.clone_from(&set.metadata.namespace);
            let labels = claim.metadata.labels.get_or_insert_default();
            labels.extend(spec.selector.match_labels.clone().unwrap_or_default());
            claim.status = None;
            claim
        })
        .collect()
}

fn claim_name(template: &PersistentVolumeClaim, pod: &str) -> String {
    format!("{}-{pod}", template.metadata.name.as_deref().unwrap_or_default())
}

/// The pod `ordinal` of the set, from the template of `revision`.
pub(super) fn pod(set: &StatefulSet, template: &PodTemplateSpec, revision: &str, ordinal: usize) -> Pod {
    let mut pod = pods::from_template(template, set);
    let name = format!("{}-{ordinal}", set.metadata.name.as_deref().unwrap_or_default());
    pod.metadata.generate_name = Some(format!("{}-", set.metadata.name.as_deref().unwrap_or_default()));
    pod.metadata.name = Some(name.clone());
    pod.metadata.namespace.clone_from(&set.metadata.namespace);
    let labels = pod.metadata.labels.get_or_insert_default();
    labels.insert(POD_NAME.to_owned(), name.clone());
    labels.insert(HASH_OF_PODS.to_owned(), revision.to_owned());
    let spec = pod.spec.get_or_insert_default();
    spec.hostname = Some(name.clone());
    spec.subdomain = set.spec.as_ref().and_then(|spec| spec.service_name.clone()).filter(|name| !name.is_empty());
    let templates = set.spec.as_ref().and_then(|spec| spec.volume_claim_templates.as_deref()).unwrap_or_default();
    let mut volumes: Vec<_> = templates
        .iter()
        .map(|template| Volume {
            name: template.metadata.name.clone().unwrap_or_default(),
            persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
                claim_name: claim_name(template, &name),
                read_only: None,
            }),
            ..Volume::default()
        })
        .collect();
    let claimed: Vec<_> = volumes.iter().map(|volume| volume.name.clone()).collect();
    volumes.extend(spec.volumes.take().into_iter().flatten().filter(|volume| !claimed.contains(&volume.name)));
    spec.volumes = (!volumes.is_empty()).then_some(volumes);
    pod
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn set() -> StatefulSet {
        serde_json::from_value(json!({
            "metadata": {"name": "db", "namespace": "ns", "uid": "u"},
            "spec": {
                "serviceName": "dbs", "selector": {"matchLabels": {"app": "db"}}, "template": {},
                "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {}}],
            },
        }))
        .unwrap()
    }

    #[rstest]
    #[case("db-0", Some(0))]
    #[case("db-12", Some(12))]
    #[case("db-x", None)]
    #[case("db-+1", None)]
    #[case("other-1", None)]
    fn reads_the_ordinal(#[case] name: &str, #[case] expected: Option<usize>) {
        let pod: Pod = serde_json::from_value(json!({"metadata": {"name": name}})).unwrap();
        assert_eq!(ordinal(&set(), &pod), expected);
    }

    #[test]
    fn gives_pods_names_hosts_and_claims() {
        let template = serde_json::from_value(json!({
            "metadata": {"labels": {"app": "db"}},
            "spec": {"containers": [], "volumes": [{"name": "data", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}]},
        }));
        let pod = pod(&set(), &template.unwrap(), "db-1", 2);
        assert_eq!(pod.metadata.name.as_deref(), Some("db-2"));
        assert_eq!(revision_of(&pod), Some("db-1"));
        let spec = pod.spec.unwrap();
        assert_eq!((spec.hostname.as_deref(), spec.subdomain.as_deref()), (Some("db-2"), Some("dbs")));
        let volumes = spec.volumes.unwrap();
        let claim = volumes[0].persistent_volume_claim.as_ref().map(|claim| claim.claim_name.as_str());
        assert_eq!((volumes.len(), claim, volumes[1].name.as_str()), (2, Some("data-db-2"), "tmp"));
        let claims = claims(&set(), "db-2");
        assert_eq!(claims[0].metadata.name.as_deref(), Some("data-db-2"));
        assert_eq!(claims[0].metadata.labels.as_ref().unwrap()["app"], "db");
    }
}
