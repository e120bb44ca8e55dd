//! Conditions as a function of what is recorded, so that no two of them can contradict each other.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::{Condition, ConditionStatus as Status, ConditionType as Type, IdentityVerificationStatus, Phase, Reason, find_condition};

use super::Failure;

/// What a condition says: status, reason, message.
pub(super) type Says = (Status, Reason, String);

/// Sets one condition; its transition time moves only with its status.
pub(super) fn set(conditions: &mut Vec<Condition>, type_: Type, (status, reason, message): Says, generation: i64, now: Timestamp) {
    let unchanged = find_condition(conditions, type_).filter(|c| c.status == status);
    let last_transition_time = unchanged.map_or_else(|| Time(now), |c| c.last_transition_time.clone());
    let condition = Condition {
        type_: type_.as_str().to_owned(),
        status,
        reason: reason.as_str().to_owned(),
        message,
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
    let verified = verified.unwrap_or_else(|| recorded(status, Type::Verified).unwrap_or_else(|| unknown("no outcome")));
    let says = [
        (Type::Accepted, accepted(status)),
        (Type::Submitted, submitted(status)),
        (Type::CaptureReady, capture_ready(status, now)),
        (Type::Completed, completed(status)),
        (Type::Verified, verified),
        (Type::Ready, ready(status)),
        (Type::Stalled, (Status::False, Reason::Progressing, String::new())),
    ];
    for (type_, says) in says {
        set(&mut status.conditions, type_, says, generation, now);
    }
    if let Some(failure) = trouble {
        blame(status, generation, now, failure);
    }
    status.observed_generation = Some(generation);
}

/// Lets a failure speak in its own condition, and in Ready where no run exists. Once a run exists, trouble in reaching it delays the
/// outcome and takes nothing back.
fn blame(status: &mut IdentityVerificationStatus, generation: i64, now: Timestamp, failure: &Failure) {
    let rule = failure.rule();
    let started = status.workflow_run_id.is_some();
    let says = (Status::False, rule.reason, failure.message());
    let condition = match rule.condition {
        Type::Submitted if started => Type::Completed,
        other => other,
    };
    if condition == Type::Completed && status.phase.is_final() {
        return; // the outcome stands; a look that confirms it was delayed
    }
    set(&mut status.conditions, condition, says.clone(), generation, now);
    if !started {
        set(&mut status.conditions, Type::Ready, says, generation, now);
    }
}

/// Says that nothing goes on without a human.
pub(super) fn stall(status: &mut IdentityVerificationStatus, generation: i64, now: Timestamp, message: String) {
    for (type_, value) in [(Type::Submitted, Status::False), (Type::Ready, Status::False), (Type::Stalled, Status::True)] {
        set(&mut status.conditions, type_, (value, Reason::VendorAmbiguous, message.clone()), generation, now);
    }
}

/// Says that `suspend` stops everything.
pub(super) fn suspend(status: &mut IdentityVerificationStatus, generation: i64, now: Timestamp, message: &str) {
    if status.workflow_run_id.is_none() {
        set(&mut status.conditions, Type::Ready, (Status::False, Reason::Suspended, message.into()), generation, now);
    } else if !status.phase.is_final() {
        set(&mut status.conditions, Type::Completed, (Status::False, Reason::Suspended, message.into()), generation, now);
    }
}

/// What a recorded condition says.
pub(super) fn recorded(status: &IdentityVerificationStatus, type_: Type) -> Option<Says> {
    let condition = find_condition(&status.conditions, type_)?;
    let reason = Reason::ALL.iter().copied().find(|reason| reason.as_str() == condition.reason)?;
    Some((condition.status, reason, condition.message.clone()))
}

fn unknown(message: &str) -> Says {
    (Status::Unknown, Reason::Pending, message.into())
}

fn accepted(status: &IdentityVerificationStatus) -> Says {
    match status.basis {
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
        (None, _) => unknown("the run does not exist"),
    }
}

fn capture_ready(status: &IdentityVerificationStatus, now: Timestamp) -> Says {
    match (status.phase, &status.capture) {
        (Phase::AwaitingInput, Some(capture)) if capture.expires_at.as_ref().is_some_and(|t| t.0 <= now) => {
            (Status::False, Reason::Expired, "the SDK token has expired; the person cannot capture any more".into())
        }
        (Phase::AwaitingInput, Some(capture)) => {
            (Status::True, Reason::AwaitingInput, format!("the SDK token is in Secret {}", capture.secret_ref.name))
        }
        (Phase::AwaitingInput, None) => (Status::False, Reason::UnexpectedAnswer, "the vendor gave no SDK token for this run".into()),
        (Phase::Pending, _) => (Status::False, Reason::Pending, "the run does not exist".into()),
        _ => (Status::False, Reason::CaptureFinished, "the vendor does not wait for the person any more".into()),
    }
}

fn completed(status: &IdentityVerificationStatus) -> Says {
    let open = |reason, message: &str| (Status::False, reason, message.to_owned());
    match status.phase {
        Phase::Pending => open(Reason::Pending, "the run does not exist"),
        Phase::AwaitingInput => open(Reason::AwaitingInput, "the vendor waits for the person"),
        Phase::Processing => open(Reason::Processing, "the vendor works on it"),
        Phase::InReview => open(Reason::InReview, "a person reviews it"),
        Phase::Approved | Phase::Declined | Phase::Abandoned | Phase::Failed => {
            (Status::True, Reason::OutcomeReported, "the vendor reported a final outcome".into())
        }
    }
}

fn ready(status: &IdentityVerificationStatus) -> Says {
    match status.workflow_run_id {
        Some(_) => (Status::True, Reason::Started, "the run exists at the vendor; read Verified for the verdict".into()),
        None => (Status::False, Reason::Pending, "the run does not exist".into()),
    }
}
