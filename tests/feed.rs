//! The change feed in virtual time: the provider's plan, the limiter and the stand-in vendor, with every delivery lost. What is counted is
//! what the vendor is asked; whoever decides is the operator's own code.

use std::{
    collections::{HashMap, VecDeque},
    num::NonZeroU32,
    time::Duration,
};

use governor::clock::FakeRelativeClock;
use jiff::{SignedDuration, Timestamp};
use onfido_operator::{
    api::{Environment, IdentityVerificationStatus, OnfidoProviderStatus, Phase},
    onfido::{
        limiter::{Class, Limiter, Refused, Turn},
        model::{EndedRuns, RunStatus, WorkflowRun},
    },
    plan::{
        Feed, Following, Timing, Wake,
        debts::Known,
        feed::is_news,
        provider::{Effect, Facts, Observed, plan},
    },
    simulator::{
        DEMO_WORKFLOW,
        admin::{AccountSetting, Fault, FaultKind, ListQuirks, Operation, Outcome},
        faults::FaultBook,
        vendor::{Request, Settings, Vendor},
    },
};
use serde_json::{Value, json};

/// The vendor's own limit; looks and the feed have four fifths of it.
const PER_MINUTE: u32 = 400;
const POLLS: usize = 320;
/// Within which every outcome is found.
const FIVE_MINUTES: Duration = Duration::from_secs(300);
/// How often anybody who waits asks again.
const TICK: Duration = Duration::from_millis(100);

/// What happens to whom.
struct Story {
    /// Runs that are open.
    open: usize,
    /// How many of them end.
    ends: usize,
    /// Outcomes a minute, evenly.
    per_minute: f64,
    /// So many more at once, ten minutes after the first.
    burst: usize,
    quirks: ListQuirks,
    /// The vendor answers so many calls with 429 now and then.
    refusals: u32,
}

impl Story {
    fn plain(ends: usize, per_minute: f64) -> Self {
        Self { open: ends, ends, per_minute, burst: 0, quirks: ListQuirks::default(), refusals: 0 }
    }

    /// When each of them ends.
    fn moments(&self) -> Vec<Duration> {
        let even = |number: usize| Duration::from_secs_f64(30.0 + number as f64 * 60.0 / self.per_minute);
        let mut ends: Vec<_> = (0..self.ends - self.burst).map(even).collect();
        ends.extend(std::iter::repeat_n(Duration::from_secs(630), self.burst));
        ends.sort();
        ends
    }
}

struct World {
    now: Duration,
    clock: FakeRelativeClock,
    limiter: Limiter<FakeRelativeClock>,
    vendor: Vendor,
    faults: FaultBook,
    provider: Observed,
    recorded: HashMap<String, IdentityVerificationStatus>,
    ended: HashMap<String, Duration>,
    /// Those that are to be looked at.
    pointed: VecDeque<String>,
    found: HashMap<String, Duration>,
    calls: Vec<Duration>,
    pages: usize,
    looks: usize,
}

/// What it came to.
#[derive(Debug)]
struct Came {
    found: usize,
    latest: Duration,
    busiest: usize,
    pages: usize,
    looks: usize,
    minutes: f64,
}

fn start() -> Timestamp {
    Timestamp::from_second(1_900_000_000).unwrap()
}

fn provider(now: Timestamp) -> Observed {
    let spec = json!({
        "region": "EU", "credentials": {"apiTokenSecretRef": {"name": "n", "key": "k"}}, "workflowID": DEMO_WORKFLOW,
        "webhook": {"management": "Disabled"},
    });
    let timing = Timing::default();
    let facts = Facts { credentials: Some(Ok(Environment::Live)), webhook: Some(Ok(())), probe: Some(Ok(())), ..Facts::default() };
    Observed {
        generation: 1,
        asked: None,
        spec: serde_json::from_value(spec).unwrap(),
        status: OnfidoProviderStatus::default(),
        webhook_url: String::new(),
        last_probe: None,
        has_open: true,
        feed: Feed::begun(now, &timing),
        debts: Known::Empty,
        jitter: 1.0, // the longest interval
        facts,
        timing,
    }
}

