//! When a verdict ends by itself: after the provider's validity, as it was when the attempt started. Does not judge.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::{AttributeReason, AttributeResult, ConditionStatus, ConditionType, IdentityVerificationStatus, Reason};

use super::{
    Facts, Observed, VerificationPlan, Wake,
    conditions::{self, Says},
    schedule::{after, is_left},
    turn::{nothing, submission_noted},
};

/// The verdict has come to its end and nothing else is under way in this pass: it is recorded as expired. Calls nobody, so that neither
/// `suspend` nor a vendor that is gone keeps a verdict alive, nor a deletion that waits for one.
pub(super) fn expired(o: &Observed, now: Timestamp) -> Option<VerificationPlan> {
    let until = o.status.verified_until.as_ref()?;
    let goes = o.deleting.is_some();
    if until.0 > now || (goes && !o.finalizer) || !nothing_learned(&o.facts) {
        return None;
    }
    let mut plan = nothing(o);
    let mut results = std::mem::take(&mut plan.status.attributes);
    let says = end(&mut results, until.0);
    plan.status.attributes = results;
    plan.status.verified_until = None;
    submission_noted(o, now, &mut plan.status);
    // An edit that came meanwhile is acknowledged unjudged: there is no verdict left that it could undo.
    conditions::say(&mut plan.status, o.generation, now, None, Some(says));
    if goes {
        conditions::put_back(&mut plan.status, &o.status, ConditionType::Ready); // says what the deletion waits for
    }
    if o.status.is_rung() || o.is_asked() || goes {
        plan.wake = Wake::At(now);
    }
    Some(plan)
}

/// Whether a pass is at its beginning. Later it may hold an answer that must go on record first.
fn nothing_learned(facts: &Facts) -> bool {
    let Facts {
        attributes,
        custom_data,
        looked,
        applicant,
        updated,
        started,
        capture,
        capture_kept: _,
        fresh_token,
        emptied,
        removed,
        deleted,
        run,
        older_run,
        erased,
        owed,
        orphan_owed: _, // of an object that is being deleted, like the ledger's trouble
        ledger: _,
    } = facts;
    let called = applicant.is_some() || updated.is_some() || started.is_some();
    let handed = capture.is_some() || fresh_token.is_some() || emptied.is_some();
    let ended = erased.is_some() || !owed.is_empty() || removed.is_some() || *deleted;
    let read = custom_data.is_some() || attributes.is_some() || !looked.is_empty() || run.is_some() || older_run.is_some();
    !called && !handed && !ended && !read
}

/// Bounds a verdict: notes until when it holds. On an outcome that is judged `again` one that has expired stays so, whatever the clock says.
pub(super) fn bounded(status: &mut IdentityVerificationStatus, now: Timestamp, verified: Says, again: bool) -> Says {
    status.verified_until = None;
    if verified.0 != ConditionStatus::True {
        return verified;
    }
    let was_expired = again && matches!(conditions::recorded(status, ConditionType::Verified), Some((_, Reason::Expired, _)));
    match until(status) {
        Some(until) if until <= now || was_expired => end(&mut status.attributes, until),
        until => {
            status.verified_until = until.map(Time);
            verified
        }
    }
}

/// When a verdict on the recorded outcome ends; never, if the provider had no validity when the attempt started. Of whole seconds, as a
/// status keeps them: once more from what was read back it must be the same.
fn until(status: &IdentityVerificationStatus) -> Option<Timestamp> {
    let whole = |moment: Timestamp| Timestamp::from_second(moment.as_second()).unwrap_or(moment);
    let validity = status.basis.as_ref()?.validity.as_ref()?;
    Some(whole(after(whole(status.completed_at.as_ref()?.0), validity.as_std())))
}

fn end(results: &mut [AttributeResult], until: Timestamp) -> Says {
    results.iter_mut().for_each(|result| result.no_more(AttributeReason::Expired));
    (ConditionStatus::False, Reason::Expired, format!("the verdict was valid until {until}"))
}

/// Comes back when the verdict ends, whatever else is waited for. Until that is near nobody waits: the sweep comes round.
pub(super) fn awaited(o: &Observed, now: Timestamp, mut plan: VerificationPlan) -> VerificationPlan {
    let until = plan.status.verified_until.as_ref().filter(|_| o.deleting.is_none() || o.finalizer);
    if let Some(until) = until.filter(|until| !is_left(until.0, plan.wake, now, &o.timing)) {
        plan.wake = plan.wake.earliest(Wake::At(until.0));
    }
    plan
}
