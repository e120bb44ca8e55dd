//! Lives in which the retries of a call in doubt are refused.

use super::*;

#[test]
fn refusals_between_tries_forget_no_try_of_unknown_fate() {
    use Fate::{Answered, Late, Refused, Vanished};
    // A first try carried out long after; its retries are refused, until one is answered after it: both are seen, one is reported.
    let mut world = World::new(&[], &[Answered, Late(1150), Refused, Refused]);
    world.live(1);
    world.assert_converged("found by a look between refusals");
    assert_eq!((world.vendor.len(), world.reported, world.posts), (1, 0, 4));
    // Never carried out: three tries beside the first, however many are refused between them, and then a human.
    let fates = [Answered, Vanished, Refused, Vanished, Refused, Vanished, Refused, Refused, Vanished];
    let mut world = World::new(&[], &fates);
    for _ in 0..200 {
        let view = world.view();
        match world.pass(view) {
            Ok(Wake::At(moment)) => world.now = world.now.max(moment.duration_since(t(0)).as_secs()),
            _ => world.now += 10,
        }
    }
    assert_eq!(world.posts, fates.len(), "nothing is tried beyond the bound");
    let stalled = find_condition(&world.stored.status.conditions, ConditionType::Stalled).unwrap();
    assert_eq!(stalled.status, ConditionStatus::True);
}