impl World {
    fn new(story: &Story) -> Self {
        let settings = Settings { max_runs: story.open + 1, max_ledger: 1, ..Settings::default() };
        let mut vendor = Vendor::new(1, settings);
        let account = AccountSetting { requests_per_minute: None, ..AccountSetting::new("a", "t", DEMO_WORKFLOW) };
        assert!(vendor.set_account(account) && vendor.set_list_quirks("a", story.quirks));
        let clock = FakeRelativeClock::default();
        let mut world = Self {
            now: Duration::ZERO,
            limiter: Limiter::with_clock(NonZeroU32::new(PER_MINUTE).unwrap(), clock.clone()),
            clock,
            vendor,
            faults: FaultBook::default(),
            provider: provider(start()),
            recorded: HashMap::new(),
            ended: HashMap::new(),
            pointed: VecDeque::new(),
            found: HashMap::new(),
            calls: vec![],
            pages: 0,
            looks: 0,
        };
        // Four refusals, each some hundred calls after the one before.
        for _ in 0..story.refusals {
            let kind = FaultKind::Status { status: 429, retry_after: Some("15".into()), error_type: None, body: None };
            assert!(world.faults.add(Fault { operation: None, account: None, skip: 300, count: 1, kind }));
        }
        let applicant = json!({"first_name": "A", "last_name": "B"});
        let created = |body: Vec<u8>| serde_json::from_slice::<Value>(&body).unwrap()["id"].as_str().unwrap().to_owned();
        let applicant = created(world.ask("POST", "applicants", String::new(), applicant.to_string().into()));
        let body = json!({"workflow_id": DEMO_WORKFLOW, "applicant_id": applicant, "tags": ["x"]}).to_string();
        for _ in 0..story.open {
            let run = created(world.ask("POST", "workflow_runs", String::new(), body.clone().into()));
            let status = IdentityVerificationStatus {
                phase: Phase::AwaitingInput,
                workflow_run_id: Some(run.clone()),
                vendor_status: Some("awaiting_input".into()),
                ..IdentityVerificationStatus::default()
            };
            world.recorded.insert(run, status);
        }
        world
    }

    fn moment(&self) -> Timestamp {
        start() + SignedDuration::try_from(self.now).unwrap()
    }

    fn ask(&mut self, method: &str, path: &str, query: String, body: Vec<u8>) -> Vec<u8> {
        let request = Request { method: method.into(), path: format!("/v3.6/{path}"), query, token: Some("t".into()), body };
        self.vendor.call(self.moment(), &request).body
    }

    /// A call that the limiter has permitted; none, if the vendor refuses it, which the limiter hears of.
    fn get(&mut self, operation: Operation, path: &str, query: String) -> Option<Vec<u8>> {
        self.calls.push(self.now);
        if self.faults.take(operation, Some("a")).is_some() {
            self.limiter.too_many(Duration::from_secs(15));
            return None;
        }
        Some(self.ask("GET", path, query, vec![]))
    }

    /// One pass over the provider: as its plan says.
    fn follow(&mut self) -> Timestamp {
        loop {
            let plan = plan(&self.provider, self.moment());
            self.provider.status = plan.status;
            let page = match (plan.effect, plan.wake) {
                (Some(Effect::ReadFeed { page }), _) => page,
                (None, Wake::At(moment)) => return moment,
                (effect, wake) => panic!("{effect:?}, {wake:?}"),
            };
            let (asked, timing) = (self.moment(), self.provider.timing.clone());
            let turn = Turn { line: "identity", who: "provider", begun: true };
            if let Err(refused) = self.limiter.try_acquire(Class::Poll, &turn) {
                let Refused::Wait(wait) = refused else { panic!("{refused:?}") };
                self.provider.feed.missed(Some(wait), asked, &timing);
                continue;
            }
            self.pages += 1;
            let query = format!("status=approved,declined,review,abandoned,error&sort=desc&page={page}");
            match self.get(Operation::ListEndedRuns, "workflow_runs", query) {
                None => self.provider.feed.missed(Some(Duration::from_secs(15)), asked, &timing),
                Some(answer) => {
                    let ended: EndedRuns = serde_json::from_slice(&answer).unwrap();
                    for entry in &ended.runs {
                        let run = entry.id.as_str();
                        if is_news(&self.recorded[run], entry) && !self.pointed.iter().any(|pointed| pointed == run) {
                            self.pointed.push_back(run.to_owned());
                        }
                    }
                    self.provider.feed.heard(&ended, asked, asked, 1.0, &timing);
                }
            }
        }
    }

    /// Looks at those that the feed has pointed at, as long as calls are permitted.
    fn look(&mut self) {
        while let Some(run) = self.pointed.pop_front() {
            let turn = Turn { line: "shop", who: &run, begun: false };
            if self.limiter.try_acquire(Class::Poll, &turn).is_err() {
                self.pointed.push_front(run);
                return;
            }
            self.looks += 1;
            let Some(answer) = self.get(Operation::GetWorkflowRun, &format!("workflow_runs/{run}"), String::new()) else {
                self.pointed.push_back(run);
                return;
            };
            let status = serde_json::from_slice::<WorkflowRun>(&answer).unwrap().status;
            self.recorded.get_mut(&run).unwrap().vendor_status = Some(status.as_str().to_owned());
            if status == RunStatus::Approved {
                self.found.entry(run).or_insert(self.now);
            }
        }
    }

