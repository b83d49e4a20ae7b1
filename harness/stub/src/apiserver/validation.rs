//! Looking at a member before it is imported, and changing its kubeconfig (kubesphere v3.3.2,
//! `pkg/kapis/cluster/v1alpha1/handler.go`; order and texts as seen on v3.3.2).

use bytes::Bytes;
use http::{StatusCode, header};
use kubesphere::Feature;
use kubesphere::names::{labels, namespaces, objects};
use nodes::network::serve::Abort;
use serde_json::Value;

use super::cluster_body;
use super::respond::{self, Answer};
use super::server::{Incoming, Server};
use super::settings::text_of;
use crate::delays::REQUEST_LIMIT;
use crate::member::go_base64::decode_base64;
use crate::member::{ApiClient, RestConfig, Target, go_yaml, kubeconfig};

/// A refusal: the line of KubeSphere's handler that reports it, and its text.
struct Refusal {
    line: u32,
    text: String,
}

impl Refusal {
    fn new(line: u32, text: impl std::fmt::Display) -> Self {
        Self { line, text: text.to_string() }
    }

    fn answer(&self, server: &Server) -> Answer {
        server.log('E', "utils.go:76", &format!("handler.go:{} {}", self.line, self.text));
        respond::text_error(StatusCode::BAD_REQUEST, &self.text)
    }
}

/// Why a comparison of the configurations ended.
enum ConfigFault {
    Differs(String),
    /// KubeSphere follows a pointer that is nil.
    Panics,
}

impl From<String> for ConfigFault {
    fn from(text: String) -> Self {
        Self::Differs(text)
    }
}

const NOT_EMPTY: &str = "cluster kubeconfig MUST NOT be empty";
const ANOTHER_CLUSTER: &str = "this kubeconfig corresponds to a different cluster than the previous one, you need to make \
                               sure that kubeconfig is not from another cluster";

/// `POST …/clusters/validation`.
///
/// # Errors
/// [`Abort`] where the real handler panics.
pub async fn validate(server: &Server, request: &Incoming) -> Result<Answer, Abort> {
    let checked = async {
        let body = decode(request).map_err(|text| Refusal::new(342, text))?;
        let cluster = cluster_body::cluster(&body).map_err(|text| Refusal::new(342, text))?;
        if cluster.connection_type != "direct" {
            return Err(Refusal::new(347, "cluster connection type MUST be direct"));
        }
        if cluster.kubeconfig.is_empty() {
            return Err(Refusal::new(352, NOT_EMPTY));
        }
        let config = kubeconfig::load(&cluster.kubeconfig).map_err(|error| Refusal::new(358, error))?;
        let member = connect(server, &config).map_err(|text| Refusal::new(364, text))?;
        let uid = system_uid(&member).await.map_err(|text| Refusal::new(369, text))?;
        not_imported(server, &cluster.name, &uid).await.map_err(|text| Refusal::new(369, text))?;
        member.get(&Target::path("/version")).await.map_err(|error| Refusal::new(374, error))?;
        endpoint_answers(&member).await.map_err(|text| Refusal::new(374, text))?;
        Ok(member)
    };
    let member = match checked.await {
        Ok(member) => member,
        Err(refusal) => return Ok(refusal.answer(server)),
    };
    match compare_configurations(server, &member).await {
        Ok(()) => Ok(respond::empty()),
        Err(ConfigFault::Differs(text)) => Ok(refuse_configuration(server, 379, &text)),
        Err(ConfigFault::Panics) => Err(panics(server)),
    }
}

/// `PUT …/clusters/NAME/kubeconfig`. After a refusal because of the configurations it goes on: a kubeconfig of the
/// same cluster is stored all the same.
///
/// # Errors
/// [`Abort`] where the real handler panics.
pub async fn update_kubeconfig(server: &Server, request: &Incoming, name: &str) -> Result<Answer, Abort> {
    let checked = async {
        let body = decode(request).map_err(|text| Refusal::new(158, text))?;
        let kubeconfig = cluster_body::kubeconfig(&body).map_err(|text| Refusal::new(158, text))?;
        let cluster =
            server.api.find(&Target::clusters().named(name)).await.map_err(|error| Refusal::new(164, error))?;
        let cluster =
            cluster.ok_or_else(|| Refusal::new(164, format!("cluster.cluster.kubesphere.io {name:?} not found")))?;
        if cluster["metadata"]["labels"].get(labels::HOST_CLUSTER).is_some() {
            return Err(Refusal::new(168, "update kubeconfig of the host cluster is not allowed"));
        }
        if cluster["spec"]["connection"]["type"] == "proxy" {
            let text = "update kubeconfig of member clusters which using proxy mode is not allowed, their certs are managed and \
                        will be renewed by tower";
            return Err(Refusal::new(173, text));
        }
        if kubeconfig.is_empty() {
            return Err(Refusal::new(180, NOT_EMPTY));
        }
        let config = kubeconfig::load(&kubeconfig).map_err(|error| Refusal::new(186, error))?;
        let member = connect(server, &config).map_err(|text| Refusal::new(191, text))?;
        member.get(&Target::path("/version")).await.map_err(|error| Refusal::new(196, error))?;
        endpoint_answers(&member).await.map_err(|text| Refusal::new(196, text))?;
        Ok((cluster, member, body["kubeconfig"].clone()))
    };
    let (mut cluster, member, kubeconfig) = match checked.await {
        Ok(checked) => checked,
        Err(refusal) => return Ok(refusal.answer(server)),
    };
    let refused = match compare_configurations(server, &member).await {
        Ok(()) => None,
        Err(ConfigFault::Differs(text)) => Some(refuse_configuration(server, 202, &text)),
        Err(ConfigFault::Panics) => return Err(panics(server)),
    };
    let stored = async {
        let uid = system_uid(&member).await.map_err(|text| Refusal::new(209, text))?;
        if cluster["status"]["uid"].as_str().unwrap_or_default() != uid {
            return Err(Refusal::new(214, ANOTHER_CLUSTER));
        }
        cluster["spec"]["connection"]["kubeconfig"] = kubeconfig;
        server.api.update(&Target::clusters().named(name), &cluster).await.map_err(|error| Refusal::new(221, error))
    };
    let answer = match stored.await {
        Ok(_) => respond::empty(),
        Err(refusal) => refusal.answer(server),
    };
    Ok(refused.unwrap_or(answer))
}

