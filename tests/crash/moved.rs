//! What is recorded is not where it was: another account's token, another object of the same name, a second run with our tag.

use jiff::Timestamp;
use kube::api::DeleteParams;
use onfido_operator::{
    api::ConditionType,
    simulator::admin::{AccountSetting, FaultKind, Operation},
};

use super::{FAST, NAME, PATIENT, Plot, tag_of};
use crate::support::operator::WORKFLOW;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_accounts_token_creates_nothing_there() {
    let plot = Plot::new("account").await;
    let mut killed = plot.operator(PATIENT, Some("after:StartRun")).await;
    plot.begin().await;
    killed.until_logged("paused at after:StartRun").await;
    killed.child.kill();

    let other = format!("{}-other", plot.scene.account);
    let token = format!("api_sandbox.{other}");
    plot.scene.simulator.account(&AccountSetting::new(&other, &token, WORKFLOW)).await.unwrap();
    plot.scene.secret("onfido-api", Some("credentials"), &[("token", &token)]).await;
    let mut operator = plot.operator(FAST, None).await;
    plot.scene.until_condition(NAME, ConditionType::Submitted, "False", "AccountChanged").await;
    let asked = plot.scene.simulator.ledger(Some(&other), None).await.unwrap();
    let looked = asked.iter().filter(|call| call.operation == Operation::GetApplicant).count();
    let created = asked.iter().filter(|call| call.method != "GET").count();
    assert!(looked >= 1 && created == 0, "{asked:#?}");

    plot.scene.secret("onfido-api", Some("credentials"), &[("token", &plot.scene.api_token())]).await;
    plot.person().await;
    let done = plot.verified().await;
    let asked = plot.scene.simulator.ledger(Some(&other), None).await.unwrap();
    assert!(asked.iter().all(|call| call.method == "GET"), "{asked:#?}");
    assert_eq!(plot.calls(Operation::CreateWorkflowRun).await.len(), 1);
    assert_eq!(done.status.unwrap().workflow_run_id, plot.calls(Operation::CreateWorkflowRun).await[0].run_id);
    operator.child.kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_created_again_under_the_same_name_gets_a_run_of_its_own() {
    let plot = Plot::new("again").await;
    let mut killed = plot.operator(PATIENT, None).await;
    plot.fault(Operation::CreateWorkflowRun, FaultKind::HangAfterCommit).await;
    let old = plot.begin().await;
    plot.until_called("the run", Operation::CreateWorkflowRun, |calls| calls.iter().any(|call| call.committed)).await;
    killed.child.kill();
    plot.scene.verifications().delete(NAME, &DeleteParams::default()).await.unwrap();
    let new = plot.begin().await;

    let mut operator = plot.operator(FAST, None).await;
    plot.person().await;
    let done = plot.verified().await;
    plot.one_run(&done).await;
    own_runs(&plot, [tag_of(&old), tag_of(&new)]).await;
    operator.child.kill();
}

/// The operator is alive, and has the answer of the old object's call in hand.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_objects_record_never_lands_on_the_new_one() {
    let plot = Plot::new("record").await;
    let mut old_pass = plot.operator(FAST, Some("after:StartRun")).await;
    let old = plot.begin().await;
    old_pass.until_logged("paused at after:StartRun").await;
    plot.scene.verifications().delete(NAME, &DeleteParams::default()).await.unwrap();
    let new = plot.begin().await;
    // A second leader, so that the new object has an operation of its own on record when the old one's answer comes.
    let mut second = plot.operator(FAST, Some("before:StartRun")).await;
    second.until_logged("paused at before:StartRun").await;
    old_pass.resume();

    plot.person().await;
    plot.verified().await;
    second.resume();
    second.until_logged("passed after:StartRun").await;
    let done = plot.verified().await;
    plot.one_run(&done).await;
    own_runs(&plot, [tag_of(&old), tag_of(&new)]).await;
    [&mut old_pass, &mut second].into_iter().for_each(|operator| operator.child.kill());
}

async fn own_runs(plot: &Plot, tags: [String; 2]) {
    let started: Vec<_> = plot.calls(Operation::CreateWorkflowRun).await.into_iter().flat_map(|call| call.tags).collect();
    assert_eq!(started, tags);
    assert_ne!(tags[0], tags[1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_runs_with_our_tag_the_oldest_is_adopted_and_the_other_reported() {
    let plot = Plot::new("extra").await;
    let mut killed = plot.operator(PATIENT, Some("after:StartRun")).await;
    let object = plot.begin().await;
    killed.until_logged("paused at after:StartRun").await;
    killed.child.kill();
    let [first] = &plot.calls(Operation::CreateWorkflowRun).await[..] else { panic!("not one run") };
    // The vendor tells time in whole seconds.
    let second: Timestamp = first.time.parse().unwrap();
    while Timestamp::now().as_second() == second.as_second() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let extra = plot.vendor.run(first.applicant_id.as_deref().unwrap(), &tag_of(&object)).await;

    let mut operator = plot.operator(FAST, None).await;
    plot.person().await;
    let done = plot.verified().await;
    assert_eq!(done.status.as_ref().unwrap().workflow_run_id, first.run_id);
    assert_ne!(first.run_id.as_ref(), Some(&extra));
    assert_eq!(plot.events("ExtraRun").await, 1);
    assert_eq!(plot.calls(Operation::CreateWorkflowRun).await.len(), 2, "the operator's and the test's");
    let metrics = reqwest::get(format!("{}/metrics", operator.health)).await.unwrap().text().await.unwrap();
    assert!(metrics.contains("onfido_operator_extra_runs_total 1"), "{metrics}");
    plot.nobody_asked(&done).await;
    operator.child.kill();
}
