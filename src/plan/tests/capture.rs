//! The rows of what the person captures with: the run's own token, a fresh one, and what becomes of either.

use super::*;
use crate::api::{CaptureKind, CaptureStatus};

const OWN: i64 = 34 * 86_400;
const FRESH: i64 = 85 * 60;

fn with(mut o: Observed, change: impl FnOnce(&mut Observed)) -> Observed {
    change(&mut o);
    o
}

/// Waits for the person; tokenGeneration was raised to this in generation 2, and the last look was at 50 s.
fn asked(generation: i32) -> Observed {
    with(open("awaiting_input"), |o| {
        (o.spec.capture.token_generation, o.generation) = (generation, 2);
        o.memory.last_look = Some(t(50));
    })
}

/// The same once a look has shown this.
fn looked_at(status: &str) -> Observed {
    with(asked(1), |o| o.facts.run = boxed(status))
}

fn created(o: Observed) -> Observed {
    with(o, |o| o.facts.fresh_token = Some(Ok(fresh_token(60))))
}

fn written(o: Observed) -> Observed {
    with(o, |o| o.facts.capture = Some(Ok("user-1-capture".into())))
}

/// A fresh token was asked for at 60 s and recorded at 100 s.
fn renewed() -> Observed {
    let o = written(created(looked_at("awaiting_input")));
    with(next(&o, step(&o, 100).status), |o| o.memory.last_look = Some(t(100)))
}

fn capture(o: &Observed, at: i64) -> CaptureStatus {
    step(o, at).status.capture.unwrap()
}

#[test]
fn a_fresh_token_is_asked_for_only_while_the_vendor_says_that_it_waits() {
    let done = "CaptureReady=False/CaptureFinished Completed=False/Processing";
    check(vec![
        Row("nobody asks", asked(0), 60, ["", "AwaitingInput", "CaptureReady=True/AwaitingInput", "", "Fields", "+3590", ""]),
        Row("asked for: the vendor is looked at first", asked(1), 60, ["ReadRun", "AwaitingInput", "=", "", "Fields", "OnChange", ""]),
        Row(
            "it waits: a token is asked for",
            looked_at("awaiting_input"),
            60,
            ["CreateSdkToken", "AwaitingInput", "=", "", "Fields", "OnChange", ""],
        ),
        Row(
            "which replaces the one in the Secret",
            created(looked_at("awaiting_input")),
            60,
            ["WriteCaptureSecret again", "AwaitingInput", "=", "", "Fields", "OnChange", ""],
        ),
        Row(
            "and then is on record until it expires",
            written(created(looked_at("awaiting_input"))),
            60,
            ["", "AwaitingInput", "CaptureReady=True/AwaitingInput", "", "Fields", "+3600", ""],
        ),
        Row("it works already: no token", looked_at("processing"), 60, ["", "Processing", done, "", "Fields", "+3", ""]),
        Row(
            "it works, as is known: not even a look",
            with(open("processing"), |o| (o.spec.capture.token_generation, o.generation, o.memory.last_look) = (1, 2, Some(t(50)))),
            60,
            ["", "Processing", done, "", "Fields", "+60", ""],
        ),
        Row(
            "suspended: not ready, and no call",
            with(asked(1), |o| o.provider = found(json!({"suspend": true}))),
            60,
            ["", "AwaitingInput", "CaptureReady=False/Pending Completed=False/Suspended", "", "Fields", "OnChange", ""],
        ),
        Row(
            "a Secret that is somebody else's is looked at when it is time, not at once",
            with(asked(1), |o| (o.status.capture, o.generation) = (None, 1)),
            60,
            ["", "AwaitingInput", "=", "", "Fields", "+3590", ""],
        ),
    ]);
    let (own, fresh) = (capture(&asked(0), 60), capture(&written(created(looked_at("awaiting_input"))), 60));
    assert_eq!((own.kind, own.expires_at.unwrap().0, own.generation), (CaptureKind::RunToken, t(OWN), 0));
    assert_eq!((fresh.kind, fresh.expires_at.unwrap().0, fresh.generation), (CaptureKind::FreshToken, t(60 + FRESH), 1));
    let bound = |more: Value| {
        let o = with(looked_at("awaiting_input"), |o| o.spec.capture = serde_json::from_value(more).unwrap());
        let Some(Effect::CreateSdkToken { token }) = step(&o, 60).effect else { panic!("no token is asked for") };
        (token.applicant_id.as_str().to_owned(), token.referrer, token.application_id)
    };
    let referrer = "https://*.example.com/*";
    assert_eq!(bound(json!({"tokenGeneration": 1, "referrer": referrer})), (APPLICANT.into(), Some(referrer.into()), None));
    assert_eq!(bound(json!({"tokenGeneration": 1, "applicationID": "com.example"})), (APPLICANT.into(), None, Some("com.example".into())));
}

