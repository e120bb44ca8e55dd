//! The transition table of a verification: which row applies, decided from recorded facts alone, so that a crash anywhere is only a
//! shorter pass. The rows are in `start` and `applicant` (no run yet), `recovery` (a call in doubt), `open` (the vendor works), `settled`,
//! and `attempt` (another one is asked for).

use jiff::Timestamp;

use super::{
    Observed, Plan, VerificationPlan, Wake, applicant, attempt, open, recovery, settled, standing, start,
    turn::{halted, nothing, suspended},
};

/// What to do next.
pub fn plan(o: &Observed, now: Timestamp) -> VerificationPlan {
    let mut plan = decide(o, now);
    attempt::unanswered(o, &mut plan.status);
    // A nonce that is on record names another intent, and no unrepeatable call is made under it.
    match (&plan.effect, &o.status.operation) {
        (Some(effect), Some(recorded)) if effect.is_unrepeatable() && recorded.nonce == o.nonce => {
            Plan { wake: Wake::Backoff, ..nothing(o) }
        }
        _ => plan,
    }
}

fn decide(o: &Observed, now: Timestamp) -> VerificationPlan {
    if o.deleting { nothing(o) } else { standing::before(o, now, under_way) }
}

/// The attempt on record, or the one that is asked for.
fn under_way(o: &Observed, now: Timestamp) -> VerificationPlan {
    let status = &o.status;
    if attempt::is_asked_for(o) {
        return attempt::next(o, now);
    }
    if status.workflow_run_id.is_some() {
        return if status.phase.is_final() { settled::settled(o, now) } else { open::running(o, now) };
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
        _ if o.spec.suspend => suspended(o, now),
        Some(_) if halted(o) => suspended(o, now),
        Some(operation) => recovery::in_doubt(o, now, operation),
        None => start::request(o, now),
    }
}
