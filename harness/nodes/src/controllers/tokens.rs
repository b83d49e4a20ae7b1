//! Token Secrets of ServiceAccounts, as Kubernetes up to 1.23 makes them for every account.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ObjectReference, Secret, ServiceAccount};
use kube::api::{DeleteParams, PostParams, Preconditions};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::accounts::is_active;
use crate::cache::Key;
use crate::cluster::{Cluster, During as _, Failure, is_terminating};
use crate::names::random_suffix;
use crate::queue::{Queue, work};

/// The type of token Secrets.
pub(crate) const TOKEN_TYPE: &str = "kubernetes.io/service-account-token";
/// Names the account of a token Secret.
pub(crate) const ACCOUNT_NAME: &str = "kubernetes.io/service-account.name";
const ACCOUNT_UID: &str = "kubernetes.io/service-account.uid";

/// Signs the tokens of ServiceAccounts.
pub(crate) struct Signer {
    key: EncodingKey,
    key_id: String,
}

impl Signer {
    /// A signer with the P-256 key in `pem` (PKCS #8).
    pub(crate) fn new(pem: &str) -> Result<Self, String> {
        let key = EncodingKey::from_ec_pem(pem.as_bytes()).map_err(|error| error.to_string())?;
        let pair = rcgen::KeyPair::from_pem(pem).map_err(|error| error.to_string())?;
        // kubernetes v1.20, `pkg/serviceaccount/jwt.go`: the key id is the digest of the public key's DER.
        let public = rcgen::PublicKeyData::subject_public_key_info(&pair);
        let key_id = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(public));
        Ok(Self { key, key_id })
    }

    /// A token of an account that is valid as long as `secret` exists; claims as in kubernetes v1.20,
    /// `pkg/serviceaccount/legacy.go`.
    fn sign(&self, account: &ServiceAccount, secret: &str) -> Result<String, Failure> {
        let Key { namespace, name } = Key::of(account);
        let claims = Claims {
            iss: "kubernetes/serviceaccount",
            namespace: &namespace,
            secret,
            account: &name,
            uid: account.metadata.uid.as_deref().unwrap_or_default(),
            sub: format!("system:serviceaccount:{namespace}:{name}"),
        };
        let mut header = Header::new(Algorithm::ES256);
        header.typ = None;
        header.kid = Some(self.key_id.clone());
        jsonwebtoken::encode(&header, &claims, &self.key).map_err(|error| Failure {
            operation: format!("sign a token for ServiceAccount {namespace}/{name}"),
            source: Box::new(kube::Error::Service(error.into())),
        })
    }
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    #[serde(rename = "kubernetes.io/serviceaccount/namespace")]
    namespace: &'a str,
    #[serde(rename = "kubernetes.io/serviceaccount/secret.name")]
    secret: &'a str,
    #[serde(rename = "kubernetes.io/serviceaccount/service-account.name")]
    account: &'a str,
    #[serde(rename = "kubernetes.io/serviceaccount/service-account.uid")]
    uid: &'a str,
    sub: String,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Work {
    Account(Key),
    Secret(Key),
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(key) => write!(f, "ServiceAccount {key}"),
            Self::Secret(key) => write!(f, "Secret {key}"),
        }
    }
}

struct Tokens {
    cluster: Arc<Cluster>,
    signer: Signer,
    ca_pem: Arc<str>,
}

