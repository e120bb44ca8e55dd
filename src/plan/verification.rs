//! The transition table of a verification: one arm per row. Which row applies is decided from recorded facts alone, so a crash anywhere
//! is only a shorter pass.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::{
    api::{
        Basis, BasisAttribute, CaptureStatus, ConditionStatus, ConditionType, IdentityVerificationStatus, Inline, Operation, OperationKind,
        Phase, Reason, Requirement, SecretRef,
    },
    onfido::{
        model::{ApplicantField, ApplicantId, Consent, ConsentName, NewApplicant, NewWorkflowRun, WorkflowId, WorkflowRun, WorkflowRunId},
        secret::Personal,
    },
};

use super::{
    Attributes, Effect, Failure, Fence, Looked, Notice, NoticeKind, Observed, Plan, Provider, Retry, Wake, conditions, recovery,
    schedule::{Pace, after, between, next_look},
    verdict,
};

/// The attempt this version makes; a second one comes with `spec.attempt`.
pub const ATTEMPT: i32 = 1;
/// How many answered deliveries are remembered.
const ANSWERED: usize = 8;

/// A plan for a verification.
pub type VerificationPlan = Plan<IdentityVerificationStatus, Effect>;

/// What to do next.
pub fn plan(o: &Observed, now: Timestamp) -> VerificationPlan {
    let status = &o.status;
    if o.deleting {
        return nothing(o);
    }
    if status.workflow_run_id.is_some() {
        return if status.phase.is_final() { settled(o, now) } else { running(o, now) };
    }
    // A call was made in this pass: its answer goes on record before anything else.
    match (&o.facts.applicant, &o.facts.started) {
        (_, Some(Ok(run))) => return started(o, now, run, vec![]),
        (_, Some(Err(failure))) => return recovery::unanswered(o, now, failure),
        (Some(Ok(applicant)), None) => return applicant_created(o, now, &applicant.id),
        (Some(Err(failure)), None) => return recovery::unanswered(o, now, failure),
        (None, None) => {}
    }
    match &status.operation {
        _ if o.spec.suspend => suspended(o, now),
        Some(_) if halted(o) => suspended(o, now),
        Some(operation) => recovery::in_doubt(o, now, operation),
        None => request(o, now),
    }
}

// ---- No run yet -------------------------------------------------------------------------------------------------------------------

/// Nothing is recorded at the vendor, or only the applicant: check what is asked for, then begin.
fn request(o: &Observed, now: Timestamp) -> VerificationPlan {
    let accepted = match acceptable(o) {
        Err(failure) => return refused(o, now, &failure),
        Ok(Accepted::Unread(names)) => return perform(o, Effect::ReadAttributes { names }),
        Ok(Accepted::Read(accepted)) => accepted,
    };
    // The operator was down, etcd was restored, or the vendor refused before: a run of ours may exist that nothing here speaks of.
    let may_exist = o.status.applicant_id.is_some() || between(o.created_at, now) >= o.timing.look_first_after;
    match &o.facts.looked {
        None if may_exist => return perform(o, look(o)),
        Some(Err(failure)) => return refused(o, now, failure),
        Some(Ok(looked)) if !looked.applicant_known => return refused(o, now, &Failure::AccountChanged),
        Some(Ok(looked)) if !looked.runs.is_empty() => {
            let mut found = o.clone();
            found.status.basis = Some(accepted.basis);
            return adopt(&found, now, looked);
        }
        None | Some(Ok(_)) => {}
    }
    match ApplicantId::parse(o.status.applicant_id.clone().unwrap_or_default()) {
        Ok(applicant) => intend_run(o, now, applicant, accepted.basis),
        Err(_) => intend_applicant(o, now, accepted, 0),
    }
}

/// Records the intent to create the applicant, then creates it.
pub(super) fn intend_applicant(o: &Observed, now: Timestamp, accepted: Ready, tries: u32) -> VerificationPlan {
    let mut plan = nothing(o);
    plan.fence = fence_of_intent(o);
    plan.status.attempt = Some(ATTEMPT);
    plan.status.environment = Some(environment(o));
    plan.status.basis = Some(accepted.basis);
    plan.status.next_check_at = None;
    plan.status.operation = Some(intent(o, now, OperationKind::CreateApplicant, tries));
    conditions::say(&mut plan.status, o.generation, now, None, None);
    plan.effect = Some(Effect::CreateApplicant { nonce: o.nonce.clone(), applicant: accepted.applicant });
    plan
}

