//! Tests of the core: the tables as data, and what holds for every plan. This file owns the stages of a life that the rows begin from.

mod adoption;
mod applicant;
mod attempt;
mod cancel;
mod capture;
mod conditions;
mod deletion;
mod expiry;
mod failure;
mod feed;
mod inputs;
mod nudge;
mod open;
mod provider;
mod purge;
mod recovery;
mod redaction;
mod schedule;
mod secrets;
mod settled;
mod simulation;
mod start;
mod sweep;
mod verdict;

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{VerificationPlan, *};
use crate::{
    api::{Environment, IdentityVerificationStatus, OnfidoProviderSpec, OperationKind},
    onfido::{
        model::{Applicant, WorkflowRun},
        secret::Personal,
    },
};

const TAG: &str = "onfido-operator.0123456789abcdef0123456789abcdef.1";
const APPLICANT: &str = "applicant-1";
const WORKFLOW: &str = "5c1d9b0e-6f0e-4c52-9d3f-0f5f0a3c9b11";

/// So many seconds into the test.
fn t(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_900_000_000 + seconds).unwrap()
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn provider_spec(more: Value) -> OnfidoProviderSpec {
    let mut spec = json!({
        "region": "EU", "credentials": {"apiTokenSecretRef": {"name": "n", "key": "k"}}, "workflowID": WORKFLOW.to_uppercase(),
    });
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(spec).unwrap()
}

fn found(more: Value) -> Provider {
    Provider::Found { spec: Box::new(provider_spec(more)), allowed: true, ready: Ok(()), environment: Environment::Sandbox }
}

/// The attributes as they are, by name and value; the digest is made of the value.
fn attributes(values: &[(&str, &str)]) -> Attributes {
    let given = |(name, value): &(&str, &str)| Given {
        name: (*name).into(),
        value: Personal::new(*value),
        digest: format!("digest of {}", value.len()),
    };
    Attributes { key_id: "key-1".into(), given: values.iter().map(given).collect(), unreadable: vec![] }
}

fn person() -> Attributes {
    attributes(&[("given_name", "Nobody"), ("family_name", "Invented"), ("birthdate", "2000-01-01")])
}

/// The same with another first name.
fn edited() -> Attributes {
    attributes(&[("given_name", "Somebody Else"), ("family_name", "Invented"), ("birthdate", "2000-01-01")])
}

/// An SDK token that was asked for at this second.
fn fresh_token(at: i64) -> FreshToken {
    FreshToken { token: crate::onfido::secret::SdkToken::new("fresh-token"), asked_at: t(at) }
}

fn applicant() -> Applicant {
    serde_json::from_value(json!({"id": APPLICANT})).unwrap()
}

/// A run of ours; `more` replaces or adds fields.
fn run(status: &str, more: Value) -> WorkflowRun {
    let mut run = json!({
        "id": "run-1", "workflow_id": WORKFLOW, "applicant_id": APPLICANT, "status": status, "tags": [TAG, "other"],
        "sdk_token": "sdk-token", "created_at": t(0).to_string(), "workflow_version_id": 3,
        "dashboard_url": "https://dashboard.example.test/run-1",
        "output": {"data_comparison": {
            "first_name": {"result": "clear"}, "last_name": {"result": "clear"}, "date_of_birth": {"result": "clear"}}},
    });
    run.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(run).unwrap()
}

fn boxed(status: &str) -> Option<Result<Box<WorkflowRun>, Failure>> {
    Some(Ok(Box::new(run(status, json!({})))))
}

/// What looks found, by tag.
type Looks = BTreeMap<String, Result<Looked, Failure>>;

fn unlooked() -> Looks {
    Looks::new()
}

/// What a look found, for whichever attempt it was.
fn looked(runs: Vec<WorkflowRun>) -> Looks {
    searched(Ok(Looked { applicant_known: true, runs }))
}

