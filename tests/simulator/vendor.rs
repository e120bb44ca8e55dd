//! The vendor's calls: shapes, refusals, order, pages, filters, isolation, determinism, bounds.

use jiff::Timestamp;
use onfido_operator::simulator::admin::{AccountSetting, Operation, Outcome};
use onfido_operator::simulator::vendor::{Capture, Door, Request, Settings, Step, Vendor};
use onfido_operator::simulator::{DEMO_WORKFLOW, Error, Options, Simulator};
use serde_json::{Value, json};

use super::{start, until};

#[tokio::test]
async fn a_wrong_or_missing_token_gets_the_vendors_401_and_ping_needs_none() {
    let mut caller = start(Options::ephemeral()).await;
    caller.token = "api_sandbox.unknown".into();
    let answer = caller.get("/applicants").await;
    assert_eq!((answer.status, &answer.body["error"]["type"]), (401, &json!("authorization_error")));
    assert_eq!(answer.body["error"]["fields"], json!({}));
    let bare = caller.http.get(format!("{}/v3.6/workflow_runs", caller.simulator.url)).send().await.unwrap();
    assert_eq!(bare.status(), 401);
    assert_eq!(caller.get("/ping").await.status, 200);
}

#[tokio::test]
async fn an_applicant_lives_from_create_to_delete_and_back() {
    let caller = start(Options::ephemeral()).await;
    let id = caller.applicant().await;
    let path = format!("/applicants/{id}");
    let got = caller.get(&path).await;
    assert_eq!((got.status, &got.body["sandbox"], &got.body["href"]), (200, &json!(true), &json!(format!("/v3.6{path}"))));
    let put =
        caller.try_call("PUT", &path, Some(json!({"first_name": "Anne", "location": {"country_of_residence": "GBR"}}))).await.unwrap();
    assert_eq!((put.status, &put.body["first_name"], &put.body["last_name"]), (200, &json!("Anne"), &json!("Invented")));
    assert_eq!(caller.try_call("DELETE", &path, None).await.unwrap().status, 204);
    let gone = caller.get(&path).await;
    assert_eq!((gone.status, &gone.body["error"]["type"]), (404, &json!("resource_not_found")));
    assert!(gone.body["error"]["message"].as_str().unwrap().ends_with(&format!("Applicant with id={id}")));
    assert_eq!(caller.get("/applicants").await.headers["x-total-count"], "0");
    assert_eq!(caller.get("/applicants?include_deleted=true").await.headers["x-total-count"], "1");
    assert_eq!(caller.post(&format!("{path}/restore"), json!({})).await.status, 204);
    assert_eq!(caller.get(&path).await.status, 200);
}

