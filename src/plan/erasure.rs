//! How a person's applicants are erased at the vendor: each is asked for, what was asked for is remembered, and what cannot be by a
//! deadline is owed by the ledger. Who wants it, and what follows, is decided elsewhere.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::{
    api::{Erasure, IdentityVerificationStatus, Reason},
    onfido::model::ApplicantId,
};

use super::{
    Effect, Failure, Notice, NoticeKind, Observed, Plan, VerificationPlan, Wake,
    schedule::{after, between},
    turn::{halted, nothing, wake_after},
};

/// How many erased applicants are remembered; a forgotten one would be asked for once more, and found gone.
const REMEMBERED: usize = 32;

/// What comes of erasing.
pub(super) enum Erasing {
    /// Something is to be done first.
    Does(Box<VerificationPlan>),
    /// Something stands in the way.
    Waits(Wait),
    /// Nothing is left to ask for but these, of whom not even the ledger tells. What was asked for in this pass and what is owed is in
    /// [`noted`], for whoever goes on without it.
    Done(Vec<ApplicantId>),
}

/// Something stands in the way of an erasure.
pub(super) struct Wait {
    /// What, if a person must see it.
    pub(super) says: Option<(Reason, String)>,
    /// When it is tried again.
    pub(super) until: Timestamp,
}

/// The applicants that are this object's at the vendor, each once, without those that are erased or owed.
pub(super) fn applicants(status: &IdentityVerificationStatus) -> Vec<ApplicantId> {
    let standing = status.standing_verdict.as_ref().map(|standing| &standing.applicant_id);
    let mut found = vec![];
    for id in status.applicant_id.iter().chain(standing).chain(&status.former_applicant_ids) {
        let erased = status.erasure.as_ref().is_some_and(|erasure| erasure.applicant_ids.contains(id));
        let Ok(id) = ApplicantId::parse(id.clone()) else { continue };
        if !erased && !found.contains(&id) {
            found.push(id);
        }
    }
    found
}

/// Erases what is left, one after the other. `since` is when it became due: until a deadline after that, what stands in the way is waited
/// for; then what is left is owed at once. One try is made in any case.
pub(super) fn erase(o: &Observed, now: Timestamp, since: Timestamp) -> Erasing {
    let status = noted(o, now);
    let left = applicants(&status);
    let Some(next) = left.first().cloned() else { return Erasing::Done(vec![]) };
    let over = deadline(o, since) <= now;
    if let Some(failure) = &o.facts.ledger {
        return match last_deadline(o, since) <= now {
            true => Erasing::Done(left),
            false => Erasing::Waits(wait(o, now, since, failure)),
        };
    }
    let environment = o.status.environment;
    let owe = |applicants, why| Effect::OweErasure { applicants, orphan: None, environment, why };
    let failed = o.facts.erased.as_ref().and_then(|(id, answer)| Some((id, answer.as_ref().err()?)));
    let effect = match failed.filter(|(id, _)| left.contains(id)) {
        // It may last for weeks.
        Some((id, failure @ Failure::RunInProgress)) => owe(vec![id.clone()], failure.rule().reason),
        Some((_, failure)) if over => owe(left, failure.rule().reason),
        Some((_, failure)) => return Erasing::Waits(wait(o, now, since, failure)),
        None if halted(o) && over => owe(left, Reason::Suspended),
        None if halted(o) => {
            let by = if o.spec.suspend { "spec.suspend is true" } else { "the provider is suspended" };
            let says = (Reason::Suspended, format!("{by}, and the vendor is not asked to erase anything"));
            return Erasing::Waits(Wait { says: Some(says), until: deadline(o, since) });
        }
        None => Effect::EraseApplicant { id: next, environment },
    };
    Erasing::Does(Box::new(Plan { status, effect: Some(effect), ..nothing(o) }))
}

/// From when on nothing is waited for that the vendor does not do.
pub(super) fn deadline(o: &Observed, since: Timestamp) -> Timestamp {
    after(since, o.timing.deletion)
}

/// From when on the ledger is not waited for either.
pub(super) fn last_deadline(o: &Observed, since: Timestamp) -> Timestamp {
    after(deadline(o, since), o.timing.deletion)
}

/// The status with what this pass has asked for, and what it owes.
pub(super) fn noted(o: &Observed, now: Timestamp) -> IdentityVerificationStatus {
    let mut status = o.status.clone();
    let erased = o.facts.erased.iter().filter(|(_, answer)| answer.is_ok()).map(|(id, _)| id);
    for id in erased.chain(&o.facts.owed) {
        let erasure = status.erasure.get_or_insert_with(|| Erasure { requested_at: Time(now), applicant_ids: vec![] });
        if !erasure.applicant_ids.iter().any(|known| known == id.as_str()) {
            erasure.requested_at = Time(now);
            erasure.applicant_ids.push(id.as_str().to_owned());
            erasure.applicant_ids.drain(..erasure.applicant_ids.len().saturating_sub(REMEMBERED));
        }
    }
    status
}

/// What a failure asks of a person, and when it is tried again: ever more rarely, but at each deadline.
pub(super) fn wait(o: &Observed, now: Timestamp, since: Timestamp, failure: &Failure) -> Wait {
    let [least, most] = o.timing.backoff;
    let paced = after(now, between(since, now).mul_f64(0.5 + 0.5 * o.jitter.clamp(0.0, 1.0)).clamp(least, most));
    let limit = [deadline(o, since), last_deadline(o, since)].into_iter().find(|limit| *limit > now);
    let next = match wake_after(o, now, failure) {
        Wake::OnChange => limit.unwrap_or(paced),
        Wake::Backoff => paced,
        Wake::At(told) => told.max(paced),
    };
    // The rate limit is the normal course: many are deleted together.
    let normal = matches!(failure, Failure::RateLimited { .. });
    let says = (!normal).then(|| (failure.rule().reason, failure.message()));
    Wait { says, until: limit.map_or(next, |limit| next.min(limit)) }
}

/// What a person must see of what this pass could not have erased.
pub(super) fn notices(o: &Observed, lost: &[ApplicantId]) -> Vec<Notice> {
    let ids = |of: &[ApplicantId]| of.iter().map(ApplicantId::as_str).collect::<Vec<_>>().join(", ");
    let owed = (!o.facts.owed.is_empty()).then(|| Notice {
        kind: NoticeKind::ErasureOwed,
        message: format!(
            "erasure at the vendor is owed for {}: kept in the operator's erasure ledger, and asked for until it is done",
            ids(&o.facts.owed)
        ),
    });
    let lost = (!lost.is_empty()).then(|| Notice {
        kind: NoticeKind::ErasureLost,
        message: format!("not erased at the vendor, and not in the erasure ledger: {}; erase by hand", ids(lost)),
    });
    owed.into_iter().chain(lost).collect()
}
