//! `GET /kapis/version` (kubesphere v3.3.2, `pkg/version`).

use http::StatusCode;
use kubesphere::Release;
use serde_json::{Value, json};

use super::respond::{self, Answer};
use super::server::Server;
use crate::member::Target;

/// Tells the version of KubeSphere, by the program's image, and that of Kubernetes.
pub async fn answer(server: &Server) -> Answer {
    let kubernetes = match server.api.get(&Target::path("/version")).await {
        Ok(version) => version,
        Err(error) => return respond::text_error(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    };
    respond::entity(StatusCode::OK, &version(&server.ctx.pod.image, &kubernetes))
}

fn version(image: &str, kubernetes: &Value) -> Value {
    let version = Release::of_image(image).map_or("0.0.0", |release| release.version);
    let mut numbers = version.split('.');
    json!({
        "gitVersion": format!("v{version}"),
        "gitMajor": numbers.next().unwrap_or_default(),
        "gitMinor": numbers.next().unwrap_or_default(),
        "gitCommit": commit(version),
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "go1.19.8",
        "compiler": "gc",
        "platform": "linux/amd64",
        "kubernetes": kubernetes,
    })
}

/// The commits behind the tags whose control planes were observed.
fn commit(version: &str) -> &'static str {
    match version {
        "3.3.2" => "d938161ad3c7103dc0976b691d54b6ec55dc3f83",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_version_of_its_image() {
        let told = version("kubesphere/ks-apiserver:v3.3.2", &json!({"minor": "20"}));
        assert_eq!(
            (&told["gitVersion"], &told["gitMinor"], &told["kubernetes"]["minor"]),
            (&"v3.3.2".into(), &"3".into(), &"20".into())
        );
    }
}
