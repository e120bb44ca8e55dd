//! Everything one pass may know: what is recorded, what was learned in this pass, and what this process remembers.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

use crate::{
    api::{Environment, IdentityVerificationSpec, IdentityVerificationStatus, OnfidoProviderSpec},
    key::Key,
    onfido::{
        model::{Applicant, ApplicantId, CustomData, WorkflowRun},
        secret::Personal,
    },
};

use super::{Effect, Failure, Following, FreshToken, Looked, Receipt, Timing};

/// Everything one pass over a verification may know.
#[derive(Clone, Debug)]
pub struct Observed {
    /// Of the object.
    pub namespace: String,
    /// Of the spec.
    pub generation: i64,
    /// When the object was created.
    pub created_at: Timestamp,
    /// Since when the object is being deleted.
    pub deleting: Option<Timestamp>,
    /// Whether our finalizer holds its deletion up.
    pub finalizer: bool,
    /// The token by which a person asks for a look now.
    pub asked: Option<String>,
    /// What is asked for.
    pub spec: IdentityVerificationSpec,
    /// What is recorded.
    pub status: IdentityVerificationStatus,
    /// The provider it refers to.
    pub provider: Provider,
    /// Names the object at the vendor.
    pub key: Key,
    /// Another object of this namespace that had the same idempotency key first.
    pub key_held_by: Option<String>,
    /// Whether nobody else can turn up any more who had it first: everything is known that exists, and the object is some seconds old.
    pub key_settled: bool,
    /// Never used before; names the next intent.
    pub nonce: String,
    /// From 0 to 1, the same for this object every time: spreads what many objects do by the clock.
    pub jitter: f64,
    /// How far the feed of its provider tells what becomes of its run.
    pub following: Following,
    /// What this process remembers.
    pub memory: Memory,
    /// What was learned in this pass.
    pub facts: Facts,
    /// How long to wait for what.
    pub timing: Timing,
}

/// The provider a verification refers to, as it concerns the verification.
#[derive(Clone, Debug)]
pub enum Provider {
    /// It does not exist.
    Missing,
    /// It exists.
    Found {
        /// Its spec.
        spec: Box<OnfidoProviderSpec>,
        /// Whether it allows the verification's namespace.
        allowed: bool,
        /// Whether new verifications can start; otherwise the reason, as its Ready condition has it.
        ready: Result<(), String>,
        /// The environment of its credentials.
        environment: Environment,
    },
}

/// What this process remembers of an object. Losing it costs a wait or a look, never safety.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// For how long, by a monotonic clock, this process has known the recorded operation.
    pub operation_known_for: Duration,
    /// When it last read the run.
    pub last_look: Option<Timestamp>,
    /// When it first saw that the attempt on record is submitted, which no status acknowledges yet.
    pub submission_seen: Option<Timestamp>,
    /// Who has asked for a look that has not come yet, without leaving a trace in the status.
    pub look_wanted: Option<Wanted>,
    /// Whether a Secret that its values come from changed, and they were not judged since.
    pub values_changed: bool,
}

/// Who asks for a look, beside deliveries and people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The daily audit.
    Audit,
    /// The watch of Secrets: somebody else changed the one that the token or the link is in.
    Capture,
    /// The provider's feed, which has another word for the run than is on record.
    Feed,
}

