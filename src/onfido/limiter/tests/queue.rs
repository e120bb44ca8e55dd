//! Who waits for whom: crowds on a fake clock.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::*;

/// Somebody who asks until it is permitted; then again, if it never has enough.
struct Asker {
    class: Class,
    line: &'static str,
    who: String,
    calls: NonZeroU32,
    again: bool,
    /// How late it comes.
    late: Duration,
}

fn askers(class: Class, line: &'static str, count: usize, calls: NonZeroU32) -> Vec<Asker> {
    let late = |n: usize| Duration::from_millis(n as u64 * 7919 % 150);
    (0..count).map(|n| Asker { class, line, who: format!("{line}-{class:?}-{n}"), calls, again: false, late: late(n) }).collect()
}

/// What came of a crowd.
#[derive(Default)]
struct Outcome {
    asks: usize,
    /// When whom was permitted how many calls.
    permitted: Vec<(Duration, usize, usize)>,
}

impl Outcome {
    fn calls(&self, of: impl Fn(usize) -> bool) -> usize {
        self.permitted.iter().filter(|(_, asker, _)| of(*asker)).map(|(_, _, calls)| calls).sum()
    }

    fn when(&self, asker: usize) -> Option<Duration> {
        self.permitted.iter().find(|(_, who, _)| *who == asker).map(|(at, _, _)| *at)
    }

    fn asks_per_call(&self) -> f64 {
        self.asks as f64 / self.calls(|_| true).max(1) as f64
    }
}

/// Lets everybody ask, first within two seconds from `since` on, until the time is over or all have what they want.
fn crowd(limiter: &Limiter<FakeRelativeClock>, clock: &FakeRelativeClock, askers: &[Asker], since: &[Duration], end: Duration) -> Outcome {
    let mut outcome = Outcome::default();
    let spread = |n: usize| Duration::from_micros(n as u64 * 7_919_993 % 2_000_000);
    let mut coming: BinaryHeap<_> =
        (0..askers.len()).map(|n| Reverse((since.get(n).copied().unwrap_or_default() + spread(n), n))).collect();
    let mut now = Duration::ZERO;
    while let Some(Reverse((at, number))) = coming.pop() {
        if at >= end {
            break;
        }
        clock.advance(at - now);
        now = at;
        let asker = &askers[number];
        outcome.asks += 1;
        assert!(outcome.asks < 200_000, "a herd: only {} of so many asks were permitted", outcome.permitted.len());
        match limiter.try_acquire_all(asker.class, &turn(asker.line, &asker.who), asker.calls).map_err(wait) {
            Ok(permits) => {
                outcome.permitted.push((now, number, permits.len()));
                if asker.again {
                    coming.push(Reverse((now + asker.late.max(Duration::from_millis(1)), number)));
                }
            }
            Err(wait) => coming.push(Reverse((now + wait + asker.late, number))),
        }
    }
    outcome
}

#[test]
fn ten_thousand_of_one_namespace_keep_nobody_of_another_waiting() {
    let (limiter, clock) = limiter(300);
    let mut all = askers(Class::Start, "crowd", 10_000, TWO);
    all.extend(askers(Class::Start, "lone", 3, THREE));
    let mut since = vec![Duration::ZERO; 10_000];
    since.extend([MINUTE * 5, MINUTE * 6, MINUTE * 30]);
    let outcome = crowd(&limiter, &clock, &all, &since, MINUTE * 120);
    for (number, since) in [(10_000, MINUTE * 5), (10_001, MINUTE * 6), (10_002, MINUTE * 30)] {
        let waited = outcome.when(number).unwrap() - since;
        assert!(waited < Duration::from_secs(5), "{waited:?}");
    }
    assert_eq!(outcome.permitted.len(), 10_003, "everybody gets a turn");
    let times: Vec<_> = outcome.permitted.iter().flat_map(|(at, _, calls)| vec![*at; *calls]).collect();
    assert!(busiest(&times) <= 300);
    let (over, ten_minutes) = (times.last().unwrap().as_secs_f64(), greedy(300, Class::Start).len() as f64);
    let used = times.len() as f64 / (over / 600.0 * ten_minutes);
    assert!(used > 0.9, "{used} of what one alone would have had");
    // Once to be told, and then when it may be their turn, at least every ten minutes of an hour and a half.
    assert!(outcome.asks_per_call() < 5.0, "{} asks a call", outcome.asks_per_call());
}

