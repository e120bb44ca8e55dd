//! Which verifications are woken though nothing has happened to them: their moment has come, or their daily audit. Asked once a minute of
//! each, so that no timer is kept for any of them.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::api::{IdentityVerificationSpec, IdentityVerificationStatus, Phase};

use super::{
    Timing, Wake, redaction,
    schedule::{after, before},
};

/// Why a verification is woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// A moment on its record is near: the pass itself waits for it.
    Moment,
    /// The run is looked at, and of a verdict the values too.
    Audit,
}

/// Sweeps that were missed while the machine slept are not made up for, but for so many: all audits of the night would come at once.
const MISSED: u32 = 10;

/// From when the sweep at `now` goes on, after one at `last`.
pub fn since(last: Timestamp, now: Timestamp, timing: &Timing) -> Timestamp {
    last.max(before(now, timing.sweep * MISSED))
}

/// Why the sweep over the time between `from` and `to` wakes a verification, if it does. `jitter` gives it its time of the day.
pub fn due(
    spec: &IdentityVerificationSpec,
    status: &IdentityVerificationStatus,
    jitter: impl FnOnce() -> f64,
    from: Timestamp,
    to: Timestamp,
    timing: &Timing,
) -> Option<Due> {
    if moments(spec, status).any(|moment| moment <= after(to, timing.sweep)) {
        return Some(Due::Moment);
    }
    (is_audited(status) && has_come(slot(jitter(), timing.audit), timing.audit, from, to)).then_some(Due::Audit)
}

/// Whether a moment is left to the sweep: it comes round before, and finds no pass that rests until later.
pub(super) fn is_left(moment: Timestamp, wake: Wake, now: Timestamp, timing: &Timing) -> bool {
    moment > after(now, timing.sweep * 2) && !matches!(wake, Wake::At(later) if later > moment)
}

/// The moments at which something is to be done: the end of the verdict, and retention's.
fn moments(spec: &IdentityVerificationSpec, status: &IdentityVerificationStatus) -> impl Iterator<Item = Timestamp> {
    status.verified_until.as_ref().map(|until| until.0).into_iter().chain(redaction::due(spec, status))
}

/// Whether somebody relies on it, or waits for it: an open run, or a verdict of the attempt on record.
fn is_audited(status: &IdentityVerificationStatus) -> bool {
    let verified =
        status.phase == Phase::Approved && status.last_verified_attempt.is_some() && status.last_verified_attempt == status.attempt;
    status.workflow_run_id.is_some() && status.redacted_at.is_none() && (!status.phase.is_final() || verified)
}

fn slot(jitter: f64, day: Duration) -> SignedDuration {
    SignedDuration::try_from(day.mul_f64(jitter.clamp(0.0, 1.0))).unwrap_or_default()
}

/// Whether a time of the day lies after `from` and not after `to`.
fn has_come(slot: SignedDuration, day: Duration, from: Timestamp, to: Timestamp) -> bool {
    let Ok(day) = i128::try_from(day.as_nanos()) else { return false };
    let days = |moment: Timestamp| (moment.as_nanosecond() - slot.as_nanos()).div_euclid(day.max(1));
    days(from) < days(to)
}
