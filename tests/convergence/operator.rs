//! An operator: the loop of `controller/drive.rs` taken apart into single steps, what it remembers (`controller/memory.rs`). A pass can be stopped before any step, and the process can die there.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    time::Duration,
};

use jiff::Timestamp;
use onfido_operator::{
    api::{Environment, IdentityVerificationStatus},
    onfido::model::EndedRun,
    plan::{Effect, Facts, Failure, Following, Memory, Observed, Provider, Receipt, VerificationPlan, Wake, Wanted, feed::is_news},
};

use super::{
    api_server::{Object, Persisted},
    oracle::{Heard, Violation},
    schedule::Patch,
    world::World,
};

/// As `controller/drive.rs` has it.
const TURNS: usize = 12;

/// One process.
#[derive(Default)]
pub struct Operator {
    operation: Option<(String, i64)>,
    last_look: Option<Timestamp>,
    submission_seen: Option<(i32, Timestamp)>,
    /// Who asked for a look, and when by the count of all that happens.
    look_wanted: Option<(Wanted, usize)>,
    told: Option<EndedRun>,
    /// From when on its feed has told it of everything, and what it has told.
    since: Option<Timestamp>,
    pub fed: BTreeSet<String>,
    /// What it saw when its last pass began.
    seen: Option<Rc<Object>>,
    pub pass: Option<Pass>,
    /// What its last pass said, if it came to its end.
    pub wake: Option<Wake>,
}

/// A pass under way.
pub struct Pass {
    /// Of the object as it was seen; the version and the finalizer follow this pass's own writes.
    pub version: u64,
    generation: i64,
    pub finalizer: bool,
    /// By the count of all that happens.
    start: usize,
    pub observed: Observed,
    stage: Stage,
    turns: usize,
    /// When the turn began: by the clock that nobody sets, and by the other.
    pub began: (i64, i64),
    pub read: Read,
}

/// What a pass has learned of the world, as the oracle wants it.
#[derive(Clone, Debug, Default)]
pub struct Read {
    /// The first name in the Secret.
    pub name: Option<Option<usize>>,
    /// The runs that a search found.
    pub looked: Option<Vec<String>>,
    pub heard: Option<Heard>,
    /// Whether each run with this tag had ended.
    pub ended: BTreeMap<String, bool>,
    /// The capture Secret was removed.
    pub removed: bool,
}

enum Stage {
    Plan,
    Record(Box<VerificationPlan>),
    Act(Box<Effect>),
    Learn(Box<Effect>, Box<Result<Receipt, Failure>>),
}

impl Operator {
    /// What is in memory is gone; what its watch may still show to a new process is not.
    pub fn dies(&mut self) {
        *self = Self { seen: self.seen.take(), ..Self::default() };
    }

    /// As `OfVerification::want` of `controller/memory.rs`.
    pub fn want(&mut self, wanted: Wanted, told: Option<EndedRun>, moment: usize) {
        let wanted = if matches!(self.look_wanted, Some((Wanted::Feed, _))) { Wanted::Feed } else { wanted };
        self.look_wanted = Some((wanted, moment));
        self.told = told.or(self.told.take());
    }

    /// As `OfVerification::note` of `controller/memory.rs`.
    fn note(&mut self, status: &IdentityVerificationStatus, submitted: Option<i32>, mono: i64, now: Timestamp) -> Memory {
        if self.told.take_if(|told| !is_news(status, told)).is_some() {
            self.look_wanted = self.look_wanted.filter(|(wanted, _)| *wanted != Wanted::Feed);
        }
        let recorded = status.operation.as_ref().map(|operation| &operation.nonce);
        if self.operation.as_ref().map(|(nonce, _)| nonce) != recorded {
            self.operation = recorded.map(|nonce| (nonce.clone(), mono));
        }
        if let Some(attempt) = submitted.filter(|attempt| self.submission_seen.is_none_or(|(seen, _)| seen != *attempt)) {
            self.submission_seen = Some((attempt, now));
        }
        Memory {
            values_changed: false, // nobody watches Secrets here
            operation_known_for: self.operation.as_ref().map(|(_, since)| seconds(mono - since)).unwrap_or_default(),
            last_look: self.last_look,
            submission_seen: self
                .submission_seen
                .filter(|(seen, _)| status.attempt.is_none_or(|attempt| attempt == *seen))
                .map(|(_, at)| at),
            look_wanted: self.look_wanted.map(|(wanted, _)| wanted),
        }
    }
}

