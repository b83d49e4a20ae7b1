//! The `APIService` of each group version that is served: the original makes them itself, and those of definitions
//! come and go with them (cmd/kube-apiserver/app/aggregator.go and kube-aggregator's autoregister controller,
//! Kubernetes 1.20).

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::fields::at;
use crate::registry::Registry;
use crate::shape::in_order;
use crate::state::State;
use crate::store::Key;

const TABLE: &str = "apiservices.apiregistration.k8s.io";
const MANAGED: &str = "kube-aggregator.kubernetes.io/automanaged";

/// A group with its priority, and those of its versions.
type Priorities = (&'static str, i64, &'static [(&'static str, i64)]);

/// Priorities of the built-in groups, and of their versions.
const PRIORITIES: &[Priorities] = &[
    ("", 18000, &[("v1", 1)]),
    ("apps", 17800, &[("v1", 15)]),
    ("events.k8s.io", 17750, &[("v1", 15), ("v1beta1", 5)]),
    ("authentication.k8s.io", 17700, &[("v1", 15), ("v1beta1", 9)]),
    ("authorization.k8s.io", 17600, &[("v1", 15), ("v1beta1", 9)]),
    ("autoscaling", 17500, &[("v1", 15), ("v2beta1", 9), ("v2beta2", 1)]),
    ("batch", 17400, &[("v1", 15), ("v1beta1", 9)]),
    ("certificates.k8s.io", 17300, &[("v1", 15), ("v1beta1", 9)]),
    ("networking.k8s.io", 17200, &[("v1", 15), ("v1beta1", 9)]),
    ("extensions", 17150, &[("v1beta1", 1)]),
    ("policy", 17100, &[("v1beta1", 9)]),
    ("rbac.authorization.k8s.io", 17000, &[("v1", 15), ("v1beta1", 12)]),
    ("storage.k8s.io", 16800, &[("v1", 15), ("v1beta1", 9)]),
    ("apiextensions.k8s.io", 16700, &[("v1", 15), ("v1beta1", 9)]),
    ("admissionregistration.k8s.io", 16700, &[("v1", 15), ("v1beta1", 12)]),
    ("scheduling.k8s.io", 16600, &[("v1", 15), ("v1beta1", 12)]),
    ("coordination.k8s.io", 16500, &[("v1", 15), ("v1beta1", 9)]),
    ("node.k8s.io", 16300, &[("v1", 15), ("v1beta1", 9)]),
    ("discovery.k8s.io", 16200, &[("v1beta1", 12)]),
    ("flowcontrol.apiserver.k8s.io", 16100, &[("v1beta1", 12)]),
];

/// What definitions get.
const CUSTOM: (i64, i64) = (1000, 100);

struct Wanted {
    group: String,
    version: String,
    priorities: (i64, i64),
    managed: &'static str,
}

impl Wanted {
    fn name(&self) -> String {
        format!("{}.{}", self.version, self.group)
    }

    fn object(&self, now: &str) -> Value {
        json!({
            "metadata": {
                "name": self.name(),
                "uid": uuid::Uuid::new_v4().to_string(),
                "creationTimestamp": now,
                "labels": {MANAGED: self.managed},
            },
            "spec": {
                "group": self.group,
                "version": self.version,
                "groupPriorityMinimum": self.priorities.0,
                "versionPriority": self.priorities.1,
            },
            "status": {"conditions": [{
                "type": "Available",
                "status": "True",
                "lastTransitionTime": now,
                "reason": "Local",
                "message": "Local APIServices are always available",
            }]},
        })
    }
}

fn built_in() -> impl Iterator<Item = Wanted> {
    PRIORITIES.iter().flat_map(|(group, minimum, versions)| {
        versions.iter().map(|(version, priority)| Wanted {
            // The core group's is named `v1.`, as the original names it.
            group: (*group).to_owned(),
            version: (*version).to_owned(),
            priorities: (*minimum, *priority),
            managed: "onstart",
        })
    })
}

fn custom(registry: &Registry) -> impl Iterator<Item = Wanted> {
    let versions: BTreeSet<(String, String)> = registry
        .resources()
        .filter(|resource| resource.custom.is_some())
        .map(|resource| (resource.group.clone(), resource.version.clone()))
        .collect();
    versions.into_iter().map(|(group, version)| Wanted { group, version, priorities: CUSTOM, managed: "true" })
}

/// Makes the objects what the server serves.
pub fn sync(state: &State) {
    let registry = state.registry();
    let Some(resource) = registry.built_in("apiregistration.k8s.io", "apiservices") else { return };
    let table: Arc<str> = Arc::from(TABLE);
    let wanted: Vec<Wanted> = built_in().chain(custom(&registry)).collect();
    let now = state.clock.stamp();
    for one in &wanted {
        state.remember_group(&one.group);
        let key = Key::new("", one.name());
        if state.store.get(&table, &key).is_none() {
            // Someone else may be making it just now.
            let _ = state.store.create(&table, key, in_order(resource, one.object(&now)));
        }
    }
    for (key, stored) in state.store.list(&table, None).objects {
        let managed = at(&stored.value, "/metadata/labels").and_then(|labels| labels.get(MANAGED));
        if managed.is_some_and(|managed| managed == "true") && !wanted.iter().any(|one| one.name() == key.name) {
            // Gone already is as good.
            let _ = state.store.remove(&table, &key, &stored);
        }
    }
}
