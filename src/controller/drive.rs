//! The only loop: plan, record, tell, do, learn; then plan again.

use std::{
    num::NonZeroU32,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use kube::{Api, api::ListParams};

use crate::{
    api::{IdentityVerification, OnfidoProvider},
    metrics::Permission,
    onfido::limiter::{Class, Permit, Refused, Turn},
    pause,
    plan::{self, Effect, Failure, Fence, Observed, Wake},
};

use super::{
    Ctx, Trouble, finalizer, notice, observe,
    perform::{self, Began},
    persist::{self, Persisted},
    watch,
};

/// Turns in one pass; a life without faults needs five.
const TURNS: usize = 12;

/// How a pass ended.
pub(super) enum End {
    /// As its last plan says.
    Planned(Wake),
    /// Other calls go first: so many must be permitted before anything is read again.
    Throttled(Throttled),
}

/// The calls a pass needs next, and when to ask for them again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Throttled {
    pub(super) class: Class,
    pub(super) calls: usize,
    pub(super) wait: Duration,
}

/// Takes one verification as far as it goes now.
pub(super) async fn verification(ctx: &Ctx, mut object: IdentityVerification, provider: Option<OnfidoProvider>) -> Result<End, Trouble> {
    let uid = object.metadata.uid.clone().unwrap_or_default();
    let start = Instant::now();
    let (namespace, mut calls) = (object.metadata.namespace.clone().unwrap_or_default(), Calls::default());
    // An object that is being deleted does not wait for what it would have done before.
    let waited = ctx.memories.verification(&uid, |memory| memory.throttled.take());
    calls.waited = waited.filter(|_| object.metadata.deletion_timestamp.is_none());
    if let Some(before) = calls.waited
        && let Err(Held::Wait(wait)) = calls.reserve(ctx, provider.as_ref(), turn(&namespace, &uid), before.class, before.calls).await?
    {
        return Ok(End::Throttled(Throttled { wait, ..before }));
    }
    let api: Api<IdentityVerification> = Api::namespaced(ctx.client.clone(), object.metadata.namespace.as_deref().unwrap_or_default());
    let mut observed = observe::verification(ctx, &object, provider.as_ref(), Timestamp::now()).await?;
    if watch::is_reduced(&object) {
        let plan = plan::verification::plan(&observed, Timestamp::now());
        let nobody_asks = observed.memory.look_wanted.is_none() && !observed.memory.values_changed;
        if plan.effect.is_none() && plan.status == observed.status && nobody_asks {
            return Ok(End::Planned(plan.wake));
        }
        // Something is to be done for a settled object, of which only a part is kept. (`get` is not among the rights.)
        let only = ListParams::default().fields(&format!("metadata.name={}", object.metadata.name.as_deref().unwrap_or_default()));
        let found = api.list(&only).await.map_err(Trouble::kube("read the verification (list)"))?;
        let Some(whole) = found.items.into_iter().find(|whole| whole.metadata.uid.as_deref() == Some(&uid)) else {
            return Ok(End::Planned(Wake::OnChange)); // gone
        };
        object = whole;
        observed = observe::verification(ctx, &object, provider.as_ref(), Timestamp::now()).await?;
    }
    if let Some(provider) = provider.as_ref().filter(|_| observed.is_asked()) {
        ctx.vendors.renew(provider); // somebody may have repaired just that
    }
    for _ in 0..TURNS {
        let began = Began::now();
        let plan = plan::verification::plan(&observed, Timestamp::now());

        let (class, count) =
            plan.effect.as_ref().map_or((Class::Poll, 0), |effect| (perform::class(effect, observed.is_audit()), perform::calls(effect)));
        let refused = loop {
            match calls.reserve(ctx, provider.as_ref(), turn(&namespace, &uid), class, count).await? {
                Ok(()) => break false,
                Err(Held::Unauthorized) => break true,
                // What a paid call has brought and is not on record yet comes before saving calls.
                Err(Held::Wait(wait)) if observed.facts.started.is_none() || began.elapsed() + wait >= ctx.timing().deadline => {
                    return Ok(End::Throttled(Throttled { class, calls: count, wait }));
                }
                Err(Held::Wait(wait)) => tokio::time::sleep(wait).await,
            }
        };
        if let Some(effect) = plan.effect.as_ref().filter(|_| refused) {
            observed.forgo(effect, Failure::Unauthorized);
            continue;
        }
        let next = plan.effect.as_ref().map_or("nothing", Effect::name);
        pause::at("before-record", next).await;
        match record(ctx, &api, &object, &observed, &plan).await? {
            Persisted::Stale => {
                notice::unrecorded(ctx, &object, &observed.facts).await;
                return Ok(End::Planned(Wake::Backoff));
            }
            Persisted::Unchanged => {}
            Persisted::Written(version) => {
                object.metadata.resource_version = Some(version);
                object.status.get_or_insert_default(); // there is one now
            }
        }
        notice::publish(ctx, &object, &plan.notices).await;
        observed.status = plan.status;
        remember(ctx, &mut observed, &object);

        let Some(effect) = plan.effect else {
            // A look counts once what it showed is on record.
            ctx.memories.verification(&uid, |memory| {
                if let Some(Ok(run)) = &observed.facts.run {
                    memory.looked(run, Timestamp::now());
                }
                memory.answered(start, observed.still_wanted(), observed.still_changed());
            });
            return Ok(End::Planned(plan.wake));
        };
        pause::at("before", next).await;
        let outcome = perform::effect(ctx, &object, provider.as_ref(), &effect, &mut calls.permits, began).await?;
        pause::at("after", next).await;
        finalizer::take_over(&mut object, &outcome);
        observed.absorb(&effect, outcome);
        observed.nonce = observe::nonce();
    }
    Ok(End::Planned(Wake::Backoff))
}

