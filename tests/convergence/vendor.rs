//! The vendor: the simulator's pure one with its ledger, behind a network that loses, delays and breaks; and what it is asked to say.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use onfido_operator::{
    onfido::{
        error::{ErrorType, VendorError},
        model::{ApplicantId, WorkflowRun, WorkflowRunId},
    },
    simulator::{
        admin::{AccountSetting, LedgerEntry, Operation, Outcome, Overrides},
        vendor::{Request, Response, Settings, Vendor},
    },
};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    schedule::{Fate, Word},
    world::{CANARIES, NAMES, t},
};

pub const WORKFLOW: &str = "5c1d9b0e-6f0e-4c52-9d3f-0f5f0a3c9b11";
const ACCOUNT: &str = "account";
const TOKEN: &str = "api_sandbox.token-canary";

/// The truth about one run, kept beside the vendor and not asked of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Truth {
    pub word: Word,
    /// The first name it was compared with.
    pub name: usize,
    /// When the word was spoken.
    pub at: i64,
    /// Whether the last word was told by a delivery that is still to come or has arrived: its number.
    pub told: Option<usize>,
}

/// A delivery that can arrive, any number of times.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub run: String,
    pub digest: String,
}

/// One committed call that starts a run.
#[derive(Clone, Debug)]
pub struct Started {
    pub sent: i64,
    pub committed: i64,
    pub tag: String,
    pub run: String,
    pub applicant: String,
}

/// The vendor and the way there.
pub struct Network {
    vendor: Vendor,
    late: Vec<(i64, i64, Request)>,
    posts: VecDeque<Fate>,
    gets: VecDeque<Fate>,
    pub token_taken: bool,
    /// The first name that each applicant holds.
    held: BTreeMap<String, usize>,
    /// The applicants that it was asked to erase, or said that it does not have.
    pub asked: BTreeSet<String>,
    /// Those that are erased. Whether one was long after it was asked.
    pub erased: BTreeSet<String>,
    pub erased_late: bool,
    /// Nobody answers any more.
    pub dead: bool,
    pub truths: BTreeMap<String, Truth>,
    pub deliveries: Vec<Delivery>,
    /// In order of creation.
    pub started: Vec<Started>,
    pub calls: usize,
}

impl Network {
    pub fn new(seed: u64) -> Self {
        let settings = Settings { public_url: "https://vendor.example.test".into(), ..Settings::default() };
        let mut vendor = Vendor::new(seed, settings);
        vendor.set_account(AccountSetting::new(ACCOUNT, TOKEN, WORKFLOW));
        let hold = onfido_operator::simulator::admin::DefaultOutcome { hold: true, ..Default::default() };
        vendor.set_default_outcome(ACCOUNT, hold);
        Self {
            vendor,
            late: vec![],
            posts: VecDeque::new(),
            gets: VecDeque::new(),
            token_taken: true,
            held: BTreeMap::new(),
            asked: BTreeSet::new(),
            erased: BTreeSet::new(),
            erased_late: false,
            dead: false,
            truths: BTreeMap::new(),
            deliveries: vec![],
            started: vec![],
            calls: 0,
        }
    }

    pub fn will(&mut self, post: bool, fate: Fate) {
        if post { self.posts.push_back(fate) } else { self.gets.push_back(fate) }
    }

    /// No more faults. What is on its way arrives all the same.
    pub fn heal(&mut self) {
        self.posts.clear();
        self.gets.clear();
        self.token_taken = true;
    }

    pub fn ledger(&self) -> Vec<LedgerEntry> {
        self.vendor.ledger(None, Some(Operation::CreateWorkflowRun))
    }

    pub fn applicants(&self) -> impl Iterator<Item = &String> {
        self.held.keys()
    }

    /// When the next late call arrives.
    pub fn next_late(&self) -> Option<i64> {
        self.late.iter().map(|(at, _, _)| *at).min()
    }

    /// What is late arrives.
    pub fn advance(&mut self, now: i64) {
        while let Some(at) = self.late.iter().position(|(at, _, _)| *at <= now) {
            let (arrives, sent, request) = self.late.remove(at);
            self.carry_out(arrives, sent, &request);
        }
    }

