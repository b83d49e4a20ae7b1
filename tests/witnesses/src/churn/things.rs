//! The custom objects that are written, and the writers.

use std::collections::BTreeMap;

use futures::future::try_join_all;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ApiResource, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::core::{DynamicObject, GroupVersionKind};
use kube::runtime::wait::{await_condition, conditions};
use kube::{Api, Client, ResourceExt as _};
use serde_json::json;

use super::Cause;
use crate::play::Stage;
use crate::servers::Access;

const WRITERS: usize = 6;
const EACH_WRITES: usize = 10;
/// Name of the object that is written when the writers are done.
pub(super) const LAST: &str = "last";

/// What is known of the objects: the state by the name.
pub(super) type States = BTreeMap<String, i64>;

/// A kind of custom objects, so that its watch cache begins with it and any version from before is too old.
pub(super) struct Things {
    pub(super) access: Access,
    client: Client,
    namespace: String,
    resource: ApiResource,
}

impl Things {
    pub(super) async fn define(stage: &Stage<'_>) -> Result<Self, Cause> {
        let client = stage.server.client.clone();
        let group = format!("{}.example.com", stage.namespace);
        let name = format!("things.{group}");
        let definition: CustomResourceDefinition = serde_json::from_value(json!({
            "metadata": {"name": name},
            "spec": {
                "group": group, "scope": "Namespaced",
                "names": {"plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList"},
                "versions": [{
                    "name": "v1", "served": true, "storage": true,
                    "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                        "spec": {"type": "object", "properties": {"state": {"type": "integer"}}},
                    }}},
                }],
            },
        }))?;
        let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
        definitions.create(&PostParams::default(), &definition).await?;
        await_condition(definitions, &name, conditions::is_crd_established()).await?;
        let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(&group, "v1", "Thing"), "things");
        let things = Self { access: stage.server.access.clone(), client, namespace: stage.namespace.clone(), resource };
        things.served().await?;
        Ok(things)
    }

    /// An established kind may take a moment more to be served (kubernetes v1.20, `customresource_handler.go`).
    async fn served(&self) -> Result<(), Cause> {
        let mut looks = tokio::time::interval(super::LOOK);
        let served = async {
            loop {
                looks.tick().await;
                if let Ok(list) = self.api().list(&ListParams::default()).await {
                    return list;
                }
            }
        };
        tokio::time::timeout(super::LIMIT, served).await?;
        Ok(())
    }

    pub(super) async fn remove(&self) -> Result<(), Cause> {
        let definitions: Api<CustomResourceDefinition> = Api::all(self.client.clone());
        definitions.delete(&format!("things.{}", self.resource.group), &DeleteParams::default()).await?;
        Ok(())
    }

    pub(super) fn resource(&self) -> &ApiResource {
        &self.resource
    }

    /// The objects over a client of the harness's.
    pub(super) fn api(&self) -> Api<DynamicObject> {
        self.over(&self.client)
    }

    /// The objects over `client`.
    pub(super) fn over(&self, client: &Client) -> Api<DynamicObject> {
        Api::namespaced_with(client.clone(), &self.namespace, &self.resource)
    }

    /// What a list shows now.
    pub(super) async fn listed(&self) -> Result<States, Cause> {
        let list = self.api().list(&ListParams::default()).await?;
        Ok(list.items.iter().map(|thing| (thing.name_any(), state_of(thing))).collect())
    }

    pub(super) fn thing(&self, name: &str, state: i64) -> DynamicObject {
        DynamicObject::new(name, &self.resource).within(&self.namespace).data(json!({"spec": {"state": state}}))
    }

    /// Lets all writers do their work at once, then writes the last object.
    pub(super) async fn write(&self) -> Result<(), Cause> {
        try_join_all((0..WRITERS).map(|writer| self.write_as(writer))).await?;
        self.api().create(&PostParams::default(), &self.thing(LAST, 0)).await?;
        Ok(())
    }

    /// Creates objects, changes each twice, and deletes every third.
    async fn write_as(&self, writer: usize) -> Result<(), Cause> {
        let api = self.api();
        for number in 0..EACH_WRITES {
            let name = format!("{writer}-{number}");
            api.create(&PostParams::default(), &self.thing(&name, 0)).await?;
            let patch = Patch::Merge(json!({"spec": {"state": 1}}));
            let mut patched = api.patch(&name, &PatchParams::default(), &patch).await?;
            if let Some(state) = patched.data.pointer_mut("/spec/state") {
                *state = json!(2);
            }
            api.replace(&name, &PostParams::default(), &patched).await?;
            if number % 3 == 0 {
                api.delete(&name, &DeleteParams::default()).await?;
            }
        }
        Ok(())
    }
}

/// The state that a writer gave to `thing`.
pub(super) fn state_of(thing: &DynamicObject) -> i64 {
    thing.data.pointer("/spec/state").and_then(serde_json::Value::as_i64).unwrap_or_default()
}
