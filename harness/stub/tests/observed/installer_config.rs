//! The text of `kubesphere.yaml`, rendered for one configuration after another.

use kubesphere::KubesphereConfig;
use rstest::rstest;
use serde_json::{Value, json};

use crate::fixture::SECRET;
use crate::installer_fixture::Installed;
use crate::records::{Record, Replay, Tally};

#[rstest]
#[case::v3_3_2("v3.3.2")]
#[case::v3_4_1("v3.4.1")]
#[tokio::test(flavor = "multi_thread")]
async fn renders_what_the_real_one_does(#[case] version: &str) {
    let mut installed = Installed::start(version).await;
    let mut tally = Tally::default();
    let records = Replay::Rendering.records(version);
    for record in &records {
        let (change, secret) = configuration(record);
        installed.put_secret(secret).await;
        let before = installed.kubesphere_yaml().await;
        let written = installed.log().len();
        installed.order(&change).await;
        let log = installed.log();
        let log = log.get(written..).unwrap_or(&log);
        let after = installed.kubesphere_yaml().await;
        tally.note(record, difference(record, log, before.as_deref(), after.as_deref()));
    }
    installed.stop().await;
    tally.settle(&records);
}

/// What the record was rendered from, which it tells by its name alone, and the secret that was there. The template was
/// rendered by itself: that a run would not get so far with such a secret is another matter.
fn configuration(record: &Record) -> (Value, &'static str) {
    let host = |more: Value| {
        let mut section = json!({"clusterRole": "host"});
        section.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"multicluster": section})
    };
    let role = |role: &str| json!({"multicluster": {"clusterRole": role}});
    match record.case().strip_prefix("render-").unwrap() {
        "none-default" => (role("none"), SECRET),
        "host-default" => (role("host"), SECRET),
        "member-default" => (role("member"), SECRET),
        "role-unknown" => (role("hsot"), SECRET),
        "role-uppercase" => (role("Host"), SECRET),
        "host-name" => (host(json!({"hostClusterName": "my-host.cluster1"})), SECRET),
        "host-name-empty" => (host(json!({"hostClusterName": ""})), SECRET),
        "host-proxy-resync" => {
            let more = json!({"proxyPublishAddress": "http://192.0.2.10:8080", "clusterControllerResyncPeriod": "30s"});
            (host(more), SECRET)
        }
        "host-ippool-calico" => {
            let mut change = host(json!({}));
            change["network"] = json!({"networkpolicy": {"enabled": true}, "ippool": {"type": "calico"}});
            (change, SECRET)
        }
        "host-no-multicluster-section" => (json!({"multicluster": null}), SECRET),
        "member-with-hostClusterName" => {
            (json!({"multicluster": {"clusterRole": "member", "hostClusterName": "my-host"}}), SECRET)
        }
        "member-oauth-options" => {
            let mut change = role("member");
            let options = json!({"accessTokenMaxAge": "1h", "accessTokenInactivityTimeout": "30m"});
            change["authentication"] = json!({"jwtSecret": "", "oauthOptions": options});
            (change, SECRET)
        }
        "member-numeric-secret" => (role("member"), "12345678901234567890123456789012"),
        "secret-empty" => (role("none"), ""),
        "secret-with-quote" => (role("member"), "a\"b"),
        other => panic!("nobody knows what {other} was rendered from"),
    }
}

fn difference(record: &Record, log: &str, before: Option<&str>, after: Option<&str>) -> Option<String> {
    let case = record.case();
    if let Some(error) = record.0["error"].as_str() {
        // The play is run quietly, so its words are in no log; the template's are compared where it is.
        let failed = log.contains("Failed to ansible-playbook ks-config.yaml");
        assert!(error.ends_with("'multicluster' is undefined\"}"), "{error}");
        return (!failed || before != after).then(|| format!("{case}: wanted {error}, got {log}"));
    }
    let wanted = record.0["kubesphere_yaml_text"].as_str();
    if wanted != after {
        return Some(format!("{case}:\n  wanted {wanted:?}\n  got    {after:?}"));
    }
    let is_read = KubesphereConfig::parse(after.unwrap_or_default()).is_ok();
    (is_read != record.0["parse_error"].is_null()).then(|| format!("{case}: is read: {is_read}"))
}
