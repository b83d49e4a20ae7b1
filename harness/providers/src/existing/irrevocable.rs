//! What a scenario does that nobody could take back on somebody's clusters: it deletes what is there, or changes how a
//! KubeSphere that is there is configured, whose installer then acts on it.

use scenario::model::{Action, ConsoleAction, Scenario, Step};

/// Words of command lines that take away.
const TAKING: [&str; 4] = ["delete", "drain", "cordon", "taint"];
/// Words of command lines that write.
const WRITING: [&str; 11] =
    ["apply", "create", "edit", "patch", "label", "annotate", "replace", "rollout", "scale", "exec", "./kk"];

/// The first step of `scenario` that takes away what may have been there before.
pub(super) fn first_that_takes(scenario: &Scenario) -> Option<&Step> {
    steps(scenario).find(|step| matches!(&step.action, Action::Run { command, .. } if has_word(command, &TAKING)))
}

/// The first step of `scenario` that writes anything but through the pages on which clusters are imported and removed.
pub(super) fn first_that_configures(scenario: &Scenario) -> Option<&Step> {
    steps(scenario).find(|step| writes(&step.action))
}

fn steps(scenario: &Scenario) -> impl Iterator<Item = &Step> {
    scenario.steps.iter().chain(&scenario.finally)
}

fn has_word(command: &str, words: &[&str]) -> bool {
    command.split_whitespace().any(|word| words.contains(&word))
}

fn writes(action: &Action) -> bool {
    match action {
        Action::Run { command, edit } => edit.is_some() || has_word(command, &WRITING),
        Action::EditFile { .. } | Action::Console(ConsoleAction::EditClusterConfiguration(_)) => true,
        Action::Console(_) | Action::Objects(_) | Action::Hold(_) | Action::Release(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use scenario::model::{Edit, ImportCluster};

    use super::*;

    fn run(command: &str) -> Action {
        Action::Run { command: command.to_owned(), edit: None }
    }

    #[rstest]
    #[case::read(run("kubectl -n kubesphere-system get cm kubesphere-config -o yaml | grep jwtSecret"), false)]
    #[case::log(run("kubectl logs -n kubesphere-system deploy/ks-installer -f"), false)]
    #[case::import(Action::Console(ConsoleAction::ImportCluster(Box::<ImportCluster>::default())), false)]
    #[case::apply(run("kubectl apply -f cluster-configuration.yaml"), true)]
    #[case::kk(run("./kk create cluster -f config-sample.yaml"), true)]
    #[case::console(Action::Console(ConsoleAction::EditClusterConfiguration(Edit::default())), true)]
    fn finds_what_writes(#[case] action: Action, #[case] expected: bool) {
        assert_eq!(writes(&action), expected);
    }

    #[test]
    fn finds_what_takes_away() {
        assert!(has_word("kubectl delete storageclass --all", &TAKING));
        assert!(!has_word("kubectl get cm deleted", &TAKING));
    }
}
