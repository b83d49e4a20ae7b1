//! From what a person typed to what makes the clusters.

use std::sync::Arc;

use providers::Provider;
use providers::embedded::Embedded;
use providers::envtest::Envtest;
use providers::kind::{Configuration, Kind, KindOptions};

use crate::arguments::{KindArguments, ProviderName};

/// The provider of that name with its options, or what is wrong with them.
pub fn make(name: ProviderName, kind: &KindArguments) -> Result<Arc<dyn Provider>, String> {
    let configuration = |named: &Option<String>| {
        named.as_deref().map(Configuration::named).transpose().map_err(|error| format!("error: {error}"))
    };
    let options = KindOptions {
        node_image: kind.node_image.clone().filter(|image| !image.is_empty()),
        host: configuration(&kind.host_config)?,
        member: configuration(&kind.member_config)?,
    };
    Ok(match name {
        ProviderName::Embedded => Arc::new(Embedded),
        ProviderName::Envtest => Arc::new(Envtest::default()),
        ProviderName::Kind => Arc::new(Kind::new(options)),
    })
}
