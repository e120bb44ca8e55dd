//! The rows of an unrepeatable call whose answer is missing.

mod distrust;

use super::*;

fn with(mut o: Observed, change: impl FnOnce(&mut Observed)) -> Observed {
    change(&mut o);
    o
}

/// Somebody began this and is gone; this process has waited long enough.
fn doubted(mut o: Observed) -> Observed {
    o.memory.operation_known_for = o.timing.doubt();
    o
}

/// A run intended so often, looked for so often, first in vain at this second.
fn missing(tries: u32, looks: u32, absent_since: i64) -> Observed {
    with(doubted(run_intended()), |o| {
        let operation = o.status.operation.as_mut().unwrap();
        (operation.tries, operation.looks) = (tries, looks);
        operation.absent_since = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(t(absent_since)));
        o.facts.looked = looked(vec![]);
    })
}

#[test]
fn an_ambiguous_answer_keeps_the_operation_and_waits() {
    let says = "Submitted=False/Recovering Ready=False/Recovering Stalled=False/Progressing";
    let again = with(applicant_intended(), |o| {
        o.status.operation.as_mut().unwrap().tries = 1;
        o.facts.applicant = Some(Err(Failure::Ambiguous));
    });
    check(vec![
        Row(
            "of the run",
            with(run_intended(), |o| o.facts.started = Some(Err(Failure::Ambiguous))),
            5,
            ["", "Pending", says, "StartRun 0 0", "Fields", "+80", ""],
        ),
        Row(
            "of the applicant",
            with(applicant_intended(), |o| o.facts.applicant = Some(Err(Failure::Ambiguous))),
            5,
            ["", "Pending", says, "CreateApplicant 0 0", "Fields", "+80", ""],
        ),
        Row("of the applicant a second time", again, 5, ["", "Pending", says, "CreateApplicant 1 0", "Fields", "+295", ""]),
        Row("nobody looks before it can be seen", run_intended(), 0, ["", "Pending", "=", "StartRun 0 0", "Fields", "+80", ""]),
        Row(
            "by this process's own clock",
            with(run_intended(), |o| o.memory.operation_known_for = secs(79)),
            100_000,
            ["", "Pending", "=", "StartRun 0 0", "Fields", "+1", ""],
        ),
        Row(
            "then the vendor is asked",
            doubted(run_intended()),
            80,
            ["LookForRun of applicant", "Pending", "=", "StartRun 0 0", "Fields", "OnChange", ""],
        ),
        Row(
            "whoever looked before us had waited",
            with(run_intended(), |o| {
                o.status.operation.as_mut().unwrap().looks = 1;
                o.status.next_check_at = serde_json::from_value(json!(t(230).to_string())).unwrap();
            }),
            230,
            ["LookForRun of applicant", "Pending", "=", "StartRun 0 1", "Fields", "OnChange", ""],
        ),
        Row(
            "and says when to look again",
            with(run_intended(), |o| {
                o.status.operation.as_mut().unwrap().looks = 1;
                o.status.next_check_at = serde_json::from_value(json!(t(230).to_string())).unwrap();
            }),
            80,
            ["", "Pending", "=", "StartRun 0 1", "Fields", "+150", ""],
        ),
        Row(
            "an edit is acknowledged meanwhile",
            with(run_intended(), |o| o.generation = 2),
            0,
            ["", "Pending", "Ready=False/Pending", "StartRun 0 0", "Fields", "+80", ""],
        ),
        Row(
            "a suspended object asks nobody",
            with(doubted(run_intended()), |o| o.spec.suspend = true),
            80,
            ["", "Pending", "Ready=False/Suspended", "StartRun 0 0", "Fields", "OnChange", ""],
        ),
        Row(
            "nor one of a suspended provider",
            with(doubted(run_intended()), |o| o.provider = found(json!({"suspend": true}))),
            80,
            ["", "Pending", "Ready=False/Suspended", "StartRun 0 0", "Fields", "OnChange", ""],
        ),
        Row(
            "suspended, an answer that comes in is still recorded",
            with(run_intended(), |o| (o.spec.suspend, o.facts.started) = (true, boxed("processing"))),
            5,
            ["", "Processing", "Submitted=True/Started", "", "Operation nonce-1+", "+-2", ""],
        ),
    ]);
    let plan = step(&with(run_intended(), |o| o.generation = 2), 0);
    assert_eq!(plan.status.observed_generation, Some(2));
}

