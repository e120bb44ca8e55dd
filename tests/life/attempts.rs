//! Further attempts: a new run for the same person, the provider's rule, what becomes of the verdict before, and the applicant's data.

use k8s_openapi::api::core::v1::Secret;
use onfido_operator::{
    api::{ConditionType, IdentityVerification, IdentityVerificationStatus, Phase},
    key::Key,
    simulator::admin::{Fault, FaultKind, LedgerEntry, Operation},
};
use serde_json::{Value, json};

use crate::support::operator::Scene;

const NAME: &str = "person";
const NAMES: [(&str, &str); 3] = [("given_name", "Invented"), ("family_name", "Person"), ("birthdate", "1990-01-01")];

fn status(object: &IdentityVerification) -> &IdentityVerificationStatus {
    object.status.as_ref().unwrap()
}

fn asked(attempt: i32) -> Value {
    json!({ "attempt": attempt })
}

impl Scene {
    /// A first attempt that ended so.
    async fn first(&self, outcome: &str, comparison: Value) -> IdentityVerification {
        let run = self.awaiting(NAME, json!({})).await;
        self.decide(&run, outcome, comparison).await;
        self.until_condition(NAME, ConditionType::Completed, "True", "OutcomeReported").await
    }

    async fn until_attempt(&self, attempt: i32, phase: Phase) -> IdentityVerification {
        self.until(NAME, &format!("attempt {attempt} {phase:?}"), |object| {
            object.status.as_ref().is_some_and(|status| status.attempt == Some(attempt) && status.phase == phase)
        })
        .await
    }

    /// The run of an attempt that waits for the person.
    async fn awaiting_attempt(&self, attempt: i32) -> (IdentityVerification, String) {
        let object = self.until_attempt(attempt, Phase::AwaitingInput).await;
        let run = status(&object).workflow_run_id.clone().unwrap();
        (object, run)
    }

    /// What the vendor has carried out for this account, in order.
    async fn carried_out(&self, operations: &[Operation]) -> Vec<LedgerEntry> {
        let all = self.simulator.ledger(Some(&self.account), None).await.unwrap();
        all.into_iter().filter(|call| call.committed && operations.contains(&call.operation)).collect()
    }

    /// Exactly one run of each attempt.
    async fn one_run_each(&self, object: &IdentityVerification) {
        let key = Key::of_uid(object.metadata.uid.as_deref().unwrap());
        let runs = self.carried_out(&[Operation::CreateWorkflowRun]).await;
        let last = status(object).attempt.unwrap();
        for attempt in 1..=last {
            assert_eq!(runs.iter().filter(|run| run.tags == [key.tag(attempt)]).count(), 1, "attempt {attempt}: {runs:#?}");
        }
        assert_eq!(runs.len(), usize::try_from(last).unwrap());
    }

    async fn says(&self, type_: ConditionType, status: &str, reason: &str) -> IdentityVerification {
        self.until_condition(NAME, type_, status, reason).await
    }
}

fn token(secret: &Secret) -> Vec<u8> {
    secret.data.as_ref().unwrap()["sdk_token"].0.clone()
}

#[tokio::test]
async fn a_declined_person_tries_again_and_is_verified() {
    let scene = Scene::new("again").await;
    let first = scene.first("declined", json!({})).await;
    let secret = status(&first).capture.clone().unwrap().secret_ref.name;
    let old = token(&scene.secrets().get(&secret).await.unwrap());
    scene.patch(NAME, asked(2)).await;
    let (open, run) = scene.awaiting_attempt(2).await;
    scene.says(ConditionType::CaptureReady, "True", "AwaitingInput").await;
    scene.says(ConditionType::Verified, "False", "Declined").await;
    assert_eq!(status(&open).capture.as_ref().unwrap().secret_ref.name, secret);
    assert_ne!(token(&scene.secrets().get(&secret).await.unwrap()), old, "the same Secret, another token");
    assert_ne!(Some(&run), status(&first).workflow_run_id.as_ref());
    let [past] = &status(&open).attempts[..] else { panic!("{:?}", status(&open).attempts) };
    assert_eq!(
        (past.number, past.workflow_run_id.as_ref(), past.reason.as_str()),
        (1, status(&first).workflow_run_id.as_ref(), "Declined")
    );

    scene.simulator.capture(&run).await.unwrap();
    scene.patch(NAME, json!({ "submittedAttempt": 2 })).await;
    let done = scene.says(ConditionType::Verified, "True", "Verified").await;
    assert_eq!((status(&done).attempt, status(&done).last_verified_attempt), (Some(2), Some(2)));
    assert!(status(&done).submitted_at.is_some());
    assert_eq!(status(&done).applicant_id, status(&first).applicant_id, "one person, one applicant");
    scene.one_run_each(&done).await;
    let sent = scene.carried_out(&[Operation::UpdateApplicant]).await;
    assert_eq!(sent.len(), 1, "sent before the second run, though nothing had changed");
    assert_eq!(scene.carried_out(&[Operation::CreateApplicant]).await.len(), 1);
}

