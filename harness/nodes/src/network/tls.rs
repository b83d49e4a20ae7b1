//! TLS as a client of a Kubernetes API server needs it, with the reason of a refusal kept as data.

use std::fmt;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme};

/// Why a server's certificate was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsFault {
    /// No trusted authority signed it.
    UnknownAuthority,
    /// It is for other names.
    NameMismatch {
        /// The name or address asked for.
        wanted: String,
        /// DNS names and addresses in the certificate, in its order.
        dns_names: Vec<String>,
        /// The addresses in the certificate, in its order.
        addresses: Vec<String>,
    },
    /// It has expired or is not yet valid.
    OutsideValidity,
}

impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownAuthority => f.write_str("certificate signed by unknown authority"),
            Self::NameMismatch { wanted, dns_names, addresses } => {
                let names: Vec<_> = dns_names.iter().chain(addresses).map(String::as_str).collect();
                write!(f, "certificate is valid for {}, not {wanted}", names.join(", "))
            }
            Self::OutsideValidity => f.write_str("certificate has expired or is not yet valid"),
        }
    }
}

impl std::error::Error for TlsFault {}

/// What a client trusts and shows.
#[derive(Clone, Default)]
pub struct TlsSettings {
    /// PEM of the trusted authorities; empty trusts nobody.
    pub authorities_pem: Vec<u8>,
    /// Accept any server certificate.
    pub insecure: bool,
    /// The name to verify in place of the one dialled.
    pub server_name: Option<String>,
    /// PEM of the client's certificate chain and key.
    pub identity: Option<ClientIdentity>,
}

/// A client certificate with its key, both PEM. Neither is printed.
#[derive(Clone)]
pub struct ClientIdentity {
    /// Certificate chain, PEM.
    pub certificate_pem: Vec<u8>,
    /// Private key, PEM.
    pub key_pem: Vec<u8>,
}

/// A TLS setting that is not usable.
#[derive(Debug, thiserror::Error)]
pub enum TlsSettingsError {
    /// The PEM text holds no usable certificate or key.
    #[error("{what} is not usable PEM: {reason}")]
    Pem {
        /// Which of the inputs.
        what: &'static str,
        /// The parser's words.
        reason: String,
    },
    /// The certificate and key do not make a client identity.
    #[error("client certificate: {0}")]
    Identity(#[source] rustls::Error),
}

/// The rustls configuration for `settings`, with `alpn` protocols in order of preference.
///
/// # Errors
/// When a PEM text is not usable.
pub fn client_config(settings: &TlsSettings, alpn: &[&[u8]]) -> Result<ClientConfig, TlsSettingsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&settings.authorities_pem) {
        let certificate = certificate.map_err(|e| pem_error("certificate-authority-data", &e))?;
        roots.add(certificate).map_err(|e| pem_error("certificate-authority-data", &e))?;
    }
    let verifier = Arc::new(ReasoningVerifier {
        inner: if settings.insecure || roots.is_empty() {
            None
        } else {
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().ok()
        },
        insecure: settings.insecure,
        schemes: provider.signature_verification_algorithms.supported_schemes(),
        provider: provider.clone(),
    });
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsSettingsError::Identity)?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match &settings.identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let chain = CertificateDer::pem_slice_iter(&identity.certificate_pem)
                .collect::<Result<Vec<_>, _>>()
                .map_err(|e| pem_error("client-certificate-data", &e))?;
            let key = PrivateKeyDer::from_pem_slice(&identity.key_pem).map_err(|e| pem_error("client-key-data", &e))?;
            builder.with_client_auth_cert(chain, key).map_err(TlsSettingsError::Identity)?
        }
    };
    config.alpn_protocols = alpn.iter().map(|p| p.to_vec()).collect();
    Ok(config)
}

fn pem_error(what: &'static str, reason: &dyn fmt::Display) -> TlsSettingsError {
    TlsSettingsError::Pem { what, reason: reason.to_string() }
}

/// The fault inside an I/O error of a handshake, if our verifier put it there.
#[must_use]
pub fn fault_of(error: &std::io::Error) -> Option<TlsFault> {
    let inner = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    match inner {
        rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(cause))) => {
            cause.downcast_ref::<TlsFault>().cloned()
        }
        _ => None,
    }
}

#[derive(Debug)]
struct ReasoningVerifier {
    inner: Option<Arc<WebPkiServerVerifier>>,
    insecure: bool,
    schemes: Vec<SignatureScheme>,
    provider: Arc<rustls::crypto::CryptoProvider>,
}

impl ServerCertVerifier for ReasoningVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.insecure {
            return Ok(ServerCertVerified::assertion());
        }
        let Some(inner) = &self.inner else { return Err(refused(TlsFault::UnknownAuthority)) };
        inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now).map_err(
            |error| match error {
                rustls::Error::InvalidCertificate(reason) => match reason {
                    CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                        refused(name_mismatch(end_entity, server_name))
                    }
                    CertificateError::Expired
                    | CertificateError::ExpiredContext { .. }
                    | CertificateError::NotValidYet
                    | CertificateError::NotValidYetContext { .. } => refused(TlsFault::OutsideValidity),
                    CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                        refused(TlsFault::UnknownAuthority)
                    }
                    other => rustls::Error::InvalidCertificate(other),
                },
                other => other,
            },
        )
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.clone()
    }
}

fn refused(fault: TlsFault) -> rustls::Error {
    rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(fault))))
}

fn name_mismatch(certificate: &CertificateDer<'_>, wanted: &ServerName<'_>) -> TlsFault {
    let wanted = wanted.to_str().into_owned();
    let (mut dns_names, mut addresses) = (Vec::new(), Vec::new());
    if let Ok((_, parsed)) = x509_parser::parse_x509_certificate(certificate)
        && let Ok(Some(names)) = parsed.subject_alternative_name()
    {
        for name in &names.value.general_names {
            match name {
                x509_parser::extensions::GeneralName::DNSName(name) => dns_names.push((*name).to_owned()),
                x509_parser::extensions::GeneralName::IPAddress(bytes) => match bytes.len() {
                    4 => addresses.push(std::net::Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3]).to_string()),
                    16 => {
                        let mut octets = [0_u8; 16];
                        octets.copy_from_slice(bytes);
                        addresses.push(std::net::Ipv6Addr::from(octets).to_string());
                    }
                    _ => {}
                },
                _ => {}
            }
        }
    }
    TlsFault::NameMismatch { wanted, dns_names, addresses }
}
