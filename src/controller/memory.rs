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
    api::{self, IdentityVerification, IdentityVerificationStatus, OnfidoProvider},
    onfido::model::{EndedRun, RunStatus, WorkflowRun, WorkflowRunId},
    plan::{self, Feed, Wanted, feed::is_news},
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
    last_look: Option<Timestamp>,
    /// The run that was looked at last, and its word: what is on record of it may not have come back yet.
    seen: Option<(WorkflowRunId, RunStatus)>,
    /// The calls it waits for, if others went first.
    pub(super) throttled: Option<Throttled>,
    /// The attempt that was submitted, and when that was first seen.
    submission_seen: Option<(i32, Timestamp)>,
    /// Who asked for a look, and when.
    look_wanted: Option<(Wanted, Instant)>,
    /// What the feed told that asks for it.
    told: Option<EndedRun>,
    /// The version of its capture Secret that this process wrote last.
    capture_written: Option<String>,
    /// The version that asks for a look; none if it is gone.
    capture_seen: Option<String>,
    /// When a Secret last changed that its values come from, if they were not judged since.
    values_changed: Option<Instant>,
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
    /// How far its feed was read.
    pub(super) feed: Option<Feed>,
    /// Whether those who relied on it were told that they cannot.
    pub(super) feed_is_lost: bool,
}

/// What a pass is about: while it stays the same, a pass before its time would find nothing new. Of what is asked for it has the moment too:
/// asked for again, it is something new.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Occasion {
    generation: Option<i64>,
    deleting: bool,
    notification: Option<String>,
    asked: Option<String>,
    provider: Option<String>,
    look_wanted: Option<(Wanted, Instant)>,
    values_changed: Option<Instant>,
    feed_is_lost: bool,
}

