//! Performs one effect: one arm each, no decisions.

use std::time::Instant;

use crate::{
    api::{IdentityVerification, OnfidoProvider},
    metrics,
    onfido::{
        error::{self, VendorError},
        limiter::{Class, Permit},
        model::{ApplicantId, WorkflowRunId},
    },
    plan::{Effect, Failure, Looked, Receipt},
};

use super::{Ctx, Trouble, attributes, capture, vendor::Vendor};

type Outcome = Result<Receipt, Failure>;

/// How many calls must be reserved before an effect is begun.
pub(super) fn permits(effect: &Effect) -> usize {
    match effect {
        Effect::CreateApplicant { .. } => 2, // and the run's, which follows at once
        Effect::StartRun { .. } | Effect::ReadRun { .. } | Effect::LookForRun { .. } => 1,
        Effect::ReadAttributes { .. } | Effect::WriteCaptureSecret { .. } => 0,
    }
}

/// Who goes first when calls are scarce.
pub(super) fn class(effect: &Effect) -> Class {
    if effect.is_start() { Class::Start } else { Class::Poll }
}

/// Performs one effect. `began` is before its intent was recorded.
pub(super) async fn effect(
    ctx: &Ctx,
    object: &IdentityVerification,
    provider: Option<&OnfidoProvider>,
    effect: &Effect,
    permit: Option<Permit>,
    began: Instant,
) -> Result<Outcome, Trouble> {
    match effect {
        Effect::ReadAttributes { names } => return Ok(Ok(Receipt::Attributes(attributes::read(ctx, object, names).await?))),
        Effect::WriteCaptureSecret { run, token, restore } => {
            let written = persistently(ctx, || capture::write(ctx, object, run, token, *restore)).await?;
            return Ok(written.map(Receipt::CaptureSecretWritten));
        }
        Effect::LookForRun { .. } | Effect::CreateApplicant { .. } | Effect::StartRun { .. } | Effect::ReadRun { .. } => {}
    }
    let Some(provider) = provider else {
        let reference = &object.spec.provider_ref;
        let namespace = reference.namespace.clone().or(object.metadata.namespace.clone()).unwrap_or_default();
        return Ok(Err(Failure::ProviderNotFound { namespace, name: reference.name.clone() }));
    };
    let vendor = match ctx.vendors.of(provider).await? {
        Ok(vendor) => vendor,
        Err(failure) => return Ok(Err(failure)),
    };
    let Some(permit) = permit else { return Ok(Err(Failure::RateLimited { after: None })) };
    let outcome = call(ctx, &vendor, effect, permit, began).await;
    if outcome == Err(Failure::Unauthorized) {
        ctx.vendors.doubt(provider);
        ctx.memories.doubt_credentials();
        ctx.nudge_providers();
    }
    Ok(outcome.map(|receipt| receipt.0))
}

/// Receipts are not compared; failures are.
struct Done(Receipt);

impl PartialEq for Done {
    fn eq(&self, _: &Self) -> bool {
        false
    }
}

async fn call(ctx: &Ctx, vendor: &Vendor, effect: &Effect, permit: Permit, began: Instant) -> Result<Done, Failure> {
    let late = || began.elapsed() >= ctx.timing().deadline;
    match effect {
        Effect::CreateApplicant { .. } | Effect::StartRun { .. } if late() => Err(Failure::TooLate),
        Effect::CreateApplicant { applicant, .. } => {
            let answer = vendor.client.create_applicant(permit, applicant).await;
            let applicant = counted(ctx, metrics::Operation::CreateApplicant, answer).map_err(post_failure)?;
            Ok(Done(Receipt::ApplicantCreated(applicant)))
        }
        Effect::StartRun { run, .. } => {
            let answer = vendor.client.create_workflow_run(permit, run).await;
            let run = counted(ctx, metrics::Operation::CreateWorkflowRun, answer).map_err(post_failure)?;
            Ok(Done(Receipt::RunStarted(Box::new(run))))
        }
        Effect::ReadRun { run } => read_run(ctx, vendor, run, permit).await,
        Effect::LookForRun { applicant } => look(ctx, vendor, applicant.as_ref(), permit).await,
        Effect::ReadAttributes { .. } | Effect::WriteCaptureSecret { .. } => Err(Failure::TooLate), // no calls; handled above
    }
}

async fn read_run(ctx: &Ctx, vendor: &Vendor, run: &WorkflowRunId, permit: Permit) -> Result<Done, Failure> {
    let answer = vendor.client.get_workflow_run(permit, run).await;
    match counted(ctx, metrics::Operation::GetWorkflowRun, answer) {
        Ok(run) => Ok(Done(Receipt::RunRead(Box::new(run)))),
        Err(VendorError::NotFound | VendorError::Gone) => Err(Failure::AccountChanged),
        Err(error) => Err(get_failure(error)),
    }
}

async fn look(ctx: &Ctx, vendor: &Vendor, applicant: Option<&ApplicantId>, permit: Permit) -> Result<Done, Failure> {
    let mut applicant_known = true;
    if let Some(applicant) = applicant {
        let answer = vendor.client.get_applicant(permit, applicant).await;
        match counted(ctx, metrics::Operation::GetApplicant, answer) {
            Ok(_) => {}
            Err(VendorError::NotFound | VendorError::Gone) => applicant_known = false,
            Err(error) => return Err(get_failure(error)),
        }
    }
    if !applicant_known {
        return Ok(Done(Receipt::Looked(Looked { applicant_known, runs: vec![] })));
    }
    Err(Failure::TooLate)
}

/// An unrepeatable call: either it certainly had no effect, or nobody knows.
fn post_failure(error: VendorError) -> Failure {
    match error.effect() {
        error::Effect::Ambiguous => Failure::Ambiguous,
        error::Effect::None => get_failure(error),
    }
}

fn get_failure(error: VendorError) -> Failure {
    match error {
        VendorError::Unauthorized { .. } | VendorError::Forbidden => Failure::Unauthorized,
        VendorError::WrongRegion => Failure::WrongRegion,
        VendorError::Invalid { fields } => Failure::RequestRefused { fields },
        VendorError::NotFound | VendorError::Gone | VendorError::Conflict => Failure::RequestRefused { fields: vec![] },
        VendorError::RateLimited { retry_after } => Failure::RateLimited { after: retry_after },
        VendorError::Throttled { wait } => Failure::RateLimited { after: Some(wait) },
        VendorError::Unreadable => Failure::UnexpectedAnswer { what: "it cannot be read" },
        VendorError::Server { .. }
        | VendorError::Unexpected { .. }
        | VendorError::NotSent
        | VendorError::TimedOut
        | VendorError::Broken => Failure::Unreachable,
    }
}
