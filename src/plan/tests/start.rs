//! The rows before a run exists: what is asked for, the two intents, refusals, adoption.

use super::*;
use crate::{api::SecretUse, onfido::model::FieldFault};

fn with(mut o: Observed, change: impl FnOnce(&mut Observed)) -> Observed {
    change(&mut o);
    o
}

/// A request that something stands in the way of: condition, wake and notices.
fn refusal(name: &'static str, o: Observed, says: &'static str, wake: &'static str, notices: &'static str) -> Row {
    Row(name, o, 0, ["", "Pending", says, "", "Fields", wake, notices])
}

fn provided(allowed: bool, ready: Result<(), String>) -> Provider {
    Provider::Found { spec: Box::new(provider_spec(json!({}))), allowed, ready, environment: Environment::Live }
}

fn given(values: &[(&str, &str)]) -> Observed {
    with(read(), |o| o.facts.attributes = Some(Ok(attributes(values))))
}

#[test]
fn a_request_is_checked_before_anything_is_sent() {
    let inline = json!([{"name": "given_name", "value": "Nobody"}]);
    let unmapped = json!([{"name": "shoe_size", "valueFrom": {"secretKeyRef": {"name": "person", "key": "k"}}}]);
    let missing = Failure::SecretNotFound { namespace: "shop".into(), name: "person".into(), key: None, for_use: SecretUse::Attributes };
    let rows = vec![
        refusal(
            "a provider that is not there heals by itself and is nobody's alarm",
            with(fresh(), |o| o.provider = Provider::Missing),
            "Accepted=False/ProviderNotFound Ready=False/ProviderNotFound Stalled=False/Progressing Verified=Unknown/Pending",
            "OnChange",
            "",
        ),
        refusal(
            "a provider that does not allow the namespace is looked at again, since labels give no sign",
            with(fresh(), |o| o.provider = provided(false, Ok(()))),
            "Accepted=False/NamespaceNotAllowed Ready=False/NamespaceNotAllowed",
            "+300",
            "",
        ),
        refusal(
            "a provider that is not ready is waited for",
            with(fresh(), |o| o.provider = provided(true, Err("Unauthorized".into()))),
            "Accepted=False/ProviderNotReady",
            "OnChange",
            "",
        ),
        refusal(
            "an attribute that is not mapped is refused before its value is read",
            with(fresh(), |o| o.spec.attributes = serde_json::from_value(unmapped).unwrap()),
            "Accepted=False/AttributeNotMapped",
            "OnChange",
            "Refused",
        ),
        refusal(
            "a value in the spec is refused where the provider forbids it",
            with(fresh(), |o| o.spec.attributes = serde_json::from_value(inline.clone()).unwrap()),
            "Accepted=False/InlineForbidden",
            "OnChange",
            "Refused",
        ),
        Row(
            "attributes are read before anything else is decided",
            with(fresh(), |o| {
                o.provider = found(json!({"personalData": {"inline": "Allow"}}));
                o.spec.attributes = serde_json::from_value(inline).unwrap();
            }),
            0,
            ["ReadAttributes", "Pending", "=", "", "Fields", "OnChange", ""],
        ),
        refusal(
            "attributes that cannot be read at all are read again",
            with(fresh(), |o| o.facts.attributes = Some(Err(missing.clone()))),
            "Accepted=False/SecretNotFound",
            "Backoff",
            "",
        ),
        refusal(
            "one Secret that is missing is waited for",
            with(read(), |o| o.facts.attributes.as_mut().unwrap().as_mut().unwrap().unreadable = vec![missing]),
            "Accepted=False/SecretNotFound Ready=False/SecretNotFound",
            "Backoff",
            "",
        ),
        refusal(
            "a required attribute must be given",
            given(&[("given_name", "Nobody")]),
            "Accepted=False/AttributeMissing",
            "Backoff",
            "Refused",
        ),
        refusal(
            "a value the vendor would refuse is not sent",
            given(&[("given_name", "Nobody"), ("family_name", "Invented"), ("birthdate", "01.01.2000")]),
            "Accepted=False/AttributeInvalid",
            "Backoff",
            "Refused",
        ),
        Row(
            "a deleted object is left alone",
            with(read(), |o| o.deleting = Some(t(0))),
            0,
            ["", "Pending", "=", "", "Fields", "OnChange", ""],
        ),
        Row(
            "a suspended object says so",
            with(read(), |o| o.spec.suspend = true),
            0,
            ["", "Pending", "Ready=False/Suspended Stalled=False/Progressing", "", "Fields", "OnChange", ""],
        ),
        refusal(
            "a suspended provider is one that is not ready",
            with(read(), |o| o.provider = provided(true, Err("Suspended".into()))),
            "Accepted=False/ProviderNotReady",
            "OnChange",
            "",
        ),
    ];
    check(rows);
    let fault = FieldFault::NotADate;
    assert!(Failure::AttributeInvalid { name: "birthdate".into(), fault }.message().contains("birthdate is not a date"));
}

