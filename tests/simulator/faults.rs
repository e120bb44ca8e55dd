//! Each kind of fault as a real client meets it, and what the ledger says of it.

use std::time::{Duration, Instant};

use onfido_operator::simulator::Options;
use onfido_operator::simulator::admin::{Fault, FaultKind, LedgerEntry, Operation};
use serde_json::{Value, json};

use super::{Answer, Caller, start, until};

/// One POST of an applicant under this fault: what the client saw, and the ledger's entry.
async fn under(caller: &Caller, kind: FaultKind, patience: Duration) -> (Option<Result<Answer, reqwest::Error>>, LedgerEntry) {
    let admin = &caller.simulator.admin;
    let before = admin.ledger(Some("tests"), None).await.unwrap().len();
    admin.fault(&Fault::once(Operation::CreateApplicant, "tests", kind)).await.unwrap();
    let call = caller.try_call("POST", "/applicants", Some(json!({"first_name": "A", "last_name": "B"})));
    let seen = tokio::time::timeout(patience, call).await.ok();
    let ledger = admin.ledger(Some("tests"), None).await.unwrap();
    assert_eq!(ledger.len(), before + 1);
    assert!(admin.faults().await.unwrap().is_empty(), "the fault is used up");
    (seen, ledger.last().unwrap().clone())
}

async fn applicants(caller: &Caller) -> usize {
    caller.get("/applicants").await.body["applicants"].as_array().unwrap().len()
}

const SOON: Duration = Duration::from_millis(300);
const LATER: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_status_is_answered_with_its_headers_and_nothing_is_done() {
    let caller = start(Options::ephemeral()).await;
    let kind = FaultKind::Status { status: 429, retry_after: Some("7".into()), error_type: None, body: None };
    let (seen, entry) = under(&caller, kind, LATER).await;
    let answer = seen.unwrap().unwrap();
    assert_eq!((answer.status, answer.headers["retry-after"].to_str().unwrap()), (429, "7"));
    assert_eq!(answer.body["error"]["type"], "rate_limit");
    assert_eq!((entry.status, entry.committed, entry.fault.as_deref()), (Some(429), false, Some("status")));
    assert_eq!(applicants(&caller).await, 0);
    let (seen, entry) = under(&caller, FaultKind::StatusAfterCommit { status: 502 }, LATER).await;
    assert_eq!((seen.unwrap().unwrap().status, entry.status, entry.committed), (502, Some(502), true));
    let (seen, entry) = under(&caller, FaultKind::Redirect { location: "http://127.0.0.1:1/".into() }, LATER).await;
    let answer = seen.unwrap().unwrap();
    assert_eq!((answer.status, &answer.headers["location"], entry.committed), (302, &"http://127.0.0.1:1/".parse().unwrap(), false));
    assert_eq!(applicants(&caller).await, 1);
}

#[tokio::test]
async fn a_hang_answers_nothing_before_or_after_commit() {
    let caller = start(Options::ephemeral()).await;
    for (kind, committed) in [(FaultKind::HangBeforeCommit, false), (FaultKind::HangAfterCommit, true)] {
        let (seen, entry) = under(&caller, kind, SOON).await;
        assert!(seen.is_none());
        assert_eq!((entry.status, entry.committed), (None, committed));
    }
    assert_eq!(applicants(&caller).await, 1);
}

#[tokio::test]
async fn a_reset_breaks_the_connection_before_or_after_commit() {
    let caller = start(Options::ephemeral()).await;
    for (kind, committed) in [(FaultKind::ResetBeforeCommit, false), (FaultKind::ResetAfterCommit, true)] {
        let (seen, entry) = under(&caller, kind, LATER).await;
        let error = seen.expect("at once, not after a time-out").err().expect("no answer");
        assert!(error.is_request() && !error.is_timeout() && !error.is_connect(), "{error:?}");
        assert!(format!("{error:?}").contains("reset") || format!("{error:?}").contains("Reset"), "{error:?}");
        assert_eq!((entry.status, entry.committed), (None, committed));
    }
    assert_eq!(applicants(&caller).await, 1);
}

#[tokio::test]
async fn a_body_can_be_cut_or_garbled_though_the_call_was_carried_out() {
    let caller = start(Options::ephemeral()).await;
    let (seen, entry) = under(&caller, FaultKind::TruncatedBody, LATER).await;
    let error = seen.unwrap().err().expect("the body must not end well");
    assert!(error.is_body() || error.is_decode() || error.is_request(), "{error:?}");
    assert_eq!((entry.status, entry.committed), (Some(201), true));
    let (seen, entry) = under(&caller, FaultKind::GarbageBody, LATER).await;
    let answer = seen.unwrap().unwrap();
    assert_eq!((answer.status, answer.body, entry.committed), (201, Value::Null, true));
    assert_eq!(applicants(&caller).await, 2);
}

#[tokio::test]
async fn a_delayed_call_is_carried_out_also_when_the_caller_has_gone() {
    let caller = start(Options::ephemeral()).await;
    let began = Instant::now();
    let (seen, _) = under(&caller, FaultKind::Delay { ms: 200 }, LATER).await;
    assert_eq!(seen.unwrap().unwrap().status, 201);
    assert!(began.elapsed() >= Duration::from_millis(200));
    let (seen, entry) = under(&caller, FaultKind::Delay { ms: 600 }, Duration::from_millis(100)).await;
    assert!(seen.is_none());
    assert!(!entry.committed, "not yet");
    let late = until(async || {
        caller.simulator.admin.ledger(Some("tests"), None).await.unwrap().into_iter().find(|e| e.seq == entry.seq && e.committed)
    })
    .await;
    assert_eq!(late.status, None, "nobody was told");
    let (seen, entry) = under(&caller, FaultKind::DelayAfterCommit { ms: 60_000 }, SOON).await;
    assert!(seen.is_none() && entry.committed);
    assert_eq!(applicants(&caller).await, 3);
}

#[tokio::test]
async fn faults_count_skip_and_hit_only_what_they_name() {
    let caller = start(Options::ephemeral()).await;
    let admin = &caller.simulator.admin;
    let broken = FaultKind::Status { status: 500, retry_after: None, error_type: None, body: Some("<h1>oops".into()) };
    let fault = Fault { operation: None, account: Some("tests".into()), skip: 1, count: 2, kind: broken.clone() };
    admin.fault(&fault).await.unwrap();
    admin.fault(&Fault::once(Operation::ListApplicants, "somebody-else", broken.clone())).await.unwrap();
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(caller.get("/applicants").await.status);
    }
    assert_eq!(seen, [200, 500, 500, 200]);
    assert_eq!(admin.faults().await.unwrap().len(), 1);
    admin.fault(&Fault::once(Operation::ListApplicants, "tests", broken)).await.unwrap();
    admin.clear_faults(Some("tests")).await.unwrap();
    assert_eq!(caller.get("/applicants").await.status, 200);
    admin.clear_faults(None).await.unwrap();
    assert!(admin.faults().await.unwrap().is_empty());
}
