//! Files that a container finds in its volumes.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{Container, KeyToPath, Pod, Volume};

use crate::cache::Key;
use crate::cluster::Caches;

/// The files of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Mounted {
    /// By absolute path.
    pub(crate) files: BTreeMap<String, Bytes>,
    /// Paths that keep their first content: a kubelet does not update `subPath` mounts.
    pinned: BTreeSet<String>,
}

impl Mounted {
    /// The files after an update to `newer`.
    pub(crate) fn updated_to(&self, newer: &Self) -> Self {
        let mut files = newer.files.clone();
        for path in &self.pinned {
            if let Some(old) = self.files.get(path) {
                files.insert(path.clone(), old.clone());
            }
        }
        Self { files, pinned: newer.pinned.clone() }
    }
}

/// What a volume needs and the cluster lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Missing {
    pub(crate) volume: String,
    pub(crate) what: String,
}

/// Where ConfigMaps and Secrets come from.
pub(crate) trait Source {
    fn config_map(&self, key: &Key) -> Option<BTreeMap<String, Bytes>>;
    fn secret(&self, key: &Key) -> Option<BTreeMap<String, Bytes>>;
}

impl Source for Caches {
    fn config_map(&self, key: &Key) -> Option<BTreeMap<String, Bytes>> {
        let map = self.config_maps.get(key)?;
        let texts = map.data.iter().flatten().map(|(name, text)| (name.clone(), Bytes::from(text.clone())));
        Some(texts.chain(bytes_of(map.binary_data.as_ref())).collect())
    }

    fn secret(&self, key: &Key) -> Option<BTreeMap<String, Bytes>> {
        Some(bytes_of(self.secrets.get(key)?.data.as_ref()).collect())
    }
}

fn bytes_of(data: Option<&BTreeMap<String, ByteString>>) -> impl Iterator<Item = (String, Bytes)> {
    data.into_iter().flatten().map(|(name, bytes)| (name.clone(), Bytes::from(bytes.0.clone())))
}

/// What `container` of `pod` finds in its ConfigMap, Secret and projected volumes.
pub(crate) fn files(pod: &Pod, container: &Container, source: &dyn Source) -> Result<Mounted, Missing> {
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let volumes = pod.spec.as_ref().and_then(|spec| spec.volumes.as_deref()).unwrap_or_default();
    let mut mounted = Mounted::default();
    for mount in container.volume_mounts.iter().flatten() {
        let Some(volume) = volumes.iter().find(|volume| volume.name == mount.name) else { continue };
        let Some(content) = content_of(volume, namespace, source)? else { continue };
        let base = mount.mount_path.trim_end_matches('/');
        match mount.sub_path.as_deref().filter(|path| !path.is_empty()) {
            None => mounted.files.extend(content.into_iter().map(|(path, bytes)| (format!("{base}/{path}"), bytes))),
            Some(sub_path) => {
                for (path, bytes) in content {
                    let at = match path.strip_prefix(sub_path.trim_end_matches('/')) {
                        Some("") => base.to_owned(),
                        Some(rest) if rest.starts_with('/') => format!("{base}{rest}"),
                        _ => continue,
                    };
                    mounted.pinned.insert(at.clone());
                    mounted.files.insert(at, bytes);
                }
            }
        }
    }
    Ok(mounted)
}

/// Names of the Secrets that `pod` mounts at `path` in `container`.
pub(crate) fn secret_at(pod: &Pod, container: &Container, path: &str) -> Option<String> {
    let mount =
        container.volume_mounts.iter().flatten().find(|mount| mount.mount_path.trim_end_matches('/') == path)?;
    let volumes = pod.spec.as_ref()?.volumes.as_deref()?;
    volumes.iter().find(|volume| volume.name == mount.name)?.secret.as_ref()?.secret_name.clone()
}

/// The files of a volume, or `None` for kinds of volumes that begin empty.
fn content_of(
    volume: &Volume,
    namespace: &str,
    source: &dyn Source,
) -> Result<Option<BTreeMap<String, Bytes>>, Missing> {
    let lookup = |is_secret: bool, name: &str, items: Option<&Vec<KeyToPath>>, optional: Option<bool>| {
        let key = Key::new(namespace, name);
        let data = if is_secret { source.secret(&key) } else { source.config_map(&key) };
        let kind = if is_secret { "secret" } else { "configmap" };
        match data {
            Some(data) => select(data, items, optional, &volume.name, kind),
            None if optional == Some(true) => Ok(BTreeMap::new()),
            // Worded as a kubelet's event has it (kubernetes v1.20, `pkg/volume/{configmap,secret}`).
            None => Err(Missing { volume: volume.name.clone(), what: format!("{kind} \"{name}\" not found") }),
        }
    };
    if let Some(map) = &volume.config_map {
        return lookup(false, &map.name, map.items.as_ref(), map.optional).map(Some);
    }
    if let Some(secret) = &volume.secret {
        let name = secret.secret_name.as_deref().unwrap_or_default();
        return lookup(true, name, secret.items.as_ref(), secret.optional).map(Some);
    }
    let Some(projected) = &volume.projected else { return Ok(None) };
    let mut all = BTreeMap::new();
    for part in projected.sources.iter().flatten() {
        if let Some(map) = &part.config_map {
            all.extend(lookup(false, &map.name, map.items.as_ref(), map.optional)?);
        }
        if let Some(secret) = &part.secret {
            all.extend(lookup(true, &secret.name, secret.items.as_ref(), secret.optional)?);
        }
    }
    Ok(Some(all))
}

