//! The image of this executable in a file, as container engines read it: for nodes that are not ours.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::json;
use tar::{Builder, EntryType, Header};

use super::digest;
use super::layer::Layer;
use super::manifest::{CONFIG, LAYER, MANIFEST};
use crate::provider::Missing;

/// Media type of an index (image-spec v1.0, `media-types.md`).
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// The annotation of a manifest in an index that names it (image-spec v1.0, `annotations.md`).
const REFERENCE: &str = "org.opencontainers.image.ref.name";
/// The annotation by which containerd names what it imports (containerd v1.6, `images/annotations.go`).
const CONTAINERD_NAME: &str = "io.containerd.image.name";

/// Writes the image `tag` of `executable`, which is for machines like this one, to the new file `into`: an image layout
/// (image-spec v1.0, `image-layout.md`) that older Dockers can read, too.
///
/// # Errors
/// [`Missing`] when the executable cannot be packed, or the file not be written.
pub fn save(executable: &Path, tag: &str, into: &Path) -> Result<(), Missing> {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let packed = with_ending(into, ".layer");
    let layer = Layer::pack(executable, architecture, &packed);
    let written = layer.and_then(|layer| {
        write(&layer, tag, into).map_err(|error| {
            Missing::new(format!("cannot write {}: {error}", into.display()), "name another file with --output")
        })
    });
    // It may never have been made.
    let _gone = std::fs::remove_file(packed);
    written
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(ending);
    path.into()
}

fn write(layer: &Layer, tag: &str, into: &Path) -> io::Result<()> {
    let environment: Vec<_> =
        layer.loader_variable().map(|(name, value)| format!("{name}={value}")).into_iter().collect();
    let config = json!({
        "architecture": layer.architecture,
        "os": "linux",
        "config": {"Entrypoint": [Layer::executable()], "Env": environment, "WorkingDir": "/"},
        "rootfs": {"type": "layers", "diff_ids": [layer.digest]},
    })
    .to_string();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, "digest": digest::of(config.as_bytes()), "size": config.len()},
        "layers": [{"mediaType": LAYER, "digest": layer.digest, "size": layer.size}],
    })
    .to_string();
    let full = full_name(tag);
    let index = json!({
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": [{
            "mediaType": MANIFEST, "digest": digest::of(manifest.as_bytes()), "size": manifest.len(),
            "annotations": {(REFERENCE): full, (CONTAINERD_NAME): full},
        }],
    })
    .to_string();
    let [config_blob, manifest_blob] = [&config, &manifest].map(|text| blob(&digest::of(text.as_bytes())));
    let layer_blob = blob(&layer.digest);
    // What `docker load` reads where it knows no layouts (docker v20.10, `image/tarexport/load.go`).
    let docker = json!([{"Config": config_blob, "RepoTags": [tag], "Layers": [layer_blob]}]).to_string();
    let mut archive = Builder::new(File::create(into)?);
    for (path, text) in [
        ("oci-layout", &json!({"imageLayoutVersion": "1.0.0"}).to_string()),
        ("index.json", &index),
        ("manifest.json", &docker),
        (&config_blob, &config),
        (&manifest_blob, &manifest),
    ] {
        archive.append_data(&mut header(text.len() as u64), path, text.as_bytes())?;
    }
    archive.append_data(&mut header(layer.size), &layer_blob, File::open(&layer.tar)?)?;
    archive.into_inner()?.sync_all()
}

fn header(size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_size(size);
    header
}

fn blob(digest: &str) -> String {
    format!("blobs/{}", digest.replacen(':', "/", 1))
}

/// `tag` as containerd knows it: with a registry, docker.io's where none is named (distribution v2.8, `reference/normalize.go`).
fn full_name(tag: &str) -> String {
    let first = tag.split('/').next().unwrap_or_default();
    let has_registry = tag.contains('/') && (first.contains(['.', ':']) || first == "localhost");
    match (has_registry, tag.contains('/')) {
        (true, _) => tag.to_owned(),
        (false, true) => format!("docker.io/{tag}"),
        (false, false) => format!("docker.io/library/{tag}"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Read as _;

    use rstest::rstest;
    use serde_json::Value;

    use super::*;

    #[rstest]
    #[case("ks-e2e:v1", "docker.io/library/ks-e2e:v1")]
    #[case("team/ks-e2e:v1", "docker.io/team/ks-e2e:v1")]
    #[case("registry.example.com/ks-e2e:v1", "registry.example.com/ks-e2e:v1")]
    #[case("localhost:5000/ks-e2e:v1", "localhost:5000/ks-e2e:v1")]
    #[case("localhost/ks-e2e:v1", "localhost/ks-e2e:v1")]
    fn names_an_image_in_full(#[case] tag: &str, #[case] full: &str) {
        assert_eq!(full_name(tag), full);
    }

    #[test]
    fn writes_what_every_digest_says() {
        let directory = tempfile::tempdir().unwrap();
        let into = directory.path().join("image.tar");
        let executable = std::env::current_exe().unwrap();
        save(&executable, "ks-e2e:v1", &into).unwrap();
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "nothing else is left");
        let mut files = BTreeMap::new();
        for entry in tar::Archive::new(File::open(&into).unwrap()).entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            files.insert(entry.path().unwrap().display().to_string(), content);
        }
        for (path, content) in files.iter().filter(|(path, _)| path.starts_with("blobs/")) {
            assert_eq!(*path, blob(&digest::of(content)));
        }
        let json = |path: &str| -> Value { serde_json::from_slice(&files[path]).unwrap() };
        let manifest = &json("index.json")["manifests"][0];
        assert_eq!(manifest["annotations"][REFERENCE], "docker.io/library/ks-e2e:v1");
        let manifest = json(&blob(manifest["digest"].as_str().unwrap()));
        let docker = &json("manifest.json")[0];
        assert_eq!(docker["Config"], blob(manifest["config"]["digest"].as_str().unwrap()));
        assert_eq!(docker["Layers"][0], blob(manifest["layers"][0]["digest"].as_str().unwrap()));
        assert_eq!(docker["RepoTags"], json!(["ks-e2e:v1"]));
        assert_eq!(json(docker["Config"].as_str().unwrap())["config"]["Entrypoint"], json!(["/ks-e2e"]));
    }
}
