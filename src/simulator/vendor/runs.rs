//! Workflow runs: create, read, list, and the SDK token that opens their capture. How they end is in `outcome`.

use std::collections::{BTreeSet, VecDeque};

use jiff::{SignedDuration, Timestamp};
use rand::Rng;
use serde_json::{Value, json};

use super::wire::{Request, Response};
use super::{Step, Timer, Vendor, rules};
use crate::simulator::admin::{DefaultOutcome, ListQuirks, Overrides, RunView};

const PAGE_SIZE: usize = 20;
const MANUAL_TOKEN_MINUTES: i64 = 90;
/// Of one run; beyond these the oldest open nothing any more.
const MAX_MANUAL_TOKENS: usize = 100;

/// A workflow run. No Debug: it holds the SDK token.
pub struct Run {
    pub(super) id: String,
    pub(super) account: String,
    pub(super) applicant_id: String,
    pub(super) workflow_id: String,
    pub(super) tags: Vec<String>,
    pub(super) customer_user_id: Option<String>,
    /// Fed to the workflow; the vendor never tells it again.
    pub(super) custom_data: Value,
    pub(super) link: Value,
    pub(super) link_id: String,
    pub(super) status: String,
    pub(super) output: Value,
    pub(super) reasons: Vec<String>,
    pub(super) error: Option<(String, String)>,
    pub(super) sdk_token: String,
    /// Those that were asked for since, with their end; oldest first.
    pub(super) manual_tokens: VecDeque<(String, Timestamp)>,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
    pub(super) completed_at: Option<Timestamp>,
    /// Whether it was in a list since then, or left out of one on purpose.
    pub(super) listed: bool,
    pub(super) step: Step,
    pub(super) plan: DefaultOutcome,
    pub(super) shown: Overrides,
    pub(super) timer: Option<(Timestamp, Timer)>,
}

impl Run {
    pub(super) fn json(&self, base: &str) -> Value {
        json!({
            "id": self.id,
            "applicant_id": self.shown.applicant_id.as_ref().unwrap_or(&self.applicant_id),
            "workflow_id": self.shown.workflow_id.as_ref().unwrap_or(&self.workflow_id),
            "workflow_version_id": 1,
            "tags": self.shown.tags.as_ref().unwrap_or(&self.tags),
            "customer_user_id": self.customer_user_id,
            "status": self.status,
            "dashboard_url": format!("{base}/#{}", self.id),
            "output": self.output,
            "reasons": self.reasons,
            "error": self.error.as_ref().map(|(kind, message)| json!({"type": kind, "message": message})),
            "sdk_token": self.sdk_token,
            "link": self.link,
            "created_at": rules::second(self.created_at),
            "updated_at": rules::second(self.updated_at),
            "href": format!("/v3.6/workflow_runs/{}", self.id),
        })
    }

    fn view(&self, base: &str) -> RunView {
        RunView {
            id: self.id.clone(),
            account: self.account.clone(),
            applicant_id: self.applicant_id.clone(),
            workflow_id: self.workflow_id.clone(),
            tags: self.tags.clone(),
            customer_user_id: self.customer_user_id.clone(),
            custom_data: self.custom_data.clone(),
            status: self.status.clone(),
            created_at: rules::second(self.created_at),
            completed_at: self.completed_at.map(rules::second),
            sdk_token: self.sdk_token.clone(),
            capture_url: format!("{base}/l/{}", self.link_id),
        }
    }
}

