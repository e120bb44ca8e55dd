//! SIGKILL around each effect of a second attempt, for which the applicant's data have changed.

use onfido_operator::{
    api::{ConditionType, IdentityVerification, Phase},
    key::Key,
    simulator::admin::{FaultKind, Operation},
};
use serde_json::json;

use super::{FAST, NAME, PATIENT, Plot, play};

#[derive(Clone)]
enum Crash {
    At(&'static str),
    /// While it waits for the answer to a call that was carried out, or not.
    During(Operation, FaultKind, bool),
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_anywhere_in_a_second_attempt_it_has_one_run_judged_by_what_was_sent() {
    use {Crash::*, FaultKind::*, Operation::*};
    let points = vec![
        ("run intended", At("before:StartRun")),
        ("run sent", During(CreateWorkflowRun, HangBeforeCommit, false)),
        ("change intended", At("before:UpdateApplicant")),
        ("change sent", During(UpdateApplicant, HangBeforeCommit, false)),
        ("change sent, and carried out a little later", During(UpdateApplicant, Delay { ms: 700 }, false)),
        ("change carried out", During(UpdateApplicant, HangAfterCommit, true)),
        ("change answered", At("after:UpdateApplicant")),
        ("change not recorded", At("before-record:StartRun")),
        ("run carried out", During(CreateWorkflowRun, HangAfterCommit, true)),
        ("run answered", At("after:StartRun")),
        ("values not read", At("before:ReadAttributes")),
        ("not looked", At("before:LookForRun")),
        ("looked", At("after:LookForRun")),
        ("attempt not recorded", At("before-record:UpdateApplicant")),
        ("Secret written", At("after:WriteCaptureSecret")),
    ];
    play(points, one).await;
}

fn second(object: &IdentityVerification, phase: Phase) -> bool {
    object.status.as_ref().is_some_and(|status| status.attempt == Some(2) && status.phase == phase)
}

async fn one(crash: Crash) {
    let plot = Plot::new("twice").await;
    let scene = &plot.scene;
    let mut first = plot.operator(FAST, None).await;
    plot.begin().await;
    scene.until(NAME, "a token", super::captured).await;
    let run = scene.run_of(NAME).await;
    scene.decide(&run, "declined", json!({})).await;
    scene.until_condition(NAME, ConditionType::Verified, "False", "Declined").await;
    first.child.kill();

    let mut place = None;
    match &crash {
        Crash::At(at) => place = Some(*at),
        Crash::During(operation, fault, _) => plot.fault(*operation, fault.clone()).await,
    }
    let mut operator = plot.operator(PATIENT, place).await;
    scene.secret(NAME, Some("attributes"), &[("given_name", "Renamed"), ("family_name", "Person"), ("birthdate", "1990-01-01")]).await;
    scene.patch(NAME, json!({ "attempt": 2 })).await;
    match &crash {
        Crash::At(place) => operator.until_logged(&format!("paused at {place}")).await,
        Crash::During(operation, _, committed) => {
            let sent = usize::from(*operation == Operation::CreateWorkflowRun);
            // One that is only late may be carried out before this is seen.
            let reached = |calls: &[super::LedgerEntry]| calls.get(sent).is_some_and(|call| call.committed || !committed);
            plot.until_called("the call", *operation, reached).await;
        }
    }
    operator.child.kill();

    let mut operator = plot.operator(FAST, None).await;
    let open = scene.until(NAME, "the second run", |object| second(object, Phase::AwaitingInput)).await;
    let status = open.status.as_ref().unwrap();
    scene.simulator.capture(status.workflow_run_id.as_deref().unwrap()).await.unwrap();
    scene.patch(NAME, json!({ "submittedAttempt": 2 })).await;
    let done = scene.until_condition(NAME, ConditionType::Verified, "True", "Verified").await;

    let key = Key::of_uid(done.metadata.uid.as_deref().unwrap());
    let runs: Vec<_> = plot.calls(Operation::CreateWorkflowRun).await.into_iter().filter(|call| call.committed).collect();
    let tags: Vec<_> = runs.iter().map(|call| call.tags.clone()).collect();
    assert_eq!(tags, [[key.tag(1)], [key.tag(2)]]);
    assert_eq!(runs[1].run_id, done.status.as_ref().unwrap().workflow_run_id);
    // One applicant, which held the new name before the second run was there.
    assert_eq!(runs[0].applicant_id, runs[1].applicant_id);
    assert_eq!(plot.calls(Operation::CreateApplicant).await.len(), 1);
    let changes = plot.calls(Operation::UpdateApplicant).await;
    assert!(changes.iter().any(|call| call.committed && call.seq < runs[1].seq), "{changes:#?}");
    let path = format!("/applicants/{}", runs[1].applicant_id.as_deref().unwrap());
    assert_eq!(plot.vendor.call(reqwest::Method::GET, &path, None).await["first_name"], "Renamed");
    plot.nobody_asked(&done).await;
    operator.child.kill();
}
