//! A real etcd and kube-apiserver of the binaries in `KUBEBUILDER_ASSETS`, which end with this process however it ends.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use apiserver::Lifetime;
use apiserver::pki::{self, Authority};

/// Where the binaries are.
pub const ASSETS: &str = "KUBEBUILDER_ASSETS";

const START_LIMIT: Duration = Duration::from_mins(1);

/// The address of the API server inside the cluster.
pub const SERVICE: &str = "10.0.0.1:443";

/// Runs both, and kills them when standard input ends, which it does with the test's process.
const SUPERVISOR: &str = "\"$1/etcd\" --data-dir etcd.data --unsafe-no-fsync \
    --listen-client-urls unix://etcd:1 --advertise-client-urls unix://etcd:1 \
    --listen-peer-urls unix://peer:1 --initial-advertise-peer-urls unix://peer:1 \
    --initial-cluster default=unix://peer:1 </dev/null >etcd.log 2>&1 & etcd=$!; \
    \"$1/kube-apiserver\" --etcd-servers unix://etcd:1 --bind-address 127.0.0.1 --secure-port \"$2\" \
    --insecure-port 0 --service-cluster-ip-range 10.0.0.0/24 --authorization-mode RBAC --client-ca-file ca.crt \
    --cert-dir . --tls-cert-file server.crt --tls-private-key-file server.key \
    --service-account-issuer https://kubernetes.default.svc --service-account-key-file sa.pub \
    --service-account-signing-key-file sa.key --disable-admission-plugins ServiceAccount \
    --allow-privileged=true </dev/null >apiserver.log 2>&1 & apiserver=$!; \
    read -r _; kill -9 $apiserver $etcd; wait";

/// The running server.
pub struct RealServer {
    pub files: Files,
    supervisor: Child,
    directory: tempfile::TempDir,
}

/// What clients and controllers need of it.
#[derive(Clone)]
pub struct Files {
    pub kubeconfig: String,
    pub ca_pem: String,
    pub service_account_key_pem: String,
}

impl RealServer {
    /// Starts the server; none where there are no binaries.
    pub async fn start() -> Option<Self> {
        let assets = PathBuf::from(std::env::var_os(ASSETS)?);
        if !assets.join("kube-apiserver").is_file() {
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let files = write(directory.path(), port).unwrap();
        let supervisor = Command::new("/bin/sh")
            .args(["-c", SUPERVISOR, "supervisor"])
            .arg(assets)
            .arg(port.to_string())
            .current_dir(directory.path())
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let server = Self { files, supervisor, directory };
        server.ready().await;
        Some(server)
    }

    async fn ready(&self) {
        let client = client(&self.files.kubeconfig).await;
        let begin = Instant::now();
        loop {
            let request = http::Request::get("/readyz").body(Vec::new()).unwrap();
            match client.request_text(request).await {
                Ok(_) => return,
                Err(error) if begin.elapsed() > START_LIMIT => {
                    let log = std::fs::read_to_string(self.directory.path().join("apiserver.log")).unwrap();
                    panic!("kube-apiserver is not ready: {error}\n{log}");
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    /// Ends both.
    pub fn stop(mut self) {
        drop(self.supervisor.stdin.take());
        self.supervisor.wait().unwrap();
    }
}

/// A client with the kubeconfig's rights.
pub async fn client(kubeconfig: &str) -> kube::Client {
    let kubeconfig = kube::config::Kubeconfig::from_yaml(kubeconfig).unwrap();
    let options = kube::config::KubeConfigOptions::default();
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap();
    kube::Client::try_from(config).unwrap()
}

fn write(directory: &Path, port: u16) -> io::Result<Files> {
    let now = jiff::Timestamp::now();
    let authority = Authority::generate(now).unwrap();
    let names = ["localhost", "127.0.0.1", "kubernetes.default.svc", "10.0.0.1"].map(str::to_owned);
    let (certificate, key) = authority.server_pem(&names, now).unwrap();
    let a_day = Lifetime::for_duration(Duration::from_hours(24));
    let admin = authority.client("kubernetes-admin", &["system:masters"], a_day).unwrap();
    let accounts = rcgen::KeyPair::generate().unwrap();
    for (name, content) in [
        ("ca.crt", authority.certificate_pem()),
        ("server.crt", &certificate),
        ("server.key", &key),
        ("sa.key", &accounts.serialize_pem()),
        ("sa.pub", &accounts.public_key_pem()),
    ] {
        std::fs::write(directory.join(name), content)?;
    }
    let server = format!("https://127.0.0.1:{port}");
    Ok(Files {
        kubeconfig: pki::kubeconfig(&server, "real", authority.certificate_pem(), &admin).unwrap(),
        ca_pem: authority.certificate_pem().to_owned(),
        service_account_key_pem: accounts.serialize_pem(),
    })
}
