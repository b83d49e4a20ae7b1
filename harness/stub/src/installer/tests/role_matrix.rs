//! The section `multicluster` and what a role adds elsewhere, row by row, on the releases where it applies.

use rstest::rstest;

use super::*;

/// Releases that write down every role.
const WRITING: &[&str] = &["3.3.2", "3.4.0", "3.4.1"];
/// The release that writes the section for a host alone.
const OLD: &[&str] = &["3.2.1"];

fn named_host() -> Value {
    json!({"multicluster": {"clusterRole": "host", "hostClusterName": "prod.east-1"}})
}

fn tower(release: &Release) -> String {
    format!("agentImage: kubesphere/tower:{}|proxyPublishService: tower.kubesphere-system.svc", release.tower_tag)
}

/// The lines of the section, with bars between them.
fn section(text: &str) -> String {
    let lines = text.lines().skip_while(|line| *line != "multicluster:").skip(1);
    lines.take_while(|line| line.starts_with("  ")).map(str::trim).collect::<Vec<_>>().join("|")
}

#[rstest]
#[case::none(WRITING, role("none"), "clusterRole: none", false)]
#[case::host(WRITING, role("host"), "clusterRole: host|enable: true|TOWER", false)]
#[case::host_with_name(
    WRITING,
    named_host(),
    "clusterRole: host|enable: true|TOWER|hostClusterName: prod.east-1",
    false
)]
#[case::member(WRITING, role("member"), "clusterRole: member|enable: false", true)]
#[case::host_in_capitals(WRITING, role("Host"), "clusterRole: Host", false)]
#[case::hosts(WRITING, role("hosts"), "clusterRole: hosts", false)]
#[case::empty(WRITING, role(""), "clusterRole:", false)]
#[case::old_none(OLD, role("none"), "", false)]
#[case::old_host(OLD, role("host"), "enable: true|TOWER", false)]
#[case::old_host_with_name(OLD, named_host(), "enable: true|TOWER|hostClusterName: prod.east-1", false)]
#[case::old_member(OLD, role("member"), "", true)]
#[case::old_host_in_capitals(OLD, role("Host"), "", false)]
#[case::old_without_role(OLD, json!({"multicluster": {}}), "", false)]
#[tokio::test]
async fn writes_of_role(#[case] versions: &[&str], #[case] spec: Value, #[case] expected: &str, #[case] max_age: bool) {
    for version in versions {
        let installation = Installation::of(version, &Fake::new(), Behaviour::default());
        installation.apply(spec.clone(), BANNER, 1).await;
        let text = installation.text();
        assert_eq!(section(&text), expected.replace("TOWER", &tower(installation.release)), "{version}");
        assert_eq!(text.contains("    accessTokenMaxAge: 0\n"), max_age, "{version}");
    }
}

#[rstest]
#[case::multicluster_empty(Some(json!({"multicluster": {}})))]
#[case::multicluster_absent(None)]
#[tokio::test]
async fn fails_at_the_config_of(#[case] spec: Option<Value>) {
    for version in WRITING {
        let installation = installed_of(version).await;
        let text = installation.text();
        let failure = "Failed to ansible-playbook ks-config.yaml";
        match &spec {
            Some(spec) => installation.apply(spec.clone(), failure, 1).await,
            None => installation.remove("/multicluster", failure, 1).await,
        }
        assert_eq!(installation.text(), text, "{version}");
        assert_eq!(installation.lines().iter().filter(|line| line.contains(BANNER)).count(), 1, "{version}");
        // There is no other try: the next run is one of another spec.
        installation.apply(role("member"), BANNER, 2).await;
        assert_eq!(installation.lines().iter().filter(|line| line.contains(failure)).count(), 1, "{version}");
    }
}

#[tokio::test]
async fn without_the_section_the_old_release_goes_on() {
    let installation = installed_of("3.2.1").await;
    installation.remove("/multicluster", BANNER, 2).await;
    assert_eq!(section(&installation.text()), "");
}

#[rstest]
#[case::v3_2_1("3.2.1", false)]
#[case::v3_3_2("3.3.2", true)]
#[case::v3_4_0("3.4.0", true)]
#[case::v3_4_1("3.4.1", true)]
#[tokio::test]
async fn own_oauth_options_reach_a_member_of(#[case] version: &str, #[case] reach: bool) {
    let installation = Installation::of(version, &Fake::new(), Behaviour::default());
    let mut spec = role("member");
    spec["authentication"] = json!({"jwtSecret": "", "oauthOptions": {"accessTokenInactivityTimeout": "30m"}});
    installation.apply(spec, BANNER, 1).await;
    assert_eq!(installation.text().contains("accessTokenInactivityTimeout: 30m"), reach);
    assert!(installation.text().contains("accessTokenMaxAge: 0"));
}

#[rstest]
#[case::v3_2_1("3.2.1", true)]
#[case::v3_3_2("3.3.2", false)]
#[case::v3_4_0("3.4.0", false)]
#[case::v3_4_1("3.4.1", false)]
#[tokio::test]
async fn restarts_the_processes_of(#[case] version: &str, #[case] restarts: bool) {
    let installation = installed_of(version).await;
    let restarted = |name: &str| {
        let path = format!("/apis/apps/v1/namespaces/kubesphere-system/deployments/{name}");
        let pointer = "/spec/template/metadata/annotations/kubectl.kubernetes.io~1restartedAt";
        installation.fake.get(&path).unwrap().pointer(pointer).cloned()
    };
    let first = ["ks-apiserver", "ks-controller-manager"].map(restarted);
    assert!(first.iter().all(|at| at.is_some() == restarts));
    assert_eq!(restarted("ks-console"), None);
    installation.apply(role("member"), BANNER, 2).await;
    let second = ["ks-apiserver", "ks-controller-manager"].map(restarted);
    assert_eq!(first != second, restarts, "every run restarts them");
}

#[tokio::test]
async fn overwrites_what_others_changed() {
    let installation = installed().await;
    let mut object = installation.fake.get(CONFIG_MAP).unwrap();
    object["data"]["kubesphere.yaml"] = "multicluster: {clusterName: mine}\n".into();
    installation.fake.put(CONFIG_MAP, &object);
    installation.apply(role("member"), BANNER, 2).await;
    assert_eq!(section(&installation.text()), "clusterRole: member|enable: false");
}

#[rstest]
#[tokio::test]
async fn a_member_has_nothing_of_a_host(#[values("3.2.1", "3.3.2", "3.4.0", "3.4.1")] version: &str) {
    let installation = Installation::of(version, &Fake::new(), Behaviour::default());
    installation.apply(role("member"), BANNER, 1).await;
    installation.sees("task multicluster status is successful  (2/4)", 1).await;
    for path in super::role_changes::OF_A_HOST {
        assert_eq!(installation.fake.get(path), None, "{path}");
    }
}