/// What was learned in this pass: the receipt or the failure of each effect.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The attributes as they are now.
    pub attributes: Option<Result<Attributes, Failure>>,
    /// The custom data of the Secrets.
    pub custom_data: Option<Result<CustomData, Failure>>,
    /// What a search for our run found, by the tag that was looked for: a look for one attempt says nothing of another.
    pub looked: BTreeMap<String, Result<Looked, Failure>>,
    /// The applicant created, or why not.
    pub applicant: Option<Result<Applicant, Failure>>,
    /// Whether the vendor took the applicant's new data, or why nobody can say.
    pub updated: Option<Result<bool, Failure>>,
    /// The run started, or why not.
    pub started: Option<Result<Box<WorkflowRun>, Failure>>,
    /// The Secret's name, or why there is none.
    pub capture: Option<Result<String, Failure>>,
    /// Whether the token was taken out of the Secret, or why not.
    pub emptied: Option<Result<(), Failure>>,
    /// Whether the Secret was deleted, or why not.
    pub removed: Option<Result<(), Failure>>,
    /// Whether the object was deleted.
    pub deleted: bool,
    /// Whether the token that was in the Secret stays there.
    pub capture_kept: bool,
    /// The SDK token that was asked for, or why there is none.
    pub fresh_token: Option<Result<FreshToken, Failure>>,
    /// The run as it is now.
    pub run: Option<Result<Box<WorkflowRun>, Failure>>,
    /// The run of the verdict that stands while a newer attempt is under way, as it is now.
    pub older_run: Option<Result<Box<WorkflowRun>, Failure>>,
    /// The applicant whose erasure was asked for last, and whether the vendor will do it.
    pub erased: Option<(ApplicantId, Result<(), Failure>)>,
    /// The applicants whose erasure is in the ledger.
    pub owed: Vec<ApplicantId>,
    /// Whether the ledger tells of an applicant of whom nobody knows whether it exists.
    pub orphan_owed: bool,
    /// Why the ledger could not be written.
    pub ledger: Option<Failure>,
}

impl Facts {
    /// Whether an unrepeatable call was made in this pass.
    pub fn has_called(&self) -> bool {
        self.applicant.is_some() || self.updated.is_some() || self.started.is_some()
    }
}

/// The attributes of one person, as they are now.
#[derive(Clone, Debug)]
pub struct Attributes {
    /// Which key the digests were made with.
    pub key_id: String,
    /// Those that are given.
    pub given: Vec<Given>,
    /// Why others could not be read.
    pub unreadable: Vec<Failure>,
}

/// One attribute that is given.
#[derive(Clone, Debug)]
pub struct Given {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Personal,
    /// Keyed digest of its value.
    pub digest: String,
}

impl Observed {
    /// The attempt that the status speaks of; before there is one, the one asked for.
    pub fn attempt(&self) -> i32 {
        self.status.attempt.unwrap_or(self.spec.attempt)
    }

    /// The single tag of ours that a run of this attempt carries.
    pub fn tag(&self) -> String {
        self.key.tag(self.attempt())
    }

    /// What a search for a run of this attempt found in this pass.
    pub fn looked(&self) -> Option<&Result<Looked, Failure>> {
        self.facts.looked.get(&self.tag())
    }

    /// Whether a person has asked for a look that has not come yet.
    pub fn is_asked(&self) -> bool {
        self.asked.is_some() && self.asked != self.status.reconciled
    }

    /// Adds that an effect cannot be performed. What must be intended before is not intended: as if the look before it had failed.
    pub fn forgo(&mut self, effect: &Effect, failure: Failure) {
        if effect.is_unrepeatable() {
            for tag in [self.tag(), self.key.tag(self.spec.attempt)] {
                self.facts.looked.insert(tag, Err(failure.clone()));
            }
        } else {
            self.absorb(effect, Err(failure));
        }
    }

    /// Whether only the daily audit asks for a look: nobody waits for it.
    pub fn is_audit(&self) -> bool {
        self.memory.look_wanted == Some(Wanted::Audit) && self.status.unanswered().is_none() && !self.is_asked()
    }

    /// The look that is still wanted after this pass. An audit that came to nothing is made again the next day, and where nobody is waited for
    /// any more nothing is handed over.
    pub fn still_wanted(&self) -> Option<Wanted> {
        let told = |run: &Option<Result<_, Failure>>| matches!(run, Some(Ok(_) | Err(Failure::RunPurged | Failure::AccountChanged)));
        let looked = told(&self.facts.run) || told(&self.facts.older_run);
        self.memory.look_wanted.filter(|wanted| match wanted {
            Wanted::Audit => false,
            Wanted::Capture => !looked && !self.status.phase.is_final(),
            Wanted::Feed => !looked,
        })
    }

    /// Whether changed values are still to be judged after this pass: they could not be read.
    pub fn still_changed(&self) -> bool {
        self.memory.values_changed && matches!(self.facts.attributes, Some(Err(_)))
    }

