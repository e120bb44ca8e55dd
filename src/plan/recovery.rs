//! The rows of an unrepeatable call whose answer is missing: wait out the time in which it may still take effect, find out, and only
//! then try again. An applicant is never looked for, since another system's namesake would be found.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::{
    api::{Operation, OperationKind},
    onfido::model::{ApplicantId, WorkflowId, WorkflowRun},
};

use super::{
    Effect, Failure, Fence, Looked, Notice, NoticeKind, Observed, VerificationPlan, Wake, applicant, cancel, capture, conditions, inputs,
    request::{Accepted, Ready, acceptable, willing},
    schedule::{after, between},
    start::{adopt, beside, intend_applicant, oldest, start_run, started},
    timing::LOOKS_BEFORE_ABSENT,
    turn::{halted, look, nothing, perform, refused, suspended},
    verdict,
};

/// Our own call was answered: the run exists. After a call whose fate is unknown another may have turned up meanwhile: the oldest is
/// the one, the rest are reported.
pub(super) fn answered(o: &Observed, now: Timestamp, run: &WorkflowRun) -> VerificationPlan {
    let tries = o.status.operation.as_ref().map_or(0, |operation| operation.tries);
    match o.looked() {
        None if tries > 0 => perform(o, look(o, false)),
        Some(Ok(looked)) if tries > 0 => {
            let others = looked.runs.iter().filter(|other| verdict::is_ours(other, &o.status, &o.tag()).is_ok());
            let used = oldest(others.chain([run])).unwrap_or(run);
            let mut all = looked.runs.clone();
            all.retain(|other| other.id != run.id);
            all.push(run.clone());
            started(o, now, used, beside(used, &all))
        }
        None | Some(_) => started(o, now, run, vec![]),
    }
}

/// Our own call failed. Without effect: the intent is withdrawn, and what exists stays recorded. With an unknown one: it stays. So it
/// does where the call followed one of unknown fate, which is not forgotten: the refusal is no try, and the finding out begins anew.
pub(super) fn unanswered(o: &Observed, now: Timestamp, failure: &Failure) -> VerificationPlan {
    let mut plan = refused(o, now, failure);
    if *failure == Failure::Ambiguous {
        let doubt = after(now, o.timing.doubt());
        let next = match &o.status.operation {
            Some(operation) if operation.kind != OperationKind::StartRun => next_applicant(o, now, operation).max(doubt),
            _ => doubt,
        };
        plan.wake = Wake::At(next);
        plan.status.next_check_at = Some(Time(next));
        return plan;
    }
    let Some(operation) = &o.status.operation else { return plan };
    plan.fence = Fence::Operation(operation.nonce.clone());
    if operation.kind == OperationKind::StartRun && operation.tries > 0 {
        let look = after(now, o.timing.doubt().saturating_sub(o.memory.operation_known_for));
        let next = match plan.wake {
            Wake::At(told) => told.max(look),
            Wake::Backoff | Wake::OnChange => look,
        };
        plan.status.operation = Some(Operation { tries: operation.tries - 1, looks: 0, absent_since: None, ..operation.clone() });
        plan.status.next_check_at = Some(Time(next));
        plan.wake = Wake::At(next);
    } else {
        plan.status.operation = None;
        plan.status.next_check_at = None;
        if let (OperationKind::UpdateApplicant, Some(basis)) = (operation.kind, &mut plan.status.basis) {
            basis.key_id = verdict::NO_KEY.into(); // it was not sent this, and nothing tells any more what it was sent
        }
    }
    plan
}

/// The operation on record is found out about further.
pub(super) fn go_on(o: &Observed, now: Timestamp) -> VerificationPlan {
    match &o.status.operation {
        _ if halted(o) => suspended(o, now),
        Some(operation) => in_doubt(o, now, operation),
        None => nothing(o),
    }
}

/// An operation is recorded that this pass did not begin: somebody crashed, or still works.
pub(super) fn in_doubt(o: &Observed, now: Timestamp, operation: &Operation) -> VerificationPlan {
    // Who looked before us had waited; and a recorded look is a wait that is over.
    let known_for = o.memory.operation_known_for;
    if operation.looks == 0 && known_for < o.timing.doubt() {
        return waiting(o, now, after(now, o.timing.doubt() - known_for));
    }
    match operation.kind {
        OperationKind::CreateApplicant => applicant_in_doubt(o, now, operation),
        OperationKind::UpdateApplicant => applicant::in_doubt(o, now, operation),
        OperationKind::StartRun => run_in_doubt(o, now, operation),
    }
}