#[test]
fn each_call_is_intended_then_made_then_recorded() {
    let lost = Looked { applicant_known: false, runs: vec![] };
    check(vec![
        Row(
            "the first intent needs the whole object unchanged",
            read(),
            0,
            [
                "CreateApplicant",
                "Pending",
                "Accepted=True/Resolved Submitted=Unknown/Pending Ready=False/Pending",
                "CreateApplicant 0 0",
                "Version",
                "OnChange",
                "",
            ],
        ),
        Row(
            "an object older than a minute looks for its run first",
            with(read(), |o| o.created_at = t(-60)),
            0,
            ["LookForRun", "Pending", "=", "", "Fields", "OnChange", ""],
        ),
        Row(
            "one that is younger does not",
            with(read(), |o| o.created_at = t(-59)),
            0,
            ["CreateApplicant", "Pending", "", "CreateApplicant 0 0", "Version", "OnChange", ""],
        ),
        Row(
            "a look that finds nothing lets it begin",
            with(read(), |o| (o.created_at, o.facts.looked) = (t(-60), looked(vec![]))),
            0,
            ["CreateApplicant", "Pending", "", "CreateApplicant 0 0", "Version", "OnChange", ""],
        ),
        Row(
            "a look that fails lets nothing begin",
            with(read(), |o| (o.created_at, o.facts.looked) = (t(-60), searched(Err(Failure::Unreachable)))),
            0,
            ["", "Pending", "Submitted=False/Unreachable Ready=False/Unreachable", "", "Fields", "Backoff", ""],
        ),
        Row(
            "the applicant and the intent to start its run are one write",
            with(applicant_intended(), |o| o.facts.applicant = Some(Ok(applicant()))),
            1,
            ["StartRun", "Pending", "Accepted=True/Resolved Ready=False/Pending", "StartRun 0 0", "Operation nonce-1", "OnChange", ""],
        ),
        Row(
            "the token is in the Secret before the run is on record",
            with(run_intended(), |o| o.facts.started = boxed("awaiting_input")),
            1,
            ["WriteCaptureSecret", "Pending", "=", "StartRun 0 0", "Fields", "OnChange", ""],
        ),
        Row(
            "then the run is on record",
            with(run_intended(), |o| {
                o.facts.started = boxed("awaiting_input");
                o.facts.capture = Some(Ok("user-1-capture".into()));
            }),
            1,
            [
                "",
                "AwaitingInput",
                "Submitted=True/Started CaptureReady=True/AwaitingInput Completed=False/AwaitingInput Ready=True/Started Verified=Unknown/Pending",
                "",
                "Operation nonce-1+",
                "+3599",
                "",
            ],
        ),
        Row(
            "a Secret that is somebody else's does not lose the run",
            with(run_intended(), |o| {
                o.facts.started = boxed("awaiting_input");
                o.facts.capture = Some(Err(Failure::SecretConflict { name: "s".into() }));
            }),
            1,
            [
                "",
                "AwaitingInput",
                "Submitted=True/Started CaptureReady=False/SecretConflict Ready=True/Started",
                "",
                "Operation nonce-1+",
                "+-1",
                "Refused",
            ],
        ),
        Row(
            "a run that comes without a token is read at once",
            with(run_intended(), |o| o.facts.started = Some(Ok(Box::new(run("awaiting_input", json!({"sdk_token": null})))))),
            1,
            ["", "AwaitingInput", "CaptureReady=False/UnexpectedAnswer Ready=True/Started", "", "Operation nonce-1+", "+-1", ""],
        ),
        Row(
            "a run that comes back final is believed only once it is read",
            with(run_intended(), |o| o.facts.started = boxed("approved")),
            1,
            ["", "Processing", "Completed=False/Processing Verified=Unknown/Pending", "", "Operation nonce-1+", "+0", ""],
        ),
        Row(
            "a status nobody knows is one the vendor works in",
            with(run_intended(), |o| o.facts.started = boxed("awaiting_robot")),
            1,
            ["", "Processing", "Completed=False/Processing Ready=True/Started", "", "Operation nonce-1+", "+2", ""],
        ),
        Row(
            "an applicant recorded without an operation is looked for in its account before a run is intended",
            with(refused_run(), |o| o.facts.attributes = Some(Ok(person()))),
            5,
            ["LookForRun of applicant", "Pending", "=", "", "Fields", "OnChange", ""],
        ),
        Row(
            "an account that does not know the applicant starts nothing",
            with(refused_run(), |o| (o.facts.attributes, o.facts.looked) = (Some(Ok(person())), searched(Ok(lost)))),
            5,
            ["", "Pending", "Submitted=False/AccountChanged Ready=False/AccountChanged", "", "Fields", "+300", "Refused"],
        ),
        Row(
            "the applicant of a refused run is used again, and sent its data first",
            with(refused_run(), |o| (o.facts.attributes, o.facts.looked) = (Some(Ok(person())), looked(vec![]))),
            5,
            ["UpdateApplicant", "Pending", "Submitted=Unknown/Pending", "UpdateApplicant 0 0", "Version", "OnChange", ""],
        ),
        Row(
            "whether or not it is what the applicant was created with",
            with(refused_run(), |o| (o.facts.attributes, o.facts.looked) = (Some(Ok(edited())), looked(vec![]))),
            5,
            ["UpdateApplicant", "Pending", "Accepted=True/Resolved", "UpdateApplicant 0 0", "Version", "OnChange", ""],
        ),
    ]);
}

