//! The rows of the end of an object: when its deletion is held, how what is at the vendor is erased, what is owed, and that it always ends.

use super::*;
use crate::api::{DeletionPolicy, Reason};
use crate::onfido::model::ApplicantId;

fn with(mut o: Observed, change: impl FnOnce(&mut Observed)) -> Observed {
    change(&mut o);
    o
}

/// The same with the policy that erases.
fn erasing(o: Observed) -> Observed {
    with(o, |o| o.spec.deletion_policy = DeletionPolicy::DeleteApplicant)
}

/// The same with our finalizer on.
fn held(o: Observed) -> Observed {
    with(erasing(o), |o| o.finalizer = true)
}

/// The same, deleted at 1000 s.
fn deleted(o: Observed) -> Observed {
    with(held(o), |o| o.deleting = Some(t(1000)))
}

/// The same with this answer of the vendor's.
fn answered(o: Observed, id: &str, answer: Result<(), Failure>) -> Observed {
    with(o, |o| o.facts.erased = Some((ApplicantId::parse(id).unwrap(), answer)))
}

fn owed(o: Observed, ids: &[&str]) -> Observed {
    with(o, |o| o.facts.owed = ids.iter().map(|id| ApplicantId::parse(*id).unwrap()).collect())
}

/// An approved one that had three applicants in its life.
fn of_three() -> Observed {
    with(settled("approved"), |o| o.status.former_applicant_ids = vec!["old-1".into(), "old-2".into(), APPLICANT.into()])
}

fn ids(effect: &Option<Effect>) -> Vec<String> {
    let names = |ids: &[ApplicantId]| ids.iter().map(ToString::to_string).collect();
    match effect {
        Some(Effect::EraseApplicant { id, .. }) => vec![id.to_string()],
        Some(Effect::OweErasure { applicants, .. }) => names(applicants),
        Some(Effect::ReleaseDeletion { lost }) => names(lost),
        _ => vec![],
    }
}

/// Before the deadline, at it, and at the last one.
const EARLY: i64 = 1100;
const OVER: i64 = 1600;
const LAST: i64 = 2200;

#[test]
fn deletion_is_held_before_anything_is_at_the_vendor_and_only_then() {
    let row = |name, o: Observed, effect, phase| Row(name, o, 100, [effect, phase, "=", "", "Fields", "OnChange", ""]);
    let refused = with(erasing(read()), |o| o.provider = Provider::Missing);
    let refused = next(&refused, step(&refused, 0).status);
    let found = with(erasing(read()), |o| {
        (o.facts.looked, o.facts.capture) = (looked(vec![run("awaiting_input", json!({}))]), Some(Ok("capture".into())));
    });
    check(vec![
        row("before the first intent", erasing(with(read(), |o| o.facts.looked = looked(vec![]))), "HoldDeletion", "Pending"),
        row("before a run that was found is recorded", found, "HoldDeletion", "Pending"),
        row("once the policy asks for it", erasing(settled("approved")), "HoldDeletion", "Approved"),
        row("not while nothing is there", erasing(fresh()), "ReadAttributes", "Pending"),
        row("nor while nothing will be", refused, "", "Pending"),
        row("nor twice", held(settled("approved")), "", "Approved"),
        row("nor without the policy", settled("approved"), "", "Approved"),
        row("no more once the policy asks for nothing", with(settled("approved"), |o| o.finalizer = true), "ReleaseDeletion", "Approved"),
    ]);
    let intent = step(&held(with(read(), |o| o.facts.looked = looked(vec![]))), 100);
    assert_eq!((effect_of(&intent), intent.fence), ("CreateApplicant", Fence::Version), "then it begins");
    let mut doubted = erasing(applicant_intended());
    doubted.memory.operation_known_for = secs(10);
    assert_eq!(effect_of(&step(&doubted, 10)), "HoldDeletion", "a call in doubt may have left something");
    doubted.facts.applicant = Some(Ok(applicant()));
    assert_eq!(effect_of(&step(&doubted, 10)), "StartRun", "what a call has brought goes on record first");
}

