//! The failure table, row by row, and what each failure does to an object with and without a run.

use super::*;
use crate::{
    api::{ConditionType as C, Reason as R, SecretUse},
    onfido::model::FieldFault,
};

type RuleRow = (Failure, C, R, Retry, bool);

fn table() -> Vec<RuleRow> {
    let (namespace, name, key) = (String::from("shop"), String::from("thing"), String::from("key"));
    let secret = Failure::SecretNotFound {
        namespace: namespace.clone(),
        name: name.clone(),
        key: Some(key.clone()),
        for_use: SecretUse::Attributes,
    };
    let token = Failure::TokenInvalid { namespace: namespace.clone(), name: name.clone(), key, fault: "is empty" };
    let allowed = Failure::NamespaceNotAllowed { namespace: namespace.clone(), provider: name.clone() };
    let said = Retry::AsTold(Some(secs(7)));
    vec![
        (Failure::ProviderNotFound { namespace, name: name.clone() }, C::Accepted, R::ProviderNotFound, Retry::OnChange, false),
        (allowed, C::Accepted, R::NamespaceNotAllowed, Retry::Slowly, false),
        (
            Failure::ProviderNotReady { provider: name.clone(), reason: "Unauthorized".into() },
            C::Accepted,
            R::ProviderNotReady,
            Retry::OnChange,
            false,
        ),
        (secret, C::Accepted, R::SecretNotFound, Retry::Backoff, false),
        (token, C::Accepted, R::TokenInvalid, Retry::Backoff, false),
        (Failure::SecretForbidden { namespace: "n".into(), name: "s".into() }, C::Accepted, R::SecretForbidden, Retry::Slowly, false),
        (Failure::AttributeMissing { name: name.clone() }, C::Accepted, R::AttributeMissing, Retry::Backoff, true),
        (
            Failure::AttributeInvalid { name: name.clone(), fault: FieldFault::NotADate },
            C::Accepted,
            R::AttributeInvalid,
            Retry::Backoff,
            true,
        ),
        (Failure::AttributeNotMapped { name: name.clone() }, C::Accepted, R::AttributeNotMapped, Retry::OnChange, true),
        (Failure::AttributeChanged { names: vec![name.clone()] }, C::Accepted, R::AttributeChanged, Retry::Backoff, true),
        (Failure::InlineForbidden { name: name.clone() }, C::Accepted, R::InlineForbidden, Retry::OnChange, true),
        (Failure::AttemptNotAllowed { reason: R::Declined }, C::Accepted, R::AttemptNotAllowed, Retry::OnChange, true),
        (Failure::AttemptsExhausted { max: 3 }, C::Accepted, R::AttemptsExhausted, Retry::OnChange, true),
        (Failure::CoolingDown { until: t(9) }, C::Accepted, R::CoolingDown, Retry::At(t(9)), false),
        (Failure::LinkExpired, C::Accepted, R::LinkExpired, Retry::OnChange, true),
        (Failure::WorkflowNotAllowed, C::Accepted, R::WorkflowNotAllowed, Retry::OnChange, true),
        (Failure::CustomDataInvalid { key: None, fault: "it" }, C::Accepted, R::CustomDataInvalid, Retry::Backoff, true),
        (Failure::IdempotencyKeyInUse { name: name.clone() }, C::Accepted, R::IdempotencyKeyInUse, Retry::Slowly, true),
        (Failure::Unauthorized, C::Submitted, R::Unauthorized, Retry::Backoff, false),
        (Failure::WrongRegion, C::Submitted, R::WrongRegion, Retry::Slowly, false),
        (Failure::RequestRefused { fields: vec!["email".into()] }, C::Submitted, R::RequestRefused, Retry::Slowly, true),
        (Failure::RequestRefused { fields: vec![] }, C::Submitted, R::RequestRefused, Retry::Slowly, true),
        (Failure::RateLimited { after: None }, C::Submitted, R::RateLimited, Retry::AsTold(None), false),
        (Failure::RateLimited { after: Some(secs(7)) }, C::Submitted, R::RateLimited, said, false),
        (Failure::Unreachable, C::Submitted, R::Unreachable, Retry::Backoff, false),
        (Failure::TooLate, C::Submitted, R::Unreachable, Retry::Backoff, false),
        (Failure::Ambiguous, C::Submitted, R::Recovering, Retry::Backoff, false),
        (Failure::AccountChanged, C::Submitted, R::AccountChanged, Retry::Slowly, true),
        (Failure::RunPurged, C::Submitted, R::Purged, Retry::Rarely, true),
        (Failure::UnexpectedAnswer { what: "it" }, C::Submitted, R::UnexpectedAnswer, Retry::Backoff, true),
        (Failure::SecretConflict { name: name.clone() }, C::CaptureReady, R::SecretConflict, Retry::Slowly, true),
        (Failure::SecretRefused { name }, C::CaptureReady, R::SecretRefused, Retry::Slowly, true),
        (Failure::RunInProgress, C::Ready, R::RunInProgress, Retry::Rarely, false),
        (Failure::LedgerRefused, C::Ready, R::LedgerRefused, Retry::Backoff, false),
    ]
}

