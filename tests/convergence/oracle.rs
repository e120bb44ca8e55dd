//! What must hold, judged by what the vendor knows and by what was said in the design of Verified; never by the plan's own reasoning.
//! The five properties: one run per key but for late ones, which are reported; no recorded outcome changes silently; a truthful fixed
//! point at which nothing is written; deletion ends; nothing personal or secret shows.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use onfido_operator::{
    api::{Condition, ConditionStatus, ConditionType, DeletionPolicy, IdentityVerificationStatus, Phase, find_condition},
    onfido::model::WorkflowRun,
    plan::{Effect, NoticeKind, Provider, VerificationPlan, redaction},
};

use super::{
    endings::{applicants, is_bare},
    operator::Pass,
    schedule::Word,
    world::{BORN, CANARIES, LAST_NAME, NAMES, World, t},
};

/// From the call of a run until an absence can be believed: what arrives later may be one too many. The deadline of the call is thirty
/// seconds after its intent, from which eighty are waited out, and then five minutes pass between the first look and the last.
const PATIENCE: i64 = 80 - 30 + 300;
/// The same where somebody sets the clocks: the five minutes are by the wall, the rest is not.
const PATIENCE_OF_A_SET_CLOCK: i64 = 80 - 30;

/// What does not hold.
#[derive(Clone, Debug)]
pub struct Violation(pub String);

impl Violation {
    pub fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

pub fn hold(holds: bool, what: impl FnOnce() -> String) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(Violation(what())) }
}

/// What the oracle keeps of a life.
#[derive(Debug, Default)]
pub struct Records {
    pub clock_was_set: bool,
    /// The deliveries that were stored.
    pub rung: BTreeSet<usize>,
    pub orphans: usize,
    /// The applicants that the log names as not erased.
    pub lost: BTreeSet<String>,
    /// Runs that a read has shown to be approved, with the first name that was compared.
    approved: BTreeMap<String, usize>,
    /// Runs that were shown to have ended otherwise than well, or to be worse after they had: a verdict on them never becomes better.
    worse: BTreeSet<String>,
    /// For how long a verdict of this run is valid, as it was when its attempt began.
    validity: BTreeMap<i32, Option<i64>>,
    pub restored: usize,
    pub writes: usize,
    /// From which phase to which.
    pub transitions: HashSet<(Phase, Phase)>,
    /// Every canary is looked for in every write. It takes its time: not in all lives.
    pub searches: bool,
    /// Of the calls that must not be repeated.
    pub nonces: BTreeSet<String>,
}

/// What a read of a run has shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Heard {
    run: String,
    approved: bool,
    ours: bool,
}

fn verified(status: &IdentityVerificationStatus) -> Option<&Condition> {
    find_condition(&status.conditions, ConditionType::Verified)
}

fn is_verified(status: &IdentityVerificationStatus) -> bool {
    verified(status).is_some_and(|condition| condition.status == ConditionStatus::True)
}

/// The run that a verdict rests on.
fn run_of_the_verdict(status: &IdentityVerificationStatus) -> Option<(i32, &String)> {
    match &status.standing_verdict {
        Some(standing) => Some((standing.attempt, &standing.workflow_run_id)),
        None if status.phase.is_final() => Some((status.attempt?, status.workflow_run_id.as_ref()?)),
        None => None,
    }
}

impl World {
    /// A read of a run was answered.
    pub fn heard(&mut self, run: &WorkflowRun) -> Option<Heard> {
        let id = run.id.as_str().to_owned();
        let truth = self.network.truths.get(&id)?;
        let (approved, ours) = (truth.word == Word::Approved && truth.name == 0, truth.word != Word::AsAnothers);
        let ended = truth.word.is_last();
        if approved {
            self.records.approved.insert(id.clone(), truth.name);
        } else if ours && (ended || self.records.approved.contains_key(&id)) {
            self.records.worse.insert(id.clone());
        }
        Some(Heard { run: id, approved, ours })
    }

