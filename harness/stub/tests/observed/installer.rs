//! The installer's plays, one run after another on one cluster.

use rstest::rstest;
use serde_json::{Value, json};

use crate::installer_fixture::{Installed, Kept};
use crate::records::{Record, Replay, Tally};

const HOST_SECRET: &str = "hostHOSThostHOSThostHOSThost1234";

#[rstest]
#[case::v3_3_2("v3.3.2")]
#[tokio::test(flavor = "multi_thread")]
async fn leaves_behind_what_the_real_one_does(#[case] version: &str) {
    let mut installed = Installed::start(version).await;
    let mut tally = Tally::default();
    let records = Replay::InstallerRuns.records(version);
    for record in &records {
        let before = installed.secret().await;
        let written = installed.log().len();
        let mut request = record.0["request"].clone();
        if request["authentication"]["jwtSecret"] == "<HOST-JWT-SECRET>" {
            request["authentication"]["jwtSecret"] = HOST_SECRET.into();
        }
        // A record's null is a section that was not there.
        installed.order(&request).await;
        let log = installed.log();
        // The log of a pod that started anew has no runs before this one.
        let log = log.get(written..).unwrap_or(&log).to_owned();
        let after = installed.secret().await;
        let run = Run { request, log, before, after };
        tally.note(record, difference(record, &run, &installed).await);
    }
    installed.stop().await;
    tally.settle(&records);
}

/// One run here.
struct Run {
    request: Value,
    log: String,
    before: Option<Kept>,
    after: Option<Kept>,
}

async fn difference(record: &Record, run: &Run, installed: &Installed) -> Option<String> {
    let secret_before = run.before.as_ref().map(|kept| kept.secret.as_str());
    let secret_after = run.after.as_ref().map(|kept| kept.secret.as_str());
    let secret = secret_after.unwrap_or_default();
    let alnum = !secret.is_empty() && secret.chars().all(|character| character.is_ascii_alphanumeric());
    let text = installed.kubesphere_yaml().await.unwrap_or_default();
    let lines = lines_with_secret(&text);
    let got = json!({
        "plays": plays(record, &run.log),
        "secret_length": secret.chars().count(),
        "secret_charset": if alnum { "alnum" } else { "other" },
        "secret_same_as_before_run": secret_before.map(|_| secret_before == secret_after),
        "secret_equals_spec": run.request["authentication"]["jwtSecret"] == secret,
        "token_claims": run.after.as_ref().map(|kept| &kept.claims),
        "jwtSecret_line": masked(&lines, secret),
        "documented_grep_output": masked(&installed.documented_grep().await, secret),
        "kubesphere_yaml": masked(&[text], secret)[0],
    });
    let mut wanted = record.0.clone();
    wanted["plays"] =
        wanted["plays"].as_array().unwrap().iter().map(|play| json!([play["play"], play["rc"]])).collect();
    let mut different = Vec::new();
    for (key, got) in got.as_object().unwrap() {
        if wanted[key] != *got {
            different.push(format!("{key}: wanted {}, got {got}", wanted[key]));
        }
    }
    different.extend(fatal_difference(record, &run.log));
    different.extend(status_difference(record, &installed.status().await));
    (!different.is_empty()).then(|| format!("{}:\n  {}", record.case(), different.join("\n  ")))
}

fn lines_with_secret(text: &str) -> Vec<String> {
    text.lines().filter(|line| line.contains("jwtSecret")).map(str::to_owned).collect()
}

/// The records show no secret either.
fn masked(texts: &[String], secret: &str) -> Vec<String> {
    let shown = format!("\"<SECRET:{} chars>\"", secret.chars().count());
    let mask = |text: &String| {
        if secret.is_empty() { text.clone() } else { text.replace(&format!("\"{secret}\""), &shown) }
    };
    texts.iter().map(mask).collect()
}

/// How the record's plays ended here. A whole run has more of them, and `init-token` is the beginning of its `ks-core`.
fn plays(record: &Record, log: &str) -> Value {
    let failed = |play: &str| match play {
        "ks-config" => log.contains("Failed to ansible-playbook ks-config.yaml"),
        "common" => !log.contains("TASK [ks-core/init-token : "),
        _ => log.contains("fatal: [localhost]: FAILED! => "),
    };
    let plays = record.0["plays"].as_array().unwrap();
    plays.iter().map(|play| json!([play["play"], if failed(play["play"].as_str().unwrap()) { 2 } else { 0 }])).collect()
}

/// The fields of a failed task, as far as they are in the record, which was cut off. Where the command's program is,
/// what it was given and when it ran is the machine's.
fn fatal_difference(record: &Record, log: &str) -> Vec<String> {
    let plays = record.0["plays"].as_array().unwrap();
    let wanted = plays.iter().flat_map(|play| play["fatal"].as_array().unwrap()).find_map(Value::as_str);
    let got = log.lines().find_map(|line| line.strip_prefix("fatal: [localhost]: FAILED! => "));
    let (Some(wanted), Some(got)) = (wanted, got) else {
        // A play that is run quietly prints nothing of it.
        return Vec::new();
    };
    let got: Value = serde_json::from_str(got).unwrap();
    let fields = got.as_object().unwrap().iter().filter(|(key, _)| *key != "cmd");
    fields
        .filter_map(|(key, value)| {
            let mut field = format!("{}: {value}", json!(key));
            // The original goes on with the place in its files, and the record ends within the hint at help.
            field.truncate(field.find("See 'kubectl create secret").unwrap_or(field.len()));
            let field = field.strip_suffix('"').unwrap_or(&field);
            (!wanted.contains(field)).then(|| format!("fatal: {field} is not in {wanted}"))
        })
        .collect()
}

/// In the records only one run notes its state, since the others are of single plays.
fn status_difference(record: &Record, status: &Value) -> Option<String> {
    let mut wanted = record.0["status"].clone();
    if wanted.is_null() {
        return None;
    }
    let is_time = |status: &Value| {
        let text = status["core"]["enabledTime"].as_str().unwrap_or_default();
        let text = text.strip_suffix("UTC")?;
        (text.len() == "2026-11-22T12:51:30".len()).then(|| jiff::civil::DateTime::strptime("%Y-%m-%dT%H:%M:%S", text))
    };
    let times = [is_time(&wanted), is_time(status)];
    // `core.version` comes with the play `result-info`, which the record has not.
    let got = json!({"core": {"enabledTime": "<time>", "status": status["core"]["status"]}});
    wanted["core"]["enabledTime"] = "<time>".into();
    let are_times = times.iter().all(|time| matches!(time, Some(Ok(_))));
    (wanted != got || !are_times).then(|| format!("status: wanted {wanted}, got {status}"))
}
