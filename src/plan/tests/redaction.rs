//! The rows of retention: the person is erased and the decision kept, later the object goes.

use super::attempt::*;
use super::*;
use crate::{
    api::{ConditionType, Erasure, PastAttempt, Phase, find_condition},
    onfido::model::ApplicantId,
};

fn kept(o: Observed, retention: Value) -> Observed {
    with(o, |o| o.spec.retention = serde_json::from_value(retention).unwrap())
}

/// Settled at 100 s; its redaction is due at 200 s.
fn due(status: &str) -> Observed {
    kept(settled(status), json!({"redactAfter": "100s"}))
}

fn id(id: &str) -> ApplicantId {
    ApplicantId::parse(id.to_owned()).unwrap()
}

/// The vendor's answer to the request to erase the applicant.
fn answered(o: Observed, answer: Result<(), Failure>) -> Observed {
    with(o, |o| o.facts.erased = Some((id(APPLICANT), answer)))
}

fn erased(o: Observed) -> Observed {
    answered(o, Ok(()))
}

fn removed(o: Observed) -> Observed {
    with(erased(o), |o| o.facts.removed = Some(Ok(())))
}

/// Redacted at 200 s.
fn redacted(o: Observed) -> Observed {
    let o = removed(o);
    next(&o, step(&o, 200).status)
}

fn verified(o: &Observed) -> String {
    let condition = find_condition(&o.status.conditions, ConditionType::Verified).unwrap();
    format!("{:?}/{}", condition.status, condition.reason)
}

fn message(o: &Observed) -> String {
    find_condition(&o.status.conditions, ConditionType::Redacted).unwrap().message.clone()
}

#[test]
fn the_person_is_erased_and_the_decision_stays() {
    let says = "Redacted=True/Redacted Verified=True/Verified Completed=True/OutcomeReported Ready=True/Started";
    let cancelled = with(fresh(), |o| o.spec.cancelled = true);
    let cancelled = kept(next(&cancelled, step(&cancelled, 100).status), json!({"redactAfter": "100s"}));
    check(vec![
        Row("not before its time", due("approved"), 199, ["", "Approved", "=", "", "Fields", "+1", ""]),
        Row("at it the vendor is asked", due("approved"), 200, ["EraseApplicant", "Approved", "=", "", "Fields", "OnChange", ""]),
        Row("then the Secret goes", erased(due("approved")), 200, ["RemoveCaptureSecret", "Approved", "=", "", "Fields", "OnChange", ""]),
        Row("then the status, in one write", removed(due("approved")), 200, ["", "Approved", says, "", "Fields", "OnChange", ""]),
        Row("and nothing more", redacted(due("approved")), 900_000, ["", "Approved", "=", "", "Fields", "OnChange", ""]),
        Row("a refusal too", erased(due("declined")), 200, ["RemoveCaptureSecret", "Declined", "=", "", "Fields", "OnChange", ""]),
        Row(
            "what was given up before a run has its Secret removed",
            cancelled.clone(),
            200,
            ["RemoveCaptureSecret", "Cancelled", "=", "", "Fields", "OnChange", ""],
        ),
        Row(
            "there was nothing to erase",
            with(cancelled, |o| o.facts.removed = Some(Ok(()))),
            200,
            ["", "Cancelled", "Redacted=True/Redacted Verified=False/Cancelled Ready=True/Cancelled", "", "Fields", "OnChange", ""],
        ),
        Row(
            "an open run is none that is over",
            kept(open("processing"), json!({"redactAfter": "1s"})),
            2,
            ["", "Processing", "=", "", "Fields", "+1", ""],
        ),
    ]);
}

#[test]
fn nothing_of_the_person_is_left_in_the_status() {
    let before = due("approved");
    assert!(
        before.status.dashboard_url.is_some()
            && before.status.capture.is_some()
            && !before.status.basis.as_ref().unwrap().consents.is_empty()
    );
    let o = redacted(with(before.clone(), |o| o.status.reasons = vec!["a_word".into()]));
    let shown = serde_json::to_string(&o.status).unwrap();
    for gone in ["digest of", "key-1", "dashboard", "user-1-capture", "privacy_notices_read", "a_word", "vendorStatus"] {
        assert!(!shown.contains(gone), "{gone} in {shown}");
    }
    let status = &o.status;
    assert_eq!(
        (status.phase, &status.completed_at, &status.workflow_run_id),
        (Phase::Approved, &before.status.completed_at, &before.status.workflow_run_id)
    );
    assert_eq!(
        (&status.attributes, &status.applicant_id, status.last_verified_attempt),
        (&before.status.attributes, &before.status.applicant_id, Some(1))
    );
    let erasure = status.erasure.as_ref().unwrap();
    assert_eq!(
        (erasure.requested_at.0, &erasure.applicant_ids[..], status.redacted_at.as_ref().unwrap().0),
        (t(200), &[APPLICANT.to_owned()][..], t(200))
    );
    let asked = t(200).to_string();
    assert!(message(&o).contains(&asked) && message(&o).contains("schedules it"), "{}", message(&o));
}

