//! Keyed digests of attribute values, by which a changed value is noticed without being kept. The key is random and lives in a Secret of
//! the operator's own namespace: without it a digest says nothing of the value.

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit, Mac};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use rand::Rng;
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;
use zeroize::Zeroizing;

use super::Trouble;

/// The name of the Secret with the key.
pub const DIGEST_SECRET: &str = "onfido-operator-digest-key";
const KEY: &str = "key";
const LEAST: usize = 16;

/// The key, read or made when it is first needed.
pub(super) struct Digests {
    secrets: Api<Secret>,
    key: OnceCell<DigestKey>,
}

/// A key and its name.
#[derive(Clone)]
pub(super) struct DigestKey {
    pub(super) id: String,
    key: Zeroizing<Vec<u8>>,
}

impl Digests {
    pub(super) fn new(client: Client, namespace: &str) -> Self {
        Self { secrets: Api::namespaced(client, namespace), key: OnceCell::new() }
    }

    /// The key; made by whoever needs it first, in whichever replica.
    pub(super) async fn key(&self) -> Result<&DigestKey, Trouble> {
        self.key.get_or_try_init(|| self.read_or_make()).await
    }

    async fn read_or_make(&self) -> Result<DigestKey, Trouble> {
        if let Some(key) = self.read().await? {
            return Ok(key);
        }
        let mut key = Zeroizing::new(vec![0; 32]);
        rand::rng().fill_bytes(&mut key);
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(DIGEST_SECRET.into()),
                labels: Some(BTreeMap::from([("app.kubernetes.io/managed-by".into(), "onfido-operator".into())])),
                ..ObjectMeta::default()
            },
            data: Some(BTreeMap::from([(KEY.into(), ByteString(key.to_vec()))])),
            immutable: Some(true),
            ..Secret::default()
        };
        match self.secrets.create(&PostParams::default(), &secret).await {
            Ok(_) => Ok(DigestKey::new(key)),
            Err(kube::Error::Api(status)) if status.code == 409 => self.read().await?.ok_or(Trouble::Malformed),
            Err(source) => Err(Trouble::Kube { doing: "create the digest key in the operator's namespace", source }),
        }
    }

    async fn read(&self) -> Result<Option<DigestKey>, Trouble> {
        let found = self.secrets.get_opt(DIGEST_SECRET).await.map_err(Trouble::kube("read the digest key in the operator's namespace"))?;
        let key = found.and_then(|secret| secret.data?.remove(KEY)).filter(|key| key.0.len() >= LEAST);
        Ok(key.map(|key| DigestKey::new(Zeroizing::new(key.0))))
    }
}

impl DigestKey {
    fn new(key: Zeroizing<Vec<u8>>) -> Self {
        Self { id: hex(&Sha256::digest(&*key)[..8]), key }
    }

    /// The digest of one attribute's value. The object's uid is in it, so that equal values of two people do not show.
    pub(super) fn digest(&self, uid: &str, name: &str, value: &str) -> String {
        // HMAC takes keys of any length, so there is nothing to fail.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key) else { return String::new() };
        for part in [uid, name, value] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        hex(&mac.finalize().into_bytes()[..16])
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
