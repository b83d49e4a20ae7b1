//! What the environment lacks is said within five seconds, with a way out, and costs nothing: docker, podman, kind and
//! kubectl are scripts here that answer as the real ones do.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test stops at the first surprise")]

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use assert_cmd::Command;
use rstest::rstest;

/// The promise, for whatever the environment lacks.
const PROMISED: Duration = Duration::from_secs(5);

/// Answers every question of a probe; `network` and `rm` are written down, and a cluster has nodes until they are
/// removed.
const DOCKER: &str = r#"
case "$*" in
"version --format {{.Server.Version}}") echo 20.10.24 ;;
"version --format {{.Server.Arch}}") case $(uname -m) in aarch64) echo arm64 ;; *) echo amd64 ;; esac ;;
"info --format {{.DockerRootDir}}") echo / ;;
"image inspect --format {{.Id}} "*) echo sha256:0123 ;;
"network ls"*) [ ! -e "$PLACE/network" ] || cat "$PLACE/network" ;;
"network create"*) for name; do :; done; echo "$name" >"$PLACE/network" ;;
"network rm "*) rm "$PLACE/network" ;;
"ps -a --filter label=io.x-k8s.kind.cluster="*)
    cluster=${4##*=}
    [ ! -e "$PLACE/nodes/$cluster-control-plane" ] || echo "$cluster-control-plane" ;;
"rm -f -v "*) shift 3; for node; do rm "$PLACE/nodes/$node"; done ;;
*) echo "docker: unknown command: docker $*" >&2; exit 1 ;;
esac
"#;

/// The same questions, as Podman wants them asked.
const PODMAN: &str = r#"
case "$*" in
"info --format {{.Version.Version}}") echo 4.3.1 ;;
"info --format {{.Host.Arch}}") case $(uname -m) in aarch64) echo arm64 ;; *) echo amd64 ;; esac ;;
"info --format {{.Store.GraphRoot}}") echo / ;;
"image inspect --format {{.Id}} "*) echo 0123 ;;
"network ls"*) [ ! -e "$PLACE/network" ] || cat "$PLACE/network" ;;
"network create"*) for name; do :; done; echo "$name" >"$PLACE/network"; echo "$name" ;;
"network rm "*) rm "$PLACE/network" ;;
"ps -a --filter label=io.x-k8s.kind.cluster="*)
    cluster=${4##*=}
    [ ! -e "$PLACE/nodes/$cluster-control-plane" ] || echo "$cluster-control-plane" ;;
"rm -f -v "*) shift 3; for node; do rm "$PLACE/nodes/$node"; done ;;
"volume ls"*) [ ! -e "$PLACE/volumes" ] || cat "$PLACE/volumes" ;;
"volume rm -f "*)
    shift 3
    for volume; do sed -i "/^$volume /d" "$PLACE/volumes"; done ;;
*) echo "Error: unrecognized command \`podman $*\`" >&2; exit 125 ;;
esac
"#;

/// Makes a node, then does what follows.
const KIND: &str = r#"
[ "$*" != version ] || { echo 'kind v0.27.0 go1.24 linux/amd64'; exit 0; }
[ "$1 $2 $3" = "create cluster --name" ] || { echo "unknown command: $*" >&2; exit 1; }
name=$4 kubeconfig=${10}
mkdir -p "$PLACE/nodes"
: >"$PLACE/nodes/$name-control-plane"
"#;

const KUBECTL: &str = r#"
[ "$*" = "version --client -o json" ] || { echo "unexpected: kubectl $*" >&2; exit 1; }
echo '{"clientVersion": {"gitVersion": "v1.20.2"}}'
"#;

const HANGS: &str = "exec sleep 1000";

/// What the scripts may call beside each other.
const NEEDED: [&str; 7] = ["cat", "mkdir", "rm", "rmdir", "sed", "sleep", "uname"];

/// A machine of its own: a PATH, a home and places for leases and files.
struct Machine {
    place: tempfile::TempDir,
}

