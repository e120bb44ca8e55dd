//! The world in which a schedule is lived: one verification, two operators, the API server, the vendor, people, and a virtual clock.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::LazyLock,
};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use onfido_operator::{
    api::{CaptureMode, ConditionType, DeletionPolicy, Notification, OnfidoProviderSpec, Phase},
    key::Key,
    plan::{Notice, NoticeKind, Observed, Timing, VerificationPlan, Wake, Wanted},
};
use serde_json::json;

use super::{
    api_server::{Object, retention},
    operator::Operator,
    oracle::{Records, Violation},
    schedule::{Edit, Patch, Schedule, Step, Word},
    vendor::{Network, WORKFLOW},
};

/// First names that the person is given; the first is on the document.
pub const NAMES: [&str; 3] = ["Canaria", "Canarino", "Canaryna"];
pub const LAST_NAME: &str = "Lastcanary";
pub const BORN: &str = "1990-12-31";
/// What shows of the vendor's: why it decided so, the address of a page of its, how each SDK token begins, and the API token.
pub const CANARIES: [&str; 4] = ["Free Text of a Canary", "/l/", "eyJhbGciOiJFUzUxMi", "token-canary"];

/// What decides. A saboteur stands in for it to show that the properties can fail.
pub type Planner = fn(&Observed, Timestamp) -> VerificationPlan;

/// So many seconds into the life.
pub fn t(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_900_000_000 + seconds).expect("a time")
}

/// The Secret with which the person captures.
#[derive(Clone, PartialEq)]
pub struct CaptureSecret {
    pub run: String,
    pub opens: bool,
    pub mode: CaptureMode,
    pub value: String,
}

pub struct World {
    pub plan: Planner,
    /// Seconds by the clock that nobody sets; the vendor's.
    pub now: i64,
    /// How far the operators' clocks are ahead of it.
    pub skew: i64,
    pub object: Option<Object>,
    pub snapshot: Option<Object>,
    pub provider: Option<Box<OnfidoProviderSpec>>,
    /// A call met a refused token.
    pub token_doubted: bool,
    /// The first name in the person's Secret.
    pub person: Option<usize>,
    pub secret: Option<CaptureSecret>,
    /// Of the capture Secret, the finalizer, the ledger.
    pub other_writes: usize,
    /// The applicants in the erasure ledger, and how many that may exist.
    pub ledger: BTreeSet<String>,
    pub ledger_orphans: usize,
    pub ledger_taken: bool,
    /// Since when no feed tells anything.
    pub feed_lost: Option<Timestamp>,
    pub operators: [Operator; 2],
    pub network: Network,
    pub patches: VecDeque<Patch>,
    pub key: Key,
    pub timing: Timing,
    pub records: Records,
    moments: usize,
    pub schedule: Schedule,
    out_of_service: Option<Box<OnfidoProviderSpec>>,
    /// What happened, for a person; only of one that is replayed.
    pub log: Option<Vec<String>>,
}

impl World {
    pub fn new(seed: u64, schedule: &Schedule, plan: Planner) -> Self {
        static PROVIDER: LazyLock<OnfidoProviderSpec> = LazyLock::new(|| {
            serde_json::from_value(json!({
                "region": "EU", "credentials": {"apiTokenSecretRef": {"name": "n", "key": "k"}}, "workflowID": WORKFLOW,
                "attempts": {"max": 16},
            }))
            .expect("a provider")
        });
        let scene = schedule.scene.clone();
        let mut provider = PROVIDER.clone();
        set_validity(&mut provider, scene.validity);
        if scene.retries_all {
            let all = ["Declined", "AttributeMismatch", "NotCompared", "Abandoned", "VendorError", "Expired"];
            let all: Vec<_> = all.into_iter().chain(["AttributeChanged", "Revoked", "Verified", "InReview"]).collect();
            provider.attempts.retry_on = serde_json::from_value(json!(all)).ok();
        }
        if scene.cool_down {
            provider.attempts.cool_down = serde_json::from_value(json!("10m")).expect("a duration");
        }
        let idempotency_key = scene.keyed.then_some("order-1");
        Self {
            plan,
            now: 0,
            skew: 0,
            object: Some(Object::new(&scene)),
            snapshot: None,
            provider: Some(Box::new(provider)),
            token_doubted: false,
            person: Some(0),
            secret: None,
            other_writes: 0,
            ledger: BTreeSet::new(),
            ledger_orphans: 0,
            ledger_taken: true,
            feed_lost: scene.feedless.then_some(Timestamp::MIN),
            operators: [Operator::default(), Operator::default()],
            network: Network::new(seed),
            patches: VecDeque::new(),
            key: Key::of("7d4ac2a5-4c3a-4c0e-a3b1-0d4a0e6d9c11", "shop", idempotency_key),
            timing: Timing::default(),
            records: Records::default(),
            moments: 0,
            schedule: schedule.clone(),
            out_of_service: None,
            log: None,
        }
    }

