//! The owner's endpoints under `/_simulator/`: finish captures, decide outcomes, set faults, read the ledger.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use hyper::StatusCode;
use serde::Deserialize;

use super::Shared;
use crate::simulator::admin::{
    AccountSetting, Craft, DefaultOutcome, Delivery, Fault, LedgerEntry, ListQuirks, Operation, Outcome, Replay, RunView, Webhook,
};
use crate::simulator::delivery::DeliveryError;

type Owner = State<Arc<Shared>>;
const MAX_RUNS_SHOWN: usize = 10_000;
const MAX_WEBHOOKS: usize = 10;
const MAX_SECRETS: usize = 20;

/// Why the owner's request was not carried out, in one line of text.
enum Refusal {
    Missing(&'static str),
    Invalid(&'static str),
    Delivery(DeliveryError),
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, text) = match self {
            Self::Missing(text) => (StatusCode::NOT_FOUND, text.to_owned()),
            Self::Invalid(text) => (StatusCode::UNPROCESSABLE_ENTITY, text.to_owned()),
            Self::Delivery(DeliveryError::NoDelivery) => (StatusCode::NOT_FOUND, "no such recorded delivery".to_owned()),
            Self::Delivery(error) => (StatusCode::UNPROCESSABLE_ENTITY, error.to_string()),
        };
        (status, text + "\n").into_response()
    }
}

#[derive(Deserialize)]
struct Filter {
    account: Option<String>,
    operation: Option<Operation>,
    tag: Option<String>,
    run: Option<String>,
}

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/runs", get(runs))
        .route("/runs/{id}/capture", post(capture))
        .route("/runs/{id}/outcome", post(outcome))
        .route("/ledger", get(ledger))
        .route("/faults", get(faults).post(add_fault).delete(clear_faults))
        .route("/accounts", post(account))
        .route("/accounts/{name}/webhooks", post(webhooks))
        .route("/accounts/{name}/default_outcome", post(default_outcome))
        .route("/accounts/{name}/list_quirks", post(list_quirks))
        .route("/deliveries", get(deliveries))
        .route("/deliveries/replay", post(replay))
        .route("/deliveries/craft", post(craft))
        .fallback(async || Refusal::Missing("no such endpoint of the simulator"))
}

fn done(fine: bool, otherwise: &'static str) -> Result<StatusCode, Refusal> {
    if fine { Ok(StatusCode::NO_CONTENT) } else { Err(Refusal::Missing(otherwise)) }
}

async fn runs(State(shared): Owner, Query(filter): Query<Filter>) -> Json<Vec<RunView>> {
    let mut runs = shared.vendor(|vendor, _| vendor.runs(filter.tag.as_deref(), MAX_RUNS_SHOWN));
    runs.retain(|run| filter.account.as_ref().is_none_or(|name| run.account == *name));
    Json(runs)
}

async fn capture(State(shared): Owner, Path(id): Path<String>) -> Result<StatusCode, Refusal> {
    done(shared.vendor(|vendor, now| vendor.finish_capture(now, &id)), "no such run, or it waits for nobody's capture")
}

async fn outcome(State(shared): Owner, Path(id): Path<String>, Json(outcome): Json<Outcome>) -> Result<StatusCode, Refusal> {
    done(shared.vendor(|vendor, now| vendor.decide(now, &id, &outcome)), "no such run")
}

async fn ledger(State(shared): Owner, Query(filter): Query<Filter>) -> Json<Vec<LedgerEntry>> {
    Json(shared.vendor(|vendor, _| vendor.ledger(filter.account.as_deref(), filter.operation)))
}

async fn faults(State(shared): Owner) -> Json<Vec<Fault>> {
    Json(shared.faults(|book| book.list()))
}

async fn add_fault(State(shared): Owner, Json(fault): Json<Fault>) -> Result<StatusCode, Refusal> {
    if shared.faults(|book| book.add(fault)) { Ok(StatusCode::NO_CONTENT) } else { Err(Refusal::Invalid("too many faults are waiting")) }
}

async fn clear_faults(State(shared): Owner, Query(filter): Query<Filter>) -> StatusCode {
    shared.faults(|book| book.clear(filter.account.as_deref()));
    StatusCode::NO_CONTENT
}

async fn account(State(shared): Owner, Json(setting): Json<AccountSetting>) -> Result<StatusCode, Refusal> {
    if setting.name.is_empty() || setting.tokens.len() > MAX_SECRETS || setting.workflows.len() > MAX_SECRETS {
        return Err(Refusal::Invalid("an account has a name, and at most 20 tokens and 20 workflows"));
    }
    if shared.vendor(|vendor, _| vendor.set_account(setting)) {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Refusal::Invalid("too many accounts"))
    }
}

async fn webhooks(State(shared): Owner, Path(name): Path<String>, Json(hooks): Json<Vec<Webhook>>) -> Result<StatusCode, Refusal> {
    if hooks.len() > MAX_WEBHOOKS {
        return Err(Refusal::Invalid("at most 10 webhooks"));
    }
    done(shared.vendor(|vendor, _| vendor.has_account(&name)), "no such account")?;
    shared.deliveries.configure(&name, &hooks).map_err(Refusal::Delivery)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn default_outcome(
    State(shared): Owner,
    Path(name): Path<String>,
    Json(default): Json<DefaultOutcome>,
) -> Result<StatusCode, Refusal> {
    done(shared.vendor(|vendor, _| vendor.set_default_outcome(&name, default)), "no such account")
}

async fn list_quirks(State(shared): Owner, Path(name): Path<String>, Json(quirks): Json<ListQuirks>) -> Result<StatusCode, Refusal> {
    done(shared.vendor(|vendor, _| vendor.set_list_quirks(&name, quirks)), "no such account")
}

async fn deliveries(State(shared): Owner, Query(filter): Query<Filter>) -> Json<Vec<Delivery>> {
    Json(shared.deliveries.list(filter.account.as_deref(), filter.run.as_deref()))
}

async fn replay(State(shared): Owner, Json(replay): Json<Replay>) -> Result<Json<Vec<Delivery>>, Refusal> {
    shared.deliveries.replay(&replay).await.map(Json).map_err(Refusal::Delivery)
}

async fn craft(State(shared): Owner, Json(craft): Json<Craft>) -> Result<Json<Delivery>, Refusal> {
    shared.deliveries.craft(craft).await.map(Json).map_err(Refusal::Delivery)
}
