//! The hosts file.

use std::net::IpAddr;

/// Addresses with their names, in the file's order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Hosts(Vec<(IpAddr, Vec<String>)>);

impl Hosts {
    /// Reads the text of a hosts file; lines that are none do not count.
    pub(crate) fn parse(text: &str) -> Self {
        let entry = |line: &str| {
            let mut words = line.split('#').next()?.split_whitespace();
            let address = words.next()?.parse().ok()?;
            Some((address, words.map(comparable).collect()))
        };
        Self(text.lines().filter_map(entry).collect())
    }

    /// The addresses of `name`.
    pub(crate) fn addresses_of(&self, name: &str) -> Vec<IpAddr> {
        let name = comparable(name);
        self.0.iter().filter(|(_, names)| names.contains(&name)).map(|(address, _)| *address).collect()
    }
}

/// Names compare without case and with or without the dot of the root.
fn comparable(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const KUBELETS: &str = "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost\n\
        fe00::0\tip6-localnet\n10.244.0.5\tks-apiserver-7d9\n\nnonsense here\n\
        192.0.2.7\tmember.example Member-Alias # 192.0.2.8 other\n";

    #[rstest]
    #[case("localhost", &["127.0.0.1", "::1"])]
    #[case("ks-apiserver-7d9", &["10.244.0.5"])]
    #[case("MEMBER.example.", &["192.0.2.7"])]
    #[case("member-alias", &["192.0.2.7"])]
    #[case("other", &[])]
    #[case("here", &[])]
    fn finds_addresses(#[case] name: &str, #[case] addresses: &[&str]) {
        let found: Vec<_> = Hosts::parse(KUBELETS).addresses_of(name).iter().map(ToString::to_string).collect();
        assert_eq!(found, addresses);
    }
}
