//! One real API server: etcd and kube-apiserver in a directory of their own, reached over loopback.
//!
//! etcd listens on Unix sockets in that directory and nowhere else: no port to race for, and nobody else reads it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use apiserver::pki::{self, Authority};
use scenario::model::On;

use super::NAME;
use super::assets::Assets;
use super::egress::Egress;
use super::process::Process;
use crate::leases::Lease;
use crate::provider::ProviderError;
use crate::simulated::{self, SERVICE_CIDR_PREFIX, SERVICE_IP, Server};

/// Longest start; two at once take four seconds on two idle cores.
const START_LIMIT: Duration = Duration::from_mins(2);
/// Between two questions whether it is ready.
const LOOK: Duration = Duration::from_millis(20);
/// How often another port is tried when somebody else took the one that was just free.
const PORT_TRIES: usize = 5;
/// Names of etcd's sockets. `host:port` is the form that etcd asks of a Unix socket's address, too; they are relative to
/// the directory that both programs run in (etcd 3.4, `pkg/types/urls.go`).
const ETCD: &str = "unix://etcd:1";
const ETCD_PEER: &str = "unix://etcd-peer:1";

pub(super) struct RealServer {
    pub(super) seen: Server,
    pub(super) client: kube::Client,
    pub(super) egress: Egress,
    pub(super) authority: Authority,
    processes: Vec<Process>,
}

type Cause = Box<dyn std::error::Error + Send + Sync>;

impl RealServer {
    /// Starts the server of `on` in `directory` and returns once it is ready for an administrator.
    pub(super) async fn start(
        lease: &Lease,
        assets: &Assets,
        on: On,
        directory: PathBuf,
    ) -> Result<Self, ProviderError> {
        let started = start(lease, assets, on, &directory).await;
        started.map_err(|source| ProviderError::new(NAME, format!("start kube-apiserver of the {on} cluster"), source))
    }

    /// The log files of its processes.
    pub(super) fn logs(&self) -> impl Iterator<Item = &Path> {
        self.processes.iter().map(Process::log)
    }

    /// Ends both processes.
    pub(super) async fn stop(self) -> io::Result<()> {
        let mut outcome = Ok(());
        for process in self.processes {
            outcome = outcome.and(process.stop().await);
        }
        self.egress.stop().await;
        outcome
    }
}

async fn start(lease: &Lease, assets: &Assets, on: On, directory: &Path) -> Result<RealServer, Cause> {
    std::fs::create_dir_all(directory)?;
    let files = Files::write(directory, on)?;
    let egress = Egress::start(&directory.join("egress.sock"))?;
    write(&directory.join("egress.json"), &egress.configuration())?;
    let etcd = Process::start(lease, "etcd", &assets.etcd, &etcd_arguments(), directory).await?;
    let mut processes = vec![etcd];
    let begin = Instant::now();
    for tries_left in (0..PORT_TRIES).rev() {
        let port = free_port()?;
        let apiserver = (assets.kube_apiserver.as_path(), apiserver_arguments(on, port));
        let apiserver = Process::start(lease, "kube-apiserver", apiserver.0, &apiserver.1, directory).await?;
        processes.push(apiserver);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let admin = files.admin_kubeconfig(&format!("https://{address}"))?;
        let client = simulated::admin_client(&admin)?;
        let ready = tokio::select! {
            ready = ready(&client, begin) => ready,
            error = early_end(&mut processes) => Err(error),
        };
        match ready {
            Ok(version) => {
                let seen = Server {
                    address,
                    admin,
                    ca_pem: files.authority.certificate_pem().to_owned(),
                    service_account_key_pem: files.service_account_key_pem,
                    version,
                    embedded: None,
                };
                return Ok(RealServer { seen, client, egress, authority: files.authority, processes });
            }
            Err(error) if tries_left > 0 && error.to_string().contains("address already in use") => {
                if let Some(process) = processes.pop() {
                    process.stop().await?;
                }
            }
            Err(error) => {
                for process in processes {
                    process.stop().await?;
                }
                return Err(error.into());
            }
        }
    }
    Err("no port of this machine stays free".into())
}

/// What the programs read, and what their clients need.
struct Files {
    authority: Authority,
    service_account_key_pem: String,
}