/// The applicant exists: records it together with the intent to start the run, in one write, then starts it.
fn applicant_created(o: &Observed, now: Timestamp, applicant: &ApplicantId) -> VerificationPlan {
    let mut recorded = o.clone();
    recorded.status.applicant_id = Some(applicant.as_str().to_owned());
    match o.status.basis.clone() {
        Some(basis) => intend_run(&recorded, now, applicant.clone(), basis),
        None => nothing(o), // an intent is never recorded without its basis
    }
}

/// Records the intent to start the run, then starts it.
fn intend_run(o: &Observed, now: Timestamp, applicant: ApplicantId, basis: Basis) -> VerificationPlan {
    let mut plan = nothing(o);
    let Ok(workflow) = WorkflowId::parse(basis.workflow_id.clone()) else {
        return refused(o, now, &Failure::RequestRefused { fields: vec!["workflow_id".into()] });
    };
    plan.fence = fence_of_intent(o);
    plan.status.basis = Some(basis);
    plan.status.operation = Some(intent(o, now, OperationKind::StartRun, 0));
    conditions::say(&mut plan.status, o.generation, now, None, None);
    plan.effect = Some(start_run(o, applicant, workflow));
    plan
}

/// The vendor's request for the one run of this attempt.
pub(super) fn start_run(o: &Observed, applicant_id: ApplicantId, workflow_id: WorkflowId) -> Effect {
    let run = NewWorkflowRun { workflow_id, applicant_id, tags: vec![o.tag.clone()], customer_user_id: o.spec.subject.clone() };
    Effect::StartRun { nonce: o.nonce.clone(), run }
}

/// Runs of ours were found: the oldest is the one, the rest are reported.
pub(super) fn adopt(o: &Observed, now: Timestamp, looked: &Looked) -> VerificationPlan {
    let oldest = looked.runs.iter().min_by_key(|run| (run.created_at.unwrap_or(Timestamp::MAX), run.id.as_str().to_owned()));
    let Some(run) = oldest else { return nothing(o) };
    let extra: Vec<Notice> = looked
        .runs
        .iter()
        .filter(|other| other.id != run.id)
        .map(|other| Notice {
            kind: NoticeKind::ExtraRun,
            message: format!(
                "run {} exists beside {}, which is used; it was paid for and cannot be cancelled",
                other.id.as_str(),
                run.id.as_str()
            ),
        })
        .collect();
    let mut found = o.clone();
    if found.status.applicant_id.is_none() {
        found.status.applicant_id = Some(run.applicant_id.as_str().to_owned());
    }
    found.status.attempt = Some(ATTEMPT);
    found.status.environment.get_or_insert(environment(o));
    if let Err(failure) = verdict::is_ours(run, &found.status, &o.tag) {
        return refused(o, now, &failure);
    }
    let mut plan = started(&found, now, run, extra);
    if plan.effect.is_some() {
        plan.status = o.status.clone(); // nothing is recorded before the Secret is written
        plan.notices.clear();
    }
    plan
}

