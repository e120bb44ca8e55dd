//! The transition table of a verification: one arm per row. Which row applies is decided from recorded facts alone, so a crash anywhere
//! is only a shorter pass.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::{
    api::{
        AttributeResult, AttributeVerdict, Basis, BasisAttribute, CaptureStatus, ConditionStatus, ConditionType, Environment,
        IdentityVerificationStatus, Inline, OnfidoProviderSpec, Operation, OperationKind, Phase, Reason, Requirement, SecretRef,
    },
    onfido::{
        model::{
            Applicant, ApplicantField, ApplicantId, Consent, ConsentName, NewApplicant, NewWorkflowRun, WorkflowId, WorkflowRun,
            WorkflowRunId,
        },
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
/// The key of digests that agree with no value.
const NO_KEY: &str = "none";
/// How many answered deliveries are remembered.
const ANSWERED: usize = 8;

/// A plan for a verification.
pub type VerificationPlan = Plan<IdentityVerificationStatus, Effect>;

/// What to do next.
pub fn plan(o: &Observed, now: Timestamp) -> VerificationPlan {
    let plan = decide(o, now);
    // A nonce that is on record names another intent, and no unrepeatable call is made under it.
    match (&plan.effect, &o.status.operation) {
        (Some(effect), Some(recorded)) if effect.is_unrepeatable() && recorded.nonce == o.nonce => {
            Plan { wake: Wake::Backoff, ..nothing(o) }
        }
        _ => plan,
    }
}

fn decide(o: &Observed, now: Timestamp) -> VerificationPlan {
    let status = &o.status;
    if o.deleting {
        return nothing(o);
    }
    if status.workflow_run_id.is_some() {
        return if status.phase.is_final() { settled(o, now) } else { running(o, now) };
    }
    // A call was made in this pass: its answer goes on record before anything else.
    match (&o.facts.applicant, &o.facts.started) {
        (_, Some(Ok(run))) => return recovery::answered(o, now, run),
        (_, Some(Err(failure))) => return recovery::unanswered(o, now, failure),
        (Some(Ok(applicant)), None) => return applicant_created(o, now, applicant),
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
    let accepted = match as_sent(o, accepted) {
        Ok(accepted) => accepted,
        Err(failure) => return refused(o, now, &failure),
    };
    // The operator was down, etcd was restored, or the vendor refused before: a run of ours may exist that nothing here speaks of.
    let may_exist = o.status.applicant_id.is_some() || between(o.created_at, now) >= o.timing.look_first_after;
    match &o.facts.looked {
        None if may_exist => return perform(o, look(o)),
        Some(Err(failure)) => return refused(o, now, failure),
        Some(Ok(looked)) if !looked.applicant_known => return refused(o, now, &Failure::AccountChanged),
        Some(Ok(looked)) if !looked.runs.is_empty() => {
            let mut found = o.clone();
            found.status.basis = Some(match o.status.basis {
                Some(_) => accepted.basis,
                // What was sent is not on record (etcd was restored): today's values must not be believed to be it.
                None => Basis { key_id: NO_KEY.into(), ..accepted.basis },
            });
            let plan = adopt(&found, now, looked);
            return if plan.effect.is_some() { perform_only(o, plan) } else { plan };
        }
        None | Some(Ok(_)) => {}
    }
    match ApplicantId::parse(o.status.applicant_id.clone().unwrap_or_default()) {
        Ok(applicant) => intend_run(o, now, applicant, accepted.basis),
        Err(_) => intend_applicant(o, now, accepted, 0),
    }
}

/// Where the applicant exists, the verdict rests on what was sent with it: other values must not be believed on its account, nor paid for.
fn as_sent(o: &Observed, mut accepted: Ready) -> Result<Ready, Failure> {
    let (Some(_), Some(sent), Some(Ok(now))) = (&o.status.applicant_id, &o.status.basis, &o.facts.attributes) else { return Ok(accepted) };
    let changed = verdict::changed(sent, now);
    if !changed.is_empty() {
        return Err(Failure::AttributeChanged { names: changed.into_iter().map(str::to_owned).collect() });
    }
    accepted.basis.attributes.clone_from(&sent.attributes);
    accepted.basis.key_id.clone_from(&sent.key_id);
    Ok(accepted)
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
fn applicant_created(o: &Observed, now: Timestamp, applicant: &Applicant) -> VerificationPlan {
    let mut recorded = o.clone();
    recorded.status.applicant_id = Some(applicant.id.as_str().to_owned());
    // The answer knows better than the token's prefix where it was created.
    match applicant.sandbox {
        Some(true) => recorded.status.environment = Some(Environment::Sandbox),
        Some(false) => recorded.status.environment = Some(Environment::Live),
        None => {}
    }
    match o.status.basis.clone() {
        Some(basis) => intend_run(&recorded, now, applicant.id.clone(), basis),
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

/// Runs with our tag were found: the oldest of ours is the one, the rest are reported. If none is ours nothing is begun beside them.
pub(super) fn adopt(o: &Observed, now: Timestamp, looked: &Looked) -> VerificationPlan {
    let mut found = o.clone();
    found.status.attempt = Some(ATTEMPT);
    found.status.environment.get_or_insert(environment(o));
    if found.status.applicant_id.is_none() {
        found.status.applicant_id = oldest(looked.runs.iter()).map(|run| run.applicant_id.as_str().to_owned());
    }
    let ours = |run: &&WorkflowRun| verdict::is_ours(run, &found.status, &o.tag).is_ok();
    let Some(run) = oldest(looked.runs.iter().filter(ours)) else {
        return refused(o, now, &Failure::UnexpectedAnswer { what: "a run with our tag is of another applicant or workflow" });
    };
    let plan = started(&found, now, run, beside(run, &looked.runs));
    if plan.effect.is_some() { perform_only(o, plan) } else { plan }
}

/// The Secret is written before anything is recorded.
fn perform_only(o: &Observed, plan: VerificationPlan) -> VerificationPlan {
    Plan { effect: plan.effect, ..nothing(o) }
}

/// The run that was created first.
pub(super) fn oldest<'a>(runs: impl Iterator<Item = &'a WorkflowRun>) -> Option<&'a WorkflowRun> {
    runs.min_by_key(|run| (run.created_at.unwrap_or(Timestamp::MAX), run.id.as_str()))
}

/// Reports every run but the one that is used.
pub(super) fn beside(used: &WorkflowRun, all: &[WorkflowRun]) -> Vec<Notice> {
    let message =
        |other: &str| format!("run {other} exists beside {}, which is used; it was paid for and cannot be cancelled", used.id.as_str());
    let others = all.iter().filter(|other| other.id != used.id);
    others.map(|other| Notice { kind: NoticeKind::ExtraRun, message: message(other.id.as_str()) }).collect()
}

/// The run exists: the SDK token goes into the Secret, then the run goes on record.
pub(super) fn started(o: &Observed, now: Timestamp, run: &WorkflowRun, notices: Vec<Notice>) -> VerificationPlan {
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
    capture_noted(o, now, &mut plan);
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
        None if o.status.unanswered().is_some() || due(o, &o.status, now) <= now => match read_run(o) {
            Ok(effect) => perform(o, effect),
            Err(failure) => refused(o, now, &failure),
        },
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
    capture_noted(o, now, &mut plan);
    plan.wake = Wake::At(due_after_look(o, &plan.status, now));
    plan
}

/// Notes what became of the Secret, and says all conditions. A Secret that is not ours holds no token of ours.
fn capture_noted(o: &Observed, now: Timestamp, plan: &mut VerificationPlan) {
    let mut trouble = None;
    match &o.facts.capture {
        Some(Ok(name)) => {
            let expires_at = plan.status.started_at.as_ref().map(|began| Time(after(began.0, o.timing.sdk_token_lifetime)));
            plan.status.capture = Some(CaptureStatus { secret_ref: SecretRef { name: name.clone() }, expires_at });
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
    let rung = o.status.unanswered().is_some() && !halted(o); // while suspended the bell waits, an edit does not
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
        Some(Ok(run)) => match verdict::is_ours(run, &o.status, &o.tag) {
            Ok(()) => return confirm(o, now, basis, attributes, Some(run)),
            Err(failure) => failure,
        },
    };
    // The edit is judged by the outcome on record; the bell waits.
    let judged = if acknowledged { nothing(o) } else { confirm(o, now, basis, attributes, None) };
    Plan { wake: wake_after(o, now, &trouble), ..judged }
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
    plan.wake = wake_after(o, now, failure);
    plan.notices.extend(notice_of(o, failure));
    plan
}

/// When to try again after a failure.
fn wake_after(o: &Observed, now: Timestamp, failure: &Failure) -> Wake {
    match failure.rule().retry {
        Retry::OnChange => Wake::OnChange,
        Retry::Backoff | Retry::AsTold(None) => Wake::Backoff,
        Retry::Slowly => Wake::At(after(now, o.timing.slow_retry)),
        Retry::AsTold(Some(wait)) => Wake::At(after(now, wait)),
    }
}

/// What a person must see of a failure, unless it is on record already.
fn notice_of(o: &Observed, failure: &Failure) -> Option<Notice> {
    let rule = failure.rule();
    let told = o.status.conditions.iter().any(|c| c.reason == rule.reason.as_str());
    (rule.event && !told).then(|| Notice { kind: NoticeKind::Refused, message: failure.message() })
}

/// `suspend` stops everything, and says so.
fn suspended(o: &Observed, now: Timestamp) -> VerificationPlan {
    let mut plan = nothing(o);
    let by = if o.spec.suspend { "spec.suspend is true" } else { "the provider is suspended" };
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
    // In review no finalize asks for a look.
    let finalize_pending = submitted(o).is_some() && o.status.submitted_at.is_none() && o.status.phase != Phase::InReview;
    if conditions::suspended(&o.status) || (o.status.observed_generation != Some(o.generation) && !finalize_pending) {
        submission_noted(o, &mut plan.status);
        conditions::acknowledge(&mut plan.status, o.generation, now);
    }
    plan
}

/// Reads the run, if this is still the vendor's environment that it lives in.
fn read_run(o: &Observed) -> Result<Effect, Failure> {
    let Provider::Found { environment: here, .. } = &o.provider else { return Err(provider_missing(o)) };
    let known = |environment: &Environment| *environment != Environment::Unknown;
    if o.status.environment.filter(known).is_some_and(|there| known(here) && there != *here) {
        return Err(Failure::AccountChanged);
    }
    match WorkflowRunId::parse(o.status.workflow_run_id.clone().unwrap_or_default()) {
        Ok(run) => Ok(Effect::ReadRun { run, applicant: applicant(o) }),
        Err(_) => Err(Failure::UnexpectedAnswer { what: "the recorded run has no proper id" }),
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
    if let Some(digest) = o.status.unanswered() {
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
    let submitted = status.submitted_at.as_ref().map(|t| t.0).or(submitted(o));
    let (pace, anchor) = match (status.phase, submitted) {
        (Phase::InReview, _) => (Pace::Slow, began),
        (_, Some(submitted)) => (Pace::Eager, submitted),
        (Phase::Processing, None) => (Pace::Eager, began.max(conditions::since(status, ConditionType::CaptureReady).unwrap_or(began))),
        _ => (Pace::Slow, began),
    };
    let due = next_look(pace, anchor, last_look, o.jitter, &o.timing);
    if troubled(status) { due.min(last_look.map_or(began, |look| after(look, o.timing.slow_retry))) } else { due }
}

/// Whether the last look met trouble, or a run that waits for the person came without its token: the next one is not an hour away.
fn troubled(status: &IdentityVerificationStatus) -> bool {
    use Reason as R;
    let reason = |type_| conditions::recorded(status, type_).map(|(_, reason, _)| reason);
    let usual = [R::Pending, R::AwaitingInput, R::Processing, R::InReview, R::OutcomeReported, R::Suspended];
    reason(ConditionType::Completed).is_some_and(|reason| !usual.contains(&reason))
        || matches!(reason(ConditionType::CaptureReady), Some(R::SecretConflict | R::SecretRefused | R::UnexpectedAnswer))
}

/// When the finalize was first seen, as far as this process remembers.
fn submitted(o: &Observed) -> Option<Timestamp> {
    o.memory.submission_seen.filter(|_| o.spec.submitted_attempt >= ATTEMPT)
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

fn environment(o: &Observed) -> Environment {
    match &o.provider {
        Provider::Found { environment, .. } => *environment,
        Provider::Missing => Environment::Unknown,
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

/// Whether the provider is there, and willing to start something for this namespace.
pub(super) fn willing(o: &Observed) -> Result<&OnfidoProviderSpec, Failure> {
    let Provider::Found { spec, allowed, ready, .. } = &o.provider else { return Err(provider_missing(o)) };
    let provider = o.spec.provider_ref.name.clone();
    if !allowed {
        return Err(Failure::NamespaceNotAllowed { namespace: o.namespace.clone(), provider });
    }
    if let Err(reason) = ready {
        return Err(Failure::ProviderNotReady { provider, reason: reason.clone() });
    }
    Ok(spec)
}

/// Whether the provider is willing, and every attribute can be sent.
pub(super) fn acceptable(o: &Observed) -> Result<Accepted, Failure> {
    let spec = willing(o)?;
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
