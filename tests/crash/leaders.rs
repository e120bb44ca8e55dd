//! Two operators that both believe they lead: the fences hold, whoever is slow.

use std::{collections::BTreeSet, time::Duration};

use futures::future::join_all;
use onfido_operator::{
    api::ConditionType,
    simulator::admin::{DefaultOutcome, Operation},
};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use serde_json::json;

use super::{FAST, NAME, Plot, captured, tag_of};

/// How long after its intent an operator may still send at the pace of [`FAST`].
const DEADLINE: Duration = Duration::from_millis(500);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_who_lead_start_one_run_each() {
    let plot = Plot::new("leaders").await;
    // Slow enough that no call times out and no intent grows old: nothing is left to recovery.
    let mut operators = [plot.operator(1.0, None).await, plot.operator(1.0, None).await];
    plot.scene.until_provider("onfido", ConditionType::Ready, "True", "Succeeded").await;
    let at_once = DefaultOutcome { capture_after_ms: Some(0), outcome_after_ms: Some(0), ..DefaultOutcome::default() };
    plot.scene.simulator.default_outcome(&plot.scene.account, &at_once).await.unwrap();

    let names: Vec<String> = (0..20).map(|n| format!("person-{n}")).collect();
    join_all(names.iter().map(|name| plot.scene.verification(name, json!({})))).await;
    let done = join_all(names.iter().map(|name| plot.scene.until_condition(name, ConditionType::Verified, "True", "Verified"))).await;

    let started = plot.calls(Operation::CreateWorkflowRun).await;
    assert_eq!(started.len(), names.len());
    assert_eq!(plot.calls(Operation::CreateApplicant).await.len(), names.len());
    let tags: BTreeSet<_> = done.iter().map(tag_of).collect();
    assert_eq!(started.iter().flat_map(|call| call.tags.clone()).collect::<BTreeSet<_>>(), tags);
    for object in &done {
        plot.nobody_asked(object).await;
    }
    let applicants: BTreeSet<&str> = done.iter().map(|object| object.status.as_ref().unwrap().applicant_id.as_deref().unwrap()).collect();
    assert_eq!(applicants.len(), names.len(), "no two share one");
    plot.namesake_untouched(&Vec::from_iter(applicants)).await;
    operators.iter_mut().for_each(|operator| operator.child.kill());
}

/// Stopped as by a frozen machine; the other leader has taken over and started the run when it goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_frozen_between_intent_and_call_does_not_call_late() {
    let plot = Plot::new("frozen").await;
    let mut old = plot.operator(FAST, Some("before:StartRun")).await;
    plot.begin().await;
    old.until_logged("paused at before:StartRun").await;
    let pid = Pid::from_raw(i32::try_from(old.child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    // Sent is not stopped: on a busy machine its threads run on for a while.
    let stopped = waitpid(Some(pid), WaitOptions::UNTRACED).unwrap().unwrap();
    assert!(stopped.1.stopped(), "{stopped:?}");
    old.resume();

    let mut new = plot.operator(FAST, None).await;
    plot.person().await;
    plot.verified().await;
    assert!(!old.logged().contains("passed before:StartRun"), "it was not frozen");
    kill_process(pid, Signal::CONT).unwrap();
    old.until_logged("passed after:StartRun").await;

    let done = plot.verified().await;
    plot.one_run(&done).await;
    assert_eq!(plot.calls(Operation::CreateWorkflowRun).await.len(), 1, "sent late");
    plot.looked_before_trying_again(true, super::ABSENCE).await;
    [&mut old, &mut new].into_iter().for_each(|operator| operator.child.kill());
}

/// It holds the answer to its applicant, and the other leader has created one too and started the run: what it would record next is the
/// intent of a second run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_frozen_with_an_applicant_in_hand_does_not_go_on_with_it() {
    let plot = Plot::new("in-hand").await;
    let mut old = plot.operator(FAST, Some("after:CreateApplicant")).await;
    plot.begin().await;
    old.until_logged("paused at after:CreateApplicant").await;
    let mut new = plot.operator(FAST, None).await;
    plot.scene.until(NAME, "a token", captured).await;
    old.resume();
    old.until_logged("passed before-record:StartRun").await;

    plot.person().await;
    let done = plot.verified().await;
    plot.one_run(&done).await;
    let [abandoned, used] = &plot.calls(Operation::CreateApplicant).await[..] else { panic!("not two applicants") };
    assert_eq!(done.status.unwrap().applicant_id, used.applicant_id);
    assert_ne!(abandoned.applicant_id, used.applicant_id);
    assert_eq!(plot.calls(Operation::CreateWorkflowRun).await.len(), 1);
    assert_eq!(plot.events("PossibleOrphanApplicant").await, 1);
    [&mut old, &mut new].into_iter().for_each(|operator| operator.child.kill());
}

/// Slow only, while the other still waits: the intent is withdrawn by its owner, and one of the two begins anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_slow_withdraws_its_intent() {
    let plot = Plot::new("slow").await;
    let mut old = plot.operator(FAST, Some("before:StartRun")).await;
    plot.begin().await;
    old.until_logged("paused at before:StartRun").await;
    let intent = plot.scene.verifications().get_status(NAME).await.unwrap().status.unwrap().operation.unwrap();
    let mut new = plot.operator(FAST, None).await;
    tokio::time::sleep(DEADLINE).await; // not for anything to happen: for the deadline to pass
    old.resume();
    old.until_logged("passed after:StartRun").await;
    let withdrawn = |object: &onfido_operator::api::IdentityVerification| {
        object.status.as_ref().and_then(|status| status.operation.as_ref()).is_none_or(|operation| operation.nonce != intent.nonce)
    };
    plot.scene.until(NAME, "a withdrawn intent", withdrawn).await;

    plot.person().await;
    let done = plot.verified().await;
    plot.one_run(&done).await;
    assert_eq!(plot.calls(Operation::CreateWorkflowRun).await.len(), 1);
    [&mut old, &mut new].into_iter().for_each(|operator| operator.child.kill());
}
