//! From what a person typed to what makes the clusters.

use std::path::PathBuf;
use std::sync::Arc;

use clap::ValueEnum as _;
use providers::Provider;
use providers::containers::Images;
use providers::kind::{Configuration, KindOptions};

use crate::arguments::{ProviderName, ProviderOptions};

/// The provider of that name with its options, or what is wrong with them. What it has to tell of a failure goes into
/// `logs`, if that is given.
pub fn make(name: ProviderName, options: &ProviderOptions, logs: Option<PathBuf>) -> Result<Arc<dyn Provider>, String> {
    let configuration = |named: &Option<String>| {
        named.as_deref().map(Configuration::named).transpose().map_err(|error| format!("error: {error}"))
    };
    let ProviderOptions { kind, containers } = options;
    let named = |image: &Option<String>| image.clone().filter(|image| !image.is_empty());
    let images = Images { apiserver: named(&containers.apiserver_image), etcd: named(&containers.etcd_image) };
    let options = KindOptions {
        node_image: named(&kind.node_image),
        host: configuration(&kind.host_config)?,
        member: configuration(&kind.member_config)?,
        logs,
    };
    let name = name.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
    let mut all = providers::all(options, images).into_iter();
    all.find(|provider| provider.name() == name).ok_or_else(|| format!("error: there is no provider {name}"))
}
