//! The pairing matrix: every way to make a host, with every way to make a member, and every way to import it. The
//! procedures are those of the scenario files, one after the other.

use std::collections::{BTreeMap, BTreeSet};

use kubesphere::{KubeKey, Release};
use scenario::model::{CheckCall, Comparison, Given, GivenCluster, Location, Page, Requirement, Scenario, Step};

/// Name of the matrix and of all its scenarios.
pub const NAME: &str = "pairing";

/// One value of an axis, and the scenario whose procedure it is.
type Value = (&'static str, &'static str);

const HOSTS: [Value; 4] = [
    ("post-console", "host-post-install-console"),
    ("post-kubectl", "host-post-install-kubectl"),
    ("pre-linux", "host-pre-install-linux"),
    ("pre-k8s", "host-pre-install-k8s"),
];
/// The same with `hostClusterName`.
const NAMED_HOSTS: [Value; 4] = [
    ("post-console", "host-post-install-name-console"),
    ("post-kubectl", "host-post-install-name-kubectl"),
    ("pre-linux", "host-pre-install-linux-name"),
    ("pre-k8s", "host-pre-install-k8s-name"),
];
const MEMBERS: [Value; 4] = [
    ("post-console", "member-post-install-console"),
    ("post-kubectl", "member-post-install-kubectl"),
    ("pre-linux", "member-pre-install-linux"),
    ("pre-k8s", "member-pre-install-k8s"),
];
const IMPORTS: [Value; 3] = [
    ("form", "import-form"),
    ("edit-basic", "import-edit-mode-basic"),
    ("edit-kubeconfig", "import-edit-mode-kubeconfig"),
];

/// The only release that versions of `KubeKey` with either label of the installer's pod install (kubekey v2.1.0 and
/// v3.0.13, `version_enum.go`).
const BOTH_LABELS: &str = "3.2.1";

/// The whole matrix, from the procedures in `scenarios`: host path, with a host's name or without, member path, import,
/// release, and where either path leads through `KubeKey` and there is a choice, the label of the installer's pod.
///
/// None where a procedure is missing, which a test excludes.
#[must_use]
pub fn all(scenarios: &[Scenario]) -> Option<Vec<Scenario>> {
    let find = |name: &str| scenarios.iter().find(|scenario| scenario.name == name);
    let mut pairs = Vec::new();
    for release in Release::all() {
        for (named, hosts) in [("none", HOSTS), ("valid", NAMED_HOSTS)] {
            for (host, host_file) in hosts {
                for (member, member_file) in MEMBERS {
                    for (import, import_file) in IMPORTS {
                        let through_kubekey = [host, member].contains(&"pre-linux");
                        let labels = labels(release, through_kubekey);
                        for (label, kubekey) in labels {
                            let params = [
                                ("host", host),
                                ("label", label),
                                ("member", member),
                                ("import", import),
                                ("name", named),
                            ]
                            .map(|(axis, value)| (axis.to_owned(), value.to_owned()));
                            let procedures = [find(host_file)?, find(member_file)?, find(import_file)?];
                            pairs.push(joined(params.into(), release, kubekey, procedures));
                        }
                    }
                }
            }
        }
    }
    Some(pairs)
}

fn labels(release: &Release, through_kubekey: bool) -> Vec<(&'static str, KubeKey)> {
    let all = if through_kubekey && release.version == BOTH_LABELS {
        vec![KubeKey::V2_1_0, KubeKey::V3_0_13]
    } else {
        vec![release.kubekey]
    };
    all.into_iter()
        .map(|kubekey| {
            let label = if through_kubekey { kubekey.installer_label } else { release.installer_label };
            (label, kubekey)
        })
        .collect()
}

/// The procedures one after the other, on what the first two of them presuppose.
fn joined(
    params: BTreeMap<String, String>,
    release: &Release,
    kubekey: KubeKey,
    [host, member, import]: [&Scenario; 3],
) -> Scenario {
    let given = |given: GivenCluster| GivenCluster { kubekey: Some(kubekey.version.to_owned()), ..given };
    let steps = [("host", host), ("member", member), ("import", import)]
        .into_iter()
        .flat_map(|(part, scenario)| scenario.steps.iter().map(move |step| (part, step)))
        .map(|(part, step)| Step { name: format!("{part}: {}", step.name), ..step.clone() })
        .collect();
    Scenario {
        name: NAME.to_owned(),
        params,
        labels: BTreeMap::from([("part".to_owned(), NAME.to_owned())]),
        page: Some(Page { name: "direct-connection".to_owned(), section: None, option: None }),
        releases: exactly(release),
        given: Given {
            host: given(GivenCluster { nodes: import.given.host.nodes, ..host.given.host.clone() }),
            member: member.given.member.clone().map(given),
        },
        steps,
        checks: checks(host, member, import),
        finally: Vec::new(),
        known_issue: None,
        location: Location { file: format!("scenarios/{NAME}"), line: 1, column: 1 },
    }
}