    fn carry_out(&mut self, now: i64, sent: i64, request: &Request) -> Response {
        self.calls += 1;
        let response = self.vendor.call(t(now), request);
        if let Some(id) = request.path.strip_prefix("/v3.6/applicants/").filter(|_| request.method == "DELETE" && response.status == 204) {
            self.asked.insert(id.to_owned());
            self.erased.insert(id.to_owned());
            self.erased_late |= now > sent;
            return response;
        }
        if request.method != "GET" && (200..300).contains(&response.status) {
            let body: serde_json::Value = serde_json::from_slice(&response.body).unwrap_or_default();
            let id = body["id"].as_str().unwrap_or_default().to_owned();
            if request.path.starts_with("/v3.6/applicants") {
                let name = NAMES.iter().position(|name| body["first_name"] == *name);
                self.held.insert(id, name.expect("a name that somebody has"));
            } else if request.path == "/v3.6/workflow_runs" {
                let tag = body["tags"][0].as_str().unwrap_or_default().to_owned();
                let applicant = body["applicant_id"].as_str().unwrap_or_default().to_owned();
                self.started.push(Started { sent, committed: now, tag, run: id.clone(), applicant });
                self.truths.insert(id, Truth { word: Word::AwaitingInput, name: 0, at: now, told: None });
            }
        }
        response
    }

    /// One call, and what becomes of it. Errors as `onfido/error.rs` has them.
    fn send(&mut self, now: i64, request: Request, post: bool) -> Result<Response, VendorError> {
        self.advance(now);
        if self.dead {
            return Err(VendorError::TimedOut);
        }
        let fate = if post { self.posts.pop_front() } else { self.gets.pop_front() };
        let answer = match fate {
            None => self.carry_out(now, now, &request),
            Some(Fate::Lost) => {
                self.carry_out(now, now, &request);
                return Err(VendorError::TimedOut);
            }
            Some(Fate::Failed) => {
                self.carry_out(now, now, &request);
                return Err(VendorError::Server { status: 502 });
            }
            Some(Fate::Garbled) => {
                self.carry_out(now, now, &request);
                return Err(VendorError::Unreadable);
            }
            Some(Fate::Late(seconds)) => {
                self.late.push((now + seconds, now, request));
                return Err(VendorError::TimedOut);
            }
            Some(Fate::Vanished) => return Err(VendorError::TimedOut),
            Some(Fate::NotSent) => return Err(VendorError::NotSent),
            Some(Fate::SlowDown(wait)) => return Err(VendorError::RateLimited { retry_after: wait.map(Duration::from_secs) }),
            Some(Fate::Status(status)) => return Err(refusal(status)),
        };
        if (200..300).contains(&answer.status) { Ok(answer) } else { Err(refusal(answer.status)) }
    }

    fn request(&self, method: &str, path: String, body: Vec<u8>) -> Request {
        let token = if self.token_taken { TOKEN } else { "api_sandbox.another" };
        Request { method: method.into(), path: format!("/v3.6{path}"), token: Some(token.into()), body, ..Request::default() }
    }

    /// A call that must not be repeated.
    pub fn write<T: DeserializeOwned>(&mut self, now: i64, method: &str, path: String, body: &impl Serialize) -> Result<T, VendorError> {
        let request = self.request(method, path, serde_json::to_vec(body).expect("a body"));
        let answer = self.send(now, request, true)?;
        serde_json::from_slice(&answer.body).map_err(|_| VendorError::Unreadable)
    }

    /// An SDK token.
    pub fn sdk_token(&mut self, now: i64, body: &impl Serialize) -> Result<String, VendorError> {
        let request = self.request("POST", "/sdk_token".into(), serde_json::to_vec(body).expect("a body"));
        let answer = self.send(now, request, false)?;
        let answer: serde_json::Value = serde_json::from_slice(&answer.body).map_err(|_| VendorError::Unreadable)?;
        answer["token"].as_str().map(str::to_owned).ok_or(VendorError::Unreadable)
    }

    pub fn applicant(&mut self, now: i64, id: &ApplicantId) -> Result<(), VendorError> {
        let request = self.request("GET", format!("/applicants/{}", id.as_str()), vec![]);
        self.send(now, request, false).map(drop)
    }

    /// As `delete_applicant` of `onfido/client.rs`: what it refuses is the erasure of one with a run in progress.
    pub fn erase(&mut self, now: i64, id: &ApplicantId) -> Result<(), VendorError> {
        let request = self.request("DELETE", format!("/applicants/{}", id.as_str()), vec![]);
        match self.send(now, request, false) {
            Err(VendorError::Invalid { .. }) => Err(VendorError::RunInProgress),
            Err(error @ (VendorError::NotFound | VendorError::Gone)) => {
                self.asked.insert(id.as_str().to_owned());
                Err(error)
            }
            answer => answer.map(drop),
        }
    }

