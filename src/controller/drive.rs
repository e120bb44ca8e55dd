//! The only loop: plan, record, tell, do, learn; then plan again.

use std::time::Instant;

use jiff::Timestamp;
use kube::Api;

use crate::{
    api::{IdentityVerification, OnfidoProvider},
    onfido::limiter::Permit,
    pause,
    plan::{self, Effect, Fence, Observed, Receipt, Wake},
};

use super::{
    Ctx, Trouble, notice, observe, perform,
    persist::{self, Persisted},
};

/// Turns in one pass; a life without faults needs five.
const TURNS: usize = 12;

/// Takes one verification as far as it goes now.
pub(super) async fn verification(ctx: &Ctx, mut object: IdentityVerification, provider: Option<OnfidoProvider>) -> Result<Wake, Trouble> {
    let api: Api<IdentityVerification> = Api::namespaced(ctx.client.clone(), object.metadata.namespace.as_deref().unwrap_or_default());
    let mut observed = observe::verification(ctx, &object, provider.as_ref(), Timestamp::now()).await?;
    let mut permits: Vec<Permit> = vec![];
    for _ in 0..TURNS {
        let began = Instant::now();
        let plan = plan::verification::plan(&observed, Timestamp::now());

        while let Some(wait) = reserve(ctx, provider.as_ref(), plan.effect.as_ref(), &mut permits).await? {
            // What a paid call has brought and is not on record yet comes before saving calls.
            if observed.facts.started.is_none() || began.elapsed() + wait >= ctx.timing().deadline {
                let wait = jiff::SignedDuration::try_from(wait).unwrap_or(jiff::SignedDuration::MAX);
                return Ok(Wake::At(Timestamp::now().saturating_add(wait).unwrap_or(Timestamp::MAX)));
            }
            tokio::time::sleep(wait).await;
        }
        let next = plan.effect.as_ref().map_or("nothing", Effect::name);
        pause::at("before-record", next).await;
        match record(ctx, &api, &object, &observed, &plan).await? {
            Persisted::Stale => return Ok(Wake::Backoff),
            Persisted::Unchanged => {}
            Persisted::Written(version) => {
                object.metadata.resource_version = Some(version);
                object.status.get_or_insert_default(); // there is one now
            }
        }
        notice::publish(ctx, &object, &plan.notices).await;
        observed.status = plan.status;
        remember(ctx, &mut observed, &object);

        let Some(effect) = plan.effect else { return Ok(plan.wake) };
        pause::at("before", next).await;
        let outcome = perform::effect(ctx, &object, provider.as_ref(), &effect, permits.pop(), began).await?;
        pause::at("after", next).await;
        if let (Ok(Receipt::RunRead(_)), Some(uid)) = (&outcome, &object.metadata.uid) {
            ctx.memories.verification(uid, |memory| memory.last_look = Some(Timestamp::now()));
        }
        observed.absorb(&effect, outcome);
        observed.nonce = observe::nonce();
    }
    Ok(Wake::Backoff)
}

/// Reserves the calls an effect needs before anything is recorded: no intent is ever written for a call that must wait its turn. The
/// applicant's reserves the run's too.
async fn reserve(
    ctx: &Ctx,
    provider: Option<&OnfidoProvider>,
    effect: Option<&Effect>,
    permits: &mut Vec<Permit>,
) -> Result<Option<std::time::Duration>, Trouble> {
    let (Some(provider), Some(effect)) = (provider, effect) else { return Ok(None) };
    let needed = perform::permits(effect);
    if permits.len() >= needed {
        return Ok(None);
    }
    let Ok(vendor) = ctx.vendors.of(provider).await? else { return Ok(None) }; // performing it will say why
    while permits.len() < needed {
        match vendor.client.try_acquire(perform::class(effect)) {
            Ok(permit) => permits.push(permit),
            Err(wait) => return Ok(Some(wait)),
        }
    }
    Ok(None)
}

/// Records a plan. What a paid call rests on or has brought is retried for minutes: it cannot be had again.
async fn record(
    ctx: &Ctx,
    api: &Api<IdentityVerification>,
    object: &IdentityVerification,
    observed: &Observed,
    plan: &plan::VerificationPlan,
) -> Result<Persisted, Trouble> {
    let recorded = object.status.as_ref().map(|_| &observed.status);
    let write = || persist::status(api, object, recorded, &plan.status, &plan.fence);
    match plan.fence {
        Fence::Operation(_) => perform::persistently(ctx, write).await,
        Fence::Version | Fence::Fields => write().await,
    }
}

/// An operation just recorded is known from now on.
fn remember(ctx: &Ctx, observed: &mut Observed, object: &IdentityVerification) {
    let uid = object.metadata.uid.as_deref().unwrap_or_default();
    observed.memory = ctx.memories.verification(uid, |memory| memory.note(&observed.status, false, Timestamp::now()));
}
