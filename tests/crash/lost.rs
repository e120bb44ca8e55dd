//! Answers of paid calls that are lost, after the vendor carried the call out and before, without a crash.

use onfido_operator::simulator::admin::{FaultKind, Operation};

use super::{ABSENCE, FAST, Plot, play};

fn faults() -> Vec<(&'static str, (Operation, FaultKind, bool))> {
    use {FaultKind::*, Operation::*};
    let unavailable = || Status { status: 503, retry_after: None, error_type: None, body: None };
    vec![
        ("run: reset before", (CreateWorkflowRun, ResetBeforeCommit, false)),
        ("run: 503", (CreateWorkflowRun, unavailable(), false)),
        ("run: redirected", (CreateWorkflowRun, Redirect { location: "/v3.6/workflow_runs".into() }, false)),
        ("run: reset after", (CreateWorkflowRun, ResetAfterCommit, true)),
        ("run: half a body", (CreateWorkflowRun, TruncatedBody, true)),
        ("run: garbage", (CreateWorkflowRun, GarbageBody, true)),
        ("run: no answer in time", (CreateWorkflowRun, HangAfterCommit, true)),
        ("run: 500 after", (CreateWorkflowRun, StatusAfterCommit { status: 500 }, true)),
        ("run: 408 after", (CreateWorkflowRun, StatusAfterCommit { status: 408 }, true)),
        ("applicant: reset before", (CreateApplicant, ResetBeforeCommit, false)),
        ("applicant: 503", (CreateApplicant, unavailable(), false)),
        ("applicant: reset after", (CreateApplicant, ResetAfterCommit, true)),
        ("applicant: half a body", (CreateApplicant, TruncatedBody, true)),
        ("applicant: garbage", (CreateApplicant, GarbageBody, true)),
        ("applicant: no answer in time", (CreateApplicant, HangAfterCommit, true)),
        ("applicant: 500 after", (CreateApplicant, StatusAfterCommit { status: 500 }, true)),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_lost_never_starts_a_second_run() {
    play(faults(), one).await;
}

async fn one((operation, fault, committed): (Operation, FaultKind, bool)) {
    let plot = Plot::new("lost").await;
    let mut operator = plot.operator(FAST, None).await;
    plot.fault(operation, fault).await;
    plot.begin().await;
    plot.person().await;
    let done = plot.verified().await;
    plot.one_run(&done).await;

    let first = &plot.calls(operation).await[0];
    assert!(first.fault.is_some() && first.committed == committed, "{first:#?}");
    let of_the_run = operation == Operation::CreateWorkflowRun;
    let posts = plot.calls(operation).await.len();
    assert_eq!(posts, if of_the_run && committed { 1 } else { 2 });
    plot.looked_before_trying_again(false, ABSENCE).await;
    let orphans = usize::from(!of_the_run);
    assert_eq!(plot.events("PossibleOrphanApplicant").await, orphans);
    let metrics = reqwest::get(format!("{}/metrics", operator.health)).await.unwrap().text().await.unwrap();
    assert!(metrics.contains(&format!("onfido_operator_possible_orphan_applicants_total {orphans}")), "{metrics}");
    operator.child.kill();
}
