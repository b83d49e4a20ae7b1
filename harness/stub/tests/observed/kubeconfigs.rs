//! The kubeconfigs that the records name.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::fixture::{Cluster, World};

fn admin(cluster: &Cluster) -> Value {
    let text = cluster.api.admin_kubeconfig(&format!("https://{}:6443", cluster.address), "cluster.local").unwrap();
    serde_yaml::from_str(&text).unwrap()
}

fn text(config: &Value) -> String {
    serde_yaml::to_string(config).unwrap()
}

fn with_certificate(config: Value, cluster: &Cluster, name: &str, groups: &[&str], days: u64) -> Value {
    with_lifetime(config, cluster, name, groups, apiserver::Lifetime::for_duration(Duration::from_hours(24 * days)))
}

fn with_lifetime(
    mut config: Value,
    cluster: &Cluster,
    name: &str,
    groups: &[&str],
    lifetime: apiserver::Lifetime,
) -> Value {
    let issued = cluster.api.issue_client_certificate(name, groups, lifetime).unwrap();
    config["users"][0]["user"] = json!({
        "client-certificate-data": STANDARD.encode(issued.certificate_pem),
        "client-key-data": STANDARD.encode(issued.key_pem),
    });
    config
}

/// An address that nobody has.
pub const UNUSED: &str = "192.0.2.99";

pub fn valid(cluster: &Cluster) -> String {
    text(&admin(cluster))
}

/// A kubeconfig of the user `name`, who may do what roles let it.
pub fn of_user(cluster: &Cluster, name: &str) -> String {
    text(&with_certificate(admin(cluster), cluster, name, &[], 365))
}

/// A kubeconfig with the token of the member's ServiceAccount `kubesphere`, which may do everything.
pub async fn with_token(cluster: &Cluster) -> String {
    let secrets = cluster.get("/api/v1/namespaces/kubesphere-system/secrets").await;
    let token = secrets["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|secret| secret["metadata"]["annotations"]["kubernetes.io/service-account.name"] == "kubesphere")
        .map(|secret| STANDARD.decode(secret["data"]["token"].as_str().unwrap()).unwrap())
        .unwrap();
    let mut config = admin(cluster);
    config["users"][0]["user"] = json!({"token": String::from_utf8(token).unwrap()});
    text(&config)
}

/// The kubeconfig of a record; `None` where it needs none of its own.
pub async fn of_case(world: &World, case: &str) -> Option<String> {
    let mut config = admin(&world.member);
    let user = config["users"][0]["user"].clone();
    let address = world.member.address;
    let cluster = |config: &mut Value, key: &str, value: Value| config["clusters"][0]["cluster"][key] = value;
    let drop_ca = |config: &mut Value| {
        config["clusters"][0]["cluster"].as_object_mut().unwrap().shift_remove("certificate-authority-data");
    };
    match case {
        "malformed-yaml" => return Some("apiVersion: v1: kind: Config".to_owned()),
        "plain-text" => return Some("hello world".to_owned()),
        "no-current-context" => config["current-context"] = "nothing".into(),
        "empty-config" => {
            return Some("apiVersion: v1\nkind: Config\nclusters: []\ncontexts: []\nusers: []\n".to_owned());
        }
        "closed-port" => cluster(&mut config, "server", format!("https://{address}:6999").into()),
        "blackhole" => cluster(&mut config, "server", format!("https://{address}:6998").into()),
        "unknown-dns" => cluster(&mut config, "server", "https://member.invalid:6443".into()),
        "wrong-ca" => {
            cluster(&mut config, "certificate-authority-data", STANDARD.encode(world.host.api.ca_pem()).into());
        }
        "no-route" => cluster(&mut config, "server", format!("https://{UNUSED}:6443").into()),
        "bad-token" => config["users"][0]["user"] = json!({"token": "nonsense"}),
        "expired-client-cert" => {
            let hours = |hours: i64| jiff::Timestamp::now() + jiff::SignedDuration::from_hours(hours);
            let lifetime = apiserver::Lifetime { not_before: hours(-24), not_after: hours(-1) };
            config = with_lifetime(config, &world.member, "kubernetes-admin", &["system:masters"], lifetime);
        }
        "no-ca" => drop_ca(&mut config),
        "san-mismatch" => cluster(&mut config, "server", "https://member-alias:6443".into()),
        "client-cert-other-ca" => {
            config["users"][0]["user"] = admin(&world.bare)["users"][0]["user"].clone();
        }
        "no-credentials" => config["users"][0]["user"] = json!({}),
        "limited-rbac" => config = with_certificate(config, &world.member, "jane", &[], 365),
        "expires-in-3-days" => {
            config = with_certificate(config, &world.member, "kubernetes-admin", &["system:masters"], 3);
        }
        "insecure-skip-tls" => {
            drop_ca(&mut config);
            cluster(&mut config, "insecure-skip-tls-verify", true.into());
        }
        "insecure-and-ca" => cluster(&mut config, "insecure-skip-tls-verify", true.into()),
        "token-auth" => return Some(with_token(&world.member).await),
        "basic-auth" => config["users"][0]["user"] = json!({"username": "admin", "password": "secret"}),
        "exec-missing" => {
            config["users"][0]["user"] = json!({"exec": {
                "apiVersion": "client.authentication.k8s.io/v1beta1",
                "command": "aws-iam-authenticator-not-here",
            }});
        }
        "file-refs" => {
            config["users"][0]["user"] =
                json!({"client-certificate": "/nonexistent/admin.crt", "client-key": "/nonexistent/admin.key"});
            config["users"][0]["name"] = "kubernetes-admin".into();
            config["contexts"][0]["context"]["user"] = "kubernetes-admin".into();
        }
        "loopback" => cluster(&mut config, "server", "https://127.0.0.1:6443".into()),
        "localhost-name" => cluster(&mut config, "server", "https://localhost:6443".into()),
        "http-scheme" => cluster(&mut config, "server", format!("http://{address}:6443").into()),
        "no-scheme" => cluster(&mut config, "server", format!("{address}:6443").into()),
        "bare-cluster" | "bare-cluster-after" => config = admin(&world.bare),
        "host-itself" | "host-itself-after" => config = admin(&world.host),
        _ => config["users"][0]["user"] = user,
    }
    Some(text(&config))
}
