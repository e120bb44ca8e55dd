//! A small client of the owner's endpoints, for tests and the demo.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::admin::{
    AccountSetting, Craft, DefaultOutcome, Delivery, Fault, LedgerEntry, ListQuirks, Operation, Outcome, Replay, RunView, Webhook,
};

/// Speaks to one simulator.
#[derive(Debug, Clone)]
pub struct AdminClient {
    http: reqwest::Client,
    base: String,
}

/// What a call of [`AdminClient`] can come to.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    #[error("the simulator cannot be reached")]
    Transport(#[from] reqwest::Error),
    #[error("the simulator answered {status}: {text}")]
    Refused { status: u16, text: String },
    #[error("the simulator's answer cannot be read")]
    Answer(#[from] serde_json::Error),
}

type Result<T> = std::result::Result<T, AdminError>;

impl AdminClient {
    /// The simulator's own address, without a trailing slash.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// `base` is the simulator's root, such as `http://127.0.0.1:8090`.
    pub fn new(base: &str) -> Result<Self> {
        Ok(Self { http: super::http_client()?, base: base.trim_end_matches('/').to_owned() })
    }

    /// Finish the capture, as the person would.
    pub async fn capture(&self, run: &str) -> Result<()> {
        self.post(&format!("runs/{run}/capture"), &()).await.map(drop)
    }

    /// Decide a run now.
    pub async fn outcome(&self, run: &str, outcome: &Outcome) -> Result<()> {
        self.post(&format!("runs/{run}/outcome"), outcome).await.map(drop)
    }

    /// Newest first.
    pub async fn runs(&self, account: Option<&str>, tag: Option<&str>) -> Result<Vec<RunView>> {
        self.get("runs", &[("account", account), ("tag", tag)]).await
    }

    /// Oldest first.
    pub async fn ledger(&self, account: Option<&str>, operation: Option<Operation>) -> Result<Vec<LedgerEntry>> {
        let operation = operation.map(serde_json::to_value).transpose()?;
        self.get("ledger", &[("account", account), ("operation", operation.as_ref().and_then(|o| o.as_str()))]).await
    }

    /// Add a fault behind those that wait.
    pub async fn fault(&self, fault: &Fault) -> Result<()> {
        self.post("faults", fault).await.map(drop)
    }

    /// The faults not used up.
    pub async fn faults(&self) -> Result<Vec<Fault>> {
        self.get("faults", &[]).await
    }

    /// Forget all faults, or those of one account.
    pub async fn clear_faults(&self, account: Option<&str>) -> Result<()> {
        self.answer(self.http.delete(self.url("faults", &[("account", account)]))).await.map(drop)
    }

    /// Add or replace an account; its data stay.
    pub async fn account(&self, setting: &AccountSetting) -> Result<()> {
        self.post("accounts", setting).await.map(drop)
    }

    /// Replace an account's webhooks.
    pub async fn webhooks(&self, account: &str, webhooks: &[Webhook]) -> Result<()> {
        self.post(&format!("accounts/{account}/webhooks"), webhooks).await.map(drop)
    }

    /// What becomes of the account's next runs.
    pub async fn default_outcome(&self, account: &str, default: &DefaultOutcome) -> Result<()> {
        self.post(&format!("accounts/{account}/default_outcome"), default).await.map(drop)
    }

    /// What is wrong with the account's list of runs.
    pub async fn list_quirks(&self, account: &str, quirks: &ListQuirks) -> Result<()> {
        self.post(&format!("accounts/{account}/list_quirks"), quirks).await.map(drop)
    }

    /// Oldest first.
    pub async fn deliveries(&self, account: Option<&str>, run: Option<&str>) -> Result<Vec<Delivery>> {
        self.get("deliveries", &[("account", account), ("run", run)]).await
    }

    /// Send a recorded delivery again and wait for the answers.
    pub async fn replay(&self, replay: &Replay) -> Result<Vec<Delivery>> {
        Ok(serde_json::from_slice(&self.post("deliveries/replay", replay).await?)?)
    }

    /// Send any body once and wait for the answer.
    pub async fn craft(&self, craft: &Craft) -> Result<Delivery> {
        Ok(serde_json::from_slice(&self.post("deliveries/craft", craft).await?)?)
    }

    async fn get<T: DeserializeOwned>(&self, path: &str, query: &[(&str, Option<&str>)]) -> Result<T> {
        Ok(serde_json::from_slice(&self.answer(self.http.get(self.url(path, query))).await?)?)
    }

    async fn post(&self, path: &str, body: &(impl Serialize + ?Sized)) -> Result<Vec<u8>> {
        let request = self.http.post(self.url(path, &[])).header("content-type", "application/json");
        self.answer(request.body(serde_json::to_vec(body)?)).await
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> Result<Vec<u8>> {
        let answer = request.send().await?;
        let status = answer.status();
        let body = answer.bytes().await?;
        if status.is_success() {
            return Ok(body.to_vec());
        }
        let text = String::from_utf8_lossy(&body).trim().to_owned();
        Err(AdminError::Refused { status: status.as_u16(), text })
    }

    fn url(&self, path: &str, query: &[(&str, Option<&str>)]) -> String {
        let mut given = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in query {
            if let Some(value) = value {
                given.append_pair(name, value);
            }
        }
        format!("{}/_simulator/{path}?{}", self.base, given.finish())
    }
}
