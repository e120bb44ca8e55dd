//! The simulator over HTTP, as a client of the vendor meets it.

mod deliveries;
mod faults;
mod lists;
mod pages;
mod vendor;

use std::time::{Duration, Instant};

use onfido_operator::simulator::admin::AccountSetting;
use onfido_operator::simulator::{DEMO_WORKFLOW, Options, Simulator};
use serde_json::{Value, json};

/// One account of one simulator, called as a vendor's client would.
struct Caller {
    simulator: Simulator,
    http: reqwest::Client,
    token: String,
}

struct Answer {
    status: u16,
    headers: reqwest::header::HeaderMap,
    body: Value,
}

async fn start(options: Options) -> Caller {
    let simulator = Simulator::start(options).await.unwrap();
    let http =
        reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).timeout(Duration::from_secs(20)).build().unwrap();
    let caller = Caller { simulator, http, token: "api_sandbox.tests".into() };
    caller.simulator.admin.account(&AccountSetting::new("tests", &caller.token, DEMO_WORKFLOW)).await.unwrap();
    caller
}

impl Caller {
    async fn try_call(&self, method: &str, path: &str, body: Option<Value>) -> Result<Answer, reqwest::Error> {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self.http.request(method, format!("{}/v3.6{path}", self.simulator.url));
        request = request.header("authorization", format!("Token token={}", self.token));
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().await?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let body = answer.bytes().await?;
        Ok(Answer { status, headers, body: serde_json::from_slice(&body).unwrap_or(Value::Null) })
    }

    async fn get(&self, path: &str) -> Answer {
        self.try_call("GET", path, None).await.unwrap()
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.try_call("POST", path, Some(body)).await.unwrap()
    }

    async fn applicant(&self) -> String {
        let answer = self.post("/applicants", json!({"first_name": "Ann", "last_name": "Invented", "dob": "1990-01-02"})).await;
        assert_eq!(answer.status, 201);
        answer.body["id"].as_str().unwrap().to_owned()
    }

    async fn run(&self, applicant: &str, tag: &str) -> String {
        let body = json!({"workflow_id": DEMO_WORKFLOW, "applicant_id": applicant, "tags": [tag]});
        let answer = self.post("/workflow_runs", body).await;
        assert_eq!(answer.status, 201);
        answer.body["id"].as_str().unwrap().to_owned()
    }

    async fn status_becomes(&self, run: &str, status: &str) -> Value {
        until(async || Some(self.get(&format!("/workflow_runs/{run}")).await.body).filter(|run| run["status"] == status)).await
    }
}

/// The value, as soon as there is one; a failure after ten seconds.
async fn until<T>(mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(value) = look().await {
            return value;
        }
        assert!(Instant::now() < deadline, "it did not become true in time");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
