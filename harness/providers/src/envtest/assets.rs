//! Where etcd and kube-apiserver are: where controller-runtime's envtest looks, and where its `setup-envtest` puts them.

use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::program;
use crate::provider::Missing;

/// Names the directory with the programs (controller-runtime v0.19, `pkg/envtest/server.go`).
pub const ASSETS_VARIABLE: &str = "KUBEBUILDER_ASSETS";

/// envtest's directory where nothing else is said.
const DEFAULT: &str = "/usr/local/kubebuilder/bin";

/// The two programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Assets {
    pub(super) etcd: PathBuf,
    pub(super) kube_apiserver: PathBuf,
}

impl Assets {
    /// Version of kube-apiserver, as `v1.20.2`, if both programs run here.
    pub(super) async fn version(&self) -> Result<String, Missing> {
        let (etcd, kube_apiserver) = tokio::join!(asked(&self.etcd), asked(&self.kube_apiserver));
        etcd?;
        let said = kube_apiserver?;
        said.strip_prefix("Kubernetes ").map(str::to_owned).ok_or_else(|| silent(&self.kube_apiserver, &said))
    }
}

async fn asked(program: &Path) -> Result<String, Missing> {
    let mut command = Command::new(program);
    command.arg("--version");
    program::answer(command).await.map_err(|reason| silent(program, &reason))
}

fn silent(program: &Path, said: &str) -> Missing {
    missing(format!("{} does not tell its version: {said}", program.display()))
}

/// What the search depends on, read once.
pub(super) struct Surroundings {
    /// `KUBEBUILDER_ASSETS`, if it is set to something.
    pub(super) named: Option<PathBuf>,
    /// Where `setup-envtest` keeps its downloads (`setup-envtest` v0.19, `store.DefaultStoreDir`).
    pub(super) stores: Vec<PathBuf>,
}

impl Surroundings {
    /// Those of this process.
    pub(super) fn of_this_process() -> Self {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let data = set("XDG_DATA_HOME").or_else(|| set("HOME").map(|home| home.join(".local/share")));
        Self {
            named: set(ASSETS_VARIABLE),
            stores: data.into_iter().map(|data| data.join("kubebuilder-envtest")).collect(),
        }
    }

    /// The programs in the first directory that has both.
    pub(super) fn find(&self) -> Result<Assets, Missing> {
        if let Some(named) = &self.named {
            return in_directory(named).ok_or_else(|| {
                missing(format!(
                    "{ASSETS_VARIABLE} is {}, which does not hold etcd and kube-apiserver",
                    named.display()
                ))
            });
        }
        let kept = self.stores.iter().flat_map(|store| downloads(store));
        kept.chain([PathBuf::from(DEFAULT)]).find_map(|directory| in_directory(&directory)).ok_or_else(|| {
            let stores: Vec<_> = self.stores.iter().map(|store| store.display().to_string()).collect();
            missing(format!(
                "etcd and kube-apiserver are neither in {ASSETS_VARIABLE} (not set) nor below {} nor in {DEFAULT}",
                stores.join(", ")
            ))
        })
    }
}

fn missing(what: String) -> Missing {
    Missing::new(
        what,
        format!(
            "install them with setup-envtest (https://book.kubebuilder.io/reference/envtest), or set {ASSETS_VARIABLE} \
             to a directory that holds both for this machine"
        ),
    )
}

/// Directories of `store`, the newest version first: `k8s/1.31.0-linux-amd64`.
fn downloads(store: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(store.join("k8s")).into_iter().flatten().flatten();
    let mut found: Vec<_> =
        entries.map(|entry| (version(&entry.file_name().to_string_lossy()), entry.path())).collect();
    found.sort();
    found.into_iter().rev().map(|(_, path)| path).collect()
}

fn version(name: &str) -> Vec<u64> {
    let version = name.split('-').next().unwrap_or_default();
    version.trim_start_matches('v').split('.').filter_map(|part| part.parse().ok()).collect()
}

fn in_directory(directory: &Path) -> Option<Assets> {
    let directory = std::path::absolute(directory).ok()?;
    let assets = Assets { etcd: directory.join("etcd"), kube_apiserver: directory.join("kube-apiserver") };
    (assets.etcd.is_file() && assets.kube_apiserver.is_file()).then_some(assets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(directory: &Path) {
        std::fs::create_dir_all(directory).unwrap();
        for program in ["etcd", "kube-apiserver"] {
            std::fs::write(directory.join(program), "").unwrap();
        }
    }

    #[test]
    fn takes_the_directory_that_is_named() {
        let place = tempfile::tempdir().unwrap();
        put(place.path());
        let found = Surroundings { named: Some(place.path().to_owned()), stores: Vec::new() }.find().unwrap();
        assert_eq!(found.etcd, place.path().join("etcd"));
    }

    #[test]
    fn takes_the_newest_download() {
        let place = tempfile::tempdir().unwrap();
        for version in ["1.9.0-linux-amd64", "1.31.0-linux-amd64", "1.4.0-linux-amd64"] {
            put(&place.path().join("k8s").join(version));
        }
        let found = Surroundings { named: None, stores: vec![place.path().to_owned()] }.find().unwrap();
        assert_eq!(found.etcd, place.path().join("k8s/1.31.0-linux-amd64/etcd"));
    }

    #[test]
    fn says_where_it_looked() {
        let place = tempfile::tempdir().unwrap();
        let error = Surroundings { named: Some(place.path().to_owned()), stores: Vec::new() }.find().unwrap_err();
        assert!(error.to_string().contains(&place.path().display().to_string()), "{error}");
        assert!(error.how.contains("setup-envtest"));
    }
}
