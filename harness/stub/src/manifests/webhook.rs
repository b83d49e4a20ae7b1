//! The webhook that looks at updates of Clusters, and the certificate it shows (kubesphere v3.4.1,
//! `pkg/controller/cluster/cluster_webhook.go`; ks-installer v3.4.1, chart `ks-core`, where Helm makes the certificate).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kubesphere::names::{self, namespaces, objects};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384,
};
use serde_json::{Value, json};

/// The Secret that keeps the certificate.
pub const SECRET: &str = "ks-controller-manager-webhook-cert";
/// Where updates of Clusters are looked at.
pub const PATH: &str = "/validate-cluster-kubesphere-io-v1alpha1";
/// The port of its container.
pub const PORT: u16 = 8443;
/// Where the container finds its certificate, as controller-runtime expects it.
pub const MOUNT: &str = "/tmp/k8s-webhook-server/serving-certs";
/// The certificate's file there.
pub const CERTIFICATE_FILE: &str = "tls.crt";
/// The key's file there.
pub const KEY_FILE: &str = "tls.key";
const AUTHORITY_FILE: &str = "ca.crt";

/// A certificate for the Service of ks-controller-manager, its key and the authority that signed it. The key is never
/// printed.
#[derive(Clone)]
pub struct ServingCertificate {
    /// PEM, like the others.
    authority: String,
    certificate: String,
    key: String,
}

impl std::fmt::Debug for ServingCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServingCertificate").finish_non_exhaustive()
    }
}

/// The certificate could not be made.
#[derive(Debug, thiserror::Error)]
#[error("make the webhook's certificate: {0}")]
pub struct CertificateError(#[from] rcgen::Error);

impl ServingCertificate {
    /// A new authority and a certificate that it signs, with P-256 or `stronger` keys. Both hold at any time that a
    /// cluster's clock may show.
    ///
    /// # Errors
    /// When no key or no certificate can be made.
    pub fn generate(stronger: bool) -> Result<Self, CertificateError> {
        let algorithm = if stronger { &PKCS_ECDSA_P384_SHA384 } else { &PKCS_ECDSA_P256_SHA256 };
        let new_key = || KeyPair::generate_for(algorithm);
        let mut root = params("ks-controller-manager-ca", Vec::new())?;
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        root.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign];
        let root_key = new_key()?;
        let authority = root.self_signed(&root_key)?.pem();
        let issuer = Issuer::new(root, root_key);

        let host = format!("{}.{}.svc", objects::CONTROLLER_MANAGER, namespaces::SYSTEM);
        let mut leaf = params(objects::CONTROLLER_MANAGER, vec![host])?;
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let leaf_key = new_key()?;
        let certificate = leaf.signed_by(&leaf_key, &issuer)?.pem();
        Ok(Self { authority, certificate, key: leaf_key.serialize_pem() })
    }

    /// The certificate that `secret` keeps, if it keeps a whole one.
    #[must_use]
    pub fn of_secret(secret: &Value) -> Option<Self> {
        let text = |key: &str| {
            let encoded = secret.get("data")?.get(key)?.as_str()?;
            String::from_utf8(STANDARD.decode(encoded).ok()?).ok().filter(|text| !text.is_empty())
        };
        Some(Self { authority: text(AUTHORITY_FILE)?, certificate: text(CERTIFICATE_FILE)?, key: text(KEY_FILE)? })
    }

    /// The Secret that keeps it.
    #[must_use]
    pub fn secret(&self) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": SECRET, "namespace": namespaces::SYSTEM},
            "type": "Opaque",
            "data": {
                AUTHORITY_FILE: STANDARD.encode(&self.authority),
                CERTIFICATE_FILE: STANDARD.encode(&self.certificate),
                KEY_FILE: STANDARD.encode(&self.key),
            },
        })
    }

    /// The configuration that sends updates of Clusters through ks-controller-manager, which must answer.
    #[must_use]
    pub fn configuration(&self) -> Value {
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": "cluster.kubesphere.io"},
            "webhooks": [{
                "name": "validating-cluster.kubesphere.io",
                "admissionReviewVersions": ["v1beta1", "v1"],
                "clientConfig": {
                    "caBundle": STANDARD.encode(&self.authority),
                    "service": {
                        "name": objects::CONTROLLER_MANAGER,
                        "namespace": namespaces::SYSTEM,
                        "path": PATH,
                        "port": 443,
                    },
                },
                "failurePolicy": "Fail",
                "sideEffects": "None",
                "rules": [{
                    "apiGroups": [names::CLUSTER.group],
                    "apiVersions": [names::CLUSTER.version],
                    "operations": ["UPDATE"],
                    "resources": [names::CLUSTER.plural],
                    "scope": "*",
                }],
            }],
        })
    }
}

fn params(common_name: &str, names: Vec<String>) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    params.distinguished_name = name;
    Ok(params)
}

/// Mounts the certificate in the first container of `deployment`.
pub fn mount(deployment: &mut Value) {
    const VOLUME: &str = "webhook-secret";
    let mut add = |list: &str, item: Value| {
        if let Some(items) = deployment.pointer_mut(list).and_then(Value::as_array_mut) {
            items.push(item);
        }
    };
    add("/spec/template/spec/containers/0/volumeMounts", json!({"name": VOLUME, "mountPath": MOUNT, "readOnly": true}));
    add("/spec/template/spec/volumes", json!({"name": VOLUME, "secret": {"secretName": SECRET}}));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing unwrap fails the test")]

    use x509_parser::pem::parse_x509_pem;

    use super::*;

    #[test]
    fn keeps_a_certificate_for_the_service_in_a_secret() {
        let made = ServingCertificate::generate(false).unwrap();
        let kept = ServingCertificate::of_secret(&made.secret()).unwrap();
        assert_eq!(kept.configuration(), made.configuration());
        let (_, leaf) = parse_x509_pem(kept.certificate.as_bytes()).unwrap();
        let (_, authority) = parse_x509_pem(kept.authority.as_bytes()).unwrap();
        let (leaf, authority) = (leaf.parse_x509().unwrap(), authority.parse_x509().unwrap());
        assert_eq!(leaf.issuer(), authority.subject());
        let names = leaf.subject_alternative_name().unwrap().unwrap();
        assert_eq!(names.value.general_names.len(), 1);
        assert!(format!("{:?}", names.value.general_names).contains("ks-controller-manager.kubesphere-system.svc"));
    }

    #[test]
    fn makes_do_with_nothing_less_than_a_whole_certificate() {
        let mut secret = ServingCertificate::generate(false).unwrap().secret();
        secret["data"]["tls.key"] = "".into();
        assert!(ServingCertificate::of_secret(&secret).is_none());
        assert!(ServingCertificate::of_secret(&json!({})).is_none());
    }

    #[test]
    fn prints_no_key() {
        assert_eq!(format!("{:?}", ServingCertificate::generate(false).unwrap()), "ServingCertificate { .. }");
    }
}
