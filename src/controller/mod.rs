//! The shell: watches, reads, asks `plan`, and does what it says. Thin and boring; no decisions live here.

mod attributes;
mod capture;
mod ctx;
mod custom_data;
mod digest;
mod drive;
mod feed;
mod finalizer;
mod ledger;
mod memory;
mod notice;
mod observe;
mod perform;
mod persist;
mod provider;
mod sweep;
mod trouble;
mod vendor;
mod verification;
mod watch;
mod watch_secrets;

pub use ctx::{Ctx, Settings};
pub use digest::DIGEST_SECRET;
pub use ledger::ENTRIES as LEDGER_ENTRIES;
pub use trouble::Trouble;

use std::{convert::Infallible, sync::Arc};

use futures::{Stream, StreamExt, future, stream};
use kube::{
    core::DeserializeGuard,
    runtime::{
        controller::{Config, applier},
        reflector::{self, ObjectRef, Store, store::Writer},
    },
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::api::{IdentityVerification, OnfidoProvider};

use watch::Change;

/// An object as it was stored, which may be malformed: one such object must not stop the watch of the others.
pub type Stored<K> = DeserializeGuard<K>;

/// How many verifications are worked on at once. Each holds at most one connection to the API server and one to the vendor.
const VERIFICATIONS_AT_ONCE: u16 = 64;
/// How many providers are worked on at once.
const PROVIDERS_AT_ONCE: u16 = 4;
/// How many verifications that a provider, its feed or the sweep woke wait to be looked at; more wait with the provider's watch.
const WOKEN: usize = 1024;

/// Both controllers, and the stores they fill.
pub struct Controllers {
    verifications: Writer<Stored<IdentityVerification>>,
    providers: Writer<Stored<OnfidoProvider>>,
    filled: [tokio::sync::watch::Sender<bool>; 2],
    nudges: mpsc::Receiver<()>,
    woken: mpsc::Receiver<ObjectRef<Stored<IdentityVerification>>>,
    ctx: Arc<Ctx>,
}

impl Controllers {
    /// Prepares both; nothing is watched yet.
    pub fn new(client: kube::Client, settings: Settings) -> Result<Self, Trouble> {
        let (providers_read, providers) = reflector::store();
        let (verifications_read, verifications) = reflector::store();
        // One pending nudge is enough: it wakes every provider.
        let (nudge, nudges) = mpsc::channel(1);
        let (wake, woken) = mpsc::channel(WOKEN);
        let filled = [(); 2].map(|()| tokio::sync::watch::Sender::new(false));
        let ctx = Arc::new(Ctx::new(client, settings, providers_read, verifications_read, filled[1].subscribe(), wake, nudge)?);
        Ok(Self { verifications, providers, filled, nudges, woken, ctx })
    }

    /// The verifications as watched.
    pub fn verifications(&self) -> Store<Stored<IdentityVerification>> {
        self.verifications.as_reader()
    }

    /// The providers as watched.
    pub fn providers(&self) -> Store<Stored<OnfidoProvider>> {
        self.providers.as_reader()
    }

    /// What the passes share.
    pub fn ctx(&self) -> Arc<Ctx> {
        self.ctx.clone()
    }

    /// Waits until both stores hold everything. (A store's own `wait_until_ready` remembers one waiter only, and that is the applier.)
    pub fn filled(&self) -> impl Future<Output = ()> + Send + 'static {
        let filled = self.filled.each_ref().map(tokio::sync::watch::Sender::subscribe);
        async move {
            for mut filled in filled {
                let _ = filled.wait_for(|filled| *filled).await;
            }
        }
    }

    /// Runs until stopped, then waits for what must not be cut off.
    pub async fn run(self, stop: CancellationToken) {
        let Self { verifications, providers, filled: [providers_filled, verifications_filled], nudges, woken, ctx } = self;
        let (known, stored) = (providers.as_reader(), verifications.as_reader());
        let wake = ctx.wake.clone();
        let mut providers_known = providers_filled.subscribe();

        let follower = ctx.clone();
        let changed = watch::watch(&ctx.client, &ctx.settings, providers, providers_filled)
            .inspect(move |change| follower.memories.providers.follow(change))
            .then({
                let stored = stored.clone();
                // One that is gone concerns those who refer to it, too.
                move |change: Change<Stored<OnfidoProvider>>| {
                    let (Change::Seen(provider) | Change::Gone(provider)) = change;
                    wake_dependents(wake.clone(), dependents(&stored, &provider), provider)
                }
            });
        let all = known.clone();
        let nudged =
            received(nudges).flat_map(move |()| stream::iter(all.state().into_iter().map(|provider| ObjectRef::from_obj(&*provider))));
        let providers = applier(
            |object, ctx| Box::pin(provider::reconcile(object, ctx)),
            provider::on_error,
            ctx.clone(),
            known,
            until(&stop, stream::select(changed, nudged)),
            Config::default().concurrency(PROVIDERS_AT_ONCE),
        );

        let follower = ctx.clone();
        let changed = watch::watch(&ctx.client, &ctx.settings, verifications, verifications_filled)
            .inspect(move |change| follower.memories.verifications.follow(change))
            .filter_map(|change: Change<Stored<IdentityVerification>>| {
                future::ready(match change {
                    Change::Seen(object) => Some(ObjectRef::from_obj(&object)),
                    Change::Gone(_) => None,
                })
            });
        let verifications = applier(
            |object, ctx| Box::pin(verification::reconcile(object, ctx)),
            verification::on_error,
            ctx.clone(),
            stored,
            until(&stop, stream::select(changed, received(woken))),
            Config::default().concurrency(VERIFICATIONS_AT_ONCE),
        );

        // What is waited for holds a lock, against which the next listing would run: it must be let go at once.
        let known = async move { drop(providers_known.wait_for(|known| *known).await) };
        let verifications = async {
            // Otherwise every verification would first be told that its provider does not exist.
            tokio::select! {
                () = known => verifications.for_each(|_| future::ready(())).await,
                () = stop.cancelled() => {}
            }
        };
        let sweeps = stop.run_until_cancelled(sweep::run(&ctx));
        let secrets = stop.run_until_cancelled(watch_secrets::run(&ctx));
        future::join4(providers.for_each(|_| future::ready(())), verifications, sweeps, secrets).await;
        ctx.finish().await;
    }
}