    /// The time by the operators' clocks.
    pub fn wall(&self) -> Timestamp {
        t(self.now + self.skew)
    }

    pub fn nonce(&mut self) -> String {
        format!("nonce-{}", self.moment())
    }

    /// Later than every one before.
    pub fn moment(&mut self) -> usize {
        self.moments += 1;
        self.moments
    }

    pub fn trace(&mut self, line: impl FnOnce() -> String) {
        if let Some(log) = &mut self.log {
            log.push(line());
        }
    }

    /// How often anybody of ours wrote to the API server: the status, the capture Secret, the wake-ups, the finalizer, the ledger, its deletion.
    pub fn writes(&self) -> usize {
        self.records.writes + self.other_writes + self.records.rung.len()
    }

    /// Lives the schedule, then without faults until nothing is due any more.
    pub fn live(&mut self) -> Result<(), Violation> {
        for step in self.schedule.steps.clone() {
            let now = self.now;
            self.trace(|| format!("{now:>7} {step:?}"));
            self.step(&step)?;
        }
        self.heal();
        for op in 0..2 {
            if self.operators[op].pass.is_some() {
                self.pass(op)?; // it goes on with the one that it was stopped in
            }
        }
        if !self.schedule.scene.both {
            self.operators[1].dies();
        }
        self.converge()
    }

    pub fn step(&mut self, step: &Step) -> Result<(), Violation> {
        match *step {
            Step::Pass(op) => self.pass(op)?,
            Step::Some(op, steps) => self.some(op, steps.into())?,
            Step::Due(op) => {
                match self.operators[op].wake {
                    Some(Wake::At(moment)) => self.until(moment),
                    Some(Wake::Backoff) => self.now += 5,
                    Some(Wake::OnChange) | None => {}
                }
                self.pass(op)?;
            }
            Step::Stale(op) => self.stale(op)?,
            Step::Crash(op) => self.operators[op].dies(),
            Step::Wait(seconds) => self.now += seconds,
            Step::Clock(seconds) => {
                self.skew += seconds;
                self.records.clock_was_set = true;
            }
            Step::Post(fate) => self.network.will(true, fate),
            Step::Get(fate) => self.network.will(false, fate),
            Step::Write(patch) => self.patches.push_back(patch),
            Step::Finish => self.network.finish(self.now),
            Step::Say { newest, word } => {
                let at = self.network.started.len().checked_sub(if newest { 1 } else { 2 });
                if let Some(run) = at.map(|at| self.network.started[at].run.clone()) {
                    // Whose tags are not shown cannot be found either: that is for a run that is on record.
                    let recorded = self.object.as_ref().is_some_and(|object| object.status.workflow_run_id.as_ref() == Some(&run));
                    let word = if word == Word::AsAnothers && !recorded { Word::Approved } else { word };
                    self.network.say(self.now, &run, word);
                }
            }
            Step::Ring(which) => {
                if !self.network.deliveries.is_empty() {
                    self.ring(usize::from(which) % self.network.deliveries.len());
                }
            }
            Step::Feed { newest, word } => {
                let at = self.network.started.len().checked_sub(if newest { 1 } else { 2 });
                if let Some(run) = at.map(|at| self.network.started[at].run.clone()) {
                    (0..2).for_each(|op| _ = self.tell(op, &run, word));
                }
            }
            Step::Audit => {
                let moment = self.moment();
                self.operators.iter_mut().for_each(|operator| operator.want(Wanted::Audit, None, moment));
            }
            Step::Edit(edit) => self.edit(edit),
            Step::Snapshot => self.snapshot = self.object.clone(),
            Step::Restore => self.restore(),
            Step::Delete => self.delete(),
        }
        Ok(())
    }

    /// Time passes until the operators' clocks show this moment.
    pub fn until(&mut self, moment: Timestamp) {
        let due = moment.duration_since(t(self.skew));
        self.now = self.now.max(due.as_secs() + i64::from(due.subsec_nanos() > 0));
    }

