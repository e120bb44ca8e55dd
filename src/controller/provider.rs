//! One pass over a provider: the same loop as for a verification, over two effects.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use kube::{Api, runtime::controller::Action};

use crate::{
    api::{self, OnfidoProvider, SecretUse},
    metrics::{VendorOperation, VendorOutcome},
    onfido::{error::VendorError, limiter::Class, secret::WebhookToken},
    plan::{
        Failure, Wake,
        debts::{self, Debt},
        provider::{Effect, Facts, Observed, plan},
    },
};

use super::{
    Ctx, Stored, Trouble, ledger,
    observe::jitter,
    perform,
    persist::{self, Persisted},
    vendor::{Vendor, secret_failure, token_failure},
};

const TURNS: usize = 8;

/// Makes a pass.
pub(super) async fn reconcile(object: Arc<Stored<OnfidoProvider>>, ctx: Arc<Ctx>) -> Result<Action, Trouble> {
    let object = object.0.as_ref().map_err(|_| Trouble::Malformed)?.clone();
    let uid = object.metadata.uid.clone().unwrap_or_default();
    if object.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let pass = {
        let ctx = ctx.clone();
        async move { drive(&ctx, object).await }
    };
    let wake = match ctx.passes.spawn(pass).await {
        Ok(wake) => wake?,
        Err(_) => {
            ctx.settings.metrics.reconcile_panic();
            return Err(Trouble::Panicked);
        }
    };
    Ok(ctx.memories.provider(&uid, |memory| match wake {
        Wake::OnChange => Action::await_change(),
        Wake::At(moment) => {
            memory.failing_since = None;
            Action::requeue(Duration::try_from(moment.duration_since(Timestamp::now())).unwrap_or_default())
        }
        Wake::Backoff => Action::requeue(ctx.backoff_since(&mut memory.failing_since).min(ctx.timing().secret_ttl)),
    }))
}

/// Trouble with the API server: try again after a while.
pub(super) fn on_error(object: Arc<Stored<OnfidoProvider>>, trouble: &Trouble, ctx: Arc<Ctx>) -> Action {
    let meta = kube::Resource::meta(object.as_ref());
    tracing::warn!(namespace = meta.namespace, name = meta.name, %trouble);
    let uid = meta.uid.clone().unwrap_or_default();
    Action::requeue(ctx.memories.provider(&uid, |memory| ctx.backoff_since(&mut memory.failing_since)))
}

async fn drive(ctx: &Ctx, object: OnfidoProvider) -> Result<Wake, Trouble> {
    let namespace = object.metadata.namespace.clone().unwrap_or_default();
    let uid = object.metadata.uid.clone().unwrap_or_default();
    let providers: Api<OnfidoProvider> = Api::namespaced(ctx.client.clone(), &namespace);
    let name = object.metadata.name.clone().unwrap_or_default();
    let (debts, added) = ctx.memories.provider(&uid, |memory| memory.debts.clone());
    let mut observed = Observed {
        generation: object.metadata.generation.unwrap_or_default(),
        asked: api::asked(object.metadata.annotations.as_ref()).map(str::to_owned),
        spec: object.spec.clone(),
        status: object.status.clone().unwrap_or_default(),
        webhook_url: format!("{}{}", ctx.settings.webhook_public_url, crate::webhook::path(&namespace, &name)),
        last_probe: None,
        debts,
        jitter: jitter(&uid),
        facts: Facts::default(),
        timing: ctx.timing().clone(),
    };
    if observed.is_asked() {
        ctx.vendors.renew(&object);
        for reference in &object.spec.webhook.token_secret_refs {
            ctx.secrets.renew(&namespace, &reference.name);
        }
    }
    let mut vendor: Option<Vendor> = None;
    for _ in 0..TURNS {
        let plan = plan(&observed, Timestamp::now());
        let recorded = object.status.as_ref().map(|_| &observed.status);
        if persist::status(&providers, &object, recorded, &plan.status, &plan.fence).await? == Persisted::Stale {
            return Ok(Wake::Backoff);
        }
        observed.status = plan.status;
        match (plan.effect, &vendor) {
            (None, _) => {
                let known = debts::known(&observed, Timestamp::now());
                // What was added during the pass is not known.
                ctx.memories.provider(&uid, |memory| {
                    if memory.debts.1 == added {
                        memory.debts.0 = known;
                    }
                });
                return Ok(plan.wake);
            }
            (Some(Effect::ReadSecrets), _) => {
                let found = ctx.vendors.of(&object).await?;
                observed.facts.credentials = Some(found.as_ref().map(|vendor| vendor.environment).map_err(Clone::clone));
                observed.facts.webhook = Some(webhook_tokens(ctx, &object, &namespace).await?);
                vendor = found.ok();
                observed.last_probe = ctx.memories.provider(&uid, |memory| {
                    memory.probed.as_ref().filter(|(token, _)| vendor.as_ref().is_some_and(|v| v.digest == *token)).map(|(_, at)| *at)
                });
            }
            (Some(Effect::Probe), Some(vendor)) => observed.facts.probe = Some(probe(ctx, &object, &uid, vendor).await),
            (Some(Effect::ReadLedger), _) => observed.facts.debts = Some(read_ledger(ctx, &object).await),
            (Some(Effect::EraseDebts(debts)), Some(vendor)) => observed.facts.asked_for = Some(erase(ctx, &object, vendor, debts).await),
            (Some(Effect::StrikeOut(settled)), _) => {
                ctx.ledger.strike_out(&ledger::of(&object), &settled).await?;
                observed.facts.struck_out = true;
            }
            (Some(Effect::Probe | Effect::EraseDebts(_)), None) => return Ok(Wake::Backoff),
        }
    }
    Ok(Wake::Backoff)
}

