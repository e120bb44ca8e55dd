//! The rows of a verification that is given up: before a run, while one is open, in doubt, and after the verdict.

use super::*;

fn with(mut o: Observed, change: impl FnOnce(&mut Observed)) -> Observed {
    change(&mut o);
    o
}

/// The same with `cancelled` set, by an edit.
fn cancelled(o: Observed) -> Observed {
    with(o, |o| (o.spec.cancelled, o.generation) = (true, o.generation + 1))
}

/// As recorded once it was given up.
fn given_up(o: Observed) -> Observed {
    let o = with(cancelled(o), |o| o.facts.emptied = Some(Ok(())));
    next(&o, step(&o, 50).status)
}

fn doubted(mut o: Observed) -> Observed {
    o.memory.operation_known_for = o.timing.doubt();
    o
}

const NOTHING: &str = "Accepted=False/Cancelled Submitted=False/Cancelled CaptureReady=False/Cancelled Completed=True/Cancelled \
                       Verified=False/Cancelled Ready=True/Cancelled Stalled=False/Progressing";
const OPEN: &str = "Accepted=True/Resolved Submitted=True/Started CaptureReady=False/Cancelled Completed=True/Cancelled \
                    Verified=False/Cancelled Ready=True/Started";

#[test]
fn before_a_run_nothing_is_started() {
    let row = |name, o| Row(name, cancelled(o), 0, ["", "Cancelled", NOTHING, "", "Version", "OnChange", ""]);
    let refused = with(read(), |o| o.provider = Provider::Missing);
    let refused = next(&refused, step(&refused, 0).status);
    check(vec![
        row("a fresh object", fresh()),
        row("one that was refused", refused),
        row("one whose provider is gone", with(fresh(), |o| o.provider = Provider::Missing)),
        row("one that is suspended", with(fresh(), |o| o.spec.suspend = true)),
        Row("once is enough", given_up(fresh()), 90, ["", "Cancelled", "=", "", "Fields", "OnChange", ""]),
    ]);
}

#[test]
fn an_open_run_is_left_alone_and_its_token_taken_away() {
    for (status, phase) in [("awaiting_input", "AwaitingInput"), ("processing", "Processing"), ("review", "InReview")] {
        let mut o = open("awaiting_input");
        (o.facts.run, o.facts.capture) = (boxed(status), Some(Ok("user-1-capture".into())));
        let o = cancelled(next(&o, step(&o, 10).status));
        let emptied = with(o.clone(), |o| o.facts.emptied = Some(Ok(())));
        check(vec![
            Row("the token first", o.clone(), 20, ["EmptyCaptureSecret", phase, "=", "", "Fields", "OnChange", ""]),
            Row(
                "even if the vendor must not be called",
                with(o.clone(), |o| o.spec.suspend = true),
                20,
                ["EmptyCaptureSecret", phase, "=", "", "Fields", "OnChange", ""],
            ),
            Row("then it is over", emptied.clone(), 20, ["", "Cancelled", OPEN, "", "Fields", "OnChange", ""]),
        ]);
        let status = step(&emptied, 20).status;
        assert!(status.capture.is_none() && status.completed_at.is_some() && status.workflow_run_id.is_some());
        let verified = status.conditions.iter().find(|c| c.type_ == "Verified").unwrap();
        assert!(verified.message.contains("the vendor cannot cancel a run"), "{}", verified.message);
    }
    let refused = with(cancelled(open("awaiting_input")), |o| o.facts.emptied = Some(Err(Failure::SecretRefused { name: "s".into() })));
    let says = "CaptureReady=False/SecretRefused Completed=False/AwaitingInput Verified=Unknown/Pending";
    check(vec![Row("a token that cannot be taken away", refused, 20, ["", "AwaitingInput", says, "", "Fields", "+300", "Refused"])]);
}

