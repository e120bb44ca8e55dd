//! Every call the vendor saw, in a bounded ring. Holds ids, tags and paths; never personal values or tokens.

use std::collections::VecDeque;

use jiff::Timestamp;

use super::wire::{Request, Response};
use crate::simulator::admin::{LedgerEntry, Operation};

const MAX_PATH: usize = 200;

pub(super) struct Ledger {
    entries: VecDeque<LedgerEntry>,
    next: u64,
    limit: usize,
}

impl Ledger {
    pub(super) fn new(limit: usize) -> Self {
        Self { entries: VecDeque::new(), next: 1, limit: limit.max(1) }
    }

    pub(super) fn open(&mut self, now: Timestamp, operation: Operation, account: Option<String>, request: &Request) -> u64 {
        let seq = self.next;
        self.next += 1;
        if self.entries.len() >= self.limit {
            self.entries.pop_front();
        }
        self.entries.push_back(LedgerEntry {
            seq,
            time: now.to_string(),
            account,
            operation,
            method: request.method.clone(),
            // The path holds ids only; the query can hold more and is left out.
            path: request.path.chars().take(MAX_PATH).collect(),
            status: None,
            committed: false,
            fault: None,
            applicant_id: None,
            run_id: None,
            tags: Vec::new(),
        });
        seq
    }

    pub(super) fn committed(&mut self, seq: u64, response: &Response) {
        if let Some(entry) = self.entry(seq) {
            entry.committed = (200..300).contains(&response.status);
            let about = response.about.as_deref().cloned().unwrap_or_default();
            entry.applicant_id = about.applicant_id;
            entry.run_id = about.run_id;
            entry.tags = about.tags;
        }
    }

    pub(super) fn answered(&mut self, seq: u64, status: Option<u16>, fault: Option<&str>) {
        if let Some(entry) = self.entry(seq) {
            entry.status = status;
            entry.fault = fault.map(str::to_owned);
        }
    }

    pub(super) fn entries(&self, account: Option<&str>, operation: Option<Operation>) -> Vec<LedgerEntry> {
        self.entries
            .iter()
            .filter(|e| account.is_none_or(|name| e.account.as_deref() == Some(name)))
            .filter(|e| operation.is_none_or(|o| e.operation == o))
            .cloned()
            .collect()
    }

    fn entry(&mut self, seq: u64) -> Option<&mut LedgerEntry> {
        let first = self.entries.front()?.seq;
        self.entries.get_mut(usize::try_from(seq.checked_sub(first)?).ok()?)
    }
}
