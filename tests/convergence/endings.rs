//! How a verification comes to its end: deletion and retention in this world, and what must hold when it is over.

use jiff::{SignedDuration, Timestamp};
use onfido_operator::{
    api::{ConditionType, DeletionPolicy, IdentityVerificationStatus, find_condition},
    onfido::model::{ApplicantId, EndedRun},
    plan::{Failure, Receipt, Wanted, feed::is_news, redaction},
};
use serde_json::json;

use super::{
    operator::Pass,
    oracle::{Violation, hold},
    schedule::{Broken, Edit, Word},
    vendor::status_of,
    world::{World, t},
};

/// A deletion waits ten minutes for the vendor and ten for the ledger; what is in doubt it waits out within. And a pass must come.
const DELETED_WITHIN: i64 = 2 * 600 + 60;

impl World {
    /// Somebody, or retention, deletes the object.
    pub fn delete(&mut self) {
        let now = t(self.now);
        let Some(object) = &mut self.object else { return };
        if !object.finalizer {
            self.object = None;
        } else if object.deleting.is_none() {
            (object.deleting, object.generation, object.version) = (Some(now), object.generation + 1, object.version + 1);
        }
    }

    /// As `controller/finalizer.rs`: only if nobody wrote the object since. None is put on one that is being deleted.
    pub fn hold_deletion(&mut self, pass: &mut Pass) -> Option<Receipt> {
        let object = self.object.as_mut().filter(|object| object.version == pass.version && object.deleting.is_none())?;
        (object.finalizer, object.version) = (true, object.version + 1);
        (pass.finalizer, pass.version) = (true, object.version);
        self.other_writes += 1;
        Some(Receipt::DeletionHeld(pass.version.to_string()))
    }

    /// As `controller/finalizer.rs`: if the finalizers are as observed.
    pub fn release_deletion(&mut self, pass: &mut Pass, lost: &[ApplicantId]) -> Result<Option<Receipt>, Violation> {
        self.records.lost.extend(lost.iter().map(|id| id.as_str().to_owned()));
        let Some(object) = &mut self.object else { return Ok(Some(Receipt::DeletionReleased)) };
        if object.finalizer != pass.finalizer {
            return Ok(None);
        }
        (object.finalizer, object.version) = (false, object.version + 1);
        pass.finalizer = false;
        self.other_writes += 1;
        if object.deleting.is_some() {
            let status = std::mem::take(&mut object.status);
            self.object = None;
            self.trace(|| "  the object is gone".into());
            if pass.observed.spec.deletion_policy == DeletionPolicy::DeleteApplicant {
                self.nobody_is_forgotten(&status)?;
            }
        }
        Ok(Some(Receipt::DeletionReleased))
    }

    /// As `delete` of `controller/perform.rs`.
    pub fn delete_object(&mut self, pass: &Pass) -> Result<Option<Receipt>, Violation> {
        let Some(object) = &self.object else { return Ok(Some(Receipt::ObjectDeleted)) };
        if object.version != pass.version {
            return Ok(None);
        }
        let erases = object.spec.deletion_policy == DeletionPolicy::DeleteApplicant;
        if erases && !object.finalizer && object.deleting.is_none() {
            self.nobody_is_forgotten(&object.status)?;
        }
        self.other_writes += 1;
        self.delete();
        Ok(Some(Receipt::ObjectDeleted))
    }

    /// As `controller/ledger.rs`.
    pub fn owe(&mut self, applicants: &[ApplicantId], orphan: bool) -> Result<Receipt, Failure> {
        if !self.ledger_taken {
            return Err(Failure::LedgerRefused);
        }
        self.other_writes += 1;
        self.ledger.extend(applicants.iter().map(|id| id.as_str().to_owned()));
        self.ledger_orphans += usize::from(orphan);
        Ok(Receipt::ErasureOwed)
    }

    /// Whether somebody was asked to erase an applicant, or is told that nobody was.
    pub fn is_accounted_for(&self, id: &str) -> bool {
        self.network.asked.contains(id) || self.ledger.contains(id) || self.records.lost.contains(id)
    }

    /// The object is gone, and its policy was to erase.
    fn nobody_is_forgotten(&self, status: &IdentityVerificationStatus) -> Result<(), Violation> {
        let forgotten = applicants(status).find(|id| !self.is_accounted_for(id));
        hold(forgotten.is_none(), || format!("deleted, and nobody was asked to erase {forgotten:?}"))?;
        if self.records.restored > 0 {
            return Ok(());
        }
        let unknown = self.network.applicants().filter(|id| !self.is_accounted_for(id)).count();
        let told = self.records.orphans + self.ledger_orphans;
        hold(unknown <= told, || format!("deleted, and of {unknown} applicants nobody knows, of which {told} may exist as is told"))
    }