impl Machine {
    /// Nothing is there but a working kubectl.
    fn bare() -> Self {
        let machine = Self { place: tempfile::tempdir().unwrap() };
        for directory in ["bin", "home", "state", "tmp"] {
            fs::create_dir(machine.path(directory)).unwrap();
        }
        for program in NEEDED {
            let found = std::env::split_paths(&std::env::var_os("PATH").unwrap())
                .map(|directory| directory.join(program))
                .find(|path| path.is_file())
                .unwrap();
            symlink(found, machine.path("bin").join(program)).unwrap();
        }
        machine.with("kubectl", KUBECTL)
    }

    /// Docker, kind and kubectl work.
    fn able() -> Self {
        Self::bare().with("docker", DOCKER).with("kind", KIND)
    }

    /// Puts `program` on the PATH: what it does, after its call was written down.
    fn with(self, program: &str, script: &str) -> Self {
        let path = self.path("bin").join(program);
        let note = r#"echo "${0##*/} $* KUBECONFIG=${KUBECONFIG-}" >>"$PLACE/calls""#;
        fs::write(&path, format!("#!/bin/sh\n{note}\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// A file with `content`.
    fn file(&self, name: &str, content: &str) -> PathBuf {
        fs::write(self.path(name), content).unwrap();
        self.path(name)
    }

    fn ks_e2e(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ks-e2e"));
        command.env_clear().env("NO_COLOR", "1").env("PLACE", self.place.path());
        command.env("PATH", self.path("bin")).env("HOME", self.path("home"));
        command.env("XDG_STATE_HOME", self.path("state")).env("TMPDIR", self.path("tmp"));
        command.current_dir(self.place.path()).timeout(Duration::from_mins(1));
        command
    }

    /// `ks-e2e run jwt-get --provider kind` on nodes that KubeSphere supports.
    fn on_kind(&self) -> Command {
        let mut command = self.ks_e2e();
        command.args(["run", "jwt-get", "--provider", "kind"]).env("KS_E2E_NODE_IMAGE", "kindest/node:v1.20.15");
        command
    }

    fn calls(&self) -> String {
        fs::read_to_string(self.path("calls")).unwrap_or_default()
    }

    /// Whatever there is that was made by a run.
    fn left(&self) -> Vec<PathBuf> {
        let directories = ["state/ks-e2e/leases", "tmp", "nodes"].map(|name| self.path(name));
        let entries = directories.iter().filter_map(|path| fs::read_dir(path).ok()).flatten();
        let network = Some(self.path("network")).filter(|path| path.exists());
        entries.map(|entry| entry.unwrap().path()).chain(network).collect()
    }
}

/// What `command` says on its standard error before it ends with exit code 3 within the promised time. The promise is
/// about what the command waits for: a machine that is busy with other things gets further tries.
fn lacking(mut command: Command) -> String {
    let mut times = Vec::new();
    for _ in 0..3 {
        let begin = Instant::now();
        let said = ends_with(3, &mut command);
        times.push(begin.elapsed());
        if begin.elapsed() < PROMISED {
            return said;
        }
    }
    panic!("it took {times:?}");
}

fn ends_with(code: i32, command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{said}\n{}", String::from_utf8_lossy(&output.stdout));
    said
}

fn has(said: &str, parts: &[&str]) {
    for part in parts {
        assert!(said.contains(part), "{part:?} is not said in:\n{said}");
    }
}

const NO_DAEMON: &str = "\
    echo 'Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?' >&2; exit 1";

const NO_IMAGE: &str = r#"
case "$*" in
"image inspect"*) echo 'Error response from daemon: no such image: kindest/node:v1.20.15' >&2; exit 1 ;;
esac
"#;

const NO_PODMAN_IMAGE: &str = r#"
case "$*" in
"image inspect"*) echo 'Error: inspecting object: kindest/node:v1.20.15: image not known' >&2; exit 125 ;;
esac
"#;

#[rstest]
#[case::kind(
    Machine::bare().with("docker", DOCKER),
    "error: kind is not on the PATH; install kind (https://kind.sigs.k8s.io/docs/user/quick-start/#installation) on the \
     PATH\n"
)]
#[case::engine(
    Machine::bare().with("kind", KIND),
    "error: neither docker nor podman is on the PATH; install Docker (Debian: `apt-get install docker.io`) or Podman, \
     and see that it runs\n"
)]
#[case::daemon(
    Machine::able().with("docker", NO_DAEMON),
    "error: docker does not answer: Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker \
     daemon running?; start it (Debian: `systemctl start docker`), see that you may use it (`docker version`), or say \
     with DOCKER_HOST where it is\n"
)]
#[case::answer_of_the_daemon(
    Machine::able().with("docker", HANGS),
    "error: docker does not answer: no answer within 3 s; start it (Debian: `systemctl start docker`), see that you may \
     use it (`docker version`), or say with DOCKER_HOST where it is\n"
)]
#[case::image(
    Machine::able().with("docker", &[NO_IMAGE, DOCKER].concat()),
    "error: docker does not find the node image kindest/node:v1.20.15: Error response from daemon: no such image: \
     kindest/node:v1.20.15; `docker pull kindest/node:v1.20.15`, or name another one with --node-image\n"
)]
#[case::podman_image(
    Machine::bare().with("kind", KIND).with("podman", &[NO_PODMAN_IMAGE, PODMAN].concat()),
    "error: podman does not find the node image kindest/node:v1.20.15: Error: inspecting object: kindest/node:v1.20.15: \
     image not known; `podman pull kindest/node:v1.20.15`, or name another one with --node-image\n"
)]
#[case::podman_answer(
    Machine::bare().with("kind", KIND).with("podman", HANGS),
    "error: podman does not answer: no answer within 3 s; see what `podman info` says, or say with CONTAINER_HOST where \
     it is\n"
)]
fn says_what_kind_lacks_and_what_to_do(#[case] machine: Machine, #[case] expected: &str) {
    assert_eq!(lacking(machine.on_kind()), expected);
    assert_eq!(machine.left(), Vec::<PathBuf>::new());
}

