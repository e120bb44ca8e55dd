//! The verdict that stands while a newer attempt is under way: looked after by the rows of a recorded outcome, as if nothing had followed it.

use jiff::Timestamp;

use crate::api::{ConditionType, IdentityVerificationStatus, Phase, Reason};

use super::{
    Facts, Memory, Observed, Plan, VerificationPlan, Wake,
    attempt::widened,
    conditions, settled,
    turn::{halted, perform},
};

/// Looks after the verdict that stands, then decides by the rows of the attempt under way, which does not wait for it. What a call has
/// brought goes on record first.
pub(super) fn before(o: &Observed, now: Timestamp, rows: impl FnOnce(&Observed, Timestamp) -> VerificationPlan) -> VerificationPlan {
    // Whoever gives the verification up gives up what stands, too.
    let Some(past) = past(o).filter(|_| !o.facts.has_called() && !o.spec.cancelled) else { return rows(o, now) };
    let kept = settled::settled(&past, now);
    if let Some(effect) = kept.effect {
        return perform(o, widened(o, effect));
    }
    let mut judged = o.clone();
    // An edit is acknowledged only when it was judged. While its values cannot be read, the attempt under way goes on as if it were not seen.
    if let Some(acknowledged) = kept.status.observed_generation {
        judged.generation = acknowledged;
    }
    judged.status.attributes = kept.status.attributes.clone();
    judged.status.verified_until = kept.status.verified_until.clone();
    conditions::put_back(&mut judged.status, &kept.status, ConditionType::Verified);
    if past.status.is_rung() && !halted(o) {
        if kept.status.is_rung() {
            judged.status.notification = None; // the run that stands could not be read: the bell waits for that
        } else if o.status.workflow_run_id.is_none() {
            judged.status.answered_notifications = kept.status.answered_notifications;
        }
    }
    let plan = rows(&judged, now);
    let status = IdentityVerificationStatus { notification: o.status.notification.clone(), ..plan.status };
    let wake = if plan.effect.is_some() { Wake::OnChange } else { plan.wake.earliest(kept.wake) };
    Plan { status, wake, notices: [kept.notices, plan.notices].concat(), ..plan }
}

/// The object as if the attempt of the standing verdict were its last. A verdict that has ended for good hears no bell: it cannot become
/// worse. One that is False for a changed value can become True again, so it must hear that the vendor took its approval back.
fn past(o: &Observed) -> Option<Observed> {
    let standing = o.status.standing_verdict.as_ref()?;
    let may_stand =
        matches!(conditions::recorded(&o.status, ConditionType::Verified), Some((_, Reason::Verified | Reason::AttributeChanged, _)));
    let status = IdentityVerificationStatus {
        attempt: Some(standing.attempt),
        phase: Phase::Approved,
        workflow_run_id: Some(standing.workflow_run_id.clone()),
        applicant_id: Some(standing.applicant_id.clone()),
        environment: standing.environment,
        completed_at: standing.completed_at.clone(),
        basis: Some(standing.basis.clone()),
        standing_verdict: None,
        operation: None,
        notification: o.status.notification.clone().filter(|_| may_stand),
        ..o.status.clone()
    };
    let facts = Facts { run: o.facts.older_run.clone(), ..o.facts.clone() };
    let memory = Memory { look_wanted: o.memory.look_wanted.filter(|_| may_stand), ..o.memory };
    Some(Observed { status, facts, memory, ..o.clone() })
}
