//! The stand-in vendor: what every call does and what it answers. Pure: no IO, no clock, no threads; equal seeds and
//! equal calls at equal times give equal answers. Faults, deliveries and HTTP are elsewhere.

mod accounts;
mod applicants;
mod capture;
mod event;
mod ledger;
mod outcome;
mod rules;
mod runs;
mod wire;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::{SignedDuration, Timestamp};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

pub use self::capture::{Capture, Door, Step};
pub use self::event::Event;
pub use self::runs::Run;
pub use self::wire::{Request, Response};

use self::accounts::Account;
use self::applicants::Applicant;
use self::ledger::Ledger;
use super::admin::{LedgerEntry, Operation};

/// Sizes and times. All of them can be scaled by tests.
#[derive(Debug, Clone)]
pub struct Settings {
    /// From a finished capture to the outcome.
    pub processing_time: SignedDuration,
    /// From DELETE of an applicant to its erasure; it can be restored in between.
    pub deletion_delay: SignedDuration,
    pub sdk_token_lifetime: SignedDuration,
    /// Where a browser finds this simulator; links begin with it.
    pub public_url: String,
    pub max_accounts: usize,
    /// Beyond these the oldest are forgotten.
    pub max_applicants: usize,
    pub max_runs: usize,
    pub max_ledger: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            processing_time: SignedDuration::from_millis(500),
            deletion_delay: SignedDuration::from_hours(20 * 24),
            sdk_token_lifetime: SignedDuration::from_hours(35 * 24),
            public_url: String::new(),
            max_accounts: 10_000,
            max_applicants: 200_000,
            max_runs: 200_000,
            max_ledger: 200_000,
        }
    }
}

/// What is due at some time, for the run or applicant with this number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Capture(u64),
    Outcome(u64),
    Erase(u64),
}

/// A call that arrived and is in the ledger, but not carried out.
#[derive(Debug, Clone)]
pub struct Arrival {
    pub seq: u64,
    pub operation: Operation,
    pub account: Option<String>,
}

/// All accounts and their data.
pub struct Vendor {
    settings: Settings,
    rng: StdRng,
    accounts: BTreeMap<String, Account>,
    tokens: HashMap<String, String>,
    // Numbered in order of creation, so that "newest first" is the number's order.
    next: u64,
    applicants: BTreeMap<u64, Applicant>,
    applicant_ids: HashMap<String, u64>,
    runs: BTreeMap<u64, Run>,
    run_ids: HashMap<String, u64>,
    sdk_tokens: HashMap<String, u64>,
    link_ids: HashMap<String, u64>,
    timers: BTreeSet<(Timestamp, Timer)>,
    events: Vec<Event>,
    ledger: Ledger,
}

impl Vendor {
    pub fn new(seed: u64, settings: Settings) -> Self {
        Self {
            rng: StdRng::seed_from_u64(seed),
            ledger: Ledger::new(settings.max_ledger),
            settings,
            accounts: BTreeMap::new(),
            tokens: HashMap::new(),
            next: 0,
            applicants: BTreeMap::new(),
            applicant_ids: HashMap::new(),
            runs: BTreeMap::new(),
            run_ids: HashMap::new(),
            sdk_tokens: HashMap::new(),
            link_ids: HashMap::new(),
            timers: BTreeSet::new(),
            events: Vec::new(),
        }
    }

    /// One whole call: noted, carried out, answered.
    pub fn call(&mut self, now: Timestamp, request: &Request) -> Response {
        let arrival = self.arrive(now, request);
        let response = self.perform(now, &arrival, request);
        self.answered(arrival.seq, Some(response.status), None);
        response
    }

    /// Note a call in the ledger without carrying it out.
    pub fn arrive(&mut self, now: Timestamp, request: &Request) -> Arrival {
        let operation = request.route().operation();
        let account = request.token.as_ref().and_then(|t| self.tokens.get(t)).cloned();
        let seq = self.ledger.open(now, operation, account.clone(), request);
        Arrival { seq, operation, account }
    }

