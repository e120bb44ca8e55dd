//! The core: what to do next, decided from recorded facts. Pure: no async, no IO, no clock, no randomness, no logging.
//!
//! One pass is `plan(&Observed, now)`: the status to record, then at most one [`Effect`] to perform, and when to look again. Its
//! receipt or failure becomes part of `Observed`, and `plan` is asked again. Time, chance and nonces are arguments.

mod answer;
mod applicant;
mod attempt;
mod cancel;
mod capture;
mod conditions;
pub mod debts;
mod deletion;
mod effect;
mod erasure;
mod expiry;
mod failure;
pub mod feed;
mod inputs;
mod observed;
mod open;
pub mod provider;
mod recovery;
pub mod redaction;
mod request;
mod schedule;
pub mod secrets;
mod settled;
mod standing;
mod start;
pub mod sweep;
mod timing;
mod transition;
mod turn;
mod verdict;
pub mod verification;

#[cfg(test)]
mod tests;

pub use effect::{Effect, FreshToken, Holds, Looked, Orphan, Receipt};
pub use failure::{Failure, Retry, Rule, troubleshooting};
pub use feed::{Feed, Following};
pub use observed::{Attributes, Facts, Given, Memory, Observed, Provider, Wanted};
pub use timing::Timing;
pub use transition::{TRANSITIONS, Transition, diagram};

use jiff::Timestamp;

use crate::api::IdentityVerificationStatus;

/// A plan for a verification.
pub type VerificationPlan = Plan<IdentityVerificationStatus, Effect>;

/// What one turn decides: record, then act, then wait.
#[derive(Clone, Debug)]
pub struct Plan<Status, Effect> {
    /// The whole status as it shall stand. Recorded before the effect is performed.
    pub status: Status,
    /// What must still be true for it to be recorded.
    pub fence: Fence,
    /// The one thing to do next.
    pub effect: Option<Effect>,
    /// What a person must see.
    pub notices: Vec<Notice>,
    /// When to look again, once nothing is left to do.
    pub wake: Wake,
}

/// What a status write rests on. All fences hold the object's uid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fence {
    /// Nobody wrote the object since it was observed: absence cannot be tested, so a first intent needs all of it.
    Version,
    /// The recorded operation is still this one. Other people's writes cannot starve it, another holder's operation stops it.
    Operation(String),
    /// The spec, and every field of the status that is replaced, are as observed.
    Fields,
}

/// When to look again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// When something changes.
    OnChange,
    /// At this time, or when something changes.
    At(Timestamp),
    /// After the object's own backoff, which grows with each turn that ends so.
    Backoff,
}

impl Wake {
    /// The earlier of two. A backoff comes within minutes, and plans again.
    fn earliest(self, other: Self) -> Self {
        match (self, other) {
            (Self::OnChange, wake) | (wake, Self::OnChange) => wake,
            (Self::Backoff, _) | (_, Self::Backoff) => Self::Backoff,
            (Self::At(a), Self::At(b)) => Self::At(a.min(b)),
        }
    }
}

/// A Kubernetes Event we intend to publish: what a person must see or do, never the normal course.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Whether something is wrong, or only worth knowing.
    pub kind: NoticeKind,
    /// For a person. No personal data.
    pub message: String,
}

/// The closed list of notices; also the reason of the Event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NoticeKind {
    /// The verification was refused; its Accepted or Submitted condition says why.
    Refused,
    /// A human must act.
    Stalled,
    /// A verdict was taken back.
    Revoked,
    /// An applicant may exist at the vendor that nobody refers to.
    PossibleOrphanApplicant,
    /// More than one run exists for one attempt.
    ExtraRun,
    /// What could not be erased at the vendor is in the ledger.
    ErasureOwed,
    /// What could not be erased at the vendor is not in the ledger either.
    ErasureLost,
}

impl NoticeKind {
    /// The Event's reason.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "Refused",
            Self::Stalled => "Stalled",
            Self::Revoked => "Revoked",
            Self::PossibleOrphanApplicant => "PossibleOrphanApplicant",
            Self::ExtraRun => "ExtraRun",
            Self::ErasureOwed => "ErasureOwed",
            Self::ErasureLost => "ErasureLost",
        }
    }
}
