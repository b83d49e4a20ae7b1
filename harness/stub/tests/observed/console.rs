//! Acting as the browser, through the API server's service proxy: which requests the console's pages send, and in which
//! order.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use http::{Method, Request};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use stub::console::browser::{Answer, Body, Browser, Call, Http, Mode, Outcome, Unexpected};
use stub::console::form::AddCluster;
use stub::console::members::Import;

use crate::fixture::{Cluster, PASSWORD, World};
use crate::kubeconfigs;

const CONSOLE: &str = "/api/v1/namespaces/kubesphere-system/services/:ks-console:80/proxy";

/// A browser's client.
struct Client<'a> {
    cluster: &'a Cluster,
    cookie: Mutex<Option<String>>,
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    NoAnswer(#[from] kube::Error),
    #[error(transparent)]
    Unexpected(#[from] Unexpected),
}

#[async_trait]
impl Http for Client<'_> {
    type Error = Failure;

    async fn send(&self, call: &Call) -> Result<Answer, Failure> {
        let mut request = Request::builder().method(&call.method).uri(format!("{CONSOLE}{}", call.path));
        if let Some(cookie) = &*self.cookie.lock().unwrap_or_else(PoisonError::into_inner) {
            request = request.header("cookie", cookie);
        }
        if call.check_exist {
            request = request.header("x-check-exist", "true");
        }
        let (media, body) = match &call.body {
            None => ("application/json", Vec::new()),
            Some(Body::Json(value)) => ("application/json", value.to_string().into_bytes()),
            Some(Body::Form(fields)) => {
                let fields: Vec<_> =
                    fields.iter().map(|(name, value)| format!("{name}={}", value.replace('@', "%40"))).collect();
                ("application/x-www-form-urlencoded", fields.join("&").into_bytes())
            }
        };
        let request = request.header("content-type", media).body(kube::client::Body::from(body)).unwrap();
        let answer = self.cluster.client.send(request).await?;
        if let Some(cookie) = answer.headers().get("set-cookie") {
            let cookie = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
            *self.cookie.lock().unwrap_or_else(PoisonError::into_inner) = Some(cookie);
        }
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        Ok(Answer { status, body: String::from_utf8(body.to_vec()).unwrap() })
    }
}

fn client(cluster: &Cluster) -> Client<'_> {
    Client { cluster, cookie: Mutex::default() }
}

