//! A kube-rs controller tried on an API server of its own: `cargo run -p ks-e2e-apiserver --example
//! controller`. It gives every ConfigMap a greeting.

use std::sync::Arc;

use apiserver::{ApiServer, Options};
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams, PostParams};
use kube::runtime::{controller::Action, wait::await_condition, watcher};
use kube::{Api, Client, ResourceExt as _, runtime::Controller};
use serde_json::json;

async fn greet(map: Arc<ConfigMap>, client: Arc<Client>) -> Result<Action, kube::Error> {
    let maps: Api<ConfigMap> = Api::namespaced(Client::clone(&client), &map.namespace().unwrap_or_default());
    let greeting = format!("hello, {}", map.name_any());
    let wanted = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"greeting": greeting}});
    maps.patch(&map.name_any(), &PatchParams::apply("greeter"), &Patch::Apply(wanted)).await?;
    Ok(Action::await_change())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = ApiServer::start(Options::default()).await?;
    let client = server.client().await?;
    let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
    let controller = Controller::new(maps.clone(), watcher::Config::default());
    let context = Arc::new(client);
    let running = controller.run(greet, |_, _, _| Action::await_change(), context).for_each(|_| async {});
    let running = tokio::spawn(running);

    maps.create(&PostParams::default(), &serde_json::from_value(json!({"metadata": {"name": "world"}}))?).await?;
    let greeted = |map: Option<&ConfigMap>| map.is_some_and(|map| map.data.is_some());
    let map = await_condition(maps, "world", greeted).await?;
    println!("{:?}", map.and_then(|map| map.data));

    running.abort();
    server.stop().await;
    Ok(())
}