    /// A delivery arrives, as at `webhook/door.rs`: a body that is known already changes nothing.
    pub fn ring(&mut self, which: usize) {
        let received_at = Time(self.wall());
        let delivery = self.network.deliveries[which].clone();
        let Some(object) = &mut self.object else { return };
        let status = &mut object.status;
        let known = status.notification.as_ref().is_some_and(|n| n.digest == delivery.digest)
            || status.answered_notifications.contains(&delivery.digest);
        if !known {
            status.notification = Some(Notification { digest: delivery.digest, received_at, workflow_run_id: Some(delivery.run) });
            object.version += 1;
            self.records.rung.insert(which);
        }
    }

    pub fn edit(&mut self, edit: Edit) {
        match edit {
            Edit::Name(name) => self.person = Some(name),
            Edit::SecretGone => self.person = None,
            Edit::CaptureSecretGone => self.secret = None,
            Edit::Token(taken) => {
                self.network.token_taken = taken;
                self.token_doubted = false;
            }
            Edit::ProviderGone(gone) => {
                if gone {
                    self.out_of_service = self.provider.take().or(self.out_of_service.take());
                } else {
                    self.provider = self.provider.take().or(self.out_of_service.take());
                }
            }
            Edit::ProviderSuspend(suspend) => self.provider.iter_mut().for_each(|provider| provider.suspend = suspend),
            Edit::Validity(seconds) => self.provider.iter_mut().for_each(|provider| set_validity(provider, seconds)),
            Edit::Feed(told) => self.feed_lost = (!told || self.schedule.scene.feedless).then(|| self.feed_lost.unwrap_or(self.wall())),
            Edit::Ledger(taken) => self.ledger_taken = taken,
            Edit::Erases(_)
            | Edit::Retention(..)
            | Edit::Tags
            | Edit::Submitted
            | Edit::Attempt
            | Edit::Cancelled
            | Edit::Suspend(_)
            | Edit::FreshToken
            | Edit::ReconcileNow => {
                if let Some(object) = &mut self.object {
                    edit_object(object, edit);
                }
            }
        }
    }

    /// Etcd is put back. The operators were stopped as long as a call of theirs could take effect, and the object is old enough to be
    /// looked for first.
    fn restore(&mut self) {
        let hidden = self.network.truths.values().any(|truth| truth.word == Word::AsAnothers);
        let Some(object) = self.snapshot.clone().filter(|_| !hidden) else { return };
        self.operators = [Operator::default(), Operator::default()];
        self.now += 120 - self.skew.min(0); // by the operators' clocks
        self.network.advance(self.now);
        self.records.restored += 1;
        self.object = Some(Object { version: 1_000_000 + object.version, ..object });
    }

    /// Notices are published.
    pub fn told(&mut self, notices: &[Notice]) {
        for notice in notices {
            self.trace(|| format!("  told: {:?}", notice.kind));
            self.records.orphans += usize::from(notice.kind == NoticeKind::PossibleOrphanApplicant);
        }
    }
}

fn set_validity(provider: &mut OnfidoProviderSpec, seconds: Option<i64>) {
    let validity = seconds.map(|seconds| json!({"duration": format!("{seconds}s")}));
    provider.validity = validity.and_then(|validity| serde_json::from_value(validity).ok());
}

/// As the rules of the API server let it be edited.
fn edit_object(object: &mut Object, edit: Edit) {
    let (phase, recorded) = (object.status.phase, object.status.attempt);
    let ambiguous = object.status.conditions.iter().any(|c| c.is_true(ConditionType::Stalled) && c.reason == "VendorAmbiguous");
    let over = matches!(phase, Phase::Approved | Phase::Declined | Phase::Abandoned | Phase::Failed | Phase::InReview) || ambiguous;
    if edit == Edit::ReconcileNow {
        (object.asked, object.version) = (Some(format!("token-{}", object.version)), object.version + 1);
    }
    object.edit(|spec| match edit {
        Edit::Tags => spec.tags.get_or_insert_default().push("more".into()),
        Edit::Submitted => spec.submitted_attempt = spec.attempt,
        Edit::Attempt if over && recorded == Some(spec.attempt) => spec.attempt += 1,
        Edit::Cancelled => spec.cancelled = true,
        Edit::Suspend(suspend) => spec.suspend = suspend,
        Edit::Erases(true) => spec.deletion_policy = DeletionPolicy::DeleteApplicant,
        Edit::Erases(false) => spec.deletion_policy = DeletionPolicy::Retain,
        Edit::Retention(redact, delete) => spec.retention = retention(redact, delete),
        Edit::FreshToken if spec.capture.mode == CaptureMode::SDK => spec.capture.token_generation += 1,
        _ => {}
    });
}