/// The calls of one pass.
#[derive(Default)]
struct Calls {
    permits: Vec<Permit>,
    /// Whether some were permitted: they would be lost if the pass gave up.
    begun: bool,
    /// What the pass before was told to wait for.
    waited: Option<Throttled>,
}

/// Why a pass does not go on as planned.
enum Held {
    Wait(Duration),
    /// The vendor does not take the token.
    Unauthorized,
}

/// A verification waits in the line of its namespace.
fn turn<'a>(namespace: &'a str, uid: &'a str) -> Turn<'a> {
    Turn { line: namespace, who: uid, begun: false }
}

impl Calls {
    /// Reserves the calls an effect and what follows it at once need, together or not at all, before anything is recorded: no intent is
    /// ever written for a call that must wait its turn, or that the vendor would refuse whatever it is.
    async fn reserve(
        &mut self,
        ctx: &Ctx,
        provider: Option<&OnfidoProvider>,
        turn: Turn<'_>,
        class: Class,
        count: usize,
    ) -> Result<Result<(), Held>, Trouble> {
        let missing = u32::try_from(count.saturating_sub(self.permits.len())).ok().and_then(NonZeroU32::new);
        let (Some(provider), Some(missing)) = (provider, missing) else { return Ok(Ok(())) };
        let Ok(vendor) = ctx.vendors.of(provider).await? else { return Ok(Ok(())) }; // performing it will say why
        let (permission, reserved) = match vendor.client.try_acquire_all(class, &Turn { begun: self.begun, ..turn }, missing) {
            Ok(more) => {
                self.permits.extend(more);
                self.begun = true;
                (if self.waited.take().is_some() { Permission::GivenAfterWaiting } else { Permission::Given }, Ok(()))
            }
            Err(Refused::Wait(wait)) => (Permission::ToldToWait, Err(Held::Wait(wait))),
            Err(Refused::Unauthorized) => (Permission::Unauthorized, Err(Held::Unauthorized)),
        };
        ctx.settings.metrics.permission(class, permission);
        Ok(reserved)
    }
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
        Fence::Operation(_) => perform::persistently(ctx, ctx.timing().persistence, write).await,
        Fence::Version | Fence::Fields => write().await,
    }
}

/// An operation just recorded is known from now on.
fn remember(ctx: &Ctx, observed: &mut Observed, object: &IdentityVerification) {
    let uid = object.metadata.uid.as_deref().unwrap_or_default();
    observed.memory = ctx.memories.verification(uid, |memory| memory.note(&observed.status, None, Timestamp::now()));
}
