//! Workflow runs: what starts one and what the vendor says of it. Owns no opinion on which status is final.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::{
    custom::CustomData,
    id::{ApplicantId, Word, WorkflowId, WorkflowRunId},
    lenient,
};
use crate::onfido::secret::{LinkUrl, SdkToken};

/// The body of `POST /workflow_runs`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NewWorkflowRun {
    /// Which workflow; its active version runs.
    pub workflow_id: WorkflowId,
    /// Who is verified.
    pub applicant_id: ApplicantId,
    /// What the run can be found by: at most 30, of 1 to 128 characters.
    pub tags: Vec<String>,
    /// The caller's own name for the person, echoed but not searchable: at most 256 characters.
    pub customer_user_id: String,
    /// How the vendor's page behaves, where the person captures there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<NewLink>,
    /// What the workflow's author asks for.
    #[serde(skip_serializing_if = "CustomData::is_empty")]
    pub custom_data: CustomData,
}

/// How the vendor's page for a run behaves.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
pub struct NewLink {
    /// Where the person is sent once they have finished.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_redirect_url: Option<String>,
    /// Where the person is sent who comes too late.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expired_redirect_url: Option<String>,
    /// When it expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Its language, in the vendor's word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
}

impl fmt::Debug for NewLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The application's addresses stay out: they can hold what only it and the person may know.
        f.debug_struct("NewLink").field("expires_at", &self.expires_at).field("language", &self.language).finish_non_exhaustive()
    }
}

/// The body of `POST /sdk_token`: a token for whatever run of the applicant waits for the person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewSdkToken {
    /// Who captures.
    pub applicant_id: ApplicantId,
    /// The web pages it can be used in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub referrer: Option<String>,
    /// The mobile app it can be used in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application_id: Option<String>,
}

/// The vendor's word for where a run stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RunStatus {
    /// The vendor works.
    Processing,
    /// The vendor waits for the person.
    AwaitingInput,
    /// The vendor waits for us: a task of the workflow that the client has to complete.
    AwaitingClientInput,
    /// The workflow ended well.
    Approved,
    /// The workflow ended badly.
    Declined,
    /// A person at the vendor or at its customer has to look.
    Review,
    /// The person did not come.
    Abandoned,
    /// The vendor failed.
    Error,
    /// A word nobody told us of.
    Unknown(Word),
}

impl RunStatus {
    /// The vendor's word.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Processing => "processing",
            Self::AwaitingInput => "awaiting_input",
            Self::AwaitingClientInput => "awaiting_client_input",
            Self::Approved => "approved",
            Self::Declined => "declined",
            Self::Review => "review",
            Self::Abandoned => "abandoned",
            Self::Error => "error",
            Self::Unknown(word) => word.as_str(),
        }
    }
}

impl From<&str> for RunStatus {
    fn from(word: &str) -> Self {
        match word {
            "processing" => Self::Processing,
            "awaiting_input" => Self::AwaitingInput,
            "awaiting_client_input" => Self::AwaitingClientInput,
            "approved" => Self::Approved,
            "declined" => Self::Declined,
            "review" => Self::Review,
            "abandoned" => Self::Abandoned,
            "error" => Self::Error,
            other => Self::Unknown(other.into()),
        }
    }
}

