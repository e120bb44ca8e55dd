//! Applicants: create, read, change, delete, restore, list. Which values are allowed is in `rules`.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::rules::{self, Kind};
use super::wire::{Request, Response};
use super::{Timer, Vendor};

const PER_PAGE: usize = 20;
const MAX_PER_PAGE: usize = 500;

pub(super) struct Applicant {
    pub(super) id: String,
    pub(super) account: String,
    pub(super) created_at: Timestamp,
    pub(super) delete_at: Option<Timestamp>,
    pub(super) sandbox: bool,
    /// The fields that can be written, as they were given.
    pub(super) data: Map<String, Value>,
}

impl Applicant {
    fn json(&self) -> Value {
        let mut body = json!({
            "id": self.id,
            "created_at": rules::second(self.created_at),
            "sandbox": self.sandbox,
            "delete_at": self.delete_at.map(rules::second),
            "href": format!("/v3.6/applicants/{}", self.id),
            "email": null, "dob": null, "phone_number": null, "address": null,
            "id_numbers": [],
            "location": {"ip_address": null, "country_of_residence": null},
        });
        for (key, value) in &self.data {
            match (body.get_mut(key).and_then(Value::as_object_mut), value.as_object()) {
                (Some(old), Some(new)) => old.extend(new.clone()),
                _ => body[key] = value.clone(),
            }
        }
        body
    }

    pub(super) fn text(&self, field: &str) -> Option<&str> {
        self.data.get(field).and_then(Value::as_str).filter(|v| !v.is_empty())
    }
}

impl Vendor {
    pub(super) fn create_applicant(&mut self, now: Timestamp, account: &str, request: &Request) -> Response {
        let data = match rules::applicant(&request.body, Kind::Create) {
            Ok(data) => data,
            Err(refusal) => return refusal,
        };
        if self.applicants.len() >= self.settings.max_applicants
            && let Some((&oldest, _)) = self.applicants.first_key_value()
        {
            self.forget_applicant(oldest);
        }
        let (number, id) = (self.number(), self.uuid());
        let Some(owner) = self.accounts.get_mut(account) else { return Response::error_for(401, None) };
        owner.applicants.insert(number);
        let sandbox = !owner.setting.live;
        let applicant = Applicant { id: id.clone(), account: account.to_owned(), created_at: now, delete_at: None, sandbox, data };
        let body = applicant.json();
        self.applicant_ids.insert(id.clone(), number);
        self.applicants.insert(number, applicant);
        Response::json(201, &body).about_applicant(&id)
    }

    pub(super) fn get_applicant(&self, account: &str, id: &str) -> Response {
        match self.applicant(account, id) {
            Some(applicant) => Response::json(200, &applicant.json()).about_applicant(id),
            None => Response::not_found("Applicant", id),
        }
    }

    pub(super) fn update_applicant(&mut self, account: &str, id: &str, request: &Request) -> Response {
        if self.applicant(account, id).is_none() {
            return Response::not_found("Applicant", id);
        }
        let changes = match rules::applicant(&request.body, Kind::Update) {
            Ok(changes) => changes,
            Err(refusal) => return refusal,
        };
        let Some(applicant) = self.applicant_ids.get(id).and_then(|n| self.applicants.get_mut(n)) else {
            return Response::not_found("Applicant", id);
        };
        applicant.data.extend(changes);
        Response::json(200, &applicant.json()).about_applicant(id)
    }

    /// Soft: scheduled, and gone for every call but `restore`.
    pub(super) fn delete_applicant(&mut self, now: Timestamp, account: &str, id: &str) -> Response {
        if self.applicant(account, id).is_none() {
            return Response::not_found("Applicant", id);
        }
        let runs = self.accounts.get(account).and_then(|a| a.by_applicant.get(id));
        if runs.into_iter().flatten().filter_map(|n| self.runs.get(n)).any(|run| run.status == "processing") {
            let message = "Applicants with checks in progress cannot be deleted";
            return Response::error(422, "deletion_incomplete_checks", message, json!({}));
        }
        let at = now.saturating_add(self.settings.deletion_delay).unwrap_or(Timestamp::MAX);
        let number = self.applicant_ids.get(id).copied();
        if let Some((number, applicant)) = number.and_then(|n| Some((n, self.applicants.get_mut(&n)?))) {
            applicant.delete_at = Some(at);
            self.timers.insert((at, Timer::Erase(number)));
        }
        Response::empty(204).about_applicant(id)
    }

    pub(super) fn restore_applicant(&mut self, account: &str, id: &str) -> Response {
        let number = self.applicant_ids.get(id).copied();
        match number.and_then(|n| self.applicants.get_mut(&n)).filter(|a| a.account == account && a.delete_at.is_some()) {
            Some(applicant) => {
                let due = applicant.delete_at.take().zip(number).map(|(at, n)| (at, Timer::Erase(n)));
                due.map(|due| self.timers.remove(&due));
                Response::empty(204).about_applicant(id)
            }
            None => Response::not_found("Applicant", id),
        }
    }

    /// Newest first; all but the last page name the next one in `Link`.
    pub(super) fn list_applicants(&self, account: &str, request: &Request) -> Response {
        let (page, per_page) = match (rules::page(request, "page", 1), rules::page(request, "per_page", PER_PAGE)) {
            (Ok(page), Ok(size)) => (page, size.min(MAX_PER_PAGE)),
            (Err(refusal), _) | (_, Err(refusal)) => return refusal,
        };
        let deleted = request.one("include_deleted").is_some_and(|v| v.eq_ignore_ascii_case("true"));
        let numbers = self.accounts.get(account).into_iter().flat_map(|a| a.applicants.iter().rev());
        let visible: Vec<&Applicant> =
            numbers.filter_map(|n| self.applicants.get(n)).filter(|a| deleted || a.delete_at.is_none()).collect();
        let start = (page - 1).saturating_mul(per_page);
        let shown: Vec<Value> = visible.iter().skip(start).take(per_page).map(|a| a.json()).collect();
        let mut response = Response::json(200, &json!({ "applicants": shown }));
        response.headers.push(("x-total-count", visible.len().to_string()));
        if start.saturating_add(per_page) < visible.len() {
            let base = &self.settings.public_url;
            let next = page + 1;
            response.headers.push(("link", format!("<{base}/v3.6/applicants?page={next}&per_page={per_page}>; rel=\"next\"")));
        }
        response
    }

    /// One that exists for this account's ordinary calls.
    pub(super) fn applicant(&self, account: &str, id: &str) -> Option<&Applicant> {
        let applicant = self.applicants.get(self.applicant_ids.get(id)?)?;
        (applicant.account == account && applicant.delete_at.is_none()).then_some(applicant)
    }

    pub(super) fn erase(&mut self, at: Timestamp, number: u64) {
        if self.applicants.get(&number).is_some_and(|a| a.delete_at == Some(at)) {
            self.forget_applicant(number);
        }
    }

    fn forget_applicant(&mut self, number: u64) {
        if let Some(applicant) = self.applicants.remove(&number) {
            self.applicant_ids.remove(&applicant.id);
            if let Some(at) = applicant.delete_at {
                self.timers.remove(&(at, Timer::Erase(number)));
            }
            if let Some(account) = self.accounts.get_mut(&applicant.account) {
                account.applicants.remove(&number);
            }
        }
    }
}
