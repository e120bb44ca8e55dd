//! Brings what several watches of one kind say into one store, and tells what that changed. Owns no watch and waits for nothing.
//!
//! The library's store swaps its whole content when a listing is complete: with a watch for each namespace, every listing would empty the
//! others. So the store is given single objects only, and what a new listing of a namespace does not show is taken out here.

use std::collections::HashSet;

use kube::{
    Resource,
    runtime::{
        reflector::{ObjectRef, Store, store::Writer},
        watcher::Event,
    },
};
use tokio::sync::watch;

/// What happened to an object. Told after the store knows it.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::controller) enum Change<K> {
    /// It is there, perhaps as before.
    Seen(K),
    /// It is gone, whether or not one of the same name took its place.
    Gone(K),
}

/// One kind: its store, and how far each of its watches is.
pub(super) struct Merge<K: Resource<DynamicType = ()> + Clone + 'static> {
    writer: Writer<K>,
    store: Store<K>,
    watches: Vec<Watch<K>>,
    filled: watch::Sender<bool>,
}

struct Watch<K: Resource<DynamicType = ()>> {
    /// All of them if none is given.
    namespace: Option<String>,
    /// What the listing under way has shown.
    listing: Option<HashSet<ObjectRef<K>>>,
    /// Whether a listing was ever complete.
    listed: bool,
}

