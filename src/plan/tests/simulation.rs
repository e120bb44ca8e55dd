//! Whole lives: a small driver over a vendor in memory, with a crash after any step, answers lost, late and refused, passes repeated and
//! passes made from a stale view. Every combination is tried; nothing is left to chance. The real driver is tested elsewhere.

mod cancelled;
mod redacted;
mod refusals;
mod second;
mod stale;

use super::*;
use crate::api::{ConditionStatus, ConditionType, find_condition};

/// What becomes of one unrepeatable call.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Answered,
    /// Carried out, but the answer is lost.
    Lost,
    /// Never carried out, and no answer.
    Vanished,
    /// Carried out so many seconds after it was sent; no answer.
    Late(i64),
    Refused,
    /// Not carried out, and the vendor says why; it is no refusal of what was sent.
    Denied,
}

const FATES: [Fate; 6] = [Fate::Answered, Fate::Lost, Fate::Vanished, Fate::Late(40), Fate::Late(3000), Fate::Refused];

struct Crash;

/// What is durable, what the vendor has, and what one process remembers.
struct World {
    now: i64,
    version: u64,
    stored: Observed,
    vendor: Vec<WorkflowRun>,
    pending: Vec<(i64, WorkflowRun)>,
    people: second::People,
    applicants: usize,
    posts: usize,
    paid: Vec<String>,
    run_status: &'static str,
    nonces: usize,
    known: Option<(String, i64)>,
    last_look: Option<Timestamp>,
    submission_seen: Option<Timestamp>,
    steps: usize,
    crashes: Vec<usize>,
    fates: Vec<Fate>,
    writes: usize,
    orphans: usize,
    reported: usize,
}

impl World {
    fn new(crashes: &[usize], fates: &[Fate]) -> Self {
        Self {
            now: 0,
            version: 0,
            stored: fresh(),
            vendor: vec![],
            pending: vec![],
            people: second::People::default(),
            applicants: 0,
            posts: 0,
            paid: vec![],
            run_status: "awaiting_input",
            nonces: 0,
            known: None,
            last_look: None,
            submission_seen: None,
            steps: 0,
            crashes: crashes.to_vec(),
            fates: fates.to_vec(),
            writes: 0,
            orphans: 0,
            reported: 0,
        }
    }

    /// A place where the process may die.
    fn may_crash(&mut self) -> Result<(), Crash> {
        self.steps += 1;
        if self.crashes.contains(&self.steps) {
            (self.known, self.last_look, self.submission_seen, self.people.submission_of) = (None, None, None, 0);
            return Err(Crash);
        }
        Ok(())
    }

    fn nonce(&mut self) -> String {
        self.nonces += 1;
        format!("nonce-{}", self.nonces)
    }

    fn memory(&mut self, status: &IdentityVerificationStatus) -> Memory {
        let recorded = status.operation.as_ref().map(|operation| operation.nonce.clone());
        if self.known.as_ref().map(|(nonce, _)| nonce) != recorded.as_ref() {
            self.known = recorded.map(|nonce| (nonce, self.now));
        }
        let attempt = status.attempt.unwrap_or(self.stored.spec.attempt);
        if self.stored.spec.submitted_attempt >= attempt && status.submitted_at.is_none() && self.people.submission_of != attempt {
            (self.submission_seen, self.people.submission_of) = (Some(t(self.now)), attempt);
        }
        Memory {
            operation_known_for: self.known.as_ref().map(|(_, since)| secs((self.now - since) as u64)).unwrap_or_default(),
            last_look: self.last_look,
            submission_seen: self.submission_seen.filter(|_| self.people.submission_of == attempt),
            look_wanted: None,
            values_changed: false,
        }
    }

    fn view(&mut self) -> (u64, Observed) {
        let mut o = self.stored.clone();
        o.nonce = self.nonce();
        o.memory = self.memory(&o.status.clone());
        (self.version, o)
    }

