//! Secrets, read by name: who may be read (the label), how long a value is remembered, how failures are named. Owns no right but `get`:
//! never lists, never watches, never writes. Knows nothing of what the values mean.
//!
//! A Secret that is missing, not labelled for the use, or lacks the key gives one and the same fault, so that nobody can find out what
//! exists by referring to it.

mod cache;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use tokio::time::{Instant, timeout};
use zeroize::Zeroizing;

use crate::api::{SecretKeyRef, SecretUse, USE_LABEL};
use cache::{Cache, Seen};

/// The longest name the API server accepts.
const MAX_NAME: usize = 253;

/// How long what is remembered, and how much of it. Tests scale it.
#[derive(Clone, Copy, Debug)]
pub struct SecretTiming {
    /// How long a Secret that was read is believed.
    pub fresh: Duration,
    /// How long a failure is believed.
    pub failure: Duration,
    /// The least time between two readings of one Secret that [`Secrets::forget`] forces.
    pub forced: Duration,
    /// How long one reading may take.
    pub patience: Duration,
    /// How many Secrets are remembered; the oldest goes first.
    pub capacity: usize,
}

impl Default for SecretTiming {
    fn default() -> Self {
        Self {
            fresh: Duration::from_secs(60),
            failure: Duration::from_secs(1),
            forced: Duration::from_secs(5),
            patience: Duration::from_secs(5),
            capacity: 1024,
        }
    }
}

/// Why a Secret could not be used. Names only, never values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretFault {
    /// There is none, or it is not labelled for this use, or it lacks the key: which of the three is not told.
    #[error(
        "no usable Secret {namespace}/{name}{}: it must exist{} and carry the label {USE_LABEL}: {}",
        KeyPart(" with key ", key), KeyPart(", hold the key ", key), use_.as_str()
    )]
    NotFound {
        /// Namespace of the Secret.
        namespace: String,
        /// Name of the Secret.
        name: String,
        /// Key within the Secret, if one was asked for.
        key: Option<String>,
        /// What it was to be used for.
        use_: SecretUse,
    },
    /// The operator lacks the right.
    #[error("the operator may not read Secret {namespace}/{name}: grant it the verb get on secrets in namespace {namespace}")]
    Forbidden {
        /// Namespace of the Secret.
        namespace: String,
        /// Name of the Secret.
        name: String,
    },
    /// The API server did not answer as it should; it may do so later.
    #[error("cannot read Secret {namespace}/{name}: {trouble}")]
    Api {
        /// Namespace of the Secret.
        namespace: String,
        /// Name of the Secret.
        name: String,
        /// What was wrong.
        trouble: ApiTrouble,
    },
}

/// What was wrong with the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiTrouble {
    /// No answer, or no connection.
    #[error("the API server does not answer")]
    Unreachable,
    /// An error of its own.
    #[error("the API server answered with status {0}")]
    Status(u16),
}

/// A key in a message; nothing where there is none.
struct KeyPart<'a>(&'static str, &'a Option<String>);

impl fmt::Display for KeyPart<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            Some(key) => write!(f, "{}{key}", self.0),
            None => Ok(()),
        }
    }
}

/// The bytes of one Secret, wiped when dropped.
pub type Contents = BTreeMap<String, Zeroizing<Vec<u8>>>;

/// What one reading found, whoever asked.
#[derive(Clone)]
enum Found {
    /// Contents and the label's value.
    Contents(Arc<Contents>, SecretUse),
    /// Nothing that may be used.
    Nothing,
    Forbidden,
    Trouble(ApiTrouble),
}

/// Reads Secrets and remembers those that are no personal data for a while.
pub struct Secrets {
    client: Client,
    timing: SecretTiming,
    cache: Cache<Found>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").field("timing", &self.timing).finish_non_exhaustive()
    }
}

impl Secrets {
    /// Reads through this client.
    pub fn new(client: Client, timing: SecretTiming) -> Self {
        Self { client, timing, cache: Cache::new(timing.capacity, timing.forced) }
    }

    /// The bytes of one key. Remembered for [`SecretTiming::fresh`], except attributes: personal data is not kept.
    pub async fn read(&self, namespace: &str, at: &SecretKeyRef, use_: SecretUse) -> Result<Zeroizing<Vec<u8>>, SecretFault> {
        let not_found = || not_found(namespace, &at.name, Some(&at.key), use_);
        let contents = match use_ {
            SecretUse::Credentials | SecretUse::Webhook => self.remembered(namespace, &at.name, &at.key, use_).await,
            SecretUse::Attributes | SecretUse::CustomData | SecretUse::Capture => self.fetch(namespace, &at.name).await,
        };
        let contents = usable(contents, use_, namespace, &at.name).ok_or_else(not_found)??;
        contents.get(&at.key).cloned().ok_or_else(not_found)
    }

    /// A whole Secret as it is now, past everything remembered.
    pub async fn read_fresh(&self, namespace: &str, name: &str, use_: SecretUse) -> Result<Contents, SecretFault> {
        let found = self.fetch(namespace, name).await;
        let contents = usable(found, use_, namespace, name).ok_or_else(|| not_found(namespace, name, None, use_))??;
        Ok(Arc::unwrap_or_clone(contents))
    }

    /// Makes the next reading ask the API server, because what is remembered did not work. Says whether it does so: it is refused where the
    /// last time is younger than [`SecretTiming::forced`], so that forged deliveries cost the API server nothing, and then done once it may be.
    pub fn forget(&self, namespace: &str, name: &str) -> bool {
        self.cache.forget(namespace, name, Instant::now())
    }