/// Whether every token deliveries may be signed with can be used.
async fn webhook_tokens(ctx: &Ctx, object: &OnfidoProvider, namespace: &str) -> Result<Result<(), Failure>, Trouble> {
    for reference in &object.spec.webhook.token_secret_refs {
        let bytes = match ctx.secrets.read(namespace, reference, SecretUse::Webhook).await {
            Ok(bytes) => bytes,
            Err(fault) => return secret_failure(fault).map(Err),
        };
        if let Err(fault) = WebhookToken::from_secret_bytes(&bytes) {
            ctx.secrets.forget(namespace, &reference.name); // it may be right before it is stale
            return Ok(Err(token_failure(namespace, &reference.name, &reference.key, fault)));
        }
    }
    Ok(Ok(()))
}

/// What it owes. Trouble with that is no reason not to say how its credentials are.
async fn read_ledger(ctx: &Ctx, object: &OnfidoProvider) -> Result<Vec<Debt>, ()> {
    let provider = ledger::of(object);
    ctx.ledger.read(&provider).await.map_err(|trouble| tracing::warn!(provider, %trouble, "what is owed is not known"))
}

/// Asks the vendor to erase what is owed, one after the other, until it does not answer.
async fn erase(ctx: &Ctx, object: &OnfidoProvider, vendor: &Vendor, debts: Vec<Debt>) -> Vec<(Debt, Result<(), Failure>)> {
    let mut answers = vec![];
    for debt in debts {
        let answer = perform::erase(ctx, vendor, &debt.id).await;
        let goes_on = matches!(answer, Ok(()) | Err(Failure::RunInProgress));
        if matches!(answer, Err(Failure::Unauthorized)) {
            ctx.vendors.doubt(object);
        }
        answers.push((debt, answer));
        if !goes_on {
            break;
        }
    }
    answers
}

async fn probe(ctx: &Ctx, object: &OnfidoProvider, uid: &str, vendor: &Vendor) -> Result<(), Failure> {
    let permit = vendor.client.try_acquire(Class::Start).map_err(|wait| Failure::RateLimited { after: Some(wait) })?;
    let answer = vendor.client.probe(permit).await;
    ctx.settings.metrics.vendor_call(VendorOperation::Probe, VendorOutcome::from(&answer));
    match answer {
        Ok(()) => {
            ctx.memories.provider(uid, |memory| memory.probed = Some((vendor.digest, Timestamp::now())));
            Ok(())
        }
        Err(VendorError::Unauthorized { .. } | VendorError::Forbidden) => {
            ctx.vendors.doubt(object);
            Err(Failure::Unauthorized)
        }
        Err(VendorError::WrongRegion) => Err(Failure::WrongRegion),
        Err(VendorError::RateLimited { retry_after }) => Err(Failure::RateLimited { after: retry_after }),
        Err(_) => Err(Failure::Unreachable),
    }
}