#[tokio::test]
async fn what_was_corrected_is_sent_before_the_new_run() {
    let scene = Scene::new("corrected").await;
    let run = scene.awaiting(NAME, json!({})).await;
    scene.decide(&run, "approved", json!({ "first_name": "consider" })).await;
    scene.says(ConditionType::Verified, "False", "AttributeMismatch").await;
    // The vendor's sandbox never finds this last name on the document.
    scene.secret(NAME, Some("attributes"), &[NAMES[0], ("family_name", "consider"), NAMES[2]]).await;
    scene.patch(NAME, asked(2)).await;
    let (_, run) = scene.awaiting_attempt(2).await;
    scene.simulator.capture(&run).await.unwrap();
    let done = scene.says(ConditionType::Verified, "False", "AttributeMismatch").await;
    let result = status(&done).attributes.iter().find(|result| result.name == "family_name").unwrap();
    assert_eq!((format!("{:?}", result.result).as_str(), status(&done).attempt), ("Consider", Some(2)), "the vendor compared the new name");

    scene.secret(NAME, Some("attributes"), &[("given_name", "Other"), NAMES[1], NAMES[2]]).await;
    scene.patch(NAME, asked(3)).await;
    let (_, run) = scene.awaiting_attempt(3).await;
    scene.simulator.capture(&run).await.unwrap();
    let done = scene.says(ConditionType::Verified, "True", "Verified").await;
    scene.one_run_each(&done).await;
    let calls = scene.carried_out(&[Operation::CreateApplicant, Operation::UpdateApplicant, Operation::CreateWorkflowRun]).await;
    let order: Vec<_> = calls.iter().map(|call| call.operation).collect();
    use Operation::{CreateApplicant as Create, CreateWorkflowRun as Run, UpdateApplicant as Update};
    assert_eq!(order, [Create, Run, Update, Run, Update, Run]);
    assert!(calls.iter().all(|call| call.applicant_id == status(&done).applicant_id), "{calls:#?}");
}

#[tokio::test]
async fn an_applicant_that_cannot_be_changed_is_replaced_and_remembered() {
    let scene = Scene::with("replaced", json!({ "attempts": { "max": 16 } })).await;
    let first = scene.first("declined", json!({})).await;
    let mut former = vec![status(&first).applicant_id.clone().unwrap()];
    for (attempt, refusal) in [(2, 422), (3, 404), (4, 410)] {
        let kind = FaultKind::Status { status: refusal, retry_after: None, error_type: None, body: None };
        scene.simulator.fault(&Fault::once(Operation::UpdateApplicant, &scene.account, kind)).await.unwrap();
        scene.secret(NAME, Some("attributes"), &[("given_name", &format!("Name {attempt}")), NAMES[1], NAMES[2]]).await;
        scene.patch(NAME, asked(attempt)).await;
        let (open, run) = scene.awaiting_attempt(attempt).await;
        assert_eq!(status(&open).former_applicant_ids, former, "{refusal}");
        former.push(status(&open).applicant_id.clone().unwrap());
        scene.decide(&run, "declined", json!({})).await;
        scene.until_attempt(attempt, Phase::Declined).await;
    }
    // One that somebody erased at the vendor, with nothing changed.
    let url = format!("{}/v3.6/applicants/{}", scene.simulator.base(), former.last().unwrap());
    let request = reqwest::Client::new().delete(url).header("authorization", format!("Token token={}", scene.api_token()));
    assert_eq!(request.send().await.unwrap().status(), 204);
    scene.patch(NAME, asked(5)).await;
    let (open, run) = scene.awaiting_attempt(5).await;
    assert_eq!(status(&open).former_applicant_ids, former);
    scene.simulator.capture(&run).await.unwrap();
    let done = scene.says(ConditionType::Verified, "True", "Verified").await;
    scene.one_run_each(&done).await;
    assert_eq!(scene.carried_out(&[Operation::CreateApplicant]).await.len(), former.len() + 1);
}

