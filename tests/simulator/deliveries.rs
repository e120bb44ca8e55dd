//! Deliveries as a receiver meets them: signature over raw bytes, retries, replays, crafted bodies.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use jiff::SignedDuration;
use onfido_operator::onfido::secret::WebhookToken;
use onfido_operator::onfido::webhook::verify;
use onfido_operator::simulator::Options;
use onfido_operator::simulator::admin::{Craft, DeliveryState, Outcome, Replay, Webhook};
use serde_json::Value;

use super::{Caller, start, until};

const TOKEN: &str = "an-invented-webhook-token";

#[derive(Default)]
struct Receiver {
    // What to answer; 0 is silence; nothing left: 200.
    answers: VecDeque<u16>,
    got: Vec<(Bytes, String)>,
}
type Shared = Arc<Mutex<Receiver>>;

async fn receive(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let answer = {
        let mut receiver = shared.lock().unwrap();
        let signature = headers.get("x-sha2-signature").map_or("", |v| v.to_str().unwrap()).to_owned();
        receiver.got.push((body, signature));
        receiver.answers.pop_front().unwrap_or(200)
    };
    if answer == 0 {
        std::future::pending::<()>().await;
    }
    StatusCode::from_u16(answer).unwrap()
}

async fn receiver(answers: &[u16]) -> (Shared, String) {
    let shared: Shared = Arc::new(Mutex::new(Receiver { answers: answers.iter().copied().collect(), got: Vec::new() }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let router = axum::Router::new().route("/hook", axum::routing::post(receive)).with_state(shared.clone());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (shared, url)
}

fn hook(url: &str) -> Webhook {
    Webhook { url: url.into(), token: TOKEN.into(), enabled: true, drop: false }
}

fn signed(got: &(Bytes, String)) -> bool {
    verify(&[WebhookToken::from_secret_bytes(TOKEN.as_bytes()).unwrap()], &got.0, got.1.as_bytes())
}

async fn ended(caller: &Caller, silent: bool) -> String {
    let run = caller.run(&caller.applicant().await, "t").await;
    caller.simulator.admin.outcome(&run, &Outcome { silent, ..Outcome::default() }).await.unwrap();
    run
}

#[tokio::test]
async fn a_refused_or_silent_delivery_is_tried_again_until_it_is_acknowledged() {
    let (receiver, url) = receiver(&[500, 0, 302]).await;
    let mut options = Options::ephemeral();
    options.webhook_timeout = SignedDuration::from_millis(100);
    options.webhook_retry = SignedDuration::from_millis(10);
    let caller = start(options).await;
    caller.simulator.admin.webhooks("tests", &[hook(&url)]).await.unwrap();
    let run = ended(&caller, false).await;
    let delivery = until(async || {
        let all = caller.simulator.admin.deliveries(Some("tests"), Some(&run)).await.unwrap();
        all.into_iter().next().filter(|d| d.state == DeliveryState::Delivered)
    })
    .await;
    let answers: Vec<Option<u16>> = delivery.attempts.iter().map(|a| a.status).collect();
    assert_eq!(answers, [Some(500), None, Some(302), Some(200)]);
    assert_eq!(delivery.attempts[1].error.as_deref(), Some("no answer in time"));
    let got = receiver.lock().unwrap().got.clone();
    assert_eq!(got.len(), 4);
    assert!(got.iter().all(|one| one == &got[0] && signed(one)));
    let text = std::str::from_utf8(&got[0].0).unwrap();
    assert!(text.starts_with("{\n  \"payload\"") && text.ends_with("}\n"), "pretty, with a final newline");
    let body: Value = serde_json::from_str(text).unwrap();
    let payload = &body["payload"];
    assert_eq!((&payload["resource_type"], &payload["action"]), (&"workflow_run".into(), &"workflow_run.completed".into()));
    assert_eq!((&payload["object"]["id"], &payload["resource"]["workflow_run_id"]), (&run.as_str().into(), &run.as_str().into()));
    assert!(payload["object"]["href"].as_str().unwrap().starts_with("http://"));
    assert!(!text.contains("sdk_token"));
}

#[tokio::test]
async fn the_sender_gives_up_after_its_attempts() {
    let (receiver, url) = receiver(&[500; 10]).await;
    let mut options = Options::ephemeral();
    options.webhook_retry = SignedDuration::from_millis(1);
    options.webhook_attempts = 3;
    let caller = start(options).await;
    caller.simulator.admin.webhooks("tests", &[hook(&url)]).await.unwrap();
    ended(&caller, false).await;
    until(async || caller.simulator.admin.deliveries(None, None).await.unwrap().pop().filter(|d| d.state == DeliveryState::GaveUp)).await;
    assert_eq!(receiver.lock().unwrap().got.len(), 3);
}

#[tokio::test]
async fn silent_dropped_and_disabled_deliveries_do_not_arrive_and_a_dropped_one_can_be_replayed() {
    let (receiver, url) = receiver(&[]).await;
    let caller = start(Options::ephemeral()).await;
    let admin = &caller.simulator.admin;
    let (mut dropping, mut disabled) = (hook(&url), hook(&url));
    dropping.drop = true;
    disabled.enabled = false;
    admin.webhooks("tests", &[dropping, disabled]).await.unwrap();
    ended(&caller, true).await;
    let run = ended(&caller, false).await;
    let all = admin.deliveries(Some("tests"), None).await.unwrap();
    assert_eq!((all.len(), all[0].state, all[0].run_id.as_ref()), (1, DeliveryState::Dropped, Some(&run)));
    admin.webhooks("tests", &[hook(&url)]).await.unwrap();
    let sent = admin.replay(&Replay { run: Some(run), times: Some(5), ..Replay::default() }).await.unwrap();
    assert!(sent.iter().all(|d| d.state == DeliveryState::Delivered));
    let got = receiver.lock().unwrap().got.clone();
    assert_eq!(got.len(), 5);
    assert!(got.iter().all(signed));
    assert!(admin.replay(&Replay { run: Some("nobody".into()), ..Replay::default() }).await.is_err());
}

#[tokio::test]
async fn any_body_can_be_delivered_with_any_signature() {
    let (receiver, url) = receiver(&[200, 401, 401, 401]).await;
    let caller = start(Options::ephemeral()).await;
    let admin = &caller.simulator.admin;
    admin.webhooks("tests", &[hook(&url)]).await.unwrap();
    let craft = |body: &str| Craft { account: "tests".into(), body: body.into(), ..Craft::default() };
    assert_eq!(admin.craft(&craft("{ odd")).await.unwrap().attempts[0].status, Some(200));
    let refused = admin.craft(&Craft { unsigned: true, ..craft("a") }).await.unwrap();
    assert_eq!((refused.state, refused.attempts[0].status), (DeliveryState::GaveUp, Some(401)));
    admin.craft(&Craft { signature: Some("beef".into()), ..craft("b") }).await.unwrap();
    admin.craft(&Craft { token: Some("another-invented-token".into()), ..craft("c") }).await.unwrap();
    let got = receiver.lock().unwrap().got.clone();
    assert_eq!(got.iter().map(signed).collect::<Vec<_>>(), [true, false, false, false]);
    assert_eq!((got[1].1.as_str(), got[2].1.as_str()), ("", "beef"));
    let mut short = hook(&url);
    short.token = "short".into();
    assert!(admin.webhooks("tests", &[short]).await.is_err());
    assert!(tokio::time::timeout(Duration::from_secs(5), caller.simulator.stop()).await.is_ok());
}
