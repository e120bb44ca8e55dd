//! What the vendor could not be asked to erase in time: it is owed, the object goes, and it is asked for until it is done.

use std::time::Instant;

use kube::api::DeleteParams;
use onfido_operator::{
    api::{ConditionType as C, Environment, OnfidoProvider, Phase},
    simulator::admin::{AccountSetting, DefaultOutcome, Fault, FaultKind, Operation},
};
use serde_json::json;

use super::{FAST, scene, stage};
use crate::support::{
    control_plane::control_plane,
    erasure::erasing,
    operator::{Operator, Run, Scene, WORKFLOW, install},
};

/// The deadline at this pace.
const DEADLINE: std::time::Duration = std::time::Duration::from_secs(3);

/// Its deletion says why it waits, and waits no longer than the deadline; then it is owed, and told so.
async fn owed(scene: &Scene, name: &str, reason: &str, applicant: &str) {
    let since = Instant::now();
    scene.delete(name).await;
    scene.until_condition(name, C::Ready, "False", reason).await;
    scene.until_gone(name).await;
    // Kubernetes has whole seconds.
    assert!(since.elapsed() + std::time::Duration::from_secs(1) >= DEADLINE, "after {:?}", since.elapsed());
    scene.until_owed(&[applicant]).await;
    let entry = &scene.debts().await[applicant];
    assert_eq!((&entry["why"], &entry["environment"]), (&json!(reason), &json!("Sandbox")));
    assert_eq!(entry.as_object().unwrap().len(), 3, "ids only: {entry}");
    scene.until_event(name, "ErasureOwed").await;
}

#[tokio::test]
async fn by_a_vendor_that_does_not_answer() {
    let scene = scene("dead").await;
    let applicant = scene.erasable("person").await;
    scene.erases_nothing(503).await;
    owed(&scene, "person", "Unreachable", &applicant).await;
    scene.simulator.clear_faults(Some(&scene.account)).await.unwrap();
    scene.ask_provider("1").await;
    scene.until_owed(&[]).await;
    assert_eq!(scene.erased().await, [applicant]);
    let metrics = reqwest::get(format!("{}/metrics", stage().await.operator.health)).await.unwrap().text().await.unwrap();
    assert!(
        metrics.contains("onfido_operator_erasures_done_total") && metrics.contains("onfido_operator_erasures_lost_total 0"),
        "{metrics}"
    );
}

#[tokio::test]
async fn by_a_provider_that_is_gone_until_there_is_another_of_its_name() {
    let scene = scene("missing").await;
    let applicant = scene.erasable("person").await;
    scene.providers().delete("onfido", &DeleteParams::default()).await.unwrap();
    owed(&scene, "person", "ProviderNotFound", &applicant).await;
    scene.provider(json!({})).await;
    scene.until_owed(&[]).await;
    assert_eq!(scene.erased().await, [applicant]);
}

#[tokio::test]
async fn by_credentials_that_are_gone_until_there_are_others() {
    let scene = scene("secretless").await;
    let applicant = scene.erasable("person").await;
    scene.secrets().delete("onfido-api", &DeleteParams::default()).await.unwrap();
    scene.until_provider("onfido", C::Ready, "False", "SecretNotFound").await;
    owed(&scene, "person", "SecretNotFound", &applicant).await;
    scene.secret("onfido-api", Some("credentials"), &[("token", &scene.api_token())]).await;
    scene.until_owed(&[]).await;
    assert_eq!(scene.erased().await, [applicant]);
}

#[tokio::test]
async fn by_a_token_that_is_revoked_until_it_is_replaced() {
    let scene = scene("revoked").await;
    let applicant = scene.erasable("person").await;
    let token = format!("api_sandbox.{}-next", scene.account);
    scene.simulator.account(&AccountSetting::new(&scene.account, &token, WORKFLOW)).await.unwrap();
    owed(&scene, "person", "Unauthorized", &applicant).await;
    scene.secret("onfido-api", Some("credentials"), &[("token", &token)]).await;
    scene.until_owed(&[]).await;
    assert_eq!(scene.erased().await, [applicant]);
}

#[tokio::test]
async fn by_a_token_of_another_environment_which_knows_nothing_of_it() {
    let scene = scene("elsewhere").await;
    let applicant = scene.erasable("person").await;
    let live = format!("{}-live", scene.account);
    let token = format!("api_live.{live}");
    scene.simulator.account(&AccountSetting { live: true, ..AccountSetting::new(&live, &token, WORKFLOW) }).await.unwrap();
    scene.secret("onfido-api", Some("credentials"), &[("token", &token)]).await;
    let is_live = |provider: &OnfidoProvider| provider.status.as_ref().and_then(|status| status.environment) == Some(Environment::Live);
    scene.until_provider_is("onfido", "the other environment", is_live).await;
    owed(&scene, "person", "AccountChanged", &applicant).await;
    scene.ask_provider("1").await;
    let asked =
        |provider: &onfido_operator::api::OnfidoProvider| provider.status.as_ref().is_some_and(|s| s.reconciled.as_deref() == Some("1"));
    scene.until_provider_is("onfido", "an answer", asked).await;
    assert_eq!(scene.debts().await.len(), 1, "still owed");
    let calls = scene.simulator.ledger(Some(&live), Some(Operation::DeleteApplicant)).await.unwrap();
    assert_eq!(calls.len(), 0, "what it does not know is not asked of it");
    scene.secret("onfido-api", Some("credentials"), &[("token", &scene.api_token())]).await;
    scene.ask_provider("2").await;
    scene.until_owed(&[]).await;
    assert_eq!(scene.erased().await, [applicant]);
}

