//! The erasure ledger: what is still to be erased at the vendor though its object is gone, as ids only, in ConfigMaps of the operator's own
//! namespace. Each provider's are numbered from 0 without a gap; one that is full is followed by another. One key an applicant, written by
//! merge patches, so that two operators never lose each other's.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client,
    api::{ObjectMeta, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

use crate::{
    api::{Environment, IdentityVerification, OnfidoProvider, Reason},
    metrics::Metrics,
    onfido::model::ApplicantId,
    plan::{Failure, Orphan, debts::Debt},
};

use super::{Ctx, Trouble};

/// How many entries one ConfigMap takes: each write stores all of it anew.
pub const ENTRIES: usize = 500;
/// How many ConfigMaps a provider may have.
const MAPS: u32 = 256;
/// The provider, as namespace/name.
const PROVIDER: &str = "onfido-operator.dev/provider";
const LABELS: [(&str, &str); 2] = [("app.kubernetes.io/managed-by", "onfido-operator"), ("onfido-operator.dev/ledger", "erasures")];
/// What the key of an applicant that may exist begins with; an applicant's id has no dot in it.
const ORPHAN: &str = "orphan.";

/// The ledger.
pub(super) struct Ledger {
    maps: Api<ConfigMap>,
    /// How many entries one ConfigMap takes.
    most: usize,
    metrics: Metrics,
    /// What is known of the providers that owe something. Whoever writes holds it, so that one process does not contend with itself.
    known: Mutex<HashMap<String, Known>>,
}

#[derive(Clone, Copy, Default)]
struct Known {
    owed: usize,
    /// The first ConfigMap that may have room.
    room: u32,
}

/// What came of reading one ConfigMap.
enum Found {
    Absent,
    /// Somebody else's, or another provider's of the same digest.
    Foreign,
    Entries(BTreeMap<String, String>),
}

impl Ledger {
    pub(super) fn new(client: Client, namespace: &str, most: usize, metrics: Metrics) -> Self {
        Self { maps: Api::namespaced(client, namespace), most, metrics, known: Mutex::default() }
    }

    /// Makes sure that these entries are there.
    async fn write(&self, provider: &str, entries: &BTreeMap<String, String>) -> Result<(), Trouble> {
        let mut known = self.known.lock().await;
        let mut number = known.get(provider).map_or(0, |known| known.room);
        while number < MAPS {
            let name = name(provider, number);
            let done = match self.find(provider, &name).await? {
                Found::Foreign => false,
                Found::Absent => match self.maps.create(&PostParams::default(), &map(provider, &name, entries)).await {
                    Ok(_) => true,
                    Err(kube::Error::Api(status)) if status.code == 409 => continue, // another operator's, just now
                    Err(source) => return Err(Trouble::Kube { doing: "create the erasure ledger", source }),
                },
                Found::Entries(there) if entries.keys().all(|key| there.contains_key(key)) => return Ok(()),
                Found::Entries(there) if there.is_empty() || there.len() + entries.len() <= self.most => {
                    let patch = Patch::Merge(json!({ "data": entries }));
                    self.maps.patch(&name, &PatchParams::default(), &patch).await.map_err(Trouble::kube("write the erasure ledger"))?;
                    true
                }
                Found::Entries(_) => false,
            };
            if done {
                let of = known.entry(provider.to_owned()).or_default();
                (of.owed, of.room) = (of.owed + entries.keys().filter(|key| !key.starts_with(ORPHAN)).count(), number);
                self.metrics.erasures_owed(known.values().map(|known| known.owed).sum());
                return Ok(());
            }
            number += 1;
        }
        Err(Trouble::LedgerFull)
    }

    /// Every applicant a provider owes.
    pub(super) async fn read(&self, provider: &str) -> Result<Vec<Debt>, Trouble> {
        let mut debts = vec![];
        for number in 0..MAPS {
            match self.find(provider, &name(provider, number)).await? {
                Found::Absent => break,
                Found::Foreign => {}
                Found::Entries(entries) => debts.extend(entries.into_iter().filter_map(|(key, value)| debt(key, &value, number))),
            }
        }
        debts.sort_by(|a, b| a.id.cmp(&b.id));
        let mut known = self.known.lock().await;
        match debts.len() {
            0 => _ = known.remove(provider),
            owed => known.entry(provider.to_owned()).or_default().owed = owed,
        }
        self.metrics.erasures_owed(known.values().map(|known| known.owed).sum());
        Ok(debts)
    }

    /// Strikes out what is settled.
    pub(super) async fn strike_out(&self, provider: &str, settled: &[Debt]) -> Result<(), Trouble> {
        let mut of_maps: BTreeMap<u32, serde_json::Map<String, Value>> = BTreeMap::new();
        for debt in settled {
            of_maps.entry(debt.map).or_default().insert(debt.id.as_str().to_owned(), Value::Null);
        }
        for (number, keys) in of_maps {
            let patch = Patch::Merge(json!({ "data": keys }));
            match self.maps.patch(&name(provider, number), &PatchParams::default(), &patch).await {
                Ok(_) => {}
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                Err(source) => return Err(Trouble::Kube { doing: "write the erasure ledger", source }),
            }
        }
        let mut known = self.known.lock().await;
        if let Some(of) = known.get_mut(provider) {
            (of.owed, of.room) = (of.owed.saturating_sub(settled.len()), 0);
        }
        known.retain(|_, of| of.owed > 0);
        self.metrics.erasures_owed(known.values().map(|known| known.owed).sum());
        Ok(())
    }

    async fn find(&self, provider: &str, name: &str) -> Result<Found, Trouble> {
        let found = self.maps.get_opt(name).await.map_err(Trouble::kube("read the erasure ledger"))?;
        let Some(found) = found else { return Ok(Found::Absent) };
        let labels = found.metadata.labels.unwrap_or_default();
        let ours = LABELS.iter().all(|(key, value)| labels.get(*key).is_some_and(|label| label == value));
        let same = found.metadata.annotations.as_ref().and_then(|all| all.get(PROVIDER)).is_some_and(|of| of == provider);
        Ok(if ours && same { Found::Entries(found.data.unwrap_or_default()) } else { Found::Foreign })
    }
}

/// Writes what an object leaves to be erased, and lets its provider know.
pub(super) async fn owe(
    ctx: &Ctx,
    object: &IdentityVerification,
    applicants: &[ApplicantId],
    orphan: Option<&Orphan>,
    environment: Option<Environment>,
    why: Reason,
) -> Result<(), Failure> {
    let environment = environment.unwrap_or(Environment::Unknown);
    let since = Timestamp::now();
    let entry = json!({ "since": since, "why": why.as_str(), "environment": environment }).to_string();
    let mut entries: BTreeMap<String, String> = applicants.iter().map(|id| (id.as_str().to_owned(), entry.clone())).collect();
    entries.extend(orphan.map(|Orphan { tag, from, until }| {
        let entry = json!({ "since": since, "from": from, "until": until, "environment": environment });
        (format!("{ORPHAN}{tag}"), entry.to_string())
    }));
    let reference = &object.spec.provider_ref;
    let namespace = reference.namespace.as_ref().or(object.metadata.namespace.as_ref()).map_or("", String::as_str);
    let provider = format!("{namespace}/{}", reference.name);
    if let Err(trouble) = ctx.ledger.write(&provider, &entries).await {
        tracing::warn!(provider, %trouble, "what is owed cannot be written into the erasure ledger");
        return Err(Failure::LedgerRefused);
    }
    for id in applicants {
        tracing::warn!(applicant = id.as_str(), provider, %why, "erasure at the vendor is owed");
    }
    if !applicants.is_empty() {
        ctx.owes(namespace, &reference.name);
    }
    Ok(())
}

/// A provider's name, as the ledger has it.
pub(super) fn of(provider: &OnfidoProvider) -> String {
    let [namespace, name] = [&provider.metadata.namespace, &provider.metadata.name].map(|part| part.as_deref().unwrap_or_default());
    format!("{namespace}/{name}")
}

fn name(provider: &str, number: u32) -> String {
    let digest: String = Sha256::digest(provider).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("onfido-operator-erasures-{digest}-{number}")
}

fn map(provider: &str, name: &str, entries: &BTreeMap<String, String>) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            labels: Some(LABELS.map(|(key, value)| (key.to_owned(), value.to_owned())).into()),
            annotations: Some([(PROVIDER.to_owned(), provider.to_owned())].into()),
            ..ObjectMeta::default()
        },
        data: Some(entries.clone()),
        ..ConfigMap::default()
    }
}

