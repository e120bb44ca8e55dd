//! The verdict: phase, requirement, comparison and change, every combination.

use super::super::verdict::{changed, is_ours, judge, phase_of, reasons, results};
use super::*;
use crate::{
    api::{AttributeReason as W, AttributeResult, AttributeVerdict as V, Basis, ConditionStatus, Phase, Reason, Requirement},
    onfido::model::RunStatus,
};

const PHASES: [Phase; 9] = [
    Phase::Pending,
    Phase::AwaitingInput,
    Phase::Processing,
    Phase::InReview,
    Phase::Approved,
    Phase::Declined,
    Phase::Abandoned,
    Phase::Failed,
    Phase::Cancelled,
];

fn basis(attributes: Value) -> Basis {
    serde_json::from_value(json!({
        "workflowID": WORKFLOW, "dataComparisonPath": "/data_comparison", "keyID": "key-1", "attributes": attributes,
    }))
    .unwrap()
}

/// Last name is required and Clear; first name is what the row makes of it.
fn two(requirement: Requirement, compared: bool) -> Basis {
    let mut first = json!({"name": "first", "applicantField": "first_name", "requirement": requirement, "digest": "d"});
    if compared {
        first["comparisonField"] = json!("first_name");
    }
    let last =
        json!({"name": "last", "applicantField": "last_name", "comparisonField": "last_name", "requirement": "Required", "digest": "d"});
    basis(json!([first, last]))
}

fn pair(first: V) -> Vec<AttributeResult> {
    let one = |name: &str, result| AttributeResult { name: name.into(), result, verified: true, reason: None };
    vec![one("first", first), one("last", V::Clear)]
}

#[test]
fn phase_requirement_comparison_and_change_decide_together() {
    use Requirement as Q;
    let mut rows = 0;
    for phase in PHASES {
        for requirement in [Q::Required, Q::WhenGiven, Q::Informational] {
            for result in [V::Clear, V::Consider, V::NotCompared, V::Unknown] {
                for compared in [true, false] {
                    for change in [&[][..], &["first"], &["last"]] {
                        let mut all = pair(result);
                        let (status, reason, message) = judge(phase, &two(requirement, compared), &mut all, change);
                        let needed = compared && requirement != Q::Informational;
                        let expected = match phase {
                            Phase::Declined => (ConditionStatus::False, Reason::Declined),
                            Phase::Abandoned => (ConditionStatus::False, Reason::Abandoned),
                            Phase::Failed => (ConditionStatus::False, Reason::VendorError),
                            Phase::Approved if !change.is_empty() => (ConditionStatus::False, Reason::AttributeChanged),
                            Phase::Approved if needed && result == V::Consider => (ConditionStatus::False, Reason::AttributeMismatch),
                            Phase::Approved if needed && result != V::Clear => (ConditionStatus::False, Reason::NotCompared),
                            Phase::Approved => (ConditionStatus::True, Reason::Verified),
                            _ => (ConditionStatus::Unknown, Reason::Pending),
                        };
                        assert_eq!((status, reason), expected, "{phase:?} {requirement:?} {result:?} {compared} {change:?}: {message}");
                        let marked = |name: &str| all.iter().any(|r| r.name == name && r.verified);
                        let approved = phase == Phase::Approved;
                        assert_eq!(marked("first"), approved && result == V::Clear && !change.contains(&"first"));
                        assert_eq!(marked("last"), approved && !change.contains(&"last"), "one never loses the results of the others");
                        let why = match result {
                            _ if !approved => Some(W::NotApproved),
                            _ if change.contains(&"first") => Some(W::Changed),
                            V::Clear => None,
                            V::Consider => Some(W::Mismatch),
                            V::NotCompared => Some(W::NotCompared),
                            V::Unknown => Some(W::Unknown),
                        };
                        assert_eq!(all.iter().find(|r| r.name == "first").unwrap().reason, why);
                        assert!(all.iter().all(|r| r.verified == r.reason.is_none()));
                        rows += 1;
                    }
                }
            }
        }
    }
    assert_eq!(rows, 9 * 3 * 4 * 2 * 3);
}

