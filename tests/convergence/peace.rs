//! The faults stop: passes are made when they are due, whoever is waited for speaks, and nothing is due any more.

use onfido_operator::{
    api::{ConditionType, find_condition},
    plan::Wake,
};

use super::{
    api_server::Object,
    oracle::Violation,
    schedule::{Edit, Word},
    world::World,
};

impl World {
    /// Faults stop; what is on its way arrives all the same.
    pub fn heal(&mut self) {
        self.trace(|| "the faults stop".into());
        self.network.heal();
        self.patches.clear();
        self.token_doubted = false;
        self.edit(Edit::ProviderGone(false));
        self.edit(Edit::ProviderSuspend(false));
        let hidden = self.network.truths.iter().filter(|(_, truth)| truth.word == Word::AsAnothers).map(|(run, _)| run.clone());
        for run in hidden.collect::<Vec<_>>() {
            self.network.say(self.now, &run, Word::Approved);
        }
        self.person = self.person.or(Some(0));
        self.edit(Edit::Suspend(false));
        self.edit(Edit::Feed(true));
        self.edit(Edit::Ledger(true));
        if self.object.as_ref().is_some_and(|object| object.deleting.is_some()) {
            self.breaks();
        }
    }

    pub fn converge(&mut self) -> Result<(), Violation> {
        self.settle()?;
        self.at_rest("before anybody asks")?;
        // What changed in a Secret, or at the vendor without a delivery, is seen when somebody asks.
        if let Some(object) = &mut self.object {
            (object.asked, object.version) = (Some("asked".into()), object.version + 1);
        }
        self.trace(|| "somebody asks for a look".into());
        self.settle()?;
        self.at_rest("in the end")?;
        self.is_the_truth()?;
        self.stays()?;
        self.passes_away()
    }

    /// Passes, each when it is due, until nothing is due. Whoever waits for the person or the vendor gets the last word.
    pub fn settle(&mut self) -> Result<(), Violation> {
        let began = self.now;
        for _ in 0..300 {
            let version = self.object.as_ref().map(|object| object.version);
            let mut wake = Wake::OnChange;
            for op in 0..if self.schedule.scene.both { 2 } else { 1 } {
                self.pass(op)?;
                wake = earlier(wake, self.operators[op].wake);
            }
            let Some(object) = &self.object else { return Ok(()) };
            let written = Some(object.version) != version;
            let due = match wake {
                Wake::OnChange if written => continue,
                Wake::OnChange => None,
                Wake::Backoff => {
                    self.now += 20;
                    continue;
                }
                Wake::At(due) => Some(due),
            };
            self.is_awaited(due.filter(|_| !written))?;
            if object.deleting.is_some() {
                let due = due.ok_or_else(|| Violation::new("nobody comes back to a deletion"))?;
                self.until(due);
                self.network.advance(self.now);
                self.is_deleted_in_time(began)?;
                continue;
            }
            let is_final = object.status.phase.is_final();
            if self.feed() || self.ends_a_run() {
                continue;
            }
            // What the sweep comes round for is not waited for here.
            if self.is_erased() || (is_final && due.is_none_or(|due| self.sweeps(due))) {
                return Ok(());
            }
            if self.waits_for_the_vendor() {
                self.last_word();
                continue;
            }
            let Some(due) = due else { return Ok(()) };
            if self.is_stalled() && self.network.next_late().is_none() {
                self.until(due);
                return Ok(());
            }
            self.until(due);
            self.network.advance(self.now);
        }
        Err(Violation::new("no end is reached"))
    }

    /// Whether it is for a human to go on.
    pub fn is_stalled(&self) -> bool {
        let stalled = |object: &Object| {
            let condition = find_condition(&object.status.conditions, ConditionType::Stalled).cloned();
            condition.is_some_and(|c| c.is_true(ConditionType::Stalled) && c.reason == "VendorAmbiguous")
        };
        self.object.as_ref().is_some_and(stalled)
    }

    fn waits_for_the_vendor(&self) -> bool {
        let Some(object) = &self.object else { return false };
        let run = object.status.workflow_run_id.as_ref();
        let open = |word| matches!(word, Word::AwaitingInput | Word::Processing | Word::Review | Word::Unknown | Word::AsAnothers);
        !object.status.phase.is_final() && run.and_then(|run| self.network.truths.get(run)).is_some_and(|truth| open(truth.word))
    }

    fn last_word(&mut self) {
        let run = self.object.as_ref().and_then(|object| object.status.workflow_run_id.clone());
        let Some(run) = run else { return };
        let word = self.schedule.end;
        let now = self.now;
        self.trace(|| format!("{now:>7} the last word: {word:?}"));
        self.network.say(now, &run, word);
        if !self.schedule.scene.lost {
            self.ring(self.network.deliveries.len() - 1);
        }
    }
}

fn earlier(a: Wake, b: Option<Wake>) -> Wake {
    match (a, b) {
        (wake, None) | (Wake::OnChange, Some(wake)) | (wake, Some(Wake::OnChange)) => wake,
        (Wake::Backoff, _) | (_, Some(Wake::Backoff)) => Wake::Backoff,
        (Wake::At(a), Some(Wake::At(b))) => Wake::At(a.min(b)),
    }
}
