//! Starts both programs as processes, reached over loopback.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use scenario::model::On;

use super::NAME;
use super::assets::Assets;
use super::process::Process;
use crate::leases::Lease;
use crate::provider::ProviderError;
use crate::real_server::{Cause, Prepared, Programs, RealServer, apiserver_arguments, etcd_arguments};

/// How often another port is tried when somebody else took the one that was just free.
const PORT_TRIES: usize = 5;

/// Starts the server of `on` in `directory` and returns once it is ready for an administrator.
pub(super) async fn start(
    lease: &Lease,
    assets: &Assets,
    on: On,
    directory: PathBuf,
) -> Result<RealServer, ProviderError> {
    let started = started(lease, assets, on, &directory).await;
    started.map_err(|source| ProviderError::new(NAME, format!("start kube-apiserver of the {on} cluster"), source))
}

async fn started(lease: &Lease, assets: &Assets, on: On, directory: &Path) -> Result<RealServer, Cause> {
    let prepared = Prepared::write(directory, on, None)?;
    let etcd = Process::start(lease, "etcd", &assets.etcd, &etcd_arguments(), directory).await?;
    let mut processes = Box::new(Processes(vec![etcd]));
    for tries_left in (0..PORT_TRIES).rev() {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        let arguments = apiserver_arguments(on, address);
        let apiserver = Process::start(lease, "kube-apiserver", &assets.kube_apiserver, &arguments, directory).await?;
        processes.0.push(apiserver);
        match prepared.ready(address, processes.as_mut()).await {
            Ok(ready) => return Ok(prepared.started(ready, processes)),
            Err(error) if tries_left > 0 && error.to_string().contains("address already in use") => {
                if let Some(process) = processes.0.pop() {
                    process.stop().await?;
                }
            }
            Err(error) => {
                processes.stop().await?;
                return Err(error);
            }
        }
    }
    Err("no port of this machine stays free".into())
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// etcd, and kube-apiserver once it is started.
struct Processes(Vec<Process>);

#[async_trait]
impl Programs for Processes {
    async fn early_end(&mut self) -> io::Error {
        let ends = self.0.iter_mut().map(|process| Box::pin(process.early_end()));
        futures::future::select_all(ends).await.0
    }

    async fn export(&self, directory: &Path) -> Result<(), Cause> {
        for log in self.0.iter().map(Process::log) {
            std::fs::copy(log, directory.join(log.file_name().unwrap_or_default()))?;
        }
        Ok(())
    }

    async fn stop(self: Box<Self>) -> Result<(), Cause> {
        let mut outcome = Ok(());
        for process in self.0 {
            outcome = outcome.and(process.stop().await);
        }
        Ok(outcome?)
    }
}
