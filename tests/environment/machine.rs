//! A machine whose programs are scripts.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use assert_cmd::Command;

/// The promise, for whatever the environment lacks.
pub const PROMISED: Duration = Duration::from_secs(5);

/// Answers every question of a probe; `network` and `rm` are written down, and a cluster has nodes until they are
/// removed.
pub const DOCKER: &str = r#"
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
pub const PODMAN: &str = r#"
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
pub const KIND: &str = r#"
[ "$*" != version ] || { echo 'kind v0.27.0 go1.24 linux/amd64'; exit 0; }
[ "$1 $2 $3" = "create cluster --name" ] || { echo "unknown command: $*" >&2; exit 1; }
name=$4 kubeconfig=${10}
mkdir -p "$PLACE/nodes"
: >"$PLACE/nodes/$name-control-plane"
"#;

pub const KUBECTL: &str = r#"
[ "$*" = "version --client -o json" ] || { echo "unexpected: kubectl $*" >&2; exit 1; }
echo '{"clientVersion": {"gitVersion": "v1.20.2"}}'
"#;

pub const HANGS: &str = "exec sleep 1000";

/// What the scripts may call beside each other.
pub const NEEDED: [&str; 7] = ["cat", "mkdir", "rm", "rmdir", "sed", "sleep", "uname"];

/// A machine of its own: a PATH, a home and places for leases and files.
pub struct Machine {
    pub place: tempfile::TempDir,
}

impl Machine {
    /// Nothing is there but a working kubectl.
    pub fn bare() -> Self {
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
    pub fn able() -> Self {
        Self::bare().with("docker", DOCKER).with("kind", KIND)
    }

    /// Puts `program` on the PATH: what it does, after its call was written down.
    pub fn with(self, program: &str, script: &str) -> Self {
        let path = self.path("bin").join(program);
        let note = r#"echo "${0##*/} $* KUBECONFIG=${KUBECONFIG-}" >>"$PLACE/calls""#;
        fs::write(&path, format!("#!/bin/sh\n{note}\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// A file with `content`.
    pub fn file(&self, name: &str, content: &str) -> PathBuf {
        fs::write(self.path(name), content).unwrap();
        self.path(name)
    }

    pub fn ks_e2e(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ks-e2e"));
        command.env_clear().env("NO_COLOR", "1").env("PLACE", self.place.path());
        command.env("PATH", self.path("bin")).env("HOME", self.path("home"));
        command.env("XDG_STATE_HOME", self.path("state")).env("TMPDIR", self.path("tmp"));
        command.current_dir(self.place.path()).timeout(Duration::from_mins(1));
        command
    }

    /// `ks-e2e run jwt-get --provider kind` on nodes that KubeSphere supports.
    pub fn on_kind(&self) -> Command {
        let mut command = self.ks_e2e();
        command.args(["run", "jwt-get", "--provider", "kind"]).env("KS_E2E_NODE_IMAGE", "kindest/node:v1.20.15");
        command
    }

    pub fn calls(&self) -> String {
        fs::read_to_string(self.path("calls")).unwrap_or_default()
    }

    /// Whatever there is that was made by a run.
    pub fn left(&self) -> Vec<PathBuf> {
        let directories = ["state/ks-e2e/leases", "tmp", "nodes"].map(|name| self.path(name));
        let entries = directories.iter().filter_map(|path| fs::read_dir(path).ok()).flatten();
        let network = Some(self.path("network")).filter(|path| path.exists());
        entries.map(|entry| entry.unwrap().path()).chain(network).collect()
    }
}

/// What `command` says on its standard error before it ends with exit code 3 within the promised time. The promise is
/// about what the command waits for: a machine that is busy with other things gets further tries.
pub fn lacking(mut command: Command) -> String {
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

pub fn ends_with(code: i32, command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{said}\n{}", String::from_utf8_lossy(&output.stdout));
    said
}

pub fn has(said: &str, parts: &[&str]) {
    for part in parts {
        assert!(said.contains(part), "{part:?} is not said in:\n{said}");
    }
}
