//! What goes to the vendor beside the person's single fields: workflow, tags, addresses, custom data; and the objects that come back under
//! another uid.

use super::*;
use crate::{
    api::{ConditionType, SecretUse, find_condition},
    onfido::model::{CustomData, NewWorkflowRun},
};

const OTHER: &str = "11111111-2222-4333-8444-55555555aAaA";

fn with(mut o: Observed, change: impl FnOnce(&mut Observed)) -> Observed {
    change(&mut o);
    o
}

/// A person whose spec says this more, once the attributes are read.
fn asking(more: Value) -> Observed {
    with(read(), |o| o.spec = spec(more))
}

fn spec(more: Value) -> crate::api::IdentityVerificationSpec {
    let mut spec = json!({ "providerRef": {"name": "onfido"}, "subject": "user-1", "attributesFrom": [{"secretRef": {"name": "person"}}] });
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(spec).unwrap()
}

/// A request that something stands in the way of.
fn refusal(name: &'static str, o: Observed, says: &'static str, wake: &'static str, notices: &'static str) -> Row {
    Row(name, o, 0, ["", "Pending", says, "", "Fields", wake, notices])
}

fn begins(name: &'static str, o: Observed) -> Row {
    Row(name, o, 0, ["CreateApplicant", "Pending", "Accepted=True/Resolved", "CreateApplicant 0 0", "Version", "OnChange", ""])
}

/// The run that the vendor is asked for once the applicant exists, in the same pass.
fn run_of(o: &Observed) -> NewWorkflowRun {
    let plan = step(o, 0);
    assert!(matches!(plan.effect, Some(Effect::CreateApplicant { .. })), "{:?}", plan.effect);
    let then = with(next(o, plan.status), |then| (then.facts, then.facts.applicant) = (o.facts.clone(), Some(Ok(applicant()))));
    match step(&then, 1).effect {
        Some(Effect::StartRun { run, .. }) => run,
        other => panic!("{other:?}"),
    }
}

fn message(o: &Observed, type_: ConditionType) -> String {
    find_condition(&step(o, 0).status.conditions, type_).unwrap().message.clone()
}

#[test]
fn a_workflow_is_one_the_provider_allows() {
    let choosing = |id: &str, allowed: Value| {
        with(asking(json!({ "workflowID": id })), |o| o.provider = found(json!({ "allowedWorkflowIDs": allowed })))
    };
    let refused = "Accepted=False/WorkflowNotAllowed Ready=False/WorkflowNotAllowed";
    check(vec![
        refusal("none is allowed but the provider's own", choosing(OTHER, json!([])), refused, "OnChange", "Refused"),
        refusal("one that is not in the list", choosing(OTHER, json!([WORKFLOW])), refused, "OnChange", "Refused"),
        refusal(
            "before anything is read",
            with(choosing(OTHER, json!([])), |o| o.facts = Facts::default()),
            refused,
            "OnChange",
            "Refused",
        ),
        begins("one in the list", choosing(OTHER, json!([OTHER.to_uppercase()]))),
        begins("the provider's own needs no list", choosing(WORKFLOW, json!([]))),
    ]);
    let run = run_of(&choosing(&OTHER.to_uppercase(), json!([OTHER])));
    assert_eq!(run.workflow_id.as_str(), OTHER.to_lowercase());
    let message = message(&choosing(OTHER, json!([])), ConditionType::Accepted);
    assert!(message.contains("spec.workflowID") && message.contains("spec.allowedWorkflowIDs"), "{message}");
}

#[test]
fn a_run_is_judged_by_the_workflow_it_was_started_with() {
    let mut o = asking(json!({ "workflowID": OTHER }));
    o.provider = found(json!({ "allowedWorkflowIDs": [OTHER] }));
    let plan = step(&o, 0);
    assert_eq!(plan.status.basis.as_ref().unwrap().workflow_id, OTHER.to_lowercase());
    let mut o = with(next(&o, plan.status), |o| o.facts.applicant = Some(Ok(applicant())));
    o.spec.workflow_id = None; // too late
    o.spec.custom_data_from = None;
    let Some(Effect::StartRun { run, .. }) = step(&o, 1).effect else { panic!() };
    assert_eq!(run.workflow_id.as_str(), OTHER.to_lowercase());
}

