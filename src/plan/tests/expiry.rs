//! A verdict that ends by itself: bounded by the validity the attempt started with, and over at that moment whatever else is going on.

use super::*;
use crate::api::AttributeReason;

fn with(mut o: Observed, change: impl FnOnce(&mut Observed)) -> Observed {
    change(&mut o);
    o
}

/// Verified at 100 s, for a thousand seconds.
fn valid() -> Observed {
    let mut o = with(read(), |o| o.provider = found(json!({"validity": {"duration": "16m40s"}})));
    o = next(&o, step(&o, 0).status);
    o.facts.applicant = Some(Ok(applicant()));
    o = next(&o, step(&o, 0).status);
    o.facts.started = boxed("awaiting_input");
    o.facts.capture = Some(Ok("user-1-capture".into()));
    o = next(&o, step(&o, 0).status);
    o.facts.run = boxed("approved");
    o.facts.attributes = Some(Ok(person()));
    next(&o, step(&o, 100).status)
}

fn over() -> Observed {
    let o = valid();
    next(&o, step(&o, 1100).status)
}

fn edit(o: &mut Observed, now: Attributes) {
    (o.generation, o.facts.attributes) = (o.generation + 1, Some(Ok(now)));
}

fn ring(o: &mut Observed) {
    o.status.notification = notification("d1");
}

fn until(o: &Observed) -> Option<i64> {
    o.status.verified_until.as_ref().map(|until| until.0.duration_since(t(0)).as_secs())
}

#[test]
fn a_run_that_was_over_long_ago_is_not_valid_anew() {
    let mut o = with(read(), |o| o.provider = found(json!({"validity": {"duration": "16m40s"}})));
    o = next(&o, step(&o, 0).status);
    o.facts.applicant = Some(Ok(applicant()));
    o = next(&o, step(&o, 0).status);
    (o.facts.started, o.facts.capture) = (boxed("awaiting_input"), Some(Ok("user-1-capture".into())));
    o = next(&o, step(&o, 0).status);
    o.facts.attributes = Some(Ok(person()));
    for (seen, verified, ends) in [(1099, "Verified=True/Verified", Some(1100)), (99_999, "Verified=False/Expired", None)] {
        let mut o = o.clone();
        o.facts.run = Some(Ok(Box::new(run("approved", json!({"updated_at": t(100).to_string()})))));
        let o = next(&o, step(&o, seen).status);
        assert!(all_says(&o.status).contains(&verified.to_owned()), "{:?}", all_says(&o.status));
        assert_eq!(until(&o), ends);
    }
}

#[test]
fn a_verdict_ends_at_its_time_and_nothing_is_polled_before() {
    let ended = "Verified=False/Expired Completed=True/OutcomeReported Ready=True/Started";
    assert_eq!(until(&valid()), Some(1100));
    check(vec![
        Row("until then nobody waits", valid(), 100, ["", "Approved", "=", "", "Fields", "OnChange", ""]),
        Row("but when it is near", valid(), 980, ["", "Approved", "=", "", "Fields", "+120", ""]),
        Row("a second before", valid(), 1099, ["", "Approved", "=", "", "Fields", "+1", ""]),
        Row("at that moment", valid(), 1100, ["", "Approved", ended, "", "Fields", "OnChange", ""]),
        Row("the operator was down", valid(), 99_999, ["", "Approved", ended, "", "Fields", "OnChange", ""]),
        Row("afterwards", over(), 99_999, ["", "Approved", "=", "", "Fields", "OnChange", ""]),
        Row("suspended", with(valid(), |o| o.spec.suspend = true), 1100, ["", "Approved", ended, "", "Fields", "OnChange", ""]),
        Row(
            "without its provider",
            with(valid(), |o| o.provider = Provider::Missing),
            1100,
            ["", "Approved", ended, "", "Fields", "OnChange", ""],
        ),
        Row(
            "an edit whose values cannot be read does not keep it",
            with(valid(), |o| o.generation = 2),
            1100,
            ["", "Approved", ended, "", "Fields", "OnChange", ""],
        ),
        Row("a delivery waits a moment longer", with(valid(), ring), 1100, ["", "Approved", ended, "", "Fields", "+0", ""]),
    ]);
    let status = step(&valid(), 1100).status;
    assert!(status.verified_until.is_none());
    assert!(status.attributes.iter().all(|attribute| attribute.reason == Some(AttributeReason::Expired)));
    let message = status.conditions.iter().find(|c| c.type_ == "Verified").unwrap().message.clone();
    assert!(message.contains(&t(1100).to_string()), "{message}");
}

