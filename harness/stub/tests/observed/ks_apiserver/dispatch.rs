//! Requests for members through the host.

use http::Method;
use kubesphere::Feature;
use rstest::rstest;
use serde_json::{Value, json};

use super::fake::{Member, PROXY, Reply, kubeconfig};
use super::{CLUSTERS, ask, introduced, joined, text_answer, unauthorized};
use crate::fixture::{Plan, SECRET, World};
use crate::kubeconfigs;
use crate::records::{Got, placeholders};

/// Makes the real member known to the host as `name`, without an import.
async fn introduce(world: &World, name: &str) {
    let address = format!("https://{}:6443", world.member.address);
    world.host.create(&joined(name, &kubeconfigs::valid(&world.member), &address, name)).await;
}

async fn get(world: &World, path: &str) -> Got {
    ask(world, Method::GET, path, "").await
}

#[rstest]
fn host_label_is_served_here(#[values("v3.2.1", "v3.3.2", "v3.4.0", "v3.4.1")] version: &str) {
    introduced(version, async |world| {
        let exists = async || world.host.get(&format!("{CLUSTERS}/host")).await["kind"] == "Cluster";
        world.host.until("there is a Cluster of the host", exists).await;
        let nodes: Value = serde_json::from_str(&get(world, "/api/clusters/host/v1/nodes").await.body).unwrap();
        assert_eq!(nodes["items"][0]["metadata"]["name"], "host-node1");
    });
}

#[rstest]
#[case::api("/api/clusters/d-direct/v1/nodes")]
#[case::kapis("/kapis/clusters/d-direct/resources.kubesphere.io/v1alpha3/nodes")]
fn direct_member_is_asked_through_its_service_proxy(
    #[case] path: &str,
    #[values("v3.2.1", "v3.3.2", "v3.4.0", "v3.4.1")] version: &str,
) {
    introduced(version, async |world| {
        let name = format!("d-direct-{}", path.len());
        introduce(world, &name).await;
        let nodes: Value = serde_json::from_str(&get(world, &path.replace("d-direct", &name)).await.body).unwrap();
        let names: Vec<_> = nodes["items"].as_array().unwrap().iter().map(|node| &node["metadata"]["name"]).collect();
        assert!(
            names.len() == 2 && names.iter().all(|name| name.as_str().unwrap().starts_with("member-node")),
            "{names:?}"
        );
    });
}

/// What arrives at the member's kube-apiserver.
#[rstest]
#[case::token_is_carried("/kapis/clusters/NAME/version", &[], PROXY, "/kapis/version")]
#[case::dry_run_is_respelled("/api/clusters/NAME/v1/namespaces?dryRun=All", &[], PROXY, "/api/v1/namespaces?dryrun=All")]
#[case::query_of_an_upgrade_is_carried(
    "/api/clusters/NAME/v1/nodes?watch=true",
    &[("connection", "Upgrade"), ("upgrade", "websocket")],
    PROXY,
    "/api/v1/nodes?watch=true"
)]
fn request_on_its_way(
    #[case] path: &str,
    #[case] headers: &[(&str, &str)],
    #[case] prefix: &str,
    #[case] rest: &str,
    #[values("v3.2.1", "v3.3.2", "v3.4.0", "v3.4.1")] version: &str,
) {
    introduced(version, async |world| {
        let mut member = Member::fitting(world);
        member.other = Reply::Json(200, json!({"kind": "Fine"}));
        member.endpoint = member.other.clone();
        let fake = member.start(world).await;
        let name = fake.server.rsplit('/').next().unwrap().replace([':', '.'], "-");
        world.host.create(&joined(&name, &fake.kubeconfig(), &fake.server, &name)).await;
        let token = format!("Bearer {}", world.host.token("admin").await);
        let headers: Vec<_> = headers.iter().copied().chain([("authorization", token.as_str())]).collect();
        let got = world.host.ask(Method::GET, &path.replace("NAME", &name), &headers, "").await;
        assert_eq!(got.status, Some(200), "{got:?}");
        let asked = fake.asked();
        let [head] = asked.as_slice() else { panic!("{asked:?}") };
        let mut lines = head.lines();
        assert_eq!(lines.next().unwrap(), format!("GET {prefix}{rest} HTTP/1.1"));
        let fields: Vec<_> = lines.filter_map(|line| line.split_once(": ")).collect();
        let field =
            |name: &str| fields.iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| *value);
        assert_eq!((field("authorization"), field("x-kubesphere-authorization")), (None, Some(token.as_str())));
        let upgrades = headers.iter().any(|(name, _)| *name == "upgrade");
        assert_eq!(field("x-kubesphere-rawquery"), upgrades.then_some("watch=true"));
    });
}