#[test]
fn every_applicant_is_erased_and_each_once() {
    let o = with(due("approved"), |o| o.status.former_applicant_ids = vec!["applicant-0".into(), "applicant-9".into()]);
    let mut o = with(o, |o| {
        o.status.erasure = serde_json::from_value(json!({"requestedAt": t(50).to_string(), "applicantIDs": ["applicant-9"]})).ok()
    });
    let mut asked = vec![];
    while let Some(Effect::EraseApplicant { id, .. }) = step(&o, 200).effect {
        let plan = step(&o, 200);
        o.status = plan.status;
        o.facts.erased = Some((id.clone(), Ok(())));
        asked.push(id.as_str().to_owned());
        assert!(asked.len() < 4);
    }
    assert_eq!(asked, [APPLICANT, "applicant-0"]);
    let o = with(o, |o| o.facts.removed = Some(Ok(())));
    let Erasure { applicant_ids, .. } = step(&o, 200).status.erasure.unwrap();
    assert_eq!(applicant_ids, ["applicant-9", APPLICANT, "applicant-0"]);
}

#[test]
fn what_stands_in_the_way_is_said_and_tried_again() {
    let row = |name, o, at, says: &'static str, wake| Row(name, o, at, ["", "Approved", says, "", "Fields", wake, ""]);
    let missing = || Failure::ProviderNotFound { namespace: "shop".into(), name: "onfido".into() };
    let owed = |o: Observed| with(o, |o| o.facts.owed = vec![id(APPLICANT)]);
    check(vec![
        row(
            "a vendor that is dead",
            answered(due("approved"), Err(Failure::Unreachable)),
            202,
            "Redacted=False/Unreachable Verified=True/Verified Ready=True/Started",
            "+1",
        ),
        row(
            "a run in progress is never owed",
            answered(due("approved"), Err(Failure::RunInProgress)),
            900_000,
            "Redacted=False/RunInProgress",
            "+3600",
        ),
        row("suspended", with(due("approved"), |o| o.spec.suspend = true), 200, "Redacted=False/Suspended", "+600"),
        row(
            "a Secret that may not be deleted",
            with(erased(due("approved")), |o| o.facts.removed = Some(Err(Failure::SecretRefused { name: "s".into() }))),
            200,
            "Redacted=False/SecretRefused",
            "+300",
        ),
        Row(
            "after a while it is owed",
            answered(due("approved"), Err(missing())),
            800,
            ["OweErasure", "Approved", "=", "", "Fields", "OnChange", ""],
        ),
        Row(
            "and the rest goes on",
            owed(answered(due("approved"), Err(missing()))),
            800,
            ["RemoveCaptureSecret", "Approved", "=", "", "Fields", "OnChange", ""],
        ),
        Row(
            "which an Event says",
            with(owed(answered(due("approved"), Err(missing()))), |o| o.facts.removed = Some(Ok(()))),
            800,
            ["", "Approved", "Redacted=True/Redacted", "", "Fields", "OnChange", "ErasureOwed"],
        ),
        row(
            "what nobody keeps is not forgotten",
            with(answered(due("approved"), Err(missing())), |o| o.facts.ledger = Some(Failure::LedgerRefused)),
            900_000,
            "Redacted=False/LedgerRefused",
            "Backoff",
        ),
    ]);
    // An edit that takes it back takes back what was said.
    let o = answered(due("approved"), Err(Failure::Unreachable));
    let o = next(&o, step(&o, 202).status);
    for retention in [json!({"redactAfter": "1h"}), Value::Null] {
        let later = kept(with(o.clone(), |o| (o.generation, o.facts.attributes) = (2, Some(Ok(person())))), retention);
        assert!(find_condition(&step(&later, 203).status.conditions, ConditionType::Redacted).is_none());
    }
}

