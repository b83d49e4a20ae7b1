//! Writing objects: what every write has in common, whatever the kind.

use std::net::Ipv4Addr;
use std::sync::{Arc, PoisonError};

use serde_json::{Map, Value};

use crate::registry::Resource;
use crate::state::State;
use crate::status::{Cause, Failure};
use crate::store::{Key, Refusal, Stored};
use crate::{crd, defaults, schema, types, validation};

/// Where a write goes.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// The server.
    pub state: &'a State,
    /// The resource.
    pub resource: &'a Arc<Resource>,
    /// The namespace; empty for cluster-wide resources.
    pub namespace: &'a str,
    /// Nothing is stored.
    pub dry_run: bool,
}

/// Which part of an object an update may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Everything but the status, where the status is a part of its own.
    Object,
    /// The status.
    Status,
    /// A namespace's `spec.finalizers`.
    Finalize,
}

/// How an update is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    /// A whole object: custom resources must name the revision they replace.
    Put,
    /// A change to whatever is there.
    Patch,
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn metadata(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    let Value::Object(map) = value else { unreachable!("made an object just above") };
    let slot = map.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
    if !slot.is_object() {
        *slot = Value::Object(Map::new());
    }
    let Value::Object(map) = slot else { unreachable!("made an object just above") };
    map
}

fn put_or_remove(map: &mut Map<String, Value>, key: &str, value: Option<&Value>) {
    match value {
        Some(value) => {
            map.insert(key.to_owned(), value.clone());
        }
        None => {
            map.remove(key);
        }
    }
}

/// The order in which the original writes metadata; the rest follows.
const METADATA_ORDER: &[&str] = &[
    "name",
    "generateName",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
];

fn ordered(mut map: Map<String, Value>, first: &[&str]) -> Map<String, Value> {
    let mut out = Map::with_capacity(map.len());
    for key in first {
        if let Some(value) = map.shift_remove(*key) {
            out.insert((*key).to_owned(), value);
        }
    }
    out.extend(map);
    out
}

/// Kind, version and metadata first, as the original writes objects.
fn in_order(resource: &Resource, mut object: Value) -> Value {
    let Some(map) = object.as_object_mut() else { return object };
    let api_version =
        resource.custom.as_ref().map_or_else(|| resource.api_version(), |custom| custom.storage_version.clone());
    map.insert("kind".to_owned(), Value::from(resource.kind.as_str()));
    map.insert("apiVersion".to_owned(), Value::from(api_version));
    if let Some(Value::Object(metadata)) = map.get_mut("metadata") {
        *metadata = ordered(std::mem::take(metadata), METADATA_ORDER);
    }
    *map = ordered(std::mem::take(map), &["kind", "apiVersion", "metadata", "spec", "status"]);
    object
}

/// Kinds whose objects count the changes of their spec.
fn counts_generations(resource: &Resource) -> bool {
    resource.custom.is_some()
        || matches!(
            &*resource.group_resource,
            "deployments.apps"
                | "replicasets.apps"
                | "customresourcedefinitions.apiextensions.k8s.io"
                | "validatingwebhookconfigurations.admissionregistration.k8s.io"
                | "mutatingwebhookconfigurations.admissionregistration.k8s.io"
        )
}

/// Kinds that a PUT may create, as their strategies say in Kubernetes 1.20.
fn creates_on_update(resource: &Resource) -> bool {
    matches!(&*resource.group_resource, "endpoints" | "events" | "services" | "leases.coordination.k8s.io")
        || resource.group == "rbac.authorization.k8s.io"
}

/// Brings an object from a client into its kind's shape.
fn shape(resource: &Resource, object: &mut Value) -> Result<(), Failure> {
    let kind = if resource.kind.is_empty() { "Object" } else { &resource.kind };
    let undecodable = |text: String| {
        let version = &resource.version;
        Failure::bad_request(format!("{kind} in version \"{version}\" cannot be handled as a {kind}: {text}"))
    };
    if let Some(type_name) = resource.type_name {
        return types::normalize(type_name, object).map_err(undecodable);
    }
    let mut meta = Value::Object(std::mem::take(metadata(object)));
    types::normalize("meta.ObjectMeta", &mut meta).map_err(undecodable)?;
    if let (Value::Object(meta), Value::Object(map)) = (meta, object) {
        map.insert("metadata".to_owned(), Value::Object(meta));
    }
    Ok(())
}

