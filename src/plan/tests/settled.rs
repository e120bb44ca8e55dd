//! The rows of a recorded outcome: it changes only for the worse, and every edit is judged before it is acknowledged.

use super::*;
use crate::api::AttributeReason as W;

fn with(mut o: Observed, change: impl FnOnce(&mut Observed)) -> Observed {
    change(&mut o);
    o
}

fn edit(o: &mut Observed, now: Attributes) {
    (o.generation, o.facts.attributes) = (o.generation + 1, Some(Ok(now)));
}

fn ring(o: &mut Observed) {
    (o.status.notification, o.facts.attributes) = (notification("d1"), Some(Ok(person())));
}

#[test]
fn a_settled_object_costs_nothing() {
    for status in ["approved", "declined", "abandoned", "error"] {
        let o = settled(status);
        let phase = format!("{:?}", o.status.phase);
        let phase: &'static str = phase.leak();
        check(vec![
            Row("at once", o.clone(), 100, ["", phase, "=", "", "Fields", "OnChange", ""]),
            Row("a year later", o, 31_536_000, ["", phase, "=", "", "Fields", "OnChange", ""]),
        ]);
    }
}

#[test]
fn every_edit_is_judged_and_then_acknowledged() {
    let good = "Verified=True/Verified Completed=True/OutcomeReported";
    let gone = Failure::Unreachable;
    check(vec![
        Row(
            "values are read first",
            with(settled("approved"), |o| o.generation = 2),
            200,
            ["ReadAttributes", "Approved", "=", "", "Fields", "OnChange", ""],
        ),
        Row("the same values", with(settled("approved"), |o| edit(o, person())), 200, ["", "Approved", good, "", "Fields", "OnChange", ""]),
        Row(
            "another value",
            with(settled("approved"), |o| edit(o, edited())),
            200,
            [
                "",
                "Approved",
                "Verified=False/AttributeChanged Completed=True/OutcomeReported Ready=True/Started",
                "",
                "Fields",
                "OnChange",
                "Revoked",
            ],
        ),
        Row(
            "another value of a declined person changes nothing",
            with(settled("declined"), |o| edit(o, edited())),
            200,
            ["", "Declined", "Verified=False/Declined", "", "Fields", "OnChange", ""],
        ),
        Row(
            "values that cannot be read acknowledge nothing: an old verdict is not taken for a new one",
            with(settled("approved"), |o| (edit(o, person()), o.facts.attributes = Some(Err(gone.clone()))).1),
            200,
            ["", "Approved", "=", "", "Fields", "Backoff", ""],
        ),
        Row(
            "a vendor that cannot be reached does not hold up the judgement of an edit",
            with(settled("approved"), |o| (ring(o), edit(o, edited()), o.facts.run = Some(Err(gone))).2),
            200,
            ["", "Approved", "Verified=False/AttributeChanged", "", "Fields", "Backoff", "Revoked"],
        ),
        Row(
            "nor does a provider that is gone",
            with(settled("approved"), |o| (ring(o), edit(o, edited()), o.provider = Provider::Missing).2),
            200,
            ["", "Approved", "Verified=False/AttributeChanged", "", "Fields", "OnChange", "Revoked"],
        ),
        Row(
            "nor does suspend",
            with(settled("approved"), |o| (ring(o), edit(o, edited()), o.spec.suspend = true).2),
            200,
            ["", "Approved", "Verified=False/AttributeChanged", "", "Fields", "OnChange", "Revoked"],
        ),
    ]);
    let o = with(settled("approved"), |o| edit(o, edited()));
    let status = step(&o, 200).status;
    assert_eq!(status.observed_generation, Some(2));
    assert!(status.conditions.iter().all(|c| c.observed_generation == Some(2)));
    let why = |status: &IdentityVerificationStatus| status.attributes.iter().map(|a| a.reason).collect::<Vec<_>>();
    assert_eq!(why(&status), [Some(W::Changed), None, None]);
    let finalized = with(settled("approved"), |o| {
        edit(o, person());
        (o.spec.submitted_attempt, o.memory.submission_seen) = (1, Some(t(150)));
    });
    assert!(step(&finalized, 200).status.submitted_at.is_some(), "a finalize after the verdict is noted");
}

