//! The rows of a further attempt: the provider's rule, what begins anew, what stays of the verdict before it.

mod given_up;
mod meets;
mod standing;

use super::*;
use crate::api::{ConditionType, Phase, find_condition};

pub(super) const TAG_2: &str = "onfido-operator.0123456789abcdef0123456789abcdef.2";

pub(super) fn with(mut o: Observed, change: impl FnOnce(&mut Observed)) -> Observed {
    change(&mut o);
    o
}

/// The next attempt is asked for.
pub(super) fn bumped(o: Observed) -> Observed {
    with(o, |o| (o.spec.attempt, o.generation) = (o.spec.attempt + 1, o.generation + 1))
}

/// The same, with values read.
pub(super) fn asked(o: Observed, values: Attributes) -> Observed {
    with(bumped(o), |o| o.facts.attributes = Some(Ok(values)))
}

/// The same, and no run of the new attempt found.
pub(super) fn begins(o: Observed, values: Attributes) -> Observed {
    with(asked(o, values), |o| o.facts.looked = looked(vec![]))
}

/// With this rule of the provider's.
pub(super) fn by(o: Observed, rule: Value) -> Observed {
    with(o, |o| o.provider = found(json!({ "attempts": rule })))
}

/// What an attempt that may begin sends first is recorded at 200 s and taken: its run is intended.
pub(super) fn intended(o: Observed) -> Observed {
    let mut o = next(&o, step(&o, 200).status);
    o.facts.updated = Some(Ok(true));
    next(&o, step(&o, 201).status)
}

/// A run of the second attempt.
pub(super) fn run_2(status: &str, more: Value) -> WorkflowRun {
    let mut fields = json!({"id": "run-2", "tags": [TAG_2], "created_at": t(210).to_string(), "sdk_token": "sdk-token-2"});
    fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    run(status, fields)
}

/// A second attempt whose run is recorded at 210 s; the first ended so at 100 s.
pub(super) fn second(first: &str, status: &str) -> Observed {
    let mut o = intended(by(begins(settled(first), person()), json!({"retryOn": ["Declined", "Abandoned", "VendorError", "Verified"]})));
    o.facts.started = Some(Ok(Box::new(run_2(status, json!({})))));
    o.facts.capture = Some(Ok("user-1-capture".into()));
    next(&o, step(&o, 210).status)
}

/// Its outcome is recorded at 300 s.
fn second_settled(first: &str, status: &str) -> Observed {
    let mut o = second(first, "awaiting_input");
    o.facts.run = Some(Ok(Box::new(run_2(status, json!({})))));
    o.facts.attributes = Some(Ok(person()));
    next(&o, step(&o, 300).status)
}

fn says(o: &Observed, type_: ConditionType) -> (String, Option<i64>) {
    let condition = find_condition(&o.status.conditions, type_).unwrap();
    (format!("{:?}/{}", condition.status, condition.reason), condition.observed_generation)
}

#[test]
fn another_attempt_begins_like_the_first() {
    let begun =
        "Verified=False/Declined Completed=False/Pending Submitted=Unknown/Pending CaptureReady=False/Pending Stalled=False/Progressing";
    let again = || begins(settled("declined"), person());
    check(vec![
        Row("values first", bumped(settled("declined")), 200, ["ReadAttributes", "Declined", "=", "", "Fields", "OnChange", ""]),
        Row(
            "then a look for a run of the new attempt, whatever happened before",
            asked(settled("declined"), person()),
            200,
            ["LookForRun of applicant", "Declined", "=", "", "Fields", "OnChange", ""],
        ),
        Row(
            "a look that fails lets nothing begin, and says so",
            with(asked(settled("declined"), person()), |o| o.facts.looked = searched(Err(Failure::Unreachable))),
            200,
            ["", "Declined", "Ready=False/Unreachable Accepted=True/Resolved Completed=True/OutcomeReported", "", "Fields", "Backoff", ""],
        ),
        Row(
            "then the intent to send the applicant its data, which etcd may have forgotten",
            again(),
            200,
            ["UpdateApplicant", "Pending", begun, "UpdateApplicant 0 0", "Version", "OnChange", ""],
        ),
        Row(
            "changed or not",
            begins(settled("declined"), edited()),
            200,
            ["UpdateApplicant", "Pending", begun, "UpdateApplicant 0 0", "Version", "OnChange", ""],
        ),
        Row(
            "something in the way is said without beginning",
            with(again(), |o| o.provider = Provider::Missing),
            200,
            [
                "",
                "Declined",
                "Accepted=False/ProviderNotFound Ready=False/ProviderNotFound Completed=True/OutcomeReported Verified=False/Declined",
                "",
                "Fields",
                "OnChange",
                "",
            ],
        ),
        Row(
            "an attribute that is missing now too",
            begins(settled("declined"), attributes(&[("given_name", "Nobody")])),
            200,
            ["", "Declined", "Accepted=False/AttributeMissing", "", "Fields", "Backoff", "Refused"],
        ),
        Row(
            "values that cannot be read hold up everything",
            with(bumped(settled("declined")), |o| o.facts.attributes = Some(Err(Failure::Unreachable))),
            200,
            ["", "Declined", "=", "", "Fields", "Backoff", ""],
        ),
        Row(
            "suspend too",
            with(again(), |o| o.spec.suspend = true),
            200,
            ["", "Declined", "Ready=False/Suspended Completed=True/OutcomeReported", "", "Fields", "OnChange", ""],
        ),
        Row(
            "the vendor's other environment is another account",
            with(again(), |o| {
                if let Provider::Found { environment, .. } = &mut o.provider {
                    *environment = Environment::Live;
                }
            }),
            200,
            ["", "Declined", "Ready=False/AccountChanged", "", "Fields", "+300", "Refused"],
        ),
        Row(
            "an attempt that is under way is not followed",
            with(asked(open("processing"), person()), |o| o.memory.last_look = Some(t(1))),
            1,
            ["", "Processing", "Completed=False/Processing", "", "Fields", "+2", ""],
        ),
    ]);
}

