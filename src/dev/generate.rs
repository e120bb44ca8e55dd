//! The files that are made from the code, so that they cannot drift: `crds/`, and the parts of the README that quote something.

use std::path::Path;

use crate::{api, definitions, plan};

/// Every generated file, as it should be: its path below the repository's root, and its text.
pub fn files(root: &Path) -> Result<Vec<(String, String)>, String> {
    let mut files = vec![];
    for definition in api::definitions() {
        let plural = definition.spec.names.plural;
        files.push((format!("crds/{plural}.yaml"), definitions::yaml(Some(&plural))?));
    }
    files.push(("README.md".to_owned(), readme(root)?));
    Ok(files)
}

/// Writes every generated file.
pub fn write(root: &Path) -> Result<(), String> {
    for (path, text) in files(root)? {
        std::fs::write(root.join(&path), text).map_err(|error| format!("{path}: {error}"))?;
    }
    Ok(())
}

/// The README, with each `<!-- FILE.yaml -->` followed by that file, and `<!-- troubleshooting -->` by the table.
fn readme(root: &Path) -> Result<String, String> {
    let read = |path: &str| std::fs::read_to_string(root.join(path)).map_err(|error| format!("{path}: {error}"));
    let text = read("README.md")?;
    let mut out = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        out.push_str(line);
        out.push('\n');
        let Some(quoted) = line.strip_prefix("<!-- ").and_then(|line| line.strip_suffix(" -->")) else { continue };
        if quoted == "troubleshooting" {
            while lines.peek().is_some_and(|next| next.is_empty() || next.starts_with('|')) {
                lines.next();
            }
            out.push_str(&format!("\n{}\n", plan::troubleshooting()));
        } else if quoted.ends_with(".yaml") {
            for skipped in lines.by_ref() {
                if skipped == "```" {
                    break;
                }
            }
            out.push_str(&format!("```yaml\n{}\n```\n", read(quoted)?.trim_end()));
        }
    }
    Ok(out)
}
