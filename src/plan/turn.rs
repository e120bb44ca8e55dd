//! What every row can say: nothing to do, one thing to do, something in the way, everything stopped.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::{
    api::{Environment, IdentityVerificationStatus},
    onfido::model::{ApplicantId, WorkflowRun, WorkflowRunId},
};

use super::{
    Effect, Failure, Fence, Notice, NoticeKind, Observed, Plan, Provider, Retry, VerificationPlan, Wake, conditions,
    request::provider_missing, schedule::after, verdict,
};

/// How many answered deliveries are remembered.
const ANSWERED: usize = 8;

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
pub(super) fn wake_after(o: &Observed, now: Timestamp, failure: &Failure) -> Wake {
    match failure.rule().retry {
        Retry::OnChange => Wake::OnChange,
        Retry::Backoff | Retry::AsTold(None) => Wake::Backoff,
        Retry::Rarely => Wake::At(after(now, o.timing.slow_look)),
        Retry::Slowly => Wake::At(after(now, o.timing.slow_retry)),
        Retry::AsTold(Some(wait)) => Wake::At(after(now, wait)),
        Retry::At(moment) => Wake::At(moment),
    }
}

/// What a person must see of a failure, unless it is on record already.
pub(super) fn notice_of(o: &Observed, failure: &Failure) -> Option<Notice> {
    let rule = failure.rule();
    let told = o.status.conditions.iter().any(|c| c.reason == rule.reason.as_str());
    (rule.event && !told).then(|| Notice { kind: NoticeKind::Refused, message: failure.message() })
}

/// `suspend` stops everything, and says so.
pub(super) fn suspended(o: &Observed, now: Timestamp) -> VerificationPlan {
    let mut plan = nothing(o);
    let by = if o.spec.suspend { "spec.suspend is true" } else { "the provider is suspended" };
    conditions::suspend(&mut plan.status, o.generation, now, by);
    plan
}

/// Whether calls to the vendor are stopped.
pub(super) fn halted(o: &Observed) -> bool {
    o.spec.suspend || matches!(&o.provider, Provider::Found { spec, .. } if spec.suspend)
}

/// Whether this is still the vendor's environment that the object lives in.
pub(super) fn same_environment(o: &Observed) -> Result<(), Failure> {
    let Provider::Found { environment: here, .. } = &o.provider else { return Err(provider_missing(o)) };
    let known = |environment: &Environment| *environment != Environment::Unknown;
    if o.status.environment.filter(known).is_some_and(|there| known(here) && there != *here) {
        return Err(Failure::AccountChanged);
    }
    Ok(())
}

/// Reads the run.
pub(super) fn read_run(o: &Observed) -> Result<Effect, Failure> {
    same_environment(o)?;
    match WorkflowRunId::parse(o.status.workflow_run_id.clone().unwrap_or_default()) {
        Ok(run) => Ok(Effect::ReadRun { run, applicant: applicant(o) }),
        Err(_) => Err(Failure::UnexpectedAnswer { what: "the recorded run has no proper id" }),
    }
}

/// Finds our run at the vendor; one of another applicant too, if `of_any`.
pub(super) fn look(o: &Observed, of_any: bool) -> Effect {
    Effect::LookForRun { applicant: applicant(o), tag: o.tag(), of_any }
}

/// The applicant, once recorded.
pub(super) fn applicant(o: &Observed) -> Option<ApplicantId> {
    ApplicantId::parse(o.status.applicant_id.clone()?).ok()
}

/// Notes what a look at the vendor says beside its phase, and which delivery it answers: the one seen before the look.
pub(super) fn noted(o: &Observed, now: Timestamp, status: &mut IdentityVerificationStatus, run: &WorkflowRun) {
    status.vendor_status = Some(run.status.as_str().to_owned());
    status.reasons = verdict::reasons(run);
    status.vendor_record = None;
    if run.dashboard_url.is_some() {
        status.dashboard_url.clone_from(&run.dashboard_url);
    }
    answered(o, status);
    submission_noted(o, now, status);
}

/// Before a run is on record, a person who asks for a look is answered once it was tried again; by a look of its own where a call is in
/// doubt. Afterwards it takes a look at the run.
pub(super) fn tried(o: &Observed, mut plan: VerificationPlan) -> VerificationPlan {
    let tried = plan.status.operation.is_none() || o.looked().is_some();
    if o.is_asked() && plan.effect.is_none() && o.status.workflow_run_id.is_none() && tried && !conditions::suspended(&plan.status) {
        plan.status.reconciled.clone_from(&o.asked);
    }
    plan
}

/// Notes that the delivery that waits is answered, and who asked for a look.
pub(super) fn answered(o: &Observed, status: &mut IdentityVerificationStatus) {
    if o.asked.is_some() {
        status.reconciled.clone_from(&o.asked);
    }
    if let Some(digest) = o.status.unanswered() {
        status.answered_notifications.insert(0, digest.to_owned());
        status.answered_notifications.truncate(ANSWERED);
    }
}

/// Of what was given up or redacted nothing is judged again: every edit is acknowledged, and every delivery answered without a look.
pub(super) fn unjudged(o: &Observed, now: Timestamp) -> VerificationPlan {
    let mut plan = nothing(o);
    answered(o, &mut plan.status);
    if o.status.observed_generation != Some(o.generation) {
        submission_noted(o, now, &mut plan.status);
        conditions::say(&mut plan.status, o.generation, now, None, None);
    }
    plan
}

pub(super) fn submission_noted(o: &Observed, now: Timestamp, status: &mut IdentityVerificationStatus) {
    if o.spec.submitted_attempt >= o.attempt() && status.submitted_at.is_none() {
        status.submitted_at = o.memory.submission_seen.map(|seen| Time(seen.min(now)));
    }
}

/// The attributes the basis speaks of.
pub(super) fn names_of(o: &Observed) -> Vec<String> {
    o.status.basis.iter().flat_map(|basis| basis.attributes.iter().map(|attribute| attribute.name.clone())).collect()
}
