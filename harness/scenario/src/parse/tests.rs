mod variants;

use rstest::rstest;

use super::*;
use crate::known::{ArgSpec, CheckSignature};
use crate::model::{Action, ConsoleAction, GivenKubesphere, GivenSecret, KubeconfigSource, On, Scenario};

const CHECKS: [CheckSignature; 3] = [
    CheckSignature {
        name: "cluster-role",
        about: "",
        args: &[
            ArgSpec { name: "on", about: "the cluster", required: true, values: &["host", "member"] },
            ArgSpec { name: "is", about: "the role", required: true, values: &["none", "host", "member"] },
        ],
    },
    CheckSignature { name: "jwt-secret-equal", about: "", args: &[] },
    CheckSignature {
        name: "documented-log-command",
        about: "",
        args: &[ArgSpec { name: "step", about: "the step", required: false, values: &[] }],
    },
];

const KNOWN: Known<'static> = Known {
    checks: &CHECKS,
    releases: &["3.2.1", "3.3.2", "3.4.0", "3.4.1"],
    kubekeys: &["2.1.0", "3.0.13"],
    delays: &["config-mount", "config-reload"],
};

const WHOLE: &str = r#"apiVersion: ks-e2e.dev/v1alpha1
kind: Scenario
metadata:
  name: member-post-install-kubectl
  labels: {part: member, via: kubectl}
spec:
  page: {name: direct-connection, section: Prepare a Member Cluster, option: B}
  releases: ">=3.2.1"
  given:
    host: {kubesphere: installed, clusterRole: host}
    member: {kubesphere: installed, clusterRole: none, jwtSecret: host, nodes: 2}
  steps:
    - name: read the host's jwtSecret
      on: host
      run: kubectl -n kubesphere-system get cm kubesphere-config -o yaml | grep -v "apiVersion" | grep jwtSecret
      capture: {jwtSecret: 'jwtSecret: "?([^"\s]+)"?'}
    - name: set the role and the secret
      on: member
      run: kubectl edit cc ks-installer -n kubesphere-system
      edit: {spec.authentication.jwtSecret: "${jwtSecret}", spec.multicluster.clusterRole: member}
    - name: watch the installer
      on: member
      run: kubectl logs -n kubesphere-system ${POD} -f
      until: {output: Welcome to KubeSphere, within: 60s}
    - name: import the member
      console:
        importCluster: {name: member, kubeconfig: {of: member, server: "https://127.0.0.1:6443"}}
      expect: {refused: connection refused}
  checks:
    - jwt-secret-equal
    - cluster-role: {on: member, is: member}
  knownIssue:
    fails: jwt-secret-equal
    releases: "=3.2.1"
    reference: https://example.org/issues/1
    text: not equal
"#;

/// The last step of it but for its name.
const IMPORT: &str = r#"      console:
        importCluster: {name: member, kubeconfig: {of: member, server: "https://127.0.0.1:6443"}}
      expect: {refused: connection refused}
"#;

/// The only scenario of a file without a matrix.
fn one(file: &str, text: &str) -> Scenario {
    let mut scenarios = parse(file, text.as_bytes(), &KNOWN).unwrap();
    assert_eq!(scenarios.len(), 1);
    scenarios.remove(0)
}

#[test]
fn reads_a_whole_scenario() {
    let scenario = one("member.yaml", WHOLE);
    assert_eq!(scenario.name, "member-post-install-kubectl");
    assert_eq!(scenario.labels["via"], "kubectl");
    assert_eq!(scenario.page.unwrap().option.as_deref(), Some("B"));
    assert!(scenario.releases.matches_name("3.2.1"));
    let member = scenario.given.member.unwrap();
    assert_eq!(
        (member.kubesphere, member.jwt_secret, member.nodes),
        (GivenKubesphere::Installed, GivenSecret::OfHost, 2)
    );
    let [read, set, watch, import] = scenario.steps.as_slice() else { panic!("four steps") };
    assert_eq!(read.capture["jwtSecret"].pattern.captures("      jwtSecret: \"abc\"").unwrap()[1], *"abc");
    assert_eq!((set.on, set.location.to_string()), (On::Member, "member.yaml:17:7".to_owned()));
    let Action::Run { edit: Some(edit), .. } = &set.action else { panic!("an edit") };
    assert_eq!(edit[1], ("spec.multicluster.clusterRole".to_owned(), "member".to_owned()));
    assert_eq!(watch.until.as_ref().unwrap().within.as_secs(), 60);
    let Action::Console(ConsoleAction::ImportCluster(form)) = &import.action else { panic!("an import") };
    assert_eq!(
        (form.name.as_str(), &form.kubeconfig.source, import.on),
        ("member", &KubeconfigSource::Of(On::Member), On::Host)
    );
    assert_eq!(scenario.checks[1].args["is"], "member");
    assert_eq!(scenario.checks[1].location.to_string(), "member.yaml:31:7");
    assert_eq!(scenario.known_issue.unwrap().fails, "jwt-secret-equal");
}