impl<K: Resource<DynamicType = ()> + Clone + 'static> Merge<K> {
    /// A watch for each of these scopes, which must not overlap. The store is ready at once and empty; `filled` becomes true when every
    /// watch has listed what there is.
    pub(super) fn new(mut writer: Writer<K>, scopes: Vec<Option<String>>, filled: watch::Sender<bool>) -> Self {
        writer.apply_watcher_event(&Event::Init);
        writer.apply_watcher_event(&Event::InitDone);
        let watches = scopes.into_iter().map(|namespace| Watch { namespace, listing: None, listed: false }).collect();
        Self { store: writer.as_reader(), writer, watches, filled }
    }

    /// Takes an event of the watch of this number.
    pub(super) fn take(&mut self, number: usize, event: Event<K>) -> Vec<Change<K>> {
        match event {
            Event::Init => {
                if let Some(watch) = self.watches.get_mut(number) {
                    watch.listing = Some(HashSet::new());
                }
                vec![]
            }
            Event::InitApply(object) => {
                if let Some(listing) = self.watches.get_mut(number).and_then(|watch| watch.listing.as_mut()) {
                    listing.insert(ObjectRef::from_obj(&object));
                }
                self.put(object)
            }
            Event::InitDone => self.listed(number),
            Event::Apply(object) => self.put(object),
            Event::Delete(object) => vec![self.remove(object)],
        }
    }

    /// The store has one object of a name: another uid under it means that nobody told of the end of the old one.
    fn put(&mut self, object: K) -> Vec<Change<K>> {
        let before = self.store.get(&ObjectRef::from_obj(&object));
        let replaced = before.filter(|before| before.meta().uid != object.meta().uid);
        let event = Event::Apply(object);
        self.writer.apply_watcher_event(&event);
        let Event::Apply(object) = event else { return vec![] };
        replaced.map(|old| Change::Gone((*old).clone())).into_iter().chain([Change::Seen(object)]).collect()
    }

    fn remove(&mut self, object: K) -> Change<K> {
        self.writer.apply_watcher_event(&Event::Delete(object.clone()));
        Change::Gone(object)
    }

    /// What was there and was not shown went while nobody watched.
    fn listed(&mut self, number: usize) -> Vec<Change<K>> {
        let Some(watch) = self.watches.get_mut(number) else { return vec![] };
        let Some(shown) = watch.listing.take() else { return vec![] };
        let here = |object: &K| watch.namespace.is_none() || watch.namespace == object.meta().namespace;
        let unseen = self.store.state_filter(|object| here(object) && !shown.contains(&ObjectRef::from_obj(object)));
        watch.listed = true;
        let gone = unseen.into_iter().map(|object| self.remove((*object).clone())).collect();
        if self.watches.iter().all(|watch| watch.listed) {
            self.filled.send_replace(true);
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use futures::FutureExt;
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::{ResourceExt, runtime::reflector};

    use super::*;

    type Told = Vec<(&'static str, String)>;

    struct Rig {
        merge: Merge<ConfigMap>,
        store: Store<ConfigMap>,
        filled: watch::Receiver<bool>,
    }

    impl Rig {
        fn new(namespaces: &[&str]) -> Self {
            let (store, writer) = reflector::store();
            let (tell, filled) = watch::channel(false);
            let scopes = if namespaces.is_empty() { vec![None] } else { namespaces.iter().map(|n| Some((*n).to_owned())).collect() };
            Self { merge: Merge::new(writer, scopes, tell), store, filled }
        }

        /// What is told of an event, as `seen` or `gone` and the uid.
        fn take(&mut self, watch: usize, event: Event<ConfigMap>) -> Told {
            let told = self.merge.take(watch, event).into_iter().map(|change| match change {
                Change::Seen(object) => ("seen", object.uid().unwrap()),
                Change::Gone(object) => ("gone", object.uid().unwrap()),
            });
            told.collect()
        }

        fn list(&mut self, watch: usize, objects: &[ConfigMap]) -> Told {
            let events = objects.iter().cloned().map(Event::InitApply);
            let events: Vec<_> = [Event::Init].into_iter().chain(events).chain([Event::InitDone]).collect();
            events.into_iter().flat_map(|event| self.take(watch, event)).collect()
        }

        /// The uids in the store.
        fn kept(&self) -> BTreeSet<String> {
            self.store.state().iter().filter_map(|object| object.uid()).collect()
        }

        fn is_filled(&self) -> bool {
            *self.filled.borrow()
        }
    }

    fn object(namespace: &str, name: &str, uid: &str) -> ConfigMap {
        let mut object = ConfigMap::default();
        object.metadata.namespace = Some(namespace.into());
        object.metadata.name = Some(name.into());
        object.metadata.uid = Some(uid.into());
        object
    }

    fn told(told: &[(&'static str, &str)]) -> Told {
        told.iter().map(|(what, uid)| (*what, (*uid).to_owned())).collect()
    }

    fn uids(uids: &[&str]) -> BTreeSet<String> {
        uids.iter().map(|uid| (*uid).to_owned()).collect()
    }

    #[test]
    fn a_new_listing_takes_out_what_is_gone_of_its_namespace_and_of_no_other() {
        let mut rig = Rig::new(&["a", "b"]);
        assert!(matches!(rig.store.wait_until_ready().now_or_never(), Some(Ok(()))), "the applier need not wait");
        assert_eq!(rig.list(0, &[object("a", "x", "ax"), object("a", "y", "ay")]), told(&[("seen", "ax"), ("seen", "ay")]));
        assert!(!rig.is_filled(), "one of two");
        rig.list(1, &[object("b", "x", "bx"), object("b", "y", "by")]);
        assert!(rig.is_filled());
        assert_eq!(rig.kept(), uids(&["ax", "ay", "bx", "by"]));

        assert_eq!(rig.list(0, &[object("a", "x", "ax")]), told(&[("seen", "ax"), ("gone", "ay")]));
        assert_eq!(rig.kept(), uids(&["ax", "bx", "by"]));
        assert!(rig.is_filled(), "for good");
    }

    #[test]
    fn a_new_listing_of_everything_takes_out_what_is_gone_anywhere() {
        let mut rig = Rig::new(&[]);
        rig.list(0, &[object("a", "x", "ax"), object("b", "x", "bx")]);
        assert!(rig.is_filled());
        assert_eq!(rig.list(0, &[object("b", "x", "bx")]), told(&[("seen", "bx"), ("gone", "ax")]));
        assert_eq!(rig.kept(), uids(&["bx"]));
    }

    #[test]
    fn listings_may_be_under_way_side_by_side() {
        let mut rig = Rig::new(&["a", "b"]);
        rig.list(0, &[object("a", "x", "ax"), object("a", "y", "ay")]);
        rig.list(1, &[object("b", "x", "bx"), object("b", "y", "by")]);
        rig.take(0, Event::Init);
        rig.take(1, Event::Init);
        rig.take(0, Event::InitApply(object("a", "y", "ay")));
        rig.take(1, Event::InitApply(object("b", "x", "bx")));
        assert_eq!(rig.kept(), uids(&["ax", "ay", "bx", "by"]), "nobody is gone before a listing is complete");
        assert_eq!(rig.take(1, Event::InitDone), told(&[("gone", "by")]));
        assert_eq!(rig.take(0, Event::InitDone), told(&[("gone", "ax")]));
        assert_eq!(rig.kept(), uids(&["ay", "bx"]));
    }

    #[test]
    fn a_listing_begun_anew_forgets_what_the_broken_one_showed() {
        let mut rig = Rig::new(&["a"]);
        rig.take(0, Event::Init);
        rig.take(0, Event::InitApply(object("a", "x", "ax")));
        assert!(!rig.is_filled());
        assert_eq!(rig.list(0, &[object("a", "y", "ay")]), told(&[("seen", "ay"), ("gone", "ax")]));
        assert_eq!(rig.kept(), uids(&["ay"]));
    }

    #[test]
    fn one_that_took_anothers_name_is_not_the_other() {
        let mut rig = Rig::new(&["a"]);
        rig.list(0, &[object("a", "x", "first")]);
        assert_eq!(rig.take(0, Event::Apply(object("a", "x", "first"))), told(&[("seen", "first")]));
        assert_eq!(rig.take(0, Event::Apply(object("a", "x", "second"))), told(&[("gone", "first"), ("seen", "second")]));
        assert_eq!(rig.list(0, &[object("a", "x", "third")]), told(&[("gone", "second"), ("seen", "third")]));
        assert_eq!(rig.kept(), uids(&["third"]));
    }

    #[test]
    fn what_happens_in_one_namespace_is_told_while_another_is_not_listed_yet() {
        let mut rig = Rig::new(&["a", "b"]);
        rig.take(1, Event::Init);
        rig.take(1, Event::InitApply(object("b", "x", "bx")));
        rig.list(0, &[object("a", "x", "ax"), object("a", "y", "ay")]);
        assert_eq!(rig.take(0, Event::Delete(object("a", "x", "ax"))), told(&[("gone", "ax")]));
        assert_eq!(rig.kept(), uids(&["ay", "bx"]));
        assert!(!rig.is_filled());
        assert_eq!(rig.take(1, Event::InitDone), told(&[]));
        assert!(rig.is_filled());
    }
}
