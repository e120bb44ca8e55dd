//! A further attempt meets the end of a verdict, and the end of the verification.

use super::*;
use crate::api::ConditionStatus;

/// Verified at 100 s for a thousand seconds, and a second attempt that waits for the person since 210 s.
fn second_of_a_bounded() -> Observed {
    let mut o = settled("approved");
    o.status.basis.as_mut().unwrap().validity = Some("16m40s".parse().unwrap());
    o.status.verified_until = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(t(1100)));
    let mut o = intended(by(begins(o, person()), json!({"retryOn": ["Verified"]})));
    o.facts.started = Some(Ok(Box::new(run_2("awaiting_input", json!({})))));
    o.facts.capture = Some(Ok("user-1-capture".into()));
    next(&o, step(&o, 210).status)
}

/// Its outcome is read.
fn approved(mut o: Observed) -> Observed {
    o.facts.run = Some(Ok(Box::new(run_2("approved", json!({})))));
    o.facts.attributes = Some(Ok(person()));
    o
}

fn verified(o: &Observed) -> String {
    says(o, ConditionType::Verified).0
}

#[test]
fn a_verdict_ends_at_its_time_also_while_another_attempt_is_under_way() {
    let o = second_of_a_bounded();
    assert_eq!(verified(&o), "True/Verified");
    assert_eq!(step(&o, 1000).wake, Wake::At(t(1100)), "nothing is due before");
    let o = next(&o, step(&o, 1100).status);
    assert_eq!(verified(&o), "False/Expired");
    assert!(o.status.verified_until.is_none() && o.status.phase == Phase::AwaitingInput);
    // An edit does not bring it back.
    let edited = with(o.clone(), |o| (o.generation, o.facts.attributes) = (o.generation + 1, Some(Ok(person()))));
    assert_eq!(verified(&next(&edited, step(&edited, 1101).status)), "False/Expired");
    // The new outcome does, for a time of its own.
    let o = approved(o);
    let o = next(&o, step(&o, 1200).status);
    assert_eq!(verified(&o), "True/Verified");
    assert!(o.status.standing_verdict.is_none());
}

#[test]
fn an_attempt_after_an_expired_verdict_verifies_again() {
    let mut o = settled("approved");
    o.status.basis.as_mut().unwrap().validity = Some("16m40s".parse().unwrap());
    o.status.verified_until = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(t(1100)));
    let o = next(&o, step(&o, 1100).status);
    assert_eq!(verified(&o), "False/Expired");
    let mut o = intended(begins(o, person()));
    assert!(o.status.standing_verdict.is_none(), "what has ended does not stand");
    o.facts.started = Some(Ok(Box::new(run_2("awaiting_input", json!({})))));
    o.facts.capture = Some(Ok("user-1-capture".into()));
    let o = approved(next(&o, step(&o, 1210).status));
    assert_eq!(verified(&next(&o, step(&o, 1300).status)), "True/Verified");
}

#[test]
fn giving_up_a_further_attempt_gives_up_the_verdict_before_it_and_nothing_follows() {
    let o = with(second_of_a_bounded(), |o| (o.spec.cancelled, o.generation) = (true, o.generation + 1));
    let o = with(o, |o| (o.facts.attributes, o.facts.emptied) = (Some(Ok(person())), Some(Ok(()))));
    let plan = step(&o, 300);
    assert_eq!(plan.notices.iter().map(|notice| notice.kind).collect::<Vec<_>>(), [NoticeKind::Revoked]);
    let o = next(&o, plan.status);
    assert_eq!((o.status.phase, verified(&o).as_str()), (Phase::Cancelled, "False/Cancelled"));
    assert!(o.status.standing_verdict.is_none() && o.status.verified_until.is_none());
    assert_eq!(says(&o, ConditionType::Completed).1, Some(o.generation), "who waits for its end is told");
    assert!(o.status.attributes.iter().all(|attribute| !attribute.verified));
    let condition = find_condition(&o.status.conditions, ConditionType::Verified).unwrap();
    assert_eq!(condition.status, ConditionStatus::False);
    // No attempt follows, whatever is asked.
    let o = begins(o, person());
    let plan = step(&o, 400);
    assert!(plan.effect.is_none() && plan.status.phase == Phase::Cancelled);
    // Nor after a verdict that stays.
    let o = with(begins(settled("approved"), person()), |o| o.spec.cancelled = true);
    let plan = step(&by(o, json!({"retryOn": ["Verified"]})), 400);
    assert!(plan.effect.is_none() && plan.status.attempt == Some(1));
}
