//! Watches one kind: keeps what is seen in a store, small, and tells of each change. One watch a kind and namespace, or one a kind for all
//! of them, however many look into its store.

mod merge;
mod secrets;

pub(super) use merge::Change;
pub(super) use secrets::{ChangedSecret, secrets};

use std::{sync::Arc, time::Duration};

use futures::{Stream, StreamExt, future, stream};
use k8s_openapi::NamespaceResourceScope;
use kube::{
    Api, Client, Resource,
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
use tokio::sync::{Notify, watch};

use crate::api::{self, IdentityVerification, OnfidoProvider, Phase, RECONCILE_NOW};

use super::{Settings, Stored, trouble};
use merge::Merge;

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
pub(super) trait Kept:
    Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + std::fmt::Debug + Send + Sync + 'static
{
    /// Drops what no pass would read. Where Secrets are watched, the names of those that a verdict rests on stay.
    fn reduce(&mut self, secrets_too: bool);
}

impl Kept for OnfidoProvider {
    fn reduce(&mut self, _: bool) {
        self.metadata.managed_fields = None;
    }
}

impl Kept for IdentityVerification {
    /// Most objects are settled: of those only what tells that they are is kept. A watch filtered by phase would be blind to what users do
    /// to them.
    fn reduce(&mut self, secrets_too: bool) {
        self.metadata.managed_fields = None;
        // Of annotations only the one that asks for a look.
        let asked = api::asked(self.metadata.annotations.as_ref()).map(|token| (RECONCILE_NOW.to_owned(), token.to_owned()));
        self.metadata.annotations = asked.map(|annotation| [annotation].into());
        if !is_reduced(self) {
            return;
        }
        if let Some(status) = &mut self.status {
            self.metadata.labels = None;
            if secrets_too && status.phase == Phase::Approved {
                self.spec.attributes.iter_mut().for_each(|attributes| attributes.retain(|attribute| attribute.value_from.is_some()));
            } else {
                self.spec.attributes = None;
                self.spec.attributes_from = None;
            }
            self.spec.consents = None;
            self.spec.capture = Default::default();
            self.spec.tags = None;
            self.spec.custom_data = None;
            self.spec.custom_data_from = None;
            status.conditions = vec![];
            status.attributes = vec![];
            status.basis = None;
            status.dashboard_url = None;
            status.attempts = vec![];
            status.former_applicant_ids = vec![];
        }
    }
}

/// Whether only a part of this object is kept: who finds something to do must get the whole.
pub(super) fn is_reduced(object: &IdentityVerification) -> bool {
    let Some(status) = &object.status else { return false };
    let acknowledged = status.observed_generation == object.metadata.generation;
    let asked = api::asked(object.metadata.annotations.as_ref()).is_some_and(|token| status.reconciled.as_deref() != Some(token));
    let another = !object.spec.cancelled && status.attempt.is_some_and(|attempt| attempt < object.spec.attempt);
    let idle = !status.is_rung() && !asked && !another;
    status.phase.is_final() && acknowledged && idle && object.metadata.deletion_timestamp.is_none()
}

/// What changes among the objects of one kind in the namespaces that are watched, after it went into the store. `filled` becomes true when
/// the store first holds everything.
pub(super) fn watch<K: Kept>(
    client: &Client,
    settings: &Settings,
    writer: Writer<Stored<K>>,
    filled: watch::Sender<bool>,
) -> impl Stream<Item = Change<Stored<K>>> + use<K> {
    let scopes = scopes(settings);
    let secrets_too = settings.watch_secrets;
    let watches = scopes.iter().enumerate().map(|(number, namespace)| {
        let reduce = move |object: &mut Stored<K>| {
            if let DeserializeGuard(Ok(object)) = object {
                object.reduce(secrets_too);
            }
        };
        let watch = watcher::watcher(api_of(client, namespace.as_deref()), watcher::Config::default());
        events::<K, _>(watch, reduce, namespace.clone(), settings.right_gone.clone()).map(move |event| (number, event)).boxed()
    });
    let watches = stream::select_all(watches.collect::<Vec<_>>());
    let mut merge = Merge::new(writer, scopes, filled);
    watches.flat_map(move |(number, event)| stream::iter(merge.take(number, event)))
}

/// The places that are watched, each by a watch of its own: everywhere if none is given.
fn scopes(settings: &Settings) -> Vec<Option<String>> {
    let namespaces = &settings.watch_namespaces;
    if namespaces.is_empty() { vec![None] } else { namespaces.iter().cloned().map(Some).collect() }
}

fn api_of<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

/// The events of one watch of a kind, of which each object is reduced at once. It goes on by itself, whatever happens to it.
fn events<K: Resource<DynamicType = ()>, T>(
    watch: impl Stream<Item = watcher::Result<Event<T>>>,
    reduce: impl FnMut(&mut T),
    namespace: Option<String>,
    right_gone: Arc<Notify>,
) -> impl Stream<Item = Event<T>> {
    watch.backoff(ResetTimerBackoff::new(Pace::default(), STEADY)).modify(reduce).filter_map(move |event| {
        let told = |error: &watcher::Error| {
            tracing::warn!(kind = %K::plural(&()), namespace, trouble = said(error), "watching again");
            if is_forbidden(error) {
                right_gone.notify_one();
            }
        };
        future::ready(event.inspect_err(told).ok())
    })
}

fn is_forbidden(error: &watcher::Error) -> bool {
    use watcher::Error as E;
    match error {
        E::InitialListFailed(kube::Error::Api(status)) | E::WatchStartFailed(kube::Error::Api(status)) => status.code == 403,
        E::WatchError(status) => status.code == 403,
        _ => false,
    }
}

/// A watch's error in a few words: its message can hold what a user wrote.
fn said(error: &watcher::Error) -> String {
    match error {
        watcher::Error::InitialListFailed(source) => format!("list: {}", trouble::brief(source)),
        watcher::Error::WatchStartFailed(source) | watcher::Error::WatchFailed(source) => format!("watch: {}", trouble::brief(source)),
        watcher::Error::WatchError(status) => format!("the API server ended it with {} {}", status.code, status.reason),
        watcher::Error::NoResourceVersion => "the API server gave no resourceVersion".into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn of_a_settled_object_only_names_of_secrets_stay_and_only_where_they_are_watched() {
        let reduced = |phase: &str, secrets_too: bool| {
            let mut object: IdentityVerification = serde_json::from_value(json!({
                "apiVersion": "onfido-operator.dev/v1alpha1", "kind": "IdentityVerification", "metadata": { "name": "v", "generation": 1 },
                "spec": {
                    "providerRef": { "name": "onfido" }, "subject": "user-1", "attributesFrom": [{ "secretRef": { "name": "whole" } }],
                    "attributes": [
                        { "name": "given_name", "value": "Canary" },
                        { "name": "family_name", "valueFrom": { "secretKeyRef": { "name": "one-key", "key": "k" } } },
                    ],
                },
                "status": { "phase": phase, "observedGeneration": 1 },
            }))
            .unwrap();
            object.reduce(secrets_too);
            serde_json::to_string(&object.spec).unwrap()
        };
        let watched = reduced("Approved", true);
        assert!(watched.contains("whole") && watched.contains("one-key") && !watched.contains("Canary"), "{watched}");
        for spec in [reduced("Approved", false), reduced("Declined", true)] {
            assert!(!["whole", "one-key", "Canary"].iter().any(|word| spec.contains(word)), "{spec}");
        }
    }
}
