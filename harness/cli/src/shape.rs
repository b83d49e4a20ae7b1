//! What is to be on a cluster, as typed: `installed,role=host,name=my-host`.

use std::str::FromStr;

use scenario::model::{GivenCluster, GivenKubesphere, GivenSecret};
use scenario::parse::ROLES;
use scenario::problem::did_you_mean;

/// A cluster's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape(pub GivenCluster);

impl FromStr for Shape {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut given = GivenCluster::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            match part.split_once('=') {
                None if part == "installed" => given.kubesphere = GivenKubesphere::Installed,
                None if part == "absent" => given.kubesphere = GivenKubesphere::Absent,
                Some(("role", role)) if ROLES.contains(&role) => role.clone_into(&mut given.cluster_role),
                Some(("role", role)) => {
                    let help = did_you_mean(role, "the roles are", &ROLES).unwrap_or_default();
                    return Err(format!("role={role}: there is no such role; {help}"));
                }
                Some(("name", name)) => given.host_cluster_name = Some(name.to_owned()),
                Some(("secret", "generated")) => given.jwt_secret = GivenSecret::Generated,
                Some(("secret", "host")) => given.jwt_secret = GivenSecret::OfHost,
                Some(("nodes", count)) => {
                    given.nodes = count
                        .parse()
                        .ok()
                        .filter(|count| (1..=20).contains(count))
                        .ok_or_else(|| format!("nodes={count}: a cluster has 1 to 20 nodes"))?;
                }
                _ => {
                    return Err(format!(
                        "{part:?} is none of installed, absent, role=ROLE, name=HOST-CLUSTER-NAME, secret=generated, secret=host, nodes=N"
                    ));
                }
            }
        }
        if given.kubesphere == GivenKubesphere::Absent
            && given != (GivenCluster { nodes: given.nodes, ..GivenCluster::default() })
        {
            return Err("role, name and secret are for a cluster with KubeSphere: add `installed`".to_owned());
        }
        Ok(Self(given))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn reads_a_cluster() {
        let Shape(given) = "installed, role=host,name=my-host.1,secret=host,nodes=3".parse().unwrap();
        let expected = GivenCluster {
            kubesphere: GivenKubesphere::Installed,
            cluster_role: "host".to_owned(),
            host_cluster_name: Some("my-host.1".to_owned()),
            jwt_secret: GivenSecret::OfHost,
            nodes: 3,
            ..GivenCluster::default()
        };
        assert_eq!(given, expected);
    }

    #[rstest]
    #[case("instaled", "\"instaled\" is none of")]
    #[case("installed,rol=host", "\"rol=host\" is none of")]
    #[case("installed,secret=mine", "\"secret=mine\" is none of")]
    #[case("installed,role=hots", "did you mean \"host\"?")]
    #[case("installed,role=", "the roles are: none, host, member")]
    #[case("nodes=0", "1 to 20 nodes")]
    #[case("role=host", "add `installed`")]
    fn names_what_is_wrong(#[case] text: &str, #[case] wrong: &str) {
        let error = text.parse::<Shape>().unwrap_err();
        assert!(error.contains(wrong), "{error}");
    }
}
