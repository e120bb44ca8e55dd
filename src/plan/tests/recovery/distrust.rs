//! What recovery does not believe: a basis without its applicant, a clock that was set back, a refusal as the end of a doubt.

use super::*;

#[test]
fn a_run_found_without_its_applicant_on_record_never_verifies() {
    // etcd was restored to an older intent: today's values are even those of the record, but nothing says the applicant was sent them.
    let restored = with(doubted(applicant_intended()), |o| o.facts.attributes = Some(Ok(person())));
    let withdrawn = with(applicant_intended(), |o| o.facts.applicant = Some(Err(Failure::Unauthorized)));
    let withdrawn = with(next(&withdrawn, step(&withdrawn, 1).status), |o| {
        (o.created_at, o.facts.attributes) = (t(-60), Some(Ok(person())));
    });
    for o in [restored, withdrawn] {
        assert!(o.status.basis.is_some() && o.status.applicant_id.is_none());
        let found = with(o, |o| o.facts.looked = looked(vec![run("processing", json!({}))]));
        let adopted = step(&found, 80).status;
        assert_eq!(adopted.workflow_run_id.as_deref(), Some("run-1"));
        for values in [person(), Attributes { unreadable: vec![Failure::Unreachable], ..attributes(&[]) }] {
            let approved = with(next(&found, adopted.clone()), |o| {
                (o.facts.run, o.facts.attributes) = (boxed("approved"), Some(Ok(values)));
            });
            let says = all_says(&step(&approved, 100).status);
            assert!(says.contains(&"Verified=False/AttributeChanged".to_owned()), "{says:?}");
        }
    }
}

/// Recorded by a clock that was a day ahead.
const AHEAD: i64 = 86_400;

#[test]
fn a_clock_that_was_set_back_stops_no_recovery() {
    let time = |seconds| k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(t(seconds));
    let run_of = |tries, looks, absent_since, known_for| {
        with(missing(tries, looks, absent_since), |o| {
            o.status.operation.as_mut().unwrap().started_at = time(AHEAD);
            o.memory.operation_known_for = secs(known_for);
        })
    };
    let applicant_of = |known_for| {
        with(applicant_intended(), |o| {
            o.status.operation.as_mut().unwrap().started_at = time(AHEAD);
            o.memory.operation_known_for = secs(known_for);
            (o.facts.attributes, o.facts.looked) = (Some(Ok(person())), looked(vec![]));
        })
    };
    let checked = |next_check| {
        with(run_of(0, 1, AHEAD, 200), |o| {
            o.facts.looked = unlooked();
            o.status.next_check_at = Some(time(next_check));
        })
    };
    let recovering = "Submitted=False/Recovering";
    check(vec![
        Row(
            "a look that is a day away is due",
            checked(AHEAD),
            100,
            ["LookForRun of applicant", "Pending", "=", "StartRun 0 1", "Fields", "OnChange", ""],
        ),
        Row(
            "one that is as far away as looks may be is not",
            checked(100 + 21_600),
            100,
            ["", "Pending", "=", "StartRun 0 1", "Fields", "+21600", ""],
        ),
        Row(
            "an absence that begins tomorrow begins now",
            run_of(0, 2, AHEAD, 200),
            100,
            ["", "Pending", recovering, "StartRun 0 3", "Operation nonce-1+", "+150", ""],
        ),
        Row(
            "a try of tomorrow was made no later than it was known",
            run_of(0, 2, -300, 299),
            100,
            ["", "Pending", recovering, "StartRun 0 3", "Operation nonce-1+", "+1", ""],
        ),
        Row(
            "and is followed by the next",
            run_of(0, 2, -300, 300),
            100,
            ["StartRun", "Pending", recovering, "StartRun 1 0", "Operation nonce-1+", "OnChange", ""],
        ),
        Row(
            "so is the applicant's",
            applicant_of(80),
            100,
            ["CreateApplicant", "Pending", recovering, "CreateApplicant 1 0", "Operation nonce-1", "OnChange", "PossibleOrphanApplicant"],
        ),
    ]);
    let absent_since = step(&run_of(0, 2, AHEAD, 200), 100).status.operation.unwrap().absent_since;
    assert_eq!(absent_since, Some(time(100)), "recorded anew");
}

#[test]
fn a_refused_retry_is_no_try_and_forgets_none() {
    let retried = |tries, failure| {
        with(run_intended(), |o| {
            let operation = o.status.operation.as_mut().unwrap();
            operation.tries = tries;
            o.memory.operation_known_for = secs(2);
            o.facts.started = Some(Err(failure));
        })
    };
    let row = |name, failure, says, wake, notices| {
        Row(name, retried(2, failure), 2, ["", "Pending", says, "StartRun 1 0", "Operation nonce-1+", wake, notices])
    };
    let refused = Failure::RequestRefused { fields: vec!["workflow_id".into()] };
    let gone = Failure::ProviderNotFound { namespace: "shop".into(), name: "onfido".into() };
    let told = |seconds| Failure::RateLimited { after: Some(secs(seconds)) };
    check(vec![
        row("refused", refused, "Submitted=False/RequestRefused Ready=False/RequestRefused", "+300", "Refused"),
        row("not sent", Failure::Unreachable, "Submitted=False/Unreachable", "+78", ""),
        row("too late", Failure::TooLate, "Submitted=False/Unreachable", "+78", ""),
        row("a token refused", Failure::Unauthorized, "Submitted=False/Unauthorized", "+78", ""),
        row("a limit, not before the looks", told(7), "Submitted=False/RateLimited", "+78", ""),
        row("a limit, as told", told(700), "Submitted=False/RateLimited", "+700", ""),
        row("what only a change heals does not hang", gone, "Accepted=False/ProviderNotFound Submitted=False/Recovering", "+78", ""),
    ]);
    // What follows: the doubt is waited out, the run looked for over the absence span, and the same try made anew.
    let o = retried(1, told(700));
    let kept = next(&o, step(&o, 2).status);
    let knows = |o: &Observed, known| with(o.clone(), |o| o.memory.operation_known_for = secs(known));
    check(vec![
        Row("the doubt", knows(&kept, 9), 9, ["", "Pending", "=", "StartRun 0 0", "Fields", "+71", ""]),
        Row("what the vendor told", knows(&kept, 80), 80, ["", "Pending", "=", "StartRun 0 0", "Fields", "+622", ""]),
        Row(
            "then the looks",
            knows(&kept, 702),
            702,
            ["LookForRun of applicant", "Pending", "=", "StartRun 0 0", "Fields", "OnChange", ""],
        ),
    ]);
    let mut o = kept;
    for (at, known) in [(702, 702), (852, 852), (1002, 1002)] {
        (o.memory.operation_known_for, o.facts.looked) = (secs(known), looked(vec![]));
        let plan = step(&o, at);
        if at < 1002 {
            assert_eq!((effect_of(&plan), wake_of(&plan, at).as_str()), ("", "+150"));
            o = next(&o, plan.status);
            continue;
        }
        assert_eq!(effect_of(&plan), "StartRun");
        let operation = plan.status.operation.clone().unwrap();
        assert_eq!((operation.tries, &operation.nonce), (1, &o.nonce), "back where it was, under a new nonce");
        o.status = plan.status;
        o.absorb(&plan.effect.unwrap(), Ok(Receipt::RunStarted(Box::new(run("processing", json!({}))))));
        o.nonce += "+";
        assert_eq!(effect_of(&step(&o, at)), "LookForRun of applicant", "an ambiguous try may have turned up");
    }
}