/// The run exists: the SDK token goes into the Secret, then the run goes on record.
fn started(o: &Observed, now: Timestamp, run: &WorkflowRun, notices: Vec<Notice>) -> VerificationPlan {
    let phase = verdict::phase_of(&run.status).unwrap_or(Phase::Processing);
    let waits = phase == Phase::AwaitingInput;
    let mut plan = nothing(o);
    if let (true, None, Some(token)) = (waits, &o.facts.capture, &run.sdk_token) {
        plan.effect = Some(Effect::WriteCaptureSecret { run: run.id.clone(), token: token.clone(), restore: false });
        return plan;
    }
    plan.fence = match &o.status.operation {
        Some(operation) => Fence::Operation(operation.nonce.clone()),
        None => Fence::Version,
    };
    plan.notices = notices;
    let began = run.created_at.map_or(now, |created| created.min(now));
    let status = &mut plan.status;
    status.operation = None;
    status.next_check_at = None;
    status.workflow_run_id = Some(run.id.as_str().to_owned());
    status.workflow_version_id = run.workflow_version_id;
    status.dashboard_url.clone_from(&run.dashboard_url);
    status.vendor_status = Some(run.status.as_str().to_owned());
    status.started_at = Some(Time(began));
    // Even a run that comes back approved is only believed once it is read.
    status.phase = if phase.is_final() { Phase::Processing } else { phase };
    let mut trouble = None;
    match &o.facts.capture {
        Some(Ok(name)) => {
            let expires_at = Some(Time(after(began, o.timing.sdk_token_lifetime)));
            status.capture = Some(CaptureStatus { secret_ref: SecretRef { name: name.clone() }, expires_at });
        }
        Some(Err(failure)) => trouble = Some(failure),
        None => {}
    }
    conditions::say(&mut plan.status, o.generation, now, trouble, None);
    plan.wake = if phase.is_final() { Wake::At(now) } else { Wake::At(due(o, &plan.status, now)) };
    plan
}

// ---- The run is open --------------------------------------------------------------------------------------------------------------

/// The run is open: look when it is time or when the vendor rings, and believe only what is read.
fn running(o: &Observed, now: Timestamp) -> VerificationPlan {
    match &o.facts.run {
        Some(Err(failure)) => refused(o, now, failure),
        Some(Ok(run)) => match verdict::is_ours(run, &o.status, &o.tag) {
            Err(failure) => refused(o, now, &failure),
            Ok(()) => match verdict::phase_of(&run.status) {
                Some(phase) if phase.is_final() => outcome(o, now, run, phase),
                phase => still_open(o, now, run, phase.unwrap_or(o.status.phase)),
            },
        },
        None if halted(o) => suspended(o, now),
        None if o.unanswered().is_some() || due(o, &o.status, now) <= now => read_run(o, now),
        None => acknowledged(o, now, due(o, &o.status, now)),
    }
}

/// The vendor still works, or waits: note what it says.
fn still_open(o: &Observed, now: Timestamp, run: &WorkflowRun, phase: Phase) -> VerificationPlan {
    let mut plan = nothing(o);
    if let (Phase::AwaitingInput, None, Some(token)) = (phase, &o.facts.capture, &run.sdk_token) {
        plan.effect = Some(Effect::WriteCaptureSecret { run: run.id.clone(), token: token.clone(), restore: o.status.capture.is_some() });
        return plan;
    }
    noted(o, &mut plan.status, run);
    plan.status.phase = phase;
    let trouble = match &o.facts.capture {
        Some(Ok(name)) => {
            let expires_at = plan.status.started_at.as_ref().map(|began| Time(after(began.0, o.timing.sdk_token_lifetime)));
            plan.status.capture = Some(CaptureStatus { secret_ref: SecretRef { name: name.clone() }, expires_at });
            None
        }
        Some(Err(failure)) => Some(failure),
        None => None,
    };
    conditions::say(&mut plan.status, o.generation, now, trouble, None);
    plan.wake = Wake::At(due_after_look(o, &plan.status, now));
    plan
}

/// The vendor has spoken: judge it by the basis and by the values as they are now.
fn outcome(o: &Observed, now: Timestamp, run: &WorkflowRun, phase: Phase) -> VerificationPlan {
    let Some(basis) = &o.status.basis else { return nothing(o) };
    let Some(attributes) = &o.facts.attributes else { return perform(o, Effect::ReadAttributes { names: names_of(o) }) };
    let attributes = match attributes {
        Ok(attributes) => attributes,
        Err(failure) => return refused(o, now, failure),
    };
    let mut plan = nothing(o);
    let mut results = verdict::results(run, basis);
    let verified = verdict::judge(phase, basis, &mut results, &verdict::changed(basis, attributes));
    noted(o, &mut plan.status, run);
    plan.status.phase = phase;
    plan.status.attributes = results;
    plan.status.completed_at = Some(Time(now));
    conditions::say(&mut plan.status, o.generation, now, None, Some(verified));
    plan
}

// ---- The outcome is recorded ------------------------------------------------------------------------------------------------------

