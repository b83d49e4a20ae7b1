//! Client certificates.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme};

use super::{Proof, User};
use crate::clock::ServerClock;
use crate::pki;

/// Accepts every client certificate in the handshake, so that a foreign one gets a 401 and not a broken connection,
/// as Go's `RequestClientCert` has it.
#[derive(Debug)]
pub struct AcceptAnyClient {
    inner: Arc<dyn ClientCertVerifier>,
}

impl AcceptAnyClient {
    /// The lenient twin of `inner`.
    pub fn new(inner: Arc<dyn ClientCertVerifier>) -> Self {
        Self { inner }
    }
}

impl ClientCertVerifier for AcceptAnyClient {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// The verifier of certificates that `authority` signed.
///
/// # Errors
/// When the authority's certificate is not usable.
pub fn client_verifier(authority: CertificateDer<'static>) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let mut roots = RootCertStore::empty();
    roots.add(authority).map_err(|error| error.to_string())?;
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), pki::crypto())
        .build()
        .map_err(|error| error.to_string())
}

/// What a connection's client certificate says; checked once, its validity with every request.
#[derive(Debug, Clone)]
pub enum PeerCertificate {
    /// None was shown, or it names nobody.
    Absent,
    /// The authority did not sign it, or it was no client certificate.
    Untrusted,
    /// A user, from and until these seconds of Unix time.
    Known {
        /// The user.
        user: User,
        /// Not valid before.
        from: i64,
        /// Not valid after.
        until: i64,
    },
}

impl PeerCertificate {
    /// What the certificate proves now.
    pub(super) fn proof(&self, clock: ServerClock) -> Proof {
        match self {
            Self::Absent => Proof::Absent,
            Self::Untrusted => Proof::Failed("x509: certificate signed by unknown authority".to_owned()),
            Self::Known { user, from, until } => {
                if !(*from..=*until).contains(&clock.now().as_second()) {
                    return Proof::Failed("x509: certificate has expired or is not yet valid".to_owned());
                }
                // A certificate without a name is no opinion (`CommonNameUserConversion` of Kubernetes 1.20).
                if user.name.is_empty() { Proof::Absent } else { Proof::Proven(user.clone(), Vec::new()) }
            }
        }
    }
}

/// Reads and verifies the chain that a client has shown.
pub fn peer_certificate(chain: Option<&[CertificateDer<'_>]>, verifier: &dyn ClientCertVerifier) -> PeerCertificate {
    let Some((leaf, intermediates)) = chain.and_then(<[_]>::split_first) else { return PeerCertificate::Absent };
    let Ok((_, certificate)) = x509_parser::parse_x509_certificate(leaf) else { return PeerCertificate::Untrusted };
    let (from, until) = (certificate.validity().not_before.timestamp(), certificate.validity().not_after.timestamp());
    // The signature is verified at a moment of the certificate's own; the clock is asked with each request.
    let moment = u64::try_from(from).unwrap_or(0);
    let moment = UnixTime::since_unix_epoch(std::time::Duration::from_secs(moment));
    let within_authority = verifier.verify_client_cert(leaf, intermediates, moment).is_ok();
    let now = UnixTime::now();
    if !within_authority && verifier.verify_client_cert(leaf, intermediates, now).is_err() {
        return PeerCertificate::Untrusted;
    }
    let subject = certificate.subject();
    // Of several names Go keeps the last (`pkix.Name.FillFromRDNSequence`).
    let name = subject.iter_common_name().last().and_then(|name| name.as_str().ok()).unwrap_or_default();
    let groups = subject.iter_organization().filter_map(|group| group.as_str().ok()).map(str::to_owned).collect();
    PeerCertificate::Known { user: User::authenticated(name, groups), from, until }
}