/// The vendor refused to start the run: the applicant stays.
fn refused_run() -> Observed {
    let o = with(run_intended(), |o| o.facts.started = Some(Err(Failure::RequestRefused { fields: vec!["workflow_id".into()] })));
    next(&o, step(&o, 2).status)
}

#[test]
fn a_run_is_judged_by_the_mapping_it_was_started_with() {
    let mapping = json!([
        {"name": "given_name", "applicantField": "first_name", "comparisonField": "first_name", "requirement": "Informational"},
        {"name": "family_name", "applicantField": "last_name", "comparisonField": "last_name", "requirement": "Required"},
        {"name": "birthdate", "applicantField": "dob"},
    ]);
    let o = with(refused_run(), |o| {
        o.provider = found(json!({"attributes": mapping, "workflowID": "11111111-0000-4000-8000-000000000000"}));
        (o.facts.attributes, o.facts.looked) = (Some(Ok(person())), looked(vec![]));
    });
    let plan = step(&o, 5);
    assert_eq!(effect_of(&plan), "UpdateApplicant");
    let (before, after) = (o.status.basis.clone().unwrap(), plan.status.basis.unwrap());
    let digests = |basis: &crate::api::Basis| basis.attributes.iter().filter_map(|a| a.digest.clone()).collect::<Vec<_>>();
    assert_eq!((digests(&before), before.key_id), (digests(&after), after.key_id));
    assert!(after.workflow_id.starts_with("11111111"));
    assert_eq!(after.attributes[0].requirement, crate::api::Requirement::Informational);
}