    /// What is broken from now on, while the object is being deleted.
    pub fn breaks(&mut self) {
        let broken = self.schedule.scene.broken;
        self.network.dead = matches!(broken, Broken::Vendor | Broken::VendorAndLedger);
        self.ledger_taken = broken != Broken::VendorAndLedger;
        match broken {
            Broken::Provider => self.edit(Edit::ProviderGone(true)),
            Broken::Suspended => self.edit(Edit::Suspend(true)),
            Broken::Nothing | Broken::Vendor | Broken::VendorAndLedger => {}
        }
    }

    /// The operators have been up since `began`, and nothing may hold a deletion up for so long.
    pub fn is_deleted_in_time(&self, began: i64) -> Result<(), Violation> {
        let Some(since) = self.object.as_ref().and_then(|object| object.deleting) else { return Ok(()) };
        // The deadline is by the operators' clocks.
        let since = since.duration_since(t(0)).as_secs() - self.skew.min(0);
        hold(self.now <= since.max(began) + DELETED_WITHIN, || format!("still there {} s after its deletion", self.now - since))
    }

    /// The moments that the sweep comes round for, as `controller/sweep.rs`, and that are not over.
    pub fn sweeps(&self, due: Timestamp) -> bool {
        let Some(object) = &self.object else { return false };
        let until = object.status.verified_until.as_ref().map(|until| until.0);
        due > self.wall() && [until, redaction::due(&object.spec, &object.status)].contains(&Some(due))
    }

    /// Until `due` a pass would rest (`controller/verification.rs`), whatever the sweep wakes: nothing of the sweep's may come before. Where
    /// no pass rests the sweep comes round.
    pub fn is_awaited(&self, due: Option<Timestamp>) -> Result<(), Violation> {
        let (Some(object), Some(due)) = (&self.object, due) else { return Ok(()) };
        let until = object.status.verified_until.as_ref().map(|until| until.0);
        let retention = redaction::due(&object.spec, &object.status).filter(|_| object.deleting.is_none());
        let missed = until.into_iter().chain(retention).find(|moment| self.wall() < *moment && *moment < due);
        hold(missed.is_none(), || format!("a pass rests until {due}, and misses {missed:?}"))
    }

    /// The feed tells an operator of a run, which is news or not. Whether it is woken.
    pub fn tell(&mut self, op: usize, run: &str, word: Word) -> bool {
        let entry: EndedRun = serde_json::from_value(json!({"id": run, "status": status_of(word)})).expect("an entry");
        let moment = self.moment();
        let news = self.object.as_ref().is_some_and(|object| is_news(&object.status, &entry));
        if news {
            self.operators[op].want(Wanted::Feed, Some(entry), moment);
        }
        news
    }

    /// The feed, where it is followed, tells whoever is at work of each run that has ended, once. Whether it is news to anybody.
    pub fn feed(&mut self) -> bool {
        if self.feed_lost.is_some() {
            return false;
        }
        let runs: Vec<_> = self.network.truths.iter().filter(|(run, truth)| truth.word.is_last() && self.network.has(run)).collect();
        let runs: Vec<_> = runs.into_iter().map(|(run, truth)| (run.clone(), truth.word, format!("{run} {}", truth.at))).collect();
        let mut news = false;
        for op in 0..if self.schedule.scene.both { 2 } else { 1 } {
            for (run, word, told) in &runs {
                news |= self.operators[op].fed.insert(told.clone()) && self.tell(op, run, *word);
            }
        }
        news
    }

    /// Where erasure waits for a run that is in progress, it ends.
    pub fn ends_a_run(&mut self) -> bool {
        let Some(object) = &self.object else { return false };
        let redacted = find_condition(&object.status.conditions, ConditionType::Redacted);
        if redacted.is_none_or(|condition| condition.reason != "RunInProgress") {
            return false;
        }
        let open = |run: &String| self.network.has(run) && self.network.truths.get(run).is_some_and(|truth| !truth.word.is_last());
        let runs: Vec<_> = self.network.started.iter().map(|started| started.run.clone()).filter(open).collect();
        runs.iter().for_each(|run| self.network.say(self.now, run, self.schedule.end));
        !runs.is_empty()
    }

