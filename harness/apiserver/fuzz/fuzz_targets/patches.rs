//! Patches of every type, on objects of several kinds. One that succeeds and says how things should be says it again
//! without effect.
#![no_main]

mod json;

use apiserver::fuzzing::patched;
use arbitrary::Arbitrary;
use json::Json;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const RESOURCES: [(&str, &str); 8] = [
    ("", "configmaps"),
    ("", "pods"),
    ("", "services"),
    ("", "nodes"),
    ("apps", "deployments"),
    ("rbac.authorization.k8s.io", "clusterroles"),
    ("apiextensions.k8s.io", "customresourcedefinitions"),
    ("apps", "controllerrevisions"),
];

#[derive(Debug, Clone, Copy, PartialEq, Arbitrary)]
enum Kind {
    Json,
    Merge,
    Strategic,
    Apply,
}

impl Kind {
    fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json-patch+json",
            Self::Merge => "application/merge-patch+json",
            Self::Strategic => "application/strategic-merge-patch+json",
            Self::Apply => "application/apply-patch+yaml",
        }
    }
}

fuzz_target!(|given: (u8, Kind, Json, Json)| {
    let (resource, kind, Json(object), Json(patch)) = given;
    let resource = RESOURCES[usize::from(resource) % RESOURCES.len()];
    let patch = patch.to_string();
    let apply = |object: &Value| patched(resource, kind.media_type(), object, patch.as_bytes());
    let Some(once) = apply(&object) else { return };
    if matches!(kind, Kind::Merge | Kind::Apply)
        && let Some(twice) = apply(&once)
    {
        assert_eq!(once, twice, "{patch}");
    }
});
