//! How attributes map to the vendor's fields: what they are sent as, what they are compared with, what the verdict asks of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::OnfidoProviderSpec;

/// How one attribute maps to the vendor's fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttributeMapping {
    /// Name of the attribute in verifications and in the keys of their Secrets: letters, digits, and -, _ or . between them. Each name
    /// once.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[A-Za-z0-9]([-._A-Za-z0-9]*[A-Za-z0-9])?$"))]
    pub name: String,
    /// The field of the vendor's applicant it is sent as. A dot reaches into a nested field; id_numbers.TYPE is the number of that type.
    /// Countries are ISO 3166-1 codes of three letters, dob is a date (YYYY-MM-DD), a state of the USA is its two-letter postal code. A
    /// value the vendor could not take shows on the verification as Accepted=False, reason AttributeInvalid.
    pub applicant_field: ApplicantField,
    /// The field of the vendor's document comparison that says whether the value agrees with the document. Default: none; the attribute
    /// is then sent, reported as NotCompared and never verified, and the verdict does not depend on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparison_field: Option<ComparisonField>,
    /// What the verdict asks of it. Required: must be given (otherwise Accepted=False, reason AttributeMissing) and, if it has a
    /// comparisonField, must agree with the document. WhenGiven (default): if given, it must agree. Informational: shown, never needed.
    #[serde(default)]
    pub requirement: Requirement,
}

/// What the verdict asks of an attribute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Requirement {
    /// Must be given, and must agree if it can be compared.
    Required,
    /// If given, and if it can be compared, it must agree.
    #[default]
    WhenGiven,
    /// Shown, never needed.
    Informational,
}

macro_rules! vendor_fields {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $text:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        #[allow(missing_docs)] // each variant is the vendor's field of that name
        pub enum $name { $(#[serde(rename = $text)] $variant),* }
        impl $name {
            /// Every field of the list.
            pub const ALL: &[Self] = &[$(Self::$variant),*];
            /// The vendor's name of the field.
            pub const fn as_str(self) -> &'static str { match self { $(Self::$variant => $text),* } }
        }
    };
}

vendor_fields! {
    /// A field of the vendor's applicant.
    ApplicantField {
        FirstName = "first_name", LastName = "last_name", Dob = "dob", Email = "email", PhoneNumber = "phone_number",
        CountryOfResidence = "location.country_of_residence", IpAddress = "location.ip_address",
        FlatNumber = "address.flat_number", BuildingNumber = "address.building_number", BuildingName = "address.building_name",
        Street = "address.street", SubStreet = "address.sub_street", Town = "address.town", State = "address.state",
        Postcode = "address.postcode", Country = "address.country",
        Line1 = "address.line1", Line2 = "address.line2", Line3 = "address.line3",
        Ssn = "id_numbers.ssn", SocialInsurance = "id_numbers.social_insurance", TaxId = "id_numbers.tax_id",
        IdentityCard = "id_numbers.identity_card", DrivingLicense = "id_numbers.driving_license",
        DrivingLicence = "id_numbers.driving_licence", ShareCode = "id_numbers.share_code", VoterId = "id_numbers.voter_id",
        Passport = "id_numbers.passport", OtherNumber = "id_numbers.other",
        DrivingLicenseState = "id_numbers.driving_license.state_code", DrivingLicenceState = "id_numbers.driving_licence.state_code",
    }
}

vendor_fields! {
    /// A field of the vendor's document comparison.
    ComparisonField {
        FirstName = "first_name", LastName = "last_name", DateOfBirth = "date_of_birth", Gender = "gender",
        IssuingCountry = "issuing_country", DateOfExpiry = "date_of_expiry", DocumentType = "document_type",
        DocumentNumbers = "document_numbers",
    }
}

impl OnfidoProviderSpec {
    /// The mapping in force: the spec's own, or the default one.
    pub fn attribute_mapping(&self) -> Vec<AttributeMapping> {
        self.attributes.clone().unwrap_or_else(default_mapping)
    }
}

fn default_mapping() -> Vec<AttributeMapping> {
    let entry = |name: &str, applicant_field, comparison_field, requirement| AttributeMapping {
        name: name.to_owned(),
        applicant_field,
        comparison_field,
        requirement,
    };
    vec![
        entry("given_name", ApplicantField::FirstName, Some(ComparisonField::FirstName), Requirement::Required),
        entry("family_name", ApplicantField::LastName, Some(ComparisonField::LastName), Requirement::Required),
        entry("birthdate", ApplicantField::Dob, Some(ComparisonField::DateOfBirth), Requirement::WhenGiven),
        entry("email", ApplicantField::Email, None, Requirement::WhenGiven),
    ]
}
