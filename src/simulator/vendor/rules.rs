//! What the vendor accepts: required fields, patterns, limits, and how it words a refusal. Stores nothing.

use std::net::IpAddr;

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Map, Value, json};

use super::wire::{Request, Response};

const NAME_FORBIDDEN: &str = "!#$%*=<>;{}\"";
const LINE_FORBIDDEN: &str = "!$%^*=<>";
// The vendor publishes no general limit; this one is ours.
const MAX_TEXT: usize = 255;
const MAX_URL: usize = 2048;
const MAX_ITEMS: usize = 30;
const ID_TYPES: [&str; 10] = [
    "ssn",
    "social_insurance",
    "tax_id",
    "identity_card",
    "driving_license",
    "driving_licence",
    "share_code",
    "voter_id",
    "passport",
    "other",
];
const CONSENTS: [&str; 3] = ["privacy_notices_read", "ssn_verification", "phone_number_verification"];
const LANGUAGES: [&str; 7] = ["en_US", "de_DE", "es_ES", "fr_FR", "it_IT", "pt_PT", "nl_NL"];
const ADDRESS_TEXT: [&str; 8] = ["flat_number", "building_number", "building_name", "street", "sub_street", "town", "postcode", "state"];
/// The alpha-3 codes of the vendor's own description.
const COUNTRIES: &str = "\
    ABW AFG AGO AIA ALA ALB AND ARE ARG ARM ASM ATA ATF ATG AUS AUT AZE BDI BEL BEN BES BFA BGD BGR BHR BHS BIH BLM \
    BLR BLZ BMU BOL BRA BRB BRN BTN BVT BWA CAF CAN CCK CHE CHL CHN CIV CMR COD COG COK COL COM CPV CRI CUB CUW CXR \
    CYM CYP CZE DEU DJI DMA DNK DOM DZA ECU EGY ERI ESH ESP EST ETH FIN FJI FLK FRA FRO FSM GAB GBR GEO GGY GHA GIB \
    GIN GLP GMB GNB GNQ GRC GRD GRL GTM GUF GUM GUY HKG HMD HND HRV HTI HUN IDN IMN IND IOT IRL IRN IRQ ISL ISR ITA \
    JAM JEY JOR JPN KAZ KEN KGZ KHM KIR KNA KOR KWT LAO LBN LBR LBY LCA LIE LKA LSO LTU LUX LVA MAC MAF MAR MCO MDA \
    MDG MDV MEX MHL MKD MLI MLT MMR MNE MNG MNP MOZ MRT MSR MTQ MUS MWI MYS MYT NAM NCL NER NFK NGA NIC NIU NLD NOR \
    NPL NRU NZL OMN PAK PAN PCN PER PHL PLW PNG POL PRI PRK PRT PRY PSE PYF QAT REU RKS ROU RUS RWA SAU SDN SEN SGP \
    SGS SHN SJM SLB SLE SLV SMR SOM SPM SRB SSD STP SUR SVK SVN SWE SWZ SXM SYC SYR TCA TCD TGO THA TJK TKL TKM TLS \
    TON TTO TUN TUR TUV TWN TZA UGA UKR UMI URY USA UZB VAT VCT VEN VGB VIR VNM VUT WLF WSM YEM ZAF ZMB ZWE";

/// What the vendor takes as a state of the USA.
const STATES: &str = "\
    AA AE AK AL AP AR AS AZ CA CO CT DC DE FL FM GA GU HI IA ID IL IN KS KY LA MA MD ME MH MI MN MO MP MS MT NC ND NE NH NJ NM NV NY OH \
    OK OR PA PR PW RI SC SD TN TX UM UT VA VI VT WA WI WV WY";

const BLANK: &str = "can't be blank";
const FORMAT: &str = "invalid format";
const CHARACTERS: &str = "contains invalid characters";
const LONG: &str = "is too long";
const NOT_INCLUDED: &str = "is not included in the list";

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Create,
    Update,
}

