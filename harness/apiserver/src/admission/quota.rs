//! `ResourceQuota`: what the objects of a namespace may use together (apiserver's plugin/resourcequota and
//! pkg/quota/v1/evaluator/core, Kubernetes 1.20). What is used so far is what the quota's status says, which a
//! controller keeps; without one it stays empty, and nothing is limited.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::text;
use crate::objects::Place;
use crate::quantity::Quantity;
use crate::status::Failure;
use crate::store::Key;

type Usage = BTreeMap<String, Quantity>;

fn usage_at(object: &Value, pointer: &str) -> Usage {
    let map = object.pointer(pointer).and_then(Value::as_object).into_iter().flatten();
    map.filter_map(|(name, amount)| Some((name.clone(), Quantity::parse(amount.as_str()?).ok()?))).collect()
}

fn add(usage: &mut Usage, name: &str, amount: &Quantity) {
    let sum = usage.get(name).map_or_else(|| amount.clone(), |sum| sum.plus(amount));
    usage.insert(name.to_owned(), sum);
}

/// What an object of a kind uses.
fn usage(table: &str, object: &Value) -> Usage {
    let one = Quantity::whole(1);
    let mut usage = Usage::new();
    usage.insert(format!("count/{table}"), one.clone());
    match table {
        "pods" => pod_usage(object, &mut usage),
        "services" => {
            add(&mut usage, "services", &one);
            let ports = object.pointer("/spec/ports").and_then(Value::as_array).map_or(0, Vec::len);
            let ports = Quantity::whole(i64::try_from(ports).unwrap_or(0));
            match text(object, "/spec/type") {
                "NodePort" => add(&mut usage, "services.nodeports", &ports),
                "LoadBalancer" => {
                    add(&mut usage, "services.nodeports", &ports);
                    add(&mut usage, "services.loadbalancers", &one);
                }
                _ => {}
            }
        }
        "persistentvolumeclaims" => {
            add(&mut usage, "persistentvolumeclaims", &one);
            let class = text(object, "/spec/storageClassName");
            if let Ok(size) = Quantity::parse(text(object, "/spec/resources/requests/storage")) {
                add(&mut usage, "requests.storage", &size);
                if !class.is_empty() {
                    add(&mut usage, &format!("{class}.storageclass.storage.k8s.io/requests.storage"), &size);
                }
            }
            if !class.is_empty() {
                add(&mut usage, &format!("{class}.storageclass.storage.k8s.io/persistentvolumeclaims"), &one);
            }
        }
        "configmaps" | "secrets" | "replicationcontrollers" | "resourcequotas" => add(&mut usage, table, &one),
        _ => {}
    }
    usage
}

fn pod_usage(pod: &Value, usage: &mut Usage) {
    if matches!(text(pod, "/status/phase"), "Succeeded" | "Failed") {
        return;
    }
    add(usage, "pods", &Quantity::whole(1));
    for kind in ["requests", "limits"] {
        let mut total = Usage::new();
        let containers = |key: &str| {
            let containers = pod.pointer(&format!("/spec/{key}")).and_then(Value::as_array);
            containers.into_iter().flatten().map(|one| usage_at(one, &format!("/resources/{kind}")))
        };
        for (name, amount) in containers("containers").flatten() {
            add(&mut total, &name, &amount);
        }
        for (name, amount) in containers("initContainers").flatten() {
            if total.get(&name).is_none_or(|sum| *sum < amount) {
                total.insert(name, amount);
            }
        }
        for (name, amount) in total {
            if kind == "requests" && matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage") {
                usage.insert(name.clone(), amount.clone());
            }
            usage.insert(format!("{kind}.{name}"), amount);
        }
    }
}

/// Whether a quota's scopes take the object in.
fn covers(quota: &Value, table: &str, object: &Value) -> bool {
    let scopes = quota.pointer("/spec/scopes").and_then(Value::as_array).into_iter().flatten();
    let mut scopes = scopes.filter_map(Value::as_str).peekable();
    if scopes.peek().is_some() && table != "pods" {
        return false;
    }
    let ends = object.pointer("/spec/activeDeadlineSeconds").is_some();
    let best_effort = crate::defaults::quality_class(object) == "BestEffort";
    scopes.all(|scope| match scope {
        "Terminating" => ends,
        "NotTerminating" => !ends,
        "BestEffort" => best_effort,
        "NotBestEffort" => !best_effort,
        "PriorityClass" => !text(object, "/spec/priorityClassName").is_empty(),
        _ => false,
    })
}

