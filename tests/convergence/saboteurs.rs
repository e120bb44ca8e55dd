//! Plans that do one thing wrong, each a mistake somebody could make. A property that catches none of them would prove nothing.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use onfido_operator::{
    api::{ConditionStatus, DeletionPolicy, Phase},
    plan::{Effect, Failure, Looked, Observed, VerificationPlan, verification::plan},
};

use super::world::Planner;

pub const SABOTEURS: &[(&str, Planner)] = &[
    ("repeats a paid call whose answer is missing at once", repeats_at_once),
    ("believes the first look that finds nothing", believes_the_first_look),
    ("takes a paid call whose answer is missing for one that was refused", forgets_a_call),
    ("does not ask whose run it is", believes_any_run),
    ("takes today's values for those that were sent", believes_any_value),
    ("answers a bell without a look", drops_a_bell),
    ("lets an outcome become another", turns_an_outcome),
    ("lets a verdict outlive its time", outlives_its_time),
    ("tells nobody", tells_nobody),
    ("goes on when it was given up", does_not_give_up),
    ("shows a value", shows_a_value),
    ("writes when nothing has changed", writes_at_rest),
    ("lets an object go without erasing anybody", releases_unerased),
    ("lets an object go though the ledger was not written", forgets_the_ledger),
    ("waits for a dead vendor for ever", waits_for_ever),
    ("starts for an object that is being deleted", starts_while_deleting),
    ("begins before a deletion is held", begins_unheld),
    ("redacts though a run may go on", redacts_while_open),
    ("redacts without erasing", redacts_unerased),
    ("judges anew what is redacted", judges_the_redacted),
];

/// As if the operation had been found out about for long enough, and nothing was seen.
fn found_absent(o: &mut Observed) {
    o.memory.operation_known_for = Duration::from_secs(86_400);
    if let Some(operation) = &mut o.status.operation {
        let long_ago = Time(operation.started_at.0.saturating_sub(SignedDuration::from_hours(9)).unwrap_or(Timestamp::MIN));
        (operation.looks, operation.absent_since, operation.started_at) = (2, Some(long_ago.clone()), long_ago);
    }
}

fn repeats_at_once(o: &Observed, now: Timestamp) -> VerificationPlan {
    let mut o = o.clone();
    if matches!(o.facts.started, Some(Err(Failure::Ambiguous))) {
        found_absent(&mut o);
        let nothing = Ok(Looked { applicant_known: true, runs: vec![] });
        (o.facts.started, o.facts.looked) = (None, [(o.tag(), nothing)].into());
    }
    plan(&o, now)
}

fn believes_the_first_look(o: &Observed, now: Timestamp) -> VerificationPlan {
    let mut o = o.clone();
    if !o.facts.looked.is_empty() {
        found_absent(&mut o);
    }
    plan(&o, now)
}

fn forgets_a_call(o: &Observed, now: Timestamp) -> VerificationPlan {
    let mut o = o.clone();
    if matches!(o.facts.started, Some(Err(Failure::Ambiguous))) {
        o.facts.started = Some(Err(Failure::Unauthorized));
    }
    plan(&o, now)
}

fn believes_any_run(o: &Observed, now: Timestamp) -> VerificationPlan {
    let mut o = o.clone();
    let (tag, standing) = (o.tag(), o.status.standing_verdict.as_ref().map(|standing| o.key.tag(standing.attempt)));
    if let Some(Ok(run)) = &mut o.facts.run {
        run.tags.push(tag);
    }
    if let (Some(Ok(run)), Some(tag)) = (&mut o.facts.older_run, standing) {
        run.tags.push(tag);
    }
    plan(&o, now)
}

fn believes_any_value(o: &Observed, now: Timestamp) -> VerificationPlan {
    let mut o = o.clone();
    let sent = o.status.basis.clone().filter(|_| o.status.workflow_run_id.is_some());
    if let (Some(Ok(attributes)), Some(sent)) = (&mut o.facts.attributes, sent) {
        for given in &mut attributes.given {
            let before = sent.attributes.iter().find(|attribute| attribute.name == given.name);
            given.digest = before.and_then(|attribute| attribute.digest.clone()).unwrap_or_default();
        }
    }
    plan(&o, now)
}

fn drops_a_bell(o: &Observed, now: Timestamp) -> VerificationPlan {
    let mut o = o.clone();
    let bell = o.status.unanswered().map(str::to_owned).filter(|_| o.status.phase.is_final());
    o.status.answered_notifications.splice(0..0, bell.clone());
    let mut planned = plan(&o, now);
    planned.wake = if bell.is_some() && planned.effect.is_none() { onfido_operator::plan::Wake::OnChange } else { planned.wake };
    planned
}

