//! What every provider promises, checked on the embedded one always and on the one in `KS_E2E_PROVIDER`. The tests of the
//! others are ignored, with the reason on standard error.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test stops at the first surprise")]

#[path = "contract/promises.rs"]
mod promises;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};
use promises::{PROMISES, Place, Promise};
use providers::Provider;
use providers::embedded::Embedded;
use providers::envtest::Envtest;
use tokio::runtime::Runtime;

fn main() -> ExitCode {
    // The first call decides for the whole process; there is no other before it.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let arguments = Arguments::from_args();
    let runtime = Arc::new(Runtime::new().expect("a runtime"));
    let providers: [Arc<dyn Provider>; 2] = [Arc::new(Embedded), Arc::new(Envtest::default())];
    let mut trials = Vec::new();
    for provider in providers {
        let why_not = runtime.block_on(why_not(provider.as_ref()));
        if let Some(why_not) = &why_not {
            eprintln!("{} is ignored: {why_not}", provider.name());
        }
        trials.extend(PROMISES.into_iter().map(|promise| trial(promise, &provider, why_not.is_some(), &runtime)));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

async fn why_not(provider: &dyn Provider) -> Option<String> {
    let asked = std::env::var("KS_E2E_PROVIDER").unwrap_or_default();
    match provider.probe().await {
        Err(missing) => Some(missing.to_string()),
        Ok(_) if provider.name() == "embedded" || provider.name() == asked => None,
        Ok(_) => Some(format!("not asked for; it can work here, with KS_E2E_PROVIDER={}", provider.name())),
    }
}

fn trial(
    (name, promise): (&str, Promise),
    provider: &Arc<dyn Provider>,
    ignored: bool,
    runtime: &Arc<Runtime>,
) -> Trial {
    let (provider, runtime) = (provider.clone(), runtime.clone());
    let name = format!("{}::{name}", provider.name());
    let run = move || {
        let _inside = runtime.enter();
        let place = Place::new();
        runtime.block_on(promise(provider, &place));
        runtime.block_on(place.end());
        Ok(())
    };
    Trial::test(name, run).with_ignored_flag(ignored)
}