#[test]
fn the_new_attempt_has_a_run_of_its_own_and_the_old_one_is_history() {
    let o = begins(settled("declined"), person());
    let sent = next(&o, step(&o, 200).status);
    let plan = step(&with(sent, |o| o.facts.updated = Some(Ok(true))), 201);
    let Some(Effect::StartRun { run, .. }) = &plan.effect else { panic!() };
    assert_eq!((run.tags.as_slice(), run.applicant_id.as_str()), (&[TAG_2.to_owned()][..], APPLICANT));
    let status = plan.status;
    assert_eq!((status.attempt, status.phase, status.workflow_run_id.as_deref()), (Some(2), Phase::Pending, None));
    assert!(status.capture.is_none() && status.started_at.is_none() && status.completed_at.is_none() && status.submitted_at.is_none());
    assert!(status.dashboard_url.is_none() && status.vendor_status.is_none() && status.workflow_version_id.is_none());
    let [past] = &status.attempts[..] else { panic!("{:?}", status.attempts) };
    assert_eq!(
        (past.number, past.workflow_run_id.as_deref(), past.phase, past.reason.as_str()),
        (1, Some("run-1"), Phase::Declined, "Declined")
    );
    assert_eq!((past.started_at.clone().map(|at| at.0), past.completed_at.clone().map(|at| at.0)), (Some(t(0)), Some(t(100))));
    assert!(status.standing_verdict.is_none(), "a refusal never becomes better");
    assert_eq!(status.attributes, o.status.attributes, "its results stay until there are others");
    assert_eq!(status.observed_generation, Some(2));

    let done = second_settled("declined", "approved").status;
    assert_eq!((done.phase, done.workflow_run_id.as_deref(), done.last_verified_attempt), (Phase::Approved, Some("run-2"), Some(2)));
    assert!(all_says(&done).contains(&"Verified=True/Verified".to_owned()));
    assert_eq!(done.attempts.len(), 1);
}

#[test]
fn who_waits_for_the_new_attempt_is_not_given_the_old_one() {
    let o = by(asked(settled("declined"), person()), json!({"coolDown": "1h"}));
    let o = next(&o, step(&o, 200).status);
    assert_eq!(says(&o, ConditionType::Completed), ("True/OutcomeReported".into(), Some(1)));
    assert_eq!(says(&o, ConditionType::Submitted).1, Some(1));
    for type_ in [ConditionType::Accepted, ConditionType::Ready, ConditionType::Verified, ConditionType::Stalled] {
        assert_eq!(says(&o, type_).1, Some(2), "{type_}");
    }
    assert_eq!(o.status.observed_generation, Some(2));
    let o = second("declined", "processing");
    assert_eq!(says(&o, ConditionType::Completed), ("False/Processing".into(), Some(2)));
}

