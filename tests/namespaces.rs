//! An operator that serves some namespaces: it sees what is in them, wherever in them it is, and nothing else.

use kube::api::DeleteParams;
use onfido_operator::{api::ConditionType as C, simulator::admin::Operation};
use serde_json::json;

use crate::support::{
    control_plane::{control_plane, namespace},
    operator::{Operator, Run, Scene, install},
};

#[tokio::test]
async fn an_operator_serves_the_namespaces_it_watches_and_no_other() {
    let control_plane = control_plane().await;
    install(control_plane).await;
    let first = Scene::bare(control_plane, "first").await;
    let other = Scene::bare(control_plane, "other").await;
    // Another namespace without a provider: it uses the first one's.
    let second = Scene {
        client: first.client.clone(),
        namespace: namespace(control_plane, "second").await,
        provider: first.provider.clone(),
        simulator: first.simulator.clone(),
        account: first.account.clone(),
    };
    // There from the beginning, in all three.
    first.provider(json!({ "allowedNamespaces": { "from": "All" } })).await;
    let provider = other.provider(json!({})).await;
    let person = other.verification("person", json!({})).await;
    let of_first = json!({ "providerRef": { "name": "onfido", "namespace": first.namespace } });
    let of_other = json!({ "providerRef": { "name": "onfido", "namespace": other.namespace } });
    second.verification("early", of_first.clone()).await;

    let watch = vec![first.namespace.clone(), second.namespace.clone()];
    let operator = Operator::start(control_plane, &Run { watch, ..Run::default() }).await;
    first.deliver_to(&operator).await;
    first.until_provider("onfido", C::Ready, "True", "Succeeded").await;
    second.until_condition("early", C::CaptureReady, "True", "AwaitingInput").await;

    // And what comes later; the verdict comes by the webhook, which knows both namespaces.
    for (scene, name, changes) in [(&first, "person", json!({})), (&second, "late", of_first.clone())] {
        let run = scene.awaiting(name, changes).await;
        scene.finalize(name).await;
        scene.decide(&run, "approved", json!({})).await;
        scene.until_condition(name, C::Verified, "True", "Verified").await;
    }

    // A provider that is not watched is none.
    second.verification("astray", of_other).await;
    second.until_condition("astray", C::Accepted, "False", "ProviderNotFound").await;
    let version = |meta: kube::api::ObjectMeta| meta.resource_version.unwrap();
    assert_eq!(version(other.verifications().get("person").await.unwrap().metadata), version(person.metadata), "written to");
    assert_eq!(version(other.providers().get("onfido").await.unwrap().metadata), version(provider.metadata), "written to");
    assert_eq!(other.simulator.ledger(Some(&other.account), None).await.unwrap().len(), 0, "nobody asked for it");
    assert_eq!(first.ledger(Operation::CreateWorkflowRun).await.len(), 3);

    // One that goes is told to those who refer to it from elsewhere: what is refused here is looked at again for that only.
    let unmapped = json!([{ "name": "shoe_size", "valueFrom": { "secretKeyRef": { "name": "unmapped", "key": "given_name" } } }]);
    second.verification("unmapped", json!({ "providerRef": of_first["providerRef"], "attributes": unmapped })).await;
    second.until_condition("unmapped", C::Accepted, "False", "AttributeNotMapped").await;
    first.providers().delete("onfido", &DeleteParams::default()).await.unwrap();
    second.until_condition("unmapped", C::Accepted, "False", "ProviderNotFound").await;
}
