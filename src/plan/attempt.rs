//! The rows of a further attempt: whether the provider lets it begin, what begins anew with it, and what the object says until it does.
//! How it is started is `start`'s; what stands of the verdict before it is `standing`'s.

use jiff::Timestamp;

use crate::api::{
    ConditionStatus, ConditionType as Type, IdentityVerificationStatus, OperationKind, PastAttempt, Phase, Reason, StandingVerdict,
};

use super::{
    Effect, Failure, Fence, Observed, Plan, Provider, VerificationPlan, conditions, open, recovery,
    request::provider_missing,
    schedule::after,
    settled, start,
    turn::{halted, perform, refused, suspended},
};

/// How many earlier attempts are kept.
const HISTORY: usize = 16;

/// Whether another attempt is asked for and the one on record does not hold it up: it has ended, is in review, or nobody can find out what
/// became of it. What a call of this pass has brought goes on record first.
pub(super) fn is_asked_for(o: &Observed) -> bool {
    let status = &o.status;
    let over = status.phase.is_final() || in_review(status) || ambiguous(status);
    status.attempt.is_some_and(|attempt| o.spec.attempt > attempt) && over && !o.spec.cancelled && !o.facts.has_called()
}

fn in_review(status: &IdentityVerificationStatus) -> bool {
    status.workflow_run_id.is_some() && status.phase == Phase::InReview
}

fn ambiguous(status: &IdentityVerificationStatus) -> bool {
    let starts = status.operation.as_ref().is_some_and(|operation| operation.kind == OperationKind::StartRun);
    let stalled = matches!(conditions::recorded(status, Type::Stalled), Some((ConditionStatus::True, Reason::VendorAmbiguous, _)));
    starts && stalled && status.workflow_run_id.is_none()
}

/// Another attempt is asked for. An old outcome is judged by the values as they are now first: an edit and a bump in one write must not
/// keep an old verdict. Until its first intent is recorded the status speaks of the attempt before.
pub(super) fn next(o: &Observed, now: Timestamp) -> VerificationPlan {
    if o.status.phase.is_final() {
        let judged = settled::settled(o, now);
        if let Some(effect) = judged.effect {
            return perform(o, widened(o, effect));
        }
        if judged.status.observed_generation != Some(o.generation) {
            return judged; // its values cannot be read
        }
        return match begin(&Observed { status: judged.status.clone(), ..o.clone() }, now) {
            Begun::Reads(effect) => perform(o, effect),
            Begun::Starts(plan) => Plan { notices: [judged.notices, plan.notices].concat(), ..plan },
            Begun::Waits(refusal) => waiting(o, now, judged, &refusal),
        };
    }
    let goes_on = || if ambiguous(&o.status) { recovery::go_on(o, now) } else { open::running(o, now) };
    if halted(o) {
        return goes_on();
    }
    match begin(o, now) {
        Begun::Reads(effect) => perform(o, effect),
        Begun::Starts(plan) => plan,
        Begun::Waits(refusal) => {
            let kept = goes_on();
            if kept.effect.is_some() { kept } else { waiting(o, now, kept, &refusal) }
        }
    }
}

/// What comes of beginning.
enum Begun {
    /// Something must be read first; nothing is recorded.
    Reads(Effect),
    /// It begins: an intent, or a run that was found.
    Starts(VerificationPlan),
    /// Something stands in the way, which the plan says of the attempt as if it had begun.
    Waits(VerificationPlan),
}

fn begin(o: &Observed, now: Timestamp) -> Begun {
    let anew = Observed { status: anew(o), ..o.clone() };
    let mut plan = match allowed(o, now) {
        _ if o.spec.suspend => suspended(&anew, now),
        Err(failure) => refused(&anew, now, &failure),
        Ok(()) => start::request(&anew, now),
    };
    // It replaces the operation that it gives up, or, where there is none, needs the whole object unchanged.
    plan.fence = o.status.operation.as_ref().map_or(Fence::Version, |operation| Fence::Operation(operation.nonce.clone()));
    match plan.effect {
        Some(ref effect) if effect.is_unrepeatable() => Begun::Starts(plan),
        Some(effect) => Begun::Reads(widened(o, effect)),
        None if plan.status.workflow_run_id.is_some() => Begun::Starts(plan),
        None => Begun::Waits(plan),
    }
}

