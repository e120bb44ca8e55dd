//! The rows of a run that is open: when to look at it, and what a look means.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::{
    api::{ConditionStatus, ConditionType, IdentityVerificationStatus, Phase, Reason, VendorRecord},
    onfido::model::{RunStatus, WorkflowRun},
};

use super::{
    Effect, Failure, Following, Notice, NoticeKind, Observed, VerificationPlan, Wake, capture, conditions, expiry,
    schedule::{Pace, after, between, first_look, next_look, past, soon},
    turn::{answered, halted, names_of, noted, nothing, notice_of, perform, read_run, refused, submission_noted, suspended},
    verdict,
};

/// The run is open: look when it is time or when somebody rings, and believe only what is read.
pub(super) fn running(o: &Observed, now: Timestamp) -> VerificationPlan {
    capture::ready(o, now, looking(o, now))
}

fn looking(o: &Observed, now: Timestamp) -> VerificationPlan {
    match &o.facts.run {
        Some(Err(Failure::RunPurged)) => purged(o, now),
        Some(Err(failure)) => refused(o, now, failure),
        Some(Ok(run)) => match verdict::is_ours(run, &o.status, &o.tag()) {
            Err(failure) => refused(o, now, &failure),
            Ok(()) => match verdict::phase_of(&run.status) {
                Some(phase) if phase.is_final() => outcome(o, now, run, phase),
                phase => still_open(o, now, run, phase.unwrap_or(o.status.phase)),
            },
        },
        None if halted(o) => suspended(o, now),
        None if is_wanted(o) || due(o, &o.status, now).is_some_and(|due| due <= now) => match read_run(o) {
            Ok(effect) => perform(o, effect),
            Err(failure) => refused(o, now, &failure),
        },
        None => acknowledged(o, now, wake(o, &o.status, now)),
    }
}

/// Whether somebody asks for a look: a delivery, a person, the feed, the audit, the watch of Secrets. A run that was found with its last
/// word is read at once: the feed has no other word for it.
fn is_wanted(o: &Observed) -> bool {
    let last = |word: &String| verdict::phase_of(&RunStatus::from(word.as_str())).is_some_and(Phase::is_final);
    let unread = o.status.vendor_status.as_ref().is_some_and(last);
    unread || o.status.unanswered().is_some() || o.is_asked() || capture::asked(o) || o.memory.look_wanted.is_some()
}

/// The vendor does not have the run any more: no outcome will come. Should it be there again one day, the hourly look sees it. A run that
/// was just started may be one that reads do not show yet.
fn purged(o: &Observed, now: Timestamp) -> VerificationPlan {
    if o.status.started_at.as_ref().is_some_and(|began| between(began.0, now) < o.timing.slow_retry) {
        return refused(o, now, &Failure::UnexpectedAnswer { what: "it does not know the run" });
    }
    let mut found = o.clone();
    found.status.vendor_record = Some(VendorRecord::Purged);
    let mut plan = refused(&found, now, &Failure::RunPurged);
    answered(o, &mut plan.status);
    plan
}

/// The vendor still works, or waits: note what it says.
fn still_open(o: &Observed, now: Timestamp, run: &WorkflowRun, phase: Phase) -> VerificationPlan {
    let mut plan = nothing(o);
    if phase == Phase::AwaitingInput {
        plan.effect = capture::hand_over(o, run);
        if plan.effect.is_some() {
            return plan;
        }
    }
    noted(o, now, &mut plan.status, run);
    plan.status.phase = phase;
    capture_noted(o, now, run, &mut plan);
    plan.wake = due_since(o, &plan.status, now, Some(now)).map_or(Wake::OnChange, Wake::At);
    plan
}

/// The vendor has spoken: judge it by the basis and by the values as they are now.
pub(super) fn outcome(o: &Observed, now: Timestamp, run: &WorkflowRun, phase: Phase) -> VerificationPlan {
    let Some(basis) = &o.status.basis else { return nothing(o) };
    let Some(attributes) = &o.facts.attributes else { return perform(o, Effect::ReadAttributes { names: names_of(o) }) };
    let attributes = match attributes {
        Ok(attributes) => attributes,
        Err(failure) => return refused(o, now, failure),
    };
    let mut plan = nothing(o);
    let mut results = verdict::results(run, basis);
    let verified = verdict::judge(phase, basis, &mut results, &verdict::changed(basis, attributes));
    noted(o, now, &mut plan.status, run);
    plan.status.phase = phase;
    plan.status.attributes = results;
    // By the vendor's clock: an old run that a restored object finds again is not valid anew.
    plan.status.completed_at = Some(Time(run.updated_at.map_or(now, |updated| updated.min(now))));
    plan.status.standing_verdict = None; // this one takes its place
    let verified = expiry::bounded(&mut plan.status, now, verified, false);
    if verified.0 == ConditionStatus::True {
        plan.status.last_verified_attempt = Some(o.attempt());
    } else if matches!(conditions::recorded(&o.status, ConditionType::Verified), Some((ConditionStatus::True, _, _))) {
        plan.notices.push(Notice { kind: NoticeKind::Revoked, message: verified.2.clone() });
    }
    conditions::say(&mut plan.status, o.generation, now, None, Some(verified));
    plan
}

