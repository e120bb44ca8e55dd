//! Who may call whom, held as text checks over the sources: a room's doors are a list here, and everything else is a wall.

use std::{fs, path::Path};

/// What one room may use. The rule with the longest path that a file begins with is its rule; a file without one may use all but `CLOSED`.
struct Rule {
    /// Begins the file's path below `src/`.
    room: &'static str,
    /// Paths within this crate.
    ours: &'static [&'static str],
    /// Paths of other crates.
    others: &'static [&'static str],
    /// Paths and words beyond that.
    never: &'static [&'static str],
}

/// Time, chance, surroundings and waiting: what a pure room has as arguments or not at all.
const IMPURE: &[&str] = &[
    "async",
    "await",
    "Timestamp::now",
    "Zoned::now",
    "Instant",
    "SystemTime",
    "std::env",
    "env",
    "std::fs",
    "std::io",
    "std::net",
    "std::process",
    "std::thread",
    "std::sync",
    "println",
    "eprintln",
    "dbg",
    "RandomState",
];

const RULES: &[Rule] = &[
    Rule {
        room: "api/",
        ours: &["api"],
        others: &["serde", "schemars", "k8s_openapi", "kube::CustomResource", "kube::KubeSchema", "kube::core"],
        never: IMPURE,
    },
    Rule {
        room: "onfido/",
        ours: &["onfido"],
        others: &["governor", "hmac", "jiff", "reqwest", "serde", "serde_json", "sha2", "thiserror", "tokio", "url", "zeroize"],
        never: &[],
    },
    Rule {
        room: "plan/",
        ours: &["plan", "api", "key", "onfido::model", "onfido::error", "onfido::secret"],
        others: &["jiff", "k8s_openapi", "thiserror"],
        never: IMPURE,
    },
    Rule {
        room: "plan/tests",
        ours: &["plan", "api", "onfido::model", "onfido::secret"],
        others: &["jiff", "k8s_openapi", "serde_json"],
        never: IMPURE,
    },
    Rule {
        room: "webhook/",
        ours: &["webhook", "api", "fence", "key", "metrics", "pause", "secrets", "onfido::model", "onfido::secret", "onfido::webhook"],
        others: ALL,
        never: &["reqwest"],
    },
    Rule {
        room: "simulator/",
        ours: &["simulator", "onfido::model", "onfido::secret", "onfido::webhook"],
        others: ALL,
        never: &["kube", "k8s_openapi"],
    },
    Rule { room: "key.rs", ours: &["key"], others: &["sha2"], never: IMPURE },
    Rule { room: "secrets", ours: &["secrets", "api", "onfido::secret"], others: ALL, never: &["reqwest"] },
    Rule {
        room: "controller/",
        ours: &["controller", "plan", "api", "onfido", "fence", "key", "metrics", "pause", "secrets", "health", "webhook::path"],
        others: ALL,
        never: &[],
    },
    Rule { room: "cli.rs", ours: ALL, others: ALL, never: &[] },
    Rule { room: "main.rs", ours: ALL, others: ALL, never: &[] },
    Rule { room: "cli/", ours: ALL, others: ALL, never: &[] },
];
const ALL: &[&str] = &["*"];
/// Nobody depends on these but those who may use everything.
const CLOSED: &[&str] = &["cli"];

#[test]
fn every_room_keeps_to_its_doors() {
    let mut found = vec![];
    let mut files = 0;
    each_file(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut |file, text| {
        files += 1;
        found.extend(violations(file, text));
    });
    assert!(files > 40, "only {files} files were read");
    assert!(found.is_empty(), "\n{}", found.join("\n"));
    for rule in RULES.iter().filter(|rule| !["cli/"].contains(&rule.room)) {
        let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")).join(rule.room);
        assert!(path.exists() || path.with_extension("rs").exists(), "a rule for {}, which is not there", rule.room);
    }
}