fn searched(found: Result<Looked, Failure>) -> Looks {
    let key = crate::key::parse_tag(TAG).unwrap().0;
    (1..20).map(|attempt| (key.tag(attempt), found.clone())).collect()
}

fn notification(digest: &str) -> Option<crate::api::Notification> {
    serde_json::from_value(json!({"digest": digest, "receivedAt": t(0).to_string()})).ok()
}

// ---- The stages of a life, each recorded by the plan itself ------------------------------------------------------------------------

/// An object just created.
fn fresh() -> Observed {
    Observed {
        namespace: "shop".into(),
        generation: 1,
        created_at: t(0),
        asked: None,
        deleting: None,
        finalizer: false,
        spec: serde_json::from_value(json!({
            "providerRef": {"name": "onfido"}, "subject": "user-1", "attributesFrom": [{"secretRef": {"name": "person"}}],
            "consents": [{"name": "privacy_notices_read", "granted": true}],
        }))
        .unwrap(),
        status: IdentityVerificationStatus::default(),
        provider: found(json!({})),
        key: crate::key::parse_tag(TAG).unwrap().0,
        key_held_by: None,
        key_settled: true,
        nonce: "nonce-1".into(),
        jitter: 0.0,
        following: Following::Lost(t(0)),
        memory: Memory::default(),
        facts: Facts::default(),
        timing: Timing::default(),
    }
}

/// The same once its attributes were read.
fn read() -> Observed {
    Observed { facts: Facts { attributes: Some(Ok(person())), ..Facts::default() }, ..fresh() }
}

/// What the next pass observes once this plan is recorded.
fn next(o: &Observed, status: IdentityVerificationStatus) -> Observed {
    let nonce = format!("{}+", o.nonce);
    Observed { status, nonce, facts: Facts::default(), ..o.clone() }
}

/// The intent to create the applicant is recorded at 0 s.
fn applicant_intended() -> Observed {
    let o = read();
    next(&o, step(&o, 0).status)
}

/// The applicant and the intent to start the run are recorded at 0 s.
fn run_intended() -> Observed {
    let mut o = applicant_intended();
    o.facts.applicant = Some(Ok(applicant()));
    next(&o, step(&o, 0).status)
}

/// The run is recorded at 0 s, as the vendor answered.
fn open(status: &str) -> Observed {
    let mut o = run_intended();
    o.facts.started = boxed(status);
    o.facts.capture = Some(Ok("user-1-capture".into()));
    next(&o, step(&o, 0).status)
}

/// The outcome is recorded at 100 s.
fn settled(status: &str) -> Observed {
    let mut o = open("awaiting_input");
    o.facts.run = boxed(status);
    o.facts.attributes = Some(Ok(person()));
    next(&o, step(&o, 100).status)
}

// ---- What holds for every plan ------------------------------------------------------------------------------------------------------

/// Plans, and holds the plan to what no plan may break; what it shows holds no personal data.
fn step(o: &Observed, at: i64) -> VerificationPlan {
    let plan = verification::plan(o, t(at));
    lawful(o, &plan);
    let shown = serde_json::to_string(&plan.status).unwrap() + &format!("{plan:?}");
    for secret in ["Nobody", "Somebody Else", "Invented", "2000-01-01", "sdk-token", "fresh-token", "canary-of-a-link", "app.example.test"]
    {
        assert!(!shown.contains(secret), "{secret} shows");
    }
    plan
}