fn fill(resource: &Resource, object: &mut Value) {
    match &resource.custom {
        None => defaults::fill(resource, object),
        Some(custom) => {
            if let Some(schema) = &custom.schema {
                schema::prune(schema, object, true);
                schema::fill_defaults(schema, object);
            }
        }
    }
}

fn check(resource: &Resource, object: &Value, before: Option<&Value>) -> Result<(), Failure> {
    let mut causes = validation::validate(resource, object);
    if let Some(before) = before {
        causes.extend(validation::validate_update(resource, object, before));
    }
    if let Some(schema) = resource.custom.as_ref().and_then(|custom| custom.schema.as_deref()) {
        causes.extend(schema::validate(schema, object));
    }
    refuse(resource, object, &causes)
}

fn refuse(resource: &Resource, object: &Value, causes: &[Cause]) -> Result<(), Failure> {
    if causes.is_empty() {
        return Ok(());
    }
    Err(Failure::invalid(&resource.kind, &resource.group, text(object, "/metadata/name"), causes))
}

/// Five characters that cannot form words, as `generateName` appends them.
fn random_suffix() -> String {
    const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let pick = || ALPHABET.get(rand::random_range(0..ALPHABET.len())).copied().unwrap_or(b'x');
    (0..5).map(|_| char::from(pick())).collect()
}

