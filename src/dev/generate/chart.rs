//! What the chart has from elsewhere: the definitions as templates, and its values as a table. Reads `values.yaml` line by line, as it is
//! written here, and is no reader of YAML.

/// Where the chart is.
pub(super) const FOLDER: &str = "charts/onfido-operator";

/// A definition as a template of the chart.
pub(super) fn template(definition: &str) -> Result<String, String> {
    const END: &str = "\nspec:\n";
    let definition = definition.strip_prefix("---\n").unwrap_or(definition);
    let (head, spec) = definition.split_once(END).ok_or("a definition without a spec")?;
    // Nothing of it is for helm to read.
    let [head, spec] = [head, spec].map(|text| text.replace("{{", "{{ \"{{\" }}"));
    Ok(format!(
        "{{{{- /* Made by `make generate`: change the types in src/api instead. */}}}}
{{{{- if .Values.crds.enabled }}}}
{head}
  labels:
    {{{{- include \"onfido-operator.labels\" . | nindent 4 }}}}
  {{{{- if .Values.crds.keep }}}}
  annotations:
    helm.sh/resource-policy: keep
  {{{{- end }}}}{END}{spec}{{{{- end }}}}
"
    ))
}

/// Whether the chart installs this version of the operator.
pub(super) fn check_version(chart: &str) -> Result<(), String> {
    let line = chart.lines().find_map(|line| line.strip_prefix("appVersion: ")).unwrap_or_default();
    let found = line.split(" #").next().unwrap_or_default().trim().trim_matches('"');
    let wanted = env!("CARGO_PKG_VERSION");
    if found == wanted { Ok(()) } else { Err(format!("{FOLDER}/Chart.yaml: appVersion is {found:?} and Cargo.toml says {wanted:?}")) }
}

/// The values as a table of Markdown.
pub(super) fn table(values: &str) -> Result<String, String> {
    let mut table = "| Value | Default | What it is |\n|---|---|---|\n".to_owned();
    for Value { key, default, text } in read(values)? {
        let default = default.map(|default| format!("`{default}`")).unwrap_or_default();
        table.push_str(&format!("| `{key}` | {default} | {} |\n", text.replace('|', "\\|")));
    }
    Ok(table)
}

#[derive(Debug, PartialEq, Eq)]
struct Value {
    /// From the top, with dots.
    key: String,
    /// As it is written; none for a key that only holds others.
    default: Option<String>,
    text: String,
}

/// Every key with the comment directly above it. A key without one is an error, and so is a value on lines of its own.
fn read(values: &str) -> Result<Vec<Value>, String> {
    let mut found: Vec<Value> = vec![];
    let mut comment: Vec<&str> = vec![];
    let mut above: Vec<(usize, &str)> = vec![];
    for (number, line) in (1..).zip(values.lines()) {
        let text = line.trim_start();
        if text.is_empty() {
            comment.clear();
        } else if let Some(said) = text.strip_prefix('#') {
            comment.push(said.trim());
        } else {
            let plain = |key: &str| !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric());
            let (key, default) =
                text.split_once(':').filter(|(key, _)| plain(key)).ok_or_else(|| format!("values.yaml:{number}: no key"))?;
            let indent = line.len() - text.len();
            above.retain(|(outer, _)| *outer < indent);
            above.push((indent, key));
            let key = above.iter().map(|(_, key)| *key).collect::<Vec<_>>().join(".");
            if comment.is_empty() {
                return Err(format!("values.yaml:{number}: {key} has no comment directly above it"));
            }
            let default = Some(default.trim().to_owned()).filter(|default| !default.is_empty());
            found.push(Value { key, default, text: comment.join(" ") });
            comment.clear();
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_its_path_its_default_and_the_comment_above_it() {
        let read = read("# Of the file.\n\n# Outer.\nouter:\n  # Inner,\n  # two lines.\n  inner: {a: 1}\n# Last.\nlast: \"\"\n").unwrap();
        let value =
            |key: &str, default: Option<&str>, text: &str| Value { key: key.into(), default: default.map(Into::into), text: text.into() };
        assert_eq!(
            read,
            [
                value("outer", None, "Outer."),
                value("outer.inner", Some("{a: 1}"), "Inner, two lines."),
                value("last", Some("\"\""), "Last."),
            ]
        );
    }

    #[test]
    fn a_key_without_a_comment_is_refused() {
        for (values, says) in [
            ("# Text.\n\na: 1\n", "values.yaml:3: a has no comment"),
            ("# Text.\na:\n  b: 1\n", "values.yaml:3: a.b has no comment"),
            ("# Text.\na: 1\nb: 2\n", "values.yaml:3: b has no comment"),
            ("# Text.\na:\n  - b\n", "values.yaml:3: no key"),
        ] {
            assert!(read(values).unwrap_err().starts_with(says), "{values}");
        }
    }

    #[test]
    fn nothing_of_a_definition_is_for_helm_to_read() {
        let template = template("---\nkind: X\nmetadata:\n  name: a\nspec:\n  description: \"{{ .Values }}\"\n").unwrap();
        assert!(template.contains("description: \"{{ \"{{\" }} .Values }}\""), "{template}");
        assert!(template.contains("  name: a\n  labels:\n"), "{template}");
    }

    #[test]
    fn another_version_is_refused() {
        assert_eq!(check_version(&format!("appVersion: \"{}\" # why\n", env!("CARGO_PKG_VERSION"))), Ok(()));
        assert!(check_version("appVersion: \"9.9.9\"\n").unwrap_err().contains("\"9.9.9\""));
    }
}
