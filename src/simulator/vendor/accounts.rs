//! Accounts: who a token is, what it may see, how often it may ask; and which handler a call goes to.

use std::collections::{BTreeSet, HashMap};

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::Vendor;
use super::wire::{Request, Response, Route};
use crate::simulator::admin::{AccountSetting, DefaultOutcome, ListQuirks};

/// An account with the indices over its data.
#[derive(Default)]
pub(super) struct Account {
    pub(super) setting: AccountSetting,
    pub(super) default_outcome: DefaultOutcome,
    pub(super) quirks: ListQuirks,
    pub(super) applicants: BTreeSet<u64>,
    // Completion first: the order of the vendor's list. A run that is not completed sorts before all others.
    pub(super) runs: BTreeSet<(Option<Timestamp>, u64)>,
    pub(super) by_tag: HashMap<String, BTreeSet<u64>>,
    pub(super) by_applicant: HashMap<String, BTreeSet<u64>>,
    window: Option<(Timestamp, u32)>,
}

impl Vendor {
    /// Add an account, or replace its settings and keep its data. False: too many accounts.
    pub fn set_account(&mut self, setting: AccountSetting) -> bool {
        if !self.accounts.contains_key(&setting.name) && self.accounts.len() >= self.settings.max_accounts {
            return false;
        }
        self.tokens.retain(|_, owner| *owner != setting.name);
        for token in &setting.tokens {
            self.tokens.insert(token.clone(), setting.name.clone());
        }
        let account = self.accounts.entry(setting.name.clone()).or_default();
        account.setting = setting;
        true
    }

    /// What becomes of the account's next runs. False: no such account.
    pub fn set_default_outcome(&mut self, account: &str, default: DefaultOutcome) -> bool {
        self.accounts.get_mut(account).map(|a| a.default_outcome = default).is_some()
    }

    /// What is wrong with the account's list of runs from now on. False: no such account.
    pub fn set_list_quirks(&mut self, account: &str, quirks: ListQuirks) -> bool {
        self.accounts.get_mut(account).map(|a| a.quirks = quirks).is_some()
    }

    pub fn has_account(&self, name: &str) -> bool {
        self.accounts.contains_key(name)
    }

    pub(super) fn dispatch(&mut self, now: Timestamp, account: Option<&str>, request: &Request) -> Response {
        let route = request.route();
        if matches!(route, Route::Ping) {
            // A health call of the region: the vendor says nothing about credentials here.
            let headers = vec![("content-type", "text/plain; charset=utf-8".to_owned())];
            return Response { status: 200, headers, body: b"OK".to_vec(), ..Response::default() };
        }
        let Some(name) = account else { return Response::error_for(401, None) };
        if let Some(refusal) = self.refuse(now, name) {
            return refusal;
        }
        match route {
            Route::Applicants => self.list_applicants(name, request),
            Route::CreateApplicant => self.create_applicant(now, name, request),
            Route::GetApplicant(id) => self.get_applicant(name, id),
            Route::UpdateApplicant(id) => self.update_applicant(name, id, request),
            Route::DeleteApplicant(id) => self.delete_applicant(now, name, id),
            Route::RestoreApplicant(id) => self.restore_applicant(name, id),
            Route::Runs | Route::EndedRuns => self.list_runs(now, name, request),
            Route::CreateRun => self.create_run(now, name, request),
            Route::GetRun(id) => self.get_run(name, id),
            Route::SdkToken => self.create_sdk_token(now, name, request),
            Route::Ping | Route::Unknown => Response::error_for(404, None),
        }
    }

    fn refuse(&mut self, now: Timestamp, name: &str) -> Option<Response> {
        let account = self.accounts.get_mut(name)?;
        if let Some(status) = account.setting.wrong_region {
            let message = "The account exists in a different region";
            return Some(Response::error(status, "incorrect_base_url", message, json!({})));
        }
        let limit = account.setting.requests_per_minute?;
        let (since, used) =
            account.window.filter(|(since, _)| now.duration_since(*since) < SignedDuration::from_mins(1)).unwrap_or((now, 0));
        account.window = Some((since, used.saturating_add(1)));
        (used >= limit).then(|| Response::error_for(429, None))
    }
}