/// The problems of `WHOLE` with one text replaced.
fn problems_of(replaced: &str, by: &str) -> String {
    assert!(replaced.is_empty() || WHOLE.contains(replaced), "nothing to replace");
    let text = if replaced.is_empty() { by.to_owned() } else { WHOLE.replacen(replaced, by, 1) };
    problems_of_bytes(text.as_bytes())
}

fn problems_of_bytes(bytes: &[u8]) -> String {
    let problems = parse("f.yaml", bytes, &KNOWN).expect_err("a problem");
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[rstest]
#[case::unknown_key(
    "  releases: \">",
    "  release: \">",
    "f.yaml:8:3: unknown key \"release\" in \"spec\"\n  help: did you mean \"releases\"?"
)]
#[case::unknown_key_far_from_all(
    "  labels: {part: member, via: kubectl}",
    "  colour: red",
    "f.yaml:5:3: unknown key \"colour\" in \"metadata\"\n  help: known keys: name, labels"
)]
#[case::wrong_type_of_a_map(
    "  labels: {part: member, via: kubectl}",
    "  labels: [part]",
    "f.yaml:5:11: \"metadata.labels\" must be a map, not a list\n  help: write `key: value` lines below it"
)]
#[case::wrong_type_of_a_list(
    "  checks:\n    - jwt-secret-equal\n    - cluster-role: {on: member, is: member}",
    "  checks: jwt-secret-equal",
    "f.yaml:29:11: \"spec.checks\" must be a list, not text\n  help: write `- item` lines below it\nf.yaml:31:12: the scenario has no step or check \"jwt-secret-equal\"\n  help: steps and checks: read the host's jwtSecret, set the role and the secret, watch the installer, import the member"
)]
#[case::number_for_text(
    "name: read the host's jwtSecret",
    "name: 7",
    "f.yaml:13:13: \"steps[0].name\" must be text, not a number\n  help: write it in quotes"
)]
#[case::text_for_a_number(
    "nodes: 2",
    "nodes: two",
    "f.yaml:11:80: \"spec.given.member.nodes\" must be an integer from 1 to 253, not text\n  help: write an integer from 1 to 253, without quotes"
)]
#[case::number_out_of_range(
    "nodes: 2",
    "nodes: 0",
    "f.yaml:11:80: \"spec.given.member.nodes\" must be an integer from 1 to 253, not 0\n  help: write an integer from 1 to 253, without quotes"
)]
#[case::missing_key(
    "  name: member-post-install-kubectl\n",
    "",
    "f.yaml:4:3: \"metadata\" lacks the key \"name\"\n  help: add `name: member-post-install-kubectl`"
)]
#[case::missing_on(
    "      on: host\n",
    "",
    "f.yaml:13:7: the step \"read the host's jwtSecret\" lacks the key \"on\"\n  help: add `on: host` or `on: member`"
)]
#[case::empty_text(
    "run: kubectl edit cc ks-installer -n kubesphere-system",
    "run: ",
    "f.yaml:19:10: \"steps[1].run\" is empty\n  help: give it a value, or remove the key"
)]
#[case::wrong_version(
    "ks-e2e.dev/v1alpha1",
    "ks-e2e.dev/v1",
    "f.yaml:1:13: \"ks-e2e.dev/v1\" is not a value of \"apiVersion\"\n  help: values: ks-e2e.dev/v1alpha1"
)]
#[case::bad_scenario_name(
    "name: member-post-install-kubectl",
    "name: Member_Post",
    "f.yaml:4:9: \"Member_Post\" is not a valid scenario name\n  help: use lower-case letters, digits and `-`, with a letter or digit at both ends"
)]
#[case::unknown_check(
    "    - jwt-secret-equal",
    "    - jwt-secret-equals",
    "f.yaml:30:7: unknown check \"jwt-secret-equals\"\n  help: did you mean \"jwt-secret-equal\"?\nf.yaml:33:12: the scenario has no step or check \"jwt-secret-equal\"\n  help: did you mean \"jwt-secret-equals\"?"
)]
#[case::unknown_check_far_from_all(
    "    - jwt-secret-equal",
    "    - banana",
    "f.yaml:30:7: unknown check \"banana\"\n  help: known checks: cluster-role, jwt-secret-equal, documented-log-command\nf.yaml:33:12: the scenario has no step or check \"jwt-secret-equal\"\n  help: steps and checks: read the host's jwtSecret, set the role and the secret, watch the installer, import the member, banana, cluster-role"
)]
#[case::unknown_argument(
    "{on: member, is: member}",
    "{on: member, is: member, at: 3}",
    "f.yaml:31:46: the check \"cluster-role\" has no argument \"at\"\n  help: its arguments: on, is"
)]
#[case::argument_of_a_check_without_any(
    "    - jwt-secret-equal\n",
    "    - jwt-secret-equal: {on: host}\n",
    "f.yaml:30:26: the check \"jwt-secret-equal\" has no argument \"on\"\n  help: write `- jwt-secret-equal` alone: it takes no arguments"
)]
#[case::bad_argument_value(
    "{on: member, is: member}",
    "{on: member, is: membre}",
    "f.yaml:31:38: \"membre\" is not a value of \"is\"\n  help: did you mean \"member\"?"
)]
#[case::missing_argument(
    "{on: member, is: member}",
    "{on: member}",
    "f.yaml:31:7: the check \"cluster-role\" lacks the argument \"is\"\n  help: write `- cluster-role: {is: none}`"
)]
#[case::check_of_a_step_that_is_not_there(
    "    - jwt-secret-equal\n",
    "    - jwt-secret-equal\n    - documented-log-command: {step: watch the instaler}\n",
    "f.yaml:31:38: the scenario has no step \"watch the instaler\"\n  help: did you mean \"watch the installer\"?"
)]
#[case::check_with_two_keys(
    "cluster-role: {on: member, is: member}",
    "{cluster-role: {}, jwt-secret-equal: {}}",
    "f.yaml:31:7: an item of \"spec.checks\" has one key, the check's name\n  help: write `- name: {argument: value}`, with the arguments indented below the name"
)]
#[case::undefined_variable(
    "\"${jwtSecret}\"",
    "\"${jwtSecrt}\"",
    "f.yaml:20:45: no earlier step captures \"${jwtSecrt}\"\n  help: did you mean \"jwtSecret\"?"
)]
#[case::variable_captured_by_no_step(
    "      capture: {jwtSecret: 'jwtSecret: \"?([^\"\\s]+)\"?'}\n",
    "",
    "f.yaml:19:45: no earlier step captures \"${jwtSecret}\"\n  help: the shell's own are written $jwtSecret, and variables here: release"
)]
#[case::bad_variable_name(
    "capture: {jwtSecret:",
    "capture: {JWT_SECRET:",
    "f.yaml:16:17: \"JWT_SECRET\" is not a valid variable name\n  help: begin with a lower-case letter, and use letters and digits only, as jwtSecret\nf.yaml:20:45: no earlier step captures \"${jwtSecret}\"\n  help: did you mean \"JWT_SECRET\"?"
)]
#[case::bad_pattern(
    "[^\"\\s]+)\"?'",
    "[^\"\\s]+\"?'",
    "f.yaml:16:28: \"steps[0].capture.jwtSecret\" is not a regular expression: unclosed group\n  help: put \\ before a character that stands for itself: \\( \\[ \\{ \\. \\*"
)]
#[case::bad_duration(
    "within: 60s",
    "within: soon",
    "f.yaml:24:54: \"soon\" is not a duration\n  help: write a whole number with a unit, as 500ms, 60s or 2m; not 0"
)]
#[case::duration_without_unit(
    "within: 60s",
    "within: 60",
    "f.yaml:24:54: \"60\" is not a duration\n  help: add a unit: 60s"
)]
#[case::bad_requirement(
    "\">=3.2.1\"",
    "\"~3.2\"",
    "f.yaml:8:13: \"~3.2\" is not a requirement on a release\n  help: write \">=3.3.0, <3.4.1\", \"=3.3.2\" or \"*\""
)]
#[case::requirement_without_quotes(
    "\">=3.2.1\"",
    "3.3",
    "f.yaml:8:13: \"spec.releases\" must be text, not a number\n  help: write it in quotes"
)]
#[case::release_that_does_not_exist(
    "\"=3.2.1\"",
    "\"=3.9.0\"",
    "f.yaml:34:15: no release matches \"=3.9.0\"\n  help: releases: 3.2.1, 3.3.2, 3.4.0, 3.4.1"
)]
#[case::duplicate_step_name(
    "name: watch the installer",
    "name: set the role and the secret",
    "f.yaml:21:7: the step name \"set the role and the secret\" is taken by line 17\n  help: give each step a name of its own"
)]
#[case::known_issue_that_names_nothing(
    "fails: jwt-secret-equal",
    "fails: jwt-secret-equl",
    "f.yaml:33:12: the scenario has no step or check \"jwt-secret-equl\"\n  help: did you mean \"jwt-secret-equal\"?"
)]
#[case::known_issue_without_reference(
    "    reference: https://example.org/issues/1\n",
    "",
    "f.yaml:33:5: \"spec.knownIssue\" lacks the key \"reference\"\n  help: add `reference: https://github.com/…`"
)]
#[case::step_without_action(
    "      run: kubectl logs -n kubesphere-system ${POD} -f\n      until: {output: Welcome to KubeSphere, within: 60s}\n",
    "",
    "f.yaml:21:7: the step does nothing\n  help: add `run: COMMAND`, `file: NAME` with `edit: {…}`, `console: {importCluster: {…}}` or `assert: {kind: …}`"
)]
#[case::step_with_two_actions(
    "      console:\n",
    "      run: kubectl get clusters\n      on: host\n      console:\n",
    "f.yaml:28:7: a step does one thing, and this one has both \"run\" and \"console\"\n  help: make two steps of it"
)]
#[case::hold_of_an_unknown_delay(
    IMPORT,
    "      hold: config-relaod\n",
    "f.yaml:26:13: \"config-relaod\" is not a value of \"steps[3].hold\"\n  help: did you mean \"config-reload\"?"
)]
#[case::expect_of_a_step_that_answers_nothing(
    "      console:\n        importCluster: {name: member, kubeconfig: {of: member, server: \"https://127.0.0.1:6443\"}}\n",
    "      file: config-sample.yaml\n      edit: {spec.multicluster.clusterRole: member}\n      on: member\n",
    "f.yaml:29:7: \"expect\" needs \"run\" or \"console\"\n  help: move `expect` to a step that runs a command or acts in the console"
)]
#[case::boolean_of_a_condition(
    IMPORT,
    "      on: host\n      assert:\n        apiVersion: v1\n        kind: Node\n        metadata: {labels: {a: true}}\n        status: {conditions: [{type: Ready, status: True}]}\n",
    "f.yaml:30:32: metadata.labels.a is text in every object, and here a boolean\n  help: put it between quotes, as \"True\"\nf.yaml:31:53: the status of a condition is text in every object, and here a boolean\n  help: put it between quotes, as \"True\""
)]
#[case::release_of_what_nobody_holds(
    IMPORT,
    "      release: config-reload\n",
    "f.yaml:26:16: no earlier step holds \"config-reload\"\n  help: add a step with `hold: config-reload` before it"
)]
#[case::edit_without_run_or_file(
    "      run: kubectl edit cc ks-installer -n kubesphere-system\n",
    "",
    "f.yaml:19:7: \"edit\" needs \"run\" or \"file\"\n  help: add `run: kubectl edit …`, whose editor it fills in, or `file: NAME`"
)]
#[case::file_without_edit(
    "      run: kubectl logs -n kubesphere-system ${POD} -f\n      until: {output: Welcome to KubeSphere, within: 60s}\n",
    "      file: config-sample.yaml\n",
    "f.yaml:23:7: \"file\" needs \"edit\"\n  help: add `edit: {path.of.the.field: value}`"
)]
#[case::until_without_run(
    "      expect: {refused: connection refused}",
    "      until: {output: done, within: 1s}",
    "f.yaml:28:7: \"until\" needs \"run\"\n  help: move `until` to a step that runs a command"
)]
#[case::retry_of_a_file(
    "      run: kubectl logs -n kubesphere-system ${POD} -f\n      until: {output: Welcome to KubeSphere, within: 60s}\n",
    "      file: config-sample.yaml\n      edit: {spec.multicluster.clusterRole: member}\n      retry: 1m\n",
    "f.yaml:25:7: \"retry\" needs \"run\" or \"console\"\n  help: move `retry` to a step that runs a command or acts in the console"
)]
#[case::until_without_within(
    "{output: Welcome to KubeSphere, within: 60s}",
    "{output: Welcome to KubeSphere}",
    "f.yaml:24:14: \"steps[2].until\" lacks the key \"within\"\n  help: add `within: 60s`"
)]
#[case::refusal_of_a_command(
    "      until: {output: Welcome to KubeSphere, within: 60s}",
    "      expect: {refused: no}",
    "f.yaml:24:16: \"refused\" is expected of a step with \"console\"\n  help: remove `refused`"
)]
#[case::exit_code_of_the_console(
    "{refused: connection refused}",
    "{exitCode: 256}",
    "f.yaml:28:16: \"exitCode\" is expected of a step with \"run\"\n  help: remove `exitCode`\nf.yaml:28:26: \"steps[3].expect.exitCode\" must be an integer from 0 to 255, not 256\n  help: write an integer from 0 to 255, without quotes"
)]
#[case::bad_path_of_an_edit(
    "spec.multicluster.clusterRole: member",
    "spec..clusterRole: member",
    "f.yaml:20:61: \"spec..clusterRole\" is not the path of a field\n  help: write it as spec.multicluster.clusterRole"
)]
#[case::member_where_none_is_given(
    "    member: {kubesphere: installed, clusterRole: none, jwtSecret: host, nodes: 2}\n",
    "",
    "f.yaml:17:11: the scenario has no member cluster\n  help: add `member: {kubesphere: absent}` to `spec.given`\nf.yaml:21:11: the scenario has no member cluster\n  help: add `member: {kubesphere: absent}` to `spec.given`\nf.yaml:26:56: the scenario has no member cluster\n  help: add `member: {kubesphere: absent}` to `spec.given`\nf.yaml:30:26: the scenario has no member cluster\n  help: add `member: {kubesphere: absent}` to `spec.given`"
)]
#[case::role_without_kubesphere(
    "{kubesphere: installed, clusterRole: host}",
    "{clusterRole: host}",
    "f.yaml:10:12: \"clusterRole\" needs KubeSphere, which is not given\n  help: add `kubesphere: installed`"
)]
#[case::own_secret_of_the_host(
    "{kubesphere: installed, clusterRole: host}",
    "{kubesphere: installed, jwtSecret: host}",
    "f.yaml:10:46: the host's jwtSecret cannot be its own\n  help: write `jwtSecret: generated`"
)]
#[case::unknown_word(
    "{kubesphere: installed, clusterRole: host}",
    "{kubesphere: instaled}",
    "f.yaml:10:24: \"instaled\" is not a value of \"spec.given.host.kubesphere\"\n  help: did you mean \"installed\"?"
)]
#[case::several_at_once(
    "page: {name: direct-connection, section",
    "page: {nam: direct-connection, sektion",
    "f.yaml:7:10: unknown key \"nam\" in \"spec.page\"\n  help: did you mean \"name\"?\nf.yaml:7:34: unknown key \"sektion\" in \"spec.page\"\n  help: did you mean \"section\"?"
)]
#[case::duplicate_key(
    "kind: Scenario",
    "kind: Scenario\nkind: Scenario",
    "f.yaml:3:1: the key \"kind\" stands twice in one map\n  help: keep one of the two"
)]
#[case::several_documents(
    "  knownIssue:\n",
    "---\n",
    "f.yaml:33:5: the file holds more than one YAML document\n  help: keep one scenario in a file, and remove `---`"
)]
#[case::merge_key(
    "      on: host\n",
    "      <<: {on: host}\n",
    "f.yaml:14:7: `<<` merges maps, which a scenario must not\n  help: write the keys out"
)]
#[case::unfinished_bracket(
    "{part: member, via: kubectl}",
    "{part: member",
    "f.yaml:6:5: the file is not valid YAML: while parsing a flow mapping, did not find expected ',' or '}'\n  help: check indentation, quotes and brackets here and in the line above"
)]
#[case::bad_indentation(
    "  given:\n",
    "   given:\n",
    "f.yaml:9:4: the file is not valid YAML: while parsing a block mapping, did not find expected key\n  help: check indentation, quotes and brackets here and in the line above"
)]
#[case::unknown_tag(
    "name: direct-connection",
    "name: !secret x",
    "f.yaml:7:24: the tag \"!secret\" means nothing in a scenario\n  help: remove it, or put a text that begins with `!` in quotes"
)]
#[case::unknown_alias(
    "name: direct-connection",
    "name: *anchor",
    "f.yaml:7:16: no anchor before this alias bears its name\n  help: write the value out, or put a text that begins with `*` in quotes"
)]
#[case::empty_file(
    "",
    "",
    "f.yaml:1:1: the file holds no scenario\n  help: begin with `apiVersion: ks-e2e.dev/v1alpha1` and `kind: Scenario`"
)]
#[case::only_a_comment(
    "",
    "# later\n",
    "f.yaml:1:1: the file holds no scenario\n  help: begin with `apiVersion: ks-e2e.dev/v1alpha1` and `kind: Scenario`"
)]
#[case::only_text(
    "",
    "hello\n",
    "f.yaml:1:1: the file must be a map, not text\n  help: write `key: value` lines below it"
)]
fn tells_position_message_and_way_out(#[case] replaced: &str, #[case] by: &str, #[case] expected: &str) {
    assert_eq!(problems_of(replaced, by), expected);
}