#[test]
fn the_checker_catches_what_it_forbids() {
    let caught = [
        ("plan/a.rs", "use tokio::time;"),
        ("plan/a.rs", "use {std::fmt, reqwest::Client};"),
        ("plan/a.rs", "async fn f() {}"),
        ("plan/a.rs", "fn f() { let now = jiff::Timestamp::now(); }"),
        ("plan/a.rs", "fn f() { let now = Timestamp::now(); }"),
        ("plan/a.rs", "use std::time::{Duration, Instant};"),
        ("plan/a.rs", "fn f() { std::time::SystemTime::now(); }"),
        ("plan/a.rs", "fn f() { rand::rng(); }"),
        ("plan/a.rs", "use std::env;"),
        ("plan/a.rs", "fn f() { env!(\"X\"); }"),
        ("plan/a.rs", "fn f() { tracing::info!(\"x\"); }"),
        ("plan/a.rs", "use kube::Client;"),
        ("plan/a.rs", "use crate::{api::Phase, controller::Ctx};"),
        ("plan/a.rs", "use crate::onfido::{model::WorkflowRun, client::Client};"),
        ("plan/a.rs", "use super::super::webhook::route;"),
        ("plan/a.rs", "fn f() { crate::simulator::x(); }"),
        ("plan/tests/a.rs", "use crate::dev::Cluster;"),
        ("api/a.rs", "use kube::{Api, CustomResource};"),
        ("api/a.rs", "use crate::onfido::model::Applicant;"),
        ("onfido/a.rs", "use kube::Client;"),
        ("onfido/model/a.rs", "use crate::api::Phase;"),
        ("webhook/a.rs", "use crate::plan::Effect;"),
        ("webhook/a.rs", "use crate::onfido::client::Client;"),
        ("webhook/a.rs", "use crate::onfido::{webhook::verify, limiter};"),
        ("simulator/a.rs", "use crate::api::Phase;"),
        ("simulator/a.rs", "use crate::onfido::client::Client as Vendor;"),
        ("simulator/a.rs", "fn f(c: kube::Client) {}"),
        ("controller/a.rs", "use crate::simulator::Vendor;"),
        ("controller/a.rs", "use crate::{\n    api::Phase,\n    cli,\n};"),
        ("metrics.rs", "use crate::cli::Flags;"),
        ("secrets/cache.rs", "use crate::controller::Ctx;"),
    ];
    for (file, text) in caught {
        assert!(!violations(file, text).is_empty(), "{file}: {text}");
    }
    let fine = [
        ("plan/a.rs", "// tokio::spawn, async and Timestamp::now() are no business of this file\nuse jiff::Timestamp;"),
        ("plan/a.rs", "/* use rand::rng; */ const TEXT: &str = \"use crate::cli \\\" async\"; const RAW: &str = r#\"\"async\"\"#;"),
        ("plan/a.rs", "use crate::{api::Phase, onfido::{model::WorkflowRun, secret::Personal}};"),
        ("plan/a.rs", "use super::conditions; fn f<'a>(x: &'a str) -> char { '\"' }"),
        ("api/a.rs", "use kube::{CustomResource, KubeSchema};"),
        ("webhook/a.rs", "use crate::onfido::webhook::verify; use kube::Client;"),
        ("controller/a.rs", "use crate::plan::Effect; use kube::runtime::Controller;"),
        ("cli.rs", "use crate::simulator::Vendor; use crate::controller::run;"),
        ("onfido/a.rs", "mod tests { use super::*; }"),
    ];
    for (file, text) in fine {
        assert_eq!(violations(file, text), Vec::<String>::new(), "{file}: {text}");
    }
}