/// A run as the vendor tells it. Only the three ids are certain.
#[derive(Clone, PartialEq, Deserialize)]
pub struct WorkflowRun {
    /// The run.
    pub id: WorkflowRunId,
    /// The workflow it is a passage of.
    pub workflow_id: WorkflowId,
    /// The person it is about.
    pub applicant_id: ApplicantId,
    /// Which version of the workflow runs.
    #[serde(default, deserialize_with = "lenient::option")]
    pub workflow_version_id: Option<i64>,
    /// Where a person with an account at the vendor can look at it.
    #[serde(default, deserialize_with = "lenient::web_address")]
    pub dashboard_url: Option<String>,
    /// Where it stands; a missing word is an unknown one.
    #[serde(default = "no_status", deserialize_with = "status")]
    pub status: RunStatus,
    /// Whatever the author of the workflow made it say: personal data.
    #[serde(default)]
    pub output: Option<Value>,
    /// Why it ended as it did, in the words of the workflow's author.
    #[serde(default, deserialize_with = "lenient::words")]
    pub reasons: Vec<Word>,
    /// The kind of technical failure, beside [`RunStatus::Error`].
    #[serde(default, rename = "error", deserialize_with = "error_type")]
    pub error_type: Option<Word>,
    /// What the app's SDK captures with.
    #[serde(default, deserialize_with = "sdk_token")]
    pub sdk_token: Option<SdkToken>,
    /// Where the person can capture without an app.
    #[serde(default, deserialize_with = "link")]
    pub link: Option<Link>,
    /// What the run can be found by.
    #[serde(default, deserialize_with = "lenient::tags")]
    pub tags: Vec<String>,
    /// The caller's own name for the person.
    #[serde(default, deserialize_with = "lenient::customer_user_id")]
    pub customer_user_id: Option<String>,
    /// When it was created.
    #[serde(default, deserialize_with = "lenient::timestamp")]
    pub created_at: Option<Timestamp>,
    /// When it last changed.
    #[serde(default, deserialize_with = "lenient::timestamp")]
    pub updated_at: Option<Timestamp>,
}

/// The vendor's page for a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its address.
    pub url: LinkUrl,
    /// When it expires, if the vendor says.
    pub expires_at: Option<Timestamp>,
}

impl fmt::Debug for WorkflowRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Output, token and free strings of the vendor's stay out.
        f.debug_struct("WorkflowRun")
            .field("id", &self.id)
            .field("workflow_id", &self.workflow_id)
            .field("applicant_id", &self.applicant_id)
            .field("workflow_version_id", &self.workflow_version_id)
            .field("status", &self.status)
            .field("error_type", &self.error_type)
            .field("created_at", &self.created_at)
            .field("updated_at", &self.updated_at)
            .finish_non_exhaustive()
    }
}

pub(super) fn no_status() -> RunStatus {
    RunStatus::Unknown(Word::from(""))
}

pub(super) fn status<'de, D: Deserializer<'de>>(d: D) -> Result<RunStatus, D::Error> {
    Ok(lenient::option::<D, String>(d)?.map_or_else(no_status, |word| word.as_str().into()))
}

fn error_type<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Word>, D::Error> {
    Ok(Value::deserialize(d)?.get("type").and_then(Value::as_str).map(Word::from))
}

fn link<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Link>, D::Error> {
    let value = Value::deserialize(d)?;
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    let expires_at = text("expires_at").and_then(|time| time.parse().ok());
    Ok(text("url").and_then(LinkUrl::parse).map(|url| Link { url, expires_at }))
}

