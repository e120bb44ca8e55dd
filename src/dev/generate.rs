//! The files that are made from the code, so that they cannot drift: `crds/`, the chart's copies of them, and the parts of the READMEs and
//! of docs/life.md that quote something.

mod chart;
pub mod manifests;

use std::path::Path;

use crate::{api, definitions, plan};

/// Every generated file, as it should be: its path below the repository's root, and its text.
pub fn files(root: &Path) -> Result<Vec<(String, String)>, String> {
    let mut files = vec![];
    for definition in api::definitions() {
        let plural = definition.spec.names.plural;
        let yaml = definitions::yaml(Some(&plural))?;
        files.push((format!("{}/templates/crds/{plural}.yaml", chart::FOLDER), chart::template(&yaml)?));
        files.push((format!("crds/{plural}.yaml"), yaml));
    }
    chart::check_version(&read(root, &format!("{}/Chart.yaml", chart::FOLDER))?)?;
    for path in ["README.md".to_owned(), "docs/life.md".to_owned(), format!("{}/README.md", chart::FOLDER)] {
        let text = readme(root, &path)?;
        files.push((path, text));
    }
    Ok(files)
}

/// Writes every generated file.
pub fn write(root: &Path) -> Result<(), String> {
    for (path, text) in files(root)? {
        std::fs::write(root.join(&path), text).map_err(|error| format!("{path}: {error}"))?;
    }
    Ok(())
}

fn read(root: &Path, path: &str) -> Result<String, String> {
    std::fs::read_to_string(root.join(path)).map_err(|error| format!("{path}: {error}"))
}

/// A page, with each `<!-- FILE.yaml -->` followed by that file, `<!-- troubleshooting -->` and `<!-- values -->` by their tables, and
/// `<!-- life -->` by the diagram of the phases.
fn readme(root: &Path, path: &str) -> Result<String, String> {
    let text = read(root, path)?;
    let mut out = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        out.push_str(line);
        out.push('\n');
        let Some(quoted) = line.strip_prefix("<!-- ").and_then(|line| line.strip_suffix(" -->")) else { continue };
        let table = match quoted {
            "troubleshooting" => Some(plan::troubleshooting()),
            "values" => Some(chart::table(&read(root, &format!("{}/values.yaml", chart::FOLDER))?)?),
            _ => None,
        };
        if let Some(table) = table {
            while lines.peek().is_some_and(|next| next.is_empty() || next.starts_with('|')) {
                lines.next();
            }
            out.push_str(&format!("\n{table}\n"));
            continue;
        }
        let (language, block) = match quoted {
            "life" => ("mermaid", plan::diagram()),
            file if file.ends_with(".yaml") => ("yaml", read(root, file)?),
            _ => continue,
        };
        for skipped in lines.by_ref() {
            if skipped == "```" {
                break;
            }
        }
        out.push_str(&format!("```{language}\n{}\n```\n", block.trim_end()));
    }
    Ok(format!("{}\n", out.trim_end()))
}
