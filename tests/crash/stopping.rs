//! Stops that are no crashes: the operator told to stop, and the API server away, while a paid call is under way.

use onfido_operator::{
    dev::ControlPlane,
    simulator::admin::{FaultKind, Operation},
};

use super::{FAST, NAME, Plot, captured, place, play};
use crate::support::{control_plane::options, operator::install};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn told_to_stop_during_a_paid_call_it_records_it_first() {
    use {FaultKind::*, Operation::*};
    let calls = vec![
        ("applicant, not carried out yet", (CreateApplicant, Delay { ms: 700 })),
        ("applicant, carried out", (CreateApplicant, DelayAfterCommit { ms: 700 })),
        ("run, not carried out yet", (CreateWorkflowRun, Delay { ms: 700 })),
        ("run, carried out", (CreateWorkflowRun, DelayAfterCommit { ms: 700 })),
    ];
    play(calls, |(operation, fault)| async move {
        let plot = Plot::new("stopped").await;
        // The real clock: nothing may time out here.
        let operator = plot.operator(1.0, None).await;
        plot.fault(operation, fault).await;
        plot.begin().await;
        plot.until_called("the call", operation, |calls| !calls.is_empty()).await;
        let mut operator = tokio::task::spawn_blocking(move || {
            let mut operator = operator;
            operator.child.stop();
            operator
        })
        .await
        .unwrap();
        let status = operator.child.exited().unwrap().unwrap();
        assert!(status.success(), "{status}: {}", operator.logged());
        let object = plot.scene.verifications().get_status(NAME).await.unwrap();
        let recorded = object.status.as_ref().unwrap();
        assert!(recorded.workflow_run_id.is_some() && recorded.operation.is_none() && captured(&object), "{recorded:#?}");

        let mut operator = plot.operator(FAST, None).await;
        plot.person().await;
        let done = plot.verified().await;
        plot.one_run(&done).await;
        assert_eq!(plot.calls(ListWorkflowRuns).await.len(), 0, "nothing had to be recovered");
        assert_eq!(plot.calls(CreateApplicant).await.len() + plot.calls(CreateWorkflowRun).await.len(), 2);
        operator.child.kill();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_outlives_an_outage_of_the_api_server() {
    place().await; // its programs are there
    let own = ControlPlane::start(options()).await.unwrap();
    install(&own).await;
    let plot = Plot::at(&own, "outage").await;
    let mut operator = plot.operator_at(&own, 1.0, Some("after:StartRun")).await;
    plot.begin().await;
    operator.until_logged("paused at after:StartRun").await;
    own.stop_api_server().await.unwrap();
    operator.resume();
    operator.until_logged("trying again").await;
    own.start_again().await.unwrap();

    plot.person().await;
    let done = plot.verified().await;
    plot.one_run(&done).await;
    assert_eq!(plot.calls(Operation::CreateWorkflowRun).await.len(), 1);
    assert_eq!(plot.calls(Operation::ListWorkflowRuns).await.len(), 0, "nothing had to be recovered");
    operator.child.kill();
}