#[test]
fn a_policy_that_comes_later_keeps_nothing_from_being_recorded() {
    let time = |seconds| Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(t(seconds)));
    let expired = with(settled("approved"), |o| o.status.verified_until = time(150));
    let looked_for = with(known_for(run_intended(), 100), |o| o.facts.looked = looked(vec![]));
    let retained = with(expired.clone(), |o| o.finalizer = true);
    let says = "Verified=False/Expired";
    check(vec![
        Row("a verdict ends first", erasing(expired), 200, ["", "Approved", says, "", "Fields", "+0", ""]),
        Row("also where the finalizer goes", retained, 200, ["", "Approved", says, "", "Fields", "+0", ""]),
        Row("a look is counted once", erasing(looked_for), 200, ["", "Pending", "", "StartRun 0 1", "Operation nonce-1+", "+0", ""]),
    ]);
    let mut another = erasing(with(settled("declined"), |o| (o.spec.attempt, o.generation) = (2, 2)));
    (another.facts.attributes, another.facts.looked) = (Some(Ok(person())), looked(vec![]));
    assert_eq!(effect_of(&step(&another, 200)), "HoldDeletion", "what would be begun waits for it");
    let begun = step(&with(another, |o| o.finalizer = true), 200);
    assert!(begun.effect.as_ref().is_some_and(Effect::is_unrepeatable), "{:?}", begun.effect);
}

#[test]
fn what_is_there_is_erased_then_the_object_goes() {
    let row = |name, o, effect, wake| Row(name, o, EARLY, [effect, "Approved", "=", "", "Fields", wake, ""]);
    let gone = with(deleted(settled("approved")), |o| o.finalizer = false);
    let retained = with(deleted(settled("approved")), |o| o.spec.deletion_policy = DeletionPolicy::Retain);
    let nothing = with(deleted(fresh()), |o| o.status = Default::default());
    check(vec![
        row("asked for at once", deleted(settled("approved")), "EraseApplicant", "OnChange"),
        row("also while suspended, if somebody let go", retained, "ReleaseDeletion", "OnChange"),
        row("granted: it goes", answered(deleted(settled("approved")), APPLICANT, Ok(())), "ReleaseDeletion", "OnChange"),
        row("it is somebody else who holds it up", gone, "", "OnChange"),
        Row("nothing was ever there", nothing, EARLY, ["ReleaseDeletion", "Pending", "=", "", "Fields", "OnChange", ""]),
    ]);
}

#[test]
fn each_applicant_is_asked_for_once_and_that_is_on_record() {
    let mut o = deleted(of_three());
    let mut asked = vec![];
    for pass in 0..3 {
        let plan = step(&o, EARLY + pass);
        assert_eq!(effect_of(&plan), "EraseApplicant");
        asked.extend(ids(&plan.effect));
        let id = asked.last().unwrap().clone();
        // A crash forgets what it has not recorded; every second one is made.
        o = Observed { status: plan.status, ..o };
        o = answered(o, &id, Ok(()));
    }
    assert_eq!(asked, [APPLICANT, "old-1", "old-2"]);
    assert_eq!(effect_of(&step(&o, EARLY)), "ReleaseDeletion");
    let recorded = o.status.erasure.clone().unwrap();
    assert_eq!(recorded.applicant_ids, [APPLICANT, "old-1"], "the last one needs no record");
    let again = step(&next(&o, o.status.clone()), EARLY);
    assert_eq!((effect_of(&again), ids(&again.effect)), ("EraseApplicant", vec!["old-2".to_owned()]), "after a crash the last one only");
    let mut status = of_three().status;
    status.standing_verdict = serde_json::from_value(json!({
        "attempt": 1, "workflowRunID": "run-0", "applicantID": "stood", "basis": status.basis,
    }))
    .unwrap();
    status.erasure = serde_json::from_value(json!({ "requestedAt": t(0).to_string(), "applicantIDs": ["old-2"] })).unwrap();
    let left: Vec<String> = erasure::applicants(&status).iter().map(ToString::to_string).collect();
    assert_eq!(left, [APPLICANT, "stood", "old-1"], "also the one that the standing verdict is of");
}