#[test]
fn namespaces_share_alike_while_all_of_them_wait() {
    let (limiter, clock) = limiter(600);
    exhaust(&limiter);
    let mut all = askers(Class::Start, "small", 100, TWO);
    all.extend(askers(Class::Start, "middle", 1_000, ONE));
    all.extend(askers(Class::Start, "large", 5_000, THREE));
    // The small one would be done after a bit more than a minute: a third of 481 calls a minute is 160.
    let outcome = crowd(&limiter, &clock, &all, &[], MINUTE);
    let shares = [0..100, 100..1_100, 1_100..6_100].map(|of| outcome.calls(|asker| of.contains(&asker)));
    assert!(shares.iter().all(|share| (150..=170).contains(share)), "{shares:?}");
}

#[test]
fn a_namespace_that_comes_late_has_no_credit_from_the_time_before() {
    let (limiter, clock) = limiter(600);
    let mut all = askers(Class::Start, "crowd", 6_000, ONE);
    all.extend(askers(Class::Start, "late", 1_000, ONE));
    let since: Vec<_> = (0..7_000).map(|n| if n < 6_000 { Duration::ZERO } else { MINUTE * 5 }).collect();
    let outcome = crowd(&limiter, &clock, &all, &since, MINUTE * 6);
    let late = outcome.calls(|asker| asker >= 6_000);
    assert!((220..=260).contains(&late), "{late} of 481");
}

#[test]
fn a_namespace_that_asks_one_by_one_wins_nothing_by_it() {
    let (limiter, clock) = limiter(600);
    exhaust(&limiter);
    let mut all = askers(Class::Start, "crowd", 1_000, ONE);
    // One after the other, each as soon as the last was permitted: never more than one waits.
    all.extend(askers(Class::Start, "eager", 1, ONE).into_iter().map(|asker| Asker { again: true, ..asker }));
    let outcome = crowd(&limiter, &clock, &all, &[], MINUTE);
    let shares = [outcome.calls(|asker| asker < 1_000), outcome.calls(|asker| asker >= 1_000)];
    assert!(shares[0] >= 220, "{shares:?}");
}

#[test]
fn starts_go_before_polls_and_leave_them_one_in_five() {
    let (limiter, clock) = limiter(600);
    exhaust(&limiter);
    let mut all = askers(Class::Start, "shop", 2_000, TWO);
    all.extend(askers(Class::Poll, "shop", 2_000, ONE));
    all.extend(askers(Class::Audit, "shop", 100, ONE));
    let outcome = crowd(&limiter, &clock, &all, &[], MINUTE * 2);
    let shares = [0..2_000, 2_000..4_000, 4_000..4_100].map(|of| outcome.calls(|asker| of.contains(&asker)));
    assert!(shares[0] > 720 && shares[1] > 160 && shares[2] == 0, "{shares:?}");
}

#[test]
fn polls_get_their_part_at_a_low_rate_too() {
    let (limiter, clock) = limiter(20);
    exhaust(&limiter);
    let mut all = askers(Class::Start, "shop", 500, TWO);
    all.extend(askers(Class::Poll, "shop", 10, ONE));
    let outcome = crowd(&limiter, &clock, &all, &[], MINUTE * 10);
    let polls = outcome.calls(|asker| asker >= 500);
    assert_eq!(polls, 10, "of {}", outcome.calls(|_| true));
    let first = outcome.permitted.iter().filter(|(_, asker, _)| *asker >= 500).map(|(at, _, _)| *at).nth(4).unwrap();
    assert!(first > MINUTE, "{first:?}: one goes after every four starts");
}

#[test]
fn audits_wait_until_nobody_else_does() {
    let (limiter, clock) = limiter(300);
    exhaust(&limiter);
    let mut all = askers(Class::Poll, "shop", 200, ONE);
    all.extend(askers(Class::Audit, "shop", 50, ONE));
    let outcome = crowd(&limiter, &clock, &all, &[], MINUTE * 10);
    assert_eq!(outcome.permitted.len(), 250);
    let last_poll = outcome.permitted.iter().rposition(|(_, asker, _)| *asker < 200).unwrap();
    let first_audit = outcome.permitted.iter().position(|(_, asker, _)| *asker >= 200).unwrap();
    assert!(last_poll < first_audit, "{last_poll} {first_audit}");
}