impl Place<'_> {
    fn key(&self, name: &str) -> Key {
        Key::new(self.namespace, name)
    }

    fn table(&self) -> &Arc<str> {
        &self.resource.group_resource
    }

    /// The stored object.
    ///
    /// # Errors
    /// 404.
    pub fn get(&self, name: &str) -> Result<Arc<Stored>, Failure> {
        let found = self.state.store.get(self.table(), &self.key(name));
        found.ok_or_else(|| Failure::not_found(self.resource, name))
    }

    /// The namespace must be there, and not on its way out.
    fn check_namespace(&self, object: &Value) -> Result<(), Failure> {
        if !self.resource.namespaced {
            return Ok(());
        }
        let found = self.state.store.get(&Arc::from("namespaces"), &Key::new("", self.namespace));
        let namespace = found.ok_or_else(|| Failure::core_not_found("namespaces", self.namespace))?;
        if namespace.value.pointer("/metadata/deletionTimestamp").is_some() {
            let name = Some(text(object, "/metadata/name")).filter(|name| !name.is_empty());
            let name = name.unwrap_or_else(|| text(object, "/metadata/generateName"));
            return Err(Failure::namespace_terminating(self.resource, name, self.namespace));
        }
        Ok(())
    }

    fn check_place(&self, object: &mut Value) -> Result<(), Failure> {
        let meta = metadata(object);
        if self.resource.namespaced {
            let given = meta.get("namespace").and_then(Value::as_str).unwrap_or_default();
            if !given.is_empty() && given != self.namespace {
                let text = "the namespace of the provided object does not match the namespace sent on the request";
                return Err(Failure::bad_request(text));
            }
            meta.insert("namespace".to_owned(), Value::from(self.namespace));
        } else {
            meta.remove("namespace");
        }
        Ok(())
    }

    /// Creates `object`.
    ///
    /// # Errors
    /// As the original refuses.
    pub fn create(&self, mut object: Value) -> Result<Arc<Stored>, Failure> {
        let resource = self.resource;
        shape(resource, &mut object)?;
        self.check_place(&mut object)?;
        self.check_namespace(&object)?;
        if !text(&object, "/metadata/resourceVersion").is_empty() {
            return Err(Failure::internal("resourceVersion should not be set on objects to be created"));
        }
        self.identify(&mut object);
        self.reset_status(&mut object);
        fill(resource, &mut object);
        if resource.custom.is_none() {
            defaults::fill_new(resource, &mut object);
        }
        if &**self.table() == "customresourcedefinitions.apiextensions.k8s.io" {
            crd::fill_status(&mut object, &self.state.clock.stamp());
        }
        check(resource, &object, None)?;
        let is_service = &**self.table() == "services";
        let guard = is_service.then(|| self.state.allocation.lock().unwrap_or_else(PoisonError::into_inner));
        if is_service {
            self.allocate(&mut object)?;
        }
        if &**self.table() == "pods" {
            self.admit_pod(&mut object);
        }
        let name = text(&object, "/metadata/name").to_owned();
        let object = in_order(resource, object);
        if self.dry_run {
            return match self.state.store.get(self.table(), &self.key(&name)) {
                Some(_) => Err(Failure::already_exists(resource, &name)),
                None => Ok(Stored::detached(object)),
            };
        }
        let stored = self.state.store.create(self.table(), self.key(&name), object).map_err(|_| Failure::already_exists(resource, &name))?;
        drop(guard);
        self.after_write();
        Ok(stored)
    }

    /// Gives a new object its name, if it has only a prefix, and what makes it unique.
    fn identify(&self, object: &mut Value) {
        let stamp = self.state.clock.stamp();
        let counts = counts_generations(self.resource);
        let meta = metadata(object);
        for key in ["selfLink", "managedFields", "deletionTimestamp", "deletionGracePeriodSeconds", "generation"] {
            meta.remove(key);
        }
        meta.insert("uid".to_owned(), Value::from(uuid::Uuid::new_v4().to_string()));
        meta.insert("creationTimestamp".to_owned(), Value::from(stamp));
        if counts {
            meta.insert("generation".to_owned(), Value::from(1));
        }
        let prefix = meta.get("generateName").and_then(Value::as_str).filter(|prefix| !prefix.is_empty());
        let unnamed = meta.get("name").and_then(Value::as_str).is_none_or(str::is_empty);
        let name = prefix.filter(|_| unnamed).map(|prefix| {
            let kept: String = prefix.chars().take(58).collect();
            format!("{kept}{}", random_suffix())
        });
        if let Some(name) = name {
            meta.insert("name".to_owned(), Value::from(name));
        }
    }

    /// A client cannot create most objects with a status of its own.
    fn reset_status(&self, object: &mut Value) {
        let keeps = matches!(&**self.table(), "nodes" | "persistentvolumes" | "services");
        if self.resource.has_status()
            && !keeps
            && let Some(map) = object.as_object_mut()
        {
            map.remove("status");
        }
    }

    /// Mounts the account's token, as the `ServiceAccount` admission plugin does.
    fn admit_pod(&self, object: &mut Value) {
        let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else { return };
        let account = spec.get("serviceAccountName").and_then(Value::as_str).unwrap_or("default").to_owned();
        spec.insert("serviceAccountName".to_owned(), Value::from(account.as_str()));
        spec.insert("serviceAccount".to_owned(), Value::from(account.as_str()));
        let found = self.state.store.get(&Arc::from("serviceaccounts"), &self.key(&account));
        let Some(found) = found else { return };
        let automount = spec.get("automountServiceAccountToken").or_else(|| found.value.get("automountServiceAccountToken"));
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

    /// Gives a Service its addresses and ports.
    fn allocate(&self, object: &mut Value) -> Result<(), Failure> {
        let services = self.state.store.list(self.table(), None).objects;
        let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else { return Ok(()) };
        let kind = spec.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
        if kind == "ExternalName" {
            return Ok(());
        }
        let taken = |ip: &str| services.iter().any(|(_, service)| text(&service.value, "/spec/clusterIP") == ip);
        let given = spec.get("clusterIP").and_then(Value::as_str).unwrap_or_default().to_owned();
        let address = match given.as_str() {
            "None" => given,
            "" => {
                let [a, b] = self.state.service_cidr_prefix;
                let fresh = || Ipv4Addr::new(a, b, rand::random_range(0..=255), rand::random_range(1..=254)).to_string();
                // The Service `kubernetes` has the first address even before it is stored.
                let first = Ipv4Addr::new(a, b, 0, 1).to_string();
                std::iter::repeat_with(fresh).find(|ip| *ip != first && !taken(ip)).unwrap_or_default()
            }
            _ if taken(&given) => {
                let cause =
                    Cause::invalid("spec.clusterIP", crate::status::quoted(&given), "provided IP is already allocated");
                return refuse(self.resource, object, &[cause]);
            }
            _ => given,
        };
        spec.insert("clusterIPs".to_owned(), Value::from(vec![address.clone()]));
        spec.insert("clusterIP".to_owned(), Value::from(address));
        if kind == "NodePort" || kind == "LoadBalancer" {
            let used: Vec<i64> = services
                .iter()
                .flat_map(|(_, service)| service.value.pointer("/spec/ports").and_then(Value::as_array).into_iter().flatten())
                .filter_map(|port| port.get("nodePort").and_then(Value::as_i64))
                .collect();
            for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
                if port.get("nodePort").and_then(Value::as_i64).unwrap_or(0) == 0 {
                    let fresh = || rand::random_range(30000_i64..=32767);
                    let number = std::iter::repeat_with(fresh).find(|number| !used.contains(number));
                    port["nodePort"] = Value::from(number);
                }
            }
        }
        Ok(())
    }

    fn after_write(&self) {
        if &**self.table() == "customresourcedefinitions.apiextensions.k8s.io" {
            self.state.reload_definitions();
        }
    }

    /// Replaces the object `name` by what `change` makes of it, in one step however many write at once.
    /// Tells too whether it was created.
    ///
    /// # Errors
    /// As the original refuses, and what `change` returns.
    pub fn update(
        &self,
        name: &str,
        part: Part,
        intent: Intent,
        change: impl Fn(&Value) -> Result<Value, Failure>,
    ) -> Result<(Arc<Stored>, bool), Failure> {
        loop {
            let Some(before) = self.state.store.get(self.table(), &self.key(name)) else {
                if intent == Intent::Put && part == Part::Object && creates_on_update(self.resource) {
                    return self.create(change(&Value::Null)?).map(|stored| (stored, true));
                }
                return Err(Failure::not_found(self.resource, name));
            };
            let changed = change(&before.value)?;
            let given = text(&changed, "/metadata/resourceVersion").to_owned();
            let object = self.successor(name, part, intent, changed, &before)?;
            if same(&object, &before.value) {
                return Ok((before, false));
            }
            if self.dry_run {
                return Ok((Stored::detached(object), false));
            }
            match self.commit(name, &before, object) {
                Ok(stored) => return Ok((stored, false)),
                Err(Refusal::Changed) if intent == Intent::Put && !given.is_empty() => {
                    return Err(Failure::conflict(self.resource, name));
                }
                Err(_) => {}
            }
        }
    }

    fn commit(&self, name: &str, before: &Arc<Stored>, object: Value) -> Result<Arc<Stored>, Refusal> {
        let key = self.key(name);
        let store = &self.state.store;
        let stored = if finished(self.resource, &object) {
            // The answer shows the object as it was asked for; it is gone afterwards.
            let shown = Stored::detached(object.clone());
            store.remove(self.table(), &key, before, Some(object))?;
            self.after_removal(&before.value);
            shown
        } else {
            store.replace(self.table(), &key, before, object)?
        };
        self.after_write();
        Ok(stored)
    }

    fn successor(
        &self,
        name: &str,
        part: Part,
        intent: Intent,
        changed: Value,
        before: &Arc<Stored>,
    ) -> Result<Value, Failure> {
        let resource = self.resource;
        let mut object = changed;
        shape(resource, &mut object)?;
        self.check_place(&mut object)?;
        let given = text(&object, "/metadata/name");
        if given != name {
            return Err(Failure::bad_request(format!(
                "the name of the object ({given}) does not match the name on the URL ({name})"
            )));
        }
        self.check_revision(name, intent, &object, before)?;
        let old = &before.value;
        let mut object = match part {
            Part::Object => {
                let mut object = object;
                if resource.has_status()
                    && let Some(map) = object.as_object_mut()
                {
                    put_or_remove(map, "status", old.get("status"));
                }
                object
            }
            Part::Status => with(old, "status", object.get("status")),
            Part::Finalize => {
                let mut merged = old.clone();
                let finalizers = object.pointer("/spec/finalizers").cloned();
                if let Some(spec) = merged.get_mut("spec").and_then(Value::as_object_mut) {
                    put_or_remove(spec, "finalizers", finalizers.as_ref());
                }
                merged
            }
        };
        self.keep_identity(&mut object, old);
        if &**self.table() == "services" {
            keep_allocation(&mut object, old);
        }
        if &**self.table() == "pods" && part == Part::Object {
            keep_account(&mut object, old);
        }
        fill(resource, &mut object);
        if &**self.table() == "customresourcedefinitions.apiextensions.k8s.io" && part == Part::Object {
            crd::fill_status(&mut object, &self.state.clock.stamp());
        }
        self.count_generation(part, &mut object, old);
        if part == Part::Finalize {
            return Ok(in_order(resource, object));
        }
        check(resource, &object, Some(old))?;
        Ok(in_order(resource, object))
    }

    fn check_revision(&self, name: &str, intent: Intent, object: &Value, before: &Arc<Stored>) -> Result<(), Failure> {
        let resource = self.resource;
        let given = text(object, "/metadata/resourceVersion");
        if given.is_empty() {
            if intent == Intent::Put && resource.custom.is_some() {
                let cause = Cause::invalid("metadata.resourceVersion", "0x0", "must be specified for an update");
                return Err(Failure::invalid(&resource.plural, &resource.group, name, &[cause]));
            }
        } else if given != before.revision.to_string() {
            return Err(Failure::conflict(resource, name));
        }
        let (uid, known) = (text(object, "/metadata/uid"), text(&before.value, "/metadata/uid"));
        if intent == Intent::Put && !uid.is_empty() && uid != known {
            let place = if self.namespace.is_empty() { String::new() } else { format!("{}/", self.namespace) };
            let why = format!(
                "StorageError: invalid object, Code: 4, Key: /registry/{}/{place}{name}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: {uid}, UID in object meta: {known}",
                resource.plural
            );
            return Err(Failure::conflict_because(resource, name, &why));
        }
        Ok(())
    }

    /// What a client cannot change stays.
    fn keep_identity(&self, object: &mut Value, old: &Value) {
        let meta = metadata(object);
        for key in ["creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "generateName"] {
            put_or_remove(meta, key, old.pointer(&format!("/metadata/{key}")));
        }
        meta.remove("selfLink");
        meta.remove("managedFields");
        if !meta.contains_key("uid") {
            put_or_remove(meta, "uid", old.pointer("/metadata/uid"));
        }
        put_or_remove(meta, "resourceVersion", old.pointer("/metadata/resourceVersion"));
    }

    fn count_generation(&self, part: Part, object: &mut Value, old: &Value) {
        if part != Part::Object || !counts_generations(self.resource) {
            return;
        }
        let relevant = |value: &Value| -> Map<String, Value> {
            let skipped: &[&str] =
                if self.resource.has_status() { &["metadata", "status"] } else { &["metadata"] };
            let entries = value.as_object().into_iter().flatten();
            entries.filter(|(key, _)| !skipped.contains(&key.as_str())).map(|(k, v)| (k.clone(), v.clone())).collect()
        };
        let (mut new, mut before) = (relevant(object), relevant(old));
        for map in [&mut new, &mut before] {
            map.remove("kind");
            map.remove("apiVersion");
        }
        if new != before {
            let generation = old.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or(0);
            metadata(object).insert("generation".to_owned(), Value::from(generation + 1));
        }
    }

    /// Puts the pod `name` on `node`.
    ///
    /// # Errors
    /// 404, or 409 when it is on a node already.
    pub fn bind_pod(&self, name: &str, node: &str) -> Result<(), Failure> {
        loop {
            let before = self.get(name)?;
            let bound = text(&before.value, "/spec/nodeName");
            if !bound.is_empty() {
                let why = format!("pod {name} is already assigned to node {}", crate::status::quoted(bound));
                return Err(Failure::conflict_because(self.resource, &format!("{name}/binding"), &why));
            }
            let mut object = before.value.clone();
            object["spec"]["nodeName"] = Value::from(node);
            let condition = serde_json::json!({
                "type": "PodScheduled", "status": "True", "lastProbeTime": null,
                "lastTransitionTime": self.state.clock.stamp(),
            });
            match object.pointer_mut("/status/conditions").and_then(Value::as_array_mut) {
                Some(conditions) => conditions.push(condition),
                None => object["status"]["conditions"] = Value::from(vec![condition]),
            }
            match self.state.store.replace(self.table(), &self.key(name), &before, object) {
                Ok(_) => return Ok(()),
                Err(Refusal::Gone) => return Err(Failure::not_found(self.resource, name)),
                Err(_) => {}
            }
        }
    }

    /// What goes with an object that is removed: a definition takes its objects along.
    pub fn after_removal(&self, removed: &Value) {
        if &**self.table() != "customresourcedefinitions.apiextensions.k8s.io" {
            return;
        }
        for resource in crd::resources(removed) {
            for (key, stored) in self.state.store.list(&resource.group_resource, None).objects {
                // Gone already is as good.
                let _ = self.state.store.remove(&resource.group_resource, &key, &stored, None);
            }
        }
        self.state.reload_definitions();
    }
}