/// An entry that speaks of an applicant. Where its environment cannot be read, any account may be asked.
fn debt(key: String, value: &str, map: u32) -> Option<Debt> {
    let id = ApplicantId::parse(key).ok()?;
    let value: Value = serde_json::from_str(value).unwrap_or_default();
    let environment = serde_json::from_value(value["environment"].clone()).unwrap_or(Environment::Unknown);
    Some(Debt { id, environment, map })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_an_applicant_and_an_orphan_is_none() {
        let read = |key: &str, value: &str| debt(key.to_owned(), value, 3).map(|debt| (debt.id.to_string(), debt.environment, debt.map));
        let of = |environment| Some(("a-1".to_owned(), environment, 3));
        assert_eq!(read("a-1", r#"{"since":"2026-01-01T00:00:00Z","why":"Unreachable","environment":"Live"}"#), of(Environment::Live));
        for odd in ["", "{}", "null", r#"{"environment":"Elsewhere"}"#] {
            assert_eq!(read("a-1", odd), of(Environment::Unknown), "{odd}");
        }
        assert_eq!(read("orphan.onfido-operator.0123456789abcdef0123456789abcdef.1", "{}"), None);
    }

    #[test]
    fn a_ledger_is_named_by_its_provider_alone() {
        let first = name("identity/onfido", 0);
        assert_eq!(first, "onfido-operator-erasures-9876f043cc5bd8c8-0");
        assert!(name("identity/onfido", 1).ends_with("-1"));
        assert_ne!(name("identity-onfido/x", 0), first);
    }
}
