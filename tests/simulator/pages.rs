//! The capture page as a browser without scripts uses it: read the form, post it, follow.

use jiff::SignedDuration;
use onfido_operator::simulator::{DEMO_WORKFLOW, Options};
use serde_json::{Value, json};

use super::{Caller, start, until};

async fn page(caller: &Caller, path: &str) -> (u16, String) {
    let answer = caller.http.get(format!("{}{path}", caller.simulator.url)).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// The value of a hidden field of the page's form.
fn hidden(page: &str, name: &str) -> String {
    let start = page.find(&format!("name=\"{name}\" value=\"")).expect(name);
    page[start..].split('"').nth(3).unwrap().to_owned()
}

async fn submit(caller: &Caller, form: String) -> String {
    let request = caller.http.post(format!("{}/capture", caller.simulator.url));
    let answer = request.header("content-type", "application/x-www-form-urlencoded").body(form).send().await.unwrap();
    assert_eq!(answer.status(), 303);
    page(caller, answer.headers()["location"].to_str().unwrap()).await.1
}

#[tokio::test]
async fn a_person_clicks_through_consent_document_and_selfie() {
    let caller = start(Options::ephemeral()).await;
    let run = caller.run(&caller.applicant().await, "t").await;
    let body = caller.get(&format!("/workflow_runs/{run}")).await.body;
    let token = body["sdk_token"].as_str().unwrap();
    let (status, mut html) = page(&caller, &format!("/capture?token={token}")).await;
    assert_eq!(status, 200);
    assert!(html.contains("Simulator") && !html.to_lowercase().contains("onfido") && !html.contains("<script"));
    assert!(!html.contains("Invented\u{20}Name") && !html.contains("Ann"), "the page tells nobody's name");
    for (step, more) in [("consent", "&agree=yes"), ("document", "&document=passport"), ("selfie", "")] {
        assert_eq!(hidden(&html, "step"), step);
        assert_eq!(hidden(&html, "token"), token);
        if step == "consent" {
            let without = submit(&caller, format!("token={token}&step=consent")).await;
            assert_eq!(hidden(&without, "step"), "consent");
        }
        let skipped = submit(&caller, format!("token={token}&step={}", if step == "selfie" { "document" } else { "selfie" })).await;
        assert_eq!(hidden(&skipped, "step"), step, "another step than the current one changes nothing");
        assert_eq!(caller.get(&format!("/workflow_runs/{run}")).await.body["status"], "awaiting_input");
        html = submit(&caller, format!("token={token}&step={step}{more}")).await;
    }
    assert!(html.contains("<h1>Submitted</h1>"));
    caller.status_becomes(&run, "approved").await;
    assert!(page(&caller, &format!("/capture?token={token}")).await.1.contains("<h1>Submitted</h1>"));
}

/// A run with a link that behaves so; the path of its page.
async fn linked(caller: &Caller, link: Value) -> (String, String) {
    let body = json!({ "workflow_id": DEMO_WORKFLOW, "applicant_id": caller.applicant().await, "link": link });
    let run = caller.post("/workflow_runs", body).await.body;
    let url = run["link"]["url"].as_str().unwrap();
    (run["id"].as_str().unwrap().to_owned(), url.strip_prefix(&caller.simulator.url).unwrap().to_owned())
}

/// Where an answer leads, and to where the policy of the page before it lets forms lead.
async fn lead(caller: &Caller, path: &str) -> (u16, Option<String>, Option<String>) {
    let answer = caller.http.get(format!("{}{path}", caller.simulator.url)).send().await.unwrap();
    let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    (answer.status().as_u16(), header("location"), header("content-security-policy"))
}

#[tokio::test]
async fn a_link_is_a_page_of_its_own_and_leads_where_the_app_wants_in_the_end() {
    let caller = start(Options::ephemeral()).await;
    let link = json!({ "language": "de_DE", "completed_redirect_url": "https://app.example.test/done?x=1&y=2" });
    let (run, path) = linked(&caller, link).await;
    for (step, more) in [("consent", "&agree=yes"), ("document", "&document=passport"), ("selfie", "")] {
        let (status, html) = page(&caller, &path).await;
        assert_eq!((status, hidden(&html, "step")), (200, step.to_owned()));
        assert!(html.contains(&format!("action=\"{path}\"")) && html.contains("de_DE") && !html.contains("name=\"token\""));
        let policy = lead(&caller, &path).await.2.unwrap();
        assert!(policy.contains("form-action 'self' https://app.example.test;"), "{policy}");
        let request = caller.http.post(format!("{}{path}", caller.simulator.url));
        let answer = request.header("content-type", "application/x-www-form-urlencoded").body(format!("step={step}{more}")).send().await;
        assert_eq!(answer.unwrap().headers()["location"], path.as_str());
    }
    assert_eq!(lead(&caller, &path).await, (303, Some("https://app.example.test/done?x=1&y=2".into()), None));
    caller.status_becomes(&run, "approved").await;
}

#[tokio::test]
async fn a_link_that_is_over_leads_where_the_app_wants_or_says_so() {
    let caller = start(Options::ephemeral()).await;
    let over = "2020-01-01T00:00:00Z";
    let (_, path) = linked(&caller, json!({ "expires_at": over, "expired_redirect_url": "https://app.example.test/late" })).await;
    assert_eq!(lead(&caller, &path).await, (303, Some("https://app.example.test/late".into()), None));
    let (_, path) = linked(&caller, json!({ "expires_at": over })).await;
    let (status, html) = page(&caller, &path).await;
    assert!(status == 410 && html.contains("This link has expired"), "{html}");
    let (_, path) = linked(&caller, json!({})).await;
    assert_eq!(page(&caller, &path).await.0, 200);
    assert_eq!(page(&caller, "/l/none").await.0, 404);
}

#[tokio::test]
async fn a_wrong_or_expired_token_gets_a_clear_page() {
    let mut options = Options::ephemeral();
    options.sdk_token_lifetime = SignedDuration::from_millis(50);
    let caller = start(options).await;
    for path in ["/capture", "/capture?token=%3Cscript%3E", "/l/none"] {
        let (status, html) = page(&caller, path).await;
        assert!(status == 404 || status == 303, "{status}");
        assert!(!html.contains("<script"));
    }
    assert!(page(&caller, "/capture?token=x").await.1.contains("This link does not work"));
    let run = caller.run(&caller.applicant().await, "t").await;
    let token = caller.get(&format!("/workflow_runs/{run}")).await.body["sdk_token"].as_str().unwrap().to_owned();
    let path = format!("/capture?token={token}");
    let (_, html) = until(async || Some(page(&caller, &path).await).filter(|(status, _)| *status == 410)).await;
    assert!(html.contains("This link has expired"));
}

#[tokio::test]
async fn the_list_shows_runs_and_decides_them() {
    let caller = start(Options::ephemeral()).await;
    assert!(page(&caller, "/").await.1.contains("No workflow run yet"));
    let run = caller.run(&caller.applicant().await, "<b>&").await;
    let (_, html) = page(&caller, "/").await;
    assert!(html.contains(&run) && html.contains("&lt;b&gt;&amp;") && !html.contains("<b>&"));
    let request = caller.http.post(format!("{}/runs/{run}", caller.simulator.url));
    let answer = request.header("content-type", "application/x-www-form-urlencoded").body("outcome=mismatch").send().await.unwrap();
    assert_eq!(answer.status(), 303);
    let ended = caller.status_becomes(&run, "approved").await;
    assert_eq!(ended["output"]["data_comparison"]["last_name"]["result"], "consider");
}
