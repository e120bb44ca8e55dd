//! What the person captures with: which token or link goes into the Secret, until when it can be used, and when another is asked for. The run's
//! own token comes with every look and costs nothing; a fresh one is asked for only where `tokenGeneration` says so. A Secret that lost
//! its fresh token gets the run's own again: that needs no call, and whoever wants another fresh one can say so.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::{
    api::{CaptureKind, CaptureMode, CaptureStatus, ConditionStatus, ConditionType, IdentityVerificationStatus, Phase, Reason, SecretRef},
    onfido::model::{NewLink, NewSdkToken, WorkflowRun},
};

use super::{
    Effect, Failure, Holds, Observed, VerificationPlan, Wake, conditions,
    schedule::after,
    turn::{applicant, notice_of, wake_after},
};

/// Whether a fresh token is asked for and not there, so that the run must be looked at now: only the vendor knows whether it still waits.
pub(super) fn asked(o: &Observed) -> bool {
    o.status.phase == Phase::AwaitingInput && o.status.capture.is_some() && wanted(o, &o.status)
}

fn wanted(o: &Observed, status: &IdentityVerificationStatus) -> bool {
    o.spec.capture.token_generation > status.capture.as_ref().map_or(0, |capture| capture.generation)
}

/// What must be done before a run that waits for the person goes on record.
pub(super) fn hand_over(o: &Observed, run: &WorkflowRun) -> Option<Effect> {
    if o.facts.capture.is_some() || matches!(o.facts.fresh_token, Some(Err(_))) {
        return None;
    }
    let started = o.status.workflow_run_id.is_some();
    let recorded = o.status.capture.as_ref().filter(|_| started);
    let (holds, keep) = match &o.facts.fresh_token {
        Some(Ok(fresh)) => (Holds::SdkToken(fresh.token.clone()), false),
        // A run that was started just now has brought one.
        _ if started && wanted(o, &o.status) => {
            let (referrer, application_id) = (o.spec.capture.referrer.clone(), o.spec.capture.application_id.clone());
            return Some(Effect::CreateSdkToken { token: NewSdkToken { applicant_id: applicant(o)?, referrer, application_id } });
        }
        _ => (of_run(o, run)?, recorded.is_some_and(|capture| capture.kind == CaptureKind::FreshToken)),
    };
    Some(Effect::WriteCaptureSecret { run: run.id.clone(), holds, restore: recorded.is_some(), keep })
}

/// What a run brings by itself.
fn of_run(o: &Observed, run: &WorkflowRun) -> Option<Holds> {
    match o.spec.capture.mode {
        CaptureMode::SDK => run.sdk_token.clone().map(Holds::SdkToken),
        CaptureMode::Link => run.link.as_ref().map(|link| Holds::Link(link.url.clone())),
    }
}

/// How the vendor's page shall behave, where the person captures there.
pub(super) fn new_link(o: &Observed) -> Option<NewLink> {
    if o.spec.capture.mode != CaptureMode::Link {
        return None;
    }
    let asked = o.spec.capture.link.clone().unwrap_or_default();
    Some(NewLink {
        completed_redirect_url: asked.completed_redirect_url,
        expired_redirect_url: asked.expired_redirect_url,
        expires_at: asked.expires_at.map(|time| time.0),
        language: asked.language.map(|language| language.as_str().to_owned()),
    })
}

/// Whether a run can be started now: one whose link is dead from the start would be paid for in vain.
pub(super) fn in_time(o: &Observed, now: Timestamp) -> Result<(), Failure> {
    match new_link(o).and_then(|link| link.expires_at) {
        Some(end) if end <= now => Err(Failure::LinkExpired),
        _ => Ok(()),
    }
}

/// What goes on record of a Secret that was written; `began` is when the run was started.
pub(super) fn handed(o: &Observed, run: &WorkflowRun, name: &str, began: Option<&Time>) -> CaptureStatus {
    let secret_ref = SecretRef { name: name.to_owned() };
    let recorded = o.status.capture.as_ref().filter(|_| o.status.workflow_run_id.is_some());
    match (recorded, &o.facts.fresh_token) {
        (_, Some(Ok(fresh))) => CaptureStatus {
            secret_ref,
            kind: CaptureKind::FreshToken,
            expires_at: Some(Time(after(fresh.asked_at, o.timing.fresh_token_lifetime))),
            generation: o.spec.capture.token_generation,
        },
        (Some(recorded), _) if o.facts.capture_kept => CaptureStatus { secret_ref, ..recorded.clone() },
        _ if o.spec.capture.mode == CaptureMode::Link => {
            let expires_at = run.link.as_ref().and_then(|link| link.expires_at).map(Time);
            CaptureStatus { secret_ref, kind: CaptureKind::Link, expires_at, generation: 0 }
        }
        _ => CaptureStatus {
            secret_ref,
            kind: CaptureKind::RunToken,
            expires_at: began.map(|began| Time(after(began.0, o.timing.sdk_token_lifetime))),
            generation: match o.status.workflow_run_id {
                Some(_) => recorded.map_or(0, |capture| capture.generation),
                None => o.spec.capture.token_generation,
            },
        },
    }
}

/// The last word of a plan for an open run: what is asked for and not there is not ready, nor is what has expired meanwhile; and the pass
/// is made again when it expires.
pub(super) fn ready(o: &Observed, now: Timestamp, mut plan: VerificationPlan) -> VerificationPlan {
    let Some(capture) = plan.status.capture.clone().filter(|_| plan.effect.is_none() && plan.status.phase == Phase::AwaitingInput) else {
        return plan;
    };
    if let Some(Err(failure)) = &o.facts.fresh_token {
        plan.wake = wake_after(o, now, failure);
        plan.notices.extend(notice_of(o, failure));
    }
    if wanted(o, &plan.status) && plan.status.observed_generation == Some(o.generation) {
        let says = match (&o.facts.fresh_token, &o.facts.run) {
            (Some(Err(failure)), _) | (None, Some(Err(failure))) => (failure.rule().reason, failure.message()),
            _ => (Reason::Pending, "the SDK token that tokenGeneration asks for is not there".to_owned()),
        };
        conditions::say_of_capture(&mut plan.status, &o.status, (ConditionStatus::False, says.0, says.1), o.generation, now);
        return plan;
    }
    let is_ready = conditions::recorded(&plan.status, ConditionType::CaptureReady).is_some_and(|says| says.0 == ConditionStatus::True);
    match capture.expires_at {
        Some(end) if is_ready && end.0 <= now => {
            let says = conditions::capture_ready(&plan.status, now);
            conditions::set(&mut plan.status.conditions, ConditionType::CaptureReady, says, o.generation, now);
        }
        Some(end) if is_ready => plan.wake = plan.wake.earliest(Wake::At(end.0)),
        _ => {}
    }
    plan
}