/// Whether the applicant exists cannot be found out: create one again, and report that another may exist.
fn applicant_in_doubt(o: &Observed, now: Timestamp, operation: &Operation) -> VerificationPlan {
    if o.spec.cancelled {
        return orphaned(o, now, operation);
    }
    sent_again(o, now, operation, |accepted| {
        let mut plan = intend_applicant(o, now, accepted, operation.tries + 1);
        plan.notices.push(possible_orphan(o, operation));
        plan
    })
}

/// What became of an applicant, or of its data, cannot be found out: it is sent again, ever more rarely, as `send` says. Only a run would
/// show that somebody has gone further than this record says, as after a restore of etcd.
pub(super) fn sent_again(
    o: &Observed,
    now: Timestamp,
    operation: &Operation,
    send: impl FnOnce(Ready) -> VerificationPlan,
) -> VerificationPlan {
    let due = next_applicant(o, now, operation);
    if due > now {
        return waiting(o, now, due);
    }
    let accepted = match acceptable(o) {
        Err(failure) => return refused(o, now, &failure),
        Ok(Accepted::Unread(effect)) => return perform(o, effect),
        Ok(Accepted::Read(accepted)) => accepted,
    };
    match o.looked() {
        None => return perform(o, look(o, true)),
        Some(Err(failure)) => return refused(o, now, failure),
        Some(Ok(Looked { applicant_known: false, .. })) => return applicant::unknown(o, now, accepted),
        Some(Ok(looked)) if !looked.runs.is_empty() => return adopt(o, now, looked, o.status.basis.clone()),
        Some(Ok(_)) => {}
    }
    match capture::in_time(o, now) {
        Err(failure) => refused(o, now, &failure),
        Ok(()) => send(accepted),
    }
}

pub(super) fn possible_orphan(o: &Observed, operation: &Operation) -> Notice {
    Notice {
        kind: NoticeKind::PossibleOrphanApplicant,
        message: format!(
            "an applicant may exist at the vendor that nothing refers to: created between {} and {}, customer key {}",
            operation.started_at.0,
            after(operation.started_at.0, o.timing.doubt()),
            o.tag()
        ),
    }
}

/// The same where the verification is given up: nothing is created again, and a run that is found nevertheless is paid for and known.
fn orphaned(o: &Observed, now: Timestamp, operation: &Operation) -> VerificationPlan {
    match o.looked() {
        None => perform(o, look(o, false)),
        Some(Err(failure)) => refused(o, now, failure),
        Some(Ok(looked)) if !looked.runs.is_empty() => adopt(o, now, looked, o.status.basis.clone()),
        Some(Ok(_)) => {
            let mut plan = cancel::without_a_run(o, now, Some(Fence::Operation(operation.nonce.clone())));
            plan.notices.push(possible_orphan(o, operation));
            plan
        }
    }
}

/// When an applicant of unknown fate is created, or sent its data, again.
fn next_applicant(o: &Observed, now: Timestamp, operation: &Operation) -> Timestamp {
    let wait = match operation.tries {
        0 => o.timing.doubt(),
        tries => o.timing.tries[(tries as usize - 1).min(o.timing.tries.len() - 1)],
    };
    after(began(o, now, operation), wait)
}

/// When an operation began, as far as the clock can be believed: it may have been set back since, but this process's own cannot.
fn began(o: &Observed, now: Timestamp, operation: &Operation) -> Timestamp {
    let known_since = now.saturating_sub(SignedDuration::try_from(o.memory.operation_known_for).unwrap_or(SignedDuration::MAX));
    operation.started_at.0.min(known_since.unwrap_or(Timestamp::MIN))
}

/// Whether the run exists can be found out: by its tag, in the account that knows the applicant.
fn run_in_doubt(o: &Observed, now: Timestamp, operation: &Operation) -> VerificationPlan {
    match o.looked() {
        None if o.is_asked() => perform(o, look(o, false)),
        None => match &o.status.next_check_at {
            // The next one would only precede another try, and there will be none.
            Some(_) if o.spec.cancelled && operation.looks >= LOOKS_BEFORE_ABSENT => perform(o, look(o, false)),
            Some(due) if due.0 > now && due.0 <= after(now, o.timing.longest()) => waiting(o, now, due.0),
            _ => perform(o, look(o, false)),
        },
        Some(Err(failure)) => refused(o, now, failure),
        Some(Ok(Looked { applicant_known: false, .. })) => refused(o, now, &Failure::AccountChanged),
        Some(Ok(looked)) if !looked.runs.is_empty() => adopt(o, now, looked, o.status.basis.clone()),
        Some(Ok(_)) => absent(o, now, operation),
    }
}

