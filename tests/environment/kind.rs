//! What kind, its engine and kubectl lack.

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rstest::rstest;

use crate::machine::*;

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
     another one (for kind with --node-image, for envtest with KUBEBUILDER_ASSETS, for containers with \
     --apiserver-image), or add --allow-unsupported-kubernetes\n"
)]
#[case::untold(
    "kindest/node:latest",
    "error: KubeSphere 3.3.2 supports Kubernetes 1.19 to 1.24, and which one the clusters would have, the tag of their \
     image does not tell; choose another one (for kind with --node-image, for envtest with KUBEBUILDER_ASSETS, for \
     containers with --apiserver-image), or add --allow-unsupported-kubernetes\n"
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
