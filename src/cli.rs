//! The command line: subcommands, flags and environment in one place.

/// Prints the custom resource definitions as YAML, as they stand in `crds/`.
pub fn crds() -> Result<String, serde_saphyr::ser::Error> {
    let mut out = String::new();
    for definition in crate::api::definitions() {
        out.push_str("---\n");
        out.push_str(&serde_saphyr::to_string(&definition)?);
    }
    Ok(out)
}
