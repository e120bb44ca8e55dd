//! What is asked for, and whether it can be sent: the provider, its mapping, the attributes.

use crate::{
    api::{Basis, BasisAttribute, Inline, OnfidoProviderSpec, Requirement},
    onfido::{
        model::{ApplicantField, Consent, ConsentName, NewApplicant},
        secret::Personal,
    },
};

use super::{Effect, Failure, Observed, Provider, inputs};

/// A request that can be sent.
pub(super) struct Ready {
    pub(super) basis: Basis,
    pub(super) applicant: NewApplicant,
}

/// Whether what is asked for can be sent.
pub(super) enum Accepted {
    /// This must be read first.
    Unread(Effect),
    /// It can.
    Read(Ready),
}

/// Whether the provider is there, and willing to start something for this namespace.
pub(super) fn willing(o: &Observed) -> Result<&OnfidoProviderSpec, Failure> {
    let Provider::Found { spec, allowed, ready, .. } = &o.provider else { return Err(provider_missing(o)) };
    let provider = o.spec.provider_ref.name.clone();
    if !allowed {
        return Err(Failure::NamespaceNotAllowed { namespace: o.namespace.clone(), provider });
    }
    if let Err(reason) = ready {
        return Err(Failure::ProviderNotReady { provider, reason: reason.clone() });
    }
    Ok(spec)
}

/// Whether the provider is willing, and every attribute can be sent.
pub(super) fn acceptable(o: &Observed) -> Result<Accepted, Failure> {
    let spec = willing(o)?;
    if let Some(name) = o.key_held_by.clone() {
        return Err(Failure::IdempotencyKeyInUse { name });
    }
    let workflow_id = inputs::workflow(o, spec)?;
    let mapping = spec.attribute_mapping();
    for attribute in o.spec.attributes.iter().flatten() {
        let name = attribute.name.clone();
        if !mapping.iter().any(|mapped| mapped.name == name) {
            return Err(Failure::AttributeNotMapped { name });
        }
        if attribute.value.is_some() && spec.personal_data.inline == Inline::Forbid {
            return Err(Failure::InlineForbidden { name });
        }
    }
    let attributes = match &o.facts.attributes {
        None => {
            let names = mapping.into_iter().map(|mapped| mapped.name).collect();
            return Ok(Accepted::Unread(Effect::ReadAttributes { names }));
        }
        Some(Err(failure)) => return Err(failure.clone()),
        Some(Ok(attributes)) => attributes,
    };
    if let Some(failure) = attributes.unreadable.first() {
        return Err(failure.clone());
    }
    let mut applicant = NewApplicant::default();
    let mut basis = Basis {
        workflow_id,
        data_comparison_path: spec.results.data_comparison_path.clone(),
        key_id: attributes.key_id.clone(),
        validity: spec.validity.as_ref().map(|validity| validity.duration.clone()),
        sent_tag: None,
        attributes: vec![],
        consents: o.spec.consents.clone().unwrap_or_default(),
    };
    for mapped in mapping {
        let Some(field) = ApplicantField::parse(mapped.applicant_field.as_str()) else {
            return Err(Failure::AttributeNotMapped { name: mapped.name });
        };
        let given = attributes.given.iter().find(|given| given.name == mapped.name);
        let needed = mapped.requirement == Requirement::Required || matches!(field, ApplicantField::FirstName | ApplicantField::LastName);
        match given {
            None if needed => return Err(Failure::AttributeMissing { name: mapped.name }),
            None => {}
            Some(given) => {
                field.check(given.value.expose()).map_err(|fault| Failure::AttributeInvalid { name: mapped.name.clone(), fault })?;
                applicant.set(field, Personal::new(given.value.expose()));
            }
        }
        basis.attributes.push(BasisAttribute {
            name: mapped.name,
            applicant_field: mapped.applicant_field,
            comparison_field: mapped.comparison_field,
            requirement: mapped.requirement,
            digest: given.map(|given| given.digest.clone()),
        });
    }
    for consent in o.spec.consents.iter().flatten() {
        if let Some(name) = ConsentName::parse(consent.name.as_str()) {
            applicant.consent(Consent { name, granted: consent.granted });
        }
    }
    applicant.check_together().map_err(|incomplete| inputs::incomplete(&basis, incomplete))?;
    // Sent with the run only, but a run that could not be sent shall not leave an applicant behind.
    if inputs::custom_data(o)?.is_none() {
        return Ok(Accepted::Unread(Effect::ReadCustomData));
    }
    basis.sent_tag = inputs::sent_tag(o, &basis, attributes);
    Ok(Accepted::Read(Ready { basis, applicant }))
}

pub(super) fn provider_missing(o: &Observed) -> Failure {
    let reference = &o.spec.provider_ref;
    Failure::ProviderNotFound {
        namespace: reference.namespace.clone().unwrap_or_else(|| o.namespace.clone()),
        name: reference.name.clone(),
    }
}
