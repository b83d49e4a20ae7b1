//! Records of the real control plane, and how an answer is compared with one.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::fixture::World;

/// One record.
pub struct Record(pub Value);

/// An answer of the stand-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Got {
    /// Status; `None` when the connection was closed without an answer.
    pub status: Option<u16>,
    pub content_type: Option<String>,
    pub body: String,
}

impl Got {
    pub fn closed() -> Self {
        Self { status: None, content_type: None, body: String::new() }
    }
}

/// Why a record is not compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotApplicable {
    /// A program has no executables, so an exec plugin that exists cannot be.
    NeedsExecutable,
    /// The record's state was made by hand or had other objects.
    OtherState,
    /// kube-apiserver answers it, not KubeSphere.
    NotKubesphere,
}

pub fn read(text: &str) -> Vec<Record> {
    text.lines().map(|line| Record(serde_json::from_str(line).unwrap())).collect()
}

impl Record {
    pub fn case(&self) -> &str {
        self.0["case"].as_str().unwrap()
    }

    /// What differs between the record and `got`.
    pub fn difference(&self, world: &World, got: &Got) -> Option<String> {
        let wanted_status = self.0["status"].as_u64().map(|code| u16::try_from(code).unwrap());
        if wanted_status != got.status {
            return Some(format!("{}: status {wanted_status:?}, got {got:?}", self.case()));
        }
        // A closed connection has nothing else to compare.
        wanted_status?;
        if let Some(content_type) = self.0["content_type"].as_str()
            && got.content_type.as_deref() != Some(content_type)
        {
            return Some(format!("{}: content type {content_type}, got {got:?}", self.case()));
        }
        let text = placeholders(world, &got.body);
        let (wanted, actual) = match &self.0["body"] {
            Value::String(wanted) => (json!(wanted), json!(text)),
            body => {
                let actual: Value = serde_json::from_str(&text).unwrap_or_else(|_| json!(text));
                if body["_trimmed"] == true {
                    (trimmed_record(body), trimmed(&actual))
                } else {
                    (normal(body.clone()), normal(actual))
                }
            }
        };
        (wanted != actual).then(|| format!("{}:\n  wanted {wanted}\n  got    {actual}", self.case()))
    }
}

/// Our addresses by the records' names. The embedded API server's certificate has one more name, as a real kubeadm's.
pub fn placeholders(world: &World, text: &str) -> String {
    let member_pod = member_pod(text);
    let mut text = text.to_owned();
    if let Some(pod) = member_pod {
        text = text.replace(&pod, "MEMBER_IP");
    }
    text.replace(&world.member.address.to_string(), "MEMBER_IP")
        .replace(&world.host.address.to_string(), "HOST_IP")
        .replace(crate::kubeconfigs::UNUSED, "UNUSED_IP")
        .replace("kubernetes.default.svc, kubernetes.default.svc.cluster.local,", "kubernetes.default.svc,")
}

/// The records' ks-apiserver had its machine's address; ours is a pod with one of its own.
fn member_pod(text: &str) -> Option<String> {
    let (before, _) = text.split_once(":9090: connect:")?;
    Some(before.rsplit(' ').next()?.to_owned())
}

/// What differs from run to run: identities, times, and who wrote which field; and the build of Kubernetes.
fn normal(mut value: Value) -> Value {
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        for key in [
            "uid",
            "resourceVersion",
            "creationTimestamp",
            "deletionTimestamp",
            "managedFields",
            "generation",
            "labels",
            "annotations",
        ] {
            metadata.shift_remove(key);
        }
    }
    if let Some(kubernetes) = value.get_mut("kubernetes").and_then(Value::as_object_mut) {
        for key in ["gitCommit", "gitTreeState", "buildDate", "goVersion"] {
            kubernetes.shift_remove(key);
        }
    }
    for condition in value.pointer_mut("/status/conditions").and_then(Value::as_array_mut).into_iter().flatten() {
        for key in ["lastUpdateTime", "lastTransitionTime"] {
            condition[key] = "<time>".into();
        }
        if condition["type"] == "KubeConfigCertExpiresInSevenDays" {
            condition["message"] = "<time>".into();
        }
    }
    if value.pointer("/status/uid").is_some() {
        value["status"]["uid"] = "<uid>".into();
    }
    if value.pointer("/spec/connection/kubeconfig").is_some() {
        value["spec"]["connection"]["kubeconfig"] = "<kubeconfig>".into();
    }
    for key in ["access_token", "refresh_token"] {
        if value.get(key).is_some() {
            value[key] = "<JWT>".into();
        }
    }
    for item in value.get_mut("items").and_then(Value::as_array_mut).into_iter().flatten() {
        *item = normal(item.take());
    }
    value
}

/// The records' member had Deployments of its own besides KubeSphere's.
fn of_kubesphere(names: Vec<Value>) -> Vec<Value> {
    let foreign = ["default-http-backend", "kubectl-admin"];
    let mut names: Vec<_> = names.into_iter().filter(|name| !foreign.iter().any(|foreign| name == foreign)).collect();
    if names.iter().any(|name| name == "ks-apiserver") {
        names.sort_by_key(ToString::to_string);
    }
    names
}

fn trimmed_record(body: &Value) -> Value {
    let names = body["item_names"].as_array().unwrap().clone();
    json!({"kind": body["kind"], "totalItems": body["totalItems"], "item_names": of_kubesphere(names)})
}

fn trimmed(body: &Value) -> Value {
    let names = body["items"].as_array().into_iter().flatten().map(|item| item["metadata"]["name"].clone()).collect();
    json!({"kind": body["kind"], "totalItems": body["totalItems"], "item_names": of_kubesphere(names)})
}

/// Which records were compared, and what differed.
#[derive(Default)]
pub struct Tally {
    seen: BTreeSet<String>,
    differences: Vec<String>,
}

impl Tally {
    pub fn compare(&mut self, world: &World, record: &Record, got: &Got) {
        self.seen.insert(record.case().to_owned());
        self.differences.extend(record.difference(world, got));
    }

    pub fn note(&mut self, case: &str, difference: Option<String>) {
        self.seen.insert(case.to_owned());
        self.differences.extend(difference);
    }

    /// Fails with everything that differs, and with records that were neither compared nor excused.
    pub fn settle(mut self, records: &[Record], excuse: impl Fn(&str) -> Option<NotApplicable>) {
        for record in records.iter().filter(|record| !self.seen.contains(record.case())) {
            if excuse(record.case()).is_none() {
                self.differences.push(format!("{}: neither compared nor excused", record.case()));
            }
        }
        let count = self.differences.len();
        assert!(count == 0, "{count} records differ:\n{}", self.differences.join("\n"));
    }
}