    /// Carry a noted call out.
    pub fn perform(&mut self, now: Timestamp, arrival: &Arrival, request: &Request) -> Response {
        self.advance(now);
        // Asked again: the token may have moved to another account while the call was delayed.
        let account = request.token.as_ref().and_then(|t| self.tokens.get(t)).cloned();
        let response = self.dispatch(now, account.as_deref(), request);
        self.ledger.committed(arrival.seq, &response);
        response
    }

    /// What the caller was told: a status, or nothing; and the fault that made it so.
    pub fn answered(&mut self, seq: u64, status: Option<u16>, fault: Option<&str>) {
        self.ledger.answered(seq, status, fault);
    }

    /// Newest last; `None` takes every account or operation.
    pub fn ledger(&self, account: Option<&str>, operation: Option<Operation>) -> Vec<LedgerEntry> {
        self.ledger.entries(account, operation)
    }

    /// Let everything happen that is due.
    pub fn advance(&mut self, now: Timestamp) {
        while let Some(&(at, timer)) = self.timers.first().filter(|(at, _)| *at <= now) {
            self.timers.remove(&(at, timer));
            match timer {
                Timer::Capture(run) => self.capture_finished(at, run),
                Timer::Outcome(run) => self.outcome_due(at, run),
                Timer::Erase(applicant) => self.erase(at, applicant),
            }
        }
    }

    /// When [`Vendor::advance`] has something to do next.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Events since the last look, to be delivered.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn uuid(&mut self) -> String {
        let mut b = [0u8; 16];
        self.rng.fill_bytes(&mut b);
        b[6] = b[6] & 0x0f | 0x40;
        b[8] = b[8] & 0x3f | 0x80;
        let hex: String = b.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::simulator::admin::{AccountSetting, Outcome};

    #[test]
    fn what_is_forgotten_leaves_no_trace_in_any_index() {
        let mut vendor = Vendor::new(1, Settings { max_runs: 2, max_applicants: 2, ..Settings::default() });
        assert!(vendor.set_account(AccountSetting::new("a", "t", "5c1d9b0e-6f0e-4c52-9d3f-0f5f0a3c9b11")));
        let now: Timestamp = "2030-01-01T00:00:00Z".parse().unwrap();
        let call = |vendor: &mut Vendor, method: &str, path: &str, body: Value| {
            let path = format!("/v3.6{path}");
            let request =
                Request { method: method.into(), path, token: Some("t".into()), body: body.to_string().into(), ..Default::default() };
            serde_json::from_slice::<Value>(&vendor.call(now, &request).body).unwrap_or_default()["id"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        for n in 0..5 {
            let applicant = call(&mut vendor, "POST", "/applicants", json!({"first_name": "A", "last_name": "B"}));
            let body = json!({"workflow_id": "5c1d9b0e-6f0e-4c52-9d3f-0f5f0a3c9b11", "applicant_id": applicant, "tags": [format!("t{n}")]});
            let run = call(&mut vendor, "POST", "/workflow_runs", body);
            match n % 3 {
                0 => assert!(vendor.decide(now, &run, &Outcome::default())),
                _ => assert!(vendor.finish_capture(now, &run)),
            }
            for _ in 0..3 {
                call(&mut vendor, "DELETE", &format!("/applicants/{applicant}"), Value::Null);
                call(&mut vendor, "POST", &format!("/applicants/{applicant}/restore"), Value::Null);
            }
        }
        let account = &vendor.accounts["a"];
        let sizes = [vendor.runs.len(), vendor.run_ids.len(), vendor.sdk_tokens.len(), vendor.link_ids.len()];
        assert_eq!(sizes, [2; 4]);
        assert_eq!([account.runs.len(), account.by_tag.len(), account.by_applicant.len(), account.applicants.len()], [2; 4]);
        assert_eq!([vendor.applicants.len(), vendor.applicant_ids.len()], [2; 2]);
        assert_eq!(vendor.timers.len(), 1, "one of the two runs is processing");
        assert_eq!(vendor.take_events().len(), 2);
    }
}