#[test]
fn what_stands_in_the_way_is_waited_for_until_the_deadline_then_it_is_owed() {
    let reference = |failure: Failure| answered(deleted(settled("approved")), APPLICANT, Err(failure));
    let secret =
        Failure::SecretNotFound { namespace: "n".into(), name: "s".into(), key: None, for_use: crate::api::SecretUse::Credentials };
    let gone = Failure::ProviderNotFound { namespace: "n".into(), name: "p".into() };
    for (failure, reason, wake) in [
        (Failure::Unreachable, Reason::Unreachable, "+50"),
        (Failure::Unauthorized, Reason::Unauthorized, "+50"),
        (secret, Reason::SecretNotFound, "+50"),
        (gone, Reason::ProviderNotFound, "+500"),
        (Failure::AccountChanged, Reason::AccountChanged, "+300"),
        (Failure::UnexpectedAnswer { what: "it" }, Reason::UnexpectedAnswer, "+50"),
    ] {
        let says: &'static str = Box::leak(format!("Ready=False/{reason} Verified=True/Verified").into_boxed_str());
        check(vec![
            Row("waited for", reference(failure.clone()), EARLY, ["", "Approved", says, "", "Fields", wake, ""]),
            Row("then owed", reference(failure.clone()), OVER, ["OweErasure", "Approved", "=", "", "Fields", "OnChange", ""]),
        ]);
        let Some(Effect::OweErasure { why, environment, orphan, .. }) = step(&reference(failure), OVER).effect else { panic!() };
        assert_eq!((why, environment, orphan), (reason, Some(Environment::Sandbox), None));
    }
    let limited = |after| reference(Failure::RateLimited { after: Some(secs(after)) });
    let row = |name, o, at, effect, wake, notices| Row(name, o, at, [effect, "Approved", "=", "", "Fields", wake, notices]);
    check(vec![
        row("its turn is waited for and nobody told", limited(7), EARLY, "", "+50", ""),
        row("as the vendor says", limited(70), EARLY, "", "+70", ""),
        row("never beyond the deadline", limited(3600), EARLY, "", "+500", ""),
        row("the first try may come late, and is made", deleted(settled("approved")), OVER, "EraseApplicant", "OnChange", ""),
        row(
            "what is owed is told when it goes",
            owed(deleted(settled("approved")), &[APPLICANT]),
            OVER,
            "ReleaseDeletion",
            "OnChange",
            "ErasureOwed",
        ),
    ]);
    let three = answered(deleted(of_three()), "old-1", Err(Failure::Unreachable));
    assert_eq!(ids(&step(&three, OVER).effect), [APPLICANT, "old-1", "old-2"], "all that is left, at once");
}

#[test]
fn a_run_in_progress_is_not_waited_for() {
    let blocked = answered(deleted(of_three()), APPLICANT, Err(Failure::RunInProgress));
    let plan = step(&blocked, EARLY);
    assert_eq!((effect_of(&plan), ids(&plan.effect)), ("OweErasure", vec![APPLICANT.to_owned()]));
    let plan = step(&owed(blocked, &[APPLICANT]), EARLY);
    assert_eq!((effect_of(&plan), ids(&plan.effect)), ("EraseApplicant", vec!["old-1".to_owned()]), "the others are");
}

#[test]
fn suspend_stops_the_calls_and_does_not_hold_the_deletion_up() {
    let suspended = |o| with(deleted(o), |o: &mut Observed| o.spec.suspend = true);
    let provider = with(deleted(settled("approved")), |o| o.provider = found(json!({"suspend": true})));
    let says = "Ready=False/Suspended Verified=True/Verified";
    check(vec![
        Row("nothing is asked", suspended(settled("approved")), EARLY, ["", "Approved", says, "", "Fields", "+500", ""]),
        Row("nor of a suspended provider", provider, EARLY, ["", "Approved", says, "", "Fields", "+500", ""]),
        Row("then it is owed", suspended(settled("approved")), OVER, ["OweErasure", "Approved", "=", "", "Fields", "OnChange", ""]),
    ]);
    let Some(Effect::OweErasure { why, .. }) = step(&suspended(settled("approved")), OVER).effect else { panic!() };
    assert_eq!(why, Reason::Suspended);
}

#[test]
fn a_ledger_that_cannot_be_written_is_waited_for_as_long_again() {
    let refused = |o: Observed| with(o, |o| o.facts.ledger = Some(Failure::LedgerRefused));
    let o = || refused(answered(deleted(settled("approved")), APPLICANT, Err(Failure::Unreachable)));
    check(vec![
        Row("waited for", o(), OVER, ["", "Approved", "Ready=False/LedgerRefused", "", "Fields", "+300", ""]),
        Row("never beyond the last deadline", o(), LAST - 100, ["", "Approved", "Ready=False/LedgerRefused", "", "Fields", "+100", ""]),
        Row(
            "then it goes, and says what is lost",
            o(),
            LAST,
            ["ReleaseDeletion of what is lost", "Approved", "=", "", "Fields", "OnChange", "ErasureLost"],
        ),
    ]);
    assert_eq!(ids(&step(&o(), LAST).effect), [APPLICANT]);
}

fn known_for(o: Observed, seconds: u64) -> Observed {
    with(o, |o| o.memory.operation_known_for = secs(seconds))
}