#[test]
fn a_run_is_missing_only_after_three_looks_over_five_minutes() {
    let recovering = "Submitted=False/Recovering Ready=False/Pending Stalled=False/Progressing";
    let known = Looked { applicant_known: false, runs: vec![] };
    let first = with(doubted(run_intended()), |o| o.facts.looked = looked(vec![]));
    let looks = |name, tries, count, since, at, operation, wake| {
        Row(name, missing(tries, count, since), at, ["", "Pending", recovering, operation, "Operation nonce-1+", wake, ""])
    };
    let tries = |name, count, at, operation: &'static str| {
        Row(name, missing(count, 2, at - 300), at, ["StartRun", "Pending", recovering, operation, "Operation nonce-1+", "OnChange", ""])
    };
    check(vec![
        Row("the first look", first, 80, ["", "Pending", recovering, "StartRun 0 1", "Operation nonce-1+", "+150", ""]),
        looks("the second", 0, 1, 80, 230, "StartRun 0 2", "+150"),
        looks("three looks in too short a time", 0, 2, 80, 379, "StartRun 0 3", "+150"),
        looks("two looks over a long time", 0, 1, 80, 5000, "StartRun 0 2", "+150"),
        tries("three looks over five minutes: the first new try", 0, 380, "StartRun 1 0"),
        looks("the second try is an hour away", 1, 2, 80, 380, "StartRun 1 3", "+3220"),
        tries("and comes", 1, 3600, "StartRun 2 0"),
        looks("the third is six hours away", 2, 2, 80, 380, "StartRun 2 3", "+21220"),
        tries("and comes as well", 2, 21600, "StartRun 3 0"),
        Row(
            "after it a human must act, and the vendor is asked every hour",
            missing(3, 2, 80),
            1_000_000,
            [
                "",
                "Pending",
                "Submitted=False/VendorAmbiguous Ready=False/VendorAmbiguous Stalled=True/VendorAmbiguous",
                "StartRun 3 3",
                "Operation nonce-1+",
                "+3600",
                "Stalled",
            ],
        ),
        Row(
            "a look that fails does not count",
            with(missing(0, 2, 80), |o| o.facts.looked = searched(Err(Failure::Unreachable))),
            380,
            ["", "Pending", "Submitted=False/Unreachable", "StartRun 0 2", "Fields", "Backoff", ""],
        ),
        Row(
            "another account freezes everything",
            with(missing(0, 2, 80), |o| o.facts.looked = searched(Ok(known))),
            380,
            ["", "Pending", "Submitted=False/AccountChanged", "StartRun 0 2", "Fields", "+300", "Refused"],
        ),
        Row(
            "a provider that is no longer willing gets no new try",
            with(missing(0, 2, 80), |o| {
                let Provider::Found { allowed, .. } = &mut o.provider else { panic!() };
                *allowed = false;
            }),
            380,
            ["", "Pending", "Accepted=False/NamespaceNotAllowed", "StartRun 0 2", "Fields", "+300", ""],
        ),
    ]);
}

