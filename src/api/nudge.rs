//! The annotation by which a person asks for a look now, and how it is answered. Asks for nothing itself.

use std::collections::BTreeMap;

/// The annotation: any token of up to 64 printable characters. Once a look that came after it is on record, `status.reconciled` has the same.
pub const RECONCILE_NOW: &str = "onfido-operator.dev/reconcile-now";

const MAX_TOKEN: usize = 64;

/// The token by which a look is asked for; none if it is too long or not plain.
pub fn asked(annotations: Option<&BTreeMap<String, String>>) -> Option<&str> {
    let token = annotations?.get(RECONCILE_NOW)?.as_str();
    let plain = (1..=MAX_TOKEN).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic());
    plain.then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_short_and_plain() {
        let asked_with = |token: &str| {
            let annotations = BTreeMap::from([(RECONCILE_NOW.to_owned(), token.to_owned())]);
            asked(Some(&annotations)).map(str::to_owned)
        };
        for token in ["1", "2026-01-01T00:00:00+01:00", &"x".repeat(64)] {
            assert_eq!(asked_with(token).as_deref(), Some(token));
        }
        for token in ["", &"x".repeat(65), "two words", "line\n", "ü"] {
            assert_eq!(asked_with(token), None, "{token:?}");
        }
        assert_eq!(asked(None), None);
        assert_eq!(asked(Some(&BTreeMap::from([("other".to_owned(), "1".to_owned())]))), None);
    }
}
