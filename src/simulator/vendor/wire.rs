//! A call and its answer as plain values, and which operation a method and path mean. Knows no HTTP library.

use serde_json::{Value, json};

use crate::simulator::admin::Operation;

/// A call of the vendor's API. No Debug: it holds a token and personal data.
#[derive(Clone, Default)]
pub struct Request {
    pub method: String,
    /// From the root: `/v3.6/applicants`.
    pub path: String,
    /// Without the question mark.
    pub query: String,
    /// From `Authorization: Token token=…`.
    pub token: Option<String>,
    pub body: Vec<u8>,
}

/// An answer; what it created is told beside it, for the ledger.
#[derive(Clone, Default)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    pub(super) about: Option<Box<About>>,
}

/// What a call was about, in ids and tags.
#[derive(Clone, Default)]
pub(super) struct About {
    pub(super) applicant_id: Option<String>,
    pub(super) run_id: Option<String>,
    pub(super) tags: Vec<String>,
}

impl Response {
    pub fn json(status: u16, body: &Value) -> Self {
        let headers = vec![("content-type", "application/json".to_owned())];
        Self { status, headers, body: body.to_string().into_bytes(), ..Self::default() }
    }

    pub fn empty(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    /// The vendor's error shape.
    pub fn error(status: u16, kind: &str, message: &str, fields: Value) -> Self {
        Self::json(status, &json!({"error": {"type": kind, "message": message, "fields": fields}}))
    }

    /// The error a status goes with when nothing else is said.
    pub fn error_for(status: u16, kind: Option<&str>) -> Self {
        let (usual, message) = match status {
            400 => ("bad_request", "Bad request"),
            401 => ("authorization_error", "Authorization error: please re-check your credentials"),
            403 => ("user_authorization_error", "The user is not allowed to do this"),
            404 => ("resource_not_found", "Could not find the requested resource"),
            410 => ("gone", "The requested resource is no longer available"),
            422 => ("validation_error", "There was a validation error on this request"),
            429 => ("rate_limit", "Rate limit exceeded, please try again later"),
            _ => ("internal_server_error", "Internal server error"),
        };
        Self::error(status, kind.unwrap_or(usual), message, json!({}))
    }

    pub(super) fn not_found(what: &str, id: &str) -> Self {
        let message = format!("Could not find the following resource: {what} with id={id}");
        Self::error(404, "resource_not_found", &message, json!({}))
    }

    pub(super) fn invalid(fields: Value) -> Self {
        Self::error(422, "validation_error", "There was a validation error on this request", fields)
    }

    pub(super) fn about_applicant(mut self, id: &str) -> Self {
        self.about = Some(Box::new(About { applicant_id: Some(id.to_owned()), ..About::default() }));
        self
    }

    pub(super) fn about_run(mut self, id: &str, applicant: &str, tags: &[String]) -> Self {
        self.about = Some(Box::new(About { applicant_id: Some(applicant.to_owned()), run_id: Some(id.to_owned()), tags: tags.to_vec() }));
        self
    }
}

/// A method and path understood.
pub(super) enum Route<'a> {
    Ping,
    Applicants,
    CreateApplicant,
    GetApplicant(&'a str),
    UpdateApplicant(&'a str),
    DeleteApplicant(&'a str),
    RestoreApplicant(&'a str),
    Runs,
    EndedRuns,
    CreateRun,
    GetRun(&'a str),
    SdkToken,
    Unknown,
}

impl Route<'_> {
    pub(super) fn operation(&self) -> Operation {
        match self {
            Self::Ping => Operation::Ping,
            Self::Applicants => Operation::ListApplicants,
            Self::CreateApplicant => Operation::CreateApplicant,
            Self::GetApplicant(_) => Operation::GetApplicant,
            Self::UpdateApplicant(_) => Operation::UpdateApplicant,
            Self::DeleteApplicant(_) => Operation::DeleteApplicant,
            Self::RestoreApplicant(_) => Operation::RestoreApplicant,
            Self::Runs => Operation::ListWorkflowRuns,
            Self::EndedRuns => Operation::ListEndedRuns,
            Self::CreateRun => Operation::CreateWorkflowRun,
            Self::GetRun(_) => Operation::GetWorkflowRun,
            Self::SdkToken => Operation::CreateSdkToken,
            Self::Unknown => Operation::Unknown,
        }
    }
}

impl Request {
    pub(super) fn route(&self) -> Route<'_> {
        let Some(path) = self.path.strip_prefix("/v3.6/") else { return Route::Unknown };
        let parts: Vec<&str> = path.trim_end_matches('/').split('/').collect();
        match (self.method.as_str(), parts.as_slice()) {
            ("GET", ["ping"]) => Route::Ping,
            ("GET", ["applicants"]) => Route::Applicants,
            ("POST", ["applicants"]) => Route::CreateApplicant,
            ("GET", ["applicants", id]) => Route::GetApplicant(id),
            ("PUT", ["applicants", id]) => Route::UpdateApplicant(id),
            ("DELETE", ["applicants", id]) => Route::DeleteApplicant(id),
            ("POST", ["applicants", id, "restore"]) => Route::RestoreApplicant(id),
            ("GET", ["workflow_runs"]) if self.list("status").is_empty() => Route::Runs,
            ("GET", ["workflow_runs"]) => Route::EndedRuns,
            ("POST", ["workflow_runs"]) => Route::CreateRun,
            ("GET", ["workflow_runs", id]) => Route::GetRun(id),
            ("POST", ["sdk_token"]) => Route::SdkToken,
            _ => Route::Unknown,
        }
    }

    /// Every value of a query parameter, also as `name[]`, comma lists taken apart.
    pub(super) fn list(&self, name: &str) -> Vec<String> {
        let array = format!("{name}[]");
        url::form_urlencoded::parse(self.query.as_bytes())
            .filter(|(key, _)| key == name || *key == array)
            .flat_map(|(_, value)| value.split(',').map(str::to_owned).collect::<Vec<_>>())
            .filter(|value| !value.is_empty())
            .collect()
    }

    /// The last value of a query parameter.
    pub(super) fn one(&self, name: &str) -> Option<String> {
        url::form_urlencoded::parse(self.query.as_bytes()).filter(|(key, _)| key == name).last().map(|(_, v)| v.into_owned())
    }
}
