//! Validation: the order of its checks and their texts.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use kubesphere::Feature;
use rstest::rstest;
use serde_json::json;

use super::fake::{Member, Reply, kubeconfig};
use super::{accepted, ask, joined, refused, shared};
use crate::fixture::{SECRET, World};
use crate::kubeconfigs;
use crate::records::{Got, placeholders};

const PATH: &str = "/kapis/cluster.kubesphere.io/v1alpha1/clusters/validation";

/// A request for validation, right unless a row changes it.
struct Asked {
    body: Option<&'static str>,
    connection: &'static str,
    /// In place of one that leads to `member`.
    kubeconfig: Option<String>,
    member: Member,
}

async fn validate(world: &World, change: impl FnOnce(&mut Asked)) -> (String, Got) {
    let mut asked = Asked { body: None, connection: "direct", kubeconfig: None, member: Member::fitting(world) };
    change(&mut asked);
    let fake = asked.member.start(world).await;
    let kubeconfig = STANDARD.encode(asked.kubeconfig.unwrap_or_else(|| fake.kubeconfig()));
    let body = json!({
        "apiVersion": "cluster.kubesphere.io/v1alpha1", "kind": "Cluster", "metadata": {"name": "m"},
        "spec": {"connection": {"type": asked.connection, "kubeconfig": kubeconfig}},
    });
    let got = ask(world, Method::POST, PATH, &asked.body.map_or_else(|| body.to_string(), str::to_owned)).await;
    (fake.server, got)
}

const INVALID_RESPONSE: &str = "unable validate kubesphere endpoint, invalid response: ks-apiserver , please make sure \
                                kubesphere-system.hello.svc of member cluster is up and running";
const CONFIGURATION: &str = "failed to validate member cluster configuration, err: ";
const JWT: &str = "failed to validate member cluster configuration, err: hostcluster Jwt is not equal to member cluster jwt, please \
                   edit the member cluster cluster config";
const ROLE: &str =
    "failed to validate member cluster configuration, err: the clusterRole of the member cluster must be 'member'";

fn config(change: impl FnOnce(String) -> String) -> Reply {
    Member::config(&change(crate::fixture::MEMBER_CONFIG.to_owned()))
}

fn other_secret() -> Reply {
    config(|text| text.replace(SECRET, "another"))
}

#[rstest]
#[case::row_1_body_decodes(
    |asked: &mut Asked| asked.body = Some("{not json}"),
    "invalid character 'n' looking for beginning of object key string"
)]
#[case::row_1_kubeconfig_is_base64(
    |asked: &mut Asked| asked.body = Some(r#"{"spec":{"connection":{"type":"direct","kubeconfig":"%%%"}}}"#),
    "illegal base64 data at input byte 0"
)]
#[case::row_2_type_is_direct(
    |asked: &mut Asked| asked.connection = "proxy",
    "cluster connection type MUST be direct"
)]
#[case::row_3_kubeconfig_is_not_empty(
    |asked: &mut Asked| asked.kubeconfig = Some(String::new()),
    "cluster kubeconfig MUST NOT be empty"
)]
#[case::row_4_kubeconfig_parses(
    |asked: &mut Asked| asked.kubeconfig = Some("a: b: c".to_owned()),
    "yaml: mapping values are not allowed in this context"
)]
#[case::row_5_client_is_built(
    |asked: &mut Asked| asked.kubeconfig = Some(insecure_with_authority("https://192.0.2.20:6999")),
    "specifying a root certificates file with the insecure flag is not allowed"
)]
#[case::row_8_version_answers(
    |asked: &mut Asked| asked.member.version = Reply::Text(500, "boom"),
    "an error on the server (\"boom\") has prevented the request from succeeding"
)]
#[case::row_9_endpoint_reached(
    |asked: &mut Asked| asked.member.endpoint = Reply::Nothing,
    "unable validate kubesphere endpoint, Get \"SERVER/api/v1/namespaces/kubesphere-system/services/:ks-apiserver:/proxy/kapis/version\": EOF"
)]
#[case::row_9_endpoint_is_ok(|asked: &mut Asked| asked.member.endpoint = Reply::Text(502, "hello"), INVALID_RESPONSE)]
#[case::row_9_endpoint_speaks_json(|asked: &mut Asked| asked.member.endpoint = Reply::Text(200, "hello"), INVALID_RESPONSE)]
#[case::row_10_member_has_a_configuration(
    |asked: &mut Asked| asked.member.config = Reply::status(404, "configmaps \"kubesphere-config\" not found"),
    "failed to validate member cluster configuration, err: configmaps \"kubesphere-config\" not found"
)]
#[case::row_12_secrets_are_equal(|asked: &mut Asked| asked.member.config = other_secret(), JWT)]
#[case::row_12_secret_is_not_empty(
    |asked: &mut Asked| asked.member.config = config(|text| text.replace(SECRET, "")),
    JWT
)]
fn refuses(
    #[case] change: fn(&mut Asked),
    #[case] text: &str,
    #[values("v3.2.1", "v3.3.2", "v3.4.0", "v3.4.1")] version: &str,
) {
    shared(version, async |world| {
        let (server, got) = validate(world, change).await;
        assert_eq!(got, refused(&text.replace("SERVER", &server)));
    });
}

