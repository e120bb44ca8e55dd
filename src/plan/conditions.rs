//! Conditions as a function of what is recorded, so that no two of them can contradict each other.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::{
    CaptureKind, Condition, ConditionStatus as Status, ConditionType as Type, IdentityVerificationStatus, Phase, Reason, VendorRecord,
    find_condition,
};

use super::Failure;

/// What a condition says: status, reason, message.
pub(super) type Says = (Status, Reason, String);

/// The schema's bound: a longer message would have the whole status refused.
const MAX_MESSAGE: usize = 1024;

/// Sets one condition; its transition time moves only with its status.
pub(super) fn set(conditions: &mut Vec<Condition>, type_: Type, (status, reason, message): Says, generation: i64, now: Timestamp) {
    let unchanged = find_condition(conditions, type_).filter(|c| c.status == status);
    let last_transition_time = unchanged.map_or_else(|| Time(now), |c| c.last_transition_time.clone());
    let condition = Condition {
        type_: type_.as_str().to_owned(),
        status,
        reason: reason.as_str().to_owned(),
        message: message.chars().take(MAX_MESSAGE).collect(),
        observed_generation: Some(generation),
        last_transition_time,
    };
    match conditions.iter_mut().find(|c| c.type_ == condition.type_) {
        Some(old) => *old = condition,
        None => conditions.push(condition),
    }
}

/// Sets every condition of a verification from its recorded facts and what just went wrong, and acknowledges the generation.
///
/// `verified` is the verdict, where one was just reached; otherwise the recorded one stays.
pub(super) fn say(
    status: &mut IdentityVerificationStatus,
    generation: i64,
    now: Timestamp,
    trouble: Option<&Failure>,
    verified: Option<Says>,
) {
    let mut says = facts(status, now, verified);
    if let Some(failure) = trouble {
        blame(&mut says, status, failure);
    }
    record(status, generation, now, says);
}

/// Acknowledges the generation and says nothing new: what the last look met stays on record until the next one.
pub(super) fn acknowledge(status: &mut IdentityVerificationStatus, generation: i64, now: Timestamp) {
    if suspended(status) && status.workflow_run_id.is_none() || status.conditions.is_empty() {
        return say(status, generation, now, None, None);
    }
    if suspended(status) {
        let says = completed(status);
        set(&mut status.conditions, Type::Completed, says, generation, now);
    }
    status.conditions.iter_mut().for_each(|condition| condition.observed_generation = Some(generation));
    status.observed_generation = Some(generation);
}

/// Says that nothing goes on without a human.
pub(super) fn stall(status: &mut IdentityVerificationStatus, generation: i64, now: Timestamp, message: String) {
    let mut says = facts(status, now, None);
    stalled(&mut says, message);
    record(status, generation, now, says);
}

/// Says that `suspend` stops everything.
pub(super) fn suspend(status: &mut IdentityVerificationStatus, generation: i64, now: Timestamp, message: &str) {
    let says = (Status::False, Reason::Suspended, message.to_owned());
    if status.workflow_run_id.is_some() {
        acknowledge(status, generation, now);
        set(&mut status.conditions, Type::Completed, says, generation, now);
    } else {
        let mut all = facts(status, now, None);
        put(&mut all, Type::Ready, says);
        record(status, generation, now, all);
    }
}

/// Whether the conditions say that `suspend` stops everything.
pub(super) fn suspended(status: &IdentityVerificationStatus) -> bool {
    status.conditions.iter().any(|c| c.reason == Reason::Suspended.as_str())
}

/// Says what stands in the way of a deletion; everything else is as it was.
pub(super) fn deleting(status: &mut IdentityVerificationStatus, generation: i64, now: Timestamp, reason: Reason, message: String) {
    set(&mut status.conditions, Type::Ready, (Status::False, reason, message), generation, now);
}

/// Lets CaptureReady say what the facts do not; as ever its transition time moves only if what was recorded `before` had another status.
pub(super) fn say_of_capture(
    status: &mut IdentityVerificationStatus,
    before: &IdentityVerificationStatus,
    says: Says,
    generation: i64,
    now: Timestamp,
) {
    let planned = status.conditions.iter_mut().find(|condition| condition.type_ == Type::CaptureReady.as_str());
    if let (Some(planned), Some(old)) = (planned, find_condition(&before.conditions, Type::CaptureReady)) {
        planned.clone_from(old);
    }
    set(&mut status.conditions, Type::CaptureReady, says, generation, now);
}

