//! Whom a sweep wakes, and what an audit does and leaves alone.

use super::super::sweep::{Due, due, since};
use super::*;
use crate::api::{Phase, VendorRecord};

const DAY: i64 = 86_400;

fn with(mut o: Observed, change: impl FnOnce(&mut Observed)) -> Observed {
    change(&mut o);
    o
}

fn swept(o: &Observed, jitter: f64, from: i64, to: i64) -> Option<Due> {
    due(&o.spec, &o.status, || jitter, t(from), t(to), &Timing::default())
}

/// The first second after midnight.
fn midnight() -> i64 {
    (DAY - t(0).as_second().rem_euclid(DAY)) % DAY
}

#[test]
fn each_open_run_and_each_verdict_is_audited_once_a_day_at_a_time_of_its_own() {
    let processing = open("processing");
    for jitter in [0.0, 0.25, 0.999, 1.0] {
        let at: Vec<i64> = (0..2 * 1440).filter(|n| swept(&processing, jitter, n * 60, (n + 1) * 60) == Some(Due::Audit)).collect();
        assert_eq!(at.len(), 2, "{jitter}: {at:?}");
        assert_eq!(at[1] - at[0], 1440);
    }
    let noon = midnight() + DAY / 2;
    assert_eq!(swept(&open("processing"), 0.5, noon - 1, noon), Some(Due::Audit));
    assert_eq!(swept(&open("processing"), 0.5, noon, noon + 60), None, "at one end of the time only");
    assert_eq!(swept(&open("processing"), 0.5, noon + 60, noon - 60), None, "the clock was set back");
}

#[test]
fn whom_nobody_waits_for_is_not_audited() {
    let whole_day = |o: &Observed| swept(o, 0.5, 0, DAY);
    let earlier = with(settled("approved"), |o| o.status.last_verified_attempt = Some(0));
    for (name, o, audited) in [
        ("nothing began", fresh(), false),
        ("no run yet", run_intended(), false),
        ("an open run", open("awaiting_input"), true),
        ("a verdict", settled("approved"), true),
        ("a refusal", settled("declined"), false),
        ("an attempt without a verdict of its own", earlier, false),
        ("given up", with(settled("approved"), |o| o.status.phase = Phase::Cancelled), false),
    ] {
        assert_eq!(whole_day(&o), audited.then_some(Due::Audit), "{name}");
    }
}

#[test]
fn a_verdict_that_ends_soon_is_woken_and_waits_for_itself() {
    let ends = with(settled("approved"), |o| o.status.verified_until = serde_json::from_value(json!(t(1000))).unwrap());
    let at = |second| swept(&ends, 0.5, second - 60, second);
    assert_eq!((at(900), at(939), at(940), at(999), at(5000)), (None, None, Some(Due::Moment), Some(Due::Moment), Some(Due::Moment)));
    // Whom a sweep wakes waits for the moment; before that nobody does.
    let wake = |second| wake_of(&step(&ends, second), second);
    assert_eq!((wake(200), wake(879), wake(880), wake(940)), ("OnChange".into(), "OnChange".into(), "+120".into(), "+60".into()));
}

#[test]
fn sweeps_that_were_missed_for_long_are_not_made_up_for() {
    let from = |last: i64, now: i64| since(t(last), t(now), &Timing::default()).duration_since(t(0)).as_secs();
    assert_eq!((from(0, 60), from(0, 3600), from(0, 86_400), from(100, 50)), (0, 0, 82_800, 100));
}

