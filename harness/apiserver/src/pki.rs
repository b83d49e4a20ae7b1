//! A cluster's authority and what it signs.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// How long certificates of kubeadm's authority hold: ten years.
const AUTHORITY_LIFETIME: Duration = Duration::from_hours(10 * 365 * 24);
/// How long kubeadm's other certificates hold: a year.
const LEAF_LIFETIME: Duration = Duration::from_hours(365 * 24);
/// Certificates are valid from a little before they are made, so that clocks may differ.
const BACKDATED: Duration = Duration::from_mins(5);

/// A certificate could not be made.
#[derive(Debug, thiserror::Error)]
#[error("make a certificate for {subject}: {cause}")]
pub struct CertificateError {
    /// Whom it was for.
    pub subject: String,
    /// Why not.
    #[source]
    pub cause: rcgen::Error,
}

/// When a certificate holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    /// From this moment.
    pub not_before: Timestamp,
    /// Until this moment.
    pub not_after: Timestamp,
}

impl Lifetime {
    /// From five minutes ago, for `duration` from now, by the wall clock.
    #[must_use]
    pub fn for_duration(duration: Duration) -> Self {
        Self::around(Timestamp::now(), duration)
    }

    /// Valid by the wall clock and by `now`, five minutes before and for `duration` after both: the server's own
    /// certificates are met by clients that live in wall time, whatever the server's clock says.
    fn spanning(now: Timestamp, duration: Duration) -> Self {
        let (own, wall) = (Self::around(now, duration), Self::for_duration(duration));
        Self { not_before: own.not_before.min(wall.not_before), not_after: own.not_after.max(wall.not_after) }
    }

    /// From five minutes before `now`, for `duration`.
    #[must_use]
    pub fn around(now: Timestamp, duration: Duration) -> Self {
        let back = now.checked_sub(BACKDATED).unwrap_or(now);
        Self { not_before: back, not_after: now.checked_add(duration).unwrap_or(Timestamp::MAX) }
    }
}

/// A client certificate and its key.
#[derive(Clone)]
pub struct ClientCertificate {
    /// The certificate, PEM.
    pub certificate_pem: String,
    /// The key, PEM (PKCS #8). Keep it to yourself.
    pub key_pem: String,
}

impl std::fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientCertificate").finish_non_exhaustive()
    }
}

/// A certificate and key for `rustls`.
pub struct Identity {
    /// The chain, leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// The key.
    pub key: PrivateKeyDer<'static>,
}

/// The authority of one server.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate_pem: String,
    certificate: CertificateDer<'static>,
}

fn seconds(moment: Timestamp) -> Duration {
    Duration::from_secs(u64::try_from(moment.as_second()).unwrap_or(0))
}

fn params(common_name: &str, organizations: &[&str], lifetime: Lifetime) -> CertificateParams {
    // The date type is that of a crate that only rcgen links; seconds after its epoch need no name for it.
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let mut params = CertificateParams::default();
    let mut name = DistinguishedName::new();
    for organization in organizations {
        name.push(DnType::OrganizationName, *organization);
    }
    name.push(DnType::CommonName, common_name);
    params.distinguished_name = name;
    params.not_before = epoch + seconds(lifetime.not_before);
    params.not_after = epoch + seconds(lifetime.not_after);
    params
}