fn sdk_token<'de, D: Deserializer<'de>>(d: D) -> Result<Option<SdkToken>, D::Error> {
    Ok(lenient::option::<D, String>(d)?.filter(|token| !token.is_empty()).map(SdkToken::new))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn decode(body: Value) -> Result<WorkflowRun, serde_json::Error> {
        serde_json::from_value(body)
    }

    #[test]
    fn three_ids_are_enough() {
        let run = decode(json!({"id": "r", "workflow_id": "w", "applicant_id": "a"})).unwrap();
        assert_eq!(run.status.as_str(), Word::UNRECOGNIZED);
        assert!(run.output.is_none() && run.tags.is_empty() && run.sdk_token.is_none());
        assert!(decode(json!({"id": "r", "workflow_id": "w"})).is_err());
    }

    #[test]
    fn nulls_odd_types_and_new_fields_spoil_nothing() {
        let run = decode(json!({
            "id": "r", "workflow_id": "w", "applicant_id": "a", "status": "awaiting_input", "tags": null, "output": null, "error": null,
            "reasons": {"a": 1}, "workflow_version_id": "nine", "dashboard_url": "javascript:alert(1)", "sdk_token": 3,
            "created_at": "yesterday", "customer_user_id": [], "link": {"url": "javascript:alert(1)"}, "brand_new": [[]],
        }))
        .unwrap();
        assert_eq!(run.status, RunStatus::AwaitingInput);
        assert_eq!((run.workflow_version_id, run.dashboard_url, run.created_at), (None, None, None));
        assert!(run.reasons.is_empty() && run.sdk_token.is_none() && run.error_type.is_none() && run.link.is_none());
        for odd in
            [json!(null), json!("https://example.test/x"), json!([]), json!({"url": null}), json!({"expires_at": "2026-01-02T03:04:05Z"})]
        {
            let run = decode(json!({"id": "r", "workflow_id": "w", "applicant_id": "a", "link": odd})).unwrap();
            assert_eq!(run.link, None);
        }
        let run =
            decode(json!({"id": "r", "workflow_id": "w", "applicant_id": "a", "link": {"url": "https://example.test/x", "expires_at": 7}}));
        assert_eq!(
            run.unwrap().link.map(|link| (link.url.expose().to_owned(), link.expires_at)),
            Some(("https://example.test/x".into(), None))
        );
    }

    #[test]
    fn a_whole_run_is_read() {
        let run = decode(json!({
            "id": "r", "workflow_id": "w", "applicant_id": "a", "status": "error", "tags": ["t", "x".repeat(129), 7],
            "output": {"data_comparison": {}}, "error": {"type": "external_failure", "message": "Jane Doe"},
            "reasons": ["too_blurred", "Jane Doe is not"], "workflow_version_id": 9, "dashboard_url": "https://example.test/run",
            "sdk_token": "ey.canary", "link": {"url": "https://example.test/x", "expires_at": "2026-01-02T03:04:05+01:00"}, "customer_user_id": "user-1", "created_at": "2026-01-02T03:04:05Z", "updated_at": "2026-01-02T03:04:06Z",
        }))
        .unwrap();
        assert_eq!(run.status, RunStatus::Error);
        assert_eq!(run.error_type.as_ref().map(Word::as_str), Some("external_failure"));
        assert_eq!(run.reasons, ["too_blurred".into(), Word::UNRECOGNIZED.into()]);
        assert_eq!(run.tags, ["t"]);
        assert!(run.created_at < run.updated_at && run.created_at.is_some());
        assert_eq!(run.sdk_token.as_ref().map(SdkToken::expose), Some("ey.canary"));
        assert_eq!(run.link.unwrap().expires_at, "2026-01-02T02:04:05Z".parse().ok());
    }

    #[test]
    fn debug_shows_neither_output_nor_token() {
        let run = decode(json!({"id": "r", "workflow_id": "w", "applicant_id": "a", "output": {"n": "canary"}, "sdk_token": "canary",
            "link": {"url": "https://canary.example.test/"},
            "customer_user_id": "canary", "tags": ["canary"], "reasons": ["Canary"], "status": "The canary"}))
        .unwrap();
        assert!(!format!("{run:?}").to_lowercase().contains("canary"));
    }

    #[test]
    fn every_known_word_comes_back_as_itself() {
        for word in ["processing", "awaiting_input", "awaiting_client_input", "approved", "declined", "review", "abandoned", "error"] {
            let status = RunStatus::from(word);
            assert!(!matches!(status, RunStatus::Unknown(_)), "{word}");
            assert_eq!(status.as_str(), word);
        }
        assert_eq!(RunStatus::from("awaiting_robot").as_str(), "awaiting_robot");
        assert_eq!(RunStatus::from("Approved"), RunStatus::Unknown(Word::UNRECOGNIZED.into()));
    }
}
