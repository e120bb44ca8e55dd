//! Which of a person's data the document bears out. Owns reading the workflow's output, which its author shapes; never fails.

use std::collections::BTreeMap;

use serde_json::Value;

macro_rules! fields {
    ($($(#[$doc:meta])* $name:ident = $word:literal),*) => {
        /// What the vendor can compare with a document.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ComparisonField {$($(#[$doc])* $name),*}

        impl ComparisonField {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The vendor's word.
            pub fn as_str(self) -> &'static str {
                match self {$(Self::$name => $word),*}
            }

            /// The field of that name, if there is one.
            pub fn parse(word: &str) -> Option<Self> {
                match word {$($word => Some(Self::$name),)* _ => None}
            }
        }
    };
}
fields!(
    /// `first_name`
    FirstName = "first_name",
    /// `last_name`
    LastName = "last_name",
    /// `date_of_birth`: what the applicant calls `dob`
    DateOfBirth = "date_of_birth",
    /// `gender`
    Gender = "gender",
    /// `issuing_country`
    IssuingCountry = "issuing_country",
    /// `date_of_expiry`
    DateOfExpiry = "date_of_expiry",
    /// `document_type`
    DocumentType = "document_type",
    /// `document_numbers`
    DocumentNumbers = "document_numbers"
);

/// What the comparison of one field gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ComparisonResult {
    /// The document says the same.
    Clear,
    /// The document says something else.
    Consider,
    /// Not asked, not comparable, or the account has no comparison checks: nothing was said.
    NotCompared,
    /// Something was said that we do not understand.
    Unknown,
}

/// Reads the comparison found at `path`, a JSON pointer, in a run's output: an answer for every field, whatever is there.
pub fn compare(output: Option<&Value>, path: &str) -> BTreeMap<ComparisonField, ComparisonResult> {
    let found = output.and_then(|output| output.pointer(path));
    ComparisonField::ALL.iter().map(|&field| (field, one(found, field))).collect()
}

fn one(found: Option<&Value>, field: ComparisonField) -> ComparisonResult {
    let entry = match found {
        None | Some(Value::Null) => return ComparisonResult::NotCompared,
        Some(Value::Object(fields)) => fields.get(field.as_str()),
        Some(_) => return ComparisonResult::Unknown,
    };
    let result = match entry {
        None | Some(Value::Null) => return ComparisonResult::NotCompared,
        Some(Value::Object(entry)) => entry.get("result"),
        Some(_) => return ComparisonResult::Unknown,
    };
    match result {
        None | Some(Value::Null) => ComparisonResult::NotCompared,
        Some(Value::String(word)) if word == "clear" => ComparisonResult::Clear,
        Some(Value::String(word)) if word == "consider" => ComparisonResult::Consider,
        Some(_) => ComparisonResult::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn first_name(output: Value, path: &str) -> ComparisonResult {
        let all = compare(Some(&output), path);
        assert_eq!(all.len(), ComparisonField::ALL.len());
        all[&ComparisonField::FirstName]
    }

    #[test]
    fn only_the_vendors_own_clear_is_clear() {
        let cases = [
            (json!({"result": "clear", "properties": {}}), ComparisonResult::Clear),
            (json!({"result": "consider"}), ComparisonResult::Consider),
            (json!({"result": null}), ComparisonResult::NotCompared),
            (json!({}), ComparisonResult::NotCompared),
            (json!(null), ComparisonResult::NotCompared),
            (json!({"result": "Clear"}), ComparisonResult::Unknown),
            (json!({"result": true}), ComparisonResult::Unknown),
            (json!("clear"), ComparisonResult::Unknown),
            (json!(["clear"]), ComparisonResult::Unknown),
        ];
        for (entry, result) in cases {
            let output = json!({"data_comparison": {"first_name": entry}});
            assert_eq!(first_name(output.clone(), "/data_comparison"), result, "{output}");
            assert_eq!(first_name(json!({"deep/er": {"x": output}}), "/deep~1er/x/data_comparison"), result);
        }
    }

    #[test]
    fn whatever_lies_at_the_path_there_is_an_answer() {
        for nothing in [json!({}), json!({"c": null}), json!([]), json!("x")] {
            assert_eq!(first_name(nothing, "/c"), ComparisonResult::NotCompared);
        }
        for odd in [json!({"c": []}), json!({"c": "clear"}), json!({"c": 1})] {
            assert_eq!(first_name(odd, "/c"), ComparisonResult::Unknown);
        }
        assert_eq!(first_name(json!({"first_name": {"result": "clear"}}), ""), ComparisonResult::Clear);
        assert_eq!(first_name(json!({"first_name": {"result": "clear"}}), "no pointer"), ComparisonResult::NotCompared);
        assert!(compare(None, "/c").values().all(|r| *r == ComparisonResult::NotCompared));
    }

    #[test]
    fn one_field_never_spoils_another() {
        let output = json!({"c": {"first_name": 1, "last_name": {"result": "clear"}, "dob": {"result": "clear"}}});
        let all = compare(Some(&output), "/c");
        assert_eq!(all[&ComparisonField::LastName], ComparisonResult::Clear);
        assert_eq!(all[&ComparisonField::DateOfBirth], ComparisonResult::NotCompared);
    }

    #[test]
    fn names_come_back_as_themselves() {
        assert_eq!(ComparisonField::ALL.len(), 8);
        for &field in ComparisonField::ALL {
            assert_eq!(ComparisonField::parse(field.as_str()), Some(field));
        }
        assert_eq!(ComparisonField::parse("dob"), None);
    }
}
