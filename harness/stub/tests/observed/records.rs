//! Records of the real control plane, and how an answer is compared with one.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::excuses::{Excuse, excuse};
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

/// The files, each with what it holds: a record a line, of the control planes v3.3.2 and v3.4.1.
pub const FILES: [(&str, &str); 8] = [
    ("oauth", include_str!("../data/observed/oauth.jsonl")),
    ("validation", include_str!("../data/observed/validation.jsonl")),
    ("import", include_str!("../data/observed/import.jsonl")),
    ("dispatch", include_str!("../data/observed/dispatch.jsonl")),
    ("hostcluster", include_str!("../data/observed/hostcluster.jsonl")),
    ("installer-config", include_str!("../data/observed/installer-config.jsonl")),
    ("installer", include_str!("../data/observed/installer.jsonl")),
    ("diffs", include_str!("../data/observed/diffs.jsonl")),
];

/// The records of a file, of every version.
pub fn all(file: &str) -> Vec<Record> {
    let (_, text) = FILES.iter().find(|(name, _)| *name == file).unwrap();
    text.lines().map(|line| Record(serde_json::from_str(line).unwrap())).collect()
}

/// The records that one test repeats, and settles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replay {
    Grants,
    Validation,
    /// One Cluster that was created and watched on a member as it should be.
    Object,
    /// The same, with what it made of the member.
    Import,
    /// The same, on a member that is not as it should be.
    MemberState,
    SecondName,
    SecretChange,
    RoleChange,
    FirstJoins,
    Unreachable,
    KubeconfigChange,
    Dispatch,
    HostCluster,
    HostNameCheck,
    Rendering,
    InstallerRuns,
    Differences,
}

impl Replay {
    /// Of a record of `file`; every record has one.
    pub fn of(file: &str, record: &Record) -> Self {
        let case = record.case();
        match file {
            "oauth" => Self::Grants,
            "validation" => Self::Validation,
            "dispatch" => Self::Dispatch,
            "hostcluster" if case.starts_with("hostcluster-name-check-") => Self::HostNameCheck,
            "hostcluster" => Self::HostCluster,
            "installer-config" => Self::Rendering,
            "installer" => Self::InstallerRuns,
            "diffs" => Self::Differences,
            _ => match case {
                "import-valid" => Self::Import,
                "import-second-name" => Self::SecondName,
                "import-first-join-race" => Self::FirstJoins,
                "secret-change-after-import" => Self::SecretChange,
                "role-none-after-import" => Self::RoleChange,
                "member-unreachable-after-import" => Self::Unreachable,
                "change-kubeconfig-after-import" => Self::KubeconfigChange,
                case if case.starts_with("import-state-") => Self::MemberState,
                _ => Self::Object,
            },
        }
    }

    /// Its records for `version`, as `v3.3.2`.
    pub fn records(self, version: &str) -> Vec<Record> {
        let is_one = |file, record: &Record| Self::of(file, record) == self && record.version() == version;
        FILES.iter().flat_map(|(file, _)| all(file).into_iter().filter(move |record| is_one(file, record))).collect()
    }

    /// Its only record for `version`.
    pub fn record(self, version: &str) -> Record {
        let mut records = self.records(version);
        let record = records.pop().unwrap();
        assert!(records.is_empty(), "{self:?} has several records of {version}");
        record
    }
}

impl Record {
    pub fn case(&self) -> &str {
        self.0["case"].as_str().unwrap()
    }

    pub fn version(&self) -> &str {
        self.0["version"].as_str().unwrap()
    }

    /// Why it is not compared, if it is not.
    pub fn is_skipped(&self) -> bool {
        matches!(excuse(self), Some(Excuse::NotApplicable(_)))
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
    differing: BTreeSet<String>,
    differences: Vec<String>,
}

impl Tally {
    pub fn compare(&mut self, world: &World, record: &Record, got: &Got) {
        self.note(record, record.difference(world, got));
    }

    /// Notes that `record` was compared, and what differed.
    pub fn note(&mut self, record: &Record, difference: Option<String>) {
        self.seen.insert(record.case().to_owned());
        let Some(difference) = difference else { return };
        self.differing.insert(record.case().to_owned());
        if !matches!(excuse(record), Some(Excuse::Differs(_))) {
            self.differences.push(difference);
        }
    }

    /// Settles the only record of a test, with all that differs.
    pub fn settle_one(record: &Record, differences: &[String]) {
        let mut tally = Self::default();
        let difference = format!("{}: {}", record.case(), differences.join("\n"));
        tally.note(record, (!differences.is_empty()).then_some(difference));
        tally.settle(std::slice::from_ref(record));
    }

    /// Fails with everything that differs, with records that were neither compared nor excused, and with excuses that
    /// are none any more.
    pub fn settle(mut self, records: &[Record]) {
        for record in records {
            let case = record.case();
            match (excuse(record), self.seen.contains(case)) {
                (None | Some(Excuse::Differs(_)), false) => {
                    self.differences.push(format!("{case}: neither compared nor excused"));
                }
                (Some(Excuse::Differs(_)), true) if !self.differing.contains(case) => {
                    self.differences.push(format!("{case}: is equal now, so it needs no excuse"));
                }
                (Some(Excuse::NotApplicable(_)), true) => {
                    self.differences.push(format!("{case}: was compared, so it needs no excuse"));
                }
                _ => {}
            }
        }
        let count = self.differences.len();
        assert!(count == 0, "{count} records differ:\n{}", self.differences.join("\n"));
    }
}

/// Adds to `differences` what is not as the record has it.
pub fn check(differences: &mut Vec<String>, what: &str, wanted: &Value, got: &Value) {
    if wanted != got {
        differences.push(format!("{what}\n  wanted {wanted}\n  got    {got}"));
    }
}
