//! Deliveries: signing, verifying and reading them. Owns no HTTP and no opinion on what a delivery causes.

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::model::{WorkflowRunId, lenient};
use super::secret::WebhookToken;

/// The header that carries the signature.
pub const SIGNATURE_HEADER: &str = "x-sha2-signature";

/// The longest resource type or action that is carried.
const MAX_NAME: usize = 64;

/// The signature of a body: lower-case hex of HMAC-SHA256 over the raw bytes.
pub fn sign(token: &WebhookToken, body: &[u8]) -> String {
    hex(&mac(token.expose(), body).finalize().into_bytes())
}

/// Whether any of the tokens signed exactly these bytes. Every token is tried, whatever came before, and each comparison takes constant
/// time; a signature that is no signature, or an empty list of tokens, costs about the same.
pub fn verify(tokens: &[WebhookToken], body: &[u8], signature_header: &[u8]) -> bool {
    let (well_formed, signature) = match unhex(signature_header) {
        Some(bytes) => (true, bytes),
        None => (false, [0; 32]),
    };
    if tokens.is_empty() {
        std::hint::black_box(mac(&[], body).verify_slice(&signature).is_ok());
    }
    let matched = tokens.iter().fold(false, |any, token| any | mac(token.expose(), body).verify_slice(&signature).is_ok());
    well_formed & matched
}

/// A name for a body, to know it again: lower-case hex of SHA-256.
pub fn body_digest(body: &[u8]) -> String {
    hex(&Sha256::digest(body))
}

/// An authentic body that is not a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body is not a notification")]
pub struct MalformedNotification;

/// What a delivery says, as far as it can be used: it names a run, it proves nothing about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// The kind of thing it speaks of, such as `workflow_run`; `unrecognized` if it is not a plain word.
    pub resource_type: String,
    /// What happened, such as `workflow_run.completed`; `unrecognized` if it is not a plain name.
    pub action: String,
    /// The run it is about, if it is about one.
    pub run_id: Option<WorkflowRunId>,
    /// The run's tags, if it carries them.
    pub tags: Vec<String>,
    /// When the run was created, if it says so.
    pub run_created_at: Option<Timestamp>,
}

impl Notification {
    /// Reads a body. Call it only with one that [`verify`] accepted.
    pub fn parse(body: &[u8]) -> Result<Self, MalformedNotification> {
        let Envelope { payload } = serde_json::from_slice(body).map_err(|_| MalformedNotification)?;
        let object = payload.object.unwrap_or_default();
        let resource = payload.resource.unwrap_or_default();
        let resource_type = name(payload.resource_type);
        let of_run = resource_type == "workflow_run";
        let own = |id: Option<String>| id.filter(|_| of_run);
        let run_id = object.workflow_run_id.or(resource.workflow_run_id).or(own(object.id)).or(own(resource.id));
        Ok(Self {
            run_id: run_id.and_then(|id| WorkflowRunId::parse(id).ok()),
            tags: resource.tags,
            run_created_at: resource.created_at.filter(|_| of_run),
            action: name(payload.action),
            resource_type,
        })
    }
}

#[derive(Deserialize)]
struct Envelope {
    payload: Payload,
}

#[derive(Deserialize)]
struct Payload {
    #[serde(default, deserialize_with = "lenient::option")]
    resource_type: Option<String>,
    #[serde(default, deserialize_with = "lenient::option")]
    action: Option<String>,
    #[serde(default, deserialize_with = "lenient::option")]
    object: Option<Thing>,
    #[serde(default, deserialize_with = "lenient::option")]
    resource: Option<Thing>,
}

#[derive(Default, Deserialize)]
struct Thing {
    #[serde(default, deserialize_with = "lenient::option")]
    id: Option<String>,
    #[serde(default, deserialize_with = "lenient::option")]
    workflow_run_id: Option<String>,
    #[serde(default, deserialize_with = "lenient::tags")]
    tags: Vec<String>,
    #[serde(default, deserialize_with = "lenient::timestamp")]
    created_at: Option<Timestamp>,
}

fn name(name: Option<String>) -> String {
    let plain = |s: &String| {
        (1..=MAX_NAME).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_lowercase() || b == b'_' || b == b'.')
    };
    name.filter(plain).unwrap_or_else(|| "unrecognized".to_owned())
}

fn mac(key: &[u8], body: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(body);
    mac
}

fn hex(bytes: &[u8]) -> String {
    let digit = |n: u8| char::from(b"0123456789abcdef"[usize::from(n & 15)]);
    bytes.iter().flat_map(|&b| [digit(b >> 4), digit(b)]).collect()
}

/// Strict: exactly 64 digits, lower case.
fn unhex(hex: &[u8]) -> Option<[u8; 32]> {
    let digit = |b: u8| match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        _ => None,
    };
    let (pairs, []) = hex.as_chunks::<2>() else { return None };
    let bytes: Vec<u8> = pairs.iter().map(|&[a, b]| Some(digit(a)? << 4 | digit(b)?)).collect::<Option<_>>()?;
    bytes.try_into().ok()
}

#[cfg(test)]
#[path = "webhook_tests.rs"]
mod tests;
