//! Passes from a view that is not the present one: of a slow cache, or of another process that believes it leads.

use super::*;

#[test]
fn a_pass_from_a_stale_view_does_nothing_twice() {
    for lag in 1..12 {
        let mut world = World::new(&[], &[]);
        let mut views = vec![];
        for _ in 0..60 {
            let view = world.view();
            views.push(view.clone());
            let mut wake = world.pass(view).ok();
            if let Some(stale) = views.len().checked_sub(lag + 1).map(|at| views[at].clone()) {
                wake = world.pass(stale).ok().or(wake);
            }
            if world.stored.status.workflow_run_id.is_some() && world.run_status != "approved" {
                world.run_status = "approved";
                (world.stored.generation, world.stored.spec.submitted_attempt) = (2, 1);
                world.stored.status.notification = notification("d1");
            }
            world.now += match wake {
                Some(Wake::At(moment)) => moment.duration_since(t(world.now)).as_secs().clamp(1, 100),
                _ => 10,
            };
        }
        world.assert_converged(&format!("lag {lag}"));
        assert_eq!((world.vendor.len(), world.posts, world.applicants), (1, 2, 1), "lag {lag}");
    }
}

#[test]
fn two_processes_that_interleave_at_any_step_pay_once() {
    // The second begins its pass from the view of the first, which dies at `crash`; both believe they lead.
    for crash in 1..30 {
        let mut world = World::new(&[crash], &[]);
        let view = world.view();
        let _ = world.pass(view.clone());
        let mut other = view.1;
        other.nonce = "the other's".into();
        let _ = world.pass((view.0, other));
        world.live(1);
        world.assert_converged(&format!("crash {crash}"));
        assert_eq!(world.vendor.len(), 1, "crash {crash}");
    }
}
