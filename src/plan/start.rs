//! The rows before a run is on record: the two intents, what came of them, and the adoption of a run that was found.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::{
    api::{Basis, Environment, Operation, OperationKind, Phase},
    onfido::model::{Applicant, ApplicantId, CustomData, NewWorkflowRun, WorkflowId, WorkflowRun},
};

use super::{
    Effect, Failure, Fence, Looked, Notice, NoticeKind, Observed, Plan, Provider, VerificationPlan, Wake, applicant, capture, conditions,
    inputs,
    open::{self, capture_noted},
    request::{Accepted, Ready, acceptable},
    schedule::{after, between},
    turn::{look, nothing, perform, refused, same_environment},
    verdict,
};

/// Nothing is recorded at the vendor, or only the applicant: check what is asked for, then begin.
pub(super) fn request(o: &Observed, now: Timestamp) -> VerificationPlan {
    if !o.key_settled {
        return Plan { wake: Wake::At(after(now, o.timing.backoff[0])), ..nothing(o) };
    }
    let accepted = match acceptable(o) {
        Err(failure) => return refused(o, now, &failure),
        Ok(Accepted::Unread(effect)) => return perform(o, effect),
        Ok(Accepted::Read(accepted)) => accepted,
    };
    let further = !o.status.attempts.is_empty();
    if let (true, Err(failure)) = (further || o.status.applicant_id.is_some(), same_environment(o)) {
        return refused(o, now, &failure);
    }
    // The operator was down, etcd was restored, or the vendor refused before: a run of ours may exist that nothing here speaks of.
    let restored = o.spec.idempotency_key.is_some(); // perhaps: it may have lived before, under another uid
    let old = between(o.created_at, now) >= o.timing.look_first_after;
    let may_exist = further || restored || old || o.status.applicant_id.is_some();
    match o.looked() {
        None if may_exist => return perform(o, look(o, true)),
        Some(Err(failure)) => return refused(o, now, failure),
        Some(Ok(looked)) if !looked.applicant_known => return applicant::unknown(o, now, accepted),
        Some(Ok(looked)) if !looked.runs.is_empty() => {
            return adopt(o, now, looked, Some(accepted.basis));
        }
        None | Some(Ok(_)) => {}
    }
    if let Err(failure) = capture::in_time(o, now) {
        return refused(o, now, &failure);
    }
    match ApplicantId::parse(o.status.applicant_id.clone().unwrap_or_default()) {
        Ok(applicant) => applicant::ready(o, now, applicant, accepted),
        Err(_) => intend_applicant(o, now, accepted, 0),
    }
}

/// Records the intent to create the applicant, then creates it.
pub(super) fn intend_applicant(o: &Observed, now: Timestamp, accepted: Ready, tries: u32) -> VerificationPlan {
    let mut plan = nothing(o);
    plan.fence = fence_of_intent(o);
    plan.status.attempt = Some(o.attempt());
    plan.status.environment = Some(environment(o));
    plan.status.basis = Some(accepted.basis);
    plan.status.next_check_at = None;
    plan.status.operation = Some(intent(o, now, OperationKind::CreateApplicant, tries));
    conditions::say(&mut plan.status, o.generation, now, None, None);
    plan.effect = Some(Effect::CreateApplicant { nonce: o.nonce.clone(), applicant: accepted.applicant });
    plan
}