#[test]
fn a_run_that_was_given_up_and_goes_on_is_waited_for() {
    let past = |phase| PastAttempt {
        number: 1,
        workflow_run_id: None,
        phase,
        reason: "VendorAmbiguous".into(),
        started_at: None,
        completed_at: None,
    };
    let o = with(due("approved"), |o| (o.status.attempts, o.status.attempt) = (vec![past(Phase::Pending)], Some(2)));
    let o = with(o, |o| o.spec.attempt = 2);
    let found = |status: &str| with(o.clone(), |o| o.facts.looked = looked(vec![run(status, json!({}))]));
    let row = |name, o, says, wake| Row(name, o, 200, ["", "Approved", says, "", "Fields", wake, ""]);
    let next = |name, o, effect| Row(name, o, 200, [effect, "Approved", "=", "", "Fields", "OnChange", ""]);
    check(vec![
        next("it is looked for", o.clone(), "LookForRun"),
        row("it is in review", found("review"), "Redacted=False/RunInProgress", "+3600"),
        row("it waits for the person", found("awaiting_input"), "Redacted=False/RunInProgress", "+3600"),
        next("it has ended", found("declined"), "EraseApplicant"),
        next("it never was", with(o.clone(), |o| o.facts.looked = looked(vec![])), "EraseApplicant"),
        row(
            "nobody can tell",
            with(o.clone(), |o| o.facts.looked = searched(Err(Failure::Unreachable))),
            "Redacted=False/Unreachable",
            "Backoff",
        ),
        row("suspended, nobody is asked", with(o.clone(), |o| o.spec.suspend = true), "Redacted=False/Suspended", "OnChange"),
        next(
            "one that had ended is not looked for",
            with(o.clone(), |o| o.status.attempts = vec![past(Phase::Declined)]),
            "EraseApplicant",
        ),
    ]);
    let Some(Effect::LookForRun { tag, .. }) = step(&o, 200).effect else { panic!() };
    assert_eq!(tag, TAG);
}

#[test]
fn whatever_else_is_to_be_done_goes_first() {
    let edit = |o: Observed, values| with(o, |o| (o.generation, o.facts.attributes) = (2, Some(Ok(values))));
    check(vec![
        Row(
            "an edit is judged",
            edit(due("approved"), edited()),
            200,
            ["", "Approved", "Verified=False/AttributeChanged", "", "Fields", "+0", "Revoked"],
        ),
        Row(
            "a delivery is heard",
            with(due("approved"), |o| (o.status.notification, o.facts.attributes) = (notification("d1"), Some(Ok(person())))),
            200,
            ["ReadRun", "Approved", "=", "", "Fields", "OnChange", ""],
        ),
        Row(
            "but trouble with the vendor does not hold it up for ever",
            with(due("approved"), |o| {
                (o.status.notification, o.facts.attributes) = (notification("d1"), Some(Ok(person())));
                o.facts.run = Some(Err(Failure::Unreachable));
            }),
            200,
            ["EraseApplicant", "Approved", "=", "", "Fields", "OnChange", ""],
        ),
        Row(
            "another attempt begins",
            begins(due("declined"), person()),
            200,
            ["UpdateApplicant", "Pending", "", "UpdateApplicant 0 0", "Version", "OnChange", ""],
        ),
    ]);
    // One that may not begin holds nothing up: it starts with an applicant of its own some day.
    let held_up = by(with(begins(due("declined"), person()), |o| o.facts.looked = unlooked()), json!({"max": 1}));
    let said = next(&held_up, step(&held_up, 200).status);
    let said = with(said, |o| o.facts.attributes = Some(Ok(person())));
    assert_eq!(effect_of(&step(&said, 201)), "EraseApplicant");
}

#[test]
fn of_one_that_is_redacted_nothing_is_judged_again() {
    let o = redacted(due("approved"));
    let edit = with(o.clone(), |o| o.generation = 2);
    let says = "Redacted=True/Redacted Verified=True/Verified";
    check(vec![
        Row("an edit is acknowledged without a value read", edit.clone(), 300, ["", "Approved", says, "", "Fields", "OnChange", ""]),
        Row(
            "also where values were read",
            with(edit, |o| o.facts.attributes = Some(Ok(edited()))),
            300,
            ["", "Approved", says, "", "Fields", "OnChange", ""],
        ),
    ]);
    let acknowledged = step(&with(o.clone(), |o| o.generation = 2), 300).status;
    assert!(acknowledged.conditions.iter().all(|condition| condition.observed_generation == Some(2)), "nobody waits in vain");
    let rung = with(o.clone(), |o| o.status.notification = notification("d1"));
    let plan = step(&rung, 300);
    assert_eq!((effect_of(&plan), &plan.status.answered_notifications[..]), ("", &["d1".to_owned()][..]), "answered without a look");
    // It ends all the same.
    let ends = with(o, |o| o.status.verified_until = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(t(400))));
    assert_eq!(step(&ends, 300).wake, Wake::At(t(400)));
    let ended = next(&ends, step(&ends, 400).status);
    assert_eq!(verified(&ended), "False/Expired");
    assert!(ended.status.redacted_at.is_some());
}

