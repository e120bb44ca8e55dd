//! The webhook endpoint: the table of answers through the router, without a port. Secrets come from the real API server.

mod api;
mod rig;
mod socket;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use axum::body::{Body, Bytes};
use axum::http::{Method, Request};
use onfido_operator::key::Key;
use onfido_operator::webhook::route::Answer;

use rig::{Rig, TOKEN, completed, completed_with, now_minus, signed};

const STUDIO_KEY: &str = "YKOC6mkBxi6yK2zlUIrLMvsJMFEZObP5";

#[tokio::test]
async fn only_post_is_answered_and_the_answer_says_so() {
    let rig = Rig::new("method").await;
    for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let request = Request::builder().method(method.clone()).uri(rig.path()).body(Body::empty()).unwrap();
        let response = rig.send(request).await;
        assert_eq!(response.status, 405, "{method}");
        assert_eq!(response.allow.as_deref(), Some("POST"));
    }
    assert_eq!(rig.metrics.deliveries(Answer::WrongMethod), 5);
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_by_its_length_before_it_is_read() {
    let rig = Rig::new("size").await;
    let touched = Arc::new(AtomicBool::new(false));
    let witness = touched.clone();
    let stream = futures::stream::once(async move {
        witness.store(true, SeqCst);
        Ok::<_, std::io::Error>(Bytes::from_static(b"x"))
    });
    let declared = Request::post(rig.path()).header("content-length", "262145").body(Body::from_stream(stream)).unwrap();
    assert_eq!(rig.send(declared).await.status, 413);
    assert!(!touched.load(SeqCst), "not a byte was read");

    let endless = futures::stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; 4096])));
    let undeclared = Request::post(rig.path()).body(Body::from_stream(endless)).unwrap();
    assert_eq!(rig.send(undeclared).await.status, 413);

    let largest = vec![b' '; 256 * 1024];
    assert_eq!(rig.send(signed(&rig.path(), TOKEN, &largest)).await.status, 400, "read, verified, and no JSON");
    let larger = vec![b' '; 256 * 1024 + 1];
    assert_eq!(rig.send(signed(&rig.path(), TOKEN, &larger)).await.status, 413);
}

#[tokio::test]
async fn strangers_get_one_and_the_same_answer() {
    let rig = Rig::new("stranger").await;
    rig.provider("disabled", "Disabled", &[]).await;
    rig.provider("no-secret", "Manual", &["missing"]).await;
    rig.secret("unlabelled", None, "token", TOKEN).await;
    rig.provider("unlabelled", "Manual", &["unlabelled"]).await;
    rig.secret("other-use", Some("credentials"), "token", TOKEN).await;
    rig.provider("other-use", "Manual", &["other-use"]).await;
    rig.secret("no-key", Some("webhook"), "other", TOKEN).await;
    rig.provider("no-key", "Manual", &["no-key"]).await;
    rig.secret("short", Some("webhook"), "token", "short").await;
    rig.provider("short", "Manual", &["short"]).await;

    let body = completed("run-1", &[]);
    let to = |provider: &str| format!("/webhooks/{}/{provider}", rig.namespace);
    let with = |signature: &str| Request::post(rig.path()).header("x-sha2-signature", signature).body(Body::from(body.clone())).unwrap();
    let good = signed(&rig.path(), TOKEN, &body).headers()["x-sha2-signature"].to_str().unwrap().to_owned();
    let strangers = [
        ("unknown provider", signed(&to("nobody"), TOKEN, &body)),
        ("unknown namespace", signed("/webhooks/nowhere/onfido", TOKEN, &body)),
        ("unreadable address", signed("/webhooks/%ff/onfido", TOKEN, &body)),
        ("path for a name", signed("/webhooks/..%2f../onfido", TOKEN, &body)),
        ("disabled", signed(&to("disabled"), TOKEN, &body)),
        ("no Secret", signed(&to("no-secret"), TOKEN, &body)),
        ("unlabelled Secret", signed(&to("unlabelled"), TOKEN, &body)),
        ("Secret for another use", signed(&to("other-use"), TOKEN, &body)),
        ("no key", signed(&to("no-key"), TOKEN, &body)),
        ("short token", signed(&to("short"), "short-but-padded-to-sign", &body)),
        ("wrong token", signed(&rig.path(), "another-token-0123456789", &body)),
        ("no signature", Request::post(rig.path()).body(Body::from(body.clone())).unwrap()),
        ("empty signature", with("")),
        ("upper case", with(&good.to_uppercase())),
        ("cut", with(&good[..62])),
        ("prefixed", with(&format!("sha256={good}"))),
        ("not hex", with(&"g".repeat(64))),
        ("malformed JSON, wrong signature", signed_wrongly(&rig.path(), b"{\"payload\":")),
        ("no JSON at all, unknown provider", signed_wrongly(&to("nobody"), b"\xff\xfe")),
    ];
    let count = strangers.len() as u64;
    for (who, request) in strangers {
        let response = rig.send(request).await;
        assert_eq!((response.status, response.body.as_str(), response.allow), (401, "unauthorized\n", None), "{who}");
    }
    assert_eq!(rig.metrics.deliveries(Answer::Unauthorized), count);
    assert_eq!(rig.send(with(&good)).await.status, 200, "the one that is right");
}

