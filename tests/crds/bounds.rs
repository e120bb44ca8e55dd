//! What holds for every field of the definitions, seen by walking them: a text, and a bound.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use onfido_operator::api::GROUP;

use super::{PROVIDERS, VERIFICATIONS, file};

/// The definition as it stands in `crds/`.
fn definition(plural: &str) -> CustomResourceDefinition {
    let text = std::fs::read_to_string(file(&format!("crds/{plural}.yaml"))).unwrap();
    serde_saphyr::from_str(&text).unwrap()
}

/// Every schema below spec and status with its path; what lies below a label selector is Kubernetes' own.
pub fn schemas(plural: &str) -> Vec<(String, JSONSchemaProps)> {
    fn walk(path: String, schema: &JSONSchemaProps, into: &mut Vec<(String, JSONSchemaProps)>) {
        into.push((path.clone(), schema.clone()));
        if path == "spec.allowedNamespaces.selector" {
            return;
        }
        for (name, property) in schema.properties.iter().flatten() {
            walk(format!("{path}.{name}"), property, into);
        }
        match &schema.items {
            Some(JSONSchemaPropsOrArray::Schema(items)) => walk(format!("{path}[]"), items, into),
            Some(JSONSchemaPropsOrArray::Schemas(_)) => panic!("{path}: a tuple"),
            None => {}
        }
        if let Some(JSONSchemaPropsOrBool::Schema(values)) = &schema.additional_properties {
            walk(format!("{path}{{}}"), values, into);
        }
    }
    let definition = definition(plural);
    assert_eq!(definition.metadata.name, Some(format!("{plural}.{GROUP}")));
    let [version] = &definition.spec.versions[..] else { panic!("more than one version") };
    let root = version.schema.as_ref().unwrap().open_api_v3_schema.as_ref().unwrap();
    assert!(root.description.is_some());
    let mut all = vec![];
    for part in ["spec", "status"] {
        walk(part.to_owned(), &root.properties.as_ref().unwrap()[part], &mut all);
    }
    all
}

/// The paths for which this holds.
fn which(holds: impl Fn(&str, &JSONSchemaProps) -> bool) -> Vec<String> {
    let all = [PROVIDERS, VERIFICATIONS].into_iter().flat_map(schemas);
    all.filter(|(path, schema)| holds(path, schema)).map(|(path, _)| path).collect()
}

#[test]
fn every_field_has_a_text() {
    let silent = which(|path, schema| !path.ends_with("[]") && schema.description.as_ref().is_none_or(|text| text.len() < 10));
    assert_eq!(silent, [] as [String; 0]);
    // kubectl explain wraps by itself: line breaks of the source would stand within its lines.
    let broken = which(|_, schema| schema.description.as_ref().is_some_and(|text| text.contains('\n')));
    assert_eq!(broken, [] as [String; 0]);
}

#[test]
fn everything_is_bounded() {
    let type_is = |schema: &JSONSchemaProps, type_: &str| schema.type_.as_deref() == Some(type_);
    let times = |schema: &JSONSchemaProps| schema.format.as_deref() == Some("date-time");
    let strings = which(|_, schema| type_is(schema, "string") && schema.enum_.is_none() && !times(schema) && schema.max_length.is_none());
    assert_eq!(strings, [] as [String; 0], "strings without maxLength");
    let lists = which(|_, schema| type_is(schema, "array") && schema.max_items.is_none());
    assert_eq!(lists, [] as [String; 0], "lists without maxItems");
    let maps = which(|_, schema| schema.additional_properties.is_some() && schema.max_properties.is_none());
    assert_eq!(maps, [] as [String; 0], "maps without maxProperties");
    let numbers = which(|path, schema| {
        path.starts_with("spec") && type_is(schema, "integer") && (schema.minimum.is_none() || schema.maximum.is_none())
    });
    assert_eq!(numbers, [] as [String; 0], "numbers a user writes, without minimum and maximum");
    let free = which(|_, schema| schema.type_.is_none() || schema.x_kubernetes_preserve_unknown_fields == Some(true));
    assert_eq!(free, ["spec.customData{}"], "anything goes, but where `inputs.rs` says what");
}
