//! The end of an object, as tests bring it about and see it: its deletion, the vendor's side of it, the operator's ledger.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams},
    runtime::wait,
};
use onfido_operator::{
    api::IdentityVerification,
    simulator::admin::{Fault, FaultKind, LedgerEntry, Operation},
};
use serde_json::{Value, json};

use super::operator::{OPERATOR_NAMESPACE, PATIENCE, Scene};

/// The finalizer that the operator puts on and takes off.
pub const FINALIZER: &str = "onfido-operator.dev/erasure";

/// The policy, as a change to a verification's spec.
pub fn erasing() -> Value {
    json!({ "deletionPolicy": "DeleteApplicant" })
}

pub fn finalizers(object: &IdentityVerification) -> Vec<&str> {
    object.metadata.finalizers.iter().flatten().map(String::as_str).collect()
}

impl Scene {
    /// A verification that is to be erased, with its person expected; its applicant.
    pub async fn erasable(&self, name: &str) -> String {
        self.awaiting(name, erasing()).await;
        self.verifications().get(name).await.unwrap().status.unwrap().applicant_id.unwrap()
    }

    pub async fn delete(&self, name: &str) {
        self.verifications().delete(name, &DeleteParams::default()).await.unwrap();
    }

    /// Waits until the verification does not exist any more.
    pub async fn until_gone(&self, name: &str) {
        let gone = wait::await_condition(self.verifications(), name, |object: Option<&IdentityVerification>| object.is_none());
        if tokio::time::timeout(PATIENCE, gone).await.is_err() {
            let object = self.verifications().get_opt(name).await.unwrap();
            panic!("waited in vain for {}/{name} to go: {object:#?}", self.namespace);
        }
    }

    /// From now on every DELETE of this account meets this status.
    pub async fn erases_nothing(&self, status: u16) {
        let kind = FaultKind::Status { status, retry_after: None, error_type: None, body: None };
        let fault = Fault { count: 10_000, ..Fault::once(Operation::DeleteApplicant, &self.account, kind) };
        self.simulator.fault(&fault).await.unwrap();
    }

    /// The DELETEs that the vendor has carried out, by applicant.
    pub async fn erased(&self) -> Vec<String> {
        let done = |call: &LedgerEntry| call.committed && call.status == Some(204);
        let calls = self.ledger(Operation::DeleteApplicant).await;
        calls.into_iter().filter(done).map(|call| call.path.rsplit('/').next().unwrap_or_default().to_owned()).collect()
    }

    /// The ConfigMaps in which the operator keeps what this scene's provider owes, in order.
    pub async fn debt_maps(&self) -> Vec<ConfigMap> {
        let maps: Api<ConfigMap> = Api::namespaced(self.client.clone(), OPERATOR_NAMESPACE);
        let of_ledger = ListParams::default().labels("onfido-operator.dev/ledger=erasures");
        let mut found = maps.list(&of_ledger).await.unwrap().items;
        found.retain(|map| {
            map.metadata.annotations.as_ref().and_then(|all| all.get("onfido-operator.dev/provider")) == Some(&self.provider)
        });
        found.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
        found
    }

    /// What is owed: the entries by their keys.
    pub async fn debts(&self) -> BTreeMap<String, Value> {
        let entries = self.debt_maps().await.into_iter().flat_map(|map| map.data.unwrap_or_default());
        entries.map(|(key, value)| (key, serde_json::from_str(&value).unwrap())).collect()
    }

    /// Waits until exactly these are owed. (A watch of all ledgers would be more to write than it is worth.)
    pub async fn until_owed(&self, ids: &[&str]) {
        let mut wanted: Vec<&str> = ids.to_vec();
        wanted.sort_unstable();
        let looking = async {
            while self.debts().await.keys().map(String::as_str).collect::<Vec<_>>() != wanted {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, looking).await.is_err() {
            panic!("waited in vain for {wanted:?} to be owed by {}: {:?}", self.provider, self.debts().await);
        }
    }

    /// Asks the operator to look at the provider now.
    pub async fn ask_provider(&self, token: &str) {
        let patch = Patch::Merge(json!({ "metadata": { "annotations": { "onfido-operator.dev/reconcile-now": token } } }));
        self.providers().patch("onfido", &PatchParams::default(), &patch).await.unwrap();
    }
}