#[test]
fn tags_stand_behind_ours_and_cannot_be_taken_for_ours() {
    assert_eq!(run_of(&asking(json!({}))).tags, [TAG]);
    assert_eq!(run_of(&asking(json!({ "tags": ["order-1", "shop"] }))).tags, [TAG, "order-1", "shop"]);
    // The API server refuses these; were it not to, they would not be sent.
    let forged = "onfido-operator.00000000000000000000000000000000.1";
    assert_eq!(run_of(&asking(json!({ "tags": [forged, "Onfido-Operator.x", "order-1"] }))).tags, [TAG, "order-1"]);
    let many: Vec<_> = (0..40).map(|n| format!("t{n}")).collect();
    assert_eq!(run_of(&asking(json!({ "tags": many }))).tags.len(), 30, "the vendor's limit");
}

// ---- Addresses ----------------------------------------------------------------------------------------------------------------------

fn at(address: &[(&str, &str)]) -> Observed {
    let mut mapping = json!([
        {"name": "given_name", "applicantField": "first_name", "comparisonField": "first_name", "requirement": "Required"},
        {"name": "family_name", "applicantField": "last_name"},
    ]);
    let fields = [("country", "address.country"), ("zip", "address.postcode"), ("region", "address.state"), ("street", "address.street")];
    let numbers = [("licence", "id_numbers.driving_license"), ("licence_state", "id_numbers.driving_license.state_code")];
    for (name, field) in fields.into_iter().chain(numbers) {
        mapping.as_array_mut().unwrap().push(json!({ "name": name, "applicantField": field }));
    }
    let values: Vec<_> = [("given_name", "Nobody"), ("family_name", "Invented")].iter().chain(address).copied().collect();
    with(read(), |o| {
        o.provider = found(json!({ "attributes": mapping }));
        o.facts.attributes = Some(Ok(attributes(&values)));
    })
}

#[test]
fn an_address_is_whole_before_it_is_sent() {
    let (missing, invalid) = ("Accepted=False/AttributeMissing", "Accepted=False/AttributeInvalid");
    let refusal = |name, address: &[_], says| refusal(name, at(address), says, "Backoff", "Refused");
    let usa = [("country", "USA"), ("zip", "00000")];
    let in_state = |state| [usa[0], usa[1], ("region", state)];
    check(vec![
        begins("no address", at(&[])),
        begins("one of the USA", at(&in_state("CA"))),
        begins("a state is not asked for", at(&usa)),
        begins("elsewhere a state has any form", at(&[("country", "CAN"), ("zip", "X1X 1X1"), ("region", "Somewhere")])),
        refusal("a street needs a country", &[("street", "Nowhere 1"), ("zip", "0")], missing),
        refusal("a country needs a postcode", &[("country", "GBR")], missing),
        refusal("a state of the USA has two letters", &in_state("California"), invalid),
        refusal("and is one", &in_state("ZZ"), invalid),
        refusal("a licence's state needs the licence", &[("licence_state", "CA")], missing),
        refusal("and has two letters", &[("licence", "D0"), ("licence_state", "California")], invalid),
    ]);
    let message = |address: &[_]| message(&at(address), ConditionType::Accepted);
    assert!(message(&[("street", "Nowhere 1"), ("zip", "0")]).contains("attribute country is required"));
    let state = message(&in_state("California"));
    assert!(state.contains("attribute region is not the two-letter code") && !state.contains("USA") && !state.contains("Cali"), "{state}");
}

