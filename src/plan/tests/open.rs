//! The rows of an open run: when it is looked at, what a look says, and how an outcome is reached.

use super::*;

fn with(mut o: Observed, change: impl FnOnce(&mut Observed)) -> Observed {
    change(&mut o);
    o
}

/// The run as it was recorded, and what a look brings.
fn seen(recorded: &str, status: &str) -> Observed {
    with(open(recorded), |o| {
        o.facts.run = boxed(status);
        o.facts.capture = Some(Ok("user-1-capture".into()));
        o.facts.attributes = Some(Ok(person()));
    })
}

fn halted(o: &mut Observed) {
    o.provider = found(json!({"suspend": true}));
}

#[test]
fn a_run_is_looked_at_when_it_is_time_or_the_vendor_rings() {
    let finalized = |seen_at: i64| {
        with(open("awaiting_input"), |o| {
            o.spec.submitted_attempt = 1;
            o.generation = 2;
            o.memory.submission_seen = Some(t(seen_at));
        })
    };
    let quiet = |wake| ["", "AwaitingInput", "=", "", "Fields", wake, ""];
    let reads = |phase| ["ReadRun", phase, "=", "", "Fields", "OnChange", ""];
    check(vec![
        Row("while the person is awaited, slowly", open("awaiting_input"), 10, quiet("+3590")),
        Row("after an hour", open("awaiting_input"), 3600, reads("AwaitingInput")),
        Row("while the vendor works, soon", open("processing"), 3, reads("Processing")),
        Row(
            "a delivery makes it immediate",
            with(open("awaiting_input"), |o| o.status.notification = notification("d1")),
            10,
            reads("AwaitingInput"),
        ),
        Row(
            "a delivery that was answered does not",
            with(open("awaiting_input"), |o| {
                o.status.notification = notification("d1");
                o.status.answered_notifications = vec!["d1".into()];
            }),
            10,
            quiet("+3590"),
        ),
        Row("a finalize asks for a look in three seconds and is acknowledged by it", finalized(10), 10, quiet("+3")),
        Row("which then comes", finalized(10), 13, reads("AwaitingInput")),
        Row(
            "a finalize nobody remembers is acknowledged at once",
            with(finalized(10), |o| o.memory.submission_seen = None),
            10,
            ["", "AwaitingInput", "CaptureReady=True/AwaitingInput", "", "Fields", "+3590", ""],
        ),
        Row(
            "in review no look is due for a finalize, so it is acknowledged at once",
            with(seen_open("review"), |o| (o.spec.submitted_attempt, o.generation, o.memory.submission_seen) = (1, 2, Some(t(10)))),
            10,
            ["", "InReview", "Completed=False/InReview", "", "Fields", "+3590", ""],
        ),
        Row(
            "a review is looked at for as long as it takes",
            with(seen_open("review"), |o| o.memory.last_look = Some(t(90 * 86_400))),
            90 * 86_400 + 3600,
            ["ReadRun", "InReview", "=", "", "Fields", "OnChange", ""],
        ),
        Row(
            "another edit is acknowledged at once",
            with(open("awaiting_input"), |o| o.generation = 2),
            10,
            ["", "AwaitingInput", "Completed=False/AwaitingInput", "", "Fields", "+3590", ""],
        ),
        Row(
            "a suspended object is not looked at; but its token expires",
            with(open("awaiting_input"), |o| (o.spec.suspend, o.generation) = (true, 2)),
            4000,
            [
                "",
                "AwaitingInput",
                "Completed=False/Suspended Ready=True/Started CaptureReady=True/AwaitingInput",
                "",
                "Fields",
                "+2933600",
                "",
            ],
        ),
        Row(
            "nor one of a suspended provider",
            with(open("awaiting_input"), |o| (halted(o), o.status.notification = notification("d1")).1),
            4000,
            ["", "AwaitingInput", "Completed=False/Suspended", "", "Fields", "+2933600", ""],
        ),
        Row(
            "without its provider a run cannot be read",
            with(open("awaiting_input"), |o| o.provider = Provider::Missing),
            4000,
            ["", "AwaitingInput", "Completed=False/ProviderNotFound Ready=True/Started", "", "Fields", "+2933600", ""],
        ),
        Row(
            "nor in another environment than its own",
            with(open("awaiting_input"), |o| {
                let Provider::Found { environment, .. } = &mut o.provider else { panic!() };
                *environment = Environment::Live;
            }),
            4000,
            ["", "AwaitingInput", "Completed=False/AccountChanged", "", "Fields", "+300", "Refused"],
        ),
        Row(
            "nor without a proper id",
            with(open("awaiting_input"), |o| o.status.workflow_run_id = Some("../runs".into())),
            4000,
            ["", "AwaitingInput", "Completed=False/UnexpectedAnswer", "", "Fields", "Backoff", "Refused"],
        ),
    ]);
    for (name, o) in [("finalize", finalized(10)), ("edit", with(open("awaiting_input"), |o| o.generation = 2))] {
        let mut o = o;
        o.facts.run = boxed("awaiting_input");
        o.facts.capture = Some(Ok("user-1-capture".into()));
        let status = step(&o, 13).status;
        assert_eq!(status.observed_generation, Some(2), "{name}");
        assert!(status.conditions.iter().all(|c| c.observed_generation == Some(2)), "{name}");
        assert_eq!(status.submitted_at.is_some(), name == "finalize");
    }
}