#[rstest]
fn carried_query_is_taken_where_there_is_none(#[values("v3.2.1", "v3.3.2", "v3.4.0", "v3.4.1")] version: &str) {
    introduced(version, async |world| {
        let token = format!("Bearer {}", world.member.token("admin").await);
        let ask = async |path: &str| {
            let headers = [("x-kubesphere-authorization", token.as_str()), ("x-kubesphere-rawquery", "limit=1")];
            let got = world.member.ask(Method::GET, path, &headers, "").await;
            let list: Value = serde_json::from_str(&got.body).unwrap();
            list["items"].as_array().unwrap().len()
        };
        assert_eq!((ask("/api/v1/nodes").await, ask("/api/v1/nodes?limit=2").await), (1, 2));
    });
}

#[rstest]
fn unknown_cluster(
    #[values("v3.2.1", "v3.3.2", "v3.4.0", "v3.4.1")] version: &str,
    #[values("/kapis/clusters/nosuch/version", "/api/clusters/nosuch/v1/nodes")] path: &str,
) {
    introduced(version, async |world| {
        let got = get(world, path).await;
        if world.release.has(Feature::DispatchFilter) {
            let body = json!({"ErrStatus": {
                "metadata": {}, "status": "Failure", "message": "cluster nosuch not exists", "reason": "BadRequest",
                "code": 400,
            }});
            let content_type = Some("application/json".to_owned());
            assert_eq!(got, Got { status: Some(400), content_type, body: format!("{body:#}") });
        } else {
            assert_eq!(got, text_answer(404, "cluster nosuch not found"));
        }
    });
}

#[rstest]
#[case::not_ready("d-not-ready", |cluster: &mut Value| cluster["status"]["conditions"][0]["status"] = "False".into())]
#[case::never_looked_at("d-new", |cluster: &mut Value| cluster["status"] = json!({}))]
#[case::no_client("d-no-client", |cluster: &mut Value| cluster["spec"]["connection"]["kubernetesAPIEndpoint"] = "".into())]
fn not_ready(
    #[case] name: &str,
    #[case] change: fn(&mut Value),
    #[values("v3.2.1", "v3.3.2", "v3.4.0", "v3.4.1")] version: &str,
) {
    introduced(version, async |world| {
        let mut cluster = joined(name, &kubeconfigs::valid(&world.member), "https://192.0.2.20:6443", name);
        change(&mut cluster);
        world.host.create(&cluster).await;
        let path = format!("/api/clusters/{name}/v1/nodes");
        let got = get(world, &path).await;
        if world.release.has(Feature::DispatchFilter) {
            let text = format!("Internal Server Error: {path:?}: cluster {name} is not ready");
            assert_eq!(got, text_answer(500, &text));
        } else {
            assert_eq!(got, text_answer(400, &format!("cluster {name} is not ready")));
        }
    });
}

#[rstest]
fn kube_apiserver_is_down(#[values("v3.2.1", "v3.3.2", "v3.4.0", "v3.4.1")] version: &str) {
    introduced(version, async |world| {
        let server = format!("https://{}:6999", world.member.address);
        world.host.create(&joined("d-down", &kubeconfigs::valid(&world.member), &server, "d-down")).await;
        let mut got = get(world, "/api/clusters/d-down/v1/nodes").await;
        got.body = placeholders(world, &got.body);
        let cause = "dial tcp MEMBER_IP:6999: connect: connection refused";
        if world.release.has(Feature::DispatchFilter) {
            assert_eq!(got, text_answer(500, cause));
        } else {
            let text = format!("Internal Server Error: \"/api/clusters/d-down/v1/nodes\": {cause}");
            assert_eq!(got, text_answer(500, &text));
        }
    });
}

#[rstest]
fn user_is_not_synced(#[values("v3.2.1", "v3.3.2", "v3.4.0", "v3.4.1")] version: &str) {
    introduced(version, async |world| {
        introduce(world, "d-user").await;
        world.host.create_user("unsynced").await;
        let token = format!("Bearer {}", world.host.token("unsynced").await);
        let got = world
            .host
            .ask(Method::GET, "/api/clusters/d-user/v1/nodes", &[("authorization", token.as_str())], "")
            .await;
        assert_eq!(got, unauthorized("user.iam.kubesphere.io \"unsynced\" not found"));
    });
}

