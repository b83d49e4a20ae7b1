//! Sessions made at random: strategic merge patches and applied configurations of Deployments, Pods and Services.
//!
//! They keep to what the original answers the same every time: where several violations, or conflicts with several
//! managers, could be told in any order, there is at most one.

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Map, Value, json};

use crate::corpus::Session;

/// As many sessions as `count`, the same for the same `seed`.
#[must_use]
pub fn sessions(count: usize, seed: u64) -> Vec<Session> {
    let read = |value| Session::from_value("generated", value).ok();
    written(count, seed).into_iter().filter_map(read).collect()
}

/// The sessions as the corpus writes them.
fn written(count: usize, seed: u64) -> Vec<Value> {
    let mut bytes = [0; 32];
    for (slot, byte) in bytes.iter_mut().zip(seed.to_le_bytes()) {
        *slot = byte;
    }
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let strategy = prop_oneof![patched(), applied()];
    (0..count)
        .filter_map(|index| {
            let steps = strategy.new_tree(&mut runner).ok()?.current();
            Some(json!({"session": format!("tries what was generated as number {index} of {seed}"), "steps": steps}))
        })
        .collect()
}

/// What is written: its path, its kind and version, and its name.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Deployment,
    Pod,
    Service,
}

impl Kind {
    fn collection(self) -> &'static str {
        match self {
            Self::Deployment => "/apis/apps/v1/namespaces/${ns}/deployments",
            Self::Pod => "/api/v1/namespaces/${ns}/pods",
            Self::Service => "/api/v1/namespaces/${ns}/services",
        }
    }

    fn api_version(self) -> &'static str {
        match self {
            Self::Deployment => "apps/v1",
            Self::Pod | Self::Service => "v1",
        }
    }

    fn whole(self, labels: Option<Value>, spec: Value) -> Value {
        let mut metadata = json!({"name": "a"});
        if let Some(labels) = labels {
            metadata["labels"] = labels;
        }
        let mut object = json!({"apiVersion": self.api_version(), "kind": format!("{self:?}"), "metadata": metadata});
        object["spec"] = spec;
        object
    }

    /// What makes a description of some fields one of a whole, valid object.
    fn completed(self, mut object: Value) -> Value {
        let container = json!([{"name": "main", "image": "nginx:1.19"}]);
        match self {
            Self::Deployment => {
                object["spec"]["selector"] = json!({"matchLabels": {"app": "a"}});
                object["spec"]["template"]["metadata"]["labels"]["app"] = json!("a");
                add_container(&mut object["spec"]["template"]["spec"], container);
            }
            Self::Pod => add_container(&mut object["spec"], container),
            Self::Service => {
                object["spec"]["clusterIP"] = json!("None");
                object["spec"]["selector"]["app"] = json!("a");
                if object["spec"]["ports"].as_array().is_none_or(Vec::is_empty) {
                    object["spec"]["ports"] = json!([{"name": "first", "port": 1, "protocol": "TCP"}]);
                }
            }
        }
        object
    }
}

fn add_container(spec: &mut Value, container: Value) {
    match spec["containers"].as_array_mut() {
        Some(present) if !present.is_empty() => {}
        _ => spec["containers"] = container,
    }
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Kind::Deployment), Just(Kind::Pod), Just(Kind::Service)]
}

fn pick(of: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    proptest::sample::select(of)
}

/// Some texts by name; with `nulls` some of them are taken away.
fn texts(nulls: bool) -> BoxedStrategy<Value> {
    let value = if nulls {
        prop_oneof![3 => "[x-z]".prop_map(Value::from), 1 => Just(Value::Null)].boxed()
    } else {
        "[x-z]".prop_map(Value::from).boxed()
    };
    btree_map("[a-c]", value, 0..3).prop_map(|map| Value::Object(map.into_iter().collect())).boxed()
}

fn ports(container: bool) -> impl Strategy<Value = Vec<Value>> {
    btree_map(80..84_u16, (pick(&["TCP", "UDP"]), option::of("[p-r]")), 0..3).prop_map(move |ports| {
        ports
            .into_iter()
            .map(|(number, (protocol, name))| {
                let key = if container { "containerPort" } else { "port" };
                let mut port = json!({key: number, "protocol": protocol});
                if let Some(name) = name.filter(|_| container) {
                    port["name"] = json!(format!("{name}{number}"));
                }
                if !container {
                    port["name"] = json!(format!("p{number}"));
                }
                port
            })
            .collect()
    })
}

