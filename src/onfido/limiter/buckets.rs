//! Token buckets, one within the other: what all may have, what polls may have of it, what audits may have of that.

use std::{num::NonZeroU32, time::Duration};

use governor::{
    Quota, RateLimiter,
    clock::Clock,
    middleware::NoOpMiddleware,
    state::{InMemoryState, NotKeyed},
};

use super::{Class, LEAST_BURST, MINUTE};

type Bucket<C> = RateLimiter<NotKeyed, InMemoryState, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// Buckets of one rate. In no minute are more calls permitted than that: a fifth at once, the rest evenly.
#[derive(Debug)]
pub(super) struct Buckets<C: Clock> {
    rate: NonZeroU32,
    /// From the widest to the narrowest: a call needs a token of each down to its class.
    nested: [(Quota, Bucket<C>); 3],
}

/// Too few tokens.
pub(super) struct Short {
    /// Who shares the bucket that lacks them: this class and those after it.
    pub(super) of: Class,
    /// When there are enough.
    pub(super) wait: Duration,
}

impl<C: Clock + Clone> Buckets<C> {
    pub(super) fn full(rate: NonZeroU32, clock: &C) -> Self {
        let fifths = |fifths| NonZeroU32::new(rate.get() / 5 * fifths).unwrap_or(NonZeroU32::MIN);
        let nested = [rate, fifths(4), fifths(2)].map(|requests| {
            let quota = quota(requests);
            (quota, RateLimiter::direct_with_clock(quota, clock.clone()))
        });
        Self { rate, nested }
    }

    /// With which a change of the rate begins: nothing is won by it, and those who wait find little in the old ones anyway.
    pub(super) fn empty(rate: NonZeroU32, clock: &C) -> Self {
        let buckets = Self::full(rate, clock);
        for (quota, bucket) in &buckets.nested {
            let _ = bucket.check_n(quota.burst_size());
        }
        buckets
    }

    pub(super) fn rate(&self) -> NonZeroU32 {
        self.rate
    }

    /// How many calls could be permitted now. The bucket does not say it, but how long it takes to fill; one that is full is taken whole, and
    /// another full one put in its place.
    pub(super) fn tokens(&mut self, clock: &C) -> u64 {
        let (quota, bucket) = &mut self.nested[0];
        let burst = u64::from(quota.burst_size().get());
        let lacking = match bucket.check_n(quota.burst_size()) {
            Ok(Err(refused)) => refused.wait_time_from(clock.now()).as_nanos().div_ceil(quota.replenish_interval().as_nanos()),
            Ok(Ok(())) | Err(_) => {
                *bucket = RateLimiter::direct_with_clock(*quota, clock.clone());
                0
            }
        };
        burst.saturating_sub(u64::try_from(lacking).unwrap_or(u64::MAX))
    }

    /// How long one call of this class takes where many wait.
    pub(super) fn interval(&self, class: Class) -> Duration {
        self.nested[class as usize].0.replenish_interval()
    }

    /// Takes a token of each bucket for each call, or of none of the wider ones. The narrowest first: a poll that is refused takes nothing
    /// from the starts. More than a bucket ever holds is never permitted: whoever asks for it should not be here again soon.
    pub(super) fn take(&self, class: Class, calls: NonZeroU32, now: C::Instant) -> Result<(), Short> {
        for of in Class::ALL.into_iter().take(class as usize + 1).rev() {
            match self.nested[of as usize].1.check_n(calls) {
                Ok(taken) => taken.map_err(|refused| Short { of, wait: refused.wait_time_from(now) })?,
                Err(_) => return Err(Short { of, wait: MINUTE }),
            }
        }
        Ok(())
    }
}

/// Any minute sees at most the burst and what flows in before the minute is over: burst + (flow - 1) = requests.
fn quota(requests: NonZeroU32) -> Quota {
    // Enough for one start: a look, the applicant, the run.
    let burst = NonZeroU32::new(requests.get() / 5).map_or(LEAST_BURST, |burst| burst.max(LEAST_BURST)).min(requests);
    let flow = requests.get() - burst.get() + 1;
    // Rounded up: a nanosecond short would let one more in.
    let period = MINUTE / flow + Duration::from_nanos(1);
    Quota::with_period(period).map_or(Quota::per_minute(NonZeroU32::MIN), |quota| quota.allow_burst(burst))
}
