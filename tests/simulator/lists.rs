//! The list of runs read as a feed: who is on it, in which order, and what can be wrong with it.

use jiff::{SignedDuration, Timestamp};
use onfido_operator::simulator::DEMO_WORKFLOW;
use onfido_operator::simulator::admin::{AccountSetting, ListQuirks, Outcome};
use onfido_operator::simulator::vendor::{Request, Settings, Vendor};
use serde_json::{Value, json};

const ENDED: &str = "status=approved,declined,review,abandoned,error&sort=desc";

/// A vendor with so many runs, which end one a second.
struct Rig {
    vendor: Vendor,
    runs: Vec<String>,
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_900_000_000).unwrap() + SignedDuration::from_secs(second)
}

fn call(vendor: &mut Vendor, now: Timestamp, method: &str, path: &str, query: String, body: &Value) -> Value {
    let path = format!("/v3.6/{path}");
    let request = Request { method: method.into(), path, query, token: Some("t".into()), body: body.to_string().into() };
    serde_json::from_slice(&vendor.call(now, &request).body).unwrap()
}

impl Rig {
    fn new(runs: usize, quirks: ListQuirks) -> Self {
        let mut vendor = Vendor::new(1, Settings::default());
        vendor.set_account(AccountSetting::new("a", "t", DEMO_WORKFLOW));
        assert!(vendor.set_list_quirks("a", quirks) && !vendor.set_list_quirks("b", quirks));
        let mut create =
            |path: &str, body: Value| call(&mut vendor, at(0), "POST", path, String::new(), &body)["id"].as_str().unwrap().to_owned();
        let applicant = create("applicants", json!({"first_name": "A", "last_name": "B"}));
        let body = json!({"workflow_id": DEMO_WORKFLOW, "applicant_id": applicant, "tags": ["x"]});
        let runs = (0..runs).map(|_| create("workflow_runs", body.clone())).collect();
        Self { vendor, runs }
    }

    fn ended(runs: usize, quirks: ListQuirks) -> Self {
        let mut rig = Self::new(runs, quirks);
        for number in 0..runs {
            rig.end(number, number as i64);
        }
        rig
    }

    fn end(&mut self, number: usize, second: i64) {
        assert!(self.vendor.decide(at(second), &self.runs[number].clone(), &Outcome::default()));
    }

    /// The runs of a page, by number.
    fn page(&mut self, second: i64, page: usize, query: &str) -> Vec<usize> {
        let listed = call(&mut self.vendor, at(second), "GET", "workflow_runs", format!("{query}&page={page}"), &Value::Null);
        let number = |run: &Value| self.runs.iter().position(|id| run["id"] == **id).unwrap();
        listed.as_array().unwrap().iter().map(number).collect()
    }
}

#[test]
fn the_runs_that_have_ended_are_listed_the_last_one_first() {
    let mut rig = Rig::ended(25, ListQuirks::default());
    assert_eq!(rig.page(100, 1, ENDED), (5..25).rev().collect::<Vec<_>>());
    assert_eq!(rig.page(100, 2, ENDED), [4, 3, 2, 1, 0]);
    assert!(rig.page(100, 3, ENDED).is_empty());
    // Decided anew, a run comes first again.
    rig.end(0, 101);
    assert_eq!(rig.page(101, 1, ENDED)[..2], [0, 24]);
    let mut rig = Rig::new(3, ListQuirks::default());
    rig.end(1, 1);
    assert_eq!((rig.page(1, 1, ENDED), rig.page(1, 1, "").len()), (vec![1], 3), "one that goes on is no outcome");
}

#[test]
fn a_feed_can_be_late_repeat_itself_lose_its_order_and_leave_out() {
    let quirks = ListQuirks::default();
    let mut late = Rig::ended(3, ListQuirks { lag_ms: 2000, ..quirks });
    assert_eq!([late.page(2, 1, ENDED), late.page(4, 1, ENDED)], [vec![0], vec![2, 1, 0]]);
    let mut repeats = Rig::ended(25, ListQuirks { repeat: true, ..quirks });
    assert_eq!((repeats.page(100, 1, ENDED)[19], repeats.page(100, 2, ENDED)[0]), (5, 5));
    let mut mixed = Rig::ended(25, ListQuirks { reorder: true, ..quirks });
    assert_eq!(mixed.page(100, 1, ENDED), (5..25).collect::<Vec<_>>());
    let mut gaps = Rig::ended(3, ListQuirks { skip_once: true, ..quirks });
    assert_eq!([gaps.page(100, 1, ENDED), gaps.page(100, 1, ENDED)], [vec![], vec![2, 1, 0]]);
    gaps.end(1, 101);
    assert_eq!([gaps.page(101, 1, ENDED), gaps.page(101, 1, ENDED)], [vec![2, 0], vec![1, 2, 0]], "anew with each outcome");
    // Who looks for a run by its tag is not concerned: an absence is believed there.
    let mut search = Rig::ended(3, ListQuirks { lag_ms: 9000, skip_once: true, ..quirks });
    assert_eq!(search.page(3, 1, "tags=x"), [2, 1, 0]);
}
