//! A real API server and what it needs, whoever runs the programs: etcd and kube-apiserver share a directory, in which are
//! their files, etcd's sockets and the way to the simulated network.
//!
//! etcd listens on Unix sockets in that directory and nowhere else: no port to race for, and nobody else reads it.

mod arguments;
mod egress;
mod files;
mod pair;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use apiserver::pki::Authority;
use async_trait::async_trait;
use scenario::model::On;

pub(crate) use self::arguments::{apiserver_arguments, etcd_arguments};
use self::egress::Egress;
use self::files::Files;
pub(crate) use self::pair::{Running, built_in};
use crate::simulated::{self, Server};

/// Longest start; two at once take four seconds on two idle cores.
const START_LIMIT: Duration = Duration::from_mins(2);
/// Between two questions whether it is ready.
const LOOK: Duration = Duration::from_millis(20);

pub(crate) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// etcd and kube-apiserver, as processes or containers.
#[async_trait]
pub(crate) trait Programs: Send + Sync {
    /// Waits for the early end of one of them, which is an error with the last lines of its log.
    async fn early_end(&mut self) -> io::Error;

    /// Writes their logs into `directory`.
    async fn export(&self, directory: &Path) -> Result<(), Cause>;

    /// Ends them and waits until they are gone.
    async fn stop(self: Box<Self>) -> Result<(), Cause>;
}

/// The directory of an API server that does not run yet.
pub(crate) struct Prepared {
    files: Files,
    egress: Egress,
    begin: Instant,
}

impl Prepared {
    /// Makes `directory` with all that the server of `on` reads. `address` is the one that it will be reached at, beside
    /// loopback.
    pub(crate) fn write(directory: &Path, on: On, address: Option<IpAddr>) -> Result<Self, Cause> {
        let files = Files::write(directory, on, address)?;
        let egress = Egress::start(&directory.join("egress.sock"))?;
        files::write(&directory.join("egress.json"), &egress.configuration())?;
        Ok(Self { files, egress, begin: Instant::now() })
    }

    /// Waits until `programs` are ready at `address`.
    ///
    /// # Errors
    /// What the last answer was, or that a program has ended.
    pub(crate) async fn ready(&self, address: SocketAddr, programs: &mut dyn Programs) -> Result<Ready, Cause> {
        let admin = self.files.admin_kubeconfig(&format!("https://{address}"))?;
        let client = simulated::admin_client(&admin)?;
        let version = tokio::select! {
            ready = ready(&client, self.begin) => ready?,
            error = programs.early_end() => return Err(error.into()),
        };
        Ok(Ready { address, admin, client, version })
    }

    /// The server that is ready.
    pub(crate) fn started(self, ready: Ready, programs: Box<dyn Programs>) -> RealServer {
        let Ready { address, admin, client, version } = ready;
        let seen = Server {
            address,
            admin,
            ca_pem: self.files.authority.certificate_pem().to_owned(),
            service_account_key_pem: self.files.service_account_key_pem,
            version,
            embedded: None,
        };
        RealServer { seen, client, egress: self.egress, authority: self.files.authority, programs }
    }
}

/// An API server that answers.
pub(crate) struct Ready {
    address: SocketAddr,
    admin: String,
    client: kube::Client,
    version: String,
}

/// A running API server.
pub(crate) struct RealServer {
    pub(crate) seen: Server,
    pub(crate) client: kube::Client,
    pub(crate) egress: Egress,
    pub(crate) authority: Authority,
    programs: Box<dyn Programs>,
}

impl RealServer {
    /// Writes the logs of its programs into `directory`.
    pub(crate) async fn export(&self, directory: &Path) -> Result<(), Cause> {
        self.programs.export(directory).await
    }

    /// Ends its programs.
    pub(crate) async fn stop(self) -> Result<(), Cause> {
        let stopped = self.programs.stop().await;
        self.egress.stop().await;
        stopped
    }
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
