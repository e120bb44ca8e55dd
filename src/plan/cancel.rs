//! The rows of a verification that is given up: nothing more is started, handed out or believed. What was paid for is found out first,
//! and a verdict that is recorded stays; both are decided where they belong, in `recovery` and `settled`.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::{AttributeReason, ConditionStatus, ConditionType, IdentityVerificationStatus, Phase, Reason};

use super::{
    Effect, Fence, Notice, NoticeKind, Observed, VerificationPlan, conditions,
    turn::{answered, nothing, perform, refused, submission_noted},
};

/// No run exists, and none will: given up. `after` is the fence of what was found out before; where nothing was, the whole object must be
/// as observed, since a first intent that somebody else has just recorded could not be seen otherwise.
pub(super) fn without_a_run(o: &Observed, now: Timestamp, after: Option<Fence>) -> VerificationPlan {
    let mut plan = given_up(o, now, "cancelled before a run was started");
    plan.fence = after.unwrap_or(Fence::Version);
    plan
}

/// The run goes on at the vendor, and nobody here takes part: its token is taken out of the Secret, then it is given up.
pub(super) fn open(o: &Observed, now: Timestamp) -> VerificationPlan {
    match &o.facts.emptied {
        None => perform(o, Effect::EmptyCaptureSecret),
        Some(Err(failure)) => refused(o, now, failure),
        Some(Ok(())) => given_up(o, now, "cancelled; the vendor cannot cancel a run: the person may go on with it, and it may be billed"),
    }
}

fn given_up(o: &Observed, now: Timestamp, message: &str) -> VerificationPlan {
    let mut plan = nothing(o);
    if conditions::recorded(&o.status, ConditionType::Verified).is_some_and(|(status, _, _)| status == ConditionStatus::True) {
        // Of the attempt before: whoever gives up a further one relies on none.
        plan.notices.push(Notice { kind: NoticeKind::Revoked, message: message.into() });
    }
    plan.status.standing_verdict = None;
    plan.status.verified_until = None;
    plan.status.attributes.iter_mut().for_each(|result| result.no_more(AttributeReason::Cancelled));
    plan.status.phase = Phase::Cancelled;
    plan.status.operation = None;
    plan.status.next_check_at = None;
    plan.status.capture = None;
    plan.status.completed_at = Some(Time(now));
    submission_noted(o, now, &mut plan.status);
    answered(o, &mut plan.status);
    conditions::say(&mut plan.status, o.generation, now, None, Some((ConditionStatus::False, Reason::Cancelled, message.into())));
    plan
}

/// Whoever gives up a further attempt gives up the verdict that stands with it, and nobody judges it any more. Until both are on record, as
/// while a paid call is in doubt, nothing is acknowledged: nobody may take that verdict for an answer.
pub(super) fn unjudged(o: &Observed, status: &mut IdentityVerificationStatus) {
    if !o.spec.cancelled || status.standing_verdict.is_none() || status.phase.is_final() {
        return;
    }
    status.observed_generation = o.status.observed_generation;
    for condition in &mut status.conditions {
        let before = o.status.conditions.iter().find(|before| before.type_ == condition.type_);
        condition.observed_generation = before.and_then(|before| before.observed_generation);
    }
}
