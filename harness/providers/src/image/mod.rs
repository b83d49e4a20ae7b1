//! One container image, made from the harness's own executable, under the upstream names of KubeSphere's images.
//!
//! Nothing is built by a container engine and nothing is fetched: [`Layer::pack`] writes the executable and the
//! libraries it runs with into a tar file, [`Image`] describes that layer for one reference, and [`Registry`] answers
//! for all of them inside a node. A node whose mirror of docker.io it is can pull no other image under these names,
//! `imagePullPolicy: Always` or not.

mod archive;
mod digest;
mod elf;
mod layer;
mod libraries;
mod manifest;
mod reference;
pub mod registry;
mod saved;
#[cfg(test)]
mod testing;

pub use elf::Architecture;
pub use layer::Layer;
pub use manifest::{Image, Settings, is_ours};
pub use reference::Reference;
pub use registry::Registry;
pub use saved::save;
pub use stub::POD_ARGUMENT;
