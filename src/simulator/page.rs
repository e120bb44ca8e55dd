//! What a browser sees: the capture page (in place of an app's SDK, and behind a run's link) and the list of runs. Works without scripts; keeps no
//! state of its own: where a person is stands in the run.

use std::sync::Arc;

use axum::extract::{Form, Path, Query, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Router, http::StatusCode};
use serde::Deserialize;
use url::Url;

use super::admin::{Outcome, RunView};
use super::http::Shared;
use super::vendor::{self, Capture, Step};

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
        .route("/l/{link}", get(link).post(link_click))
        .route("/runs/{id}", post(decide))
}

async fn style() -> Response {
    ([("content-type", "text/css; charset=utf-8")], STYLE).into_response()
}

/// Through which of the two the person came.
enum Door {
    Token(String),
    Link(String),
}

impl Door {
    fn of_vendor(&self) -> vendor::Door<'_> {
        match self {
            Self::Token(token) => vendor::Door::Token(token),
            Self::Link(link) => vendor::Door::Link(link),
        }
    }

    /// Where its page is read.
    fn address(&self) -> String {
        match self {
            Self::Token(token) => {
                let query: String = url::form_urlencoded::Serializer::new(String::new()).append_pair("token", token).finish();
                format!("/capture?{query}")
            }
            Self::Link(_) => self.action(),
        }
    }

    /// Where its forms are sent.
    fn action(&self) -> String {
        match self {
            Self::Token(_) => "/capture".to_owned(),
            Self::Link(link) => format!("/l/{}", url::form_urlencoded::byte_serialize(link.as_bytes()).collect::<String>()),
        }
    }

    /// What its forms carry.
    fn hidden(&self) -> String {
        match self {
            Self::Token(token) => format!("<input type=\"hidden\" name=\"token\" value=\"{}\">\n", escape(token)),
            Self::Link(_) => String::new(),
        }
    }
}

async fn capture(State(shared): Page, Query(Token { token }): Query<Token>) -> Response {
    show(&shared, &Door::Token(token))
}

async fn link(State(shared): Page, Path(link): Path<String>) -> Response {
    show(&shared, &Door::Link(link))
}

async fn click(State(shared): Page, Form(click): Form<Click>) -> Response {
    let door = Door::Token(click.token.clone());
    clicked(&shared, &door, &click)
}

async fn link_click(State(shared): Page, Path(link): Path<String>, Form(click): Form<Click>) -> Response {
    clicked(&shared, &Door::Link(link), &click)
}

fn show(shared: &Shared, door: &Door) -> Response {
    let found = shared.vendor(|vendor, now| {
        vendor.advance(now);
        vendor.capture(now, door.of_vendor())
    });
    match found {
        Capture::Unknown => note(
            StatusCode::NOT_FOUND,
            "This link does not work",
            "The address is incomplete or unknown. Go back to the app that sent you here and start again.",
        ),
        Capture::Expired { redirect } => match redirect.as_deref().and_then(web) {
            Some(url) => leave(&url),
            None => note(
                StatusCode::GONE,
                "This link has expired",
                "It was valid for a limited time, which has passed. Nothing was submitted. Ask the app for a new link.",
            ),
        },
        Capture::Closed => note(
            StatusCode::CONFLICT,
            "Nothing left to do here",
            "This verification does not wait for you any more. You can close this page.",
        ),
        Capture::Open { run, step, redirect, language } => match (step, redirect.as_deref().and_then(web)) {
            (Step::Submitted, Some(url)) => leave(&url),
            (_, url) => step_page(door, &run, step, url.as_ref(), language.as_deref()),
        },
    }
}

/// Post, then look: a reload never submits a step twice.
fn clicked(shared: &Shared, door: &Door, click: &Click) -> Response {
    let done = match click.step {
        StepName::Consent if click.agree.as_deref() != Some("yes") => return Redirect::to(&door.address()).into_response(),
        StepName::Consent => Step::Consent,
        StepName::Document => Step::Document,
        StepName::Selfie => Step::Selfie,
    };
    shared.vendor(|vendor, now| vendor.step_done(now, door.of_vendor(), done));
    Redirect::to(&door.address()).into_response()
}

/// An address out. Only the web: it came with an API call.
fn web(address: &str) -> Option<Url> {
    Url::parse(address).ok().filter(|url| matches!(url.scheme(), "https" | "http"))
}

/// The person goes where the application wants them, and takes nothing along.
fn leave(url: &Url) -> Response {
    ([("cache-control", "no-store"), ("referrer-policy", "no-referrer")], Redirect::to(url.as_str())).into_response()
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
    respond(StatusCode::OK, "Workflow runs", &format!("<h1>Workflow runs</h1>{body}"), "wide", "")
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

fn step_page(door: &Door, run: &str, step: Step, redirect: Option<&Url>, language: Option<&str>) -> Response {
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
    let content =
        content.replace("{{action}}", &escape(&door.action())).replace("{{hidden}}", &door.hidden()).replace("{{run}}", &escape(run));
    let language = language.map(|code| format!("<p class=\"meta\">The language asked for is <code>{}</code>.</p>", escape(code)));
    let page = format!("<ol class=\"steps\" aria-label=\"Progress\">{steps}</ol>{content}{}", language.unwrap_or_default());
    // A browser holds the end of a form's way, redirects included, to the policy of the page it began on.
    let leads_to = redirect.map(|url| url.origin().ascii_serialization()).unwrap_or_default();
    respond(StatusCode::OK, title, &page, "", &leads_to)
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
    let sign = "<div class=\"sign warn\" aria-hidden=\"true\">!</div>";
    let content = format!("<div class=\"center\">{sign}<h1>{}</h1><p class=\"lead\">{}</p></div>", escape(title), escape(text));
    respond(status, title, &content, "", "")
}

/// A whole page. `leads_to` is the one origin beside our own to which its forms may lead.
fn respond(status: StatusCode, title: &str, content: &str, class: &str, leads_to: &str) -> Response {
    let page = SHELL.replace("{{title}}", &escape(title)).replace("{{class}}", class).replace("{{content}}", content);
    let policy = format!("default-src 'none'; style-src 'self'; form-action 'self' {leads_to}; base-uri 'none'; frame-ancestors 'none'");
    // The address holds a token: it is not to be stored, nor told to the next page.
    let headers = [
        ("cache-control", "no-store"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", &policy),
    ];
    (status, headers, Html(page)).into_response()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}