type All = [(Type, Says); 7];

/// What the recorded facts say.
fn facts(status: &IdentityVerificationStatus, now: Timestamp, verified: Option<Says>) -> All {
    let verified = verified.unwrap_or_else(|| recorded(status, Type::Verified).unwrap_or_else(|| unknown("no outcome")));
    let mut says = [
        (Type::Accepted, accepted(status)),
        (Type::Submitted, submitted(status)),
        (Type::CaptureReady, capture_ready(status, now)),
        (Type::Completed, completed(status)),
        (Type::Verified, verified),
        (Type::Ready, ready(status)),
        (Type::Stalled, (Status::False, Reason::Progressing, String::new())),
    ];
    // A stall ends with the operation it speaks of, not with a look that fails.
    if let (Some(_), Some((Status::True, _, message))) = (&status.operation, recorded(status, Type::Stalled)) {
        stalled(&mut says, message);
    }
    says
}

fn stalled(says: &mut All, message: String) {
    for (type_, value) in [(Type::Submitted, Status::False), (Type::Ready, Status::False), (Type::Stalled, Status::True)] {
        put(says, type_, (value, Reason::VendorAmbiguous, message.clone()));
    }
}

fn put(says: &mut All, type_: Type, new: Says) {
    says.iter_mut().filter(|(of, _)| *of == type_).for_each(|(_, old)| *old = new.clone());
}

/// All at once, so that a transition time moves only if the status differs from the recorded one.
fn record(status: &mut IdentityVerificationStatus, generation: i64, now: Timestamp, says: All) {
    for (type_, says) in says {
        set(&mut status.conditions, type_, says, generation, now);
    }
    if let Some(says) = recorded(status, Type::Redacted) {
        set(&mut status.conditions, Type::Redacted, says, generation, now); // no edit changes it
    }
    status.observed_generation = Some(generation);
}

/// Lets a failure speak in its own condition, and in Ready where no run exists. Once a run exists, trouble in reaching it delays the
/// outcome and takes nothing back.
fn blame(all: &mut All, status: &IdentityVerificationStatus, failure: &Failure) {
    let rule = failure.rule();
    let started = status.workflow_run_id.is_some();
    let says = (Status::False, rule.reason, failure.message());
    let condition = match rule.condition {
        Type::Submitted | Type::Accepted | Type::Ready if started => Type::Completed,
        other => other,
    };
    if condition == Type::Completed && status.phase.is_final() {
        return; // the outcome stands; a look that confirms it was delayed
    }
    put(all, condition, says.clone());
    if !started {
        if rule.stalls {
            put(all, Type::Stalled, (Status::True, rule.reason, failure.message()));
        }
        put(all, Type::Ready, says);
    }
}

/// Puts a condition back as it was recorded: what is then said of it is compared with that.
pub(super) fn put_back(status: &mut IdentityVerificationStatus, recorded: &IdentityVerificationStatus, type_: Type) {
    let now = status.conditions.iter_mut().find(|condition| condition.type_ == type_.as_str());
    match (now, find_condition(&recorded.conditions, type_)) {
        (Some(now), Some(before)) => now.clone_from(before),
        (None, Some(before)) => status.conditions.push(before.clone()),
        (_, None) => status.conditions.retain(|condition| condition.type_ != type_.as_str()),
    }
}

/// What a recorded condition says.
pub(super) fn recorded(status: &IdentityVerificationStatus, type_: Type) -> Option<Says> {
    let condition = find_condition(&status.conditions, type_)?;
    let reason = Reason::ALL.iter().copied().find(|reason| reason.as_str() == condition.reason)?;
    Some((condition.status, reason, condition.message.clone()))
}

/// Since when a recorded condition has had its status.
pub(super) fn since(status: &IdentityVerificationStatus, type_: Type) -> Option<Timestamp> {
    find_condition(&status.conditions, type_).map(|condition| condition.last_transition_time.0)
}

fn unknown(message: &str) -> Says {
    (Status::Unknown, Reason::Pending, message.into())
}

/// Whether it was cancelled and no run was ever started.
fn given_up(status: &IdentityVerificationStatus) -> bool {
    status.phase == Phase::Cancelled && status.workflow_run_id.is_none()
}

