//! A run that the vendor does not have any more: the verdict stays, an open one never comes, and nobody asks again and again.

use super::*;
use crate::api::VendorRecord;

fn with(mut o: Observed, change: impl FnOnce(&mut Observed)) -> Observed {
    change(&mut o);
    o
}

fn gone(o: Observed) -> Observed {
    with(o, |o| {
        o.status.notification = notification("d1");
        (o.facts.attributes, o.facts.run) = (Some(Ok(person())), Some(Err(Failure::RunPurged)));
    })
}

#[test]
fn the_verdict_stays_and_the_delivery_is_answered() {
    for (status, phase, says) in [
        ("approved", "Approved", "Verified=True/Verified Completed=True/OutcomeReported Ready=True/Started"),
        ("declined", "Declined", "Verified=False/Declined Completed=True/OutcomeReported"),
    ] {
        let o = gone(settled(status));
        check(vec![Row("kept", o.clone(), 200, ["", phase, says, "", "Fields", "OnChange", ""])]);
        let status = step(&o, 200).status;
        assert_eq!((status.vendor_record, status.is_rung()), (Some(VendorRecord::Purged), false));
        let completed = status.conditions.iter().find(|c| c.type_ == "Completed").unwrap();
        assert!(completed.message.contains("does not have the run any more"), "{}", completed.message);
        check(vec![Row("and then rest", next(&o, status), 31_536_000, ["", phase, "=", "", "Fields", "OnChange", ""])]);
    }
    let changed = with(gone(settled("approved")), |o| (o.generation, o.facts.attributes) = (2, Some(Ok(edited()))));
    let says = "Verified=False/AttributeChanged";
    check(vec![Row("an edit is judged all the same", changed, 200, ["", "Approved", says, "", "Fields", "OnChange", "Revoked"])]);
    let asked = with(gone(settled("approved")), |o| o.asked = Some("now-1".into()));
    assert_eq!(step(&asked, 200).status.reconciled.as_deref(), Some("now-1"));
}

#[test]
fn an_outcome_that_can_never_come_is_said_once_and_looked_for_slowly() {
    let says = "Completed=False/Purged CaptureReady=False/Purged Verified=Unknown/Pending Ready=True/Started Stalled=False/Progressing";
    let o = gone(open("awaiting_input"));
    check(vec![
        Row(
            "a young run may be one that reads do not show yet",
            o.clone(),
            200,
            ["", "AwaitingInput", "Completed=False/UnexpectedAnswer CaptureReady=True/AwaitingInput", "", "Fields", "Backoff", "Refused"],
        ),
        Row("an older one is gone", o.clone(), 5000, ["", "AwaitingInput", says, "", "Fields", "+3600", "Refused"]),
    ]);
    let mut o = next(&o, step(&o, 5000).status);
    assert!(!o.status.is_rung());
    // As far as this process remembers, nobody has looked: the next pass looks an hour after the run began, and so on.
    o.memory.last_look = Some(t(5000));
    check(vec![Row("no loop", o.clone(), 5001, ["", "AwaitingInput", "= Completed=False/Purged", "", "Fields", "+3599", ""])]);
    let edited = with(o.clone(), |o| o.generation = 2);
    check(vec![Row("an edit does not hide it", edited, 5001, ["", "AwaitingInput", says, "", "Fields", "+3599", ""])]);
    let back = with(o, |o| (o.facts.run, o.facts.attributes) = (boxed("approved"), Some(Ok(person()))));
    let plan = step(&back, 8600);
    assert_eq!(plan.status.vendor_record, None);
    assert!(all_says(&plan.status).contains(&"Verified=True/Verified".into()), "a mistake of the vendor's heals");
}
