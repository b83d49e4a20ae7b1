//! Doors into what is private, for the targets in `fuzz/` alone (feature `fuzzing`).

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use serde_json::Value;
use tokio::io::DuplexStream;

use crate::ApiServer;
use crate::authn::{PeerCertificate, User};
use crate::managed::Tracker;
use crate::patch::Patch;
use crate::registry::Registry;
use crate::selector::{LabelSelector, RawFieldSelector};
use crate::{server, shape};

impl ApiServer {
    /// A connection of an administrator, without TLS and in memory.
    #[must_use]
    pub fn connection_for_fuzzing(&self) -> DuplexStream {
        let (client, stream) = tokio::io::duplex(64 * 1024);
        let user = User::authenticated("fuzz", vec!["system:masters".to_owned()]);
        let peer = PeerCertificate::Known { user, from: 0, until: i64::MAX };
        tokio::spawn(server::converse_for_fuzzing(self.running.state.clone(), stream, peer));
        client
    }
}

/// Whether `object` is selected, where the selectors can be read.
#[must_use]
pub fn selects(labels: &str, fields: &str, object: &Value) -> (Option<bool>, Option<bool>) {
    let registry = Registry::new(Vec::new());
    let by_fields = registry.built_in("", "pods").and_then(|pods| RawFieldSelector::parse(fields).ok()?.of(pods).ok());
    (
        LabelSelector::parse(labels).ok().map(|selector| selector.matches(object)),
        by_fields.map(|selector| selector.matches(object)),
    )
}

/// What a PATCH makes of `object`, brought into the shape of a `group/plural` before and after; `None` where anything
/// of it is refused.
#[must_use]
pub fn patched((group, plural): (&str, &str), media_type: &'static str, object: &Value, patch: &[u8]) -> Option<Value> {
    let registry = Registry::new(Vec::new());
    let resource = registry.built_in(group, plural)?;
    let mut object = object.clone();
    shape::shape(resource, &mut object).ok()?;
    let headers = HeaderMap::from_iter([(http::header::CONTENT_TYPE, HeaderValue::from_static(media_type))]);
    let patch = Patch::read(resource, false, &headers, &Bytes::copy_from_slice(patch)).ok()?;
    let tracker = Tracker { resource, manager: "fuzz", now: "2020-01-01T00:00:00Z" };
    let mut patched = patch.apply(&object, tracker, true).ok()?;
    shape::shape(resource, &mut patched).ok()?;
    Some(patched)
}
