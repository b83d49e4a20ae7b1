//! From what a person typed to what makes the clusters.

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::sync::Arc;

use clap::ValueEnum as _;
use providers::Provider;
use providers::containers::Images;
use providers::embedded::EmbeddedOptions;
use providers::existing::{ExistingOptions, Place};
use providers::kind::{Configuration, KindOptions};

use crate::arguments::{KubesphereName, ProviderName};
use crate::output;
use crate::provider_options::ProviderOptions;

/// The provider of that name with its options, or what is wrong with them. What it has to tell of a failure goes into
/// `logs`, if that is given.
pub fn make(
    name: ProviderName,
    options: &ProviderOptions,
    kubesphere: KubesphereName,
    logs: Option<PathBuf>,
) -> Result<Arc<dyn Provider>, String> {
    let real = kubesphere == KubesphereName::Real;
    if real && !matches!(name, ProviderName::Kind | ProviderName::Existing) {
        return Err("error: KubeSphere itself needs real nodes: --provider kind or existing".to_owned());
    }
    let configuration = |named: &Option<String>| {
        named.as_deref().map(Configuration::named).transpose().map_err(|error| format!("error: {error}"))
    };
    let ProviderOptions { embedded, kind, containers, existing } = options;
    let named = |image: &Option<String>| image.clone().filter(|image| !image.is_empty());
    let options = providers::Options {
        embedded: EmbeddedOptions { audit_logs: embedded.audit_logs.clone() },
        containers: Images { apiserver: named(&containers.apiserver_image), etcd: named(&containers.etcd_image) },
        kind: KindOptions {
            node_image: named(&kind.node_image),
            host: configuration(&kind.host_config)?,
            member: configuration(&kind.member_config)?,
            archives: kind.load_image.clone(),
            real,
            logs,
        },
        existing: ExistingOptions {
            host: Place {
                kubeconfig: existing.host_kubeconfig.clone(),
                context: existing.host_context.clone(),
                server: existing.host_server.clone(),
            },
            member: Place {
                kubeconfig: existing.member_kubeconfig.clone(),
                context: existing.member_context.clone(),
                server: existing.member_server.clone(),
            },
            allow_install: existing.allow_install,
            stub_image: named(&existing.stub_image),
            real,
        },
    };
    let name = name.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
    let mut all = providers::all(options).into_iter();
    all.find(|provider| provider.name() == name).ok_or_else(|| format!("error: there is no provider {name}"))
}

/// Shows what `provider` is about to do to what is not its own, and asks for consent unless it is given already.
pub fn consent(provider: &dyn Provider, given: bool) -> Result<(), String> {
    let Some(plan) = provider.plan() else { return Ok(()) };
    output::say(&plan);
    if given {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        return Err("error: nobody can be asked whether that is right; --yes says that it is".to_owned());
    }
    output::say("Go on? [y/N]");
    let mut answer = String::new();
    let read = io::stdin().read_line(&mut answer).map_err(|error| format!("error: cannot read the answer: {error}"));
    match read.map(|_| answer.trim().to_lowercase())?.as_str() {
        "y" | "yes" => Ok(()),
        _ => Err("error: not begun".to_owned()),
    }
}
