//! SIGKILL around a token that is asked for: asked for again, since that costs nothing, until one is in the Secret and on record.

use onfido_operator::{api::ConditionType, simulator::admin::Operation};
use serde_json::json;

use super::{FAST, NAME, PATIENT, Plot, captured, play};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_anywhere_a_fresh_token_ends_in_the_secret_and_on_record() {
    let places = ["before:CreateSdkToken", "after:CreateSdkToken", "before:WriteCaptureSecret", "after:WriteCaptureSecret"];
    play(places.map(|place| (place, place)).to_vec(), one).await;
}

async fn one(place: &'static str) {
    let plot = Plot::new("renewed").await;
    let mut first = plot.operator(PATIENT, None).await;
    plot.begin().await;
    plot.scene.until(NAME, "a token", captured).await;
    first.child.kill();
    plot.scene.patch(NAME, json!({ "capture": { "tokenGeneration": 1 } })).await;
    let mut second = plot.operator(PATIENT, Some(place)).await;
    second.until_logged(&format!("paused at {place}")).await;
    second.child.kill();

    let mut third = plot.operator(FAST, None).await;
    let renewed = plot.scene.until_condition(NAME, ConditionType::CaptureReady, "True", "AwaitingInput").await;
    let handed = renewed.status.as_ref().unwrap().capture.clone().unwrap();
    assert_eq!(handed.generation, 1);
    let secret = plot.scene.secrets().get(&handed.secret_ref.name).await.unwrap();
    let token = String::from_utf8(secret.data.unwrap()["sdk_token"].0.clone()).unwrap();
    let page = reqwest::get(format!("{}/capture?token={token}", plot.scene.simulator.base())).await.unwrap();
    assert_eq!(page.status(), 200, "it opens the run");
    let own = plot.scene.simulator.runs(Some(&plot.scene.account), None).await.unwrap();
    assert!(own.iter().all(|run| run.sdk_token != token));
    let asked = plot.calls(Operation::CreateSdkToken).await.len();
    // A pass that was made before the watch had shown the record may have asked once more: it costs nothing, and the fence stopped it.
    let least = if place == "before:CreateSdkToken" { 1 } else { 2 };
    assert!((least..=least + 1).contains(&asked), "asked {asked} times");
    plot.person().await;
    plot.one_run(&plot.verified().await).await;
    third.child.kill();
}
