//! Kinds in versions of Kubernetes 1.20 that later versions no longer have.

use std::borrow::Cow;
use std::collections::BTreeMap;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::batch::v1::{CronJobSpec, CronJobStatus};
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::{Deserialize, Serialize};

macro_rules! resource {
    ($kind:ident, $group:literal, $version:literal, $plural:literal) => {
        impl Resource for $kind {
            type DynamicType = ();
            type Scope = NamespaceResourceScope;

            fn kind((): &()) -> Cow<'_, str> {
                stringify!($kind).into()
            }

            fn group((): &()) -> Cow<'_, str> {
                $group.into()
            }

            fn version((): &()) -> Cow<'_, str> {
                $version.into()
            }

            fn api_version((): &()) -> Cow<'_, str> {
                concat!($group, "/", $version).into()
            }

            fn plural((): &()) -> Cow<'_, str> {
                $plural.into()
            }

            fn meta(&self) -> &ObjectMeta {
                &self.metadata
            }

            fn meta_mut(&mut self) -> &mut ObjectMeta {
                &mut self.metadata
            }
        }
    };
}

/// `batch/v1beta1` `CronJob`, whose spec and status are those of `batch/v1`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct CronJob {
    #[serde(default)]
    pub(crate) metadata: ObjectMeta,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) spec: Option<CronJobSpec>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<CronJobStatus>,
}

resource!(CronJob, "batch", "v1beta1", "cronjobs");

/// `discovery.k8s.io/v1beta1` `EndpointSlice`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EndpointSlice {
    // Items of lists do not say what they are; what is sent has to.
    #[serde(default = "slice_version")]
    api_version: String,
    #[serde(default = "slice_kind")]
    kind: String,
    #[serde(default)]
    pub(crate) metadata: ObjectMeta,
    pub(crate) address_type: String,
    #[serde(default)]
    pub(crate) endpoints: Option<Vec<SliceEndpoint>>,
    #[serde(default)]
    pub(crate) ports: Option<Vec<SlicePort>>,
}

fn slice_version() -> String {
    EndpointSlice::api_version(&()).into_owned()
}

fn slice_kind() -> String {
    EndpointSlice::kind(&()).into_owned()
}

impl EndpointSlice {
    pub(crate) fn new(metadata: ObjectMeta, endpoints: Vec<SliceEndpoint>, ports: Vec<SlicePort>) -> Self {
        Self {
            api_version: slice_version(),
            kind: slice_kind(),
            metadata,
            address_type: "IPv4".to_owned(),
            endpoints: Some(endpoints),
            ports: Some(ports),
        }
    }
}

resource!(EndpointSlice, "discovery.k8s.io", "v1beta1", "endpointslices");

/// One pod behind a Service.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SliceEndpoint {
    pub(crate) addresses: Vec<String>,
    #[serde(default)]
    pub(crate) conditions: SliceConditions,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) hostname: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) target_ref: Option<ObjectReference>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) topology: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SliceConditions {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ready: Option<bool>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SlicePort {
    pub(crate) name: Option<String>,
    pub(crate) port: Option<i32>,
    pub(crate) protocol: Option<String>,
}
