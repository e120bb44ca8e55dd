//! What an outcome means: the vendor's run, judged by the basis of the attempt. Fails closed: the only path to Verified is an approved
//! run of ours, every attribute that must agree Clear, and every value still the one that was sent.

use crate::{
    api::{
        AttributeReason, AttributeResult, AttributeVerdict, Basis, BasisAttribute, ConditionStatus as Status, IdentityVerificationStatus,
        Phase, Reason, Requirement,
    },
    onfido::model::{ComparisonField, ComparisonResult, RunStatus, Word, WorkflowRun, compare},
};

use super::{Attributes, Failure, conditions::Says};

/// The key of digests that agree with no value, not even with one that cannot be read.
pub(super) const NO_KEY: &str = "none";

/// The schema's bound.
const MAX_REASONS: usize = 16;

/// The phase a vendor status means; none for one this version does not know.
pub(super) fn phase_of(status: &RunStatus) -> Option<Phase> {
    match status {
        RunStatus::AwaitingInput => Some(Phase::AwaitingInput),
        RunStatus::Processing | RunStatus::AwaitingClientInput => Some(Phase::Processing),
        RunStatus::Review => Some(Phase::InReview),
        RunStatus::Approved => Some(Phase::Approved),
        RunStatus::Declined => Some(Phase::Declined),
        RunStatus::Abandoned => Some(Phase::Abandoned),
        RunStatus::Error => Some(Phase::Failed),
        RunStatus::Unknown(_) => None,
    }
}

/// Whether a run read as truth is the one we started: applicant, workflow and tag are ours.
pub(super) fn is_ours(run: &WorkflowRun, status: &IdentityVerificationStatus, tag: &str) -> Result<(), Failure> {
    let what = if status.applicant_id.as_deref() != Some(run.applicant_id.as_str()) {
        "the run belongs to another applicant"
    } else if !status.basis.as_ref().is_some_and(|basis| basis.workflow_id.eq_ignore_ascii_case(run.workflow_id.as_str())) {
        "the run is of another workflow"
    } else if !run.tags.iter().any(|t| t == tag) {
        "the run does not carry our tag"
    } else {
        return Ok(());
    };
    Err(Failure::UnexpectedAnswer { what })
}

/// What the vendor's document comparison says of each attribute of the basis.
pub(super) fn results(run: &WorkflowRun, basis: &Basis) -> Vec<AttributeResult> {
    let comparison = compare(run.output.as_ref(), &basis.data_comparison_path);
    let result_of = |attribute: &BasisAttribute| {
        let field = attribute.digest.as_ref().and(attribute.comparison_field)?;
        let found = comparison.get(&ComparisonField::parse(field.as_str())?)?;
        Some(match found {
            ComparisonResult::Clear => AttributeVerdict::Clear,
            ComparisonResult::Consider => AttributeVerdict::Consider,
            ComparisonResult::NotCompared => AttributeVerdict::NotCompared,
            ComparisonResult::Unknown => AttributeVerdict::Unknown,
        })
    };
    let shown = basis.attributes.iter().filter(|a| a.digest.is_some() || a.requirement == Requirement::Required);
    shown
        .map(|attribute| AttributeResult {
            name: attribute.name.clone(),
            result: result_of(attribute).unwrap_or(AttributeVerdict::NotCompared),
            verified: false,
            reason: Some(AttributeReason::NotApproved),
        })
        .collect()
}

/// The vendor's words for why a run stands as it does, each once, the kind of a technical failure first. They are plain words already.
pub(super) fn reasons(run: &WorkflowRun) -> Vec<String> {
    let mut words: Vec<String> = vec![];
    for word in run.error_type.iter().chain(&run.reasons).map(Word::as_str) {
        if words.len() < MAX_REASONS && !words.iter().any(|known| known == word) {
            words.push(word.to_owned());
        }
    }
    words
}

