//! The whole of a scenario file.

use std::collections::{BTreeMap, BTreeSet};

use super::check::{Before, checks};
use super::fields::{self, Fields, Notes};
use super::matrix::Variant;
use super::node::{Entry, Node, Position, Value};
use super::step::{Around, step};
use super::variables::Variables;
use crate::known::Known;
use crate::model::{
    CheckCall, Given, GivenCluster, GivenKubesphere, GivenSecret, KnownIssue, Page, Requirement, Scenario, Step,
    SyncFrequency,
};
use crate::problem::did_you_mean;

pub const API_VERSION: &str = "ks-e2e.dev/v1alpha1";
pub const KIND: &str = "Scenario";
const HOST: &str = "spec.given.host";

pub fn scenario(variant: Variant, known: &Known<'_>, notes: &mut Notes<'_>) -> Option<Scenario> {
    let mut fields = Fields::of("", &variant.root, notes)?;
    for (key, wanted) in [("apiVersion", API_VERSION), ("kind", KIND)] {
        if let Some(entry) = fields.require(key, wanted, notes) {
            fields::word(key, &entry.node, &[(wanted, ())], notes);
        }
    }
    let metadata = fields.require("metadata", "{name: NAME}", notes).and_then(|entry| metadata(&entry.node, notes));
    let spec =
        fields.require("spec", "{steps: […], checks: […]}", notes).and_then(|entry| spec(&entry.node, known, notes));
    fields.finish(notes);
    let (metadata, spec) = (metadata?, spec?);
    Some(Scenario {
        name: metadata.name,
        params: variant.params,
        labels: metadata.labels,
        page: spec.page,
        releases: spec.releases,
        given: spec.given,
        steps: spec.steps,
        checks: spec.checks,
        finally: spec.finally,
        known_issue: spec.known_issue,
        location: metadata.at.in_file(notes.file),
    })
}

/// A cluster's nodes share a /24 with nobody else; the first address and the broadcast address are not theirs.
pub const MOST_NODES: u8 = 253;

pub const PRESENCE: [(&str, GivenKubesphere); 2] =
    [("installed", GivenKubesphere::Installed), ("absent", GivenKubesphere::Absent)];
/// Roles of a cluster, as `multicluster.clusterRole` spells them (ks-installer v3.4.1, `deploy/cluster-configuration.yaml`).
pub const ROLES: [&str; 3] = ["none", "host", "member"];
pub const SECRETS: [(&str, GivenSecret); 2] = [("generated", GivenSecret::Generated), ("host", GivenSecret::OfHost)];
pub const FREQUENCIES: [(&str, SyncFrequency); 2] =
    [("short", SyncFrequency::Short), ("default", SyncFrequency::Default)];

struct Metadata {
    name: String,
    /// Where the name stands, which is where a reader looks for the scenario.
    at: Position,
    labels: BTreeMap<String, String>,
}

fn metadata(node: &Node, notes: &mut Notes<'_>) -> Option<Metadata> {
    let mut fields = Fields::of("metadata", node, notes)?;
    let name = fields
        .require("name", "member-post-install-kubectl", notes)
        .and_then(|entry| Some((name(&entry.node, notes)?, entry.node.at)));
    let labels =
        fields.take("labels").map(|entry| fields::text_map("metadata.labels", &entry.node, notes)).unwrap_or_default();
    fields.finish(notes);
    let (name, at) = name?;
    Some(Metadata { name, at, labels })
}

/// A name that needs no quotes in a shell, a cell's id or a file name.
fn name(node: &Node, notes: &mut Notes<'_>) -> Option<String> {
    let name = fields::text("metadata.name", node, notes)?;
    let plain = |character: char| character.is_ascii_lowercase() || character.is_ascii_digit();
    let good = name.starts_with(plain)
        && name.ends_with(plain)
        && name.chars().all(|character| plain(character) || character == '-');
    if !good {
        let help = "use lower-case letters, digits and `-`, with a letter or digit at both ends".to_owned();
        notes.note(node.at, format!("\"{name}\" is not a valid scenario name"), Some(help));
    }
    good.then_some(name)
}

struct Spec {
    page: Option<Page>,
    releases: Requirement,
    given: Given,
    steps: Vec<Step>,
    checks: Vec<CheckCall>,
    finally: Vec<Step>,
    known_issue: Option<KnownIssue>,
}

