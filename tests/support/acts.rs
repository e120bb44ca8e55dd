//! What tests of verdicts do and see in a scene, beyond applying and waiting. Starts nothing.

use std::sync::atomic::{AtomicU32, Ordering};

use k8s_openapi::api::events::v1::Event;
use kube::{
    Api,
    api::{ListParams, Patch, PatchParams},
};
use onfido_operator::{
    api::{AttributeVerdict, ConditionType, IdentityVerification, OnfidoProvider},
    simulator::admin::{Craft, Operation, Webhook},
};
use serde_json::{Value, json};

use super::operator::{Operator, PATIENCE, Scene, WEBHOOK_TOKEN, merge};

impl Scene {
    /// Decides a run, with everything the simulator's `Outcome` has.
    pub async fn outcome(&self, run: &str, outcome: Value) {
        self.simulator.outcome(run, &serde_json::from_value(outcome).unwrap()).await.unwrap();
    }

    /// Lets the vendor keep its deliveries, for `replay` to send.
    pub async fn keep_deliveries(&self, operator: &Operator) {
        let url = format!("{}/webhooks/{}", operator.webhook, self.provider);
        let webhook = Webhook { url, token: WEBHOOK_TOKEN.into(), enabled: true, drop: true };
        self.simulator.webhooks(&self.account, &[webhook]).await.unwrap();
    }

    /// An authentic delivery with a body nobody has seen before; `changes` are merged over one that says a run is completed. Its answer.
    pub async fn craft(&self, run: &str, changes: Value, token: Option<&str>) -> u16 {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let mut body = json!({ "payload": {
            "resource_type": "workflow_run", "action": "workflow_run.completed",
            "object": { "id": run, "status": "approved" },
            "crafted": COUNT.fetch_add(1, Ordering::Relaxed),
        } });
        merge(&mut body, changes);
        let craft = Craft { account: self.account.clone(), body: body.to_string(), token: token.map(str::to_owned), ..Craft::default() };
        let delivery = self.simulator.craft(&craft).await.unwrap();
        delivery.attempts[0].status.expect("an answer")
    }

    /// The vendor rings for a run.
    pub async fn ring(&self, run: &str) {
        assert_eq!(self.craft(run, json!({}), None).await, 200);
    }

    /// How often the vendor was asked for a run. (The probe of a provider's credentials asks for the one that cannot exist.)
    pub async fn reads(&self) -> usize {
        let asked = self.ledger(Operation::GetWorkflowRun).await;
        asked.iter().filter(|entry| !entry.path.contains("00000000-0000-0000-0000-000000000000")).count()
    }

    /// Changes the provider's spec, and waits until the operator has seen it.
    pub async fn patch_provider(&self, spec: Value, ready: (&str, &str)) {
        let patch = Patch::Merge(json!({ "spec": spec }));
        let _: OnfidoProvider = self.providers().patch("onfido", &PatchParams::default(), &patch).await.unwrap();
        self.until_provider("onfido", ConditionType::Ready, ready.0, ready.1).await;
    }

    /// Waits until the operator has answered the object's present generation.
    pub async fn until_acknowledged(&self, name: &str) -> IdentityVerification {
        let generation = self.verifications().get(name).await.unwrap().metadata.generation;
        self.until(name, "its generation acknowledged", |object| {
            object.status.as_ref().is_some_and(|status| status.observed_generation >= generation)
        })
        .await
    }

    /// Waits until every delivery so far was answered by a look at the vendor.
    pub async fn until_rest(&self, name: &str) -> IdentityVerification {
        let digest = self.verifications().get(name).await.unwrap().status.unwrap().notification.expect("a delivery").digest;
        self.until(name, "its delivery answered", |object| object.status.as_ref().unwrap().answered_notifications.contains(&digest)).await
    }

    /// How often an Event of this reason was published for a verification.
    pub async fn events(&self, name: &str, reason: &str) -> i32 {
        let api = Api::<Event>::namespaced(self.client.clone(), &self.namespace);
        let found = api.list(&ListParams::default()).await.unwrap();
        let of = |event: &&Event| {
            event.reason.as_deref() == Some(reason) && event.regarding.as_ref().and_then(|object| object.name.as_deref()) == Some(name)
        };
        found.iter().filter(of).map(|event| event.series.as_ref().map_or(1, |series| series.count)).sum()
    }

    /// Waits for an Event, which is published after the status it speaks of.
    pub async fn until_event(&self, name: &str, reason: &str) {
        let polling = async {
            while self.events(name, reason).await == 0 {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, polling).await.is_err() {
            panic!("waited in vain for the Event {reason} of {}/{name}", self.namespace);
        }
    }
}

/// What is recorded of each attribute: name, result, verified.
pub fn attributes(object: &IdentityVerification) -> Vec<(&str, AttributeVerdict, bool)> {
    object.status.as_ref().unwrap().attributes.iter().map(|a| (a.name.as_str(), a.result, a.verified)).collect()
}
