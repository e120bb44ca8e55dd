//! The rows of retention: some time after the final outcome the person is erased and the decision kept; some time later the object is deleted.
//! Whatever else is to be done or recorded goes first. How applicants are erased is `erasure`'s.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::{
    api::{
        Basis, BasisAttribute, Condition, ConditionStatus, ConditionType, IdentityVerificationSpec, IdentityVerificationStatus, Phase,
        Reason,
    },
    onfido::model::WorkflowRun,
};

use super::{
    Effect, Failure, Observed, Plan, VerificationPlan, Wake, conditions, deletion,
    erasure::{self, Erasing, Wait},
    schedule::{after, is_left},
    turn::{halted, nothing, perform, same_environment, wake_after},
    verdict,
};

/// The key of digests that were removed: there is nothing to compare with.
const REDACTED: &str = "redacted";

/// What retention does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Redact,
    Delete,
}

/// When retention has something to do for an object: once it is over, at once. Reads nothing that is not kept of a settled object.
pub fn due(spec: &IdentityVerificationSpec, status: &IdentityVerificationStatus) -> Option<Timestamp> {
    next(spec, status).map(|(_, moment)| moment)
}

/// Counted from the final outcome, whatever was set when.
fn next(spec: &IdentityVerificationSpec, status: &IdentityVerificationStatus) -> Option<(Step, Timestamp)> {
    let retention = spec.retention.as_ref()?;
    let over = status.completed_at.as_ref().filter(|_| status.phase.is_final())?.0;
    let redact = retention.redact_after.as_ref().filter(|_| status.redacted_at.is_none()).map(|wait| (Step::Redact, wait));
    let delete = retention.delete_after.as_ref().map(|wait| (Step::Delete, wait));
    let steps = redact.into_iter().chain(delete).map(|(step, wait)| (step, after(over, wait.as_std())));
    steps.min_by_key(|(_, moment)| *moment)
}

/// The last word of a plan: what retention asks for is done once nothing else is, and waited for until it is due.
pub(super) fn at_last(o: &Observed, now: Timestamp, plan: VerificationPlan) -> VerificationPlan {
    if plan.effect.is_some() || o.deleting.is_some() {
        return plan;
    }
    let (step, moment) = match next(&o.spec, &plan.status) {
        Some((step, moment)) if moment <= now => (step, moment),
        not_due => {
            let mut plan = plan;
            let stays =
                |condition: &Condition| condition.type_ != ConditionType::Redacted.as_str() || condition.is_true(ConditionType::Redacted);
            plan.status.conditions.retain(stays);
            let near = not_due.map(|(_, moment)| moment).filter(|moment| !is_left(*moment, plan.wake, now, &o.timing));
            return Plan { wake: near.map_or(plan.wake, |moment| plan.wake.earliest(Wake::At(moment))), ..plan };
        }
    };
    if plan.status != o.status || !plan.notices.is_empty() {
        return Plan { wake: Wake::At(now), ..plan };
    }
    match step {
        Step::Redact => redact(o, now, moment),
        Step::Delete if o.facts.deleted || deletion::is_unprepared(o) => nothing(o),
        Step::Delete => perform(o, Effect::DeleteObject),
    }
}

/// Redaction is due since then: erases every applicant, removes the Secret, and only then forgets.
fn redact(o: &Observed, now: Timestamp, since: Timestamp) -> VerificationPlan {
    if let Some(first) = past_runs(o, now) {
        return first;
    }
    // The vendor knows best. Not owed either: the decision may still be looked into as long as a run goes on.
    if let Some((_, Err(Failure::RunInProgress))) = &o.facts.erased {
        return in_progress(o, now);
    }
    match erasure::erase(o, now, since) {
        Erasing::Does(plan) => return *plan,
        Erasing::Waits(Wait { says: Some((reason, message)), until }) => return waiting(o, now, reason, message, Wake::At(until)),
        Erasing::Waits(Wait { says: None, until }) => return Plan { wake: Wake::At(until), ..nothing(o) },
        Erasing::Done(lost) if !lost.is_empty() => return refused(o, now, &Failure::LedgerRefused),
        Erasing::Done(_) => {}
    }
    match &o.facts.removed {
        None => perform(o, Effect::RemoveCaptureSecret),
        Some(Err(failure)) => refused(o, now, failure),
        Some(Ok(())) => done(o, now, erasure::noted(o, now)),
    }
}

