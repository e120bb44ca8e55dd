//! Applicants: the closed list of fields that can be sent, their checks, and the body. Owns no mapping from anybody's attribute names.

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::civil::Date;
use serde::{Deserialize, Serialize, Serializer, ser::SerializeMap};

use super::{id::ApplicantId, lenient};
use crate::onfido::secret::Personal;

macro_rules! words {
    ($(#[$type_doc:meta])* $type:ident: $($(#[$doc:meta])* $name:ident = $word:literal),*) => {
        $(#[$type_doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $type {$($(#[$doc])* $name),*}

        impl $type {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The vendor's word; a dot is a level of nesting.
            pub fn as_str(self) -> &'static str {
                match self {$(Self::$name => $word),*}
            }

            /// The one of that name, if there is one.
            pub fn parse(word: &str) -> Option<Self> {
                match word {$($word => Some(Self::$name),)* _ => None}
            }
        }
    };
}
words!(
    /// What can be said of an applicant.
    ApplicantField:
    /// `first_name`
    FirstName = "first_name",
    /// `last_name`
    LastName = "last_name",
    /// `dob`: a date, `YYYY-MM-DD`
    Dob = "dob",
    /// `email`
    Email = "email",
    /// `phone_number`
    PhoneNumber = "phone_number",
    /// `address.flat_number`
    AddressFlatNumber = "address.flat_number",
    /// `address.building_number`
    AddressBuildingNumber = "address.building_number",
    /// `address.building_name`
    AddressBuildingName = "address.building_name",
    /// `address.street`
    AddressStreet = "address.street",
    /// `address.sub_street`
    AddressSubStreet = "address.sub_street",
    /// `address.town`
    AddressTown = "address.town",
    /// `address.postcode`: the vendor wants it in every address
    AddressPostcode = "address.postcode",
    /// `address.country`: three letters; the vendor wants it in every address
    AddressCountry = "address.country",
    /// `address.state`
    AddressState = "address.state",
    /// `address.line1`
    AddressLine1 = "address.line1",
    /// `address.line2`
    AddressLine2 = "address.line2",
    /// `address.line3`
    AddressLine3 = "address.line3",
    /// `location.ip_address`
    LocationIpAddress = "location.ip_address",
    /// `location.country_of_residence`: three letters
    LocationCountryOfResidence = "location.country_of_residence",
    /// `id_numbers.ssn`
    IdNumberSsn = "id_numbers.ssn",
    /// `id_numbers.social_insurance`
    IdNumberSocialInsurance = "id_numbers.social_insurance",
    /// `id_numbers.tax_id`
    IdNumberTaxId = "id_numbers.tax_id",
    /// `id_numbers.identity_card`
    IdNumberIdentityCard = "id_numbers.identity_card",
    /// `id_numbers.driving_license`
    IdNumberDrivingLicense = "id_numbers.driving_license",
    /// `id_numbers.driving_licence`: another type than the one before
    IdNumberDrivingLicence = "id_numbers.driving_licence",
    /// `id_numbers.share_code`
    IdNumberShareCode = "id_numbers.share_code",
    /// `id_numbers.voter_id`
    IdNumberVoterId = "id_numbers.voter_id",
    /// `id_numbers.passport`
    IdNumberPassport = "id_numbers.passport",
    /// `id_numbers.other`
    IdNumberOther = "id_numbers.other",
    /// `id_numbers.driving_license.state_code`: two letters, beside the number
    IdNumberDrivingLicenseState = "id_numbers.driving_license.state_code",
    /// `id_numbers.driving_licence.state_code`: two letters, beside the number
    IdNumberDrivingLicenceState = "id_numbers.driving_licence.state_code"
);
words!(
    /// What a person can consent to.
    ConsentName:
    /// The vendor's notices were shown: needed in the United States.
    PrivacyNoticesRead = "privacy_notices_read",
    /// A check of the social security number.
    SsnVerification = "ssn_verification",
    /// A check of the phone number.
    PhoneNumberVerification = "phone_number_verification"
);

/// Why a value cannot be sent. Never says the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FieldFault {
    /// Nothing, or nothing but white space.
    #[error("is empty")]
    Empty,
    /// More than a sane value of this field needs.
    #[error("is longer than {max} characters")]
    TooLong {
        /// How many characters may be.
        max: usize,
    },
    /// Not a day of the calendar as `YYYY-MM-DD`.
    #[error("is not a date of the form YYYY-MM-DD")]
    NotADate,
    /// A control character, or one the vendor refuses in this field.
    #[error("holds a character that the vendor forbids")]
    ForbiddenCharacter,
    /// Not three capital letters.
    #[error("is not a country code of three capital letters (ISO 3166-1 alpha-3)")]
    NotACountryCode,
    /// Not two capital letters.
    #[error("is not a state code of two capital letters")]
    NotAStateCode,
    /// Not an abbreviation of the US Postal Service, in an address of that country. Does not say which country that is.
    #[error("is not the two-letter code that the vendor wants for a state of this country")]
    NotThatCountrysState,
    /// Not something, `@` and something.
    #[error("is not an e-mail address")]
    NotAnEmailAddress,
    /// Neither IPv4 nor IPv6.
    #[error("is not an IP address")]
    NotAnIpAddress,
}

