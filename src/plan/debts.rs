//! The rows of what a provider owes: applicants whose objects are gone before the vendor could be asked to erase them. Tried while this
//! process does not know the ledger to be empty; an empty one costs nothing.

use jiff::Timestamp;

use crate::{api::Environment, onfido::model::ApplicantId};

use super::{
    Failure, Retry, Wake,
    provider::{Effect, Observed, is_authenticated},
    schedule::after,
};

/// How many are tried in one pass.
const BATCH: usize = 50;

/// An applicant that is still to be erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Debt {
    /// The applicant.
    pub id: ApplicantId,
    /// Where it is.
    pub environment: Environment,
    /// Which ConfigMap of the ledger says so.
    pub map: u32,
}

/// What this process knows of a provider's ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Known {
    /// Nothing: it has just begun, or something was added.
    #[default]
    Nothing,
    /// Nothing is owed.
    Empty,
    /// Something is.
    Owes {
        /// The applicant tried last, of those in order; none once all were.
        tried: Option<ApplicantId>,
        /// When it goes on.
        again: Timestamp,
    },
}

/// What is done next about the ledger; nothing while the credentials are not known to be good.
pub(super) fn next(o: &Observed, now: Timestamp) -> Option<Effect> {
    let good = matches!(o.facts.probe, Some(Ok(()))) || (o.facts.probe.is_none() && is_authenticated(o));
    match (&o.facts.debts, &o.facts.asked_for) {
        (None, _) => (good && is_due(o, now)).then_some(Effect::ReadLedger),
        (Some(Ok(debts)), None) => {
            let batch = batch(o, debts);
            (!batch.is_empty()).then_some(Effect::EraseDebts(batch))
        }
        (Some(Ok(_)), Some(_)) if !o.facts.struck_out => {
            let settled = settled(o);
            (!settled.is_empty()).then_some(Effect::StrikeOut(settled))
        }
        (Some(_), _) => None,
    }
}

fn is_due(o: &Observed, now: Timestamp) -> bool {
    match &o.debts {
        Known::Nothing => true,
        Known::Empty => o.is_asked(), // another operator may have added something
        // A person asks for it, or the credentials have just become good.
        Known::Owes { again, .. } => *again <= now || o.is_asked() || !is_authenticated(o),
    }
}

/// Those that these credentials can be asked for, after the one tried last.
fn batch(o: &Observed, debts: &[Debt]) -> Vec<Debt> {
    let Some(Ok(here)) = o.facts.credentials else { return vec![] };
    let tried = match &o.debts {
        Known::Owes { tried, .. } => tried.as_ref(),
        Known::Nothing | Known::Empty => None,
    };
    let left = debts.iter().filter(|debt| !debt.environment.differs(here) && tried.is_none_or(|tried| debt.id > *tried));
    left.take(BATCH).cloned().collect()
}

fn settled(o: &Observed) -> Vec<Debt> {
    o.facts.asked_for.iter().flatten().filter(|(_, answer)| answer.is_ok()).map(|(debt, _)| debt.clone()).collect()
}

/// What this process knows of the ledger after the pass.
pub fn known(o: &Observed, now: Timestamp) -> Known {
    let Some(Ok(debts)) = &o.facts.debts else { return o.debts.clone() };
    let struck_out = if o.facts.struck_out { settled(o).len() } else { 0 };
    if debts.len() == struck_out {
        return Known::Empty;
    }
    let asked_for = o.facts.asked_for.as_deref().unwrap_or_default();
    // What the vendor says of one applicant says nothing of the next; anything else ended the batch.
    let stopped = asked_for.iter().filter_map(|(_, answer)| answer.as_ref().err()).find(|failure| **failure != Failure::RunInProgress);
    let tried =
        asked_for.iter().rfind(|(_, answer)| matches!(answer, Ok(()) | Err(Failure::RunInProgress))).map(|(debt, _)| debt.id.clone());
    match stopped.map(|failure| failure.rule().retry) {
        Some(Retry::AsTold(Some(wait))) => {
            Known::Owes { tried: tried.or_else(|| before(o)), again: after(now, wait.max(o.timing.backoff[0])) }
        }
        Some(_) => Known::Owes { tried: tried.or_else(|| before(o)), again: after(now, o.timing.slow_retry) },
        None if asked_for.len() == BATCH => Known::Owes { tried, again: after(now, o.timing.backoff[0]) },
        None => Known::Owes { tried: None, again: after(now, o.timing.debts) },
    }
}

fn before(o: &Observed) -> Option<ApplicantId> {
    match &o.debts {
        Known::Owes { tried, .. } => tried.clone(),
        Known::Nothing | Known::Empty => None,
    }
}

/// When the ledger wants the provider looked at again.
pub(super) fn wake(o: &Observed, now: Timestamp) -> Wake {
    match known(o, now) {
        Known::Owes { again, .. } => Wake::At(again.max(now)),
        Known::Nothing | Known::Empty => Wake::OnChange,
    }
}
