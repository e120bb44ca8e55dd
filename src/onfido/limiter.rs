//! One credential's share of the vendor: how many calls may leave per minute, and whose go first. Never waits itself.

mod breaker;
mod buckets;
mod fair;
mod pace;

use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::clock::{Clock, MonotonicClock, Reference};

use super::error::MAX_RETRY_AFTER;
use breaker::{Breaker, UnderWay};
use buckets::{Buckets, Short};
use fair::{Ahead, Queue};
use pace::Pace;

const MINUTE: Duration = Duration::from_secs(60);
/// How many calls can always be permitted together.
const LEAST_BURST: NonZeroU32 = NonZeroU32::new(3).unwrap();
/// The longest that anybody is told to wait for others: what was foreseen may have changed by then.
const LONGEST: Duration = Duration::from_secs(600);
/// Tokens are kept for who was refused for want of them until so long after it was to come back.
const LATE: Duration = Duration::from_secs(1);
/// The part of a minute's calls that may go out of turn, so that whoever is a little late holds nobody up.
const OUT_OF_TURN: u32 = 20;

/// What a call is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// What starts a verification: POSTs and the looks they need.
    Start,
    /// Looks at what has started, when somebody says that there is something to see: at most four fifths of the share, so that starts
    /// always find room. One goes after every four starts.
    Poll,
    /// Looks that nothing calls for: at most two fifths of the share, and never while another call waits.
    Audit,
}

impl Class {
    /// From the first to the last.
    pub const ALL: [Self; 3] = [Self::Start, Self::Poll, Self::Audit];
}

/// Whose turn it is. Lines have equal shares while they wait, whoever is in them; in a line whoever came first goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn<'a> {
    /// Those who share with the others as one: a namespace.
    pub line: &'a str,
    /// Who keeps a place in the line: an object's uid.
    pub who: &'a str,
    /// Whether calls were made that would be lost if it gave up: it goes before those of its line that have not begun.
    pub begun: bool,
}

/// The right to one call. A call takes it by value.
#[derive(Debug)]
#[must_use = "a permit that is not used is a call less this minute"]
pub struct Permit {
    _of_a_probe: Option<UnderWay>,
}

/// Why nothing is permitted now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Others go first, or the minute's calls are spent: ask again after this time. Who does keeps its place.
    Wait(Duration),
    /// The vendor does not take the token: nobody calls before a probe says that it does.
    Unauthorized,
}

/// What all who use a credential share.
#[derive(Debug)]
pub struct Limiter<C: Clock = MonotonicClock> {
    clock: C,
    began: C::Instant,
    state: Mutex<State<C>>,
}

#[derive(Debug)]
struct State<C: Clock> {
    pace: Pace,
    buckets: Buckets<C>,
    queue: Queue,
    /// For whom tokens are kept.
    kept: Option<Kept>,
    breaker: Breaker,
    paused_until: Duration,
    /// How many were told to wait: spreads those who are told the same.
    told: u64,
}

/// Tokens are kept for one who had its turn and found too few of them.
#[derive(Debug)]
struct Kept {
    who: String,
    /// Who could take them away: this class and those after it.
    from: Class,
    /// What went before it, in calls: who has less before it may take them all the same.
    ahead: u64,
    back: Duration,
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
        let state = State {
            pace: Pace::new(requests_per_minute),
            buckets: Buckets::full(requests_per_minute, &clock),
            queue: Queue::default(),
            kept: None,
            breaker: Breaker::default(),
            paused_until: Duration::ZERO,
            told: 0,
        };
        Self { began: clock.now(), state: Mutex::new(state), clock }
    }

    /// So many requests per minute from now on.
    pub fn configure(&self, requests_per_minute: NonZeroU32) {
        self.state().pace.configure(requests_per_minute);
    }

    /// Permits one call, or says why not.
    pub fn try_acquire(&self, class: Class, turn: &Turn<'_>) -> Result<Permit, Refused> {
        self.try_acquire_all(class, turn, NonZeroU32::MIN).map(|_| Permit { _of_a_probe: None })
    }

    /// Permits so many calls together or none of them, or says why not. Whoever took them one by one, and gave up in between, would keep
    /// everybody from ever having enough.
    pub fn try_acquire_all(&self, class: Class, turn: &Turn<'_>, calls: NonZeroU32) -> Result<Vec<Permit>, Refused> {
        let mut state = self.state();
        if state.breaker.is_tripped() {
            return Err(Refused::Unauthorized);
        }
        state.ask(class, turn, calls, &self.clock, self.began).map_err(Refused::Wait)?;
        Ok((0..calls.get()).map(|_| Permit { _of_a_probe: None }).collect())
    }

    /// Permits the one call that may be made whether or not the vendor takes the token, and goes first among starts. While the breaker is
    /// tripped there is one at a time: until its permit is gone.
    pub fn try_acquire_probe(&self, turn: &Turn<'_>) -> Result<Permit, Refused> {
        let mut state = self.state();
        let under_way = match state.breaker.is_tripped() {
            true => Some(state.breaker.probe().ok_or(Refused::Unauthorized)?),
            false => None,
        };
        let turn = Turn { begun: true, ..*turn };
        state.ask(Class::Start, &turn, NonZeroU32::MIN, &self.clock, self.began).map_err(Refused::Wait)?;
        Ok(Permit { _of_a_probe: under_way })
    }

    /// The vendor refused the token: no call is permitted any more, but a probe.
    pub fn unauthorized(&self) {
        let mut state = self.state();
        state.breaker.trip();
        state.queue = Queue::default();
    }

    /// A probe says that the vendor takes the token.
    pub fn authorized(&self) {
        self.state().breaker.reset();
    }

    /// Whether the vendor refused the token, and no probe has said otherwise.
    pub fn is_unauthorized(&self) -> bool {
        self.state().breaker.is_tripped()
    }

    /// The vendor says that it was one call too many: permits nothing for a while, and fewer calls a minute afterwards.
    pub fn too_many(&self, wait: Duration) {
        self.pause(wait);
        let now = self.now();
        let mut state = self.state();
        let until = state.paused_until;
        state.pace.refused(now, until);
    }

    /// Permits nothing for a while, an hour at most; a longer pause that is on stays.
    pub fn pause(&self, wait: Duration) {
        let until = self.now() + wait.min(MAX_RETRY_AFTER);
        let mut state = self.state();
        state.paused_until = state.paused_until.max(until);
    }

    /// The requests per minute that are asked for, and those that the vendor bears as far as is known.
    pub fn rates(&self) -> [NonZeroU32; 2] {
        let now = self.now();
        let mut state = self.state();
        [state.pace.configured(), state.pace.rate(now)]
    }

    /// Since the limiter began.
    fn now(&self) -> Duration {
        self.clock.now().duration_since(self.began).into()
    }

    fn state(&self) -> MutexGuard<'_, State<C>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner) // plain data: valid whatever panicked
    }
}