impl ApplicantField {
    /// Whether the vendor could take this value. What it refuses beyond this, it names itself.
    pub fn check(self, value: &str) -> Result<(), FieldFault> {
        use FieldFault as F;
        if value.trim().is_empty() {
            return Err(F::Empty);
        }
        let max = self.max_length();
        if value.chars().count() > max {
            return Err(F::TooLong { max });
        }
        if value.chars().any(char::is_control) {
            return Err(F::ForbiddenCharacter);
        }
        let ok = |good: bool, fault: F| if good { Ok(()) } else { Err(fault) };
        match self {
            Self::FirstName | Self::LastName => ok(!value.contains(|c| r##"!#$%*=<>;{}""##.contains(c)), F::ForbiddenCharacter),
            Self::AddressLine1 | Self::AddressLine2 | Self::AddressLine3 => {
                ok(!value.contains(|c| "!$%^*=<>".contains(c)), F::ForbiddenCharacter)
            }
            // The calendar's own parser also takes other spellings of a date.
            Self::Dob => ok(value.len() == 10 && value.parse::<Date>().is_ok_and(|d| d.to_string() == value), F::NotADate),
            Self::AddressCountry | Self::LocationCountryOfResidence => {
                ok(value.len() == 3 && value.bytes().all(|b| b.is_ascii_uppercase()), F::NotACountryCode)
            }
            Self::Email => {
                let parts = value.rsplit_once('@').filter(|(who, host)| !who.is_empty() && !host.is_empty());
                ok(parts.is_some() && !value.contains(char::is_whitespace), F::NotAnEmailAddress)
            }
            Self::LocationIpAddress => ok(value.parse::<IpAddr>().is_ok(), F::NotAnIpAddress),
            Self::PhoneNumber
            | Self::AddressFlatNumber
            | Self::AddressBuildingNumber
            | Self::AddressBuildingName
            | Self::AddressStreet
            | Self::AddressSubStreet
            | Self::AddressTown
            | Self::AddressPostcode
            | Self::AddressState
            | Self::IdNumberSsn
            | Self::IdNumberSocialInsurance
            | Self::IdNumberTaxId
            | Self::IdNumberIdentityCard
            | Self::IdNumberDrivingLicense
            | Self::IdNumberDrivingLicence
            | Self::IdNumberShareCode
            | Self::IdNumberVoterId
            | Self::IdNumberPassport
            | Self::IdNumberOther => Ok(()),
            Self::IdNumberDrivingLicenseState | Self::IdNumberDrivingLicenceState => {
                ok(value.len() == 2 && value.bytes().all(|b| b.is_ascii_uppercase()), F::NotAStateCode)
            }
        }
    }

    /// Our bound in characters, wider than life: the vendor publishes none.
    pub fn max_length(self) -> usize {
        match self {
            Self::Dob => 10,
            Self::AddressCountry | Self::LocationCountryOfResidence => 3,
            Self::LocationIpAddress => 45,
            Self::IdNumberDrivingLicenseState | Self::IdNumberDrivingLicenceState => 2,
            Self::PhoneNumber | Self::AddressPostcode | Self::AddressState => 64,
            _ => 256,
        }
    }
}

/// The vendor's list of numbers; a field of it is named by the number's type.
const ID_NUMBERS: &str = "id_numbers";

/// One consent and whether the person gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Consent {
    /// To what.
    pub name: ConsentName,
    /// Whether.
    pub granted: bool,
}

impl Serialize for Consent {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(Some(2))?;
        map.serialize_entry("name", self.name.as_str())?;
        map.serialize_entry("granted", &self.granted)?;
        map.end()
    }
}

