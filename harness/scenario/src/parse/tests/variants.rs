//! Matrices, objects, what is done at the end, and the whole form.

use rstest::rstest;

use super::*;
use crate::model::{EditMode, Wanted};

/// `WHOLE` with lines below `spec:` and other steps in place of the import.
fn with(spec: &str, steps: &str) -> String {
    WHOLE
        .replacen("spec:\n", &format!("spec:\n{spec}"), 1)
        .replace(IMPORT, &format!("      on: host\n      run: 'true'\n{steps}"))
}

#[test]
fn makes_a_scenario_of_each_combination() {
    let matrix = "  matrix:\n    name: [east, west-1]\n    server: {loopback: {url: https://127.0.0.1, nodes: 2}, other: {url: u, nodes: 3}}\n";
    let steps = "    - {name: use, on: host, run: 'echo ${name} ${url} ${server}'}\n";
    let text = with(matrix, steps).replace("nodes: 2}\n  steps", "nodes: \"${nodes}\"}\n  steps");
    let scenarios = parse("f.yaml", text.as_bytes(), &KNOWN).unwrap();
    let told: Vec<(String, &str, usize)> = scenarios
        .iter()
        .map(|scenario| {
            let params: Vec<String> = scenario.params.iter().map(|(key, value)| format!("{key}={value}")).collect();
            let Action::Run { command, .. } = &scenario.steps.last().unwrap().action else { panic!("a command") };
            (params.join(","), command.as_str(), scenario.given.member.as_ref().unwrap().nodes)
        })
        .collect();
    let expected = [
        ("name=east,server=loopback", "echo east https://127.0.0.1 loopback", 2),
        ("name=east,server=other", "echo east u other", 3),
        ("name=west-1,server=loopback", "echo west-1 https://127.0.0.1 loopback", 2),
        ("name=west-1,server=other", "echo west-1 u other", 3),
    ];
    assert_eq!(told, expected.map(|(params, command, nodes)| (params.to_owned(), command, nodes)));
    assert_eq!(check_set(&scenarios), []);
}

#[rstest]
#[case::unused("    name: [a, b]\n", "nothing depends on the parameter \"name\"")]
#[case::built_in("    release: [a]\n", "\"release\" is built in")]
#[case::bad_name("    Host: [a]\n", "\"Host\" is not a valid parameter name")]
#[case::empty("    name: []\n", "the parameter \"name\" has no value")]
#[case::unreadable("    name: ['https://127.0.0.1']\n", "\"https://127.0.0.1\" cannot stand in the name of a cell")]
#[case::scalar("    name: east\n", "\"spec.matrix.name\" must be a list, not text")]
#[case::list("    - name\n", "\"spec.matrix\" must be a map, not a list")]
fn refuses_a_matrix_that_means_nothing(#[case] matrix: &str, #[case] problem: &str) {
    let problems = problems_of_bytes(with(&format!("  matrix:\n{matrix}"), "").as_bytes());
    assert!(problems.contains(problem), "{problems}");
}

#[test]
fn tells_a_mistake_once_whatever_the_matrix() {
    let text = with("  matrix: {name: [a, b]}\n", "    - {name: use, on: host, run: 'echo ${name} ${nothing}'}\n");
    assert_eq!(problems_of_bytes(text.as_bytes()).matches("${nothing}").count(), 1);
}

#[test]
fn reads_steps_that_look_at_objects() {
    let steps = "    - name: wait\n      on: host\n      assert: {apiVersion: v1, kind: Namespace, metadata: {name: '${jwtSecret}'}}\n";
    let scenario = one("f.yaml", &with("", steps));
    let Action::Objects(objects) = &scenario.steps.last().unwrap().action else { panic!("objects") };
    assert_eq!((objects.wanted, objects.partial["kind"].as_str()), (Wanted::Some, Some("Namespace")));
}

#[rstest]
#[case("assert: {kind: Pod}", "\"steps[4].assert\" lacks \"apiVersion\"")]
#[case("error: {apiVersion: v1}", "\"steps[4].error\" lacks \"kind\"")]
#[case(
    "absent: {apiVersion: v1, kind: Pod, status: {phase: Failed}}",
    "\"status\" does not say which object is to be absent"
)]
#[case("assert: {apiVersion: v1, kind: Pod, metadata: {name: '${other}'}}", "no earlier step captures \"${other}\"")]
fn refuses_objects_that_are_none(#[case] step: &str, #[case] problem: &str) {
    let problems = problems_of_bytes(with("", &format!("    - name: wait\n      on: host\n      {step}\n")).as_bytes());
    assert!(problems.contains(problem), "{problems}");
}

#[test]
fn reads_steps_that_are_done_whatever_happens() {
    let scenario = one("f.yaml", &with("  finally:\n    - {name: clean up, on: host, run: 'rm -f x'}\n", ""));
    assert_eq!(scenario.finally[0].name, "clean up");
}

#[rstest]
#[case("{output: read the secret}", "")]
#[case("{text: 'a: ${jwtSecret}'}", "")]
#[case("{output: no such step}", "no earlier step \"no such step\" runs a command")]
#[case("{of: member, text: x}", "a kubeconfig comes from one place")]
#[case("{server: x}", "lacks the key \"of\"")]
fn reads_where_a_kubeconfig_comes_from(#[case] kubeconfig: &str, #[case] problem: &str) {
    let steps =
        format!("    - name: again\n      console:\n        importCluster: {{name: m, kubeconfig: {kubeconfig}}}\n");
    let text = with("", &steps).replace("name: read the host's jwtSecret", "name: read the secret");
    let problems = parse("f.yaml", text.as_bytes(), &KNOWN).err().unwrap_or_default();
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems.is_empty(), problem.is_empty(), "{problems:?}");
    assert!(problems.concat().contains(problem), "{problems:?}");
}

#[test]
fn reads_the_whole_form() {
    let steps = "    - name: again\n      console:\n        importCluster:\n          {name: m, alias: A, tag: testing, provider: p, description: d, kubeconfig: {of: member}, editMode: basic, edit: {metadata.name: n}}\n";
    let scenario = one("f.yaml", &with("", steps));
    let Action::Console(ConsoleAction::ImportCluster(form)) = &scenario.steps.last().unwrap().action else {
        panic!("an import")
    };
    assert_eq!((form.alias.as_str(), form.tag.as_str(), form.provider.as_str()), ("A", "testing", "p"));
    let edited = vec![("metadata.name".to_owned(), "n".to_owned())];
    assert_eq!(form.edit_mode, Some((EditMode::Basic, edited)));
}

#[test]
fn gives_a_cluster_a_release_of_its_own() {
    let release = |release: &str| with("", "").replace("host: {", &format!("host: {{release: \"{release}\", "));
    assert_eq!(one("f.yaml", &release("3.2.1")).given.host.release.as_deref(), Some("3.2.1"));
    assert!(problems_of_bytes(release("9.9.9").as_bytes()).contains("\"9.9.9\" is not a release"));
}