/// Of an attempt that was followed before it had an outcome nobody has looked since: whether its run goes on is found out first.
fn past_runs(o: &Observed, now: Timestamp) -> Option<VerificationPlan> {
    let ended = |run: &WorkflowRun| verdict::phase_of(&run.status).is_some_and(Phase::is_final);
    let past = o.status.attempts.iter().filter(|attempt| !attempt.phase.is_final()).map(|attempt| o.key.tag(attempt.number));
    for tag in past {
        let failure = match (o.facts.looked.get(&tag), same_environment(o)) {
            (Some(Ok(looked)), _) if looked.runs.iter().all(ended) => continue,
            (Some(Ok(_)), _) => return Some(in_progress(o, now)),
            (Some(Err(failure)), _) => failure.clone(),
            (None, _) if halted(o) => {
                let message = "suspended, and the vendor is not asked whether a run is in progress".to_owned();
                return Some(waiting(o, now, Reason::Suspended, message, Wake::OnChange));
            }
            (None, Err(failure)) => failure,
            (None, Ok(())) => return Some(perform(o, Effect::LookForRun { applicant: None, tag, of_any: true })),
        };
        return Some(refused(o, now, &failure));
    }
    None
}

/// Looked for again after a while: nothing tells when it ends.
fn in_progress(o: &Observed, now: Timestamp) -> VerificationPlan {
    let (reason, message) = (Reason::RunInProgress, "a run of this object is in progress at the vendor".to_owned());
    waiting(o, now, reason, message, wake_after(o, now, &Failure::RunInProgress))
}

fn refused(o: &Observed, now: Timestamp, failure: &Failure) -> VerificationPlan {
    waiting(o, now, failure.rule().reason, failure.message(), wake_after(o, now, failure))
}

/// Something stands in the way: the object says what, and nothing is removed from it.
fn waiting(o: &Observed, now: Timestamp, reason: Reason, message: String, wake: Wake) -> VerificationPlan {
    let mut plan = nothing(o);
    let says = (ConditionStatus::False, reason, format!("due, and waits: {message}"));
    conditions::set(&mut plan.status.conditions, ConditionType::Redacted, says, o.generation, now);
    Plan { wake, ..plan }
}

/// Everything is erased or owed. Every field of the status is the decision's, and stays, or is of the person, and goes.
fn done(o: &Observed, now: Timestamp, erased: IdentityVerificationStatus) -> VerificationPlan {
    let IdentityVerificationStatus {
        observed_generation,
        phase,
        attempt,
        mut conditions,
        applicant_id,
        former_applicant_ids,
        workflow_run_id,
        workflow_version_id,
        vendor_status: _,
        reasons: _,
        vendor_record,
        environment,
        dashboard_url: _,
        capture: _,
        attributes,
        started_at,
        submitted_at,
        completed_at,
        redacted_at: _,
        verified_until,
        next_check_at,
        operation,
        basis,
        standing_verdict: _,
        last_verified_attempt,
        attempts,
        erasure,
        reconciled,
        notification,
        answered_notifications,
    } = erased;
    let asked = match &erasure {
        Some(erasure) => {
            let at = erasure.requested_at.0.strftime("%Y-%m-%dT%H:%M:%SZ");
            format!("at {at} the vendor was asked to erase it there, or the erasure ledger to see to that; the vendor schedules it")
        }
        None => "there was nothing to erase at the vendor".to_owned(),
    };
    let message = format!("what was known of the person was removed; {asked}; edits are not compared any more with what was sent");
    conditions::set(&mut conditions, ConditionType::Redacted, (ConditionStatus::True, Reason::Redacted, message), o.generation, now);
    let status = IdentityVerificationStatus {
        observed_generation,
        phase,
        attempt,
        conditions,
        applicant_id,
        former_applicant_ids,
        workflow_run_id,
        workflow_version_id,
        vendor_record,
        environment,
        attributes,
        started_at,
        submitted_at,
        completed_at,
        redacted_at: Some(Time(now)),
        verified_until,
        next_check_at,
        operation,
        basis: basis.map(bare),
        last_verified_attempt,
        attempts,
        erasure,
        reconciled,
        notification,
        answered_notifications,
        ..IdentityVerificationStatus::default()
    };
    Plan { status, notices: erasure::notices(o, &[]), ..nothing(o) }
}

/// How the attempt was judged, without what was sent.
fn bare(basis: Basis) -> Basis {
    let attributes = basis.attributes.into_iter().map(|attribute| BasisAttribute { digest: None, ..attribute }).collect();
    Basis { key_id: REDACTED.to_owned(), attributes, consents: vec![], sent_tag: None, ..basis }
}

/// Whether an outcome has nothing any more to be judged by. Nobody looks at its run either: that is erased with its applicant.
pub(super) fn is_bare(status: &IdentityVerificationStatus) -> bool {
    status.redacted_at.is_some() || status.basis.as_ref().is_some_and(|basis| basis.key_id == REDACTED)
}
