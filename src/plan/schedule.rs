//! When to look at the vendor again.

use std::time::Duration;

use jiff::Timestamp;

use super::{Timing, Wake};

/// A moment some time later; saturates.
pub(super) fn after(moment: Timestamp, wait: Duration) -> Timestamp {
    moment.saturating_add(jiff::SignedDuration::try_from(wait).unwrap_or(jiff::SignedDuration::MAX)).unwrap_or(Timestamp::MAX)
}

/// A moment some time earlier; saturates.
pub(super) fn before(moment: Timestamp, wait: Duration) -> Timestamp {
    moment.saturating_sub(jiff::SignedDuration::try_from(wait).unwrap_or(jiff::SignedDuration::MAX)).unwrap_or(Timestamp::MIN)
}

/// The time between two moments; zero if the second is not later.
pub(super) fn between(earlier: Timestamp, later: Timestamp) -> Duration {
    Duration::try_from(later.duration_since(earlier)).unwrap_or_default()
}

/// A remembered moment, unless the clock was set back behind it.
pub(super) fn past(moment: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
    moment.filter(|moment| *moment <= now)
}

/// Whether a moment is left to the sweep: it comes round before, and finds no pass that rests until later.
pub(super) fn is_left(moment: Timestamp, wake: Wake, now: Timestamp, timing: &Timing) -> bool {
    moment > after(now, timing.sweep * 2) && !matches!(wake, Wake::At(later) if later > moment)
}

/// How urgently a run is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// The person has finished, or the vendor works: soon, then ever more slowly.
    Eager,
    /// It waits for a person: slowly.
    Slow,
}

/// When the run must be looked at: the first moment of the schedule that begins at `anchor` which no look has covered yet. Stretched
/// by up to a fifth by `jitter`, so that what was created together is not looked at together.
///
/// The clock may have been set back. A look in the future counts as none, and a schedule that begins in the future gives way to an
/// even pace: were it to begin now, it would begin anew with every pass.
pub(super) fn next_look(
    pace: Pace,
    anchor: Timestamp,
    last_look: Option<Timestamp>,
    now: Timestamp,
    jitter: f64,
    timing: &Timing,
) -> Timestamp {
    let stretch = |wait: Duration| wait.mul_f64(1.0 + 0.2 * jitter.clamp(0.0, 1.0));
    let last_look = past(last_look, now);
    if anchor > now {
        let even = match pace {
            Pace::Eager => timing.slow_retry,
            Pace::Slow => timing.slow_look,
        };
        return last_look.map_or(now, |look| after(look, stretch(even)));
    }
    let covered = |moment: Timestamp| last_look.is_some_and(|look| look >= moment);
    let offsets: &[Duration] = match pace {
        Pace::Eager => &timing.looks,
        Pace::Slow => &[],
    };
    let eager = offsets.iter().map(|offset| after(anchor, stretch(*offset))).find(|moment| !covered(*moment));
    eager.unwrap_or_else(|| {
        let slow = stretch(timing.slow_look);
        after(last_look.map_or(anchor, |look| look.max(anchor)), slow)
    })
}

/// How many of the looks after a finalize are made though the feed is followed: whoever waits for the outcome is told of it before the next
/// reading could.
const OWN: usize = 4;

/// The same where the feed is followed: a few eager looks, and then the feed tells. One that could not be made in time is left to it too, so
/// that a restart is no herd.
pub(super) fn soon(anchor: Timestamp, last_look: Option<Timestamp>, now: Timestamp, jitter: f64, timing: &Timing) -> Option<Timestamp> {
    let last_look = past(last_look, now);
    if anchor > now {
        return if last_look.is_none() { Some(now) } else { None };
    }
    let (own, left) = timing.looks.split_at(OWN);
    let moment = |offset: &Duration| after(anchor, offset.mul_f64(1.0 + 0.2 * jitter.clamp(0.0, 1.0)));
    let over = left.first().is_none_or(|first| after(anchor, *first) < now);
    own.iter().map(moment).find(|moment| last_look.is_none_or(|look| look < *moment)).filter(|_| !over)
}

/// When a run is looked at for the first time that began before the feed tells of all that ends: spread over hours, since after a restart
/// all of them are such.
pub(super) fn first_look(
    began: Timestamp,
    last_look: Option<Timestamp>,
    since: Timestamp,
    jitter: f64,
    timing: &Timing,
) -> Option<Timestamp> {
    let told = began >= since || last_look.is_some_and(|look| look >= since);
    (!told).then(|| after(since, timing.feed_first + timing.first_audit.mul_f64(jitter.clamp(0.0, 1.0))))
}
