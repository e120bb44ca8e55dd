//! Whom a changed Secret concerns, and what is done about it.

use super::super::secrets::{Concern, concern, concerns_provider};
use super::*;
use crate::api::{IdentityVerification, Phase};

fn with(mut o: Observed, change: impl FnOnce(&mut Observed)) -> Observed {
    change(&mut o);
    o
}

/// An object that refers to four Secrets and was handed a fifth.
fn object(status: &str, more: Value) -> IdentityVerification {
    let o = if ["approved", "declined"].contains(&status) { settled(status) } else { open(status) };
    let mut object: IdentityVerification = serde_json::from_value(json!({
        "apiVersion": "onfido-operator.dev/v1alpha1", "kind": "IdentityVerification", "metadata": { "name": "v", "namespace": "shop" },
        "spec": {
            "providerRef": { "name": "onfido" }, "subject": "user-1",
            "attributesFrom": [{ "secretRef": { "name": "whole" } }],
            "attributes": [{ "name": "given_name", "valueFrom": { "secretKeyRef": { "name": "one-key", "key": "k" } } }],
            "customDataFrom": [{ "secretRef": { "name": "custom" } }],
        },
    }))
    .unwrap();
    let mut status = serde_json::to_value(&o.status).unwrap();
    status.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    object.status = Some(serde_json::from_value(status).unwrap());
    object
}

fn capture() -> Value {
    json!({ "capture": { "secretRef": { "name": "handed" }, "kind": "RunToken", "generation": 0 } })
}

fn held_up(reason: &str) -> IdentityVerification {
    let mut object = object("awaiting_input", json!({}));
    let condition = json!([{
        "type": "Accepted", "status": "False", "reason": reason, "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z",
    }]);
    let status = object.status.as_mut().unwrap();
    (status.phase, status.workflow_run_id, status.conditions) = (Phase::Pending, None, serde_json::from_value(condition).unwrap());
    object
}

#[test]
fn a_changed_secret_concerns_those_who_can_do_something_about_it() {
    let deleting = {
        let mut object = object("awaiting_input", capture());
        object.metadata.deletion_timestamp = serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
        object
    };
    let standing = json!({ "standingVerdict": {
        "attempt": 1, "workflowRunID": "run-0", "applicantID": APPLICANT, "basis": settled("approved").status.basis, "environment": "Sandbox",
    } });
    let (approved, gone) = (object("approved", json!({})), true);
    for (what, object, name, is_gone, expected) in [
        ("a verdict rests on it", approved.clone(), "whole", false, Some(Concern::Values)),
        ("on one key of it", approved.clone(), "one-key", false, Some(Concern::Values)),
        ("not on custom data", approved.clone(), "custom", false, None),
        ("nor on others", approved.clone(), "other", false, None),
        ("one that is gone takes nothing back", approved.clone(), "whole", gone, None),
        ("nor does a refusal change", object("declined", json!({})), "whole", false, None),
        ("what is redacted is not compared", object("approved", json!({ "redactedAt": "2026-01-01T00:00:00Z" })), "whole", false, None),
        (
            "while a run is open its values wait for the outcome",
            object("awaiting_input", capture()),
            "whole",
            false,
            Some(Concern::Outcome),
        ),
        ("but for the verdict that stands meanwhile", object("processing", standing), "whole", false, Some(Concern::Values)),
        ("the token is changed", object("awaiting_input", capture()), "handed", false, Some(Concern::Capture)),
        ("or gone", object("awaiting_input", capture()), "handed", gone, Some(Concern::Capture)),
        ("after the camera nobody needs it", object("processing", capture()), "handed", gone, None),
        ("nor when the object goes", deleting, "handed", gone, None),
        ("it was missing", held_up("SecretNotFound"), "whole", false, Some(Concern::Obstacle)),
        ("or lacked a value", held_up("AttributeMissing"), "one-key", false, Some(Concern::Obstacle)),
        ("or held nonsense", held_up("CustomDataInvalid"), "custom", false, Some(Concern::Obstacle)),
        ("it is missing still", held_up("SecretNotFound"), "whole", gone, None),
        ("something else is wrong", held_up("ProviderNotReady"), "whole", false, None),
    ] {
        assert_eq!(concern(&object, name, is_gone), expected, "{what}");
    }
    let mut unseen = approved;
    unseen.status = None;
    assert_eq!(concern(&unseen, "whole", false), None, "it begins by itself");
}

