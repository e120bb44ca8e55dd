//! The transition table of a verification: which row applies, decided from recorded facts alone, so that a crash anywhere is only a
//! shorter pass. The rows are in `start` and `applicant` (no run yet), `recovery` (a call in doubt), `open` (the vendor works), `settled`,
//! `attempt` (another one is asked for), `standing` (the verdict before it), `expiry`, `cancel`, `redaction` and
//! `deletion`.

use jiff::Timestamp;

use crate::api::Phase;

use super::{
    Observed, Plan, VerificationPlan, Wake, applicant, attempt, cancel, deletion, expiry, open, recovery, redaction, settled, standing,
    start,
    turn::{halted, nothing, suspended, tried, unjudged},
};

/// What to do next.
pub fn plan(o: &Observed, now: Timestamp) -> VerificationPlan {
    let mut plan = match expiry::expired(o, now) {
        Some(expired) => expired,
        None => decide(o, now),
    };
    attempt::unanswered(o, &mut plan.status);
    cancel::unjudged(o, &mut plan.status);
    let plan = expiry::awaited(o, now, redaction::at_last(o, now, plan));
    let plan = deletion::prepared(o, now, plan);
    // A nonce that is on record names another intent, and no unrepeatable call is made under it.
    match (&plan.effect, &o.status.operation) {
        (Some(effect), Some(recorded)) if effect.is_unrepeatable() && recorded.nonce == o.nonce => {
            Plan { wake: Wake::Backoff, ..nothing(o) }
        }
        _ => plan,
    }
}

fn decide(o: &Observed, now: Timestamp) -> VerificationPlan {
    match o.deleting {
        Some(since) => deletion::deleted(o, now, since),
        None => tried(o, standing::before(o, now, under_way)),
    }
}

/// The attempt on record, or the one that is asked for.
fn under_way(o: &Observed, now: Timestamp) -> VerificationPlan {
    let status = &o.status;
    if status.phase == Phase::Cancelled {
        return unjudged(o, now);
    }
    if attempt::is_asked_for(o) {
        return attempt::next(o, now);
    }
    if status.workflow_run_id.is_some() {
        return match status.phase.is_final() {
            true => settled::settled(o, now),
            false if o.spec.cancelled => cancel::open(o, now),
            false => open::running(o, now),
        };
    }
    // A call was made in this pass: its answer goes on record before anything else.
    match (&o.facts.started, &o.facts.applicant, &o.facts.updated) {
        (Some(Ok(run)), _, _) => return recovery::answered(o, now, run),
        (None, Some(Ok(created)), _) => return start::applicant_created(o, now, created),
        (None, None, Some(Ok(taken))) => return applicant::updated(o, now, *taken),
        (Some(Err(failure)), _, _) | (None, Some(Err(failure)), _) | (None, None, Some(Err(failure))) => {
            return recovery::unanswered(o, now, failure);
        }
        (None, None, None) => {}
    }
    match &status.operation {
        None if o.spec.cancelled => cancel::without_a_run(o, now, None),
        _ if o.spec.suspend => suspended(o, now),
        Some(_) if halted(o) => suspended(o, now),
        Some(operation) => recovery::in_doubt(o, now, operation),
        None => start::request(o, now),
    }
}