#[rstest]
#[case::hangs(HANGS, "no answer within 3 s")]
#[case::fails("echo 'cannot execute binary file' >&2; exit 126", "cannot execute binary file")]
fn says_that_kind_does_not_work(#[case] script: &str, #[case] why: &str) {
    let machine = Machine::able().with("kind", script);
    let said = lacking(machine.on_kind());
    let kind = machine.path("bin/kind").display().to_string();
    has(&said, &[&format!("error: {kind} does not tell its version: {why}; install kind (https://kind.sigs.k8s.io")]);
}

#[test]
fn says_that_kubectl_does_not_answer() {
    let machine = Machine::able().with("kubectl", HANGS);
    has(&lacking(machine.on_kind()), &["kubectl does not tell its version: no answer within 3 s", "KS_E2E_KUBECTL"]);
}

#[rstest]
#[case::unknown("nerdctl", &["KIND_EXPERIMENTAL_PROVIDER names nerdctl", "set it to docker or podman"])]
#[case::not_there("podman", &["podman, which KIND_EXPERIMENTAL_PROVIDER names, is not on the PATH", "install it"])]
fn says_what_is_wrong_with_the_engine_that_is_named(#[case] named: &str, #[case] expected: &[&str]) {
    let machine = Machine::able();
    let mut command = machine.on_kind();
    command.env("KIND_EXPERIMENTAL_PROVIDER", named);
    has(&lacking(command), expected);
}

#[test]
fn passes_over_what_nobody_may_execute() {
    let machine = Machine::able();
    fs::set_permissions(machine.path("bin/docker"), fs::Permissions::from_mode(0o644)).unwrap();
    has(&lacking(machine.on_kind()), &["neither docker nor podman is on the PATH"]);
}

const CONFIGURATION: &str = "kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\n";

#[rstest]
#[case::api_server("networking: {apiServerPort: PORT}\n", false)]
#[case::of_a_node(
    "nodes: [{role: control-plane, extraPortMappings: [{containerPort: 30880, hostPort: PORT}]}]\n",
    false
)]
#[case::udp(
    "nodes: [{role: control-plane, extraPortMappings: [{containerPort: 53, hostPort: PORT, protocol: UDP}]}]\n",
    true
)]
fn says_which_port_is_taken(#[case] configuration: &str, #[case] udp: bool) {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let other = UdpSocket::bind("127.0.0.1:0").unwrap();
    let taken = if udp { other.local_addr() } else { tcp.local_addr() }.unwrap().port().to_string();
    let machine = Machine::able();
    machine.file("mine.yaml", &format!("{CONFIGURATION}{}", configuration.replace("PORT", &taken)));
    let mut command = machine.on_kind();
    command.args(["--host-config", "mine.yaml"]);
    has(&lacking(command), &[&format!(":{taken}"), "cannot be had: Address already in use", "end what listens there"]);
    assert!(!machine.calls().contains("kind create"), "{}", machine.calls());
}

