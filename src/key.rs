//! The key of an object at the vendor: the tag by which its runs are found again. Pure; holds no personal data, because it comes from the uid,
//! or from an idempotency key, which must hold none. And the tag by which a run says what was sent for it.

use std::fmt;

use sha2::{Digest, Sha256};

/// What stands before the uid, so that no other program's digest of it is the same.
const DOMAIN: &str = "onfido-operator/v1/";
/// The same before namespace and idempotency key. No uid can make the two equal: one goes on with a slash where the other does not.
const RESTORED: &str = "onfido-operator/v1-idempotency/";
/// The same before what was sent.
const SENT: &str = "onfido-operator/v1-sent/";
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
        Self(short(Sha256::new().chain_update(DOMAIN).chain_update(uid)))
    }

    /// The key of the object with this idempotency key in its spec: the same in every cluster, also after it was created again.
    pub fn of_idempotency_key(namespace: &str, idempotency_key: &str) -> Self {
        // A namespace has no slash in it.
        Self(short(Sha256::new().chain_update(RESTORED).chain_update(namespace).chain_update("/").chain_update(idempotency_key)))
    }

    /// The key of an object.
    pub fn of(uid: &str, namespace: &str, idempotency_key: Option<&str>) -> Self {
        idempotency_key.map_or_else(|| Self::of_uid(uid), |key| Self::of_idempotency_key(namespace, key))
    }

    /// From 0 to 1, the same for the object every time.
    pub fn fraction(&self) -> f64 {
        let [high, low, ..] = self.0;
        f64::from(u16::from_be_bytes([high, low])) / f64::from(u16::MAX)
    }

    /// The tag of one attempt's run.
    pub fn tag(&self, attempt: i32) -> String {
        format!("{PREFIX}{self}.{attempt}")
    }
}

/// The tag by which a run says what was sent for it. It is a digest that nobody can test a guess against who does not know the idempotency
/// key, which is never sent.
pub fn sent_tag<'a>(namespace: &'a str, idempotency_key: &'a str, parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut digest = Sha256::new().chain_update(SENT);
    for part in [namespace, idempotency_key].into_iter().chain(parts) {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    format!("{PREFIX}sent.{}", Key(short(digest)))
}

/// Cut, so that nothing can be added to what was digested.
fn short(digest: Sha256) -> [u8; DIGITS / 2] {
    let mut key = [0; DIGITS / 2];
    key.iter_mut().zip(digest.finalize()).for_each(|(to, from)| *to = from);
    key
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
    fn an_idempotency_key_is_a_key_in_its_namespace() {
        let key = Key::of_idempotency_key("shop", "order-1");
        assert_eq!(key.to_string(), "3fac81281b0b52a5ec3f0016d998d8c0");
        assert_eq!(Key::of(UID, "shop", Some("order-1")), key);
        assert_eq!(Key::of(UID, "shop", None), Key::of_uid(UID));
        for other in [("shop-2", "order-1"), ("shop", "order-2"), ("shop", ""), ("", "shop/order-1")] {
            assert_ne!(Key::of_idempotency_key(other.0, other.1), key, "{other:?}");
        }
        for uid in ["shop/order-1", "-idempotency/shop/order-1", "order-1"] {
            assert_ne!(Key::of_uid(uid), key, "an object's uid cannot be made to equal it");
        }
    }

    #[test]
    fn what_was_sent_is_told_by_every_part_and_is_no_key() {
        let tag = |parts: &[&str]| sent_tag("shop", "order-1", parts.iter().copied());
        let sent = tag(&["given_name", "Nobody"]);
        assert!(sent.starts_with("onfido-operator.sent.") && sent.len() <= 64);
        assert_eq!(parse_tag(&sent), None);
        for other in [&["given_name", "Somebody"][..], &["given_nameN", "obody"], &["given_name"], &["given_name", "Nobody", ""]] {
            assert_ne!(tag(other), sent, "{other:?}");
        }
        assert_ne!(sent_tag("shop", "order-2", ["given_name", "Nobody"]), sent);
        assert_ne!(sent_tag("shop-2", "order-1", ["given_name", "Nobody"]), sent);
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
