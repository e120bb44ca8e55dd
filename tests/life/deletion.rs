//! The end of a verification: erased at the vendor where the policy asks for it, or owed, and gone in any case.

mod owed;
mod refused;

use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use onfido_operator::{
    api::ConditionType as C,
    dev::ControlPlane,
    simulator::admin::{Fault, FaultKind, Operation},
};
use serde_json::json;
use tokio::sync::OnceCell;

use crate::support::{
    control_plane::options,
    erasure::{FINALIZER, erasing, finalizers},
    operator::{Operator, PATIENCE, Run, Scene, install},
};

/// Two hundred times faster: what stands in the way of a deletion is waited for for three seconds.
const FAST: f64 = 0.005;

struct Stage {
    control_plane: ControlPlane,
    operator: Operator,
}

/// With kube-controller-manager, which ends namespaces, and one fast operator for all of these tests.
async fn stage() -> &'static Stage {
    static SHARED: OnceCell<Stage> = OnceCell::const_new();
    let start = || async {
        let mut options = options();
        options.controller_manager = true;
        let control_plane = ControlPlane::start(options).await.unwrap();
        install(&control_plane).await;
        let operator = Operator::start(&control_plane, &Run { time_scale: FAST, ..Run::default() }).await;
        Stage { control_plane, operator }
    };
    SHARED.get_or_init(start).await
}

/// A corner of that stage, with a provider that is ready.
async fn scene(word: &str) -> Scene {
    let stage = stage().await;
    let scene = Scene::bare(&stage.control_plane, word).await;
    scene.deliver_to(&stage.operator).await;
    scene.provider(json!({})).await;
    scene.until_provider("onfido", C::Ready, "True", "Succeeded").await;
    scene
}

#[tokio::test]
async fn the_applicant_is_erased_before_the_object_goes_and_other_finalizers_stay() {
    let scene = scene("erased").await;
    let applicant = scene.erasable("person").await;
    let held = scene.verifications().get("person").await.unwrap();
    assert_eq!(finalizers(&held), [FINALIZER]);
    let another = Patch::Merge(json!({ "metadata": { "finalizers": ["example.com/other", FINALIZER] } }));
    scene.verifications().patch("person", &PatchParams::default(), &another).await.unwrap();
    scene.delete("person").await;
    scene.until("person", "our finalizer off", |object| finalizers(object) == ["example.com/other"]).await;
    assert_eq!(scene.erased().await, [applicant]);
    assert_eq!((scene.debt_maps().await.len(), scene.events("person", "ErasureOwed").await), (0, 0));
    let none = Patch::Merge(json!({ "metadata": { "finalizers": null } }));
    scene.verifications().patch("person", &PatchParams::default(), &none).await.unwrap();
    scene.until_gone("person").await;
    assert_eq!(scene.erased().await.len(), 1, "asked once");
}

#[tokio::test]
async fn one_that_the_vendor_does_not_have_any_more_is_erased() {
    let scene = scene("purged").await;
    for status in [404, 410] {
        let name = format!("person-{status}");
        scene.erasable(&name).await;
        let kind = FaultKind::Status { status, retry_after: None, error_type: None, body: None };
        scene.simulator.fault(&Fault::once(Operation::DeleteApplicant, &scene.account, kind)).await.unwrap();
        scene.delete(&name).await;
        scene.until_gone(&name).await;
    }
    assert_eq!((scene.ledger(Operation::DeleteApplicant).await.len(), scene.debt_maps().await.len()), (2, 0));
}