fn variables() -> impl Strategy<Value = Vec<Value>> {
    btree_map("[A-C]", "[x-z]", 0..3).prop_map(|variables| {
        variables.into_iter().map(|(name, value)| json!({"name": name, "value": value})).collect()
    })
}

fn put(map: &mut Map<String, Value>, key: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        map.insert(key.to_owned(), value.into());
    }
}

fn container() -> impl Strategy<Value = Map<String, Value>> {
    let image = option::of(pick(&["nginx:1.19", "nginx:1.20", "busybox"]));
    let args = option::of(vec("[x-z]", 1..3));
    (image, option::of(variables()), option::of(ports(true)), args).prop_map(|(image, env, ports, args)| {
        let mut container = Map::new();
        put(&mut container, "image", image);
        put(&mut container, "env", env);
        put(&mut container, "ports", ports);
        put(&mut container, "args", args);
        container
    })
}

/// Containers by name; all have an image where `whole` ones are wanted.
fn containers(whole: bool) -> impl Strategy<Value = Vec<Value>> {
    btree_map(pick(&["main", "side", "third"]), container(), 0..3).prop_map(move |containers| {
        containers
            .into_iter()
            .map(|(name, mut container)| {
                container.insert("name".to_owned(), json!(name));
                if whole {
                    container.entry("image").or_insert_with(|| json!("nginx:1.19"));
                }
                Value::Object(container)
            })
            .collect()
    })
}

fn pod_spec(whole: bool) -> impl Strategy<Value = Value> {
    let tolerations = option::of(vec("[k-m]", 0..3));
    let volumes = option::of(btree_map("[v-x]", any::<bool>(), 0..3));
    (containers(whole), option::of(texts(false)), tolerations, volumes).prop_map(
        |(containers, selector, tolerations, volumes)| {
            let mut spec = Map::new();
            put(&mut spec, "containers", Some(containers).filter(|containers| !containers.is_empty()));
            put(&mut spec, "nodeSelector", selector);
            let keys = tolerations
                .map(|keys| keys.into_iter().map(|key| json!({"key": key, "operator": "Exists"})).collect::<Vec<_>>());
            put(&mut spec, "tolerations", keys);
            let volumes = volumes.map(|volumes| {
                let volume = |(name, empty): (String, bool)| {
                    if empty {
                        json!({"name": name, "emptyDir": {"medium": "Memory"}})
                    } else {
                        json!({"name": name, "configMap": {"name": "c"}})
                    }
                };
                volumes.into_iter().map(volume).collect::<Vec<_>>()
            });
            put(&mut spec, "volumes", volumes);
            Value::Object(spec)
        },
    )
}

/// What someone says of an object: some of its fields, or, with `whole`, a valid one.
fn description(kind: Kind, whole: bool) -> BoxedStrategy<Value> {
    let spec = match kind {
        Kind::Pod => pod_spec(whole).boxed(),
        Kind::Deployment => {
            let paused = option::of(any::<bool>());
            (pod_spec(whole), option::of(1..4_u8), option::of(texts(false)), paused)
                .prop_map(|(pod, replicas, labels, paused)| {
                    let mut spec = Map::new();
                    put(&mut spec, "replicas", replicas);
                    put(&mut spec, "paused", paused);
                    let mut template = json!({"spec": pod});
                    if let Some(labels) = labels {
                        template["metadata"] = json!({"labels": labels});
                    }
                    spec.insert("template".to_owned(), template);
                    Value::Object(spec)
                })
                .boxed()
        }
        Kind::Service => (option::of(ports(false)), option::of(texts(false)))
            .prop_map(|(ports, selector)| {
                let mut spec = Map::new();
                put(&mut spec, "ports", ports);
                put(&mut spec, "selector", selector);
                Value::Object(spec)
            })
            .boxed(),
    };
    (option::of(texts(false)), spec).prop_map(move |(labels, spec)| kind.whole(labels, spec)).boxed()
}

