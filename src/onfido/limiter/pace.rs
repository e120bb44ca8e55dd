//! How many calls a minute the vendor bears: what was asked for, less after each 429, and step by step more in the minutes without one.
//! Pure: time is an argument, since when the limiter began.

use std::{num::NonZeroU32, time::Duration};

use super::{LEAST_BURST, MINUTE};

/// What is asked for, in the unit of the level.
const WHOLE: u32 = 1000;
/// The lowest level: a vendor that goes on refusing is asked a tenth as often.
const LEAST: u32 = WHOLE / 10;
/// What a quiet minute gives back.
const STEP: u32 = WHOLE / 10;
/// Calls that were under way together are refused together: that is one refusal.
const TOGETHER: Duration = Duration::from_secs(10);

/// The rate, and what it has learned.
#[derive(Debug)]
pub(super) struct Pace {
    configured: NonZeroU32,
    /// In thousandths of what is configured.
    level: u32,
    /// From when on the minutes without a refusal count.
    quiet_since: Duration,
    refused: Option<Duration>,
}

impl Pace {
    pub(super) fn new(configured: NonZeroU32) -> Self {
        Self { configured, level: WHOLE, quiet_since: Duration::ZERO, refused: None }
    }

    /// What was learned stays, as a part of what is asked for now.
    pub(super) fn configure(&mut self, configured: NonZeroU32) {
        self.configured = configured;
    }

    pub(super) fn configured(&self) -> NonZeroU32 {
        self.configured
    }

    /// Requests per minute, never so few that what must be permitted together never is.
    pub(super) fn rate(&mut self, now: Duration) -> NonZeroU32 {
        while self.level < WHOLE && now >= self.quiet_since + MINUTE {
            self.quiet_since += MINUTE;
            self.level = (self.level + STEP).min(WHOLE);
        }
        let learned = u64::from(self.configured.get()) * u64::from(self.level) / u64::from(WHOLE);
        let learned = u32::try_from(learned).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN);
        learned.max(LEAST_BURST).min(self.configured)
    }

    /// The vendor refused a call for being one too many, and wants to be left alone until then: two thirds of the rate from now on.
    pub(super) fn refused(&mut self, now: Duration, until: Duration) {
        self.rate(now); // the quiet minutes so far count
        self.quiet_since = self.quiet_since.max(until).max(now);
        if self.refused.is_some_and(|last| now < last + TOGETHER) {
            return;
        }
        self.refused = Some(until.max(now));
        self.level = (self.level * 2 / 3).max(LEAST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(configured: u32) -> Pace {
        Pace::new(NonZeroU32::new(configured).unwrap())
    }

    #[test]
    fn each_refusal_takes_a_third_and_never_all() {
        let (mut pace, mut now) = (pace(300), Duration::ZERO);
        let mut rates = vec![pace.rate(now).get()];
        for _ in 0..8 {
            pace.refused(now, now);
            rates.push(pace.rate(now).get());
            now += TOGETHER;
        }
        assert_eq!(rates, [300, 199, 133, 88, 59, 39, 30, 30, 30]);
    }

    #[test]
    fn calls_refused_together_are_one_refusal_however_long_the_pause_is() {
        let mut pace = pace(300);
        let s = Duration::from_secs;
        for at in 0..12 {
            pace.refused(s(at), s(at.max(30)));
        }
        pace.refused(s(39), s(69));
        assert_eq!(pace.rate(s(39)).get(), 199);
        pace.refused(s(40), s(70));
        assert_eq!(pace.rate(s(40)).get(), 133, "it was tried again");
    }

    #[test]
    fn quiet_minutes_give_it_back_a_tenth_each_and_the_pause_is_none() {
        let mut pace = pace(300);
        let pause = Duration::from_secs(90);
        pace.refused(Duration::ZERO, pause);
        let rates: Vec<u32> = (0..6).map(|minute| pace.rate(pause + MINUTE * minute).get()).collect();
        assert_eq!(rates, [199, 229, 259, 289, 300, 300]);
        assert_eq!(pace.rate(pause + MINUTE * 1_000_000).get(), 300);
    }

    #[test]
    fn what_was_learned_is_a_part_of_what_is_asked_for() {
        let mut pace = pace(300);
        pace.refused(Duration::ZERO, Duration::ZERO);
        pace.configure(NonZeroU32::new(60).unwrap());
        assert_eq!(pace.rate(Duration::ZERO).get(), 39);
    }

    #[test]
    fn calls_that_belong_together_can_be_permitted_at_the_lowest_level() {
        for (configured, least) in [(1, 1), (2, 2), (3, 3), (10, 3), (20, 3), (60_000, 6_000)] {
            let mut pace = pace(configured);
            for number in 0..20 {
                pace.refused(TOGETHER * number, Duration::ZERO);
            }
            assert_eq!(pace.rate(TOGETHER * 19).get(), least, "{configured}");
        }
    }
}
