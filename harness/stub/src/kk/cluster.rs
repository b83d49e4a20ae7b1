//! `kk create cluster` on a cluster that is there already: installs KubeSphere (kubekey v3.0.13,
//! `cmd/kk/pkg/pipelines/create_cluster.go` and `cmd/kk/pkg/kubesphere/modules.go`).

use kubesphere::Release;
use kubesphere::names::{CLUSTER_CONFIGURATION, namespaces};
use nodes::clock::Clock;
use serde_json::{Value, json};

use super::edits::{self, Edits};
use super::loader::{self, Kubesphere, LoadError, Loaded};
use super::{KkError, World, arguments, result, sample, versions};
use crate::installer::apply::Owner;
use crate::installer::kubectl::{Kubectl, Target};
use crate::installer::wait;
use crate::manifests::documents;
use crate::manifests::installer::kubekey_objects;
use crate::{Deviation, delays};

const DONE: &str = "Installation is complete.\n\nPlease check the result using the command:\n\n\t";
const WITH_KUBESPHERE: &str = "kubectl logs -n kubesphere-system $(kubectl get pod -n kubesphere-system -l 'app in \
                               (ks-install, ks-installer)' -o jsonpath='{.items[0].metadata.name}') -f";
const WITHOUT: &str = "kubectl get pod -A";

/// Runs the command.
///
/// # Errors
/// [`KkError`].
pub async fn create(arguments: &arguments::Cluster, world: World<'_>) -> Result<(), KkError> {
    let World { kubekey, behaviour, stub_image, client, directory, out, clock, .. } = world;
    let mut loaded = match &arguments.file {
        Some(file) => loader::load(&directory.join(file))?,
        None => Loaded::default(),
    };
    if let Some(wanted) = &arguments.kubesphere {
        // The file's own document does not count any more.
        let version = versions::normalized(wanted).ok_or_else(|| LoadError::UnsupportedFlag(wanted.clone()))?;
        loaded.kubesphere = Some(Kubesphere { document: sample::kubesphere_document(&version)?, version });
    }
    let Some(kubesphere) = loaded.kubesphere else {
        write!(out, "{DONE}{WITHOUT}\n\n")?;
        return Ok(());
    };
    let release = Release::find(&kubesphere.version)?;
    let client = client.map_err(KkError::Deploy)?;
    let kubectl = Kubectl::new(client.clone()).with_image(stub_image);
    let manifest = documents(&kubekey_objects(release, kubekey)) + "\n";
    deploy(&kubectl, &manifest).await?;
    until_established(&kubectl, &clock).await?;
    for name in [namespaces::SYSTEM, namespaces::MONITORING] {
        apply(&kubectl, &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})).await?;
    }
    let mut edited = Edits::of(&loaded.cluster, kubekey).apply(&(manifest + &kubesphere.document));
    if behaviour.deviates(Deviation::KubekeyDropsSecret) {
        edited = edits::set(&edited, "jwtSecret", "\"\"");
    }
    deploy(&kubectl, &edited).await?;
    writeln!(out, "Please wait for the installation to complete: ")?;
    out.flush()?;
    let banner = result::banner(&client, &clock, kubekey.installer_label).await;
    write!(out, "{banner}\n{DONE}{WITH_KUBESPHERE}\n\n")?;
    Ok(())
}

/// `kubectl apply -f` of a text.
async fn deploy(kubectl: &Kubectl, manifest: &str) -> Result<(), KkError> {
    for document in loader::documents(manifest) {
        let object: Value = serde_yaml::from_str(&document)
            .map_err(|error| KkError::Deploy(format!("error converting YAML to JSON: yaml: {error}")))?;
        apply(kubectl, &object).await?;
    }
    Ok(())
}

async fn apply(kubectl: &Kubectl, object: &Value) -> Result<(), KkError> {
    kubectl.apply(object, Owner::Kubectl).await.map_err(|error| KkError::Deploy(error.to_string()))
}

/// The original comes back after a while when the kind is not served yet; here the wait is for its cause.
async fn until_established(kubectl: &Kubectl, clock: &Clock) -> Result<(), KkError> {
    let definitions = Target::new("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "");
    let name = CLUSTER_CONFIGURATION.crd_name();
    let query = format!("fieldSelector=metadata.name%3D{name}");
    let served = |objects: &[&Value]| objects.iter().any(|object| wait::is_established(object, &name));
    match wait::until(kubectl, clock, (definitions, &query), delays::CRD_LIMIT, served).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(KkError::Deploy("no matches for kind \"ClusterConfiguration\"".to_owned())),
        Err(error) => Err(KkError::Deploy(error.to_string())),
    }
}