    /// One pass: record, act, learn, until nothing is left to do. False if its view was stale.
    fn pass(&mut self, (mut version, mut o): (u64, Observed)) -> Result<Wake, Crash> {
        for _ in 0..12 {
            let plan = verification::plan(&o, t(self.now));
            lawful(&o, &plan);
            self.may_crash()?;
            if plan.status != o.status {
                let stored = self.stored.status.operation.as_ref().map(|operation| &operation.nonce);
                let holds = match &plan.fence {
                    Fence::Version => version == self.version,
                    Fence::Operation(nonce) => stored == Some(nonce),
                    Fence::Fields => o.status == self.stored.status && o.generation == self.stored.generation,
                };
                if !holds {
                    return Ok(Wake::Backoff);
                }
                self.stored.status = plan.status.clone();
                self.version += 1;
                version = self.version;
                self.writes += 1;
                self.may_crash()?;
            }
            self.orphans += plan.notices.iter().filter(|n| n.kind == NoticeKind::PossibleOrphanApplicant).count();
            self.reported += plan.notices.iter().filter(|n| n.kind == NoticeKind::ExtraRun).count();
            o.status = plan.status;
            o.memory = self.memory(&o.status.clone());
            let Some(effect) = plan.effect else { return Ok(plan.wake) };
            let outcome = self.perform(&effect);
            self.may_crash()?;
            if matches!(outcome, Ok(Receipt::RunRead(_))) {
                self.last_look = Some(t(self.now));
            }
            o.absorb(&effect, outcome);
            o.nonce = self.nonce();
        }
        panic!("a pass has no end");
    }

    fn commit_what_is_due(&mut self) {
        let (due, later) = self.pending.drain(..).partition(|(at, _)| *at <= self.now);
        self.pending = later;
        for (at, mut run) in Vec::<(i64, WorkflowRun)>::from_iter(due) {
            run.created_at = Some(t(at));
            self.vendor.push(run);
        }
        self.people.move_on(self.now);
    }

    fn perform(&mut self, effect: &Effect) -> Result<Receipt, Failure> {
        self.commit_what_is_due();
        match effect {
            Effect::ReadAttributes { .. } => Ok(Receipt::Attributes(self.people.values())),
            Effect::ReadCustomData => Ok(Receipt::CustomData(Default::default())),
            Effect::CreateSdkToken { .. } => Ok(Receipt::SdkTokenCreated(fresh_token(self.now))),
            Effect::WriteCaptureSecret { .. } => Ok(Receipt::CaptureSecretWritten("capture".into())),
            Effect::EmptyCaptureSecret => Ok(Receipt::CaptureSecretEmptied),
            Effect::RemoveCaptureSecret => Ok(Receipt::CaptureSecretRemoved),
            Effect::DeleteObject => Ok(Receipt::ObjectDeleted),
            Effect::LookForRun { tag, .. } => {
                let runs = self.vendor.iter().filter(|run| run.tags.contains(tag)).map(|run| self.as_it_is(run)).collect();
                Ok(Receipt::Looked(Looked { applicant_known: true, runs }))
            }
            Effect::ReadRun { run, .. } => {
                let found = self.vendor.iter().find(|other| other.id == *run).expect("a recorded run exists");
                Ok(Receipt::RunRead(Box::new(self.as_it_is(found))))
            }
            Effect::EraseApplicant { id, .. } => {
                self.people.erase(id.as_str());
                Ok(Receipt::ApplicantErased(id.clone()))
            }
            Effect::HoldDeletion | Effect::ReleaseDeletion { .. } | Effect::OweErasure { .. } => unreachable!("nothing is deleted here"),
            Effect::UpdateApplicant { nonce, id, applicant } => {
                let fate = self.post(nonce);
                self.people.change(self.now, id.as_str(), applicant, fate, self.vendor.iter());
                match fate {
                    Fate::Refused => Ok(Receipt::ApplicantUpdated(false)),
                    fate => answer(fate, Receipt::ApplicantUpdated(true)),
                }
            }
            Effect::CreateApplicant { nonce, applicant } => {
                let fate = self.post(nonce);
                if matches!(fate, Fate::Answered | Fate::Lost | Fate::Late(_)) {
                    self.applicants += 1;
                }
                let id = format!("applicant-{}", self.applicants);
                self.people.create(&id, applicant);
                answer(fate, Receipt::ApplicantCreated(serde_json::from_value(json!({"id": id})).unwrap()))
            }
            Effect::StartRun { nonce, run: new } => {
                let fate = self.post(nonce);
                assert!(self.stored.status.applicant_id.is_some());
                let id = format!("run-{}", self.posts);
                let more =
                    json!({"id": id, "applicant_id": new.applicant_id.as_str(), "tags": new.tags, "created_at": t(self.now).to_string()});
                let run = run(self.run_status, more);
                match fate {
                    Fate::Answered | Fate::Lost => self.vendor.push(run.clone()),
                    Fate::Late(seconds) => self.pending.push((self.now + seconds, run.clone())),
                    Fate::Vanished | Fate::Refused | Fate::Denied => {}
                }
                answer(fate, Receipt::RunStarted(Box::new(run)))
            }
        }
    }

