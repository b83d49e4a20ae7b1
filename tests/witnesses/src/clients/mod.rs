//! The clients, as `ci/witnesses` puts them into a directory.

mod version;

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

pub use self::version::Version;

/// The directories of kubectl, from the oldest version to the newest.
const KUBECTLS: [&str; 3] = ["kubectl-1.20", "kubectl-machine", "kubectl-newest"];

/// What a client is run with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tool {
    /// kubectl, in this directory, which runs the sessions.
    Kubectl(PathBuf),
    /// Python with the package `kubernetes`, which runs the scripts in `clients/python`.
    Python(PathBuf),
    /// Node.js with the package `@kubernetes/client-node` below this directory, which runs `clients/node`.
    Node(PathBuf),
    /// The crate `kube`, in this process.
    Kube,
}

/// A client that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Its name in tables, as `kubectl 1.20.2`.
    pub name: String,
    /// Its version.
    pub version: Version,
    /// What it is run with.
    pub tool: Tool,
}

/// A client that is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Its name.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// All clients in `directory`, and the one of this process.
pub async fn find(directory: &Path) -> Vec<Result<Client, Missing>> {
    let mut clients = Vec::new();
    for name in KUBECTLS {
        clients.push(kubectl(directory, name).await);
    }
    clients.push(python(directory).await);
    clients.push(node(directory).await);
    // The version of the crate's API; only ranges of kubectl's versions are ever asked for.
    clients.push(Ok(Client { name: "kube-rs".to_owned(), version: Version { major: 5, minor: 0 }, tool: Tool::Kube }));
    clients
}

async fn kubectl(directory: &Path, name: &str) -> Result<Client, Missing> {
    let home = directory.join(name);
    let missing = |reason: String| Missing { name: name.to_owned(), reason };
    if !home.join("kubectl").exists() {
        return Err(missing(why(directory, name)));
    }
    let mut command = Command::new(home.join("kubectl"));
    command.args(["version", "--client", "--output=json"]);
    let said = answer(command).await.map_err(missing)?;
    let said: serde_json::Value = serde_json::from_str(&said).map_err(|error| missing(error.to_string()))?;
    let version = said.pointer("/clientVersion/gitVersion").and_then(serde_json::Value::as_str).unwrap_or_default();
    let parsed = Version::parse(version).ok_or_else(|| missing(format!("its version is {version:?}")))?;
    let version = version.trim_start_matches('v');
    Ok(Client { name: format!("kubectl {version}"), version: parsed, tool: Tool::Kubectl(home) })
}

async fn python(directory: &Path) -> Result<Client, Missing> {
    let python = directory.join("python/bin/python3");
    let missing = |reason: String| Missing { name: "python".to_owned(), reason };
    if !python.exists() {
        return Err(missing(why(directory, "python")));
    }
    let mut command = Command::new(&python);
    command.args(["-c", "import kubernetes; print(kubernetes.__version__)"]);
    let version = answer(command).await.map_err(missing)?;
    let parsed = Version::parse(&version).ok_or_else(|| missing(format!("its version is {version:?}")))?;
    Ok(Client { name: format!("python {version}"), version: parsed, tool: Tool::Python(python) })
}

async fn node(directory: &Path) -> Result<Client, Missing> {
    let modules = directory.join("node/node_modules");
    let missing = |reason: String| Missing { name: "node".to_owned(), reason };
    let manifest = modules.join("@kubernetes/client-node/package.json");
    let Ok(manifest) = std::fs::read_to_string(manifest) else { return Err(missing(why(directory, "node"))) };
    let mut command = Command::new("node");
    command.arg("--version");
    answer(command).await.map_err(|reason| missing(format!("Node.js: {reason}")))?;
    let manifest: serde_json::Value = serde_json::from_str(&manifest).map_err(|error| missing(error.to_string()))?;
    let version = manifest.get("version").and_then(serde_json::Value::as_str).unwrap_or_default();
    let parsed = Version::parse(version).ok_or_else(|| missing(format!("its version is {version:?}")))?;
    Ok(Client { name: format!("node {version}"), version: parsed, tool: Tool::Node(modules) })
}

/// What `ci/witnesses` noted when it could not provide a client.
fn why(directory: &Path, name: &str) -> String {
    let noted = std::fs::read_to_string(directory.join(format!("{name}.missing")));
    noted.map_or_else(
        |_| format!("{} has no {name}; run ci/witnesses", directory.display()),
        |why| why.trim().to_owned(),
    )
}

async fn answer(mut command: Command) -> Result<String, String> {
    let output = command.stdin(Stdio::null()).output().await.map_err(|error| format!("it does not start: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    } else {
        Err(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim()))
    }
}
