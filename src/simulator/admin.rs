//! The JSON spoken under `/_simulator/`, for the server, tests and the demo alike. Plain data: no IO, no behaviour.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// One call of the vendor's API, as faults and the ledger name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    Ping,
    CreateApplicant,
    GetApplicant,
    UpdateApplicant,
    DeleteApplicant,
    RestoreApplicant,
    ListApplicants,
    CreateWorkflowRun,
    GetWorkflowRun,
    ListWorkflowRuns,
    /// The same by status: the list read as a feed.
    ListEndedRuns,
    CreateSdkToken,
    Unknown,
}

/// A vendor account: its data is invisible to every other account.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountSetting {
    pub name: String,
    /// API tokens that open it. A token of another account moves here.
    pub tokens: Vec<String>,
    /// Workflow ids it knows; any other is refused with 422.
    pub workflows: Vec<String>,
    #[serde(default)]
    pub live: bool,
    /// Answer every call with this status and `incorrect_base_url`.
    #[serde(default)]
    pub wrong_region: Option<u16>,
    /// More calls than this in one minute are answered 429. Default: no limit.
    #[serde(default)]
    pub requests_per_minute: Option<u32>,
}

impl std::fmt::Debug for AccountSetting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccountSetting")
            .field("name", &self.name)
            .field("tokens", &self.tokens.len())
            .field("workflows", &self.workflows)
            .finish_non_exhaustive()
    }
}

/// What becomes of a run. Everything left out takes the vendor's natural value.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Outcome {
    /// Any word, also one nobody knows; default `approved`.
    pub status: Option<String>,
    /// Per comparison field: `clear`, `consider`, null, any other word, or `absent` to leave the field out.
    pub comparison: BTreeMap<String, Option<String>>,
    pub reasons: Vec<String>,
    pub error_type: Option<String>,
    /// Replaces the whole `output`; an explicit null counts.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// What the run claims to be, for tests of a run that is not ours. The list still finds it where it was created.
    pub overrides: Overrides,
    /// Send no webhook.
    pub silent: bool,
}

/// See [`Outcome::overrides`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Overrides {
    pub applicant_id: Option<String>,
    pub workflow_id: Option<String>,
    pub tags: Option<Vec<String>>,
}

/// What happens to the next runs of an account without anybody's click.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DefaultOutcome {
    /// Finish the capture this long after the run was created. Default: never by itself.
    pub capture_after_ms: Option<u64>,
    /// From `processing` to the outcome. Default: the simulator's processing time.
    pub outcome_after_ms: Option<u64>,
    /// Stay in `processing` until an outcome is set by hand.
    pub hold: bool,
    pub outcome: Outcome,
}

/// What is wrong with an account's list of runs where it is read as a feed, neither by tag nor by applicant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ListQuirks {
    /// A run is listed only so long after it has ended.
    pub lag_ms: u64,
    /// Each page begins with the last entry of the page before.
    pub repeat: bool,
    /// The entries of a page are in the opposite order.
    pub reorder: bool,
    /// Each run is left out when it would be listed for the first time.
    pub skip_once: bool,
}

/// Something that goes wrong for the next calls that match.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Default: any operation.
    #[serde(default)]
    pub operation: Option<Operation>,
    /// Default: any account.
    #[serde(default)]
    pub account: Option<String>,
    /// Matching calls to let pass first.
    #[serde(default)]
    pub skip: u32,
    /// How many calls it hits.
    #[serde(default = "one")]
    pub count: u32,
    #[serde(flatten)]
    pub kind: FaultKind,
}

impl Fault {
    /// This fault once, for one operation of one account.
    pub fn once(operation: Operation, account: &str, kind: FaultKind) -> Self {
        Self { operation: Some(operation), account: Some(account.into()), skip: 0, count: 1, kind }
    }
}

/// "Before commit": the vendor never carried the call out. "After commit": it did, and the caller was not told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FaultKind {
    /// Refused with this status, nothing done.
    Status {
        status: u16,
        #[serde(default)]
        retry_after: Option<String>,
        #[serde(default)]
        error_type: Option<String>,
        /// Sent as it is instead of the vendor's error body.
        #[serde(default)]
        body: Option<String>,
    },
    /// Carried out, then answered with this status all the same (a gateway's 502).
    StatusAfterCommit {
        status: u16,
    },
    /// Wait, then carry out and answer; carried out even if the caller has gone.
    Delay {
        ms: u64,
    },
    /// Carry out at once, answer late.
    DelayAfterCommit {
        ms: u64,
    },
    HangBeforeCommit,
    HangAfterCommit,
    ResetBeforeCommit,
    ResetAfterCommit,
    /// Carried out; half of the body, then the connection ends.
    TruncatedBody,
    /// Carried out; a 2xx with a body that is no JSON.
    GarbageBody,
    /// 302 to there, nothing done.
    Redirect {
        location: String,
    },
}

/// One call as the vendor saw it. No personal values: ids, tags and paths only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerEntry {
    pub seq: u64,
    pub time: String,
    pub account: Option<String>,
    pub operation: Operation,
    pub method: String,
    pub path: String,
    /// What was answered; null: nothing was, or not yet.
    pub status: Option<u16>,
    /// The vendor carried the call out, whatever the caller was told.
    pub committed: bool,
    pub fault: Option<String>,
    pub applicant_id: Option<String>,
    pub run_id: Option<String>,
    pub tags: Vec<String>,
}

/// A run as the simulator's owner sees it. The SDK token is a secret of the simulated person.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunView {
    pub id: String,
    pub account: String,
    pub applicant_id: String,
    pub workflow_id: String,
    pub tags: Vec<String>,
    pub customer_user_id: Option<String>,
    /// As it was given; null if it was not.
    pub custom_data: Value,
    pub status: String,
    pub created_at: String,
    pub completed_at: Option<String>,
    pub sdk_token: String,
    pub capture_url: String,
}

impl std::fmt::Debug for RunView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunView").field("id", &self.id).field("status", &self.status).field("tags", &self.tags).finish_non_exhaustive()
    }
}

/// Where an account's events go.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    pub url: String,
    pub token: String,
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Note the delivery, send nothing: a delivery that was lost.
    #[serde(default)]
    pub drop: bool,
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook").field("enabled", &self.enabled).field("drop", &self.drop).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    Pending,
    Delivered,
    /// The webhook says `drop`, or too many deliveries wait.
    Dropped,
    GaveUp,
}

/// One webhook request and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    pub id: u64,
    pub account: String,
    pub run_id: Option<String>,
    pub url: String,
    pub state: DeliveryState,
    pub attempts: Vec<DeliveryAttempt>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryAttempt {
    pub time: String,
    /// Null: no answer in time, or no connection.
    pub status: Option<u16>,
    pub error: Option<String>,
}

/// Send a recorded delivery again: by its id, or the last one of a run.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Replay {
    pub delivery: Option<u64>,
    pub run: Option<String>,
    /// Default 1, at most 1000; one after the other.
    pub times: Option<u32>,
}

/// Send any body to an account's first webhook, once.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Craft {
    pub account: String,
    pub body: String,
    /// Instead of the webhook's URL.
    pub url: Option<String>,
    /// Sign with this instead of the webhook's token.
    pub token: Option<String>,
    /// Send this as the signature, whatever the body.
    pub signature: Option<String>,
    pub unsigned: bool,
}

fn one() -> u32 {
    1
}

fn yes() -> bool {
    true
}

/// Keeps an explicit null apart from a field that was left out.
fn given<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}