impl Vendor {
    pub(super) fn create_run(&mut self, now: Timestamp, account: &str, request: &Request) -> Response {
        let input = match rules::run(&request.body) {
            Ok(input) => input,
            Err(refusal) => return refusal,
        };
        let text = |field: &str| input.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (workflow_id, applicant_id) = (text("workflow_id"), text("applicant_id"));
        let Some(owner) = self.accounts.get(account) else { return Response::error_for(401, None) };
        if !owner.setting.workflows.contains(&workflow_id) {
            return Response::invalid(json!({"workflow_id": ["does not exist or is not active"]}));
        }
        if self.applicant(account, &applicant_id).is_none() {
            return Response::invalid(json!({"applicant_id": ["does not exist"]}));
        }
        let plan = owner.default_outcome.clone();
        if self.runs.len() >= self.settings.max_runs
            && let Some((&oldest, _)) = self.runs.first_key_value()
        {
            self.forget_run(oldest);
        }
        let (number, id, link_id) = (self.number(), self.uuid(), self.uuid());
        let lifetime = self.settings.sdk_token_lifetime;
        let sdk_token = self.jwt(now, lifetime, &json!({"app": account, "workflow_run_id": id}));
        let given = input.get("link").cloned().unwrap_or(Value::Null);
        let link = json!({
            "url": format!("{}/l/{link_id}", self.settings.public_url),
            "completed_redirect_url": given["completed_redirect_url"],
            "expired_redirect_url": given["expired_redirect_url"],
            "expires_at": given["expires_at"],
            "language": given["language"],
        });
        let tags: Vec<String> =
            input.get("tags").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
        let run = Run {
            id: id.clone(),
            account: account.to_owned(),
            applicant_id: applicant_id.clone(),
            workflow_id,
            tags: tags.clone(),
            custom_data: input.get("custom_data").cloned().unwrap_or(Value::Null),
            customer_user_id: input.get("customer_user_id").and_then(Value::as_str).map(str::to_owned),
            link,
            link_id: link_id.clone(),
            status: "awaiting_input".into(),
            output: Value::Null,
            reasons: Vec::new(),
            error: None,
            sdk_token: sdk_token.clone(),
            manual_tokens: VecDeque::new(),
            created_at: now,
            updated_at: now,
            completed_at: None,
            listed: false,
            step: Step::Consent,
            plan,
            shown: Overrides::default(),
            timer: None,
        };
        let capture_after = run.plan.capture_after_ms;
        self.sdk_tokens.insert(sdk_token, number);
        self.link_ids.insert(link_id, number);
        self.run_ids.insert(id.clone(), number);
        if let Some(owner) = self.accounts.get_mut(account) {
            owner.runs.insert((None, number));
            owner.by_applicant.entry(applicant_id).or_default().insert(number);
            for tag in &tags {
                owner.by_tag.entry(tag.clone()).or_default().insert(number);
            }
        }
        let body = run.json(&self.settings.public_url);
        self.runs.insert(number, run);
        if let Some(ms) = capture_after {
            self.set_timer(number, Some((later(now, ms), Timer::Capture(number))));
        }
        Response::json(201, &body).about_run(&id, &text("applicant_id"), &tags)
    }

    pub(super) fn get_run(&self, account: &str, id: &str) -> Response {
        match self.run_ids.get(id).and_then(|n| self.runs.get(n)).filter(|run| run.account == account) {
            Some(run) => Response::json(200, &run.json(&self.settings.public_url)).about_run(id, &run.applicant_id, &run.tags),
            None => Response::not_found("Workflow Run", id),
        }
    }

    /// By time of completion, runs that are not completed as the oldest; pages of twenty.
    pub(super) fn list_runs(&mut self, now: Timestamp, account: &str, request: &Request) -> Response {
        let page = match rules::page(request, "page", 1) {
            Ok(page) => page,
            Err(refusal) => return refusal,
        };
        let (after, before) = match (rules::date(request, "created_at_gt"), rules::date(request, "created_at_lt")) {
            (Ok(after), Ok(before)) => (after, before),
            (Err(refusal), _) | (_, Err(refusal)) => return refusal,
        };
        let ascending = match request.one("sort").as_deref() {
            None | Some("desc") => false,
            Some("asc") => true,
            Some(_) => return Response::invalid(json!({"sort": ["is not included in the list"]})),
        };
        let (applicant, tags, statuses) = (request.one("applicant_id"), request.list("tags"), request.list("status"));
        let Some(owner) = self.accounts.get(account) else { return Response::error_for(401, None) };
        // An index where there is one: a vendor of 100k runs is asked for one tag again and again.
        let indexed = match (&applicant, tags.first()) {
            (Some(id), _) => Some(owner.by_applicant.get(id)),
            (None, Some(tag)) => Some(owner.by_tag.get(tag)),
            (None, None) => None,
        };
        let narrowed: BTreeSet<(Option<Timestamp>, u64)>;
        let order = match indexed {
            None => &owner.runs,
            Some(numbers) => {
                let completed = |n: &u64| self.runs.get(n).and_then(|run| run.completed_at);
                narrowed = numbers.into_iter().flatten().map(|n| (completed(n), *n)).collect();
                &narrowed
            }
        };
        let wanted = |run: &Run| {
            applicant.as_ref().is_none_or(|id| run.applicant_id == *id)
                && tags.iter().all(|tag| run.tags.contains(tag))
                && (statuses.is_empty() || statuses.contains(&run.status))
                && after.is_none_or(|at| run.created_at > at)
                && before.is_none_or(|at| run.created_at < at)
        };
        let quirks = if indexed.is_none() { owner.quirks } else { ListQuirks::default() };
        let is_late = |run: &Run| run.completed_at.is_some_and(|at| later(at, quirks.lag_ms) > now);
        let mut left_out = Vec::new();
        let base = &self.settings.public_url;
        let skipped = (page - 1).saturating_mul(if quirks.repeat { PAGE_SIZE - 1 } else { PAGE_SIZE });
        let mut show = |numbers: &mut dyn Iterator<Item = &(Option<Timestamp>, u64)>| -> Vec<Value> {
            let found = numbers.filter_map(|(_, n)| Some((n, self.runs.get(n)?))).filter(|(_, run)| wanted(run) && !is_late(run));
            let listed = found.filter(|(n, run)| {
                let is_left_out = quirks.skip_once && !run.listed && run.completed_at.is_some();
                left_out.extend(is_left_out.then_some(**n));
                !is_left_out
            });
            listed.skip(skipped).take(PAGE_SIZE).map(|(_, run)| run.json(base)).collect()
        };
        let mut shown = if ascending { show(&mut order.iter()) } else { show(&mut order.iter().rev()) };
        if quirks.reorder {
            shown.reverse();
        }
        for number in left_out {
            self.runs.entry(number).and_modify(|run| run.listed = true);
        }
        Response::json(200, &Value::Array(shown))
    }

