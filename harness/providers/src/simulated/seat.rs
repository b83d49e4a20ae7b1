//! Where in a world a cluster stands: what tells its addresses and names from all others'.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use nodes::NodeSpec;
use rand::RngExt as _;
use scenario::model::On;

/// A cluster's place in a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seat {
    /// The host's.
    Host,
    /// A member's; a pair has the first one, number 0.
    Member(u16),
}

impl From<On> for Seat {
    fn from(on: On) -> Self {
        match on {
            On::Host => Self::Host,
            On::Member => Self::Member(0),
        }
    }
}

impl fmt::Display for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host => f.write_str("host"),
            Self::Member(0) => f.write_str("member"),
            Self::Member(number) => write!(f, "member{}", u32::from(*number) + 1),
        }
    }
}

impl Seat {
    /// Which of a pair's clusters it would be.
    pub(crate) fn on(self) -> On {
        match self {
            Self::Host => On::Host,
            Self::Member(_) => On::Member,
        }
    }

    /// A number that no other seat has.
    pub(crate) fn number(self) -> u32 {
        match self {
            Self::Host => 1,
            Self::Member(number) => u32::from(number) + 2,
        }
    }

    /// The address of node `index`, from 0.
    fn node(self, index: usize) -> IpAddr {
        let [_, _, high, low] = self.number().to_be_bytes();
        Ipv4Addr::new(172, 18_u8.saturating_add(high), low, u8::try_from(index + 2).unwrap_or(u8::MAX)).into()
    }

    /// The address of the node that the API server runs on.
    pub(crate) fn control_plane(self) -> IpAddr {
        self.node(0)
    }

    /// The name by which the API server is known everywhere.
    pub(crate) fn server_name(self) -> String {
        format!("{self}.ks-e2e.test")
    }

    /// What the API server's serving certificate is for, beside its address on this machine.
    pub(crate) fn server_names(self) -> Vec<String> {
        vec![self.control_plane().to_string(), self.server_name()]
    }

    /// Nodes with addresses of their own, and machine IDs that no other cluster has.
    pub(crate) fn nodes(self, count: usize) -> Vec<NodeSpec> {
        (0..count.max(1))
            .map(|index| NodeSpec {
                name: format!("{self}-node{}", index + 1),
                ip: self.node(index),
                machine_id: format!("{:032x}", rand::rng().random::<u128>()),
                roles: if index == 0 {
                    vec!["control-plane".to_owned(), "master".to_owned()]
                } else {
                    vec!["worker".to_owned()]
                },
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(Seat::Host, "host.ks-e2e.test", [172, 18, 1, 2])]
    #[case(Seat::Member(0), "member.ks-e2e.test", [172, 18, 2, 2])]
    #[case(Seat::Member(1), "member2.ks-e2e.test", [172, 18, 3, 2])]
    #[case(Seat::Member(999), "member1000.ks-e2e.test", [172, 21, 233, 2])]
    fn tells_clusters_apart(#[case] seat: Seat, #[case] name: &str, #[case] address: [u8; 4]) {
        assert_eq!(seat.server_names(), [Ipv4Addr::from(address).to_string(), name.to_owned()]);
    }
}
