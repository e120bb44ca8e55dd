//! Custom data: the inputs that the author of a workflow declared. Owns the body and its size; not where the values come from.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

/// The custom data of a run, by name. May be about a person: never printed.
#[derive(Clone, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct CustomData(Map<String, Value>);

impl fmt::Debug for CustomData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl CustomData {
    /// Says one thing; the last word counts.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<Value>) -> &mut Self {
        self.0.insert(name.into(), value.into());
        self
    }

    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes in a request.
    pub fn size(&self) -> usize {
        serde_json::to_vec(&self.0).map_or(usize::MAX, |body| body.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_keep_their_types_and_do_not_print() {
        let mut data = CustomData::default();
        assert!(data.is_empty() && data.size() == 2);
        data.set("age", 18).set("is_employed", false).set("nickname", "first").set("nickname", "canary").set("height", 1.5);
        assert_eq!(serde_json::to_value(&data).unwrap(), json!({"age": 18, "is_employed": false, "nickname": "canary", "height": 1.5}));
        assert_eq!(data.size(), serde_json::to_string(&data).unwrap().len());
        let shown = format!("{data:?}");
        assert!(shown.contains("nickname") && !shown.contains("canary") && !shown.contains("18"), "{shown}");
    }
}
