//! A scenario told to a person: what to do on which cluster, as words, as a shell script, or as data.

mod by_hand;
mod capture;
mod console;
mod objects;
mod quote;
mod script;
mod step;
mod text;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use scenario::model::{GivenCluster, GivenKubesphere, GivenSecret, On, Scenario};
use scenario::plan::Cell;
use serde::Serialize;

use self::quote::Names;
use crate::known_issue::issue_on;

/// A scenario on one release, told step by step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The scenario's name.
    pub name: String,
    /// KubeSphere release.
    pub release: String,
    /// The page, its section and option, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
    /// What the clusters hold before the first step, in words.
    pub given: BTreeMap<On, String>,
    /// Variables that have a value before the first step, of those that are used.
    pub variables: BTreeMap<String, String>,
    /// Steps, in order.
    pub steps: Vec<ExplainedStep>,
    /// Checks, in order.
    pub checks: Vec<ExplainedCheck>,
    /// What fails on this release, and where that is known from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known_issue: Option<String>,
}

/// A step, told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedStep {
    /// Name.
    pub name: String,
    /// Cluster it acts on.
    pub on: On,
    /// The command as the page has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// What else a person does and sees, in words.
    pub words: Vec<String>,
    /// Requests that the console sends for it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<String>,
    /// The same as lines of bash; nothing where a real cluster has no such thing.
    pub shell: Vec<String>,
}

/// A check, told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedCheck {
    /// Name.
    pub name: String,
    /// Arguments.
    pub args: BTreeMap<String, String>,
    /// What holds, in a sentence.
    pub about: String,
    /// A command that shows it, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

impl Explanation {
    /// Tells the scenario of `cell` on its release.
    #[must_use]
    pub fn of(cell: &Cell) -> Self {
        let mut scenario = (*cell.scenario).clone();
        // A person does last what is done whatever happened.
        scenario.steps.append(&mut scenario.finally);
        let scenario = &scenario;
        let mut values = cell.params.clone();
        values.insert("release".to_owned(), cell.release.name.clone());
        let names = Names::of(scenario, values.keys());
        let steps: Vec<ExplainedStep> =
            (0..scenario.steps.len()).map(|index| step::told(scenario, index, &names)).collect();
        let uses = |name: &String| {
            let variable = format!("${{{name}}}");
            steps.iter().flat_map(|step| &step.shell).any(|line| line.contains(&variable))
        };
        values.retain(|name, _| uses(name));
        let page = scenario.page.as_ref().map(|page| {
            let parts = [Some(&page.name), page.section.as_ref(), page.option.as_ref()];
            parts.into_iter().flatten().cloned().collect::<Vec<_>>().join(" / ")
        });
        Self {
            name: scenario.name.clone(),
            release: cell.release.name.clone(),
            page,
            given: given(scenario),
            variables: values,
            steps,
            checks: scenario.checks.iter().map(|call| by_hand::told(scenario, call)).collect(),
            known_issue: issue_on(scenario, &cell.release.name)
                .map(|issue| format!("\"{}\" fails on this release: {}", issue.fails, issue.reference)),
        }
    }

    /// The clusters it is about, the host first.
    fn clusters(&self) -> impl Iterator<Item = On> {
        self.given.keys().copied()
    }
}

/// The steps from `from` on, and those before that read what they need.
fn steps_wanted(scenario: &Scenario, from: usize) -> BTreeSet<usize> {
    let mut wanted: BTreeSet<usize> = (from..scenario.steps.len()).collect();
    for (index, step) in scenario.steps.iter().enumerate().take(from).rev() {
        let used = |name: &String| {
            wanted
                .iter()
                .filter_map(|later| scenario.steps.get(*later))
                .any(|later| step::texts(later).contains(&format!("${{{name}}}")))
        };
        if step.capture.keys().any(used) {
            wanted.insert(index);
        }
    }
    wanted
}

fn given(scenario: &Scenario) -> BTreeMap<On, String> {
    let clusters = [(On::Host, Some(&scenario.given.host)), (On::Member, scenario.given.member.as_ref())];
    clusters.into_iter().filter_map(|(on, given)| Some((on, in_words(given?)))).collect()
}

fn in_words(given: &GivenCluster) -> String {
    let mut words = vec![match given.kubesphere {
        GivenKubesphere::Absent => "Kubernetes without KubeSphere".to_owned(),
        GivenKubesphere::Installed => {
            let release = given.release.as_deref().map_or_else(String::new, |release| format!(" {release}"));
            format!("KubeSphere{release} with clusterRole {}", given.cluster_role)
        }
    }];
    words.extend(given.host_cluster_name.iter().map(|name| format!("hostClusterName {name}")));
    if given.jwt_secret == GivenSecret::OfHost {
        words.push("the host's jwtSecret".to_owned());
    }
    if given.nodes > 1 {
        words.push(format!("{} nodes", given.nodes));
    }
    words.join(", ")
}