/// Whether the provider lets another attempt begin. What cannot be found out may always be followed, and has been waited for long enough.
fn allowed(o: &Observed, now: Timestamp) -> Result<(), Failure> {
    let Provider::Found { spec, .. } = &o.provider else { return Err(provider_missing(o)) };
    let (rule, reason) = (&spec.attempts, reason(&o.status));
    if reason != Reason::VendorAmbiguous && !rule.retries(reason.as_str()) {
        return Err(Failure::AttemptNotAllowed { reason });
    }
    // Beside those kept: the one on record, and the one that is asked for.
    let count = match o.status.last_verified_attempt {
        Some(verified) => o.spec.attempt.saturating_sub(verified),
        None => i32::try_from(o.status.attempts.len()).unwrap_or(i32::MAX).saturating_add(2),
    };
    if count > rule.max {
        return Err(Failure::AttemptsExhausted { max: rule.max });
    }
    if forgettable(&o.status.attempts).is_none() && o.status.attempts.len() >= HISTORY {
        return Err(Failure::AttemptsExhausted { max: rule.max });
    }
    let over = o.status.completed_at.as_ref().or(o.status.started_at.as_ref()).map_or(now, |time| time.0.min(now));
    let until = after(over, rule.cool_down.as_std());
    if reason != Reason::VendorAmbiguous && until > now {
        return Err(Failure::CoolingDown { until });
    }
    Ok(())
}

/// Why the attempt on record is over: the reason of Verified, or what stands for it where there is no outcome.
fn reason(status: &IdentityVerificationStatus) -> Reason {
    match status.phase {
        Phase::InReview => Reason::InReview,
        phase if phase.is_final() => conditions::recorded(status, Type::Verified).map_or(Reason::Pending, |(_, reason, _)| reason),
        _ => Reason::VendorAmbiguous,
    }
}

/// The status with which the attempt that is asked for begins. Every field is of the attempt, and begins anew, or of the object, and stays.
fn anew(o: &Observed) -> IdentityVerificationStatus {
    let standing_verdict = standing(&o.status);
    let past = o.status.attempt.map(|number| PastAttempt {
        number,
        workflow_run_id: o.status.workflow_run_id.clone(),
        phase: o.status.phase,
        reason: reason(&o.status).as_str().to_owned(),
        started_at: o.status.started_at.clone(),
        completed_at: o.status.completed_at.clone(),
    });
    let IdentityVerificationStatus {
        observed_generation,
        phase: _,
        attempt: _,
        mut conditions,
        mut applicant_id,
        mut former_applicant_ids,
        workflow_run_id: _,
        workflow_version_id: _,
        vendor_status: _,
        reasons: _,
        vendor_record: _,
        environment,
        dashboard_url: _,
        capture: _,
        attributes,
        started_at: _,
        submitted_at: _,
        completed_at: _,
        redacted_at: _,
        verified_until,
        next_check_at: _,
        operation: _,
        basis, // tells what the applicant was sent
        standing_verdict: _,
        last_verified_attempt,
        mut attempts,
        erasure,
        reconciled,
        notification,
        answered_notifications,
    } = o.status.clone();
    // They spoke of the attempt before.
    conditions.retain(|condition| !condition.is_true(Type::Stalled) && condition.type_ != Type::Redacted.as_str());
    // Who is erased serves no run any more; that it was is in `erasure`.
    let erased = |id: &String| erasure.as_ref().is_some_and(|erasure| erasure.applicant_ids.contains(id));
    applicant_id = applicant_id.filter(|id| !erased(id));
    former_applicant_ids.retain(|id| !erased(id));
    if let Some(oldest) = forgettable(&attempts).filter(|_| attempts.len() >= HISTORY) {
        attempts.remove(oldest);
    }
    attempts.extend(past);
    IdentityVerificationStatus {
        observed_generation,
        attempt: Some(o.spec.attempt),
        conditions,
        applicant_id,
        former_applicant_ids,
        environment,
        attributes,
        verified_until,
        basis,
        standing_verdict,
        last_verified_attempt,
        attempts,
        erasure,
        reconciled,
        notification,
        answered_notifications,
        ..IdentityVerificationStatus::default()
    }
}

