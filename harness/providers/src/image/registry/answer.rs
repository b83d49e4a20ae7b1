//! The registry's responses, and its refusals (distribution-spec v1.0, "Pull" and "Error Codes").

use bytes::{Bytes, BytesMut};
use futures::stream;
use http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use nodes::network::serve::{Body, full};
use serde_json::json;
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;

use crate::image::layer::Layer;
use crate::image::manifest::{self, Image};

/// How much of a layer is read at once.
const CHUNK: usize = 256 * 1024;

/// Why something is not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// No such repository.
    NameUnknown,
    /// No such manifest in the repository.
    ManifestUnknown,
    /// No such blob in the repository.
    BlobUnknown,
    /// No such endpoint.
    Unsupported,
    /// This registry is only read.
    Method,
    /// The layer's file is gone.
    Unreadable,
}

impl Refusal {
    /// The response that says so.
    pub(super) fn response(self) -> Response<Body> {
        let (status, code, message) = match self {
            Self::NameUnknown => (StatusCode::NOT_FOUND, "NAME_UNKNOWN", "repository name not known to registry"),
            Self::ManifestUnknown => (StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN", "manifest unknown"),
            Self::BlobUnknown => (StatusCode::NOT_FOUND, "BLOB_UNKNOWN", "blob unknown to registry"),
            Self::Unsupported => (StatusCode::NOT_FOUND, "UNSUPPORTED", "the operation is unsupported"),
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", "this registry is only read"),
            // Not one of the specification's codes, which know no fault of the registry itself; clients show it.
            Self::Unreadable => (StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN", "the layer's file cannot be read"),
        };
        let content = Bytes::from(json!({"errors": [{"code": code, "message": message}]}).to_string());
        let mut response = known("application/json", content.len() as u64, full(content));
        *response.status_mut() = status;
        if self == Self::Method {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        response
    }
}

/// This is a registry.
pub(super) fn base() -> Response<Body> {
    let mut response = known("application/json", 2, full("{}"));
    // Docker's clients look for it (distribution/distribution v2.8, `docs/spec/api.md`).
    response.headers_mut().insert("Docker-Distribution-API-Version", HeaderValue::from_static("registry/2.0"));
    response
}

/// The manifest of `image`.
pub(super) fn manifest(image: &Image) -> Response<Body> {
    let content = image.manifest();
    digested(known(manifest::MANIFEST, content.len() as u64, full(content)), image.digest())
}

/// The configuration of `image`.
pub(super) fn config(image: &Image) -> Response<Body> {
    let content = image.config();
    digested(known(manifest::CONFIG, content.len() as u64, full(content)), image.id())
}

/// The content of `layer`, read as it is sent.
pub(super) async fn layer(layer: &Layer) -> Result<Response<Body>, Refusal> {
    let file = File::open(&layer.tar).await.map_err(|_| Refusal::Unreadable)?;
    // Never more than was promised, should the file have grown.
    let content = stream::try_unfold(file.take(layer.size), |mut file| async {
        let mut chunk = BytesMut::with_capacity(CHUNK);
        let read = file.read_buf(&mut chunk).await?;
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>((read > 0).then(|| (Frame::data(chunk.freeze()), file)))
    });
    let body = StreamBody::new(content).boxed_unsync();
    Ok(digested(known(manifest::LAYER, layer.size, body), &layer.digest))
}

fn known(media_type: &'static str, length: u64, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let headers: &mut HeaderMap = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CONTENT_LENGTH, length.into());
    response
}

fn digested(mut response: Response<Body>, digest: &str) -> Response<Body> {
    // A digest is made of letters, digits and a colon.
    if let Ok(digest) = HeaderValue::from_str(digest) {
        response.headers_mut().insert("Docker-Content-Digest", digest);
    }
    response
}
