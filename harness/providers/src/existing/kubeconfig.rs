//! The kubeconfig of somebody's cluster: found as kubectl finds it, and cut down to one context with everything inside.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube::config::{AuthInfo, Cluster, Kubeconfig};
use scenario::model::On;
use serde_json::{Value, json};

use crate::access::Access;
use crate::provider::Missing;

/// Which cluster a person means.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The kubeconfig; where it is not given, what `KUBECONFIG` names, else `~/.kube/config`.
    pub kubeconfig: Option<PathBuf>,
    /// The context; where it is not given, the current one.
    pub context: Option<String>,
    /// The server that the other cluster reaches, where it is not the kubeconfig's.
    pub server: Option<String>,
}

impl Place {
    /// Whether a person has said which cluster this is. Nobody's current context is taken by itself.
    #[must_use]
    pub fn is_named(&self) -> bool {
        self.kubeconfig.is_some() || self.context.is_some()
    }
}

/// One context of a kubeconfig.
#[derive(Clone)]
pub(super) struct Chosen {
    /// Name of the context.
    pub(super) context: String,
    /// A kubeconfig of it alone, without references to files. YAML text.
    pub(super) kubeconfig: String,
    /// Where it leads.
    pub(super) access: Access,
}

/// Reads the context that `place` names for the cluster `on`.
pub(super) fn read(on: On, place: &Place) -> Result<Chosen, Missing> {
    let unusable = |what: String, how: &str| Missing::new(format!("{on} cluster: {what}"), how);
    let from = place.kubeconfig.as_ref().map_or_else(|| "the kubeconfig".to_owned(), |path| path.display().to_string());
    let config = place.kubeconfig.as_ref().map_or_else(Kubeconfig::read, Kubeconfig::read_from);
    let config = config.map_err(|error| {
        unusable(format!("{from} cannot be read: {error}"), &format!("name another one with --{on}-kubeconfig"))
    })?;
    let known = config.contexts.iter().map(|context| context.name.as_str()).collect::<Vec<_>>().join(", ");
    let no_context =
        |what: String| unusable(format!("{what} in {from}"), &format!("name one of {known} with --{on}-context"));
    let name = place.context.clone().or_else(|| config.current_context.clone().filter(|name| !name.is_empty()));
    let name = name.ok_or_else(|| no_context("there is no current context".to_owned()))?;
    let context = config.contexts.iter().find(|context| context.name == name);
    let context = context.and_then(|named| named.context.as_ref());
    let context = context.ok_or_else(|| no_context(format!("there is no context {name:?}")))?;
    let cluster = config.clusters.iter().find(|cluster| cluster.name == context.cluster);
    let cluster = cluster.and_then(|named| named.cluster.as_ref());
    let cluster = cluster.ok_or_else(|| no_context(format!("context {name:?} names a cluster that is not there")))?;
    let user = context.user.as_deref().unwrap_or_default();
    let user = config.auth_infos.iter().find(|info| info.name == user).and_then(|named| named.auth_info.as_ref());
    let user = user.ok_or_else(|| no_context(format!("context {name:?} names a user that is not there")))?;
    if cluster.proxy_url.is_some() {
        return Err(unusable(
            format!("context {name:?} of {from} goes through a proxy"),
            "use a kubeconfig whose server is reached without one",
        ));
    }
    let inline = inline(cluster, user)
        .map_err(|what| unusable(format!("context {name:?} of {from}: {what}"), SELF_CONTAINED))?;
    let text = serde_yaml::to_string(&inline)
        .map_err(|error| unusable(format!("context {name:?} of {from}: {error}"), SELF_CONTAINED))?;
    let access =
        Access::of(&text).map_err(|error| unusable(format!("context {name:?} of {from}: {error}"), SELF_CONTAINED))?;
    Ok(Chosen { context: name, kubeconfig: text, access })
}

/// What every reader of the kubeconfig can use: the steps' kubectl, and on the other cluster ks-apiserver, to which it is
/// pasted.
const SELF_CONTAINED: &str = "use a kubeconfig with a client certificate or the token of a ServiceAccount in it, which is \
                              what KubeSphere needs of a member's, too";

