//! The key of an object at the vendor: the tag by which its runs are found again. Pure; holds no personal data, because it comes from the uid.

use std::fmt;

use sha2::{Digest, Sha256};

/// What stands before the uid, so that no other program's digest of it is the same.
const DOMAIN: &str = "onfido-operator/v1/";
/// What every tag of ours begins with.
const PREFIX: &str = "onfido-operator.";
/// Length of the key in a tag.
const DIGITS: usize = 32;

/// Names one object at the vendor.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key([u8; DIGITS / 2]);

impl Key {
    /// The key of the object with this uid: one that is created again under the same name has another.
    pub fn of_uid(uid: &str) -> Self {
        let digest = Sha256::new().chain_update(DOMAIN).chain_update(uid).finalize();
        let mut key = [0; DIGITS / 2];
        key.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        Self(key)
    }

    /// The tag of one attempt's run.
    pub fn tag(&self, attempt: i32) -> String {
        format!("{PREFIX}{self}.{attempt}")
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}

/// Key and attempt of a tag of ours. Strict: only what [`Key::tag`] writes is one, for attempts from 1 on.
pub fn parse_tag(tag: &str) -> Option<(Key, i32)> {
    let (digits, attempt) = tag.strip_prefix(PREFIX)?.split_once('.')?;
    if digits.len() != DIGITS {
        return None;
    }
    let (pairs, []) = digits.as_bytes().as_chunks::<2>() else { return None };
    let mut key = [0; DIGITS / 2];
    for (to, &[high, low]) in key.iter_mut().zip(pairs) {
        *to = digit(high)? << 4 | digit(low)?;
    }
    let (key, attempt) = (Key(key), attempt.parse::<i32>().ok().filter(|&attempt| attempt > 0)?);
    // What else parses as a number ("+1", "01") is not ours.
    (key.tag(attempt) == tag).then_some((key, attempt))
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPECTED: &str = "c12c15640b34a6608c5cebb972134c5b";
    const UID: &str = "7d4ac2a5-4c3a-4c0e-a3b1-0d4a0e6d9c11";

    #[test]
    fn the_key_is_fixed_for_ever() {
        assert_eq!(Key::of_uid(UID).tag(1), format!("onfido-operator.{EXPECTED}.1"));
        assert_ne!(Key::of_uid(UID), Key::of_uid("7d4ac2a5-4c3a-4c0e-a3b1-0d4a0e6d9c12"));
    }

    #[test]
    fn a_tag_is_read_as_it_was_written() {
        let key = Key::of_uid(UID);
        for attempt in [1, 2, 10, i32::MAX] {
            let tag = key.tag(attempt);
            assert_eq!(parse_tag(&tag), Some((key, attempt)));
            assert!(tag.len() <= 128, "the vendor's limit");
        }
    }

    #[test]
    fn nothing_else_is_a_tag_of_ours() {
        let hex = Key::of_uid(UID).to_string();
        let others = [
            String::new(),
            "onfido-operator.".into(),
            format!("onfido-operator.{hex}"),
            format!("onfido-operator.{hex}."),
            format!("onfido-operator.{hex}.0"),
            format!("onfido-operator.{hex}.-1"),
            format!("onfido-operator.{hex}.+1"),
            format!("onfido-operator.{hex}.01"),
            format!("onfido-operator.{hex}.1 "),
            format!("onfido-operator.{hex}.1.1"),
            format!("onfido-operator.{hex}.2147483648"),
            format!("onfido-operator.{}.1", hex.to_uppercase()),
            format!("onfido-operator.{}.1", &hex[1..]),
            format!("onfido-operator.{hex}0.1"),
            format!("onfido-operator.{}g.1", &hex[1..]),
            format!("Onfido-operator.{hex}.1"),
            format!("x-onfido-operator.{hex}.1"),
        ];
        for other in others {
            assert_eq!(parse_tag(&other), None, "{other}");
        }
    }
}