fn seen_open(status: &str) -> Observed {
    let o = seen("awaiting_input", status);
    next(&o, step(&o, 0).status)
}

#[test]
fn a_resumed_object_says_so_again() {
    let mut o = open("awaiting_input");
    o.spec.suspend = true;
    let mut o = next(&o, step(&o, 10).status);
    o.spec.suspend = false;
    check(vec![Row(
        "resumed",
        o,
        20,
        ["", "AwaitingInput", "Completed=False/AwaitingInput Ready=True/Started", "", "Fields", "+3580", ""],
    )]);
    let mut o = fresh();
    o.spec.suspend = true;
    let mut o = next(&o, step(&o, 10).status);
    (o.spec.suspend, o.provider) = (false, Provider::Missing);
    check(vec![Row("resumed", o, 20, ["", "Pending", "Ready=False/ProviderNotFound", "", "Fields", "OnChange", ""])]);
}

#[test]
fn a_look_at_an_open_run_notes_what_the_vendor_says() {
    let row = |name, recorded, status, phase, says, wake| {
        Row(name, with(seen(recorded, status), |o| o.memory.last_look = Some(t(50))), 50, ["", phase, says, "", "Fields", wake, ""])
    };
    check(vec![
        row("still waiting", "awaiting_input", "awaiting_input", "AwaitingInput", "CaptureReady=True/AwaitingInput", "+3600"),
        row(
            "captured",
            "awaiting_input",
            "processing",
            "Processing",
            "CaptureReady=False/CaptureFinished Completed=False/Processing",
            "+3",
        ),
        row(
            "waiting for the client's own task",
            "awaiting_input",
            "awaiting_client_input",
            "Processing",
            "Completed=False/Processing",
            "+3",
        ),
        row("in review", "processing", "review", "InReview", "Completed=False/InReview Verified=Unknown/Pending", "+3600"),
        row(
            "a word nobody knows changes no phase",
            "awaiting_input",
            "awaiting_robot",
            "AwaitingInput",
            "Completed=False/AwaitingInput",
            "+3600",
        ),
        row("nor does free text", "processing", "Nobody Invented", "Processing", "Completed=False/Processing", "+70"),
        row("back to the person", "processing", "awaiting_input", "AwaitingInput", "CaptureReady=True/AwaitingInput", "+3600"),
    ]);
    let word = |status| step(&seen("processing", status), 50).status.vendor_status;
    assert_eq!(word("awaiting_robot").as_deref(), Some("awaiting_robot"));
    assert_eq!(word("Nobody Invented").as_deref(), Some("unrecognized"));
}

#[test]
fn the_secret_is_restored_while_the_person_is_awaited_and_never_taken_over() {
    let conflict = || Failure::SecretConflict { name: "s".into() };
    let lost = with(seen("awaiting_input", "awaiting_input"), |o| o.facts.capture = None);
    let taken = with(seen("awaiting_input", "awaiting_input"), |o| {
        o.facts.capture = Some(Err(conflict()));
        o.memory.last_look = Some(t(50));
    });
    let expired = with(seen("awaiting_input", "awaiting_input"), |o| o.memory.last_look = Some(t(34 * 86400)));
    check(vec![
        Row("looked after", lost.clone(), 50, ["WriteCaptureSecret again", "AwaitingInput", "=", "", "Fields", "OnChange", ""]),
        Row(
            "not there before",
            with(lost, |o| o.status.capture = None),
            50,
            ["WriteCaptureSecret", "AwaitingInput", "=", "", "Fields", "OnChange", ""],
        ),
        Row(
            "taken: looked at again in minutes",
            taken.clone(),
            50,
            ["", "AwaitingInput", "CaptureReady=False/SecretConflict Ready=True/Started", "", "Fields", "+300", "Refused"],
        ),
        Row(
            "an expired token is not ready",
            expired,
            34 * 86400,
            ["", "AwaitingInput", "CaptureReady=False/TokenExpired Completed=False/AwaitingInput", "", "Fields", "+3600", ""],
        ),
    ]);
    // Nor does a look that fails make a taken Secret ready.
    let mut o = next(&taken, step(&taken, 50).status);
    o.facts.run = Some(Err(Failure::Unreachable));
    assert!(all_says(&step(&o, 400).status).iter().any(|says| says.starts_with("CaptureReady=False/")));
    // An edit that is acknowledged does not hide that the Secret is taken.
    let o = with(next(&taken, step(&taken, 50).status), |o| (o.generation, o.memory.last_look) = (2, Some(t(50))));
    let plan = step(&o, 60);
    assert_eq!(plan.status.observed_generation, Some(2));
    assert!(all_says(&plan.status).contains(&"CaptureReady=False/SecretConflict".into()));
}