fn select(
    mut data: BTreeMap<String, Bytes>,
    items: Option<&Vec<KeyToPath>>,
    optional: Option<bool>,
    volume: &str,
    kind: &str,
) -> Result<BTreeMap<String, Bytes>, Missing> {
    let Some(items) = items.filter(|items| !items.is_empty()) else { return Ok(data) };
    let mut selected = BTreeMap::new();
    for item in items {
        match data.remove(&item.key) {
            Some(bytes) => {
                selected.insert(item.path.clone(), bytes);
            }
            None if optional == Some(true) => {}
            None => {
                let what = format!("{kind} references non-existent {kind} key: {}", item.key);
                return Err(Missing { volume: volume.to_owned(), what });
            }
        }
    }
    Ok(selected)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    struct One;

    impl Source for One {
        fn config_map(&self, key: &Key) -> Option<BTreeMap<String, Bytes>> {
            let data = BTreeMap::from([("a".to_owned(), Bytes::from("1")), ("b".to_owned(), Bytes::from("2"))]);
            (*key == Key::new("ns", "map")).then_some(data)
        }

        fn secret(&self, _: &Key) -> Option<BTreeMap<String, Bytes>> {
            None
        }
    }

    fn mounted(volume: Value, mount: Value) -> Result<Mounted, Missing> {
        let (mut volume, mut mount) = (volume, mount);
        volume["name"] = json!("v");
        mount["name"] = json!("v");
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"namespace": "ns"},
            "spec": {"volumes": [volume], "containers": [{"name": "c", "volumeMounts": [mount]}]},
        }))
        .unwrap();
        files(&pod, &pod.spec.as_ref().unwrap().containers[0], &One)
    }

    #[rstest]
    #[case::whole(json!({"configMap": {"name": "map"}}), json!({"mountPath": "/etc/x"}), &["/etc/x/a", "/etc/x/b"])]
    #[case::items(
        json!({"configMap": {"name": "map", "items": [{"key": "a", "path": "deep/c.yaml"}]}}),
        json!({"mountPath": "/etc/x/"}), &["/etc/x/deep/c.yaml"]
    )]
    #[case::sub_path(
        json!({"configMap": {"name": "map"}}), json!({"mountPath": "/etc/x/one", "subPath": "a"}), &["/etc/x/one"]
    )]
    #[case::optional(json!({"secret": {"secretName": "none", "optional": true}}), json!({"mountPath": "/s"}), &[])]
    #[case::projected(
        json!({"projected": {"sources": [{"configMap": {"name": "map"}}]}}), json!({"mountPath": "/p"}), &["/p/a", "/p/b"]
    )]
    #[case::empty_dir(json!({"emptyDir": {}}), json!({"mountPath": "/tmp"}), &[])]
    fn places_files(#[case] volume: Value, #[case] mount: Value, #[case] paths: &[&str]) {
        let mounted = mounted(volume, mount).unwrap();
        assert_eq!(mounted.files.keys().collect::<Vec<_>>(), paths);
    }

    #[rstest]
    #[case(json!({"secret": {"secretName": "none"}}), "secret \"none\" not found")]
    #[case(
        json!({"configMap": {"name": "map", "items": [{"key": "z", "path": "z"}]}}),
        "configmap references non-existent configmap key: z"
    )]
    fn says_what_is_missing(#[case] volume: Value, #[case] what: &str) {
        assert_eq!(mounted(volume, json!({"mountPath": "/x"})).unwrap_err().what, what);
    }

    #[test]
    fn keeps_sub_path_files_on_an_update() {
        let first =
            mounted(json!({"configMap": {"name": "map"}}), json!({"mountPath": "/one", "subPath": "a"})).unwrap();
        let mut newer = first.clone();
        newer.files.insert("/one".to_owned(), Bytes::from("new"));
        assert_eq!(first.updated_to(&newer).files["/one"], Bytes::from("1"));
    }
}
