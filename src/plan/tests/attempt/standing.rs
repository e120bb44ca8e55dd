//! The verdict that stands while the next attempt is under way.

use super::*;

/// A second attempt after a Verified one.
fn under_way(status: &str) -> Observed {
    let o = with(second("approved", status), |o| o.memory.last_look = Some(t(210)));
    assert!(all_says(&o.status).contains(&"Verified=True/Verified".to_owned()));
    o
}

/// Its intent is recorded, its run is not.
fn intended() -> Observed {
    super::intended(by(begins(settled("approved"), person()), json!({"retryOn": ["Verified"]})))
}

fn edit(o: Observed, values: Attributes) -> Observed {
    with(o, |o| (o.generation, o.facts.attributes) = (o.generation + 1, Some(Ok(values))))
}

fn ring(o: Observed) -> Observed {
    with(o, |o| (o.status.notification, o.facts.attributes) = (notification("d1"), Some(Ok(person()))))
}

fn verified(o: &Observed) -> String {
    super::says(o, ConditionType::Verified).0
}

#[test]
fn it_stands_until_the_new_outcome() {
    let o = under_way("awaiting_input");
    let standing = o.status.standing_verdict.as_ref().unwrap();
    assert_eq!((standing.attempt, standing.workflow_run_id.as_str(), standing.applicant_id.as_str()), (1, "run-1", APPLICANT));
    for (outcome, expected, notices) in [("approved", "True/Verified", vec![]), ("declined", "False/Declined", vec![NoticeKind::Revoked])] {
        let mut o = o.clone();
        o.facts.run = Some(Ok(Box::new(run_2(outcome, json!({})))));
        o.facts.attributes = Some(Ok(person()));
        let plan = step(&o, 300);
        assert_eq!(plan.notices.iter().map(|notice| notice.kind).collect::<Vec<_>>(), notices, "{outcome}");
        let done = next(&o, plan.status);
        assert_eq!(verified(&done), expected);
        assert!(done.status.standing_verdict.is_none());
    }
}

#[test]
fn an_edit_that_changes_a_sent_value_takes_it_back_at_once() {
    let open = under_way("awaiting_input");
    check(vec![
        Row(
            "values are read for it",
            with(open.clone(), |o| o.generation += 1),
            220,
            ["ReadAttributes", "AwaitingInput", "=", "", "Fields", "OnChange", ""],
        ),
        Row(
            "the same values",
            edit(open.clone(), person()),
            220,
            ["", "AwaitingInput", "Verified=True/Verified Completed=False/AwaitingInput", "", "Fields", "+3590", ""],
        ),
        Row(
            "another value",
            edit(open.clone(), edited()),
            220,
            ["", "AwaitingInput", "Verified=False/AttributeChanged Completed=False/AwaitingInput", "", "Fields", "+3590", "Revoked"],
        ),
        Row(
            "values that cannot be read acknowledge nothing",
            with(open.clone(), |o| (o.generation, o.facts.attributes) = (o.generation + 1, Some(Err(Failure::Unreachable)))),
            220,
            ["", "AwaitingInput", "=", "", "Fields", "Backoff", ""],
        ),
        Row(
            "but the new run is looked at when it is due",
            with(open.clone(), |o| (o.generation, o.facts.attributes) = (o.generation + 1, Some(Err(Failure::Unreachable)))),
            3810,
            ["ReadRun", "AwaitingInput", "=", "", "Fields", "OnChange", ""],
        ),
        Row(
            "and what it shows goes on record, the edit unacknowledged",
            with(open.clone(), |o| {
                (o.generation, o.facts.attributes) = (o.generation + 1, Some(Err(Failure::Unreachable)));
                o.facts.run = Some(Ok(Box::new(run_2("processing", json!({})))));
            }),
            3810,
            ["", "Processing", "Verified=True/Verified Completed=False/Processing", "", "Fields", "Backoff", ""],
        ),
        Row(
            "before the run exists too",
            edit(intended(), edited()),
            201,
            ["", "Pending", "Verified=False/AttributeChanged", "StartRun 0 0", "Fields", "+80", "Revoked"],
        ),
    ]);
    let unread = with(open.clone(), |o| {
        (o.generation, o.facts.attributes) = (o.generation + 1, Some(Err(Failure::Unreachable)));
        o.facts.run = Some(Ok(Box::new(run_2("processing", json!({})))));
    });
    let status = step(&unread, 3810).status;
    assert!(status.conditions.iter().all(|condition| condition.observed_generation == open.status.observed_generation));
    assert_eq!(status.observed_generation, open.status.observed_generation, "nobody may take the old verdict for a new one");
    let o = edit(open, edited());
    let o = next(&o, step(&o, 220).status);
    assert!(o.status.attributes.iter().any(|result| !result.verified));
    let back = edit(o, person());
    assert_eq!(verified(&next(&back, step(&back, 230).status)), "True/Verified", "put back, it is what was approved");
    // A paid answer goes on record before anything is read.
    let paid = with(intended(), |o| {
        o.generation += 1;
        o.facts.started = Some(Ok(Box::new(run_2("processing", json!({})))));
    });
    assert_eq!(step(&paid, 210).status.workflow_run_id.as_deref(), Some("run-2"));
}

