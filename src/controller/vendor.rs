//! Clients of the vendor, one for each credential in use. Everything that uses a credential shares its rate limit.

use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use sha2::{Digest, Sha256};

use crate::{
    api::{Environment, OnfidoProvider, Region, SecretUse},
    onfido::{
        client::{Client, Endpoint, Timeouts, Transport},
        limiter::Limiter,
        model,
        secret::{self, ApiToken, TokenError},
    },
    plan::Failure,
    secrets::{SecretFault, Secrets},
};

use super::{Settings, Trouble};

const LIVE_PER_MINUTE: u32 = 300;
const SANDBOX_PER_MINUTE: u32 = 20;
/// Credentials remembered at once. The one that was not used for longest makes room for another, and with it what its limiter has learned.
const CAPACITY: usize = 1024;

/// Clients of the vendor.
pub(super) struct Vendors {
    transport: Transport,
    endpoints: Vec<(Region, Endpoint)>,
    secrets: Arc<Secrets>,
    /// For how long a provider counts among those who use a token.
    token_use: Duration,
    known: Mutex<HashMap<Account, Known>>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Account {
    region: Region,
    /// Of the token, which itself is kept in the client only.
    digest: [u8; 32],
}

/// A client with what its token tells.
#[derive(Clone)]
pub(super) struct Vendor {
    pub(super) client: Client,
    /// Of the token, by which it is told from another.
    pub(super) digest: [u8; 32],
    pub(super) environment: Environment,
}

/// A credential in use.
struct Known {
    vendor: Vendor,
    users: Users,
    used: Instant,
}

/// The providers that use a credential, by uid: how many requests per minute each asks for, and when it was last seen.
#[derive(Default)]
struct Users(HashMap<String, (NonZeroU32, Instant)>);

impl Users {
    /// One of them is seen: the least that any of them asks for counts, until it was not seen for `long`.
    fn seen(&mut self, uid: &str, per_minute: NonZeroU32, now: Instant, long: Duration) -> NonZeroU32 {
        self.0.insert(uid.to_owned(), (per_minute, now));
        self.0.retain(|_, (_, seen)| now.saturating_duration_since(*seen) <= long);
        self.0.values().map(|(per_minute, _)| *per_minute).min().unwrap_or(per_minute)
    }
}

impl Vendors {
    pub(super) fn new(settings: &Settings, secrets: Arc<Secrets>) -> Result<Self, Trouble> {
        let timeouts = Timeouts { post: settings.timing.post_timeout, ..Timeouts::default() };
        let transport = Transport::new(timeouts)?;
        Ok(Self {
            transport,
            endpoints: settings.endpoints.clone(),
            secrets,
            token_use: settings.timing.token_use,
            known: Mutex::default(),
        })
    }

    /// The client of a provider's credentials as they are now.
    pub(super) async fn of(&self, provider: &OnfidoProvider) -> Result<Result<Vendor, Failure>, Trouble> {
        let namespace = provider.metadata.namespace.as_deref().unwrap_or_default();
        let reference = &provider.spec.credentials.api_token_secret_ref;
        let bytes = match self.secrets.read(namespace, reference, SecretUse::Credentials).await {
            Ok(bytes) => bytes,
            Err(fault) => return secret_failure(fault).map(Err),
        };
        let token = match ApiToken::from_secret_bytes(&bytes) {
            Ok(token) => token,
            Err(fault) => {
                self.doubt(provider);
                return Ok(Err(token_failure(namespace, &reference.name, &reference.key, fault)));
            }
        };
        let environment = match token.environment() {
            secret::Environment::Live => Environment::Live,
            secret::Environment::Sandbox => Environment::Sandbox,
            secret::Environment::Unknown => Environment::Unknown,
        };
        let by_environment = if environment == Environment::Sandbox { SANDBOX_PER_MINUTE } else { LIVE_PER_MINUTE };
        let per_minute = provider.spec.rate_limit.as_ref().map_or(by_environment, |limit| limit.requests_per_minute);
        let per_minute = NonZeroU32::new(per_minute).unwrap_or(NonZeroU32::MIN);
        let digest = Sha256::digest(token.expose()).into();
        let account = Account { region: provider.spec.region, digest };
        let (mut all, now) = (self.known(), Instant::now());
        if all.len() >= CAPACITY && !all.contains_key(&account) {
            let unused = all.iter().min_by_key(|(_, known)| known.used).map(|(account, _)| account.clone());
            unused.and_then(|account| all.remove(&account));
        }
        let known = all.entry(account).or_insert_with(|| {
            let limiter = Arc::new(Limiter::new(per_minute));
            let client = Client::new(self.transport.clone(), self.endpoint(provider.spec.region), &token, limiter);
            Known { vendor: Vendor { client, digest, environment }, users: Users::default(), used: now }
        });
        known.used = now;
        let uid = provider.metadata.uid.as_deref().unwrap_or_default();
        known.vendor.client.limiter().configure(known.users.seen(uid, per_minute, now, self.token_use));
        Ok(Ok(known.vendor.clone()))
    }

