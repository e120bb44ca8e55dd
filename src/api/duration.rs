//! A length of time as Kubernetes users write it: the durations of the Gateway API, such as 720h, 1h30m or 90s. Knows no clock.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// As the Gateway API has it (GEP-2257). It also bounds the value: four times 99999 hours at most, some 45 years.
const PATTERN: &str = "^([0-9]{1,5}(h|m|s|ms)){1,4}$";
const MAX_LENGTH: usize = 28;
const MAX_PARTS: usize = 4;
const MAX_DIGITS: usize = 5;

/// A length of time: up to four numbers, each followed by h, m, s or ms. Kept as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Duration {
    text: String,
    length: std::time::Duration,
}

impl Duration {
    /// As the standard library has it.
    pub const fn as_std(&self) -> std::time::Duration {
        self.length
    }
}

impl Default for Duration {
    fn default() -> Self {
        Self { text: "0s".to_owned(), length: std::time::Duration::ZERO }
    }
}

/// The text is no duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotADuration;

impl fmt::Display for NotADuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a duration such as 720h, 1h30m or 90s")
    }
}

impl std::error::Error for NotADuration {}

impl TryFrom<String> for Duration {
    type Error = NotADuration;

    fn try_from(text: String) -> Result<Self, NotADuration> {
        let length = length(&text).ok_or(NotADuration)?;
        Ok(Self { text, length })
    }
}

impl FromStr for Duration {
    type Err = NotADuration;

    fn from_str(text: &str) -> Result<Self, NotADuration> {
        text.to_owned().try_into()
    }
}

fn length(text: &str) -> Option<std::time::Duration> {
    let (mut milliseconds, mut parts, mut rest) = (0u64, 0, text);
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
        let (unit, after) = after.split_at(after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len()));
        let factor = match unit {
            "h" => 3_600_000,
            "m" => 60_000,
            "s" => 1000,
            "ms" => 1,
            _ => return None,
        };
        parts += 1;
        if number.len() > MAX_DIGITS || parts > MAX_PARTS {
            return None;
        }
        milliseconds += number.parse::<u64>().ok()? * factor; // five digits, four times: cannot overflow
        rest = after;
    }
    (parts > 0).then(|| std::time::Duration::from_millis(milliseconds))
}

impl From<Duration> for String {
    fn from(duration: Duration) -> Self {
        duration.text
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl JsonSchema for Duration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "maxLength": MAX_LENGTH, "pattern": PATTERN })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: &str) -> Result<u64, NotADuration> {
        text.parse::<Duration>().map(|duration| duration.as_std().as_secs())
    }

    #[test]
    fn is_read_as_people_write_it() {
        for (text, expected) in [("8760h", 31_536_000), ("1h30m", 5400), ("90s", 90), ("0s", 0), ("30m", 1800), ("1m1m", 120)] {
            assert_eq!(seconds(text), Ok(expected), "{text}");
        }
        assert_eq!("1500ms".parse::<Duration>().map(|d| d.as_std().as_millis()), Ok(1500));
    }

    #[test]
    fn nothing_else_is_read() {
        for text in ["", "h", "5", "-5s", "1.5h", "5 s", "5d", "5us", "100000s", "1h1h1h1h1h", "1H", "٣s", "5sx", "1e3s"] {
            assert_eq!(text.parse::<Duration>(), Err(NotADuration), "{text}");
        }
    }

    #[test]
    fn is_written_as_it_was_read() {
        for text in ["0s", "90m", "1m1m", "99999h99999h99999h99999h", "00001s"] {
            assert_eq!(Duration::try_from(text.to_owned()).map(String::from).as_deref(), Ok(text));
        }
        assert_eq!(Duration::default(), "0s".parse().expect("a duration"));
    }

    #[test]
    fn the_longest_is_bounded() {
        assert_eq!(seconds("99999h99999h99999h99999h"), Ok(4 * 99_999 * 3600));
    }
}
