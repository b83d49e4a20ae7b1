//! What a run on KubeSphere itself asks of somebody's clusters is listed, and it asks nothing else.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test stops at the first surprise")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use kubesphere::Release;
use serde_json::Value;

/// The list.
const LISTED: &str = include_str!("requests/requests.txt");
/// The release whose manifests a person has.
const RELEASE: &str = "3.4.1";
/// Programs that run in the clusters, with the rights of a kubeconfig that was pasted.
const OF_KUBESPHERE: [&str; 2] = ["ks-apiserver", "ks-controller-manager"];
/// Kubernetes' own.
const OF_KUBERNETES: [&str; 3] = ["kube-controller-manager", "kube-scheduler", "kubelet"];
/// All ways in which a scenario meets clusters: the manifests of a person, the console, kubectl.
const SCENARIOS: [&str; 6] = [
    "host-pre-install-k8s",
    "member-pre-install-k8s",
    "jwt-get",
    "import-form-complete",
    "import-wait",
    "remove-cluster",
];

/// A request as the list has it: program, verb, resource or path, namespace and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Request {
    program: String,
    verb: String,
    what: String,
    place: String,
}

impl Request {
    /// That of an event of `audit.k8s.io/v1`, if it is of who uses the kubeconfigs that a person has given.
    fn of(event: &Value) -> Option<Self> {
        let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let program = text("/userAgent").split('/').next().unwrap_or_default().to_owned();
        let inside = OF_KUBESPHERE.iter().chain(&OF_KUBERNETES).any(|known| *known == program);
        if inside || text("/user/username").starts_with("system:serviceaccount:") {
            return None;
        }
        let with = |mark: &str, text: &str| if text.is_empty() { String::new() } else { format!("{mark}{text}") };
        let (what, place) = match event.get("objectRef") {
            None => (text("/requestURI").split('?').next().unwrap_or_default().to_owned(), "-".to_owned()),
            Some(_) => (
                format!(
                    "{}{}{}",
                    text("/objectRef/resource"),
                    with("/", text("/objectRef/subresource")),
                    with(".", text("/objectRef/apiGroup"))
                ),
                format!("{}/{}", text("/objectRef/namespace"), text("/objectRef/name")),
            ),
        };
        Some(Self { program, verb: text("/verb").to_owned(), what, place })
    }
}

/// A line of the list.
struct Line {
    text: &'static str,
    may_be_missing: bool,
    columns: [&'static str; 4],
}

impl Line {
    fn of(text: &'static str) -> Option<Self> {
        let may_be_missing = text.starts_with('?');
        let columns: Vec<_> = text.trim_start_matches('?').split_whitespace().collect();
        if text.starts_with('#') || columns.is_empty() {
            return None;
        }
        let columns = columns.try_into().unwrap_or_else(|_| panic!("not four columns: {text}"));
        Some(Self { text, may_be_missing, columns })
    }

    fn allows(&self, request: &Request) -> bool {
        let [program, verbs, what, place] = self.columns;
        fits(program, &request.program)
            && verbs.split(',').any(|verb| verb == request.verb)
            && fits(what, &request.what)
            && fits(place, &request.place)
    }
}

/// Whether `text` is what `pattern` says, in which `*` stands for any text.
fn fits(pattern: &str, text: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut rest) = text.strip_prefix(head) else { return false };
    loop {
        if fits(tail, rest) {
            return true;
        }
        let mut characters = rest.chars();
        if characters.next().is_none() {
            return false;
        }
        rest = characters.as_str();
    }
}

/// Somebody who has clusters, embedded ones, until they are dropped.
struct Person {
    home: tempfile::TempDir,
    up: Option<Value>,
}

impl Drop for Person {
    fn drop(&mut self) {
        if let Some(up) = &self.up {
            // The test has said already what is wrong, if anything is.
            let _gone = self.ks_e2e().args(["down", up["runId"].as_str().unwrap_or_default()]).output();
        }
    }
}

