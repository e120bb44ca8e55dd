//! The rows that bring the applicant up to date before a run.

use super::attempt::*;
use super::*;

const OTHER: &str = "applicant-2";

/// The intent to send other values is recorded at 200 s.
fn update_intended() -> Observed {
    update_intended_with(edited())
}

fn update_intended_with(values: Attributes) -> Observed {
    let o = begins(settled("declined"), values);
    next(&o, step(&o, 200).status)
}

/// Nobody knows whether they were taken, and it was waited out.
fn doubted() -> Observed {
    with(update_intended(), |o| {
        o.memory.operation_known_for = o.timing.doubt();
        (o.facts.attributes, o.facts.looked) = (Some(Ok(edited())), looked(vec![]));
    })
}

fn withdrawn() -> Observed {
    let o = with(update_intended(), |o| o.facts.updated = Some(Err(Failure::Unauthorized)));
    with(next(&o, step(&o, 201).status), |o| o.facts.looked = looked(vec![]))
}

#[test]
fn what_has_changed_is_sent_and_then_the_run_is_intended() {
    let sent = begins(settled("declined"), edited());
    let plan = step(&sent, 200);
    let Some(Effect::UpdateApplicant { id, applicant, .. }) = &plan.effect else { panic!() };
    assert_eq!(id.as_str(), APPLICANT);
    assert_eq!(serde_json::to_value(applicant).unwrap()["first_name"], "Somebody Else");
    let intended = |o: Observed, updated| with(o, |o| (o.facts.updated, o.facts.attributes) = (Some(updated), Some(Ok(edited()))));
    check(vec![
        Row(
            "taken: the run is intended in the same write",
            intended(update_intended(), Ok(true)),
            201,
            ["StartRun", "Pending", "Ready=False/Pending", "StartRun 0 0", "Operation nonce-1++++", "OnChange", ""],
        ),
        Row(
            "not taken: another applicant is needed",
            intended(update_intended(), Ok(false)),
            201,
            ["CreateApplicant", "Pending", "Ready=False/Pending", "CreateApplicant 0 0", "Operation nonce-1++++", "OnChange", ""],
        ),
        Row(
            "refused without effect: nothing was sent",
            intended(update_intended(), Err(Failure::Unauthorized)),
            201,
            ["", "Pending", "Submitted=False/Unauthorized", "", "Operation nonce-1++++", "Backoff", ""],
        ),
        Row(
            "a fate nobody knows",
            intended(update_intended(), Err(Failure::Ambiguous)),
            201,
            ["", "Pending", "Submitted=False/Recovering", "UpdateApplicant 0 0", "Fields", "+80", ""],
        ),
    ]);
    let basis = step(&intended(update_intended(), Ok(true)), 201).status.basis.unwrap();
    assert_eq!(basis.attributes[0].digest.as_deref(), Some("digest of 13"), "the run is judged by what was sent");
    let moved = step(&intended(update_intended(), Ok(false)), 201).status;
    assert_eq!((moved.applicant_id, moved.former_applicant_ids), (None, vec![APPLICANT.to_owned()]));
}

#[test]
fn an_applicant_from_before_is_sent_its_data_even_if_nothing_seems_changed() {
    // After a restore of etcd the record may be older than what the vendor was sent last.
    let asked = |change: fn(&mut Observed)| effect_of(&step(&with(begins(settled("declined"), person()), change), 200));
    assert_eq!(asked(|_| {}), "UpdateApplicant");
    assert_eq!(asked(|o| o.spec.consents = None), "UpdateApplicant", "a consent is data too");
    let values = |values: &[(&str, &str)]| effect_of(&step(&begins(settled("declined"), attributes(values)), 200));
    let (given, family, birth) = (("given_name", "Nobody"), ("family_name", "Invented"), ("birthdate", "2000-01-01"));
    assert_eq!(values(&[given, family, birth, ("email", "a@example.test")]), "UpdateApplicant", "one more");
    assert_eq!(values(&[given, family]), "CreateApplicant", "one less: nothing says that the vendor takes one back");
    // The run is judged by what was sent then.
    let sent = with(update_intended_with(person()), |o| o.facts.updated = Some(Ok(true)));
    assert_eq!(effect_of(&step(&sent, 201)), "StartRun");
}

#[test]
fn where_it_may_not_be_sent_only_the_same_values_are_believed_to_be_held() {
    let review = |change: fn(&mut Observed)| {
        let o = with(open("awaiting_input"), |o| o.facts.run = boxed("review"));
        let o = by(begins(next(&o, step(&o, 150).status), person()), json!({"retryOn": ["InReview"]}));
        effect_of(&step(&with(o, change), 200))
    };
    assert_eq!(review(|_| {}), "StartRun");
    assert_eq!(review(|o| o.spec.consents = None), "CreateApplicant", "a consent is data too");
    let key = |o: &mut Observed| o.facts.attributes = Some(Ok(Attributes { key_id: "key-2".into(), ..person() }));
    assert_eq!(review(key), "CreateApplicant", "digests of another key say nothing");
    let swapped = |o: &mut Observed| {
        o.provider = found(json!({"attempts": {"retryOn": ["InReview"]}, "attributes": [
            {"name": "given_name", "applicantField": "last_name", "comparisonField": "last_name", "requirement": "Required"},
            {"name": "family_name", "applicantField": "first_name", "comparisonField": "first_name", "requirement": "Required"},
            {"name": "birthdate", "applicantField": "dob"},
        ]}));
    };
    assert_eq!(review(swapped), "CreateApplicant", "the same values as other fields");
}

