//! Webhook deliveries: signing, sending, retrying, recording. What an event says is `vendor`'s; who asks is `http`'s.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::admin::{Craft, Delivery, DeliveryAttempt, DeliveryState, Replay, Webhook};
use super::vendor::Event;
use crate::onfido::secret::{TokenError, WebhookToken};
use crate::onfido::webhook::sign;

const MAX_RECORDS: usize = 5_000;
const MAX_WAITING: usize = 10_000;
const MAX_AT_ONCE: usize = 64;
const MAX_ATTEMPTS_SHOWN: usize = 50;
/// More replays than this in one request are refused.
pub const MAX_REPLAYS: u32 = 1_000;

/// How patient the sender is.
#[derive(Debug, Clone, Copy)]
pub struct Tempo {
    /// An answer later than this counts as none.
    pub acknowledge: Duration,
    /// Before the second attempt; doubles from then on.
    pub retry: Duration,
    /// It doubles up to this.
    pub longest_retry: Duration,
    pub attempts: u32,
}

/// Why a webhook or a replay was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    #[error("the webhook's token is not usable")]
    Token(#[from] TokenError),
    #[error("no such recorded delivery")]
    NoDelivery,
    #[error("the account has no webhook, and no url was given")]
    NoWebhook,
    #[error("at most {MAX_REPLAYS} times in one request")]
    TooMany,
}

#[derive(Clone)]
struct Hook {
    url: String,
    token: WebhookToken,
    enabled: bool,
    drop: bool,
}

struct Record {
    view: Delivery,
    body: Arc<str>,
    hook: Hook,
}

#[derive(Default)]
struct State {
    hooks: BTreeMap<String, Vec<Hook>>,
    records: VecDeque<Record>,
    next: u64,
}

/// Cheap to clone; all clones are the same sender.
#[derive(Clone)]
pub struct Deliveries {
    state: Arc<Mutex<State>>,
    client: reqwest::Client,
    tempo: Tempo,
    waiting: Arc<Semaphore>,
    at_once: Arc<Semaphore>,
    stop: CancellationToken,
}

/// What is put into the signature header.
enum Signature {
    By(WebhookToken),
    Literal(String),
    Missing,
}

impl Deliveries {
    pub fn new(client: reqwest::Client, tempo: Tempo, stop: CancellationToken) -> Self {
        Self {
            state: Arc::default(),
            client,
            tempo,
            waiting: Arc::new(Semaphore::new(MAX_WAITING)),
            at_once: Arc::new(Semaphore::new(MAX_AT_ONCE)),
            stop,
        }
    }

    /// Replace an account's webhooks.
    pub fn configure(&self, account: &str, webhooks: &[Webhook]) -> Result<(), DeliveryError> {
        let hook = |w: &Webhook| -> Result<Hook, TokenError> {
            let token = WebhookToken::from_secret_bytes(w.token.as_bytes())?;
            Ok(Hook { url: w.url.clone(), token, enabled: w.enabled, drop: w.drop })
        };
        let hooks = webhooks.iter().map(hook).collect::<Result<Vec<_>, _>>()?;
        self.state().hooks.insert(account.to_owned(), hooks);
        Ok(())
    }

    /// Send an event to every webhook of its account, with retries, in the background.
    pub fn send(&self, event: &Event) {
        let hooks = self.state().hooks.get(&event.account).cloned().unwrap_or_default();
        for hook in hooks.into_iter().filter(|hook| hook.enabled) {
            let permit = if hook.drop { None } else { self.waiting.clone().try_acquire_owned().ok() };
            let state = if permit.is_some() { DeliveryState::Pending } else { DeliveryState::Dropped };
            let body: Arc<str> = event.body.as_str().into();
            let id = self.record(&event.account, Some(&event.run_id), &hook, &body, state);
            let Some(permit) = permit else { continue };
            let this = self.clone();
            tokio::spawn(async move {
                let _permit = permit;
                // Stopping the simulator ends a retry wherever it is.
                this.stop.clone().run_until_cancelled(this.until_acknowledged(id, hook, body)).await;
            });
        }
    }

    /// The recorded deliveries, oldest first.
    pub fn list(&self, account: Option<&str>, run: Option<&str>) -> Vec<Delivery> {
        let state = self.state();
        let views = state.records.iter().map(|record| &record.view);
        let wanted = views.filter(|v| account.is_none_or(|a| v.account == a) && run.is_none_or(|r| v.run_id.as_deref() == Some(r)));
        wanted.cloned().collect()
    }

