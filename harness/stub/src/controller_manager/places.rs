//! Where in KubeSphere's sources the lines of the log come from.

use kubesphere::Feature;

use super::controller::Controller;
use crate::apiserver::klog;

/// A statement of `cluster_controller.go` that logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The host's Cluster cannot be made.
    HostCluster,
    /// The federation cannot be left.
    Unjoin,
    /// The federation cannot be joined.
    JoinFailed,
    /// The failure of a join cannot be stored.
    FailureNotStored,
    /// The federation is joined.
    Joined,
    /// The member does not tell which parts it has.
    NoConfigz,
    /// The member does not tell its version of KubeSphere.
    NoVersion,
    /// The kubeconfig's certificate has no end.
    NoCertificateEnd,
    /// What was found cannot be stored.
    StatusNotStored,
    /// A name is given up.
    GivenUp,
}

impl Place {
    /// Lines of v3.3.2, and of v3.4.1 (both seen but [`Self::Unjoin`] and, of v3.4.1, the two that it does not reach).
    fn line(self, newer: bool) -> u32 {
        let (old, new) = match self {
            Self::HostCluster => (219, 215),
            Self::Unjoin => (355, 364),
            Self::JoinFailed => (410, 419),
            Self::FailureNotStored => (433, 442),
            Self::Joined => (439, 448),
            Self::NoConfigz => (477, 486),
            Self::NoVersion => (485, 494),
            Self::NoCertificateEnd => (516, 525),
            Self::StatusNotStored => (523, 532),
            Self::GivenUp => (680, 693),
        };
        if newer { new } else { old }
    }

    fn severity(self) -> char {
        match self {
            Self::Joined => 'I',
            Self::NoConfigz => 'W',
            _ => 'E',
        }
    }
}

impl Controller {
    /// Writes a line of the controller's log.
    pub(super) fn log(&self, place: Place, text: &str) {
        let line = place.line(self.has(Feature::ClusterWebhook));
        klog(&self.ctx, place.severity(), &format!("cluster_controller.go:{line}"), text);
    }
}