#[test]
fn an_audit_reads_run_and_values_and_writes_nothing_that_did_not_change() {
    let audited = |status: &str| with(settled(status), |o| o.memory.look_wanted = Some(Wanted::Audit));
    let read = |o: Observed| with(o, |o| o.facts.attributes = Some(Ok(person())));
    let seen = |status: &str| with(read(audited("approved")), |o| o.facts.run = boxed(status));
    let nothing = ["", "Approved", "=", "", "Fields", "OnChange", ""];
    let ended = |reason: &'static str| {
        with(audited("approved"), |o| o.status.conditions.iter_mut().find(|c| c.type_ == "Verified").unwrap().reason = reason.into())
    };
    let hidden = |o: &mut Observed| {
        let missing = Failure::SecretNotFound {
            namespace: "shop".into(),
            name: "person".into(),
            key: None,
            for_use: crate::api::SecretUse::Attributes,
        };
        o.facts.attributes = Some(Ok(Attributes { given: vec![], unreadable: vec![missing], ..person() }));
    };
    let purged = with(read(audited("approved")), |o| o.facts.run = Some(Err(Failure::RunPurged)));
    let purged = next(&purged, step(&purged, 200).status);
    assert_eq!(purged.status.vendor_record, Some(VendorRecord::Purged));
    let forbidden = Failure::SecretForbidden { namespace: "shop".into(), name: "person".into() };
    check(vec![
        Row("the values first", audited("approved"), 200, ["ReadAttributes", "Approved", "=", "", "Fields", "OnChange", ""]),
        Row("then the run", read(audited("approved")), 200, ["ReadRun", "Approved", "=", "", "Fields", "OnChange", ""]),
        Row("nothing has changed", seen("approved"), 200, nothing),
        Row(
            "a value has",
            with(seen("approved"), |o| o.facts.attributes = Some(Ok(edited()))),
            200,
            ["", "Approved", "Verified=False/AttributeChanged", "", "Fields", "OnChange", "Revoked"],
        ),
        Row(
            "the vendor thinks worse",
            seen("declined"),
            200,
            ["", "Approved", "Verified=False/Revoked", "", "Fields", "OnChange", "Revoked"],
        ),
        Row("a Secret that is gone takes nothing back", with(seen("approved"), hidden), 200, nothing),
        Row(
            "nor one that may not be read, and it is left for the next day",
            with(audited("approved"), |o| o.facts.attributes = Some(Err(forbidden))),
            200,
            nothing,
        ),
        Row(
            "nor a vendor that cannot be reached",
            with(read(audited("approved")), |o| o.facts.run = Some(Err(Failure::Unreachable))),
            200,
            nothing,
        ),
        Row(
            "which does not hide that a value has changed",
            with(audited("approved"), |o| (o.facts.attributes, o.facts.run) = (Some(Ok(edited())), Some(Err(Failure::Unreachable)))),
            200,
            ["", "Approved", "Verified=False/AttributeChanged", "", "Fields", "OnChange", "Revoked"],
        ),
        Row("an expired verdict is not looked at", ended("Expired"), 200, nothing),
        Row("nor one that was taken back", ended("Revoked"), 200, nothing),
        Row("suspended, nobody is asked", with(audited("approved"), |o| o.spec.suspend = true), 200, nothing),
        Row("nor is a run asked for that is known to be gone", read(purged), 200, nothing),
    ]);
    // The feed is heard by all of them.
    let fed = with(ended("Expired"), |o| o.memory.look_wanted = Some(Wanted::Feed));
    check(vec![
        Row("the feed has another word", fed, 200, ["ReadAttributes", "Approved", "=", "", "Fields", "OnChange", ""]),
        Row(
            "and the vendor does not answer",
            with(read(settled("approved")), |o| {
                (o.memory.look_wanted, o.facts.run) = (Some(Wanted::Feed), Some(Err(Failure::Unreachable)));
            }),
            200,
            ["", "Approved", "=", "", "Fields", "Backoff", ""],
        ),
    ]);
}

#[test]
fn what_has_changed_is_found_while_another_attempt_is_under_way() {
    let standing = with(open("processing"), |o| {
        let verdict =
            json!({"attempt": 1, "workflowRunID": "run-0", "applicantID": APPLICANT, "basis": o.status.basis, "environment": "Sandbox"});
        o.status.standing_verdict = serde_json::from_value(verdict).ok();
        o.status.conditions = settled("approved").status.conditions.into_iter().filter(|c| c.type_ == "Verified").collect();
        o.memory.look_wanted = Some(Wanted::Audit);
        o.facts.attributes = Some(Ok(person()));
    });
    let Some(Effect::ReadRun { run, .. }) = step(&standing, 200).effect else { panic!() };
    assert_eq!(run.as_str(), "run-0", "of the verdict that stands");
    let seen = with(standing.clone(), |o| o.facts.older_run = boxed("approved"));
    let Some(Effect::ReadRun { run, .. }) = step(&seen, 200).effect else { panic!() };
    assert_eq!(run.as_str(), "run-1", "and of the attempt under way");
}
