//! No type that holds a secret or personal data shows it by `{:?}`.

use std::sync::Arc;

use kube::core::Status;
use onfido_operator::{
    api::{Environment, IdentityVerification},
    controller::Trouble,
    onfido::{
        client::{Client, Endpoint, Timeouts, Transport},
        limiter::Limiter,
        model::{ApplicantField, ApplicantId, CustomData, NewApplicant, NewLink, NewWorkflowRun, WorkflowId, WorkflowRun},
        secret::{ApiToken, LinkUrl, Personal, SdkToken, WebhookToken},
    },
    plan::{Attributes, Effect, Facts, FreshToken, Given, Holds, Looked, Memory, Observed, Provider, Receipt, Timing},
};
use serde_json::json;

use super::needles::{Needle, none_in};

const CANARY: &str = "Canary-Bird";

#[test]
fn nothing_that_holds_them_prints_them() {
    onfido_operator::dev::install_crypto();
    let token = ApiToken::from_secret_bytes(format!("api_live.{CANARY}").as_bytes()).unwrap();
    let webhook = WebhookToken::from_secret_bytes(format!("{CANARY}-{CANARY}").as_bytes()).unwrap();
    let limiter = Arc::new(Limiter::new(60.try_into().unwrap()));
    let transport = Transport::new(Timeouts::default()).unwrap();
    let client = Client::new(transport, Endpoint::parse("http://127.0.0.1:1").unwrap(), &token, limiter);
    let mut applicant = NewApplicant::default();
    applicant.set(ApplicantField::FirstName, Personal::new(CANARY));
    let run: WorkflowRun = serde_json::from_value(json!({
        "id": "r", "workflow_id": "5c1d9b0e-6f0e-4c52-9d3f-0f5f0a3c9b11", "applicant_id": "a", "status": CANARY, "sdk_token": CANARY,
        "output": { "name": CANARY }, "reasons": [CANARY], "error": { "type": CANARY, "message": CANARY }, "dashboard_url": CANARY,
        "link": { "url": format!("https://{CANARY}.example.test/") }, "tags": [CANARY], "customer_user_id": CANARY,
    }))
    .unwrap();
    let object: IdentityVerification = serde_json::from_value(json!({
        "apiVersion": "onfido-operator.dev/v1alpha1", "kind": "IdentityVerification", "metadata": { "name": "person" },
        "spec": { "providerRef": { "name": "onfido" }, "subject": "s", "attributes": [{ "name": "given_name", "value": CANARY }],
            "customData": { "nickname": CANARY },
            "capture": { "mode": "Link", "link": { "completedRedirectURL": format!("https://{CANARY}.example.test/") } } },
    }))
    .unwrap();
    let given = Given { name: "given_name".into(), value: Personal::new(CANARY), digest: "d".into() };
    let attributes = Attributes { key_id: "k".into(), given: vec![given], unreadable: vec![] };
    let mut custom_data = CustomData::default();
    custom_data.set("nickname", CANARY);
    let new_link = NewLink { completed_redirect_url: Some(CANARY.into()), expired_redirect_url: Some(CANARY.into()), ..NewLink::default() };
    let new_run = NewWorkflowRun {
        workflow_id: WorkflowId::parse("w").unwrap(),
        applicant_id: ApplicantId::parse("a").unwrap(),
        tags: vec![],
        customer_user_id: "s".into(),
        link: Some(new_link.clone()),
        custom_data: custom_data.clone(),
    };
    let facts = Facts {
        custom_data: Some(Ok(custom_data.clone())),
        attributes: Some(Ok(attributes.clone())),
        looked: [("tag".into(), Ok(Looked { applicant_known: true, runs: vec![run.clone()] }))].into(),
        started: Some(Ok(Box::new(run.clone()))),
        run: Some(Ok(Box::new(run.clone()))),
        ..Facts::default()
    };
    let observed = Observed {
        asked: None,
        namespace: "shop".into(),
        generation: 1,
        created_at: jiff::Timestamp::UNIX_EPOCH,
        deleting: None,
        finalizer: false,
        spec: object.spec.clone(),
        status: Default::default(),
        provider: Provider::Missing,
        key: onfido_operator::key::Key::of_uid("u"),
        key_held_by: None,
        key_settled: true,
        nonce: "n".into(),
        jitter: 0.0,
        memory: Memory::default(),
        facts,
        timing: Timing::default(),
    };
    let refused = || kube::Error::Api(Status { code: 403, ..Status::failure(&format!("denied: {CANARY}"), "Forbidden") }.boxed());
    let sdk_token = SdkToken::new(CANARY);
    let write = Effect::WriteCaptureSecret { run: run.id.clone(), holds: Holds::SdkToken(sdk_token.clone()), restore: false, keep: false };
    let link = LinkUrl::parse(&format!("https://{CANARY}.example.test/")).unwrap();
    let write_link = Effect::WriteCaptureSecret { run: run.id.clone(), holds: Holds::Link(link.clone()), restore: false, keep: false };
    assert!(run.link.is_some(), "the link is read");
    let fresh = Receipt::SdkTokenCreated(FreshToken { token: sdk_token.clone(), asked_at: jiff::Timestamp::UNIX_EPOCH });
    let shown = [
        format!("{link:?} {write_link:?} {fresh:?} {new_link:?}"),
        format!("{token:?} {webhook:?} {sdk_token:?} {:?} {:?}", Personal::new(CANARY), token.environment()),
        format!("{client:?}"),
        format!("{applicant:?} {:?}", Effect::CreateApplicant { nonce: "n".into(), applicant: applicant.clone() }),
        format!("{run:?} {:?} {write:?}", Receipt::RunRead(Box::new(run.clone()))),
        format!("{:?} {:?}", object.spec, object),
        format!("{attributes:?} {:?}", Receipt::Attributes(attributes.clone())),
        format!("{observed:?}"),
        format!("{custom_data:?} {new_run:?} {:?}", Effect::StartRun { nonce: "n".into(), run: new_run.clone() }),
        format!("{:?} {:?}", Receipt::CustomData(custom_data.clone()), object.spec.custom_data.as_ref().unwrap().0),
        format!("{0:?} {0}", Trouble::kube("write the status")(refused())),
        format!("{:?}", Environment::Live),
    ];
    let needle = Needle::new("a canary", CANARY);
    for (number, text) in shown.iter().enumerate() {
        none_in(std::slice::from_ref(&needle), &format!("text {number}"), text);
        none_in(std::slice::from_ref(&needle), &format!("text {number}, of bytes"), &text.replace(['[', ']'], ""));
    }
    // The very thing that is shown nowhere was there to be shown.
    assert!(serde_json::to_string(&applicant).unwrap().contains(CANARY));
    assert!(serde_json::to_string(&new_run).unwrap().contains(CANARY));
    assert!(needle.is_in(&format!("{:?}", refused())));
}