pub(crate) fn start(cluster: &Arc<Cluster>, signer: Signer, ca_pem: &Arc<str>) {
    let queue = Queue::new(cluster.clock.clone());
    let (accounts, home) = (queue.clone(), Arc::downgrade(cluster));
    cluster.caches.service_accounts.on_change(move |change| {
        let Some(account) = change.any() else { return };
        let key = Key::of(account.as_ref());
        // Its Secrets may lack data since they came first, or have lost their reason.
        for secret in home.upgrade().into_iter().flat_map(|home| home.caches.secrets.in_namespace(&key.namespace)) {
            if account_of(&secret) == Some(&key.name) {
                accounts.push(Work::Secret(Key::of(secret.as_ref())));
            }
        }
        accounts.push(Work::Account(key));
    });
    let secrets = queue.clone();
    cluster.caches.secrets.on_change(move |change| {
        let Some(secret) = change.any() else { return };
        if let Some(account) = account_of(secret) {
            let key = Key::of(secret.as_ref());
            secrets.push(Work::Account(Key::new(&key.namespace, account)));
            secrets.push(Work::Secret(key));
        }
    });
    // An account may be seen before its namespace is: the two come by different watches.
    let (namespaces, home) = (queue.clone(), Arc::downgrade(cluster));
    cluster.caches.namespaces.on_change(move |change| {
        let (Some(home), Some(namespace)) = (home.upgrade(), change.new) else { return };
        let name = namespace.metadata.name.as_deref().unwrap_or_default();
        for account in home.caches.service_accounts.in_namespace(name) {
            namespaces.push(Work::Account(Key::of(account.as_ref())));
        }
    });
    let tokens = Arc::new(Tokens { cluster: cluster.clone(), signer, ca_pem: ca_pem.clone() });
    work(cluster, "tokens", queue, move |work| {
        let tokens = tokens.clone();
        async move {
            match work {
                Work::Account(key) => tokens.account(key).await,
                Work::Secret(key) => tokens.secret(key).await,
            }
        }
    });
}

/// The account whose token Secret this is.
pub(crate) fn account_of(secret: &Secret) -> Option<&String> {
    let is_token = secret.type_.as_deref() == Some(TOKEN_TYPE);
    secret.metadata.annotations.as_ref().filter(|_| is_token)?.get(ACCOUNT_NAME)
}

impl Tokens {
    /// Makes sure that the account has a token Secret and lists it.
    async fn account(&self, key: Key) -> Result<(), Failure> {
        let caches = &self.cluster.caches;
        let Some(account) = caches.service_accounts.get(&key) else { return Ok(()) };
        if account.metadata.deletion_timestamp.is_some()
            || !caches.namespaces.get(&Key::new("", &key.namespace)).is_some_and(|namespace| is_active(&namespace))
        {
            return Ok(());
        }
        let listed = account.secrets.as_deref().unwrap_or_default();
        let own: Vec<_> =
            caches.secrets.in_namespace(&key.namespace).into_iter().filter(|s| belongs(s, &account)).collect();
        let is_own = |name: &str| own.iter().any(|secret| secret.metadata.name.as_deref() == Some(name));
        if listed.iter().filter_map(|reference| reference.name.as_deref()).any(is_own) {
            return Ok(());
        }
        // One that was made here but not listed yet (a conflict came between) serves as well as a new one.
        let made =
            own.iter().filter_map(|secret| secret.metadata.name.clone()).find(|name| is_made_for(name, &key.name));
        let name = match made {
            Some(name) => name,
            None => match self.create(&account).await? {
                Some(name) => name,
                None => return Ok(()),
            },
        };
        let mut wanted = account.as_ref().clone();
        let prefix = format!("{}-token-", key.name);
        // References to token Secrets that no longer exist go, as the controller of a deleted Secret does it.
        let mut references: Vec<_> = listed
            .iter()
            .filter(|reference| !reference.name.as_deref().is_some_and(|name| name.starts_with(&prefix)))
            .cloned()
            .collect();
        references.push(ObjectReference { name: Some(name), ..ObjectReference::default() });
        wanted.secrets = Some(references);
        let operation = format!("update ServiceAccount {key}");
        let api = self.cluster.api::<ServiceAccount>(&key.namespace);
        if let Some(written) = api.replace(&key.name, &PostParams::default(), &wanted).await.unless_gone(&operation)? {
            caches.service_accounts.wrote(written);
        }
        Ok(())
    }

    /// Creates a token Secret for `account`; none when the namespace is going.
    async fn create(&self, account: &ServiceAccount) -> Result<Option<String>, Failure> {
        let Key { namespace, name } = Key::of(account);
        let mut secret = Secret { type_: Some(TOKEN_TYPE.to_owned()), ..Secret::default() };
        let secret_name = format!("{name}-token-{}", random_suffix());
        secret.metadata.name = Some(secret_name.clone());
        secret.metadata.annotations = Some(BTreeMap::from([(ACCOUNT_NAME.to_owned(), name.clone())]));
        self.fill(&mut secret, account)?;
        match self.cluster.api(&namespace).create(&PostParams::default(), &secret).await {
            Err(error) if is_terminating(&error) => Ok(None),
            created => {
                self.cluster.caches.secrets.wrote(created.during(&format!("create Secret {namespace}/{secret_name}"))?);
                Ok(Some(secret_name))
            }
        }
    }

