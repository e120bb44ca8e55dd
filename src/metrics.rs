//! The operator's counters. Every label is a closed set, so nothing that comes from outside can make a new series or carry personal data.

use std::sync::Arc;

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge};
use prometheus_client::registry::Registry;

use crate::onfido::error::VendorError;
use crate::webhook::route::Answer;

/// What stands before every name.
const PREFIX: &str = "onfido_operator";
/// What `/metrics` says its body is.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A call to the vendor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum VendorOperation {
    CreateApplicant,
    UpdateApplicant,
    DeleteApplicant,
    GetApplicant,
    StartRun,
    GetRun,
    ListRuns,
    CreateSdkToken,
    Probe,
}

/// What came of a call to the vendor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum VendorOutcome {
    Ok,
    Unauthorized,
    Forbidden,
    NotFound,
    Gone,
    Conflict,
    Invalid,
    RunInProgress,
    WrongRegion,
    RateLimited,
    Throttled,
    Server,
    Unexpected,
    NotSent,
    TimedOut,
    Broken,
    Unreadable,
}

impl<T> From<&Result<T, VendorError>> for VendorOutcome {
    fn from(result: &Result<T, VendorError>) -> Self {
        match result {
            Ok(_) => Self::Ok,
            Err(VendorError::Unauthorized { .. }) => Self::Unauthorized,
            Err(VendorError::Forbidden) => Self::Forbidden,
            Err(VendorError::NotFound) => Self::NotFound,
            Err(VendorError::Gone) => Self::Gone,
            Err(VendorError::Conflict) => Self::Conflict,
            Err(VendorError::Invalid { .. }) => Self::Invalid,
            Err(VendorError::RunInProgress) => Self::RunInProgress,
            Err(VendorError::WrongRegion) => Self::WrongRegion,
            Err(VendorError::RateLimited { .. }) => Self::RateLimited,
            Err(VendorError::Throttled { .. }) => Self::Throttled,
            Err(VendorError::Server { .. }) => Self::Server,
            Err(VendorError::Unexpected { .. }) => Self::Unexpected,
            Err(VendorError::NotSent) => Self::NotSent,
            Err(VendorError::TimedOut) => Self::TimedOut,
            Err(VendorError::Broken) => Self::Broken,
            Err(VendorError::Unreadable) => Self::Unreadable,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DeliveryLabels {
    answer: Answer,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    operation: VendorOperation,
    outcome: VendorOutcome,
}

/// All counters; clones share them.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Registry>,
    deliveries: Family<DeliveryLabels, Counter>,
    vendor_calls: Family<CallLabels, Counter>,
    possible_orphan_applicants: Counter,
    extra_runs: Counter,
    erasures_done: Counter,
    erasures_owed: Gauge,
    erasures_lost: Counter,
    reconcile_panics: Counter,
    reconciles: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let metrics = Self {
            registry: Arc::default(),
            deliveries: Family::default(),
            vendor_calls: Family::default(),
            possible_orphan_applicants: Counter::default(),
            extra_runs: Counter::default(),
            erasures_done: Counter::default(),
            erasures_owed: Gauge::default(),
            erasures_lost: Counter::default(),
            reconcile_panics: Counter::default(),
            reconciles: Counter::default(),
        };
        registry.register("deliveries", "Webhook deliveries, by how they were answered", metrics.deliveries.clone());
        registry.register("vendor_calls", "Calls to the vendor, by what came of them", metrics.vendor_calls.clone());
        registry.register(
            "possible_orphan_applicants",
            "Applicants that may exist at the vendor though no object knows them",
            metrics.possible_orphan_applicants.clone(),
        );
        registry.register("extra_runs", "Runs found at the vendor beside the adopted one", metrics.extra_runs.clone());
        registry.register(
            "erasures_done",
            "Applicants whose erasure the vendor has scheduled, or that it did not have any more",
            metrics.erasures_done.clone(),
        );
        registry.register("erasures_owed", "Applicants known to be in the erasure ledger", metrics.erasures_owed.clone());
        registry.register(
            "erasures_lost",
            "Applicants that were neither erased nor written into the erasure ledger",
            metrics.erasures_lost.clone(),
        );
        registry.register("reconcile_panics", "Passes over an object that panicked", metrics.reconcile_panics.clone());
        registry.register("reconciles", "Passes over an object", metrics.reconciles.clone());
        Self { registry: Arc::new(registry), ..metrics }
    }
}

impl Metrics {
    /// A delivery was answered.
    pub fn delivery(&self, answer: Answer) {
        self.deliveries.get_or_create(&DeliveryLabels { answer }).inc();
    }

    /// How many deliveries were answered so.
    pub fn deliveries(&self, answer: Answer) -> u64 {
        self.deliveries.get_or_create(&DeliveryLabels { answer }).get()
    }

    /// The vendor was called.
    pub fn vendor_call(&self, operation: VendorOperation, outcome: VendorOutcome) {
        self.vendor_calls.get_or_create(&CallLabels { operation, outcome }).inc();
    }

    /// An applicant may exist that no object knows.
    pub fn possible_orphan_applicant(&self) {
        self.possible_orphan_applicants.inc();
    }

    /// Runs were found beside the adopted one.
    pub fn extra_runs(&self, count: u64) {
        self.extra_runs.inc_by(count);
    }

    /// The vendor has scheduled the erasure of an applicant, or does not have it any more.
    pub fn erasure_done(&self) {
        self.erasures_done.inc();
    }

    /// So many are known to be owed.
    pub fn erasures_owed(&self, count: usize) {
        self.erasures_owed.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// So many will never be asked for by the operator.
    pub fn erasures_lost(&self, count: usize) {
        self.erasures_lost.inc_by(u64::try_from(count).unwrap_or(u64::MAX));
    }

    /// A pass panicked.
    pub fn reconcile_panic(&self) {
        self.reconcile_panics.inc();
    }

    /// A pass ended.
    pub fn reconcile(&self) {
        self.reconciles.inc();
    }

    /// Everything in the OpenMetrics text format.
    pub fn render(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_count_together_under_the_documented_names() {
        let metrics = Metrics::default();
        metrics.clone().delivery(Answer::Recorded);
        metrics.delivery(Answer::Recorded);
        metrics.vendor_call(VendorOperation::StartRun, VendorOutcome::from(&Err::<(), _>(VendorError::TimedOut)));
        metrics.possible_orphan_applicant();
        metrics.extra_runs(2);
        metrics.erasure_done();
        metrics.erasures_owed(3);
        metrics.erasures_lost(1);
        metrics.reconcile_panic();
        metrics.reconcile();
        let text = metrics.render().unwrap();
        for line in [
            "onfido_operator_deliveries_total{answer=\"Recorded\"} 2",
            "onfido_operator_vendor_calls_total{operation=\"StartRun\",outcome=\"TimedOut\"} 1",
            "onfido_operator_possible_orphan_applicants_total 1",
            "onfido_operator_extra_runs_total 2",
            "onfido_operator_erasures_done_total 1",
            "onfido_operator_erasures_owed 3",
            "onfido_operator_erasures_lost_total 1",
            "onfido_operator_reconcile_panics_total 1",
            "onfido_operator_reconciles_total 1",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
        }
    }
}