    /// An unrepeatable call: its intent is durable, and no nonce is ever used twice.
    fn post(&mut self, nonce: &str) -> Fate {
        let stored = self.stored.status.operation.as_ref().expect("the intent is durable before the act");
        assert_eq!(stored.nonce, nonce);
        assert!(!self.paid.contains(&nonce.to_owned()), "one nonce, one call");
        self.paid.push(nonce.to_owned());
        let fate = self.fates.get(self.posts).copied().unwrap_or(Fate::Answered);
        self.posts += 1;
        fate
    }

    fn as_it_is(&self, run: &WorkflowRun) -> WorkflowRun {
        let status = self.people.ended.get(run.id.as_str()).map_or(self.run_status, |(status, _)| status);
        WorkflowRun { status: status.into(), ..run.clone() }
    }

    /// Passes until nothing more is due, each made `often`, with the clock moved on to the next wake.
    fn settle(&mut self, often: usize) {
        for _ in 0..400 {
            let (before, mut wake) = (self.writes, None);
            for _ in 0..often {
                let view = self.view();
                wake = self.pass(view).ok();
            }
            match wake {
                // Restarted, or in trouble: a while passes.
                None | Some(Wake::Backoff) => self.now += 10,
                Some(Wake::At(moment)) => {
                    let waits = self.stored.status.workflow_run_id.is_some() && self.writes == before && moment > t(self.now);
                    if waits {
                        return;
                    }
                    self.now = self.now.max(moment.duration_since(t(0)).as_secs());
                }
                Some(Wake::OnChange) => return,
            }
        }
        panic!("no end is reached");
    }

    /// A whole life: the token, the capture, a finalize, a delivery, the verdict.
    fn live(&mut self, often: usize) {
        self.live_to(often, "approved");
    }

    /// The same with this outcome.
    fn live_to(&mut self, often: usize, outcome: &'static str) {
        self.settle(often);
        assert!(self.stored.status.workflow_run_id.is_some(), "the run exists and is recorded: {:?}", self.stored.status.operation);
        assert!(self.stored.status.capture.is_some());
        self.run_status = "processing";
        (self.stored.spec.submitted_attempt, self.stored.generation) = (1, 2);
        self.settle(often);
        self.now += 3;
        self.settle(often);
        self.run_status = outcome;
        self.people.end(outcome, self.vendor.iter());
        self.stored.status.notification = notification("d1");
        self.version += 1;
        self.settle(often);
        self.now += 5;
        self.settle(often);
    }