#[test]
fn verified_is_never_vacuous() {
    let only = |requirement: &str, compared: bool| {
        let mut one = json!({"name": "first", "applicantField": "first_name", "requirement": requirement, "digest": "d"});
        if compared {
            one["comparisonField"] = json!("first_name");
        }
        let result = if compared { V::Clear } else { V::NotCompared };
        let mut all = vec![AttributeResult { name: "first".into(), result, verified: false, reason: None }];
        judge(Phase::Approved, &basis(json!([one])), &mut all, &[]).1
    };
    assert_eq!(only("Required", true), Reason::Verified);
    assert_eq!(only("Required", false), Reason::NotCompared);
    assert_eq!(only("WhenGiven", true), Reason::NotCompared);
    assert_eq!(only("Informational", true), Reason::NotCompared);
    assert_eq!(judge(Phase::Approved, &basis(json!([])), &mut [], &[]).1, Reason::NotCompared);
}

#[test]
fn results_speak_of_what_was_sent_or_required() {
    let attribute = |name: &str, field: &str, requirement: &str, digest: Option<&str>| json!({"name": name, "applicantField": "email", "comparisonField": field, "requirement": requirement, "digest": digest});
    let basis = basis(json!([
        attribute("first", "first_name", "Required", Some("d")),
        attribute("not given but required", "last_name", "Required", None),
        attribute("not given", "gender", "WhenGiven", None),
        attribute("odd", "issuing_country", "WhenGiven", Some("d")),
        attribute("differs", "date_of_birth", "Informational", Some("d")),
        {"name": "email", "applicantField": "email", "requirement": "WhenGiven", "digest": "d"},
    ]));
    let output = json!({"first_name": {"result": "clear"}, "last_name": {"result": "clear"}, "gender": {"result": "clear"},
        "issuing_country": {"result": "perhaps"}, "date_of_birth": {"result": "consider"}});
    let of = |output: Value| {
        let all = results(&run("approved", json!({"output": output})), &basis);
        all.into_iter().map(|r| (r.name, r.result)).collect::<Vec<_>>()
    };
    let expect = |results: [V; 5]| {
        let names = ["first", "not given but required", "odd", "differs", "email"];
        names.iter().map(|name| (*name).to_owned()).zip(results).collect::<Vec<_>>()
    };
    assert_eq!(of(json!({"data_comparison": output})), expect([V::Clear, V::NotCompared, V::Unknown, V::Consider, V::NotCompared]));
    assert_eq!(of(json!(null)), expect([V::NotCompared; 5]));
    assert_eq!(of(json!([1])), expect([V::NotCompared; 5]));
}

#[test]
fn the_vendors_words_are_bounded_plain_and_each_stands_once() {
    let of = |more: Value| reasons(&run("error", more));
    let many: Vec<String> = (b'a'..=b'z').map(|letter| char::from(letter).to_string()).collect();
    assert_eq!(of(json!({})), [] as [String; 0]);
    assert_eq!(of(json!({"reasons": null, "error": null})), [] as [String; 0]);
    assert_eq!(
        of(
            json!({"reasons": ["too_blurred", "Jane Doe", "too_blurred", 7, "x".repeat(65)], "error": {"type": "timed_out", "message": "Jane Doe"}})
        ),
        ["timed_out", "too_blurred", "unrecognized"]
    );
    assert_eq!(of(json!({"reasons": many})), many[..16]);
    let row = |recorded: &str, status: &str, more: Value| {
        let mut o = open(recorded);
        (o.facts.run, o.facts.attributes) = (Some(Ok(Box::new(run(status, more)))), Some(Ok(person())));
        step(&o, 100).status
    };
    let words = json!({"reasons": ["under_age"]});
    assert_eq!(row("processing", "declined", words.clone()).reasons, ["under_age"]);
    assert_eq!(row("processing", "review", words).reasons, ["under_age"], "whoever reviews sees them too");
    let mut o = next(&settled("declined"), row("processing", "declined", json!({"reasons": ["under_age"]})));
    (o.status.notification, o.facts.attributes, o.facts.run) = (notification("d1"), Some(Ok(person())), boxed("declined"));
    assert_eq!(step(&o, 200).status.reasons, [] as [String; 0], "as the vendor says now");
}