#[rstest]
fn own_rules_are_asked_of_the_member_alone(#[values("v3.2.1", "v3.3.2", "v3.4.0", "v3.4.1")] version: &str) {
    introduced(version, async |world| {
        introduce(world, "d-anonymous").await;
        let nodes = world.host.ask(Method::GET, "/api/clusters/d-anonymous/v1/nodes", &[], "").await;
        assert!(nodes.status == Some(403) && nodes.body.contains("system:anonymous"), "{nodes:?}");
        let version = world.host.ask(Method::GET, "/kapis/clusters/d-anonymous/version", &[], "").await;
        assert_eq!(version.status, Some(200));
        let nonsense = [("authorization", "Bearer nonsense")];
        let refused = world.host.ask(Method::GET, "/kapis/clusters/d-anonymous/version", &nonsense, "").await;
        assert_eq!(refused, unauthorized("token contains an invalid number of segments"));
    });
}

/// A client is made for a Cluster's connection, and another one when that changes.
#[rstest]
fn client_follows_the_connection(#[values("v3.2.1", "v3.3.2", "v3.4.0", "v3.4.1")] version: &str) {
    introduced(version, async |world| {
        let answers = |text: &'static str| Member {
            endpoint: Reply::Text(200, text),
            ..Member::fitting(world).identified("d-moves")
        };
        let first = answers("first").start(world).await;
        let second = answers("second").start(world).await;
        world.host.create(&joined("d-moves", &first.kubeconfig(), &first.server, "d-moves")).await;
        assert_eq!(get(world, "/kapis/clusters/d-moves/version").await.body, "first");
        let path = format!("{CLUSTERS}/d-moves");
        let change = json!({"spec": {"connection": {"kubernetesAPIEndpoint": second.server}}});
        world.host.patch(&path, &change).await;
        assert_eq!(get(world, "/kapis/clusters/d-moves/version").await.body, "second");
    });
}

#[rstest]
fn credentials_are_those_of_the_kubeconfig(#[values("v3.2.1", "v3.3.2", "v3.4.0", "v3.4.1")] version: &str) {
    introduced(version, async |world| {
        let server = format!("https://{}:6443", world.member.address);
        let cluster = json!({"server": server, "insecure-skip-tls-verify": true});
        let text = kubeconfig(&cluster, &json!({"token": "nonsense"}));
        world.host.create(&joined("d-token", &text, &server, "d-token")).await;
        let got = get(world, "/kapis/clusters/d-token/version").await;
        let status: Value = serde_json::from_str(&got.body).unwrap();
        assert_eq!((got.status, &status["message"]), (Some(401), &"Unauthorized".into()));
    });
}

/// What a member refuses whose secret, cache or clock is another than the host's.
#[rstest]
#[case::another_secret(|plan: Plan| plan.member(|text| text.replace(SECRET, "another")), "signature is invalid")]
#[case::tokens_in_a_cache(
    |plan: Plan| plan.member(|text| text.replace("    accessTokenMaxAge: 0\n", "")),
    "token not found in cache"
)]
#[case::clocks_differ(|plan: Plan| plan.member_clock(-30), "jwt: token used before issued, iat:")]
#[tokio::test(flavor = "multi_thread")]
async fn member_does_not_believe(
    #[case] plan: fn(Plan) -> Plan,
    #[case] reason: &str,
    #[values("v3.2.1", "v3.3.2", "v3.4.0", "v3.4.1")] version: &str,
) {
    let world = plan(Plan::new(version)).hold("config-reload").start().await;
    introduce(&world, "d-other").await;
    let got = get(&world, "/kapis/clusters/d-other/version").await;
    let status: Value = serde_json::from_str(&got.body).unwrap();
    let message = status["message"].as_str().unwrap();
    assert!(got.status == Some(401) && message.starts_with(&format!("Unauthorized: {reason}")), "{got:?}");
    let logs = world.member.logs().await;
    assert!(logs.contains(reason), "{logs}");
    world.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn clocks_may_differ_by_the_skew(#[values("v3.3.2", "v3.4.1")] version: &str) {
    let world = Plan::new(version).member_clock(-5).hold("config-reload").start().await;
    introduce(&world, "d-near").await;
    assert_eq!(get(&world, "/kapis/clusters/d-near/version").await.status, Some(200));
    world.stop().await;
}