    /// What holds for every plan.
    pub fn planned(&mut self, pass: &Pass, plan: &VerificationPlan) -> Result<(), Violation> {
        let after = &plan.status;
        if let Some(effect) = plan.effect.as_ref().filter(|effect| effect.is_unrepeatable()) {
            hold(!pass.observed.spec.cancelled, || format!("{} though cancelled", effect.name()))?;
            hold(pass.observed.deleting.is_none(), || format!("{} for an object that is being deleted", effect.name()))?;
            let held = pass.observed.finalizer || pass.observed.spec.deletion_policy == DeletionPolicy::Retain;
            hold(held, || format!("{} though nothing holds a deletion", effect.name()))?;
            hold(!pass.observed.spec.suspend, || format!("{} though suspended", effect.name()))?;
            let nonce = after.operation.as_ref().map(|operation| operation.nonce.clone());
            hold(nonce.as_ref() == Some(&pass.observed.nonce), || format!("{} without an intent of its own", effect.name()))?;
        }
        if is_verified(after) && plan.effect.is_none() {
            return self.is_in_time(after);
        }
        Ok(())
    }

    /// A verdict ends when its validity is over.
    fn is_in_time(&self, after: &IdentityVerificationStatus) -> Result<(), Violation> {
        let Some((attempt, run)) = run_of_the_verdict(after) else { return Err(Violation::new("verified by nothing")) };
        let Some(truth) = self.network.truths.get(run) else { return Err(Violation::new("verified by a run that does not exist")) };
        match self.records.validity.get(&attempt) {
            Some(Some(validity)) if truth.word == Word::Approved => {
                let end = t(truth.at + validity);
                hold(self.wall() < end, || format!("verified at {} though it ended at {end}", self.wall()))
            }
            _ => Ok(()),
        }
    }

    /// What holds for every write of a status, which was `before`.
    pub fn written(
        &mut self,
        op: usize,
        pass: &Pass,
        before: &IdentityVerificationStatus,
        plan: &VerificationPlan,
    ) -> Result<(), Violation> {
        let Some(object) = &self.object else { return Ok(()) };
        let after = object.status.clone();
        self.records.writes += 1;
        self.trace(|| {
            let operation = after.operation.as_ref().map_or("none".into(), |o| format!("{:?} {} {} {}", o.kind, o.nonce, o.tries, o.looks));
            let says = after.conditions.iter().map(|c| format!("{}={:?}/{}", c.type_, c.status, c.reason)).collect::<Vec<_>>().join(" ");
            let notices = plan.notices.iter().map(|notice| notice.kind.as_str()).collect::<Vec<_>>().join(" ");
            let run = after.workflow_run_id.as_deref().map_or("", |run| &run[..4]);
            format!(
                "  operator {op}: writes {:?} attempt {:?} run {run} operation {operation}; {says}; {notices}",
                after.phase, after.attempt
            )
        });
        if before.phase != after.phase {
            self.records.transitions.insert((before.phase, after.phase));
        }
        if self.records.searches {
            self.shows_nothing(&after, plan)?;
        }
        if after.redacted_at.is_some() {
            self.redacted(pass, before, &after)?;
        }
        self.kept(before, &after, plan)?;
        self.attempted(before, &after)?;
        self.recorded_run(pass, before, &after, plan)?;
        if let Some(effect) = plan.effect.as_ref().filter(|effect| effect.is_unrepeatable()) {
            let nonce = after.operation.as_ref().map(|operation| operation.nonce.clone()).unwrap_or_default();
            hold(self.records.nonces.insert(nonce), || format!("{} under a nonce that was used", effect.name()))?;
        }
        // The basis is recorded with the first intent of an attempt, and anew with each that sends the person's values: as the provider was
        // seen to be then.
        let sends = match &plan.effect {
            Some(Effect::CreateApplicant { .. } | Effect::UpdateApplicant { .. }) => true,
            Some(Effect::StartRun { .. }) => before.operation.is_none(),
            _ => false,
        };
        let anew = sends || before.basis.is_none() || before.attempt != after.attempt;
        if let (Some(attempt), Some(_), Provider::Found { spec, .. }, true) = (after.attempt, &after.basis, &pass.observed.provider, anew) {
            let seconds = spec.validity.as_ref().and_then(|validity| i64::try_from(validity.duration.as_std().as_secs()).ok());
            self.records.validity.insert(attempt, seconds);
        }
        if is_verified(&after) && verified(before) != verified(&after) {
            return self.is_believable(pass, before, &after);
        }
        Ok(())
    }