/// The body of `POST /applicants`. Serializing it is for that request only: it is the one place where personal data is written out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewApplicant {
    fields: BTreeMap<ApplicantField, Personal>,
    consents: Vec<Consent>,
}

impl NewApplicant {
    /// Says one thing of the applicant; the last word on a field counts.
    pub fn set(&mut self, field: ApplicantField, value: Personal) -> &mut Self {
        self.fields.insert(field, value);
        self
    }

    pub(super) fn get(&self, field: ApplicantField) -> Option<&str> {
        self.fields.get(&field).map(Personal::expose)
    }

    pub(super) fn given(&self) -> impl Iterator<Item = ApplicantField> {
        self.fields.keys().copied()
    }

    /// Adds a consent.
    pub fn consent(&mut self, consent: Consent) -> &mut Self {
        self.consents.push(consent);
        self
    }
}

impl Serialize for NewApplicant {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut flat: BTreeMap<&str, &str> = BTreeMap::new();
        let mut nested: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
        let mut numbers: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
        for (field, value) in &self.fields {
            match field.as_str().split_once('.') {
                None => drop(flat.insert(field.as_str(), value.expose())),
                Some((ID_NUMBERS, name)) => {
                    let (type_, part) = name.split_once('.').unwrap_or((name, "value"));
                    numbers.entry(type_).or_insert_with(|| [("type", type_)].into()).insert(part, value.expose());
                }
                Some((group, name)) => drop(nested.entry(group).or_default().insert(name, value.expose())),
            }
        }
        let mut map = s.serialize_map(None)?;
        flat.iter().try_for_each(|(name, value)| map.serialize_entry(name, value))?;
        nested.iter().try_for_each(|(group, fields)| map.serialize_entry(group, fields))?;
        if !numbers.is_empty() {
            map.serialize_entry(ID_NUMBERS, &numbers.values().collect::<Vec<_>>())?;
        }
        if !self.consents.is_empty() {
            map.serialize_entry("consents", &self.consents)?;
        }
        map.end()
    }
}