#[test]
fn a_late_verdict_is_ignored_and_nobody_asks_for_it() {
    let o = given_up(open("processing"));
    let rung = with(o.clone(), |o| (o.status.notification, o.generation) = (notification("d1"), 9));
    check(vec![
        Row("a year later", o.clone(), 31_536_000, ["", "Cancelled", "=", "", "Fields", "OnChange", ""]),
        Row("a delivery is answered without a look", rung.clone(), 60, ["", "Cancelled", OPEN, "", "Fields", "OnChange", ""]),
    ]);
    let status = step(&rung, 60).status;
    assert_eq!((status.answered_notifications, status.observed_generation), (vec!["d1".to_owned()], Some(9)));
    // A delivery that was waiting when it was given up is answered with it.
    let waiting = with(open("processing"), |o| o.status.notification = notification("d1"));
    assert!(!given_up(waiting).status.is_rung());
}

#[test]
fn a_recorded_verdict_stays() {
    for (status, phase, says) in [
        ("approved", "Approved", "Verified=True/Verified Completed=True/OutcomeReported"),
        ("declined", "Declined", "Verified=False/Declined"),
    ] {
        let o = cancelled(with(settled(status), |o| o.facts.attributes = Some(Ok(person()))));
        check(vec![Row("judged as after any edit", o, 200, ["", phase, says, "", "Fields", "OnChange", ""])]);
    }
    let revoked = with(cancelled(settled("approved")), |o| {
        (o.status.notification, o.facts.attributes, o.facts.run) = (notification("d1"), Some(Ok(person())), boxed("declined"));
    });
    let says = "Verified=False/Revoked";
    check(vec![Row("and can still be taken back", revoked, 200, ["", "Approved", says, "", "Fields", "OnChange", "Revoked"])]);
}

#[test]
fn what_was_paid_for_is_found_out_first() {
    let run_missing = |looks: u32| {
        with(cancelled(doubted(run_intended())), |o| {
            let operation = o.status.operation.as_mut().unwrap();
            operation.looks = looks;
            operation.absent_since = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(t(100)));
            o.facts.looked = looked(vec![]);
        })
    };
    let stalled = |o: &mut Observed| {
        o.facts.looked = unlooked();
        o.status.next_check_at = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(t(9000)));
    };
    let found = with(run_missing(0), |o| o.facts.looked = looked(vec![run("awaiting_input", json!({}))]));
    check(vec![
        Row("a call in doubt is waited out", cancelled(run_intended()), 0, ["", "Pending", "", "StartRun 0 0", "Fields", "+80", ""]),
        Row(
            "then looked for",
            cancelled(doubted(run_intended())),
            90,
            ["LookForRun of applicant", "Pending", "=", "StartRun 0 0", "Fields", "OnChange", ""],
        ),
        Row(
            "a run that is found goes on record, without its token",
            found,
            90,
            ["", "AwaitingInput", "Submitted=True/Started CaptureReady=False/UnexpectedAnswer", "", "Operation nonce-1+", "+0", ""],
        ),
        Row(
            "an absence is believed after three looks",
            run_missing(1),
            250,
            ["", "Pending", "Submitted=False/Recovering", "StartRun 0 2", "Operation nonce-1+", "+150", ""],
        ),
        Row("and then it is over", run_missing(2), 400, ["", "Cancelled", NOTHING, "", "Operation nonce-1+", "OnChange", ""]),
        Row(
            "a look that would only precede another try is made at once",
            with(run_missing(3), stalled),
            500,
            ["LookForRun of applicant", "Pending", "=", "StartRun 0 3", "Fields", "OnChange", ""],
        ),
        Row(
            "an applicant in doubt is not created again, but a run is looked for",
            cancelled(doubted(applicant_intended())),
            90,
            ["LookForRun", "Pending", "=", "CreateApplicant 0 0", "Fields", "OnChange", ""],
        ),
        Row(
            "the applicant that may exist is reported",
            with(cancelled(doubted(applicant_intended())), |o| o.facts.looked = looked(vec![])),
            90,
            ["", "Cancelled", NOTHING, "", "Operation nonce-1", "OnChange", "PossibleOrphanApplicant"],
        ),
    ]);
}
