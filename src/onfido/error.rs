//! What came of a call that did not succeed, and whether it can have had an effect. Carries no text of the vendor's.

use std::time::Duration;

use jiff::{Timestamp, fmt::rfc2822};
use serde_json::Value;

/// The longest `Retry-After` that is believed.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(60 * 60);

/// The fields of our requests, by which the vendor can name what it refuses.
const FIELDS: [&str; 16] = [
    "address",
    "applicant_id",
    "application_id",
    "consents",
    "customer_user_id",
    "dob",
    "email",
    "first_name",
    "id_numbers",
    "last_name",
    "link",
    "location",
    "phone_number",
    "referrer",
    "tags",
    "workflow_id",
];

/// A call that did not give what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VendorError {
    /// 401: the token is not accepted.
    #[error("unauthorized ({error_type})")]
    Unauthorized {
        /// The vendor's word for why.
        error_type: ErrorType,
    },
    /// 403: the token is accepted, but not for this.
    #[error("forbidden")]
    Forbidden,
    /// 404: no such thing in this account.
    #[error("not found")]
    NotFound,
    /// 410: there was such a thing.
    #[error("gone")]
    Gone,
    /// 409: it contradicts what is there.
    #[error("conflict")]
    Conflict,
    /// 400, 413, 415, 422: the vendor refuses what was sent.
    #[error("refused as invalid")]
    Invalid {
        /// The names of the fields it complains of, never their values; often none.
        fields: Vec<String>,
    },
    /// The applicant cannot be erased while one of its runs is in progress.
    #[error("a run is in progress")]
    RunInProgress,
    /// The account lives in another region.
    #[error("the account belongs to another region")]
    WrongRegion,
    /// 429: too many calls.
    #[error("the vendor's rate limit is reached")]
    RateLimited {
        /// How long the vendor wants to be left alone, if it says so.
        retry_after: Option<Duration>,
    },
    /// Our own limiter held the call back; nothing was sent.
    #[error("held back by our own rate limit")]
    Throttled {
        /// When to try again.
        wait: Duration,
    },
    /// 5xx.
    #[error("the vendor failed with status {status}")]
    Server {
        /// The status.
        status: u16,
    },
    /// Any other status: a redirect that is not followed, 408, or one nobody told us of.
    #[error("unexpected status {status}")]
    Unexpected {
        /// The status.
        status: u16,
    },
    /// No connection, so not a byte of the request was sent: refused, unresolvable, or no TLS.
    #[error("no connection")]
    NotSent,
    /// No complete answer in time.
    #[error("timed out")]
    TimedOut,
    /// The connection ended before the answer did.
    #[error("connection broken")]
    Broken,
    /// Success by status, but the body is too long or not what it should be.
    #[error("unreadable answer")]
    Unreadable,
}

/// The vendor's `error.type` beside a 401: the few that ask different things of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorType {
    /// `authorization_error`: no such token.
    Authorization,
    /// `user_authorization_error`: the token's user may not.
    UserAuthorization,
    /// `expired_token`
    ExpiredToken,
    /// `account_disabled`
    AccountDisabled,
    /// None, or another.
    Other,
}

impl std::fmt::Display for ErrorType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Authorization => "authorization_error",
            Self::UserAuthorization => "user_authorization_error",
            Self::ExpiredToken => "expired_token",
            Self::AccountDisabled => "account_disabled",
            Self::Other => "other",
        })
    }
}

/// Whether a failed POST can have done something all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Certainly nothing was done.
    None,
    /// Nobody knows.
    Ambiguous,
}

impl VendorError {
    /// What a POST that ended like this can have done.
    pub fn effect(&self) -> Effect {
        // No default arm: a new variant has to be thought about.
        match self {
            Self::Unauthorized { error_type: _ }
            | Self::Forbidden
            | Self::NotFound
            | Self::Conflict
            | Self::Invalid { fields: _ }
            | Self::RunInProgress
            | Self::WrongRegion
            | Self::RateLimited { retry_after: _ }
            | Self::Throttled { wait: _ }
            | Self::NotSent => Effect::None,
            Self::Gone | Self::Server { status: _ } | Self::Unexpected { status: _ } | Self::TimedOut | Self::Broken | Self::Unreadable => {
                Effect::Ambiguous
            }
        }
    }

    /// Status first, type second; a body that is absent or not the vendor's changes nothing.
    pub(super) fn refusal(status: u16, body: &[u8], retry_after: Option<Duration>) -> Self {
        let body = serde_json::from_slice::<Value>(body).unwrap_or_default();
        let kind = body.pointer("/error/type").and_then(Value::as_str).unwrap_or_default();
        match status {
            // Not beside 410 or 5xx: those stay ambiguous, whatever the type says.
            400 | 401 | 403 | 404 | 409 | 422 if kind == "incorrect_base_url" => Self::WrongRegion,
            400 | 409 | 422 if kind == "deletion_incomplete_checks" => Self::RunInProgress,
            400 | 413 | 415 | 422 => Self::Invalid { fields: field_names(&body) },
            401 => Self::Unauthorized {
                error_type: match kind {
                    "authorization_error" => ErrorType::Authorization,
                    "user_authorization_error" => ErrorType::UserAuthorization,
                    "expired_token" => ErrorType::ExpiredToken,
                    "account_disabled" => ErrorType::AccountDisabled,
                    _ => ErrorType::Other,
                },
            },
            403 => Self::Forbidden,
            404 => Self::NotFound,
            409 => Self::Conflict,
            410 => Self::Gone,
            429 => Self::RateLimited { retry_after },
            500..=599 => Self::Server { status },
            _ => Self::Unexpected { status },
        }
    }

