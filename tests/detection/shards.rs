//! A shard that is lost is noticed where the shards are joined, however few cells a shard has.

use std::path::Path;
use std::process::Command;

use rstest::rstest;

/// Runs `ks-e2e`, and returns what it said and its exit code.
fn ks_e2e(arguments: &[&str], report: &Path) -> (String, Option<i32>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ks-e2e"));
    let output = command.args(arguments).arg("--report").arg(report).output().unwrap();
    (String::from_utf8([output.stdout, output.stderr].concat()).unwrap(), output.status.code())
}

/// One cell, which is on one of the two shards.
#[rstest]
#[case::all(&["1/2", "2/2"], "1 passed, 0 failed, 0 known issues, 0 skipped\n", 0)]
#[case::the_first(&["1/2"], "shard 2/2 is in 0 of them", 2)]
#[case::the_second(&["2/2"], "shard 1/2 is in 0 of them", 2)]
fn joins_shards_when_all_are_there(#[case] shards: &[&str], #[case] expected: &str, #[case] code: i32) {
    let directory = tempfile::tempdir().unwrap();
    let reports: Vec<String> = shards
        .iter()
        .map(|shard| {
            let report = directory.path().join(shard.replace('/', "-of-"));
            let run = ["run", "jwt-get", "--release", "3.4.1", "--require", "embedded", "--shard", shard];
            let (said, code) = ks_e2e(&run, &report);
            assert_eq!(code, Some(0), "{said}");
            report.display().to_string()
        })
        .collect();
    let merge = ["report", "merge"].into_iter().chain(reports.iter().map(String::as_str));
    let (said, ended) = ks_e2e(&merge.collect::<Vec<_>>(), &directory.path().join("joined"));
    assert!(said.contains(expected), "{said}");
    assert_eq!(ended, Some(code), "{said}");
}

/// Nothing that is there is said to be nothing, and what is not there is not taken for an empty shard.
#[rstest]
#[case::an_empty_one("jwt-get", "no cell falls on shard 3/4", 0)]
#[case::of_nothing("jwt-go", "no cell matches \"jwt-go\"", 2)]
fn tells_an_empty_shard_from_a_wrong_name(#[case] name: &str, #[case] expected: &str, #[case] code: i32) {
    let directory = tempfile::tempdir().unwrap();
    let (said, ended) = ks_e2e(&["run", name, "--release", "3.4.1", "--shard", "3/4"], directory.path());
    assert!(said.contains(expected), "{said}");
    assert_eq!(ended, Some(code), "{said}");
    assert_eq!(directory.path().join("report.json").exists(), code == 0);
}