#[test]
fn points_at_the_first_byte_that_is_not_utf8() {
    let bytes = b"apiVersion: ks-e2e.dev/v1alpha1\nkind: \xc3\xa9\xff";
    assert_eq!(problems_of_bytes(bytes), "f.yaml:2:8: byte 0xff is not UTF-8\n  help: save the file as UTF-8");
}

#[test]
fn refuses_an_alias_bomb_at_once() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let item = format!("*a{}", level - 1);
        let items = [item.as_str(); 9].join(", ");
        bomb = format!("{bomb}a{level}: &a{level} [{items}]\n");
    }
    let problems = problems_of_bytes(bomb.as_bytes());
    assert!(problems.contains(": the file is too large for a scenario: "), "{problems}");
    assert!(
        problems.ends_with("\n  help: a scenario has at most 20000 values, 100 aliases and 64 levels"),
        "{problems}"
    );
}

#[test]
fn refuses_endless_nesting() {
    let problems = problems_of_bytes("[".repeat(10_000).as_bytes());
    assert!(problems.starts_with("f.yaml:1:"), "{problems}");
}

#[test]
fn names_both_places_of_a_name_that_two_scenarios_bear() {
    let scenario = |file| one(file, WHOLE);
    let problems = check_set(&[scenario("a.yaml"), scenario("b.yaml")]);
    let [problem] = problems.as_slice() else { panic!("one problem") };
    assert_eq!(
        problem.to_string(),
        "b.yaml:4:9: the scenario name \"member-post-install-kubectl\" is taken by a.yaml:4:9\n  help: give each scenario a name of its own"
    );
}