fn turns_an_outcome(o: &Observed, now: Timestamp) -> VerificationPlan {
    let mut planned = plan(o, now);
    if let Some(Ok(run)) = &o.facts.run
        && planned.status.phase.is_final()
        && planned.status.phase != Phase::Cancelled
    {
        planned.status.phase = match run.status.as_str() {
            "approved" => Phase::Approved,
            "declined" => Phase::Declined,
            _ => planned.status.phase,
        };
    }
    planned
}

fn outlives_its_time(o: &Observed, now: Timestamp) -> VerificationPlan {
    let mut o = o.clone();
    o.status.verified_until = None;
    if let Some(basis) = &mut o.status.basis {
        basis.validity = None;
    }
    plan(&o, now)
}

fn tells_nobody(o: &Observed, now: Timestamp) -> VerificationPlan {
    VerificationPlan { notices: vec![], ..plan(o, now) }
}

fn does_not_give_up(o: &Observed, now: Timestamp) -> VerificationPlan {
    let mut o = o.clone();
    o.spec.cancelled = false;
    plan(&o, now)
}

fn shows_a_value(o: &Observed, now: Timestamp) -> VerificationPlan {
    let mut planned = plan(o, now);
    let value = o.facts.attributes.iter().flatten().flat_map(|attributes| &attributes.given).map(|given| given.value.expose()).next();
    if let (Some(value), Some(condition)) = (value, planned.status.conditions.first_mut()) {
        condition.message = format!("the value is {value}");
    }
    planned
}

fn writes_at_rest(o: &Observed, now: Timestamp) -> VerificationPlan {
    let mut planned = plan(o, now);
    if planned.status.phase.is_final() {
        planned.status.next_check_at = Some(Time(now));
    }
    planned
}

fn releases_unerased(o: &Observed, now: Timestamp) -> VerificationPlan {
    let mut o = o.clone();
    if o.deleting.is_some() {
        o.spec.deletion_policy = DeletionPolicy::Retain;
    }
    plan(&o, now)
}

fn forgets_the_ledger(o: &Observed, now: Timestamp) -> VerificationPlan {
    let mut planned = plan(o, now);
    if let Some(Effect::OweErasure { applicants, .. }) = &mut planned.effect {
        let known = o.facts.owed.is_empty().then_some(Effect::ReleaseDeletion { lost: vec![] });
        applicants.clear();
        planned.effect = known.filter(|_| o.deleting.is_some()).or(planned.effect);
    }
    planned
}

fn waits_for_ever(o: &Observed, now: Timestamp) -> VerificationPlan {
    let mut o = o.clone();
    o.deleting = o.deleting.map(|_| now);
    plan(&o, now)
}

fn starts_while_deleting(o: &Observed, now: Timestamp) -> VerificationPlan {
    let mut o = o.clone();
    o.deleting = None;
    plan(&o, now)
}

fn begins_unheld(o: &Observed, now: Timestamp) -> VerificationPlan {
    let mut o = o.clone();
    o.finalizer |= o.deleting.is_none() && o.spec.deletion_policy == DeletionPolicy::DeleteApplicant;
    plan(&o, now)
}

fn redacts_while_open(o: &Observed, now: Timestamp) -> VerificationPlan {
    let mut o = o.clone();
    let past: Vec<_> = o.status.attempts.iter().map(|past| past.phase).collect();
    o.status.attempts.iter_mut().filter(|past| !past.phase.is_final()).for_each(|past| past.phase = Phase::Failed);
    let mut planned = plan(&o, now);
    planned.status.attempts.iter_mut().zip(past).for_each(|(attempt, phase)| attempt.phase = phase);
    planned
}

fn redacts_unerased(o: &Observed, now: Timestamp) -> VerificationPlan {
    let mut o = o.clone();
    if let Some(Effect::EraseApplicant { id, .. }) = plan(&o, now).effect.filter(|_| o.deleting.is_none()) {
        o.facts.erased = Some((id, Ok(())));
    }
    plan(&o, now)
}

fn judges_the_redacted(o: &Observed, now: Timestamp) -> VerificationPlan {
    let mut planned = plan(o, now);
    if o.status.redacted_at.is_some() {
        let mut verified = planned.status.conditions.iter_mut().find(|condition| condition.type_ == "Verified");
        verified.iter_mut().filter(|_| o.is_asked()).for_each(|verified| verified.status = ConditionStatus::True);
    }
    planned
}
