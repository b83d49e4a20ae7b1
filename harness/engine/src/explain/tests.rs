use std::io::Write as _;
use std::process::{Command, Stdio};

use rstest::rstest;
use scenario::plan::{self, Cell};
use scenario::select::Selection;

use super::Explanation;
use crate::library;

fn cells(names: &[&str]) -> Vec<Cell> {
    let releases = library::releases(&[]).unwrap();
    plan::plan(&library::built_in().unwrap(), &releases, &Selection::new(names))
}

fn newest(name: &str) -> Explanation {
    Explanation::of(cells(&[name]).last().unwrap())
}

/// Asks bash whether it can read `script`.
fn assert_bash_reads(script: &str) {
    let mut bash = Command::new("bash").arg("-n").stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    bash.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = bash.wait_with_output().unwrap();
    assert!(output.status.success(), "{}\n{script}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "{}\n{script}", String::from_utf8_lossy(&output.stderr));
}

#[rstest]
#[case("member-post-install-kubectl")]
#[case("import-unreachable-kubeconfig")]
#[case("import-wait")]
#[case("member-pre-install-k8s")]
#[case("remove-cluster")]
#[case("update-kubeconfig")]
fn writes_a_script_for_real_clusters(#[case] name: &str) {
    let explanation = newest(name);
    insta::with_settings!({omit_expression => true}, {
        insta::assert_snapshot!(format!("{name}.sh"), explanation.script());
    });
}

#[rstest]
#[case("member-post-install-kubectl")]
#[case("host-name-with-zone")]
fn tells_it_in_words(#[case] name: &str) {
    insta::with_settings!({omit_expression => true}, {
        insta::assert_snapshot!(format!("{name}.txt"), newest(name).text());
    });
}

#[test]
fn writes_scripts_that_bash_can_read() {
    let all = cells(&[]);
    for (index, cell) in all.iter().enumerate() {
        // Releases differ in a word.
        if all.get(index + 1).is_some_and(|next| next.scenario.name == cell.scenario.name) {
            continue;
        }
        let explanation = Explanation::of(cell);
        assert_bash_reads(&explanation.script());
        for from in 0..=cell.scenario.steps.len() {
            assert_bash_reads(&explanation.rest(
                &cell.scenario,
                from,
                &[("HOST_KUBECONFIG".to_owned(), "/tmp/it's".to_owned())],
            ));
        }
    }
}

#[test]
fn reads_again_what_later_steps_use() {
    let cell = cells(&["member-post-install-kubectl"]).pop().unwrap();
    let rest = |from| Explanation::of(&cell).rest(&cell.scenario, from, &[]);
    assert!(rest(1).contains("jwtSecret=$("), "{}", rest(1));
    assert!(!rest(2).contains("jwtSecret=$("), "{}", rest(2));
    assert!(rest(2).contains("# 3. member: watch the installer"), "{}", rest(2));
}

#[test]
fn tells_every_step_and_check_as_data() {
    let cell = cells(&["import-form"]).pop().unwrap();
    let told = serde_json::to_value(Explanation::of(&cell)).unwrap();
    assert_eq!(told["steps"][0]["on"], "host");
    assert_eq!(told["steps"][0]["requests"].as_array().unwrap().len(), 3);
    let checks = told["checks"].as_array().unwrap();
    assert_eq!(checks.len(), cell.scenario.checks.len());
    let succeeded = checks.iter().find(|check| check["name"] == "import-succeeded").unwrap();
    assert!(succeeded["command"].as_str().unwrap().contains("clusters.cluster.kubesphere.io member1"));
}