/// `object` with `value` in place of its `key`.
fn with(object: &Value, key: &str, value: Option<&Value>) -> Value {
    let mut merged = object.clone();
    if let Some(map) = merged.as_object_mut() {
        put_or_remove(map, key, value);
    }
    merged
}

/// Whether nothing but the revision differs.
fn same(a: &Value, b: &Value) -> bool {
    let (Some(a), Some(b)) = (a.as_object(), b.as_object()) else { return a == b };
    a.len() == b.len()
        && a.iter().all(|(key, value)| {
            let Some(other) = b.get(key) else { return false };
            if key != "metadata" {
                return value == other;
            }
            let plain = |value: &Value| {
                let mut value = value.clone();
                if let Some(map) = value.as_object_mut() {
                    map.remove("resourceVersion");
                }
                value
            };
            plain(value) == plain(other)
        })
}

/// Whether nothing holds a deleted object any more.
fn finished(resource: &Resource, object: &Value) -> bool {
    let held = |pointer: &str| object.pointer(pointer).and_then(Value::as_array).is_some_and(|items| !items.is_empty());
    if object.pointer("/metadata/deletionTimestamp").is_none() || held("/metadata/finalizers") {
        return false;
    }
    match &*resource.group_resource {
        "namespaces" => !held("/spec/finalizers"),
        "pods" => object.pointer("/metadata/deletionGracePeriodSeconds").and_then(Value::as_i64) == Some(0),
        _ => true,
    }
}