/// The outcome is recorded. It changes only for the worse: a value that changed since, or an approval the vendor took back.
fn settled(o: &Observed, now: Timestamp) -> VerificationPlan {
    let acknowledged = o.status.observed_generation == Some(o.generation);
    if acknowledged && o.unanswered().is_none() {
        return nothing(o);
    }
    let Some(basis) = &o.status.basis else { return nothing(o) };
    let attributes = match &o.facts.attributes {
        None => return perform(o, Effect::ReadAttributes { names: names_of(o) }),
        Some(Err(failure)) => return refused(o, now, failure),
        Some(Ok(attributes)) => attributes,
    };
    if o.unanswered().is_some() {
        match &o.facts.run {
            None if halted(o) => {} // the edit is acknowledged; the bell waits
            None => return read_run(o, now),
            Some(Err(failure)) => return refused(o, now, failure),
            Some(Ok(run)) => {
                return match verdict::is_ours(run, &o.status, &o.tag) {
                    Err(failure) => refused(o, now, &failure),
                    Ok(()) => confirm(o, now, basis, attributes, Some(run)),
                };
            }
        }
    }
    if acknowledged { nothing(o) } else { confirm(o, now, basis, attributes, None) }
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
        noted(o, &mut plan.status, run);
        if o.status.phase == Phase::Approved {
            let fresh = verdict::results(run, basis);
            let worse = verdict::phase_of(&run.status) != Some(Phase::Approved)
                || results.iter().any(|old| old.verified && !fresh.iter().any(|new| new.name == old.name && new.result == old.result));
            revoked |= worse;
        }
    }
    let mut verified = verdict::judge(o.status.phase, basis, &mut results, &verdict::changed(basis, attributes));
    if revoked {
        results.iter_mut().for_each(|result| result.verified = false);
        verified = (ConditionStatus::False, Reason::Revoked, "the vendor does not stand by its approval any more".into());
    }
    if was_verified && verified.0 != ConditionStatus::True {
        plan.notices.push(Notice { kind: NoticeKind::Revoked, message: verified.2.clone() });
    }
    plan.status.attributes = results;
    submission_noted(o, &mut plan.status);
    conditions::say(&mut plan.status, o.generation, now, None, Some(verified));
    plan
}

// ---- Shared by the rows -----------------------------------------------------------------------------------------------------------

/// Nothing to do until something changes.
pub(super) fn nothing(o: &Observed) -> VerificationPlan {
    Plan { status: o.status.clone(), fence: Fence::Fields, effect: None, notices: vec![], wake: Wake::OnChange }
}

/// One thing to do, with nothing to record before it.
pub(super) fn perform(o: &Observed, effect: Effect) -> VerificationPlan {
    Plan { effect: Some(effect), ..nothing(o) }
}

/// Something stands in the way: say what, and try again as its rule says.
pub(super) fn refused(o: &Observed, now: Timestamp, failure: &Failure) -> VerificationPlan {
    let mut plan = nothing(o);
    conditions::say(&mut plan.status, o.generation, now, Some(failure), None);
    let rule = failure.rule();
    plan.wake = match rule.retry {
        Retry::OnChange => Wake::OnChange,
        Retry::Backoff | Retry::AsTold(None) => Wake::Backoff,
        Retry::Slowly => Wake::At(after(now, o.timing.slow_retry)),
        Retry::AsTold(Some(wait)) => Wake::At(after(now, wait)),
    };
    let told = |status: &IdentityVerificationStatus| status.conditions.iter().any(|c| c.reason == rule.reason.as_str());
    if rule.event && !told(&o.status) {
        plan.notices.push(Notice { kind: NoticeKind::Refused, message: failure.message() });
    }
    plan
}

/// `suspend` stops everything, and says so.
fn suspended(o: &Observed, now: Timestamp) -> VerificationPlan {
    let mut plan = nothing(o);
    let by = if o.spec.suspend { "spec.suspend is true" } else { "the provider is suspended" };
    conditions::say(&mut plan.status, o.generation, now, None, None);
    conditions::suspend(&mut plan.status, o.generation, now, by);
    plan
}

/// Whether calls to the vendor are stopped.
fn halted(o: &Observed) -> bool {
    o.spec.suspend || matches!(&o.provider, Provider::Found { spec, .. } if spec.suspend)
}

