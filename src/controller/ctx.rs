//! What the passes share: the client, what was read, what is remembered, and how long to wait.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use kube::{
    Client, Resource,
    runtime::{
        events::{Recorder, Reporter},
        reflector::{ObjectRef, Store},
    },
};
use rand::RngExt;
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use crate::{
    api::{IdentityVerification, OnfidoProvider, Region},
    metrics::Metrics,
    onfido::client::Endpoint,
    plan::{Timing, debts::Known},
    secrets::{SecretTiming, Secrets},
};

use super::{Stored, Trouble, digest::Digests, ledger::Ledger, memory::Memories, vendor::Vendors};

/// How the operator runs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The namespace of the operator's own Secret.
    pub namespace: String,
    /// The namespaces whose objects are watched; all of them if none is given.
    pub watch_namespaces: Vec<String>,
    /// Whether Secrets are watched too.
    pub watch_secrets: bool,
    /// Where the vendor reaches the webhook endpoint, without a trailing slash.
    pub webhook_public_url: String,
    /// Other hosts than the vendor's own, by region.
    pub endpoints: Vec<(Region, Endpoint)>,
    /// How many entries one ConfigMap of the erasure ledger takes.
    pub ledger_entries: usize,
    /// How long to wait for what.
    pub timing: Timing,
    /// What is counted.
    pub metrics: Metrics,
    /// Rung when a right that was there turns out to be gone.
    pub right_gone: Arc<Notify>,
}

/// What the passes share.
pub struct Ctx {
    pub(super) client: Client,
    pub(super) settings: Settings,
    pub(super) secrets: Arc<Secrets>,
    pub(super) vendors: Vendors,
    pub(super) digests: Digests,
    pub(super) ledger: Ledger,
    pub(super) memories: Memories,
    pub(super) providers: Store<Stored<OnfidoProvider>>,
    pub(super) verifications: Store<Stored<IdentityVerification>>,
    pub(super) recorder: Recorder,
    /// Passes run here: neither a panic nor a shutdown of a controller cuts a paid call off from its record.
    pub(super) passes: TaskTracker,
    /// Whether the store of verifications holds everything that exists.
    pub(super) all_known: tokio::sync::watch::Receiver<bool>,
    /// Verifications over which a pass shall be made.
    pub(super) wake: tokio::sync::mpsc::Sender<ObjectRef<Stored<IdentityVerification>>>,
    nudge: tokio::sync::mpsc::Sender<()>,
}

impl Ctx {
    pub(super) fn new(
        client: Client,
        settings: Settings,
        providers: Store<Stored<OnfidoProvider>>,
        verifications: Store<Stored<IdentityVerification>>,
        all_known: tokio::sync::watch::Receiver<bool>,
        wake: tokio::sync::mpsc::Sender<ObjectRef<Stored<IdentityVerification>>>,
        nudge: tokio::sync::mpsc::Sender<()>,
    ) -> Result<Self, Trouble> {
        let timing = SecretTiming { fresh: settings.timing.secret_ttl, ..SecretTiming::default() };
        let secrets = Arc::new(Secrets::new(client.clone(), timing));
        let reporter = Reporter { controller: "onfido-operator".into(), instance: None };
        Ok(Self {
            vendors: Vendors::new(&settings, secrets.clone())?,
            digests: Digests::new(client.clone(), &settings.namespace),
            ledger: Ledger::new(client.clone(), &settings.namespace, settings.ledger_entries, settings.metrics.clone()),
            recorder: Recorder::new(client.clone(), reporter),
            memories: Memories::default(),
            passes: TaskTracker::new(),
            secrets,
            client,
            settings,
            providers,
            verifications,
            all_known,
            wake,
            nudge,
        })
    }

    /// The Secrets, as the webhook endpoint reads them too.
    pub fn secrets(&self) -> Arc<Secrets> {
        self.secrets.clone()
    }

    pub(super) fn timing(&self) -> &Timing {
        &self.settings.timing
    }

    /// Something was added to a provider's ledger: it looks at it again.
    pub(super) fn owes(&self, namespace: &str, name: &str) {
        let found = self.providers.get(&ObjectRef::new(name).within(namespace));
        if let Some(uid) = found.as_deref().and_then(|provider| provider.meta().uid.as_deref()) {
            self.memories.provider(uid, |memory| memory.debts = (Known::Nothing, memory.debts.1.wrapping_add(1)));
            self.nudge_providers();
        }
    }

    /// Lets every provider look at its credentials again.
    pub(super) fn nudge_providers(&self) {
        let _ = self.nudge.try_send(()); // full: one is pending already
    }

    /// The wait before try `failures`: anything up to a bound that doubles each time (full jitter), but never nothing.
    pub(super) fn backoff(&self, failures: u32) -> Duration {
        let [least, most] = self.timing().backoff;
        let bound = most.min(least.saturating_mul(1 << failures.min(20)));
        least.max(bound.mul_f64(rand::rng().random::<f64>()))
    }

    /// The same where passes also come by themselves, whenever a verification is refused: by how long it has been failing, so that many
    /// of them do not lengthen the wait.
    pub(super) fn backoff_since(&self, since: &mut Option<Instant>) -> Duration {
        let [least, most] = self.timing().backoff;
        let bound = most.min(since.get_or_insert_with(Instant::now).elapsed());
        least.max(bound.mul_f64(rand::rng().random::<f64>()))
    }

    /// Waits for the passes under way: none may be cut off between a paid call and its record.
    pub(super) async fn finish(&self) {
        self.passes.close();
        let bound = self.timing().deadline + self.timing().post_timeout;
        if tokio::time::timeout(bound, self.passes.wait()).await.is_err() {
            tracing::warn!(passes = self.passes.len(), "stopping with passes under way; what they began is recovered at the next start");
        }
    }
}
