//! The person's part: what opens the capture of a run, where it stands, and each step of it. What follows it is in `outcome`.

use jiff::Timestamp;

use super::{Run, Vendor};

/// Where the person is in the capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    Consent,
    Document,
    Selfie,
    Submitted,
}

/// What opens a capture. No Debug: either is a secret of the person's.
#[derive(Clone, Copy)]
pub enum Door<'a> {
    /// An SDK token, in an app.
    Token(&'a str),
    /// The last part of the link's address, in a browser.
    Link(&'a str),
}

/// What whoever stands there may know of the run behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Capture {
    Unknown,
    Expired {
        /// Where a link that is over leads.
        redirect: Option<String>,
    },
    /// The run ended, or waits for nobody.
    Closed,
    Open {
        run: String,
        step: Step,
        /// Where a link leads in the end.
        redirect: Option<String>,
        /// The language asked for, of a link.
        language: Option<String>,
    },
}

impl Vendor {
    /// What is behind a door.
    pub fn capture(&self, now: Timestamp, door: Door<'_>) -> Capture {
        let Some(run) = self.number_behind(door).and_then(|n| self.runs.get(&n)) else { return Capture::Unknown };
        let is_over = match door {
            Door::Token(token) => now >= self.end_of_token(run, token),
            Door::Link(_) => run.link["expires_at"].as_str().and_then(|t| t.parse::<Timestamp>().ok()).is_some_and(|at| now >= at),
        };
        let of_link = |name: &str| match door {
            Door::Token(_) => None,
            Door::Link(_) => run.link[name].as_str().map(str::to_owned),
        };
        match run.status.as_str() {
            _ if run.step == Step::Submitted => {}
            "awaiting_input" if is_over => return Capture::Expired { redirect: of_link("expired_redirect_url") },
            "awaiting_input" => {}
            _ => return Capture::Closed,
        }
        let (redirect, language) = (of_link("completed_redirect_url"), of_link("language"));
        Capture::Open { run: run.id.clone(), step: run.step, redirect, language }
    }

    /// The person has done this step; another than the current one changes nothing.
    pub fn step_done(&mut self, now: Timestamp, door: Door<'_>, done: Step) {
        let Capture::Open { step, .. } = self.capture(now, door) else { return };
        let Some(number) = self.number_behind(door).filter(|_| step == done) else { return };
        let next = match step {
            Step::Consent => Step::Document,
            Step::Document => Step::Selfie,
            Step::Selfie | Step::Submitted => return self.capture_finished(now, number),
        };
        if let Some(run) = self.runs.get_mut(&number) {
            run.step = next;
        }
    }

    fn number_behind(&self, door: Door<'_>) -> Option<u64> {
        match door {
            Door::Token(token) => self.sdk_tokens.get(token).copied(),
            Door::Link(link) => self.link_ids.get(link).copied(),
        }
    }

    fn end_of_token(&self, run: &Run, token: &str) -> Timestamp {
        match run.manual_tokens.iter().find(|(manual, _)| manual == token) {
            Some((_, end)) => *end,
            None => run.created_at.saturating_add(self.settings.sdk_token_lifetime).unwrap_or(Timestamp::MAX),
        }
    }
}
