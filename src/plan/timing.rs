//! Every duration the operator waits or gives up after, in one place, so that tests can scale them all.

use std::time::Duration;

/// Every duration the operator waits or gives up after.
#[derive(Clone, Debug, PartialEq)]
pub struct Timing {
    /// From before an intent is recorded until its call may no longer be sent (D).
    pub deadline: Duration,
    /// Time-out of an unrepeatable call (T).
    pub post_timeout: Duration,
    /// How long after both the vendor may still commit a call.
    pub settle: Duration,
    /// An object older than this looks for a run before its first intent: the operator may have been down, or etcd restored.
    pub look_first_after: Duration,
    /// Over how long a run must be absent before its absence is believed.
    pub absence: Duration,
    /// From one try of an ambiguous call to the next.
    pub tries: [Duration; 3],
    /// Between looks where no try is left.
    pub stalled_look: Duration,
    /// After a finalize, or while the vendor works: offsets of the looks at the run.
    pub looks: [Duration; 7],
    /// Between looks at a run beyond those, and at one that waits for a person, where no feed tells of it.
    pub slow_look: Duration,
    /// Before a refusal that only a change elsewhere can heal is tried again.
    pub slow_retry: Duration,
    /// How long the SDK token of a run can be used, on the safe side.
    pub sdk_token_lifetime: Duration,
    /// The same of one that was asked for.
    pub fresh_token_lifetime: Duration,
    /// Between probes of a provider's credentials.
    pub probe: Duration,
    /// How long a provider's Secret is trusted to be as it was read.
    pub secret_ttl: Duration,
    /// How long the record of a paid call is tried, and the Secret it brought.
    pub persistence: Duration,
    /// For how long a provider counts among those who use a token, after it was last seen to.
    pub token_use: Duration,
    /// How long a deletion waits for the vendor before what is to be erased is owed; and as long again for the ledger, before it is given up.
    pub deletion: Duration,
    /// Between tries of what is owed.
    pub debts: Duration,
    /// From one reading of a provider's change feed to the next.
    pub feed: Duration,
    /// How far a reading goes back behind the one before it: an entry may come late, out of place, or not at all for once.
    pub feed_overlap: Duration,
    /// How far the first reading of a process goes back.
    pub feed_first: Duration,
    /// How long the feed may stay unread before runs are looked at one by one again.
    pub feed_lost: Duration,
    /// Over how long the first looks of a process at runs are spread of which its feed cannot tell.
    pub first_audit: Duration,
    /// Between looks at a run, and at the values of a verdict, that nothing asks for.
    pub audit: Duration,
    /// From one sweep over all verifications to the next.
    pub sweep: Duration,
    /// From one telling that a watched Secret changed to the next of the same: somebody may change it all the time.
    pub secret_told: Duration,
    /// Least and most of an object's own backoff.
    pub backoff: [Duration; 2],
}

/// Looks that must find nothing before a run's absence is believed.
pub const LOOKS_BEFORE_ABSENT: u32 = 3;

/// However fast the clock is made to run, no call is given less: a machine needs its time.
const LEAST_FOR_A_CALL: Duration = Duration::from_millis(500);

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            deadline: s(30),
            post_timeout: s(20),
            settle: s(30),
            look_first_after: s(60),
            absence: s(300),
            tries: [s(300), s(3600), s(6 * 3600)],
            stalled_look: s(3600),
            looks: [s(3), s(8), s(20), s(50), s(120), s(300), s(900)],
            slow_look: s(3600),
            slow_retry: s(300),
            sdk_token_lifetime: s(34 * 24 * 3600),
            fresh_token_lifetime: s(85 * 60),
            probe: s(600),
            secret_ttl: s(60),
            persistence: s(300),
            token_use: s(600),
            deletion: s(600),
            debts: s(3600),
            feed: s(60),
            feed_overlap: s(120),
            feed_first: s(3600),
            feed_lost: s(600),
            first_audit: s(2 * 3600),
            audit: s(24 * 3600),
            sweep: s(60),
            secret_told: s(5),
            backoff: [s(1), s(300)],
        }
    }
}

impl Timing {
    /// How long after its intent an ambiguous call can still take effect (W).
    pub fn doubt(&self) -> Duration {
        self.deadline + self.post_timeout + self.settle
    }

    /// The longest wait that is ever recorded for an operation.
    pub fn longest(&self) -> Duration {
        self.tries.into_iter().fold(self.stalled_look.max(self.absence).max(self.doubt()), Duration::max)
    }

    /// Every duration times `factor`: for tests, which cannot wait six hours. The lifetime of a run's SDK token is the vendor's and stays; a call
    /// keeps half a second, or it would be given up before it can be answered.
    pub fn scaled(&self, factor: f64) -> Self {
        let scale = |d: Duration| d.mul_f64(factor);
        let Self {
            deadline,
            post_timeout,
            settle,
            look_first_after,
            absence,
            tries,
            stalled_look,
            looks,
            slow_look,
            slow_retry,
            sdk_token_lifetime,
            fresh_token_lifetime,
            probe,
            secret_ttl,
            persistence,
            token_use,
            deletion,
            debts,
            feed,
            feed_overlap,
            feed_first,
            feed_lost,
            first_audit,
            audit,
            sweep,
            secret_told,
            backoff,
        } = self.clone();
        Self {
            deadline: scale(deadline).max(LEAST_FOR_A_CALL),
            post_timeout: scale(post_timeout).max(LEAST_FOR_A_CALL),
            settle: scale(settle),
            look_first_after: scale(look_first_after),
            absence: scale(absence),
            tries: tries.map(scale),
            stalled_look: scale(stalled_look),
            looks: looks.map(scale),
            slow_look: scale(slow_look),
            slow_retry: scale(slow_retry),
            sdk_token_lifetime,
            fresh_token_lifetime: scale(fresh_token_lifetime),
            probe: scale(probe),
            secret_ttl: scale(secret_ttl),
            persistence: scale(persistence),
            token_use: scale(token_use),
            deletion: scale(deletion),
            debts: scale(debts),
            feed: scale(feed),
            feed_overlap: scale(feed_overlap),
            feed_first: scale(feed_first),
            feed_lost: scale(feed_lost),
            first_audit: scale(first_audit),
            audit: scale(audit),
            sweep: scale(sweep),
            secret_told: scale(secret_told),
            backoff: backoff.map(scale),
        }
    }
}
