//! Performs one effect: one arm each, no decisions.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, Preconditions},
};

use crate::{
    api::{IdentityVerification, OnfidoProvider},
    metrics::{VendorOperation as Operation, VendorOutcome},
    onfido::{
        error::VendorError,
        limiter::{Class, Permit, Refused, Turn},
        model::{ApplicantId, WorkflowRunId},
    },
    plan::{Effect, Failure, FreshToken, Looked, Receipt},
};

use super::{Ctx, Trouble, attributes, capture, custom_data, finalizer, ledger, vendor::Vendor};

type Outcome = Result<Receipt, Failure>;

/// How many calls must be reserved before an effect is begun: its own, and those that follow at once.
pub(super) fn calls(effect: &Effect) -> usize {
    match effect {
        Effect::LookForRun { .. } => 3, // the applicant, known or new; a page; the run
        Effect::CreateApplicant { .. } | Effect::UpdateApplicant { .. } => 2, // and the run's
        Effect::StartRun { .. } | Effect::CreateSdkToken { .. } | Effect::ReadRun { .. } => 1,
        Effect::ReadAttributes { .. } | Effect::ReadCustomData => 0,
        Effect::WriteCaptureSecret { .. } | Effect::EmptyCaptureSecret => 0,
        Effect::RemoveCaptureSecret | Effect::DeleteObject => 0,
        Effect::HoldDeletion | Effect::ReleaseDeletion { .. } | Effect::OweErasure { .. } => 0,
        Effect::EraseApplicant { .. } => 0, // its turn must not come later than its deadline: it asks for itself
    }
}

/// Who goes first when calls are scarce.
pub(super) fn class(effect: &Effect, is_audit: bool) -> Class {
    match effect.is_start() {
        true => Class::Start,
        false if is_audit => Class::Audit,
        false => Class::Poll,
    }
}

/// When a turn began, by two clocks: one that nobody sets, and one that goes on while the machine sleeps.
#[derive(Clone, Copy)]
pub(super) struct Began(Instant, Timestamp);

impl Began {
    pub(super) fn now() -> Self {
        Self(Instant::now(), Timestamp::now())
    }

    /// Whether either clock says that so much time is over. A clock that was set back says nothing that can be relied on.
    pub(super) fn is_over(self, limit: Duration) -> bool {
        let by_the_wall = Duration::try_from(Timestamp::now().duration_since(self.1));
        self.0.elapsed() >= limit || by_the_wall.is_ok_and(|elapsed| elapsed >= limit)
    }