impl Person {
    fn ks_e2e(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ks-e2e"));
        let home = self.home.path();
        command.env("HOME", home).env("XDG_STATE_HOME", home).env("TMPDIR", home).env_remove("KS_E2E_PROVIDER");
        command
    }

    fn file(&self, name: &str, content: &str) -> std::path::PathBuf {
        let path = self.home.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }
}

fn succeeds(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap();
    let said = [output.stdout.clone(), output.stderr].concat();
    assert!(output.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&said));
    output.stdout
}

fn requests(logs: &Path) -> BTreeSet<Request> {
    let logs = ["host.log", "member.log"].map(|name| fs::read_to_string(logs.join(name)).unwrap());
    let events = logs.iter().flat_map(|log| log.lines()).map(|line| serde_json::from_str::<Value>(line).unwrap());
    events.filter_map(|event| Request::of(&event)).collect()
}

#[test]
fn of_a_run_on_kubesphere_itself_are_those_that_are_listed() {
    let mut person = Person { home: tempfile::tempdir().unwrap(), up: None };
    let release = Release::find(RELEASE).unwrap();
    let installer = person.file("kubesphere-installer.yaml", &stub::manifests::installer_yaml(release));
    let configuration =
        person.file("cluster-configuration.yaml", &stub::manifests::cluster_configuration_yaml(release));
    let logs = person.home.path().join("audit");
    let up = succeeds(
        person
            .ks_e2e()
            .args(["up", "--detach", "-o", "json", "--host", "absent", "--member", "absent", "--audit-logs"])
            .arg(&logs),
    );
    let up: Value = serde_json::from_slice(&up).unwrap();
    person.up = Some(up.clone());
    let mut run = person.ks_e2e();
    run.arg("run").args(SCENARIOS).args(["--provider", "existing", "--require", "existing", "--release", RELEASE]);
    run.args(["--host-context", "host", "--member-context", "member", "--stub-image", "ks-e2e:v1"]);
    run.args(["--allow-install", "--yes", "--kubesphere", "real", "--installer-manifest"]).arg(installer);
    run.arg("--cluster-configuration").arg(configuration).env("KUBECONFIG", up["kubeconfig"].as_str().unwrap());
    let ran = String::from_utf8(succeeds(&mut run)).unwrap();
    assert!(ran.contains(&format!("{} passed, 0 failed, 0 known issues, 0 skipped", SCENARIOS.len())), "{ran}");

    let made = requests(&logs);
    let listed: Vec<Line> = LISTED.lines().filter_map(Line::of).collect();
    let unlisted: Vec<_> = made.iter().filter(|request| !listed.iter().any(|line| line.allows(request))).collect();
    assert!(unlisted.is_empty(), "requests that are not listed: {unlisted:#?}");
    let unused = listed.iter().filter(|line| !line.may_be_missing && !made.iter().any(|request| line.allows(request)));
    let unused: Vec<_> = unused.map(|line| line.text).collect();
    assert!(unused.is_empty(), "lines that stand for no request: {unused:#?}");
}

#[test]
fn beside_the_list_are_found() {
    let event = |program: &str, verb: &str, resource: &str, namespace: &str| {
        Request::of(&serde_json::json!({
            "userAgent": format!("{program}/v1"), "verb": verb, "user": {"username": "kubernetes-admin"},
            "requestURI": "/", "objectRef": {"resource": resource, "namespace": namespace, "name": "a"},
        }))
    };
    let is_listed = |request: &Request| LISTED.lines().filter_map(Line::of).any(|line| line.allows(request));
    assert!(!is_listed(&event("ks-e2e", "get", "secrets", "default").unwrap()));
    assert!(!is_listed(&event("ks-e2e", "delete", "configmaps", "default").unwrap()));
    assert!(!is_listed(&event("kubectl", "update", "namespaces", "").unwrap()));
    assert!(is_listed(&event("ks-e2e", "delete", "configmaps", "kubesphere-system").unwrap()));
    assert_eq!(event("kubelet", "get", "secrets", "default"), None);
}
