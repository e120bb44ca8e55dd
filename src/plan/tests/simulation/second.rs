//! Lives with a second attempt. The vendor judges a run by what its applicant holds when the run ends: so it shows when a value moves under
//! a run, or is believed to be held and is not.

use std::collections::BTreeMap;

use super::*;
use crate::onfido::model::{NewApplicant, RunStatus};

/// What the applicants hold, and what each run that ended was judged by: a first name stands for all of it.
#[derive(Default)]
pub(super) struct People {
    held: BTreeMap<String, String>,
    late: Vec<(i64, String, String)>,
    /// Those whose erasure was asked for, as often as it was.
    pub(super) erased: Vec<String>,
    pub(super) ended: BTreeMap<String, (&'static str, String)>,
    edited: bool,
    pub(super) submission_of: i32,
}

fn name(applicant: &NewApplicant) -> String {
    serde_json::to_value(applicant).unwrap()["first_name"].as_str().unwrap().to_owned()
}

impl People {
    /// The values as they are in the Secret.
    pub(super) fn values(&self) -> Attributes {
        if self.edited { edited() } else { person() }
    }

    pub(super) fn create(&mut self, id: &str, applicant: &NewApplicant) {
        self.held.insert(id.into(), name(applicant));
    }

    /// Never while a run of the applicant is open.
    pub(super) fn change<'a>(
        &mut self,
        now: i64,
        id: &str,
        applicant: &NewApplicant,
        fate: Fate,
        mut runs: impl Iterator<Item = &'a WorkflowRun>,
    ) {
        assert!(self.held.contains_key(id));
        assert!(!runs.any(|run| run.applicant_id.as_str() == id && !self.ended.contains_key(run.id.as_str())), "a run is open");
        match fate {
            Fate::Answered | Fate::Lost => drop(self.held.insert(id.into(), name(applicant))),
            Fate::Late(seconds) => self.late.push((now + seconds, id.into(), name(applicant))),
            Fate::Vanished | Fate::Refused | Fate::Denied => {}
        }
    }

    /// It holds nothing any more, and can be changed by nobody.
    pub(super) fn erase(&mut self, id: &str) {
        self.held.remove(id);
        self.erased.push(id.into());
    }

    /// What was sent and is carried out late.
    pub(super) fn move_on(&mut self, now: i64) {
        let (due, later) = self.late.drain(..).partition(|(at, _, _)| *at <= now);
        self.late = later;
        self.held.extend(Vec::<(i64, String, String)>::from_iter(due).into_iter().map(|(_, id, name)| (id, name)));
    }

    /// Every run there is ends now.
    pub(super) fn end<'a>(&mut self, outcome: &'static str, runs: impl Iterator<Item = &'a WorkflowRun>) {
        for run in runs {
            let by = self.held.get(run.applicant_id.as_str()).cloned().unwrap_or_default();
            self.ended.entry(run.id.as_str().to_owned()).or_insert((outcome, by));
        }
    }
}

impl World {
    /// Another attempt, with other values if `edited`, up to its verdict.
    pub(super) fn live_again(&mut self, often: usize, edited: bool) {
        let generation = self.stored.generation;
        (self.run_status, self.people.edited) = ("awaiting_input", edited);
        (self.stored.spec.attempt, self.stored.generation) = (2, generation + 1);
        self.version += 1;
        self.settle(often);
        let status = &self.stored.status;
        assert_eq!(status.attempt, Some(2), "it begins");
        assert!(status.workflow_run_id.is_some(), "the run exists and is recorded: {:?}", status.operation);
        assert!(status.capture.is_some());
        self.run_status = "processing";
        (self.stored.spec.submitted_attempt, self.stored.generation) = (2, generation + 2);
        self.version += 1;
        self.settle(often);
        self.now += 3;
        self.settle(often);
        self.run_status = "approved";
        self.commit_what_is_due();
        self.people.end("approved", self.vendor.iter());
        self.stored.status.notification = notification("d2");
        self.version += 1;
        self.settle(often);
        self.now += 5;
        self.settle(often);
    }

    /// The verdict of the second attempt is the truth, everything is acknowledged, and nothing more is done. Its runs.
    pub(super) fn assert_verified_again(&mut self, name: &str) -> usize {
        let status = self.stored.status.clone();
        let verified = find_condition(&status.conditions, ConditionType::Verified).unwrap();
        assert_eq!((verified.status, verified.observed_generation), (ConditionStatus::True, Some(self.stored.generation)), "{name}");
        assert_eq!((status.observed_generation, status.operation.is_none()), (Some(self.stored.generation), true), "{name}");
        let [past] = &status.attempts[..] else { panic!("{name}: {:?}", status.attempts) };
        assert_eq!((past.number, past.reason.as_str()), (1, "Declined"), "{name}");
        let run = status.workflow_run_id.as_deref().unwrap();
        let (_, by) = &self.people.ended[run];
        let wanted = if self.people.edited { "Somebody Else" } else { "Nobody" };
        assert_eq!(by, wanted, "{name}: verified, but by other values");
        let applicant = &self.vendor.iter().find(|other| other.id.as_str() == run).unwrap().applicant_id;
        assert_eq!(status.applicant_id.as_deref(), Some(applicant.as_str()), "{name}");
        let (writes, posts) = (self.writes, self.posts);
        for later in [0, 60, 86_400] {
            self.now += later;
            let (_, o) = self.view();
            let plan = verification::plan(&o, t(self.now));
            assert!(plan.effect.is_none() && plan.status == o.status && plan.wake == Wake::OnChange, "{name}");
        }
        self.settle(2);
        assert_eq!((self.writes, self.posts), (writes, posts), "{name}");
        let second = |run: &&WorkflowRun| run.tags.iter().any(|tag| tag.ends_with(".2"));
        assert!(self.vendor.iter().all(|run| matches!(run.status, RunStatus::AwaitingInput | RunStatus::Processing)));
        self.vendor.iter().filter(second).count()
    }
}