/// Nothing is due but to acknowledge the spec. A finalize alone is acknowledged by the look that it asks for.
fn acknowledged(o: &Observed, now: Timestamp, wake: Timestamp) -> VerificationPlan {
    let mut plan = nothing(o);
    plan.wake = Wake::At(wake);
    let suspended_before = o.status.conditions.iter().any(|c| c.reason == Reason::Suspended.as_str());
    let finalize_pending = o.spec.submitted_attempt >= ATTEMPT && o.status.submitted_at.is_none();
    if suspended_before || (o.status.observed_generation != Some(o.generation) && !finalize_pending) {
        conditions::say(&mut plan.status, o.generation, now, None, None);
    }
    plan
}

/// Reads the run, if this is still the vendor's environment that it lives in.
fn read_run(o: &Observed, now: Timestamp) -> VerificationPlan {
    let here = match &o.provider {
        Provider::Found { environment, .. } => Some(*environment),
        Provider::Missing => None,
    };
    let run = WorkflowRunId::parse(o.status.workflow_run_id.clone().unwrap_or_default());
    match (here, run) {
        (None, _) => refused(o, now, &provider_missing(o)),
        (Some(here), _) if o.status.environment.is_some_and(|there| there != here) => refused(o, now, &Failure::AccountChanged),
        (_, Ok(run)) => perform(o, Effect::ReadRun { run, applicant: applicant(o) }),
        (_, Err(_)) => nothing(o),
    }
}

/// Finds our run at the vendor.
pub(super) fn look(o: &Observed) -> Effect {
    Effect::LookForRun { applicant: applicant(o), tag: o.tag.clone() }
}

/// The applicant, once recorded.
fn applicant(o: &Observed) -> Option<ApplicantId> {
    ApplicantId::parse(o.status.applicant_id.clone()?).ok()
}

/// Notes what a look at the vendor says beside its phase, and which delivery it answers: the one seen before the look.
fn noted(o: &Observed, status: &mut IdentityVerificationStatus, run: &WorkflowRun) {
    status.vendor_status = Some(run.status.as_str().to_owned());
    if run.dashboard_url.is_some() {
        status.dashboard_url.clone_from(&run.dashboard_url);
    }
    if let Some(digest) = o.unanswered() {
        status.answered_notifications.insert(0, digest.to_owned());
        status.answered_notifications.truncate(ANSWERED);
    }
    submission_noted(o, status);
}

fn submission_noted(o: &Observed, status: &mut IdentityVerificationStatus) {
    if o.spec.submitted_attempt >= ATTEMPT && status.submitted_at.is_none() {
        status.submitted_at = o.memory.submission_seen.map(Time);
    }
}

/// When the run must be looked at next, as far as is recorded.
fn due(o: &Observed, status: &IdentityVerificationStatus, now: Timestamp) -> Timestamp {
    due_since(o, status, now, o.memory.last_look)
}

/// The same, right after a look.
fn due_after_look(o: &Observed, status: &IdentityVerificationStatus, now: Timestamp) -> Timestamp {
    due_since(o, status, now, Some(now))
}

fn due_since(o: &Observed, status: &IdentityVerificationStatus, now: Timestamp, last_look: Option<Timestamp>) -> Timestamp {
    let began = status.started_at.as_ref().map_or(now, |t| t.0);
    let submitted = status.submitted_at.as_ref().map(|t| t.0).or(o.memory.submission_seen).filter(|_| o.spec.submitted_attempt >= ATTEMPT);
    let (pace, anchor) = match (status.phase, submitted) {
        (Phase::InReview, _) => (Pace::Slow, began),
        (_, Some(submitted)) => (Pace::Eager, submitted),
        (Phase::Processing, None) => (Pace::Eager, began),
        _ => (Pace::Slow, began),
    };
    next_look(pace, anchor, last_look, o.jitter, &o.timing)
}

fn intent(o: &Observed, now: Timestamp, kind: OperationKind, tries: u32) -> Operation {
    Operation { kind, nonce: o.nonce.clone(), started_at: Time(now), tries, looks: 0, absent_since: None }
}

