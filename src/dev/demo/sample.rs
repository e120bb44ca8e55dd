//! How long it takes from creating a verification until its SDK token is there: many more, one after the other, in a namespace and a
//! vendor account of their own, without the sandbox's rate limit. Removes what it made.

use std::time::{Duration, Instant};

use futures::TryStreamExt;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, PostParams},
    runtime::{WatchStreamExt, watcher},
};
use serde_json::{Value, json};

use super::{manifests::Name, stage::Stage, watch};
use crate::{
    api::{ConditionStatus, ConditionType, IdentityVerification, OnfidoProvider, find_condition},
    one_line::one_line,
    simulator::{DEMO_WORKFLOW, admin::AccountSetting},
};

const NAMESPACE: &str = "figures";
const API_TOKEN: &str = "api_sandbox.of-the-figures-account";
const HOW_MANY: usize = 50;
/// A machine that is too busy for so many tells of fewer.
const LONGEST: Duration = Duration::from_secs(4);
const ONE: Duration = Duration::from_secs(20);

/// The median, and of how many.
pub(super) async fn median(stage: &Stage<'_>, region: &str) -> Result<(Duration, usize), String> {
    let client = stage.client.clone();
    prepare(stage, &client, region).await.map_err(|error| format!("the figures: {error}"))?;
    let secrets = Api::<Secret>::namespaced(client.clone(), NAMESPACE);
    let verifications = Api::<IdentityVerification>::namespaced(client.clone(), NAMESPACE);
    let mut seen = std::pin::pin!(watcher(verifications.clone(), watcher::Config::default()).default_backoff().applied_objects());
    let started = Instant::now();
    let mut times = Vec::new();
    while times.len() < HOW_MANY && started.elapsed() < LONGEST {
        let name = format!("person-{}", times.len());
        let values = json!({ "given_name": "Invented", "family_name": "Person" });
        create(&secrets, json!({ "metadata": meta(&name, "attributes"), "stringData": values })).await?;
        let spec = json!({ "providerRef": { "name": "onfido" }, "subject": name, "attributesFrom": [{ "secretRef": { "name": name } }] });
        let since = Instant::now();
        create(&verifications, json!({ "metadata": { "name": name }, "spec": spec })).await?;
        let ready = async {
            loop {
                match seen.try_next().await {
                    Ok(Some(object)) if object.metadata.name.as_ref() == Some(&name) => {
                        let conditions = object.status.as_ref().map_or(&[][..], |status| &status.conditions);
                        if find_condition(conditions, ConditionType::CaptureReady).is_some_and(|c| c.status == ConditionStatus::True) {
                            return;
                        }
                    }
                    Ok(None) => std::future::pending().await,
                    _ => {}
                }
            }
        };
        tokio::time::timeout(ONE, ready).await.map_err(|_| format!("the figures: {name} has no SDK token after {} s", ONE.as_secs()))?;
        times.push(since.elapsed());
    }
    let (none, all) = (DeleteParams::default(), ListParams::default());
    verifications.delete_collection(&none, &all).await.map_err(one_line)?;
    secrets.delete_collection(&none, &all).await.map_err(one_line)?;
    Api::<OnfidoProvider>::namespaced(client, NAMESPACE).delete("onfido", &none).await.map_err(one_line)?;
    times.sort();
    Ok((times.get(times.len() / 2).copied().unwrap_or_default(), times.len()))
}

async fn prepare(stage: &Stage<'_>, client: &Client, region: &str) -> Result<(), String> {
    let admin = stage.admin.as_ref().ok_or("there is no simulator")?;
    admin.account(&AccountSetting::new(NAMESPACE, API_TOKEN, DEMO_WORKFLOW)).await.map_err(one_line)?;
    create(&Api::<Namespace>::all(client.clone()), json!({ "metadata": { "name": NAMESPACE } })).await?;
    let secret = json!({ "metadata": meta("onfido-api", "credentials"), "stringData": { "token": API_TOKEN } });
    create(&Api::<Secret>::namespaced(client.clone(), NAMESPACE), secret).await?;
    let spec = json!({
        "region": region, "workflowID": DEMO_WORKFLOW, "rateLimit": { "requestsPerMinute": 60000 },
        "credentials": { "apiTokenSecretRef": { "name": "onfido-api", "key": "token" } },
    });
    let providers = Api::<OnfidoProvider>::namespaced(client.clone(), NAMESPACE);
    create(&providers, json!({ "metadata": { "name": "onfido" }, "spec": spec })).await?;
    let name = Name { namespace: NAMESPACE.into(), name: "onfido".into() };
    watch::until(providers, &name, ConditionType::Ready, ONE, |status| status == ConditionStatus::True).await.map(drop)
}

fn meta(name: &str, label: &str) -> Value {
    json!({ "name": name, "labels": { crate::api::USE_LABEL: label } })
}

async fn create<K>(api: &Api<K>, mut object: Value) -> Result<(), String>
where
    K: kube::Resource<DynamicType = ()> + Clone + std::fmt::Debug + serde::Serialize + serde::de::DeserializeOwned,
{
    object["apiVersion"] = json!(K::api_version(&()));
    object["kind"] = json!(K::kind(&()));
    let object: K = serde_json::from_value(object).map_err(one_line)?;
    api.create(&PostParams::default(), &object).await.map(drop).map_err(|error| format!("the figures: {}", one_line(error)))
}
