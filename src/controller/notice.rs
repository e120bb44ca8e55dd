//! Publishes notices as Events, and counts those that are counted. An Event that cannot be published is logged and forgotten.

use kube::{
    Resource,
    runtime::events::{Event, EventType},
};

use crate::{
    api::IdentityVerification,
    plan::{Facts, Notice, NoticeKind},
};

use super::Ctx;

/// Publishes what a person must see.
pub(super) async fn publish(ctx: &Ctx, object: &IdentityVerification, notices: &[Notice]) {
    for notice in notices {
        match notice.kind {
            NoticeKind::PossibleOrphanApplicant => ctx.settings.metrics.possible_orphan_applicant(),
            NoticeKind::ExtraRun => ctx.settings.metrics.extra_runs(1),
            NoticeKind::Refused | NoticeKind::Stalled | NoticeKind::Revoked => {}
            NoticeKind::ErasureOwed | NoticeKind::ErasureLost => {} // counted where it is done
        }
        let event = Event {
            type_: EventType::Warning,
            reason: notice.kind.as_str().into(),
            note: Some(notice.message.clone()),
            action: "Verify".into(),
            secondary: None,
        };
        if let Err(error) = ctx.recorder.publish(&event, &object.object_ref(&())).await {
            let trouble = super::Trouble::Kube { doing: "publish an event (create and patch on events.events.k8s.io)", source: error };
            tracing::warn!(%trouble, reason = notice.kind.as_str());
        }
    }
}

/// A paid run was started and cannot be recorded: another holder's operation stands in its place, or the object is gone. It is told, since
/// nothing refers to it.
pub(super) async fn unrecorded(ctx: &Ctx, object: &IdentityVerification, facts: &Facts) {
    let Some(Ok(run)) = &facts.started else { return };
    tracing::warn!(run = run.id.as_str(), "a run was started and nothing refers to it");
    let message = format!("run {} was started and nothing refers to it; it was paid for and cannot be cancelled", run.id.as_str());
    publish(ctx, object, &[Notice { kind: NoticeKind::ExtraRun, message }]).await;
}