/// Intent before act, under a new nonce that is stored and fenced; no condition twice or at odds with another.
fn lawful(o: &Observed, plan: &VerificationPlan) {
    let says = |type_: crate::api::ConditionType| crate::api::find_condition(&plan.status.conditions, type_);
    use crate::api::{ConditionStatus as S, ConditionType as C};
    if let Some(effect) = plan.effect.as_ref().filter(|effect| effect.is_unrepeatable()) {
        let (kind, nonce) = match effect {
            Effect::CreateApplicant { nonce, .. } => (OperationKind::CreateApplicant, nonce),
            Effect::UpdateApplicant { nonce, .. } => (OperationKind::UpdateApplicant, nonce),
            Effect::StartRun { nonce, .. } => (OperationKind::StartRun, nonce),
            other => panic!("{other:?} is not unrepeatable"),
        };
        let stored = plan.status.operation.as_ref().expect("an intent is recorded with every unrepeatable call");
        assert_eq!((&stored.nonce, nonce, stored.kind), (&o.nonce, &o.nonce, kind));
        let recorded = o.status.operation.as_ref().map(|operation| operation.nonce.clone());
        assert_ne!(recorded.as_ref(), Some(nonce), "the nonce is new");
        assert_eq!(plan.fence, recorded.map_or(Fence::Version, Fence::Operation));
        assert!(plan.status.workflow_run_id.is_none() && plan.status.basis.is_some());
        assert_eq!(
            kind != OperationKind::CreateApplicant,
            plan.status.applicant_id.is_some(),
            "an operation without an applicant proves no run"
        );
    }
    assert!(plan.status.attributes.iter().all(|attribute| attribute.verified == attribute.reason.is_none()));
    assert!(plan.status.verified_until.is_none() || says(C::Verified).is_some_and(|c| c.status == S::True));
    if plan.status != o.status {
        let count = |name: &str| plan.status.conditions.iter().filter(|c| c.type_ == name).count();
        assert!(plan.status.conditions.iter().all(|c| count(&c.type_) == 1 && c.message.chars().count() <= 1024));
    }
    let truth = |type_| says(type_).map(|c| c.status);
    if truth(C::Verified) == Some(S::True) {
        let stands = plan.status.standing_verdict.is_some();
        assert!(stands != (plan.status.phase == crate::api::Phase::Approved && truth(C::Completed) == Some(S::True)));
    }
    assert!(plan.status.standing_verdict.is_none() || !plan.status.phase.is_final(), "an outcome takes the place of what stood");
    let erased = |id: &String| plan.status.erasure.as_ref().is_some_and(|erasure| erasure.applicant_ids.contains(id));
    let gone = |id: &String| !plan.status.former_applicant_ids.contains(id) && plan.status.applicant_id.as_ref() != Some(id) && !erased(id);
    assert!(
        !o.status.former_applicant_ids.iter().chain(&o.status.applicant_id).any(gone),
        "no applicant is forgotten but one that is erased"
    );
    assert!(!(truth(C::Ready) == Some(S::True) && truth(C::Stalled) == Some(S::True)));
    let given_up = plan.status.phase == crate::api::Phase::Cancelled;
    assert!(!(truth(C::Ready) == Some(S::True) && truth(C::Submitted) != Some(S::True)) || given_up);
    assert!(!(o.spec.cancelled && plan.effect.as_ref().is_some_and(Effect::is_unrepeatable)), "nothing is started any more");
    assert!(!(truth(C::CaptureReady) == Some(S::True) && truth(C::Completed) == Some(S::True)));
    assert_eq!(truth(C::Completed) == Some(S::True), plan.status.phase.is_final());
}

// ---- Rows ----------------------------------------------------------------------------------------------------------------------------

/// One row of a table: a sentence, the situation and the second of the pass; then effect, phase, conditions, operation, fence, wake and
/// notices. Conditions are those that matter, `=` where the status must stay as it is.
struct Row(&'static str, Observed, i64, [&'static str; 7]);

