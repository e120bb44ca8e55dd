//! The custom resource definitions as YAML.

use crate::one_line::one_line;

/// The custom resource definitions as YAML, as they stand in `crds/`.
pub fn yaml(plural: Option<&str>) -> Result<String, String> {
    let mut yaml = String::new();
    for definition in crate::api::definitions() {
        if plural.is_none_or(|plural| plural == definition.spec.names.plural) {
            yaml.push_str("---\n");
            yaml.push_str(&serde_saphyr::to_string(&definition).map_err(one_line)?);
        }
    }
    if yaml.is_empty() { Err("no such kind: it is onfidoproviders or identityverifications".into()) } else { Ok(yaml) }
}