#[rstest]
#[case::too_new(
    "kindest/node:v1.31.0",
    "error: KubeSphere 3.3.2 supports Kubernetes 1.19 to 1.24, and the clusters would have Kubernetes v1.31.0; choose \
     another one (for kind with --node-image, for envtest with KUBEBUILDER_ASSETS), or add \
     --allow-unsupported-kubernetes\n"
)]
#[case::untold(
    "kindest/node:latest",
    "error: KubeSphere 3.3.2 supports Kubernetes 1.19 to 1.24, and which one the clusters would have, the tag of their \
     node image does not tell; choose another one (for kind with --node-image, for envtest with KUBEBUILDER_ASSETS), or \
     add --allow-unsupported-kubernetes\n"
)]
fn refuses_an_unsupported_kubernetes_unless_it_is_allowed(#[case] image: &str, #[case] expected: &str) {
    let machine = Machine::able().with("kind", &[KIND, "exit 1"].concat());
    let with_image = || {
        let mut command = machine.on_kind();
        command.args(["--node-image", image, "--release", "3.3.2"]);
        command
    };
    assert_eq!(lacking(with_image()), expected);
    assert!(!machine.calls().contains("kind create"), "{}", machine.calls());
    ends_with(3, with_image().arg("--allow-unsupported-kubernetes"));
    has(&machine.calls(), &["kind create cluster", &format!("--image {image}")]);
}

/// What kind 0.27 says when kubelet does not come up, in part.
const NO_KUBELET: &str = r#"
for line in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do echo "line $line"; done
cat >&2 <<'END'
 ✗ Starting control-plane 🕹️
Deleted nodes: ["ks-e2e-control-plane"]
ERROR: failed to create cluster: failed to init node with kubeadm: command "docker exec --privileged …" failed with error: exit status 1
Command Output: [kubelet-check] Initial timeout of 40s passed.
END
exit 1
"#;

#[test]
fn shows_the_last_words_of_a_kind_that_fails_and_leaves_nothing() {
    let machine = Machine::able().with("kind", &[KIND, NO_KUBELET].concat());
    let mut command = machine.on_kind();
    command.args(["--report", "report"]);
    let said = lacking(command);
    has(
        &said,
        &[
            "error: provider-failed: kind provider: cannot make the clusters: `kind create cluster` for the ",
            "exit status: 1; it said:\n",
            "\nERROR: failed to create cluster: failed to init node with kubeadm",
            "\nCommand Output: [kubelet-check] Initial timeout of 40s passed.\n",
            "known-issues",
        ],
    );
    assert!(!said.contains("line 1\n"), "{said}");
    let (_, rest) = said.split_once("(all that it said: ").unwrap();
    let log = Path::new(rest.split_once("; ").unwrap().0).to_owned();
    has(&fs::read_to_string(machine.place.path().join(log)).unwrap(), &["line 1\n", "ERROR"]);
    assert_eq!(machine.left(), Vec::<PathBuf>::new());
    has(&machine.calls(), &["docker network create", "docker rm -f -v ks-e2e-", "docker network rm ks-e2e-"]);
}

#[test]
fn says_how_to_keep_what_kind_said() {
    let machine = Machine::able().with("kind", &[KIND, NO_KUBELET].concat());
    has(&lacking(machine.on_kind()), &["--report DIR keeps all that it said"]);
}

#[test]
fn removes_what_podman_holds_of_a_cluster_that_failed() {
    let volumes = r#"echo "0123 $name-control-plane" >>"$PLACE/volumes"; exit 1"#;
    let machine = Machine::bare().with("podman", PODMAN).with("kind", &[KIND, volumes].concat());
    machine.file("volumes", "4567\n89ab another-control-plane\n");
    has(&lacking(machine.on_kind()), &["`kind create cluster` for the ", "exit status: 1"]);
    assert_eq!(machine.left(), Vec::<PathBuf>::new());
    assert_eq!(fs::read_to_string(machine.path("volumes")).unwrap(), "4567\n89ab another-control-plane\n");
    has(&machine.calls(), &["podman network rm ks-e2e-", "podman volume rm -f 0123"]);
}