#[test]
fn trouble_with_an_open_run_shows_and_takes_nothing_back() {
    let row = |name, failure: Failure, says, wake, notices| {
        let o = with(open("processing"), |o| o.facts.run = Some(Err(failure)));
        Row(name, o, 50, ["", "Processing", says, "", "Fields", wake, notices])
    };
    let foreign = |name, more| {
        let o = with(open("processing"), |o| o.facts.run = Some(Ok(Box::new(run("approved", more)))));
        let says = "Completed=False/UnexpectedAnswer Verified=Unknown/Pending Ready=True/Started";
        Row(name, o, 50, ["", "Processing", says, "", "Fields", "Backoff", "Refused"])
    };
    let unread = with(seen("processing", "approved"), |o| o.facts.attributes = Some(Err(Failure::Unreachable)));
    check(vec![
        row("unreachable", Failure::Unreachable, "Completed=False/Unreachable Ready=True/Started Submitted=True/Started", "Backoff", ""),
        row("slowed down", Failure::RateLimited { after: Some(secs(9)) }, "Completed=False/RateLimited", "+9", ""),
        row("refused", Failure::Unauthorized, "Completed=False/Unauthorized Verified=Unknown/Pending", "Backoff", ""),
        row("another account", Failure::AccountChanged, "Completed=False/AccountChanged", "+300", "Refused"),
        foreign("another applicant's run is not ours", json!({"applicant_id": "applicant-2"})),
        foreign("another workflow's is not", json!({"workflow_id": "workflow-2"})),
        foreign("one without our tag is not", json!({"tags": ["onfido-operator.0.1"]})),
        foreign("one without tags is not", json!({"tags": null})),
        Row(
            "values that cannot be read hold up the verdict",
            unread,
            50,
            ["", "Processing", "Completed=False/Unreachable", "", "Fields", "Backoff", ""],
        ),
    ]);
    // The trouble is not forgotten by the next pass, and the next look is minutes away, not an hour.
    let mut o = with(open("awaiting_input"), |o| o.facts.run = Some(Ok(Box::new(run("approved", json!({"tags": []}))))));
    o.memory.last_look = Some(t(4000));
    let o = next(&o, step(&o, 4000).status);
    check(vec![Row("kept", o, 4001, ["", "AwaitingInput", "= Completed=False/UnexpectedAnswer", "", "Fields", "+299", ""])]);
}

#[test]
fn an_outcome_is_judged_by_the_values_as_they_are_now() {
    let done = "Completed=True/OutcomeReported Ready=True/Started CaptureReady=False/CaptureFinished Submitted=True/Started";
    let row = |name, status, phase| Row(name, seen("awaiting_input", status), 100, ["", phase, done, "", "Fields", "OnChange", ""]);
    check(vec![
        Row(
            "values are read first",
            with(seen("awaiting_input", "approved"), |o| o.facts.attributes = None),
            100,
            ["ReadAttributes", "AwaitingInput", "=", "", "Fields", "OnChange", ""],
        ),
        row("approved", "approved", "Approved"),
        row("declined", "declined", "Declined"),
        row("abandoned", "abandoned", "Abandoned"),
        row("error", "error", "Failed"),
    ]);
    let judged = |o: &Observed| all_says(&step(o, 100).status).into_iter().find(|says| says.starts_with("Verified")).unwrap();
    for (status, says) in [
        ("approved", "Verified=True/Verified"),
        ("declined", "Verified=False/Declined"),
        ("abandoned", "Verified=False/Abandoned"),
        ("error", "Verified=False/VendorError"),
    ] {
        assert_eq!(judged(&seen("awaiting_input", status)), says);
    }
    let o = with(seen("awaiting_input", "approved"), |o| o.facts.attributes = Some(Ok(edited())));
    assert_eq!(judged(&o), "Verified=False/AttributeChanged");
    let o = with(seen("awaiting_input", "approved"), |o| o.provider = found(json!({"results": {"dataComparisonPath": "/elsewhere"}})));
    assert_eq!(judged(&o), "Verified=True/Verified", "a later edit of the provider does not rewrite how it is judged");
    assert_eq!(judged(&with(open("processing"), |o| *o = seen_open("review"))), "Verified=Unknown/Pending");
    let o = with(seen_open("review"), |o| (o.facts.run, o.facts.attributes) = (boxed("approved"), Some(Ok(person()))));
    assert_eq!(judged(&o), "Verified=True/Verified", "a review can end well");
}

#[test]
fn a_look_answers_the_delivery_that_came_before_it_and_eight_are_remembered() {
    let mut o = seen("awaiting_input", "approved");
    o.status.notification = notification("d9");
    o.status.answered_notifications = (1..=8).rev().map(|n| format!("d{n}")).collect();
    let status = step(&o, 100).status;
    assert_eq!(status.answered_notifications, (2..=9).rev().map(|n| format!("d{n}")).collect::<Vec<_>>());
    let failed = with(open("awaiting_input"), |o| {
        o.status.notification = notification("d9");
        o.facts.run = Some(Err(Failure::Unreachable));
    });
    assert!(step(&failed, 100).status.answered_notifications.is_empty(), "a look that failed answers nothing");
}