#[test]
fn a_run_that_starts_brings_a_token_for_whatever_generation_there_is() {
    let started = with(run_intended(), |o| {
        o.spec.capture.token_generation = 7;
        o.facts.started = boxed("awaiting_input");
    });
    assert_eq!(effect_of(&step(&started, 1)), "WriteCaptureSecret");
    let handed = capture(&written(started), 1);
    assert_eq!((handed.kind, handed.generation), (CaptureKind::RunToken, 7));
    // Not so one that had no Secret: what its person would get is old.
    let late = with(asked(1), |o| (o.status.capture, o.facts.run) = (None, boxed("awaiting_input")));
    assert_eq!(effect_of(&step(&late, 60)), "CreateSdkToken");
}

#[test]
fn no_fresh_token_is_said_and_asked_for_again() {
    let refused = |failure: Failure| with(looked_at("awaiting_input"), |o| o.facts.fresh_token = Some(Err(failure)));
    let row =
        |name, failure, says, wake, notices| Row(name, refused(failure), 60, ["", "AwaitingInput", says, "", "Fields", wake, notices]);
    check(vec![
        row("no answer", Failure::Unreachable, "CaptureReady=False/Unreachable Completed=False/AwaitingInput", "Backoff", ""),
        row("slowed down", Failure::RateLimited { after: Some(secs(9)) }, "CaptureReady=False/RateLimited", "+9", ""),
        row(
            "refused",
            Failure::RequestRefused { fields: vec!["referrer".into()] },
            "CaptureReady=False/RequestRefused Submitted=True/Started Ready=True/Started",
            "+300",
            "Refused",
        ),
        row("an applicant nobody knows", Failure::AccountChanged, "CaptureReady=False/AccountChanged", "+300", "Refused"),
        Row(
            "nor is it ready where the look before it failed",
            with(asked(1), |o| o.facts.run = Some(Err(Failure::Unreachable))),
            60,
            ["", "AwaitingInput", "CaptureReady=False/Unreachable Completed=False/Unreachable", "", "Fields", "Backoff", ""],
        ),
    ]);
    let failed = refused(Failure::Unreachable);
    assert_eq!(capture(&failed, 60), failed.status.capture.clone().unwrap(), "what is in the Secret is what it was");
    // It stays so until there is one, its time of change with it, and the next pass begins with a look.
    let first = step(&failed, 60).status;
    let again = with(next(&failed, first.clone()), |o| {
        (o.facts.run, o.facts.fresh_token) = (boxed("awaiting_input"), Some(Err(Failure::Unreachable)))
    });
    assert_eq!(step(&again, 70).status.conditions, first.conditions);
    assert_eq!(effect_of(&step(&next(&failed, first), 70)), "ReadRun");
}

