//! The vendor client over real sockets: what leaves the machine, how often, and how each end of a call is classified.

mod listener;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use onfido_operator::onfido::{
    client::{Client, Endpoint, Timeouts, Transport},
    error::{Effect, ErrorType, VendorError},
    limiter::{Class, Limiter, Permit},
    model::{ApplicantField, ApplicantId, NewApplicant, NewSdkToken, NewWorkflowRun, WorkflowId, WorkflowRunId},
    secret::{ApiToken, Personal},
};

use listener::{Listener, Reply, answer, json};

const APPLICANT: &str = r#"{"id":"applicant-1","sandbox":true,"first_name":"Canary"}"#;
const RUN: &str = r#"{"id":"run-1","workflow_id":"workflow-1","applicant_id":"applicant-1","status":"awaiting_input","tags":["key-1"]}"#;

fn client_at(address: &str, timeouts: Timeouts) -> Client {
    client_with(address, timeouts, 100_000)
}

fn client_with(address: &str, timeouts: Timeouts, requests_per_minute: u32) -> Client {
    // Whoever is first installs it for the whole process.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let token = ApiToken::from_secret_bytes(b"api_sandbox.canary-token").unwrap();
    let limiter = Limiter::new(NonZeroU32::new(requests_per_minute).unwrap());
    Client::new(Transport::new(timeouts).unwrap(), Endpoint::parse(address).unwrap(), &token, Arc::new(limiter))
}

fn client(listener: &Listener) -> Client {
    client_at(&format!("{}/v3.6", listener.address), Timeouts::default())
}

fn permit(client: &Client) -> Permit {
    client.try_acquire(Class::Start).unwrap()
}

fn new_applicant() -> NewApplicant {
    let mut new = NewApplicant::default();
    new.set(ApplicantField::FirstName, Personal::new("Canary")).set(ApplicantField::LastName, Personal::new("Invented"));
    new
}

fn new_run() -> NewWorkflowRun {
    NewWorkflowRun {
        workflow_id: WorkflowId::parse("workflow-1").unwrap(),
        applicant_id: applicant_id(),
        tags: vec!["key-1".to_owned()],
        customer_user_id: "user-1".to_owned(),
        link: None,
        custom_data: Default::default(),
    }
}

fn applicant_id() -> ApplicantId {
    ApplicantId::parse("applicant-1").unwrap()
}

fn run_id() -> WorkflowRunId {
    WorkflowRunId::parse("run-1").unwrap()
}

/// Starts a run at a vendor that replies like this to everything, and checks that it was asked exactly once.
async fn start_run(reply: Reply) -> Result<WorkflowRunId, VendorError> {
    let listener = Listener::start(move |_| reply.clone()).await;
    let client = client(&listener);
    let answer = client.create_workflow_run(permit(&client), &new_run()).await;
    assert_eq!(listener.requests().len(), 1, "{answer:?}");
    answer.map(|run| run.id)
}

