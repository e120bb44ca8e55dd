//! How a run goes on: capture finished, processing, outcome; and the data comparison that comes with it.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::applicants::Applicant;
use super::runs::later;
use super::{Event, Step, Timer, Vendor};
use crate::simulator::admin::Outcome;

/// The fields a document report compares.
const COMPARED: [&str; 8] =
    ["first_name", "last_name", "date_of_birth", "gender", "issuing_country", "date_of_expiry", "document_type", "document_numbers"];
/// These end a run and are told by webhook.
const TERMINAL: [&str; 5] = ["approved", "declined", "review", "abandoned", "error"];

impl Vendor {
    /// The person has finished, by the page or by the owner's word. False: no such run, or it waits for nobody.
    pub fn finish_capture(&mut self, now: Timestamp, run: &str) -> bool {
        self.advance(now);
        match self.run_ids.get(run).copied() {
            Some(number) if self.runs.get(&number).is_some_and(|run| run.status == "awaiting_input") => {
                self.capture_finished(now, number);
                true
            }
            _ => false,
        }
    }

    /// Decide a run now, whatever its state. False: no such run.
    pub fn decide(&mut self, now: Timestamp, run: &str, outcome: &Outcome) -> bool {
        self.advance(now);
        let number = self.run_ids.get(run).copied();
        number.map(|number| self.settle(now, number, outcome)).is_some()
    }

    pub(super) fn capture_finished(&mut self, now: Timestamp, number: u64) {
        let usual = self.settings.processing_time;
        let Some(run) = self.runs.get_mut(&number).filter(|run| run.status == "awaiting_input") else { return };
        run.step = Step::Submitted;
        run.status = "processing".into();
        run.updated_at = now;
        let due = match run.plan.outcome_after_ms {
            Some(ms) => later(now, ms),
            None => now.saturating_add(usual).unwrap_or(Timestamp::MAX),
        };
        let timer = (!run.plan.hold).then_some((due, Timer::Outcome(number)));
        self.set_timer(number, timer);
    }

    pub(super) fn outcome_due(&mut self, now: Timestamp, number: u64) {
        if let Some(outcome) = self.runs.get(&number).map(|run| run.plan.outcome.clone()) {
            self.settle(now, number, &outcome);
        }
    }

    fn settle(&mut self, now: Timestamp, number: u64, outcome: &Outcome) {
        self.set_timer(number, None);
        let Some(run) = self.runs.get(&number) else { return };
        let status = outcome.status.clone().unwrap_or_else(|| "approved".into());
        let applicant = self.applicant_ids.get(&run.applicant_id).and_then(|n| self.applicants.get(n));
        let natural = match status.as_str() {
            "approved" | "declined" | "review" => json!({"data_comparison": comparison(applicant, outcome)}),
            _ => Value::Null,
        };
        let Some(run) = self.runs.get_mut(&number) else { return };
        let terminal = TERMINAL.contains(&status.as_str());
        let before = run.completed_at;
        run.output = outcome.output.clone().unwrap_or(natural);
        run.reasons = outcome.reasons.clone();
        run.error = (status == "error").then(|| {
            let kind = outcome.error_type.clone().unwrap_or_else(|| "simulated_error".into());
            (kind, "The simulator was told to fail this run".into())
        });
        if status != "awaiting_input" {
            run.step = Step::Submitted;
        }
        run.status = status;
        run.shown = outcome.overrides.clone();
        run.updated_at = now;
        run.completed_at = terminal.then_some(now);
        run.listed = false;
        let after = run.completed_at;
        if terminal && !outcome.silent {
            self.events.push(Event::completed(run, now, &self.settings.public_url));
        }
        if let Some(account) = self.accounts.get_mut(&run.account) {
            account.runs.remove(&(before, number));
            account.runs.insert((after, number));
        }
    }
}

/// Clear for what the applicant gave, null for the rest, and then as the outcome says.
fn comparison(applicant: Option<&Applicant>, outcome: &Outcome) -> Value {
    let given = |field: &str| {
        applicant.is_some_and(|a| match field {
            "date_of_birth" => a.text("dob").is_some(),
            "document_numbers" => a.data.get("id_numbers").and_then(Value::as_array).is_some_and(|n| !n.is_empty()),
            "first_name" | "last_name" => a.text(field).is_some(),
            _ => false,
        })
    };
    // The vendor's sandbox: this last name never matches.
    let consider = applicant.is_some_and(|a| a.sandbox && a.text("last_name") == Some("consider"));
    let mut fields = Map::new();
    for field in COMPARED {
        let result = match field {
            "last_name" if consider => Some("consider"),
            _ if given(field) => Some("clear"),
            _ => None,
        };
        fields.insert(field.into(), json!({"result": result, "properties": {}}));
    }
    for (field, result) in &outcome.comparison {
        if result.as_deref() == Some("absent") {
            fields.remove(field);
        } else {
            fields.insert(field.clone(), json!({"result": result, "properties": {}}));
        }
    }
    Value::Object(fields)
}
