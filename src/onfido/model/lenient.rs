//! Lenient decoding: an optional field of an odd type is absent, it never spoils its object.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::Value;

use super::id::Word;

/// The vendor allows 30 tags of 128 characters; what is beyond is not ours.
const MAX_TAGS: usize = 64;
const MAX_TAG: usize = 128;
const MAX_REASONS: usize = 32;
const MAX_URL: usize = 1024;
const MAX_CUSTOMER_USER_ID: usize = 256;

pub(in crate::onfido) fn option<'de, D: Deserializer<'de>, T: DeserializeOwned>(d: D) -> Result<Option<T>, D::Error> {
    Ok(T::deserialize(Value::deserialize(d)?).ok())
}

/// Only the strings of a list that are short enough to be tags.
pub(in crate::onfido) fn tags<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<String>, D::Error> {
    let tag = |v: Value| match v {
        Value::String(s) if s.chars().count() <= MAX_TAG => Some(s),
        _ => None,
    };
    Ok(list(d)?.into_iter().filter_map(tag).take(MAX_TAGS).collect())
}

pub(in crate::onfido) fn timestamp<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Timestamp>, D::Error> {
    Ok(option::<D, String>(d)?.and_then(|s| s.parse().ok()))
}

pub(super) fn words<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<Word>, D::Error> {
    Ok(list(d)?.iter().take(MAX_REASONS).map(|v| Word::from(v.as_str().unwrap_or_default())).collect())
}

/// A web address that may be shown: printable, bounded, and http or https.
pub(super) fn web_address<'de, D: Deserializer<'de>>(d: D) -> Result<Option<String>, D::Error> {
    let shown = |s: &String| {
        s.len() <= MAX_URL
            && s.bytes().all(|b| b.is_ascii_graphic())
            && (s.starts_with("https://") || s.starts_with("http://"))
    };
    Ok(option::<D, String>(d)?.filter(shown))
}

pub(super) fn customer_user_id<'de, D: Deserializer<'de>>(d: D) -> Result<Option<String>, D::Error> {
    Ok(option::<D, String>(d)?.filter(|s| s.chars().count() <= MAX_CUSTOMER_USER_ID))
}

fn list<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<Value>, D::Error> {
    Ok(match Value::deserialize(d)? {
        Value::Array(items) => items,
        _ => Vec::new(),
    })
}
