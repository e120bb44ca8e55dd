//! What the vendor asks of an applicant's fields together: a whole address, a number beside its state. Single fields are in `applicant`.

use super::applicant::{ApplicantField, FieldFault, NewApplicant};

/// The country whose states have codes that the vendor checks.
const USA: &str = "USA";
/// The abbreviations of the US Postal Service: states, the district, territories, associated states, the armed forces.
const STATES: &str = "AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR PA RI SC \
                      SD TN TX UT VT VA WA WV WI WY DC AS GU MP PR VI UM FM MH PW AA AE AP";

/// Why fields that are each in order cannot be sent together. Never says a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Incomplete {
    /// The others need this one.
    Missing(ApplicantField),
    /// This one does not go with the others.
    Faulty(ApplicantField, FieldFault),
}

impl NewApplicant {
    /// Whether the vendor could take these fields together.
    pub fn check_together(&self) -> Result<(), Incomplete> {
        use ApplicantField as A;
        let needs = |needed: A| if self.get(needed).is_some() { Ok(()) } else { Err(Incomplete::Missing(needed)) };
        if self.given().any(|field| field.as_str().starts_with("address.")) {
            needs(A::AddressCountry)?;
            needs(A::AddressPostcode)?;
        }
        // The vendor describes the state's form and does not ask for one; elsewhere it says nothing of it.
        if let (Some(USA), Some(state)) = (self.get(A::AddressCountry), self.get(A::AddressState))
            && !STATES.split_whitespace().any(|known| known == state)
        {
            return Err(Incomplete::Faulty(A::AddressState, FieldFault::NotThatCountrysState));
        }
        for (state, number) in
            [(A::IdNumberDrivingLicenseState, A::IdNumberDrivingLicense), (A::IdNumberDrivingLicenceState, A::IdNumberDrivingLicence)]
        {
            if self.get(state).is_some() {
                needs(number)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onfido::secret::Personal;

    #[test]
    fn an_address_is_whole_and_a_state_is_the_countrys() {
        use ApplicantField as A;
        use Incomplete as I;
        let wrong_state = Err(I::Faulty(A::AddressState, FieldFault::NotThatCountrysState));
        let usa = [(A::AddressCountry, "USA"), (A::AddressPostcode, "00000")];
        let gbr = [(A::AddressCountry, "GBR"), (A::AddressPostcode, "X1")];
        type Fields<'a> = &'a [(A, &'a str)];
        let cases: [(Fields, Fields, Result<(), I>); 14] = [
            (&[], &[(A::LocationCountryOfResidence, "USA")], Ok(())),
            (&[], &[(A::AddressTown, "Nowhere")], Err(I::Missing(A::AddressCountry))),
            (&[], &[(A::AddressCountry, "USA")], Err(I::Missing(A::AddressPostcode))),
            (&[], &[(A::AddressPostcode, "X1")], Err(I::Missing(A::AddressCountry))),
            (&gbr, &[], Ok(())),
            (&gbr, &[(A::AddressState, "Anywhere")], Ok(())),
            (&usa, &[], Ok(())),
            (&usa, &[(A::AddressState, "CA")], Ok(())),
            (&usa, &[(A::AddressState, "PR")], Ok(())),
            (&usa, &[(A::AddressState, "XX")], wrong_state),
            (&usa, &[(A::AddressState, "ca")], wrong_state),
            (&usa, &[(A::AddressState, "California")], wrong_state),
            (&[], &[(A::IdNumberDrivingLicenseState, "CA")], Err(I::Missing(A::IdNumberDrivingLicense))),
            (&[(A::IdNumberDrivingLicense, "D0")], &[(A::IdNumberDrivingLicenseState, "CA")], Ok(())),
        ];
        for (fields, more, expected) in cases {
            let mut applicant = NewApplicant::default();
            for (field, value) in fields.iter().chain(more) {
                applicant.set(*field, Personal::new(*value));
            }
            assert_eq!(applicant.check_together(), expected, "{fields:?} {more:?}");
        }
        assert_eq!(STATES.split_whitespace().count(), 63);
    }
}