    /// Adds what came of an effect.
    pub fn absorb(&mut self, effect: &Effect, outcome: Result<Receipt, Failure>) {
        let standing = self.status.standing_verdict.as_ref().map(|standing| standing.workflow_run_id.as_str());
        let facts = &mut self.facts;
        if matches!(effect, Effect::StartRun { .. }) {
            facts.looked.clear(); // what was seen before the call says nothing of what is there after it
        }
        let of_standing = matches!(effect, Effect::ReadRun { run, .. } if standing == Some(run.as_str()));
        let run_read = if of_standing { &mut facts.older_run } else { &mut facts.run };
        match (effect, outcome) {
            (Effect::LookForRun { tag, .. }, Ok(Receipt::Looked(looked))) => drop(facts.looked.insert(tag.clone(), Ok(looked))),
            (_, Ok(Receipt::Looked(_))) => {} // nothing else looks
            (_, Ok(Receipt::Attributes(attributes))) => facts.attributes = Some(Ok(attributes)),
            (_, Ok(Receipt::CustomData(data))) => facts.custom_data = Some(Ok(data)),
            (_, Ok(Receipt::ApplicantCreated(applicant))) => facts.applicant = Some(Ok(applicant)),
            (_, Ok(Receipt::ApplicantUpdated(taken))) => facts.updated = Some(Ok(taken)),
            (_, Ok(Receipt::RunStarted(run))) => facts.started = Some(Ok(run)),
            (_, Ok(Receipt::CaptureSecretWritten(name))) => facts.capture = Some(Ok(name)),
            (_, Ok(Receipt::CaptureSecretKept(name))) => (facts.capture, facts.capture_kept) = (Some(Ok(name)), true),
            (_, Ok(Receipt::CaptureSecretEmptied)) => facts.emptied = Some(Ok(())),
            (_, Ok(Receipt::CaptureSecretRemoved)) => facts.removed = Some(Ok(())),
            (_, Ok(Receipt::ObjectDeleted)) => facts.deleted = true,
            (_, Ok(Receipt::SdkTokenCreated(token))) => facts.fresh_token = Some(Ok(token)),
            (_, Ok(Receipt::RunRead(run))) => *run_read = Some(Ok(run)),
            (_, Ok(Receipt::DeletionHeld(_))) => self.finalizer = true,
            (_, Ok(Receipt::DeletionReleased)) => self.finalizer = false,
            (_, Ok(Receipt::ApplicantErased(id))) => facts.erased = Some((id, Ok(()))),
            (Effect::OweErasure { applicants, orphan, .. }, Ok(Receipt::ErasureOwed)) => {
                facts.owed.extend(applicants.iter().cloned());
                facts.orphan_owed |= orphan.is_some();
            }
            (_, Ok(Receipt::ErasureOwed)) => {}
            (Effect::ReadAttributes { .. }, Err(failure)) => facts.attributes = Some(Err(failure)),
            (Effect::ReadCustomData, Err(failure)) => facts.custom_data = Some(Err(failure)),
            (Effect::LookForRun { tag, .. }, Err(failure)) => drop(facts.looked.insert(tag.clone(), Err(failure))),
            (Effect::CreateApplicant { .. }, Err(failure)) => facts.applicant = Some(Err(failure)),
            (Effect::UpdateApplicant { .. }, Err(failure)) => facts.updated = Some(Err(failure)),
            (Effect::StartRun { .. }, Err(failure)) => facts.started = Some(Err(failure)),
            (Effect::WriteCaptureSecret { .. }, Err(failure)) => facts.capture = Some(Err(failure)),
            (Effect::EmptyCaptureSecret, Err(failure)) => facts.emptied = Some(Err(failure)),
            (Effect::RemoveCaptureSecret, Err(failure)) => facts.removed = Some(Err(failure)),
            (Effect::DeleteObject, Err(_)) => {} // what the API server refuses of it is trouble, and the pass is made again
            (Effect::CreateSdkToken { .. }, Err(failure)) => facts.fresh_token = Some(Err(failure)),
            (Effect::ReadRun { .. }, Err(failure)) => *run_read = Some(Err(failure)),
            (Effect::EraseApplicant { id, .. }, Err(failure)) => facts.erased = Some((id.clone(), Err(failure))),
            (Effect::OweErasure { .. }, Err(failure)) => facts.ledger = Some(failure),
            // What the API server refuses of these is trouble, and the pass is made again.
            (Effect::HoldDeletion | Effect::ReleaseDeletion { .. }, Err(_)) => {}
        }
    }
}