    /// Whether the applicant of an attempt that goes on is erased, so that it has no outcome: after a restore, by two at once, or because
    /// somebody asked for another attempt while a call to erase was still on its way.
    pub fn is_erased(&self) -> bool {
        let Some(object) = &self.object else { return false };
        let erased = object.status.applicant_id.as_ref().is_some_and(|id| self.network.erased.contains(id));
        erased && (!object.status.phase.is_final() || self.records.restored > 0)
    }

    /// What is left of a life once it is told: the person is redacted, the object deleted.
    pub fn passes_away(&mut self) -> Result<(), Violation> {
        // An attempt that has waited for its time may begin in between.
        for _ in 0..4 {
            let due = self.object.as_ref().and_then(|object| redaction::due(&object.spec, &object.status));
            let Some(due) = due.filter(|_| !self.is_stalled()) else { break };
            self.until(due);
            self.network.advance(self.now);
            self.settle()?;
        }
        if let Some(object) = self.object.as_ref().filter(|object| object.status.phase.is_final() && !self.is_erased()) {
            let retention = object.spec.retention.as_ref();
            let redacts = retention.is_some_and(|retention| retention.redact_after.is_some());
            hold(!redacts || object.status.redacted_at.is_some(), || "the person is not redacted".into())?;
            hold(retention.is_none_or(|retention| retention.delete_after.is_none()), || "it is not deleted".into())?;
            self.at_rest("after that")?;
        }
        if self.schedule.scene.deleted {
            self.delete();
            self.breaks();
            self.trace(|| "somebody deletes it".into());
            self.settle()?;
            hold(self.object.is_none(), || "it is not gone".into())?;
        }
        // What was on its way all the time arrives, and is judged.
        while let Some(at) = self.network.next_late() {
            self.now = self.now.max(at);
            self.network.advance(self.now);
        }
        self.one_run_per_key()
    }

    /// The person is redacted: only when it is due and over, and nothing of the decision changes.
    pub fn redacted(
        &mut self,
        pass: &Pass,
        before: &IdentityVerificationStatus,
        after: &IdentityVerificationStatus,
    ) -> Result<(), Violation> {
        if before.redacted_at.is_none() {
            let over = before.completed_at.as_ref().filter(|_| before.phase.is_final());
            let wait = pass.observed.spec.retention.as_ref().and_then(|retention| retention.redact_after.as_ref());
            let due = over.zip(wait).map(|(over, wait)| over.0 + SignedDuration::try_from(wait.as_std()).unwrap_or_default());
            hold(due.is_some_and(|due| due <= self.wall()), || "redacted before its time".into())?;
            let left = applicants(before).find(|id| !self.is_accounted_for(id));
            hold(left.is_none(), || format!("redacted, and nobody was asked to erase {left:?}"))?;
            hold(pass.read.removed, || "redacted, and its Secret is not removed".into())?;
            let unknown = before.attempts.iter().filter(|past| !past.phase.is_final()).map(|past| self.key.tag(past.number));
            let mut unknown = unknown.filter(|tag| pass.read.ended.get(tag) != Some(&true));
            hold(unknown.next().is_none(), || "redacted while a run may go on".into())?;
            let says = |status: &IdentityVerificationStatus| {
                let verified = find_condition(&status.conditions, ConditionType::Verified);
                (status.phase, status.attempt, verified.map(|verified| (verified.status, verified.reason.clone())))
            };
            hold(says(before) == says(after), || format!("redaction made {:?} of {:?}", says(after), says(before)))?;
        }
        let basis = after.basis.iter().flat_map(|basis| &basis.attributes).any(|attribute| attribute.digest.is_some());
        let words = !after.reasons.is_empty() || after.vendor_status.is_some() || after.dashboard_url.is_some();
        let consents = after.basis.iter().any(|basis| !basis.consents.is_empty());
        hold(!basis && !words && !consents && after.capture.is_none() && after.standing_verdict.is_none(), || {
            "what was known of the person shows after redaction".into()
        })
    }
}

/// Every applicant that a status refers to.
pub fn applicants(status: &IdentityVerificationStatus) -> impl Iterator<Item = &String> {
    let standing = status.standing_verdict.as_ref().map(|standing| &standing.applicant_id);
    let erased = status.erasure.iter().flat_map(|erasure| &erasure.applicant_ids);
    status.applicant_id.iter().chain(standing).chain(&status.former_applicant_ids).chain(erased)
}

/// Whether the verdict on record has nothing any more to be judged by.
pub fn is_bare(status: &IdentityVerificationStatus) -> bool {
    let basis = status.standing_verdict.as_ref().map(|standing| &standing.basis).or(status.basis.as_ref());
    status.redacted_at.is_some() || basis.is_some_and(|basis| basis.key_id == "redacted")
}
