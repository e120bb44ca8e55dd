//! Waiting until an object is as it should be. Polls nothing.

use std::time::Duration;

use futures::TryStreamExt;
use kube::{
    Api,
    runtime::{WatchStreamExt, watcher},
};

use super::manifests::Name;
use crate::api::{Condition, ConditionStatus, ConditionType, IdentityVerification, OnfidoProvider, find_condition};

/// A kind whose conditions can be waited for.
pub(super) trait Waitable:
    kube::Resource<DynamicType = ()> + Clone + std::fmt::Debug + serde::de::DeserializeOwned + Send + 'static
{
    fn conditions(&self) -> &[Condition];
}

impl Waitable for OnfidoProvider {
    fn conditions(&self) -> &[Condition] {
        self.status.as_ref().map_or(&[], |status| &status.conditions)
    }
}

impl Waitable for IdentityVerification {
    fn conditions(&self) -> &[Condition] {
        self.status.as_ref().map_or(&[], |status| &status.conditions)
    }
}

/// Waits until a condition of the present generation has a status that satisfies.
pub(super) async fn until<K: Waitable>(
    api: Api<K>,
    of: &Name,
    type_: ConditionType,
    within: Duration,
    satisfies: impl Fn(ConditionStatus) -> bool,
) -> Result<K, String> {
    let mut said = None;
    let config = watcher::Config::default().fields(&format!("metadata.name={}", of.name));
    let mut seen = std::pin::pin!(watcher(api, config).default_backoff().applied_objects());
    let watching = async {
        loop {
            // Errors are tried again by the backoff.
            match seen.try_next().await {
                Ok(Some(object)) => {
                    let found = find_condition(object.conditions(), type_);
                    if found.is_some_and(|c| satisfies(c.status) && c.observed_generation == object.meta().generation) {
                        return object;
                    }
                    said = found.or_else(|| find_condition(object.conditions(), ConditionType::Accepted)).cloned().or(said.take());
                }
                Ok(None) => std::future::pending().await,
                Err(_) => {}
            }
        }
    };
    if let Ok(object) = tokio::time::timeout(within, watching).await {
        return Ok(object);
    }
    let says = said.map(|c| format!("; it says {}={:?}, {}: {}", c.type_, c.status, c.reason, c.message)).unwrap_or_default();
    Err(format!("waited {} s in vain for {type_} of {} {of}{says}", within.as_secs(), K::kind(&()).to_lowercase()))
}
