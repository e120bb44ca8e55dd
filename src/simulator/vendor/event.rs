//! The body of a `workflow_run.completed` webhook, laid out as in the vendor's samples. Sends nothing.

use jiff::Timestamp;
use serde_json::json;

use super::rules::second;
use super::runs::Run;

/// An event for every webhook of an account. No Debug: the body holds personal results.
#[derive(Clone)]
pub struct Event {
    pub account: String,
    pub run_id: String,
    pub body: String,
}

impl Event {
    pub(super) fn completed(run: &Run, now: Timestamp, base: &str) -> Self {
        let mut resource = run.json(base);
        if let Some(fields) = resource.as_object_mut() {
            fields.remove("sdk_token");
            fields.remove("href");
            fields.insert("workflow_run_id".into(), json!(run.id));
        }
        let body = json!({"payload": {
            "resource_type": "workflow_run",
            "action": "workflow_run.completed",
            "object": {
                "id": run.id,
                "status": run.status,
                "completed_at_iso8601": second(now),
                "href": format!("{base}/v3.6/workflow_runs/{}", run.id),
            },
            "resource": resource,
            // Nobody knows these: the vendor adds fields within a version.
            "simulator": {"stand_in": true, "revision": 1},
        }});
        // Pretty, with a final newline: a receiver that re-serialises before verifying must fail.
        Self { account: run.account.clone(), run_id: run.id.clone(), body: format!("{body:#}\n") }
    }
}