impl<C: Clock + Clone> State<C> {
    /// Takes the tokens if it is this one's turn and there are enough; otherwise tells when to come back, and keeps a place.
    fn ask(&mut self, class: Class, turn: &Turn<'_>, calls: NonZeroU32, clock: &C, began: C::Instant) -> Result<(), Duration> {
        let instant = clock.now();
        let now = instant.duration_since(began).into();
        let rate = self.pace.rate(now);
        if rate != self.buckets.rate() {
            self.buckets = Buckets::empty(rate, clock);
        }
        let ahead = self.queue.ahead(class, turn, now);
        let count = u64::from(calls.get());
        let wait = match self.in_the_way(class, turn, ahead, count, now, clock) {
            Some(wait) => wait,
            None => match self.buckets.take(class, calls, instant) {
                Ok(()) => {
                    self.queue.served(class, turn, count);
                    self.kept.take_if(|kept| kept.who == turn.who);
                    return Ok(());
                }
                Err(Short { of, wait }) => {
                    // What nothing calls for keeps nothing from others.
                    let from = if class == Class::Audit { class } else { of };
                    self.kept = Some(Kept { who: turn.who.to_owned(), from, ahead: ahead.all, back: now + wait });
                    wait
                }
            },
        };
        let wait = wait + self.behind(class, ahead);
        self.queue.waits(class, turn, count, now + wait);
        Err(wait)
    }

    /// How long this one must wait before it may try at all.
    fn in_the_way(&mut self, class: Class, turn: &Turn<'_>, ahead: Ahead, calls: u64, now: Duration, clock: &C) -> Option<Duration> {
        if self.paused_until > now {
            return Some(self.paused_until - now);
        }
        let out_of_turn = u64::from((self.buckets.rate().get() / OUT_OF_TURN).max(LEAST_BURST.get()));
        if class == Class::Audit && self.queue.is_behind(class) {
            return Some(self.buckets.interval(class));
        }
        if ahead.all > out_of_turn {
            // Unless there is enough for it and for all that were to be here by now: then others have not come.
            let tokens = self.buckets.tokens(clock);
            if self.queue.awaited(turn, now, tokens) + calls > tokens {
                return Some(self.buckets.interval(class));
            }
        }
        let kept = self.kept.as_ref().filter(|kept| kept.who != turn.who && class >= kept.from && ahead.all >= kept.ahead);
        kept.filter(|kept| kept.back + LATE > now).map(|kept| kept.back.saturating_sub(now) + self.buckets.interval(class))
    }

    /// How long it takes those who go before; spread where it is not known so well.
    fn behind(&mut self, class: Class, ahead: Ahead) -> Duration {
        if ahead.all == 0 {
            return Duration::ZERO;
        }
        self.told = self.told.wrapping_add(1);
        let spread = (self.told as f64 * 0.618_033_988_749_895).fract(); // evenly, however many there are
        let calls = |calls: u64| u32::try_from(calls).unwrap_or(u32::MAX);
        let all = self.buckets.interval(Class::Start).saturating_mul(calls(ahead.all));
        let own = self.buckets.interval(class).saturating_mul(calls(ahead.own));
        match all.max(own) {
            long if long >= LONGEST => LONGEST.mul_f64(0.5 + spread / 2.0),
            short => short + self.buckets.interval(class).mul_f64(spread),
        }
    }
}

#[cfg(test)]
mod tests;
