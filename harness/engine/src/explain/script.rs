//! The scenario as a bash script for real clusters.

use scenario::model::Scenario;

use super::console::TO_PASTE;
use super::quote::{Names, quoted};
use super::step::kubeconfig;
use super::{ExplainedCheck, ExplainedStep, Explanation, console, steps_wanted};

/// What steps that are tried again use.
const AGAIN: &str = r#"again() { # SECONDS COMMAND...: as a person who tries again
    local end=$((SECONDS + $1))
    until "${@:2}"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 2
    done
}
"#;

/// What steps that end by their own output use. A command that only waits for a reader that is gone would never end, so it
/// is no part of a pipe.
const AWAITED: &str = r#"awaited() { # TEXT LINES SECONDS COMMAND...: ends with line LINES of those that have TEXT
    local command lines
    exec 3< <(exec timeout "$3" "${@:4}")
    command=$!
    lines=$(grep -m "$2" -F -- "$1" <&3 | tee /dev/stderr | wc -l)
    exec 3<&-
    kill "$command" 2>/dev/null || true
    [ "$lines" -eq "$2" ]
}
"#;

/// What steps that are to be refused use.
const REFUSED: &str = r#"refused() { # TEXT COMMAND...: it fails and says TEXT
    local said
    if said=$("${@:2}" 2>&1); then
        printf 'this was to be refused: %s\n' "$said" >&2
        return 1
    fi
    printf '%s\n' "$said"
    grep -qF -- "$1" <<<"$said"
}
"#;

impl Explanation {
    /// The script.
    #[must_use]
    pub fn script(&self) -> String {
        let mut parts = vec![self.head(&[])];
        parts.extend(self.steps_of(|_| true));
        if !self.checks.is_empty() {
            // A command that shows something may end as it likes.
            parts.push("# What holds in the end, and how to see it.\nset +e\n".to_owned());
            parts.extend(self.checks.iter().map(check));
        }
        parts.join("\n")
    }

    /// What is left of `scenario` from the step at `from` on, with values for variables of the script. Steps before it are
    /// done again only where they read a value that is used later.
    #[must_use]
    pub fn rest(&self, scenario: &Scenario, from: usize, variables: &[(String, String)]) -> String {
        let wanted = steps_wanted(scenario, from);
        let mut parts = vec![self.head(variables)];
        parts.extend(self.steps_of(|index| wanted.contains(&index)));
        parts.join("\n")
    }

    /// The steps that are wanted, and before them the functions that they use.
    fn steps_of(&self, wanted: impl Fn(usize) -> bool) -> Vec<String> {
        let steps: Vec<(usize, &ExplainedStep)> =
            self.steps.iter().enumerate().filter(|(index, _)| wanted(*index)).collect();
        let uses = |word: &str| steps.iter().flat_map(|(_, step)| &step.shell).any(|line| line.contains(word));
        let helpers = [("again ", AGAIN), ("awaited ", AWAITED), ("refused ", REFUSED)];
        let mut parts: Vec<String> =
            helpers.into_iter().filter(|(word, _)| uses(word)).map(|(_, helper)| helper.to_owned()).collect();
        let consoles = self.clusters().filter(|on| uses(&format!("{on}_ks ")) || uses(&format!("{on}_add_cluster ")));
        parts.extend(consoles.map(console::functions));
        parts.extend(steps.iter().map(|(index, told)| step(*index, told)));
        parts
    }

    fn head(&self, variables: &[(String, String)]) -> String {
        let mut lines = vec![
            "#!/usr/bin/env bash".to_owned(),
            format!("# {} on KubeSphere {}, written by ks-e2e.", self.name, self.release),
        ];
        lines.extend(self.page.iter().map(|page| format!("# Page: {page}")));
        lines.extend(self.given.iter().map(|(on, words)| format!("# Given on the {on} cluster: {words}.")));
        lines.extend(self.known_issue.iter().map(|issue| format!("# Known issue: {issue}.")));
        lines.push(
            "# It changes these clusters, and stops at the first step that does not end as it should.".to_owned(),
        );
        lines.push("set -euo pipefail".to_owned());
        let set = |(name, value): (&String, &String)| format!("{name}={}", quoted(value, &Names::none()));
        lines.extend(variables.iter().map(|(name, value)| set((name, value))));
        for on in self.clusters() {
            let kubeconfig = kubeconfig(on);
            lines.push(format!(": \"${{{kubeconfig}:?set it to the kubeconfig of the {on} cluster}}\""));
            let pasted = format!("{kubeconfig}{TO_PASTE}");
            if self.steps.iter().flat_map(|step| &step.shell).any(|line| line.contains(&pasted)) {
                lines.push(format!(
                    "# {pasted}: what is pasted in its place, with a server that the other cluster reaches"
                ));
            }
        }
        lines.extend(self.variables.iter().map(set));
        lines.join("\n") + "\n"
    }
}

/// One step, its number and words as comments before it.
fn step(index: usize, told: &ExplainedStep) -> String {
    let mut lines = vec![format!("# {}. {}: {}", index + 1, told.on, told.name)];
    let edited = told.words.first().is_some_and(|words| words.starts_with("In the editor"));
    if edited && let Some(command) = &told.command {
        lines.extend(comment(&format!("The page: {command}")));
    }
    lines.extend(told.words.iter().flat_map(|words| comment(words)));
    if !told.requests.is_empty() {
        lines.push("# The console sends:".to_owned());
        lines.extend(told.requests.iter().map(|request| format!("#   {request}")));
    }
    lines.extend(told.shell.iter().cloned());
    lines.join("\n") + "\n"
}

fn check(told: &ExplainedCheck) -> String {
    let args: Vec<String> = told.args.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let args = if args.is_empty() { String::new() } else { format!(" ({})", args.join(", ")) };
    let mut lines: Vec<String> = comment(&format!("{}{args}: {}.", told.name, told.about)).collect();
    lines.extend(told.command.clone());
    lines.join("\n") + "\n"
}

/// A text may have several lines, none of which may be taken for a command.
fn comment(text: &str) -> impl Iterator<Item = String> {
    text.lines().map(|line| format!("# {line}"))
}