#[test]
fn the_vendor_can_take_it_back_while_the_next_is_under_way() {
    let open = ring(under_way("processing"));
    let read = |o: &Observed, status: &str| with(o.clone(), |o| o.facts.older_run = boxed(status));
    let gone = with(open.clone(), |o| o.facts.older_run = Some(Err(Failure::Unreachable)));
    check(vec![
        Row("the run that stands is read", open.clone(), 212, ["ReadRun", "Processing", "=", "", "Fields", "OnChange", ""]),
        Row(
            "it stands: the bell may be of the new run",
            read(&open, "approved"),
            212,
            ["ReadRun", "Processing", "=", "", "Fields", "OnChange", ""],
        ),
        Row(
            "it does not, which is on record before the new run is read",
            read(&open, "declined"),
            212,
            ["ReadRun", "Processing", "Verified=False/Revoked Completed=False/Processing", "", "Fields", "OnChange", "Revoked"],
        ),
        Row("trouble lets the bell wait", gone, 212, ["", "Processing", "=", "", "Fields", "Backoff", ""]),
        Row(
            "without a new run it is answered",
            read(&ring(intended()), "declined"),
            212,
            ["", "Pending", "Verified=False/Revoked", "StartRun 0 0", "Fields", "+80", "Revoked"],
        ),
        Row(
            "suspended, the bell waits",
            with(ring(under_way("processing")), |o| o.spec.suspend = true),
            212,
            ["", "Processing", "Completed=False/Suspended Verified=True/Verified", "", "Fields", "OnChange", ""],
        ),
    ]);
    let Some(Effect::ReadRun { run, .. }) = step(&open, 212).effect else { panic!() };
    assert_eq!(run.as_str(), "run-1");
    let mut o = open.clone();
    o.absorb(&step(&open, 212).effect.unwrap(), Ok(Receipt::RunRead(Box::new(super::run("approved", json!({}))))));
    assert!(o.facts.older_run.is_some() && o.facts.run.is_none());
    let Some(Effect::ReadRun { run, .. }) = step(&o, 212).effect else { panic!() };
    assert_eq!(run.as_str(), "run-2");
    let plan = step(&with(o, |o| o.facts.run = Some(Ok(Box::new(run_2("processing", json!({})))))), 212);
    assert_eq!(plan.status.answered_notifications, ["d1"], "both were read");
    assert_eq!(step(&read(&ring(intended()), "approved"), 212).status.answered_notifications, ["d1"]);
}

#[test]
fn a_verdict_that_waits_for_its_values_hears_that_it_is_taken_back() {
    let o = edit(under_way("processing"), edited());
    let o = next(&o, step(&o, 212).status);
    assert_eq!(verified(&o), "False/AttributeChanged");
    let mut o = with(o, |o| (o.status.notification, o.facts.attributes) = (notification("d1"), Some(Ok(edited()))));
    let Some(Effect::ReadRun { run, .. }) = step(&o, 213).effect else { panic!() };
    assert_eq!(run.as_str(), "run-1");
    o.facts.older_run = boxed("declined");
    o.facts.run = Some(Ok(Box::new(run_2("processing", json!({})))));
    let o = next(&o, step(&o, 213).status);
    assert_eq!(verified(&o), "False/Revoked");
    // The values are put back, and it stays so.
    let o = edit(o, person());
    assert_eq!(verified(&next(&o, step(&o, 214).status)), "False/Revoked");
}

#[test]
fn a_verdict_that_has_ended_hears_no_bell() {
    let declined = ring(second("declined", "processing"));
    let Some(Effect::ReadRun { run, .. }) = step(&declined, 213).effect else { panic!() };
    assert_eq!(run.as_str(), "run-2");
}

#[test]
fn it_outlives_an_attempt_without_an_outcome() {
    let mut o = under_way("processing");
    o.facts.run = Some(Ok(Box::new(run_2("review", json!({})))));
    let o = next(&o, step(&o, 220).status);
    let o = by(begins(o, person()), json!({"retryOn": ["InReview"]}));
    let status = step(&o, 230).status;
    assert_eq!((status.attempt, status.standing_verdict.as_ref().map(|standing| standing.attempt)), (Some(3), Some(1)));
    assert!(all_says(&status).contains(&"Verified=True/Verified".to_owned()));
    assert_eq!(status.attempts.iter().map(|past| past.reason.as_str()).collect::<Vec<_>>(), ["Verified", "InReview"]);
}

#[test]
fn an_attempt_that_is_given_up_while_its_call_is_in_doubt_acknowledges_no_verdict_before_it() {
    let before = intended();
    let o = with(edit(before.clone(), edited()), |o| o.spec.cancelled = true);
    check(vec![Row("waited out", o.clone(), 220, ["", "Pending", "=", "StartRun 0 0", "Fields", "+80", ""])]);
    let failed = with(o.clone(), |o| {
        (o.memory.operation_known_for, o.facts.looked) = (o.timing.doubt(), searched(Err(Failure::Unreachable)));
    });
    for (name, o) in [("waited out", o), ("the vendor does not answer", failed)] {
        let after = next(&o, step(&o, 220).status);
        assert_eq!(super::says(&after, ConditionType::Verified), ("True/Verified".into(), before.status.observed_generation), "{name}");
        assert_eq!(after.status.observed_generation, before.status.observed_generation, "{name}");
    }
}