#[test]
fn a_delivery_after_the_verdict_can_only_take_it_back() {
    let rung = |recorded: &str, status: &str, more: Value| {
        with(settled(recorded), |o| (ring(o), o.facts.run = Some(Ok(Box::new(run(status, more))))).1)
    };
    let compared = |first: &str| {
        json!({"output": {"data_comparison": {
            "first_name": {"result": first}, "last_name": {"result": "clear"}, "date_of_birth": {"result": "clear"}}}})
    };
    let same = |name, o, phase, says, notices| Row(name, o, 200, ["", phase, says, "", "Fields", "OnChange", notices]);
    check(vec![
        Row(
            "values first",
            with(settled("approved"), |o| (ring(o), o.facts.attributes = None).1),
            200,
            ["ReadAttributes", "Approved", "=", "", "Fields", "OnChange", ""],
        ),
        Row("then the run", with(settled("approved"), ring), 200, ["ReadRun", "Approved", "=", "", "Fields", "OnChange", ""]),
        Row(
            "while suspended the bell waits",
            with(settled("approved"), |o| (ring(o), o.spec.suspend = true).1),
            200,
            ["", "Approved", "=", "", "Fields", "OnChange", ""],
        ),
        Row(
            "a failed look takes nothing back and tells nobody twice",
            with(settled("approved"), |o| (ring(o), o.facts.run = Some(Err(Failure::AccountChanged))).1),
            200,
            ["", "Approved", "=", "", "Fields", "+3600", ""],
        ),
        Row(
            "a run that is not ours does not either",
            rung("approved", "declined", json!({"tags": []})),
            200,
            ["", "Approved", "=", "", "Fields", "Backoff", ""],
        ),
        same("confirmed", rung("approved", "approved", json!({})), "Approved", "Verified=True/Verified", ""),
        same(
            "declined after all",
            rung("approved", "declined", json!({})),
            "Approved",
            "Verified=False/Revoked Completed=True/OutcomeReported",
            "Revoked",
        ),
        same("a worse comparison", rung("approved", "approved", compared("consider")), "Approved", "Verified=False/Revoked", "Revoked"),
        same(
            "a comparison that is gone",
            rung("approved", "approved", json!({"output": null})),
            "Approved",
            "Verified=False/Revoked",
            "Revoked",
        ),
        same(
            "an approval after a refusal is not believed",
            rung("declined", "approved", json!({})),
            "Declined",
            "Verified=False/Declined",
            "",
        ),
    ]);
    // What was taken back stays so, whatever is rung later.
    let o = rung("approved", "declined", json!({}));
    let mut o = next(&o, step(&o, 200).status);
    ring(&mut o);
    o.status.notification = notification("d2");
    o.facts.run = boxed("approved");
    assert!(step(&o, 200).status.attributes.iter().all(|a| a.reason == Some(W::Revoked)));
    check(vec![same("for good", o, "Approved", "Verified=False/Revoked", "")]);
}

#[test]
fn a_value_changed_at_the_moment_does_not_hide_that_the_vendor_thinks_worse() {
    let o = with(settled("approved"), |o| edit(o, edited()));
    let mut o = next(&o, step(&o, 200).status);
    ring(&mut o);
    o.facts.attributes = Some(Ok(edited()));
    o.facts.run = Some(Ok(Box::new(run("approved", json!({"output": {"data_comparison": {"first_name": {"result": "consider"}}}})))));
    let mut o = next(&o, step(&o, 300).status);
    edit(&mut o, person());
    assert!(!all_says(&step(&o, 400).status).contains(&"Verified=True/Verified".into()));
}

#[test]
fn a_value_that_is_put_back_is_the_one_that_was_sent() {
    let o = with(settled("approved"), |o| edit(o, edited()));
    let mut o = next(&o, step(&o, 200).status);
    edit(&mut o, person());
    assert!(all_says(&step(&o, 300).status).contains(&"Verified=True/Verified".into()));
}
