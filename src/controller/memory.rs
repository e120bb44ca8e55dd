//! What this process remembers of objects between passes. Losing it costs a wait or a look, never safety. Bounded by the objects that
//! exist: an object that is gone is forgotten.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use jiff::Timestamp;
use kube::Resource;

use crate::{
    api::{self, IdentityVerification, IdentityVerificationStatus},
    plan,
};

use super::{drive::Throttled, watch::Change};

/// Of all.
#[derive(Default)]
pub(super) struct Memories {
    pub(super) verifications: Memory<OfVerification>,
    pub(super) providers: Memory<OfProvider>,
}

/// Of one kind, by uid.
#[derive(Default)]
pub(super) struct Memory<T>(Mutex<HashMap<String, T>>);

/// Of one verification.
#[derive(Clone, Default)]
pub(super) struct OfVerification {
    operation: Option<(String, Instant)>,
    pub(super) last_look: Option<Timestamp>,
    /// The calls it waits for, if others went first.
    pub(super) throttled: Option<Throttled>,
    /// The attempt that was submitted, and when that was first seen.
    submission_seen: Option<(i32, Timestamp)>,
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
    /// Of what it owes, and how often something was added.
    pub(super) debts: (plan::debts::Known, u64),
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

impl Memories {
    /// Changes or reads what is remembered of a verification.
    pub(super) fn verification<T>(&self, uid: &str, f: impl FnOnce(&mut OfVerification) -> T) -> T {
        self.verifications.of(uid, f)
    }

    /// Changes or reads what is remembered of a provider.
    pub(super) fn provider<T>(&self, uid: &str, f: impl FnOnce(&mut OfProvider) -> T) -> T {
        self.providers.of(uid, f)
    }
}

impl<T: Default> Memory<T> {
    /// Only what exists is remembered.
    pub(super) fn follow<K: Resource<DynamicType = ()>>(&self, change: &Change<K>) {
        let (Change::Seen(object) | Change::Gone(object)) = change;
        let Some(uid) = object.meta().uid.as_ref() else { return };
        let mut all = self.all();
        match change {
            Change::Seen(_) => _ = all.entry(uid.to_owned()).or_default(),
            Change::Gone(_) => _ = all.remove(uid),
        }
    }

    /// A pass may outlive its object; what it would remember then is dropped.
    fn of<R>(&self, uid: &str, f: impl FnOnce(&mut T) -> R) -> R {
        match self.all().get_mut(uid) {
            Some(memory) => f(memory),
            None => f(&mut T::default()),
        }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner) // plain data: valid whatever panicked
    }
}

impl OfVerification {
    /// Takes note of what is recorded, and of the attempt that is submitted now, and tells what the plan may know.
    pub(super) fn note(&mut self, status: &IdentityVerificationStatus, submitted: Option<i32>, now: Timestamp) -> plan::Memory {
        let recorded = status.operation.as_ref().map(|operation| &operation.nonce);
        if self.operation.as_ref().map(|(nonce, _)| nonce) != recorded {
            self.operation = recorded.map(|nonce| (nonce.clone(), Instant::now()));
        }
        if let Some(attempt) = submitted.filter(|attempt| self.submission_seen.is_none_or(|(seen, _)| seen != *attempt)) {
            self.submission_seen = Some((attempt, now));
        }
        plan::Memory {
            operation_known_for: self.operation.as_ref().map(|(_, since)| since.elapsed()).unwrap_or_default(),
            last_look: self.last_look,
            submission_seen: self
                .submission_seen
                .filter(|(seen, _)| status.attempt.is_none_or(|attempt| attempt == *seen))
                .map(|(_, at)| at),
        }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;

    use super::*;

    #[test]
    fn a_pass_that_outlives_its_object_leaves_no_memory() {
        let mut object = ConfigMap::default();
        object.metadata.uid = Some("u".into());
        let memories = Memories::default();
        let failures = || {
            memories.verification("u", |memory| {
                memory.failures += 1;
                memory.failures
            })
        };
        assert_eq!([failures(), failures()], [1, 1], "of one that was never seen");
        memories.verifications.follow(&Change::Seen(object.clone()));
        assert_eq!([failures(), failures()], [1, 2]);
        memories.verifications.follow(&Change::Seen(object.clone()));
        assert_eq!(failures(), 3, "seen again is the same one");
        memories.verifications.follow(&Change::Gone(object));
        assert_eq!([failures(), failures()], [1, 1]);
    }
}