#[test]
fn the_providers_rule_says_whether_and_when() {
    let rule = |o, rule| by(asked(o, person()), rule);
    let looks = |name, o, phase| Row(name, o, 200, ["LookForRun of applicant", phase, "=", "", "Fields", "OnChange", ""]);
    let waits = |name, o, phase, reason: &'static str, wake, notices| {
        let says = format!("Accepted=False/{reason} Ready=False/{reason} Completed=True/OutcomeReported");
        let stalled = if reason == "CoolingDown" { " Stalled=False/Progressing" } else { &format!(" Stalled=True/{reason}") };
        Row(name, o, 200, ["", phase, (says + stalled).leak(), "", "Fields", wake, notices])
    };
    check(vec![
        looks("by default after a refusal", rule(settled("declined"), json!({})), "Declined"),
        looks("one that was abandoned", rule(settled("abandoned"), json!({})), "Abandoned"),
        looks("an error", rule(settled("error"), json!({})), "Failed"),
        waits("not after a verdict", rule(settled("approved"), json!({})), "Approved", "AttemptNotAllowed", "OnChange", "Refused"),
        looks("unless it says so", rule(settled("approved"), json!({"retryOn": ["Verified"]})), "Approved"),
        waits(
            "what is not listed",
            rule(settled("declined"), json!({"retryOn": ["Abandoned"]})),
            "Declined",
            "AttemptNotAllowed",
            "OnChange",
            "Refused",
        ),
        waits("nothing is listed", rule(settled("error"), json!({"retryOn": []})), "Failed", "AttemptNotAllowed", "OnChange", "Refused"),
        waits("one attempt only", rule(settled("declined"), json!({"max": 1})), "Declined", "AttemptsExhausted", "OnChange", "Refused"),
        looks("two", rule(settled("declined"), json!({"max": 2})), "Declined"),
        waits("not so soon", rule(settled("declined"), json!({"coolDown": "101s"})), "Declined", "CoolingDown", "+1", ""),
        looks("soon enough", rule(settled("declined"), json!({"coolDown": "100s"})), "Declined"),
        waits(
            "what is said first is what lasts",
            rule(settled("declined"), json!({"coolDown": "10h", "max": 1, "retryOn": []})),
            "Declined",
            "AttemptNotAllowed",
            "OnChange",
            "Refused",
        ),
    ]);
    let o = by(asked(settled("declined"), person()), json!({"max": 1}));
    let healed = by(next(&o, step(&o, 200).status), json!({"max": 2}));
    let healed = with(healed, |o| (o.facts.attributes, o.facts.looked) = (Some(Ok(person())), looked(vec![])));
    let plan = step(&healed, 300);
    assert_eq!(effect_of(&plan), "UpdateApplicant", "a provider that changes heals it");
    assert!(all_says(&plan.status).contains(&"Stalled=False/Progressing".to_owned()));
}

#[test]
fn attempts_are_counted_since_the_last_verified_one() {
    let tried = |o: Observed, max: i32| {
        let o = by(begins(o, person()), json!({"max": max, "retryOn": ["Declined", "Verified", "AttributeChanged"]}));
        effect_of(&step(&o, 400))
    };
    assert_eq!(
        (tried(second_settled("declined", "declined"), 3), tried(second_settled("declined", "declined"), 2)),
        ("UpdateApplicant", "")
    );
    assert_eq!(tried(second_settled("declined", "approved"), 1), "UpdateApplicant", "the second was verified");
    assert_eq!(
        (tried(second_settled("approved", "declined"), 2), tried(second_settled("approved", "declined"), 1)),
        ("UpdateApplicant", "")
    );
    // A verdict that is not True any more was one all the same.
    let o = with(asked(settled("approved"), edited()), |o| o.spec.attempt = 1);
    let mut o = next(&o, step(&o, 150).status);
    assert!(all_says(&o.status).contains(&"Verified=False/AttributeChanged".to_owned()));
    o.facts = Facts::default();
    assert_eq!(tried(o, 1), "UpdateApplicant");
}

#[test]
fn the_history_is_bounded_and_tells_the_newest() {
    let mut o = second_settled("declined", "declined");
    let past = o.status.attempts[0].clone();
    o.status.attempts = (1..=16).map(|number| crate::api::PastAttempt { number, ..past.clone() }).collect();
    (o.status.attempt, o.spec.attempt, o.status.last_verified_attempt) = (Some(17), 17, Some(16));
    let attempts = step(&begins(o, person()), 400).status.attempts;
    assert_eq!(attempts.iter().map(|past| past.number).collect::<Vec<_>>(), (2..=17).collect::<Vec<_>>());
}

