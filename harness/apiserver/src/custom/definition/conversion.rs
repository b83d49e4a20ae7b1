//! What a definition may say about the conversion between its versions.

use super::model::{ClientConfig, ServiceReference, Spec};
use super::rules::one_of;
use crate::custom::path::Path;
use crate::go;
use crate::names;
use crate::status::Cause;

/// Adds what is wrong with the conversion of `spec`.
pub fn validate(path: &Path, spec: &Spec, causes: &mut Vec<Cause>) {
    let Some(conversion) = &spec.conversion else { return };
    if conversion.strategy != "None" && spec.preserve_unknown_fields {
        let detail = "must be None if spec.preserveUnknownFields is true";
        causes.push(Cause::invalid(path.child("strategy"), go::quoted(&conversion.strategy), detail));
    }
    one_of(&path.child("strategy"), &conversion.strategy, &["None", "Webhook"], causes);
    let config = conversion.webhook.as_ref().and_then(|webhook| webhook.client_config.as_ref());
    let reviews = conversion.webhook.as_ref().map(|webhook| &*webhook.conversion_review_versions).unwrap_or_default();
    let (config_path, reviews_path) = (path.child("webhookClientConfig"), path.child("conversionReviewVersions"));
    if conversion.strategy == "Webhook" {
        match config {
            None => causes.push(Cause::required(&config_path, "required when strategy is set to Webhook")),
            Some(config) => client_config(&config_path, config, causes),
        }
        review_versions(&reviews_path, reviews, causes);
        return;
    }
    let detail = "should not be set when strategy is not set to Webhook";
    if config.is_some() {
        causes.push(Cause::forbidden(&config_path, detail));
    }
    if !reviews.is_empty() {
        causes.push(Cause::forbidden(&reviews_path, detail));
    }
}

fn client_config(path: &Path, config: &ClientConfig, causes: &mut Vec<Cause>) {
    match (&config.url, &config.service) {
        (Some(url), None) => link(&path.child("url"), url, causes),
        (None, Some(service)) => reference(&path.child("service"), service, causes),
        _ => causes.push(Cause::required(path, "exactly one of url or service is required")),
    }
}

/// `ValidateWebhookURL`.
fn link(path: &Path, url: &str, causes: &mut Vec<Cause>) {
    let form = "; desired format: https://host[/path]";
    let (rest, fragment) = url.split_once('#').unwrap_or((url, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (scheme, rest) = rest.split_once(':').unwrap_or(("", rest));
    let authority = rest.strip_prefix("//").map(|rest| rest.split('/').next().unwrap_or_default()).unwrap_or_default();
    let (user, host) = authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
    let mut refuse = |shown: &str, detail: &str| causes.push(Cause::invalid(path, go::quoted(shown), detail));
    if scheme != "https" {
        refuse(scheme, &format!("'https' is the only allowed URL scheme{form}"));
    }
    if host.is_empty() {
        refuse(host, &format!("host must be provided{form}"));
    }
    if let Some(user) = user {
        refuse(user, "user information is not permitted in the URL");
    }
    if !fragment.is_empty() {
        refuse(fragment, "fragments are not permitted in the URL");
    }
    if !query.is_empty() {
        refuse(query, "query parameters are not permitted in the URL");
    }
}

/// `ValidateWebhookService`. For conversions the original hands it the name in place of the namespace, and the other
/// way round.
fn reference(path: &Path, service: &ServiceReference, causes: &mut Vec<Cause>) {
    if service.namespace.is_empty() {
        causes.push(Cause::required(path.child("name"), "service name is required"));
    }
    if service.name.is_empty() {
        causes.push(Cause::required(path.child("namespace"), "service namespace is required"));
    }
    let port = service.port.unwrap_or(443);
    if !(1..=65535).contains(&port) {
        let detail = "port is not valid: must be between 1 and 65535, inclusive";
        causes.push(Cause::invalid(path.child("port"), port, detail));
    }
    if let Some(given) = service.path.as_deref().filter(|given| !given.is_empty() && *given != "/") {
        request_path(&path.child("path"), given, causes);
    }
}

fn request_path(path: &Path, given: &str, causes: &mut Vec<Cause>) {
    let mut refuse = |detail: &str| causes.push(Cause::invalid(path, go::quoted(given), detail));
    if given == "//" {
        refuse("segment[0] may not be empty");
        return;
    }
    if !given.starts_with('/') {
        refuse("must start with a '/'");
    }
    // The original drops the first byte, whatever it is.
    let inner = given.char_indices().nth(1).and_then(|(at, _)| given.get(at..)).unwrap_or_default();
    for (index, segment) in inner.strip_suffix('/').unwrap_or(inner).split('/').enumerate() {
        if segment.is_empty() {
            refuse(&format!("segment[{index}] may not be empty"));
        } else {
            for fault in names::subdomain(segment) {
                refuse(&format!("segment[{index}]: {fault}"));
            }
        }
    }
}

fn review_versions(path: &Path, versions: &[String], causes: &mut Vec<Cause>) {
    if versions.is_empty() {
        causes.push(Cause::required(path, ""));
        return;
    }
    for (index, version) in versions.iter().enumerate() {
        let place = path.index(index);
        if versions.iter().take(index).any(|before| before == version) {
            causes.push(Cause::invalid(place, go::quoted(version), "duplicate version"));
            continue;
        }
        for fault in names::label_1035(version) {
            causes.push(Cause::invalid(&place, go::quoted(version), &fault));
        }
    }
    if !versions.iter().any(|version| version == "v1" || version == "v1beta1") {
        causes.push(Cause::invalid(path, go::texts(versions), "must include at least one of v1, v1beta1"));
    }
}
