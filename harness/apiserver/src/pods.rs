//! What the server does to pods: accounts and their tokens, nodes.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::fields::text;
use crate::objects::Place;
use crate::shape::put_or_remove;
use crate::status::Failure;
use crate::store::Refusal;

impl Place<'_> {
    /// Mounts the account's token, as the `ServiceAccount` admission plugin does.
    pub fn admit_pod(&self, object: &mut Value) {
        if !self.state.service_account_admission {
            return;
        }
        let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else { return };
        let account = spec.get("serviceAccountName").and_then(Value::as_str).unwrap_or("default").to_owned();
        spec.insert("serviceAccountName".to_owned(), Value::from(account.as_str()));
        spec.insert("serviceAccount".to_owned(), Value::from(account.as_str()));
        let found = self.state.store.get(&Arc::from("serviceaccounts"), &self.key(&account));
        let Some(found) = found else { return };
        let automount =
            spec.get("automountServiceAccountToken").or_else(|| found.value.get("automountServiceAccountToken"));
        if automount == Some(&Value::Bool(false)) {
            return;
        }
        let secrets = found.value.get("secrets").and_then(Value::as_array).into_iter().flatten();
        let token = secrets.filter_map(|secret| secret.get("name").and_then(Value::as_str)).find(|name| {
            let secret = self.state.store.get(&Arc::from("secrets"), &self.key(name));
            secret.is_some_and(|secret| text(&secret.value, "/type") == "kubernetes.io/service-account-token")
        });
        if let Some(token) = token {
            mount_token(spec, token);
        }
    }

    /// Puts the pod `name` on a node, as `binding` says.
    ///
    /// # Errors
    /// 404, or 409 when it is on a node already, or on its way out.
    pub fn bind_pod(&self, name: &str, binding: &Value) -> Result<(), Failure> {
        loop {
            let before = self.get(name)?;
            let conflict = |why: &str| Err(Failure::conflict_below(self.resource, "binding", name, why));
            if before.value.pointer("/metadata/deletionTimestamp").is_some() {
                return conflict(&format!("pod {name} is being deleted, cannot be assigned to a host"));
            }
            let bound = text(&before.value, "/spec/nodeName");
            if !bound.is_empty() {
                return conflict(&format!("pod {name} is already assigned to node {}", crate::status::quoted(bound)));
            }
            let mut object = before.value.clone();
            object["spec"]["nodeName"] = Value::from(text(binding, "/target/name"));
            for (key, value) in
                binding.pointer("/metadata/annotations").and_then(Value::as_object).into_iter().flatten()
            {
                object["metadata"]["annotations"][key] = value.clone();
            }
            let condition = serde_json::json!({
                "type": "PodScheduled", "status": "True", "lastProbeTime": null,
                "lastTransitionTime": self.state.clock.stamp(),
            });
            match object.pointer_mut("/status/conditions").and_then(Value::as_array_mut) {
                Some(conditions) => conditions.push(condition),
                None => object["status"]["conditions"] = Value::from(vec![condition]),
            }
            if self.dry_run {
                return Ok(());
            }
            let object = crate::shape::in_order(self.resource, object);
            match self.state.store.replace(self.table(), &self.key(name), &before, object) {
                Ok(_) => return Ok(()),
                Err(Refusal::Gone) => return Err(Failure::not_found(self.resource, name)),
                Err(_) => {}
            }
        }
    }
}

/// A client that leaves out what admission added does not mean to remove it.
pub fn keep_account(object: &mut Value, old: &Value) {
    let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else { return };
    for key in ["serviceAccountName", "serviceAccount"] {
        if !spec.contains_key(key) {
            put_or_remove(spec, key, old.pointer(&format!("/spec/{key}")));
        }
    }
}

/// Where the token is mounted in every container.
const TOKEN_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

fn mount_token(spec: &mut Map<String, Value>, secret: &str) {
    let mut mounted = false;
    for key in ["containers", "initContainers"] {
        for container in spec.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten() {
            let Some(container) = container.as_object_mut() else { continue };
            let mounts = container.entry("volumeMounts").or_insert_with(|| Value::Array(Vec::new()));
            let Some(mounts) = mounts.as_array_mut() else { continue };
            if !mounts.iter().any(|mount| text(mount, "/mountPath") == TOKEN_PATH) {
                mounts.push(serde_json::json!({"name": secret, "readOnly": true, "mountPath": TOKEN_PATH}));
                mounted = true;
            }
        }
    }
    let volumes = spec.entry("volumes").or_insert_with(|| Value::Array(Vec::new()));
    if let Some(volumes) = volumes.as_array_mut()
        && mounted
        && !volumes.iter().any(|volume| text(volume, "/name") == secret)
    {
        volumes.push(serde_json::json!({"name": secret, "secret": {"secretName": secret, "defaultMode": 420}}));
    }
}
