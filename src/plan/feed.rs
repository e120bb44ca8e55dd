//! How the change feed of a provider is read: the list of its runs that have ended, the last one first, by which outcomes are found whose
//! delivery was lost. Owns how far one reading goes, when the next one comes, whom an entry concerns and how far the feed can be relied on.
//! No entry is believed: it points at a run, which is then looked at.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    api::{ConditionType, IdentityVerificationStatus, Phase, Reason},
    onfido::model::{EndedRun, EndedRuns, RunStatus},
};

use super::{
    Timing, conditions,
    schedule::{after, before, between},
};

/// The most pages of one reading: with pages of twenty, four thousand runs.
pub const PAGES: u32 = 200;

/// The vendor tells whole seconds: what ended within one can stand on either side of another.
const GRAIN: Duration = Duration::from_secs(1);

/// How far the feed of its provider can be relied on for a verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Following {
    /// It tells of every run that has ended since then.
    Since(Timestamp),
    /// Since then it does not, or of some it has not told: runs are looked at one by one.
    Lost(Timestamp),
}

/// What a process keeps of a provider's feed. Losing it costs a reading of the last hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feed {
    /// The newest entry of the last reading; not later than that reading, whatever the vendor's clock says.
    cursor: Option<Timestamp>,
    /// From when on every run that ended was told.
    since: Timestamp,
    /// Up to when everything was told, by our clock.
    told: Timestamp,
    /// A reading stopped before its end: from when until when runs are looked at one by one.
    gap: Option<(Timestamp, Timestamp)>,
    reading: Option<Reading>,
    next: Timestamp,
}

/// A reading under way. What holds it up does not begin it anew: entries that are added meanwhile only move others to later pages.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Reading {
    began: Timestamp,
    /// How far it goes back.
    cutoff: Timestamp,
    page: u32,
    newest: Option<Timestamp>,
}

impl Feed {
    /// Nothing has been read.
    pub fn begun(now: Timestamp, timing: &Timing) -> Self {
        Self { cursor: None, since: before(now, timing.feed_first), told: now, gap: None, reading: None, next: now }
    }

    /// It is read only while a run is open that it could tell of. Afterwards it is begun anew.
    pub fn while_open(self, open: bool, now: Timestamp, timing: &Timing) -> Self {
        if open { self } else { Self::begun(now, timing) }
    }

    /// The page to ask for now.
    pub fn page(&self, now: Timestamp, timing: &Timing) -> Option<u32> {
        (self.due(now, timing) <= now).then(|| self.reading.as_ref().map_or(1, |reading| reading.page))
    }

    /// When the next page must be asked for. Nothing is put off for so long but by a clock that was set back.
    pub fn due(&self, now: Timestamp, timing: &Timing) -> Timestamp {
        if between(now, self.next) > timing.feed_lost { now } else { self.next }
    }

    /// Whether a reading has begun and not ended.
    pub(super) fn is_reading(&self) -> bool {
        self.reading.is_some()
    }

    /// A page came, which was asked for at `asked`. A reading ends with the list, or where an entry is older than it goes back: whatever
    /// stands behind that one ended no later than that one last changed. Only the last entry of a page says so: one alone may be odd.
    pub fn heard(&mut self, page: &EndedRuns, asked: Timestamp, now: Timestamp, jitter: f64, timing: &Timing) {
        let cutoff = || match self.cursor {
            Some(cursor) => before(cursor, timing.feed_overlap + GRAIN),
            None => before(self.since, GRAIN),
        };
        let mut reading = self.reading.take().unwrap_or_else(|| Reading { began: asked, cutoff: cutoff(), page: 1, newest: None });
        reading.newest = page.runs.iter().filter_map(|run| run.updated_at).max().max(reading.newest);
        let reached = page.runs.iter().rev().find_map(|run| run.updated_at);
        let is_over = page.is_empty || reached.is_some_and(|reached| reached < reading.cutoff);
        if !is_over && reading.page < PAGES {
            (reading.page, self.next) = (reading.page + 1, now);
            self.reading = Some(reading);
            return;
        }
        self.cursor = reading.newest.map(|newest| newest.min(reading.began)).or(self.cursor);
        if is_over {
            self.told = reading.began;
            self.next = after(now, timing.feed.mul_f64(1.0 + 0.2 * jitter.clamp(0.0, 1.0)));
        } else {
            // Of what is further back nothing is known: each run that is open now gets a look of its own in time.
            let since = self.gap.filter(|(_, until)| *until > now).map_or(now, |(since, _)| since);
            self.gap = Some((since, after(now, timing.slow_look.mul_f64(1.5))));
            self.next = after(now, timing.slow_retry);
        }
    }

    /// A page did not come: it is asked for again after `wait`, or soon.
    pub fn missed(&mut self, wait: Option<Duration>, now: Timestamp, timing: &Timing) {
        self.next = after(now, wait.unwrap_or(timing.feed / 4).min(timing.feed_lost));
    }

    /// How far it can be relied on.
    pub fn following(&self, now: Timestamp, timing: &Timing) -> Following {
        let quiet = between(self.told, now).max(between(now, self.told)); // a clock that was set back is no news either
        match self.gap {
            Some((since, until)) if now < until => Following::Lost(since),
            _ if quiet >= timing.feed_lost => Following::Lost(after(self.told, timing.feed_lost).min(now)),
            _ => Following::Since(self.since),
        }
    }
}

/// Whether an entry is news to a verification: of its run, or of that of the verdict that stands meanwhile, and in another word than the one
/// on record. Nothing is news to one that was given up, nor that a verdict is worse which stands no more.
pub fn is_news(status: &IdentityVerificationStatus, entry: &EndedRun) -> bool {
    let is_of = |run: &str| run == entry.id.as_str();
    if status.workflow_run_id.as_deref().is_some_and(is_of) {
        return status.phase != Phase::Cancelled && status.vendor_status.as_deref() != Some(entry.status.as_str());
    }
    let stands =
        || matches!(conditions::recorded(status, ConditionType::Verified), Some((_, Reason::Verified | Reason::AttributeChanged, _)));
    status.standing_verdict.as_ref().is_some_and(|standing| is_of(&standing.workflow_run_id))
        && entry.status != RunStatus::Approved
        && stands()
}
