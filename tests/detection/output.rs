//! What a person reads of a cell that failed: where it failed, the state of both clusters that explains it, who wrote it
//! last, and no secret.

use std::path::Path;
use std::process::Command;

use rstest::rstest;

/// Times, durations, generated names and the room that they take, which differ between runs.
const FILTERS: [(&str, &str); 11] = [
    (r"\d+\.\d\ds", "TIME"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "DATE"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIMESTAMP"),
    (r"\d\d:\d\d:\d\dZ", "TIME"),
    (r"sha256:[0-9a-f]{8}", "sha256:DIGEST"),
    (r"-[0-9a-f]{8,10}-[0-9a-z]{5}\b", "-POD"),
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UID"),
    (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
    (r"\d{4} characters", "LENGTH characters"),
    (r"\d+ whole objects", "NUMBER whole objects"),
    (r"(\S) {2,}", "$1  "),
];

#[rstest]
#[case::a_check("role-ignored", "host-post-install-kubectl")]
#[case::a_step("secret-ignored", "direct-connection")]
#[case::a_join("join-without-account", "import-form")]
fn says_what_is_set_and_who_wrote_it(#[case] defect: &str, #[case] scenario: &str) {
    let output = Command::new(env!("CARGO_BIN_EXE_ks-e2e"))
        .args(["run", scenario, "--release", "3.3.2", "--seed", "1", "--defect", defect])
        .env("NO_COLOR", "1")
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    insta::with_settings!({filters => FILTERS, omit_expression => true, prepend_module_to_snapshot => false}, {
        insta::assert_snapshot!(format!("{scenario}-{defect}"), String::from_utf8(output.stdout).unwrap());
    });
}
