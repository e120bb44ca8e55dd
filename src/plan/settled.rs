//! The rows of a recorded outcome. It changes only for the worse. That a verdict ends by itself is in `expiry`.

use jiff::Timestamp;

use crate::{
    api::{AttributeReason, AttributeResult, AttributeVerdict, Basis, ConditionStatus, ConditionType, Phase, Reason, VendorRecord},
    onfido::model::WorkflowRun,
};

use super::{
    Attributes, Effect, Failure, Notice, NoticeKind, Observed, Plan, VerificationPlan, Wake, Wanted, conditions, expiry, redaction,
    schedule::after,
    turn::{answered, halted, names_of, noted, nothing, perform, read_run, submission_noted, unjudged, wake_after},
    verdict,
};

/// The outcome is recorded. It changes only for the worse: a value that changed since, or an approval the vendor took back.
pub(super) fn settled(o: &Observed, now: Timestamp) -> VerificationPlan {
    if redaction::is_bare(&o.status) {
        return unjudged(o, now);
    }
    // A value that changed in a watched Secret is what an edit is: the vendor need not be asked.
    let changed = o.memory.values_changed && is_worth_an_audit(o);
    let acknowledged = o.status.observed_generation == Some(o.generation) && !changed;
    let audited = o.is_audit() && is_worth_an_audit(o);
    let awaited = o.status.unanswered().is_some() || o.is_asked() || o.memory.look_wanted == Some(Wanted::Feed);
    let rung = (awaited || audited) && !halted(o); // while suspended the bell waits, an edit does not
    if acknowledged && !rung {
        return nothing(o);
    }
    // What an audit meets with, the next one may not.
    let retry = |failure: &Failure| match failure {
        _ if audited && acknowledged => Wake::OnChange,
        // Also what a purge looks like that took the applicant: nothing that minutes would heal.
        Failure::AccountChanged => Wake::At(after(now, o.timing.slow_look)),
        failure => wake_after(o, now, failure),
    };
    let Some(basis) = &o.status.basis else { return nothing(o) };
    let attributes = match &o.facts.attributes {
        None => return perform(o, Effect::ReadAttributes { names: names_of(o) }),
        // An edit is acknowledged only when it was judged: nobody may take an old verdict for a new one.
        Some(Err(failure)) => return Plan { wake: retry(failure), ..nothing(o) },
        Some(Ok(attributes)) => attributes,
    };
    // Of a run that is known to be gone only the values are left to be read.
    if !rung || (audited && o.status.vendor_record == Some(VendorRecord::Purged)) {
        return confirm(o, now, basis, attributes, None);
    }
    let trouble = match &o.facts.run {
        None => match read_run(o) {
            Ok(effect) => return perform(o, effect),
            Err(failure) => failure,
        },
        Some(Err(failure)) => failure.clone(),
        Some(Ok(run)) => match verdict::is_ours(run, &o.status, &o.tag()) {
            Ok(()) => return confirm(o, now, basis, attributes, Some(run)),
            Err(failure) => failure,
        },
    };
    if trouble == Failure::RunPurged {
        // What was decided stays, and there is nobody left to ask.
        let mut plan = confirm(o, now, basis, attributes, None);
        plan.status.vendor_record = Some(VendorRecord::Purged);
        answered(o, &mut plan.status);
        conditions::say(&mut plan.status, o.generation, now, None, None);
        return plan;
    }
    // The edit, or what an audit has read, is judged by the outcome on record; the bell waits.
    let judged = if acknowledged && !audited { nothing(o) } else { confirm(o, now, basis, attributes, None) };
    Plan { wake: retry(&trouble), ..judged }
}

/// Whether what an audit finds could change the verdict: one that has ended for good is what it is.
fn is_worth_an_audit(o: &Observed) -> bool {
    matches!(conditions::recorded(&o.status, ConditionType::Verified), Some((_, Reason::Verified | Reason::AttributeChanged, _)))
}

/// Judges a recorded outcome again, by the run if it was read, and by the values as they are now.
fn confirm(o: &Observed, now: Timestamp, basis: &Basis, attributes: &Attributes, run: Option<&WorkflowRun>) -> VerificationPlan {
    let mut plan = nothing(o);
    let before = conditions::recorded(&o.status, ConditionType::Verified);
    let was_revoked = matches!(before, Some((_, Reason::Revoked, _)));
    let was_verified = matches!(before, Some((ConditionStatus::True, _, _)));
    let mut results = o.status.attributes.clone();
    let mut revoked = was_revoked;
    if let Some(run) = run {
        noted(o, now, &mut plan.status, run);
        if o.status.phase == Phase::Approved {
            let fresh = verdict::results(run, basis);
            // By the vendor's words alone: a value that is changed at the moment must not hide that they are worse.
            let stands =
                |results: &[AttributeResult]| verdict::judge(Phase::Approved, basis, &mut results.to_vec(), &[]).0 == ConditionStatus::True;
            revoked |= verdict::phase_of(&run.status) != Some(Phase::Approved) || (stands(&results) && !stands(&fresh));
            for old in results.iter_mut().filter(|old| old.result == AttributeVerdict::Clear) {
                old.result = fresh.iter().find(|new| new.name == old.name).map_or(AttributeVerdict::NotCompared, |new| new.result);
            }
        }
    }
    let mut verified = verdict::judge(o.status.phase, basis, &mut results, &verdict::changed(basis, attributes));
    if revoked {
        results.iter_mut().for_each(|result| result.no_more(AttributeReason::Revoked));
        verified = (ConditionStatus::False, Reason::Revoked, "the vendor does not stand by its approval any more".into());
    }
    plan.status.attributes = results;
    let verified = expiry::bounded(&mut plan.status, now, verified, true);
    if was_verified && verified.0 != ConditionStatus::True && verified.1 != Reason::Expired {
        plan.notices.push(Notice { kind: NoticeKind::Revoked, message: verified.2.clone() });
    }
    submission_noted(o, now, &mut plan.status);
    conditions::say(&mut plan.status, o.generation, now, None, Some(verified));
    plan
}
