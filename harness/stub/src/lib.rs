//! The KubeSphere stand-in, as programs: ks-installer, ks-apiserver, ks-controller-manager, ks-console and the small
//! ones that a host needs. [`programs`] says which image contains what.

mod apiserver;
mod behaviour;
pub mod console;
mod controller_manager;
pub mod delays;
mod image;
mod installer;
pub mod kk;
pub mod manifests;
mod member;
mod small;

pub use behaviour::{Behaviour, Deviation, DeviationKind, NoDeviation};
pub use image::{POD_ARGUMENT, StubImage};

use nodes::program::Programs;

/// The faithful programs.
#[must_use]
pub fn programs() -> Programs {
    programs_with(Behaviour::default())
}

/// The programs with the deviations of `behaviour`.
#[must_use]
pub fn programs_with(behaviour: Behaviour) -> Programs {
    Programs::new()
        .with("kubesphere/ks-installer", move |ctx| installer::run(ctx, behaviour))
        .with("kubesphere/ks-apiserver", move |ctx| apiserver::run(ctx, behaviour))
        .with("kubesphere/ks-controller-manager", move |ctx| controller_manager::run(ctx, behaviour))
        .with("kubesphere/ks-console", console::run)
        .with("kubesphere/tower", small::tower)
        .with("kubesphere/kubefed", small::kubefed)
}
