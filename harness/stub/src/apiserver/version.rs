//! `GET /kapis/version` (kubesphere v3.3.2, `pkg/version`).

use http::StatusCode;
use kubesphere::Release;
use serde_json::{Value, json};

use super::respond::{self, Answer};
use super::server::Server;
use crate::member::Target;

/// Tells the version of KubeSphere and that of Kubernetes.
pub async fn answer(server: &Server) -> Answer {
    let kubernetes = match server.api.get(&Target::path("/version")).await {
        Ok(version) => version,
        Err(error) => return respond::text_error(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    };
    respond::entity(StatusCode::OK, &version(server.release, &kubernetes))
}

fn version(release: &Release, kubernetes: &Value) -> Value {
    let mut numbers = release.version.split('.');
    json!({
        "gitVersion": release.tag(),
        "gitMajor": numbers.next().unwrap_or_default(),
        "gitMinor": numbers.next().unwrap_or_default(),
        "gitCommit": release.commit.unwrap_or("unknown"),
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "go1.19.8",
        "compiler": "gc",
        "platform": "linux/amd64",
        "kubernetes": kubernetes,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing unwrap fails the test")]

    use super::*;

    #[test]
    fn tells_the_version_of_its_release() {
        let told = version(Release::find("v3.3.2").unwrap(), &json!({"minor": "20"}));
        assert_eq!(
            (&told["gitVersion"], &told["gitMinor"], &told["kubernetes"]["minor"]),
            (&"v3.3.2".into(), &"3".into(), &"20".into())
        );
    }
}
