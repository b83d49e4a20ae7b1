//! How names are looked up: what the files of a machine or container say.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hickory_resolver::system_conf::parse_resolv_conf;

/// The port of name servers.
const DNS: u16 = 53;

/// Asked where no file names a server, as Go does (`net/dnsconfig_unix.go`, `defaultNS`).
const DEFAULT: &str = "nameserver 127.0.0.1";

/// How names are looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolverSettings {
    /// Name servers, in the order in which they are asked.
    pub servers: Vec<SocketAddr>,
    /// Domains that relative names are tried in, in this order.
    pub search: Vec<String>,
    /// A name with so many dots is tried as it is before it is tried in a domain.
    pub ndots: usize,
    /// How long one question to the servers may take.
    pub timeout: Duration,
    /// How often a question is asked that nobody answers.
    pub attempts: usize,
    /// The hosts file, read at each look-up: it may be absent.
    pub hosts: PathBuf,
}

/// A resolver that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ResolverError {
    /// A file cannot be read.
    #[error("read {}: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file says what no resolver understands.
    #[error("{}: {reason}; see resolv.conf(5)", .path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// The parser's words.
        reason: String,
    },
    /// The settings make no resolver.
    #[error("make a resolver: {0}")]
    Build(String),
}

impl ResolverSettings {
    /// The settings of the machine or container whose files are below `root`: `etc/resolv.conf`, which may be absent, and
    /// `etc/hosts`.
    ///
    /// # Errors
    /// [`ResolverError`] when `etc/resolv.conf` cannot be read or understood.
    pub fn read(root: &Path) -> Result<Self, ResolverError> {
        let path = root.join("etc/resolv.conf");
        let mut text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            Err(source) => return Err(ResolverError::Read { path, source }),
        };
        if !text.lines().any(|line| line.split_whitespace().next() == Some("nameserver")) {
            text.push('\n');
            text.push_str(DEFAULT);
        }
        let parsed = parse_resolv_conf(&text);
        let (config, options) = parsed.map_err(|error| ResolverError::Parse { path, reason: error.to_string() })?;
        let address = |ip: IpAddr| SocketAddr::new(ip, DNS);
        Ok(Self {
            servers: config.name_servers().iter().map(|server| address(server.ip)).collect(),
            search: config.search().iter().map(|name| name.to_ascii().trim_end_matches('.').to_owned()).collect(),
            ndots: options.ndots,
            timeout: options.timeout,
            attempts: options.attempts,
            hosts: root.join("etc/hosts"),
        })
    }

    /// The absolute names to ask for, in their order, when somebody looks up `host` (Go, `net/dnsconfig_unix.go`,
    /// `nameList`).
    pub(super) fn candidates(&self, host: &str) -> Vec<String> {
        if host.ends_with('.') {
            return vec![host.to_owned()];
        }
        let as_it_is = std::iter::once(format!("{host}."));
        let searched = self.search.iter().map(|domain| format!("{host}.{domain}."));
        if host.matches('.').count() >= self.ndots {
            as_it_is.chain(searched).collect()
        } else {
            searched.chain(as_it_is).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const KUBELETS: &str = "search default.svc.cluster.local svc.cluster.local cluster.local\n\
        nameserver 10.96.0.10\noptions ndots:5 timeout:2 attempts:3\n";

    fn read(text: Option<&str>) -> Result<ResolverSettings, ResolverError> {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("etc")).unwrap();
        if let Some(text) = text {
            std::fs::write(root.path().join("etc/resolv.conf"), text).unwrap();
        }
        ResolverSettings::read(root.path())
    }

    #[test]
    fn reads_what_a_kubelet_writes() {
        let settings = read(Some(KUBELETS)).unwrap();
        assert_eq!(settings.servers, [SocketAddr::from(([10, 96, 0, 10], 53))]);
        assert_eq!(settings.search, ["default.svc.cluster.local", "svc.cluster.local", "cluster.local"]);
        assert_eq!((settings.ndots, settings.timeout, settings.attempts), (5, Duration::from_secs(2), 3));
    }

    #[rstest]
    #[case(None)]
    #[case(Some("search example\n"))]
    fn asks_the_machine_itself_where_no_server_is_named(#[case] text: Option<&str>) {
        assert_eq!(read(text).unwrap().servers, [SocketAddr::from(([127, 0, 0, 1], 53))]);
    }

    #[test]
    fn names_the_file_it_does_not_understand() {
        let error = read(Some("nameserver 10.96.0.10\nsearch a..b\n")).unwrap_err();
        assert!(error.to_string().contains("etc/resolv.conf"), "{error}");
    }

    #[rstest]
    #[case("a", &["a.x.", "a.y.z.", "a."])]
    #[case("a.b", &["a.b.x.", "a.b.y.z.", "a.b."])]
    #[case("a.b.c", &["a.b.c.", "a.b.c.x.", "a.b.c.y.z."])]
    #[case("a.", &["a."])]
    fn tries_names_in_the_order_of_ndots(#[case] host: &str, #[case] names: &[&str]) {
        let settings = read(Some("nameserver 10.96.0.10\nsearch x y.z\noptions ndots:2\n")).unwrap();
        assert_eq!(settings.candidates(host), names);
    }
}
