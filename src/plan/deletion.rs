//! The rows of the end of an object: its deletion is held while something of it is at the vendor and the policy asks for erasure; then what
//! is there is found out and erased, or owed. Nothing is ever started for an object that is being deleted, and its deletion always ends.

use jiff::Timestamp;

use crate::{
    api::{DeletionPolicy, IdentityVerificationStatus, Operation, OperationKind, Reason},
    onfido::model::WorkflowRun,
};

use super::{
    Effect, Failure, Observed, Orphan, Plan, VerificationPlan, Wake, conditions,
    erasure::{self, Erasing, Wait},
    recovery,
    schedule::after,
    start::oldest,
    turn::{halted, look, nothing, perform},
};

/// The plan, with the finalizer as the policy asks: on before anything is begun at the vendor or recorded as being there, and off where
/// nothing would be erased. Where that is asked for later it comes last: a finalizer that cannot be written keeps no verdict alive.
pub(super) fn prepared(o: &Observed, now: Timestamp, plan: VerificationPlan) -> VerificationPlan {
    let erases = o.spec.deletion_policy == DeletionPolicy::DeleteApplicant;
    let begins = plan.effect.as_ref().is_some_and(Effect::is_unrepeatable) || !at_vendor(&o.status);
    match (erases, o.finalizer) {
        // What a call has brought goes on record first.
        _ if o.deleting.is_some() || o.facts.has_called() => plan,
        (true, false) if at_vendor(&plan.status) && begins => perform(o, Effect::HoldDeletion),
        (true, false) if at_vendor(&plan.status) => last(o, now, plan, Effect::HoldDeletion),
        (false, true) => last(o, now, plan, Effect::ReleaseDeletion { lost: vec![] }),
        _ => plan,
    }
}

/// Whether the finalizer is not on that the policy asks for, so that a deletion would erase nobody.
pub(super) fn is_unprepared(o: &Observed) -> bool {
    o.spec.deletion_policy == DeletionPolicy::DeleteApplicant && !o.finalizer && at_vendor(&o.status)
}

fn at_vendor(status: &IdentityVerificationStatus) -> bool {
    status.operation.is_some() || !erasure::applicants(status).is_empty()
}

/// The plan, and this once nothing else is to be done or recorded. A plan that records is not made again in the same pass: it would count
/// what it has learned twice.
fn last(o: &Observed, now: Timestamp, plan: VerificationPlan, effect: Effect) -> VerificationPlan {
    match plan.effect {
        Some(_) => plan,
        None if plan.status == o.status => Plan { effect: Some(effect), ..plan },
        None => Plan { wake: Wake::At(now), ..plan },
    }
}

/// The object is being deleted, since then.
pub(super) fn deleted(o: &Observed, now: Timestamp, since: Timestamp) -> VerificationPlan {
    if !o.finalizer {
        return nothing(o); // it is not us who hold it up
    }
    if o.spec.deletion_policy == DeletionPolicy::Retain {
        return perform(o, Effect::ReleaseDeletion { lost: vec![] });
    }
    match &o.status.operation {
        Some(operation) => in_doubt(o, now, since, operation),
        None => erased(o, now, since, None),
    }
}

/// A call is in doubt: what it may still do is waited out, until the deadline. No other is made in its place.
fn in_doubt(o: &Observed, now: Timestamp, since: Timestamp, operation: &Operation) -> VerificationPlan {
    let deadline = erasure::deadline(o, since);
    let left = o.timing.doubt().saturating_sub(o.memory.operation_known_for);
    if operation.looks == 0 && !left.is_zero() && deadline > now {
        let says = (Reason::Erasing, "it is not known yet whether the vendor carried out a request".to_owned());
        return waiting(o, now, Wait { says: Some(says), until: after(now, left).min(deadline) });
    }
    match operation.kind {
        OperationKind::CreateApplicant => applicant_in_doubt(o, now, since, operation),
        // The applicant is known, and whatever hangs on it goes with it.
        OperationKind::UpdateApplicant | OperationKind::StartRun => erased(o, now, since, None),
    }
}

/// Whether the applicant exists cannot be found out, unless a run shows that somebody has gone further than this record says. If not, it
/// may be an orphan, which the ledger tells of.
fn applicant_in_doubt(o: &Observed, now: Timestamp, since: Timestamp, operation: &Operation) -> VerificationPlan {
    let over = erasure::deadline(o, since) <= now;
    // Another object with the same key has its own runs under our tag.
    let looks = !halted(o) && o.key_held_by.is_none() && !over;
    if let Some(run) = o.looked().and_then(|looked| oldest(looked.as_ref().ok()?.runs.iter())) {
        return erased(&found(o, run), now, since, None);
    }
    match o.looked() {
        None if looks => return perform(o, look(o, false)),
        Some(Err(failure)) if !over => return waiting(o, now, erasure::wait(o, now, since, failure)),
        None if halted(o) && !over => {
            let says = (Reason::Suspended, "suspended, and the vendor is not asked anything".to_owned());
            return waiting(o, now, Wait { says: Some(says), until: erasure::deadline(o, since) });
        }
        None | Some(_) => {}
    }
    erased(o, now, since, Some(operation))
}

/// What is done until the ledger tells of the applicant that may exist; nothing once it does, or is not waited for any more.
fn told(o: &Observed, now: Timestamp, since: Timestamp, operation: &Operation) -> Option<VerificationPlan> {
    match &o.facts.ledger {
        _ if o.facts.orphan_owed => None,
        Some(failure) if erasure::last_deadline(o, since) > now => Some(waiting(o, now, erasure::wait(o, now, since, failure))),
        Some(_) => None,
        None => {
            let started = operation.started_at.0;
            let orphan = Orphan { tag: o.tag(), from: started, until: after(started, o.timing.doubt()) };
            let (environment, why) = (o.status.environment, Failure::Ambiguous.rule().reason);
            Some(perform(o, Effect::OweErasure { applicants: vec![], orphan: Some(orphan), environment, why }))
        }
    }
}

/// The object with the applicant of the run that was found, which is its own: it is what was in doubt.
fn found(o: &Observed, run: &WorkflowRun) -> Observed {
    let mut found = o.clone();
    found.status.applicant_id = Some(run.applicant_id.as_str().to_owned());
    found.status.operation = None;
    found
}

/// Everything is known that can be: what is there is erased, what may be there is told of, then the object may go.
fn erased(o: &Observed, now: Timestamp, since: Timestamp, orphan: Option<&Operation>) -> VerificationPlan {
    let lost = match erasure::erase(o, now, since) {
        Erasing::Does(plan) => return *plan,
        Erasing::Waits(wait) => return waiting(o, now, wait),
        Erasing::Done(lost) => lost,
    };
    if let Some(plan) = orphan.and_then(|operation| told(o, now, since, operation)) {
        return plan;
    }
    let mut notices = erasure::notices(o, &lost);
    notices.extend(orphan.map(|operation| recovery::possible_orphan(o, operation)));
    Plan { notices, ..perform(o, Effect::ReleaseDeletion { lost }) }
}

/// Something stands in the way: the object says what, and what becomes of it.
fn waiting(o: &Observed, now: Timestamp, wait: Wait) -> VerificationPlan {
    let mut plan = nothing(o);
    if let Some((reason, message)) = wait.says {
        let message = format!("deletion waits for the erasure at the vendor, for a bounded time: {message}");
        conditions::deleting(&mut plan.status, o.generation, now, reason, message);
    }
    plan.wake = Wake::At(wait.until);
    plan
}
