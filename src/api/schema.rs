//! The last strokes on the generated schemas: what the derive macros cannot say. Knows nothing of single fields.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};

/// The definition with texts and formats as Kubernetes shows and knows them.
pub(super) fn polished(mut definition: CustomResourceDefinition) -> CustomResourceDefinition {
    let schemas = definition.spec.versions.iter_mut().filter_map(|version| version.schema.as_mut()?.open_api_v3_schema.as_mut());
    schemas.for_each(polish);
    definition
}

fn polish(schema: &mut JSONSchemaProps) {
    // Line breaks of the source are not the reader's: kubectl explain wraps by itself.
    if let Some(text) = &mut schema.description {
        *text = text.split("\n\n").map(|paragraph| paragraph.replace('\n', " ")).collect::<Vec<_>>().join("\n\n");
    }
    // Kubernetes warns of a format it does not know, at each apply.
    if schema.format.as_deref() == Some("uint32") {
        schema.format = Some("int64".to_owned());
    }
    schema.properties.iter_mut().flatten().for_each(|(_, property)| polish(property));
    match &mut schema.items {
        Some(JSONSchemaPropsOrArray::Schema(items)) => polish(items),
        Some(JSONSchemaPropsOrArray::Schemas(items)) => items.iter_mut().for_each(polish),
        None => {}
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        polish(values);
    }
}