/// Times as the vendor writes them: whole seconds.
pub(super) fn second(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A positive number from the query.
pub(super) fn page(request: &Request, name: &str, default: usize) -> Result<usize, Response> {
    match request.one(name) {
        None => Ok(default),
        Some(text) => text.parse().ok().filter(|n| *n > 0).ok_or_else(|| Response::invalid(json!({name: ["must be greater than 0"]}))),
    }
}

/// Midnight of a date in the query, UTC.
pub(super) fn date(request: &Request, name: &str) -> Result<Option<Timestamp>, Response> {
    let Some(text) = request.one(name) else { return Ok(None) };
    civil(&text)
        .and_then(|d| d.to_zoned(jiff::tz::TimeZone::UTC).ok())
        .map(|z| Some(z.timestamp()))
        .ok_or_else(|| Response::invalid(json!({name: ["is not a valid date"]})))
}

/// The fields of an applicant that are kept, or the refusal.
pub(super) fn applicant(body: &[u8], kind: Kind) -> Result<Map<String, Value>, Response> {
    let input = object(body)?;
    let mut check = Check::default();
    let mut kept = Map::new();
    for field in ["first_name", "last_name"] {
        match input.get(field) {
            None if kind == Kind::Update => {}
            value => {
                check.text(field, value.unwrap_or(&Value::Null), NAME_FORBIDDEN, true);
                kept.extend(value.map(|v| (field.to_owned(), v.clone())));
            }
        }
    }
    for field in ["email", "dob", "phone_number", "id_numbers", "address", "location"] {
        if let Some(value) = input.get(field) {
            match field {
                "email" => check.email(value),
                "dob" => check.dob(value),
                "phone_number" => check.text(field, value, "", false),
                "id_numbers" => check.id_numbers(value),
                "address" => check.address(value),
                _ => check.location(value),
            }
            kept.insert(field.to_owned(), value.clone());
        }
    }
    if let Some(consents) = input.get("consents").filter(|v| !v.is_null()) {
        let fine = consents
            .as_array()
            .is_some_and(|list| list.len() <= MAX_ITEMS && list.iter().all(|c| one_of(&c["name"], &CONSENTS) && c["granted"].is_boolean()));
        check.unless(fine, "consents", NOT_INCLUDED);
    }
    check.finish().map(|()| kept)
}

/// A request for a run, or the refusal. Whether workflow and applicant exist is not asked here.
pub(super) fn run(body: &[u8]) -> Result<Map<String, Value>, Response> {
    let input = object(body)?;
    let mut check = Check::default();
    for field in ["workflow_id", "applicant_id"] {
        match input.get(field).and_then(Value::as_str) {
            None | Some("") => check.add(field, BLANK),
            Some(text) => check.unless(is_uuid(text), field, FORMAT),
        }
    }
    if let Some(tags) = input.get("tags").filter(|v| !v.is_null()) {
        let length = |tag: &Value| tag.as_str().map_or(0, |t| t.chars().count());
        let fine = tags.as_array().is_some_and(|list| list.len() <= MAX_ITEMS && list.iter().all(|t| (1..=128).contains(&length(t))));
        check.unless(fine, "tags", "must have at most 30 items of 1 to 128 characters");
    }
    if let Some(id) = input.get("customer_user_id").filter(|v| !v.is_null()) {
        check.unless(id.as_str().is_some_and(|t| t.chars().count() <= 256), "customer_user_id", LONG);
    }
    if let Some(data) = input.get("custom_data").filter(|v| !v.is_null()) {
        check.unless(data.is_object(), "custom_data", "must be an object");
    }
    if let Some(link) = input.get("link").filter(|v| !v.is_null()) {
        let language = &link["language"];
        let expires = &link["expires_at"];
        check.unless(link.is_object(), "link", "must be an object");
        check.unless(language.is_null() || one_of(language, &LANGUAGES), "link.language", NOT_INCLUDED);
        let time = expires.as_str().is_some_and(|t| t.parse::<Timestamp>().is_ok());
        check.unless(expires.is_null() || time, "link.expires_at", FORMAT);
        for url in ["completed_redirect_url", "expired_redirect_url"] {
            let web = link[url].as_str().is_some_and(|u| u.len() <= MAX_URL && (u.starts_with("https://") || u.starts_with("http://")));
            check.unless(link[url].is_null() || web, &format!("link.{url}"), FORMAT);
        }
    }
    check.finish().map(|()| input)
}

pub(super) fn object(body: &[u8]) -> Result<Map<String, Value>, Response> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(map)) => Ok(map),
        _ => Err(Response::error(400, "bad_request", "The request body is not a JSON object", json!({}))),
    }
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36 && text.bytes().enumerate().all(|(i, b)| if matches!(i, 8 | 13 | 18 | 23) { b == b'-' } else { b.is_ascii_hexdigit() })
}

fn one_of(value: &Value, list: &[&str]) -> bool {
    value.as_str().is_some_and(|text| list.contains(&text))
}

fn is_country(value: &Value) -> bool {
    value.as_str().is_some_and(|code| code.len() == 3 && COUNTRIES.split_whitespace().any(|known| known == code))
}