/// The attributes whose values are not the ones that were sent: given with another value, given now and not then, or taken out of the
/// spec. A value that cannot be read at the moment, as when its Secret was deleted, is not a changed one; one that is no text is.
pub(super) fn changed<'a>(basis: &'a Basis, now: &Attributes) -> Vec<&'a str> {
    let no_text = |failure: &Failure, of: &str| matches!(failure, Failure::AttributeInvalid { name, .. } if name == of);
    let hidden = now.unreadable.iter().any(|failure| !matches!(failure, Failure::AttributeInvalid { .. }));
    let differs = |attribute: &BasisAttribute| {
        let given = now.given.iter().find(|given| given.name == attribute.name);
        match (&attribute.digest, given) {
            _ if now.unreadable.iter().any(|failure| no_text(failure, &attribute.name)) => true,
            (Some(_), _) if basis.key_id == NO_KEY => true,
            (Some(sent), Some(given)) => basis.key_id != now.key_id || *sent != given.digest,
            (None, Some(_)) => true,
            (Some(_), None) => !hidden,
            (None, None) => false,
        }
    };
    basis.attributes.iter().filter(|attribute| differs(attribute)).map(|attribute| attribute.name.as_str()).collect()
}

/// The verdict over an outcome: marks the attributes that are verified and says what Verified says.
pub(super) fn judge(phase: Phase, basis: &Basis, results: &mut [AttributeResult], changed: &[&str]) -> Says {
    let approved = phase == Phase::Approved;
    for result in results.iter_mut() {
        result.reason = match result.result {
            _ if !approved => Some(AttributeReason::NotApproved),
            _ if changed.contains(&result.name.as_str()) => Some(AttributeReason::Changed),
            AttributeVerdict::Clear => None,
            AttributeVerdict::Consider => Some(AttributeReason::Mismatch),
            AttributeVerdict::NotCompared => Some(AttributeReason::NotCompared),
            AttributeVerdict::Unknown => Some(AttributeReason::Unknown),
        };
        result.verified = result.reason.is_none();
    }
    let no = |reason, message: String| (Status::False, reason, message);
    match phase {
        Phase::Approved => {}
        Phase::Declined => return no(Reason::Declined, "the vendor declined".into()),
        Phase::Abandoned => return no(Reason::Abandoned, "the person did not finish in time".into()),
        Phase::Failed => return no(Reason::VendorError, "the vendor's workflow ended in an error".into()),
        Phase::Pending | Phase::AwaitingInput | Phase::Processing | Phase::InReview | Phase::Cancelled => {
            return (Status::Unknown, Reason::Pending, "no outcome".into());
        }
    }
    if !changed.is_empty() {
        return no(Reason::AttributeChanged, format!("changed since it was sent to the vendor: {}", changed.join(", ")));
    }
    let needed = |result: &&AttributeResult| {
        let attribute = basis.attributes.iter().find(|attribute| attribute.name == result.name);
        attribute.is_some_and(|a| a.requirement != Requirement::Informational && a.comparison_field.is_some())
    };
    let with = |wanted: fn(AttributeVerdict) -> bool| -> Vec<&str> {
        results.iter().filter(needed).filter(|result| wanted(result.result)).map(|result| result.name.as_str()).collect()
    };
    let mismatched = with(|result| matches!(result, AttributeVerdict::Consider));
    let uncompared = with(|result| matches!(result, AttributeVerdict::NotCompared | AttributeVerdict::Unknown));
    if !mismatched.is_empty() {
        no(Reason::AttributeMismatch, format!("approved, but not as on the document: {}", mismatched.join(", ")))
    } else if !uncompared.is_empty() {
        no(Reason::NotCompared, format!("approved, but not compared with the document: {}", uncompared.join(", ")))
    } else if !results.iter().any(|result| result.verified && results_required(basis, &result.name)) {
        no(Reason::NotCompared, "approved, but no required attribute was compared with the document".into())
    } else {
        (Status::True, Reason::Verified, "approved, and every attribute that must agree does".into())
    }
}

fn results_required(basis: &Basis, name: &str) -> bool {
    basis.attributes.iter().any(|attribute| attribute.name == name && attribute.requirement == Requirement::Required)
}
