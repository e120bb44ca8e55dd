//! The API server's own record of every request: what tests count. Only reads it.

use std::collections::HashSet;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::http::Request;
use jiff::Timestamp;
use serde::Deserialize;
use tokio::time::Instant;

use super::{ADMIN, ControlPlane, DevError};

/// Who asks for a marker; such requests are not entries.
const MARKER_AGENT: &str = "onfido-operator-dev/audit-marker";
const FLUSHED_WITHIN: Duration = Duration::from_secs(15);

/// Metadata of every request, but the probes of readiness and what the API server asks itself.
pub(super) const POLICY: &str = r#"{"apiVersion":"audit.k8s.io/v1","kind":"Policy",
"omitStages":["RequestReceived"],
"rules":[{"level":"None","nonResourceURLs":["/readyz*","/livez*","/healthz*"]},
{"level":"None","users":["system:apiserver"]},
{"level":"Metadata"}]}
"#;

/// A place in the audit log: where a test began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditMark(u64);

/// One request. A watch is one entry too, present from its first answer on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// As in RBAC: `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, …
    pub verb: String,
    /// Who.
    pub user: String,
    /// With what program; empty if it did not say.
    pub user_agent: String,
    /// Plural, such as `secrets`; empty for paths like `/version`.
    pub resource: String,
    /// Such as `status`; else empty.
    pub subresource: String,
    /// Empty for what is not namespaced.
    pub namespace: String,
    /// Empty for lists, and for a create, whose name is in the body.
    pub name: String,
    /// The answer's HTTP status; 0 if there was none.
    pub code: u16,
    /// When the request came in.
    pub time: Timestamp,
    /// Path and query.
    pub uri: String,
}

impl AuditEntry {
    /// Whether it asked for a change (also if it was refused, or changed nothing). A review of rights is created and stored nowhere.
    pub fn is_write(&self) -> bool {
        !self.resource.ends_with("accessreviews") && !matches!(self.verb.as_str(), "get" | "list" | "watch" | "head" | "options")
    }
}

impl ControlPlane {
    /// Everything from the start on.
    pub async fn audit(&self) -> Result<Vec<AuditEntry>, DevError> {
        self.audit_since(AuditMark(0)).await
    }

    /// The place behind everything that was answered before this call.
    pub async fn audit_mark(&self) -> Result<AuditMark, DevError> {
        Ok(self.flushed(AuditMark(0), false).await?.1)
    }

    /// Everything behind the mark that was answered before this call.
    pub async fn audit_since(&self, mark: AuditMark) -> Result<Vec<AuditEntry>, DevError> {
        let (text, _) = self.flushed(mark, true).await?;
        parse(&text)
    }

    /// Make a request of our own and wait until it is in the log: what was answered before is too.
    async fn flushed(&self, mark: AuditMark, all: bool) -> Result<(String, AuditMark), DevError> {
        let path = self.audit_log().ok_or(DevError::NoAudit)?;
        let from = if all { mark } else { AuditMark(len(&path)?) };
        let id = format!("{:032x}", rand::random::<u128>());
        let client = self.client_with_agent(ADMIN, MARKER_AGENT)?;
        let request = Request::get(format!("/version?marker={id}")).body(Vec::new());
        // A path made of letters and digits is always a valid request.
        let request = request.map_err(|_| DevError::Task("the request for a marker"))?;
        client.request_text(request).await.map_err(|error| DevError::Request(Box::new(error)))?;
        let deadline = Instant::now() + FLUSHED_WITHIN;
        loop {
            let (text, end) = read(path.clone(), from).await?;
            if text.contains(&id) {
                return Ok((text, end));
            }
            if Instant::now() > deadline {
                let what = "the audit log lacks a request that was answered".to_owned();
                let logs = path.clone();
                return Err(DevError::Deadline { what, seconds: FLUSHED_WITHIN.as_secs(), logs });
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

fn len(path: &Path) -> Result<u64, DevError> {
    Ok(std::fs::metadata(path).map_err(DevError::io("look at", path))?.len())
}

/// The complete lines behind the mark, and the place behind them.
async fn read(path: PathBuf, from: AuditMark) -> Result<(String, AuditMark), DevError> {
    let read = move || {
        let mut file = File::open(&path).map_err(DevError::io("open", &path))?;
        file.seek(SeekFrom::Start(from.0)).map_err(DevError::io("read", &path))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(DevError::io("read", &path))?;
        let complete = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        bytes.truncate(complete);
        let end = AuditMark(from.0 + complete as u64);
        Ok((String::from_utf8_lossy(&bytes).into_owned(), end))
    };
    tokio::task::spawn_blocking(read).await.map_err(|_| DevError::Task("reading the audit log"))?
}

fn parse(text: &str) -> Result<Vec<AuditEntry>, DevError> {
    let mut seen = HashSet::new();
    let mut entries = Vec::new();
    for line in text.lines() {
        let event: Event = serde_json::from_str(line).map_err(DevError::AuditLine)?;
        // A long request has two events, at its first answer and at its end.
        if !seen.insert(event.audit_id) || event.user_agent == MARKER_AGENT {
            continue;
        }
        entries.push(AuditEntry {
            verb: event.verb,
            user: event.user.username,
            user_agent: event.user_agent,
            resource: event.object_ref.resource,
            subresource: event.object_ref.subresource,
            namespace: event.object_ref.namespace,
            name: event.object_ref.name,
            code: event.response_status.code,
            time: event.request_received_timestamp,
            uri: event.request_uri,
        });
    }
    Ok(entries)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    #[serde(rename = "auditID")]
    audit_id: String,
    verb: String,
    #[serde(rename = "requestURI")]
    request_uri: String,
    user: EventUser,
    #[serde(default)]
    user_agent: String,
    #[serde(default)]
    object_ref: EventObject,
    #[serde(default)]
    response_status: EventStatus,
    request_received_timestamp: Timestamp,
}

#[derive(Deserialize)]
struct EventUser {
    #[serde(default)]
    username: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct EventObject {
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
}

#[derive(Default, Deserialize)]
struct EventStatus {
    #[serde(default)]
    code: u16,
}
