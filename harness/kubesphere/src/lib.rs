//! KubeSphere's own data: API names, release profiles, parsing of its configuration. Nothing here does I/O, and
//! nothing here knows a rule of behaviour: both the stub and the checks read with it.

pub mod config;
pub mod duration;
pub mod kubekey;
pub mod lenient;
pub mod names;
pub mod release;
pub mod role;
pub mod secret;

pub use config::{ConfigError, KubesphereConfig};
pub use kubekey::KubeKey;
pub use names::Resource;
pub use release::{Basis, Feature, Release};
pub use role::ClusterRole;
pub use secret::JwtSecret;
