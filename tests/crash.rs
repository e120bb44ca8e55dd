//! Crashes and lost answers, against the real binary: whatever happens, one run per verification, the verdict reached, nobody asked, and
//! never another system's applicant adopted. What happened is read from the simulator's ledger, which is the vendor's own account of it.

mod absent;
mod again;
mod erased;
mod killed;
mod leaders;
mod lost;
mod moved;
mod renewed;
mod stopping;

use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use jiff::Timestamp;
use k8s_openapi::api::events::v1::Event;
use kube::{Api, ResourceExt, api::ListParams};
use onfido_operator::{
    api::{ConditionType, IdentityVerification, find_condition},
    dev::ControlPlane,
    key::Key,
    simulator::admin::{Fault, FaultKind, LedgerEntry, Operation},
};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::support::{
    control_plane::control_plane,
    operator::{Operator, PATIENCE, Run, Scene, WORKFLOW, install},
};

/// A hundred times faster: an ambiguous call is waited out for 1.3 s, an absence is believed after 3 s. Calls keep half a second.
const FAST: f64 = 0.01;
/// How long an ambiguous call is waited out at that pace.
const DOUBT: Duration = Duration::from_millis(1300);
/// Over how long a run must be absent at that pace.
const ABSENCE: Duration = Duration::from_secs(3);
/// For an operator that shall be killed in the middle of a call: the call must not time out before.
const PATIENT: f64 = 0.2;
/// How many scenes play at once.
const AT_ONCE: usize = 6;
/// The verification's name.
const NAME: &str = "person";

/// The control plane of these tests.
async fn place() -> &'static ControlPlane {
    static INSTALLED: OnceCell<()> = OnceCell::const_new();
    let shared = control_plane().await;
    INSTALLED.get_or_init(|| install(shared)).await;
    shared
}

/// Plays scenes side by side, a few at a time, and fails with the names of all that failed.
async fn play<T, F: Future<Output = ()> + Send + 'static>(scenes: Vec<(&'static str, T)>, act: impl Fn(T) -> F) {
    let scenes = scenes.into_iter().map(|(name, scene)| {
        let playing = tokio::spawn(act(scene));
        async move { playing.await.err().map(|_| name) }
    });
    let failed: Vec<_> = stream::iter(scenes).buffer_unordered(AT_ONCE).filter_map(std::future::ready).collect().await;
    assert!(failed.is_empty(), "failed: {failed:#?}");
}

/// What somebody else, or a gateway, would ask the vendor with the same account.
struct Vendor {
    http: reqwest::Client,
    base: String,
    token: String,
}

impl Vendor {
    async fn call(&self, method: reqwest::Method, path: &str, body: Option<Value>) -> Value {
        let request = self.http.request(method, format!("{}/v3.6{path}", self.base));
        let mut request = request.header("authorization", format!("Token token={}", self.token)).header("content-type", "application/json");
        if let Some(body) = body {
            request = request.body(body.to_string());
        }
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
    }

    /// Starts a run; its id.
    async fn run(&self, applicant: &str, tag: &str) -> String {
        let body = json!({ "workflow_id": WORKFLOW, "applicant_id": applicant, "tags": [tag] });
        self.call(reqwest::Method::POST, "/workflow_runs", Some(body)).await["id"].as_str().unwrap().to_owned()
    }
}

/// A scene in whose account another system keeps an applicant of the same names and birth date.
struct Plot {
    scene: Scene,
    vendor: Vendor,
    namesake: Value,
    /// The ledger's length when the namesake was there and the operator was not.
    before: usize,
}

impl Plot {
    async fn new(word: &str) -> Self {
        Self::at(place().await, word).await
    }

    async fn at(control_plane: &ControlPlane, word: &str) -> Self {
        let scene = Scene::bare(control_plane, word).await;
        let vendor = Vendor { http: reqwest::Client::new(), base: scene.simulator.base().to_owned(), token: scene.api_token() };
        let person = json!({ "first_name": "Invented", "last_name": "Person", "dob": "1990-01-01" });
        let namesake = vendor.call(reqwest::Method::POST, "/applicants", Some(person)).await;
        let plot = Self { scene, vendor, namesake, before: 0 };
        plot.vendor.run(plot.namesake_id(), "another-system").await;
        let before = plot.ledger().await.len();
        plot.scene.provider(json!({})).await;
        Self { before, ..plot }
    }

    fn namesake_id(&self) -> &str {
        self.namesake["id"].as_str().unwrap()
    }

    /// An operator for this scene alone, which is told of the vendor's deliveries.
    async fn operator(&self, time_scale: f64, pause_at: Option<&str>) -> Operator {
        self.operator_at(place().await, time_scale, pause_at).await
    }

    async fn operator_at(&self, control_plane: &ControlPlane, time_scale: f64, pause_at: Option<&str>) -> Operator {
        let run = Run { watch: vec![self.scene.namespace.clone()], time_scale, pause_at: pause_at.map(Into::into), ..Run::default() };
        let operator = Operator::start(control_plane, &run).await;
        self.scene.deliver_to(&operator).await;
        operator
    }

    /// Creates the verification once its provider is ready.
    async fn begin(&self) -> IdentityVerification {
        self.scene.until_provider("onfido", ConditionType::Ready, "True", "Succeeded").await;
        self.scene.verification(NAME, json!({})).await
    }

    /// The next call of this kind meets this fault.
    async fn fault(&self, operation: Operation, kind: FaultKind) {
        self.scene.simulator.fault(&Fault::once(operation, &self.scene.account, kind)).await.unwrap();
    }