#[test]
fn a_stall_lasts_until_the_run_is_found() {
    let o = missing(3, 2, 80);
    let stalled = next(&o, step(&o, 1_000_000).status);
    let says = "Stalled=True/VendorAmbiguous";
    let later = |facts| with(doubted(stalled.clone()), |o| o.facts.looked = facts);
    check(vec![
        Row("meanwhile", stalled.clone(), 1_000_001, ["", "Pending", "=", "StartRun 3 3", "Fields", "+3599", ""]),
        Row(
            "an edit does not end it",
            with(stalled.clone(), |o| o.generation = 2),
            1_000_001,
            ["", "Pending", says, "StartRun 3 3", "Fields", "+3599", ""],
        ),
        Row(
            "nor a look that fails",
            later(searched(Err(Failure::Unreachable))),
            1_003_600,
            ["", "Pending", says, "StartRun 3 3", "Fields", "Backoff", ""],
        ),
        Row(
            "nor one in vain, which tells nobody twice",
            later(looked(vec![])),
            1_003_600,
            ["", "Pending", says, "StartRun 3 4", "Operation nonce-1+", "+3600", ""],
        ),
        Row(
            "the run does",
            later(looked(vec![run("processing", json!({}))])),
            1_003_600,
            [
                "",
                "Processing",
                "Stalled=False/Progressing Submitted=True/Started Ready=True/Started",
                "",
                "Operation nonce-1+",
                "+-1003597",
                "",
            ],
        ),
    ]);
    let since = |o: &IdentityVerificationStatus| o.conditions.iter().find(|c| c.type_ == "Stalled").unwrap().last_transition_time.clone();
    assert_eq!(since(&step(&later(looked(vec![])), 1_003_600).status), since(&stalled.status), "it stalled once");
}

#[test]
fn an_applicant_is_never_looked_for_but_its_run_is() {
    let tried = |tries, at| {
        let o = with(doubted(applicant_intended()), |o| {
            o.status.operation.as_mut().unwrap().tries = tries;
            o.facts.attributes = Some(Ok(person()));
            o.facts.looked = looked(vec![]);
        });
        (o, at)
    };
    let (o, _) = tried(0, 80);
    check(vec![
        Row(
            "it is waited for",
            with(o.clone(), |o| o.memory = Memory::default()),
            80,
            ["", "Pending", "=", "CreateApplicant 0 0", "Fields", "+80", ""],
        ),
        Row(
            "by either clock",
            with(o.clone(), |o| o.memory.operation_known_for = secs(79)),
            79,
            ["", "Pending", "=", "CreateApplicant 0 0", "Fields", "+1", ""],
        ),
        Row(
            "what is asked for is read anew",
            with(o.clone(), |o| o.facts = Facts::default()),
            80,
            ["ReadAttributes", "Pending", "=", "CreateApplicant 0 0", "Fields", "OnChange", ""],
        ),
        Row(
            "and checked anew",
            with(o.clone(), |o| o.provider = Provider::Missing),
            80,
            ["", "Pending", "Accepted=False/ProviderNotFound", "CreateApplicant 0 0", "Fields", "OnChange", ""],
        ),
        Row(
            "a run would show that somebody has gone further",
            with(o.clone(), |o| o.facts.looked = unlooked()),
            80,
            ["LookForRun", "Pending", "=", "CreateApplicant 0 0", "Fields", "OnChange", ""],
        ),
        Row(
            "it is adopted",
            with(o.clone(), |o| o.facts.looked = looked(vec![run("processing", json!({}))])),
            80,
            ["", "Processing", "Submitted=True/Started", "", "Operation nonce-1", "+-77", ""],
        ),
        Row(
            "a look that fails creates nothing",
            with(o.clone(), |o| o.facts.looked = searched(Err(Failure::Unreachable))),
            80,
            ["", "Pending", "Submitted=False/Unreachable", "CreateApplicant 0 0", "Fields", "Backoff", ""],
        ),
        Row(
            "otherwise it is created again, and the possible orphan is reported",
            o,
            80,
            [
                "CreateApplicant",
                "Pending",
                "Submitted=False/Recovering",
                "CreateApplicant 1 0",
                "Operation nonce-1",
                "OnChange",
                "PossibleOrphanApplicant",
            ],
        ),
        Row("ever more rarely: five minutes", tried(1, 0).0, 299, ["", "Pending", "=", "CreateApplicant 1 0", "Fields", "+1", ""]),
        Row("an hour", tried(2, 0).0, 3599, ["", "Pending", "=", "CreateApplicant 2 0", "Fields", "+1", ""]),
        Row("six hours", tried(3, 0).0, 21599, ["", "Pending", "=", "CreateApplicant 3 0", "Fields", "+1", ""]),
        Row(
            "and no longer",
            tried(9, 0).0,
            21600,
            ["CreateApplicant", "Pending", "", "CreateApplicant 10 0", "Operation nonce-1", "OnChange", "PossibleOrphanApplicant"],
        ),
    ]);
    let notice = step(&tried(0, 80).0, 80).notices.remove(0).message;
    assert!(notice.contains(TAG) && notice.contains(&t(0).to_string()) && notice.contains(&t(80).to_string()), "{notice}");
}

