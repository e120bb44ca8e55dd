//! A run that the vendor does not have any more.

use onfido_operator::{
    api::{ConditionType, VendorRecord},
    simulator::admin::{Fault, FaultKind, Operation},
};
use serde_json::json;

use crate::support::operator::Scene;

#[tokio::test]
async fn the_verdict_on_a_purged_run_stays_and_nobody_asks_again_and_again() {
    let scene = Scene::new("purged").await;
    for (name, status, fault) in [("person", 410, "Verified"), ("other", 404, "Declined")] {
        let run = scene.awaiting(name, json!({})).await;
        let outcome = if fault == "Verified" { "approved" } else { "declined" };
        scene.decide(&run, outcome, json!({})).await;
        let truth = if fault == "Verified" { "True" } else { "False" };
        scene.until_condition(name, ConditionType::Verified, truth, fault).await;
        let kind = FaultKind::Status { status, retry_after: None, error_type: None, body: None };
        let gone = Fault { count: 100, ..Fault::once(Operation::GetWorkflowRun, &scene.account, kind) };
        scene.simulator.fault(&gone).await.unwrap();
        let before = scene.reads().await;
        scene.ring(&run).await;
        let done = scene.until_rest(name).await;
        assert_eq!(done.status.as_ref().unwrap().vendor_record, Some(VendorRecord::Purged));
        scene.until_condition(name, ConditionType::Verified, truth, fault).await;
        scene.until_condition(name, ConditionType::Completed, "True", "OutcomeReported").await;
        assert_eq!(scene.reads().await, before + 1);
        assert_eq!(scene.events(name, "Refused").await, 0);
        scene.simulator.clear_faults(Some(&scene.account)).await.unwrap();
    }
}