    /// Completes a token Secret, or deletes it when its account is gone.
    async fn secret(&self, key: Key) -> Result<(), Failure> {
        let caches = &self.cluster.caches;
        let Some(secret) = caches.secrets.get(&key) else { return Ok(()) };
        let Some(account) = account_of(&secret) else { return Ok(()) };
        let api = self.cluster.api::<Secret>(&key.namespace);
        let known = caches.service_accounts.get(&Key::new(&key.namespace, account));
        let account = match known.filter(|account| may_belong(&secret, account)) {
            Some(account) => Some(account.as_ref().clone()),
            // The cache may be behind: nothing is deleted on its word alone.
            None => self.ask_for(&key.namespace, account).await?.filter(|account| may_belong(&secret, account)),
        };
        let Some(account) = account else {
            let precondition = Preconditions { uid: secret.metadata.uid.clone(), resource_version: None };
            let delete = DeleteParams::default().preconditions(precondition);
            api.delete(&key.name, &delete).await.unless_gone(&format!("delete Secret {key}"))?;
            return Ok(());
        };
        let mut wanted = secret.as_ref().clone();
        if !self.fill(&mut wanted, &account)? {
            return Ok(());
        }
        let operation = format!("update Secret {key}");
        if let Some(written) = api.replace(&key.name, &PostParams::default(), &wanted).await.unless_gone(&operation)? {
            caches.secrets.wrote(written);
        }
        Ok(())
    }

    async fn ask_for(&self, namespace: &str, account: &str) -> Result<Option<ServiceAccount>, Failure> {
        let found = self.cluster.api::<ServiceAccount>(namespace).get(account).await;
        found.unless_gone(&format!("get ServiceAccount {namespace}/{account}"))
    }

    /// Puts what is missing into a token Secret; says whether anything was.
    fn fill(&self, secret: &mut Secret, account: &ServiceAccount) -> Result<bool, Failure> {
        let name = secret.metadata.name.clone().unwrap_or_default();
        let uid = account.metadata.uid.clone().unwrap_or_default();
        let namespace = account.metadata.namespace.clone().unwrap_or_default();
        let mut changed =
            secret.metadata.annotations.get_or_insert_default().insert(ACCOUNT_UID.to_owned(), uid.clone())
                != Some(uid);
        let data = secret.data.get_or_insert_default();
        let ca = ByteString(self.ca_pem.as_bytes().to_vec());
        changed |= data.insert("ca.crt".to_owned(), ca.clone()) != Some(ca);
        if data.get("namespace").is_none_or(|namespace| namespace.0.is_empty()) {
            data.insert("namespace".to_owned(), ByteString(namespace.into_bytes()));
            changed = true;
        }
        if data.get("token").is_none_or(|token| token.0.is_empty()) {
            data.insert("token".to_owned(), ByteString(self.signer.sign(account, &name)?.into_bytes()));
            changed = true;
        }
        Ok(changed)
    }
}

/// Whether `secret` is a complete token Secret of exactly this account.
fn belongs(secret: &Secret, account: &ServiceAccount) -> bool {
    let uid = secret.metadata.annotations.as_ref().and_then(|annotations| annotations.get(ACCOUNT_UID));
    account_of(secret) == account.metadata.name.as_ref() && uid == account.metadata.uid.as_ref()
}

/// Whether `secret` can be a token Secret of this account: no other account of that name is meant.
fn may_belong(secret: &Secret, account: &ServiceAccount) -> bool {
    let uid = secret.metadata.annotations.as_ref().and_then(|annotations| annotations.get(ACCOUNT_UID));
    uid.is_none() || uid == account.metadata.uid.as_ref()
}

/// Whether a Secret's name is one that the controller gives to tokens of `account`.
fn is_made_for(secret: &str, account: &str) -> bool {
    secret.strip_prefix(account).and_then(|rest| rest.strip_prefix("-token-")).is_some_and(|suffix| suffix.len() == 5)
}
