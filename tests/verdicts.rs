//! What each outcome at the vendor comes to, against the real API server and the simulator.

use onfido_operator::{
    api::{AttributeVerdict as V, ConditionType, Phase},
    simulator::admin::Operation,
};
use serde_json::{Value, json};

use crate::support::{
    acts::attributes,
    operator::{Scene, stage},
};

#[tokio::test]
async fn an_approved_person_whose_document_agrees_is_verified() {
    let scene = Scene::new("approved").await;
    let run = scene.awaiting("person", json!({})).await;
    scene.finalize("person").await;
    scene.decide(&run, "approved", json!({})).await;
    let done = scene.until_condition("person", ConditionType::Verified, "True", "Verified").await;
    assert_eq!(attributes(&done), [("given_name", V::Clear, true), ("family_name", V::Clear, true), ("birthdate", V::Clear, true)]);
    let status = done.status.unwrap();
    assert_eq!(status.phase, Phase::Approved);
    assert_eq!(status.vendor_status.as_deref(), Some("approved"));
    assert!(status.completed_at.is_some() && status.submitted_at.is_some());
    assert_eq!(scene.ledger(Operation::CreateWorkflowRun).await.len(), 1);
    assert!(status.operation.is_none());
}

/// Name, changes to the spec, outcome at the vendor; then Verified's status and reason, and the attributes.
type Case<'a> = (&'a str, Value, Value, &'a str, &'a str, &'a [(&'a str, V, bool)]);

