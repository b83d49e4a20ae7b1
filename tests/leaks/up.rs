//! Clusters that a person holds up, and their end.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use rstest::rstest;
use serde_json::Value;

use super::{Place, signal};

impl Place {
    /// Clusters in the background, as `up` described them.
    fn up(&self, arguments: &[&str]) -> Value {
        let output = self.ks_e2e().args(["up", "--detach", "-o", "json"]).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn down(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = self.ks_e2e().arg("down").args(arguments).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).unwrap())
    }
}

fn get(address: &Value, path: &str) -> String {
    let host = address.as_str().unwrap().strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: curl/8\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn kubectl(up: &Value, arguments: &[&str]) -> String {
    let kubeconfig = up["kubeconfig"].as_str().unwrap();
    let output = Command::new("kubectl").args(["--kubeconfig", kubeconfig]).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn gives_a_token_to_the_command_of_the_readme() {
    let place = Place::new();
    let up = place.up(&["--no-member"]);
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let block = readme.split("```sh\n").find(|block| block.contains("/oauth/token")).unwrap();
    let command = block.split("```").next().unwrap();
    let ks_apiserver = up["clusters"][0]["ksApiserver"].as_str().unwrap();
    let answer = Command::new("sh").args(["-c", command]).env("KS_APISERVER", ks_apiserver).output().unwrap();
    let answer: Value = serde_json::from_slice(&answer.stdout).unwrap();
    assert!(answer["access_token"].is_string(), "{answer}");
    place.down(&[]);
    assert_eq!(place.files(), Vec::<String>::new());
}

#[test]
fn holds_clusters_for_kubectl_and_curl_until_they_are_taken_down() {
    let place = Place::new();
    let up = place.up(&["--host", "installed,role=host,name=my-host.1", "--member", "installed"]);
    assert_eq!(kubectl(&up, &["get", "clusters", "-o", "name"]), "cluster.cluster.kubesphere.io/my-host.1\n");
    let role = ["--context", "member", "-n", "kubesphere-system", "get", "cc", "ks-installer", "-o"];
    assert_eq!(kubectl(&up, &[&role[..], &["jsonpath={.spec.multicluster.clusterRole}"]].concat()), "none");
    for cluster in up["clusters"].as_array().unwrap() {
        assert!(get(&cluster["ksApiserver"], "/kapis/version").starts_with("HTTP/1.1 200 OK"));
        assert!(get(&cluster["console"], "/").starts_with("HTTP/1.1 200 OK"));
    }
    let version = get(&up["clusters"][0]["ksApiserver"], "/kapis/clusters/my-host.1/version");
    assert!(version.starts_with("HTTP/1.1 200 OK"), "{version}");
    assert!(place.ks_e2e().arg("sweep").stdout(Stdio::null()).status().unwrap().success());
    let run = up["runId"].as_str().unwrap();
    assert_eq!(place.down(&[run]), (Some(0), format!("clusters {run} are gone\n")));
    assert_eq!(place.files(), Vec::<String>::new());
}

#[test]
fn takes_down_everything_that_is_up() {
    let place = Place::new();
    let up = [place.up(&["--no-member", "--host", "absent"]), place.up(&["--no-member", "--host", "absent"])];
    let (code, said) = place.down(&[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(up.iter().all(|one| said.contains(one["runId"].as_str().unwrap())), "{said}");
    assert_eq!(place.files(), Vec::<String>::new());
    assert_eq!(place.down(&[]), (Some(0), "no clusters are up\n".to_owned()));
}

#[test]
fn names_what_is_up_where_something_else_is_to_go() {
    let place = Place::new();
    let up = place.up(&["--no-member", "--host", "absent"]);
    let (code, said) = place.down(&["other"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains(up["runId"].as_str().unwrap()), "{said}");
    assert_eq!(place.down(&[]).0, Some(0));
}

#[rstest]
#[case(Signal::SIGINT)]
#[case(Signal::SIGTERM)]
fn leaves_nothing_of_clusters_in_the_foreground(#[case] wanted: Signal) {
    let place = Place::new();
    let mut command = place.ks_e2e();
    command.args(["up", "--no-member", "--host", "absent", "-o", "json"]).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut stands = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut stands).unwrap();
    signal(&child, wanted);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(place.files(), Vec::<String>::new());
}

#[test]
fn says_in_the_foreground_why_clusters_in_the_background_do_not_stand() {
    let place = Place::new();
    let output = place.ks_e2e().args(["up", "-d", "--release", "9.9"]).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("no profile of KubeSphere \"9.9\""), "{stderr}");
    assert_eq!(place.files(), Vec::<String>::new());
}
