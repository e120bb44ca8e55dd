//! Attempts without an outcome that another follows: one in review, one of which nobody knows whether it has a run.

use super::*;

/// A first attempt of which nobody can find out whether it has a run.
fn ambiguous() -> Observed {
    let mut o = run_intended();
    let operation = o.status.operation.as_mut().unwrap();
    (operation.tries, operation.looks) = (3, 2);
    operation.absent_since = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(t(0)));
    (o.memory.operation_known_for, o.facts.looked) = (o.timing.doubt(), looked(vec![]));
    next(&o, step(&o, 400).status)
}

#[test]
fn a_run_in_review_is_given_up_only_where_the_provider_says_so() {
    let review = |o: Observed| {
        let mut o = with(o, |o| o.facts.run = Some(Ok(Box::new(WorkflowRun { tags: vec![o.tag()], ..run("review", json!({})) }))));
        o.facts.attributes = Some(Ok(person()));
        let o = with(next(&o, step(&o, 150).status), |o| o.memory.last_look = Some(t(150)));
        asked(o, person())
    };
    let not = "Accepted=False/AttemptNotAllowed Completed=False/InReview Stalled=True/AttemptNotAllowed Ready=False/AttemptNotAllowed";
    let in_review = review(open("awaiting_input"));
    let allowed = by(with(in_review.clone(), |o| o.facts.looked = looked(vec![])), json!({"retryOn": ["InReview"]}));
    check(vec![
        Row("not by default", in_review.clone(), 200, ["", "InReview", not, "", "Fields", "+3550", "Refused"]),
        Row("it is looked at as before", in_review.clone(), 3750, ["ReadRun", "InReview", "=", "", "Fields", "OnChange", ""]),
        Row(
            "given up",
            allowed.clone(),
            200,
            ["StartRun", "Pending", "Completed=False/Pending", "StartRun 0 0", "Version", "OnChange", ""],
        ),
        Row(
            "with other values it needs another applicant: a person compares with those of this one",
            with(allowed.clone(), |o| o.facts.attributes = Some(Ok(edited()))),
            200,
            ["CreateApplicant", "Pending", "Verified=Unknown/Pending", "CreateApplicant 0 0", "Version", "OnChange", ""],
        ),
        Row(
            "suspended, nothing begins",
            with(allowed.clone(), |o| o.spec.suspend = true),
            200,
            ["", "InReview", "Completed=False/Suspended", "", "Fields", "OnChange", ""],
        ),
    ]);
    let past = step(&allowed, 200).status.attempts;
    assert_eq!((past[0].phase, past[0].reason.as_str(), past[0].workflow_run_id.as_deref()), (Phase::InReview, "InReview", Some("run-1")));
    // Its outcome may let the next begin.
    let o = with(in_review, |o| (o.facts.run, o.facts.attributes) = (boxed("declined"), Some(Ok(person()))));
    let o = with(next(&o, step(&o, 3750).status), |o| (o.facts.attributes, o.facts.looked) = (Some(Ok(person())), looked(vec![])));
    assert_eq!(effect_of(&step(&o, 3760)), "UpdateApplicant");
}

#[test]
fn what_nobody_can_find_out_may_be_followed() {
    let stalled = "Stalled=True/VendorAmbiguous";
    let o = with(begins(ambiguous(), person()), |o| o.memory.operation_known_for = secs(400));
    check(vec![
        Row(
            "by a run of its own",
            o.clone(),
            500,
            ["StartRun", "Pending", "Stalled=False/Progressing Ready=False/Pending", "StartRun 0 0", "Operation nonce-1+", "OnChange", ""],
        ),
        Row(
            "whatever the provider retries on, and at once",
            by(o.clone(), json!({"retryOn": [], "coolDown": "10h"})),
            500,
            ["StartRun", "Pending", "", "StartRun 0 0", "Operation nonce-1+", "OnChange", ""],
        ),
        Row(
            "but it may have been paid for: it counts, and is still looked for",
            by(with(o.clone(), |o| (o.facts.looked, o.status.next_check_at) = (unlooked(), None)), json!({"max": 1})),
            500,
            ["LookForRun of applicant", "Pending", "=", "StartRun 3 3", "Fields", "OnChange", ""],
        ),
        Row(
            "which its condition says",
            by(with(o.clone(), |o| o.facts.looked = unlooked()), json!({"max": 1})),
            500,
            ["", "Pending", "Accepted=False/AttemptsExhausted Stalled=True/VendorAmbiguous", "StartRun 3 3", "Fields", "+3500", "Refused"],
        ),
        Row(
            "with other values it needs another applicant: its run may be open",
            with(o.clone(), |o| o.facts.attributes = Some(Ok(edited()))),
            500,
            ["CreateApplicant", "Pending", "Stalled=False/Progressing", "CreateApplicant 0 0", "Operation nonce-1+", "OnChange", ""],
        ),
        Row(
            "a suspended object asks nobody",
            with(o.clone(), |o| o.spec.suspend = true),
            500,
            ["", "Pending", stalled, "StartRun 3 3", "Fields", "OnChange", ""],
        ),
    ]);
    let Some(Effect::LookForRun { tag, .. }) = step(&with(o.clone(), |o| o.facts.looked = unlooked()), 500).effect else { panic!() };
    assert_eq!(tag, TAG_2);
    let past = &step(&o, 500).status.attempts[0];
    assert_eq!((past.phase, past.reason.as_str(), past.workflow_run_id.as_deref()), (Phase::Pending, "VendorAmbiguous", None));
}

#[test]
fn a_look_for_the_next_attempt_is_none_for_the_one_in_doubt() {
    // Its link would be dead from the start, so the next one waits, and the one in doubt is found out about as before.
    let o = with(asked(ambiguous(), person()), |o| {
        o.spec.capture = serde_json::from_value(json!({"mode": "Link", "link": {"expiresAt": t(450).to_string()}})).unwrap();
        o.memory.operation_known_for = secs(400);
        o.facts.looked = [(TAG_2.to_owned(), Ok(Looked { applicant_known: true, runs: vec![] }))].into();
    });
    check(vec![
        Row(
            "not due: it is not looked for, and no look counts",
            o.clone(),
            500,
            ["", "Pending", "Accepted=False/LinkExpired Stalled=True/VendorAmbiguous", "StartRun 3 3", "Fields", "+3500", "Refused"],
        ),
        Row(
            "due: it is looked for by its own tag",
            with(o.clone(), |o| o.status.next_check_at = None),
            500,
            ["LookForRun of applicant", "Pending", "=", "StartRun 3 3", "Fields", "OnChange", ""],
        ),
    ]);
    let mut due = with(o, |o| o.status.next_check_at = None);
    let effect = step(&due, 500).effect.unwrap();
    let Effect::LookForRun { tag, .. } = &effect else { panic!() };
    assert_eq!(tag, TAG);
    due.absorb(&effect, Ok(Receipt::Looked(Looked { applicant_known: true, runs: vec![] })));
    let plan = step(&due, 500);
    assert!(plan.effect.is_none(), "both looks are known, and the pass ends");
    assert_eq!(plan.status.operation.unwrap().looks, 4);
}