#[test]
fn a_provider_has_its_tokens_from_the_secrets_it_names() {
    let spec = provider_spec(json!({ "webhook": { "management": "Manual", "tokenSecretRefs": [{ "name": "w", "key": "k" }] } }));
    assert_eq!(["n", "w", "other"].map(|name| concerns_provider(&spec, name)), [true, true, false]);
}

#[test]
fn changed_values_are_judged_by_the_outcome_on_record_and_the_vendor_is_not_asked() {
    let changed = |status: &str| with(settled(status), |o| o.memory.values_changed = true);
    let read = |values| with(changed("approved"), |o| o.facts.attributes = Some(Ok(values)));
    let taken_back = next(&read(edited()), step(&read(edited()), 200).status);
    let nothing = ["", "Approved", "=", "", "Fields", "OnChange", ""];
    let revoked = ["", "Approved", "Verified=False/AttributeChanged", "", "Fields", "OnChange", "Revoked"];
    let forbidden = Failure::SecretForbidden { namespace: "shop".into(), name: "person".into() };
    let put_back = with(taken_back, |o| (o.memory.values_changed, o.facts.attributes) = (true, Some(Ok(person()))));
    let ended =
        with(changed("approved"), |o| o.status.conditions.iter_mut().find(|c| c.type_ == "Verified").unwrap().reason = "Expired".into());
    check(vec![
        Row("they are read", changed("approved"), 200, ["ReadAttributes", "Approved", "=", "", "Fields", "OnChange", ""]),
        Row("and are the same", read(person()), 200, nothing),
        Row("or others", read(edited()), 200, revoked),
        Row("and are put back", put_back, 200, ["", "Approved", "Verified=True/Verified", "", "Fields", "OnChange", ""]),
        Row("suspended, as an edit is", with(read(edited()), |o| o.spec.suspend = true), 200, revoked),
        Row(
            "they may not be read: tried again, as after an edit",
            with(changed("approved"), |o| o.facts.attributes = Some(Err(forbidden.clone()))),
            200,
            ["", "Approved", "=", "", "Fields", "+300", ""],
        ),
        Row("of a verdict that has ended nothing is read", ended, 200, nothing),
        Row("nor of a refusal", changed("declined"), 200, ["", "Declined", "=", "", "Fields", "OnChange", ""]),
        Row(
            "a vendor that the feed asks for in vain does not hide it",
            with(read(edited()), |o| (o.memory.look_wanted, o.facts.run) = (Some(Wanted::Feed), Some(Err(Failure::Unreachable)))),
            200,
            ["", "Approved", "Verified=False/AttributeChanged", "", "Fields", "Backoff", "Revoked"],
        ),
    ]);
    let unread = with(changed("approved"), |o| o.facts.attributes = Some(Err(forbidden)));
    assert_eq!([changed("approved"), read(person()), unread].map(|o| o.still_changed()), [false, false, true]);
}

#[test]
fn a_capture_secret_that_somebody_changed_is_looked_after_while_the_person_is_waited_for() {
    let asked = |o: Observed| with(o, |o| o.memory.look_wanted = Some(Wanted::Capture));
    check(vec![
        Row("at once", asked(open("awaiting_input")), 1, ["ReadRun", "AwaitingInput", "=", "", "Fields", "OnChange", ""]),
        Row("not of what has ended", asked(settled("approved")), 200, ["", "Approved", "=", "", "Fields", "OnChange", ""]),
    ]);
    let failed = with(asked(open("awaiting_input")), |o| o.facts.run = Some(Err(Failure::Unreachable)));
    let looked = with(asked(open("awaiting_input")), |o| o.facts.run = boxed("awaiting_input"));
    let still = [failed, looked, asked(settled("approved"))].map(|o| o.still_wanted());
    assert_eq!(still, [Some(Wanted::Capture), None, None]);
}
