//! Two real API servers with etcd, started side by side the way envtest does it.

use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::process::{Child, Command};

use crate::Failure;

/// Longest start of one of them.
const LIMIT: Duration = Duration::from_mins(2);

/// How long until both answer `/readyz`.
pub async fn two_ready(assets: &Path) -> Result<Duration, Failure> {
    let begin = Instant::now();
    let (one, other) = tokio::try_join!(Server::start(assets), Server::start(assets))?;
    let taken = begin.elapsed();
    one.stop().await?;
    other.stop().await?;
    Ok(taken)
}

struct Server {
    processes: [Child; 2],
    _directory: tempfile::TempDir,
}

impl Server {
    async fn start(assets: &Path) -> Result<Self, Failure> {
        let directory = tempfile::tempdir()?;
        let key = rcgen::KeyPair::generate()?;
        let (key_path, public_path) = (directory.path().join("sa.key"), directory.path().join("sa.pub"));
        std::fs::write(&key_path, key.serialize_pem())?;
        // Out of a PKCS #8 file the original reads the private key alone.
        std::fs::write(&public_path, key.public_key_pem())?;
        let data = directory.path().join("etcd");
        let [client, peer, secure] = ports()?;
        let (client, peer) = (format!("http://127.0.0.1:{client}"), format!("http://127.0.0.1:{peer}"));
        let etcd = quiet(&assets.join("etcd"))
            .arg("--data-dir")
            .arg(data)
            .args(["--unsafe-no-fsync", "--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .arg(format!("--initial-cluster=default={peer}"))
            .spawn()?;
        let apiserver = quiet(&assets.join("kube-apiserver"))
            .args([
                "--etcd-servers",
                &client,
                "--bind-address=127.0.0.1",
                "--advertise-address=127.0.0.1",
                "--insecure-port=0",
            ])
            .arg(format!("--secure-port={secure}"))
            .arg("--cert-dir")
            .arg(directory.path())
            .args(["--authorization-mode=RBAC", "--service-account-issuer=https://kubernetes.default.svc"])
            .args(["--disable-admission-plugins=ServiceAccount", "--service-cluster-ip-range=10.0.0.0/24"])
            .arg("--service-account-key-file")
            .arg(&public_path)
            .arg("--service-account-signing-key-file")
            .arg(&key_path)
            .spawn()?;
        let mut server = Self { processes: [apiserver, etcd], _directory: directory };
        tokio::select! {
            ready = ready(secure) => ready?,
            status = server.processes[0].wait() => return Err(format!("kube-apiserver ended: {}", status?).into()),
        }
        Ok(server)
    }

    async fn stop(self) -> Result<(), Failure> {
        for mut process in self.processes {
            process.kill().await?;
        }
        Ok(())
    }
}

/// Anonymous requests may ask for readiness (kubernetes v1.20, role `system:public-info-viewer`).
async fn ready(port: u16) -> Result<(), Failure> {
    let http = reqwest::Client::builder().tls_danger_accept_invalid_certs(true).no_proxy().build()?;
    let begin = Instant::now();
    loop {
        let answer = http.get(format!("https://127.0.0.1:{port}/readyz")).send().await;
        if answer.is_ok_and(|answer| answer.status().is_success()) {
            return Ok(());
        }
        if begin.elapsed() > LIMIT {
            return Err("kube-apiserver is not ready within 120 s".into());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn quiet(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    command
}

fn ports() -> std::io::Result<[u16; 3]> {
    // All three at once, so that they differ.
    let listeners =
        [TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?];
    let [one, two, three] = &listeners;
    Ok([one.local_addr()?.port(), two.local_addr()?.port(), three.local_addr()?.port()])
}