fn civil(text: &str) -> Option<Date> {
    let shape = text.len() == 10 && text.bytes().enumerate().all(|(i, b)| if i == 4 || i == 7 { b == b'-' } else { b.is_ascii_digit() });
    shape.then(|| text.parse().ok()).flatten()
}

/// Refusals by field, collected: the vendor names all of them at once.
#[derive(Default)]
struct Check {
    fields: Map<String, Value>,
}

impl Check {
    fn finish(self) -> Result<(), Response> {
        if self.fields.is_empty() { Ok(()) } else { Err(Response::invalid(Value::Object(self.fields))) }
    }

    /// `a.b` is written as a map within a map.
    fn add(&mut self, field: &str, message: &str) {
        match field.split_once('.') {
            None => {
                self.fields.insert(field.to_owned(), json!([message]));
            }
            Some((outer, inner)) => {
                let entry = self.fields.entry(outer).or_insert_with(|| json!({}));
                if entry.is_object() {
                    entry[inner] = json!([message]);
                }
            }
        }
    }

    fn unless(&mut self, fine: bool, field: &str, message: &str) {
        if !fine {
            self.add(field, message);
        }
    }

    fn text(&mut self, field: &str, value: &Value, forbidden: &str, required: bool) {
        match value {
            Value::Null if !required => {}
            Value::String(text) if required && text.trim().is_empty() => self.add(field, BLANK),
            Value::String(text) if text.chars().count() > MAX_TEXT => self.add(field, LONG),
            Value::String(text) if text.contains(|c| forbidden.contains(c)) => self.add(field, CHARACTERS),
            Value::String(_) => {}
            Value::Null => self.add(field, BLANK),
            _ => self.add(field, FORMAT),
        }
    }

    fn email(&mut self, value: &Value) {
        let fine = value.as_str().is_some_and(|text| {
            text.len() <= MAX_TEXT
                && !text.contains(char::is_whitespace)
                && text.split_once('@').is_some_and(|(user, host)| !user.is_empty() && host.contains('.') && !host.contains('@'))
        });
        self.unless(value.is_null() || fine, "email", FORMAT);
    }

    fn dob(&mut self, value: &Value) {
        let fine = value.as_str().and_then(civil).is_some_and(|d| d.year() >= 1900);
        self.unless(value.is_null() || fine, "dob", "is not a valid date");
    }

    fn id_numbers(&mut self, value: &Value) {
        let number = |n: &Value| {
            let state = &n["state_code"];
            one_of(&n["type"], &ID_TYPES)
                && n["value"].as_str().is_some_and(|v| !v.is_empty() && v.len() <= MAX_TEXT)
                && (state.is_null() || state.as_str().is_some_and(|s| s.len() == 2))
        };
        let fine = value.as_array().is_some_and(|list| list.len() <= MAX_ITEMS && list.iter().all(number));
        self.unless(value.is_null() || fine, "id_numbers", FORMAT);
    }

    fn address(&mut self, value: &Value) {
        if value.is_null() {
            return;
        }
        let Some(address) = value.as_object() else { return self.add("address", FORMAT) };
        for field in ADDRESS_TEXT {
            let given = address.get(field).unwrap_or(&Value::Null);
            self.text(&format!("address.{field}"), given, "", field == "postcode");
        }
        for field in ["line1", "line2", "line3"] {
            self.text(&format!("address.{field}"), address.get(field).unwrap_or(&Value::Null), LINE_FORBIDDEN, false);
        }
        match address.get("country") {
            None | Some(Value::Null) => self.add("address.country", BLANK),
            Some(country) => self.unless(is_country(country), "address.country", NOT_INCLUDED),
        }
        if let (Some("USA"), Some(state)) = (address.get("country").and_then(Value::as_str), address.get("state").and_then(Value::as_str)) {
            self.unless(STATES.split_whitespace().any(|known| known == state), "address.state", NOT_INCLUDED);
        }
    }

    fn location(&mut self, value: &Value) {
        if value.is_null() {
            return;
        }
        self.unless(value.is_object(), "location", FORMAT);
        let (ip, country) = (&value["ip_address"], &value["country_of_residence"]);
        self.unless(ip.is_null() || ip.as_str().is_some_and(|t| t.parse::<IpAddr>().is_ok()), "location.ip_address", FORMAT);
        self.unless(country.is_null() || is_country(country), "location.country_of_residence", NOT_INCLUDED);
    }
}
