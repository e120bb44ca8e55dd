//! A provider that is not there, not shared, or without usable Secrets.

use futures::future::join_all;
use onfido_operator::{api::ConditionType as C, dev::Port, simulator::admin::Operation};
use serde_json::json;

use super::*;

#[tokio::test]
async fn a_provider_that_comes_later_heals_its_verifications() {
    let scene = bare("later").await;
    scene.verification("person", json!({})).await;
    let refused = scene.until_condition("person", C::Accepted, "False", "ProviderNotFound").await;
    names(&message(&refused, C::Accepted), &[&format!("{}/onfido", scene.namespace), "create the OnfidoProvider"]);
    assert_eq!(message(&refused, C::Ready), message(&refused, C::Accepted));
    assert_eq!(posts(&scene).await, [0, 0]);
    scene.provider(json!({})).await;
    healed(&scene, "person").await;
    assert_eq!(posts(&scene).await, [1, 1]);
    assert_eq!(events(&scene, "person").await, []);
}

#[tokio::test]
async fn a_provider_is_shared_only_as_it_says() {
    let (owner, tenant) = futures::join!(Scene::new("owner"), bare("tenant"));
    tenant.verification("person", json!({ "providerRef": { "namespace": owner.namespace } })).await;
    let refused = tenant.until_condition("person", C::Accepted, "False", "NamespaceNotAllowed").await;
    names(&message(&refused, C::Accepted), &["onfido", &tenant.namespace, "spec.allowedNamespaces"]);
    let labels =
        |namespace: &str| json!({ "from": "Selector", "selector": { "matchLabels": { "kubernetes.io/metadata.name": namespace } } });
    patch_provider(&owner, json!({ "allowedNamespaces": labels(&owner.namespace) })).await;
    // The provider's own namespace gets through while the other does not.
    owner.awaiting("neighbour", json!({})).await;
    let still = tenant.verifications().get("person").await.unwrap();
    names(&message(&still, C::Accepted), &["does not allow"]);
    assert_eq!(posts(&owner).await, [1, 1]);
    patch_provider(&owner, json!({ "allowedNamespaces": labels(&tenant.namespace) })).await;
    healed(&tenant, "person").await;
    assert_eq!(posts(&owner).await, [2, 2]);
}

#[tokio::test]
async fn an_api_token_that_cannot_be_used_says_why_and_heals() {
    let whole = |token: &'static str| Some((Some("credentials"), vec![("token", token)]));
    let cases = [
        ("missing", None, "SecretNotFound"),
        ("unlabelled", Some((None, vec![("token", "api_sandbox.invented")])), "SecretNotFound"),
        ("mislabelled", Some((Some("webhook"), vec![("token", "api_sandbox.invented")])), "SecretNotFound"),
        ("keyless", Some((Some("credentials"), vec![("tokens", "api_sandbox.invented")])), "SecretNotFound"),
        ("empty", whole(""), "TokenInvalid"),
        ("spaced", whole("api_sandbox.with a canary"), "TokenInvalid"),
    ];
    join_all(cases.map(|(word, secret, reason)| async move {
        let scene = bare(word).await;
        if let Some((label, data)) = secret {
            scene.secret("broken", label, &data).await;
        }
        scene.provider(json!({ "credentials": { "apiTokenSecretRef": { "name": "broken" } } })).await;
        let refused = scene.until_provider("onfido", C::CredentialsValid, "False", reason).await;
        let says = provider_message(&refused, C::CredentialsValid);
        names(&says, &[&format!("{}/broken", scene.namespace), "key token"]);
        assert!(!says.contains("canary"), "{says}");
        if reason == "SecretNotFound" {
            names(&says, &["onfido-operator.dev/use: credentials", "create the Secret"]);
        }
        scene.until_provider("onfido", C::Ready, "False", reason).await;
        scene.verification("person", json!({})).await;
        let waits = scene.until_condition("person", C::Accepted, "False", "ProviderNotReady").await;
        names(&message(&waits, C::Accepted), &["onfido", reason]);
        assert_eq!(scene.simulator.ledger(Some(&scene.account), None).await.unwrap(), []);
        scene.secret("broken", Some("credentials"), &[("token", &scene.api_token())]).await;
        scene.until_provider("onfido", C::Ready, "True", "Succeeded").await;
        healed(&scene, "person").await;
        assert_eq!(events(&scene, "person").await, []);
    }))
    .await;
}

