use governor::clock::FakeRelativeClock;

use super::*;

mod queue;

const ONE: NonZeroU32 = NonZeroU32::MIN;
const TWO: NonZeroU32 = NonZeroU32::new(2).unwrap();
const THREE: NonZeroU32 = NonZeroU32::new(3).unwrap();

fn limiter(requests: u32) -> (Limiter<FakeRelativeClock>, FakeRelativeClock) {
    let clock = FakeRelativeClock::default();
    (Limiter::with_clock(NonZeroU32::new(requests).unwrap(), clock.clone()), clock)
}

fn turn<'a>(line: &'a str, who: &'a str) -> Turn<'a> {
    Turn { line, who, begun: false }
}

/// Somebody whom the others have nothing to do with.
const ALONE: Turn<'static> = Turn { line: "alone", who: "alone", begun: false };

fn wait(refused: Refused) -> Duration {
    match refused {
        Refused::Wait(wait) => wait,
        Refused::Unauthorized => panic!("unauthorized"),
    }
}

/// Asks whenever the limiter says so, for ten minutes; the times at which it permitted.
fn greedy(requests: u32, class: Class) -> Vec<Duration> {
    let (limiter, clock) = limiter(requests);
    let (mut now, mut permitted) = (Duration::ZERO, Vec::new());
    while now < MINUTE * 10 {
        match limiter.try_acquire(class, &ALONE).map_err(wait) {
            Ok(_) => permitted.push(now),
            Err(wait) => {
                assert!(wait > Duration::ZERO && wait <= MINUTE + Duration::from_nanos(1), "{wait:?}");
                clock.advance(wait);
                now += wait;
            }
        }
    }
    permitted
}

/// The most of these times, in order, that lie in one minute.
fn busiest(times: &[Duration]) -> usize {
    let until = |from: &Duration| times.partition_point(|time| *time < *from + MINUTE);
    times.iter().enumerate().map(|(number, from)| until(from) - number).max().unwrap_or_default()
}

/// Takes what is there, so that a contest begins with nothing.
fn exhaust(limiter: &Limiter<FakeRelativeClock>) {
    while limiter.try_acquire(Class::Start, &ALONE).is_ok() {}
}

#[test]
fn no_minute_sees_more_than_was_asked_for_and_most_is_used() {
    for requests in [1, 2, 3, 4, 5, 10, 20, 300, 400] {
        let times = greedy(requests, Class::Start);
        let busiest = busiest(&times);
        assert!(busiest <= requests as usize, "{requests}: {busiest:?}");
        // At a few calls a minute, those that must be permitted together leave little in between.
        assert!(requests < 10 || times.len() >= requests as usize * 8, "{requests}: {}", times.len());
    }
}

#[test]
fn polls_leave_room_for_starts_and_audits_for_polls() {
    for (class, before, room) in [(Class::Poll, Class::Start, 4), (Class::Audit, Class::Poll, 8)] {
        let (limiter, _) = limiter(100);
        // Each is somebody new, and does not come back.
        let exhaust = |class| (0..).take_while(|n| limiter.try_acquire(class, &turn("shop", &format!("{class:?}-{n}"))).is_ok()).count();
        exhaust(class);
        assert!(exhaust(before) >= room, "{class:?}");
        assert!(greedy(100, class).len() < greedy(100, before).len() * 85 / 100);
    }
    assert!(greedy(100, Class::Audit).len() <= greedy(100, Class::Start).len() / 2);
}

#[test]
fn a_pause_holds_everything_until_it_ends_and_is_bounded() {
    let (limiter, clock) = limiter(300);
    limiter.pause(Duration::from_secs(30));
    limiter.pause(Duration::from_secs(10));
    for class in Class::ALL {
        assert_eq!(limiter.try_acquire(class, &ALONE).err(), Some(Refused::Wait(Duration::from_secs(30))));
    }
    assert_eq!(limiter.try_acquire_probe(&ALONE).err(), Some(Refused::Wait(Duration::from_secs(30))));
    clock.advance(Duration::from_secs(30));
    assert!(limiter.try_acquire(Class::Start, &ALONE).is_ok());
    limiter.pause(Duration::MAX);
    assert_eq!(limiter.try_acquire(Class::Start, &ALONE).err(), Some(Refused::Wait(MAX_RETRY_AFTER)));
}