#[test]
fn an_expired_token_is_said_when_it_expires_and_renewed_by_nobody() {
    let expired = "CaptureReady=False/TokenExpired Completed=False/AwaitingInput Ready=True/Started";
    let later = |o: Observed, look: i64| with(o, |o| o.memory.last_look = Some(t(look)));
    let said = |o: &Observed, at: i64| next(o, step(o, at).status);
    let end = 60 + FRESH;
    check(vec![
        Row(
            "the pass is made again when it expires",
            later(renewed(), end - 100),
            end - 100,
            ["", "AwaitingInput", "=", "", "Fields", "+100", ""],
        ),
        Row("which is said, without a look", later(renewed(), end - 100), end, ["", "AwaitingInput", expired, "", "Fields", "+3500", ""]),
        Row(
            "once",
            later(said(&later(renewed(), end - 100), end), end - 100),
            end + 1,
            ["", "AwaitingInput", "=", "", "Fields", "+3499", ""],
        ),
        Row("so is a run's own", later(asked(0), OWN - 100), OWN, ["", "AwaitingInput", expired, "", "Fields", "+3500", ""]),
        Row(
            "and while all calls are stopped",
            with(later(renewed(), end - 100), |o| o.spec.suspend = true),
            end,
            ["", "AwaitingInput", "CaptureReady=False/TokenExpired Completed=False/Suspended", "", "Fields", "OnChange", ""],
        ),
        Row(
            "of which the time is known before",
            with(later(renewed(), end - 100), |o| o.spec.suspend = true),
            end - 100,
            ["", "AwaitingInput", "CaptureReady=True/AwaitingInput", "", "Fields", "+100", ""],
        ),
        Row(
            "another is asked for by raising the number again",
            with(later(renewed(), end - 100), |o| (o.spec.capture.token_generation, o.generation) = (2, 3)),
            end,
            ["ReadRun", "AwaitingInput", "=", "", "Fields", "OnChange", ""],
        ),
    ]);
    let message = |o: &Observed, at| {
        let status = step(o, at).status;
        crate::api::find_condition(&status.conditions, crate::api::ConditionType::CaptureReady).unwrap().message.clone()
    };
    assert!(message(&later(renewed(), end - 100), end).contains("raise spec.capture.tokenGeneration"));
}

#[test]
fn a_look_leaves_a_fresh_token_where_it_is_and_puts_the_runs_own_in_the_place_of_a_lost_one() {
    let look = || with(renewed(), |o| o.facts.run = boxed("awaiting_input"));
    check(vec![Row("looked after", look(), 200, ["WriteCaptureSecret if lost", "AwaitingInput", "=", "", "Fields", "OnChange", ""])]);
    let kept = with(written(look()), |o| o.facts.capture_kept = true);
    assert_eq!(capture(&kept, 200), renewed().status.capture.unwrap());
    let lost = capture(&written(look()), 200);
    assert_eq!((lost.kind, lost.expires_at.unwrap().0, lost.generation), (CaptureKind::RunToken, t(OWN), 1));
    // Which is no reason to ask for another.
    let o = written(look());
    let o = with(next(&o, step(&o, 200).status), |o| o.memory.last_look = Some(t(200)));
    check(vec![Row("at rest", o, 201, ["", "AwaitingInput", "=", "", "Fields", "+3599", ""])]);
}

// ---- On the vendor's page ------------------------------------------------------------------------------------------------------------

const LINK: &str = "https://page.example.test/canary-of-a-link";

/// A verification by link, which expires so many seconds into the test if at all.
fn by_link(o: Observed, expires: Option<i64>) -> Observed {
    let link = json!({"expiresAt": expires.map(|at| t(at).to_string()), "language": "de_DE", "completedRedirectURL": "https://app.example.test/done"});
    with(o, |o| o.spec.capture = serde_json::from_value(json!({"mode": "Link", "link": link})).unwrap())
}

/// The run as the vendor tells it, with its link.
fn linked(expires: Option<i64>) -> Option<Result<Box<WorkflowRun>, Failure>> {
    let link = json!({"url": LINK, "expires_at": expires.map(|at| t(at).to_string())});
    Some(Ok(Box::new(run("awaiting_input", json!({"link": link})))))
}

/// The run and its link are on record.
fn on_page(expires: Option<i64>) -> Observed {
    let o = with(by_link(run_intended(), expires), |o| o.facts.started = linked(expires));
    next(&o, step(&written(o.clone()), 0).status)
}

