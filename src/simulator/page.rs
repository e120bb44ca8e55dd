//! What a browser sees: the capture page (in place of an app's SDK) and the list of runs. Works without scripts; keeps no
//! state of its own: where a person is stands in the run.

use std::sync::Arc;

use axum::extract::{Form, Path, Query, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Router, http::StatusCode};
use serde::Deserialize;

use super::admin::{Outcome, RunView};
use super::http::Shared;
use super::vendor::{Capture, Step};

const SHELL: &str = include_str!("page/shell.html");
const STYLE: &str = include_str!("page/style.css");
const CONSENT: &str = include_str!("page/consent.html");
const DOCUMENT: &str = include_str!("page/document.html");
const SELFIE: &str = include_str!("page/selfie.html");
const SUBMITTED: &str = include_str!("page/submitted.html");
const RUNS_SHOWN: usize = 50;

type Page = State<Arc<Shared>>;

#[derive(Deserialize)]
struct Token {
    #[serde(default)]
    token: String,
}

/// One click of the capture.
#[derive(Deserialize)]
struct Click {
    #[serde(default)]
    token: String,
    step: StepName,
    /// The tick beside the consent; without it the page stays where it is.
    agree: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum StepName {
    Consent,
    Document,
    Selfie,
}

#[derive(Deserialize)]
struct Decision {
    outcome: String,
}

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/", get(index))
        .route("/style.css", get(style))
        .route("/capture", get(capture).post(click))
        .route("/l/{link}", get(link))
        .route("/runs/{id}", post(decide))
}

async fn style() -> Response {
    ([("content-type", "text/css; charset=utf-8")], STYLE).into_response()
}

async fn capture(State(shared): Page, Query(Token { token }): Query<Token>) -> Response {
    let found = shared.vendor(|vendor, now| {
        vendor.advance(now);
        vendor.capture(now, &token)
    });
    match found {
        Capture::Unknown => note(
            StatusCode::NOT_FOUND,
            "This link does not work",
            "The token in the address is missing, incomplete or unknown. Go back to the app that sent you here and start again.",
        ),
        Capture::Expired { redirect } => {
            let again = redirect.map(|url| button(&url, "Back to the app")).unwrap_or_default();
            let text = "It was valid for a limited time, which has passed. Nothing was submitted. Ask the app for a new link.";
            note_with(StatusCode::GONE, "This link has expired", text, &again)
        }
        Capture::Closed => note(
            StatusCode::CONFLICT,
            "Nothing left to do here",
            "This verification does not wait for you any more. You can close this page.",
        ),
        Capture::Open { run, step, completed_redirect } => step_page(&token, &run, step, completed_redirect.as_deref()),
    }
}

/// Post, then look: a reload never submits a step twice.
async fn click(State(shared): Page, Form(Click { token, step, agree }): Form<Click>) -> Response {
    let done = match step {
        StepName::Consent if agree.as_deref() != Some("yes") => return to_capture(&token),
        StepName::Consent => Step::Consent,
        StepName::Document => Step::Document,
        StepName::Selfie => Step::Selfie,
    };
    shared.vendor(|vendor, now| vendor.step_done(now, &token, done));
    to_capture(&token)
}

async fn link(State(shared): Page, Path(link): Path<String>) -> Response {
    let token = shared.vendor(|vendor, _| vendor.link_token(&link).map(str::to_owned));
    to_capture(&token.unwrap_or_default())
}

async fn index(State(shared): Page) -> Response {
    let runs = shared.vendor(|vendor, now| {
        vendor.advance(now);
        vendor.runs(None, RUNS_SHOWN)
    });
    let rows: String = runs.iter().map(run_row).collect();
    let body = if runs.is_empty() {
        "<p class=\"lead\">No workflow run yet. Runs appear here as soon as a client creates one.</p>".to_owned()
    } else {
        format!("<p class=\"lead\">The newest {RUNS_SHOWN} at most. Reload to see what became of them.</p><ul class=\"runs\">{rows}</ul>")
    };
    respond(StatusCode::OK, "Workflow runs", &format!("<h1>Workflow runs</h1>{body}"), "wide")
}

async fn decide(State(shared): Page, Path(id): Path<String>, Form(Decision { outcome }): Form<Decision>) -> Response {
    let mut decided = Outcome::default();
    match outcome.as_str() {
        "mismatch" => decided.comparison.extend([("last_name".to_owned(), Some("consider".to_owned()))]),
        word @ ("approved" | "declined" | "review" | "abandoned" | "error") => decided.status = Some(word.to_owned()),
        _ => return note(StatusCode::UNPROCESSABLE_ENTITY, "Unknown outcome", "The simulator knows no such outcome."),
    }
    if shared.vendor(|vendor, now| vendor.decide(now, &id, &decided)) {
        Redirect::to("/").into_response()
    } else {
        note(StatusCode::NOT_FOUND, "No such run", "The simulator does not know this run, or has forgotten it.")
    }
}