fn keep_allocation(object: &mut Value, old: &Value) {
    let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else { return };
    let empty = |value: Option<&Value>| value.and_then(Value::as_str).is_none_or(str::is_empty);
    if spec.get("type").and_then(Value::as_str) == Some("ExternalName") {
        return;
    }
    if empty(spec.get("clusterIP")) {
        put_or_remove(spec, "clusterIP", old.pointer("/spec/clusterIP"));
        put_or_remove(spec, "clusterIPs", old.pointer("/spec/clusterIPs"));
    } else {
        let address = spec.get("clusterIP").cloned().unwrap_or_default();
        spec.insert("clusterIPs".to_owned(), Value::from(vec![address]));
    }
    let old_ports: Vec<Value> = old.pointer("/spec/ports").and_then(Value::as_array).cloned().unwrap_or_default();
    let exposed = matches!(spec.get("type").and_then(Value::as_str), Some("NodePort" | "LoadBalancer"));
    for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        if exposed
            && port.get("nodePort").and_then(Value::as_i64).unwrap_or(0) == 0
            && let Some(known) = old_ports.iter().find(|old| old.get("port") == port.get("port"))
            && let Some(number) = known.get("nodePort").cloned()
        {
            port["nodePort"] = number;
        }
    }
}

/// A client that leaves out what admission added does not mean to remove it.
fn keep_account(object: &mut Value, old: &Value) {
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