#[tokio::test]
async fn the_finalizer_is_on_only_while_the_policy_needs_it() {
    let scene = scene("policy").await;
    scene.awaiting("person", json!({})).await;
    assert_eq!(finalizers(&scene.verifications().get("person").await.unwrap()), [""; 0]);
    scene.patch("person", erasing()).await;
    scene.until("person", "our finalizer on", |object| finalizers(object) == [FINALIZER]).await;
    scene.patch("person", json!({ "deletionPolicy": "Retain" })).await;
    scene.until("person", "our finalizer off", |object| finalizers(object).is_empty()).await;
    scene.delete("person").await;
    scene.until_gone("person").await;
    // Nothing of it is at the vendor: there is nothing to hold up.
    scene.verification("waits", json!({ "deletionPolicy": "DeleteApplicant", "workflowID": "5c1d9b0e-6f0e-4c52-9d3f-0f5f0a3c9b99" })).await;
    let refused = scene.until_condition("waits", C::Accepted, "False", "WorkflowNotAllowed").await;
    assert_eq!(finalizers(&refused), [""; 0]);
    scene.delete("waits").await;
    scene.until_gone("waits").await;
    // An outcome that is on record is held as well.
    let run = scene.awaiting("decided", json!({})).await;
    scene.decide(&run, "approved", json!({})).await;
    scene.until_condition("decided", C::Verified, "True", "Verified").await;
    scene.patch("decided", erasing()).await;
    scene.until("decided", "our finalizer on", |object| finalizers(object) == [FINALIZER]).await;
    assert_eq!(scene.ledger(Operation::DeleteApplicant).await.len(), 0);
    scene.delete("decided").await;
    scene.until_gone("decided").await;
    assert_eq!(scene.erased().await.len(), 1);
}

#[tokio::test]
async fn whoever_changes_his_mind_lets_it_go() {
    let scene = scene("retained").await;
    scene.erasable("person").await;
    scene.erases_nothing(503).await;
    scene.delete("person").await;
    scene.until_condition("person", C::Ready, "False", "Unreachable").await;
    scene.patch("person", json!({ "deletionPolicy": "Retain" })).await;
    scene.until_gone("person").await;
    assert_eq!((scene.erased().await.len(), scene.debt_maps().await.len()), (0, 0), "nothing is asked for and nothing owed");
}

#[tokio::test]
async fn every_applicant_of_its_life_is_erased() {
    let scene = scene("former").await;
    let run = scene.awaiting("person", erasing()).await;
    scene.decide(&run, "declined", json!({})).await;
    scene.until_condition("person", C::Verified, "False", "Declined").await;
    // A value that is not given any more cannot be taken back from the applicant: the next attempt has another one.
    let taken_back = Patch::Merge(json!({ "data": { "birthdate": null } }));
    scene.secrets().patch("person", &PatchParams::default(), &taken_back).await.unwrap();
    scene.patch("person", json!({ "attempt": 2 })).await;
    let again = scene.until("person", "a second run", |object| {
        object.status.as_ref().is_some_and(|status| status.attempt == Some(2) && status.workflow_run_id.is_some())
    });
    let status = again.await.status.unwrap();
    let mut both = [status.former_applicant_ids, vec![status.applicant_id.unwrap()]].concat();
    assert_eq!(both.len(), 2);
    scene.delete("person").await;
    scene.until_gone("person").await;
    let mut erased = scene.erased().await;
    erased.sort();
    both.sort();
    assert_eq!(erased, both);
}

#[tokio::test]
async fn a_namespace_ends_with_all_that_is_in_it_and_what_is_owed_is_not_forgotten() {
    let scene = scene("ended").await;
    let [first, second] = [scene.erasable("first").await, scene.erasable("second").await];
    scene.erases_nothing(503).await;
    let namespaces = Api::<Namespace>::all(scene.client.clone());
    namespaces.delete(&scene.namespace, &DeleteParams::default()).await.unwrap();
    let gone = kube::runtime::wait::await_condition(namespaces.clone(), &scene.namespace, |found: Option<&Namespace>| found.is_none());
    if tokio::time::timeout(PATIENCE, gone).await.is_err() {
        panic!("the namespace does not end: {:#?}", namespaces.get(&scene.namespace).await);
    }
    scene.until_owed(&[&first, &second]).await;
    // The next provider of that name settles it.
    scene.simulator.clear_faults(Some(&scene.account)).await.unwrap();
    let again = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": scene.namespace } });
    namespaces.patch(&scene.namespace, &PatchParams::apply("test"), &Patch::Apply(again)).await.unwrap();
    scene.secret("onfido-api", Some("credentials"), &[("token", &scene.api_token())]).await;
    scene.provider(json!({ "webhook": null })).await;
    scene.until_owed(&[]).await;
    let mut erased = scene.erased().await;
    erased.sort();
    let mut both = [first, second];
    both.sort();
    assert_eq!(erased, both);
}