#[test]
fn each_failure_has_its_rule() {
    let mut seen = std::collections::BTreeSet::new();
    for (failure, condition, reason, retry, event) in table() {
        let rule = failure.rule();
        assert_eq!((rule.condition, rule.reason, rule.retry, rule.event), (condition, reason, retry, event), "{failure:?}");
        assert!(failure.message().ends_with(rule.remedy) && !rule.remedy.is_empty(), "{failure:?}");
        let stalls = matches!(failure, Failure::AttemptNotAllowed { .. } | Failure::AttemptsExhausted { .. });
        assert_eq!(rule.stalls, stalls, "{failure:?}");
        seen.insert(format!("{failure:?}").split([' ', '{']).next().unwrap().to_owned());
    }
    assert_eq!(seen.len(), 32, "every variant has its row here");
    // A header, a rule, and a line for each variant.
    assert_eq!(troubleshooting().lines().count(), 2 + seen.len());
}

#[test]
fn a_failure_names_what_to_look_at() {
    for (failure, part) in [
        (Failure::ProviderNotFound { namespace: "identity".into(), name: "onfido".into() }, "identity/onfido"),
        (
            Failure::SecretNotFound { namespace: "shop".into(), name: "s".into(), key: Some("k".into()), for_use: SecretUse::Webhook },
            "shop/s, key k, is missing or not labelled onfido-operator.dev/use: webhook",
        ),
        (
            Failure::SecretNotFound { namespace: "shop".into(), name: "s".into(), key: None, for_use: SecretUse::Attributes },
            "shop/s is missing",
        ),
        (Failure::RequestRefused { fields: vec!["email".into(), "dob".into()] }, "fields email, dob"),
        (Failure::AttributeInvalid { name: "birthdate".into(), fault: FieldFault::NotADate }, "attribute birthdate is not a date"),
        (Failure::AttemptNotAllowed { reason: R::Verified }, "ended with Verified"),
        (Failure::AttemptsExhausted { max: 7 }, "no more than 7 attempts"),
        (Failure::CoolingDown { until: t(9) }, "may begin at 2030-03-17T17:46:49Z"),
    ] {
        assert!(failure.message().contains(part), "{}", failure.message());
    }
}

/// Whatever goes wrong, however often it is said: the status settles, one notice at most, every generation is acknowledged.
#[test]
fn a_failure_that_lasts_writes_once_and_tells_once() {
    for (failure, condition, reason, _, event) in table() {
        let mut o = fresh();
        let mut notices = 0;
        let mut writes = 0;
        for pass in 0..4 {
            o.facts.attributes = Some(Err(failure.clone()));
            let plan = step(&o, pass * 1000);
            notices += plan.notices.len();
            writes += usize::from(plan.status != o.status);
            let says = format!("{condition}=False/{reason}");
            assert!(all_says(&plan.status).contains(&says), "{failure:?}");
            assert_eq!(plan.status.observed_generation, Some(1));
            o = next(&o, plan.status);
        }
        assert_eq!((writes, notices), (1, usize::from(event)), "{failure:?}");

        let mut o = open("processing");
        let (mut notices, mut writes) = (0, 0);
        for pass in 1..5 {
            o.facts.run = Some(Err(failure.clone()));
            let plan = step(&o, pass * 1000);
            notices += plan.notices.len();
            writes += usize::from(plan.status != o.status);
            let shown = if condition == C::CaptureReady { condition } else { C::Completed };
            let says = all_says(&plan.status);
            assert!(says.contains(&format!("{shown}=False/{reason}")), "{failure:?} {says:?}");
            assert!(says.contains(&"Submitted=True/Started".into()) && says.contains(&"Ready=True/Started".into()), "{failure:?}");
            o = next(&o, plan.status);
        }
        assert_eq!((writes, notices), (1, usize::from(event)), "{failure:?} of an open run");
    }
}