#[test]
fn a_run_with_a_link_hands_the_link_over_and_no_token() {
    let intended = |mode: fn(Observed) -> Observed| {
        let o = with(mode(applicant_intended()), |o| o.facts.applicant = Some(Ok(applicant())));
        let Some(Effect::StartRun { run, .. }) = step(&o, 1).effect else { panic!("no run is started") };
        serde_json::to_value(run).unwrap()
    };
    assert_eq!(intended(|o| o).get("link"), None, "a run for the SDK says nothing of links");
    assert_eq!(intended(|o| with(o, |o| o.spec.capture.mode = crate::api::CaptureMode::Link))["link"], json!({}));
    assert_eq!(
        intended(|o| by_link(o, Some(900)))["link"],
        json!({"language": "de_DE", "completed_redirect_url": "https://app.example.test/done", "expires_at": t(900).to_string()})
    );

    let started = with(by_link(run_intended(), Some(900)), |o| o.facts.started = linked(Some(900)));
    let Some(Effect::WriteCaptureSecret { holds: Holds::Link(url), keep: false, .. }) = step(&started, 1).effect else { panic!("no link") };
    assert_eq!(url.expose(), LINK);
    let handed = capture(&written(started), 1);
    assert_eq!((handed.kind, handed.expires_at.map(|end| end.0), handed.generation), (CaptureKind::Link, Some(t(900)), 0));
    assert_eq!(on_page(None).status.capture.unwrap().expires_at, None, "what the vendor does not say is not made up");
    let without = with(by_link(run_intended(), None), |o| o.facts.started = boxed("awaiting_input"));
    let looked_at = |o: Observed| with(o, |o| o.memory.last_look = Some(t(0)));
    check(vec![
        Row(
            "a run that comes without a link is read at once",
            without,
            1,
            ["", "AwaitingInput", "CaptureReady=False/UnexpectedAnswer Ready=True/Started", "", "Operation nonce-1+", "+-1", ""],
        ),
        Row(
            "the pass after the start is made when the link expires at the latest",
            looked_at(with(by_link(run_intended(), Some(900)), |o| {
                (o.facts.started, o.facts.capture) = (linked(Some(900)), Some(Ok("s".into())))
            })),
            1,
            ["", "AwaitingInput", "CaptureReady=True/AwaitingInput Submitted=True/Started", "", "Operation nonce-1+", "+899", ""],
        ),
    ]);
}

#[test]
fn a_link_that_has_expired_is_said_and_renewed_by_nobody() {
    let o = with(on_page(Some(900)), |o| o.memory.last_look = Some(t(50)));
    let expired = "CaptureReady=False/LinkExpired Completed=False/AwaitingInput Ready=True/Started";
    let seen = |o: &Observed| with(o.clone(), |o| o.facts.run = linked(Some(900)));
    check(vec![
        Row("until then it is ready", o.clone(), 100, ["", "AwaitingInput", "= CaptureReady=True/AwaitingInput", "", "Fields", "+800", ""]),
        Row("then it is not", o.clone(), 900, ["", "AwaitingInput", expired, "", "Fields", "+2750", ""]),
        Row("a look restores it", seen(&o), 100, ["WriteCaptureSecret again", "AwaitingInput", "=", "", "Fields", "OnChange", ""]),
        Row("and says so", written(seen(&o)), 950, ["", "AwaitingInput", expired, "", "Fields", "+3600", ""]),
    ]);
    let later = with(written(seen(&o)), |o| o.facts.run = linked(Some(2000)));
    assert_eq!(capture(&later, 950).expires_at.unwrap().0, t(2000), "it expires when the vendor says");
    let says = |o: &Observed| all_says(&step(o, 950).status);
    assert!(says(&later).contains(&"CaptureReady=True/AwaitingInput".into()));
}