/// What has to hold in the end: the host's own Cluster, equal secrets, and all that an import is checked for.
fn checks(host: &Scenario, member: &Scenario, import: &Scenario) -> Vec<CheckCall> {
    let of = |scenario: &Scenario, name: &str| scenario.checks.iter().find(|call| call.name == name).cloned();
    let mut checks: Vec<CheckCall> =
        [of(host, "host-cluster-object"), of(member, "jwt-secret-equal")].into_iter().flatten().collect();
    checks.extend(import.checks.iter().cloned());
    checks
}

fn exactly(release: &Release) -> Requirement {
    let mut numbers = release.version.split('.').map(|number| number.parse().unwrap_or_default());
    let mut next = || numbers.next().unwrap_or_default();
    Requirement(vec![(Comparison::Exactly, [next(), next(), next()])])
}

/// A small part of the matrix in which any two values that occur together anywhere occur together: most faults need no
/// more than two.
#[must_use]
pub fn covering(all: Vec<Scenario>) -> Vec<Scenario> {
    let mut left: BTreeSet<Pair> = all.iter().flat_map(pairs).collect();
    let mut chosen = Vec::new();
    let mut candidates: Vec<(Vec<Pair>, Scenario)> =
        all.into_iter().map(|scenario| (pairs(&scenario), scenario)).collect();
    while !left.is_empty() {
        let news = |pairs: &[Pair]| pairs.iter().filter(|pair| left.contains(*pair)).count();
        // The first of the best, so that the choice is the same everywhere.
        let mut best = (0, 0);
        for (place, (pairs, _)) in candidates.iter().enumerate() {
            let news = news(pairs);
            if news > best.0 {
                best = (news, place);
            }
        }
        let (pairs, scenario) = candidates.swap_remove(best.1);
        for pair in &pairs {
            left.remove(pair);
        }
        chosen.push(scenario);
    }
    chosen
}

/// Two values of different axes.
type Pair = ((String, String), (String, String));

fn pairs(scenario: &Scenario) -> Vec<Pair> {
    let mut values: Vec<(String, String)> = scenario.params.clone().into_iter().collect();
    values.push(("release".to_owned(), scenario.releases.to_string()));
    let mut pairs = Vec::new();
    for (place, one) in values.iter().enumerate() {
        pairs.extend(values[place + 1..].iter().map(|other| (one.clone(), other.clone())));
    }
    pairs
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use scenario::model::On;

    use super::*;
    use crate::library;

    fn matrix() -> Vec<Scenario> {
        all(&library::built_in().unwrap()).unwrap()
    }

    #[test]
    fn has_every_combination_once() {
        let all = matrix();
        let ids: BTreeSet<_> = all.iter().map(|pair| (pair.releases.to_string(), pair.params.clone())).collect();
        assert_eq!(ids.len(), all.len());
        // 4 host paths, 2 names, 4 member paths, 3 imports, 4 releases; on 3.2.1 both labels where KubeKey takes part.
        assert_eq!(all.len(), 4 * 2 * 4 * 3 * 4 + 7 * 2 * 3);
    }

    #[test]
    fn covers_every_pair_with_few() {
        let all = matrix();
        let wanted: BTreeSet<Pair> = all.iter().flat_map(pairs).collect();
        let few = covering(all);
        assert_eq!(few.iter().flat_map(pairs).collect::<BTreeSet<_>>(), wanted);
        assert!(few.len() <= 24, "{}", few.len());
    }

    #[test]
    fn names_every_step_once() {
        for pair in matrix() {
            let names: BTreeSet<_> = pair.steps.iter().map(|step| &step.name).collect();
            assert_eq!(names.len(), pair.steps.len(), "{:?}", pair.params);
            assert!(pair.steps.iter().any(|step| step.on == On::Member), "{:?}", pair.params);
        }
    }
}
