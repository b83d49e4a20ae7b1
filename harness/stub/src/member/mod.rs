//! Another cluster as KubeSphere's Go programs see it: kubeconfigs, calls, and the words of what goes wrong.

pub mod api_client;
pub mod go_base64;
pub mod go_errors;
pub mod go_json;
pub mod go_yaml;
pub mod kubeconfig;
pub mod rest_config;

pub use api_client::{ApiClient, CallError, Target};
pub use rest_config::RestConfig;
