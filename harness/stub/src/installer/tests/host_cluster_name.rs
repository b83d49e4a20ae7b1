//! What becomes of `multicluster.hostClusterName`, row by row.

use rstest::rstest;

use super::*;

const RELEASES: [&str; 4] = ["3.2.1", "3.3.2", "3.4.0", "3.4.1"];

fn named(role: &str, name: &Value) -> Value {
    json!({"multicluster": {"clusterRole": role, "hostClusterName": name}})
}

fn written(installation: &Installation) -> Option<String> {
    let text = installation.text();
    text.lines().find_map(|line| line.strip_prefix("  hostClusterName: ")).map(str::to_owned)
}

#[rstest]
#[case::documented("prod.east-1")]
#[case::default("host")]
#[case::capitals_and_underscore("My_Host")]
#[case::capitals("UPPER")]
#[case::prefix("a/b")]
#[case::two_dots("a..b")]
#[case::dash_in_front("-bad")]
#[case::dash_at_the_end("bad-")]
#[case::blank("has space")]
#[case::exclamation_mark("Bad_Name!")]
#[tokio::test]
async fn copies_any_name_of_a_host_and_ends_with_the_banner(#[case] name: &str) {
    for version in RELEASES {
        let installation = Installation::of(version, &Fake::new(), Behaviour::default());
        installation.apply(named("host", &name.into()), BANNER, 1).await;
        assert_eq!(written(&installation).as_deref(), Some(name), "{version}");
    }
}

#[rstest]
#[case::empty("host", json!(""))]
#[case::null("host", Value::Null)]
#[case::of_a_member("member", json!("my-host"))]
#[case::of_none("none", json!("my-host"))]
#[case::of_a_role_with_a_typo("Host", json!("my-host"))]
#[tokio::test]
async fn writes_no_name(#[case] role: &str, #[case] name: Value) {
    for version in RELEASES {
        let installation = Installation::of(version, &Fake::new(), Behaviour::default());
        installation.apply(named(role, &name), BANNER, 1).await;
        assert_eq!(written(&installation), None, "{version}");
    }
}

#[tokio::test]
async fn name_is_not_the_consoles() {
    let installation = Installation::start(&Fake::new(), Behaviour::default());
    installation.apply(named("host", &"prod".into()), BANNER, 1).await;
    let path = "/api/v1/namespaces/kubesphere-system/configmaps/ks-console-config";
    let config = installation.fake.get(path).unwrap();
    let text = config["data"]["local_config.yaml"].as_str().unwrap().to_owned();
    assert!(text.ends_with("defaultClusterName: default\n"), "{text}");
}

#[tokio::test]
async fn name_that_changes_later_reaches_the_config_alone() {
    let installation = Installation::start(&Fake::new(), Behaviour::default());
    installation.apply(role("host"), BANNER, 1).await;
    let before = installation.fake.paths();
    installation.apply(named("host", &"late".into()), BANNER, 2).await;
    assert_eq!(written(&installation).as_deref(), Some("late"));
    assert_eq!(installation.fake.paths(), before);
}
