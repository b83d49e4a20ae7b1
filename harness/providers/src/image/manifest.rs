//! Manifest and configuration of the image behind one reference (OCI image-spec v1.0: `manifest.md`, `config.md`).

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::digest;
use super::layer::Layer;
use super::reference::Reference;
use stub::POD_ARGUMENT;

/// Media type of a manifest (image-spec v1.0, `media-types.md`; so are the others).
pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Media type of a configuration.
pub(super) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// Media type of an uncompressed layer.
pub(super) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// What is told to the programs of every image.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    /// Environment variables. What a pod says itself wins.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
}

/// The image behind one reference. The same layer, settings and reference make the same image, byte for byte; two
/// references never make the same one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    config: Json,
    manifest: Json,
}

/// A JSON document, and the digest by which it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Json {
    bytes: Bytes,
    digest: String,
}

impl Json {
    fn new(content: &serde_json::Value) -> Self {
        let bytes = Bytes::from(content.to_string());
        Self { digest: digest::of(&bytes), bytes }
    }
}

impl Image {
    /// The image `repository:tag` over `layer`.
    #[must_use]
    pub fn new(repository: &str, tag: &str, layer: &Layer, settings: &Settings) -> Self {
        let mut environment = settings.environment.clone();
        environment.extend(layer.loader_variable());
        let environment: Vec<_> = environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
        // No `created`: it is optional, and a time would make every image another one.
        let config = Json::new(&json!({
            "architecture": layer.architecture,
            "os": "linux",
            "config": {
                "Entrypoint": [Layer::executable(), POD_ARGUMENT, format!("{repository}:{tag}")],
                "Env": environment,
                "WorkingDir": "/",
            },
            "rootfs": {"type": "layers", "diff_ids": [layer.digest]},
        }));
        let manifest = Json::new(&json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "digest": config.digest, "size": config.bytes.len()},
            "layers": [{"mediaType": LAYER, "digest": layer.digest, "size": layer.size}],
        }));
        Self { config, manifest }
    }

    /// Digest of the manifest: what the image is pulled by.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.manifest.digest
    }

    /// Digest of the configuration: the image's identity on a node.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.config.digest
    }

    /// The manifest.
    #[must_use]
    pub fn manifest(&self) -> Bytes {
        self.manifest.bytes.clone()
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> Bytes {
        self.config.bytes.clone()
    }
}

/// Whether `image_id` of a container's status says that it runs our `image`, and not the real one.
///
/// containerd reports the manifest's digest behind the repository it was pulled from, and the configuration's digest
/// alone for an image that it knows no such origin of (containerd v1.6, `pkg/cri/server/container_status.go`,
/// `ContainerStatus`).
#[must_use]
pub fn is_ours(image_id: &str, layer: &Layer, settings: &Settings, image: &str) -> bool {
    let Some(Reference { repository, tag }) = Reference::parse(image) else { return false };
    let ours = Image::new(&repository, &tag, layer, settings);
    match image_id.rsplit_once('@') {
        Some((_, digest)) => digest == ours.digest(),
        None => image_id == ours.id(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Architecture;

    fn layer(interpreter: Option<&str>) -> Layer {
        Layer {
            tar: "layer.tar".into(),
            digest: digest::of(b"layer"),
            size: 5,
            architecture: Architecture::Amd64,
            interpreter: interpreter.map(str::to_owned),
        }
    }

    fn settings() -> Settings {
        Settings { environment: BTreeMap::from([("KS_E2E_DELAYS".to_owned(), "short".to_owned())]) }
    }

    fn read(bytes: &Bytes) -> serde_json::Value {
        serde_json::from_slice(bytes).unwrap()
    }

    #[test]
    fn says_what_a_container_runs() {
        let image = Image::new("kubesphere/tower", "v0.2.0", &layer(Some("/lib/ld.so")), &settings());
        let config = read(&image.config());
        assert_eq!(config["config"]["Entrypoint"], json!(["/ks-e2e", "__pod", "kubesphere/tower:v0.2.0"]));
        assert_eq!(config["config"]["Env"], json!(["KS_E2E_DELAYS=short", "LD_LIBRARY_PATH=/ks-e2e.libraries"]));
        assert_eq!((&config["architecture"], &config["os"]), (&json!("amd64"), &json!("linux")));
        assert_eq!(config["rootfs"]["diff_ids"], json!([digest::of(b"layer")]));
        let alone = read(&Image::new("kubesphere/tower", "v0.2.0", &layer(None), &settings()).config());
        assert_eq!(alone["config"]["Env"], json!(["KS_E2E_DELAYS=short"]));
    }

    #[test]
    fn describes_its_parts() {
        let image = Image::new("kubesphere/tower", "v0.2.0", &layer(None), &settings());
        let (config, manifest) = (image.config(), read(&image.manifest()));
        assert_eq!(image.digest(), digest::of(&image.manifest()));
        assert_eq!(manifest["config"]["digest"], json!(digest::of(&config)));
        assert_eq!(manifest["config"]["size"], json!(config.len()));
        assert_eq!(manifest["layers"][0]["size"], json!(5));
        assert_eq!(manifest["mediaType"], json!(MANIFEST));
    }

    #[test]
    fn is_another_image_when_anything_differs() {
        let image = |tag: &str, settings: &Settings| Image::new("kubesphere/tower", tag, &layer(None), settings);
        assert_eq!(image("v1", &settings()), image("v1", &settings()));
        for other in [image("v2", &settings()), image("v1", &Settings::default())] {
            assert_ne!(other.digest(), image("v1", &settings()).digest());
            assert_ne!(other.id(), image("v1", &settings()).id());
        }
    }

    #[test]
    fn recognises_our_images() {
        let (layer, name) = (layer(None), "kubesphere/tower:v0.2.0");
        let image = Image::new("kubesphere/tower", "v0.2.0", &layer, &settings());
        let ours = |image_id: &str, image: &str| is_ours(image_id, &layer, &settings(), image);
        let pulled = format!("docker.io/kubesphere/tower@{}", image.digest());
        assert!(ours(&pulled, name));
        assert!(ours(image.id(), name));
        assert!(ours(&pulled, "docker.io/kubesphere/tower:v0.2.0"));
        assert!(!ours(&pulled, "kubesphere/tower:v0.2.1"));
        assert!(!ours(&format!("docker.io/kubesphere/tower@{}", image.id()), name));
        assert!(!ours(image.digest(), name));
        assert!(!ours("", name));
        assert!(!ours(&pulled, "kubesphere/tower@sha256:00"));
    }
}
