//! Another kubeconfig for an imported member.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use rstest::rstest;
use serde_json::{Value, json};

use super::fake::{Member, Reply};
use super::{CLUSTERS, accepted, ask, joined, refused, shared};
use crate::fixture::{MEMBER_CONFIG, SECRET, World};
use crate::records::Got;

/// A Cluster `name` with the identity `uid`, whose kubeconfig leads to nobody, and a request for another one.
struct Update<'a> {
    world: &'a World,
    name: String,
}

impl<'a> Update<'a> {
    async fn of(world: &'a World, name: &str, change: impl FnOnce(&mut Value)) -> Self {
        let mut cluster = joined(name, "{}", "https://203.0.113.9:6443", name);
        change(&mut cluster);
        world.host.create(&cluster).await;
        Self { world, name: name.to_owned() }
    }

    async fn put(&self, kubeconfig: &str) -> Got {
        let path = format!("/kapis/cluster.kubesphere.io/v1alpha1/clusters/{}/kubeconfig", self.name);
        let body = json!({"kubeconfig": STANDARD.encode(kubeconfig)}).to_string();
        ask(self.world, Method::PUT, &path, &body).await
    }

    /// Asks for the kubeconfig of `member`; the answer, and whether it was stored.
    async fn put_of(&self, member: Member) -> (Got, bool) {
        let kubeconfig = member.start(self.world).await.kubeconfig();
        let got = self.put(&kubeconfig).await;
        let cluster = self.world.host.get(&format!("{CLUSTERS}/{}", self.name)).await;
        (got, cluster["spec"]["connection"]["kubeconfig"] == STANDARD.encode(kubeconfig))
    }
}

const EMPTY: &str = "cluster kubeconfig MUST NOT be empty";
const DIFFERENT: &str = "this kubeconfig corresponds to a different cluster than the previous one, you need to make sure that \
                         kubeconfig is not from another cluster";
const JWT: &str = "failed to validate member cluster configuration, err: hostcluster Jwt is not equal to member cluster jwt, please \
                   edit the member cluster cluster config";
const ROLE: &str =
    "failed to validate member cluster configuration, err: the clusterRole of the member cluster must be 'member'";

fn of_another_secret() -> Reply {
    Member::config(&MEMBER_CONFIG.replace(SECRET, "another"))
}

#[test]
fn is_not_served_by_v3_2_1() {
    shared("v3.2.1", async |world| {
        let got = ask(world, Method::PUT, "/kapis/cluster.kubesphere.io/v1alpha1/clusters/m/kubeconfig", "{}").await;
        assert_eq!((got.status, got.body.as_str()), (Some(404), "404: Page Not Found"));
    });
}

#[rstest]
#[case::row_1_body_decodes("u-1", "{", "unexpected EOF")]
#[case::row_1_kubeconfig_is_base64("u-1b", r#"{"kubeconfig":"%%%"}"#, "illegal base64 data at input byte 0")]
#[case::row_2_cluster_exists(
    "no-such",
    r#"{"kubeconfig":"e30="}"#,
    "cluster.cluster.kubesphere.io \"no-such\" not found"
)]
fn refuses_the_request(
    #[case] name: &str,
    #[case] body: &str,
    #[case] text: &str,
    #[values("v3.3.2", "v3.4.0", "v3.4.1")] version: &str,
) {
    shared(version, async |world| {
        let path = format!("/kapis/cluster.kubesphere.io/v1alpha1/clusters/{name}/kubeconfig");
        assert_eq!(ask(world, Method::PUT, &path, body).await, refused(text));
    });
}

#[rstest]
fn row_3_refuses_that_of_the_host(#[values("v3.3.2", "v3.4.0", "v3.4.1")] version: &str) {
    shared(version, async |world| {
        let exists = async || world.host.get(&format!("{CLUSTERS}/host")).await["kind"] == "Cluster";
        world.host.until("there is a Cluster of the host", exists).await;
        let host = Update { world, name: "host".to_owned() };
        assert_eq!(host.put("").await, refused("update kubeconfig of the host cluster is not allowed"));
    });
}