/// After a first attempt without faults that was declined.
pub(super) fn declined(crashes: &[usize], fates: &[Fate]) -> (World, usize) {
    let fates: Vec<Fate> = [Fate::Answered; 2].iter().chain(fates).copied().collect();
    let mut world = World::new(&[], &fates);
    world.live_to(1, "declined");
    world.crashes = crashes.iter().map(|step| step + world.steps).collect();
    let steps = world.steps;
    (world, steps)
}

fn steps_of_a_second_attempt(edited: bool) -> usize {
    let (mut world, before) = declined(&[], &[]);
    world.live_again(1, edited);
    world.steps - before
}

#[test]
fn a_second_attempt_without_faults_costs_what_it_must() {
    for edited in [false, true] {
        let (mut world, _) = declined(&[], &[]);
        let before = world.writes;
        world.live_again(1, edited);
        assert_eq!(world.assert_verified_again("no faults"), 1);
        // The intent to send the data, that of the run, the run, what the finalize found, the verdict.
        assert_eq!((world.posts, world.writes - before, world.applicants), (4, 5, 1));
    }
}

#[test]
fn a_crash_after_any_two_steps_leaves_one_run_of_the_second_attempt() {
    for edited in [false, true] {
        let steps = steps_of_a_second_attempt(edited);
        assert!(steps > 18, "{steps}");
        for first in 0..=steps {
            // With nothing changed it is no shorter: one crash will do.
            let last = if edited { steps + 8 } else { first };
            for second in first..=last {
                let name = format!("crashes after {first} and {second}, edited {edited}");
                let (mut world, _) = declined(&[first, second], &[]);
                world.live_again(1, edited);
                assert_eq!((world.assert_verified_again(&name), world.applicants), (1, 1), "{name}");
            }
        }
    }
}

#[test]
fn whatever_becomes_of_its_calls_it_is_judged_by_what_was_sent() {
    // A change carried out an hour late is beyond what anybody can promise: it is waited for as long as the vendor may still work on it.
    let put = [Fate::Answered, Fate::Lost, Fate::Vanished, Fate::Late(40), Fate::Refused, Fate::Denied];
    let (steps, mut scenes) = (steps_of_a_second_attempt(true) + 10, 0);
    for a in put {
        for b in put {
            for c in put {
                let fates = [a, b, c];
                scenes += 1;
                for crash in (scenes % 7..=steps).step_by(7) {
                    let name = format!("{fates:?}, a crash after {crash}");
                    let (mut world, _) = declined(&[crash], &fates);
                    world.live_again(1 + crash % 2, true);
                    assert_eq!(world.assert_verified_again(&name), 1, "{name}");
                    assert!(world.posts <= 12, "{name}: {} calls", world.posts);
                    let former = world.stored.status.former_applicant_ids.len();
                    assert!(world.applicants <= 1 + former + world.orphans, "{name}: {} applicants", world.applicants);
                }
            }
        }
    }
}

#[test]
fn a_change_that_a_restored_etcd_has_forgotten_is_not_what_a_verdict_rests_on() {
    let (mut world, _) = declined(&[], &[Fate::Answered, Fate::Denied]);
    let snapshot = world.stored.clone();
    (world.stored.spec.attempt, world.stored.generation, world.people.edited) = (2, 3, true);
    world.version += 1;
    let view = world.view();
    let _ = world.pass(view);
    assert_eq!(world.people.held["applicant-1"], "Somebody Else", "taken, and the run refused");
    (world.stored, world.version, world.fates) = (snapshot, world.version + 1, vec![]);
    world.live_again(1, false);
    assert_eq!(world.assert_verified_again("restored"), 1);
}

#[test]
fn a_pass_from_a_stale_view_begins_nothing_twice() {
    for lag in 1..10 {
        let (mut world, _) = declined(&[], &[]);
        let first = world.view();
        (world.stored.spec.attempt, world.stored.generation, world.run_status, world.people.edited) = (2, 3, "awaiting_input", true);
        world.version += 1;
        let mut views = vec![first];
        for _ in 0..30 {
            let view = world.view();
            views.push(view.clone());
            let wake = world.pass(view).ok();
            if let Some(stale) = views.len().checked_sub(lag + 1).map(|at| views[at].clone()) {
                let _ = world.pass(stale);
            }
            world.now += match wake {
                Some(Wake::At(moment)) => moment.duration_since(t(world.now)).as_secs().clamp(1, 100),
                _ => 10,
            };
        }
        assert_eq!((world.posts, world.vendor.len(), world.applicants), (4, 2, 1), "lag {lag}");
        assert_eq!(world.stored.status.attempt, Some(2));
    }
}
