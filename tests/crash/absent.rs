//! A vendor that never carries a run out and never says so: a few tries, each after an absence that can be believed, then a human.

use std::time::Duration;

use onfido_operator::{
    api::ConditionType,
    simulator::admin::{Fault, FaultKind, LedgerEntry, Operation},
};

use super::{NAME, Plot, tag_of};

/// Six hours in nine seconds.
const FASTEST: f64 = 0.0004;
const ABSENCE: Duration = Duration::from_millis(120);
const HOUR: Duration = Duration::from_millis(1440);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_three_more_tries_a_human_is_asked_and_looks_go_on() {
    let plot = Plot::new("absent").await;
    let mut operator = plot.operator(FASTEST, None).await;
    let unavailable = FaultKind::Status { status: 503, retry_after: None, error_type: None, body: None };
    let account = plot.scene.account.clone();
    let fault = Fault { operation: Some(Operation::CreateWorkflowRun), account: Some(account), skip: 0, count: 1000, kind: unavailable };
    plot.scene.simulator.fault(&fault).await.unwrap();
    let object = plot.begin().await;

    plot.until_called("the last try", Operation::CreateWorkflowRun, |calls| calls.len() == 4).await;
    plot.scene.until_condition(NAME, ConditionType::Stalled, "True", "VendorAmbiguous").await;
    let tries = plot.calls(Operation::CreateWorkflowRun).await;
    assert_eq!(tries.len(), 4, "{tries:#?}");
    plot.looked_before_trying_again(false, ABSENCE).await;

    let so_far = plot.calls(Operation::ListWorkflowRuns).await.len();
    plot.until_called("hourly looks", Operation::ListWorkflowRuns, |calls| calls.len() >= so_far + 2).await;
    let calls = plot.calls(Operation::ListWorkflowRuns).await;
    let at = |entry: &LedgerEntry| entry.time.parse::<jiff::Timestamp>().unwrap();
    let between = Duration::try_from(at(&calls[so_far + 1]).duration_since(at(&calls[so_far]))).unwrap();
    assert!(between >= HOUR.mul_f64(0.9), "looks {between:?} apart");
    assert_eq!(plot.calls(Operation::CreateWorkflowRun).await.len(), 4, "no further try");
    assert_eq!(plot.events("Stalled").await, 1);

    // The vendor shows it after all, whoever started it.
    plot.scene.simulator.clear_faults(Some(&plot.scene.account)).await.unwrap();
    let status = plot.scene.verifications().get_status(NAME).await.unwrap().status.unwrap();
    let run = plot.vendor.run(status.applicant_id.as_deref().unwrap(), &tag_of(&object)).await;
    plot.person().await;
    let done = plot.verified().await;
    assert_eq!(done.status.as_ref().unwrap().workflow_run_id.as_ref(), Some(&run));
    plot.scene.until_condition(NAME, ConditionType::Stalled, "False", "Progressing").await;
    operator.child.kill();
}
