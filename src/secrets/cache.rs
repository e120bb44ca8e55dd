//! What was read last, per Secret: bounded, one reading at a time for each, and forced re-readings that cannot be provoked often.
//! Owns no opinion on how long a reading is good, and does no IO of its own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

type Name = (String, String);

/// What a reading found, and when.
#[derive(Clone)]
pub(super) struct Seen<T> {
    pub at: Instant,
    pub what: T,
    /// How often it had been asked to forget before the reading began.
    forgets: u64,
}

struct Entry<T> {
    /// Held while reading, so that others wait for the same answer instead of asking again.
    slot: Arc<tokio::sync::Mutex<Option<Seen<T>>>>,
    made: Instant,
    forgets: u64,
    forgot: Option<Instant>,
    /// Asked to forget too soon after the last time: done as soon as it may be.
    owed: bool,
}

impl<T> Entry<T> {
    /// Forgets if that is owed and the last time is long enough ago; says whether it did.
    fn settle(&mut self, now: Instant, forced: Duration) -> bool {
        let due = self.owed && self.forgot.is_none_or(|last| now.duration_since(last) >= forced);
        if due {
            (self.owed, self.forgot) = (false, Some(now));
            self.forgets += 1;
        }
        due
    }
}

pub(super) struct Cache<T> {
    entries: Mutex<HashMap<Name, Entry<T>>>,
    capacity: usize,
    forced: Duration,
}

impl<T: Clone> Cache<T> {
    pub fn new(capacity: usize, forced: Duration) -> Self {
        Self { entries: Mutex::default(), capacity: capacity.max(1), forced }
    }

    /// What is remembered if it is `fresh`, or what `fetch` finds.
    pub async fn get(&self, namespace: &str, name: &str, fresh: impl Fn(&Seen<T>) -> bool, fetch: impl AsyncFnOnce() -> T) -> T {
        let slot = self.slot(namespace, name);
        let mut slot = slot.lock().await;
        // Asked only now: whoever held the lock may have read since.
        let forgets = self.forgets(namespace, name, Instant::now());
        if let Some(seen) = slot.as_ref().filter(|seen| seen.forgets == forgets && fresh(seen)) {
            return seen.what.clone();
        }
        let what = fetch().await;
        *slot = Some(Seen { at: Instant::now(), what: what.clone(), forgets });
        what
    }

    /// Whether the next [`Cache::get`] will fetch because of this call.
    pub fn forget(&self, namespace: &str, name: &str, now: Instant) -> bool {
        let mut entries = self.entries();
        entries.get_mut(&(namespace.to_owned(), name.to_owned())).is_some_and(|entry| {
            entry.owed = true;
            entry.settle(now, self.forced)
        })
    }

    /// The same, however soon after the last time: for whoever may ask for it, unlike a stranger at the door.
    pub fn renew(&self, namespace: &str, name: &str, now: Instant) {
        if let Some(entry) = self.entries().get_mut(&(namespace.to_owned(), name.to_owned())) {
            entry.owed = true;
            entry.settle(now, Duration::ZERO);
        }
    }

    fn slot(&self, namespace: &str, name: &str) -> Arc<tokio::sync::Mutex<Option<Seen<T>>>> {
        let key = (namespace.to_owned(), name.to_owned());
        let mut entries = self.entries();
        if !entries.contains_key(&key) && entries.len() >= self.capacity {
            let oldest = entries.iter().min_by_key(|(_, entry)| entry.made).map(|(key, _)| key.clone());
            oldest.and_then(|key| entries.remove(&key));
        }
        let new = || Entry { slot: Arc::default(), made: Instant::now(), forgets: 0, forgot: None, owed: false };
        entries.entry(key).or_insert_with(new).slot.clone()
    }

    fn forgets(&self, namespace: &str, name: &str, now: Instant) -> u64 {
        self.entries().get_mut(&(namespace.to_owned(), name.to_owned())).map_or(0, |entry| {
            entry.settle(now, self.forced);
            entry.forgets
        })
    }

