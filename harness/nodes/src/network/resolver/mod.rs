//! Looks names up without a C library, in the order and with the failures of Go's resolver, whose words KubeSphere
//! passes on.

mod settings;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig, ServerOrderingStrategy,
};
use hickory_resolver::net::NetError as DnsError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::Name;

pub use self::settings::{ResolverError, ResolverSettings};
use super::hosts::Hosts;
use super::{NameServerFailure, NetError};

/// Looks names up as its settings say.
pub struct Resolver {
    settings: ResolverSettings,
    dns: TokioResolver,
}

/// Why one name has no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unresolved {
    NoSuchHost,
    NameServer(NameServerFailure),
}

impl Resolver {
    /// A resolver with `settings`.
    ///
    /// # Errors
    /// [`ResolverError::Build`] when they are not usable.
    pub fn new(settings: ResolverSettings) -> Result<Self, ResolverError> {
        let servers = settings.servers.iter().map(|server| name_server(*server)).collect();
        // Names are completed and hosts read here, so that both happen as in Go.
        let config = ResolverConfig::from_parts(None, Vec::new(), servers);
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        let options = builder.options_mut();
        options.use_hosts_file = ResolveHosts::Never;
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        options.server_ordering_strategy = ServerOrderingStrategy::UserProvidedOrder;
        options.num_concurrent_reqs = 1;
        options.timeout = settings.timeout;
        options.attempts = settings.attempts.saturating_sub(1);
        // Go's resolver remembers nothing.
        options.cache_size = 0;
        let dns = builder.build().map_err(|error| ResolverError::Build(error.to_string()))?;
        Ok(Self { settings, dns })
    }

    /// The addresses of `host`: of a literal address itself, of a name what the hosts file or else a name server says.
    ///
    /// # Errors
    /// [`NetError::NoSuchHost`] when it has none, [`NetError::NameServer`] when that is not known.
    pub async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, NetError> {
        if let Ok(address) = host.parse() {
            return Ok(vec![address]);
        }
        let hosts = std::fs::read_to_string(&self.settings.hosts).unwrap_or_default();
        let addresses = Hosts::parse(&hosts).addresses_of(host);
        if !addresses.is_empty() {
            return Ok(addresses);
        }
        self.ask(host).await.map_err(|reason| {
            let (host, server) = (host.to_owned(), self.server());
            match reason {
                Unresolved::NoSuchHost => NetError::NoSuchHost { host, server },
                Unresolved::NameServer(failure) => NetError::NameServer { host, server, failure },
            }
        })
    }

    /// Asks for one absolute name after the other. Of several failures the last one counts, unless it is that of the
    /// name as it is (Go, `net/dnsclient_unix.go`, `goLookupIPCNAMEOrder`).
    async fn ask(&self, host: &str) -> Result<Vec<IpAddr>, Unresolved> {
        let as_it_is = format!("{host}.");
        let mut failure = None;
        for candidate in self.settings.candidates(host) {
            let Ok(name) = Name::from_ascii(&candidate) else { continue };
            match self.dns.lookup_ip(name).await {
                Ok(found) => return Ok(found.iter().collect()),
                Err(error) if failure.is_none() || candidate != as_it_is => failure = Some(reason_of(&error)),
                Err(_) => {}
            }
        }
        Err(failure.unwrap_or(Unresolved::NoSuchHost))
    }

    /// The server that failures name.
    fn server(&self) -> String {
        self.settings.servers.first().map(ToString::to_string).unwrap_or_default()
    }
}

fn name_server(server: SocketAddr) -> NameServerConfig {
    let mut config = NameServerConfig::udp_and_tcp(server.ip());
    let on_port = |mut connection: ConnectionConfig| {
        connection.port = server.port();
        connection
    };
    config.connections = config.connections.into_iter().map(on_port).collect();
    config
}

fn reason_of(error: &DnsError) -> Unresolved {
    match error {
        error if error.is_no_records_found() => Unresolved::NoSuchHost,
        DnsError::Timeout | DnsError::Io(_) | DnsError::NoConnections | DnsError::Busy => {
            Unresolved::NameServer(NameServerFailure::TimedOut)
        }
        _ => Unresolved::NameServer(NameServerFailure::Misbehaving),
    }
}