fn seconds(seconds: i64) -> Duration {
    Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
}

impl World {
    /// Begins a pass from this view, as `controller/observe.rs`.
    fn begin(&mut self, op: usize, view: Rc<Object>) {
        let now = self.wall();
        let following = match self.feed_lost {
            Some(lost) => Following::Lost(lost.min(now)),
            None => {
                let first = now - self.timing.feed_first;
                Following::Since(*self.operators[op].since.get_or_insert(first))
            }
        };
        let status = &view.status;
        let attempt = status.attempt.unwrap_or(view.spec.attempt);
        let submitted = view.spec.submitted_attempt >= attempt && status.submitted_at.is_none();
        let begun = status.operation.is_some() || status.applicant_id.is_some() || status.workflow_run_id.is_some();
        let old = now.duration_since(view.created_at).as_secs() >= 3;
        let mono = self.now;
        let memory = self.operators[op].note(status, submitted.then_some(attempt), mono, now);
        let observed = Observed {
            namespace: "shop".into(),
            generation: view.generation,
            created_at: view.created_at,
            deleting: view.deleting,
            finalizer: view.finalizer,
            asked: view.asked.clone(),
            spec: view.spec.clone(),
            status: view.status.clone(),
            provider: match &self.provider {
                None => Provider::Missing,
                Some(spec) => Provider::Found {
                    spec: spec.clone(),
                    allowed: true,
                    // Its own pass notices a refused token when a call meets it, and that it is taken again.
                    ready: if self.token_doubted && !self.network.token_taken { Err("Unauthorized".into()) } else { Ok(()) },
                    environment: Environment::Sandbox,
                },
            },
            key: self.key,
            key_held_by: None,
            key_settled: view.spec.idempotency_key.is_none() || begun || old,
            nonce: self.nonce(),
            jitter: 0.3,
            following: if self.provider.is_some() { following } else { Following::Lost(Timestamp::MIN) },
            memory,
            facts: Facts::default(),
            timing: self.timing.clone(),
        };
        let began = (self.now, self.now + self.skew);
        let pass = Pass {
            version: view.version,
            generation: view.generation,
            finalizer: view.finalizer,
            start: self.moment(),
            observed,
            stage: Stage::Plan,
            turns: 0,
            began,
            read: Read::default(),
        };
        let operator = &mut self.operators[op];
        (operator.seen, operator.pass, operator.wake) = (Some(view), Some(pass), None);
    }

    /// A whole pass, or the rest of the one under way.
    pub fn pass(&mut self, op: usize) -> Result<(), Violation> {
        self.some(op, u32::MAX)
    }

