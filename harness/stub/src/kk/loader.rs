//! `config-sample.yaml` as `kk` reads it: document by document, of which the one about KubeSphere stays text (kubekey
//! v3.0.13, `cmd/kk/pkg/common/loader.go`).

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::versions;

/// What the file says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Loaded {
    /// `spec` of the document of kind Cluster.
    pub cluster: Value,
    /// KubeSphere, if the file is about it.
    pub kubesphere: Option<Kubesphere>,
}

/// What to install.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kubesphere {
    /// Version, as `v3.3.2`.
    pub version: String,
    /// The document, verbatim, with a separator in front.
    pub document: String,
}

/// A file that `kk` does not accept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// It is not there.
    #[error("Unable to open the given cluster configuration file: open {0}: no such file or directory")]
    Open(String),
    /// A document is not YAML.
    #[error("Unable to unmarshal the given cluster configuration file: yaml: {0}")]
    NotYaml(String),
    /// The `ClusterConfiguration` has no label `version`.
    #[error("Unknown version")]
    UnknownVersion,
    /// Its label names something else than a version that `kk` installs.
    #[error("Unsupported KubeSphere version: {0}")]
    Unsupported(String),
    /// The flag does.
    #[error("Unsupported Kubesphere Version: {0}")]
    UnsupportedFlag(String),
    /// Something is missing that the original takes for granted.
    #[error("panic: interface conversion: interface {{}} is nil, not {0}")]
    Panic(&'static str),
}

/// Reads the file `path`.
///
/// # Errors
/// [`LoadError`].
pub fn load(path: &Path) -> Result<Loaded, LoadError> {
    let text = fs::read_to_string(path).map_err(|_| LoadError::Open(path.display().to_string()))?;
    parse(&text)
}

/// Reads the text of such a file.
///
/// # Errors
/// [`LoadError`].
pub fn parse(text: &str) -> Result<Loaded, LoadError> {
    let mut loaded = Loaded::default();
    for content in documents(text) {
        let document: Value = serde_yaml::from_str(&content).map_err(|error| LoadError::NotYaml(error.to_string()))?;
        match document.get("kind").and_then(Value::as_str) {
            Some("Cluster") => {
                let name = document.get("metadata").ok_or(LoadError::Panic(MAP))?.get("name");
                name.and_then(Value::as_str).ok_or(LoadError::Panic("string"))?;
                loaded.cluster = document.get("spec").cloned().unwrap_or_default();
            }
            Some("ClusterConfiguration" | "ConfigMap") => {
                let version = version_of(&document)?;
                loaded.kubesphere = Some(Kubesphere { version, document: format!("---\n{content}") });
            }
            _ => {}
        }
    }
    Ok(loaded)
}

/// A mapping, in Go's words.
const MAP: &str = "map[string]interface {}";

fn version_of(document: &Value) -> Result<String, LoadError> {
    let section = |holder: &Value, key: &str| holder.get(key).and_then(Value::as_object).cloned();
    let metadata = section(document, "metadata").ok_or(LoadError::Panic(MAP))?;
    let labels = metadata.get("labels").and_then(Value::as_object).ok_or(LoadError::Panic(MAP))?;
    let version = labels.get("version").ok_or(LoadError::UnknownVersion)?;
    let version = version.as_str().ok_or(LoadError::Panic("string"))?;
    if versions::is_supported(version) {
        Ok(version.to_owned())
    } else {
        Err(LoadError::Unsupported(version.to_owned()))
    }
}

/// The documents of a YAML text, as they stand there.
pub fn documents(text: &str) -> Vec<String> {
    let mut documents = vec![String::new()];
    for line in text.split_inclusive('\n') {
        if line.strip_prefix("---").is_some_and(|rest| rest.trim().is_empty()) {
            documents.push(String::new());
        } else if let Some(document) = documents.last_mut() {
            document.push_str(line);
        }
    }
    documents.retain(|document| !document.trim().is_empty());
    documents
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const CLUSTER: &str = "kind: Cluster\nmetadata: {name: sample}\nspec: {etcd: {type: kubekey}}\n";

    fn with(configuration: &str) -> String {
        format!("{CLUSTER}---\n{configuration}")
    }

    #[test]
    fn keeps_the_second_document_verbatim() {
        let configuration =
            "kind: ClusterConfiguration # mine\nmetadata:\n  labels: {version: v3.3.2}\nspec: {a:  1}\n";
        let loaded = parse(&with(configuration)).unwrap();
        let kubesphere = loaded.kubesphere.unwrap();
        assert_eq!(kubesphere.version, "v3.3.2");
        assert_eq!(kubesphere.document, format!("---\n{configuration}"));
        assert_eq!(loaded.cluster, serde_json::json!({"etcd": {"type": "kubekey"}}));
    }

    #[test]
    fn takes_a_file_without_a_second_document() {
        assert_eq!(parse(CLUSTER).unwrap().kubesphere, None);
    }

    #[rstest]
    #[case::no_version("kind: ClusterConfiguration\nmetadata: {labels: {}}\n", "Unknown version")]
    #[case::unsupported(
        "kind: ClusterConfiguration\nmetadata: {labels: {version: v3.9.9}}\n",
        "Unsupported KubeSphere version: v3.9.9"
    )]
    #[case::no_labels(
        "kind: ClusterConfiguration\nmetadata: {name: ks-installer}\n",
        "panic: interface conversion: interface {} is nil, not map[string]interface {}"
    )]
    #[case::not_yaml("a: [", "Unable to unmarshal the given cluster configuration file: yaml: ")]
    fn refuses_a_second_document(#[case] configuration: &str, #[case] beginning: &str) {
        let error = parse(&with(configuration)).unwrap_err().to_string();
        assert!(error.starts_with(beginning), "{error}");
    }

    #[test]
    fn ignores_what_stands_in_the_first_document() {
        let text = "kind: Cluster\nmetadata: {name: sample}\nspec: {multicluster: {clusterRole: host}}\n";
        assert_eq!(parse(text).unwrap().kubesphere, None);
    }
}
