//! The page of a custom resource: *Edit YAML* of the `ClusterConfiguration` (console v3.4.1, `src/stores/crd.resource.js`,
//! `src/utils/object.mapper.js`).

use http::Method;
use kubesphere::names::{labels, namespaces, objects};
use serde_json::Value;

use super::browser::{Browser, Call, Http, Mode, Outcome, Unexpected};

const RESOURCES: &str = "installer.kubesphere.io/v1alpha1";
const PLURAL: &str = "clusterconfigurations";

/// What the editor leaves out of an object's metadata.
const HIDDEN: [&str; 7] =
    ["uid", "selfLink", "generation", "ownerReferences", "resourceVersion", "creationTimestamp", "managedFields"];

impl<H: Http> Browser<H> {
    /// Opens *Cluster Management*, *CRDs*, searches for `ClusterConfiguration`, opens `ks-installer` in the editor, lets
    /// `edit` change the text and presses *OK*.
    ///
    /// # Errors
    /// When the console does not answer as it should.
    pub async fn edit_cluster_configuration<F, E>(&self, edit: F) -> Result<Outcome, H::Error>
    where
        F: FnOnce(&str) -> Result<String, E> + Send,
        E: std::fmt::Display,
    {
        let cluster = self.own_cluster().await?;
        let within = |path: &str| match &cluster {
            Some(name) => format!("/apis/clusters/{name}/{path}"),
            None => format!("/apis/{path}"),
        };
        self.get(&within("apiextensions.k8s.io/v1/customresourcedefinitions")).await?;
        let list = within(&format!("{RESOURCES}/{PLURAL}"));
        let found = self.get(&list).await?;
        let mut items = found["items"].as_array().into_iter().flatten();
        let Some(object) = items.find(|item| item["metadata"]["name"] == objects::INSTALLER) else {
            let body = format!("there is no {} in the list", objects::INSTALLER);
            return Err(Unexpected { call: format!("GET {list}"), status: 200, body }.into());
        };
        let shown = serde_yaml::to_string(&editable(object.clone())).unwrap_or_default();
        let refused = |message: String| Ok(Outcome::Refused { message });
        let edited = match edit(&shown) {
            Ok(text) => text,
            Err(error) => return refused(error.to_string()),
        };
        let mut edited: Value = match serde_yaml::from_str(&edited) {
            Ok(edited) => edited,
            Err(error) => return refused(error.to_string()),
        };
        let path = within(&format!("{RESOURCES}/namespaces/{}/{PLURAL}/{}", namespaces::SYSTEM, objects::INSTALLER));
        // The last writer wins: whatever was changed since the editor was opened is written over.
        let present = self.get(&path).await?;
        edited["metadata"]["resourceVersion"] = present["metadata"]["resourceVersion"].clone();
        let answer = self.send(&Call::new(Method::PUT, path).with(edited)).await?;
        Ok(Outcome::of(&answer))
    }

    /// The name of the console's own cluster, where it shows several.
    async fn own_cluster(&self) -> Result<Option<String>, H::Error> {
        if self.mode() == Mode::Single {
            return Ok(None);
        }
        let clusters = self.get("/kapis/resources.kubesphere.io/v1alpha3/clusters").await?;
        let is_host = |cluster: &&Value| cluster["metadata"]["labels"].get(labels::HOST_CLUSTER).is_some();
        let host = clusters["items"].as_array().into_iter().flatten().find(is_host);
        Ok(host.and_then(|host| host["metadata"]["name"].as_str()).map(str::to_owned))
    }
}

fn editable(mut object: Value) -> Value {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        for field in HIDDEN {
            metadata.shift_remove(field);
        }
    }
    object
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn leaves_out_what_nobody_edits() {
        let object = json!({
            "metadata": {"name": "ks-installer", "uid": "u", "resourceVersion": "7", "labels": {"version": "v3.3.2"}},
            "spec": {}, "status": {"core": {}},
        });
        let shown = json!({
            "metadata": {"name": "ks-installer", "labels": {"version": "v3.3.2"}},
            "spec": {}, "status": {"core": {}},
        });
        assert_eq!(editable(object), shown);
    }
}
