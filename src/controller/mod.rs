//! The shell: watches, reads, asks `plan`, and does what it says. Thin and boring; no decisions live here.

mod attributes;
mod capture;
mod ctx;
mod digest;
mod drive;
mod memory;
mod notice;
mod observe;
mod perform;
mod persist;
mod provider;
mod trouble;
mod vendor;
mod verification;

pub use ctx::{Ctx, Settings};
pub use trouble::Trouble;

use std::sync::Arc;

use futures::{StreamExt, future};
use kube::{
    Api,
    core::DeserializeGuard,
    runtime::{
        Controller,
        controller::Config,
        reflector::{ObjectRef, Store},
        watcher,
    },
};
use tokio_util::sync::CancellationToken;

use crate::api::{IdentityVerification, OnfidoProvider};

/// An object as it was stored, which may be malformed: one such object must not stop the watch of the others.
pub type Stored<K> = DeserializeGuard<K>;

/// How many verifications are worked on at once. Each holds at most one connection to the API server and one to the vendor.
const VERIFICATIONS_AT_ONCE: u16 = 64;
/// How many providers are worked on at once.
const PROVIDERS_AT_ONCE: u16 = 4;

/// What the controllers see, for the webhook endpoint to look things up in.
pub struct Controllers {
    verifications: Controller<Stored<IdentityVerification>>,
    providers: Controller<Stored<OnfidoProvider>>,
    nudges: tokio::sync::mpsc::Receiver<()>,
    ctx: Arc<Ctx>,
}

impl Controllers {
    /// Prepares both controllers; nothing is watched yet.
    pub fn new(client: kube::Client, settings: Settings) -> Result<Self, Trouble> {
        let providers = Controller::new(Api::all(client.clone()), watcher::Config::default())
            .with_config(Config::default().concurrency(PROVIDERS_AT_ONCE));
        let verifications = Controller::new(Api::all(client.clone()), watcher::Config::default())
            .with_config(Config::default().concurrency(VERIFICATIONS_AT_ONCE));
        // One pending nudge is enough: it wakes every provider.
        let (nudge, nudges) = tokio::sync::mpsc::channel(1);
        let ctx = Arc::new(Ctx::new(client, settings, providers.store(), nudge)?);
        Ok(Self { verifications, providers, nudges, ctx })
    }

    /// The verifications as watched.
    pub fn verifications(&self) -> Store<Stored<IdentityVerification>> {
        self.verifications.store()
    }

    /// The providers as watched.
    pub fn providers(&self) -> Store<Stored<OnfidoProvider>> {
        self.providers.store()
    }

    /// What the passes share.
    pub fn ctx(&self) -> Arc<Ctx> {
        self.ctx.clone()
    }

    /// Runs until stopped, then waits for what must not be cut off.
    pub async fn run(self, stop: CancellationToken) {
        let Self { verifications, providers, nudges, ctx } = self;
        let known = providers.store();
        let stored = verifications.store();
        let nudges = futures::stream::unfold(nudges, |mut nudges| async { nudges.recv().await.map(|()| ((), nudges)) });
        let providers = providers
            .reconcile_all_on(nudges)
            .graceful_shutdown_on(stop.clone().cancelled_owned())
            .run(provider::reconcile, provider::on_error, ctx.clone())
            .for_each(|_| future::ready(()));
        let verifications = async {
            // Without this every verification would first be told that its provider does not exist.
            tokio::select! {
                _ = known.wait_until_ready() => {}
                () = stop.cancelled() => return,
            }
            let api = Api::<Stored<OnfidoProvider>>::all(ctx.client.clone());
            verifications
                .watches(api, watcher::Config::default(), move |provider| dependents(&stored, &provider))
                .graceful_shutdown_on(stop.clone().cancelled_owned())
                .run(verification::reconcile, verification::on_error, ctx.clone())
                .for_each(|_| future::ready(()))
                .await;
        };
        future::join(providers, verifications).await;
        ctx.finish().await;
    }
}

/// The verifications a changed provider wakes: those that are not settled.
fn dependents(
    stored: &Store<Stored<IdentityVerification>>,
    provider: &Stored<OnfidoProvider>,
) -> Vec<ObjectRef<Stored<IdentityVerification>>> {
    let Ok(provider) = &provider.0 else { return vec![] };
    let refers = |verification: &IdentityVerification| {
        let reference = &verification.spec.provider_ref;
        let namespace = reference.namespace.as_ref().or(verification.metadata.namespace.as_ref());
        let open = !verification.status.as_ref().is_some_and(|status| status.phase.is_final());
        open && Some(&reference.name) == provider.metadata.name.as_ref() && namespace == provider.metadata.namespace.as_ref()
    };
    let found = stored.state_filter(|object| object.0.as_ref().is_ok_and(refers));
    found.iter().map(|object| ObjectRef::from_obj(object.as_ref())).collect()
}