#[test]
fn an_attempt_after_it_begins_with_a_new_applicant() {
    let o = begins(redacted(due("declined")), person());
    check(vec![Row(
        "the old one is gone",
        o.clone(),
        300,
        ["CreateApplicant", "Pending", "Verified=False/Declined Accepted=True/Resolved", "CreateApplicant 0 0", "Version", "OnChange", ""],
    )]);
    let looks = with(o.clone(), |o| o.facts.looked = unlooked());
    assert_eq!(effect_of(&step(&looks, 300)), "LookForRun", "for a run nobody remembers, of whichever applicant");
    let mut begun = next(&o, step(&o, 300).status);
    let status = &begun.status;
    assert!(find_condition(&status.conditions, ConditionType::Redacted).is_none() && status.redacted_at.is_none());
    assert!(status.applicant_id.is_none() && status.former_applicant_ids.is_empty(), "and not erased again");
    assert_eq!(status.erasure.as_ref().unwrap().applicant_ids, [APPLICANT]);
    // It is redacted like the first.
    begun.facts.applicant = Some(Ok(serde_json::from_value(json!({"id": "applicant-2"})).unwrap()));
    let mut o = next(&begun, step(&begun, 301).status);
    let run_2 = |status: &str| Some(Ok(Box::new(run_2(status, json!({"applicant_id": "applicant-2"})))));
    (o.facts.started, o.facts.capture) = (run_2("awaiting_input"), Some(Ok("user-1-capture".into())));
    let mut o = next(&o, step(&o, 310).status);
    (o.facts.run, o.facts.attributes) = (run_2("approved"), Some(Ok(person())));
    let o = next(&o, step(&o, 400).status);
    assert_eq!(verified(&o), "True/Verified");
    let Some(Effect::EraseApplicant { id, .. }) = step(&o, 500).effect else { panic!() };
    assert_eq!(id.as_str(), "applicant-2");
}

#[test]
fn a_redacted_verdict_stands_while_the_next_attempt_is_under_way() {
    let o = by(begins(redacted(due("approved")), person()), json!({"retryOn": ["Verified"]}));
    let begun = next(&o, step(&o, 300).status);
    assert_eq!((verified(&begun).as_str(), begun.status.standing_verdict.is_some()), ("True/Verified", true));
    let edit = with(begun.clone(), |o| (o.generation, o.facts.attributes) = (9, Some(Ok(edited()))));
    assert_eq!(verified(&next(&edit, step(&edit, 301).status)), "True/Verified", "there is nothing to compare with");
    let rung = with(begun, |o| o.status.notification = notification("d1"));
    assert_ne!(effect_of(&step(&rung, 301)), "ReadRun", "its run is erased");
}

#[test]
fn the_object_goes_at_its_time() {
    let o = |retention| kept(settled("approved"), retention);
    let both = json!({"redactAfter": "100s", "deleteAfter": "200s"});
    let plain = |name, o, at, effect, wake| Row(name, o, at, [effect, "Approved", "=", "", "Fields", wake, ""]);
    check(vec![
        plain("not before", o(json!({"deleteAfter": "200s"})), 299, "", "+1"),
        plain("then", o(json!({"deleteAfter": "200s"})), 300, "DeleteObject", "OnChange"),
        plain("once", with(o(json!({"deleteAfter": "200s"})), |o| o.facts.deleted = true), 300, "", "OnChange"),
        plain("both due: the person is erased first", o(both.clone()), 300, "EraseApplicant", "OnChange"),
        plain("redacted, it waits", redacted(o(both.clone())), 250, "", "+50"),
        plain("then it goes", redacted(o(both)), 300, "DeleteObject", "OnChange"),
        plain("an edit that makes it later counts from the outcome", o(json!({"deleteAfter": "1h"})), 300, "", "OnChange"),
    ]);
    // Where the policy asks for erasure a deletion would erase nobody without the finalizer.
    let policy = |finalizer| {
        let o = o(json!({"deleteAfter": "200s"}));
        with(o, |o| (o.spec.deletion_policy, o.finalizer) = (crate::api::DeletionPolicy::DeleteApplicant, finalizer))
    };
    check(vec![
        plain("first it is held", policy(false), 300, "HoldDeletion", "OnChange"),
        plain("then deleted", policy(true), 300, "DeleteObject", "OnChange"),
    ]);
    let begun = kept(begins(settled("declined"), person()), json!({"deleteAfter": "1s"}));
    assert_eq!(effect_of(&step(&begun, 300)), "UpdateApplicant", "not while another attempt begins");
    let open = kept(open("awaiting_input"), json!({"deleteAfter": "1s"}));
    assert_eq!(super::super::redaction::due(&open.spec, &open.status), None);
    let settled = due("approved");
    assert_eq!(super::super::redaction::due(&settled.spec, &settled.status), Some(t(200)));
}
