//! The schema for editors, and an independent validator's view of it.

use std::fs;
use std::path::{Path, PathBuf};

use boon::{Compiler, SchemaIndex, Schemas};
use rstest::rstest;
use serde_json::Value;

use super::{GOOD, ks_e2e};

fn printed(form: &str) -> String {
    let output = ks_e2e().args(["schema", "-o", form]).output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

struct Schema(Schemas, SchemaIndex);

impl Schema {
    fn new() -> Self {
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.add_resource("schema.json", serde_json::from_str(&printed("json")).unwrap()).unwrap();
        let index = compiler.compile("schema.json", &mut schemas).unwrap();
        Self(schemas, index)
    }

    fn validate(&self, yaml: &str) -> Result<(), String> {
        let value: Value = serde_yaml::from_str(yaml).unwrap();
        self.0.validate(&value, self.1).map_err(|error| format!("{error:#}"))
    }
}

fn scenarios(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { scenarios(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect()
}

#[rstest]
#[case("json", "scenarios/schema.json")]
#[case("markdown", "scenarios/reference.md")]
fn publishes_the_format_that_the_parser_has(#[case] form: &str, #[case] path: &str) {
    let published = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap_or_default();
    assert!(published == printed(form), "out of date; run: cargo run -- schema -o {form} >{path}");
}

#[test]
fn takes_every_built_in_scenario() {
    let schema = Schema::new();
    let files = scenarios(&Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios"));
    assert!(files.len() > 30);
    for file in files {
        schema
            .validate(&fs::read_to_string(&file).unwrap())
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
}

#[rstest]
#[case::without_checks(GOOD.split("  checks:").next().unwrap().to_owned())]
#[case::file_with_edit(GOOD.replace("run: echo hello", "file: a.yaml\n      edit: {spec.a: null, spec.b: 3}"))]
#[case::console_without_on(GOOD.replace("      on: host\n      run: echo hello", "      console: {removeCluster: {name: m}}"))]
#[case::step_that_holds(GOOD.replace("      on: host\n      run: echo hello", "      hold: config-reload"))]
fn takes_what_the_parser_takes(#[case] content: String) {
    let (_directory, path) = super::file(content.as_bytes());
    ks_e2e().arg("lint").arg(path).assert().success();
    assert_eq!(Schema::new().validate(&content), Ok(()));
}

#[rstest]
#[case::unknown_key(GOOD.replace("  steps:", "  stepz:"))]
#[case::wrong_type(GOOD.replace("run: echo hello", "run: {echo: hello}"))]
#[case::unknown_check(GOOD.replace("cluster-role:", "cluster-rool:"))]
#[case::unknown_argument(GOOD.replace("is: host", "was: host"))]
#[case::missing_argument(GOOD.replace("{on: host, is: host}", "{on: host}"))]
#[case::check_without_its_arguments(GOOD.replace("- cluster-role: {on: host, is: host}", "- cluster-role"))]
#[case::unknown_role(GOOD.replace("clusterRole: host", "clusterRole: hots"))]
#[case::role_without_kubesphere(GOOD.replace("kubesphere: installed", "kubesphere: absent"))]
#[case::missing_name(GOOD.replace("  name: a-scenario\n", "  labels: {}\n"))]
#[case::bad_name(GOOD.replace("a-scenario", "A Scenario"))]
#[case::step_without_a_cluster(GOOD.replace("      on: host\n", ""))]
#[case::step_that_does_two_things(GOOD.replace("run: echo hello", "run: echo hello\n      hold: config-reload"))]
#[case::step_that_does_nothing(GOOD.replace("      run: echo hello\n", ""))]
#[case::unknown_delay(GOOD.replace("run: echo hello", "hold: config-relaod"))]
#[case::duration_without_unit(GOOD.replace("run: echo hello", "run: echo hello\n      timeout: 60"))]
#[case::refusal_of_a_command(GOOD.replace("run: echo hello", "run: echo hello\n      expect: {refused: no}"))]
#[case::bad_requirement(GOOD.replace("  given:", "  releases: newest\n  given:"))]
#[case::unknown_act(GOOD.replace("run: echo hello", "console: {importCluser: {name: m}}"))]
fn refuses_what_the_parser_refuses(#[case] content: String) {
    let (_directory, path) = super::file(content.as_bytes());
    ks_e2e().arg("lint").arg(path).assert().code(2);
    assert!(Schema::new().validate(&content).is_err());
}
