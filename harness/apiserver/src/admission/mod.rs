//! Admission: what kube-apiserver 1.20's default plugins do to objects, and what they refuse, as far as it shows.
//! Defaults that need nothing but the object itself are in `defaults`.

mod limits;
mod quota;

use std::sync::Arc;

use serde_json::{Value, json};

use crate::defaults;
use crate::fields::text;
use crate::objects::Place;
use crate::quantity::Quantity;
use crate::status::Failure;

fn is_marked(object: &Value, annotation: &str) -> bool {
    object.pointer("/metadata/annotations").and_then(|map| map.get(annotation)) == Some(&Value::from("true"))
}

impl Place<'_> {
    /// Admits a new object, and completes it.
    ///
    /// # Errors
    /// 403 where a plugin refuses it.
    pub fn admit_new(&self, object: &mut Value) -> Result<(), Failure> {
        match &**self.table() {
            "pods" => {
                self.limit_pod(object)?;
                self.prioritize(object)
            }
            "persistentvolumeclaims" => {
                self.limit_claim(object)?;
                self.classify_claim(object)
            }
            "ingresses.networking.k8s.io" => self.classify_ingress(object),
            "priorityclasses.scheduling.k8s.io" => self.check_default_priority(object),
            _ => Ok(()),
        }
    }

    /// Admits an object that is about to be stored: quotas are charged.
    ///
    /// # Errors
    /// 403 where a quota does not allow it.
    pub fn charge_new(&self, object: &Value) -> Result<(), Failure> {
        self.charge(object, None)
    }

    /// Admits the successor of an object.
    ///
    /// # Errors
    /// 403 where a plugin refuses it.
    pub fn admit_change(&self, object: &mut Value, before: &Value) -> Result<(), Failure> {
        match &**self.table() {
            "pods" => {
                for key in ["priority", "preemptionPolicy"] {
                    let old = before.pointer(&format!("/spec/{key}")).cloned();
                    if let (Some(spec), Some(old)) = (object.get_mut("spec").and_then(Value::as_object_mut), old) {
                        spec.entry(key).or_insert(old);
                    }
                }
                defaults::tolerate(object);
                Ok(())
            }
            "daemonsets.apps" => {
                defaults::count_template(object, Some(before));
                Ok(())
            }
            "priorityclasses.scheduling.k8s.io" => self.check_default_priority(object),
            _ => Ok(()),
        }
    }

    /// Judges the successor of an object, after its own rules did.
    ///
    /// # Errors
    /// 403 where a plugin refuses it.
    pub fn judge_change(&self, object: &Value, before: &Value) -> Result<(), Failure> {
        match &**self.table() {
            "persistentvolumeclaims" => self.check_expansion(object, before),
            _ => Ok(()),
        }
    }

    fn refused(&self, object: &Value, why: &str) -> Failure {
        let name = Some(text(object, "/metadata/name")).filter(|name| !name.is_empty());
        Failure::refused(self.resource, name.unwrap_or_else(|| text(object, "/metadata/generateName")), why)
    }

    /// All objects of a cluster-wide resource.
    fn all(&self, table: &str) -> Vec<Arc<crate::store::Stored>> {
        self.state.store.list(&Arc::from(table), None).objects.into_iter().map(|(_, stored)| stored).collect()
    }

    /// The class of priority that pods have which name none.
    fn default_priority(&self) -> Option<Arc<crate::store::Stored>> {
        let defaults = self.all("priorityclasses.scheduling.k8s.io");
        let value = |class: &Arc<crate::store::Stored>| class.value.get("value").and_then(Value::as_i64).unwrap_or(0);
        defaults
            .into_iter()
            .filter(|class| class.value.get("globalDefault") == Some(&Value::Bool(true)))
            .min_by_key(value)
    }

    /// `Priority`: the number and the policy of the class that a pod names.
    fn prioritize(&self, object: &mut Value) -> Result<(), Failure> {
        let named = text(object, "/spec/priorityClassName").to_owned();
        let class = if named.is_empty() {
            self.default_priority()
        } else {
            let all = self.all("priorityclasses.scheduling.k8s.io");
            let found = all.into_iter().find(|class| text(&class.value, "/metadata/name") == named);
            if found.is_none() {
                return Err(self.refused(object, &format!("no PriorityClass with name {named} was found")));
            }
            found
        };
        let of_class = |key: &str| class.as_ref().and_then(|class| class.value.get(key)).cloned();
        let priority = of_class("value").and_then(|value| value.as_i64()).unwrap_or(0);
        if let Some(given) = object.pointer("/spec/priority").and_then(Value::as_i64).filter(|given| *given != priority)
        {
            let why = format!(
                "the integer value of priority ({given}) must not be provided in pod spec; priority admission controller computed {priority} from the given PriorityClass name"
            );
            return Err(self.refused(object, &why));
        }
        let policy = of_class("preemptionPolicy").unwrap_or_else(|| Value::from("PreemptLowerPriority"));
        let given = text(object, "/spec/preemptionPolicy");
        if !given.is_empty() && policy != given {
            let policy = policy.as_str().unwrap_or_default();
            let why = format!(
                "the string value of PreemptionPolicy ({given}) must not be provided in pod spec; priority admission controller computed {policy} from the given PriorityClass name"
            );
            return Err(self.refused(object, &why));
        }
        if let Some(name) = class.as_ref().map(|class| text(&class.value, "/metadata/name")) {
            object["spec"]["priorityClassName"] = Value::from(name);
        }
        object["spec"]["priority"] = Value::from(priority);
        object["spec"]["preemptionPolicy"] = policy;
        Ok(())
    }

    /// `Priority`: only one class is the default one.
    fn check_default_priority(&self, object: &Value) -> Result<(), Failure> {
        if object.get("globalDefault") != Some(&Value::Bool(true)) {
            return Ok(());
        }
        match self
            .default_priority()
            .filter(|class| text(&class.value, "/metadata/name") != text(object, "/metadata/name"))
        {
            Some(class) => {
                let name = text(&class.value, "/metadata/name");
                let why = format!("PriorityClass {name} is already marked as default. Only one default can exist");
                Err(self.refused(object, &why))
            }
            None => Ok(()),
        }
    }

    /// `DefaultStorageClass`: a claim that names no class gets the default one.
    fn classify_claim(&self, object: &mut Value) -> Result<(), Failure> {
        let old_style = object
            .pointer("/metadata/annotations")
            .is_some_and(|map| map.get("volume.beta.kubernetes.io/storage-class").is_some());
        if old_style || object.pointer("/spec/storageClassName").is_some() {
            return Ok(());
        }
        let mut classes = self.all("storageclasses.storage.k8s.io");
        classes.retain(|class| {
            is_marked(&class.value, "storageclass.kubernetes.io/is-default-class")
                || is_marked(&class.value, "storageclass.beta.kubernetes.io/is-default-class")
        });
        match classes.as_slice() {
            [] => Ok(()),
            [class] => {
                object["spec"]["storageClassName"] = Value::from(text(&class.value, "/metadata/name"));
                Ok(())
            }
            classes => {
                let why = format!("Internal error occurred: {} default StorageClasses were found", classes.len());
                Err(self.refused(object, &why))
            }
        }
    }

    /// `DefaultIngressClass`: an Ingress that names no class gets the default one.
    fn classify_ingress(&self, object: &mut Value) -> Result<(), Failure> {
        let old_style =
            object.pointer("/metadata/annotations").is_some_and(|map| map.get("kubernetes.io/ingress.class").is_some());
        if old_style || object.pointer("/spec/ingressClassName").is_some() {
            return Ok(());
        }
        let mut classes = self.all("ingressclasses.networking.k8s.io");
        classes.retain(|class| is_marked(&class.value, "ingressclass.kubernetes.io/is-default-class"));
        match classes.as_slice() {
            [] => Ok(()),
            [class] => {
                object["spec"]["ingressClassName"] = Value::from(text(&class.value, "/metadata/name"));
                Ok(())
            }
            classes => {
                let why = format!("Internal error occurred: {} default IngressClasses were found", classes.len());
                Err(self.refused(object, &why))
            }
        }
    }

    /// `PersistentVolumeClaimResize`: a claim grows only where its class lets it.
    fn check_expansion(&self, object: &Value, before: &Value) -> Result<(), Failure> {
        let size = |claim: &Value| Quantity::parse(text(claim, "/spec/resources/requests/storage")).ok();
        if size(object) <= size(before) {
            return Ok(());
        }
        if text(before, "/status/phase") != "Bound" {
            return Err(self.refused(object, "Only bound persistent volume claims can be expanded"));
        }
        let class = text(object, "/spec/storageClassName");
        let grows = self.all("storageclasses.storage.k8s.io").iter().any(|known| {
            text(&known.value, "/metadata/name") == class
                && known.value.get("allowVolumeExpansion") == Some(&json!(true))
        });
        if class.is_empty() || class != text(before, "/spec/storageClassName") || !grows {
            let why = "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize";
            return Err(self.refused(object, why));
        }
        Ok(())
    }
}
