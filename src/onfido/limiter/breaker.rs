//! Whether the vendor takes the token at all. After a 401 nobody calls any more but one probe at a time.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

/// Open to all, or tripped.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    tripped: bool,
    probing: Arc<AtomicBool>,
}

/// A probe that is under way, until it is dropped.
#[derive(Debug)]
pub(super) struct UnderWay(Arc<AtomicBool>);

impl Breaker {
    pub(super) fn trip(&mut self) {
        self.tripped = true;
    }

    pub(super) fn reset(&mut self) {
        self.tripped = false;
    }

    pub(super) fn is_tripped(&self) -> bool {
        self.tripped
    }

    /// Begins the one probe; none if one is under way.
    pub(super) fn probe(&self) -> Option<UnderWay> {
        (!self.probing.swap(true, Relaxed)).then(|| UnderWay(self.probing.clone()))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.store(false, Relaxed);
    }
}
