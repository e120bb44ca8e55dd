//! Reads a page of a provider's change feed and wakes the verifications it is news to. What it says of a run is believed by nobody.

use std::collections::HashMap;

use jiff::Timestamp;
use kube::{Resource, runtime::reflector::ObjectRef};

use crate::{
    api::{IdentityVerification, OnfidoProvider},
    metrics::VendorOperation,
    onfido::{
        limiter::Class,
        model::{EndedRun, EndedRuns},
    },
    plan::{Failure, Feed, Following, Wanted, feed::is_news},
};

use super::{
    Ctx, Stored, perform,
    vendor::{Vendor, turn},
};

/// Whether a verification refers to this provider.
pub(super) fn refers(verification: &IdentityVerification, provider: &OnfidoProvider) -> bool {
    let reference = &verification.spec.provider_ref;
    let namespace = reference.namespace.as_ref().or(verification.metadata.namespace.as_ref());
    Some(&reference.name) == provider.metadata.name.as_ref() && namespace == provider.metadata.namespace.as_ref()
}

/// Whether a verification of this provider has an open run, of which the feed could tell.
pub(super) fn has_open(ctx: &Ctx, provider: &OnfidoProvider) -> bool {
    let is_open = |verification: &IdentityVerification| {
        let status = verification.status.as_ref();
        status.is_some_and(|status| status.workflow_run_id.is_some() && !status.phase.is_final()) && refers(verification, provider)
    };
    ctx.verifications.find(|stored| stored.0.as_ref().is_ok_and(is_open)).is_some()
}

/// What this process knows of the provider's feed.
pub(super) fn remembered(ctx: &Ctx, provider: &OnfidoProvider, now: Timestamp) -> Feed {
    let uid = provider.metadata.uid.as_deref().unwrap_or_default();
    ctx.memories.provider(uid, |memory| memory.feed.get_or_insert_with(|| Feed::begun(now, ctx.timing())).clone())
}

/// Keeps what is known of it. Whoever relied on it is told when that is over.
pub(super) async fn remember(ctx: &Ctx, provider: &OnfidoProvider, feed: &Feed) {
    let uid = provider.metadata.uid.as_deref().unwrap_or_default();
    let is_lost = matches!(feed.following(Timestamp::now(), ctx.timing()), Following::Lost(_));
    let was_lost = ctx.memories.provider(uid, |memory| {
        memory.feed = Some(feed.clone());
        std::mem::replace(&mut memory.feed_is_lost, is_lost)
    });
    if is_lost && !was_lost {
        tracing::warn!(
            namespace = provider.metadata.namespace,
            name = provider.metadata.name,
            "the list of ended runs cannot be followed: open runs are looked at one by one, every hour"
        );
        let relied = |verification: &IdentityVerification| {
            verification.status.as_ref().is_some_and(|status| !status.phase.is_final()) && refers(verification, provider)
        };
        for stored in ctx.verifications.state_filter(|stored| stored.0.as_ref().is_ok_and(relied)) {
            wake(ctx, &stored).await;
        }
    }
}

/// Reads a page; the feed learns what came of it.
pub(super) async fn read(ctx: &Ctx, provider: &OnfidoProvider, vendor: &Vendor, page: u32, feed: &mut Feed, jitter: f64) {
    let asked = Timestamp::now();
    match call(ctx, provider, vendor, page).await {
        Ok(ended) => {
            point(ctx, provider, &ended).await;
            feed.heard(&ended, asked, Timestamp::now(), jitter, ctx.timing());
        }
        Err(failure) => {
            if failure == Failure::Unauthorized {
                perform::doubt(ctx, provider);
            }
            let wait = if let Failure::RateLimited { after } = failure { after } else { None };
            feed.missed(wait, Timestamp::now(), ctx.timing());
        }
    }
    remember(ctx, provider, feed).await;
}

async fn call(ctx: &Ctx, provider: &OnfidoProvider, vendor: &Vendor, page: u32) -> Result<EndedRuns, Failure> {
    let permit = vendor.client.try_acquire(Class::Poll, &turn(provider)).map_err(perform::refused)?;
    let answer = vendor.client.list_ended_runs(permit, page).await;
    perform::counted(ctx, VendorOperation::ListEndedRuns, answer).map_err(Failure::of_answer)
}

/// Lets each verification be looked at that a page is news to.
async fn point(ctx: &Ctx, provider: &OnfidoProvider, ended: &EndedRuns) {
    let told: HashMap<&str, &EndedRun> = ended.runs.iter().map(|entry| (entry.id.as_str(), entry)).collect();
    let news = |stored: &Stored<IdentityVerification>| {
        let verification = stored.0.as_ref().ok().filter(|verification| refers(verification, provider))?;
        let status = verification.status.as_ref()?;
        let runs = status.workflow_run_id.iter().chain(status.standing_verdict.iter().map(|standing| &standing.workflow_run_id));
        runs.filter_map(|run| told.get(run.as_str())).copied().find(|entry| is_news(status, entry))
    };
    for stored in ctx.verifications.state_filter(|stored| news(stored).is_some()) {
        want(ctx, &stored, Wanted::Feed, news(&stored)).await;
    }
}

/// Lets a verification be looked at, for what the feed has told of it or for an audit.
pub(super) async fn want(ctx: &Ctx, stored: &Stored<IdentityVerification>, wanted: Wanted, told: Option<&EndedRun>) {
    ctx.memories.verification(stored.meta().uid.as_deref().unwrap_or_default(), |memory| memory.want(wanted, told));
    wake(ctx, stored).await;
}

/// Has a pass made over a verification.
pub(super) async fn wake(ctx: &Ctx, stored: &Stored<IdentityVerification>) {
    let _ = ctx.wake.send(ObjectRef::from_obj(stored)).await; // stopping
}
