//! Names: the vendor's ids, regions and plain words. None of them is personal data, all of them may be printed.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest id that is accepted.
const MAX_ID: usize = 128;
/// The longest word that is carried.
const MAX_WORD: usize = 64;

/// A string that is no id: empty, too long, or with characters that have no place in a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id: 1 to 128 letters, digits, '-' and '_' are")]
pub struct MalformedId;

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident),*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks and wraps an id.
            pub fn parse(id: impl Into<String>) -> Result<Self, MalformedId> {
                let id = id.into();
                let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
                if id.is_empty() || id.len() > MAX_ID || !id.bytes().all(plain) {
                    return Err(MalformedId);
                }
                Ok(Self(id))
            }

            /// The id as the vendor spells it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = MalformedId;
            fn try_from(id: String) -> Result<Self, MalformedId> {
                Self::parse(id)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}
id!(
    /// The id of an applicant.
    ApplicantId,
    /// The id of a workflow, of which a run is one passage.
    WorkflowId,
    /// The id of a workflow run.
    WorkflowRunId
);

/// A word of the vendor's that we may show: lower-case letters and underscores, at most 64 of them. Anything else becomes `unrecognized`,
/// because free text of the vendor's can hold personal data.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Word(String);

impl Word {
    /// What stands for a word that is not plain.
    pub const UNRECOGNIZED: &'static str = "unrecognized";

    /// The word itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Word {
    fn from(word: &str) -> Self {
        let plain = (1..=MAX_WORD).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        Self(if plain { word } else { Self::UNRECOGNIZED }.to_owned())
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where the vendor keeps an account's data. Each region is a host of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Region {
    /// Europe.
    EU,
    /// The United States.
    US,
    /// Canada.
    CA,
}

impl Region {
    /// The address under which all calls of the region lie; the version is part of it.
    pub fn base_url(self) -> &'static str {
        match self {
            Self::EU => "https://api.eu.onfido.com/v3.6",
            Self::US => "https://api.us.onfido.com/v3.6",
            Self::CA => "https://api.ca.onfido.com/v3.6",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_cannot_leave_their_place_in_a_path() {
        for good in ["f2302f45-227d-413d-ad61-09ec077a086a", "profile_1eb92", &"a".repeat(128)] {
            assert_eq!(WorkflowRunId::parse(good).map(|id| id.to_string()).as_deref(), Ok(good));
        }
        for bad in ["", "a/b", "..", "a?b", "a b", "a\n", "\u{fc}", &"a".repeat(129)] {
            assert_eq!(WorkflowRunId::parse(bad), Err(MalformedId), "{bad:?}");
        }
        assert!(serde_json::from_str::<ApplicantId>("\"../runs\"").is_err());
    }

    #[test]
    fn only_plain_words_are_shown() {
        assert_eq!(Word::from("awaiting_robot").as_str(), "awaiting_robot");
        assert_eq!(Word::from("a".repeat(64).as_str()).as_str().len(), 64);
        for odd in ["", "Jane Doe", "ABC", "a1", &"a".repeat(65), "a\u{0430}"] {
            assert_eq!(Word::from(odd).as_str(), Word::UNRECOGNIZED, "{odd:?}");
        }
    }
}