impl Occasion {
    pub(super) fn of(object: &IdentityVerification, provider: Option<&OnfidoProvider>, memories: &Memories) -> Self {
        let [uid, of_provider] = [Some(&object.metadata), provider.map(|provider| &provider.metadata)]
            .map(|metadata| metadata.and_then(|metadata| metadata.uid.as_deref()).unwrap_or_default());
        let notification = object.status.as_ref().and_then(|status| status.notification.as_ref());
        Self {
            generation: object.metadata.generation,
            deleting: object.metadata.deletion_timestamp.is_some(),
            notification: notification.map(|notification| notification.digest.clone()),
            asked: api::asked(object.metadata.annotations.as_ref()).map(str::to_owned),
            provider: provider.and_then(|provider| provider.metadata.resource_version.clone()),
            look_wanted: memories.verification(uid, |memory| memory.look_wanted),
            values_changed: memories.verification(uid, |memory| memory.values_changed),
            feed_is_lost: memories.provider(of_provider, |memory| memory.feed_is_lost),
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
    /// Has a look made, unless one has shown already what the feed tells. What the feed or a Secret asks for, no audit asks for less urgently.
    pub(super) fn want(&mut self, wanted: Wanted, told: Option<&EndedRun>) {
        if told.is_some_and(|told| self.has_seen(told)) {
            return;
        }
        let wanted = match (self.look_wanted, wanted) {
            (Some((Wanted::Feed, _)), _) => Wanted::Feed,
            (Some((Wanted::Capture, _)), Wanted::Audit) => Wanted::Capture,
            _ => wanted,
        };
        self.look_wanted = Some((wanted, Instant::now()));
        self.told = told.cloned().or(self.told.take());
    }

    /// The run was looked at, and what that showed is on record.
    pub(super) fn looked(&mut self, run: &WorkflowRun, now: Timestamp) {
        (self.last_look, self.seen) = (Some(now), Some((run.id.clone(), run.status.clone())));
    }

    fn has_seen(&self, told: &EndedRun) -> bool {
        self.seen.as_ref().is_some_and(|(run, status)| *run == told.id && *status == told.status)
    }

    /// Its capture Secret was changed to this version, or is gone. Whether somebody must look; not where this process wrote it.
    pub(super) fn want_capture(&mut self, version: Option<&str>) -> bool {
        if version.is_some() && version == self.capture_written.as_deref() {
            return false;
        }
        self.capture_seen = version.map(str::to_owned);
        self.want(Wanted::Capture, None);
        true
    }

    /// This process wrote its capture Secret.
    pub(super) fn wrote_capture(&mut self, version: Option<String>) {
        self.capture_written = version;
    }

    /// A Secret changed that its values come from: they are judged again.
    pub(super) fn change_values(&mut self) {
        self.values_changed = Some(Instant::now());
    }

    /// A Secret changed that held it up: what it found before says nothing any more.
    pub(super) fn unhold(&mut self) {
        self.rest = None;
    }

    /// A pass that began at `began` has ended, and this is still wanted. What was asked for since then is not answered by it.
    pub(super) fn answered(&mut self, began: Instant, still: Option<Wanted>, still_changed: bool) {
        if still.is_none() {
            self.look_wanted = self.look_wanted.filter(|(_, at)| *at > began);
        }
        if !still_changed {
            self.values_changed = self.values_changed.filter(|at| *at > began);
        }
    }

    /// Takes note of what is recorded, and of the attempt that is submitted now, and tells what the plan may know.
    pub(super) fn note(&mut self, status: &IdentityVerificationStatus, submitted: Option<i32>, now: Timestamp) -> plan::Memory {
        // What a delivery has brought meanwhile, the feed need not bring again.
        let known = self.told.as_ref().is_some_and(|told| !is_news(status, told) || self.has_seen(told));
        if known {
            self.told = None;
            self.look_wanted = self.look_wanted.filter(|(wanted, _)| *wanted != Wanted::Feed);
        }
        // The watch can tell of a write of ours before its answer is here.
        if self.capture_seen.is_some() && self.capture_seen == self.capture_written {
            self.look_wanted = self.look_wanted.filter(|(wanted, _)| *wanted != Wanted::Capture);
        }
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
            look_wanted: self.look_wanted.map(|(wanted, _)| wanted),
            values_changed: self.values_changed.is_some(),
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

    fn ended(run: &str, status: &str) -> EndedRun {
        serde_json::from_value(serde_json::json!({ "id": run, "status": status })).unwrap()
    }

    #[test]
    fn a_look_that_is_asked_for_during_a_pass_is_made_after_it() {
        let mut memory = OfVerification::default();
        let wanted = |memory: &OfVerification| memory.look_wanted.map(|(wanted, _)| wanted);
        memory.want(Wanted::Audit, None);
        memory.want(Wanted::Feed, Some(&ended("run-1", "approved")));
        memory.want(Wanted::Audit, None);
        assert_eq!(wanted(&memory), Some(Wanted::Feed), "what somebody waits for");
        let began = Instant::now();
        memory.answered(began, Some(Wanted::Feed), false);
        assert_eq!(wanted(&memory), Some(Wanted::Feed), "it could not be made");
        memory.want(Wanted::Feed, None);
        memory.answered(began, None, false);
        assert_eq!(wanted(&memory), Some(Wanted::Feed), "it was asked for later");
        memory.answered(Instant::now(), None, false);
        assert_eq!(wanted(&memory), None);
    }

    #[test]
    fn a_write_of_its_own_asks_for_no_look_whichever_is_heard_of_first() {
        let wanted = |memory: &mut OfVerification| memory.note(&IdentityVerificationStatus::default(), None, Timestamp::now()).look_wanted;
        let mut memory = OfVerification::default();
        memory.wrote_capture(Some("5".into()));
        assert!(!memory.want_capture(Some("5")), "the answer first");
        assert!(memory.want_capture(Some("6")), "somebody else's");
        assert_eq!(wanted(&mut memory), Some(Wanted::Capture));
        memory.wrote_capture(Some("6".into()));
        assert_eq!(wanted(&mut memory), None, "the watch first");
        assert!(memory.want_capture(None), "it is gone");
        assert_eq!(wanted(&mut memory), Some(Wanted::Capture));
        memory.want(Wanted::Audit, None);
        assert_eq!(wanted(&mut memory), Some(Wanted::Capture), "more urgent than an audit");
    }

    #[test]
    fn what_is_asked_for_again_is_another_occasion() {
        let object: IdentityVerification = serde_json::from_value(serde_json::json!({
            "apiVersion": "onfido-operator.dev/v1alpha1", "kind": "IdentityVerification", "metadata": { "name": "v", "uid": "u" },
            "spec": { "providerRef": { "name": "onfido" }, "subject": "user-1" },
        }))
        .unwrap();
        let memories = Memories::default();
        memories.verifications.follow(&Change::Seen(object.clone()));
        let now = || Occasion::of(&object, None, &memories);
        for ask in [|memory: &mut OfVerification| memory.want(Wanted::Audit, None), OfVerification::change_values] {
            let before = now();
            memories.verification("u", ask);
            let asked = now();
            assert_ne!(before, asked);
            assert_eq!(asked, now(), "the same while nobody asks again");
            memories.verification("u", ask);
            assert_ne!(asked, now(), "a pass that rests after the first is made again");
        }
    }

    #[test]
    fn values_that_change_during_a_pass_are_judged_after_it() {
        let mut memory = OfVerification::default();
        let began = Instant::now();
        memory.change_values();
        memory.answered(began, None, false);
        assert!(memory.values_changed.is_some(), "it was told of later");
        memory.answered(Instant::now(), None, true);
        assert!(memory.values_changed.is_some(), "they could not be read");
        memory.answered(Instant::now(), None, false);
        assert!(memory.values_changed.is_none());
    }

    #[test]
    fn what_a_delivery_has_brought_the_feed_need_not_bring_again() {
        let status = |word: &str| IdentityVerificationStatus {
            workflow_run_id: Some("run-1".into()),
            vendor_status: Some(word.into()),
            ..IdentityVerificationStatus::default()
        };
        let mut memory = OfVerification::default();
        memory.want(Wanted::Feed, Some(&ended("run-1", "approved")));
        assert_eq!(memory.note(&status("processing"), None, Timestamp::now()).look_wanted, Some(Wanted::Feed));
        assert_eq!(memory.note(&status("approved"), None, Timestamp::now()).look_wanted, None);
        memory.want(Wanted::Audit, None);
        assert_eq!(memory.note(&status("approved"), None, Timestamp::now()).look_wanted, Some(Wanted::Audit));
    }

    #[test]
    fn what_a_look_has_shown_is_no_news_before_its_record_has_come_back() {
        let run = |status: &str| -> WorkflowRun {
            serde_json::from_value(serde_json::json!({ "id": "run-1", "workflow_id": "w", "applicant_id": "a", "status": status })).unwrap()
        };
        let mut memory = OfVerification::default();
        let mut wanted = |seen: &str, told: &str| {
            memory.looked(&run(seen), Timestamp::now());
            memory.want(Wanted::Feed, Some(&ended("run-1", told)));
            memory.look_wanted.take().map(|(wanted, _)| wanted)
        };
        assert_eq!(wanted("approved", "approved"), None);
        assert_eq!(wanted("approved", "declined"), Some(Wanted::Feed));
        assert_eq!(wanted("processing", "approved"), Some(Wanted::Feed), "a look that does not show it yet");
    }
}