#[test]
fn names_an_image_of_podmans_own_as_kind_finds_it() {
    let tags = r#"
case "$*" in
*"{{range .RepoTags}}"*) echo localhost/node:v1.20.2; exit ;;
esac
"#;
    let machine = Machine::bare().with("podman", &[tags, PODMAN].concat()).with("kind", &[KIND, "exit 1"].concat());
    let mut command = machine.on_kind();
    command.args(["--node-image", "node:v1.20.2"]);
    lacking(command);
    has(&machine.calls(), &["kind create cluster", " --image localhost/node:v1.20.2 "]);
}

#[rstest]
#[case::nothing("", "cannot read the kubeconfig ", "No such file or directory")]
#[case::a_directory(r#"mkdir "$kubeconfig""#, "cannot read the kubeconfig ", "Is a directory")]
#[case::garbage(r#"echo 'a: [' >"$kubeconfig""#, "cannot use the kubeconfig ", "not YAML")]
#[case::no_text(r#"printf '\377' >"$kubeconfig""#, "cannot read the kubeconfig ", "valid UTF-8")]
#[case::empty(r#": >"$kubeconfig""#, "cannot use the kubeconfig ", "no context named")]
fn says_that_kind_has_written_no_kubeconfig(#[case] written: &str, #[case] what: &str, #[case] why: &str) {
    let machine = Machine::able().with("kind", &[KIND, written].concat());
    let said = lacking(machine.on_kind());
    has(&said, &["provider-failed: kind provider: cannot make the clusters: ", what, ".kubeconfig ", why, "by hand"]);
    assert_eq!(machine.left(), Vec::<PathBuf>::new());
}

#[test]
fn leaves_a_persons_own_kubeconfig_alone() {
    let machine = Machine::able().with("kind", &[KIND, "exit 1"].concat());
    let own = machine.file("own", "mine: \u{0}\n");
    fs::set_permissions(&own, fs::Permissions::from_mode(0o000)).unwrap();
    let before = fs::metadata(&own).unwrap().modified().unwrap();
    let mut command = machine.on_kind();
    command.env("KUBECONFIG", &own);
    lacking(command);
    let calls = machine.calls();
    let told = calls.lines().filter(|call| call.starts_with("kind") || call.starts_with("kubectl"));
    assert!(told.clone().count() >= 3 && told.clone().all(|call| call.ends_with("KUBECONFIG=")), "{calls}");
    assert_eq!(fs::metadata(&own).unwrap().modified().unwrap(), before);
    fs::set_permissions(&own, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(fs::read(&own).unwrap(), b"mine: \0\n");
    assert_eq!(fs::read_dir(machine.path("home")).unwrap().count(), 0);
}

#[rstest]
#[case::unknown("nowhere.yaml", None, &["nowhere.yaml is neither a kind configuration of ks-e2e (host, ", "nor a file"])]
#[case::no_yaml("mine.yaml", Some("kind: Cluster\nnodes: [\n"), &["error: mine.yaml:3:1: no kind configuration: "])]
#[case::another_kind(
    "mine.yaml",
    Some("apiVersion: v1\nkind: Pod\n"),
    &["error: mine.yaml:2:7: no kind configuration: it does not say `kind: Cluster`; see https://kind.sigs.k8s.io/"]
)]
#[case::a_directory("bin", None, &["error: cannot read the kind configuration bin: ", "name a file"])]
fn refuses_a_kind_configuration_that_is_none(
    #[values("--host-config", "--member-config")] option: &str,
    #[case] named: &str,
    #[case] content: Option<&str>,
    #[case] expected: &[&str],
) {
    let machine = Machine::able();
    if let Some(content) = content {
        machine.file(named, content);
    }
    let said = ends_with(2, machine.on_kind().args([option, named]));
    has(&said, expected);
    assert_eq!(machine.calls(), "");
}