#[test]
fn a_needed_field_that_nobody_maps_goes_by_its_own_name() {
    let mut o = at(&[("zip", "0")]);
    let Provider::Found { spec, .. } = &mut o.provider else { panic!() };
    spec.attributes.as_mut().unwrap().retain(|mapped| mapped.name != "country"); // older than the API server's rule
    assert!(message(&o, ConditionType::Accepted).contains("attribute address.country"));
}

#[test]
fn an_address_is_sent_as_one() {
    let o = at(&[("country", "USA"), ("zip", "00000"), ("region", "NY"), ("licence", "D0"), ("licence_state", "CA")]);
    let Some(Effect::CreateApplicant { applicant, .. }) = step(&o, 0).effect else { panic!() };
    assert_eq!(
        serde_json::to_value(applicant).unwrap(),
        json!({"first_name": "Nobody", "last_name": "Invented", "address": {"country": "USA", "postcode": "00000", "state": "NY"},
            "id_numbers": [{"type": "driving_license", "value": "D0", "state_code": "CA"}],
            "consents": [{"name": "privacy_notices_read", "granted": true}]})
    );
}

#[test]
fn every_field_that_can_be_mapped_is_one_that_can_be_sent() {
    let [api, vendor]: [Vec<&str>; 2] = [
        crate::api::ApplicantField::ALL.iter().map(|field| field.as_str()).collect(),
        crate::onfido::model::ApplicantField::ALL.iter().map(|field| field.as_str()).collect(),
    ];
    assert!(api.len() == 31 && api.iter().all(|field| vendor.contains(field)) && vendor.len() == api.len());
}

// ---- Custom data --------------------------------------------------------------------------------------------------------------------

const FROM: fn() -> Value = || json!({ "customDataFrom": [{ "secretRef": { "name": "inputs" } }] });

fn custom(values: &[(&str, &str)]) -> Option<Result<CustomData, Failure>> {
    let mut data = CustomData::default();
    values.iter().for_each(|(name, value)| {
        data.set(*name, *value);
    });
    Some(Ok(data))
}

#[test]
fn custom_data_is_read_before_anything_is_intended() {
    let missing = Failure::SecretNotFound { namespace: "shop".into(), name: "inputs".into(), key: None, for_use: SecretUse::CustomData };
    let large = json!({ "customData": { "a": "x".repeat(16 << 10) } });
    check(vec![
        Row("it is read", asking(FROM()), 0, ["ReadCustomData", "Pending", "=", "", "Fields", "OnChange", ""]),
        begins("then it begins", with(asking(FROM()), |o| o.facts.custom_data = custom(&[("a", "b")]))),
        begins("what stands in the spec needs no reading", asking(json!({ "customData": { "age": 18 } }))),
        refusal(
            "a Secret that is missing lets nothing begin",
            with(asking(FROM()), |o| o.facts.custom_data = Some(Err(missing.clone()))),
            "Accepted=False/SecretNotFound",
            "Backoff",
            "",
        ),
        refusal("nor does too much", asking(large), "Accepted=False/CustomDataInvalid", "Backoff", "Refused"),
        refusal(
            "nor does too much from both together",
            with(asking(json!({ "customDataFrom": [], "customData": { "a": "x".repeat(10_000) } })), |o| {
                o.facts.custom_data = custom(&[("b", &"y".repeat(10_000))]);
            }),
            "Accepted=False/CustomDataInvalid",
            "Backoff",
            "Refused",
        ),
    ]);
    assert!(missing.message().contains("onfido-operator.dev/use: custom-data"));
}

#[test]
fn custom_data_keeps_its_types_and_the_spec_wins() {
    let own = json!({ "customDataFrom": [], "customData": { "age": 18, "height": 1.5, "is_employed": false, "plan": "gold" } });
    let o = with(asking(own), |o| o.facts.custom_data = custom(&[("plan", "Nobody"), ("born_in", "Invented")]));
    let run = run_of(&o);
    assert_eq!(
        serde_json::to_value(&run.custom_data).unwrap(),
        json!({ "age": 18, "height": 1.5, "is_employed": false, "plan": "gold", "born_in": "Invented" })
    );
    let without = serde_json::to_value(run_of(&asking(json!({})))).unwrap();
    assert!(without.get("custom_data").is_none(), "{without}");
}