fn signed_wrongly(path: &str, body: &[u8]) -> Request<Body> {
    signed(path, "another-token-0123456789", body)
}

#[tokio::test]
async fn an_authentic_body_that_is_no_notification_is_malformed() {
    let rig = Rig::new("malformed").await;
    for body in [&b""[..], b"{", b"[]", b"{}", b"\xff"] {
        assert_eq!(rig.send(signed(&rig.path(), TOKEN, body)).await.status, 400, "{body:?}");
    }
    assert_eq!(rig.metrics.deliveries(Answer::Malformed), 5);
}

#[tokio::test]
async fn the_vendors_published_vectors_are_let_in() {
    let rig = Rig::new("vectors").await;
    rig.secret("classic", Some("webhook"), "token", "wU99mE6jJ7nXOLFwZ0tJymM1lpI15pZh\n").await;
    rig.secret("studio", Some("webhook"), "token", STUDIO_KEY).await;
    rig.provider("vectors", "Manual", &["classic", "studio"]).await;
    let vectors: [(&[u8], &str); 4] = [
        (include_bytes!("media/classic_webhook_event.json"), "77ebc3e418f26be6eebb47f7ebe551321de26734fc273961e075fc9ab163d9c7"),
        (
            include_bytes!("media/studio_webhook_event_task_started.json"),
            "c95a5b785484f6fa1bc25f381b5595d66bf85cb442eefb06aa007802ee6a4dfa",
        ),
        (
            include_bytes!("media/studio_webhook_event_with_list_in_output.json"),
            "f3a5170acfcecf8c1bf6d9cb9995c0d9dec941af83056a721530f8de7af2c293",
        ),
        (
            include_bytes!("media/studio_webhook_event_with_object_in_output.json"),
            "e3e5565647f5ccf07b2fd8ac22eab94a0a0619413d981fb768295c820523f7d7",
        ),
    ];
    let path = format!("/webhooks/{}/vectors", rig.namespace);
    for (body, signature) in vectors {
        let request = Request::post(&path).header("X-SHA2-Signature", signature).body(Body::from(body)).unwrap();
        assert_eq!(rig.send(request).await.status, 200, "{signature}");
    }
    assert_eq!(rig.metrics.deliveries(Answer::OtherEvent), 4, "none of them is the completion of a run");
}

#[tokio::test]
async fn a_run_that_is_not_ours_is_nobodys_error() {
    let rig = Rig::new("foreign").await;
    let other = rig.provider("other", "Manual", &["onfido-webhook"]).await;
    rig.verification("of-other", &other, Some("run-of-other")).await;
    let uid = rig.verification("of-onfido", "onfido", Some("run-1")).await;
    let tag = |uid: &str| [Key::of_uid(uid).tag(1)];
    let cases = [
        ("no tag", completed_with("run-9", &[], Some(now_minus(1))), 200, Answer::NotOurs),
        ("another program's tag", completed_with("run-9", &["x".into()], Some(now_minus(1))), 200, Answer::NotOurs),
        ("young, with our tag", completed_with("run-9", &tag("unseen"), Some(now_minus(9))), 503, Answer::NotSeenYet),
        ("old, with our tag", completed_with("run-9", &tag("unseen"), Some(now_minus(11))), 200, Answer::NotOurs),
        ("ageless, with our tag", completed_with("run-9", &tag("unseen"), None), 200, Answer::NotOurs),
        ("of another provider", completed_with("run-of-other", &[], Some(now_minus(1))), 200, Answer::NotOurs),
        ("ours, by the run", completed_with("run-1", &[], None), 200, Answer::Recorded),
        ("ours, by the tag", completed_with("run-2", &tag(&uid), None), 200, Answer::Recorded),
    ];
    for (case, body, status, answer) in cases {
        let before = rig.metrics.deliveries(answer);
        assert_eq!(rig.send(signed(&rig.path(), TOKEN, &body)).await.status, status, "{case}");
        assert_eq!(rig.metrics.deliveries(answer), before + 1, "{case}");
    }
}

#[tokio::test]
async fn until_the_caches_are_filled_the_vendor_is_asked_to_come_again() {
    let rig = Rig::new("unready").await;
    rig.ready.store(false, SeqCst);
    let send = async || rig.send(signed(&rig.path(), TOKEN, &completed("run-1", &[]))).await.status;
    assert_eq!(send().await, 503);
    rig.ready.store(true, SeqCst);
    assert_eq!(send().await, 200);
}

#[tokio::test]
async fn without_an_api_server_the_vendor_is_asked_to_come_again() {
    let rig = Rig::with_client("deaf", rig::dead_client()).await;
    assert_eq!(rig.send(signed(&rig.path(), TOKEN, &completed("run-1", &[]))).await.status, 503);
    assert_eq!(rig.metrics.deliveries(Answer::Unavailable), 1);
}
