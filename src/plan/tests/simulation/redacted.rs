//! Lives that are redacted, with a crash somewhere, and go on with another attempt.

use super::*;

/// Declined, then redacted as an edit asks for, when that is due, with crashes at these steps from the edit on.
fn redacted(crashes: &[usize]) -> (World, usize) {
    let (mut world, before) = second::declined(&[], &[]);
    world.stored.spec.retention = serde_json::from_value(json!({"redactAfter": "100s"})).unwrap();
    (world.stored.generation, world.version) = (world.stored.generation + 1, world.version + 1);
    world.crashes = crashes.iter().map(|step| step + world.steps).collect();
    world.settle(1);
    world.now += 200; // a process that was restarted may have had to wait anew
    world.settle(1);
    let steps = world.steps - before;
    (world, steps)
}

#[test]
fn a_crash_after_any_two_steps_of_a_redaction_leaves_nothing_but_the_decision() {
    let (_, steps) = redacted(&[]);
    for first in 0..=steps {
        for second in first..=steps + 4 {
            let name = format!("crashes after {first} and {second}");
            let (mut world, _) = redacted(&[first, second]);
            let status = world.stored.status.clone();
            assert!(status.redacted_at.is_some() && status.capture.is_none() && status.dashboard_url.is_none(), "{name}");
            assert!(status.basis.unwrap().attributes.iter().all(|attribute| attribute.digest.is_none()), "{name}");
            let verified = find_condition(&status.conditions, ConditionType::Verified).unwrap();
            assert_eq!((verified.status, verified.reason.as_str()), (ConditionStatus::False, "Declined"), "{name}");
            assert!((1..=3).contains(&world.people.erased.len()) && world.people.erased.iter().all(|id| id == "applicant-1"), "{name}");
            let writes = world.writes;
            world.now += 86_400;
            world.settle(2);
            assert_eq!(world.writes, writes, "{name}");
            // Another attempt has an applicant of its own, and is judged by what that was sent.
            world.stored.spec.retention = None;
            world.live_again(1, false);
            assert_eq!(world.assert_verified_again(&name), 1, "{name}");
            assert_eq!((world.applicants, world.stored.status.applicant_id.as_deref()), (2, Some("applicant-2")), "{name}");
        }
    }
}