/// Another try sends it again; a pass that has not read it reads it first.
#[test]
fn another_try_sends_custom_data_again() {
    let mut o = with(asking(FROM()), |o| o.facts.custom_data = custom(&[("a", "b")]));
    o = with(next(&o, step(&o, 0).status), |o| {
        (o.facts.applicant, o.facts.custom_data) = (Some(Ok(applicant())), custom(&[("a", "b")]));
    });
    o = next(&o, step(&o, 0).status);
    o.memory.operation_known_for = secs(100_000);
    let mut at = 100;
    // Until its absence is believed.
    let tried = loop {
        o.facts.looked = looked(vec![]);
        let plan = step(&o, at);
        if plan.effect.is_some() {
            break plan;
        }
        o = next(&o, plan.status);
        at += 150;
        assert!(at < 2_000);
    };
    assert_eq!(effect_of(&tried), "ReadCustomData");
    assert_eq!(tried.status, o.status, "nothing is intended before it is read");
    o.facts.custom_data =
        Some(Err(Failure::SecretNotFound { namespace: "shop".into(), name: "inputs".into(), key: None, for_use: SecretUse::CustomData }));
    assert_eq!((effect_of(&step(&o, at)), step(&o, at).status.operation.unwrap().tries), ("", 0));
    o.facts.custom_data = custom(&[("a", "b")]);
    let Some(Effect::StartRun { run, .. }) = step(&o, at).effect else { panic!() };
    assert_eq!(serde_json::to_value(&run.custom_data).unwrap(), json!({ "a": "b" }));
}

/// It cannot happen, since it is read before; if it did, the applicant would not be lost.
#[test]
fn an_applicant_is_recorded_though_custom_data_were_not_read() {
    let o = with(applicant_intended(), |o| {
        o.spec = spec(FROM());
        o.facts.applicant = Some(Ok(applicant()));
    });
    let plan = step(&o, 1);
    assert_eq!((effect_of(&plan), plan.status.applicant_id.as_deref(), plan.status.operation), ("", Some(APPLICANT), None));
    assert_eq!((plan.fence, plan.wake), (Fence::Operation("nonce-1".into()), Wake::Backoff));
}

// ---- Objects that come back -----------------------------------------------------------------------------------------------------------

fn keyed() -> Observed {
    asking(json!({ "idempotencyKey": "order-1", "tags": ["order-1"] }))
}

/// The tags of the run that was started for it.
fn started_tags(o: &Observed) -> Vec<String> {
    run_of(&with(o.clone(), |o| o.facts.looked = looked(vec![]))).tags
}

#[test]
fn an_object_with_an_idempotency_key_looks_first_however_young() {
    check(vec![
        Row("a young one looks", keyed(), 0, ["LookForRun", "Pending", "=", "", "Fields", "OnChange", ""]),
        begins("and begins if there is nothing", with(keyed(), |o| o.facts.looked = looked(vec![]))),
        Row(
            "and adopts what is there",
            with(keyed(), |o| o.facts.looked = looked(vec![run("processing", json!({}))])),
            0,
            ["", "Processing", "Submitted=True/Started", "", "Version", "+3", ""],
        ),
    ]);
    let tags = started_tags(&keyed());
    assert_eq!((tags.len(), tags[0].as_str(), tags[2].as_str()), (3, TAG, "order-1"));
    assert!(tags[1].starts_with("onfido-operator.sent."));
}

#[test]
fn nothing_begins_while_another_may_turn_up_that_had_the_key_first() {
    let plan = step(&with(keyed(), |o| o.key_settled = false), 0);
    assert!(plan.effect.is_none() && plan.status.operation.is_none());
    assert_eq!(plan.wake, Wake::At(t(1)));
}

