//! What a verification gives the vendor beside the person: patterns of ids and tags, and custom data. Knows nothing of how it is sent.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::SecretRef;

/// A UUID, in capitals or not.
pub(super) const WORKFLOW_ID: &str = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$";
/// A tag that no reader can take apart or trim into another: the vendor's own client joins tags with commas.
pub(super) const TAG: &str = r"^[^\s\p{Z},\x00-\x1f\x7f]([^,\x00-\x1f\x7f]*[^\s\p{Z},\x00-\x1f\x7f])?$";

/// Custom inputs of a workflow, by name. May be about a person: never printed.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CustomData(pub BTreeMap<String, CustomValue>);

/// One custom input.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum CustomValue {
    /// True or false.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Number(f64),
    /// A text, a date among them.
    Text(String),
}

impl fmt::Debug for CustomData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl fmt::Debug for CustomValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CustomValue(..)")
    }
}

// Flat, because one value nested deeply enough would make the list of all verifications unreadable. A schema cannot say "string, number or
// boolean", but it can ask of objects and of lists what none can fulfil.
impl JsonSchema for CustomData {
    fn schema_name() -> Cow<'static, str> {
        "CustomData".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "maxProperties": 32,
            "additionalProperties": {
                "x-kubernetes-preserve-unknown-fields": true, "maxLength": 4096,
                "minProperties": 1, "maxProperties": 0, "minItems": 1, "maxItems": 0,
                "description": "A string, a number, true or false.",
            },
        })
    }
}

/// A source of custom data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CustomDataFrom {
    /// A Secret labelled onfido-operator.dev/use: custom-data. If it or its label is missing the verification waits with Accepted=False,
    /// reason SecretNotFound.
    pub secret_ref: SecretRef,
}