#[tokio::test]
async fn the_provider_says_whether_and_when() {
    let scene = Scene::with("rule", json!({ "attempts": { "max": 1, "retryOn": ["Abandoned"] } })).await;
    scene.first("declined", json!({})).await;
    scene.patch(NAME, asked(2)).await;
    let refused = scene.says(ConditionType::Accepted, "False", "AttemptNotAllowed").await;
    assert_eq!((status(&refused).attempt, status(&refused).phase), (Some(1), Phase::Declined));
    scene.says(ConditionType::Stalled, "True", "AttemptNotAllowed").await;
    scene.says(ConditionType::Verified, "False", "Declined").await;
    let completed = status(&refused).conditions.iter().find(|condition| condition.type_ == "Completed").unwrap();
    assert!(completed.observed_generation < refused.metadata.generation, "who waits for the second is not given the first");
    scene.until_event(NAME, "Refused").await;

    let ready = ("True", "Succeeded");
    scene.patch_provider(json!({ "attempts": { "retryOn": ["Declined"] } }), ready).await;
    scene.says(ConditionType::Stalled, "True", "AttemptsExhausted").await;
    scene.patch_provider(json!({ "attempts": { "max": 2, "coolDown": "9999h" } }), ready).await;
    let cooling = scene.says(ConditionType::Accepted, "False", "CoolingDown").await;
    scene.says(ConditionType::Stalled, "False", "Progressing").await;
    let message = &status(&cooling).conditions.iter().find(|condition| condition.type_ == "Accepted").unwrap().message;
    assert!(message.contains("may begin at 20"), "{message}");
    assert_eq!(scene.carried_out(&[Operation::CreateWorkflowRun]).await.len(), 1);
    scene.patch_provider(json!({ "attempts": { "coolDown": "0s" } }), ready).await;
    let (open, _) = scene.awaiting_attempt(2).await;
    scene.one_run_each(&open).await;
    scene.says(ConditionType::Accepted, "True", "Resolved").await;
}

#[tokio::test]
async fn a_cool_down_ends_by_itself() {
    let scene = Scene::with("cool", json!({ "attempts": { "coolDown": "3s" } })).await;
    let first = scene.first("declined", json!({})).await;
    scene.patch(NAME, asked(2)).await;
    let (open, _) = scene.awaiting_attempt(2).await;
    let waited = status(&open).started_at.as_ref().unwrap().0.duration_since(status(&first).completed_at.as_ref().unwrap().0);
    assert!(waited.as_millis() >= 2000, "{waited}"); // both times are whole seconds
}