    /// The older kind of token, for an applicant. It opens the capture of the newest run that waits for them now.
    pub(super) fn create_sdk_token(&mut self, now: Timestamp, account: &str, request: &Request) -> Response {
        let input = match rules::object(&request.body) {
            Ok(input) => input,
            Err(refusal) => return refusal,
        };
        let Some(id) = input.get("applicant_id").and_then(Value::as_str).filter(|id| !id.is_empty()) else {
            return Response::invalid(json!({"applicant_id": ["can't be blank"]}));
        };
        if self.applicant(account, id).is_none() {
            return Response::not_found("Applicant", id);
        }
        for field in ["referrer", "application_id", "cross_device_url"] {
            if input.get(field).is_some_and(|value| !value.is_null() && value.as_str().is_none_or(str::is_empty)) {
                return Response::invalid(json!({field: ["invalid format"]}));
            }
        }
        let lifetime = SignedDuration::from_mins(MANUAL_TOKEN_MINUTES);
        let token = self.jwt(now, lifetime, &json!({"app": account, "applicant_id": id}));
        let mut runs = self.accounts.get(account).and_then(|owner| owner.by_applicant.get(id)).into_iter().flatten().rev();
        let waits = |n: &&u64| self.runs.get(n).is_some_and(|run| run.status == "awaiting_input");
        if let Some((number, run)) = runs.find(waits).copied().and_then(|n| Some((n, self.runs.get_mut(&n)?))) {
            run.manual_tokens.push_back((token.clone(), now.saturating_add(lifetime).unwrap_or(Timestamp::MAX)));
            let forgotten = if run.manual_tokens.len() > MAX_MANUAL_TOKENS { run.manual_tokens.pop_front() } else { None };
            forgotten.map(|(token, _)| self.sdk_tokens.remove(&token));
            self.sdk_tokens.insert(token.clone(), number);
        }
        Response::json(200, &json!({ "token": token })).about_applicant(id)
    }

    /// Newest first, at most `limit`.
    pub fn runs(&self, tag: Option<&str>, limit: usize) -> Vec<RunView> {
        let base = &self.settings.public_url;
        let found = self.runs.values().rev().filter(|run| tag.is_none_or(|tag| run.tags.iter().any(|t| t == tag)));
        found.take(limit).map(|run| run.view(base)).collect()
    }

    pub(super) fn set_timer(&mut self, number: u64, timer: Option<(Timestamp, Timer)>) {
        let Some(run) = self.runs.get_mut(&number) else { return };
        if let Some(old) = std::mem::replace(&mut run.timer, timer) {
            self.timers.remove(&old);
        }
        self.timers.extend(timer);
    }

    fn forget_run(&mut self, number: u64) {
        self.set_timer(number, None);
        let Some(run) = self.runs.remove(&number) else { return };
        self.run_ids.remove(&run.id);
        for token in run.manual_tokens.iter().map(|(token, _)| token).chain([&run.sdk_token]) {
            self.sdk_tokens.remove(token);
        }
        self.link_ids.remove(&run.link_id);
        let Some(owner) = self.accounts.get_mut(&run.account) else { return };
        owner.runs.remove(&(run.completed_at, number));
        let forget = |index: &mut std::collections::HashMap<String, BTreeSet<u64>>, key: &String| {
            if let Some(numbers) = index.get_mut(key) {
                numbers.remove(&number);
                if numbers.is_empty() {
                    index.remove(key);
                }
            }
        };
        forget(&mut owner.by_applicant, &run.applicant_id);
        for tag in &run.tags {
            forget(&mut owner.by_tag, tag);
        }
    }

    /// Looks like the vendor's token; the signature is chance, and nobody checks it.
    fn jwt(&mut self, now: Timestamp, lifetime: SignedDuration, payload: &Value) -> String {
        let exp = now.saturating_add(lifetime).unwrap_or(Timestamp::MAX).as_second();
        let claims = json!({"exp": exp, "payload": payload, "uuid": self.uuid(), "simulator": true});
        let mut signature = [0u8; 64];
        self.rng.fill_bytes(&mut signature);
        let head = base64url(br#"{"alg":"ES512","typ":"JWT"}"#);
        format!("{head}.{}.{}", base64url(claims.to_string().as_bytes()), base64url(&signature))
    }
}

pub(super) fn later(now: Timestamp, ms: u64) -> Timestamp {
    let wait = SignedDuration::from_millis(i64::try_from(ms).unwrap_or(i64::MAX));
    now.saturating_add(wait).unwrap_or(Timestamp::MAX)
}

fn base64url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            text.push(char::from(DIGITS[(word >> (18 - 6 * place) & 63) as usize]));
        }
    }
    text
}
