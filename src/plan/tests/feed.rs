//! How the feed is read, whom it points at, how far it is relied on, and what that means for the looks at an open run.

use super::super::feed::{Feed, Following, PAGES, is_news};
use super::*;
use crate::{
    api::Phase,
    onfido::model::{EndedRun, EndedRuns},
};

fn with(mut o: Observed, change: impl FnOnce(&mut Observed)) -> Observed {
    change(&mut o);
    o
}

fn begun(at: i64) -> Feed {
    Feed::begun(t(at), &Timing::default())
}

/// A page of entries that last changed at these seconds.
fn page(changed: &[i64]) -> EndedRuns {
    let entry = |at: &i64| json!({"id": format!("run-{at}"), "status": "approved", "updated_at": t(*at).to_string()});
    serde_json::from_value(changed.iter().map(entry).collect()).unwrap()
}

/// Asked for and answered at once.
fn heard(feed: &mut Feed, page: &EndedRuns, at: i64) {
    feed.heard(page, t(at), t(at), 0.0, &Timing::default());
}

/// The page to ask for at this second, or in how many seconds.
fn next_page(feed: &Feed, at: i64) -> String {
    match feed.page(t(at), &Timing::default()) {
        Some(page) => format!("page {page}"),
        None => format!("+{}", feed.due(t(at), &Timing::default()).duration_since(t(at)).as_secs()),
    }
}

#[test]
fn a_reading_goes_on_until_an_entry_is_old_enough() {
    let mut feed = begun(0);
    assert_eq!(next_page(&feed, 0), "page 1");
    heard(&mut feed, &page(&[-10, -600]), 0);
    assert_eq!(next_page(&feed, 0), "page 2", "the first reading of a process goes back an hour");
    heard(&mut feed, &page(&[-610, -3602]), 1);
    assert_eq!(next_page(&feed, 1), "+60", "old enough");
    // The newest entry was of -10 s, and so the next one goes back to two minutes before that.
    let after = |changed: &[i64]| {
        let mut feed = feed.clone();
        heard(&mut feed, &page(changed), 61);
        next_page(&feed, 61)
    };
    assert_eq!(next_page(&feed, 61), "page 1");
    for (name, changed, then) in [
        ("all are new", &[50, 40][..], "page 2"),
        ("all that were in the reading before are read again", &[50, -130], "page 2"),
        ("one before them", &[50, -132], "+60"),
        ("in another order", &[-132, 50], "page 2"),
        ("one alone that is odd ends nothing", &[50, -99_999, 40], "page 2"),
        ("nothing on it: the list is over", &[], "+60"),
    ] {
        assert_eq!(after(changed), then, "{name}");
    }
    let mut unreadable = feed.clone();
    heard(&mut unreadable, &serde_json::from_value(json!([{"id": 7}])).unwrap(), 61);
    assert_eq!(next_page(&unreadable, 61), "page 2", "what cannot be read is not the end");
}

#[test]
fn a_first_reading_that_comes_late_goes_back_as_far_as_it_was_relied_on() {
    let mut feed = begun(0);
    for at in [0, 15, 30] {
        feed.missed(None, t(at), &Timing::default());
    }
    heard(&mut feed, &page(&[-10, -3590]), 45);
    assert_eq!(next_page(&feed, 45), "page 2");
}

#[test]
fn what_holds_a_reading_up_does_not_begin_it_anew() {
    let mut feed = begun(0);
    heard(&mut feed, &page(&[-10]), 0);
    feed.missed(Some(secs(5)), t(0), &Timing::default());
    assert_eq!((next_page(&feed, 0), next_page(&feed, 5)), ("+5".into(), "page 2".into()));
    feed.missed(None, t(5), &Timing::default());
    assert_eq!((next_page(&feed, 5), next_page(&feed, 20)), ("+15".into(), "page 2".into()));
    feed.missed(Some(secs(3600)), t(20), &Timing::default());
    assert_eq!(next_page(&feed, 20), "+600", "no longer than it may stay unread");
}