#[test]
fn the_features_stand_in_the_order_of_the_layers() {
    // `make test` builds `api` and `client` alone; here only that no module has slipped below its layer.
    let root = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/lib.rs")).unwrap();
    let feature_of = |module: &str| {
        let lines: Vec<&str> = root.lines().collect();
        let at = lines.iter().position(|line| *line == format!("pub mod {module};")).unwrap_or_else(|| panic!("no module {module}"));
        lines[at - 1].to_owned()
    };
    assert_eq!(feature_of("api"), "#[cfg(feature = \"api\")]");
    assert_eq!(feature_of("onfido"), "#[cfg(feature = \"client\")]");
    for module in ["plan", "controller", "webhook", "simulator", "cli"] {
        assert_eq!(feature_of(module), "#[cfg(feature = \"operator\")]", "{module}");
    }
    assert!(root.contains("#![forbid(unsafe_code)]"));
    for room in ["api", "onfido"] {
        let text = fs::read_to_string(format!("{}/src/{room}/mod.rs", env!("CARGO_MANIFEST_DIR"))).unwrap();
        assert!(text.contains("#![deny(missing_docs)]"), "{room}");
    }
}

// ---- The checker ---------------------------------------------------------------------------------------------------------------------

fn each_file(folder: &Path, visit: &mut impl FnMut(&str, &str)) {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            each_file(&path, visit);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            let below = path.strip_prefix(concat!(env!("CARGO_MANIFEST_DIR"), "/src")).unwrap();
            visit(&below.to_string_lossy(), &fs::read_to_string(&path).unwrap());
        }
    }
}

/// Every dependency, as it is spelled in code.
fn dependencies() -> Vec<String> {
    let manifest = include_str!("../Cargo.toml");
    let (_, after) = manifest.split_once("[dependencies]").unwrap();
    let names = after.lines().take_while(|line| !line.starts_with('[')).filter_map(|line| line.split_once(" = "));
    names.map(|(name, _)| name.trim().replace('-', "_")).collect()
}

fn violations(file: &str, text: &str) -> Vec<String> {
    let rule = RULES.iter().filter(|rule| file.starts_with(rule.room)).max_by_key(|rule| rule.room.len());
    let within = |path: &str, doors: &[&str]| {
        doors.iter().any(|door| *door == "*" || path == *door || path.strip_prefix(door).is_some_and(|rest| rest.starts_with("::")))
    };
    let dependencies = dependencies();
    let mut found = vec![];
    for path in paths(file, text) {
        let (first, rest) = path.split_once("::").unwrap_or((&path, ""));
        let bad = match (first, rule) {
            ("crate", _) if rest.is_empty() => false, // as in pub(crate)
            ("crate", Some(rule)) => !within(rest, rule.ours),
            ("crate", None) => within(rest, CLOSED),
            (name, Some(rule)) if !rest.is_empty() && dependencies.iter().any(|dependency| dependency == name) => {
                !within(&path, rule.others)
            }
            _ => false,
        };
        let never = rule.is_some_and(|rule| {
            let ends = |word: &str| path == word || path.ends_with(&format!("::{word}")) || path.contains(&format!("::{word}::"));
            rule.never.iter().any(|word| within(&path, &[word]) || ends(word))
        });
        if bad || never {
            found.push(format!("src/{file} uses {path}"));
        }
    }
    found
}

/// Every path in a file, with `use` trees spelled out and `super` and `self` resolved.
fn paths(file: &str, text: &str) -> Vec<String> {
    let tokens = tokens(&bare(text));
    let mut module: Vec<&str> = file.trim_end_matches(".rs").split('/').collect();
    if matches!(module.last(), Some(&"mod" | &"lib" | &"main")) {
        module.pop();
    }
    let mut found = vec![];
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at] == "use" {
            at += 1;
            tree(&tokens, &mut at, "", &mut found);
            continue;
        }
        let start = at;
        let mut path = String::new();
        while at < tokens.len() && (tokens[at] == "::" || is_name(&tokens[at])) {
            if is_name(&tokens[at]) && !path.is_empty() && !path.ends_with("::") {
                break;
            }
            path.push_str(&tokens[at]);
            at += 1;
        }
        if at == start {
            at += 1;
        } else {
            found.push(path.trim_matches(':').to_owned());
        }
    }
    found.into_iter().map(|path| resolve(&module, &path)).collect()
}

