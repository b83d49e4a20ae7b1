//! Requests for certificates (pkg/apis/certificates/validation/validation.go, Kubernetes 1.20).

use base64::Engine as _;

use super::at::{At, Causes};
use super::words;
use crate::status::quoted;

const USAGES: &[&str] = &[
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
];

fn bytes(bytes: &[u8]) -> String {
    let all: Vec<String> = bytes.iter().map(|byte| format!("{byte:#x}")).collect();
    format!("[]byte{{{}}}", all.join(", "))
}

/// What is wrong with a request: less in the beta version.
pub fn request(at: &At<'_>, beta: bool, causes: &mut Causes) {
    let spec = at.child("spec");
    let request = spec.child("request");
    let sent = base64::engine::general_purpose::STANDARD.decode(request.text()).unwrap_or_default();
    if !String::from_utf8_lossy(&sent).contains("-----BEGIN CERTIFICATE REQUEST-----") {
        causes.push(request.invalid(bytes(&sent), "PEM block type must be CERTIFICATE REQUEST"));
    }
    let usages = spec.child("usages");
    if usages.is_empty() {
        causes.push(usages.required("usages must be provided"));
    }
    if !beta {
        for usage in usages.items().filter(|usage| !USAGES.contains(&usage.text())) {
            causes.push(usage.unsupported(USAGES));
        }
        let mut seen: Vec<&str> = Vec::new();
        for usage in usages.items() {
            if seen.contains(&usage.text()) {
                causes.push(usage.duplicate(quoted(usage.text())));
            }
            seen.push(usage.text());
        }
    }
    let signer = spec.child("signerName");
    if !beta && signer.text() == "kubernetes.io/legacy-unknown" {
        causes.push(signer.wrong("the legacy signerName is not allowed via this API version"));
    } else {
        signer_name(&signer, causes);
    }
    conditions(&at.down("status.conditions"), beta, causes);
}

fn conditions(at: &At<'_>, beta: bool, causes: &mut Causes) {
    let (mut seen, mut decided): (Vec<&str>, Option<&str>) = (Vec::new(), None);
    for condition in at.items() {
        let (kind, status) = (condition.child("type"), condition.child("status"));
        if !beta && kind.text().is_empty() {
            causes.push(kind.required(""));
        }
        let only_true = ["Approved", "Denied", "Failed"].contains(&kind.text());
        let known: &[&str] = if only_true { &["True"] } else { &["False", "True", "Unknown"] };
        if status.text().is_empty() {
            causes.push(status.required(""));
        } else if !known.contains(&status.text()) {
            causes.push(status.unsupported(known));
        }
        if ["Approved", "Denied"].contains(&kind.text()) {
            if decided.is_some_and(|decided| decided != kind.text()) {
                causes.push(kind.wrong("Approved and Denied conditions are mutually exclusive"));
            }
            decided = Some(kind.text());
        }
        if !beta && seen.contains(&kind.text()) {
            causes.push(kind.duplicate(quoted(kind.text())));
        }
        seen.push(kind.text());
    }
}

fn labels(at: &At<'_>, text: &str, rule: fn(&str) -> Vec<String>, causes: &mut Causes) {
    let Some((label, faults)) =
        text.split('.').map(|label| (label, rule(label))).find(|(_, faults)| !faults.is_empty())
    else {
        return;
    };
    for fault in faults {
        causes.push(at.invalid(quoted(text), &format!("validating label {}: {fault}", quoted(label))));
    }
}

fn signer_name(at: &At<'_>, causes: &mut Causes) {
    if at.text().is_empty() {
        causes.push(at.required("signerName must be provided"));
        return;
    }
    let Some((domain, path)) = at.text().split_once('/').filter(|(_, path)| !path.contains('/')) else {
        let detail = "must be a fully qualified domain and path of the form 'example.com/signer-name'";
        causes.push(at.wrong(detail));
        return;
    };
    labels(at, domain, words::label, causes);
    if !domain.contains('.') {
        causes.push(at.invalid(quoted(domain), "should be a domain with at least two segments separated by dots"));
    }
    labels(at, path, words::subdomain, causes);
}