#[test]
fn neither_clock_can_hide_an_entry() {
    // The vendor's clock is five minutes ahead: what ends a second later is read.
    let mut ahead = begun(0);
    heard(&mut ahead, &page(&[300, -9000]), 0);
    heard(&mut ahead, &page(&[-100]), 60);
    assert_eq!(next_page(&ahead, 60), "page 2", "as far back as our own clock allows");
    // It is two hours behind: from the second reading on its own time counts.
    let mut behind = begun(0);
    heard(&mut behind, &page(&[-7200]), 0);
    heard(&mut behind, &page(&[-7140, -7300]), 60);
    assert_eq!(next_page(&behind, 60), "page 2");
    // Our own was set back by a day.
    let mut feed = begun(86_400);
    heard(&mut feed, &page(&[]), 86_400);
    assert_eq!(next_page(&feed, 0), "page 1");
}

#[test]
fn nothing_is_read_where_no_run_is_open() {
    let read = {
        let mut feed = begun(0);
        heard(&mut feed, &page(&[-10, -7200]), 0);
        feed
    };
    assert_eq!(read.clone().while_open(true, t(9000), &Timing::default()), read);
    assert_eq!(read.while_open(false, t(9000), &Timing::default()), begun(9000));
}

#[test]
fn a_feed_is_relied_on_while_it_is_read_without_gaps() {
    let following = |feed: &Feed, at: i64| feed.following(t(at), &Timing::default());
    let mut feed = begun(0);
    assert_eq!(following(&feed, 0), Following::Since(t(-3600)), "the first reading will go back an hour");
    assert_eq!(following(&feed, 599), Following::Since(t(-3600)));
    assert_eq!(following(&feed, 600), Following::Lost(t(600)), "ten minutes unread");
    assert_eq!(following(&feed, 900), Following::Lost(t(600)));
    heard(&mut feed, &page(&[]), 900);
    assert_eq!(following(&feed, 900), Following::Since(t(-3600)), "it has caught up, and nothing is missing");
    assert_eq!(following(&feed, 895), Following::Since(t(-3600)), "a clock that is set right a little is no trouble");
    assert!(matches!(following(&feed, -86_400), Following::Lost(_)));
    // A reading counts from when it began: what ended while it went on may stand on a page it had read.
    let mut slow = begun(0);
    slow.heard(&page(&[]), t(0), t(500), 0.0, &Timing::default());
    assert_eq!(following(&slow, 600), Following::Lost(t(600)));
}

#[test]
fn a_list_without_end_is_given_up_and_each_run_gets_a_look_of_its_own() {
    let mut feed = begun(0);
    for _ in 0..PAGES {
        assert!(next_page(&feed, 10).starts_with("page"));
        heard(&mut feed, &page(&[5]), 10);
    }
    let following = |feed: &Feed, at: i64| feed.following(t(at), &Timing::default());
    assert_eq!(next_page(&feed, 10), "+300", "not again at once");
    assert_eq!(following(&feed, 10), Following::Lost(t(10)));
    // Another one does not put the looks off.
    for _ in 0..PAGES {
        heard(&mut feed, &page(&[305]), 310);
    }
    assert_eq!(following(&feed, 320), Following::Lost(t(10)));
    for at in [700, 1300, 1900, 2500, 3100, 3700, 4300, 4900, 5500] {
        heard(&mut feed, &page(&[]), at);
        assert_eq!(following(&feed, at), Following::Lost(t(10)));
    }
    heard(&mut feed, &page(&[]), 5720);
    assert_eq!(following(&feed, 5720), Following::Since(t(-3600)), "every run has had its look");
}