fn accepted(status: &IdentityVerificationStatus) -> Says {
    match status.basis {
        _ if given_up(status) => (Status::False, Reason::Cancelled, "cancelled before a run was started".into()),
        Some(_) => (Status::True, Reason::Resolved, "provider and attributes resolved".into()),
        None => unknown("not looked at"),
    }
}

fn submitted(status: &IdentityVerificationStatus) -> Says {
    match (&status.workflow_run_id, &status.operation) {
        (Some(_), _) => (Status::True, Reason::Started, "the run exists at the vendor".into()),
        (None, Some(operation)) if operation.looks > 0 || operation.tries > 0 => {
            (Status::False, Reason::Recovering, "a request's fate is not known; the operator is finding out".into())
        }
        (None, _) if given_up(status) => (Status::False, Reason::Cancelled, "no run was started, and none will be".into()),
        (None, _) => unknown("the run does not exist"),
    }
}

pub(super) fn capture_ready(status: &IdentityVerificationStatus, now: Timestamp) -> Says {
    match (status.phase, &status.capture) {
        (Phase::AwaitingInput, _) if purged(status) => (Status::False, Reason::Purged, "the vendor does not have the run any more".into()),
        (Phase::AwaitingInput, Some(capture)) => {
            let expired = capture.expires_at.as_ref().is_some_and(|end| end.0 <= now);
            let token = matches!(capture.kind, CaptureKind::RunToken | CaptureKind::FreshToken);
            match (expired, token) {
                (true, true) => {
                    let heals = "raise spec.capture.tokenGeneration to have a fresh one put into its Secret";
                    (Status::False, Reason::TokenExpired, format!("the SDK token has expired: {heals}"))
                }
                (true, false) => (
                    Status::False,
                    Reason::LinkExpired,
                    "the link has expired and cannot be renewed; the vendor gives the run up some day".into(),
                ),
                (false, true) => (Status::True, Reason::AwaitingInput, format!("the SDK token is in Secret {}", capture.secret_ref.name)),
                (false, false) => (Status::True, Reason::AwaitingInput, format!("the link is in Secret {}", capture.secret_ref.name)),
            }
        }
        (Phase::AwaitingInput, None) => (Status::False, Reason::UnexpectedAnswer, "no SDK token or link of this run is in a Secret".into()),
        (Phase::Pending, _) => (Status::False, Reason::Pending, "the run does not exist".into()),
        (Phase::Cancelled, _) => (Status::False, Reason::Cancelled, "cancelled; the SDK token is handed out no more".into()),
        _ => (Status::False, Reason::CaptureFinished, "the vendor does not wait for the person any more".into()),
    }
}

fn purged(status: &IdentityVerificationStatus) -> bool {
    status.vendor_record == Some(VendorRecord::Purged)
}

fn completed(status: &IdentityVerificationStatus) -> Says {
    let open = |reason, message: &str| (Status::False, reason, message.to_owned());
    match status.phase {
        Phase::Pending => open(Reason::Pending, "the run does not exist"),
        _ if purged(status) && !status.phase.is_final() => open(Reason::Purged, "the vendor does not have the run any more"),
        Phase::AwaitingInput => open(Reason::AwaitingInput, "the vendor waits for the person"),
        Phase::Processing => open(Reason::Processing, "the vendor works on it"),
        Phase::InReview => open(Reason::InReview, "a person reviews it"),
        Phase::Cancelled => (Status::True, Reason::Cancelled, "cancelled; nothing more is waited for".into()),
        _ if purged(status) => {
            (Status::True, Reason::OutcomeReported, "the vendor reported a final outcome, and does not have the run any more".into())
        }
        Phase::Approved | Phase::Declined | Phase::Abandoned | Phase::Failed => {
            (Status::True, Reason::OutcomeReported, "the vendor reported a final outcome".into())
        }
    }
}

fn ready(status: &IdentityVerificationStatus) -> Says {
    match status.workflow_run_id {
        Some(_) => (Status::True, Reason::Started, "the run exists at the vendor; read Verified for the verdict".into()),
        // What is asked for is that nothing more happens: so it is, and nobody who deploys it waits in vain.
        None if given_up(status) => (Status::True, Reason::Cancelled, "given up, as asked for".into()),
        None => (Status::False, Reason::Pending, "the run does not exist".into()),
    }
}