#[tokio::test]
async fn a_verdict_stands_while_the_next_is_awaited_and_can_be_taken_back() {
    let scene = Scene::with("stands", json!({ "attempts": { "retryOn": ["Verified", "AttributeChanged", "Revoked"], "max": 9 } })).await;
    let first = scene.first("approved", json!({})).await;
    let old_run = status(&first).workflow_run_id.clone().unwrap();
    scene.patch(NAME, asked(2)).await;
    let (open, _) = scene.awaiting_attempt(2).await;
    let standing = status(&open).standing_verdict.as_ref().unwrap();
    assert_eq!((standing.attempt, &standing.workflow_run_id), (1, &old_run));
    scene.says(ConditionType::Verified, "True", "Verified").await;
    scene.says(ConditionType::Completed, "False", "AwaitingInput").await;
    // A delivery that confirms it changes nothing. It names the run only: no tag.
    let before = status(&open).notification.clone().map(|notification| notification.digest);
    scene.ring(&old_run).await;
    scene
        .until(NAME, "the old run's bell answered", |object| {
            let status = status(object);
            let heard = status.notification.as_ref().filter(|notification| Some(&notification.digest) != before.as_ref());
            heard.is_some_and(|notification| notification.workflow_run_id.as_ref() == Some(&old_run)) && !status.is_rung()
        })
        .await;
    scene.says(ConditionType::Verified, "True", "Verified").await;
    // The vendor thinks again, and rings for the old run.
    scene.decide(&old_run, "declined", json!({})).await;
    let revoked = scene.says(ConditionType::Verified, "False", "Revoked").await;
    assert_eq!((status(&revoked).attempt, status(&revoked).phase), (Some(2), Phase::AwaitingInput));
    scene.until_event(NAME, "Revoked").await;
    // Nothing brings it back but the new outcome.
    scene.decide(&old_run, "approved", json!({})).await;
    scene.until_rest(NAME).await;
    scene.says(ConditionType::Verified, "False", "Revoked").await;
    let run = status(&revoked).workflow_run_id.clone().unwrap();
    scene.decide(&run, "approved", json!({})).await;
    let done = scene.says(ConditionType::Verified, "True", "Verified").await;
    assert!(status(&done).standing_verdict.is_none());
    scene.one_run_each(&done).await;
}

#[tokio::test]
async fn an_edit_that_changes_what_was_verified_counts_at_once() {
    let rule = json!({ "attempts": { "retryOn": ["Verified", "AttributeChanged"] }, "personalData": { "inline": "Allow" } });
    let scene = Scene::with("edit", rule).await;
    let born = |date: &str| json!({ "attributes": [{ "name": "birthdate", "value": date }] });
    scene.first("approved", json!({})).await;
    scene.patch(NAME, asked(2)).await;
    scene.awaiting_attempt(2).await;
    scene.patch(NAME, born("1990-01-02")).await;
    let open = scene.says(ConditionType::Verified, "False", "AttributeChanged").await;
    assert_eq!(status(&open).phase, Phase::AwaitingInput);
    // The run compares with what was sent when it began: another value fails closed there too.
    let run = status(&open).workflow_run_id.clone().unwrap();
    scene.decide(&run, "approved", json!({})).await;
    scene.until_attempt(2, Phase::Approved).await;
    scene.says(ConditionType::Verified, "False", "AttributeChanged").await;
    // An edit and a bump in one write: the new value is sent, and verified.
    let mut both = born("1990-01-03");
    both["attempt"] = json!(3);
    scene.patch(NAME, both).await;
    let (_, run) = scene.awaiting_attempt(3).await;
    scene.says(ConditionType::Verified, "False", "AttributeChanged").await;
    scene.decide(&run, "approved", json!({})).await;
    let done = scene.says(ConditionType::Verified, "True", "Verified").await;
    scene.one_run_each(&done).await;
}

#[tokio::test]
async fn a_run_in_review_is_given_up_where_the_provider_says_so() {
    let scene = Scene::new("review").await;
    let run = scene.awaiting(NAME, json!({})).await;
    scene.decide(&run, "review", json!({})).await;
    scene.until_attempt(1, Phase::InReview).await;
    scene.patch(NAME, asked(2)).await;
    scene.says(ConditionType::Accepted, "False", "AttemptNotAllowed").await;
    scene.patch_provider(json!({ "attempts": { "retryOn": ["InReview"] } }), ("True", "Succeeded")).await;
    let (open, new) = scene.awaiting_attempt(2).await;
    assert_eq!(status(&open).attempts[0].reason, "InReview");
    // Its outcome has no effect any more.
    scene.decide(&run, "approved", json!({})).await;
    scene.until_rest(NAME).await;
    scene.says(ConditionType::Verified, "Unknown", "Pending").await;
    scene.decide(&new, "declined", json!({})).await;
    scene.says(ConditionType::Verified, "False", "Declined").await;
}
