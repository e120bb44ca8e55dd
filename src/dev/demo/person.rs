//! The person before the capture page: in a browser, or played over HTTP, form by form. Knows nothing of the operator.

use std::io::BufRead;

use tokio::sync::oneshot;

use crate::one_line::one_line;

/// More pages than any capture has.
const MOST_PAGES: usize = 10;

/// Goes through the capture page as a browser would: reads each form, fills it in, submits it. Tells the steps taken.
pub(super) async fn capture(http: &reqwest::Client, base: &str, sdk_token: &str) -> Result<Vec<String>, String> {
    let query: String = url::form_urlencoded::Serializer::new(String::new()).append_pair("token", sdk_token).finish();
    let mut html = get(http, &format!("{base}/capture?{query}")).await?;
    let mut steps = Vec::new();
    while let Some(form) = form(&html) {
        if steps.len() == MOST_PAGES {
            return Err(format!("the capture page does not end after {MOST_PAGES} forms"));
        }
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in &form.fields {
            body.append_pair(name, value);
        }
        let request = http.post(format!("{base}{}", form.action)).header("content-type", "application/x-www-form-urlencoded");
        let answer =
            request.body(body.finish()).send().await.map_err(|error| format!("the capture page: {}", one_line(error.without_url())))?;
        let next = answer.headers().get("location").and_then(|next| next.to_str().ok());
        let next = next.ok_or_else(|| format!("the capture page did not take a form: {}", answer.status()))?.to_owned();
        steps.extend(form.fields.into_iter().find(|(name, _)| name == "step").map(|(_, step)| step));
        html = get(http, &format!("{base}{next}")).await?;
    }
    if html.contains("<h1>Submitted</h1>") { Ok(steps) } else { Err("the capture page ends without saying that it was submitted".into()) }
}

async fn get(http: &reqwest::Client, url: &str) -> Result<String, String> {
    // The address holds the SDK token: it is in no message.
    let failed = |error: reqwest::Error| format!("the capture page: {}", one_line(error.without_url()));
    let answer = http.get(url).send().await.map_err(failed)?;
    if !answer.status().is_success() {
        return Err(format!("the capture page answers {}", answer.status()));
    }
    answer.text().await.map_err(failed)
}

struct Form {
    action: String,
    fields: Vec<(String, String)>,
}

/// The first form that posts, filled in: boxes ticked, what is chosen left chosen.
fn form(html: &str) -> Option<Form> {
    let (_, from) = html.split_once("<form method=\"post\"")?;
    let (tag, rest) = from.split_once('>')?;
    let (inside, _) = rest.split_once("</form>")?;
    let field = |input: &str| {
        let tag = input.split('>').next()?;
        let chosen = attribute(tag, "type") != Some("radio") || tag.ends_with(" checked");
        chosen.then(|| Some((attribute(tag, "name")?.to_owned(), attribute(tag, "value")?.to_owned()))).flatten()
    };
    Some(Form { action: attribute(tag, "action")?.to_owned(), fields: inside.split("<input").skip(1).filter_map(field).collect() })
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    tag.split_once(&format!(" {name}=\""))?.1.split('"').next()
}

/// Done when the person at the terminal presses Enter, or has no keyboard any more. On a thread of its own: a read of the terminal
/// cannot be taken back, and must not hold up the end of the program.
pub(super) fn enter() -> oneshot::Receiver<()> {
    let (pressed, told) = oneshot::channel();
    std::thread::spawn(move || {
        let _ = std::io::stdin().lock().read_line(&mut String::new());
        let _ = pressed.send(());
    });
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_filled_in_as_a_browser_would() {
        let html = r#"<h1>x</h1><form method="post" action="/capture"><input type="hidden" name="step" value="document">
            <input type="checkbox" name="agree" value="yes" required><input type="radio" name="document" value="passport" checked>
            <input type="radio" name="document" value="card"><button>Go</button></form>"#;
        let form = form(html).unwrap();
        assert_eq!(form.action, "/capture");
        let fields: Vec<_> = form.fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(fields, ["step=document", "agree=yes", "document=passport"]);
        assert!(super::form("<h1>Submitted</h1>").is_none());
    }
}
