//! One credential's share of the vendor: how many calls may leave per minute, and whose go first. Never waits itself.

use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use governor::{
    Quota, RateLimiter,
    clock::{Clock, MonotonicClock, Reference},
    middleware::NoOpMiddleware,
    nanos::Nanos,
    state::{InMemoryState, NotKeyed},
};

use super::error::MAX_RETRY_AFTER;

const MINUTE: Duration = Duration::from_secs(60);
/// How many calls can always be permitted together.
const LEAST_BURST: NonZeroU32 = NonZeroU32::new(3).unwrap();

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// What starts a verification: POSTs and the looks they need.
    Start,
    /// Looks at what has started: at most four fifths of the share, so that starts always find room.
    Poll,
}

/// The right to one call. A call takes it by value.
#[derive(Debug)]
#[must_use = "a permit that is not used is a call less this minute"]
pub struct Permit(());

type Bucket<C> = RateLimiter<NotKeyed, InMemoryState, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// Two token buckets and a pause. In no minute are more calls permitted than were asked for: a fifth at once, the rest evenly.
#[derive(Debug)]
pub struct Limiter<C: Clock = MonotonicClock> {
    clock: C,
    all: Bucket<C>,
    polls: Bucket<C>,
    paused_until: Mutex<Option<C::Instant>>,
}

impl Limiter {
    /// A limiter of so many requests per minute.
    pub fn new(requests_per_minute: NonZeroU32) -> Self {
        Self::with_clock(requests_per_minute, MonotonicClock)
    }
}

impl<C: Clock + Clone> Limiter<C> {
    /// The same, with a clock of the caller's.
    pub fn with_clock(requests_per_minute: NonZeroU32, clock: C) -> Self {
        let polls = NonZeroU32::new(requests_per_minute.get() / 5 * 4).unwrap_or(NonZeroU32::MIN);
        Self {
            all: RateLimiter::direct_with_clock(quota(requests_per_minute), clock.clone()),
            polls: RateLimiter::direct_with_clock(quota(polls), clock.clone()),
            paused_until: Mutex::new(None),
            clock,
        }
    }

    /// Permits one call, or tells how long to wait before asking again.
    pub fn try_acquire(&self, class: Class) -> Result<Permit, Duration> {
        self.try_acquire_all(class, NonZeroU32::MIN).map(|_| Permit(()))
    }

    /// Permits so many calls together or none of them, or tells how long to wait before asking again. Whoever took them one by one, and
    /// gave up in between, would keep everybody from ever having enough.
    pub fn try_acquire_all(&self, class: Class, calls: NonZeroU32) -> Result<Vec<Permit>, Duration> {
        let now = self.clock.now();
        if let Some(until) = *self.paused_until.lock().unwrap_or_else(PoisonError::into_inner)
            && until > now
        {
            return Err(until.duration_since(now).into());
        }
        // The narrower bucket first: a poll that is refused takes nothing from the starts.
        if class == Class::Poll {
            take(&self.polls, calls, now)?;
        }
        take(&self.all, calls, now)?;
        Ok((0..calls.get()).map(|_| Permit(())).collect())
    }

    /// Permits nothing for a while, an hour at most; a longer pause that is on stays.
    pub fn pause(&self, wait: Duration) {
        let until = self.clock.now() + Nanos::from(wait.min(MAX_RETRY_AFTER));
        let mut paused = self.paused_until.lock().unwrap_or_else(PoisonError::into_inner);
        *paused = Some(paused.map_or(until, |earlier| earlier.max(until)));
    }
}

/// More than a bucket ever holds is never permitted: whoever asks for it should not be here again soon.
fn take<C: Clock>(bucket: &Bucket<C>, calls: NonZeroU32, now: C::Instant) -> Result<(), Duration> {
    match bucket.check_n(calls) {
        Ok(taken) => taken.map_err(|refused| refused.wait_time_from(now)),
        Err(_) => Err(MINUTE),
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

#[cfg(test)]
mod tests {
    use super::*;
    use governor::clock::FakeRelativeClock;

    fn limiter(requests: u32) -> (Limiter<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        (Limiter::with_clock(NonZeroU32::new(requests).unwrap(), clock.clone()), clock)
    }

    /// Asks whenever the limiter says so, for ten minutes; the times at which it permitted.
    fn greedy(requests: u32, class: Class) -> Vec<Duration> {
        let (limiter, clock) = limiter(requests);
        let (mut now, mut permitted) = (Duration::ZERO, Vec::new());
        while now < MINUTE * 10 {
            match limiter.try_acquire(class) {
                Ok(Permit(())) => permitted.push(now),
                Err(wait) => {
                    assert!(wait > Duration::ZERO && wait <= MINUTE + Duration::from_nanos(1), "{wait:?}");
                    clock.advance(wait);
                    now += wait;
                }
            }
        }
        permitted
    }

    #[test]
    fn no_minute_sees_more_than_was_asked_for_and_most_is_used() {
        for requests in [1, 2, 3, 4, 5, 10, 20, 300, 400] {
            let times = greedy(requests, Class::Start);
            let busiest = times.iter().map(|from| times.iter().filter(|t| **t >= *from && **t < *from + MINUTE).count()).max();
            assert!(busiest <= Some(requests as usize), "{requests}: {busiest:?}");
            // At a few calls a minute, those that must be permitted together leave little in between.
            assert!(requests < 10 || times.len() >= requests as usize * 8, "{requests}: {}", times.len());
        }
    }

    #[test]
    fn polls_leave_room_for_starts() {
        let (limiter, _) = limiter(100);
        while limiter.try_acquire(Class::Poll).is_ok() {}
        for _ in 0..4 {
            assert!(limiter.try_acquire(Class::Start).is_ok());
        }
        assert!(limiter.try_acquire(Class::Start).is_err());
        assert!(greedy(100, Class::Poll).len() < greedy(100, Class::Start).len() * 85 / 100);
    }

    #[test]
    fn a_pause_holds_everything_until_it_ends_and_is_bounded() {
        let (limiter, clock) = limiter(300);
        limiter.pause(Duration::from_secs(30));
        limiter.pause(Duration::from_secs(10));
        for class in [Class::Start, Class::Poll] {
            assert_eq!(limiter.try_acquire(class).err(), Some(Duration::from_secs(30)));
        }
        clock.advance(Duration::from_secs(30));
        assert!(limiter.try_acquire(Class::Start).is_ok());
        limiter.pause(Duration::MAX);
        assert_eq!(limiter.try_acquire(Class::Start).err(), Some(MAX_RETRY_AFTER));
    }

    #[test]
    fn calls_that_belong_together_are_permitted_together_or_not_at_all() {
        let three = NonZeroU32::new(3).unwrap();
        for rate in [3, 4, 9, 20, 300] {
            let clock = FakeRelativeClock::default();
            let limiter = Limiter::with_clock(NonZeroU32::new(rate).unwrap(), clock.clone());
            let mut started = 0;
            // Ten who need two or three calls each, and ask again whenever they are told to: each gets them.
            while started < 10 {
                match limiter.try_acquire_all(Class::Start, if started % 2 == 0 { three } else { NonZeroU32::new(2).unwrap() }) {
                    Ok(permits) => {
                        assert!(permits.len() >= 2);
                        started += 1;
                    }
                    Err(wait) => {
                        assert!(wait <= MINUTE * 3 + Duration::from_nanos(3), "{rate} a minute: {wait:?}");
                        clock.advance(wait);
                    }
                }
            }
        }
    }
}
