//! The two caches the endpoint looks into. Owns no watch: whoever makes it fills them. An object stored malformed is as good as none.

use std::sync::Arc;

use kube::core::DeserializeGuard;
use kube::runtime::reflector::{ObjectRef, Store};

use super::route::{self, Wanted};
use crate::api::{IdentityVerification, OnfidoProvider};

/// The providers by name.
#[derive(Clone)]
pub struct Providers(Store<DeserializeGuard<OnfidoProvider>>);

impl Providers {
    /// Looks into this cache.
    pub fn new(store: Store<DeserializeGuard<OnfidoProvider>>) -> Self {
        Self(store)
    }

    pub(super) fn get(&self, namespace: &str, name: &str) -> Option<Arc<OnfidoProvider>> {
        let found = self.0.get(&ObjectRef::new(name).within(namespace))?;
        found.0.as_ref().ok().cloned().map(Arc::new)
    }
}

/// The verifications by what a delivery can name.
#[derive(Clone)]
pub struct Verifications(Store<DeserializeGuard<IdentityVerification>>);

impl Verifications {
    /// Looks into this cache.
    pub fn new(store: Store<DeserializeGuard<IdentityVerification>>) -> Self {
        Self(store)
    }

    /// The verification of this provider that the notification speaks of. The recorded run goes first: it is the common case, and
    /// comparing ids costs less than making the key of every object.
    pub(super) fn find(&self, namespace: &str, provider: &str, wanted: &Wanted) -> Option<Arc<IdentityVerification>> {
        let ours = |v: &IdentityVerification| route::is_of_provider(v, namespace, provider);
        let by_run = || self.first(|v| wanted.is_run_of(v) && ours(v));
        let by_tag = || self.first(|v| ours(v) && wanted.is_tagged_for(v));
        wanted.run_id.as_ref().and_then(|_| by_run()).or_else(|| if wanted.keys.is_empty() { None } else { by_tag() })
    }

    fn first(&self, wanted: impl Fn(&IdentityVerification) -> bool) -> Option<Arc<IdentityVerification>> {
        let found = self.0.find(|object| object.0.as_ref().is_ok_and(&wanted))?;
        found.0.as_ref().ok().cloned().map(Arc::new)
    }
}