#[test]
fn a_run_that_turns_up_beside_a_later_try_is_reported() {
    let tried = |facts: Looks| {
        with(run_intended(), |o| {
            o.status.operation.as_mut().unwrap().tries = 1;
            o.facts.started = Some(Ok(Box::new(run("processing", json!({"id": "run-2", "created_at": t(400).to_string()})))));
            o.facts.looked = facts;
        })
    };
    let row = |name, facts, notices| {
        Row(name, tried(facts), 401, ["", "Processing", "Submitted=True/Started", "", "Operation nonce-1+", "+2", notices])
    };
    let adopted = tried(looked(vec![run("processing", json!({}))]));
    check(vec![
        Row(
            "it is looked for",
            tried(unlooked()),
            401,
            ["LookForRun of applicant", "Pending", "=", "StartRun 1 0", "Fields", "OnChange", ""],
        ),
        row("nothing there", looked(vec![]), ""),
        row("a look that fails does not lose the run", searched(Err(Failure::Unreachable)), ""),
        Row("the older one is used", adopted.clone(), 401, ["", "Processing", "", "", "Operation nonce-1+", "+-398", "ExtraRun"]),
    ]);
    assert_eq!(step(&adopted, 401).status.workflow_run_id.as_deref(), Some("run-1"));
    assert_eq!(step(&tried(looked(vec![])), 401).status.workflow_run_id.as_deref(), Some("run-2"));
    // What was seen before a call says nothing of what is there after it.
    let mut o = missing(0, 2, 80);
    let effect = step(&o, 380).effect.unwrap();
    o.absorb(&effect, Ok(Receipt::RunStarted(Box::new(run("processing", json!({}))))));
    assert!(o.facts.looked.is_empty() && o.facts.started.is_some());
}

#[test]
fn a_call_that_would_be_refused_is_not_intended_and_a_doubt_stays_as_it_is() {
    let doubted_applicant = with(doubted(applicant_intended()), |o| {
        (o.facts.attributes, o.facts.looked) = (Some(Ok(person())), looked(vec![]));
    });
    let rows = [("the applicant", read(), 0), ("the applicant again", doubted_applicant, 300), ("the run again", missing(0, 2, -300), 400)];
    for (name, mut o, at) in rows {
        o.facts.attributes = Some(Ok(person()));
        let plan = step(&o, at);
        let effect = plan.effect.filter(Effect::is_unrepeatable).expect(name);
        let before = o.status.operation.clone();
        o.forgo(&effect, Failure::Unauthorized);
        let plan = step(&o, at);
        assert_eq!((effect_of(&plan), &plan.status.operation, plan.wake), ("", &before, Wake::Backoff), "{name}");
        assert!(all_says(&plan.status).contains(&"Submitted=False/Unauthorized".to_owned()), "{name}: {:?}", all_says(&plan.status));
    }
}
