//! Watches the metadata of labelled Secrets, and tells which of them are another version than before. Of each only the version is kept.
//! Values are not asked for; where `kubectl apply` has put them into an annotation, it is dropped on arrival.

use std::{
    collections::{HashMap, HashSet},
    mem,
};

use futures::{Stream, StreamExt, stream};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client,
    api::ObjectMeta,
    core::PartialObjectMeta,
    runtime::watcher::{self, Event},
};

use crate::api::USE_LABEL;

use super::{Settings, api_of, events, scopes};

/// A Secret that is another version than before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::controller) struct ChangedSecret {
    pub(in crate::controller) namespace: String,
    pub(in crate::controller) name: String,
    /// None if it is gone, or not labelled any more.
    pub(in crate::controller) version: Option<String>,
}

/// What changes among the Secrets that are labelled for any use, in the namespaces that are watched.
pub(in crate::controller) fn secrets(client: &Client, settings: &Settings) -> impl Stream<Item = ChangedSecret> + Send + use<> {
    let watches = scopes(settings).into_iter().map(|namespace| {
        let api: Api<PartialObjectMeta<Secret>> = api_of(client, namespace.as_deref());
        let watch = watcher::watcher(api, watcher::Config::default().labels(USE_LABEL));
        let mut versions = Versions::default();
        events::<Secret, _>(watch, reduce, namespace, settings.right_gone.clone())
            .flat_map(move |event| stream::iter(versions.take(event)))
            .boxed()
    });
    stream::select_all(watches.collect::<Vec<_>>())
}

fn reduce(secret: &mut PartialObjectMeta<Secret>) {
    let whole = mem::take(&mut secret.metadata);
    secret.metadata =
        ObjectMeta { namespace: whole.namespace, name: whole.name, resource_version: whole.resource_version, ..ObjectMeta::default() };
}

type Name = (String, String);

/// What one watch has seen.
#[derive(Default)]
struct Versions {
    known: HashMap<Name, String>,
    /// What the listing under way has shown.
    listing: HashSet<Name>,
    /// Whether a listing was ever complete. What the first one shows has not changed.
    listed: bool,
}

impl Versions {
    fn take(&mut self, event: Event<PartialObjectMeta<Secret>>) -> Vec<ChangedSecret> {
        match event {
            Event::Init => {
                self.listing.clear();
                vec![]
            }
            Event::InitApply(secret) => {
                self.listing.insert(name(&secret));
                self.put(secret)
            }
            // What was there and was not shown went while nobody watched.
            Event::InitDone => {
                self.listed = true;
                let shown = mem::take(&mut self.listing);
                let gone: Vec<Name> = self.known.keys().filter(|name| !shown.contains(*name)).cloned().collect();
                gone.into_iter().filter_map(|name| self.remove(name)).collect()
            }
            Event::Apply(secret) => self.put(secret),
            Event::Delete(secret) => self.remove(name(&secret)).into_iter().collect(),
        }
    }

    fn put(&mut self, secret: PartialObjectMeta<Secret>) -> Vec<ChangedSecret> {
        let name = name(&secret);
        let version = secret.metadata.resource_version.unwrap_or_default();
        let same = self.known.insert(name.clone(), version.clone()).is_some_and(|before| before == version);
        if same || !self.listed {
            return vec![];
        }
        vec![ChangedSecret { namespace: name.0, name: name.1, version: Some(version) }]
    }

    fn remove(&mut self, name: Name) -> Option<ChangedSecret> {
        self.known.remove(&name).map(|_| ChangedSecret { namespace: name.0, name: name.1, version: None })
    }
}

fn name(secret: &PartialObjectMeta<Secret>) -> Name {
    (secret.metadata.namespace.clone().unwrap_or_default(), secret.metadata.name.clone().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use kube::core::PartialObjectMetaExt;

    use super::*;

    fn secret(name: &str, version: &str) -> PartialObjectMeta<Secret> {
        let metadata = ObjectMeta {
            namespace: Some("shop".into()),
            name: Some(name.into()),
            resource_version: Some(version.into()),
            annotations: Some([("kubectl.kubernetes.io/last-applied-configuration".into(), "canary".into())].into()),
            ..ObjectMeta::default()
        };
        metadata.into_response_partial()
    }

    fn told(versions: &mut Versions, events: impl IntoIterator<Item = Event<PartialObjectMeta<Secret>>>) -> Vec<(String, Option<String>)> {
        let mut told: Vec<_> =
            events.into_iter().flat_map(|event| versions.take(event)).map(|changed| (changed.name, changed.version)).collect();
        told.sort();
        told
    }

    fn list(secrets: &[(&str, &str)]) -> Vec<Event<PartialObjectMeta<Secret>>> {
        let shown = secrets.iter().map(|(name, version)| Event::InitApply(secret(name, version)));
        [Event::Init].into_iter().chain(shown).chain([Event::InitDone]).collect()
    }

    fn changed(name: &str, version: Option<&str>) -> (String, Option<String>) {
        (name.to_owned(), version.map(str::to_owned))
    }

    #[test]
    fn only_what_is_another_version_than_before_is_told() {
        let mut versions = Versions::default();
        assert_eq!(told(&mut versions, list(&[("a", "1"), ("b", "1"), ("c", "1")])), [], "the first listing concerns nobody");
        assert_eq!(told(&mut versions, [Event::Apply(secret("a", "2"))]), [changed("a", Some("2"))]);
        assert_eq!(told(&mut versions, [Event::Apply(secret("a", "2"))]), [], "seen again");
        assert_eq!(told(&mut versions, [Event::Apply(secret("new", "3"))]), [changed("new", Some("3"))]);
        assert_eq!(told(&mut versions, [Event::Delete(secret("new", "4"))]), [changed("new", None)]);
        let gone_and_changed = told(&mut versions, list(&[("a", "2"), ("b", "5")]));
        assert_eq!(gone_and_changed, [changed("b", Some("5")), changed("c", None)], "while nobody watched");
        assert_eq!(versions.known.len(), 2);
    }

    #[test]
    fn a_listing_that_broke_off_takes_nothing_out() {
        let mut versions = Versions::default();
        told(&mut versions, list(&[("a", "1"), ("b", "1")]));
        assert_eq!(told(&mut versions, [Event::Init, Event::InitApply(secret("a", "1"))]), []);
        assert_eq!(told(&mut versions, list(&[("b", "1")])), [changed("a", None)]);
    }

    #[test]
    fn nothing_is_kept_but_names_and_versions() {
        let mut secret = secret("a", "1");
        reduce(&mut secret);
        assert!(!format!("{secret:?}").contains("canary"), "{secret:?}");
        assert_eq!((name(&secret).1.as_str(), secret.metadata.resource_version.as_deref()), ("a", Some("1")));
    }
}
