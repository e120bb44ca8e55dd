//! One pass over a verification: whether there is anything to do, the pass itself in a task of its own, and when to come back.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use kube::runtime::controller::Action;
use tracing::Instrument;

use crate::{
    api::{IdentityVerification, OnfidoProvider},
    pause,
    plan::Wake,
};

use super::{
    Ctx, Stored, Trouble,
    drive::{self, End},
    finalizer,
    memory::Occasion,
    observe,
};

/// Makes a pass.
pub(super) async fn reconcile(object: Arc<Stored<IdentityVerification>>, ctx: Arc<Ctx>) -> Result<Action, Trouble> {
    let object = object.0.as_ref().map_err(|_| Trouble::Malformed)?.clone();
    let uid = object.metadata.uid.clone().unwrap_or_default();
    if object.metadata.deletion_timestamp.is_some() && !finalizer::is_on(&object) {
        return Ok(Action::await_change()); // it is not us who hold it up
    }
    let provider = observe::provider_of(&ctx, &object);
    let occasion = Occasion::of(&object, provider.as_ref().and_then(|provider| provider.metadata.resource_version.clone()));
    if let Some(rest) = resting(&ctx, &uid, &occasion) {
        return Ok(Action::requeue(rest));
    }
    ctx.settings.metrics.reconcile();
    let end = isolated(&ctx, object, provider).await;
    Ok(come_back(&ctx, &uid, occasion, end))
}

/// Never asked: every pass says itself when to come back.
pub(super) fn on_error(object: Arc<Stored<IdentityVerification>>, trouble: &Trouble, ctx: Arc<Ctx>) -> Action {
    let meta = kube::Resource::meta(object.as_ref());
    tracing::warn!(namespace = meta.namespace, name = meta.name, %trouble);
    let uid = meta.uid.clone().unwrap_or_default();
    Action::requeue(ctx.memories.verification(&uid, |memory| {
        memory.failures = memory.failures.saturating_add(1);
        ctx.backoff(memory.failures)
    }))
}

/// A pass in a task of its own: a panic harms no other object, and a shutdown waits for it.
async fn isolated(ctx: &Arc<Ctx>, object: IdentityVerification, provider: Option<OnfidoProvider>) -> Result<End, Trouble> {
    let span = tracing::info_span!("verification", namespace = object.metadata.namespace, name = object.metadata.name);
    let pass = {
        let ctx = ctx.clone();
        let pass = async move {
            pause::panic_on(object.metadata.namespace.as_deref(), object.metadata.name.as_deref());
            drive::verification(&ctx, object, provider).await
        };
        pass.instrument(span)
    };
    match ctx.passes.spawn(pass).await {
        Ok(end) => end,
        Err(_) => {
            ctx.settings.metrics.reconcile_panic();
            Err(Trouble::Panicked)
        }
    }
}

/// How much longer a pass about the same thing would find nothing new.
fn resting(ctx: &Ctx, uid: &str, occasion: &Occasion) -> Option<Duration> {
    let rest = ctx.memories.verification(uid, |memory| memory.rest.clone());
    let (of, until) = rest?;
    (of == *occasion).then(|| until.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero())
}

/// Turns what a pass came to into what the controller does next.
fn come_back(ctx: &Ctx, uid: &str, occasion: Occasion, end: Result<End, Trouble>) -> Action {
    let wait = ctx.memories.verification(uid, |memory| {
        let failures = std::mem::take(&mut memory.failures);
        let wait = match &end {
            Ok(End::Planned(Wake::OnChange)) => None,
            Ok(End::Planned(Wake::At(moment))) => {
                Some(Duration::try_from(moment.duration_since(jiff::Timestamp::now())).unwrap_or_default())
            }
            Ok(End::Throttled(throttled)) => {
                // Everybody is told the time of the next call alone: whoever waits longer asks less often.
                memory.failures = failures.saturating_add(1);
                memory.throttled = Some(*throttled);
                Some(throttled.wait.max(ctx.backoff(failures).min(ctx.timing().throttled)))
            }
            Ok(End::Planned(Wake::Backoff)) | Err(_) => {
                memory.failures = failures.saturating_add(1);
                Some(ctx.backoff(failures))
            }
        };
        // Trouble is not the object's: whatever wakes it may try again.
        memory.rest = wait.filter(|_| end.is_ok()).map(|wait| (occasion, Instant::now() + wait));
        wait
    });
    if let Err(trouble) = &end {
        tracing::warn!(uid, %trouble, "the pass is made again");
    }
    wait.map_or_else(Action::await_change, Action::requeue)
}