    /// Of all credentials in use together: the requests per minute that are asked for, those that the vendor bears, and how many of them it
    /// does not take.
    pub(super) fn rates(&self) -> (u32, u32, usize) {
        let (all, now) = (self.known(), Instant::now());
        let used = all.values().filter(|known| now.saturating_duration_since(known.used) <= self.token_use);
        used.fold((0, 0, 0), |(configured, borne, refused): (u32, u32, usize), known| {
            let limiter = known.vendor.client.limiter();
            let [asked, bears] = limiter.rates().map(NonZeroU32::get);
            (configured.saturating_add(asked), borne.saturating_add(bears), refused + usize::from(limiter.is_unauthorized()))
        })
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Account, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner) // plain data: valid whatever panicked
    }

    /// The credentials were refused: read them again soon.
    pub(super) fn doubt(&self, provider: &OnfidoProvider) {
        let namespace = provider.metadata.namespace.as_deref().unwrap_or_default();
        self.secrets.forget(namespace, &provider.spec.credentials.api_token_secret_ref.name);
    }

    /// Somebody says that the credentials changed: read them again now.
    pub(super) fn renew(&self, provider: &OnfidoProvider) {
        let namespace = provider.metadata.namespace.as_deref().unwrap_or_default();
        self.secrets.renew(namespace, &provider.spec.credentials.api_token_secret_ref.name);
    }

    fn endpoint(&self, region: Region) -> Endpoint {
        let overridden = self.endpoints.iter().rev().find(|(of, _)| *of == region).map(|(_, endpoint)| endpoint.clone());
        overridden.unwrap_or_else(|| {
            Endpoint::from(match region {
                Region::EU => model::Region::EU,
                Region::US => model::Region::US,
                Region::CA => model::Region::CA,
            })
        })
    }
}

/// What a Secret that cannot be used means to the object; trouble if it means nothing.
pub(super) fn secret_failure(fault: SecretFault) -> Result<Failure, Trouble> {
    match fault {
        SecretFault::NotFound { namespace, name, key, use_ } => Ok(Failure::SecretNotFound { namespace, name, key, for_use: use_ }),
        fault @ SecretFault::Forbidden { .. } => Ok(forbidden(fault)),
        fault @ SecretFault::Api { .. } => Err(fault.into()),
    }
}

/// A right is missing: the log says which, for whoever grants it.
pub(super) fn forbidden(fault: SecretFault) -> Failure {
    tracing::warn!("{fault}");
    let (SecretFault::Forbidden { namespace, name }
    | SecretFault::NotFound { namespace, name, .. }
    | SecretFault::Api { namespace, name, .. }) = fault;
    Failure::SecretForbidden { namespace, name }
}

/// What a value that is no token means to the object.
pub(super) fn token_failure(namespace: &str, name: &str, key: &str, fault: TokenError) -> Failure {
    let fault = match fault {
        TokenError::Empty => "is empty",
        TokenError::Unprintable => "has white space or unprintable characters in it",
        TokenError::TooShort => "is too short",
        TokenError::TooLong => "is too long",
    };
    Failure::TokenInvalid { namespace: namespace.into(), name: name.into(), key: key.into(), fault }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_that_a_user_of_the_token_asks_for_counts_while_it_uses_it() {
        let (mut users, began, long) = (Users::default(), Instant::now(), Duration::from_secs(600));
        let mut seen =
            |uid: &str, asks: u32, at: u64| users.seen(uid, NonZeroU32::new(asks).unwrap(), began + Duration::from_secs(at), long).get();
        assert_eq!(seen("a", 300, 0), 300);
        assert_eq!(seen("b", 100, 1), 100);
        assert_eq!(seen("a", 300, 2), 100, "whoever asks");
        assert_eq!(seen("b", 200, 3), 200, "an edit counts at once");
        assert_eq!(seen("a", 50, 4), 50);
        assert_eq!(seen("a", 300, 5), 200);
        assert_eq!(seen("a", 300, 603), 200);
        assert_eq!(seen("a", 300, 604), 300, "b is gone, or uses another");
        assert_eq!(users.0.len(), 1);
    }
}