#[test]
fn the_validity_is_that_of_the_start_and_only_a_verdict_has_one() {
    let unbounded = settled("approved");
    assert_eq!(until(&unbounded), None);
    let later = with(unbounded, |o| (o.provider = found(json!({"validity": {"duration": "1s"}})), edit(o, person())).1);
    let plan = step(&later, 200);
    assert_eq!((plan.status.verified_until, plan.wake), (None, Wake::OnChange), "a later edit of the provider does not shorten it");
    let later = with(valid(), |o| (o.provider = found(json!({})), edit(o, person())).1);
    assert_eq!(step(&later, 1000).wake, Wake::At(t(1100)), "nor lengthen it");
    let declined = with(valid(), |o| {
        o.status.verified_until = None;
        edit(o, edited());
    });
    assert_eq!(step(&declined, 200).wake, Wake::OnChange);
}

#[test]
fn what_is_judged_again_keeps_the_time_it_had() {
    let changed = with(valid(), |o| edit(o, edited()));
    let changed = next(&changed, step(&changed, 200).status);
    assert_eq!(until(&changed), None, "no verdict, no end of it");
    check(vec![Row("nothing is due then", changed.clone(), 1100, ["", "Approved", "=", "", "Fields", "OnChange", ""])]);
    let back = with(changed, |o| edit(o, person()));
    let again = |at| next(&back, step(&back, at).status);
    assert_eq!(until(&again(300)), Some(1100));
    assert_eq!(until(&again(1100)), None);
    assert!(all_says(&again(1100).status).contains(&"Verified=False/Expired".into()));
    // A clock that was set back brings no verdict back.
    let early = with(over(), |o| edit(o, person()));
    let status = step(&early, 500).status;
    assert!(all_says(&status).contains(&"Verified=False/Expired".into()) && status.verified_until.is_none());
    // An approval that is taken back after its time is one that was taken back.
    let revoked = with(over(), |o| (ring(o), o.facts.attributes = Some(Ok(person())), o.facts.run = boxed("declined")).2);
    let plan = step(&revoked, 1200);
    assert!(all_says(&plan.status).contains(&"Verified=False/Revoked".into()) && plan.notices.is_empty());
}

#[test]
fn a_verdict_ends_in_time_whatever_a_pass_rests_for() {
    let account = with(valid(), |o| (ring(o), o.facts.attributes = Some(Ok(person())), o.facts.run = Some(Err(Failure::AccountChanged))).2);
    let deleted = with(valid(), |o| {
        o.spec.deletion_policy = crate::api::DeletionPolicy::DeleteApplicant;
        (o.finalizer, o.deleting) = (true, Some(t(700)));
    });
    let applicant = crate::onfido::model::ApplicantId::parse(APPLICANT.to_owned()).unwrap();
    let in_progress = with(valid(), |o| {
        o.spec.retention = serde_json::from_value(json!({"redactAfter": "1m"})).unwrap();
        o.facts.erased = Some((applicant, Err(Failure::RunInProgress)));
    });
    let redacts = with(account.clone(), |o| o.spec.retention = serde_json::from_value(json!({"redactAfter": "5m"})).unwrap());
    let ended = "Verified=False/Expired Completed=True/OutcomeReported Ready=True/Started";
    check(vec![
        Row("an account that may be put back", account, 200, ["", "Approved", "=", "", "Fields", "+900", ""]),
        Row("and its redaction comes before", redacts, 200, ["", "Approved", "=", "", "Fields", "+200", ""]),
        Row(
            "a run in progress that its redaction waits for",
            in_progress,
            200,
            ["", "Approved", "Redacted=False/RunInProgress", "", "Fields", "+900", ""],
        ),
        Row(
            "a deletion that waits until 1300 s",
            with(deleted.clone(), |o| o.spec.suspend = true),
            800,
            ["", "Approved", "Ready=False/Suspended", "", "Fields", "+300", ""],
        ),
        Row("which goes on at once", deleted, 1100, ["", "Approved", ended, "", "Fields", "+0", ""]),
        Row(
            "but not one that is not held",
            with(valid(), |o| o.deleting = Some(t(0))),
            1100,
            ["", "Approved", "=", "", "Fields", "OnChange", ""],
        ),
    ]);
}

#[test]
fn an_answer_that_came_in_this_pass_goes_first() {
    let o = with(valid(), |o| (ring(o), o.facts.attributes = Some(Ok(person())), o.facts.run = boxed("approved")).2);
    let plan = step(&o, 1100);
    assert_eq!(plan.status.answered_notifications, ["d1"]);
    assert!(plan.notices.is_empty(), "nothing was taken back");
    assert!(all_says(&plan.status).contains(&"Verified=False/Expired".into()));
}

#[test]
fn an_approval_seen_after_its_time_is_never_a_verdict() {
    let mut o = with(read(), |o| o.provider = found(json!({"validity": {"duration": "0s"}})));
    o.status.basis = step(&o, 0).status.basis;
    let mut open = open("awaiting_input");
    open.status.basis = o.status.basis;
    (open.facts.run, open.facts.attributes) = (boxed("approved"), Some(Ok(person())));
    assert!(all_says(&step(&open, 100).status).contains(&"Verified=False/Expired".into()));
}
