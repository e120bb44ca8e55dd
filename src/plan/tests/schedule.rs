//! When a run is looked at: soon and then ever more slowly, spread over time, and never in a storm.

use super::super::schedule::{Pace, after, between, next_look};
use super::*;

fn looks(pace: Pace, jitter: f64, many: usize) -> Vec<i64> {
    let mut last = None;
    let mut all = vec![];
    for _ in 0..many {
        let next = next_look(pace, t(0), last, last.unwrap_or(t(0)), jitter, &Timing::default());
        all.push(next.duration_since(t(0)).as_secs());
        last = Some(next);
    }
    all
}

#[test]
fn an_eager_run_is_looked_at_soon_then_ever_more_slowly() {
    assert_eq!(looks(Pace::Eager, 0.0, 9), [3, 8, 20, 50, 120, 300, 900, 4500, 8100]);
    assert_eq!(looks(Pace::Slow, 0.0, 3), [3600, 7200, 10800]);
}

#[test]
fn jitter_stretches_by_a_fifth_at_most() {
    assert_eq!(looks(Pace::Slow, 0.5, 1), [3960]);
    assert_eq!(looks(Pace::Slow, 1.0, 1), [4320]);
    assert_eq!(looks(Pace::Slow, 9.0, 1), [4320]);
    assert_eq!(looks(Pace::Slow, -1.0, 1), [3600]);
}

#[test]
fn a_look_covers_all_that_was_due_before_it() {
    let next = |last: i64| next_look(Pace::Eager, t(0), Some(t(last)), t(9000), 0.0, &Timing::default());
    assert_eq!(next(-50), t(3), "a look before the anchor covers nothing");
    assert_eq!(next(3), t(8));
    assert_eq!(next(60), t(120), "looks that were missed are not made up for");
    assert_eq!(next(5000), t(8600));
    assert_eq!(
        next_look(Pace::Slow, t(100), Some(t(0)), t(200), 0.0, &Timing::default()),
        t(3700),
        "and no look is earlier than the anchor"
    );
}

#[test]
fn time_saturates() {
    assert_eq!(after(Timestamp::MAX, secs(1)), Timestamp::MAX);
    assert_eq!(after(t(0), Duration::MAX), Timestamp::MAX);
    assert_eq!((between(t(0), t(9)), between(t(9), t(0))), (secs(9), secs(0)));
}

#[test]
fn a_run_that_starts_to_be_processed_late_is_looked_at_soon_without_a_finalize() {
    let mut o = open("awaiting_input");
    o.memory.last_look = Some(t(7200));
    o.facts.run = boxed("processing");
    let mut o = next(&o, step(&o, 7200).status);
    let mut all = vec![];
    for _ in 0..4 {
        let Wake::At(due) = step(&o, o.memory.last_look.unwrap().duration_since(t(0)).as_secs()).wake else { panic!() };
        all.push(due.duration_since(t(7200)).as_secs());
        o.memory.last_look = Some(due);
    }
    assert_eq!(all, [3, 8, 20, 50]);
}

#[test]
fn every_duration_scales_but_the_vendors_own() {
    let Timing {
        deadline,
        post_timeout,
        settle,
        look_first_after,
        absence,
        tries,
        stalled_look,
        looks,
        slow_look,
        slow_retry,
        sdk_token_lifetime,
        fresh_token_lifetime,
        probe,
        secret_ttl,
        persistence,
        token_use,
        deletion,
        debts,
        feed,
        feed_overlap,
        feed_first,
        feed_lost,
        first_audit,
        audit,
        sweep,
        secret_told,
        backoff,
    } = Timing::default().scaled(0.5);
    assert_eq!((deadline, post_timeout, settle, look_first_after), (secs(15), secs(10), secs(15), secs(30)));
    assert_eq!((absence, tries, stalled_look), (secs(150), [secs(150), secs(1800), secs(10800)], secs(1800)));
    assert_eq!((looks[0], looks[6], slow_look, slow_retry), (Duration::from_millis(1500), secs(450), secs(1800), secs(150)));
    assert_eq!((sdk_token_lifetime, probe, secret_ttl), (secs(34 * 86400), secs(300), secs(30)));
    assert_eq!(fresh_token_lifetime, secs(85 * 30));
    assert_eq!((persistence, token_use, backoff), (secs(150), secs(300), [Duration::from_millis(500), secs(150)]));
    assert_eq!((deletion, debts), (secs(300), secs(1800)));
    assert_eq!((feed, feed_overlap, feed_first, feed_lost), (secs(30), secs(60), secs(1800), secs(300)));
    assert_eq!((first_audit, audit, sweep), (secs(3600), secs(43_200), secs(30)));
    assert_eq!(secret_told, Duration::from_millis(2500));
    assert_eq!(Timing::default().doubt(), secs(80));
    assert!(Timing::default().deletion > Timing::default().doubt(), "what is in doubt can be waited out");
}

#[test]
fn a_clock_that_was_set_back_stops_no_look_and_makes_no_storm() {
    let next = |pace, anchor, last: Option<i64>, now| next_look(pace, t(anchor), last.map(t), t(now), 0.0, &Timing::default());
    let day = 86_400;
    for (name, pace, anchor, last, due) in [
        ("a look of tomorrow is none", Pace::Eager, 0, Some(day), 3),
        ("nor for a person who is awaited", Pace::Slow, 0, Some(day), 3600),
        ("a schedule of tomorrow: now", Pace::Eager, day, None, 100),
        ("both", Pace::Eager, day, Some(day), 100),
        ("slowly as well", Pace::Slow, day, Some(day), 100),
        ("and once that is done, evenly", Pace::Eager, day, Some(100), 400),
        ("whatever time passes", Pace::Eager, day, Some(-100), 200),
        ("slowly", Pace::Slow, day, Some(100), 3700),
    ] {
        assert_eq!(next(pace, anchor, last, 100), t(due), "{name}");
    }
    // As the table has it: the look is made, and nothing recorded or remembered puts it off.
    let time = |seconds| Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(t(seconds)));
    let mut o = open("processing");
    o.memory.last_look = Some(t(day));
    assert_eq!(effect_of(&step(&o, 100)), "ReadRun");
    o.status.started_at = time(day);
    assert_eq!(effect_of(&step(&o, 100)), "ReadRun");
    // Nor a look in trouble, of a run that began tomorrow.
    let mut troubled = open("awaiting_input");
    troubled.facts.run = Some(Err(Failure::Unauthorized));
    let mut troubled = super::next(&troubled, step(&troubled, 10).status);
    (troubled.status.started_at, troubled.memory.last_look) = (time(0), Some(t(day)));
    assert_eq!(effect_of(&step(&troubled, 100)), "ReadRun");
    // A finalize that was seen tomorrow is recorded as of now, so that the usual pace follows it.
    let mut o = open("awaiting_input");
    (o.spec.submitted_attempt, o.generation) = (1, 2);
    o.memory.submission_seen = Some(t(day));
    assert_eq!(effect_of(&step(&o, 100)), "ReadRun");
    o.facts.run = boxed("processing");
    o.facts.capture = Some(Ok("user-1-capture".into()));
    let plan = step(&o, 100);
    assert_eq!((plan.status.submitted_at.clone(), wake_of(&plan, 100).as_str()), (time(100), "+3"));
}