fn to_capture(token: &str) -> Response {
    let query: String = url::form_urlencoded::Serializer::new(String::new()).append_pair("token", token).finish();
    Redirect::to(&format!("/capture?{query}")).into_response()
}

fn step_page(token: &str, run: &str, step: Step, redirect: Option<&str>) -> Response {
    let (title, content, at) = match step {
        Step::Consent => ("Before we start", CONSENT, 1),
        Step::Document => ("Your document", DOCUMENT, 2),
        Step::Selfie => ("Your face", SELFIE, 3),
        Step::Submitted => ("Submitted", SUBMITTED, 4),
    };
    let names = ["Consent", "Document", "Selfie"];
    let dot = |(index, name): (usize, &&str)| {
        let (class, mark) = match (index + 1).cmp(&at) {
            std::cmp::Ordering::Less => (" class=\"done\"", "<span class=\"sr\"> (done)</span>"),
            std::cmp::Ordering::Equal => (" class=\"now\" aria-current=\"step\"", ""),
            std::cmp::Ordering::Greater => ("", ""),
        };
        format!("<li{class}><span>{name}{mark}</span></li>")
    };
    let steps: String = names.iter().enumerate().map(dot).collect();
    let content = content
        .replace("{{token}}", &escape(token))
        .replace("{{run}}", &escape(run))
        .replace("{{back}}", &redirect.map(|url| button(url, "Back to the app")).unwrap_or_default());
    respond(StatusCode::OK, title, &format!("<ol class=\"steps\" aria-label=\"Progress\">{steps}</ol>{content}"), "")
}

fn run_row(run: &RunView) -> String {
    let open = if run.status == "awaiting_input" {
        format!("<a class=\"button small\" href=\"{}\">Open capture</a>", escape(&run.capture_url))
    } else {
        String::new()
    };
    let choices = [
        ("approved", "Approve"),
        ("mismatch", "Approve, name differs"),
        ("declined", "Decline"),
        ("review", "Review"),
        ("abandoned", "Abandon"),
        ("error", "Fail"),
    ];
    let buttons: String = choices
        .iter()
        .map(|(value, text)| format!("<button class=\"choice\" name=\"outcome\" value=\"{value}\">{text}</button>"))
        .collect();
    let tags: String = run.tags.iter().map(|tag| format!("<code>{}</code> ", escape(tag))).collect();
    let id = escape(&run.id);
    format!(
        "<li id=\"{id}\"><div class=\"row\"><div><code class=\"id\">{id}</code><p class=\"meta\">{} · account {} {tags}</p></div>\
         <span class=\"badge {status}\">{}</span></div><div class=\"row\"><form class=\"choices\" method=\"post\" action=\"/runs/{id}\" \
         aria-label=\"Decide this run\">{buttons}</form>{open}</div></li>",
        escape(&run.created_at),
        escape(&run.account),
        escape(&run.status.replace('_', " ")),
        status = escape(&run.status),
    )
}

fn note(status: StatusCode, title: &str, text: &str) -> Response {
    note_with(status, title, text, "")
}

fn note_with(status: StatusCode, title: &str, text: &str, more: &str) -> Response {
    let sign = "<div class=\"sign warn\" aria-hidden=\"true\">!</div>";
    respond(
        status,
        title,
        &format!("<div class=\"center\">{sign}<h1>{}</h1><p class=\"lead\">{}</p>{more}</div>", escape(title), escape(text)),
        "",
    )
}

/// A link out. Only the web: the address came with an API call.
fn button(url: &str, text: &str) -> String {
    if url.starts_with("https://") || url.starts_with("http://") {
        format!("<a class=\"button\" rel=\"noreferrer\" href=\"{}\">{}</a>", escape(url), escape(text))
    } else {
        String::new()
    }
}

fn respond(status: StatusCode, title: &str, content: &str, class: &str) -> Response {
    let page = SHELL.replace("{{title}}", &escape(title)).replace("{{class}}", class).replace("{{content}}", content);
    // The address holds a token: it is not to be stored, nor told to the next page.
    let headers = [
        ("cache-control", "no-store"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"),
    ];
    (status, headers, Html(page)).into_response()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}