#[test]
fn an_attempt_whose_run_may_go_on_is_not_forgotten() {
    let mut o = second_settled("declined", "declined");
    let past = o.status.attempts[0].clone();
    let phase = |number| if number <= 2 { Phase::InReview } else { Phase::Declined };
    o.status.attempts = (1..=16).map(|number| crate::api::PastAttempt { number, phase: phase(number), ..past.clone() }).collect();
    (o.status.attempt, o.spec.attempt, o.status.last_verified_attempt) = (Some(17), 17, Some(16));
    let begun = step(&begins(o.clone(), person()), 400).status.attempts;
    assert_eq!(begun.iter().map(|past| past.number).collect::<Vec<_>>(), [vec![1, 2], (4..=17).collect()].concat());
    // None of them has ended: there is no room for another.
    o.status.attempts.iter_mut().for_each(|past| past.phase = Phase::InReview);
    let o = begins(o, person());
    check(vec![Row(
        "none has ended",
        o,
        400,
        ["", "Declined", "Accepted=False/AttemptsExhausted Stalled=True/AttemptsExhausted", "", "Fields", "OnChange", "Refused"],
    )]);
}

#[test]
fn an_edit_and_a_bump_in_one_write_keep_no_old_verdict() {
    let o = begins(settled("approved"), edited());
    let plan = step(&o, 200);
    assert_eq!(effect_of(&plan), "UpdateApplicant", "AttributeChanged is a reason to try again");
    assert!(all_says(&plan.status).contains(&"Verified=False/AttributeChanged".to_owned()));
    assert_eq!(plan.notices.iter().map(|notice| notice.kind).collect::<Vec<_>>(), [NoticeKind::Revoked]);
    assert!(plan.status.attributes.iter().any(|result| !result.verified));
    // Where no other attempt may follow, it is judged all the same.
    let refused = step(&by(o, json!({"max": 1, "retryOn": []})), 200);
    assert!(all_says(&refused.status).contains(&"Verified=False/AttributeChanged".to_owned()));
    assert!(all_says(&refused.status).contains(&"Accepted=False/AttemptNotAllowed".to_owned()));
}

#[test]
fn a_bell_of_the_old_run_is_heard_before_the_next_begins() {
    let rung = with(asked(settled("approved"), person()), |o| o.status.notification = notification("d1"));
    let rung = by(rung, json!({"retryOn": ["Verified", "Revoked"]}));
    check(vec![Row("it is read", rung.clone(), 200, ["ReadRun", "Approved", "=", "", "Fields", "OnChange", ""])]);
    let heard = with(rung, |o| (o.facts.run, o.facts.looked) = (boxed("declined"), looked(vec![])));
    let plan = step(&heard, 200);
    assert_eq!((effect_of(&plan), plan.status.attempts[0].reason.as_str()), ("UpdateApplicant", "Revoked"));
    assert_eq!(plan.status.answered_notifications, ["d1"]);
    assert!(all_says(&plan.status).contains(&"Verified=False/Revoked".to_owned()) && plan.status.standing_verdict.is_none());
}

#[test]
fn a_run_of_the_new_attempt_that_nobody_remembers_is_adopted_and_never_verifies() {
    // etcd was restored: which values its applicant held when it was started is not known.
    let o = with(asked(settled("declined"), person()), |o| o.facts.looked = looked(vec![run_2("processing", json!({}))]));
    let adopted = step(&o, 200);
    assert_eq!((adopted.status.attempt, adopted.status.workflow_run_id.as_deref()), (Some(2), Some("run-2")));
    assert_eq!((fence_of(&adopted).as_str(), adopted.status.attempts.len()), ("Version", 1));
    let mut o = next(&o, adopted.status);
    (o.facts.run, o.facts.attributes) = (Some(Ok(Box::new(run_2("approved", json!({}))))), Some(Ok(person())));
    let done = next(&o, step(&o, 300).status);
    assert!(all_says(&done.status).contains(&"Verified=False/AttributeChanged".to_owned()));
    assert_eq!(effect_of(&step(&begins(done, person()), 400)), "UpdateApplicant", "nor is it believed to hold them for the next");
    // One that waits for the person needs its Secret first; nothing is recorded before.
    let waits = with(asked(settled("declined"), person()), |o| o.facts.looked = looked(vec![run_2("awaiting_input", json!({}))]));
    check(vec![Row("its Secret", waits, 200, ["WriteCaptureSecret", "Declined", "=", "", "Fields", "OnChange", ""])]);
}

#[test]
fn a_finalize_is_of_an_attempt() {
    let submitted = |attempt: i32| {
        with(second("declined", "awaiting_input"), |o| {
            (o.spec.submitted_attempt, o.memory.submission_seen) = (attempt, Some(t(220)));
            (o.memory.last_look, o.facts.run) = (Some(t(210)), Some(Ok(Box::new(run_2("processing", json!({}))))));
        })
    };
    assert_eq!(step(&submitted(1), 230).status.submitted_at, None, "the first one's is not the second's");
    assert_eq!(step(&submitted(2), 230).status.submitted_at.map(|at| at.0), Some(t(220)));
}
