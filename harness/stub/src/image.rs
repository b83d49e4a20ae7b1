//! One image with all programs in it, for clusters whose nodes get no other: it stands in the place of KubeSphere's images,
//! and its arguments say in which one's.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// First argument of the executable in a container: run the program of the image that the second one names. What the
/// container has as `args` follows.
pub const POD_ARGUMENT: &str = "__pod";
/// What the image is called, to the programs that make further pods of it.
const VARIABLE: &str = "KS_E2E_STUB_IMAGE";
/// What the variables of ours begin with: they go along from pod to pod.
const OURS: &str = "KS_E2E_";
/// Whose images it stands for.
const REPOSITORIES: &str = "kubesphere/";

/// The image, and what its pods find in their environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StubImage {
    image: String,
    environment: BTreeMap<String, String>,
}

impl StubImage {
    /// The image `image` with `environment` for every pod.
    #[must_use]
    pub fn new(image: impl Into<String>, environment: BTreeMap<String, String>) -> Self {
        Self { image: image.into(), environment }
    }

    /// The image that a pod with the environment `env` runs, if it runs one in the place of others.
    #[must_use]
    pub fn of_pod(env: &BTreeMap<String, String>) -> Option<Self> {
        let image = env.get(VARIABLE)?.clone();
        let environment = env.iter().filter(|(name, _)| name.starts_with(OURS) && *name != VARIABLE);
        Some(Self { image, environment: environment.map(|(name, value)| (name.clone(), value.clone())).collect() })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.image
    }

    /// `object` with this image in the place of KubeSphere's in its pod template. It is pulled only where a node lacks it:
    /// on many it was put by hand.
    #[must_use]
    pub fn put_into(&self, mut object: Value) -> Value {
        let containers = object.pointer_mut("/spec/template/spec/containers").and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            let Some(original) = container["image"].as_str().filter(|image| image.starts_with(REPOSITORIES)) else {
                continue;
            };
            let mut args = vec![Value::from(POD_ARGUMENT), original.into()];
            args.extend(container["args"].as_array().into_iter().flatten().cloned());
            let mut env = container["env"].as_array().cloned().unwrap_or_default();
            env.extend(self.environment.iter().map(|(name, value)| json!({"name": name, "value": value})));
            env.push(json!({"name": VARIABLE, "value": self.image}));
            container["args"] = args.into();
            container["env"] = env.into();
            container["image"] = self.image.clone().into();
            container["imagePullPolicy"] = "IfNotPresent".into();
        }
        object
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> StubImage {
        StubImage::new("example.com/stub:v1", BTreeMap::from([("KS_E2E_DELAYS".to_owned(), "a=1ms".to_owned())]))
    }

    fn workload(container: &Value) -> Value {
        json!({"kind": "Deployment", "spec": {"template": {"spec": {"containers": [container]}}}})
    }

    fn container(workload: &Value) -> &Value {
        workload.pointer("/spec/template/spec/containers/0").unwrap()
    }

    #[test]
    fn says_what_it_stands_for_in_its_arguments() {
        let original = json!({"image": "kubesphere/kubefed:v0.8.1", "args": ["webhook"], "imagePullPolicy": "Always"});
        let placed = image().put_into(workload(&original));
        let expected = json!({
            "image": "example.com/stub:v1",
            "args": ["__pod", "kubesphere/kubefed:v0.8.1", "webhook"],
            "imagePullPolicy": "IfNotPresent",
            "env": [
                {"name": "KS_E2E_DELAYS", "value": "a=1ms"},
                {"name": "KS_E2E_STUB_IMAGE", "value": "example.com/stub:v1"},
            ],
        });
        assert_eq!(container(&placed), &expected);
    }

    #[test]
    fn leaves_the_images_of_others_alone() {
        let others = workload(&json!({"image": "registry.example.com/kubesphere/mine:v1"}));
        assert_eq!(image().put_into(others.clone()), others);
        let no_workload = json!({"kind": "ConfigMap", "data": {}});
        assert_eq!(image().put_into(no_workload.clone()), no_workload);
    }

    #[test]
    fn goes_from_pod_to_pod() {
        let placed = image().put_into(workload(&json!({"image": "kubesphere/ks-installer:v3.4.1"})));
        let env = container(&placed)["env"].as_array().unwrap().iter();
        let mut env: BTreeMap<String, String> = env
            .map(|one| (one["name"].as_str().unwrap().to_owned(), one["value"].as_str().unwrap().to_owned()))
            .collect();
        env.insert("HOSTNAME".to_owned(), "ks-installer-0".to_owned());
        assert_eq!(StubImage::of_pod(&env), Some(image()));
        env.remove(VARIABLE);
        assert_eq!(StubImage::of_pod(&env), None);
    }
}
