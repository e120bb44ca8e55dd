//! Which fault hits which call: an ordered, bounded book. Pure; what a fault does to a connection is `http`'s.

use std::collections::VecDeque;

use super::admin::{Fault, FaultKind, Operation};

const MAX_FAULTS: usize = 1000;

/// Faults in the order they were set; the first that matches and is due is used up by one.
#[derive(Debug, Default)]
pub struct FaultBook {
    faults: VecDeque<Fault>,
}

impl FaultBook {
    /// False: the book is full.
    pub fn add(&mut self, fault: Fault) -> bool {
        if self.faults.len() >= MAX_FAULTS {
            return false;
        }
        if fault.count > 0 {
            self.faults.push_back(fault);
        }
        true
    }

    /// Forget all, or those that name this account.
    pub fn clear(&mut self, account: Option<&str>) {
        match account {
            None => self.faults.clear(),
            Some(name) => self.faults.retain(|f| f.account.as_deref() != Some(name)),
        }
    }

    pub fn list(&self) -> Vec<Fault> {
        self.faults.iter().cloned().collect()
    }

    /// What goes wrong with this call, if anything.
    pub fn take(&mut self, operation: Operation, account: Option<&str>) -> Option<FaultKind> {
        for index in 0..self.faults.len() {
            let fault = &mut self.faults[index];
            let matches =
                fault.operation.is_none_or(|o| o == operation) && fault.account.as_deref().is_none_or(|name| Some(name) == account);
            if !matches {
                continue;
            }
            if fault.skip > 0 {
                fault.skip -= 1;
                continue;
            }
            fault.count -= 1;
            let kind = fault.kind.clone();
            if fault.count == 0 {
                self.faults.remove(index);
            }
            return Some(kind);
        }
        None
    }
}

impl FaultKind {
    /// The word the ledger uses.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Status { .. } => "status",
            Self::StatusAfterCommit { .. } => "status_after_commit",
            Self::Delay { .. } => "delay",
            Self::DelayAfterCommit { .. } => "delay_after_commit",
            Self::HangBeforeCommit => "hang_before_commit",
            Self::HangAfterCommit => "hang_after_commit",
            Self::ResetBeforeCommit => "reset_before_commit",
            Self::ResetAfterCommit => "reset_after_commit",
            Self::TruncatedBody => "truncated_body",
            Self::GarbageBody => "garbage_body",
            Self::Redirect { .. } => "redirect",
        }
    }
}