/// Nothing is due but to acknowledge the spec. A finalize alone is acknowledged by the look that it asks for.
pub(super) fn acknowledged(o: &Observed, now: Timestamp, wake: Wake) -> VerificationPlan {
    let mut plan = nothing(o);
    plan.wake = wake;
    // In review no finalize asks for a look.
    let finalize_pending = submitted(o).is_some() && o.status.submitted_at.is_none() && o.status.phase != Phase::InReview;
    if conditions::suspended(&o.status) || (o.status.observed_generation != Some(o.generation) && !finalize_pending) {
        submission_noted(o, now, &mut plan.status);
        conditions::acknowledge(&mut plan.status, o.generation, now);
    }
    plan
}

/// Notes what became of the Secret, and says all conditions. A Secret that is not ours holds no token of ours.
pub(super) fn capture_noted(o: &Observed, now: Timestamp, run: &WorkflowRun, plan: &mut VerificationPlan) {
    let mut trouble = None;
    match &o.facts.capture {
        Some(Ok(name)) => {
            plan.status.capture = Some(capture::handed(o, run, name, plan.status.started_at.as_ref()));
        }
        Some(Err(failure)) => {
            plan.status.capture = None;
            plan.notices.extend(notice_of(o, failure));
            trouble = Some(failure);
        }
        None => {}
    }
    conditions::say(&mut plan.status, o.generation, now, trouble, None);
}

/// When the run must be looked at next, as far as is recorded, if it must without anybody's word.
fn due(o: &Observed, status: &IdentityVerificationStatus, now: Timestamp) -> Option<Timestamp> {
    due_since(o, status, now, o.memory.last_look)
}

/// When to come back for that.
pub(super) fn wake(o: &Observed, status: &IdentityVerificationStatus, now: Timestamp) -> Wake {
    due(o, status, now).map_or(Wake::OnChange, Wake::At)
}

fn due_since(o: &Observed, status: &IdentityVerificationStatus, now: Timestamp, last_look: Option<Timestamp>) -> Option<Timestamp> {
    let last_look = past(last_look, now);
    let began = status.started_at.as_ref().map_or(now, |t| t.0);
    let submitted = status.submitted_at.as_ref().map(|t| t.0).or(submitted(o));
    let (pace, anchor) = match (status.phase, submitted) {
        (Phase::InReview, _) => (Pace::Slow, began),
        (_, Some(submitted)) => (Pace::Eager, submitted),
        (Phase::Processing, None) => (Pace::Eager, began.max(conditions::since(status, ConditionType::CaptureReady).unwrap_or(began))),
        _ => (Pace::Slow, began),
    };
    // Of a run that the vendor does not have, its list does not tell either.
    let following = if status.vendor_record == Some(VendorRecord::Purged) { Following::Lost(Timestamp::MIN) } else { o.following };
    let due = match following {
        Following::Since(since) => Some(pace)
            .filter(|pace| *pace == Pace::Eager)
            .and_then(|_| soon(anchor, last_look, now, o.jitter, &o.timing))
            .or_else(|| first_look(began, last_look, since, o.jitter, &o.timing)),
        Following::Lost(lost) => {
            let due = next_look(pace, anchor, last_look, now, o.jitter, &o.timing);
            // What the feed has spared until then is not made up for at once.
            Some(if due < lost { after(lost, o.timing.slow_look.mul_f64(o.jitter)) } else { due })
        }
    };
    if !troubled(status) {
        return due;
    }
    let again = match (last_look, following) {
        (Some(look), _) => after(look, o.timing.slow_retry),
        // By the time that this process has followed it: what was in trouble before is not all looked at when it begins.
        (None, Following::Since(since)) if began <= now => {
            began.max(after(since, o.timing.feed_first + o.timing.slow_retry.mul_f64(o.jitter)))
        }
        (None, _) => began.min(now),
    };
    Some(due.map_or(again, |due| due.min(again)))
}

/// Whether the last look met trouble, or a run that waits for the person came without its token: the next one is not an hour away.
fn troubled(status: &IdentityVerificationStatus) -> bool {
    use Reason as R;
    let reason = |type_| conditions::recorded(status, type_).map(|(_, reason, _)| reason);
    let usual = [R::Pending, R::AwaitingInput, R::Processing, R::InReview, R::OutcomeReported, R::Suspended, R::Purged];
    reason(ConditionType::Completed).is_some_and(|reason| !usual.contains(&reason))
        || matches!(reason(ConditionType::CaptureReady), Some(R::SecretConflict | R::SecretRefused | R::UnexpectedAnswer))
}

/// When the finalize was first seen, as far as this process remembers.
fn submitted(o: &Observed) -> Option<Timestamp> {
    o.memory.submission_seen.filter(|_| o.spec.submitted_attempt >= o.attempt())
}
