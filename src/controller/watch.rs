//! Watches one kind: keeps what is seen in a store, small, and tells of each change. One watch a kind, however many look into its store.

use std::time::Duration;

use futures::{Stream, StreamExt, TryStreamExt, future};
use kube::{
    Api, Resource,
    core::DeserializeGuard,
    runtime::{
        WatchStreamExt,
        reflector::store::Writer,
        utils::{Backoff, ResetTimerBackoff},
        watcher::{self, Event},
    },
};
use rand::RngExt;
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use crate::api::{IdentityVerification, OnfidoProvider};

use super::{Stored, trouble};

/// The least and the most to wait before a watch that ended is begun again. The library's own waits up to half a minute: as long would every
/// outage of the API server last longer here, deliveries included.
const PACE: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(8)];
/// A watch that lasted so long begins with the least again.
const STEADY: Duration = Duration::from_secs(120);

/// Doubles, and half of it is chance.
#[derive(Default)]
struct Pace(u32);

impl Iterator for Pace {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let [least, most] = PACE;
        let bound = most.min(least.saturating_mul(1 << self.0.min(8)));
        self.0 = self.0.saturating_add(1);
        Some(bound.mul_f64(rand::rng().random_range(0.5..=1.0)))
    }
}

impl Backoff for Pace {
    fn reset(&mut self) {
        self.0 = 0;
    }
}

/// What is kept of an object.
pub(super) trait Kept: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug + Send + Sync + 'static {
    /// Drops what no pass would read.
    fn reduce(&mut self);
}

impl Kept for OnfidoProvider {
    fn reduce(&mut self) {
        self.metadata.managed_fields = None;
    }
}

impl Kept for IdentityVerification {
    /// Most objects are settled: of those only what tells that they are is kept. A watch filtered by phase would be blind to what users do
    /// to them.
    fn reduce(&mut self) {
        self.metadata.managed_fields = None;
        self.metadata.annotations = None;
        let Some(status) = &mut self.status else { return };
        let acknowledged = status.observed_generation == self.metadata.generation;
        if status.phase.is_final() && acknowledged && !status.is_rung() && self.metadata.deletion_timestamp.is_none() {
            self.metadata.labels = None;
            self.spec.attributes = None;
            self.spec.attributes_from = None;
            self.spec.consents = None;
            self.spec.tags = None;
            self.spec.custom_data = None;
            self.spec.custom_data_from = None;
            status.conditions = vec![];
            status.attributes = vec![];
            status.basis = None;
            status.dashboard_url = None;
        }
    }
}

/// The events of one kind, after they went into the store. `filled` becomes true when the store first holds everything.
pub(super) fn watch<K: Kept>(
    api: Api<Stored<K>>,
    writer: Writer<Stored<K>>,
    filled: watch::Sender<bool>,
) -> impl Stream<Item = Event<Stored<K>>> {
    let reduce = |object: &mut Stored<K>| {
        if let DeserializeGuard(Ok(object)) = object {
            object.reduce();
        }
    };
    watcher::watcher(api, watcher::Config::default())
        .backoff(ResetTimerBackoff::new(Pace::default(), STEADY))
        .modify(reduce)
        .reflect(writer)
        .inspect_ok(move |event| {
            if matches!(event, Event::InitDone) {
                filled.send_replace(true);
            }
        })
        .filter_map(|event| {
            // The watch goes on by itself.
            future::ready(event.inspect_err(|error| tracing::warn!(kind = %K::plural(&()), trouble = said(error), "watching again")).ok())
        })
}

/// A watch's error in a few words: its message can hold what a user wrote.
fn said(error: &watcher::Error) -> String {
    match error {
        watcher::Error::InitialListFailed(source) | watcher::Error::WatchStartFailed(source) | watcher::Error::WatchFailed(source) => {
            trouble::brief(source)
        }
        watcher::Error::WatchError(status) => format!("the API server ended it with {} {}", status.code, status.reason),
        watcher::Error::NoResourceVersion => "the API server gave no resourceVersion".into(),
    }
}