/// Decides one person's run each, all at once, and compares what is recorded.
async fn judged(scene: &Scene, cases: &[Case<'_>]) {
    futures::future::join_all(cases.iter().map(|(name, spec, outcome, verified, reason, expected)| async move {
        let run = scene.awaiting(name, spec.clone()).await;
        scene.outcome(&run, outcome.clone()).await;
        let done = scene.until_condition(name, ConditionType::Verified, verified, reason).await;
        scene.until_condition(name, ConditionType::Completed, "True", "OutcomeReported").await;
        assert_eq!(attributes(&done), *expected, "{name}");
        assert_eq!(scene.events(name, "Revoked").await, 0, "{name}: nothing was taken back");
    }))
    .await;
}

#[tokio::test]
async fn approval_without_agreement_is_no_verification_and_keeps_the_results_of_the_others() {
    let scene = Scene::new("compared").await;
    let all = |result| [("given_name", result, false), ("family_name", result, false), ("birthdate", result, false)];
    let (none, unknown) = (all(V::NotCompared), all(V::Unknown));
    let family = |result| [("given_name", V::Clear, true), ("family_name", result, false), ("birthdate", V::Clear, true)];
    let (differs, uncompared, odd) = (family(V::Consider), family(V::NotCompared), family(V::Unknown));
    let birth = [("given_name", V::Clear, true), ("family_name", V::Clear, true), ("birthdate", V::Consider, false)];
    let both = [("given_name", V::Clear, true), ("family_name", V::NotCompared, false), ("birthdate", V::Consider, false)];
    let words = [("given_name", V::Unknown, false), ("family_name", V::NotCompared, false), ("birthdate", V::NotCompared, false)];
    let comparison = |fields: Value| json!({ "comparison": fields });
    judged(
        &scene,
        &[
            ("consider", json!({}), comparison(json!({ "last_name": "consider" })), "False", "AttributeMismatch", &differs),
            ("null", json!({}), comparison(json!({ "last_name": null })), "False", "NotCompared", &uncompared),
            ("absent", json!({}), comparison(json!({ "last_name": "absent" })), "False", "NotCompared", &uncompared),
            ("other-word", json!({}), comparison(json!({ "last_name": "CLEAR" })), "False", "NotCompared", &odd),
            ("when-given", json!({}), comparison(json!({ "date_of_birth": "consider" })), "False", "AttributeMismatch", &birth),
            ("both", json!({}), comparison(json!({ "date_of_birth": "consider", "last_name": null })), "False", "AttributeMismatch", &both),
            ("no-output", json!({}), json!({ "output": null }), "False", "NotCompared", &none),
            ("empty", json!({}), json!({ "output": {} }), "False", "NotCompared", &none),
            (
                "list",
                json!({}),
                json!({ "output": [{ "data_comparison": { "first_name": { "result": "clear" } } }] }),
                "False",
                "NotCompared",
                &none,
            ),
            ("list-within", json!({}), json!({ "output": { "data_comparison": ["clear"] } }), "False", "NotCompared", &unknown),
            (
                "bare-words",
                json!({}),
                json!({ "output": { "data_comparison": { "first_name": "clear" } } }),
                "False",
                "NotCompared",
                &words,
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_requirement_says_which_attributes_the_verdict_asks_for() {
    let mapping = json!([
        { "name": "given_name", "applicantField": "first_name", "comparisonField": "first_name", "requirement": "Required" },
        { "name": "family_name", "applicantField": "last_name", "comparisonField": "last_name", "requirement": "Informational" },
        { "name": "birthdate", "applicantField": "dob", "comparisonField": "date_of_birth" },
        { "name": "email", "applicantField": "email" },
    ]);
    let scene = Scene::with("required", json!({ "attributes": mapping })).await;
    scene.secret("names-only", Some("attributes"), &[("given_name", "Invented"), ("family_name", "Person")]).await;
    scene.secret("mail", Some("attributes"), &[("email", "invented@example.com")]).await;
    let from = |names: &[&str]| {
        let secrets: Vec<Value> = names.iter().map(|name| json!({ "secretRef": { "name": name } })).collect();
        json!({ "attributesFrom": secrets })
    };
    let (given, born) = (("given_name", V::Clear, true), ("birthdate", V::Clear, true));
    judged(
        &scene,
        &[
            (
                "informational",
                json!({}),
                json!({ "comparison": { "last_name": "consider" } }),
                "True",
                "Verified",
                &[given, ("family_name", V::Consider, false), born],
            ),
            (
                "informational-uncompared",
                json!({}),
                json!({ "comparison": { "last_name": null } }),
                "True",
                "Verified",
                &[given, ("family_name", V::NotCompared, false), born],
            ),
            (
                "given",
                json!({}),
                json!({ "comparison": { "date_of_birth": null } }),
                "False",
                "NotCompared",
                &[given, ("family_name", V::Clear, true), ("birthdate", V::NotCompared, false)],
            ),
            (
                "not-given",
                from(&["names-only"]),
                json!({ "comparison": { "date_of_birth": "consider" } }),
                "True",
                "Verified",
                &[given, ("family_name", V::Clear, true)],
            ),
            (
                "required",
                json!({}),
                json!({ "comparison": { "first_name": null } }),
                "False",
                "NotCompared",
                &[("given_name", V::NotCompared, false), ("family_name", V::Clear, true), born],
            ),
            (
                "never-compared",
                from(&["names-only", "mail"]),
                json!({}),
                "True",
                "Verified",
                &[given, ("family_name", V::Clear, true), ("email", V::NotCompared, false)],
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn an_outcome_other_than_approval_verifies_nothing() {
    let scene = Scene::new("outcomes").await;
    let clear = [("given_name", V::Clear, false), ("family_name", V::Clear, false), ("birthdate", V::Clear, false)];
    let none = clear.map(|(name, ..)| (name, V::NotCompared, false));
    judged(
        &scene,
        &[
            ("declined", json!({}), json!({ "status": "declined" }), "False", "Declined", &clear),
            ("abandoned", json!({}), json!({ "status": "abandoned" }), "False", "Abandoned", &none),
            ("error", json!({}), json!({ "status": "error", "error_type": "invented" }), "False", "VendorError", &none),
        ],
    )
    .await;
    for (name, phase) in [("declined", Phase::Declined), ("abandoned", Phase::Abandoned), ("error", Phase::Failed)] {
        assert_eq!(scene.until_phase(name, phase).await.status.unwrap().vendor_status.as_deref(), Some(name));
    }
}

#[tokio::test]
async fn a_review_is_no_outcome_and_its_end_is() {
    let scene = Scene::new("review").await;
    let run = scene.awaiting("person", json!({})).await;
    scene.decide(&run, "review", json!({})).await;
    let reviewed = scene.until_condition("person", ConditionType::Completed, "False", "InReview").await;
    assert_eq!(reviewed.status.as_ref().unwrap().phase, Phase::InReview);
    assert_eq!(attributes(&reviewed), []);
    scene.until_condition("person", ConditionType::Verified, "Unknown", "Pending").await;
    scene.decide(&run, "approved", json!({})).await;
    scene.until_condition("person", ConditionType::Verified, "True", "Verified").await;
    assert_eq!(scene.reads().await, 2, "one look for each delivery");
}

#[tokio::test]
async fn a_status_nobody_knows_is_shown_and_looked_at_again() {
    let scene = Scene::new("dreaming").await;
    let run = scene.awaiting("person", json!({})).await;
    for (word, shown) in [("dreaming", "dreaming"), ("Strange Word!", "unrecognized"), ("processing", "processing")] {
        scene.decide(&run, word, json!({})).await;
        scene.ring(&run).await;
        let seen = scene.until_rest("person").await;
        assert_eq!(seen.status.unwrap().vendor_status.as_deref(), Some(shown));
    }
    scene.decide(&run, "dreaming", json!({})).await;
    scene.ring(&run).await;
    let seen = scene.until_rest("person").await.status.unwrap();
    assert_eq!(seen.phase, Phase::Processing, "the last that was understood");
    assert!(seen.conditions.iter().all(|condition| condition.type_ != "Stalled" || format!("{:?}", condition.status) == "False"));
    assert_eq!(scene.events("person", "Refused").await, 0);
    // No delivery tells of the end: it is looked at again.
    scene.outcome(&run, json!({ "silent": true })).await;
    scene.finalize("person").await;
    scene.until_condition("person", ConditionType::Verified, "True", "Verified").await;
}

#[tokio::test]
async fn the_comparison_is_where_the_provider_says() {
    let scene = Scene::with("path", json!({ "results": { "dataComparisonPath": "/report/0/compared" } })).await;
    let clear = json!({ "result": "clear" });
    let agrees = json!({ "first_name": clear, "last_name": clear, "date_of_birth": clear });
    let yes = [("given_name", V::Clear, true), ("family_name", V::Clear, true), ("birthdate", V::Clear, true)];
    let none = yes.map(|(name, ..)| (name, V::NotCompared, false));
    judged(
        &scene,
        &[
            ("there", json!({}), json!({ "output": { "report": [{ "compared": agrees }] } }), "True", "Verified", &yes),
            ("elsewhere", json!({}), json!({ "output": { "data_comparison": agrees } }), "False", "NotCompared", &none),
        ],
    )
    .await;
}

async fn kubectl(args: &[&str]) {
    let output = stage().await.control_plane.kubectl(args).await.unwrap();
    assert!(output.status.success(), "kubectl {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn kubectl_wait_ends_whether_finalize_comes_before_or_after_the_verdict() {
    let scene = Scene::new("wait").await;
    let (before, after) = tokio::join!(scene.awaiting("before", json!({})), scene.awaiting("after", json!({})));
    let wait = |name: &str| {
        let (object, namespace) = (format!("idv/{name}"), scene.namespace.clone());
        async move { kubectl(&["wait", &object, "-n", &namespace, "--for=condition=Completed", "--timeout=20s"]).await }
    };
    let finalize = |name: &str| {
        let (object, namespace) = (format!("idv/{name}"), scene.namespace.clone());
        async move { kubectl(&["patch", &object, "-n", &namespace, "--type=merge", "-p", r#"{"spec":{"submittedAttempt":1}}"#]).await }
    };
    finalize("before").await;
    tokio::join!(wait("before"), scene.decide(&before, "approved", json!({})));

    scene.decide(&after, "approved", json!({})).await;
    wait("after").await;
    let reads = scene.reads().await;
    finalize("after").await;
    wait("after").await;
    let done = scene.until_condition("after", ConditionType::Verified, "True", "Verified").await;
    assert_eq!(done.status.unwrap().observed_generation, done.metadata.generation);
    assert_eq!(scene.reads().await, reads, "a finalize after the verdict asks the vendor nothing");
}

#[tokio::test]
async fn fifty_finalizes_that_race_their_deliveries_damage_no_verdict() {
    const PEOPLE: usize = 50;
    let scene = Scene::new("race").await;
    let scene = &scene;
    futures::future::join_all((0..PEOPLE).map(|number| async move {
        let name = format!("person-{number}");
        let run = scene.awaiting(&name, json!({})).await;
        let (status, verdict) = if number % 5 == 4 { ("declined", ("False", "Declined")) } else { ("approved", ("True", "Verified")) };
        match number % 4 {
            0 => drop(tokio::join!(scene.finalize(&name), scene.decide(&run, status, json!({})))),
            1 => drop(tokio::join!(scene.decide(&run, status, json!({})), scene.finalize(&name))),
            2 => {
                scene.decide(&run, status, json!({})).await;
                scene.finalize(&name).await;
            }
            _ => {
                scene.decide(&run, status, json!({})).await;
                scene.until_condition(&name, ConditionType::Completed, "True", "OutcomeReported").await;
                scene.finalize(&name).await;
            }
        }
        scene.until_condition(&name, ConditionType::Completed, "True", "OutcomeReported").await;
        let done = scene.until_condition(&name, ConditionType::Verified, verdict.0, verdict.1).await;
        assert_eq!(done.spec.submitted_attempt, 1);
        assert_eq!(done.metadata.generation, Some(2));
        let status = done.status.unwrap();
        assert_eq!(status.observed_generation, Some(2));
        assert!(status.submitted_at.is_some(), "{name}");
        assert!(status.operation.is_none());
    }))
    .await;
    assert_eq!(scene.ledger(Operation::CreateApplicant).await.len(), PEOPLE);
    assert_eq!(scene.ledger(Operation::CreateWorkflowRun).await.len(), PEOPLE);
    // Whatever still runs about them ends, and nothing has moved.
    for object in scene.verifications().list(&Default::default()).await.unwrap() {
        assert!(object.status.unwrap().phase.is_final());
    }
}