    /// All calls of the account, the operator's and others'.
    async fn ledger(&self) -> Vec<LedgerEntry> {
        self.scene.simulator.ledger(Some(&self.scene.account), None).await.unwrap()
    }

    /// The operator's calls of one kind.
    async fn calls(&self, operation: Operation) -> Vec<LedgerEntry> {
        self.ledger().await.into_iter().skip(self.before).filter(|entry| entry.operation == operation).collect()
    }

    /// Waits until the ledger holds such an entry; there is nothing to watch.
    async fn until_called(&self, what: &str, operation: Operation, holds: impl Fn(&[LedgerEntry]) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let calls = self.calls(operation).await;
            if holds(&calls) {
                return;
            }
            assert!(Instant::now() < deadline, "waited in vain for {what}: {calls:#?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The person's part, once the run exists: finishes, and the vendor approves.
    async fn person(&self) {
        self.scene.until(NAME, "a token", captured).await;
        let run = self.scene.run_of(NAME).await;
        self.scene.decide(&run, "approved", json!({})).await;
        self.scene.finalize(NAME).await;
    }

    async fn verified(&self) -> IdentityVerification {
        self.scene.until_condition(NAME, ConditionType::Verified, "True", "Verified").await
    }

    /// How many Events of this reason tell of the verification.
    async fn events(&self, reason: &str) -> usize {
        let events: Api<Event> = Api::namespaced(self.scene.client.clone(), &self.scene.namespace);
        let all = events.list(&ListParams::default()).await.unwrap();
        all.iter().filter(|event| event.reason.as_deref() == Some(reason)).count()
    }

    /// Exactly one run of this object, adopted, of an applicant of ours; nobody asked; the namesake as it was.
    async fn one_run(&self, object: &IdentityVerification) {
        let tag = tag_of(object);
        let status = object.status.as_ref().unwrap();
        let applicant = status.applicant_id.as_deref().unwrap();
        let committed: Vec<_> = self.calls(Operation::CreateWorkflowRun).await;
        let committed: Vec<_> = committed.iter().filter(|call| call.committed && call.tags.contains(&tag)).collect();
        assert_eq!(committed.len(), 1, "{committed:#?}");
        assert_eq!(committed[0].run_id, status.workflow_run_id);
        assert_eq!(committed[0].applicant_id.as_deref(), Some(applicant));
        assert_eq!(self.scene.simulator.runs(Some(&self.scene.account), Some(&tag)).await.unwrap().len(), 1);
        assert!(status.operation.is_none(), "{:?}", status.operation);

        let created = self.calls(Operation::CreateApplicant).await;
        assert!(created.iter().any(|call| call.committed && call.applicant_id.as_deref() == Some(applicant)), "{created:#?}");
        self.nobody_asked(object).await;
        self.namesake_untouched(&[applicant]).await;
    }

    async fn nobody_asked(&self, object: &IdentityVerification) {
        let conditions = &object.status.as_ref().unwrap().conditions;
        assert_eq!(format!("{:?}", find_condition(conditions, ConditionType::Stalled).unwrap().status), "False");
        assert_eq!(self.events("Stalled").await + self.events("Refused").await, 0);
    }

    /// Asks the vendor itself: call it once.
    async fn namesake_untouched(&self, applicants: &[&str]) {
        let namesake = self.namesake_id();
        assert!(!applicants.contains(&namesake));
        for call in self.ledger().await.iter().skip(self.before) {
            let about_it = call.applicant_id.as_deref() == Some(namesake) || call.path.contains(namesake);
            let own = applicants.iter().any(|id| call.path.ends_with(id));
            let changed = matches!(call.operation, Operation::UpdateApplicant | Operation::DeleteApplicant);
            let by_data = call.operation == Operation::ListApplicants || (changed && !own);
            assert!(!about_it && !by_data, "{call:#?}");
        }
        let now = self.vendor.call(reqwest::Method::GET, &format!("/applicants/{namesake}"), None).await;
        assert_eq!(now, self.namesake);
    }

    /// Before each run POST but the first, and before the first too if `intended` says that an intent went before: three looks at least,
    /// over the whole time in which an absence is not yet believed.
    async fn looked_before_trying_again(&self, intended: bool, absence: Duration) {
        let calls: Vec<_> = self.ledger().await.into_iter().skip(self.before).collect();
        let posts: Vec<usize> = (0..calls.len()).filter(|at| calls[*at].operation == Operation::CreateWorkflowRun).collect();
        let mut from = if intended { Some(0) } else { None };
        for post in posts {
            if let Some(from) = from {
                let between = calls[from..post].iter().filter(|call| call.operation == Operation::ListWorkflowRuns);
                let looks: Vec<Timestamp> = between.map(|call| call.time.parse().unwrap()).collect();
                assert!(looks.len() >= 3, "looks before trying again: {looks:?} of {calls:#?}");
                let span = Duration::try_from(looks[looks.len() - 1].duration_since(looks[0])).unwrap();
                // Looks are planned before they are made: what lies between two of them can be a little less.
                assert!(span.as_secs_f64() >= absence.as_secs_f64() * 0.9, "looks over {span:?} only: {looks:?}");
            }
            from = Some(post);
        }
    }
}

fn tag_of(object: &IdentityVerification) -> String {
    Key::of_uid(&object.uid().unwrap()).tag(1)
}

fn captured(object: &IdentityVerification) -> bool {
    object.status.as_ref().is_some_and(|status| status.capture.is_some())
}