fn check(rows: Vec<Row>) {
    for Row(name, o, at, [effect, phase, says, operation, fence, wake, notices]) in rows {
        let plan = step(&o, at);
        assert_eq!(effect_of(&plan), effect, "effect: {name}");
        assert_eq!(format!("{:?}", plan.status.phase), phase, "phase: {name}");
        if says == "=" {
            assert_eq!(plan.status, o.status, "status: {name}");
        }
        for part in says.split_whitespace().filter(|part| *part != "=") {
            assert!(all_says(&plan.status).contains(&part.to_owned()), "{part} in {:?}: {name}", all_says(&plan.status));
        }
        let shown = plan.status.operation.as_ref().map_or(String::new(), |op| format!("{:?} {} {}", op.kind, op.tries, op.looks));
        assert_eq!(shown, operation, "operation: {name}");
        assert_eq!(fence_of(&plan), fence, "fence: {name}");
        assert_eq!(wake_of(&plan, at), wake, "wake: {name}");
        let told = plan.notices.iter().map(|notice| notice.kind.as_str()).collect::<Vec<_>>();
        assert_eq!(told.join(" "), notices, "notices: {name}");
        if plan.effect.is_none() && plan.status != o.status {
            // Once it is recorded, the same situation writes nothing more and tells nobody twice.
            let again = step(&Observed { status: plan.status.clone(), ..o.clone() }, at + 1);
            if !o.facts.has_called() && o.facts.looked.is_empty() {
                assert_eq!(again.status, plan.status, "a second time: {name}");
                assert!(again.notices.is_empty(), "a second time: {name}");
            }
        }
    }
}

fn effect_of(plan: &VerificationPlan) -> &'static str {
    match &plan.effect {
        None => "",
        Some(Effect::ReadAttributes { .. }) => "ReadAttributes",
        Some(Effect::ReadCustomData) => "ReadCustomData",
        Some(Effect::LookForRun { applicant: None, .. }) => "LookForRun",
        Some(Effect::LookForRun { applicant: Some(_), .. }) => "LookForRun of applicant",
        Some(Effect::CreateApplicant { .. }) => "CreateApplicant",
        Some(Effect::UpdateApplicant { .. }) => "UpdateApplicant",
        Some(Effect::StartRun { .. }) => "StartRun",
        Some(Effect::WriteCaptureSecret { restore: false, .. }) => "WriteCaptureSecret",
        Some(Effect::WriteCaptureSecret { restore: true, keep: false, .. }) => "WriteCaptureSecret again",
        Some(Effect::WriteCaptureSecret { restore: true, keep: true, .. }) => "WriteCaptureSecret if lost",
        Some(Effect::EmptyCaptureSecret) => "EmptyCaptureSecret",
        Some(Effect::RemoveCaptureSecret) => "RemoveCaptureSecret",
        Some(Effect::DeleteObject) => "DeleteObject",
        Some(Effect::CreateSdkToken { .. }) => "CreateSdkToken",
        Some(Effect::ReadRun { .. }) => "ReadRun",
        Some(Effect::HoldDeletion) => "HoldDeletion",
        Some(Effect::ReleaseDeletion { lost }) if lost.is_empty() => "ReleaseDeletion",
        Some(Effect::ReleaseDeletion { .. }) => "ReleaseDeletion of what is lost",
        Some(Effect::EraseApplicant { .. }) => "EraseApplicant",
        Some(Effect::OweErasure { orphan: None, .. }) => "OweErasure",
        Some(Effect::OweErasure { orphan: Some(_), .. }) => "OweErasure of an orphan",
    }
}

fn fence_of(plan: &VerificationPlan) -> String {
    match &plan.fence {
        Fence::Version => "Version".into(),
        Fence::Operation(nonce) => format!("Operation {nonce}"),
        Fence::Fields => "Fields".into(),
    }
}

fn wake_of(plan: &VerificationPlan, at: i64) -> String {
    match plan.wake {
        Wake::OnChange => "OnChange".into(),
        Wake::Backoff => "Backoff".into(),
        Wake::At(moment) => format!("+{}", moment.duration_since(t(at)).as_secs()),
    }
}

/// Every condition as `Type=Status/Reason`.
fn all_says(status: &IdentityVerificationStatus) -> Vec<String> {
    status.conditions.iter().map(|c| format!("{}={:?}/{}", c.type_, c.status, c.reason)).collect()
}