    /// Send a recorded body again, to the account's webhook of today. One attempt each; waits for the answers.
    pub async fn replay(&self, replay: &Replay) -> Result<Vec<Delivery>, DeliveryError> {
        let times = replay.times.unwrap_or(1);
        if times > MAX_REPLAYS {
            return Err(DeliveryError::TooMany);
        }
        let (account, run, body, hook) = {
            let state = self.state();
            let wanted = |r: &&Record| match (replay.delivery, &replay.run) {
                (Some(id), _) => r.view.id == id,
                (None, run) => run.is_some() && r.view.run_id == *run,
            };
            let record = state.records.iter().rev().find(wanted).ok_or(DeliveryError::NoDelivery)?;
            let today = state.hooks.get(&record.view.account).and_then(|hooks| hooks.first());
            let hook = today.unwrap_or(&record.hook).clone();
            (record.view.account.clone(), record.view.run_id.clone(), record.body.clone(), hook)
        };
        let mut sent = Vec::new();
        for _ in 0..times {
            let id = self.record(&account, run.as_deref(), &hook, &body, DeliveryState::Pending);
            self.attempt(id, &hook.url, &Signature::By(hook.token.clone()), &body, true).await;
            sent.extend(self.view(id));
        }
        Ok(sent)
    }

    /// Send any body once; waits for the answer.
    pub async fn craft(&self, craft: Craft) -> Result<Delivery, DeliveryError> {
        let hook = self.state().hooks.get(&craft.account).and_then(|hooks| hooks.first()).cloned();
        let token = craft.token.as_ref().map(|t| WebhookToken::from_secret_bytes(t.as_bytes())).transpose()?;
        let token = token.or_else(|| hook.as_ref().map(|h| h.token.clone()));
        let url = craft.url.or_else(|| hook.map(|h| h.url)).ok_or(DeliveryError::NoWebhook)?;
        let signature = match (craft.unsigned, craft.signature, &token) {
            (true, ..) => Signature::Missing,
            (false, Some(literal), _) => Signature::Literal(literal),
            (false, None, Some(token)) => Signature::By(token.clone()),
            (false, None, None) => return Err(DeliveryError::NoWebhook),
        };
        // A crafted record is never signed by this token again unless it is replayed without any webhook configured.
        let token = token.map_or_else(|| WebhookToken::from_secret_bytes(b"no-token-was-configured"), Ok)?;
        let hook = Hook { url: url.clone(), token, enabled: true, drop: false };
        let body: Arc<str> = craft.body.into();
        let id = self.record(&craft.account, None, &hook, &body, DeliveryState::Pending);
        self.attempt(id, &url, &signature, &body, true).await;
        self.view(id).ok_or(DeliveryError::NoDelivery)
    }

    async fn until_acknowledged(self, id: u64, hook: Hook, body: Arc<str>) {
        let signature = Signature::By(hook.token.clone());
        let mut wait = self.tempo.retry;
        for attempt in 1..=self.tempo.attempts {
            let last = attempt == self.tempo.attempts;
            if self.attempt(id, &hook.url, &signature, &body, last).await {
                return;
            }
            if !last {
                tokio::time::sleep(wait).await;
                wait = wait.saturating_mul(2).min(self.tempo.longest_retry);
            }
        }
    }

    /// One request; true if it was acknowledged.
    async fn attempt(&self, id: u64, url: &str, signature: &Signature, body: &str, last: bool) -> bool {
        let Ok(_turn) = self.at_once.acquire().await else { return false };
        let mut request = self.client.post(url).timeout(self.tempo.acknowledge).header("content-type", "application/json");
        match signature {
            Signature::By(token) => request = request.header("X-SHA2-Signature", sign(token, body.as_bytes())),
            Signature::Literal(text) => request = request.header("X-SHA2-Signature", text),
            Signature::Missing => {}
        }
        let time = Timestamp::now().to_string();
        let answer = request.body(body.to_owned()).send().await;
        let (status, error) = match &answer {
            Ok(answer) => (Some(answer.status().as_u16()), None),
            Err(e) if e.is_timeout() => (None, Some("no answer in time")),
            Err(e) if e.is_connect() => (None, Some("cannot connect")),
            Err(e) if e.is_builder() => (None, Some("not a usable url or header")),
            Err(_) => (None, Some("the connection broke")),
        };
        let acknowledged = status.is_some_and(|s| (200..300).contains(&s));
        let mut state = self.state();
        if let Some(record) = state.records.iter_mut().rev().find(|r| r.view.id == id) {
            if record.view.attempts.len() < MAX_ATTEMPTS_SHOWN {
                record.view.attempts.push(DeliveryAttempt { time, status, error: error.map(str::to_owned) });
            }
            record.view.state = match (acknowledged, last) {
                (true, _) => DeliveryState::Delivered,
                (false, true) => DeliveryState::GaveUp,
                (false, false) => DeliveryState::Pending,
            };
        }
        acknowledged
    }

    fn record(&self, account: &str, run: Option<&str>, hook: &Hook, body: &Arc<str>, how: DeliveryState) -> u64 {
        let mut state = self.state();
        state.next += 1;
        let id = state.next;
        let view = Delivery {
            id,
            account: account.to_owned(),
            run_id: run.map(str::to_owned),
            url: hook.url.clone(),
            state: how,
            attempts: Vec::new(),
        };
        if state.records.len() >= MAX_RECORDS {
            state.records.pop_front();
        }
        state.records.push_back(Record { view, body: body.clone(), hook: hook.clone() });
        id
    }

    fn view(&self, id: u64) -> Option<Delivery> {
        self.state().records.iter().rev().find(|r| r.view.id == id).map(|r| r.view.clone())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