#[test]
fn an_entry_is_news_if_its_word_is_another_than_the_one_on_record() {
    let entry = |id: &str, status: &str| -> EndedRun { serde_json::from_value(json!({"id": id, "status": status})).unwrap() };
    let given_up = with(settled("approved"), |o| o.status.phase = Phase::Cancelled);
    for (name, o, id, status, news) in [
        ("an outcome", open("awaiting_input"), "run-1", "approved", true),
        ("of another run", open("awaiting_input"), "run-2", "approved", false),
        ("that is known", settled("approved"), "run-1", "approved", false),
        ("that changed", settled("approved"), "run-1", "declined", true),
        ("for the better, which is only noted", settled("declined"), "run-1", "approved", true),
        ("in a word nobody knows", settled("approved"), "run-1", "Nobody Invented", true),
        ("before a run is on record", run_intended(), "run-1", "approved", false),
        ("after it was given up", given_up, "run-1", "declined", false),
    ] {
        assert_eq!(is_news(&o.status, &entry(id, status)), news, "{name}");
    }
    let noted = with(settled("approved"), |o| o.status.vendor_status = Some("unrecognized".into()));
    assert!(!is_news(&noted.status, &entry("run-1", "Another Word")), "as it would be recorded");
    // Of a verdict that stands while the next attempt is under way.
    let standing = with(settled("approved"), |o| {
        let verdict = json!({"attempt": 1, "workflowRunID": "run-1", "applicantID": APPLICANT, "basis": o.status.basis});
        (o.status.standing_verdict, o.status.workflow_run_id) = (serde_json::from_value(verdict).ok(), Some("run-2".into()));
    });
    assert!(standing.status.standing_verdict.is_some());
    assert!(is_news(&standing.status, &entry("run-1", "declined")) && !is_news(&standing.status, &entry("run-1", "approved")));
    let taken_back = with(standing, |o| {
        let verified = o.status.conditions.iter_mut().find(|c| c.type_ == "Verified").unwrap();
        verified.reason = "Revoked".into();
    });
    assert!(!is_news(&taken_back.status, &entry("run-1", "declined")));
}

// ---- What it means for an open run -----------------------------------------------------------------------------------------------------

/// The feed has told of everything since an hour before 0 s.
fn followed(o: Observed) -> Observed {
    with(o, |o| o.following = Following::Since(t(-3600)))
}

fn finalized(o: Observed) -> Observed {
    with(o, |o| {
        (o.spec.submitted_attempt, o.generation, o.memory.submission_seen) = (1, 2, Some(t(10)));
    })
}

#[test]
fn where_the_feed_is_followed_a_run_is_looked_at_by_itself_only_after_a_finalize() {
    let quiet = |wake| ["", "AwaitingInput", "=", "", "Fields", wake, ""];
    let reads = |phase| ["ReadRun", phase, "=", "", "Fields", "OnChange", ""];
    let looked = |at| with(finalized(followed(open("awaiting_input"))), |o| o.memory.last_look = Some(t(at)));
    let token_ends = "+2937590";
    check(vec![
        Row("a person who takes their time", followed(open("awaiting_input")), 10, quiet(token_ends)),
        Row("a day later", followed(open("awaiting_input")), 86_400, quiet("+2851200")),
        Row(
            "the feed points at it",
            with(followed(open("awaiting_input")), |o| o.memory.look_wanted = Some(Wanted::Feed)),
            10,
            reads("AwaitingInput"),
        ),
        Row(
            "the audit does",
            with(followed(open("awaiting_input")), |o| o.memory.look_wanted = Some(Wanted::Audit)),
            10,
            reads("AwaitingInput"),
        ),
        Row("a finalize asks for a look in three seconds", finalized(followed(open("awaiting_input"))), 10, quiet("+3")),
        Row("which comes", finalized(followed(open("awaiting_input"))), 13, reads("AwaitingInput")),
        Row("and some more", looked(30), 31, quiet("+29")),
        Row("for a minute", with(looked(60), |o| o.status.observed_generation = Some(2)), 61, quiet("+2937539")),
        Row("the vendor works: soon", followed(open("processing")), 3, reads("Processing")),
        Row(
            "and not beyond",
            with(followed(open("processing")), |o| o.memory.last_look = Some(t(50))),
            9000,
            ["", "Processing", "=", "", "Fields", "OnChange", ""],
        ),
        Row(
            "what could not be looked at in time is left to the feed, too",
            followed(open("processing")),
            121,
            ["", "Processing", "=", "", "Fields", "OnChange", ""],
        ),
    ]);
    let purged = with(followed(open("processing")), |o| o.facts.run = Some(Err(Failure::RunPurged)));
    let purged = with(next(&purged, step(&purged, 9000).status), |o| o.memory.last_look = Some(t(50)));
    assert_eq!(effect_of(&step(&purged, 9000 + 3600)), "ReadRun", "one that the vendor has lost is looked for every hour");
    let in_review = followed(with(open("processing"), |o| o.facts.run = boxed("review")));
    assert_eq!(wake_of(&step(&in_review, 50), 50), "OnChange", "a review takes as long as it takes");
}

