//! The role of a cluster.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

/// `multicluster.clusterRole`. Nothing in KubeSphere 3.x refuses another text; it is carried verbatim and means none.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ClusterRole {
    /// Manages the others.
    Host,
    /// Is managed by a host.
    Member,
    /// Stands alone.
    None,
    /// A text that no component knows, such as `Host` or `hsot`.
    Other(String),
}

impl ClusterRole {
    /// As written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Host => "host",
            Self::Member => "member",
            Self::None => "none",
            Self::Other(text) => text,
        }
    }
}

impl From<&str> for ClusterRole {
    fn from(text: &str) -> Self {
        match text {
            "host" => Self::Host,
            "member" => Self::Member,
            "none" => Self::None,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl FromStr for ClusterRole {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(text.into())
    }
}

impl fmt::Display for ClusterRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_unknown_texts_verbatim() {
        for text in ["host", "member", "none", "Host", "hsot", ""] {
            assert_eq!(ClusterRole::from(text).as_str(), text);
        }
        assert_eq!(ClusterRole::from("Host"), ClusterRole::Other("Host".into()));
    }
}