    /// The same at once, for a person who says that it changed, or a watch that has seen it.
    pub fn renew(&self, namespace: &str, name: &str) {
        self.cache.renew(namespace, name, Instant::now());
    }

    async fn remembered(&self, namespace: &str, name: &str, key: &str, use_: SecretUse) -> Found {
        let timing = self.timing;
        let fresh = |seen: &Seen<Found>| {
            let good = match &seen.what {
                Found::Contents(contents, label) => *label == use_ && contents.contains_key(key),
                Found::Nothing | Found::Forbidden | Found::Trouble(_) => false,
            };
            seen.at.elapsed() < if good { timing.fresh } else { timing.failure }
        };
        let fetch = async || match self.fetch(namespace, name).await {
            // Labelled for something personal: not ours to keep.
            Found::Contents(_, SecretUse::Attributes | SecretUse::CustomData | SecretUse::Capture) => Found::Nothing,
            found => found,
        };
        self.cache.get(namespace, name, fresh, fetch).await
    }

    async fn fetch(&self, namespace: &str, name: &str) -> Found {
        // Names go into a path unescaped, and they come from whoever may write a reference.
        if !plain_name(namespace) || !plain_name(name) {
            return Found::Nothing;
        }
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        match timeout(self.timing.patience, secrets.get(name)).await {
            Ok(Ok(secret)) => contents_of(secret),
            Ok(Err(kube::Error::Api(status))) => match status.code {
                404 => Found::Nothing,
                403 => Found::Forbidden,
                code => Found::Trouble(ApiTrouble::Status(code)),
            },
            Ok(Err(_)) | Err(_) => Found::Trouble(ApiTrouble::Unreachable),
        }
    }
}

fn contents_of(secret: Secret) -> Found {
    const USES: [SecretUse; 5] =
        [SecretUse::Credentials, SecretUse::Webhook, SecretUse::Attributes, SecretUse::CustomData, SecretUse::Capture];
    let contents = secret.data.unwrap_or_default().into_iter().map(|(key, value)| (key, Zeroizing::new(value.0))).collect();
    let label = secret.metadata.labels.as_ref().and_then(|labels| labels.get(USE_LABEL));
    match label.and_then(|label| USES.into_iter().find(|use_| use_.as_str() == label)) {
        Some(use_) => Found::Contents(Arc::new(contents), use_),
        None => Found::Nothing,
    }
}

/// None: not found, in whichever way.
fn usable(found: Found, use_: SecretUse, namespace: &str, name: &str) -> Option<Result<Arc<Contents>, SecretFault>> {
    let (namespace, name) = (namespace.to_owned(), name.to_owned());
    match found {
        Found::Contents(contents, label) => (label == use_).then_some(Ok(contents)),
        Found::Nothing => None,
        Found::Forbidden => Some(Err(SecretFault::Forbidden { namespace, name })),
        Found::Trouble(trouble) => Some(Err(SecretFault::Api { namespace, name, trouble })),
    }
}

fn not_found(namespace: &str, name: &str, key: Option<&str>, use_: SecretUse) -> SecretFault {
    SecretFault::NotFound { namespace: namespace.to_owned(), name: name.to_owned(), key: key.map(str::to_owned), use_ }
}

/// The characters of a DNS subdomain, which is what the API server accepts as a name.
fn plain_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(plain) && !name.starts_with('.') && !name.ends_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::ByteString;

    fn secret(label: Option<&str>) -> Secret {
        let mut secret = Secret::default();
        secret.metadata.labels = label.map(|l| [(USE_LABEL.to_owned(), l.to_owned())].into());
        secret.data = Some([("token".to_owned(), ByteString(b"canary".to_vec()))].into());
        secret
    }

    fn use_of(label: Option<&str>, wanted: SecretUse) -> Result<Arc<Contents>, SecretFault> {
        usable(contents_of(secret(label)), wanted, "ns", "s").unwrap_or_else(|| Err(not_found("ns", "s", Some("token"), wanted)))
    }

    #[test]
    fn only_the_right_label_opens_a_secret_and_every_other_case_sounds_the_same() {
        let found = use_of(Some("webhook"), SecretUse::Webhook).unwrap();
        assert_eq!(found.get("token").map(|v| v.as_slice()), Some(&b"canary"[..]));
        for label in [None, Some("credentials"), Some(""), Some("Webhook"), Some("all")] {
            assert_eq!(use_of(label, SecretUse::Webhook), Err(not_found("ns", "s", Some("token"), SecretUse::Webhook)));
        }
    }

    #[test]
    fn messages_name_what_to_do_and_no_value() {
        assert_eq!(
            not_found("shop", "onfido-api", Some("token"), SecretUse::Credentials).to_string(),
            "no usable Secret shop/onfido-api with key token: it must exist, hold the key token and carry the label \
             onfido-operator.dev/use: credentials"
        );
        assert_eq!(
            not_found("shop", "user", None, SecretUse::Attributes).to_string(),
            "no usable Secret shop/user: it must exist and carry the label onfido-operator.dev/use: attributes"
        );
        let forbidden = SecretFault::Forbidden { namespace: "shop".into(), name: "x".into() }.to_string();
        assert!(forbidden.contains("verb get on secrets"), "{forbidden}");
    }

    #[test]
    fn a_name_cannot_leave_its_place_in_a_path() {
        for good in ["a", "onfido-api", "a.b-c.9", &"a".repeat(253)] {
            assert!(plain_name(good), "{good}");
        }
        for bad in ["", "..", "../configmaps/x", "a/b", "a?x=1", "a#", "a%2fb", "A", "a b", ".a", "\u{fc}", &"a".repeat(254)] {
            assert!(!plain_name(bad), "{bad}");
        }
    }
}