    /// The verdict is reached, everything is acknowledged, and from now on nothing is done.
    fn assert_converged(&mut self, name: &str) {
        let status = self.stored.status.clone();
        let verified = find_condition(&status.conditions, ConditionType::Verified).unwrap();
        assert_eq!((verified.status, verified.observed_generation), (ConditionStatus::True, Some(2)), "{name}");
        assert_eq!((status.observed_generation, status.operation.is_none()), (Some(2), true), "{name}");
        assert_eq!(status.answered_notifications, ["d1"], "{name}");
        let (writes, posts) = (self.writes, self.posts);
        for later in [0, 60, 86_400] {
            self.now += later;
            let (_, o) = self.view();
            let plan = verification::plan(&o, t(self.now));
            assert!(plan.effect.is_none() && plan.status == o.status && plan.notices.is_empty(), "{name}");
            assert_eq!(plan.wake, Wake::OnChange, "{name}");
        }
        self.settle(2);
        assert_eq!((self.writes, self.posts), (writes, posts), "{name}");
    }
}

fn answer(fate: Fate, receipt: Receipt) -> Result<Receipt, Failure> {
    match fate {
        Fate::Answered => Ok(receipt),
        Fate::Lost | Fate::Vanished | Fate::Late(_) => Err(Failure::Ambiguous),
        Fate::Refused => Err(Failure::RequestRefused { fields: vec![] }),
        Fate::Denied => Err(Failure::Unauthorized),
    }
}

/// How many steps a life without faults has.
fn steps_of_a_life() -> usize {
    let mut world = World::new(&[], &[]);
    world.live(1);
    world.steps
}

#[test]
fn a_life_without_faults_costs_what_it_must() {
    let mut world = World::new(&[], &[]);
    world.live(1);
    world.assert_converged("no faults");
    assert_eq!((world.applicants, world.vendor.len(), world.posts), (1, 1, 2));
    // Intent, applicant and intent, run, what the finalize found, the verdict; the Secret and the wake-up are not the plan's.
    assert_eq!(world.writes, 5);
    assert_eq!((world.orphans, world.reported), (0, 0));
}

#[test]
fn a_crash_after_any_two_steps_leaves_one_run_and_a_verdict() {
    let steps = steps_of_a_life();
    assert!(steps > 20, "{steps}");
    for first in 0..=steps {
        for second in first..=steps + 12 {
            let mut world = World::new(&[first, second], &[]);
            world.live(1);
            let name = format!("crashes after {first} and {second}");
            world.assert_converged(&name);
            assert_eq!(world.vendor.len(), 1, "{name}");
            assert!(world.applicants <= 1 + world.orphans, "{name}: an orphan is reported");
        }
    }
}

#[test]
fn whatever_becomes_of_the_first_four_calls_there_is_one_run_but_for_late_ones() {
    let steps = steps_of_a_life() + 20;
    let mut fates = vec![];
    for a in FATES {
        for b in FATES {
            for c in FATES {
                fates.push([a, b, c]);
            }
        }
    }
    for fates in fates {
        for crash in (0..=steps).step_by(3) {
            let mut world = World::new(&[crash], &fates);
            world.live(1 + crash % 2);
            let name = format!("{fates:?}, a crash after {crash}");
            world.assert_converged(&name);
            let late = fates.iter().filter(|fate| matches!(fate, Fate::Late(3000))).count();
            assert!((1..=1 + late).contains(&world.vendor.len()), "{name}: {} runs", world.vendor.len());
            assert!(world.posts <= 9, "{name}: {} calls", world.posts);
        }
    }
}

#[test]
fn a_late_run_that_is_there_when_a_later_try_succeeds_is_found_and_reported() {
    // The applicant, then a run that is carried out only while the next try is made.
    let mut world = World::new(&[], &[Fate::Answered, Fate::Late(379)]);
    world.live(1);
    world.assert_converged("late");
    assert_eq!((world.vendor.len(), world.reported), (1, 0), "seen before the second try: adopted");
    let mut world = World::new(&[], &[Fate::Answered, Fate::Late(381), Fate::Lost]);
    world.live(1);
    world.assert_converged("late and lost");
    assert_eq!((world.vendor.len(), world.reported), (2, 1));
}