impl Files {
    fn write(directory: &Path, on: On) -> Result<Self, Cause> {
        let now = jiff::Timestamp::now();
        let authority = Authority::generate(now)?;
        let mut names = simulated::server_names(on);
        let inside = ["localhost", "127.0.0.1", "kubernetes", "kubernetes.default", "kubernetes.default.svc"];
        names.extend(inside.map(str::to_owned));
        names.push(SERVICE_IP.to_string());
        let (serving, serving_key) = authority.server_pem(&names, now)?;
        let kubelet = authority.client("kube-apiserver-kubelet-client", &["system:masters"], a_year())?;
        let key = rcgen::KeyPair::generate()?;
        for (name, content) in [
            ("ca.crt", authority.certificate_pem()),
            ("apiserver.crt", &serving),
            ("apiserver.key", &serving_key),
            ("kubelet-client.crt", &kubelet.certificate_pem),
            ("kubelet-client.key", &kubelet.key_pem),
            ("sa.key", &key.serialize_pem()),
            // Out of a PKCS #8 file the original reads the private key alone.
            ("sa.pub", &key.public_key_pem()),
        ] {
            write(&directory.join(name), content)?;
        }
        Ok(Self { authority, service_account_key_pem: key.serialize_pem() })
    }

    fn admin_kubeconfig(&self, server: &str) -> Result<String, Cause> {
        let admin = self.authority.client("kubernetes-admin", &["system:masters"], a_year())?;
        Ok(pki::kubeconfig(server, "cluster.local", self.authority.certificate_pem(), &admin)?)
    }
}

fn a_year() -> apiserver::Lifetime {
    apiserver::Lifetime::for_duration(Duration::from_hours(365 * 24))
}

/// Keys are among the files.
fn write(path: &Path, content: &str) -> io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    io::Write::write_all(&mut file, content.as_bytes())
}

fn etcd_arguments() -> Vec<String> {
    let peers = format!("default={ETCD_PEER}");
    [
        ["--data-dir", "etcd.data"],
        ["--listen-client-urls", ETCD],
        ["--advertise-client-urls", ETCD],
        ["--listen-peer-urls", ETCD_PEER],
        ["--initial-advertise-peer-urls", ETCD_PEER],
        ["--initial-cluster", &peers],
    ]
    .concat()
    .into_iter()
    // What it stores lives no longer than it.
    .chain(["--unsafe-no-fsync"])
    .map(str::to_owned)
    .collect()
}

fn apiserver_arguments(on: On, port: u16) -> Vec<String> {
    let [one, two] = SERVICE_CIDR_PREFIX;
    [
        ("etcd-servers", ETCD.to_owned()),
        ("bind-address", Ipv4Addr::LOCALHOST.to_string()),
        ("secure-port", port.to_string()),
        ("advertise-address", simulated::control_plane(on).to_string()),
        ("service-cluster-ip-range", format!("{one}.{two}.0.0/16")),
        ("authorization-mode", "RBAC".to_owned()),
        // As kubeadm has it: without, privileged pods are refused.
        ("allow-privileged", "true".to_owned()),
        ("client-ca-file", "ca.crt".to_owned()),
        ("cert-dir", ".".to_owned()),
        ("tls-cert-file", "apiserver.crt".to_owned()),
        ("tls-private-key-file", "apiserver.key".to_owned()),
        ("kubelet-client-certificate", "kubelet-client.crt".to_owned()),
        ("kubelet-client-key", "kubelet-client.key".to_owned()),
        ("kubelet-preferred-address-types", "InternalIP".to_owned()),
        ("service-account-issuer", "https://kubernetes.default.svc".to_owned()),
        ("service-account-key-file", "sa.pub".to_owned()),
        ("service-account-signing-key-file", "sa.key".to_owned()),
        // It would wait for the token of each account, which no controller of its own makes here.
        ("disable-admission-plugins", "ServiceAccount".to_owned()),
        ("egress-selector-config-file", "egress.json".to_owned()),
    ]
    .into_iter()
    .map(|(name, value)| format!("--{name}={value}"))
    .collect()
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

async fn early_end(processes: &mut [Process]) -> io::Error {
    let ends = processes.iter_mut().map(|process| Box::pin(process.early_end()));
    futures::future::select_all(ends).await.0
}

/// Waits until the server is ready, and returns its version.
async fn ready(client: &kube::Client, begin: Instant) -> io::Result<String> {
    let mut ticks = tokio::time::interval(LOOK);
    loop {
        ticks.tick().await;
        let last = match is_ready(client).await {
            Ok(version) => return Ok(version),
            Err(error) => error,
        };
        if begin.elapsed() > START_LIMIT {
            let limit = START_LIMIT.as_secs();
            return Err(io::Error::other(format!("not ready within {limit} s; /readyz last said: {last}")));
        }
    }
}

async fn is_ready(client: &kube::Client) -> Result<String, kube::Error> {
    let request = http::Request::get("/readyz").body(Vec::new()).map_err(kube::Error::HttpError)?;
    client.request_text(request).await?;
    Ok(client.apiserver_version().await?.git_version)
}
