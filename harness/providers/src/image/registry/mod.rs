//! A read-only registry (OCI distribution-spec v1.0, the pull category) for the images over one layer.
//!
//! It runs inside a node, started from the unpacked layer itself, and listens on the node's loopback only. Every tag
//! of a known repository is there; whatever else is asked for is not, and nothing is asked for elsewhere.

mod answer;
mod listen;
mod route;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{Method, Request, Response};
use nodes::network::serve::{self, Body};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use self::answer::Refusal;
use self::listen::Loopback;
use self::route::Route;
use super::layer::Layer;
use super::manifest::{Image, Settings};
use super::reference::is_tag;

/// What a registry has to know, as it travels to a node: one JSON document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Document {
    /// The layer, with its tar file's path on the node.
    pub layer: Layer,
    /// Port of 127.0.0.1; 0 for any free one.
    pub port: u16,
    /// Repositories that it has, as `kubesphere/ks-installer`.
    pub repositories: Vec<String>,
    /// Tags whose images can be pulled by digest before anybody asked for them by tag. Other tags are there as well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// What is told to the programs.
    #[serde(default)]
    pub settings: Settings,
}

/// Why a registry does not serve.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// A file that it needs cannot be read.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Its document is not one.
    #[error("{path} is not the document of a registry: {source}")]
    Document {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// The layer's file is not the one that was packed.
    #[error("{path} has {has} bytes, the layer has {wants}")]
    Layer {
        /// Which file.
        path: PathBuf,
        /// Its size.
        has: u64,
        /// The size it should have.
        wants: u64,
    },
    /// Its port is taken.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// It could neither be stopped nor tell where it listens.
    #[error("cannot {operation}: {source}")]
    Process {
        /// What fails.
        operation: &'static str,
        /// Why.
        source: io::Error,
    },
}

/// The registry. Clones share what they know.
#[derive(Clone)]
pub struct Registry(Arc<Contents>);

struct Contents {
    layer: Layer,
    settings: Settings,
    /// By repository and tag, the images that were asked for.
    images: Mutex<BTreeMap<String, BTreeMap<String, Image>>>,
}

impl Registry {
    /// The registry of `document`.
    ///
    /// # Errors
    /// When the layer's file is not there or has another size than the layer.
    pub fn new(document: &Document) -> Result<Self, RegistryError> {
        let Document { layer, repositories, tags, settings, .. } = document;
        let metadata = fs::metadata(&layer.tar);
        let has = metadata.map_err(|source| RegistryError::Unreadable { path: layer.tar.clone(), source })?.len();
        if has != layer.size {
            return Err(RegistryError::Layer { path: layer.tar.clone(), has, wants: layer.size });
        }
        let images = |repository: &String| {
            tags.iter().map(|tag| (tag.clone(), Image::new(repository, tag, layer, settings))).collect()
        };
        let images = repositories.iter().map(|repository| (repository.clone(), images(repository))).collect();
        Ok(Self(Arc::new(Contents { layer: layer.clone(), settings: settings.clone(), images: Mutex::new(images) })))
    }

    /// Serves on `listener` until `stop`.
    pub async fn serve(self, listener: TcpListener, stop: CancellationToken) {
        let Ok(listener) = Loopback::new(listener) else { return };
        let handler = move |(request, _): serve::Asked| {
            let registry = self.clone();
            async move { Ok(registry.answer(&request).await) }
        };
        serve::serve(Box::new(listener), None, stop, handler).await;
    }

    async fn answer<B>(&self, request: &Request<B>) -> Response<Body> {
        let found = self.find(request).await.unwrap_or_else(Refusal::response);
        // Same headers, no content (RFC 9110, 9.3.2); a file is not read for nothing.
        if request.method() == Method::HEAD { found.map(|_| serve::full(Bytes::new())) } else { found }
    }

    async fn find<B>(&self, request: &Request<B>) -> Result<Response<Body>, Refusal> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return Err(Refusal::Method);
        }
        match Route::of(request.uri().path()).ok_or(Refusal::Unsupported)? {
            Route::Base => Ok(answer::base()),
            Route::Manifest { repository, reference } => {
                self.manifest(repository, reference).map(|image| answer::manifest(&image))
            }
            Route::Blob { repository, digest } if digest == self.0.layer.digest => {
                self.with(repository, |_| ())?;
                answer::layer(&self.0.layer).await
            }
            Route::Blob { repository, digest } => self.blob(repository, digest),
        }
    }

    /// The image that `reference` means: a tag, or the digest of a manifest that somebody got by its tag.
    fn manifest(&self, repository: &str, reference: &str) -> Result<Image, Refusal> {
        let Contents { layer, settings, .. } = &*self.0;
        self.with(repository, |images| {
            if is_tag(reference) {
                let new = || Image::new(repository, reference, layer, settings);
                return Some(images.entry(reference.to_owned()).or_insert_with(new).clone());
            }
            images.values().find(|image| image.digest() == reference).cloned()
        })?
        .ok_or(Refusal::ManifestUnknown)
    }

    /// Beside the layer, only configurations are blobs.
    fn blob(&self, repository: &str, digest: &str) -> Result<Response<Body>, Refusal> {
        let found = self.with(repository, |images| images.values().find(|image| image.id() == digest).cloned())?;
        found.map(|image| answer::config(&image)).ok_or(Refusal::BlobUnknown)
    }

    fn with<T>(&self, repository: &str, use_it: impl FnOnce(&mut BTreeMap<String, Image>) -> T) -> Result<T, Refusal> {
        let mut images = self.0.images.lock().unwrap_or_else(PoisonError::into_inner);
        images.get_mut(repository).map(use_it).ok_or(Refusal::NameUnknown)
    }
}

/// Runs the registry of the document at `path` until SIGTERM. One line on the standard output says when it listens:
/// `registry: listening on http://127.0.0.1:PORT`.
///
/// # Errors
/// When it cannot start. Once it has, it only stops when it is told to.
pub async fn serve_from(path: &Path) -> Result<(), RegistryError> {
    let text = fs::read(path).map_err(|source| RegistryError::Unreadable { path: path.to_owned(), source })?;
    let document: Document =
        serde_json::from_slice(&text).map_err(|source| RegistryError::Document { path: path.to_owned(), source })?;
    let registry = Registry::new(&document)?;
    // Before anybody knows of this process: a stop must not come too early to be noticed.
    let mut terminate = signal(SignalKind::terminate())
        .map_err(|source| RegistryError::Process { operation: "wait for SIGTERM", source })?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, document.port));
    let listening = async {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    let (listener, address) = listening.await.map_err(|source| RegistryError::Listen { address, source })?;
    say(address).map_err(|source| RegistryError::Process { operation: "say where it listens", source })?;
    let stop = CancellationToken::new();
    let stopped_by = stop.clone();
    tokio::spawn(async move {
        let _signal = terminate.recv().await;
        stopped_by.cancel();
    });
    registry.serve(listener, stop).await;
    Ok(())
}

fn say(address: SocketAddr) -> io::Result<()> {
    let mut output = io::stdout().lock();
    writeln!(output, "registry: listening on http://{address}")?;
    output.flush()
}
