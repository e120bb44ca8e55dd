//! The list of runs that have ended, as a change feed reads it. One entry that cannot be read spoils nothing: what it says is only a hint to
//! look at the run.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::{
    id::WorkflowRunId,
    lenient,
    run::{RunStatus, no_status, status},
};

/// What the list says of one run.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct EndedRun {
    /// The run.
    pub id: WorkflowRunId,
    /// Where it stands; a missing word is an unknown one.
    #[serde(default = "no_status", deserialize_with = "status")]
    pub status: RunStatus,
    /// When it last changed: not before it ended.
    #[serde(default, deserialize_with = "lenient::timestamp")]
    pub updated_at: Option<Timestamp>,
}

/// One page of the list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EndedRuns {
    /// What could be read of it, in its order.
    pub runs: Vec<EndedRun>,
    /// Whether nothing was on it, readable or not: the list is over.
    pub is_empty: bool,
}

impl<'de> Deserialize<'de> for EndedRuns {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let entries = Vec::<Value>::deserialize(d)?;
        let is_empty = entries.is_empty();
        Ok(Self { runs: entries.into_iter().filter_map(|entry| serde_json::from_value(entry).ok()).collect(), is_empty })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_cannot_be_read_spoils_nothing_else() {
        let page: EndedRuns = serde_json::from_value(json!([
            {"id": "run-1", "status": "approved", "updated_at": "2026-01-02T03:04:05Z", "output": {"name": "Nobody"}},
            {"id": 7, "status": "approved"}, null, "text", {"status": "approved"}, {"id": "../run"},
            {"id": "run-2", "status": 3, "updated_at": "yesterday"},
            {"id": "run-3", "status": "Nobody Invented"},
        ]))
        .unwrap();
        let read: Vec<_> = page.runs.iter().map(|run| (run.id.as_str(), run.status.as_str(), run.updated_at.is_some())).collect();
        assert_eq!(read, [("run-1", "approved", true), ("run-2", "unrecognized", false), ("run-3", "unrecognized", false)]);
        assert!(!page.is_empty && !format!("{page:?}").contains("Nobody"));
    }

    #[test]
    fn an_empty_page_is_told_from_one_that_cannot_be_read() {
        let page = |text| serde_json::from_str::<EndedRuns>(text);
        assert!(page("[]").unwrap().is_empty);
        assert_eq!(page("[{}]").unwrap(), EndedRuns { runs: vec![], is_empty: false });
        assert!(page("{}").is_err() && page("null").is_err());
    }
}