#[tokio::test]
async fn by_a_verification_that_is_suspended() {
    let scene = scene("suspended").await;
    let applicant = scene.erasable("person").await;
    // So that the ledger is seen with it: the provider settles it at once.
    scene.erases_nothing(503).await;
    scene.patch("person", json!({ "suspend": true })).await;
    scene.until_acknowledged("person").await;
    let before = scene.ledger(Operation::DeleteApplicant).await.len();
    scene.delete("person").await;
    scene.until_condition("person", C::Ready, "False", "Suspended").await;
    assert_eq!(scene.ledger(Operation::DeleteApplicant).await.len(), before, "nobody is asked");
    scene.until_gone("person").await;
    scene.until_owed(&[&applicant]).await;
    scene.simulator.clear_faults(Some(&scene.account)).await.unwrap();
    scene.ask_provider("1").await;
    scene.until_owed(&[]).await;
    assert_eq!(scene.erased().await, [applicant]);
}

#[tokio::test]
async fn by_a_run_in_progress_at_once_and_until_it_has_ended() {
    let scene = scene("busy").await;
    let hold = DefaultOutcome { hold: true, ..DefaultOutcome::default() };
    scene.simulator.default_outcome(&scene.account, &hold).await.unwrap();
    let applicant = scene.erasable("person").await;
    let run = scene.run_of("person").await;
    scene.simulator.capture(&run).await.unwrap();
    scene.finalize("person").await;
    scene.until_phase("person", Phase::Processing).await;
    scene.delete("person").await;
    scene.until_gone("person").await;
    scene.until_owed(&[&applicant]).await;
    assert_eq!(scene.debts().await[&applicant]["why"], json!("RunInProgress"));
    scene.until_event("person", "ErasureOwed").await;
    scene.decide(&run, "approved", json!({})).await;
    scene.ask_provider("1").await;
    scene.until_owed(&[]).await;
    assert_eq!(scene.erased().await, [applicant]);
}

#[tokio::test]
async fn what_a_call_in_doubt_has_left_is_erased_or_told_of() {
    let scene = scene("doubted").await;
    for (name, operation) in [("run", Operation::CreateWorkflowRun), ("applicant", Operation::CreateApplicant)] {
        scene.simulator.fault(&Fault::once(operation, &scene.account, FaultKind::ResetAfterCommit)).await.unwrap();
        scene.verification(name, erasing()).await;
        scene.until(name, "an intent", |object| object.status.as_ref().is_some_and(|status| status.operation.is_some())).await;
        scene.until_asked(operation).await;
        scene.delete(name).await;
        scene.until_gone(name).await;
    }
    let created = scene.ledger(Operation::CreateApplicant).await;
    let runs = scene.ledger(Operation::CreateWorkflowRun).await;
    assert_eq!((created.len(), runs.len()), (2, 1), "nothing was tried again");
    assert_eq!(scene.erased().await, [created[0].applicant_id.clone().unwrap()]);
    let debts = scene.debts().await;
    let (key, orphan) = debts.first_key_value().unwrap();
    assert!(key.starts_with("orphan.onfido-operator.") && key.ends_with(".1") && debts.len() == 1, "{debts:?}");
    let time = |field: &str| orphan[field].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let at = created[1].time.parse::<jiff::Timestamp>().unwrap();
    assert!(time("from") <= at && at <= time("until"), "{orphan} tells of {at}");
    scene.until_event("applicant", "PossibleOrphanApplicant").await;
}

/// Two operators that both believe they lead, and ConfigMaps that take three.
#[tokio::test]
async fn a_ledger_that_is_full_goes_on_in_another_and_two_operators_lose_nothing() {
    const MANY: usize = 12;
    let control_plane = control_plane().await;
    install(control_plane).await;
    let scene = Scene::bare(control_plane, "many").await;
    let args = vec!["--ledger-entries".to_owned(), "3".to_owned()];
    let run = Run { watch: vec![scene.namespace.clone()], time_scale: FAST, args, ..Run::default() };
    let _two = [Operator::start(control_plane, &run).await, Operator::start(control_plane, &run).await];
    scene.provider(json!({})).await;
    scene.until_provider("onfido", C::Ready, "True", "Succeeded").await;
    let mut applicants = vec![];
    for number in 0..MANY {
        applicants.push(scene.erasable(&format!("person-{number:02}")).await);
    }
    scene.patch_provider(json!({ "suspend": true }), ("False", "Suspended")).await;
    for number in 0..MANY {
        scene.delete(&format!("person-{number:02}")).await;
    }
    for number in 0..MANY {
        scene.until_gone(&format!("person-{number:02}")).await;
    }
    let ids: Vec<&str> = applicants.iter().map(String::as_str).collect();
    scene.until_owed(&ids).await;
    let maps = scene.debt_maps().await;
    let sizes: Vec<usize> = maps.iter().map(|map| map.data.as_ref().map_or(0, |data| data.len())).collect();
    // Both may find room for one more at the same moment.
    assert!(maps.len() >= 3 && sizes.iter().all(|size| *size <= 5), "{sizes:?}");
    scene.patch_provider(json!({ "suspend": false }), ("True", "Succeeded")).await;
    scene.until_owed(&[]).await;
    let mut erased = scene.erased().await;
    erased.sort();
    applicants.sort();
    assert_eq!(erased, applicants, "each is erased once: who comes second finds it gone");
}
