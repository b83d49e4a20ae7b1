//! Client certificates.

use std::time::Duration;

use apiserver::pki::Authority;
use apiserver::{ApiServer, CertificateError, ClientCertificate, Lifetime};
use serde::Deserialize;

use super::{Offset, Signer};

/// A certificate as a step asks for it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CertificateSpec {
    /// The user; variables are filled in.
    pub common_name: Option<String>,
    /// The groups; variables are filled in.
    pub organizations: Vec<String>,
    /// From when; a minute ago.
    pub not_before: Option<Offset>,
    /// Until when; an hour from now.
    pub not_after: Option<Offset>,
    /// Whose authority signs.
    pub authority: Signer,
}

impl CertificateSpec {
    fn lifetime(&self) -> Lifetime {
        let now = Lifetime::for_duration(Duration::ZERO).not_after;
        let at = |offset: Option<Offset>, default: i64| {
            let seconds = offset.map_or(default, |Offset(seconds)| seconds);
            let distance = Duration::from_secs(seconds.unsigned_abs());
            let moved = if seconds < 0 { now.checked_sub(distance) } else { now.checked_add(distance) };
            moved.unwrap_or(now)
        };
        Lifetime { not_before: at(self.not_before, -60), not_after: at(self.not_after, 3600) }
    }
}

/// An authority that a server's clients come from.
pub enum ClientAuthority<'a> {
    /// That of an embedded server.
    Server(ApiServer),
    /// One read from files.
    Loaded(Box<Authority>),
    /// One of somebody else.
    Lent(&'a Authority),
}

impl ClientAuthority<'_> {
    /// The certificate that `spec` asks for, with `fill` applied to its names.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn issue(
        &self,
        spec: &CertificateSpec,
        fill: impl Fn(&str) -> String,
    ) -> Result<ClientCertificate, CertificateError> {
        let name = fill(spec.common_name.as_deref().unwrap_or_default());
        let organizations: Vec<String> = spec.organizations.iter().map(|group| fill(group)).collect();
        let organizations: Vec<&str> = organizations.iter().map(String::as_str).collect();
        let lifetime = spec.lifetime();
        match (spec.authority, self) {
            (Signer::Foreign, _) => Authority::generate(lifetime.not_after)?.client(&name, &organizations, lifetime),
            (_, Self::Server(server)) => server.issue_client_certificate(&name, &organizations, lifetime),
            (_, Self::Loaded(authority)) => authority.client(&name, &organizations, lifetime),
            (_, Self::Lent(authority)) => authority.client(&name, &organizations, lifetime),
        }
    }
}
