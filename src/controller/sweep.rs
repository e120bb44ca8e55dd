//! Goes over all verifications once a minute and wakes those that are due though nothing has happened to them: one task in place of a timer
//! for each.

use std::time::Duration;

use jiff::Timestamp;
use kube::Resource;

use crate::{
    api::IdentityVerification,
    plan::{
        Wanted,
        sweep::{self, Due},
    },
};

use super::{Ctx, Stored, feed, observe::jitter};

/// Sweeps for ever, once everything is known that exists.
pub(super) async fn run(ctx: &Ctx) {
    drop(ctx.all_known.clone().wait_for(|known| *known).await);
    ctx.nudge_providers(); // which of them have open runs, and so a feed to read, is known only now
    let mut last = Timestamp::now();
    loop {
        tokio::time::sleep(ctx.timing().sweep.max(Duration::from_millis(1))).await;
        let now = Timestamp::now();
        let from = sweep::since(last, now, ctx.timing());
        let why = |stored: &Stored<IdentityVerification>| {
            let verification = stored.0.as_ref().ok()?;
            let status = verification.status.as_ref()?;
            sweep::due(&verification.spec, status, || jitter(stored.meta().uid.as_deref().unwrap_or_default()), from, now, ctx.timing())
        };
        for stored in ctx.verifications.state_filter(|stored| why(stored).is_some()) {
            match why(&stored) {
                Some(Due::Audit) => feed::want(ctx, &stored, Wanted::Audit, None).await,
                Some(Due::Moment) => feed::wake(ctx, &stored).await,
                None => {}
            }
        }
        last = now;
    }
}