#[tokio::test]
async fn each_call_asks_for_what_it_says() {
    let listener = Listener::start(|request| match request.path.as_str() {
        "/v3.6/workflow_runs" if request.method == "POST" => json(201, RUN),
        "/v3.6/workflow_runs/run-1" => json(200, RUN),
        "/v3.6/applicants" => json(201, APPLICANT),
        "/v3.6/applicants/applicant-1" => json(200, APPLICANT),
        "/v3.6/sdk_token" => json(200, r#"{"token":"canary-of-a-token"}"#),
        _ => json(200, &format!("[{RUN}]")),
    })
    .await;
    let client = client(&listener);
    let applicant = client.create_applicant(permit(&client), &new_applicant()).await.unwrap();
    assert_eq!((applicant.id, applicant.sandbox), (applicant_id(), Some(true)));
    assert_eq!(client.get_applicant(permit(&client), &applicant_id()).await.unwrap().id, applicant_id());
    assert_eq!(client.create_workflow_run(permit(&client), &new_run()).await.unwrap().id, run_id());
    assert_eq!(client.get_workflow_run(permit(&client), &run_id()).await.unwrap().tags, ["key-1"]);
    assert_eq!(client.list_workflow_runs(permit(&client), Some(&applicant_id()), "a&b", 2).await.unwrap().len(), 1);
    assert_eq!(client.list_workflow_runs(permit(&client), None, "key-1", 1).await.unwrap().len(), 1);

    let new =
        |referrer: Option<&str>| NewSdkToken { applicant_id: applicant_id(), referrer: referrer.map(Into::into), application_id: None };
    for referrer in [None, Some("https://*.example.test/*")] {
        let token = client.create_sdk_token(permit(&client), &new(referrer)).await.unwrap();
        assert_eq!(token.expose(), "canary-of-a-token");
    }

    let requests = listener.requests();
    let lines: Vec<_> = requests.iter().map(|r| format!("{} {}", r.method, r.path)).collect();
    assert_eq!(
        lines,
        [
            "POST /v3.6/applicants",
            "GET /v3.6/applicants/applicant-1",
            "POST /v3.6/workflow_runs",
            "GET /v3.6/workflow_runs/run-1",
            "GET /v3.6/workflow_runs?applicant_id=applicant-1&tags=a%26b&page=2",
            "GET /v3.6/workflow_runs?tags=key-1&page=1",
            "POST /v3.6/sdk_token",
            "POST /v3.6/sdk_token",
        ]
    );
    assert_eq!(String::from_utf8_lossy(&requests[6].body), r#"{"applicant_id":"applicant-1"}"#);
    assert_eq!(String::from_utf8_lossy(&requests[7].body), r#"{"applicant_id":"applicant-1","referrer":"https://*.example.test/*"}"#);
    for request in &requests {
        assert_eq!(request.header("authorization"), Some("Token token=api_sandbox.canary-token"));
        assert_eq!(request.header("user-agent"), Some(concat!("onfido-operator/", env!("CARGO_PKG_VERSION"))));
    }
    assert_eq!(requests[0].header("content-type"), Some("application/json"));
    assert_eq!(String::from_utf8_lossy(&requests[0].body), r#"{"first_name":"Canary","last_name":"Invented"}"#);
    let body: serde_json::Value = serde_json::from_slice(&requests[2].body).unwrap();
    assert_eq!(
        body,
        serde_json::json!({"workflow_id": "workflow-1", "applicant_id": "applicant-1", "tags": ["key-1"], "customer_user_id": "user-1"})
    );
    assert!(!format!("{client:?}").contains("canary"));
}

#[tokio::test]
async fn an_erasure_is_asked_for_once_and_believed_by_its_status_alone() {
    let incomplete = r#"{"error":{"type":"deletion_incomplete_checks","message":"Canary has checks"}}"#;
    for (reply, expected) in [
        (answer(204, "", ""), Ok(())),
        (answer(404, "", ""), Err(VendorError::NotFound)),
        (answer(410, "", ""), Err(VendorError::Gone)),
        (json(422, incomplete), Err(VendorError::RunInProgress)),
        (json(200, "{}"), Err(VendorError::Unreadable)),
        (json(202, "<p>a proxy's page</p>"), Err(VendorError::Unreadable)),
        (json(503, ""), Err(VendorError::Server { status: 503 })),
    ] {
        let listener = Listener::start(move |_| reply.clone()).await;
        let client = client(&listener);
        assert_eq!(client.delete_applicant(permit(&client), &applicant_id()).await, expected);
        let lines: Vec<_> = listener.requests().iter().map(|r| format!("{} {}", r.method, r.path)).collect();
        assert_eq!(lines, ["DELETE /v3.6/applicants/applicant-1"]);
    }
}

#[tokio::test]
async fn an_answer_without_a_token_is_none() {
    for body in ["{}", r#"{"token":""}"#, r#"{"token":null}"#, r#"{"token":["canary"]}"#, "canary"] {
        let listener = Listener::start(move |_| json(200, body)).await;
        let client = client(&listener);
        let new = NewSdkToken { applicant_id: applicant_id(), referrer: None, application_id: None };
        assert_eq!(client.create_sdk_token(permit(&client), &new).await.err(), Some(VendorError::Unreadable), "{body}");
    }
}

#[tokio::test]
async fn nothing_is_retried() {
    for status in [408, 409, 425, 429, 500, 502, 503, 504] {
        let answer = start_run(json(status, "{}")).await;
        assert!(answer.is_err(), "{status}");
        let listener = Listener::start(move |_| json(status, "{}")).await;
        let client = client(&listener);
        assert!(client.get_workflow_run(permit(&client), &run_id()).await.is_err());
        assert_eq!(listener.requests().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn a_redirected_post_is_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        let answer = start_run(answer(status, "location: /v3.6/elsewhere\r\n", "")).await;
        assert_eq!(answer, Err(VendorError::Unexpected { status }));
    }
}

#[tokio::test]
async fn a_redirected_get_is_followed_at_home_only_and_not_for_ever() {
    let home = Listener::start(|request| match request.path.as_str() {
        "/v3.6/workflow_runs/run-1" => answer(301, "location: /v3.7/workflow_runs/run-1\r\n", ""),
        "/v3.7/workflow_runs/run-1" => json(200, RUN),
        _ => answer(302, "location: /v3.6/applicants/applicant-1\r\n", ""),
    })
    .await;
    let at_home = client(&home);
    assert_eq!(at_home.get_workflow_run(permit(&at_home), &run_id()).await.unwrap().id, run_id());
    assert_eq!(home.requests()[1].header("authorization"), Some("Token token=api_sandbox.canary-token"));
    let endless = at_home.get_applicant(permit(&at_home), &applicant_id()).await;
    assert_eq!(endless, Err(VendorError::Unexpected { status: 302 }));
    assert_eq!(home.requests().len(), 2 + 4);

    let abroad = Listener::start(|_| json(200, RUN)).await;
    let location = format!("location: {}/v3.6/workflow_runs/run-1\r\n", abroad.address);
    let home = Listener::start(move |_| answer(302, &location, "")).await;
    let client = client(&home);
    let answer = client.get_workflow_run(permit(&client), &run_id()).await;
    assert_eq!(answer.err(), Some(VendorError::Unexpected { status: 302 }));
    assert_eq!(abroad.requests().len(), 0);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_ambiguous() {
    let truncated = format!("HTTP/1.1 201 Created\r\ncontent-length: 999\r\n\r\n{RUN}");
    for reply in [Reply::Close(truncated.into_bytes()), Reply::Close(b"HTTP/1.1 20".to_vec()), Reply::Close(Vec::new()), Reply::Reset] {
        let error = start_run(reply.clone()).await.unwrap_err();
        assert_eq!(error, VendorError::Broken, "{reply:?}");
        assert_eq!(error.effect(), Effect::Ambiguous);
    }
}

#[tokio::test]
async fn an_answer_that_is_garbage_or_too_long_is_ambiguous() {
    for body in ["", "<html>", "{}", "[]", r#"{"id":"../x","workflow_id":"w","applicant_id":"a"}"#] {
        assert_eq!(start_run(json(201, body)).await, Err(VendorError::Unreadable), "{body}");
    }
    let long = format!("{}{RUN}", " ".repeat(1 << 20));
    assert_eq!(start_run(json(201, &long)).await, Err(VendorError::Unreadable));
    assert_eq!(VendorError::Unreadable.effect(), Effect::Ambiguous);
    let just_fits = format!("{}{RUN}", " ".repeat((1 << 20) - RUN.len()));
    assert_eq!(start_run(json(201, &just_fits)).await, Ok(run_id()));
    // The status of a refusal counts, whatever its body.
    assert_eq!(start_run(json(422, &long)).await, Err(VendorError::Invalid { fields: Vec::new() }));
}

#[tokio::test]
async fn without_a_connection_nothing_was_sent() {
    let listener = Listener::start(|_| json(200, RUN)).await;
    let address = listener.address.clone();
    // The listener speaks no TLS.
    let tls = client_at(&address.replace("http:", "https:"), Timeouts { connect: Duration::from_millis(300), ..Timeouts::default() });
    assert_eq!(tls.create_workflow_run(permit(&tls), &new_run()).await.err(), Some(VendorError::NotSent));
    assert_eq!(listener.requests().len(), 0);
    listener.stop().await;
    let refused = client_at(&address, Timeouts::default());
    let error = refused.create_workflow_run(permit(&refused), &new_run()).await.unwrap_err();
    assert_eq!((error.effect(), error), (Effect::None, VendorError::NotSent));
}

#[tokio::test]
async fn no_answer_in_time_is_ambiguous() {
    let timeouts = Timeouts { get: Duration::from_millis(200), post: Duration::from_millis(200), ..Timeouts::default() };
    let half = b"HTTP/1.1 201 Created\r\ncontent-length: 999\r\n\r\n{".to_vec();
    for reply in [Reply::Hang(Vec::new()), Reply::Hang(half)] {
        let listener = Listener::start(move |_| reply.clone()).await;
        let client = client_at(&listener.address, timeouts);
        let error = client.create_workflow_run(permit(&client), &new_run()).await.unwrap_err();
        assert_eq!((error.effect(), error), (Effect::Ambiguous, VendorError::TimedOut));
        assert_eq!(client.get_workflow_run(permit(&client), &run_id()).await.err(), Some(VendorError::TimedOut));
        assert_eq!(listener.requests().len(), 2);
    }
}

#[tokio::test]
async fn a_post_never_uses_a_connection_again() {
    let listener = Listener::start(|request| match request.method.as_str() {
        "GET" => json(200, RUN),
        _ => json(201, RUN),
    })
    .await;
    let client = client(&listener);
    for _ in 0..2 {
        client.get_workflow_run(permit(&client), &run_id()).await.unwrap();
        client.create_workflow_run(permit(&client), &new_run()).await.unwrap();
    }
    let connections: Vec<_> = listener.requests().iter().map(|r| r.connection).collect();
    assert_eq!(connections[0], connections[2], "GETs do, or this test shows nothing");
    assert!(connections[1] != connections[3] && connections[1] != connections[0] && connections[3] != connections[0]);
}

#[tokio::test]
async fn a_post_after_the_vendor_closed_its_connections_is_sent_once() {
    // The second request of all is dropped unanswered, as a server does that closes an idle connection just then.
    let listener = Listener::start(|request| match request.number {
        1 => Reply::Close(Vec::new()),
        _ => json(200, RUN),
    })
    .await;
    let client = client(&listener);
    client.get_workflow_run(permit(&client), &run_id()).await.unwrap();
    let error = client.create_workflow_run(permit(&client), &new_run()).await.unwrap_err();
    assert_eq!(error, VendorError::Broken);
    assert_eq!(listener.requests().len(), 2);
}

#[tokio::test]
async fn refusals_say_no_more_than_they_may() {
    let body = r#"{"error":{"type":"validation_error","message":"Canary","fields":{"email":["canary is not"],"Canary Invented":[]}}}"#;
    let error = start_run(json(422, body)).await.unwrap_err();
    assert_eq!(error, VendorError::Invalid { fields: vec!["email".to_owned()] });
    assert!(!format!("{error} {error:?}").to_lowercase().contains("canary"));
    let body = r#"{"error":{"type":"authorization_error","message":"Canary"}}"#;
    let error = start_run(json(401, body)).await.unwrap_err();
    assert_eq!(error, VendorError::Unauthorized { error_type: ErrorType::Authorization });
    assert_eq!(error.effect(), Effect::None);
}

#[tokio::test]
async fn a_429_pauses_the_whole_credential() {
    for (headers, told, most) in [("retry-after: 7\r\n", Some(7), 7), ("", None, 30), ("retry-after: 0\r\n", Some(0), 1)] {
        let listener = Listener::start(move |_| answer(429, headers, "")).await;
        let client = client(&listener);
        let error = client.get_workflow_run(permit(&client), &run_id()).await.unwrap_err();
        assert_eq!(error, VendorError::RateLimited { retry_after: told.map(Duration::from_secs) });
        for class in [Class::Start, Class::Poll] {
            let wait = client.try_acquire(class).unwrap_err();
            assert!(wait <= Duration::from_secs(most) && wait > Duration::from_secs(most - 1), "{wait:?}");
        }
        assert_eq!(listener.requests().len(), 1);
    }
}

fn page(runs: impl IntoIterator<Item = (usize, &'static str, &'static str)>) -> Reply {
    let run = |(n, applicant, tag)| format!(r#"{{"id":"run-{n}","workflow_id":"w","applicant_id":"{applicant}","tags":["{tag}"]}}"#);
    json(200, &format!("[{}]", runs.into_iter().map(run).collect::<Vec<_>>().join(",")))
}

#[tokio::test]
async fn a_search_reads_to_the_end_and_trusts_no_filter() {
    let listener = Listener::start(|request| match request.number {
        0 => page([(1, "applicant-1", "key-1"), (2, "applicant-2", "key-1"), (3, "applicant-1", "key-2")]),
        1 => page([(3, "applicant-1", "key-2"), (4, "applicant-1", "key-1")]),
        _ => page([]),
    })
    .await;
    let client = client(&listener);
    let found = client.find_workflow_runs(permit(&client), Class::Start, Some(&applicant_id()), "key-1").await.unwrap();
    assert_eq!(found.runs.iter().map(|r| r.id.as_str()).collect::<Vec<_>>(), ["run-1", "run-4"]);
    assert!(found.complete);
    assert_eq!(listener.requests().len(), 3);
}

#[tokio::test]
async fn a_search_ends_whatever_the_vendor_does() {
    let same = Listener::start(|_| page([(1, "applicant-1", "key-1")])).await;
    let at_same = client(&same);
    let found = at_same.find_workflow_runs(permit(&at_same), Class::Poll, None, "key-1").await.unwrap();
    assert_eq!((found.runs.len(), found.complete, same.requests().len()), (1, true, 2));

    let endless = Listener::start(|request| page([(request.number, "applicant-1", "key-2")])).await;
    let at_endless = client(&endless);
    let found = at_endless.find_workflow_runs(permit(&at_endless), Class::Poll, None, "key-1").await.unwrap();
    assert_eq!((found.runs.len(), found.complete, endless.requests().len()), (0, false, 20));

    let odd = Listener::start(|_| json(200, &format!(r#"[{RUN},{{"id":"run-2"}}]"#))).await;
    let at_odd = client(&odd);
    let found = at_odd.find_workflow_runs(permit(&at_odd), Class::Poll, None, "key-1").await;
    assert_eq!(found.err(), Some(VendorError::Unreadable), "a run that is overlooked would be started again");
}

#[tokio::test]
async fn a_search_waits_for_its_later_pages_only() {
    let listener = Listener::start(|_| page([(1, "applicant-1", "key-1")])).await;
    // A fifth of 50 at once, and 41 a minute.
    let client = client_with(&listener.address, Timeouts::default(), 50);
    for _ in 0..9 {
        let _ = permit(&client);
    }
    let found = client.find_workflow_runs(permit(&client), Class::Start, None, "key-1").await.unwrap();
    assert!(found.complete);
    let held = client.try_acquire(Class::Start);
    assert!(matches!(held, Err(wait) if wait < Duration::from_secs(2)), "{held:?}");
    assert_eq!(listener.requests().len(), 2);
}

#[tokio::test]
async fn the_probe_takes_not_found_for_yes() {
    let not_found = r#"{"error":{"type":"resource_not_found","message":"Canary"}}"#;
    for (status, body, expected) in [
        (404, not_found, Ok(())),
        (401, "{}", Err(VendorError::Unauthorized { error_type: ErrorType::Other })),
        (403, "{}", Err(VendorError::Forbidden)),
        (400, r#"{"error":{"type":"incorrect_base_url"}}"#, Err(VendorError::WrongRegion)),
        (503, "", Err(VendorError::Server { status: 503 })),
    ] {
        let listener = Listener::start(move |_| json(status, body)).await;
        let client = client(&listener);
        assert_eq!(client.probe(permit(&client)).await, expected);
        assert_eq!(listener.requests()[0].path, "/v3.6/workflow_runs/00000000-0000-0000-0000-000000000000");
    }
}