/// The applicant exists: records it together with the intent to start the run, in one write, then starts it.
pub(super) fn applicant_created(o: &Observed, now: Timestamp, applicant: &Applicant) -> VerificationPlan {
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
pub(super) fn intend_run(o: &Observed, now: Timestamp, applicant: ApplicantId, basis: Basis) -> VerificationPlan {
    let mut plan = nothing(o);
    let Ok(workflow) = WorkflowId::parse(basis.workflow_id.clone()) else {
        return refused(o, now, &Failure::RequestRefused { fields: vec!["workflow_id".into()] });
    };
    plan.fence = fence_of_intent(o);
    plan.status.attempt = Some(o.attempt());
    plan.status.next_check_at = None;
    let tags = inputs::tags(o, Some(&basis));
    plan.status.basis = Some(basis);
    let Ok(Some(custom_data)) = inputs::custom_data(o) else {
        // Read before anything is intended; were it not, the applicant would go on record and the next pass would read it.
        plan.status.operation = None;
        return Plan { wake: Wake::Backoff, ..plan };
    };
    plan.status.operation = Some(intent(o, now, OperationKind::StartRun, 0));
    conditions::say(&mut plan.status, o.generation, now, None, None);
    plan.effect = Some(start_run(o, applicant, workflow, tags, custom_data));
    plan
}

/// The vendor's request for the one run of this attempt.
pub(super) fn start_run(
    o: &Observed,
    applicant_id: ApplicantId,
    workflow_id: WorkflowId,
    tags: Vec<String>,
    custom_data: CustomData,
) -> Effect {
    let (customer_user_id, link) = (o.spec.subject.clone(), capture::new_link(o));
    let run = NewWorkflowRun { workflow_id, applicant_id, tags, customer_user_id, link, custom_data };
    Effect::StartRun { nonce: o.nonce.clone(), run }
}

/// Runs with our tag were found: the oldest of ours is the one, the rest are reported. If none is ours nothing is begun beside them.
///
/// What the run's applicant held is proven only where the intent to start it is on record, or where the run itself says so. Otherwise (etcd
/// was restored) neither the basis of an older intent nor today's values are believed to be it, and the run can never verify. What the
/// applicant holds today would prove nothing: it may have been changed since the run compared it.
pub(super) fn adopt(o: &Observed, now: Timestamp, looked: &Looked, basis: Option<Basis>) -> VerificationPlan {
    let mut found = o.clone();
    let recorded = o.status.operation.as_ref().is_some_and(|operation| operation.kind == OperationKind::StartRun);
    found.status.basis = basis;
    found.status.attempt = Some(o.attempt());
    found.status.environment.get_or_insert(environment(o));
    if found.status.applicant_id.is_none() {
        found.status.applicant_id = oldest(looked.runs.iter()).map(|run| run.applicant_id.as_str().to_owned());
    }
    let ours = |run: &&WorkflowRun| verdict::is_ours(run, &found.status, &o.tag()).is_ok();
    let Some(run) = oldest(looked.runs.iter().filter(ours)) else {
        return refused(o, now, &Failure::UnexpectedAnswer { what: "a run with our tag is of another applicant or workflow" });
    };
    if let Some(basis) = &mut found.status.basis {
        let told = basis.sent_tag.as_ref().is_some_and(|sent| run.tags.contains(sent));
        if !recorded && !told {
            basis.key_id = verdict::NO_KEY.into();
        }
    }
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

/// The run exists: what the person captures with goes into the Secret, then the run goes on record.
pub(super) fn started(o: &Observed, now: Timestamp, run: &WorkflowRun, notices: Vec<Notice>) -> VerificationPlan {
    let phase = verdict::phase_of(&run.status).unwrap_or(Phase::Processing);
    let waits = phase == Phase::AwaitingInput && !o.spec.cancelled; // a token that was asked for, and is not any more, is handed to nobody
    let mut plan = nothing(o);
    if waits {
        plan.effect = capture::hand_over(o, run);
        if plan.effect.is_some() {
            return plan;
        }
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
    capture_noted(o, now, run, &mut plan);
    plan.wake = if phase.is_final() || o.spec.cancelled { Wake::At(now) } else { open::wake(o, &plan.status, now) };
    capture::ready(o, now, plan)
}

pub(super) fn intent(o: &Observed, now: Timestamp, kind: OperationKind, tries: u32) -> Operation {
    Operation { kind, nonce: o.nonce.clone(), started_at: Time(now), tries, looks: 0, absent_since: None }
}

/// An intent replaces the operation it follows, or, where there is none, needs the whole object unchanged.
pub(super) fn fence_of_intent(o: &Observed) -> Fence {
    match &o.status.operation {
        Some(operation) => Fence::Operation(operation.nonce.clone()),
        None => Fence::Version,
    }
}

pub(super) fn environment(o: &Observed) -> Environment {
    match &o.provider {
        Provider::Found { environment, .. } => *environment,
        Provider::Missing => Environment::Unknown,
    }
}
