//! The logs of the clusters and of KubeSphere's pods for a person to read, without secrets.

use std::fs;
use std::io;
use std::path::Path;

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{ListParams, LogParams};
use kubesphere::names::namespaces;
use providers::{Cluster, Pair};
use scenario::mask::Masker;

/// Writes the logs of `pair` and of the pods of kubesphere-system below `directory`, masked; no directory where there are
/// none. What is no text is left out, since nothing in it can be masked.
///
/// # Errors
/// In words, when they cannot be had or written.
pub(crate) async fn masked(pair: &Pair, directory: &Path, masker: &Masker) -> Result<(), String> {
    let failed = |error: io::Error| format!("cannot write logs below {}: {error}", directory.display());
    fs::create_dir_all(directory).map_err(failed)?;
    let mut exported = pair.export(directory).await.map_err(|error| error.to_string());
    for cluster in pair.clusters() {
        exported =
            exported.and(pods(cluster.as_ref(), &directory.join(cluster.on().to_string())).await.map_err(failed));
    }
    // Also what a failed export has left.
    mask_files(directory, masker).map_err(failed)?;
    // Nothing where it is not empty.
    let _empty = fs::remove_dir(directory);
    exported
}

/// The log of each container, named as a node names it. A cluster that does not answer has none.
async fn pods(cluster: &dyn Cluster, directory: &Path) -> io::Result<()> {
    let pods: Api<Pod> = Api::namespaced(cluster.client(), namespaces::SYSTEM);
    for pod in pods.list(&ListParams::default()).await.into_iter().flatten() {
        let name = pod.metadata.name.unwrap_or_default();
        for container in pod.spec.into_iter().flat_map(|spec| spec.containers) {
            let of = LogParams { container: Some(container.name.clone()), ..LogParams::default() };
            let Ok(log) = pods.logs(&name, &of).await else { continue };
            fs::create_dir_all(directory)?;
            fs::write(directory.join(format!("{name}_{}_{}.log", namespaces::SYSTEM, container.name)), log)?;
        }
    }
    Ok(())
}

fn mask_files(directory: &Path, masker: &Masker) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let (path, kind) = entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)))?;
        if kind.is_dir() {
            mask_files(&path, masker)?;
        } else if !kind.is_file() {
            // A link would lead to a file by another name, out of here perhaps.
            fs::remove_file(&path)?;
        } else if let Ok(text) = String::from_utf8(fs::read(&path)?) {
            fs::write(&path, masker.mask(&text))?;
        } else {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_every_file_and_drops_what_is_no_text() {
        let masker = Masker::new([7; 32]);
        masker.add("gfIwilcc0WjNGKJ5DLeksf2JKfcLgTZU");
        let directory = tempfile::tempdir().unwrap();
        let deep = directory.path().join("host/pods");
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join("a.log"), "jwtSecret: gfIwilcc0WjNGKJ5DLeksf2JKfcLgTZU").unwrap();
        fs::write(deep.join("journal"), [0xff, 0xfe]).unwrap();
        mask_files(directory.path(), &masker).unwrap();
        let text = fs::read_to_string(deep.join("a.log")).unwrap();
        assert!(text.starts_with("jwtSecret: sha256:"), "{text}");
        assert!(!deep.join("journal").exists());
    }
}