    /// Whether anything of a run is left.
    pub fn has(&self, run: &str) -> bool {
        self.started.iter().any(|started| started.run == run && !self.erased.contains(&started.applicant))
    }

    pub fn run(&mut self, now: i64, id: &WorkflowRunId) -> Result<WorkflowRun, VendorError> {
        let request = self.request("GET", format!("/workflow_runs/{}", id.as_str()), vec![]);
        let answer = self.send(now, request, false)?;
        serde_json::from_slice(&answer.body).map_err(|_| VendorError::Unreadable)
    }

    /// As `find_workflow_runs` of `onfido/client.rs`: pages until one is empty, and no filter of the vendor's is believed.
    pub fn find(&mut self, now: i64, applicant: Option<&ApplicantId>, tag: &str) -> Result<Vec<WorkflowRun>, VendorError> {
        let mut found = vec![];
        for page in 1.. {
            let mut request = self.request("GET", "/workflow_runs".into(), vec![]);
            request.query = format!("tags={tag}&page={page}");
            if let Some(applicant) = applicant {
                request.query.push_str(&format!("&applicant_id={}", applicant.as_str()));
            }
            let answer = self.send(now, request, false)?;
            let runs: Vec<WorkflowRun> = serde_json::from_slice(&answer.body).map_err(|_| VendorError::Unreadable)?;
            if runs.is_empty() {
                break;
            }
            let ours = |run: &WorkflowRun| run.tags.iter().any(|t| t == tag) && applicant.is_none_or(|id| *id == run.applicant_id);
            found.extend(runs.into_iter().filter(ours));
        }
        Ok(found)
    }

    /// The person finishes the newest run.
    pub fn finish(&mut self, now: i64) {
        self.advance(now);
        if let Some(run) = self.started.last().map(|started| started.run.clone())
            && self.vendor.finish_capture(t(now), &run)
        {
            self.say(now, &run, Word::Processing);
        }
    }

    /// The vendor speaks of a run. The document has the first of the names.
    pub fn say(&mut self, now: i64, run: &str, word: Word) {
        self.advance(now);
        let Some(started) = self.started.iter().find(|started| started.run == run).filter(|_| self.has(run)) else { return };
        let name = self.held.get(&started.applicant).copied().unwrap_or(0);
        // The body of a delivery decides nothing: it is not made.
        let (status, reasons) = (Some(status_of(word).into()), vec![CANARIES[0].into()]);
        let mut outcome = Outcome { status, reasons, silent: true, ..Outcome::default() };
        if name != 0 {
            outcome.comparison.insert("first_name".into(), Some("consider".into()));
        }
        match word {
            Word::NotCompared => drop(outcome.comparison.insert("last_name".into(), None)),
            Word::AsAnothers => outcome.overrides = Overrides { tags: Some(vec!["another".into()]), ..Overrides::default() },
            _ => {}
        }
        self.vendor.decide(t(now), run, &outcome);
        // As the vendor does: what ends a run is told.
        let told = (!matches!(word, Word::AwaitingInput | Word::Processing | Word::Unknown)).then(|| {
            self.deliveries.push(Delivery { run: run.to_owned(), digest: format!("delivery-{}", self.deliveries.len()) });
            self.deliveries.len() - 1
        });
        self.truths.insert(run.to_owned(), Truth { word, name, at: now, told });
    }
}

pub fn status_of(word: Word) -> &'static str {
    match word {
        Word::Approved | Word::NotCompared | Word::AsAnothers => "approved",
        Word::Declined => "declined",
        Word::Review => "review",
        Word::Abandoned => "abandoned",
        Word::Error => "error",
        Word::AwaitingInput => "awaiting_input",
        Word::Processing => "processing",
        Word::Unknown => "a_new_word",
    }
}

/// As `VendorError::refusal` of `onfido/error.rs`.
fn refusal(status: u16) -> VendorError {
    match status {
        400 | 422 => VendorError::Invalid { fields: vec![] },
        401 => VendorError::Unauthorized { error_type: ErrorType::Authorization },
        403 => VendorError::Forbidden,
        404 => VendorError::NotFound,
        409 => VendorError::Conflict,
        410 => VendorError::Gone,
        429 => VendorError::RateLimited { retry_after: None },
        500..=599 => VendorError::Server { status },
        _ => VendorError::Unexpected { status },
    }
}