#[test]
fn nothing_is_started_for_a_link_that_is_dead_from_the_start() {
    let dead = |o: Observed| by_link(o, Some(100));
    let refused = "Accepted=False/LinkExpired Ready=False/LinkExpired";
    let doubt = with(applicant_intended(), |o| {
        (o.facts.attributes, o.facts.looked) = (Some(Ok(person())), looked(vec![]));
        o.memory.operation_known_for = secs(100);
    });
    let absent = with(run_intended(), |o| {
        let operation = o.status.operation.as_mut().unwrap();
        (operation.looks, operation.absent_since) = (2, serde_json::from_value(json!(t(100).to_string())).ok());
        o.facts.looked = looked(vec![]);
    });
    let found = with(dead(read()), |o| o.facts.looked = looked(vec![*linked(Some(100)).unwrap().unwrap()]));
    check(vec![
        Row("in time", dead(read()), 30, ["CreateApplicant", "Pending", "", "CreateApplicant 0 0", "Version", "OnChange", ""]),
        Row("too late", with(dead(read()), |o| o.created_at = t(100)), 100, ["", "Pending", refused, "", "Fields", "OnChange", "Refused"]),
        Row("nor another applicant", dead(doubt), 100, ["", "Pending", refused, "CreateApplicant 0 0", "Fields", "OnChange", "Refused"]),
        Row("nor another run", dead(absent), 600, ["", "Pending", refused, "StartRun 0 2", "Fields", "OnChange", "Refused"]),
        // One that exists is the one all the same.
        Row("found", found, 100, ["WriteCaptureSecret", "Pending", "=", "", "Fields", "OnChange", ""]),
    ]);
}

// ---- With what else is sent, and after a restore --------------------------------------------------------------------------------------

#[test]
fn a_run_on_the_vendors_page_takes_tags_and_custom_data_too() {
    let o = with(by_link(applicant_intended(), Some(900)), |o| {
        o.spec.tags = Some(vec!["order-1".into()]);
        o.spec.custom_data = serde_json::from_value(json!({ "age": 18 })).unwrap();
        o.facts.applicant = Some(Ok(applicant()));
    });
    let Some(Effect::StartRun { run, .. }) = step(&o, 1).effect else { panic!("no run is started") };
    let run = serde_json::to_value(run).unwrap();
    assert_eq!(
        (&run["tags"], &run["custom_data"], &run["link"]["language"]),
        (&json!([TAG, "order-1"]), &json!({"age": 18}), &json!("de_DE"))
    );
}

/// An object that is created again by its idempotency key captures with its run as it is, however old.
#[test]
fn a_run_found_by_its_idempotency_key_brings_what_it_was_started_with() {
    let keyed = |o: Observed| with(o, |o| (o.spec.idempotency_key, o.created_at) = (Some("order-1".into()), t(100)));
    let found = |o: Observed, runs: Vec<WorkflowRun>| with(keyed(o), |o| o.facts.looked = looked(runs));
    let dead = || by_link(read(), Some(100));
    let old = |o: Observed| found(o, vec![run("awaiting_input", json!({"created_at": t(100 - OWN).to_string()}))]);
    let refused = "Accepted=False/LinkExpired Ready=False/LinkExpired";
    let expired = "CaptureReady=False/TokenExpired Submitted=True/Started";
    check(vec![
        Row(
            "a link that is dead by now may be that of a run",
            keyed(dead()),
            100,
            ["LookForRun", "Pending", "=", "", "Fields", "OnChange", ""],
        ),
        Row(
            "of one that exists, it is handed over",
            found(dead(), vec![*linked(Some(100)).unwrap().unwrap()]),
            100,
            ["WriteCaptureSecret", "Pending", "=", "", "Fields", "OnChange", ""],
        ),
        Row("none does: none is started", found(dead(), vec![]), 100, ["", "Pending", refused, "", "Fields", "OnChange", "Refused"]),
        Row(
            "a token's time runs from the run's start",
            with(written(old(read())), |o| o.memory.last_look = Some(t(90))),
            100,
            ["", "AwaitingInput", expired, "", "Version", "+3590", ""],
        ),
    ]);
}