/// One `use` tree from the token at `at`: `a::{b, c::d}`.
fn tree(tokens: &[String], at: &mut usize, prefix: &str, found: &mut Vec<String>) {
    let mut path = prefix.to_owned();
    while let Some(token) = tokens.get(*at) {
        *at += 1;
        match token.as_str() {
            "{" => loop {
                tree(tokens, at, &path, found);
                let more = tokens.get(*at).is_some_and(|token| token == ",");
                *at += 1;
                if !more {
                    return;
                }
            },
            "as" => *at += 1,
            "," | "}" | ";" => {
                *at -= 1;
                break;
            }
            other => path.push_str(other),
        }
    }
    if path != prefix {
        found.push(path);
    }
}

fn resolve(module: &[&str], path: &str) -> String {
    let mut here = module.to_vec();
    let mut rest = path;
    let mut relative = false;
    while let Some((first, after)) = rest.split_once("::") {
        match first {
            "super" => drop(here.pop()),
            "self" => {}
            _ => break,
        }
        (rest, relative) = (after, true);
    }
    if !relative {
        return path.to_owned();
    }
    // A glob of the crate's root names nobody.
    let mut all = vec!["crate"];
    all.extend(here);
    all.push(rest);
    if all.len() == 2 && rest == "*" { "*".into() } else { all.join("::") }
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

fn tokens(text: &str) -> Vec<String> {
    let mut all: Vec<String> = vec![];
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c.is_whitespace() {
            continue;
        }
        let mut token = String::from(c);
        if c.is_alphanumeric() || c == '_' {
            while let Some(more) = chars.next_if(|c| c.is_alphanumeric() || *c == '_') {
                token.push(more);
            }
        } else if c == ':' && chars.peek() == Some(&':') {
            chars.next();
            token.push(':');
        }
        all.push(token);
    }
    all
}

/// The text without comments and without what stands in quotation marks.
fn bare(text: &str) -> String {
    let all: Vec<char> = text.chars().collect();
    let (mut bare, mut at) = (String::new(), 0);
    let find = |from: usize, what: &str| {
        let what: Vec<char> = what.chars().collect();
        (from..all.len()).find(|at| all[*at..].starts_with(&what)).map_or(all.len(), |at| at + what.len())
    };
    while at < all.len() {
        let rest = &all[at..];
        if rest.starts_with(&['/', '/']) {
            at = find(at, "\n").saturating_sub(1).max(at + 2);
        } else if rest.starts_with(&['/', '*']) {
            at = find(at + 2, "*/");
        } else if rest[0] == 'r'
            && rest.get(1).is_some_and(|c| *c == '#' || *c == '"')
            && !bare.ends_with(|c: char| c.is_alphanumeric() || c == '_')
        {
            let hashes = rest[1..].iter().take_while(|c| **c == '#').count();
            if rest.get(1 + hashes) == Some(&'"') {
                at = find(at + 2 + hashes, &format!("\"{}", "#".repeat(hashes)));
            } else {
                at += 1 + hashes;
            }
        } else if rest[0] == '"' {
            at += 1;
            while at < all.len() && all[at] != '"' {
                at += if all[at] == '\\' { 2 } else { 1 };
            }
            at += 1;
        } else if rest.starts_with(&['\'', '\\']) {
            at = find(at + 3, "'");
        } else if rest[0] == '\'' && rest.get(2) == Some(&'\'') {
            at += 3;
        } else {
            bare.push(rest[0]);
            at += 1;
        }
    }
    bare
}

/// Two crypto providers in one process make the first TLS connection panic; another TLS stack is another thing to keep patched.
#[test]
fn there_is_one_tls_and_one_crypto_stack() {
    let lock = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock")).unwrap();
    let has = |name: &str| lock.contains(&format!("name = \"{name}\"\n"));
    assert!(has("ring") && has("rustls"), "the ones we use");
    for other in ["aws-lc-rs", "aws-lc-sys", "openssl", "openssl-sys", "native-tls", "boring"] {
        assert!(!has(other), "{other} came in: find out with `cargo tree -i {other}`");
    }
}
