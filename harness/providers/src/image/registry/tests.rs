use std::collections::BTreeSet;
use std::env;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::*;
use crate::image::elf::Elf;
use crate::image::testing::{self, AMD64};
use crate::image::{digest, is_ours};

/// Tells the helper below where its document is.
const DOCUMENT: &str = "KS_E2E_TEST_DOCUMENT";

struct Served {
    url: String,
    document: Document,
    _stop: tokio_util::sync::DropGuard,
    _directory: tempfile::TempDir,
}

impl Served {
    /// The request, as containerd sends it to a mirror.
    async fn ask(&self, method: Method, path: &str) -> reqwest::Response {
        client().request(method, format!("{}{path}?ns=docker.io", self.url)).send().await.unwrap()
    }

    async fn get(&self, path: &str) -> reqwest::Response {
        self.ask(Method::GET, path).await
    }
}

fn client() -> reqwest::Client {
    // Asked for even where there is no TLS. Another test may have been faster.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build().unwrap()
}

fn document(layer: Layer) -> Document {
    Document {
        layer,
        port: 0,
        repositories: vec!["kubesphere/ks-installer".to_owned(), "kubesphere/tower".to_owned()],
        tags: vec!["v0".to_owned()],
        settings: Settings { environment: BTreeMap::from([("KS_E2E_DELAYS".to_owned(), "short".to_owned())]) },
    }
}

/// A registry over a small executable and a megabyte behind it, so that the layer takes more than one read.
async fn served() -> Served {
    let directory = tempfile::tempdir().unwrap();
    let mut content = testing::static_elf(AMD64);
    content.extend((0..1_000_000_u32).map(|at| u8::try_from(at % 251).unwrap()));
    let executable = testing::executable(directory.path(), &content);
    let document = document(Layer::pack(&executable, "amd64", &directory.path().join("layer.tar")).unwrap());
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let stop = CancellationToken::new();
    tokio::spawn(Registry::new(&document).unwrap().serve(listener, stop.clone()));
    Served { url, document, _stop: stop.drop_guard(), _directory: directory }
}

fn header<'a>(response: &'a reqwest::Response, name: &str) -> &'a str {
    response.headers()[name].to_str().unwrap()
}

#[tokio::test]
async fn gives_every_part_of_an_image() {
    let served = served().await;
    for image in ["kubesphere/ks-installer:v3.3.2", "kubesphere/tower:anything_3"] {
        let (repository, tag) = image.split_once(':').unwrap();
        let path = |kind: &str, what: &str| format!("/v2/{repository}/{kind}/{what}");
        let response = served.get(&path("manifests", tag)).await;
        assert_eq!(header(&response, "content-type"), manifest_type());
        let id = header(&response, "docker-content-digest").to_owned();
        let by_tag = response.bytes().await.unwrap();
        assert_eq!(digest::of(&by_tag), id);
        assert_eq!(served.get(&path("manifests", &id)).await.bytes().await.unwrap(), by_tag);

        let manifest: Value = serde_json::from_slice(&by_tag).unwrap();
        assert_eq!(manifest["layers"].as_array().unwrap().len(), 1);
        for part in [&manifest["config"], &manifest["layers"][0]] {
            let response = served.get(&path("blobs", part["digest"].as_str().unwrap())).await;
            assert_eq!(header(&response, "content-type"), part["mediaType"]);
            assert_eq!(header(&response, "docker-content-digest"), part["digest"]);
            assert_eq!(header(&response, "content-length"), part["size"].to_string());
            let content = response.bytes().await.unwrap();
            assert_eq!(json!([digest::of(&content), content.len()]), json!([part["digest"], part["size"]]));
        }
        let Document { layer, settings, .. } = &served.document;
        assert!(is_ours(&format!("docker.io/{repository}@{id}"), layer, settings, image));
        assert!(is_ours(manifest["config"]["digest"].as_str().unwrap(), layer, settings, image));
    }
}

fn manifest_type() -> &'static str {
    super::super::manifest::MANIFEST
}

#[tokio::test]
async fn answers_head_as_get_without_content() {
    let served = served().await;
    let layer = format!("/v2/kubesphere/tower/blobs/{}", served.document.layer.digest);
    for path in ["/v2/", "/v2/kubesphere/tower/manifests/v1", &layer, "/v2/other/manifests/v1"] {
        let (head, get) = (served.ask(Method::HEAD, path).await, served.get(path).await);
        assert_eq!(head.status(), get.status(), "{path}");
        for name in ["content-type", "content-length", "docker-content-digest"] {
            assert_eq!(head.headers().get(name), get.headers().get(name), "{path}: {name}");
        }
        assert!(head.bytes().await.unwrap().is_empty(), "{path}");
        assert!(!get.bytes().await.unwrap().is_empty(), "{path}");
    }
}

