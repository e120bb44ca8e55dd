//! Where Secrets are watched: lets those be looked at again whom a change concerns, at once. Knows names and versions, never a value. Whoever
//! changes one Secret all the time is heard at a pace.

use std::{collections::HashMap, time::Instant};

use futures::StreamExt;
use kube::Resource;

use crate::{
    api::{IdentityVerification, OnfidoProvider},
    plan::secrets::{self, Concern},
};

use super::{
    Ctx, Stored, feed,
    watch::{self, ChangedSecret},
};

/// Watches for ever, if that is asked for, once everything is known that exists.
pub(super) async fn run(ctx: &Ctx) {
    if !ctx.settings.watch_secrets {
        return;
    }
    drop(ctx.all_known.clone().wait_for(|known| *known).await);
    let mut changes = std::pin::pin!(watch::secrets(&ctx.client, &ctx.settings));
    let mut pace = Pace::default();
    loop {
        let due = pace.next();
        tokio::select! {
            changed = changes.next() => match changed {
                Some(changed) => tell(ctx, &mut pace, changed).await,
                None => return,
            },
            () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now).into()), if due.is_some() => {
                for changed in pace.due(Instant::now()) {
                    tell(ctx, &mut pace, changed).await;
                }
            }
        }
    }
}

/// Tells those whom a change concerns, or keeps it until they may be told again.
async fn tell(ctx: &Ctx, pace: &mut Pace, changed: ChangedSecret) {
    let Some(changed) = pace.now(changed, Instant::now()) else { return };
    let providers = tell_providers(ctx, &changed);
    let verifications = tell_verifications(ctx, &changed).await;
    if providers || verifications {
        pace.told(&changed, Instant::now() + ctx.timing().secret_told);
    }
}

/// The tokens are read anew by whoever needs them next, which the provider does at once.
fn tell_providers(ctx: &Ctx, changed: &ChangedSecret) -> bool {
    let concerned = |provider: &OnfidoProvider| {
        provider.metadata.namespace.as_deref() == Some(&changed.namespace) && secrets::concerns_provider(&provider.spec, &changed.name)
    };
    if ctx.providers.find(|stored| stored.0.as_ref().is_ok_and(concerned)).is_none() {
        return false;
    }
    ctx.secrets.renew(&changed.namespace, &changed.name);
    ctx.nudge_providers();
    true
}

async fn tell_verifications(ctx: &Ctx, changed: &ChangedSecret) -> bool {
    let concern = |stored: &Stored<IdentityVerification>| {
        let object = stored.0.as_ref().ok().filter(|object| object.metadata.namespace.as_deref() == Some(&changed.namespace))?;
        secrets::concern(object, &changed.name, changed.version.is_none())
    };
    let mut any = false;
    for stored in ctx.verifications.state_filter(|stored| concern(stored).is_some()) {
        let uid = stored.meta().uid.as_deref().unwrap_or_default();
        let told = ctx.memories.verification(uid, |memory| match concern(&stored) {
            Some(Concern::Values) => {
                memory.change_values();
                true
            }
            Some(Concern::Outcome) => {
                memory.change_values();
                false
            }
            Some(Concern::Obstacle) => {
                memory.unhold();
                true
            }
            Some(Concern::Capture) => memory.want_capture(changed.version.as_deref()),
            None => false,
        });
        if told {
            feed::wake(ctx, &stored).await;
            any = true;
        }
    }
    any
}

type Name = (String, String);

/// The Secrets of which somebody was just told, and what has become of them since.
#[derive(Default)]
struct Pace(HashMap<Name, (Instant, Option<ChangedSecret>)>);

impl Pace {
    /// The change, if it may be told now; otherwise it is kept in place of one before it.
    fn now(&mut self, changed: ChangedSecret, now: Instant) -> Option<ChangedSecret> {
        match self.0.get_mut(&name(&changed)) {
            Some((until, kept)) if *until > now => {
                *kept = Some(changed);
                None
            }
            _ => Some(changed),
        }
    }

    /// Somebody was told.
    fn told(&mut self, changed: &ChangedSecret, until: Instant) {
        self.0.insert(name(changed), (until, None));
    }

    /// When something is due.
    fn next(&self) -> Option<Instant> {
        self.0.values().map(|(until, _)| *until).min()
    }

    /// What may be told now; nothing of it is remembered.
    fn due(&mut self, now: Instant) -> Vec<ChangedSecret> {
        let over: Vec<Name> = self.0.iter().filter(|(_, (until, _))| *until <= now).map(|(name, _)| name.clone()).collect();
        over.iter().filter_map(|name| self.0.remove(name)?.1).collect()
    }
}

fn name(changed: &ChangedSecret) -> Name {
    (changed.namespace.clone(), changed.name.clone())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_secret_that_changes_all_the_time_is_told_of_at_a_pace_and_its_last_change_is_not_lost() {
        let (mut pace, began) = (Pace::default(), Instant::now());
        let at = |second| began + Duration::from_secs(second);
        let changed = |name: &str, version: Option<&str>| ChangedSecret {
            namespace: "shop".into(),
            name: name.into(),
            version: version.map(str::to_owned),
        };
        let first = changed("a", Some("1"));
        assert_eq!(pace.now(first.clone(), at(0)), Some(first.clone()), "at once");
        pace.told(&first, at(5));
        for version in [Some("2"), Some("3"), None] {
            assert_eq!(pace.now(changed("a", version), at(1)), None);
        }
        assert!(pace.now(changed("b", Some("1")), at(1)).is_some(), "another one");
        assert_eq!((pace.next(), pace.due(at(4))), (Some(at(5)), vec![]));
        assert_eq!(pace.due(at(5)), [changed("a", None)], "the last one only");
        assert_eq!((pace.next(), pace.0.len()), (None, 0), "nothing is remembered");
    }
}