#[test]
fn calls_that_belong_together_are_permitted_together_or_not_at_all() {
    for rate in [3, 4, 9, 20, 300] {
        let (limiter, clock) = limiter(rate);
        let mut started = 0;
        // Ten who need two or three calls each, and ask again whenever they are told to: each gets them.
        while started < 10 {
            match limiter.try_acquire_all(Class::Start, &ALONE, if started % 2 == 0 { THREE } else { TWO }).map_err(wait) {
                Ok(permits) => {
                    assert!(permits.len() >= 2);
                    started += 1;
                }
                Err(wait) => {
                    assert!(wait <= MINUTE * 3 + Duration::from_nanos(3), "{rate} a minute: {wait:?}");
                    clock.advance(wait);
                }
            }
        }
    }
}

#[test]
fn after_a_401_nothing_is_permitted_but_one_probe_at_a_time() {
    let (limiter, _) = limiter(300);
    limiter.unauthorized();
    for class in Class::ALL {
        assert_eq!(limiter.try_acquire_all(class, &ALONE, THREE).err(), Some(Refused::Unauthorized));
    }
    let probe = limiter.try_acquire_probe(&ALONE).unwrap();
    assert_eq!(limiter.try_acquire_probe(&turn("other", "other")).err(), Some(Refused::Unauthorized));
    drop(probe); // whatever came of it
    let probe = limiter.try_acquire_probe(&turn("other", "other")).unwrap();
    assert!(limiter.is_unauthorized());
    limiter.authorized();
    drop(probe);
    assert!(limiter.try_acquire(Class::Audit, &ALONE).is_ok());
    let both = [limiter.try_acquire_probe(&ALONE), limiter.try_acquire_probe(&turn("other", "other"))];
    assert!(both.iter().all(Result::is_ok), "nothing is in doubt: probes are calls like others");
}

#[test]
fn a_probe_that_must_wait_leaves_its_place_to_another() {
    let (limiter, clock) = limiter(300);
    limiter.unauthorized();
    limiter.pause(MINUTE);
    assert_eq!(limiter.try_acquire_probe(&ALONE).err(), Some(Refused::Wait(MINUTE)));
    clock.advance(MINUTE);
    assert!(limiter.try_acquire_probe(&turn("other", "other")).is_ok());
}

#[test]
fn no_minute_sees_more_for_a_rate_that_changes() {
    let (limiter, clock) = limiter(300);
    let (mut now, mut times) = (Duration::ZERO, vec![]);
    let mut changes = [(5, 300, true), (65, 300, true), (70, 100, false), (71, 300, false), (72, 100, false), (73, 300, false)]
        .map(|(at, rate, refused)| (Duration::from_secs(at), NonZeroU32::new(rate).unwrap(), refused))
        .into_iter()
        .peekable();
    while now < MINUTE * 15 {
        if let Some((_, rate, refused)) = changes.next_if(|(at, _, _)| *at <= now) {
            limiter.configure(rate);
            if refused {
                limiter.too_many(Duration::from_secs(1));
            }
        }
        match limiter.try_acquire(Class::Start, &ALONE).map_err(wait) {
            Ok(_) => times.push(now),
            Err(wait) => {
                clock.advance(wait);
                now += wait;
            }
        }
    }
    assert!(busiest(&times) <= 300, "{}", busiest(&times));
    let after = |from: Duration| times.iter().filter(|time| (from..from + MINUTE).contains(*time)).count();
    let slow = after(Duration::from_secs(6));
    assert!(slow < 200, "{slow} in the minute after a refusal: two thirds are left, and no burst");
    assert!(after(MINUTE * 12) > 230, "{}: it is given back", after(MINUTE * 12));
    let [asked, borne] = limiter.rates().map(NonZeroU32::get);
    assert_eq!((asked, borne), (300, 300));
}

#[test]
fn a_change_of_the_rate_is_no_credit() {
    let (limiter, clock) = limiter(300);
    exhaust(&limiter);
    for rate in [100, 300, 200] {
        limiter.configure(NonZeroU32::new(rate).unwrap());
        assert!(limiter.try_acquire(Class::Start, &ALONE).is_err(), "{rate}");
    }
    clock.advance(Duration::from_secs(3));
    assert!(limiter.try_acquire_all(Class::Start, &ALONE, THREE).is_ok());
}