/// Waits until the console answers, and opens it.
async fn open(cluster: &Cluster) -> Browser<Client<'_>> {
    let answers = async || {
        let call = Call::new(Method::GET, "/");
        client(cluster).send(&call).await.is_ok_and(|answer| answer.status == 200)
    };
    cluster.until("ks-console answers", answers).await;
    Browser::open(client(cluster), "admin", PASSWORD).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn adds_a_cluster_looks_after_it_and_removes_it() {
    let world = World::start("v3.3.2").await;
    let browser = open(&world.host).await;
    assert_eq!(browser.mode(), Mode::Multi);
    let form = AddCluster::new("member1", kubeconfigs::valid(&world.member));
    let Import::Created { validation } = browser.add_cluster(&form).await.unwrap() else { panic!("it was refused") };
    assert_eq!(validation.unwrap().status, 200);
    world.host.until_ready("member1", "True").await;
    let taken =
        Import::Refused { message: "The name already exists. Please enter another name.".to_owned(), validation: None };
    assert_eq!(browser.add_cluster(&form).await.unwrap(), taken);
    let fresh = kubeconfigs::of_case(&world, "expires-in-3-days").await.unwrap();
    assert_eq!(browser.update_kubeconfig("member1", &fresh).await.unwrap(), Outcome::Done);
    assert_eq!(browser.remove_cluster("member1").await.unwrap(), Outcome::Done);
    let expected = "\
POST /login 200
GET /kapis/config.kubesphere.io/v1alpha2/configs/configz 200
GET /apis/cluster.kubesphere.io/v1alpha1/clusters/member1 (x-check-exist) 200
POST /kapis/cluster.kubesphere.io/v1alpha1/clusters/validation 200
POST /apis/cluster.kubesphere.io/v1alpha1/clusters 201
GET /apis/cluster.kubesphere.io/v1alpha1/clusters/member1 (x-check-exist) 200
PUT /kapis/cluster.kubesphere.io/v1alpha1/clusters/member1/kubeconfig 200
DELETE /apis/cluster.kubesphere.io/v1alpha1/clusters/member1 200";
    assert_eq!(browser.requests(), expected);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn creates_nothing_after_a_validation_that_was_refused() {
    let world = World::start("v3.3.2").await;
    let browser = open(&world.host).await;
    let unreachable = kubeconfigs::of_case(&world, "closed-port").await.unwrap();
    let import = browser.add_cluster(&AddCluster::new("member1", unreachable)).await.unwrap();
    let Import::Refused { message, validation: Some(validation) } = import else { panic!("{import:?}") };
    assert!(message.ends_with("connect: connection refused"), "{message}");
    assert_eq!(validation.status, 400);
    assert!(browser.requests().ends_with("/clusters/validation 400"), "{}", browser.requests());
    // In Edit YAML the name is not asked for, and what is encoded already is encoded once more.
    let object = stub::console::form::cluster_object("member1", &kubeconfigs::valid(&world.member));
    let import = browser.create_cluster(object).await.unwrap();
    let Import::Refused { message, .. } = import else { panic!("{import:?}") };
    assert!(message.starts_with("couldn't get version/kind; json parse error"), "{message}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn validates_no_connection_through_an_agent() {
    let world = World::start("v3.3.2").await;
    let browser = open(&world.host).await;
    let mut object = AddCluster::new("agent1", "never looked at").object();
    object["spec"]["connection"]["type"] = "proxy".into();
    assert_eq!(browser.create_cluster(object).await.unwrap(), Import::Created { validation: None });
    let made = world.host.get("/apis/cluster.kubesphere.io/v1alpha1/clusters/agent1").await;
    assert_eq!(made["spec"]["connection"], json!({"type": "proxy"}));
    world.stop().await;
}

const CONFIGURATION: &str =
    "/apis/installer.kubesphere.io/v1alpha1/namespaces/kubesphere-system/clusterconfigurations/ks-installer";

/// A `ClusterConfiguration` that no installer looks at.
async fn configure(cluster: &Cluster) {
    let release = kubesphere::Release::find("v3.3.2").unwrap();
    let manifest = stub::manifests::installer_yaml(release);
    let definition = manifest.split("\n---\n").next().unwrap().trim_start_matches("---\n");
    cluster.create(&serde_yaml::from_str::<Value>(definition).unwrap()).await;
    let object = serde_yaml::from_str::<Value>(&stub::manifests::cluster_configuration_yaml(release)).unwrap();
    let path = CONFIGURATION.strip_suffix("/ks-installer").unwrap();
    cluster
        .until("the kind is served", async || {
            matches!(cluster.call(Method::POST, path, Some(&object)).await.0, 201 | 409)
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_the_configuration_of_a_single_cluster_and_writes_over_what_came_between() {
    let world = World::start("v3.3.2").await;
    configure(&world.member).await;
    let browser = open(&world.member).await;
    assert_eq!(browser.mode(), Mode::Single);
    let other = json!({"metadata": {"labels": {"mine": "1"}}, "spec": {"multicluster": {"clusterRole": "host"}}});
    let meanwhile = || tokio::runtime::Handle::current().block_on(world.member.patch(CONFIGURATION, &other));
    let outcome = browser.edit_cluster_configuration(|text| {
        assert!(!text.contains("resourceVersion:") && !text.contains("uid:"), "{text}");
        tokio::task::block_in_place(meanwhile);
        Ok::<_, String>(text.replace("clusterRole: none", "clusterRole: member"))
    });
    assert_eq!(outcome.await.unwrap(), Outcome::Done);
    let object = world.member.get(CONFIGURATION).await;
    assert_eq!(
        (&object["spec"]["multicluster"]["clusterRole"], object["metadata"].get("labels")),
        (&"member".into(), Some(&json!({"version": "v3.3.2"})))
    );
    let expected = format!(
        "\
POST /login 200
GET /kapis/config.kubesphere.io/v1alpha2/configs/configz 200
GET /apis/apiextensions.k8s.io/v1/customresourcedefinitions 200
GET /apis/installer.kubesphere.io/v1alpha1/clusterconfigurations 200
GET {CONFIGURATION} 200
PUT {CONFIGURATION} 200"
    );
    assert_eq!(browser.requests(), expected);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_the_configuration_of_the_host_as_of_one_cluster_among_several() {
    let world = World::start("v3.3.2").await;
    configure(&world.host).await;
    world.host.until_ready("host", "True").await;
    let browser = open(&world.host).await;
    let edit = |text: &str| Ok::<_, String>(text.replace("clusterRole: none", "clusterRole: host"));
    assert_eq!(browser.edit_cluster_configuration(edit).await.unwrap(), Outcome::Done);
    assert_eq!(world.host.get(CONFIGURATION).await["spec"]["multicluster"]["clusterRole"], "host");
    let of_host = CONFIGURATION.replace("/apis/", "/apis/clusters/host/");
    let expected = format!(
        "\
POST /login 200
GET /kapis/config.kubesphere.io/v1alpha2/configs/configz 200
GET /kapis/resources.kubesphere.io/v1alpha3/clusters 200
GET /apis/clusters/host/apiextensions.k8s.io/v1/customresourcedefinitions 200
GET /apis/clusters/host/installer.kubesphere.io/v1alpha1/clusterconfigurations 200
GET {of_host} 200
PUT {of_host} 200"
    );
    assert_eq!(browser.requests(), expected);
    world.stop().await;
}