fn insecure_with_authority(server: &str) -> String {
    let authority = STANDARD.encode("-----BEGIN CERTIFICATE-----");
    let cluster = json!({
        "server": server, "insecure-skip-tls-verify": true, "certificate-authority-data": authority,
    });
    kubeconfig(&cluster, &json!({}))
}

#[rstest]
#[case::row_13_ok(|_: &mut Asked| ())]
#[case::row_12_a_number_is_a_secret_like_any(
    |asked: &mut Asked| asked.member.config = config(|text| text.replace(&format!("\"{SECRET}\""), SECRET))
)]
fn accepts(#[case] change: fn(&mut Asked), #[values("v3.2.1", "v3.3.2", "v3.4.0", "v3.4.1")] version: &str) {
    shared(version, async |world| assert_eq!(validate(world, change).await.1, accepted()));
}

/// What the first look at the member fails with; v3.2.1 first asks for its version.
#[rstest]
#[case::row_6_refused("closed-port", "GET_AT_6999: dial tcp MEMBER_IP:6999: connect: connection refused")]
#[case::row_6_no_such_host("unknown-dns", "GET_AT_NAME: dial tcp: lookup member.invalid on 127.0.0.1:53: no such host")]
#[case::row_6_unknown_authority("wrong-ca", "GET: x509: certificate signed by unknown authority")]
#[case::row_6_other_names(
    "san-mismatch",
    "GET_AT_ALIAS: x509: certificate is valid for kubernetes, kubernetes.default, kubernetes.default.svc, localhost, not \
     member-alias"
)]
#[case::row_6_other_credentials("client-cert-other-ca", "Unauthorized")]
fn refuses_a_member_that_cannot_be_asked(
    #[case] kubeconfig: &str,
    #[case] text: &str,
    #[values("v3.2.1", "v3.3.2", "v3.4.0", "v3.4.1")] version: &str,
) {
    shared(version, async |world| {
        let path = if world.release.has(Feature::ClusterUid) { "/api/v1/namespaces/kube-system" } else { "/version" };
        let get = |server: &str| format!("Get \"https://{server}{path}?timeout=10s\"");
        let text = text
            .replace("GET_AT_6999", &get("MEMBER_IP:6999"))
            .replace("GET_AT_NAME", &get("member.invalid:6443"))
            .replace("GET_AT_ALIAS", &get("member-alias:6443"))
            .replace("GET", &get("MEMBER_IP:6443"));
        let kubeconfig = kubeconfigs::of_case(world, kubeconfig).await;
        let mut got = validate(world, |asked| asked.kubeconfig = kubeconfig).await.1;
        got.body = placeholders(world, &got.body);
        assert_eq!(got, refused(&text));
    });
}