#[test]
fn who_needs_more_at_once_is_not_overtaken_for_ever() {
    let (limiter, clock) = limiter(20);
    exhaust(&limiter);
    // They want one each, all the time, and come just when there is one.
    let mut all: Vec<_> = askers(Class::Start, "shop", 3, ONE).into_iter().map(|asker| Asker { again: true, ..asker }).collect();
    all.extend(askers(Class::Start, "shop", 1, THREE).into_iter().map(|asker| Asker { who: "big".into(), ..asker }));
    let outcome = crowd(&limiter, &clock, &all, &[], MINUTE * 10);
    let waited = outcome.when(3).unwrap();
    assert!(waited < MINUTE, "{waited:?}");
}

#[test]
fn who_does_not_come_back_is_not_waited_for() {
    let (limiter, clock) = limiter(60);
    exhaust(&limiter);
    for number in 0..1_000 {
        let refused = limiter.try_acquire_all(Class::Start, &turn("gone", &format!("gone-{number}")), THREE).map_err(wait);
        assert!(refused.unwrap_err() <= LONGEST + Duration::from_secs(5));
    }
    let all = askers(Class::Start, "here", 60, ONE);
    let outcome = crowd(&limiter, &clock, &all, &[], MINUTE * 4);
    assert_eq!(outcome.permitted.len(), 60);
    // Half of the time is theirs who are gone; it does not become more.
    let last = outcome.permitted.last().unwrap().0;
    assert!(last < MINUTE * 3, "{last:?}");
}

#[test]
fn a_newcomer_does_not_wait_for_those_who_are_gone() {
    let (limiter, clock) = limiter(300);
    exhaust(&limiter);
    for number in 0..5_000 {
        assert!(limiter.try_acquire(Class::Start, &turn("shop", &format!("gone-{number}"))).is_err());
    }
    clock.advance(Duration::from_secs(30));
    assert!(limiter.try_acquire_all(Class::Start, &turn("shop", "newcomer"), THREE).is_ok(), "there is more than they can want");
    let newcomers = (0..).take_while(|n| limiter.try_acquire(Class::Start, &turn("shop", &format!("newcomer-{n}"))).is_ok()).count();
    assert!(newcomers < 30, "{newcomers}: what is theirs who may still come is left to them");
}

#[test]
fn what_has_begun_goes_before_what_has_not() {
    let (limiter, clock) = limiter(300);
    exhaust(&limiter);
    for number in 0..1_000 {
        assert!(limiter.try_acquire(Class::Start, &turn("shop", &format!("fresh-{number}"))).is_err());
    }
    let told = |turn: &Turn<'_>| limiter.try_acquire(Class::Start, turn).map_err(wait).unwrap_err();
    assert!(told(&turn("shop", "another")) > MINUTE);
    let begun = Turn { begun: true, ..turn("shop", "begun") };
    let soon = told(&begun);
    assert!(soon < Duration::from_secs(1), "{soon:?}");
    for turn in [Turn { who: "next", ..begun }, begun] {
        let told = told(&turn);
        assert!(told < Duration::from_secs(3), "{told:?}: behind those who have begun");
    }
    clock.advance(soon + LATE); // the one who took what there was does not come back
    assert!(limiter.try_acquire(Class::Start, &begun).is_ok());
}

#[test]
fn memory_is_bounded_and_a_full_house_still_serves() {
    let (limiter, clock) = limiter(60_000);
    exhaust(&limiter);
    for number in 0..70_000 {
        let who = format!("who-{number}");
        let line = format!("line-{}", number % 100);
        assert!(limiter.try_acquire(Class::Poll, &turn(&line, &who)).is_err());
        if number % 1_000 == 0 {
            assert!(limiter.state().queue.places() <= 1 << 16);
        }
    }
    assert_eq!(limiter.state().queue.places(), 1 << 16);
    clock.advance(LONGEST * 2);
    assert!(limiter.try_acquire(Class::Poll, &ALONE).is_ok());
    assert_eq!(limiter.state().queue.places(), 0);
}