#[test]
fn a_value_is_changed_if_it_is_not_the_one_that_was_sent() {
    let basis = basis(json!([
        {"name": "given_name", "applicantField": "first_name", "requirement": "Required", "digest": "digest of 6"},
        {"name": "birthdate", "applicantField": "dob", "requirement": "WhenGiven"},
    ]));
    let unreadable = |mut now: Attributes| {
        now.unreadable.push(Failure::Unreachable);
        now
    };
    let other_key = |mut now: Attributes| {
        now.key_id = "key-2".into();
        now
    };
    let rows: [(&str, Attributes, &[&str]); 8] = [
        ("as sent", attributes(&[("given_name", "Nobody")]), &[]),
        ("another value", attributes(&[("given_name", "Nobody!")]), &["given_name"]),
        ("taken out", attributes(&[]), &["given_name"]),
        ("a Secret is gone", unreadable(attributes(&[])), &[]),
        ("a Secret is gone, another value", unreadable(attributes(&[("given_name", "Nobody!")])), &["given_name"]),
        ("given since", attributes(&[("given_name", "Nobody"), ("birthdate", "2000-01-01")]), &["birthdate"]),
        ("made with another key", other_key(attributes(&[("given_name", "Nobody")])), &["given_name"]),
        ("of no concern", attributes(&[("given_name", "Nobody"), ("shoe_size", "9")]), &[]),
    ];
    for (name, now, expected) in rows {
        assert_eq!(changed(&basis, &now), expected, "{name}");
    }
}

#[test]
fn each_vendor_status_has_its_phase_and_an_unknown_one_has_none() {
    let rows = [
        ("awaiting_input", Some(Phase::AwaitingInput)),
        ("processing", Some(Phase::Processing)),
        ("awaiting_client_input", Some(Phase::Processing)),
        ("review", Some(Phase::InReview)),
        ("approved", Some(Phase::Approved)),
        ("declined", Some(Phase::Declined)),
        ("abandoned", Some(Phase::Abandoned)),
        ("error", Some(Phase::Failed)),
        ("awaiting_robot", None),
        ("Approved", None),
        ("", None),
    ];
    for (word, phase) in rows {
        assert_eq!(phase_of(&RunStatus::from(word)), phase, "{word}");
    }
}

#[test]
fn a_run_is_ours_by_applicant_workflow_and_tag() {
    let status = open("processing").status;
    let what = |run: &WorkflowRun, status: &IdentityVerificationStatus, tag: &str| match is_ours(run, status, tag) {
        Ok(()) => "ours",
        Err(Failure::UnexpectedAnswer { what }) => what,
        Err(other) => panic!("{other:?}"),
    };
    let of = |more| what(&run("approved", more), &status, TAG);
    assert_eq!(of(json!({})), "ours");
    assert_eq!(of(json!({"workflow_id": WORKFLOW.to_uppercase()})), "ours");
    assert!(of(json!({"applicant_id": "applicant-2"})).contains("applicant"));
    assert!(of(json!({"workflow_id": "another"})).contains("workflow"));
    assert!(of(json!({"tags": ["other"]})).contains("tag"));
    assert!(of(json!({"tags": [TAG.to_uppercase()]})).contains("tag"));
    let ours = run("approved", json!({}));
    assert!(what(&ours, &status, "another tag").contains("tag"));
    assert!(what(&ours, &IdentityVerificationStatus { applicant_id: None, ..status.clone() }, TAG).contains("applicant"));
    assert!(what(&ours, &IdentityVerificationStatus { basis: None, ..status.clone() }, TAG).contains("workflow"));
}