/// A look found nothing. Once that can be believed: another try, a bounded number of times; then a human.
fn absent(o: &Observed, now: Timestamp, operation: &Operation) -> VerificationPlan {
    let absent_since = operation.absent_since.clone().filter(|since| since.0 <= now).unwrap_or(Time(now));
    let looks = operation.looks.saturating_add(1);
    let believed = looks >= LOOKS_BEFORE_ABSENT && between(absent_since.0, now) >= o.timing.absence;
    if believed && o.spec.cancelled {
        return cancel::without_a_run(o, now, Some(Fence::Operation(operation.nonce.clone())));
    }
    let next_try = o.timing.tries.get(operation.tries as usize).map(|wait| after(began(o, now, operation), *wait));
    match next_try {
        Some(due) if believed && due <= now => return try_again(o, now, operation),
        _ => {}
    }
    let mut plan = nothing(o);
    plan.fence = Fence::Operation(operation.nonce.clone());
    plan.status.operation = Some(Operation { looks, absent_since: Some(absent_since.clone()), ..operation.clone() });
    let spacing = o.timing.absence / (LOOKS_BEFORE_ABSENT - 1);
    let next = match next_try {
        _ if !believed => after(now, spacing),
        Some(due) => due.max(now),
        None => after(now, o.timing.stalled_look),
    };
    plan.status.next_check_at = Some(Time(next));
    if believed && next_try.is_none() {
        let message = format!(
            "the vendor shows no run with tag {} after {} tries; look in its dashboard: a run found there is adopted by itself, otherwise raise spec.attempt or create a new verification",
            o.tag(),
            operation.tries + 1
        );
        conditions::stall(&mut plan.status, o.generation, now, message.clone());
        if !o.status.conditions.iter().any(|c| c.is_true(crate::api::ConditionType::Stalled)) {
            plan.notices.push(Notice { kind: NoticeKind::Stalled, message });
        }
    } else {
        conditions::say(&mut plan.status, o.generation, now, None, None);
    }
    plan.wake = Wake::At(next);
    plan
}

/// The absence is believed: a new try with a new nonce.
fn try_again(o: &Observed, now: Timestamp, operation: &Operation) -> VerificationPlan {
    if let Err(failure) = willing(o).and_then(|_| capture::in_time(o, now)) {
        return refused(o, now, &failure);
    }
    let applicant = ApplicantId::parse(o.status.applicant_id.clone().unwrap_or_default());
    let workflow = WorkflowId::parse(o.status.basis.as_ref().map_or(String::new(), |basis| basis.workflow_id.clone()));
    let (Ok(applicant), Ok(workflow)) = (applicant, workflow) else { return nothing(o) };
    let custom_data = match inputs::custom_data(o) {
        Ok(Some(custom_data)) => custom_data,
        Ok(None) => return perform(o, Effect::ReadCustomData),
        Err(failure) => return refused(o, now, &failure),
    };
    let mut plan = nothing(o);
    plan.fence = Fence::Operation(operation.nonce.clone());
    plan.status.next_check_at = None;
    plan.status.operation = Some(Operation {
        kind: OperationKind::StartRun,
        nonce: o.nonce.clone(),
        started_at: Time(now),
        tries: operation.tries + 1,
        looks: 0,
        absent_since: None,
    });
    conditions::say(&mut plan.status, o.generation, now, None, None);
    plan.effect = Some(start_run(o, applicant, workflow, inputs::tags(o, o.status.basis.as_ref()), custom_data));
    plan
}

/// Nothing to do before this time but to acknowledge the spec.
pub(super) fn waiting(o: &Observed, now: Timestamp, until: Timestamp) -> VerificationPlan {
    let mut plan = nothing(o);
    if conditions::suspended(&o.status) || o.status.observed_generation != Some(o.generation) {
        conditions::acknowledge(&mut plan.status, o.generation, now);
    }
    plan.wake = Wake::At(until);
    plan
}