#[rstest]
fn row_6_refuses_a_user_without_rights(#[values("v3.2.1", "v3.3.2", "v3.4.0", "v3.4.1")] version: &str) {
    shared(version, async |world| {
        let kubeconfig = kubeconfigs::of_case(world, "limited-rbac").await;
        let got = validate(world, |asked| asked.kubeconfig = kubeconfig).await.1;
        // Everybody may ask for the version, so v3.2.1 notices at ks-apiserver's.
        let (begin, what) = if world.release.has(Feature::ClusterUid) {
            ("namespaces \"kube-system\" is forbidden: ", "resource \"namespaces\"")
        } else {
            (
                "unable validate kubesphere endpoint, invalid response: ks-apiserver , ",
                "resource \\\"services/proxy\\\"",
            )
        };
        assert_eq!(got.status, Some(400));
        assert!(got.body.starts_with(begin) && got.body.contains(what), "{got:?}");
    });
}

#[rstest]
fn row_7_refuses_a_cluster_that_was_imported(#[values("v3.2.1", "v3.3.2", "v3.4.0", "v3.4.1")] version: &str) {
    shared(version, async |world| {
        let uid = format!("row-7-{version}");
        let fake = Member::fitting(world).identified(&uid).start(world).await;
        world.host.create(&joined("row-7", &fake.kubeconfig(), &fake.server, &uid)).await;
        let by_uid = world.release.has(Feature::ClusterUid);
        let (_, again) = validate(world, |asked| asked.kubeconfig = Some(fake.kubeconfig())).await;
        let text = if by_uid {
            "cluster m already exists (row-7), MUST not import the same cluster twice"
        } else {
            "existing cluster row-7 with the exacty same server address, MUST not import the same cluster twice"
        };
        assert_eq!(again, refused(text));
        let (_, at_another_address) =
            validate(world, |asked| asked.member = asked.member.clone().identified(&uid)).await;
        assert_eq!(at_another_address, if by_uid { refused(text) } else { accepted() });
    });
}

#[rstest]
#[case::row_10_configuration_has_the_file(
    Reply::Json(200, json!({"kind": "ConfigMap", "data": {}})),
    "failed to get WHICH kubesphere.yaml value"
)]
#[case::row_10_configuration_is_yaml(
    Member::config("a: b: c"),
    "failed to unmarshal value from WHICH. err: yaml: mapping values are not allowed in this context"
)]
fn refuses_a_configuration_that_cannot_be_read(
    #[case] config: Reply,
    #[case] text: &str,
    #[values("v3.2.1", "v3.3.2", "v3.4.0", "v3.4.1")] version: &str,
) {
    shared(version, async |world| {
        let named = !world.release.has(Feature::BlankConfiguration);
        let which = if named { "kubesphere-system/configmap/kubesphere-config" } else { "configmap" };
        let got = validate(world, |asked| asked.member.config = config).await.1;
        assert_eq!(got, refused(&format!("{CONFIGURATION}{}", text.replace("WHICH", which))));
    });
}

#[rstest]
#[case::row_11_role_host("clusterRole: host")]
#[case::row_11_role_none("clusterRole: none")]
#[case::row_11_role_mistyped("clusterRole: hsot")]
#[case::row_11_no_role("agentImage: x")]
fn looks_at_the_role_of_a_member_from_v3_4_1(
    #[case] role: &str,
    #[values("v3.2.1", "v3.3.2", "v3.4.0", "v3.4.1")] version: &str,
) {
    shared(version, async |world| {
        let config = config(|text| text.replace("clusterRole: member", role));
        let got = validate(world, |asked| asked.member.config = config).await.1;
        let checked = world.release.has(Feature::MemberRoleChecked);
        assert_eq!(got, if checked { refused(ROLE) } else { accepted() });
    });
}

#[rstest]
#[case::row_11_no_multicluster("v3.2.1", "multicluster", accepted())]
#[case::row_11_no_multicluster("v3.3.2", "multicluster", accepted())]
#[case::row_11_no_multicluster("v3.4.0", "multicluster", accepted())]
#[case::row_11_no_multicluster("v3.4.1", "multicluster", Got::closed())]
#[case::row_12_no_authentication("v3.2.1", "authentication", refused(JWT))]
#[case::row_12_no_authentication("v3.3.2", "authentication", Got::closed())]
#[case::row_12_no_authentication("v3.4.0", "authentication", Got::closed())]
#[case::row_12_no_authentication("v3.4.1", "authentication", Got::closed())]
fn follows_sections_that_are_missing(#[case] version: &str, #[case] section: &str, #[case] answer: Got) {
    shared(version, async |world| {
        let config = config(|text| text.replace(&format!("{section}:\n"), "others:\n"));
        assert_eq!(validate(world, |asked| asked.member.config = config).await.1, answer);
    });
}