#[tokio::test]
async fn a_webhook_token_that_cannot_be_used_delays_and_does_not_stop() {
    let cases = [
        ("no-bell", None, "create the Secret"),
        ("short-bell", Some("0123456789abcde"), "too short"),
        ("empty-bell", Some(""), "is empty"),
    ];
    join_all(cases.map(|(word, token, part)| async move {
        let scene = bare(word).await;
        if let Some(token) = token {
            scene.secret("bell", Some("webhook"), &[("token", token)]).await;
        }
        scene.provider(json!({ "webhook": { "tokenSecretRefs": [{ "name": "bell", "key": "token" }] } })).await;
        let refused = scene.until_provider("onfido", C::WebhookReady, "False", "TokenMissing").await;
        names(&provider_message(&refused, C::WebhookReady), &[&format!("{}/bell", scene.namespace), "key token", part, "polling"]);
        scene.until_provider("onfido", C::Ready, "True", "Succeeded").await;
        scene.awaiting("person", json!({})).await;
        scene.secret("bell", Some("webhook"), &[("token", "long-enough-and-invented")]).await;
        scene.until_provider("onfido", C::WebhookReady, "True", "TokensLoaded").await;
    }))
    .await;
}

#[tokio::test]
async fn a_wrong_token_is_refused_and_its_replacement_noticed() {
    let scene = bare("wrong-token").await;
    scene.secret("onfido-api", Some("credentials"), &[("token", "api_sandbox.canary-of-nobody")]).await;
    scene.provider(json!({})).await;
    let refused = scene.until_provider("onfido", C::CredentialsValid, "False", "Unauthorized").await;
    let says = provider_message(&refused, C::CredentialsValid);
    names(&says, &["refuses the API token", "put a valid API token into the provider's Secret"]);
    assert!(!says.contains("canary"));
    scene.until_provider("onfido", C::Ready, "False", "Unauthorized").await;
    scene.verification("person", json!({})).await;
    let waits = scene.until_condition("person", C::Accepted, "False", "ProviderNotReady").await;
    names(&message(&waits, C::Accepted), &["onfido", "Unauthorized", "Ready condition"]);
    assert_eq!(posts(&scene).await, [0, 0]);
    scene.secret("onfido-api", Some("credentials"), &[("token", &scene.api_token())]).await;
    scene.until_provider("onfido", C::Ready, "True", "Succeeded").await;
    healed(&scene, "person").await;
}

#[tokio::test]
async fn a_token_revoked_while_verifications_are_open_costs_no_outcome() {
    let scene = Scene::new("revoked-token").await;
    let run = scene.awaiting("person", json!({})).await;
    let replacement = format!("{}.replacement", scene.api_token());
    scene.simulator.account(&account(&scene, &replacement)).await.unwrap();
    scene.finalize("person").await;
    scene.decide(&run, "approved", json!({})).await;
    let waits = scene.until_condition("person", C::Completed, "False", "Unauthorized").await;
    names(&message(&waits, C::Completed), &["put a valid API token"]);
    scene.until_condition("person", C::Ready, "True", "Started").await;
    scene.until_provider("onfido", C::Ready, "False", "Unauthorized").await;
    scene.secret("onfido-api", Some("credentials"), &[("token", &replacement)]).await;
    scene.until_provider("onfido", C::Ready, "True", "Succeeded").await;
    scene.until_condition("person", C::Verified, "True", "Verified").await;
    assert_eq!(posts(&scene).await, [1, 1]);
    assert_eq!(events(&scene, "person").await, []);
}

#[tokio::test]
async fn an_account_of_another_region_is_told_so() {
    let scene = bare("region").await;
    let mut setting = account(&scene, &scene.api_token());
    setting.wrong_region = Some(401);
    scene.simulator.account(&setting).await.unwrap();
    scene.provider(json!({})).await;
    let refused = scene.until_provider("onfido", C::CredentialsValid, "False", "WrongRegion").await;
    names(&provider_message(&refused, C::Ready), &["another region", "create an OnfidoProvider with the region of the account"]);
    scene.verification("person", json!({})).await;
    scene.until_condition("person", C::Accepted, "False", "ProviderNotReady").await;
    assert_eq!(posts(&scene).await, [0, 0]);
    setting.wrong_region = None;
    scene.simulator.account(&setting).await.unwrap();
    healed(&scene, "person").await;
}

#[tokio::test]
async fn a_vendor_that_nobody_reaches_is_unknown_not_refused() {
    let closed = Port::lease().unwrap();
    let endpoint = format!("US=http://127.0.0.1:{}", closed.number());
    let (scene, operator) = own("nobody", Run { args: vec!["--onfido-endpoint".into(), endpoint], ..Run::default() }).await;
    scene.provider(json!({ "region": "US" })).await;
    let waits = scene.until_provider("onfido", C::CredentialsValid, "Unknown", "Unreachable").await;
    names(&provider_message(&waits, C::CredentialsValid), &["does not answer", "network policy"]);
    scene.until_provider("onfido", C::Ready, "Unknown", "Unreachable").await;
    scene.verification("person", json!({})).await;
    scene.until_condition("person", C::Accepted, "False", "ProviderNotReady").await;
    assert_eq!(scene.ledger(Operation::GetWorkflowRun).await, []);
    operator.ready().await;
}