fn spec(node: &Node, known: &Known<'_>, notes: &mut Notes<'_>) -> Option<Spec> {
    let mut fields = Fields::of("spec", node, notes)?;
    let page = fields.take("page").and_then(|entry| page(&entry.node, notes));
    let releases =
        fields.take("releases").map(|entry| fields::requirement("spec.releases", &entry.node, known.releases, notes));
    let given = fields.take("given").map(|entry| given(&entry.node, known, notes)).unwrap_or_default();
    let mut variables = Variables::new();
    let mut around = Around {
        variables: &mut variables,
        has_member: given.member.is_some(),
        delays: known.delays,
        held: BTreeSet::new(),
        printed: BTreeSet::new(),
    };
    let steps_entry = fields.take("steps");
    let checks_entry = fields.take("checks");
    let finally_entry = fields.take("finally");
    let steps = steps_entry.map(|entry| steps("spec.steps", &entry.node, &[], &mut around, notes)).unwrap_or_default();
    let step_names: Vec<&str> = steps.iter().map(|step| step.name.as_str()).collect();
    let before = Before {
        signatures: known.checks,
        variables: around.variables,
        has_member: around.has_member,
        step_names: &step_names,
    };
    let checks = checks_entry.map(|entry| checks(&entry.node, &before, notes)).unwrap_or_default();
    let finally = finally_entry
        .map(|entry| self::steps("spec.finally", &entry.node, &steps, &mut around, notes))
        .unwrap_or_default();
    if steps_entry.is_none() && checks_entry.is_none() {
        notes.note(
            fields.at(),
            "the scenario has neither steps nor checks",
            Some("add `steps: […]` and `checks: […]`".to_owned()),
        );
    }
    let fallible = Fallible::of(steps_entry, checks_entry);
    let known_issue =
        fields.take("knownIssue").and_then(|entry| known_issue(&entry.node, &fallible, known.releases, notes));
    fields.finish(notes);
    let releases = match releases {
        Some(releases) => releases?,
        None => Requirement::any(),
    };
    Some(Spec { page, releases, given, steps, checks, finally, known_issue })
}

fn page(node: &Node, notes: &mut Notes<'_>) -> Option<Page> {
    let mut fields = Fields::of("spec.page", node, notes)?;
    let name = fields.required_text("name", "direct-connection", notes);
    let section = fields.text("section", notes);
    let option = fields.text("option", notes);
    fields.finish(notes);
    Some(Page { name: name?, section, option })
}

fn given(node: &Node, known: &Known<'_>, notes: &mut Notes<'_>) -> Given {
    let Some(mut fields) = Fields::of("spec.given", node, notes) else {
        return Given::default();
    };
    let host = fields.take("host").map(|entry| given_cluster(HOST, &entry.node, known, notes)).unwrap_or_default();
    let member = fields.take("member").map(|entry| given_cluster("spec.given.member", &entry.node, known, notes));
    fields.finish(notes);
    Given { host, member }
}

fn given_cluster(what: &str, node: &Node, known: &Known<'_>, notes: &mut Notes<'_>) -> GivenCluster {
    let mut cluster = GivenCluster::default();
    let Some(mut fields) = Fields::of(what, node, notes) else {
        return cluster;
    };
    let presence = match fields.take("kubesphere") {
        Some(entry) => fields::word(&fields.path("kubesphere"), &entry.node, &PRESENCE, notes),
        None => Some(GivenKubesphere::Absent),
    };
    cluster.kubesphere = presence.unwrap_or(GivenKubesphere::Absent);
    let role = fields.take("clusterRole");
    if let Some(entry) = role
        && let Some(role) =
            fields::word(&fields.path("clusterRole"), &entry.node, &ROLES.map(|role| (role, role)), notes)
    {
        role.clone_into(&mut cluster.cluster_role);
    }
    let name = fields.take("hostClusterName");
    cluster.host_cluster_name =
        name.and_then(|entry| fields::scalar(&fields.path("hostClusterName"), &entry.node, notes));
    cluster.release = version("release", "a release", known.releases, &mut fields, notes);
    cluster.kubekey = version("kubekey", "a version of KubeKey", known.kubekeys, &mut fields, notes);
    let secret = fields.take("jwtSecret");
    if let Some(entry) = secret
        && let Some(value) = fields::word(&fields.path("jwtSecret"), &entry.node, &SECRETS, notes)
    {
        if value == GivenSecret::OfHost && what == HOST {
            notes.note(
                entry.node.at,
                "the host's jwtSecret cannot be its own",
                Some("write `jwtSecret: generated`".to_owned()),
            );
        }
        cluster.jwt_secret = value;
    }
    if let Some(entry) = fields.take("nodes")
        && let Some(nodes) = fields::integer(&fields.path("nodes"), &entry.node, 1..=MOST_NODES, notes)
    {
        cluster.nodes = usize::from(nodes);
    }
    if let Some(entry) = fields.take("syncFrequency")
        && let Some(frequency) = fields::word(&fields.path("syncFrequency"), &entry.node, &FREQUENCIES, notes)
    {
        cluster.sync_frequency = frequency;
    }
    if presence == Some(GivenKubesphere::Absent) {
        for entry in [role, name, secret].into_iter().flatten() {
            let message = format!("\"{}\" needs KubeSphere, which is not given", entry.key);
            notes.note(entry.at, message, Some("add `kubesphere: installed`".to_owned()));
        }
    }
    fields.finish(notes);
    cluster
}