#[tokio::test]
async fn every_forbidden_value_is_refused_by_its_field() {
    let caller = start(Options::ephemeral()).await;
    let cases = [
        ("/first_name", json!({"last_name": "B"})),
        ("/last_name", json!({"first_name": "A", "last_name": "  "})),
        ("/first_name", json!({"first_name": "A$", "last_name": "B"})),
        ("/last_name", json!({"first_name": "A", "last_name": "\"B"})),
        ("/dob", json!({"first_name": "A", "last_name": "B", "dob": "1990-02-30"})),
        ("/dob", json!({"first_name": "A", "last_name": "B", "dob": "02/01/1990"})),
        ("/email", json!({"first_name": "A", "last_name": "B", "email": "nobody"})),
        ("/id_numbers", json!({"first_name": "A", "last_name": "B", "id_numbers": [{"type": "shoe", "value": "44"}]})),
        ("/address/postcode", json!({"first_name": "A", "last_name": "B", "address": {"country": "GBR"}})),
        ("/address/country", json!({"first_name": "A", "last_name": "B", "address": {"country": "GB", "postcode": "1"}})),
        ("/address/line1", json!({"first_name": "A", "last_name": "B", "address": {"country": "GBR", "postcode": "1", "line1": "<"}})),
        (
            "/address/state",
            json!({"first_name": "A", "last_name": "B", "address": {"country": "USA", "postcode": "0", "state": "California"}}),
        ),
        ("/location/ip_address", json!({"first_name": "A", "last_name": "B", "location": {"ip_address": "home"}})),
        ("/consents", json!({"first_name": "A", "last_name": "B", "consents": [{"name": "everything", "granted": true}]})),
    ];
    for (field, body) in cases {
        let answer = caller.post("/applicants", body).await;
        let error = &answer.body["error"];
        assert_eq!((answer.status, &error["type"]), (422, &json!("validation_error")), "{field}");
        assert!(error["fields"].pointer(field).is_some_and(Value::is_array), "{field}: {error}");
        assert_eq!(error["fields"].as_object().unwrap().len(), 1, "{field}: {error}");
    }
    assert_eq!(caller.get("/applicants").await.headers["x-total-count"], "0");
    let fine = json!({"first_name": "Zoë-Ann O'Neil", "last_name": "李", "dob": null, "address": {"country": "GBR", "postcode": "1"}});
    assert_eq!(caller.post("/applicants", fine).await.status, 201);
    let answer = caller.try_call("POST", "/applicants", Some(json!("no object"))).await.unwrap();
    assert_eq!((answer.status, &answer.body["error"]["type"]), (400, &json!("bad_request")));
}