    /// A panic elsewhere leaves nothing half-done in here.
    fn entries(&self) -> MutexGuard<'_, HashMap<Name, Entry<T>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    const FORCED: Duration = Duration::from_secs(5);

    async fn get(cache: &Cache<u32>, name: &str, fresh: bool, next: &AtomicU32) -> u32 {
        cache.get("ns", name, |_| fresh, async || next.fetch_add(1, Relaxed) + 1).await
    }

    #[tokio::test]
    async fn a_fresh_reading_is_used_again_and_a_stale_one_is_not() {
        let (cache, next) = (Cache::new(8, FORCED), AtomicU32::new(0));
        assert_eq!(get(&cache, "a", true, &next).await, 1);
        assert_eq!(get(&cache, "a", true, &next).await, 1);
        assert_eq!(get(&cache, "b", true, &next).await, 2);
        assert_eq!(get(&cache, "a", false, &next).await, 3);
        assert_eq!(get(&cache, "a", true, &next).await, 3);
    }

    #[tokio::test]
    async fn forgetting_forces_one_reading_and_not_again_soon() {
        let (cache, next, now) = (Cache::new(8, FORCED), AtomicU32::new(0), Instant::now());
        assert!(!cache.forget("ns", "a", now), "nothing is remembered");
        assert_eq!(get(&cache, "a", true, &next).await, 1);
        assert!(cache.forget("ns", "a", now));
        assert_eq!(get(&cache, "a", true, &next).await, 2);
        assert!(!cache.forget("ns", "a", now + FORCED / 2));
        assert_eq!(get(&cache, "a", true, &next).await, 2);
        assert!(cache.forget("ns", "a", now + FORCED));
        assert_eq!(get(&cache, "a", true, &next).await, 3);
    }

    #[tokio::test]
    async fn who_may_ask_for_it_has_it_read_again_at_once() {
        let (cache, next, now) = (Cache::new(8, FORCED), AtomicU32::new(0), Instant::now());
        cache.renew("ns", "a", now);
        assert_eq!(get(&cache, "a", true, &next).await, 1);
        for again in 2..5 {
            cache.renew("ns", "a", now);
            assert_eq!(get(&cache, "a", true, &next).await, again);
            assert_eq!(get(&cache, "a", true, &next).await, again);
        }
    }

    #[tokio::test]
    async fn what_was_not_forgotten_at_once_is_forgotten_once_it_may_be() {
        let (cache, next, now) = (Cache::new(8, FORCED), AtomicU32::new(0), Instant::now());
        assert_eq!(get(&cache, "a", true, &next).await, 1);
        let forgets = |now| cache.forgets("ns", "a", now);
        assert!(cache.forget("ns", "a", now));
        assert!(!cache.forget("ns", "a", now + FORCED / 2));
        assert_eq!(forgets(now + FORCED / 2), 1);
        assert_eq!(forgets(now + FORCED), 2);
        assert_eq!(forgets(now + FORCED * 3), 2, "once is enough");
    }

    #[tokio::test]
    async fn the_oldest_goes_when_it_is_full() {
        let (cache, next) = (Cache::new(2, FORCED), AtomicU32::new(0));
        for name in ["a", "b", "c"] {
            get(&cache, name, true, &next).await;
        }
        assert_eq!(cache.entries().len(), 2);
        assert_eq!(get(&cache, "c", true, &next).await, 3);
        assert_eq!(get(&cache, "a", true, &next).await, 4, "it had gone");
    }

    #[tokio::test]
    async fn those_who_come_meanwhile_wait_for_the_same_reading() {
        let (cache, next) = (Cache::new(2, FORCED), AtomicU32::new(0));
        let (open, gate) = tokio::sync::oneshot::channel::<()>();
        let first = cache.get(
            "ns",
            "a",
            |_| true,
            async || {
                gate.await.unwrap();
                next.fetch_add(1, Relaxed) + 1
            },
        );
        let second = get(&cache, "a", true, &next);
        let opener = async { open.send(()).unwrap() };
        assert_eq!(futures::join!(first, second, opener), (1, 1, ()));
    }
}