    pub(super) fn transport(error: &reqwest::Error) -> Self {
        // A time-out while connecting is both; nothing was sent is the stronger word.
        if error.is_connect() || error.is_builder() {
            Self::NotSent
        } else if error.is_timeout() {
            Self::TimedOut
        } else {
            Self::Broken
        }
    }
}

/// `Retry-After` as seconds or as a date, bounded by [`MAX_RETRY_AFTER`]; a date that has passed is no wait.
pub(super) fn retry_after(header: &str, now: Timestamp) -> Option<Duration> {
    let header = header.trim();
    let wait = if !header.is_empty() && header.bytes().all(|b| b.is_ascii_digit()) {
        Duration::from_secs(header.parse().unwrap_or(u64::MAX))
    } else {
        let until = rfc2822::parse(header).ok()?.timestamp();
        Duration::try_from(until.duration_since(now)).unwrap_or_default()
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

/// Only the names of fields that we send: any other key, and all that lies below, can hold what was sent.
fn field_names(body: &Value) -> Vec<String> {
    let Some(fields) = body.pointer("/error/fields").and_then(Value::as_object) else { return Vec::new() };
    FIELDS.iter().filter(|name| fields.contains_key(**name)).map(|name| (*name).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refusal(status: u16, kind: &str) -> VendorError {
        let body = json!({"error": {"type": kind, "message": "Jane Canary", "fields": {}}}).to_string();
        VendorError::refusal(status, body.as_bytes(), None)
    }

    #[test]
    fn the_status_decides_and_the_effect_follows() {
        use Effect as E;
        use VendorError as V;
        let invalid = || V::Invalid { fields: Vec::new() };
        let cases = [
            (400, invalid(), E::None),
            (401, V::Unauthorized { error_type: ErrorType::Other }, E::None),
            (403, V::Forbidden, E::None),
            (404, V::NotFound, E::None),
            (409, V::Conflict, E::None),
            (413, invalid(), E::None),
            (415, invalid(), E::None),
            (422, invalid(), E::None),
            (429, V::RateLimited { retry_after: None }, E::None),
            (410, V::Gone, E::Ambiguous),
            (301, V::Unexpected { status: 301 }, E::Ambiguous),
            (408, V::Unexpected { status: 408 }, E::Ambiguous),
            (418, V::Unexpected { status: 418 }, E::Ambiguous),
            (500, V::Server { status: 500 }, E::Ambiguous),
            (504, V::Server { status: 504 }, E::Ambiguous),
        ];
        for (status, expected, effect) in cases {
            let error = refusal(status, "brand_new_type");
            assert_eq!(error, expected);
            assert_eq!(error.effect(), effect, "{status}");
            for body in [&b""[..], b"<html>", b"{", b"[]", b"{\"error\":\"x\"}"] {
                assert_eq!(VendorError::refusal(status, body, None), expected, "{body:?}");
            }
            assert!(!format!("{error} {error:?}").contains("Canary"));
        }
    }

    #[test]
    fn the_type_refines_but_never_makes_an_ambiguous_answer_certain() {
        assert_eq!(refusal(401, "expired_token"), VendorError::Unauthorized { error_type: ErrorType::ExpiredToken });
        assert_eq!(refusal(401, "authorization_error"), VendorError::Unauthorized { error_type: ErrorType::Authorization });
        for status in [400, 401, 403, 404, 409, 422] {
            assert_eq!(refusal(status, "incorrect_base_url"), VendorError::WrongRegion);
        }
        for status in [301, 408, 410, 500] {
            assert_eq!(refusal(status, "incorrect_base_url").effect(), Effect::Ambiguous);
        }
    }

    #[test]
    fn an_applicant_with_a_run_in_progress_is_not_one_that_is_refused() {
        for status in [400, 409, 422] {
            assert_eq!(refusal(status, "deletion_incomplete_checks"), VendorError::RunInProgress);
        }
        for (status, expected) in [(404, VendorError::NotFound), (410, VendorError::Gone), (500, VendorError::Server { status: 500 })] {
            assert_eq!(refusal(status, "deletion_incomplete_checks"), expected);
        }
    }

    #[test]
    fn only_the_keys_of_fields_are_kept() {
        let names = |fields: Value| match VendorError::refusal(422, json!({"error": {"fields": fields}}).to_string().as_bytes(), None) {
            VendorError::Invalid { fields } => fields,
            other => panic!("{other:?}"),
        };
        assert_eq!(names(json!({"email": ["canary is not"], "address": {"postcode": ["canary"]}})), ["address", "email"]);
        assert_eq!(names(json!({"Jane Canary": [], "x".repeat(65): [], "": [], "id_numbers": 1})), ["id_numbers"]);
        for odd in [json!("canary"), json!(["canary"]), json!(null), json!(3)] {
            assert!(names(odd).is_empty());
        }
        assert!(names(json!({"jane": [], "canary_invented": [], "first_name.jane": []})).is_empty(), "a name can look like a field");
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_bounded() {
        let now = "1994-11-06T08:49:00Z".parse().unwrap();
        let seconds = |header: &str| retry_after(header, now).map(|d| d.as_secs());
        assert_eq!(seconds("0"), Some(0));
        assert_eq!(seconds(" 30 "), Some(30));
        assert_eq!(seconds("Sun, 06 Nov 1994 08:49:37 GMT"), Some(37));
        assert_eq!(seconds("Sun, 06 Nov 1994 08:48:00 GMT"), Some(0));
        assert_eq!(seconds("3601"), Some(3600));
        assert_eq!(seconds("99999999999999999999999"), Some(3600));
        assert_eq!(seconds("Sat, 06 Nov 2094 08:49:37 GMT"), Some(3600));
        for odd in ["", "-1", "1.5", "soon", "1e3"] {
            assert_eq!(seconds(odd), None, "{odd}");
        }
    }
}