    /// So many steps; begins a pass if none is under way.
    pub fn some(&mut self, op: usize, steps: u32) -> Result<(), Violation> {
        if self.operators[op].pass.is_none() {
            let Some(object) = self.object.clone() else { return Ok(()) };
            if object.deleting.is_some() && !object.finalizer {
                return Ok(()); // as `controller/verification.rs`: it is not us who hold it up
            }
            self.begin(op, Rc::new(object));
        }
        for _ in 0..steps {
            self.one(op)?;
            if self.operators[op].pass.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// A whole pass from what the operator saw when it made its last.
    pub fn stale(&mut self, op: usize) -> Result<(), Violation> {
        let Some(view) = self.operators[op].seen.clone().filter(|_| self.operators[op].pass.is_none()) else { return Ok(()) };
        self.begin(op, view);
        self.pass(op)
    }

    /// One step of the pass under way.
    fn one(&mut self, op: usize) -> Result<(), Violation> {
        let Some(mut pass) = self.operators[op].pass.take() else { return Ok(()) };
        let wake = match std::mem::replace(&mut pass.stage, Stage::Plan) {
            Stage::Plan if pass.turns == TURNS => Some(Wake::Backoff),
            Stage::Plan => {
                pass.turns += 1;
                pass.began = (self.now, self.now + self.skew);
                let plan = (self.plan)(&pass.observed, self.wall());
                match plan.effect.as_ref().filter(|effect| self.is_refused(effect)) {
                    Some(effect) => pass.observed.forgo(effect, Failure::Unauthorized),
                    None => {
                        self.planned(&pass, &plan)?;
                        pass.stage = Stage::Record(Box::new(plan));
                    }
                }
                None
            }
            Stage::Record(plan) => self.record(op, &mut pass, *plan)?,
            Stage::Act(effect) => {
                match self.perform(&mut pass, &effect)? {
                    Some(outcome) => {
                        pass.stage = Stage::Learn(effect, Box::new(outcome));
                        None
                    }
                    None => Some(Wake::Backoff), // trouble with the API server
                }
            }
            Stage::Learn(effect, outcome) => {
                pass.observed.absorb(&effect, *outcome);
                pass.observed.nonce = self.nonce();
                None
            }
        };
        match wake {
            Some(wake) => self.ended(op, wake),
            None => self.operators[op].pass = Some(pass),
        }
        Ok(())
    }

    /// As `Calls::reserve` of `controller/drive.rs`: while the vendor does not take the token, nobody is called.
    fn is_refused(&self, effect: &Effect) -> bool {
        let starts = matches!(effect, Effect::CreateApplicant { .. } | Effect::UpdateApplicant { .. } | Effect::StartRun { .. });
        let reads = matches!(effect, Effect::LookForRun { .. } | Effect::CreateSdkToken { .. } | Effect::ReadRun { .. });
        (starts || reads) && self.provider.is_some() && self.token_doubted && !self.network.token_taken
    }

    fn ended(&mut self, op: usize, wake: Wake) {
        self.operators[op].wake = Some(wake);
        self.trace(|| format!("  operator {op}: {wake:?}"));
    }

    /// Records what is planned; some wake if that is the end of the pass.
    fn record(&mut self, op: usize, pass: &mut Pass, plan: VerificationPlan) -> Result<Option<Wake>, Violation> {
        let trouble = self.patches.pop_front();
        let Some(object) = &mut self.object else { return Ok(Some(Wake::Backoff)) };
        let before = object.status.clone();
        let seen = (pass.version, pass.generation);
        // What a paid call rests on or has brought is tried again for minutes, so that only an unanswered write shows.
        let lasting = matches!(plan.fence, onfido_operator::plan::Fence::Operation(_));
        if trouble == Some(Patch::Failed) && !lasting {
            return Ok(Some(Wake::Backoff));
        }
        let mut before = before;
        if trouble == Some(Patch::Unanswered) {
            let done = object.persist(seen, &pass.observed.status, &plan.status, &plan.fence);
            if matches!(done, Persisted::Written(_)) {
                self.written(op, pass, &before, &plan)?;
            }
            let Some(object) = self.object.as_mut().filter(|_| lasting) else { return Ok(Some(Wake::Backoff)) };
            before = object.status.clone();
        }
        let Some(object) = &mut self.object else { return Ok(Some(Wake::Backoff)) };
        match object.persist(seen, &pass.observed.status, &plan.status, &plan.fence) {
            Persisted::Stale => {
                self.trace(|| format!("  operator {op}: stale"));
                return Ok(Some(Wake::Backoff));
            }
            Persisted::Unchanged => {}
            Persisted::Written(version) => {
                self.written(op, pass, &before, &plan)?;
                pass.version = version;
            }
        }
        self.told(&plan.notices);
        pass.observed.status = plan.status;
        pass.observed.memory = self.operators[op].note(&pass.observed.status, None, self.now, self.wall());
        let Some(effect) = plan.effect else {
            if matches!(pass.observed.facts.run, Some(Ok(_))) {
                self.operators[op].last_look = Some(self.wall());
            }
            if pass.observed.still_wanted().is_none() {
                let operator = &mut self.operators[op];
                operator.look_wanted = operator.look_wanted.filter(|(_, at)| *at > pass.start);
            }
            return Ok(Some(plan.wake));
        };
        self.trace(|| format!("  operator {op}: {}", effect.name()));
        pass.stage = Stage::Act(Box::new(effect));
        Ok(None)
    }
}
