//! What goes to the vendor beside the person's single fields: which workflow, which tags, what fields need of each other, custom data.

use crate::{
    api::{Basis, CustomValue, OnfidoProviderSpec, Requirement},
    key,
    onfido::model::{ApplicantField, CustomData, Incomplete},
};

use super::{Attributes, Failure, Observed};

/// What the tags of ours begin with. The API server refuses it in a user's; were it not to, such a tag would be left out.
const RESERVED: &str = "onfido-operator.";
/// How many tags the vendor takes.
const MAX_TAGS: usize = 30;
/// How much custom data is sent, in bytes of JSON: the vendor publishes no bound.
const MAX_CUSTOM_DATA: usize = 16 << 10;
pub(super) const TOO_LARGE: &str = "is larger than 16 KiB";

/// The workflow that is asked for, if the provider allows it: as a UUID in small letters.
pub(super) fn workflow(o: &Observed, provider: &OnfidoProviderSpec) -> Result<String, Failure> {
    let wanted = o.spec.workflow_id.as_ref().unwrap_or(&provider.workflow_id);
    let mut allowed = provider.allowed_workflow_ids.iter().chain([&provider.workflow_id]);
    match allowed.find(|id| id.eq_ignore_ascii_case(wanted)) {
        Some(id) => Ok(id.to_ascii_lowercase()),
        None => Err(Failure::WorkflowNotAllowed),
    }
}

/// Ours first, by which the run is found again and says what was sent for it, then the user's.
pub(super) fn tags(o: &Observed, basis: Option<&Basis>) -> Vec<String> {
    let sent = basis.and_then(|basis| basis.sent_tag.as_ref());
    let users = o.spec.tags.iter().flatten().filter(|tag| !tag.to_ascii_lowercase().starts_with(RESERVED));
    let ours = [o.tag()].into_iter();
    ours.chain(sent.into_iter().chain(users).cloned()).take(MAX_TAGS).collect()
}

/// What a run of this basis says was sent for it: the values, and how they are judged. Only with an idempotency key.
pub(super) fn sent_tag(o: &Observed, basis: &Basis, attributes: &Attributes) -> Option<String> {
    let idempotency_key = o.spec.idempotency_key.as_ref()?;
    let tag = o.tag();
    let mut parts = vec![tag.as_str(), &basis.workflow_id, &basis.data_comparison_path];
    for attribute in &basis.attributes {
        let requirement = match attribute.requirement {
            Requirement::Required => "Required",
            Requirement::WhenGiven => "WhenGiven",
            Requirement::Informational => "Informational",
        };
        let comparison = attribute.comparison_field.map_or("", |field| field.as_str());
        parts.extend([attribute.name.as_str(), attribute.applicant_field.as_str(), comparison, requirement]);
        let given = attributes.given.iter().find(|given| given.name == attribute.name);
        parts.extend(given.map_or(["absent", ""], |given| ["given", given.value.expose()]));
    }
    Some(key::sent_tag(&o.namespace, idempotency_key, parts))
}

/// Names the attribute that is sent as the field at fault; the field itself where none is, as for one that is missing and not mapped.
pub(super) fn incomplete(basis: &Basis, incomplete: Incomplete) -> Failure {
    let name = |field: ApplicantField| {
        let attribute = basis.attributes.iter().find(|attribute| attribute.applicant_field.as_str() == field.as_str());
        attribute.map_or_else(|| field.as_str().to_owned(), |attribute| attribute.name.clone())
    };
    match incomplete {
        Incomplete::Missing(field) => Failure::AttributeMissing { name: name(field) },
        Incomplete::Faulty(field, fault) => Failure::AttributeInvalid { name: name(field), fault },
    }
}

/// The custom data to send: that of the Secrets, and the spec's own over it. None: the Secrets must be read first.
pub(super) fn custom_data(o: &Observed) -> Result<Option<CustomData>, Failure> {
    let mut data = match (&o.spec.custom_data_from, &o.facts.custom_data) {
        (None, _) => CustomData::default(),
        (Some(_), None) => return Ok(None),
        (Some(_), Some(Err(failure))) => return Err(failure.clone()),
        (Some(_), Some(Ok(data))) => data.clone(),
    };
    for (name, value) in o.spec.custom_data.iter().flat_map(|own| &own.0) {
        match value {
            CustomValue::Bool(value) => data.set(name, *value),
            CustomValue::Integer(value) => data.set(name, *value),
            CustomValue::Number(value) => data.set(name, *value),
            CustomValue::Text(value) => data.set(name, value.as_str()),
        };
    }
    if data.size() > MAX_CUSTOM_DATA {
        return Err(Failure::CustomDataInvalid { key: None, fault: TOO_LARGE });
    }
    Ok(Some(data))
}