#[rstest]
#[case::row_4_proxy(
    "u-4",
    "proxy",
    "",
    "update kubeconfig of member clusters which using proxy mode is not allowed, their certs are managed and will be renewed by tower"
)]
#[case::row_5_empty("u-5", "direct", "", EMPTY)]
#[case::row_6_parse("u-6", "direct", "a: b: c", "yaml: mapping values are not allowed in this context")]
fn refuses_the_kubeconfig(
    #[case] name: &str,
    #[case] connection: &str,
    #[case] kubeconfig: &str,
    #[case] text: &str,
    #[values("v3.3.2", "v3.4.0", "v3.4.1")] version: &str,
) {
    shared(version, async |world| {
        let update = Update::of(world, name, |cluster| cluster["spec"]["connection"]["type"] = connection.into()).await;
        assert_eq!(update.put(kubeconfig).await, refused(text));
    });
}

#[rstest]
#[case::row_7_version("u-7", |member: &mut Member| member.version = Reply::status(403, "no"), &["no"])]
#[case::row_8_endpoint(
    "u-8",
    |member: &mut Member| member.endpoint = Reply::Text(200, "hello"),
    &["unable validate kubesphere endpoint, invalid response: ks-apiserver , please make sure kubesphere-system.hello.svc of \
       member cluster is up and running"],
)]
#[case::row_7_before_row_8(
    "u-7-8",
    |member: &mut Member| {
        member.version = Reply::status(403, "no");
        member.endpoint = Reply::Nothing;
    },
    &["no"],
)]
#[case::row_10_another_cluster("u-10", |member: &mut Member| *member = member.clone().identified("other"), &[DIFFERENT])]
#[case::row_9_and_row_10(
    "u-9-10",
    |member: &mut Member| {
        *member = member.clone().identified("other");
        member.config = of_another_secret();
    },
    &[JWT, DIFFERENT],
)]
fn refuses_the_member(
    #[case] name: &str,
    #[case] change: fn(&mut Member),
    #[case] texts: &[&str],
    #[values("v3.3.2", "v3.4.0", "v3.4.1")] version: &str,
) {
    shared(version, async |world| {
        let mut member = Member::fitting(world).identified(name);
        change(&mut member);
        let update = Update::of(world, name, |_| ()).await;
        assert_eq!(update.put_of(member).await, (refused(&texts.join("\n")), false));
    });
}

#[rstest]
fn row_9_another_secret_is_refused_and_stored(#[values("v3.3.2", "v3.4.0", "v3.4.1")] version: &str) {
    shared(version, async |world| {
        let member = Member { config: of_another_secret(), ..Member::fitting(world).identified("u-9") };
        let update = Update::of(world, "u-9", |_| ()).await;
        assert_eq!(update.put_of(member).await, (refused(JWT), true));
    });
}

#[rstest]
#[case::v3_3_2("v3.3.2", accepted())]
#[case::v3_4_0("v3.4.0", accepted())]
#[case::v3_4_1("v3.4.1", refused(ROLE))]
fn row_9_another_role_is_stored_whether_refused_or_not(#[case] version: &str, #[case] answer: Got) {
    shared(version, async |world| {
        let mut member = Member::fitting(world).identified("u-role");
        member.config = Member::config(&MEMBER_CONFIG.replace("Role: member", "Role: host"));
        let update = Update::of(world, "u-role", |_| ()).await;
        assert_eq!(update.put_of(member).await, (answer, true));
    });
}

#[rstest]
fn row_10_takes_every_cluster_for_another_where_it_knows_none(#[values("v3.3.2", "v3.4.0", "v3.4.1")] version: &str) {
    shared(version, async |world| {
        let update = Update::of(world, "u-no-uid", |cluster| cluster["status"] = json!({})).await;
        assert_eq!(update.put_of(Member::fitting(world)).await, (refused(DIFFERENT), false));
    });
}

#[rstest]
fn row_11_stores_one_of_the_same_cluster(#[values("v3.3.2", "v3.4.0", "v3.4.1")] version: &str) {
    shared(version, async |world| {
        let update = Update::of(world, "u-11", |_| ()).await;
        let member = Member::fitting(world).identified("u-11");
        assert_eq!(update.put_of(member).await, (accepted(), true));
    });
}