/// A strategic merge patch: a description with directives, nulls and orders put into it.
fn patch(kind: Kind) -> impl Strategy<Value = Value> {
    let extras = (texts(true), any::<[u8; 8]>(), pick(&["main", "side", "third"]));
    (description(kind, false), extras).prop_map(move |(mut patch, (labels, dice, name))| {
        let [delete, order, replace, retain, drop, ..] = dice;
        let Some(map) = patch.as_object_mut() else { return patch };
        map.remove("apiVersion");
        map.remove("kind");
        patch["metadata"] = json!({"labels": labels});
        let pod = match kind {
            Kind::Deployment => &mut patch["spec"]["template"]["spec"],
            Kind::Pod => &mut patch["spec"],
            Kind::Service => return patch,
        };
        if delete % 4 == 0
            && let Some(containers) = pod["containers"].as_array_mut()
        {
            containers.retain(|container| container["name"] != name);
            containers.push(json!({"name": name, "$patch": "delete"}));
        }
        if order % 3 == 0
            && let Some(containers) = pod["containers"].as_array()
        {
            let kept = containers.iter().filter(|container| container.get("$patch").is_none());
            let names: Vec<Value> = kept.map(|container| json!({"name": container["name"]})).collect();
            pod["$setElementOrder/containers"] = Value::from(names);
        }
        if drop % 4 == 0 {
            pod["nodeSelector"] = Value::Null;
        }
        if replace % 8 == 0
            && let Some(tolerations) = pod["tolerations"].as_array_mut()
        {
            tolerations.push(json!({"key": "last", "operator": "Exists"}));
        }
        if retain % 4 == 0
            && let Some(volumes) = pod["volumes"].as_array_mut()
        {
            for volume in volumes {
                let keys: Vec<Value> = volume.as_object().into_iter().flatten().map(|(key, _)| json!(key)).collect();
                volume["$retainKeys"] = Value::from(keys);
            }
        }
        patch
    })
}

/// An object that is created and patched, and in between applied to by one who insists.
fn patched() -> BoxedStrategy<Vec<Value>> {
    kinds()
        .prop_flat_map(|kind| {
            let step = prop_oneof![3 => patch(kind).prop_map(|patch| (false, patch)),
                1 => description(kind, true).prop_map(|applied| (true, applied))];
            (Just(kind), description(kind, true), vec((step, pick(&["p", "q"])), 1..5))
        })
        .prop_map(|(kind, first, steps)| {
            let path = format!("{}/a", kind.collection());
            let mut out = vec![json!({
                "POST": format!("{}?fieldManager=creator", kind.collection()),
                "body": kind.completed(first),
            })];
            out.extend(steps.into_iter().map(|((applies, body), manager)| {
                if applies {
                    let query = format!("{path}?fieldManager={manager}&force=true");
                    json!({"PATCH": query, "type": "application/apply-patch+yaml", "body": body})
                } else {
                    let query = format!("{path}?fieldManager={manager}");
                    json!({"PATCH": query, "type": "application/strategic-merge-patch+json", "body": body})
                }
            }));
            out
        })
        .boxed()
}

/// An object to which two apply, insisting or not.
fn applied() -> BoxedStrategy<Vec<Value>> {
    kinds()
        .prop_flat_map(|kind| {
            let step = (description(kind, true), pick(&["x", "y"]), any::<bool>());
            (Just(kind), description(kind, true), vec(step, 1..6))
        })
        .prop_map(|(kind, first, steps)| {
            let apply = |body: Value, manager: &str, force: bool| {
                let query = format!("{}/a?fieldManager={manager}&force={force}", kind.collection());
                json!({"PATCH": query, "type": "application/apply-patch+yaml", "body": body})
            };
            let mut out = vec![apply(kind.completed(first), "x", false)];
            out.extend(steps.into_iter().map(|(body, manager, force)| apply(body, manager, force)));
            out
        })
        .boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makes_the_same_of_the_same_seed() {
        assert_eq!(written(5, 7), written(5, 7));
    }

    #[test]
    fn makes_others_of_another_seed() {
        assert_ne!(written(5, 7), written(5, 8));
    }

    #[test]
    fn makes_sessions_that_can_be_sent() {
        assert_eq!(sessions(20, 1).len(), 20);
    }
}