/// Of two defects the earlier one's text is told.
#[rstest]
#[case::body_before_type(
    |asked: &mut Asked| asked.body = Some(r#"{"spec":{"connection":{"type":"proxy","kubeconfig":"%%%"}}}"#),
    "illegal base64 data at input byte 0"
)]
#[case::type_before_empty(
    |asked: &mut Asked| (asked.connection, asked.kubeconfig) = ("proxy", Some(String::new())),
    "cluster connection type MUST be direct"
)]
#[case::type_before_parse(
    |asked: &mut Asked| (asked.connection, asked.kubeconfig) = ("", Some("a: b: c".to_owned())),
    "cluster connection type MUST be direct"
)]
#[case::version_before_endpoint(
    |asked: &mut Asked| {
        asked.member.version = Reply::status(403, "no");
        asked.member.endpoint = Reply::Nothing;
    },
    "no"
)]
#[case::endpoint_before_configuration(
    |asked: &mut Asked| {
        asked.member.endpoint = Reply::Text(200, "hello");
        asked.member.config = other_secret();
    },
    INVALID_RESPONSE
)]
fn tells_the_first_of_two_defects(
    #[case] change: fn(&mut Asked),
    #[case] text: &str,
    #[values("v3.2.1", "v3.3.2", "v3.4.0", "v3.4.1")] version: &str,
) {
    shared(version, async |world| assert_eq!(validate(world, change).await.1, refused(text)));
}

#[rstest]
#[case::role_before_secret(
    |asked: &mut Asked| asked.member.config = config(|text| text.replace(SECRET, "x").replace("Role: member", "Role: host")),
    [JWT, JWT, JWT, ROLE]
)]
#[case::system_before_version(
    |asked: &mut Asked| {
        asked.member.system = Reply::status(403, "system");
        asked.member.version = Reply::status(403, "version");
    },
    ["version", "system", "system", "system"]
)]
fn tells_the_first_of_two_defects_by_release(
    #[case] change: fn(&mut Asked),
    #[case] texts: [&str; 4],
    #[values(0, 1, 2, 3)] release: usize,
) {
    let version = ["v3.2.1", "v3.3.2", "v3.4.0", "v3.4.1"][release];
    shared(version, async |world| assert_eq!(validate(world, change).await.1, refused(texts[release])));
}

#[rstest]
fn tells_of_a_twin_before_a_client_only_where_twins_are_known_by_address(
    #[values("v3.2.1", "v3.3.2", "v3.4.0", "v3.4.1")] version: &str,
) {
    shared(version, async |world| {
        let server = "https://203.0.113.5:6443";
        world.host.create(&joined("twin-before-client", "{}", server, "twin-before-client")).await;
        let got = validate(world, |asked| asked.kubeconfig = Some(insecure_with_authority(server))).await.1;
        let text = if world.release.has(Feature::ClusterUid) {
            "specifying a root certificates file with the insecure flag is not allowed"
        } else {
            "existing cluster twin-before-client with the exacty same server address, MUST not import the same cluster twice"
        };
        assert_eq!(got, refused(text));
    });
}

#[rstest]
fn tells_of_a_twin_before_the_version(#[values("v3.2.1", "v3.3.2", "v3.4.0", "v3.4.1")] version: &str) {
    shared(version, async |world| {
        let mut member = Member::fitting(world).identified("twin-before-version");
        member.version = Reply::status(403, "no");
        let fake = member.start(world).await;
        world.host.create(&joined("twin-before-version", "{}", &fake.server, "twin-before-version")).await;
        let got = validate(world, |asked| asked.kubeconfig = Some(fake.kubeconfig())).await.1;
        assert!(got.body.ends_with("MUST not import the same cluster twice\n"), "{got:?}");
    });
}
