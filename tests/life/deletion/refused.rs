//! Neither the vendor nor the ledger can be reached: the object goes all the same, and says what is lost.

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, api::DeleteParams};
use onfido_operator::api::ConditionType as C;
use serde_json::json;

use super::FAST;
use crate::support::{
    control_plane::{control_plane, namespace},
    operator::{Operator, Run, Scene, install},
};

#[tokio::test]
async fn a_ledger_that_cannot_be_written_does_not_hold_the_object_for_ever() {
    // Without kube-controller-manager a namespace that is deleted takes nothing new and never ends.
    let control_plane = control_plane().await;
    install(control_plane).await;
    let scene = Scene::bare(control_plane, "lost").await;
    let own = namespace(control_plane, "operators").await;
    let args = vec!["--namespace".to_owned(), own.clone()];
    let run = Run { watch: vec![scene.namespace.clone()], time_scale: FAST, args, ..Run::default() };
    let operator = Operator::start(control_plane, &run).await;
    scene.provider(json!({})).await;
    scene.until_provider("onfido", C::Ready, "True", "Succeeded").await;
    let applicant = scene.erasable("person").await;
    Api::<Namespace>::all(scene.client.clone()).delete(&own, &DeleteParams::default()).await.unwrap();
    scene.erases_nothing(503).await;
    scene.delete("person").await;
    scene.until_condition("person", C::Ready, "False", "Unreachable").await;
    scene.until_condition("person", C::Ready, "False", "LedgerRefused").await;
    scene.until_gone("person").await;
    let said = format!("not erased at the vendor, and not in the erasure ledger: erase it by hand applicant=\"{applicant}\"");
    let logged = operator.logged();
    assert!(logged.lines().any(|line| line.contains("ERROR") && line.contains(&applicant)), "no {said} in {logged}");
    scene.until_event("person", "ErasureLost").await;
    let metrics = reqwest::get(format!("{}/metrics", operator.health)).await.unwrap().text().await.unwrap();
    assert!(metrics.contains("onfido_operator_erasures_lost_total 1"), "{metrics}");
}
