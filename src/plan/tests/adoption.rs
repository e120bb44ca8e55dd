//! A run of ours is found before one was started: which one is taken, and what is believed of it.

use super::{attempt::with, *};

#[test]
fn the_oldest_run_of_ours_is_adopted_and_the_others_are_reported() {
    let late = |id: &str, more: Value| {
        let mut fields = json!({"id": id, "created_at": t(50).to_string()});
        fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        run("processing", fields)
    };
    let found = |runs| with(read(), |o| (o.created_at, o.facts.looked) = (t(-60), looked(runs)));
    let adopted = "Submitted=True/Started Ready=True/Started Accepted=True/Resolved";
    let foreign = run("processing", json!({"id": "run-9", "workflow_id": "another", "created_at": t(-9).to_string()}));
    check(vec![
        Row("one", found(vec![run("processing", json!({}))]), 60, ["", "Processing", adopted, "", "Version", "+3", ""]),
        Row(
            "two",
            found(vec![late("run-2", json!({})), run("processing", json!({}))]),
            60,
            ["", "Processing", adopted, "", "Version", "+3", "ExtraRun"],
        ),
        Row(
            "one that waits for the person needs its Secret first",
            found(vec![run("awaiting_input", json!({}))]),
            60,
            ["WriteCaptureSecret", "Pending", "=", "", "Fields", "OnChange", ""],
        ),
        Row(
            "one of another workflow is not ours, and nothing is begun beside it",
            found(vec![foreign.clone()]),
            60,
            ["", "Pending", "Submitted=False/UnexpectedAnswer Ready=False/UnexpectedAnswer", "", "Fields", "Backoff", "Refused"],
        ),
        Row(
            "one of another workflow does not hide ours",
            found(vec![foreign, run("processing", json!({}))]),
            60,
            ["", "Processing", adopted, "", "Version", "+3", "ExtraRun"],
        ),
    ]);
    let plan = step(&found(vec![late("run-2", json!({})), run("processing", json!({})), late("run-0", json!({}))]), 60);
    assert_eq!(plan.status.workflow_run_id.as_deref(), Some("run-1"));
    assert_eq!(plan.status.applicant_id.as_deref(), Some(APPLICANT));
    assert!(plan.notices[0].message.contains("run-2") && plan.notices[1].message.contains("run-0"));
}

#[test]
fn a_run_adopted_without_a_record_of_what_was_sent_never_verifies() {
    let mut o = fresh();
    o.facts.attributes = Some(Ok(person()));
    o.facts.looked = looked(vec![run("processing", json!({}))]);
    let plan = verification::plan(&o, t(90));
    assert_eq!(plan.status.workflow_run_id.as_deref(), Some("run-1"));
    let mut judged = fresh();
    judged.status = plan.status;
    judged.facts.run = boxed("approved");
    judged.facts.attributes = Some(Ok(person()));
    let outcome = verification::plan(&judged, t(100)).status;
    assert_eq!(outcome.phase, crate::api::Phase::Approved);
    let verified = crate::api::find_condition(&outcome.conditions, crate::api::ConditionType::Verified).unwrap();
    assert_eq!((format!("{:?}", verified.status).as_str(), verified.reason.as_str()), ("False", "AttributeChanged"));
}

#[test]
fn a_run_that_is_found_after_its_end_is_read_though_the_feed_has_no_other_word_for_it() {
    let mut o = fresh();
    o.following = Following::Since(t(-3600));
    o.facts.attributes = Some(Ok(person()));
    o.facts.looked = looked(vec![run("approved", json!({}))]);
    let mut o = next(&o, step(&o, 1000).status);
    assert_eq!(o.status.phase, crate::api::Phase::Processing, "it is not believed before it is read");
    let read = |o: &Observed| matches!(step(o, 1000).effect, Some(Effect::ReadRun { .. }));
    assert!(read(&o));
    o.facts.run = Some(Err(Failure::Unreachable));
    let o = next(&o, step(&o, 1000).status);
    assert!(read(&o), "nor forgotten where it could not be");
}