    /// Verified is True: by a read of a run of ours that showed it approved, and with every value as it was compared. What another
    /// operator has just read and could not record, this one cannot know.
    fn is_believable(&self, pass: &Pass, before: &IdentityVerificationStatus, after: &IdentityVerificationStatus) -> Result<(), Violation> {
        let Some((_, run)) = run_of_the_verdict(after) else { return Err(Violation::new("verified by nothing")) };
        if is_bare(after) {
            // The decision as it was.
            return hold(is_verified(before), || "verified after its redaction".into());
        }
        hold(is_verified(before) || self.network.has(run) || self.records.restored > 0, || "verified by a run that is erased".into())?;
        let compared = self.records.approved.get(run);
        hold(compared.is_some(), || "verified by a run that no read has shown to be approved".into())?;
        if let Some(heard) = pass.read.heard.as_ref().filter(|heard| heard.run == *run) {
            // An answer that cannot be used takes nothing back, and gives nothing.
            let holds = if heard.ours { heard.approved } else { is_verified(before) };
            hold(holds, || format!("verified, but this read showed {heard:?}"))?;
        }
        let values = pass.read.name;
        // A value that cannot be read at the moment is not a changed one: the person is who was compared.
        let same = values.is_some_and(|name| name.is_none() || name.as_ref() == compared);
        hold(same, || format!("verified {values:?}, but {compared:?} was compared"))
    }

    /// A recorded outcome stays, or says what became of it.
    fn kept(
        &self,
        before: &IdentityVerificationStatus,
        after: &IdentityVerificationStatus,
        plan: &VerificationPlan,
    ) -> Result<(), Violation> {
        let same = before.attempt == after.attempt;
        if before.phase.is_final() && same {
            hold(before.phase == after.phase, || format!("the outcome {:?} became {:?}", before.phase, after.phase))?;
            hold(before.completed_at == after.completed_at, || "the time of the outcome changed".into())?;
        }
        if before.workflow_run_id.is_some() && same {
            hold(before.workflow_run_id == after.workflow_run_id, || "another run took the place of the recorded one".into())?;
        }
        let (was, is) = (is_verified(before), is_verified(after));
        let reason = |status: &IdentityVerificationStatus| verified(status).map(|c| c.reason.clone()).unwrap_or_default();
        let revoked = plan.notices.iter().any(|notice| notice.kind == NoticeKind::Revoked);
        if was && !is {
            hold(revoked || reason(after) == "Expired", || format!("verified no more, and nobody is told: {}", reason(after)))?;
        }
        if !was && is {
            let first = after.phase.is_final() && !before.phase.is_final();
            hold(first || (reason(before) == "AttributeChanged" && !is_bare(before)), || format!("verified after {}", reason(before)))?;
        }
        let gone = |id: &String| !applicants(after).any(|known| known == id) && !self.is_accounted_for(id);
        hold(!applicants(before).any(gone), || "an applicant is forgotten".into())
    }

    /// Attempts follow one another one by one, each once the one before is over.
    fn attempted(&self, before: &IdentityVerificationStatus, after: &IdentityVerificationStatus) -> Result<(), Violation> {
        let (Some(old), Some(new)) = (before.attempt, after.attempt) else { return Ok(()) };
        if old == new {
            return Ok(());
        }
        hold(new == old + 1, || format!("attempt {new} follows {old}"))?;
        hold(after.attempts.last().is_some_and(|past| past.number == old && past.phase == before.phase), || "no history".into())?;
        let ambiguous = before.conditions.iter().any(|c| c.is_true(ConditionType::Stalled) && c.reason == "VendorAmbiguous");
        hold(before.phase.is_final() || before.phase == Phase::InReview || ambiguous, || "an attempt follows one that goes on".into())
    }

