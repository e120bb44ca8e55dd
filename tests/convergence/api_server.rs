//! The API server, as far as a verification needs one: an object with its versions, its finalizer, and fenced writes of its status.

use std::borrow::Cow;

use jiff::Timestamp;
use onfido_operator::{
    api::{Condition, ConditionStatus, IdentityVerificationSpec, IdentityVerificationStatus, Phase, Retention},
    plan::Fence,
};
use serde_json::json;

use super::{schedule::Scene, world::t};

/// The verification.
#[derive(Clone, Debug)]
pub struct Object {
    pub generation: i64,
    pub version: u64,
    pub created_at: Timestamp,
    pub deleting: Option<Timestamp>,
    /// Ours; there is no other.
    pub finalizer: bool,
    pub asked: Option<String>,
    pub spec: IdentityVerificationSpec,
    pub status: IdentityVerificationStatus,
}

/// What came of a write.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Persisted {
    Unchanged,
    Written(u64),
    Stale,
}

impl Object {
    /// The status is the default of the schema, which the API server shows on every read.
    pub fn new(scene: &Scene) -> Self {
        let mut spec = json!({
            "providerRef": {"name": "onfido"}, "subject": "user-1", "attributesFrom": [{"secretRef": {"name": "person"}}],
        });
        if scene.keyed {
            spec["idempotencyKey"] = json!("order-1");
        }
        if scene.link {
            spec["capture"] = json!({"mode": "Link"});
        }
        if scene.erases {
            spec["deletionPolicy"] = json!("DeleteApplicant");
        }
        let status = IdentityVerificationStatus {
            conditions: vec![Condition {
                type_: "Ready".into(),
                status: ConditionStatus::Unknown,
                reason: "Pending".into(),
                message: "waiting for the operator".into(),
                observed_generation: None,
                last_transition_time: k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(Timestamp::UNIX_EPOCH),
            }],
            ..IdentityVerificationStatus::default()
        };
        let mut spec: IdentityVerificationSpec = serde_json::from_value(spec).expect("a spec");
        spec.retention = retention(scene.redact_after, scene.delete_after);
        let created_at = t(if scene.old { -600 } else { 0 });
        Self { generation: 1, version: 1, created_at, deleting: None, finalizer: false, asked: None, spec, status }
    }

    /// A user's write of the spec.
    pub fn edit(&mut self, edit: impl FnOnce(&mut IdentityVerificationSpec)) {
        let before = self.spec.clone();
        edit(&mut self.spec);
        if self.spec != before {
            self.generation += 1;
            self.version += 1;
        }
    }

    /// The JSON patch of `controller/persist.rs`, whose view of the object was of this version and generation.
    pub fn persist(
        &mut self,
        (version, generation): (u64, i64),
        before: &IdentityVerificationStatus,
        after: &IdentityVerificationStatus,
        fence: &Fence,
    ) -> Persisted {
        let (before, after) = (&*as_stored(before), &*as_stored(after));
        if !differ(before, after) {
            return Persisted::Unchanged;
        }
        let holds = match fence {
            Fence::Version => version == self.version,
            Fence::Operation(nonce) => self.status.operation.as_ref().is_some_and(|operation| operation.nonce == *nonce),
            Fence::Fields => generation == self.generation,
        };
        if !holds || !replace(&mut self.status, before, after, *fence == Fence::Fields) {
            return Persisted::Stale;
        }
        self.version += 1;
        Persisted::Written(self.version)
    }
}

/// So many seconds, in the words of the spec.
pub fn retention(redact_after: Option<i64>, delete_after: Option<i64>) -> Option<Retention> {
    let duration = |seconds: i64| serde_json::from_value(json!(format!("{}m{}s", seconds / 60, seconds % 60))).expect("a duration");
    let (redact_after, delete_after) = (redact_after.map(duration), delete_after.map(duration));
    (redact_after.is_some() || delete_after.is_some()).then_some(Retention { redact_after, delete_after })
}

/// What is never recorded is not there.
fn as_stored(status: &IdentityVerificationStatus) -> Cow<'_, IdentityVerificationStatus> {
    let bases = |status: &mut IdentityVerificationStatus| {
        let standing = status.standing_verdict.as_mut().map(|standing| &mut standing.basis);
        status.basis.as_mut().into_iter().chain(standing).for_each(|basis| basis.sent_tag = None);
    };
    let mut stored = Cow::Borrowed(status);
    if status.basis.iter().chain(status.standing_verdict.iter().map(|standing| &standing.basis)).any(|basis| basis.sent_tag.is_some()) {
        bases(stored.to_mut());
    }
    stored
}

/// Every field that the operator writes, with whether it is left out of the JSON. `notification` is the webhook endpoint's.
macro_rules! each_field {
    ($do:ident) => {
        $do! {
            observed_generation: Option::is_none, phase: |_: &Phase| false, attempt: Option::is_none, conditions: |_: &Vec<_>| false,
            applicant_id: Option::is_none, former_applicant_ids: Vec::is_empty, workflow_run_id: Option::is_none,
            workflow_version_id: Option::is_none, vendor_status: Option::is_none, reasons: Vec::is_empty, vendor_record: Option::is_none,
            environment: Option::is_none, dashboard_url: Option::is_none, capture: Option::is_none, attributes: Vec::is_empty,
            started_at: Option::is_none, submitted_at: Option::is_none, completed_at: Option::is_none, redacted_at: Option::is_none, verified_until: Option::is_none,
            next_check_at: Option::is_none, operation: Option::is_none, basis: Option::is_none, standing_verdict: Option::is_none,
            last_verified_attempt: Option::is_none, attempts: Vec::is_empty, erasure: Option::is_none, reconciled: Option::is_none,
            answered_notifications: Vec::is_empty
        }
    };
}

macro_rules! define {
    ($($field:ident: $absent:expr),*) => {
        fn differ(before: &IdentityVerificationStatus, after: &IdentityVerificationStatus) -> bool {
            // No field is forgotten.
            let IdentityVerificationStatus { notification: _, $($field: _),* } = before;
            $(before.$field != after.$field)||*
        }

        /// Replaces what differs. False, and nothing is done, if a field to remove is not there, or one to replace is not as it was.
        fn replace(
            stored: &mut IdentityVerificationStatus,
            before: &IdentityVerificationStatus,
            after: &IdentityVerificationStatus,
            tested: bool,
        ) -> bool {
            $(if before.$field != after.$field {
                let absent = $absent;
                let moved = tested && !absent(&before.$field) && stored.$field != before.$field;
                if moved || (absent(&after.$field) && absent(&stored.$field)) {
                    return false;
                }
            })*
            $(if before.$field != after.$field {
                stored.$field.clone_from(&after.$field);
            })*
            true
        }
    };
}
each_field!(define);