impl Authority {
    /// A new authority, `CN=kubernetes` as kubeadm's.
    ///
    /// # Errors
    /// When the key or the certificate cannot be made.
    pub fn generate(now: Timestamp) -> Result<Self, CertificateError> {
        let failed = |cause| CertificateError { subject: "the authority".to_owned(), cause };
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(failed)?;
        let mut params = params("kubernetes", &[], Lifetime::spanning(now, AUTHORITY_LIFETIME));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages =
            vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment, KeyUsagePurpose::KeyCertSign];
        let certificate = params.self_signed(&key).map_err(failed)?;
        let (certificate_pem, certificate) = (certificate.pem(), certificate.der().clone());
        Ok(Self { issuer: Issuer::new(params, key), certificate_pem, certificate })
    }

    /// The authority of a certificate and its key (PKCS #8), both PEM. Its subject has a common name and
    /// organizations, if anything.
    ///
    /// # Errors
    /// When they are none.
    pub fn load(certificate_pem: &str, key_pem: &str) -> Result<Self, CertificateError> {
        let failed = |cause| CertificateError { subject: "the authority".to_owned(), cause };
        let unreadable = || failed(rcgen::Error::CouldNotParseCertificate);
        let key = KeyPair::from_pem(key_pem).map_err(failed)?;
        let certificate = CertificateDer::from_pem_slice(certificate_pem.as_bytes()).map_err(|_| unreadable())?;
        let (_, parsed) = x509_parser::parse_x509_certificate(&certificate).map_err(|_| unreadable())?;
        let subject = parsed.subject();
        let name = subject.iter_common_name().next().and_then(|part| part.as_str().ok()).unwrap_or_default();
        let organizations: Vec<&str> = subject.iter_organization().filter_map(|part| part.as_str().ok()).collect();
        let mut params = params(name, &organizations, Lifetime::for_duration(AUTHORITY_LIFETIME));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = certificate.clone().into_owned();
        Ok(Self { issuer: Issuer::new(params, key), certificate_pem: certificate_pem.to_owned(), certificate })
    }

    /// The authority's certificate, PEM.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The authority's certificate.
    #[must_use]
    pub fn certificate(&self) -> CertificateDer<'static> {
        self.certificate.clone()
    }

    fn sign(
        &self,
        params: &CertificateParams,
        subject: &str,
    ) -> Result<(rcgen::Certificate, KeyPair), CertificateError> {
        let failed = |cause| CertificateError { subject: subject.to_owned(), cause };
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(failed)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(failed)?;
        Ok((certificate, key))
    }

    /// A certificate for a client.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn client(
        &self,
        common_name: &str,
        organizations: &[&str],
        lifetime: Lifetime,
    ) -> Result<ClientCertificate, CertificateError> {
        let mut params = params(common_name, organizations, lifetime);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let (certificate, key) = self.sign(&params, common_name)?;
        Ok(ClientCertificate { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() })
    }

    /// A client's identity for `rustls`, valid for a year from `now`.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn client_identity(&self, name: &str, group: &str, now: Timestamp) -> Result<Identity, CertificateError> {
        let mut params = params(name, &[group], Lifetime::around(now, LEAF_LIFETIME));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let (certificate, key) = self.sign(&params, name)?;
        Ok(identity(&certificate, &key))
    }

    /// The serving certificate for `names`, DNS names and addresses.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn server_identity(&self, names: &[String], now: Timestamp) -> Result<Identity, CertificateError> {
        self.serving(names, now).map(|(certificate, key)| identity(&certificate, &key))
    }

    /// The same as PEM texts: the certificate and its key (PKCS #8).
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn server_pem(&self, names: &[String], now: Timestamp) -> Result<(String, String), CertificateError> {
        self.serving(names, now).map(|(certificate, key)| (certificate.pem(), key.serialize_pem()))
    }

    fn serving(&self, names: &[String], now: Timestamp) -> Result<(rcgen::Certificate, KeyPair), CertificateError> {
        let mut params = params("kube-apiserver", &[], Lifetime::spanning(now, LEAF_LIFETIME));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let failed = |cause| CertificateError { subject: "kube-apiserver".to_owned(), cause };
        for name in names {
            let san = match name.parse::<IpAddr>() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName(name.as_str().try_into().map_err(failed)?),
            };
            if !params.subject_alt_names.contains(&san) {
                params.subject_alt_names.push(san);
            }
        }
        self.sign(&params, "kube-apiserver")
    }
}

fn identity(certificate: &rcgen::Certificate, key: &KeyPair) -> Identity {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    Identity { chain: vec![certificate.der().clone()], key }
}

/// A kubeconfig as kubeadm writes it, with everything inline.
///
/// # Errors
/// When it cannot be written as YAML.
pub fn kubeconfig(
    server: &str,
    cluster: &str,
    authority_pem: &str,
    client: &ClientCertificate,
) -> Result<String, serde_yaml::Error> {
    let encode = |pem: &str| base64::engine::general_purpose::STANDARD.encode(pem);
    let context = format!("kubernetes-admin@{cluster}");
    serde_yaml::to_string(&serde_json::json!({
        "apiVersion": "v1",
        "clusters": [{
            "cluster": {"certificate-authority-data": encode(authority_pem), "server": server},
            "name": cluster,
        }],
        "contexts": [{"context": {"cluster": cluster, "user": "kubernetes-admin"}, "name": context}],
        "current-context": context,
        "kind": "Config",
        "preferences": {},
        "users": [{
            "name": "kubernetes-admin",
            "user": {
                "client-certificate-data": encode(&client.certificate_pem),
                "client-key-data": encode(&client.key_pem),
            },
        }],
    }))
}

/// Shares one provider of cryptography: the process may have no default.
#[must_use]
pub fn crypto() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
