//! Lives that are given up at any moment, with calls lost, late and refused, and a crash somewhere.

use super::*;

/// Passes until `cancelled` is set before this one; then until nothing more is due.
fn lived(cancelled_at: usize, crashes: &[usize], fates: &[Fate]) -> World {
    let mut world = World::new(crashes, fates);
    for pass in 0..400 {
        if pass == cancelled_at {
            (world.stored.spec.cancelled, world.stored.generation) = (true, world.stored.generation + 1);
            world.version += 1;
        }
        if pass == 3 {
            world.run_status = "processing";
        }
        if pass == 5 {
            (world.run_status, world.stored.status.notification) = ("approved", notification("d1"));
            world.version += 1;
        }
        let view = world.view();
        match world.pass(view) {
            Ok(Wake::At(moment)) => world.now = world.now.max(moment.duration_since(t(0)).as_secs()),
            Ok(Wake::OnChange) if pass > cancelled_at.max(5) => return world,
            _ => world.now += 10,
        }
    }
    panic!("no end is reached");
}

#[test]
fn whenever_it_is_given_up_what_was_paid_for_is_known_and_nothing_more_is() {
    let mut ends = [0; 2];
    for fates in [
        &[][..],
        &[Fate::Lost],
        &[Fate::Vanished],
        &[Fate::Answered, Fate::Lost],
        &[Fate::Answered, Fate::Vanished],
        &[Fate::Answered, Fate::Refused],
        &[Fate::Answered, Fate::Late(40)],
        &[Fate::Answered, Fate::Vanished, Fate::Lost],
    ] {
        for crash in 0..30 {
            for cancelled_at in 0..9 {
                let world = lived(cancelled_at, &[crash], fates);
                let name = format!("{fates:?}, a crash after {crash}, cancelled at pass {cancelled_at}");
                let status = &world.stored.status;
                let verified = find_condition(&status.conditions, ConditionType::Verified).unwrap();
                let known = status.workflow_run_id.is_some();
                assert_eq!(known, !world.vendor.is_empty(), "{name}: a run that exists is known");
                assert!(world.vendor.len() <= 1 && status.operation.is_none(), "{name}");
                assert!(world.applicants <= 1 + world.orphans, "{name}: an orphan is reported");
                assert_eq!(status.observed_generation, Some(world.stored.generation), "{name}");
                match status.phase {
                    crate::api::Phase::Cancelled => {
                        assert_eq!((verified.status, verified.reason.as_str()), (ConditionStatus::False, "Cancelled"), "{name}");
                        assert!(status.capture.is_none() && !status.is_rung(), "{name}");
                        ends[0] += 1;
                    }
                    phase => {
                        assert_eq!((phase, verified.status), (crate::api::Phase::Approved, ConditionStatus::True), "{name}");
                        ends[1] += 1;
                    }
                }
            }
        }
    }
    assert!(ends.iter().all(|count| *count > 50), "{ends:?}: both ends are reached");
}