#[test]
fn what_was_not_sent_is_never_believed_to_be_held() {
    for values in [edited(), person()] {
        let o = with(withdrawn(), |o| o.facts.attributes = Some(Ok(values)));
        assert_eq!(effect_of(&step(&o, 300)), "UpdateApplicant", "it is sent before the run, whatever it is now");
    }
    // A run that somebody started meanwhile, as a restored etcd may show, was judged by values that nobody knows.
    for o in [withdrawn(), doubted()] {
        let o = with(o, |o| {
            (o.facts.attributes, o.facts.looked) = (Some(Ok(edited())), looked(vec![run_2("processing", json!({}))]));
        });
        let mut o = next(&o, step(&o, 300).status);
        assert_eq!(o.status.workflow_run_id.as_deref(), Some("run-2"));
        (o.facts.run, o.facts.attributes) = (Some(Ok(Box::new(run_2("approved", json!({}))))), Some(Ok(edited())));
        assert!(all_says(&step(&o, 400).status).contains(&"Verified=False/AttributeChanged".to_owned()));
    }
}

#[test]
fn a_change_of_unknown_fate_is_waited_out_and_sent_again() {
    let again = |tries: u32, at: i64| {
        with(doubted(), |o| {
            o.status.operation.as_mut().unwrap().tries = tries;
            o.memory.operation_known_for = secs((at - 200) as u64);
        })
    };
    let lost = Looked { applicant_known: false, runs: vec![] };
    let sends =
        ["UpdateApplicant", "Pending", "Submitted=False/Recovering", "UpdateApplicant 1 0", "Operation nonce-1++++", "OnChange", ""];
    check(vec![
        Row("it may still take effect", update_intended(), 200, ["", "Pending", "=", "UpdateApplicant 0 0", "Fields", "+80", ""]),
        Row(
            "by this process's own clock",
            with(update_intended(), |o| o.memory.operation_known_for = secs(79)),
            100_000,
            ["", "Pending", "=", "UpdateApplicant 0 0", "Fields", "+1", ""],
        ),
        Row(
            "then the vendor is asked for a run that nobody remembers",
            with(again(0, 280), |o| o.facts.looked = unlooked()),
            280,
            ["LookForRun of applicant", "Pending", "=", "UpdateApplicant 0 0", "Fields", "OnChange", ""],
        ),
        Row("then it is sent again", again(0, 280), 280, sends),
        Row("with the values of the moment", with(again(0, 280), |o| o.facts.attributes = Some(Ok(person()))), 280, sends),
        Row("ever more rarely", again(1, 280), 280, ["", "Pending", "=", "UpdateApplicant 1 0", "Fields", "+220", ""]),
        Row(
            "an applicant that is gone",
            with(again(0, 280), |o| o.facts.looked = searched(Ok(lost))),
            280,
            ["CreateApplicant", "Pending", "Submitted=Unknown/Pending", "CreateApplicant 0 0", "Operation nonce-1++++", "OnChange", ""],
        ),
        Row(
            "a suspended object sends nothing",
            with(again(0, 280), |o| o.spec.suspend = true),
            280,
            ["", "Pending", "Ready=False/Suspended", "UpdateApplicant 0 0", "Fields", "OnChange", ""],
        ),
    ]);
}

#[test]
fn an_applicant_the_vendor_knows_no_more_is_replaced_between_attempts() {
    let lost = searched(Ok(Looked { applicant_known: false, runs: vec![] }));
    let o = with(asked(settled("declined"), person()), |o| o.facts.looked = lost);
    check(vec![Row(
        "another is created",
        o.clone(),
        200,
        ["CreateApplicant", "Pending", "Accepted=True/Resolved", "CreateApplicant 0 0", "Version", "OnChange", ""],
    )]);
    let mut created = next(&o, step(&o, 200).status);
    assert_eq!((created.status.applicant_id.as_deref(), &created.status.former_applicant_ids[..]), (None, &[APPLICANT.to_owned()][..]));
    created.facts.applicant = Some(Ok(serde_json::from_value(json!({"id": OTHER})).unwrap()));
    let Some(Effect::StartRun { run, .. }) = step(&created, 201).effect else { panic!() };
    assert_eq!((run.applicant_id.as_str(), run.tags[0].as_str()), (OTHER, TAG_2));
}

#[test]
fn no_applicant_is_forgotten() {
    let full = |o: Observed| with(o, |o| o.status.former_applicant_ids = (0..16).map(|n| format!("former-{n}")).collect());
    let lost = searched(Ok(Looked { applicant_known: false, runs: vec![] }));
    check(vec![
        Row(
            "gone",
            full(with(asked(settled("declined"), person()), |o| o.facts.looked = lost)),
            200,
            ["", "Declined", "Ready=False/AccountChanged", "", "Fields", "+300", "Refused"],
        ),
        Row(
            "a value less",
            full(begins(settled("declined"), attributes(&[("given_name", "Nobody"), ("family_name", "Invented")]))),
            200,
            ["", "Declined", "Accepted=False/AttributeChanged Ready=False/AttributeChanged", "", "Fields", "Backoff", "Refused"],
        ),
    ]);
}
