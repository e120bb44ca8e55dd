//! Which verification a notification speaks of, and the table of answers as data. Pure: no IO, no clock.

use jiff::{SignedDuration, Timestamp};
use prometheus_client::encoding::EncodeLabelValue;

use crate::api::{IdentityVerification, IdentityVerificationStatus};
use crate::key::{Key, parse_tag};
use crate::onfido::webhook::Notification;

/// The one event that wakes: it is what providers are told to register for.
pub const ACTION: &str = "workflow_run.completed";
/// How old a run with our tag may be while the object that started it need not be in every replica's cache yet.
pub const YOUNG: SignedDuration = SignedDuration::from_mins(10);
/// More tags of ours than this are not looked at; a run of ours has one.
const MAX_KEYS: usize = 4;

/// How a delivery was answered; also the label it is counted under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Answer {
    /// Not POST.
    WrongMethod,
    /// The body is over the limit, by its own word or in fact.
    TooLarge,
    /// The body did not come in time.
    TooSlow,
    /// The body ended before it was complete.
    BrokenBody,
    /// Unknown provider, no token, no signature or a wrong one: nobody is told which.
    Unauthorized,
    /// Authentic, but not a notification.
    Malformed,
    /// Authentic, another event.
    OtherEvent,
    /// Authentic, a run that is not ours.
    NotOurs,
    /// Authentic, ours once: the object is gone, or another has its name now.
    Gone,
    /// Authentic, ours, and stored before or answered already.
    Known,
    /// Authentic, ours, and stored now.
    Recorded,
    /// Authentic, with our tag on a young run whose object this replica has not seen yet.
    NotSeenYet,
    /// The caches are not filled yet.
    NotReady,
    /// The API server did not do its part.
    Unavailable,
    /// We were too slow.
    TimedOut,
}

impl Answer {
    /// Every answer.
    pub const ALL: [Self; 15] = [
        Self::WrongMethod,
        Self::TooLarge,
        Self::TooSlow,
        Self::BrokenBody,
        Self::Unauthorized,
        Self::Malformed,
        Self::OtherEvent,
        Self::NotOurs,
        Self::Gone,
        Self::Known,
        Self::Recorded,
        Self::NotSeenYet,
        Self::NotReady,
        Self::Unavailable,
        Self::TimedOut,
    ];

    /// The table: status and body. What the vendor shall send again gets a 5xx, what nobody needs to send again a 2xx.
    pub const fn response(self) -> (u16, &'static str) {
        match self {
            Self::WrongMethod => (405, "only POST\n"),
            Self::TooLarge => (413, "body too large\n"),
            Self::TooSlow => (408, "body too slow\n"),
            Self::BrokenBody => (400, "body incomplete\n"),
            Self::Unauthorized => (401, "unauthorized\n"),
            Self::Malformed => (400, "not a notification\n"),
            Self::OtherEvent | Self::NotOurs | Self::Gone | Self::Known | Self::Recorded => (200, "ok\n"),
            Self::NotSeenYet | Self::NotReady | Self::Unavailable | Self::TimedOut => (503, "try again\n"),
        }
    }
}

/// What a notification names, so far as it can be ours.
#[derive(Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The run.
    pub run_id: Option<String>,
    /// The keys in its tags.
    pub keys: Vec<Key>,
    created_at: Option<Timestamp>,
}

impl Wanted {
    /// None: an event that wakes nobody.
    pub fn of(notification: &Notification) -> Option<Self> {
        let Notification { resource_type: _, action, run_id, tags, run_created_at } = notification;
        (action == ACTION).then(|| Self {
            run_id: run_id.as_ref().map(|id| id.as_str().to_owned()),
            keys: tags.iter().filter_map(|tag| parse_tag(tag)).map(|(key, _)| key).take(MAX_KEYS).collect(),
            created_at: *run_created_at,
        })
    }

    /// Whether the object has recorded the run: of the attempt under way, or of the one whose verdict stands.
    pub fn is_run_of(&self, verification: &IdentityVerification) -> bool {
        let (Some(run), Some(status)) = (self.run_id.as_deref(), &verification.status) else { return false };
        let standing = status.standing_verdict.as_ref().map(|standing| standing.workflow_run_id.as_str());
        status.workflow_run_id.as_deref() == Some(run) || standing == Some(run)
    }

    /// Whether the run carries the object's tag, of whichever attempt.
    pub fn is_tagged_for(&self, verification: &IdentityVerification) -> bool {
        let (meta, idempotency_key) = (&verification.metadata, verification.spec.idempotency_key.as_deref());
        let (Some(uid), Some(namespace)) = (&meta.uid, &meta.namespace) else { return false };
        !self.keys.is_empty() && self.keys.contains(&Key::of(uid, namespace, idempotency_key))
    }

    /// The answer where no object was found.
    pub fn unknown(&self, now: Timestamp) -> Answer {
        let young = self.created_at.is_some_and(|created| now.duration_since(created).abs() < YOUNG);
        if !self.keys.is_empty() && young { Answer::NotSeenYet } else { Answer::NotOurs }
    }
}

/// Whether the object belongs to this provider.
pub fn is_of_provider(verification: &IdentityVerification, namespace: &str, provider: &str) -> bool {
    let at = &verification.spec.provider_ref;
    let own = verification.metadata.namespace.as_deref();
    at.name == provider && at.namespace.as_deref().or(own) == Some(namespace)
}

/// Whether this very body is stored already: it waits for its answer, or was answered lately.
pub fn is_known(status: Option<&IdentityVerificationStatus>, digest: &str) -> bool {
    let Some(status) = status else { return false };
    status.notification.as_ref().is_some_and(|n| n.digest == digest) || status.answered_notifications.iter().any(|d| d == digest)
}

#[cfg(test)]
#[path = "route_tests.rs"]
mod tests;