#[test]
fn after_a_restart_the_looks_at_what_the_feed_cannot_tell_of_are_spread_over_hours() {
    // The run began at 0 s; this process a day later.
    let old = |jitter: f64, look: Option<i64>| {
        with(open("processing"), |o| {
            (o.following, o.jitter, o.memory.last_look) = (Following::Since(t(86_400 - 3600)), jitter, look.map(t));
        })
    };
    let wake = |o: &Observed| wake_of(&step(o, 86_400), 86_400);
    assert_eq!([old(0.25, None), old(0.5, None), old(1.0, None)].map(|o| wake(&o)), ["+1800", "+3600", "+7200"]);
    assert_eq!(effect_of(&step(&old(0.5, None), 86_400 + 3600)), "ReadRun");
    assert_eq!(wake(&old(0.5, Some(86_390))), "OnChange", "one look is enough");
    assert_eq!(wake(&old(0.5, Some(80_000))), "+3600", "but none from before the feed");
    // What was in trouble comes first, and is no herd either.
    let troubled = with(old(0.5, None), |o| o.facts.run = Some(Err(Failure::Unauthorized)));
    let troubled = next(&troubled, step(&troubled, 86_400).status);
    assert_eq!(wake(&troubled), "+150");
}

#[test]
fn where_the_feed_is_lost_looks_are_hourly_again_and_begin_over_an_hour() {
    let lost = |jitter: f64, look: i64| {
        with(open("awaiting_input"), |o| {
            (o.following, o.jitter, o.memory.last_look) = (Following::Lost(t(86_400)), jitter, Some(t(look)));
        })
    };
    let wake = |o: &Observed| wake_of(&step(o, 86_400), 86_400);
    assert_eq!([0.25, 0.5, 1.0].map(|jitter| wake(&lost(jitter, 5))), ["+900", "+1800", "+3600"]);
    assert_eq!(wake(&lost(0.0, 86_000)), "+3200", "one that was just looked at has its hour");
    assert_eq!(effect_of(&step(&lost(0.5, 5), 86_400 + 1800)), "ReadRun");
    assert_eq!(wake_of(&step(&lost(0.5, 88_200), 88_200), 88_200), "+3960");
}

#[test]
fn a_look_is_wanted_until_it_has_told_something() {
    let wanted = |wanted, change: fn(&mut Observed)| {
        let o = with(open("processing"), |o| o.memory.look_wanted = Some(wanted));
        with(o, change).still_wanted()
    };
    let seen = |o: &mut Observed| o.facts.run = boxed("processing");
    let older = |o: &mut Observed| o.facts.older_run = boxed("approved");
    let gone = |o: &mut Observed| o.facts.run = Some(Err(Failure::RunPurged));
    let unreachable = |o: &mut Observed| o.facts.run = Some(Err(Failure::Unreachable));
    for change in [seen, older, gone] {
        assert_eq!(wanted(Wanted::Feed, change), None);
    }
    for change in [unreachable, |_: &mut Observed| {}] {
        assert_eq!(wanted(Wanted::Feed, change), Some(Wanted::Feed));
        assert_eq!(wanted(Wanted::Audit, change), None, "an audit is made again the next day");
    }
}
