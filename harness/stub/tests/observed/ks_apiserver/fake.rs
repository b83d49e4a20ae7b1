//! A member made of canned answers: every state that a member can be in, and what it was asked.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::fixture::{World, member_config};

/// What it answers to one path.
#[derive(Clone)]
pub enum Reply {
    Json(u16, Value),
    Text(u16, &'static str),
    /// The connection is closed.
    Nothing,
}

impl Reply {
    /// A Status with `message`.
    pub fn status(code: u16, message: &str) -> Self {
        Self::Json(
            code,
            json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code}),
        )
    }

    fn bytes(&self) -> Option<Vec<u8>> {
        let (code, content_type, body) = match self {
            Self::Json(code, value) => (code, "application/json", value.to_string()),
            Self::Text(code, text) => (code, "text/plain", (*text).to_owned()),
            Self::Nothing => return None,
        };
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {code} X\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
        );
        Some((head + &body).into_bytes())
    }
}

/// The answers of a member, by what is asked.
#[derive(Clone)]
pub struct Member {
    pub system: Reply,
    pub version: Reply,
    pub endpoint: Reply,
    pub config: Reply,
    /// Anything else.
    pub other: Reply,
}

pub const PROXY: &str = "/api/v1/namespaces/kubesphere-system/services/:ks-apiserver:/proxy";

impl Member {
    /// A member of `world`'s release that fits its host.
    pub fn fitting(world: &World) -> Self {
        Self {
            system: Reply::Json(200, json!({"kind": "Namespace", "metadata": {"uid": next_address().to_string()}})),
            version: Reply::Json(200, json!({"gitVersion": "v1.20.2"})),
            endpoint: Reply::Json(200, json!({"gitVersion": world.release.tag()})),
            config: Self::config(&member_config(world.release)),
            other: Reply::status(404, "the server could not find the requested resource"),
        }
    }

    /// The ConfigMap with `kubesphere.yaml`.
    pub fn config(text: &str) -> Reply {
        Reply::Json(200, json!({"kind": "ConfigMap", "data": {"kubesphere.yaml": text}}))
    }

    /// The identity of its `kube-system`.
    pub fn identified(mut self, uid: &str) -> Self {
        self.system = Reply::Json(200, json!({"kind": "Namespace", "metadata": {"uid": uid}}));
        self
    }

    fn reply(&self, target: &str) -> &Reply {
        match target.split('?').next().unwrap() {
            "/api/v1/namespaces/kube-system" => &self.system,
            "/version" => &self.version,
            "/api/v1/namespaces/kubesphere-system/configmaps/kubesphere-config" => &self.config,
            path if path == format!("{PROXY}/kapis/version") => &self.endpoint,
            _ => &self.other,
        }
    }

    /// Lets it listen at an address of its own.
    pub async fn start(self, world: &World) -> Fake {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = SocketAddr::from((next_address(), 6443));
        world.network.add_endpoint(address, listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = asked.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, self.clone(), seen.clone()));
            }
        });
        Fake { server: format!("http://{address}"), asked }
    }
}

/// An address that nobody else has.
pub fn next_address() -> Ipv4Addr {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    Ipv4Addr::from(u32::from(Ipv4Addr::new(198, 18, 0, 0)) + NEXT.fetch_add(1, Ordering::Relaxed))
}

async fn answer(mut stream: TcpStream, member: Member, seen: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        head.push(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let target = head.split(' ').nth(1).unwrap().to_owned();
    seen.lock().unwrap().push(head);
    if let Some(bytes) = member.reply(&target).bytes() {
        let _gone = stream.write_all(&bytes).await;
    }
}

/// A member that listens.
pub struct Fake {
    /// As a kubeconfig names it.
    pub server: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    pub fn kubeconfig(&self) -> String {
        kubeconfig(&json!({"server": self.server}), &json!({}))
    }

    /// The heads of the requests so far.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// A kubeconfig of one cluster and one user.
pub fn kubeconfig(cluster: &Value, user: &Value) -> String {
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "x",
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
    });
    serde_yaml::to_string(&config).unwrap()
}
