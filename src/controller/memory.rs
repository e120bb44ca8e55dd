//! What this process remembers of objects between passes. Losing it costs a wait or a look, never safety. Bounded by the objects that
//! exist: an object that is gone is forgotten.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use jiff::Timestamp;

use crate::{
    api::{self, IdentityVerification, IdentityVerificationStatus},
    plan,
};

use super::drive::Throttled;

/// By uid.
#[derive(Default)]
pub(super) struct Memories {
    verifications: Mutex<HashMap<String, OfVerification>>,
    providers: Mutex<HashMap<String, OfProvider>>,
}

/// Of one verification.
#[derive(Clone, Default)]
pub(super) struct OfVerification {
    operation: Option<(String, Instant)>,
    pub(super) last_look: Option<Timestamp>,
    /// The calls it waits for, if others went first.
    pub(super) throttled: Option<Throttled>,
    submission_seen: Option<Timestamp>,
    pub(super) failures: u32,
    /// Until when a pass would find nothing new, as long as this is what it is about.
    pub(super) rest: Option<(Occasion, Instant)>,
}

/// Of one provider.
#[derive(Clone, Default)]
pub(super) struct OfProvider {
    /// The digest of the token that was probed, and when.
    pub(super) probed: Option<([u8; 32], Timestamp)>,
    pub(super) failing_since: Option<Instant>,
}

/// What a pass is about: while it stays the same, a pass before its time would find nothing new.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Occasion {
    generation: Option<i64>,
    deleting: bool,
    notification: Option<String>,
    asked: Option<String>,
    provider: Option<String>,
}

impl Occasion {
    pub(super) fn of(object: &IdentityVerification, provider_version: Option<String>) -> Self {
        let notification = object.status.as_ref().and_then(|status| status.notification.as_ref());
        Self {
            generation: object.metadata.generation,
            deleting: object.metadata.deletion_timestamp.is_some(),
            notification: notification.map(|notification| notification.digest.clone()),
            asked: api::asked(object.metadata.annotations.as_ref()).map(str::to_owned),
            provider: provider_version,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner) // plain data: valid whatever panicked
}

impl Memories {
    /// Changes or reads what is remembered of a verification.
    pub(super) fn verification<T>(&self, uid: &str, f: impl FnOnce(&mut OfVerification) -> T) -> T {
        f(lock(&self.verifications).entry(uid.to_owned()).or_default())
    }

    /// Changes or reads what is remembered of a provider.
    pub(super) fn provider<T>(&self, uid: &str, f: impl FnOnce(&mut OfProvider) -> T) -> T {
        f(lock(&self.providers).entry(uid.to_owned()).or_default())
    }

    /// Forgets an object that is gone.
    pub(super) fn forget(&self, uid: &str) {
        lock(&self.verifications).remove(uid);
        lock(&self.providers).remove(uid);
    }

    /// Forgets the verifications that are gone, after a gap in the watch in which nobody said so.
    pub(super) fn keep_verifications(&self, exists: impl Fn(&str) -> bool) {
        lock(&self.verifications).retain(|uid, _| exists(uid));
    }

    /// The same for providers.
    pub(super) fn keep_providers(&self, exists: impl Fn(&str) -> bool) {
        lock(&self.providers).retain(|uid, _| exists(uid));
    }
}

impl OfVerification {
    /// Takes note of what is recorded, and tells what the plan may know.
    pub(super) fn note(&mut self, status: &IdentityVerificationStatus, submitted: bool, now: Timestamp) -> plan::Memory {
        let recorded = status.operation.as_ref().map(|operation| &operation.nonce);
        if self.operation.as_ref().map(|(nonce, _)| nonce) != recorded {
            self.operation = recorded.map(|nonce| (nonce.clone(), Instant::now()));
        }
        if submitted && self.submission_seen.is_none() {
            self.submission_seen = Some(now);
        }
        plan::Memory {
            operation_known_for: self.operation.as_ref().map(|(_, since)| since.elapsed()).unwrap_or_default(),
            last_look: self.last_look,
            submission_seen: self.submission_seen,
        }
    }
}