/// An applicant as the vendor tells it: nothing personal is read back.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Applicant {
    /// The applicant.
    pub id: ApplicantId,
    /// Whether it lives in the vendor's test environment.
    #[serde(default, deserialize_with = "lenient::option")]
    pub sandbox: Option<bool>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn dots_become_objects() {
        let mut new = NewApplicant::default();
        new.set(ApplicantField::FirstName, Personal::new("Nobody"))
            .set(ApplicantField::LocationCountryOfResidence, Personal::new("GBR"))
            .set(ApplicantField::AddressPostcode, Personal::new("X1"))
            .set(ApplicantField::AddressCountry, Personal::new("GBR"))
            .set(ApplicantField::IdNumberSsn, Personal::new("000-00-0000"))
            .set(ApplicantField::IdNumberDrivingLicense, Personal::new("D0"))
            .set(ApplicantField::IdNumberDrivingLicenseState, Personal::new("CA"))
            .consent(Consent { name: ConsentName::PrivacyNoticesRead, granted: true });
        assert_eq!(
            serde_json::to_value(&new).unwrap(),
            json!({"first_name": "Nobody", "location": {"country_of_residence": "GBR"}, "address": {"postcode": "X1", "country": "GBR"},
                "id_numbers": [{"type": "driving_license", "value": "D0", "state_code": "CA"}, {"type": "ssn", "value": "000-00-0000"}],
                "consents": [{"name": "privacy_notices_read", "granted": true}]})
        );
        assert_eq!(serde_json::to_value(NewApplicant::default()).unwrap(), json!({}));
        assert!(!format!("{new:?}").contains("Nobody"));
    }

    #[test]
    fn each_check_refuses_what_the_vendor_would() {
        use ApplicantField as A;
        use FieldFault as F;
        let long = "x".repeat(257);
        let cases = [
            (A::FirstName, "Zo\u{eb} O'Neil-Smith", Ok(())),
            (A::FirstName, "x; y", Err(F::ForbiddenCharacter)),
            (A::LastName, "\"x\"", Err(F::ForbiddenCharacter)),
            (A::LastName, "x\ny", Err(F::ForbiddenCharacter)),
            (A::LastName, "", Err(F::Empty)),
            (A::LastName, " \u{a0}\n", Err(F::Empty)),
            (A::LastName, &long, Err(F::TooLong { max: 256 })),
            (A::LastName, &long[1..], Ok(())),
            (A::AddressLine1, "1 # Street; \"x\" {y}", Ok(())),
            (A::AddressLine1, "1^2", Err(F::ForbiddenCharacter)),
            (A::Dob, "2000-02-29", Ok(())),
            (A::Dob, "2001-02-29", Err(F::NotADate)),
            (A::Dob, "20000229", Err(F::NotADate)),
            (A::Dob, "29.02.2000", Err(F::NotADate)),
            (A::Dob, "2000-02-29T00:00", Err(F::TooLong { max: 10 })),
            (A::AddressCountry, "GBR", Ok(())),
            (A::AddressCountry, "gbr", Err(F::NotACountryCode)),
            (A::LocationCountryOfResidence, "GB", Err(F::NotACountryCode)),
            (A::Email, "nobody@example.test", Ok(())),
            (A::Email, "nobody", Err(F::NotAnEmailAddress)),
            (A::Email, "no body@example.test", Err(F::NotAnEmailAddress)),
            (A::LocationIpAddress, "192.0.2.1", Ok(())),
            (A::LocationIpAddress, "2001:db8::1", Ok(())),
            (A::LocationIpAddress, "192.0.2", Err(F::NotAnIpAddress)),
            (A::PhoneNumber, "+44 0000 000", Ok(())),
            (A::IdNumberSsn, "000-00-0000", Ok(())),
            (A::IdNumberDrivingLicenseState, "CA", Ok(())),
            (A::IdNumberDrivingLicenseState, "ca", Err(F::NotAStateCode)),
            (A::IdNumberDrivingLicenceState, "C", Err(F::NotAStateCode)),
            (A::IdNumberDrivingLicenceState, "CAL", Err(F::TooLong { max: 2 })),
        ];
        for (field, value, expected) in cases {
            assert_eq!(field.check(value), expected, "{field:?} {value:?}");
        }
    }

    #[test]
    fn names_come_back_as_themselves() {
        for &field in ApplicantField::ALL {
            assert_eq!(ApplicantField::parse(field.as_str()), Some(field));
        }
        for &name in ConsentName::ALL {
            assert_eq!(ConsentName::parse(name.as_str()), Some(name));
        }
        assert_eq!(ApplicantField::parse("address"), None);
        assert_eq!(ApplicantField::parse("id"), None);
    }

    #[test]
    fn an_applicant_is_read_leniently() {
        let read = |v| serde_json::from_value::<Applicant>(v);
        assert_eq!(read(json!({"id": "a", "sandbox": true, "first_name": "x", "new": 1})).unwrap().sandbox, Some(true));
        assert_eq!(read(json!({"id": "a", "sandbox": "yes"})).unwrap().sandbox, None);
        assert!(read(json!({"sandbox": true})).is_err());
    }
}
