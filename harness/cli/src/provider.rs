//! From what a person typed to what makes the clusters.

use std::path::PathBuf;
use std::sync::Arc;

use clap::ValueEnum as _;
use providers::Provider;
use providers::kind::{Configuration, KindOptions};

use crate::arguments::{KindArguments, ProviderName};

/// The provider of that name with its options, or what is wrong with them. What it has to tell of a failure goes into
/// `logs`, if that is given.
pub fn make(name: ProviderName, kind: &KindArguments, logs: Option<PathBuf>) -> Result<Arc<dyn Provider>, String> {
    let configuration = |named: &Option<String>| {
        named.as_deref().map(Configuration::named).transpose().map_err(|error| format!("error: {error}"))
    };
    let options = KindOptions {
        node_image: kind.node_image.clone().filter(|image| !image.is_empty()),
        host: configuration(&kind.host_config)?,
        member: configuration(&kind.member_config)?,
        logs,
    };
    let name = name.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
    let mut all = providers::all(options).into_iter();
    all.find(|provider| provider.name() == name).ok_or_else(|| format!("error: there is no provider {name}"))
}