    /// Runs the story to the end of it and ten minutes more.
    fn live(mut self, story: &Story) -> Came {
        let mut runs: Vec<_> = self.recorded.keys().cloned().collect();
        runs.sort();
        let ends = story.moments();
        let last = *ends.last().unwrap() + Duration::from_secs(600);
        let mut due: VecDeque<_> = ends.into_iter().zip(runs).collect();
        let (mut wake, mut tick) = (start(), 0u32);
        while self.now < last {
            while due.front().is_some_and(|(at, _)| *at <= self.now) {
                let (_, run) = due.pop_front().unwrap();
                assert!(self.vendor.decide(self.moment(), &run, &Outcome { silent: true, ..Outcome::default() }));
                self.ended.insert(run, self.now);
            }
            // Neither the feed nor the looks always come first.
            if tick % 2 == 0 {
                self.look();
            }
            if wake <= self.moment() {
                wake = self.follow();
            }
            self.look();
            self.clock.advance(TICK);
            self.now += TICK;
            tick += 1;
        }
        let following = self.provider.feed.following(self.moment(), &self.provider.timing);
        assert!(matches!(following, Following::Since(_)), "{following:?}");
        let late = |(run, at): (&String, &Duration)| self.found.get(run).map_or(Duration::MAX, |found| *found - *at);
        let (mut busiest, mut from) = (0, 0);
        for (to, at) in self.calls.iter().enumerate() {
            while *at - self.calls[from] >= Duration::from_secs(60) {
                from += 1;
            }
            busiest = busiest.max(to + 1 - from);
        }
        Came {
            found: self.found.len(),
            latest: self.ended.iter().map(late).max().unwrap(),
            busiest,
            pages: self.pages,
            looks: self.looks,
            minutes: last.as_secs_f64() / 60.0,
        }
    }
}

fn tell(name: &str, story: &Story) -> Came {
    let came = World::new(story).live(story);
    let text = format!(
        "{name}: {} of {} outcomes found, the latest after {:.0} s; {} looks and {} pages in {:.0} minutes, {} calls in the busiest\n",
        came.found,
        story.ends,
        came.latest.as_secs_f64(),
        came.looks,
        came.pages,
        came.minutes,
        came.busiest
    );
    // Past the capture of the test's output: who runs it wants to see the figures.
    std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes()).unwrap();
    assert_eq!(came.found, story.ends, "{name}");
    assert!(came.latest <= FIVE_MINUTES, "{name}: {came:?}");
    assert!(came.busiest <= POLLS, "{name}: {came:?}");
    came
}

#[test]
fn of_ten_thousand_open_runs_every_outcome_is_found_in_time_though_no_delivery_comes() {
    let quirks = ListQuirks { lag_ms: 30_000, repeat: true, reorder: true, skip_once: true };
    let story = Story { open: 10_000, burst: 100, refusals: 2, quirks, ..Story::plain(5_000, 170.0) };
    let came = tell("10,000 open, 170 end a minute and 100 at once, all faults", &story);
    assert!(came.looks <= story.ends + story.refusals as usize, "one look each: {came:?}");
}

#[test]
fn two_hundred_and_twenty_outcomes_a_minute_can_be_carried() {
    let came = tell("220 a minute", &Story::plain(2200, 220.0));
    assert!(came.latest <= FIVE_MINUTES / 2, "no backlog grows: {came:?}");
}

#[test]
fn each_fault_of_the_feed_alone_is_made_up_for() {
    let quirks = ListQuirks::default();
    for (name, quirks, refusals) in [
        ("none", quirks, 0),
        ("entries that repeat", ListQuirks { repeat: true, ..quirks }, 0),
        ("pages in disorder", ListQuirks { reorder: true, ..quirks }, 0),
        ("entries two minutes late", ListQuirks { lag_ms: 120_000, ..quirks }, 0),
        ("entries left out once", ListQuirks { skip_once: true, ..quirks }, 0),
        ("refusals", quirks, 4),
    ] {
        tell(name, &Story { quirks, refusals, ..Story::plain(1000, 200.0) });
    }
}

#[test]
fn where_little_ends_little_is_asked() {
    let came = tell("an outcome in ten minutes", &Story::plain(6, 0.1));
    assert_eq!(came.looks, 6);
    assert!(came.pages as f64 <= came.minutes, "a page a minute at most: {came:?}");
}