#[test]
fn finds_no_problem_in_scenarios_with_names_of_their_own() {
    let other = WHOLE.replace("name: member-post-install-kubectl", "name: other");
    let scenarios = [WHOLE, &other].map(|text| one("f.yaml", text));
    assert_eq!(check_set(&scenarios), []);
}

#[test]
fn types_an_edit_as_the_file_has_it() {
    let text = WHOLE.replace("spec.multicluster.clusterRole: member", "a: null, b: 3, c: true, d: \"''\", e: 010");
    let scenario = one("f.yaml", &text);
    let Action::Run { edit: Some(edit), .. } = &scenario.steps[1].action else { panic!("an edit") };
    let typed: Vec<&str> = edit[1..].iter().map(|(_, value)| value.as_str()).collect();
    assert_eq!(typed, ["", "3", "true", "''", "010"]);
}

#[test]
fn reads_delays_that_are_held_and_released() {
    let steps = "      hold: config-mount\n    - name: go on\n      release: config-mount\n";
    let text = WHOLE.replace(IMPORT, steps);
    let scenario = one("f.yaml", &text);
    let [.., hold, release] = scenario.steps.as_slice() else { panic!("two steps") };
    assert!(matches!((&hold.action, hold.on), (Action::Hold(delay), On::Host) if delay == "config-mount"));
    assert!(matches!(&release.action, Action::Release(delay) if delay == "config-mount"));
}
