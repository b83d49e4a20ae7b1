//! The ServiceAccount's credentials that a container finds.

use bytes::Bytes;
use k8s_openapi::api::core::v1::{Container, Pod, Secret};

use super::mounts::secret_at;
use crate::cache::Key;
use crate::cluster::Caches;
use crate::controllers::accounts::DEFAULT;
use crate::controllers::tokens::account_of;

/// Where a pod finds its credentials.
pub(crate) const MOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// A token and the authority of the server it is for.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) token: String,
    pub(crate) ca_pem: Bytes,
}

/// The credentials of `container`; none where the pod wants none, an error with what is missing so far.
pub(crate) fn find(pod: &Pod, container: &Container, caches: &Caches) -> Result<Option<Credentials>, String> {
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    if let Some(name) = secret_at(pod, container, MOUNT) {
        let secret = caches.secrets.get(&Key::new(namespace, &name));
        let credentials = secret.as_deref().and_then(credentials_in);
        return credentials
            .map(Some)
            .ok_or_else(|| format!("MountVolume.SetUp failed for volume \"{name}\" : secret \"{name}\" not found"));
    }
    let spec = pod.spec.as_ref();
    let name =
        spec.and_then(|spec| spec.service_account_name.as_deref()).filter(|name| !name.is_empty()).unwrap_or(DEFAULT);
    let key = Key::new(namespace, name);
    let missing = || format!("serviceaccount \"{name}\" has no token yet");
    let account = caches.service_accounts.get(&key).ok_or_else(|| format!("serviceaccount \"{name}\" not found"))?;
    let automount =
        spec.and_then(|spec| spec.automount_service_account_token).or(account.automount_service_account_token);
    if automount == Some(false) {
        return Ok(None);
    }
    // Listed by the account, and indeed a token of it.
    let listed = account.secrets.iter().flatten().filter_map(|reference| reference.name.as_deref());
    let secrets = listed.filter_map(|secret| caches.secrets.get(&Key::new(namespace, secret)));
    let mut own = secrets.filter(|secret| account_of(secret).map(String::as_str) == Some(name));
    own.find_map(|secret| credentials_in(&secret)).map(Some).ok_or_else(missing)
}

fn credentials_in(secret: &Secret) -> Option<Credentials> {
    let data = secret.data.as_ref()?;
    let token = String::from_utf8(data.get("token")?.0.clone()).ok()?;
    let ca_pem = data.get("ca.crt").map(|ca| Bytes::from(ca.0.clone())).unwrap_or_default();
    Some(Credentials { token, ca_pem })
}
