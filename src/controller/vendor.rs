//! Clients of the vendor, one for each credential in use. Everything that uses a credential shares its rate limit.

use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
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
/// Credentials remembered at once; more are rebuilt when needed.
const CAPACITY: usize = 1024;

/// Clients of the vendor.
pub(super) struct Vendors {
    transport: Transport,
    endpoints: Vec<(Region, Endpoint)>,
    secrets: Arc<Secrets>,
    known: Mutex<HashMap<Account, Vendor>>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Account {
    region: Region,
    per_minute: u32,
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

impl Vendors {
    pub(super) fn new(settings: &Settings, secrets: Arc<Secrets>) -> Result<Self, Trouble> {
        let timeouts = Timeouts { post: settings.timing.post_timeout, ..Timeouts::default() };
        let transport = Transport::new(timeouts)?;
        Ok(Self { transport, endpoints: settings.endpoints.clone(), secrets, known: Mutex::default() })
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
        let per_minute = provider.spec.rate_limit.as_ref().map_or(by_environment, |limit| limit.requests_per_minute).max(1);
        let digest = Sha256::digest(token.expose()).into();
        let account = Account { region: provider.spec.region, per_minute, digest };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= CAPACITY && !known.contains_key(&account) {
            known.clear();
        }
        let vendor = known.entry(account).or_insert_with(|| {
            let limiter = Arc::new(Limiter::new(NonZeroU32::new(per_minute).unwrap_or(NonZeroU32::MIN)));
            let client = Client::new(self.transport.clone(), self.endpoint(provider.spec.region), &token, limiter);
            Vendor { client, digest, environment }
        });
        Ok(Ok(vendor.clone()))
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