    pub(super) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// Performs one effect. `began` is before its intent was recorded.
pub(super) async fn effect(
    ctx: &Ctx,
    object: &IdentityVerification,
    provider: Option<&OnfidoProvider>,
    effect: &Effect,
    permits: &mut Vec<Permit>,
    began: Began,
) -> Result<Outcome, Trouble> {
    match effect {
        Effect::ReadAttributes { names } => return Ok(attributes::read(ctx, object, names).await?.map(Receipt::Attributes)),
        Effect::ReadCustomData => return Ok(custom_data::read(ctx, object).await?.map(Receipt::CustomData)),
        Effect::EmptyCaptureSecret => return Ok(capture::empty(ctx, object).await?.map(|()| Receipt::CaptureSecretEmptied)),
        Effect::RemoveCaptureSecret => return Ok(capture::remove(ctx, object).await?.map(|()| Receipt::CaptureSecretRemoved)),
        Effect::DeleteObject => return delete(ctx, object).await.map(|()| Ok(Receipt::ObjectDeleted)),
        Effect::WriteCaptureSecret { run, holds, restore, keep } => {
            let write = || capture::write(ctx, object, run, holds, *restore, *keep);
            // A run that is on record can wait for its Secret; one that is not is recorded soon, with or without.
            let patience = if *restore { Duration::ZERO } else { ctx.timing().deadline };
            return match persistently(ctx, patience, write).await {
                Ok(written) => Ok(written),
                Err(trouble) if *restore => Err(trouble),
                Err(trouble) => {
                    tracing::warn!(%trouble, "the run is recorded without its Secret");
                    Ok(Err(Failure::SecretRefused { name: capture::name(object) }))
                }
            };
        }
        Effect::HoldDeletion => return finalizer::hold(ctx, object).await.map(|version| Ok(Receipt::DeletionHeld(version))),
        Effect::ReleaseDeletion { lost } => {
            return finalizer::release(ctx, object, lost).await.map(|()| Ok(Receipt::DeletionReleased));
        }
        Effect::OweErasure { applicants, orphan, environment, why } => {
            return Ok(ledger::owe(ctx, object, applicants, orphan.as_ref(), *environment, *why).await.map(|()| Receipt::ErasureOwed));
        }
        Effect::LookForRun { .. }
        | Effect::CreateApplicant { .. }
        | Effect::UpdateApplicant { .. }
        | Effect::StartRun { .. }
        | Effect::CreateSdkToken { .. }
        | Effect::ReadRun { .. }
        | Effect::EraseApplicant { .. } => {}
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
    let [line, who] = [&object.metadata.namespace, &object.metadata.uid].map(|of| of.as_deref().unwrap_or_default());
    let outcome = call(ctx, &vendor, effect, &Turn { line, who, begun: true }, permits, began).await;
    if matches!(outcome, Err(Failure::Unauthorized)) {
        doubt(ctx, provider);
        ctx.nudge_providers();
    }
    Ok(outcome)
}

/// The vendor does not take the token: it is read again, and tried again.
pub(super) fn doubt(ctx: &Ctx, provider: &OnfidoProvider) {
    ctx.vendors.doubt(provider);
    ctx.memories.provider(provider.metadata.uid.as_deref().unwrap_or_default(), |memory| memory.probed = None);
}

async fn call(ctx: &Ctx, vendor: &Vendor, effect: &Effect, turn: &Turn<'_>, permits: &mut Vec<Permit>, began: Began) -> Outcome {
    let mut permit = || permits.pop().ok_or(Failure::RateLimited { after: None });
    match effect {
        effect if effect.is_unrepeatable() && began.is_over(ctx.timing().deadline) => Err(Failure::TooLate),
        Effect::CreateApplicant { applicant, .. } => {
            let answer = vendor.client.create_applicant(permit()?, applicant).await;
            counted(ctx, Operation::CreateApplicant, answer).map(Receipt::ApplicantCreated).map_err(Failure::of_call)
        }
        Effect::UpdateApplicant { id, applicant, .. } => {
            let answer = vendor.client.update_applicant(permit()?, id, applicant).await;
            match counted(ctx, Operation::UpdateApplicant, answer) {
                Ok(_) => Ok(Receipt::ApplicantUpdated(true)),
                Err(VendorError::NotFound | VendorError::Gone | VendorError::Invalid { .. }) => Ok(Receipt::ApplicantUpdated(false)),
                Err(error) => Err(Failure::of_call(error)),
            }
        }
        Effect::StartRun { run, .. } => {
            let answer = vendor.client.create_workflow_run(permit()?, run).await;
            counted(ctx, Operation::StartRun, answer).map(|run| Receipt::RunStarted(Box::new(run))).map_err(Failure::of_call)
        }
        Effect::CreateSdkToken { token } => {
            let asked_at = Timestamp::now();
            let answer = vendor.client.create_sdk_token(permit()?, token).await;
            match counted(ctx, Operation::CreateSdkToken, answer) {
                Ok(token) => Ok(Receipt::SdkTokenCreated(FreshToken { token, asked_at })),
                Err(VendorError::NotFound | VendorError::Gone) => Err(Failure::AccountChanged), // it does not know the applicant
                Err(error) => Err(Failure::of_answer(error)),
            }
        }
        Effect::ReadRun { run, applicant } => read_run(ctx, vendor, turn, run, applicant.as_ref(), permit()?).await,
        Effect::LookForRun { applicant, tag, of_any } => look(ctx, vendor, turn, applicant.as_ref(), tag, *of_any, permit).await,
        Effect::EraseApplicant { id, environment } => match environment {
            Some(there) if there.differs(vendor.environment) => Err(Failure::AccountChanged),
            _ => erase(ctx, vendor, turn, id).await.map(|()| Receipt::ApplicantErased(id.clone())),
        },
        // These call nobody, and are performed above.
        Effect::ReadAttributes { .. } | Effect::ReadCustomData => Err(Failure::TooLate),
        Effect::WriteCaptureSecret { .. } | Effect::EmptyCaptureSecret => Err(Failure::TooLate),
        Effect::RemoveCaptureSecret | Effect::DeleteObject => Err(Failure::TooLate),
        Effect::HoldDeletion | Effect::ReleaseDeletion { .. } | Effect::OweErasure { .. } => Err(Failure::TooLate),
    }
}

/// Deletes the object, if nobody wrote it since it was observed: an edit may have made its time another one.
async fn delete(ctx: &Ctx, object: &IdentityVerification) -> Result<(), Trouble> {
    let api: Api<IdentityVerification> = Api::namespaced(ctx.client.clone(), object.metadata.namespace.as_deref().unwrap_or_default());
    let preconditions = Preconditions { uid: object.metadata.uid.clone(), resource_version: object.metadata.resource_version.clone() };
    let only_this = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
    match api.delete(&object.name_any(), &only_this).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(source) => Err(Trouble::Kube { doing: "delete the verification", source }),
    }
}

/// Asks the vendor to erase an applicant; one that is not there any more is erased.
pub(super) async fn erase(ctx: &Ctx, vendor: &Vendor, turn: &Turn<'_>, id: &ApplicantId) -> Result<(), Failure> {
    let permit = vendor.client.try_acquire(Class::Poll, turn).map_err(refused)?;
    let answer = vendor.client.delete_applicant(permit, id).await;
    match counted(ctx, Operation::DeleteApplicant, answer) {
        Ok(()) | Err(VendorError::NotFound | VendorError::Gone) => {
            ctx.settings.metrics.erasure_done();
            tracing::info!(applicant = id.as_str(), "the vendor has scheduled the applicant's erasure, or does not have it any more");
            Ok(())
        }
        Err(error) => Err(Failure::of_answer(error)),
    }
}

async fn read_run(
    ctx: &Ctx,
    vendor: &Vendor,
    turn: &Turn<'_>,
    run: &WorkflowRunId,
    applicant: Option<&ApplicantId>,
    permit: Permit,
) -> Outcome {
    let answer = vendor.client.get_workflow_run(permit, run).await;
    let error = match counted(ctx, Operation::GetRun, answer) {
        Ok(run) => return Ok(Receipt::RunRead(Box::new(run))),
        Err(error) => error,
    };
    match error {
        VendorError::Gone => return Err(Failure::RunPurged),
        VendorError::NotFound => {}
        error => return Err(Failure::of_answer(error)),
    }
    // Purged, another account's, or reads that lag behind writes?
    let (Some(applicant), Ok(permit)) = (applicant, vendor.client.try_acquire(Class::Poll, turn)) else {
        return Err(Failure::UnexpectedAnswer { what: "it does not know the run" });
    };
    let answer = vendor.client.get_applicant(permit, applicant).await;
    match counted(ctx, Operation::GetApplicant, answer) {
        Ok(_) | Err(VendorError::Gone) => Err(Failure::RunPurged),
        Err(VendorError::NotFound) => Err(Failure::AccountChanged),
        Err(error) => Err(Failure::of_answer(error)),
    }
}

async fn look(
    ctx: &Ctx,
    vendor: &Vendor,
    turn: &Turn<'_>,
    applicant: Option<&ApplicantId>,
    tag: &str,
    of_any: bool,
    mut permit: impl FnMut() -> Result<Permit, Failure>,
) -> Outcome {
    if let Some(applicant) = applicant
        && !knows(ctx, vendor, applicant, permit()?).await?
    {
        return Ok(Receipt::Looked(Looked { applicant_known: false, runs: vec![] }));
    }
    let answer = vendor.client.find_workflow_runs(permit()?, Class::Start, turn, applicant.filter(|_| !of_any), tag).await;
    let search = counted(ctx, Operation::ListRuns, answer).map_err(Failure::of_answer)?;
    if !search.complete {
        return Err(Failure::UnexpectedAnswer { what: "its list of runs has no end" });
    }
    Ok(Receipt::Looked(Looked { applicant_known: true, runs: search.runs }))
}

/// Why a call was not permitted.
pub(super) fn refused(refused: Refused) -> Failure {
    match refused {
        Refused::Wait(wait) => Failure::RateLimited { after: Some(wait) },
        Refused::Unauthorized => Failure::Unauthorized,
    }
}

/// Whether this is the account that knows the applicant.
async fn knows(ctx: &Ctx, vendor: &Vendor, applicant: &ApplicantId, permit: Permit) -> Result<bool, Failure> {
    let answer = vendor.client.get_applicant(permit, applicant).await;
    match counted(ctx, Operation::GetApplicant, answer) {
        Ok(_) => Ok(true),
        Err(VendorError::NotFound | VendorError::Gone) => Ok(false),
        Err(error) => Err(Failure::of_answer(error)),
    }
}

pub(super) fn counted<T>(ctx: &Ctx, operation: Operation, answer: Result<T, VendorError>) -> Result<T, VendorError> {
    ctx.settings.metrics.vendor_call(operation, VendorOutcome::from(&answer));
    answer
}

/// Retries trouble with the API server for a while: what a paid call has brought cannot be had again.
pub(super) async fn persistently<T, F: Future<Output = Result<T, Trouble>>>(
    ctx: &Ctx,
    patience: Duration,
    act: impl Fn() -> F,
) -> Result<T, Trouble> {
    let began = Instant::now();
    let mut failures = 0;
    loop {
        match act().await {
            Err(trouble) if began.elapsed() < patience => {
                tracing::warn!(%trouble, "trying again");
                failures += 1;
                tokio::time::sleep(ctx.backoff(failures).min(ctx.timing().deadline)).await;
            }
            outcome => return outcome,
        }
    }
}
