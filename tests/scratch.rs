//! Names resolve in an image that holds nothing but this executable: no libc's resolver, no nsswitch.conf, only the files
//! that a kubelet writes. Needs root, for `chroot` and for the port that name servers listen on.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test stops at the first surprise")]

use std::fs;
use std::io::Write as _;
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use checks::view::{Layer as ProbeLayer, Probe};
use providers::image::Layer;
use rstest::rstest;

/// On this address nobody listens: a connection to it is refused at once.
const NOBODY: &str = "127.83.0.99";
/// Where the name server of these tests listens.
const NAME_SERVER: &str = "127.83.0.53";
/// Who is known to the name server.
const KNOWN: &str = "member.clusters.test";
/// Whom the name server fails on, in every domain: of a name that is in none of them, Go tells the last domain's failure.
const BROKEN: &str = "broken.test";

const RESOLV_CONF: &str = "search default.svc.cluster.local clusters.test\nnameserver 127.83.0.53\noptions ndots:5\n";
const HOSTS: &str = "127.0.0.1 localhost\n127.83.0.99 written.test written\n";

/// An unpacked image. It stays for all tests of this process.
struct Scratch {
    root: tempfile::TempDir,
    launch: Vec<String>,
}

/// The image with a name server that answers for it, or why there is none.
fn scratch() -> Result<&'static Scratch, &'static str> {
    static SCRATCH: OnceLock<Scratch> = OnceLock::new();
    if !nix::unistd::geteuid().is_root() {
        return Err("skipped: only root may chroot, and listen on port 53");
    }
    Ok(SCRATCH.get_or_init(|| {
        let scratch = unpacked();
        serve_names();
        scratch
    }))
}

fn unpacked() -> Scratch {
    // Libraries are packed from where this process has loaded them, and the executable needs that of the mathematicians.
    assert!(std::hint::black_box(0.5_f64).tanh() < 0.5);
    let root = tempfile::tempdir().unwrap();
    let tar = root.path().join("layer.tar");
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let layer = Layer::pack(Path::new(env!("CARGO_BIN_EXE_ks-e2e")), architecture, &tar).unwrap();
    let untar = Command::new("tar").arg("-x").arg("-C").arg(root.path()).arg("-f").arg(&tar).status().unwrap();
    assert!(untar.success(), "{untar}");
    fs::remove_file(&tar).unwrap();
    fs::write(root.path().join("etc/resolv.conf"), RESOLV_CONF).unwrap();
    fs::write(root.path().join("etc/hosts"), HOSTS).unwrap();
    Scratch { root, launch: layer.launch_in("/") }
}

/// A name server that knows one name, fails on another and denies all others.
fn serve_names() {
    let socket = UdpSocket::bind((NAME_SERVER, 53)).unwrap();
    std::thread::spawn(move || {
        let mut query = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut query) {
            // Who does not wait for the answer any more does not miss it.
            let _sent = socket.send_to(&answer(&query[..length]), from);
        }
    });
}

/// The answer to `query` (RFC 1035, section 4).
fn answer(query: &[u8]) -> Vec<u8> {
    const HEADER: usize = 12;
    let (mut at, mut labels) = (HEADER, Vec::new());
    while query[at] > 0 {
        let length = usize::from(query[at]);
        labels.push(String::from_utf8_lossy(&query[at + 1..=at + length]).to_ascii_lowercase());
        at += length + 1;
    }
    let (name, asks_for_ipv4) = (labels.join("."), query[at + 2] == 1);
    let (code, answers) = match name.as_str() {
        KNOWN => (0, u8::from(asks_for_ipv4)),
        name if name.starts_with(BROKEN) => (2, 0),
        _ => (3, 0),
    };
    // The same id and question; a response, recursion desired and available.
    let mut response =
        [&query[..2], &[0x81, 0x80 | code, 0, 1, 0, answers, 0, 0, 0, 0], &query[HEADER..at + 5]].concat();
    if answers > 0 {
        // A pointer to the question's name, type A, class IN, a minute, four bytes.
        response.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 83, 0, 99]);
    }
    response
}

/// How far the executable comes in the image on its way to an API server called `host`.
fn probed(scratch: &Scratch, host: &str) -> Probe {
    let kubeconfig = format!(
        "{{current-context: a, contexts: [{{name: a, context: {{cluster: a, user: a}}}}], \
         clusters: [{{name: a, cluster: {{server: 'https://{host}:6443'}}}}], users: [{{name: a, user: {{token: t}}}}]}}"
    );
    let mut command = Command::new("chroot");
    command.arg(scratch.root.path()).args(&scratch.launch).arg("__probe").env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(kubeconfig.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
    serde_json::from_slice(&output.stdout).unwrap()
}

#[rstest]
#[case::written_in_the_hosts_file("written.test", ProbeLayer::Tcp, &[NOBODY, "connection refused"])]
#[case::completed_with_a_search_domain("member", ProbeLayer::Tcp, &[NOBODY, "connection refused"])]
#[case::in_full(KNOWN, ProbeLayer::Tcp, &[NOBODY, "connection refused"])]
#[case::of_nobody("nobody.test", ProbeLayer::Dns, &["look up nobody.test at 127.83.0.53:53: no such host"])]
#[case::of_a_server_that_fails(
    BROKEN,
    ProbeLayer::Dns,
    &["look up broken.test at 127.83.0.53:53: the name server fails"]
)]
fn resolves_a_name(#[case] host: &str, #[case] expected: ProbeLayer, #[case] parts: &[&str]) {
    let scratch = match scratch() {
        Ok(scratch) => scratch,
        Err(why) => {
            eprintln!("{why}");
            return;
        }
    };
    let Probe::Stopped { layer, detail } = probed(scratch, host) else { panic!("{host} was reached") };
    assert_eq!(layer, expected, "{detail}");
    for part in parts {
        assert!(detail.contains(part), "{part:?} is not in {detail:?}");
    }
}