fn shown(usage: &Usage) -> String {
    usage.iter().map(|(name, amount)| format!("{name}={amount}")).collect::<Vec<_>>().join(",")
}

impl Place<'_> {
    /// Charges the quotas of the namespace for `object`, which replaces `before`.
    pub(super) fn charge(&self, object: &Value, before: Option<&Value>) -> Result<(), Failure> {
        if !self.resource.namespaced || self.resource.custom.is_some() {
            return Ok(());
        }
        let quotas = self.state.store.list(&Arc::from("resourcequotas"), Some(self.namespace)).objects;
        let table = self.table().to_string();
        let mut wanted = usage(&table, object);
        if let Some(before) = before {
            for (name, amount) in usage(&table, before) {
                let more = wanted.get(&name).map(|wanted| wanted.minus(&amount));
                wanted.extend(more.map(|more| (name, more)));
            }
        }
        wanted.retain(|_, amount| amount.nano() > 0);
        let mut charged = Vec::new();
        for (key, stored) in quotas.iter().filter(|(_, quota)| covers(&quota.value, &table, object)) {
            let (hard, used) = (usage_at(&stored.value, "/status/hard"), usage_at(&stored.value, "/status/used"));
            self.demand(&hard, object, &key.name)?;
            let asked: Usage = wanted
                .iter()
                .filter(|(name, _)| hard.contains_key(*name))
                .map(|(n, a)| (n.clone(), a.clone()))
                .collect();
            let mut sum = used.clone();
            asked.iter().for_each(|(name, amount)| add(&mut sum, name, amount));
            let over: Vec<&String> =
                asked.keys().filter(|name| sum.get(*name).zip(hard.get(*name)).is_some_and(|(s, h)| s > h)).collect();
            if !over.is_empty() {
                let only = |usage: &Usage| -> String {
                    let masked = usage.iter().filter(|(name, _)| over.contains(name));
                    shown(&masked.map(|(name, amount)| (name.clone(), amount.clone())).collect())
                };
                let why = format!(
                    "exceeded quota: {}, requested: {}, used: {}, limited: {}",
                    key.name,
                    only(&asked),
                    only(&used),
                    only(&hard)
                );
                return Err(self.refused(object, &why));
            }
            if !asked.is_empty() {
                charged.push((key.clone(), sum));
            }
        }
        if !self.dry_run {
            charged.iter().for_each(|(key, sum)| self.note_usage(key, sum));
        }
        Ok(())
    }

    /// A pod under a quota of CPU or memory has to say how much of it it wants.
    fn demand(&self, hard: &Usage, object: &Value, quota: &str) -> Result<(), Failure> {
        if &**self.table() != "pods" {
            return Ok(());
        }
        let mut missing: Vec<&str> = Vec::new();
        for key in ["containers", "initContainers"] {
            let containers = object.pointer(&format!("/spec/{key}")).and_then(Value::as_array);
            for container in containers.into_iter().flatten() {
                for name in hard.keys() {
                    let (kind, resource) = match name.split_once('.') {
                        Some((kind @ ("requests" | "limits"), resource)) => (kind, resource),
                        _ => ("requests", name.as_str()),
                    };
                    let counted = matches!(resource, "cpu" | "memory");
                    let said = container.pointer(&format!("/resources/{kind}/{resource}")).is_some();
                    if counted && !said && !missing.contains(&name.as_str()) {
                        missing.push(name);
                    }
                }
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        missing.sort_unstable();
        Err(self.refused(object, &format!("failed quota: {quota}: must specify {}", missing.join(","))))
    }

    fn note_usage(&self, key: &Key, usage: &Usage) {
        let table = Arc::from("resourcequotas");
        while let Some(quota) = self.state.store.get(&table, key) {
            let mut object = quota.value.clone();
            let used: BTreeMap<&String, String> =
                usage.iter().map(|(name, amount)| (name, amount.to_string())).collect();
            object["status"]["used"] = json!(used);
            if self.state.store.replace(&table, key, &quota, object).is_ok() {
                return;
            }
        }
    }
}