/// The verifications a changed provider wakes: those that are not settled, those whose bell waits for it, and those that wait for
/// another attempt.
fn dependents(
    stored: &Store<Stored<IdentityVerification>>,
    provider: &Stored<OnfidoProvider>,
) -> Vec<ObjectRef<Stored<IdentityVerification>>> {
    let Ok(provider) = &provider.0 else { return vec![] };
    let refers = |verification: &IdentityVerification| !watch::is_reduced(verification) && feed::refers(verification, provider);
    let found = stored.state_filter(|object| object.0.as_ref().is_ok_and(refers));
    found.iter().map(|object| ObjectRef::from_obj(object.as_ref())).collect()
}

async fn wake_dependents<K, P: kube::Resource<DynamicType = ()>>(wake: mpsc::Sender<K>, dependents: Vec<K>, provider: P) -> ObjectRef<P> {
    for dependent in dependents {
        if wake.send(dependent).await.is_err() {
            break; // stopping
        }
    }
    ObjectRef::from_obj(&provider)
}

fn received<T>(receiver: mpsc::Receiver<T>) -> impl Stream<Item = T> {
    stream::unfold(receiver, |mut receiver| async { receiver.recv().await.map(|item| (item, receiver)) })
}

/// Ends with `stop`; then the applier finishes what is under way.
fn until<T>(stop: &CancellationToken, items: impl Stream<Item = T>) -> impl Stream<Item = Result<T, Infallible>> {
    items.take_until(stop.clone().cancelled_owned()).map(Ok)
}