/// An intent replaces the operation it follows, or, where there is none, needs the whole object unchanged.
fn fence_of_intent(o: &Observed) -> Fence {
    match &o.status.operation {
        Some(operation) => Fence::Operation(operation.nonce.clone()),
        None => Fence::Version,
    }
}

fn environment(o: &Observed) -> crate::api::Environment {
    match &o.provider {
        Provider::Found { environment, .. } => *environment,
        Provider::Missing => crate::api::Environment::Unknown,
    }
}

fn provider_missing(o: &Observed) -> Failure {
    let reference = &o.spec.provider_ref;
    Failure::ProviderNotFound {
        namespace: reference.namespace.clone().unwrap_or_else(|| o.namespace.clone()),
        name: reference.name.clone(),
    }
}

// ---- What is asked for ------------------------------------------------------------------------------------------------------------

/// A request that can be sent.
pub(super) struct Ready {
    pub(super) basis: Basis,
    pub(super) applicant: NewApplicant,
}

/// Whether what is asked for can be sent.
pub(super) enum Accepted {
    /// The attributes of these names must be read first.
    Unread(Vec<String>),
    /// It can.
    Read(Ready),
}

/// Whether the provider is there and willing, and every attribute can be sent.
pub(super) fn acceptable(o: &Observed) -> Result<Accepted, Failure> {
    let Provider::Found { spec, allowed, ready, .. } = &o.provider else { return Err(provider_missing(o)) };
    let provider = o.spec.provider_ref.name.clone();
    if !allowed {
        return Err(Failure::NamespaceNotAllowed { namespace: o.namespace.clone(), provider });
    }
    if let Err(reason) = ready {
        return Err(Failure::ProviderNotReady { provider, reason: reason.clone() });
    }
    let mapping = spec.attribute_mapping();
    for attribute in o.spec.attributes.iter().flatten() {
        let name = attribute.name.clone();
        if !mapping.iter().any(|mapped| mapped.name == name) {
            return Err(Failure::AttributeNotMapped { name });
        }
        if attribute.value.is_some() && spec.personal_data.inline == Inline::Forbid {
            return Err(Failure::InlineForbidden { name });
        }
    }
    let attributes = match &o.facts.attributes {
        None => return Ok(Accepted::Unread(mapping.into_iter().map(|mapped| mapped.name).collect())),
        Some(Err(failure)) => return Err(failure.clone()),
        Some(Ok(attributes)) => attributes,
    };
    if let Some(failure) = attributes.unreadable.first() {
        return Err(failure.clone());
    }
    let mut applicant = NewApplicant::default();
    let mut basis = Basis {
        workflow_id: spec.workflow_id.to_ascii_lowercase(),
        data_comparison_path: spec.results.data_comparison_path.clone(),
        key_id: attributes.key_id.clone(),
        attributes: vec![],
    };
    for mapped in mapping {
        let Some(field) = ApplicantField::parse(mapped.applicant_field.as_str()) else {
            return Err(Failure::AttributeNotMapped { name: mapped.name });
        };
        let given = attributes.given.iter().find(|given| given.name == mapped.name);
        let needed = mapped.requirement == Requirement::Required || matches!(field, ApplicantField::FirstName | ApplicantField::LastName);
        match given {
            None if needed => return Err(Failure::AttributeMissing { name: mapped.name }),
            None => {}
            Some(given) => {
                field.check(given.value.expose()).map_err(|fault| Failure::AttributeInvalid { name: mapped.name.clone(), fault })?;
                applicant.set(field, Personal::new(given.value.expose()));
            }
        }
        basis.attributes.push(BasisAttribute {
            name: mapped.name,
            applicant_field: mapped.applicant_field,
            comparison_field: mapped.comparison_field,
            requirement: mapped.requirement,
            digest: given.map(|given| given.digest.clone()),
        });
    }
    for consent in o.spec.consents.iter().flatten() {
        if let Some(name) = ConsentName::parse(consent.name.as_str()) {
            applicant.consent(Consent { name, granted: consent.granted });
        }
    }
    Ok(Accepted::Read(Ready { basis, applicant }))
}

/// The attributes the basis speaks of.
fn names_of(o: &Observed) -> Vec<String> {
    o.status.basis.iter().flat_map(|basis| basis.attributes.iter().map(|attribute| attribute.name.clone())).collect()
}
