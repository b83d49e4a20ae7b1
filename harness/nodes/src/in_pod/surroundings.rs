//! What a container's environment and files say, read once.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::IpAddr;
use std::num::ParseIntError;
use std::path::{Path, PathBuf};

use http::Uri;
use http::uri::InvalidUri;

use super::InPodError;
use super::mounts;
use crate::clock::{Delays, DelaysError};
use crate::network::hosts::Hosts;
use crate::network::resolver::ResolverSettings;
use crate::program::{PodIdentity, ServiceAccountMount};

/// Other durations for named delays, see [`Delays`].
pub const DELAYS: &str = "KS_E2E_DELAYS";

/// The seed of the run's randomness, a whole number. Without it each start of a container has a seed of its own.
pub const SEED: &str = "KS_E2E_SEED";

const HOSTNAME: &str = "HOSTNAME";
const SERVER_HOST: &str = "KUBERNETES_SERVICE_HOST";
const SERVER_PORT: &str = "KUBERNETES_SERVICE_PORT";
const SERVICE_ACCOUNT: &str = "var/run/secrets/kubernetes.io/serviceaccount";
const HOSTS: &str = "etc/hosts";

/// What a program's context is made of in a real container.
#[derive(Clone)]
pub struct Surroundings {
    /// Where the container's files are: `/`.
    pub root: PathBuf,
    /// Who the pod is.
    pub pod: PodIdentity,
    /// The API server's address inside the cluster.
    pub server: Uri,
    /// The credentials of its ServiceAccount, as they were when the container started.
    pub service_account: ServiceAccountMount,
    /// How names are looked up.
    pub resolver: ResolverSettings,
    /// Mount points of the volumes that a kubelet updates, below `root`.
    pub volumes: Vec<PathBuf>,
    /// What named delays last.
    pub delays: Delays,
    /// Seed of the randomness; the system's own when there is none.
    pub seed: Option<u64>,
}

impl Surroundings {
    /// Reads them for a container of `image` with the arguments `args`, the environment `env` and its files below `root`.
    ///
    /// # Errors
    /// [`InPodError`] naming the file or variable that is missing or not usable.
    pub fn read(
        root: &Path,
        image: &str,
        args: Vec<String>,
        env: BTreeMap<String, String>,
    ) -> Result<Self, InPodError> {
        let name = variable(&env, HOSTNAME)?.to_owned();
        let server = server(&env)?;
        let service_account = service_account(root, &server)?;
        let namespace = text(root, &format!("{SERVICE_ACCOUNT}/namespace"), ACCOUNT_HINT)?;
        let delays = match env.get(DELAYS) {
            None => Delays::default(),
            Some(text) => text.parse().map_err(|error: DelaysError| unusable(DELAYS, &error))?,
        };
        let seed = match env.get(SEED).map(|text| text.trim()) {
            None | Some("") => None,
            Some(text) => {
                Some(text.parse().map_err(|error: ParseIntError| unusable(SEED, &format!("{text:?}: {error}")))?)
            }
        };
        Ok(Self {
            root: root.to_owned(),
            service_account,
            server,
            resolver: ResolverSettings::read(root)?,
            volumes: mounts::kubelet_volumes(root)?,
            delays,
            seed,
            pod: PodIdentity { namespace, ip: address_of(root, &name)?, name, image: image.to_owned(), args, env },
        })
    }
}

const ACCOUNT_HINT: &str = "the pod needs a ServiceAccount whose token is mounted (automountServiceAccountToken)";

/// The API server's address: a kubelet gives host and port (kubernetes v1.20, `pkg/kubelet/envvars`).
fn server(env: &BTreeMap<String, String>) -> Result<Uri, InPodError> {
    let host = variable(env, SERVER_HOST)?;
    let port: u16 =
        variable(env, SERVER_PORT)?.parse().map_err(|error: ParseIntError| unusable(SERVER_PORT, &error))?;
    let authority = match host.parse::<IpAddr>() {
        Ok(IpAddr::V6(address)) => format!("[{address}]:{port}"),
        _ => format!("{host}:{port}"),
    };
    let uri = format!("https://{authority}").parse();
    uri.map_err(|error: InvalidUri| unusable(SERVER_HOST, &format!("{host:?}: {error}")))
}

/// A Secret's token does not change while it is mounted (Kubernetes 1.20 mounts those), so it is read once.
fn service_account(root: &Path, server: &Uri) -> Result<ServiceAccountMount, InPodError> {
    let path = root.join(SERVICE_ACCOUNT).join("ca.crt");
    let ca_pem = match std::fs::read(&path) {
        Ok(pem) => pem.into(),
        Err(source) => return Err(InPodError::File { path, source, hint: ACCOUNT_HINT }),
    };
    let token = text(root, &format!("{SERVICE_ACCOUNT}/token"), ACCOUNT_HINT)?;
    Ok(ServiceAccountMount { server: server.to_string().trim_end_matches('/').to_owned(), ca_pem, token })
}