fn inline(cluster: &Cluster, user: &AuthInfo) -> Result<Value, String> {
    let server = cluster.server.as_deref().ok_or("it has no server")?;
    let mut shown = json!({"server": server});
    if let Some(data) = data(cluster.certificate_authority_data.as_deref(), cluster.certificate_authority.as_deref())? {
        shown["certificate-authority-data"] = data.into();
    }
    if cluster.insecure_skip_tls_verify == Some(true) {
        shown["insecure-skip-tls-verify"] = true.into();
    }
    if let Some(name) = &cluster.tls_server_name {
        shown["tls-server-name"] = name.clone().into();
    }
    let credentials = serde_json::to_value(user).map_err(|error| error.to_string())?;
    let text = |key: &str| credentials[key].as_str();
    let mut identity = json!({});
    if let Some(token) = text("token") {
        identity["token"] = token.into();
    } else if let Some(path) = text("tokenFile") {
        identity["token"] = String::from_utf8_lossy(&file(path)?).trim().into();
    }
    for (key, path) in [("client-certificate-data", "client-certificate"), ("client-key-data", "client-key")] {
        if let Some(data) = data(text(key), text(path))? {
            identity[key] = data.into();
        }
    }
    if identity.as_object().is_some_and(serde_json::Map::is_empty) {
        let other = ["exec", "auth-provider", "username"].into_iter().find(|key| !credentials[*key].is_null());
        return Err(other.map_or_else(
            || "it has no credentials".to_owned(),
            |key| format!("its credentials come from `{key}`, which works on this machine alone"),
        ));
    }
    Ok(json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "kubernetes", "cluster": shown}],
        "users": [{"name": "kubernetes-admin", "user": identity}],
        "contexts": [{"name": CONTEXT, "context": {"cluster": "kubernetes", "user": "kubernetes-admin"}}],
        "current-context": CONTEXT,
    }))
}

/// What kubeadm calls its context; a person's own name of it may tell more than others are to read.
const CONTEXT: &str = "kubernetes-admin@kubernetes";

fn data(inline: Option<&str>, path: Option<&str>) -> Result<Option<String>, String> {
    match (inline.filter(|data| !data.is_empty()), path.filter(|path| !path.is_empty())) {
        (Some(data), _) => Ok(Some(data.to_owned())),
        (None, Some(path)) => Ok(Some(STANDARD.encode(file(path)?))),
        (None, None) => Ok(None),
    }
}

fn file(path: &str) -> Result<Vec<u8>, String> {
    std::fs::read(Path::new(path)).map_err(|error| format!("cannot read {path}: {error}"))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const CONFIG: &str = "
apiVersion: v1
kind: Config
current-context: prod
contexts:
- {name: prod, context: {cluster: c, user: u}}
- {name: cloud, context: {cluster: c, user: plugin}}
- {name: nobody, context: {cluster: c, user: gone}}
clusters:
- {name: c, cluster: {server: 'https://10.0.0.1:6443', certificate-authority: ca.crt}}
users:
- {name: u, user: {tokenFile: token}}
- {name: plugin, user: {exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: aws}}}
";

    fn written() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        for (name, content) in [("config", CONFIG), ("ca.crt", "CA"), ("token", "t0ken\n")] {
            std::fs::write(directory.path().join(name), content).unwrap();
        }
        let path = directory.path().join("config");
        (directory, path)
    }

    fn place(path: &Path, context: Option<&str>) -> Place {
        Place { kubeconfig: Some(path.to_owned()), context: context.map(str::to_owned), server: None }
    }

    #[test]
    fn takes_the_current_context_with_its_files() {
        let (_directory, path) = written();
        let chosen = read(On::Host, &place(&path, None)).ok().unwrap();
        assert_eq!(chosen.context, "prod");
        assert_eq!(chosen.access.authority_pem, b"CA");
        assert_eq!(chosen.access.token.as_deref(), Some("t0ken"));
        assert!(!chosen.kubeconfig.contains("prod"), "{}", chosen.kubeconfig);
    }

    #[rstest]
    #[case::unknown(Some("other"), "there is no context \"other\"", "--member-context")]
    #[case::of_a_plugin(Some("cloud"), "its credentials come from `exec`", "ServiceAccount")]
    #[case::of_nobody(Some("nobody"), "names a user that is not there", "--member-context")]
    fn says_what_is_wrong(#[case] context: Option<&str>, #[case] what: &str, #[case] how: &str) {
        let (_directory, path) = written();
        let missing = read(On::Member, &place(&path, context)).err().unwrap();
        assert!(missing.what.starts_with("member cluster: ") && missing.what.contains(what), "{missing}");
        assert!(missing.how.contains(how), "{missing}");
    }

    #[test]
    fn names_a_file_that_cannot_be_read() {
        let missing = read(On::Host, &place(Path::new("/nowhere/config"), None)).err().unwrap();
        assert!(missing.to_string().contains("/nowhere/config"), "{missing}");
    }
}