/// A kube-apiserver that tells its version and then waits for etcd for ever.
const WAITING: &str = r#"
[ "$*" != --version ] || { echo 'Kubernetes v1.20.2'; exit 0; }
exec sleep 1000
"#;

const ETCD: &str = r#"
[ "$*" != --version ] || { echo 'etcd Version: 3.4.23'; exit 0; }
echo 'etcd: begins'
echo '{"level":"fatal","msg":"discovery failed","error":"cannot access data directory: no space left on device"}' >&2
exit 1
"#;

/// `ks-e2e run jwt-get --provider envtest` with the programs in `assets`.
fn on_envtest(machine: &Machine) -> Command {
    let mut command = machine.ks_e2e();
    command.args(["run", "jwt-get", "--provider", "envtest"]).env("KUBEBUILDER_ASSETS", machine.path("assets"));
    command
}

fn assets(etcd: &str, kube_apiserver: &str, mode: u32) -> Machine {
    let machine = Machine::bare();
    fs::create_dir(machine.path("assets")).unwrap();
    for (program, script) in [("etcd", etcd), ("kube-apiserver", kube_apiserver)] {
        // These run without any environment of their own.
        let path = std::env::var("PATH").unwrap();
        let path = machine.file(&format!("assets/{program}"), &format!("#!/bin/sh\nPATH={path}\n{script}\n"));
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    machine
}

#[test]
fn says_where_envtests_programs_come_from() {
    let machine = Machine::bare();
    let said = lacking(on_envtest(&machine));
    let named = machine.path("assets").display().to_string();
    has(&said, &[&named, "does not hold etcd and kube-apiserver", "setup-envtest", "set KUBEBUILDER_ASSETS"]);
    let mut unset = on_envtest(&machine);
    unset.env_remove("KUBEBUILDER_ASSETS");
    let looked = machine.path("home/.local/share/kubebuilder-envtest").display().to_string();
    // A machine may have them where everybody's are.
    if !Path::new("/usr/local/kubebuilder/bin/etcd").exists() {
        has(&lacking(unset), &["KUBEBUILDER_ASSETS (not set)", &looked, "setup-envtest"]);
    }
}

#[rstest]
#[case::etcd_hangs(HANGS, WAITING, 0o755, &["assets/etcd does not tell its version: no answer within 3 s"])]
#[case::server_hangs(ETCD, HANGS, 0o755, &["assets/kube-apiserver does not tell its version: no answer within 3 s"])]
#[case::fails(ETCD, "exit 7", 0o755, &["assets/kube-apiserver does not tell its version: exit status: 7"])]
#[case::another_program(ETCD, "echo hello", 0o755, &["assets/kube-apiserver does not tell its version: hello"])]
#[case::not_executable(ETCD, WAITING, 0o644, &["assets/etcd does not tell its version: it does not start: Permission"])]
fn says_which_of_envtests_programs_does_not_run(
    #[case] etcd: &str,
    #[case] kube_apiserver: &str,
    #[case] mode: u32,
    #[case] expected: &[&str],
) {
    let said = lacking(on_envtest(&assets(etcd, kube_apiserver, mode)));
    has(&said, expected);
    has(&said, &["install them with setup-envtest", "for this machine"]);
}

#[rstest]
#[case::etcd(ETCD, WAITING, &["etcd ended early (exit status: 1)", "no space left on device", "etcd: begins"])]
#[case::kube_apiserver(
    &ETCD.replace("exit 1", "exec sleep 1000"),
    &WAITING.replace("exec sleep 1000", "echo 'Error: unknown flag: --egress-selector-config-file' >&2; exit 1"),
    &["kube-apiserver ended early (exit status: 1)", "unknown flag: --egress-selector-config-file"]
)]
fn reports_an_early_end_with_the_last_lines(
    #[case] etcd: &str,
    #[case] kube_apiserver: &str,
    #[case] expected: &[&str],
) {
    let machine = assets(etcd, kube_apiserver, 0o755);
    let said = lacking(on_envtest(&machine));
    has(&said, &["provider-failed: envtest provider: cannot start kube-apiserver of the ", "set KUBEBUILDER_ASSETS"]);
    has(&said, expected);
    assert_eq!(machine.left(), Vec::<PathBuf>::new());
}
