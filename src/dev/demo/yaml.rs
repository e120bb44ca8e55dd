//! A status as YAML that fits on a screen: what a program would read, one condition a line. Leaves out what only the operator reads.

use serde_json::Value;

/// In the order of the life they tell. Not here: basis, operation, notifications.
const FIELDS: [&str; 11] = [
    "phase",
    "vendorStatus",
    "environment",
    "applicantID",
    "workflowRunID",
    "capture",
    "startedAt",
    "submittedAt",
    "completedAt",
    "attributes",
    "conditions",
];
/// The same within a list's entries.
const INNER: [&str; 6] = ["type", "name", "status", "result", "reason", "verified"];

/// The lines.
pub(super) fn lines(status: &Value) -> Vec<String> {
    let mut lines = vec!["status:".to_owned()];
    for field in FIELDS {
        match &status[field] {
            Value::Null => {}
            Value::Array(entries) => {
                lines.push(format!("  {field}:"));
                lines.extend(table(entries).into_iter().map(|entry| format!("  - {entry}")));
            }
            Value::Object(map) => {
                lines.push(format!("  {field}:"));
                lines.extend(map.iter().map(|(key, value)| format!("    {key}: {}", flow(value))));
            }
            value => lines.push(format!("  {field}: {}", flow(value))),
        }
    }
    lines
}

/// Entries as flow maps with aligned columns.
fn table(entries: &[Value]) -> Vec<String> {
    let columns: Vec<_> = INNER.iter().filter(|key| entries.iter().any(|entry| !entry[**key].is_null())).collect();
    let cell = |entry: &Value, key: &str| format!("{key}: {}", flow(&entry[key]));
    let widths: Vec<usize> = columns.iter().map(|key| entries.iter().map(|entry| cell(entry, key).len()).max().unwrap_or(0)).collect();
    let row = |entry: &Value| {
        let last = columns.len().saturating_sub(1);
        let cells = columns.iter().zip(&widths).enumerate().map(|(at, (key, width))| match cell(entry, key) {
            cell if at == last => cell,
            cell => format!("{:<width$}", format!("{cell},"), width = width + 1),
        });
        format!("{{ {} }}", cells.collect::<Vec<_>>().join(" "))
    };
    entries.iter().map(row).collect()
}

fn flow(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let inside: Vec<_> = map.iter().map(|(key, value)| format!("{key}: {}", flow(value))).collect();
            format!("{{ {} }}", inside.join(", "))
        }
        Value::String(text) if plain(text) => text.clone(),
        // JSON is YAML.
        other => other.to_string(),
    }
}

/// Whether a reader takes it for a text without quotes.
fn plain(text: &str) -> bool {
    let uuid = text.len() == 36 && text.split('-').map(str::len).eq([8, 4, 4, 4, 12]);
    let word = text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        && (uuid || text.starts_with(|c: char| c.is_ascii_alphabetic()));
    word && !["true", "false", "null", "yes", "no", "on", "off"].contains(&text.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_printed_is_yaml_with_the_same_content() {
        let status = json!({
            "phase": "Approved", "completedAt": "2026-01-02T03:04:05Z", "workflowRunID": "5c1d9b0e-6f0e-4c52-9d3f-0f5f0a3c9b11",
            "capture": { "secretRef": { "name": "person-1" } },
            "conditions": [{ "type": "Verified", "status": "True", "reason": "Verified" }, { "type": "Ready", "status": "False", "reason": "X" }],
            "attributes": [{ "name": "given_name", "result": "Clear", "verified": true }],
        });
        let text = lines(&status).join("\n");
        let read: Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(read["status"], status, "{text}");
    }
}