/// The body as go-restful decodes it: JSON, by its content type.
fn decode(request: &Incoming) -> Result<Value, String> {
    let content_type =
        request.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !content_type.contains("application/json") {
        return Err(format!("[ServiceError:400] Unable to unmarshal content of type:{content_type}"));
    }
    cluster_body::document(&request.body)
}

fn connect(server: &Server, config: &RestConfig) -> Result<ApiClient, String> {
    config.connect(&server.ctx.network, &server.ctx.clock, Some(REQUEST_LIMIT)).map_err(|error| error.to_string())
}

/// The UID of the member's `kube-system`, by which clusters are told apart.
async fn system_uid(member: &ApiClient) -> Result<String, String> {
    let namespace =
        member.get(&Target::core("namespaces").named("kube-system")).await.map_err(|error| error.to_string())?;
    Ok(text_of(&namespace["metadata"]["uid"]))
}

/// A Cluster that never joined has no UID, so it is not found here.
async fn not_imported(server: &Server, name: &str, uid: &str) -> Result<(), String> {
    let clusters = server.api.get(&Target::clusters()).await.map_err(|error| error.to_string())?;
    let twin = clusters["items"].as_array().and_then(|items| items.iter().find(|item| item["status"]["uid"] == uid));
    match twin {
        None => Ok(()),
        Some(twin) => Err(format!(
            "cluster {name} already exists ({}), MUST not import the same cluster twice",
            text_of(&twin["metadata"]["name"])
        )),
    }
}

/// Asks the member's ks-apiserver for its version. The real text has its arguments in the wrong places.
async fn endpoint_answers(member: &ApiClient) -> Result<(), String> {
    let path = "/api/v1/namespaces/kubesphere-system/services/:ks-apiserver:/proxy/kapis/version";
    let (code, body) = member
        .fetch(path, REQUEST_LIMIT)
        .await
        .map_err(|error| format!("unable validate kubesphere endpoint, {error}"))?;
    if code == 200 && serde_json::from_slice::<Value>(&body).is_ok_and(|version| version.is_object()) {
        return Ok(());
    }
    Err(format!(
        "unable validate kubesphere endpoint, invalid response: {} , please make sure {}.{}.svc of member cluster is up and running",
        objects::APISERVER,
        namespaces::SYSTEM,
        String::from_utf8_lossy(&body)
    ))
}

/// Compares the `jwtSecret` in the two ConfigMaps, not in the running processes.
async fn compare_configurations(server: &Server, member: &ApiClient) -> Result<(), ConfigFault> {
    let target = Target::core("configmaps").within(namespaces::SYSTEM).named(objects::CONFIG);
    let host = server.api.get(&target).await.map_err(|error| {
        format!("failed to get host cluster kubesphere-system/configmap/kubesphere-config, err: {error}")
    })?;
    let host = parse(&host)?;
    let member = parse(&member.get(&target).await.map_err(|error| error.to_string())?)?;
    if server.has(Feature::MemberRoleChecked) {
        let section = member["multicluster"].as_object().ok_or(ConfigFault::Panics)?;
        if section.get("clusterRole").is_none_or(|role| role != "member") {
            return Err("the clusterRole of the member cluster must be 'member'".to_owned().into());
        }
    }
    let secret = |config: &Value| {
        let section = config["authentication"].as_object().ok_or(ConfigFault::Panics)?;
        Ok::<_, ConfigFault>(section.get("jwtSecret").map(text_of).unwrap_or_default())
    };
    if secret(&host)? == secret(&member)? {
        Ok(())
    } else {
        let text = "hostcluster Jwt is not equal to member cluster jwt, please edit the member cluster cluster config";
        Err(text.to_owned().into())
    }
}

fn parse(config_map: &Value) -> Result<Value, String> {
    let Some(text) = config_map["data"][objects::CONFIG_KEY].as_str() else {
        return Err(format!("failed to get configmap {} value", objects::CONFIG_KEY));
    };
    go_yaml::read(text.as_bytes()).map_err(|error| format!("failed to unmarshal value from configmap. err: {error}"))
}

fn refuse_configuration(server: &Server, line: u32, text: &str) -> Answer {
    Refusal::new(line, format!("failed to validate member cluster configuration, err: {text}")).answer(server)
}

fn panics(server: &Server) -> Abort {
    server.log(
        'E',
        "server.go",
        "http: panic serving: runtime error: invalid memory address or nil pointer dereference",
    );
    Abort
}

/// The kubeconfig in a Cluster's spec, as bytes.
pub(crate) fn kubeconfig_bytes(text: &str) -> Result<Bytes, String> {
    decode_base64(text.as_bytes()).map(Bytes::from).map_err(|error| error.to_string())
}