#[tokio::test]
async fn refuses_what_it_does_not_have() {
    let served = served().await;
    let other = served.get("/v2/kubesphere/tower/manifests/v1").await;
    let (layer, none) = (&served.document.layer.digest, digest::of(b"none"));
    let of_tower = header(&other, "docker-content-digest");
    for (path, code) in [
        ("/v2/library/busybox/manifests/latest".to_owned(), "NAME_UNKNOWN"),
        (format!("/v2/library/busybox/blobs/{layer}"), "NAME_UNKNOWN"),
        (format!("/v2/library/busybox/blobs/{none}"), "NAME_UNKNOWN"),
        (format!("/v2/kubesphere/tower/manifests/{none}"), "MANIFEST_UNKNOWN"),
        (format!("/v2/kubesphere/ks-installer/manifests/{of_tower}"), "MANIFEST_UNKNOWN"),
        ("/v2/kubesphere/tower/manifests/.no-tag".to_owned(), "MANIFEST_UNKNOWN"),
        (format!("/v2/kubesphere/tower/blobs/{none}"), "BLOB_UNKNOWN"),
        ("/v2/kubesphere/tower/blobs/v1".to_owned(), "BLOB_UNKNOWN"),
        ("/v2/kubesphere/tower/tags/list".to_owned(), "UNSUPPORTED"),
        ("/".to_owned(), "UNSUPPORTED"),
    ] {
        let response = served.get(&path).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        assert_eq!(header(&response, "content-type"), "application/json");
        let answer: Value = response.json().await.unwrap();
        assert_eq!(answer["errors"][0]["code"], code, "{path}: {answer}");
    }
}

#[tokio::test]
async fn is_only_read() {
    let served = served().await;
    for method in [Method::PUT, Method::POST, Method::DELETE, Method::PATCH] {
        let response = served.ask(method.clone(), "/v2/kubesphere/tower/manifests/v1").await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{method}");
        assert_eq!(header(&response, "allow"), "GET, HEAD");
        assert_eq!(response.json::<Value>().await.unwrap()["errors"][0]["code"], "UNSUPPORTED", "{method}");
    }
}

#[tokio::test]
async fn knows_announced_tags_by_digest_at_once() {
    let served = served().await;
    let Document { layer, settings, .. } = &served.document;
    let announced = Image::new("kubesphere/tower", "v0", layer, settings);
    let other = Image::new("kubesphere/tower", "v1", layer, settings);
    let path = |kind: &str, digest: &str| format!("/v2/kubesphere/tower/{kind}/{digest}");
    assert_eq!(served.get(&path("manifests", announced.digest())).await.status(), StatusCode::OK);
    assert_eq!(served.get(&path("blobs", announced.id())).await.status(), StatusCode::OK);
    assert_eq!(served.get(&path("manifests", other.digest())).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(served.ask(Method::HEAD, &path("manifests", "v1")).await.status(), StatusCode::OK);
    assert_eq!(served.get(&path("manifests", other.digest())).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn says_when_the_layer_is_gone() {
    let served = served().await;
    fs::remove_file(&served.document.layer.tar).unwrap();
    let response = served.get(&format!("/v2/kubesphere/tower/blobs/{}", served.document.layer.digest)).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let error = Registry::new(&served.document).err().unwrap().to_string();
    assert!(error.starts_with("cannot read "), "{error}");
}

#[tokio::test]
async fn needs_the_very_layer() {
    let served = served().await;
    let mut document = served.document.clone();
    document.layer.size += 1;
    let error = Registry::new(&document).err().unwrap().to_string();
    assert!(error.contains(" bytes, the layer has "), "{error}");
}

#[tokio::test]
async fn names_the_document_that_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("registry.json");
    let error = serve_from(&path).await.unwrap_err().to_string();
    assert!(error.starts_with(&format!("cannot read {}", path.display())), "{error}");
    fs::write(&path, r#"{"colour": "blue"}"#).unwrap();
    let error = serve_from(&path).await.unwrap_err().to_string();
    assert!(error.contains("is not the document of a registry: unknown field `colour`"), "{error}");
}

/// Not a test: the registry's own process, for the one below.
#[tokio::test]
#[ignore = "is started by another test"]
async fn helper() {
    if let Some(path) = env::var_os(DOCUMENT) {
        serve_from(Path::new(&path)).await.unwrap();
    }
}

/// As on a node: from the unpacked layer, with nothing of this machine's environment.
#[tokio::test]
async fn serves_from_its_own_layer_until_it_is_told_to_stop() {
    let directory = tempfile::tempdir().unwrap();
    let executable = env::current_exe().unwrap();
    let architecture = Elf::read(&executable).unwrap().architecture.name();
    let layer = Layer::pack(&executable, architecture, &directory.path().join("layer.tar")).unwrap();
    let root = directory.path().join("root");
    tar::Archive::new(fs::File::open(&layer.tar).unwrap()).unpack(&root).unwrap();
    let path = directory.path().join("registry.json");
    let document = document(layer);
    fs::write(&path, serde_json::to_vec(&document).unwrap()).unwrap();

    let launch = document.layer.launch_in(root.to_str().unwrap());
    let mut child = Command::new(&launch[0])
        .args(&launch[1..])
        .args(["image::registry::tests::helper", "--exact", "--ignored", "--nocapture"])
        .env_clear()
        .env(DOCUMENT, &path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    // libtest writes the test's name in front of what the test says.
    let listening = lines.find_map(|line| line.split_once("registry: listening on ").map(|(_, url)| url.to_owned()));
    let url = listening.unwrap();

    let manifest = |repository: &str| client().get(format!("{url}/v2/{repository}/manifests/v3.3.2")).send();
    let mut digests = BTreeSet::new();
    for repository in &document.repositories {
        digests.insert(header(&manifest(repository).await.unwrap(), "docker-content-digest").to_owned());
    }
    assert_eq!(digests.len(), document.repositories.len());

    let pid = nix::unistd::Pid::from_raw(child.id().try_into().unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    assert!(tokio::task::spawn_blocking(move || child.wait()).await.unwrap().unwrap().success());
    assert!(manifest("kubesphere/tower").await.is_err());
}