    /// A run goes on record: the oldest of those that were seen, and the others are reported.
    fn recorded_run(
        &self,
        pass: &Pass,
        before: &IdentityVerificationStatus,
        after: &IdentityVerificationStatus,
        plan: &VerificationPlan,
    ) -> Result<(), Violation> {
        let Some(run) = after.workflow_run_id.as_ref().filter(|run| before.workflow_run_id.as_ref() != Some(run)) else { return Ok(()) };
        let tag = self.key.tag(after.attempt.unwrap_or(1));
        let started = self.network.started.iter().find(|started| started.run == *run);
        hold(started.is_some_and(|started| started.tag == tag), || "the recorded run is not of this attempt".into())?;
        let reported = plan.notices.iter().filter(|notice| notice.kind == NoticeKind::ExtraRun);
        let reported: Vec<_> = reported.map(|notice| notice.message.clone()).collect();
        for other in pass.read.looked.iter().flatten().filter(|other| *other != run) {
            hold(reported.iter().any(|message| message.contains(other.as_str())), || "a second run was seen and not reported".into())?;
        }
        Ok(())
    }

    /// Nothing personal or secret shows.
    fn shows_nothing(&self, status: &IdentityVerificationStatus, plan: &VerificationPlan) -> Result<(), Violation> {
        let mut shown = serde_json::to_string(status).map_err(|error| Violation(error.to_string()))?;
        shown.extend(plan.notices.iter().map(|notice| notice.message.as_str()));
        let secrets = NAMES.iter().chain(&CANARIES).chain([&LAST_NAME, &BORN]);
        match secrets.into_iter().find(|secret| shown.contains(**secret)) {
            Some(secret) => Err(Violation(format!("{secret} shows"))),
            None => Ok(()),
        }
    }

    /// What holds once nothing is due any more.
    pub fn at_rest(&self, when: &str) -> Result<(), Violation> {
        let Some(object) = &self.object else { return Ok(()) };
        let status = &object.status;
        if self.is_erased() {
            return Ok(());
        }
        hold(status.observed_generation == Some(object.generation), || format!("{when}: the spec is not acknowledged"))?;
        hold(!status.is_rung(), || format!("{when}: a bell is not answered"))?;
        if self.is_stalled() {
            return Ok(());
        }
        let held = object.spec.deletion_policy == DeletionPolicy::DeleteApplicant;
        let left = applicants(status).any(|id| !self.is_accounted_for(id));
        hold(object.finalizer || !held || !left, || format!("{when}: nothing holds its deletion"))?;
        hold(held || !object.finalizer, || format!("{when}: its deletion is held for nothing"))?;
        hold(status.operation.is_none(), || format!("{when}: a call is in doubt"))?;
        hold(status.phase.is_final(), || {
            let says: Vec<_> = status.conditions.iter().map(|c| format!("{}={:?}/{}", c.type_, c.status, c.reason)).collect();
            format!("{when}: no outcome: {:?} {says:?}", status.phase)
        })?;
        // The vendor's last word was told: it is on record.
        let Some((_, run)) = run_of_the_verdict(status).filter(|_| status.phase != Phase::Cancelled) else { return Ok(()) };
        let truth = self.network.truths.get(run).filter(|truth| truth.told.is_some_and(|told| self.records.rung.contains(&told)));
        if let Some(truth) = truth {
            let good = truth.word == Word::Approved && truth.name == 0;
            hold(good || !is_verified(status) || truth.word == Word::AsAnothers || is_bare(status), || {
                format!("{when}: told {:?}, and still verified", truth.word)
            })?;
        }
        Ok(())
    }

