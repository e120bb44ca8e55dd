//! A person asks for a look now: it comes at once, once for each token, and is answered where people wait for it.

use super::*;

fn with(mut o: Observed, change: impl FnOnce(&mut Observed)) -> Observed {
    change(&mut o);
    o
}

fn asked(o: Observed) -> Observed {
    with(o, |o| o.asked = Some("now-1".into()))
}

/// What is recorded of the token once this situation was planned.
fn answer(o: &Observed, at: i64) -> Option<String> {
    step(o, at).status.reconciled
}

fn yes() -> Option<String> {
    Some("now-1".into())
}

#[test]
fn an_open_run_is_looked_at_now_and_once() {
    let look = ["ReadRun", "AwaitingInput", "=", "", "Fields", "OnChange", ""];
    let o = asked(open("awaiting_input"));
    check(vec![
        Row("now, not in an hour", o.clone(), 10, look),
        Row(
            "suspended, nobody is called before the token expires",
            with(o.clone(), |o| o.spec.suspend = true),
            10,
            ["", "AwaitingInput", "Completed=False/Suspended", "", "Fields", "+2937590", ""],
        ),
    ]);
    assert_eq!(answer(&with(o.clone(), |o| o.spec.suspend = true), 10), None, "nor answered");
    let failed = with(o.clone(), |o| o.facts.run = Some(Err(Failure::Unreachable)));
    assert_eq!(answer(&failed, 10), None, "a look that failed answers nobody");
    let seen = with(o, |o| (o.facts.run, o.facts.capture) = (boxed("awaiting_input"), Some(Ok("user-1-capture".into()))));
    assert_eq!(answer(&seen, 10), yes());
    let mut after = next(&seen, step(&seen, 10).status);
    after.memory.last_look = Some(t(10));
    check(vec![Row("once", after.clone(), 11, ["", "AwaitingInput", "=", "", "Fields", "+3599", ""])]);
    after.asked = Some("now-2".into());
    check(vec![Row("another token is another look", after.clone(), 11, look)]);
    after.asked = None;
    assert_eq!(answer(&after, 11), yes(), "taking the annotation away changes nothing");
}

#[test]
fn a_settled_object_is_confirmed_by_the_vendor() {
    let o = asked(settled("approved"));
    let values = with(o.clone(), |o| o.facts.attributes = Some(Ok(person())));
    let seen = |status| with(values.clone(), |o| o.facts.run = boxed(status));
    check(vec![
        Row("the Secrets are read", o.clone(), 200, ["ReadAttributes", "Approved", "=", "", "Fields", "OnChange", ""]),
        Row("and the run", values.clone(), 200, ["ReadRun", "Approved", "=", "", "Fields", "OnChange", ""]),
        Row("it stands", seen("approved"), 200, ["", "Approved", "Verified=True/Verified", "", "Fields", "OnChange", ""]),
        Row("it does not", seen("declined"), 200, ["", "Approved", "Verified=False/Revoked", "", "Fields", "OnChange", "Revoked"]),
        Row(
            "the vendor is away",
            with(values.clone(), |o| o.facts.run = Some(Err(Failure::Unreachable))),
            200,
            ["", "Approved", "=", "", "Fields", "Backoff", ""],
        ),
    ]);
    assert_eq!((answer(&seen("approved"), 200), answer(&seen("declined"), 200)), (yes(), yes()));
    let changed = with(seen("approved"), |o| o.facts.attributes = Some(Ok(edited())));
    assert!(all_says(&step(&changed, 200).status).contains(&"Verified=False/AttributeChanged".into()), "without an edit of the spec");
}

#[test]
fn what_was_refused_is_tried_again_and_a_call_in_doubt_looked_for_but_never_before_its_time() {
    let missing = with(asked(fresh()), |o| o.provider = Provider::Missing);
    assert_eq!(answer(&missing, 0), yes());
    assert_eq!(answer(&with(missing, |o| o.spec.suspend = true), 0), None);
    assert_eq!(answer(&asked(read()), 0), None, "a start answers with its run");
    let started = with(asked(run_intended()), |o| {
        (o.facts.started, o.facts.capture) = (boxed("awaiting_input"), Some(Ok("user-1-capture".into())));
    });
    assert_eq!(answer(&started, 0), yes());
    let young = asked(run_intended());
    check(vec![Row("the wait is not shortened", young.clone(), 0, ["", "Pending", "=", "StartRun 0 0", "Fields", "+80", ""])]);
    let stalled = with(young, |o| {
        o.status.operation.as_mut().unwrap().looks = 3;
        o.status.next_check_at = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(t(9000)));
    });
    check(vec![Row(
        "the hourly look comes now",
        stalled.clone(),
        500,
        ["LookForRun of applicant", "Pending", "=", "StartRun 0 3", "Fields", "OnChange", ""],
    )]);
    assert_eq!(answer(&with(stalled, |o| o.facts.looked = looked(vec![])), 500), yes());
    let given_up = with(asked(fresh()), |o| o.spec.cancelled = true);
    assert_eq!(answer(&given_up, 0), yes());
    assert_eq!(
        answer(&asked(Observed { asked: None, ..next(&given_up, step(&Observed { asked: None, ..given_up.clone() }, 0).status) }), 9),
        yes()
    );
}
