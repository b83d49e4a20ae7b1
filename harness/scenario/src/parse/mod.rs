//! Reads scenario files and finds every mistake in them, each with its position and a way out.
//!
//! Keys are camelCase. Texts marked *v* may hold `${variable}`: one that an earlier step captured, or one of
//! [`BUILT_IN`]. Variables begin with a lower-case letter; `${TOKEN}` is the shell's own and stays as it is.
//!
//! ```yaml
//! apiVersion: ks-e2e.dev/v1alpha1     # required
//! kind: Scenario                      # required
//! metadata:
//!   name: member-post-install-kubectl # required; lower-case letters, digits, `-`
//!   labels: {part: member}            # text to text
//! spec:
//!   page: {name: direct-connection, section: Prepare a Member Cluster, option: B}
//!   releases: ">=3.2.1"               # comparisons separated by commas; "*" (all) when absent
//!   matrix:                           # a cell for each combination; ${name} anywhere below is replaced before all else
//!     name: [east, west]              # values that can stand in a cell's name, or …
//!     server: {loopback: {url: "https://127.0.0.1:6443", reason: refused}} # … names, and the variables that each sets
//!   given:                            # host: plain Kubernetes when absent; member: no second cluster when absent
//!     host: {kubesphere: installed, clusterRole: host, hostClusterName: east, jwtSecret: generated, nodes: 1}
//!     member: {kubesphere: installed, clusterRole: none, jwtSecret: host, syncFrequency: default} # else: short
//!                                     # `release: 3.3.2` where one of them has another release than the cell,
//!                                     # `kubekey: 2.1.0` where `./kk` is another version than the release's
//!   steps:                            # each does one of: run (with or without edit), file with edit, console, assert,
//!                                     # error, absent, hold, release
//!     - name: read the secret         # required, unique
//!       on: host                      # required; host when absent on a console step
//!       run: kubectl …                # v
//!       capture: {jwtSecret: 'jwtSecret: "?([^"\s]+)"?'} # pattern on standard output: first group, else whole match
//!       expect: {exitCode: 0, stdout: text, stderr: text} # v; exit code 0 when absent
//!       timeout: 2m                   # DEFAULT_TIMEOUT when absent
//!       retry: 5m                     # do it again while it does not end well; never when absent
//!     - name: set the role
//!       on: member
//!       run: kubectl edit cc ks-installer -n kubesphere-system
//!       edit: {spec.authentication.jwtSecret: "${jwtSecret}"} # v; what is typed behind the colon; nothing for null
//!     - name: prepare the file
//!       on: member
//!       file: config-sample.yaml
//!       edit: {spec.multicluster.clusterRole: member}
//!     - name: watch the installer
//!       on: member
//!       run: kubectl logs … -f
//!       until: {output: Welcome to KubeSphere, within: 60s} # v; both required
//!     - name: import the member
//!       console:
//!         importCluster: {name: member, kubeconfig: {of: member, server: "https://127.0.0.1:6443"}} # v; server optional
//!                                     # alias, tag, provider, description as the form has them; with
//!                                     # `editMode: basic` (step 1) or `kubeconfig` (step 2) the object is edited as
//!                                     # YAML, and `edit: {path: value}` is what is changed there
//!       expect: {refused: text}       # v
//!     - name: paste what an earlier step printed
//!       console:
//!         importCluster: {name: member, kubeconfig: {output: show the kubeconfig}} # or {text: …} (v)
//!     - name: set the role in the console # a step with `console` does one of these
//!       console:
//!         editClusterConfiguration: {spec.multicluster.clusterRole: host} # v
//!     - name: paste a fresh kubeconfig
//!       console:
//!         updateKubeconfig: {name: member, kubeconfig: {of: member}} # v
//!     - name: remove the member
//!       console:
//!         removeCluster: {name: member} # v
//!     - name: wait for an object      # the object in part; an item of a list is looked for among the object's items
//!       on: host
//!       assert: {apiVersion: v1, kind: Namespace, metadata: {name: kube-federation-system}} # v; some object is so
//!       timeout: 3m
//!     - name: see that no object is so
//!       on: host
//!       error: {apiVersion: v1, kind: Pod, status: {phase: Failed}} # v; no object is so any more
//!     - name: see that it is gone
//!       on: host
//!       absent: {apiVersion: v1, kind: Namespace, metadata: {name: gone}} # v; kind, name, namespace and labels alone
//!     - name: stand between a change and its effect # on the virtual clock alone: the cell is skipped elsewhere
//!       hold: config-reload           # no such delay ends, on both clusters …
//!     - name: go on
//!       release: config-reload        # … until here
//!   checks:                           # a name, or a name with arguments (v)
//!     - jwt-secret-equal
//!     - cluster-role: {on: member, is: member}
//!   finally:                          # steps that are done whatever happened before
//!     - {name: clean up, on: host, run: rm -f kubeconfig.yaml}
//!   knownIssue: {fails: jwt-secret-equal, releases: "=3.2.1", reference: "https://…", text: pattern}
//! ```

mod check;
mod console;
mod fields;
mod matrix;
mod node;
mod objects;
mod scenario;
mod step;
pub(crate) mod tables;
mod variables;

use std::collections::BTreeMap;

use crate::known::Known;
use crate::model::Scenario;
use crate::problem::Problem;

pub use scenario::ROLES;
pub use step::DEFAULT_TIMEOUT;
pub use variables::BUILT_IN;

/// Reads one scenario file, which is one scenario, or one for each combination of its matrix. `file` is its name in
/// positions.
///
/// # Errors
/// Every mistake in the file, in the order of their positions; at least one.
pub fn parse(file: &str, bytes: &[u8], known: &Known<'_>) -> Result<Vec<Scenario>, Vec<Problem>> {
    let root = node::read(file, bytes).map_err(|problem| vec![problem])?;
    let mut notes = fields::Notes { file, problems: Vec::new() };
    let variants = matrix::variants(root, &mut notes);
    let scenarios: Vec<Scenario> =
        variants.into_iter().filter_map(|variant| scenario::scenario(variant, known, &mut notes)).collect();
    if notes.problems.is_empty() && !scenarios.is_empty() {
        return Ok(scenarios);
    }
    // Of a matrix, each variant finds the same mistakes.
    let mut problems: Vec<Problem> = Vec::new();
    for problem in notes.problems {
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }
    problems.sort_by_key(|problem| (problem.location.line, problem.location.column));
    Err(problems)
}

/// Finds the mistakes that show only between files: names that two of them bear.
#[must_use]
pub fn check_set(scenarios: &[Scenario]) -> Vec<Problem> {
    let mut first: BTreeMap<&str, &Scenario> = BTreeMap::new();
    let mut problems = Vec::new();
    for scenario in scenarios {
        if let Some(earlier) = first.get(scenario.name.as_str()) {
            let same = earlier.params == scenario.params && earlier.releases == scenario.releases;
            if earlier.location == scenario.location && !same {
                continue; // another combination of one matrix
            }
            problems.push(Problem {
                location: scenario.location.clone(),
                message: format!("the scenario name \"{}\" is taken by {}", scenario.name, earlier.location),
                suggestion: Some("give each scenario a name of its own".to_owned()),
            });
        } else {
            first.insert(&scenario.name, scenario);
        }
    }
    problems
}

#[cfg(test)]
mod tests;
