//! The rows that bring an applicant from before up to date before another run: its data is sent anew, or another applicant is created where
//! that cannot be. Never while a run of it may be open: an outcome must not compare values that moved under it.

use jiff::Timestamp;

use crate::{
    api::{Basis, BasisAttribute, Operation, OperationKind},
    onfido::model::ApplicantId,
};

use super::{
    Effect, Failure, Fence, Observed, VerificationPlan, cancel, conditions, recovery,
    request::{Accepted, Ready, acceptable},
    start::{fence_of_intent, intend_applicant, intend_run, intent},
    turn::{nothing, refused},
    verdict::{self, NO_KEY},
};

/// How many applicants that are not used any more are remembered; none is ever forgotten.
const FORMER: usize = 16;

/// What the applicant was sent, as far as is on record, beside what is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holds {
    /// The same.
    AsAsked,
    /// Other values, or nobody can say.
    Other,
    /// Fields that are not asked for any more: nothing says that the vendor takes one back.
    More,
}

/// The applicant exists from before: starts the run once it holds what is asked for. It is sent even if nothing seems to have changed: a
/// restored etcd may have forgotten a change that was sent since. Where it may not be sent, what is on record is believed.
pub(super) fn ready(o: &Observed, now: Timestamp, applicant: ApplicantId, accepted: Ready) -> VerificationPlan {
    match (holds(o.status.basis.as_ref(), &accepted.basis), run_may_be_open(o)) {
        (Holds::AsAsked | Holds::Other, false) => intend_update(o, now, applicant, accepted, 0),
        (Holds::AsAsked, true) => intend_run(o, now, applicant, accepted.basis),
        (Holds::Other, true) | (Holds::More, _) => another_for_changes(o, now, accepted),
    }
}

fn holds(sent: Option<&Basis>, asked: &Basis) -> Holds {
    let Some(sent) = sent else { return Holds::Other };
    let given = |basis: &Basis| -> Vec<BasisAttribute> { basis.attributes.iter().filter(|a| a.digest.is_some()).cloned().collect() };
    let (sent_values, asked_values) = (given(sent), given(asked));
    if !sent_values.iter().all(|sent| asked_values.iter().any(|asked| asked.applicant_field == sent.applicant_field)) {
        return Holds::More;
    }
    let same = |asked: &BasisAttribute| {
        let as_sent =
            |sent: &BasisAttribute| (sent.applicant_field, &sent.name, &sent.digest) == (asked.applicant_field, &asked.name, &asked.digest);
        sent_values.iter().any(as_sent)
    };
    let known = sent.key_id != NO_KEY && sent.key_id == asked.key_id;
    if known && sent.consents == asked.consents && asked_values.iter().all(same) { Holds::AsAsked } else { Holds::Other }
}

/// Whether a run of an earlier attempt may go on: one in review, or one of which nobody knows whether it exists.
fn run_may_be_open(o: &Observed) -> bool {
    o.status.attempts.iter().any(|attempt| !attempt.phase.is_final())
}

/// Records the intent to send the data as it is now, then sends it.
fn intend_update(o: &Observed, now: Timestamp, applicant: ApplicantId, accepted: Ready, tries: u32) -> VerificationPlan {
    let mut plan = nothing(o);
    plan.fence = fence_of_intent(o);
    plan.status.attempt = Some(o.attempt());
    plan.status.basis = Some(accepted.basis);
    plan.status.next_check_at = None;
    plan.status.operation = Some(intent(o, now, OperationKind::UpdateApplicant, tries));
    conditions::say(&mut plan.status, o.generation, now, None, None);
    plan.effect = Some(Effect::UpdateApplicant { nonce: o.nonce.clone(), id: applicant, applicant: accepted.applicant });
    plan
}

/// The vendor has answered: it took the change, and the run is intended in the same write; or it does not, and another applicant is needed.
pub(super) fn updated(o: &Observed, now: Timestamp, taken: bool) -> VerificationPlan {
    let applicant = ApplicantId::parse(o.status.applicant_id.clone().unwrap_or_default());
    match (applicant, o.status.basis.clone(), acceptable(o)) {
        (Ok(applicant), Some(basis), _) if taken => intend_run(o, now, applicant, basis),
        (_, _, Ok(Accepted::Read(accepted))) => another(o, now, accepted, &Failure::RequestRefused { fields: vec![] }),
        _ => recovery::unanswered(o, now, &Failure::RequestRefused { fields: vec![] }),
    }
}

/// Whether the data was taken is not known. It may still take effect late, so that what the applicant holds is known again only once it
/// was waited out and the data sent anew. No run was ever sent under this record.
pub(super) fn in_doubt(o: &Observed, now: Timestamp, operation: &Operation) -> VerificationPlan {
    if o.spec.cancelled {
        return cancel::without_a_run(o, now, Some(Fence::Operation(operation.nonce.clone())));
    }
    recovery::sent_again(o, now, operation, |accepted| match ApplicantId::parse(o.status.applicant_id.clone().unwrap_or_default()) {
        Ok(id) if holds(o.status.basis.as_ref(), &accepted.basis) != Holds::More => {
            intend_update(o, now, id, accepted, operation.tries + 1)
        }
        _ => another_for_changes(o, now, accepted),
    })
}

/// The vendor does not know the applicant. Before the first outcome that means another account; later it may have been erased there.
pub(super) fn unknown(o: &Observed, now: Timestamp, accepted: Ready) -> VerificationPlan {
    if o.status.attempts.is_empty() {
        return refused(o, now, &Failure::AccountChanged);
    }
    another(o, now, accepted, &Failure::AccountChanged)
}

fn another_for_changes(o: &Observed, now: Timestamp, accepted: Ready) -> VerificationPlan {
    let names = match (&o.status.basis, &o.facts.attributes) {
        (Some(sent), Some(Ok(values))) => verdict::changed(sent, values).into_iter().map(str::to_owned).collect(),
        _ => vec![],
    };
    another(o, now, accepted, &Failure::AttributeChanged { names })
}

/// The applicant on record is of no use any more: another is created, and the old one's id kept, as long as there is room for it.
fn another(o: &Observed, now: Timestamp, accepted: Ready, full: &Failure) -> VerificationPlan {
    if o.status.former_applicant_ids.len() >= FORMER {
        return refused(o, now, full);
    }
    let mut moved = o.clone();
    moved.status.former_applicant_ids.extend(moved.status.applicant_id.take());
    intend_applicant(&moved, now, accepted, 0)
}