/// The pod's address: a kubelet writes it behind the loopback lines (kubernetes v1.20, `pkg/kubelet/kubelet_pods.go`,
/// `managedHostsFileContent`).
fn address_of(root: &Path, name: &str) -> Result<IpAddr, InPodError> {
    let hosts = Hosts::parse(&text(root, HOSTS, "a kubelet makes this file in every container")?);
    let address = hosts.addresses_of(name).last().copied();
    address.ok_or_else(|| InPodError::NoAddress { path: root.join(HOSTS), name: name.to_owned() })
}

fn text(root: &Path, path: &str, hint: &'static str) -> Result<String, InPodError> {
    let path = root.join(path);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(source) => Err(InPodError::File { path, source, hint }),
    }
}

fn variable<'a>(env: &'a BTreeMap<String, String>, name: &'static str) -> Result<&'a str, InPodError> {
    env.get(name).map(String::as_str).filter(|value| !value.is_empty()).ok_or(InPodError::NotSet { name })
}

fn unusable(name: &'static str, reason: &dyn Display) -> InPodError {
    InPodError::Variable { name, reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rstest::rstest;

    use super::*;
    use crate::testing::Container;

    #[test]
    fn reads_what_a_kubelet_gives() {
        let container = Container::new();
        let args = vec!["--webhook".to_owned()];
        let read = Surroundings::read(container.root(), "kubesphere/x:v1", args.clone(), Container::env()).unwrap();
        let pod = &read.pod;
        assert_eq!((pod.namespace.as_str(), pod.name.as_str()), ("kubesphere-system", "x-0"));
        assert_eq!((pod.image.as_str(), &pod.args), ("kubesphere/x:v1", &args));
        assert_eq!(pod.ip, IpAddr::from([10, 244, 0, 5]));
        assert_eq!(read.service_account.server, "https://10.96.0.1:443");
        assert_eq!(read.service_account.token, "the-token");
        assert_eq!(read.resolver.ndots, 5);
        assert_eq!(read.volumes, [container.volume()]);
        assert_eq!((read.delays, read.seed), (Delays::default(), None));
    }

    #[test]
    fn reads_what_the_run_wants() {
        let container = Container::new();
        let mut env = Container::env();
        env.insert(DELAYS.to_owned(), "config-reload=50ms".to_owned());
        env.insert(SEED.to_owned(), "7".to_owned());
        env.insert(SERVER_HOST.to_owned(), "fd00::1".to_owned());
        let read = Surroundings::read(container.root(), "x", Vec::new(), env).unwrap();
        assert_eq!(read.delays.get("config-reload"), Some(Duration::from_millis(50)));
        assert_eq!(read.seed, Some(7));
        assert_eq!(read.service_account.server, "https://[fd00::1]:443");
    }

    #[rstest]
    #[case("HOSTNAME", "", "HOSTNAME")]
    #[case("HOSTNAME", "other", "etc/hosts")]
    #[case("KUBERNETES_SERVICE_HOST", "", "KUBERNETES_SERVICE_HOST")]
    #[case("KUBERNETES_SERVICE_HOST", "a b", "KUBERNETES_SERVICE_HOST: \"a b\"")]
    #[case("KUBERNETES_SERVICE_PORT", "https", "KUBERNETES_SERVICE_PORT")]
    #[case(DELAYS, "config-reload", "KS_E2E_DELAYS: delay \"config-reload\"")]
    #[case(SEED, "seven", "KS_E2E_SEED: \"seven\"")]
    fn names_the_variable(#[case] name: &str, #[case] value: &str, #[case] named: &str) {
        let container = Container::new();
        let mut env = Container::env();
        env.insert(name.to_owned(), value.to_owned());
        let error = Surroundings::read(container.root(), "x", Vec::new(), env).err().unwrap().to_string();
        assert!(error.contains(named), "{error}");
    }

    #[rstest]
    #[case("var/run/secrets/kubernetes.io/serviceaccount/namespace")]
    #[case("var/run/secrets/kubernetes.io/serviceaccount/token")]
    #[case("var/run/secrets/kubernetes.io/serviceaccount/ca.crt")]
    #[case("etc/hosts")]
    #[case("proc/self/mountinfo")]
    fn names_the_missing_file(#[case] path: &str) {
        let container = Container::new();
        std::fs::remove_file(container.root().join(path)).unwrap();
        let error = Surroundings::read(container.root(), "x", Vec::new(), Container::env()).err().unwrap().to_string();
        assert!(error.contains(path), "{error}");
    }
}