/// One of the versions that are known.
fn version(
    key: &'static str,
    kind: &str,
    known: &[&str],
    fields: &mut Fields<'_>,
    notes: &mut Notes<'_>,
) -> Option<String> {
    let entry = fields.take(key)?;
    let given = fields::text(&fields.path(key), &entry.node, notes)?;
    if !known.contains(&given.as_str()) {
        let suggestion = did_you_mean(&given, "versions", known);
        notes.note(entry.node.at, format!("\"{given}\" is not {kind}"), suggestion);
    }
    Some(given)
}

fn steps(what: &str, node: &Node, before: &[Step], around: &mut Around<'_>, notes: &mut Notes<'_>) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let list = what.trim_start_matches("spec.");
    for (index, node) in fields::list(what, node, notes).unwrap_or_default().iter().enumerate() {
        let Some(step) = step(&format!("{list}[{index}]"), node, around, notes) else {
            continue;
        };
        if let Some(earlier) = before.iter().chain(&steps).find(|earlier| earlier.name == step.name) {
            let message = format!("the step name \"{}\" is taken by line {}", step.name, earlier.location.line);
            notes.note(node.at, message, Some("give each step a name of its own".to_owned()));
        }
        steps.push(step);
    }
    steps
}

/// What a known issue can name, taken from the tree: a step with another mistake in it still has its name.
struct Fallible<'n> {
    names: Vec<&'n str>,
}

impl<'n> Fallible<'n> {
    fn of(steps: Option<&'n Entry>, checks: Option<&'n Entry>) -> Self {
        let items = |entry: Option<&'n Entry>| match entry.map(|entry| &entry.node.value) {
            Some(Value::List(nodes)) => nodes.as_slice(),
            _ => &[],
        };
        let step_names = items(steps).iter().filter_map(|node| match &node.value {
            Value::Map(entries) => {
                entries.iter().find(|entry| entry.key == "name").and_then(|entry| match &entry.node.value {
                    Value::Text(name) => Some(name.as_str()),
                    _ => None,
                })
            }
            _ => None,
        });
        let check_names = items(checks).iter().filter_map(|node| match &node.value {
            Value::Text(name) => Some(name.as_str()),
            Value::Map(entries) => entries.first().map(|entry| entry.key.as_str()),
            _ => None,
        });
        Self { names: step_names.chain(check_names).collect() }
    }
}

fn known_issue(node: &Node, fallible: &Fallible<'_>, releases: &[&str], notes: &mut Notes<'_>) -> Option<KnownIssue> {
    let mut fields = Fields::of("spec.knownIssue", node, notes)?;
    let fails = fields.require("fails", "NAME", notes).and_then(|entry| {
        let fails = fields::text("spec.knownIssue.fails", &entry.node, notes)?;
        if !fallible.names.contains(&fails.as_str()) {
            let suggestion = did_you_mean(&fails, "steps and checks", &fallible.names);
            notes.note(entry.node.at, format!("the scenario has no step or check \"{fails}\""), suggestion);
        }
        Some(fails)
    });
    let releases = fields
        .take("releases")
        .map(|entry| fields::requirement("spec.knownIssue.releases", &entry.node, releases, notes));
    let reference = fields.required_text("reference", "https://github.com/…", notes);
    let text = fields.require("text", "'pattern of the failure'", notes);
    let text = text.and_then(|entry| fields::pattern("spec.knownIssue.text", &entry.node, notes));
    fields.finish(notes);
    let releases = match releases {
        Some(releases) => releases?,
        None => Requirement::any(),
    };
    Some(KnownIssue { fails: fails?, releases, reference: reference?, text: text? })
}
