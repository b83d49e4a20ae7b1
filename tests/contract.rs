//! What every provider promises, checked on the embedded one always and on the one in `KS_E2E_PROVIDER`. The tests of the
//! others are ignored, with the reason on standard error.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test stops at the first surprise")]

#[path = "contract/existing.rs"]
mod existing;
#[path = "contract/kind.rs"]
mod kind;
#[path = "contract/promises.rs"]
mod promises;
#[path = "contract/shards.rs"]
mod shards;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};
use promises::{Grounds, PROMISES};
use providers::Provider;
use tokio::runtime::Runtime;

fn main() -> ExitCode {
    if let Some(code) = engine::serve_hidden() {
        return code;
    }
    // The first call decides for the whole process; there is no other before it.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let arguments = Arguments::from_args();
    let runtime = Arc::new(Runtime::new().expect("a runtime"));
    let _inside = runtime.enter();
    let (mut trials, mut all) = (Vec::new(), Vec::new());
    for provider in providers::all(providers::Options::of_environment()) {
        let name = provider.name();
        let why_not = runtime.block_on(why_not(provider.as_ref()));
        if let Some(why_not) = &why_not {
            eprintln!("{name} is ignored: {why_not}");
        }
        let grounds = (why_not.is_none() && !arguments.list).then(|| Arc::new(Grounds::new(provider)));
        let own = if name == providers::kind::NAME { &kind::PROMISES[..] } else { &[] };
        trials.extend(own.iter().copied().chain(PROMISES).map(|(promise, keep)| {
            let (grounds, runtime) = (grounds.clone(), runtime.clone());
            let run = move || {
                if let Some(grounds) = grounds {
                    runtime.block_on(grounds.keep(keep));
                }
                Ok(())
            };
            Trial::test(format!("{name}::{promise}"), run).with_ignored_flag(why_not.is_some())
        }));
        all.extend(grounds);
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    for grounds in all.into_iter().filter_map(Arc::into_inner) {
        runtime.block_on(grounds.end());
    }
    conclusion.exit_code()
}

async fn why_not(provider: &dyn Provider) -> Option<String> {
    let asked = std::env::var("KS_E2E_PROVIDER").unwrap_or_default();
    match provider.probe().await {
        Err(missing) => Some(missing.to_string()),
        Ok(_) if provider.name() == "embedded" || provider.name() == asked => None,
        Ok(_) => Some(format!("not asked for; it can work here, with KS_E2E_PROVIDER={}", provider.name())),
    }
}