#[test]
fn a_key_that_another_object_had_first_lets_nothing_begin() {
    check(vec![refusal(
        "it waits until the other one is gone",
        with(keyed(), |o| o.key_held_by = Some("user-0".into())),
        "Accepted=False/IdempotencyKeyInUse Ready=False/IdempotencyKeyInUse",
        "+300",
        "Refused",
    )]);
    let told = message(&with(keyed(), |o| o.key_held_by = Some("user-0".into())), ConditionType::Accepted);
    assert!(
        told.contains("IdentityVerification user-0 has the same idempotencyKey and had it first") && !told.contains("order-1"),
        "{told}"
    );
}

/// The verdict over a run with these tags that a restored object adopts, when it is approved.
fn restored(o: &Observed, tags: &[String]) -> String {
    let ours = |status: &str| run(status, json!({ "tags": tags }));
    let adopted = step(&with(o.clone(), |o| o.facts.looked = looked(vec![ours("approved")])), 0);
    assert_eq!(adopted.status.workflow_run_id.as_deref(), Some("run-1"));
    let judged = with(next(o, adopted.status), |judged| {
        judged.facts.attributes = o.facts.attributes.clone();
        judged.facts.run = Some(Ok(Box::new(ours("approved"))));
    });
    all_says(&step(&judged, 10).status).into_iter().find(|says| says.starts_with("Verified=")).unwrap()
}

#[test]
fn a_restored_object_verifies_if_the_run_says_that_these_values_were_sent() {
    let tags = started_tags(&keyed());
    assert_eq!(restored(&keyed(), &tags), "Verified=True/Verified");
    let changed = "Verified=False/AttributeChanged";
    assert_eq!(restored(&keyed(), &tags[..1]), changed, "a run that does not say it");
    assert_eq!(restored(&with(keyed(), |o| o.facts.attributes = Some(Ok(edited()))), &tags), changed, "other values");
    let fewer = attributes(&[("given_name", "Nobody"), ("family_name", "Invented")]);
    assert_eq!(restored(&with(keyed(), |o| o.facts.attributes = Some(Ok(fewer))), &tags), changed, "one less");
    let other_key = asking(json!({ "idempotencyKey": "order-2" }));
    assert_eq!(restored(&other_key, &tags), changed, "another key");
    let elsewhere = with(keyed(), |o| o.namespace = "shop-2".into());
    assert_eq!(restored(&elsewhere, &tags), changed, "another namespace");
    let lenient = json!([
        {"name": "given_name", "applicantField": "first_name", "comparisonField": "first_name", "requirement": "Required"},
        {"name": "family_name", "applicantField": "last_name", "comparisonField": "last_name", "requirement": "Informational"},
        {"name": "birthdate", "applicantField": "dob", "comparisonField": "date_of_birth"},
    ]);
    let judged_otherwise = with(keyed(), |o| o.provider = found(json!({ "attributes": lenient })));
    assert_eq!(restored(&judged_otherwise, &tags), changed, "a mapping that asks less");
    let pointed = with(keyed(), |o| o.provider = found(json!({ "results": { "dataComparisonPath": "" } })));
    assert_eq!(restored(&pointed, &tags), changed, "another place of the results");
    // Without a key nothing is proven, whatever the run says.
    let unkeyed = with(read(), |o| o.created_at = t(-60));
    assert_eq!(restored(&unkeyed, &tags), changed);
}

/// The attempt's tag is a part: what another attempt was sent proves nothing.
#[test]
fn what_one_attempt_was_sent_proves_nothing_for_another() {
    let tags = started_tags(&keyed());
    let o = with(keyed(), |o| o.spec.attempt = 2);
    assert_eq!(restored(&o, &[vec![o.tag()], tags].concat()), "Verified=False/AttributeChanged");
}
