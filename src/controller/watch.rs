//! Watches one kind: keeps what is seen in a store, small, and tells of each change. One watch a kind, however many look into its store.

use futures::{Stream, StreamExt, TryStreamExt, future};
use kube::{
    Api, Resource,
    core::DeserializeGuard,
    runtime::{
        WatchStreamExt,
        reflector::store::Writer,
        watcher::{self, Event},
    },
};
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use crate::api::{IdentityVerification, OnfidoProvider};

use super::{Stored, trouble};

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
        .default_backoff()
        .modify(reduce)
        .reflect(writer)
        .inspect_ok(move |event| {
            if matches!(event, Event::InitDone) {
                filled.send_replace(true);
            }
        })
        .filter_map(|event| {
            // The watch goes on by itself.
            future::ready(event.inspect_err(|error| tracing::warn!(trouble = said(error), "watching again")).ok())
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