#[test]
fn a_call_without_effect_withdraws_its_intent_and_keeps_what_exists() {
    let row = |name, failure, says, wake, notices| {
        let o = with(run_intended(), |o| o.facts.started = Some(Err(failure)));
        Row(name, o, 2, ["", "Pending", says, "", "Operation nonce-1+", wake, notices])
    };
    let refused = Failure::RequestRefused { fields: vec!["workflow_id".into()] };
    let applicant_refused = with(applicant_intended(), |o| o.facts.applicant = Some(Err(refused.clone())));
    check(vec![
        row("a refusal names the fields", refused, "Submitted=False/RequestRefused Ready=False/RequestRefused", "+300", "Refused"),
        row("a call that was too late was not sent", Failure::TooLate, "Submitted=False/Unreachable", "Backoff", ""),
        row("a refused token", Failure::Unauthorized, "Submitted=False/Unauthorized", "Backoff", ""),
        row("a limit says when", Failure::RateLimited { after: Some(secs(7)) }, "Submitted=False/RateLimited", "+7", ""),
        row("a limit that does not say when", Failure::RateLimited { after: None }, "Submitted=False/RateLimited", "Backoff", ""),
        Row(
            "an applicant that is refused",
            applicant_refused,
            2,
            ["", "Pending", "Submitted=False/RequestRefused", "", "Operation nonce-1", "+300", "Refused"],
        ),
    ]);
    let o = refused_run();
    assert_eq!(o.status.applicant_id.as_deref(), Some(APPLICANT));
    assert!(o.status.conditions.iter().any(|c| c.message.contains("workflow_id")));
}

#[test]
fn what_is_sent_is_what_was_asked_for() {
    let plan = step(&read(), 0);
    let Some(Effect::CreateApplicant { applicant: sent, .. }) = &plan.effect else { panic!("{:?}", plan.effect) };
    assert_eq!(
        serde_json::to_value(sent).unwrap(),
        json!({"first_name": "Nobody", "last_name": "Invented", "dob": "2000-01-01",
            "consents": [{"name": "privacy_notices_read", "granted": true}]})
    );
    let basis = plan.status.basis.unwrap();
    assert_eq!((basis.workflow_id.as_str(), basis.key_id.as_str()), (WORKFLOW, "key-1"));
    assert_eq!(basis.attributes.iter().filter(|a| a.digest.is_some()).count(), 3);
    let o = with(applicant_intended(), |o| o.facts.applicant = Some(Ok(super::applicant())));
    let Some(Effect::StartRun { run, .. }) = step(&o, 1).effect else { panic!() };
    assert_eq!((run.tags, run.customer_user_id.as_str(), run.workflow_id.as_str()), (vec![TAG.to_owned()], "user-1", WORKFLOW));
}

#[test]
fn a_nonce_that_is_on_record_is_never_acted_on() {
    for mut o in [applicant_intended(), run_intended()] {
        o.nonce = o.status.operation.as_ref().unwrap().nonce.clone();
        o.facts.applicant = Some(Ok(applicant()));
        o.facts.attributes = Some(Ok(person()));
        o.memory.operation_known_for = secs(1_000_000);
        let plan = step(&o, 1_000_000);
        assert!(plan.effect.is_none_or(|effect| !effect.is_unrepeatable()));
    }
}

#[test]
fn the_vendors_answer_tells_the_environment() {
    for (sandbox, environment) in [(json!(true), "Sandbox"), (json!(false), "Live"), (json!(null), "Sandbox")] {
        let mut o = fresh();
        o.facts.attributes = Some(Ok(person()));
        o.status = verification::plan(&o, t(0)).status;
        o.facts.applicant = Some(Ok(serde_json::from_value(json!({"id": APPLICANT, "sandbox": sandbox})).unwrap()));
        o.nonce = "nonce-2".into();
        let status = verification::plan(&o, t(1)).status;
        assert_eq!(status.environment.map(|e| format!("{e:?}")).as_deref(), Some(environment));
    }
}
