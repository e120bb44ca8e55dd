//! The rows of a recorded outcome. It changes only for the worse. That a verdict ends by itself is in `expiry`.

use jiff::Timestamp;

use crate::{
    api::{AttributeReason, AttributeResult, AttributeVerdict, Basis, ConditionStatus, ConditionType, Phase, Reason, VendorRecord},
    onfido::model::WorkflowRun,
};

use super::{
    Attributes, Effect, Failure, Notice, NoticeKind, Observed, Plan, VerificationPlan, Wake, conditions, expiry, redaction,
    schedule::after,
    turn::{answered, halted, names_of, noted, nothing, perform, read_run, submission_noted, unjudged, wake_after},
    verdict,
};

/// The outcome is recorded. It changes only for the worse: a value that changed since, or an approval the vendor took back.
pub(super) fn settled(o: &Observed, now: Timestamp) -> VerificationPlan {
    if redaction::is_bare(&o.status) {
        return unjudged(o, now);
    }
    let acknowledged = o.status.observed_generation == Some(o.generation);
    let rung = (o.status.unanswered().is_some() || o.is_asked()) && !halted(o); // while suspended the bell waits, an edit does not
    if acknowledged && !rung {
        return nothing(o);
    }
    let Some(basis) = &o.status.basis else { return nothing(o) };
    let attributes = match &o.facts.attributes {
        None => return perform(o, Effect::ReadAttributes { names: names_of(o) }),
        // An edit is acknowledged only when it was judged: nobody may take an old verdict for a new one.
        Some(Err(failure)) => return Plan { wake: wake_after(o, now, failure), ..nothing(o) },
        Some(Ok(attributes)) => attributes,
    };
    if !rung {
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
    // Also what a purge looks like that took the applicant: nothing that minutes would heal.
    let wake = match trouble {
        Failure::AccountChanged => Wake::At(after(now, o.timing.slow_look)),
        _ => wake_after(o, now, &trouble),
    };
    // The edit is judged by the outcome on record; the bell waits.
    let judged = if acknowledged { nothing(o) } else { confirm(o, now, basis, attributes, None) };
    Plan { wake, ..judged }
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