/// The one to forget where there is no room for another: the oldest that has ended. One whose run may go on is never forgotten.
fn forgettable(attempts: &[PastAttempt]) -> Option<usize> {
    attempts.iter().position(|attempt| attempt.phase.is_final())
}

/// The verdict that stands while the next attempt is under way: an approval that is True, or would be with the values put back. No other
/// outcome ever becomes better, and an attempt without one leaves the verdict before it as it is.
fn standing(status: &IdentityVerificationStatus) -> Option<StandingVerdict> {
    if !status.phase.is_final() {
        return status.standing_verdict.clone();
    }
    let stands = status.phase == Phase::Approved && matches!(reason(status), Reason::Verified | Reason::AttributeChanged);
    Some(StandingVerdict {
        attempt: status.attempt.filter(|_| stands)?,
        workflow_run_id: status.workflow_run_id.clone()?,
        applicant_id: status.applicant_id.clone()?,
        environment: status.environment,
        completed_at: status.completed_at.clone(),
        basis: status.basis.clone()?,
    })
}

/// The attempt cannot begin: the attempt on record stays as `kept` has it, and the conditions that answer the spec say why.
fn waiting(o: &Observed, now: Timestamp, kept: VerificationPlan, refusal: &VerificationPlan) -> VerificationPlan {
    let mut plan = kept;
    // A stall of the attempt on record is what lets the next one follow: it stays.
    let answers: &[Type] = if ambiguous(&o.status) { &[Type::Accepted] } else { &[Type::Accepted, Type::Ready, Type::Stalled] };
    for &type_ in answers {
        conditions::put_back(&mut plan.status, &o.status, type_);
        if let Some(says) = conditions::recorded(&refusal.status, type_) {
            conditions::set(&mut plan.status.conditions, type_, says, o.generation, now);
        }
    }
    plan.status.observed_generation = Some(o.generation);
    plan.notices.extend(refusal.notices.iter().cloned());
    plan.wake = plan.wake.earliest(refusal.wake);
    plan
}

/// The conditions that speak of an attempt are no answer to a spec that asks for another: whoever waits for the new one must not be given
/// the old one. They stay those of the generation that asked for it.
pub(super) fn unanswered(o: &Observed, status: &mut IdentityVerificationStatus) {
    if o.spec.cancelled || status.attempt.is_none_or(|attempt| attempt >= o.spec.attempt) {
        return; // none is to come
    }
    for type_ in [Type::Submitted, Type::CaptureReady, Type::Completed] {
        let before = o.status.conditions.iter().find(|condition| condition.type_ == type_.as_str());
        if let Some(condition) = status.conditions.iter_mut().find(|condition| condition.type_ == type_.as_str()) {
            condition.observed_generation = before.and_then(|before| before.observed_generation);
        }
    }
}

/// Values are read once in a pass, for all that is judged by them: the verdict that stands, the attempt under way, the one asked for.
pub(super) fn widened(o: &Observed, effect: Effect) -> Effect {
    let Effect::ReadAttributes { mut names } = effect else { return effect };
    let standing = o.status.standing_verdict.as_ref().map(|standing| &standing.basis);
    let of_bases = o.status.basis.iter().chain(standing).flat_map(|basis| basis.attributes.iter().map(|attribute| attribute.name.clone()));
    let mapping = match &o.provider {
        Provider::Found { spec, .. } => spec.attribute_mapping(),
        Provider::Missing => vec![],
    };
    for name in of_bases.chain(mapping.into_iter().map(|mapped| mapped.name)) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Effect::ReadAttributes { names }
}