    /// Verified is True if and only if it is the truth, as far as that can be known; what was paid for is known.
    pub fn is_the_truth(&self) -> Result<(), Violation> {
        self.one_run_per_key()?;
        let Some(object) = &self.object else { return Ok(()) };
        let status = &object.status;
        hold(status.reconciled == object.asked || self.is_stalled() || self.is_erased(), || "who asked for a look is not answered".into())?;
        if self.records.restored == 0 {
            let known = |id: &&String| self.is_accounted_for(id) || applicants(status).any(|known| known == *id);
            let unknown = self.network.applicants().filter(|id| !known(id)).count();
            hold(unknown <= self.records.orphans, || format!("{unknown} applicants of which nobody knows"))?;
        }
        let reason = verified(status).map(|c| c.reason.clone()).unwrap_or_default();
        let Some((attempt, run)) = run_of_the_verdict(status).filter(|_| status.phase != Phase::Cancelled) else {
            return hold(!is_verified(status), || "verified by nothing".into());
        };
        if is_bare(status) || self.is_erased() {
            return Ok(()); // the decision as it was: each write was held against that
        }
        let Some(truth) = self.network.truths.get(run) else { return Err(Violation::new("the run does not exist")) };
        let validity = self.records.validity.get(&attempt).copied().flatten();
        let expired = validity.is_some_and(|validity| self.wall() >= t(truth.at + validity));
        let good = truth.word == Word::Approved && truth.name == 0 && self.person == Some(0) && !expired;
        hold(good || !is_verified(status), || format!("verified, and the truth is {truth:?}, the values {:?}", self.person))?;
        // What was worse once stays so; what was only found, or is not the last of its life, may be as good as it wants.
        let basis = status.standing_verdict.as_ref().map(|standing| &standing.basis).or(status.basis.as_ref());
        let proven = basis.is_some_and(|basis| basis.key_id != "none");
        let sticky = self.records.worse.contains(run) || reason == "Expired" || self.records.restored > 0;
        hold(!good || is_verified(status) || !proven || sticky, || format!("not verified ({reason}), and the truth is {truth:?}"))
    }

    /// At most one run per key, but for what arrived after everybody had stopped waiting for it.
    pub fn one_run_per_key(&self) -> Result<(), Violation> {
        let patience = if self.records.clock_was_set { PATIENCE_OF_A_SET_CLOCK } else { PATIENCE };
        let mut by_tag: BTreeMap<&str, usize> = BTreeMap::new();
        for started in &self.network.started {
            let late = started.committed - started.sent >= patience;
            // What is erased nobody finds after a restore.
            let hidden = self.records.restored > 0 && !self.network.has(&started.run);
            *by_tag.entry(&started.tag).or_default() += usize::from(!late && !hidden);
        }
        // The ledger is the judge; what is kept beside it must agree.
        let committed = self.network.ledger().iter().filter(|entry| entry.committed).count();
        hold(committed == self.network.started.len(), || "the ledger knows other runs".into())?;
        match by_tag.into_iter().find(|(_, count)| *count > 1) {
            Some((tag, count)) => Err(Violation(format!("{count} runs with tag {tag} were started and none was late"))),
            None => Ok(()),
        }
    }

    /// From now on nothing is written, and nobody is called.
    pub fn stays(&mut self) -> Result<(), Violation> {
        if self.is_stalled() || self.is_erased() {
            return Ok(()); // looks every hour, and says when
        }
        let Some(object) = &self.object else { return Ok(()) };
        let (version, calls, until) = (object.version, self.network.calls, object.status.verified_until.clone());
        let retention = redaction::due(&object.spec, &object.status);
        for later in [60, 86_400] {
            let ends = until.iter().map(|until| until.0).chain(retention).min();
            if ends.is_some_and(|end| end <= t(self.now + later + self.skew)) {
                break;
            }
            self.now += later;
            for op in 0..2 {
                self.pass(op)?;
            }
        }
        let still = self.object.as_ref().map(|object| object.version);
        hold(still == Some(version), || "it is written at rest".into())?;
        hold(self.network.calls == calls, || "the vendor is called at rest".into())?;
        if let Some(until) = until {
            self.until(until.0);
            for _ in 0..2 {
                self.pass(0)?;
            }
            let status = self.object.as_ref().map(|object| object.status.clone()).unwrap_or_default();
            hold(!is_verified(&status), || "verified beyond its time".into())?;
        }
        Ok(())
    }
}