#[test]
fn a_call_in_doubt_is_waited_out_and_no_other_made_in_its_place() {
    let row = |name, o, at, effect, says, operation, wake| Row(name, o, at, [effect, "Pending", says, operation, "Fields", wake, ""]);
    let run = |known| known_for(deleted(run_intended()), known);
    check(vec![
        row("the run's", run(10), EARLY, "", "Ready=False/Erasing", "StartRun 0 0", "+70"),
        row("then its applicant goes, and the run with it", run(80), EARLY, "EraseApplicant", "=", "StartRun 0 0", "OnChange"),
        row("not beyond the deadline", run(10), OVER, "EraseApplicant", "=", "StartRun 0 0", "OnChange"),
        row(
            "the applicant's",
            known_for(deleted(applicant_intended()), 10),
            OVER - 20,
            "",
            "Ready=False/Erasing",
            "CreateApplicant 0 0",
            "+20",
        ),
    ]);
}

#[test]
fn an_applicant_in_doubt_is_known_by_a_run_or_told_of_as_an_orphan() {
    let doubted = || known_for(deleted(applicant_intended()), 80);
    let searched = |runs| with(doubted(), |o| o.facts.looked = looked(runs));
    let failed = with(doubted(), |o| o.facts.looked = super::searched(Err(Failure::Unreachable)));
    let orphan = with(searched(vec![]), |o| o.facts.orphan_owed = true);
    let unwritable = |o| with(o, |o: &mut Observed| o.facts.ledger = Some(Failure::LedgerRefused));
    let foreign = with(doubted(), |o| o.key_held_by = Some("other".into()));
    let suspended = with(doubted(), |o| o.spec.suspend = true);
    let also = |o: Observed| with(o, |o| o.status.former_applicant_ids = vec!["old-1".into()]);
    let dead = |o: Observed| answered(o, "old-1", Err(Failure::Unreachable));
    let op = "CreateApplicant 0 0";
    let row = |name, o, at, effect, says, operation, wake, notices| {
        Row(name, o, at, [effect, "Pending", says, operation, "Fields", wake, notices])
    };
    check(vec![
        row("a run is looked for", doubted(), EARLY, "LookForRun", "=", op, "OnChange", ""),
        row("until the vendor answers", failed.clone(), EARLY, "", "Ready=False/Unreachable", op, "+50", ""),
        row("its applicant is erased", searched(vec![run("processing", json!({}))]), EARLY, "EraseApplicant", "", "", "OnChange", ""),
        row("none: the ledger tells of it", searched(vec![]), EARLY, "OweErasure of an orphan", "=", op, "OnChange", ""),
        row("what is known to be there comes first", also(searched(vec![])), EARLY, "EraseApplicant", "=", op, "OnChange", ""),
        row("also once the ledger fails", unwritable(also(searched(vec![]))), EARLY, "", "Ready=False/LedgerRefused", op, "+50", ""),
        row("and is owed before", dead(also(searched(vec![]))), OVER, "OweErasure", "=", op, "OnChange", ""),
        row("then it goes", orphan, EARLY, "ReleaseDeletion", "=", op, "OnChange", "PossibleOrphanApplicant"),
        row("at the deadline without a look", failed, OVER, "OweErasure of an orphan", "=", op, "OnChange", ""),
        row("another object's runs are not looked for", foreign, EARLY, "OweErasure of an orphan", "=", op, "OnChange", ""),
        row("suspended", suspended.clone(), EARLY, "", "Ready=False/Suspended", op, "+500", ""),
        row("and over", suspended, OVER, "OweErasure of an orphan", "=", op, "OnChange", ""),
        row("a ledger that cannot be written", unwritable(searched(vec![])), EARLY, "", "Ready=False/LedgerRefused", op, "+50", ""),
        row("and over", unwritable(doubted()), LAST, "ReleaseDeletion", "=", op, "OnChange", "PossibleOrphanApplicant"),
    ]);
    let Some(Effect::OweErasure { orphan: Some(orphan), applicants, .. }) = step(&searched(vec![]), EARLY).effect else { panic!() };
    assert_eq!((orphan.tag.as_str(), orphan.from, orphan.until, applicants.len()), (TAG, t(0), t(80), 0));
}

#[test]
fn nothing_is_ever_started_for_it() {
    let situations =
        [fresh(), read(), applicant_intended(), run_intended(), open("awaiting_input"), settled("approved"), settled("declined")];
    for o in situations {
        for asked in [1, 2] {
            let mut o = known_for(deleted(o.clone()), 1000);
            (o.spec.attempt, o.generation) = (asked, 9);
            o.status.notification = notification("d1");
            for at in [EARLY, OVER, LAST] {
                let plan = step(&o, at);
                let name = effect_of(&plan);
                assert!(["EraseApplicant", "ReleaseDeletion", "LookForRun", "OweErasure of an orphan"].contains(&name), "{name}");
            }
        }
    }
}