#[tokio::test]
async fn a_run_needs_a_known_workflow_an_own_applicant_and_tags_within_limits() {
    let caller = start(Options::ephemeral()).await;
    let id = caller.applicant().await;
    let refused = async |body: Value| {
        let answer = caller.post("/workflow_runs", body).await;
        assert_eq!(answer.status, 422);
        answer.body["error"]["fields"].as_object().unwrap().keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(refused(json!({"workflow_id": id, "applicant_id": id})).await, ["workflow_id"]);
    assert_eq!(refused(json!({"workflow_id": DEMO_WORKFLOW, "applicant_id": DEMO_WORKFLOW})).await, ["applicant_id"]);
    assert_eq!(refused(json!({"workflow_id": "x"})).await, ["applicant_id", "workflow_id"]);
    let with = |more: Value| {
        let mut body = json!({"workflow_id": DEMO_WORKFLOW, "applicant_id": id});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    assert_eq!(refused(with(json!({"tags": ["x".repeat(129)]}))).await, ["tags"]);
    assert_eq!(refused(with(json!({"tags": vec!["t"; 31]}))).await, ["tags"]);
    assert_eq!(refused(with(json!({"customer_user_id": "x".repeat(257)}))).await, ["customer_user_id"]);
    assert_eq!(refused(with(json!({"link": {"language": "xx"}}))).await, ["link"]);
    let created = caller.post("/workflow_runs", with(json!({"tags": ["t"], "customer_user_id": "u"}))).await;
    assert_eq!((created.status, &created.body["status"], &created.body["output"]), (201, &json!("awaiting_input"), &Value::Null));
    assert_eq!(created.body["sdk_token"].as_str().unwrap().split('.').count(), 3);
    assert!(created.body["link"]["url"].as_str().unwrap().starts_with(&caller.simulator.url));
}

#[tokio::test]
async fn applicants_come_newest_first_in_pages_that_name_the_next() {
    let caller = start(Options::ephemeral()).await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.insert(0, caller.applicant().await);
    }
    let mut found: Vec<String> = Vec::new();
    for page in 1..=3 {
        let answer = caller.get(&format!("/applicants?page={page}&per_page=2")).await;
        assert_eq!(answer.headers["x-total-count"], "5");
        assert_eq!(answer.headers.get("link").is_some_and(|l| l.to_str().unwrap().contains("rel=\"next\"")), page < 3);
        found.extend(answer.body["applicants"].as_array().unwrap().iter().map(|a| a["id"].as_str().unwrap().to_owned()));
    }
    assert_eq!(found, ids);
}

#[tokio::test]
async fn runs_are_listed_by_completion_in_pages_of_twenty_and_filtered() {
    let caller = start(Options::ephemeral()).await;
    let (one, two) = (caller.applicant().await, caller.applicant().await);
    let mut runs = Vec::new();
    for n in 0..23 {
        runs.push(caller.run(if n == 0 { &one } else { &two }, &format!("tag-{}", n % 2)).await);
    }
    for index in [3, 1] {
        caller.simulator.admin.outcome(&runs[index], &Outcome::default()).await.unwrap();
    }
    let list = async |query: &str| -> Vec<String> {
        let body = caller.get(&format!("/workflow_runs?{query}")).await.body;
        body.as_array().unwrap().iter().map(|run| run["id"].as_str().unwrap().to_owned()).collect()
    };
    let first = list("").await;
    assert_eq!((first.len(), &first[0], &first[1]), (20, &runs[1], &runs[3]));
    assert_eq!(list("page=2").await.len(), 3);
    assert_eq!(list("page=3").await.len(), 0);
    assert_eq!(list("sort=asc&page=2").await.last(), Some(&runs[1]));
    assert_eq!(list(&format!("applicant_id={one}")).await, [runs[0].clone()]);
    assert_eq!(list(&format!("applicant_id={one}&tags=tag-1")).await.len(), 0);
    assert_eq!(list("tags=tag-1").await.len(), 11);
    assert_eq!(list("tags=tag-1&tags=tag-0").await.len(), 0);
    assert_eq!(list("tags=tag-1,tag-0").await.len(), 0);
    assert_eq!(list("status=approved,declined").await, [runs[1].clone(), runs[3].clone()]);
    assert_eq!(list("created_at_gt=2000-01-01&created_at_lt=2001-01-01").await.len(), 0);
    assert_eq!(list("created_at_gt=2000-01-01").await.len(), 20);
    assert_eq!(caller.get("/workflow_runs?created_at_gt=soon").await.status, 422);
}

#[tokio::test]
async fn accounts_see_only_their_own_and_a_token_can_move() {
    let mut caller = start(Options::ephemeral()).await;
    let id = caller.applicant().await;
    let run = caller.run(&id, "mine").await;
    let mut other = AccountSetting::new("other", "api_live.other", DEMO_WORKFLOW);
    other.live = true;
    caller.simulator.admin.account(&other).await.unwrap();
    caller.token = "api_live.other".into();
    for path in [format!("/applicants/{id}"), format!("/workflow_runs/{run}")] {
        assert_eq!(caller.get(&path).await.status, 404);
    }
    assert_eq!(caller.get("/workflow_runs?tags=mine").await.body, json!([]));
    let strange = json!({"workflow_id": DEMO_WORKFLOW, "applicant_id": id});
    assert_eq!(caller.post("/workflow_runs", strange).await.status, 422);
    other.tokens = vec!["api_sandbox.tests".into()];
    caller.simulator.admin.account(&other).await.unwrap();
    assert_eq!(caller.get("/applicants").await.status, 401);
    caller.token = "api_sandbox.tests".into();
    assert_eq!(caller.get(&format!("/applicants/{id}")).await.status, 404);
    other.wrong_region = Some(403);
    caller.simulator.admin.account(&other).await.unwrap();
    let answer = caller.get("/applicants").await;
    assert_eq!((answer.status, &answer.body["error"]["type"]), (403, &json!("incorrect_base_url")));
}

#[tokio::test]
async fn a_capture_leads_to_a_comparison_and_the_owner_may_decide_otherwise() {
    let caller = start(Options::ephemeral()).await;
    let admin = &caller.simulator.admin;
    let id = caller.applicant().await;
    let run = caller.run(&id, "t").await;
    admin.capture(&run).await.unwrap();
    let compared = caller.status_becomes(&run, "approved").await["output"]["data_comparison"].clone();
    assert_eq!(compared.as_object().unwrap().len(), 8);
    assert_eq!((&compared["first_name"]["result"], &compared["date_of_birth"]["result"]), (&json!("clear"), &json!("clear")));
    assert_eq!(compared["gender"], json!({"result": null, "properties": {}}));
    assert!(admin.capture(&run).await.is_err());

    let body = json!({"first_name": "Ann", "last_name": "consider"});
    let never = caller.post("/applicants", body).await.body["id"].as_str().unwrap().to_owned();
    let run = caller.run(&never, "t").await;
    admin.capture(&run).await.unwrap();
    let ended = caller.status_becomes(&run, "approved").await;
    assert_eq!(ended["output"]["data_comparison"]["last_name"]["result"], "consider");

    let outcome: Outcome = serde_json::from_value(json!({
        "status": "declined", "comparison": {"first_name": "consider", "last_name": null, "gender": "absent"}, "reasons": ["why"],
        "overrides": {"tags": ["not-ours"]},
    }))
    .unwrap();
    admin.outcome(&run, &outcome).await.unwrap();
    let ended = caller.get(&format!("/workflow_runs/{run}")).await.body;
    assert_eq!((&ended["status"], &ended["reasons"], &ended["tags"]), (&json!("declined"), &json!(["why"]), &json!(["not-ours"])));
    let compared = &ended["output"]["data_comparison"];
    assert_eq!((&compared["first_name"]["result"], &compared["last_name"]["result"]), (&json!("consider"), &Value::Null));
    assert!(compared.get("gender").is_none());

    admin.outcome(&run, &serde_json::from_value(json!({"status": "error", "error_type": "odd"})).unwrap()).await.unwrap();
    let ended = caller.get(&format!("/workflow_runs/{run}")).await.body;
    assert_eq!((&ended["error"]["type"], &ended["output"]), (&json!("odd"), &Value::Null));
    admin.outcome(&run, &serde_json::from_value(json!({"output": null})).unwrap()).await.unwrap();
    assert_eq!(caller.get(&format!("/workflow_runs/{run}")).await.body["output"], Value::Null);
}

#[tokio::test]
async fn runs_can_end_without_a_click_and_the_ledger_tells_no_personal_value() {
    let caller = start(Options::ephemeral()).await;
    let admin = &caller.simulator.admin;
    let auto = json!({"capture_after_ms": 5, "outcome_after_ms": 5, "outcome": {"status": "review"}});
    admin.default_outcome("tests", &serde_json::from_value(auto).unwrap()).await.unwrap();
    let id = caller.applicant().await;
    let run = caller.run(&id, "a-tag").await;
    until(async || admin.runs(Some("tests"), Some("a-tag")).await.unwrap().pop().filter(|run| run.status == "review")).await;
    let entries = admin.ledger(Some("tests"), Some(Operation::CreateWorkflowRun)).await.unwrap();
    assert_eq!(entries.len(), 1);
    let entry = &entries[0];
    assert_eq!((entry.status, entry.committed, &entry.run_id, &entry.tags[..]), (Some(201), true, &Some(run), &["a-tag".to_owned()][..]));
    let all = serde_json::to_string(&admin.ledger(None, None).await.unwrap()).unwrap();
    assert!(!all.contains("Invented") && !all.contains("1990") && !all.contains("api_sandbox"), "{all}");
}

#[tokio::test]
async fn a_port_in_use_is_one_clear_error() {
    let caller = start(Options::ephemeral()).await;
    let mut again = Options::ephemeral();
    again.listen = caller.simulator.url.trim_start_matches("http://").parse().unwrap();
    let error = Simulator::start(again.clone()).await.err().unwrap();
    assert!(matches!(error, Error::Listen { .. }));
    assert_eq!(error.to_string(), format!("cannot listen on {}", again.listen));
    caller.simulator.stop().await;
    assert!(Simulator::start(again).await.is_ok());
}

fn request(method: &str, path: &str, body: Value) -> Request {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    Request { method: method.into(), path: path.into(), query: query.into(), token: Some("t".into()), body: body.to_string().into_bytes() }
}

fn pure(seed: u64, settings: Settings) -> Vendor {
    let mut vendor = Vendor::new(seed, settings);
    assert!(vendor.set_account(AccountSetting::new("a", "t", DEMO_WORKFLOW)));
    vendor
}

#[test]
fn equal_seeds_give_equal_answers_and_others_do_not() {
    let life = |seed: u64| {
        let mut vendor = pure(seed, Settings::default());
        let now: Timestamp = "2030-01-01T00:00:00Z".parse().unwrap();
        let made = vendor.call(now, &request("POST", "/v3.6/applicants", json!({"first_name": "A", "last_name": "B"})));
        let id = serde_json::from_slice::<Value>(&made.body).unwrap()["id"].clone();
        let run = vendor.call(now, &request("POST", "/v3.6/workflow_runs", json!({"workflow_id": DEMO_WORKFLOW, "applicant_id": id})));
        [made.body, run.body]
    };
    assert_eq!(life(1), life(1));
    assert_ne!(life(1), life(2));
}

#[test]
fn a_token_that_is_asked_for_opens_the_run_that_waits_for_ninety_minutes() {
    let mut vendor = pure(1, Settings::default());
    let now: Timestamp = "2030-01-01T00:00:00Z".parse().unwrap();
    let after = |minutes: i64| now + jiff::SignedDuration::from_mins(minutes);
    let mut call = |path: &str, body: Value| {
        let answer = vendor.call(now, &request("POST", path, body));
        (answer.status, serde_json::from_slice::<Value>(&answer.body).unwrap())
    };
    let applicant = call("/v3.6/applicants", json!({"first_name": "A", "last_name": "B"})).1["id"].clone();
    let run = call("/v3.6/workflow_runs", json!({"workflow_id": DEMO_WORKFLOW, "applicant_id": applicant})).1;
    let token = |answer: (u16, Value)| (answer.0, answer.1["token"].as_str().unwrap_or_default().to_owned());
    let (status, first) = token(call("/v3.6/sdk_token", json!({"applicant_id": applicant, "referrer": "*://*/*"})));
    let (_, second) = token(call("/v3.6/sdk_token", json!({"applicant_id": applicant})));
    assert_eq!((status, first.split('.').count()), (200, 3));
    assert!(first != second && run["sdk_token"] != first.as_str());
    assert_eq!(
        call("/v3.6/sdk_token", json!({"applicant_id": applicant, "referrer": ""})).1["error"]["fields"]["referrer"][0],
        "invalid format"
    );
    assert_eq!(call("/v3.6/sdk_token", json!({"applicant_id": "nobody"})).0, 404);
    let open = |vendor: &Vendor, at, token: &str| match vendor.capture(at, Door::Token(token)) {
        Capture::Open { run, .. } => run,
        other => format!("{other:?}"),
    };
    let run_id = run["id"].as_str().unwrap();
    for token in [&first, &second, run["sdk_token"].as_str().unwrap()] {
        assert_eq!(open(&vendor, after(89), token), run_id);
    }
    assert!(open(&vendor, after(90), &first).starts_with("Expired"));
    assert_eq!(open(&vendor, after(90), run["sdk_token"].as_str().unwrap()), run_id);
    assert!(vendor.finish_capture(now, run_id));
    let late = vendor.call(now, &request("POST", "/v3.6/sdk_token", json!({"applicant_id": applicant})));
    let (status, late) = token((late.status, serde_json::from_slice(&late.body).unwrap()));
    assert_eq!((status, open(&vendor, now, &late).as_str()), (200, "Unknown"), "it waits for nobody");
}

#[test]
fn a_link_has_an_end_of_its_own() {
    let mut vendor = pure(1, Settings::default());
    let now: Timestamp = "2030-01-01T00:00:00Z".parse().unwrap();
    let mut call = |path: &str, body: Value| serde_json::from_slice::<Value>(&vendor.call(now, &request("POST", path, body)).body).unwrap();
    let applicant = call("/v3.6/applicants", json!({"first_name": "A", "last_name": "B"}))["id"].clone();
    let asked = json!({"language": "fr_FR", "expires_at": "2030-01-01T01:00:00Z", "completed_redirect_url": "https://a.test/done",
        "expired_redirect_url": "https://a.test/late"});
    let run = call("/v3.6/workflow_runs", json!({"workflow_id": DEMO_WORKFLOW, "applicant_id": applicant, "link": asked}));
    let mut told = run["link"].clone();
    let url = told.as_object_mut().unwrap().remove("url").unwrap();
    assert_eq!(told, asked, "the vendor echoes it");
    let (link, token) = (url.as_str().unwrap().rsplit('/').next().unwrap(), run["sdk_token"].as_str().unwrap());
    let at = |minutes: i64, door| vendor.capture(now + jiff::SignedDuration::from_mins(minutes), door);
    let some = |text: &str| Some(text.to_owned());
    let open = |redirect, language| Capture::Open { run: run["id"].as_str().unwrap().into(), step: Step::Consent, redirect, language };
    assert_eq!(at(59, Door::Link(link)), open(some("https://a.test/done"), some("fr_FR")));
    assert_eq!(at(60, Door::Link(link)), Capture::Expired { redirect: some("https://a.test/late") });
    assert_eq!(at(60, Door::Token(token)), open(None, None), "that is the link's end, not the run's");
    assert_eq!(at(0, Door::Link(token)), Capture::Unknown);
}

#[test]
fn beyond_its_bounds_the_vendor_forgets_the_oldest() {
    let settings = Settings { max_applicants: 3, max_runs: 2, max_ledger: 4, max_accounts: 1, ..Settings::default() };
    let mut vendor = pure(1, settings);
    assert!(!vendor.set_account(AccountSetting::new("b", "u", DEMO_WORKFLOW)));
    let now: Timestamp = "2030-01-01T00:00:00Z".parse().unwrap();
    let mut ids = Vec::new();
    for _ in 0..5 {
        let made = vendor.call(now, &request("POST", "/v3.6/applicants", json!({"first_name": "A", "last_name": "B"})));
        ids.push(serde_json::from_slice::<Value>(&made.body).unwrap()["id"].as_str().unwrap().to_owned());
    }
    assert_eq!(vendor.call(now, &request("GET", &format!("/v3.6/applicants/{}", ids[1]), Value::Null)).status, 404);
    assert_eq!(vendor.call(now, &request("GET", &format!("/v3.6/applicants/{}", ids[2]), Value::Null)).status, 200);
    let body = json!({"workflow_id": DEMO_WORKFLOW, "applicant_id": ids[4], "tags": ["t"]});
    for _ in 0..3 {
        assert_eq!(vendor.call(now, &request("POST", "/v3.6/workflow_runs", body.clone())).status, 201);
    }
    for query in ["", "tags=t", &format!("applicant_id={}", ids[4])] {
        let listed = vendor.call(now, &request("GET", &format!("/v3.6/workflow_runs?{query}"), Value::Null));
        assert_eq!(serde_json::from_slice::<Vec<Value>>(&listed.body).unwrap().len(), 2, "{query}");
    }
    assert_eq!(vendor.ledger(None, None).len(), 4);
}

#[test]
fn more_calls_than_allowed_in_a_minute_are_answered_429() {
    let mut vendor = pure(1, Settings::default());
    let mut slow = AccountSetting::new("a", "t", DEMO_WORKFLOW);
    slow.requests_per_minute = Some(2);
    vendor.set_account(slow);
    let now: Timestamp = "2030-01-01T00:00:00Z".parse().unwrap();
    let list = request("GET", "/v3.6/applicants", Value::Null);
    assert_eq!([0; 3].map(|_| vendor.call(now, &list).status), [200, 200, 429]);
    assert_eq!(vendor.call(now + jiff::SignedDuration::from_secs(61), &list).status, 200);
}
