//! What a verification cost: calls, writes, memory. Counts what others recorded.

use crate::{
    dev::{AuditMark, ControlPlane},
    one_line::one_line,
    simulator::{
        AdminClient, DEMO_ACCOUNT,
        admin::{Delivery, LedgerEntry},
    },
};

/// The operator's user agent begins so.
const OPERATOR: &str = "onfido-operator/";

/// The vendor's ledger: every call there was, oldest first.
pub(super) async fn calls(admin: &AdminClient) -> Result<Vec<LedgerEntry>, String> {
    admin.ledger(Some(DEMO_ACCOUNT), None).await.map_err(one_line)
}

/// What was delivered for a run.
pub(super) async fn deliveries(admin: &AdminClient, run: &str) -> Result<Vec<Delivery>, String> {
    admin.deliveries(Some(DEMO_ACCOUNT), Some(run)).await.map_err(one_line)
}

/// A call in one line: `POST /applicants → 201`.
pub(super) fn call(entry: &LedgerEntry) -> String {
    let status = entry.status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
    format!("{} {} → {status}", entry.method, short_path(&entry.path))
}

/// Without the version, and with ids cut.
fn short_path(path: &str) -> String {
    let cut = |part: &str| if part.len() == 36 { format!("{}…", &part.chars().take(8).collect::<String>()) } else { part.to_owned() };
    path.trim_start_matches("/v3.6").split('/').map(cut).collect::<Vec<_>>().join("/")
}

/// Equal things once, with their number: `5 × patch status, 1 × create secrets`.
pub(super) fn tally(things: impl IntoIterator<Item = String>) -> String {
    let mut counted: Vec<(String, u32)> = Vec::new();
    for thing in things {
        match counted.iter_mut().find(|(known, _)| *known == thing) {
            Some((_, count)) => *count += 1,
            None => counted.push((thing, 1)),
        }
    }
    counted.into_iter().map(|(thing, count)| if count == 1 { thing } else { format!("{count} × {thing}") }).collect::<Vec<_>>().join(", ")
}

/// What the operator wrote in a namespace, each write in words.
pub(super) async fn writes(control_plane: &ControlPlane, since: AuditMark, namespace: &str) -> Result<Vec<String>, String> {
    let entries = control_plane.audit_since(since).await.map_err(one_line)?;
    let own = entries.into_iter().filter(|e| e.is_write() && e.user_agent.starts_with(OPERATOR) && e.namespace == namespace);
    let words = own.map(|entry| match (entry.resource.as_str(), entry.subresource.as_str()) {
        ("identityverifications", "status") => "status".to_owned(),
        ("secrets", _) => "Secret".to_owned(),
        (resource, "") => resource.to_owned(),
        (resource, sub) => format!("{resource}/{sub}"),
    });
    Ok(words.collect())
}

/// Vendor calls by the operator's own count.
pub(super) async fn counted_calls(http: &reqwest::Client, health: &str) -> Option<u64> {
    let text = http.get(format!("{health}/metrics")).send().await.ok()?.text().await.ok()?;
    let lines = text.lines().filter(|line| line.starts_with("onfido_operator_vendor_calls_total"));
    Some(lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum())
}

/// Resident memory of a process, where the system tells.
pub(super) fn resident(pid: u32) -> Option<String> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(format!("{} MiB", kib.div_ceil(1024)))
}

/// The size of this program.
pub(super) fn binary_size() -> Option<String> {
    let bytes = std::fs::metadata(std::env::current_exe().ok()?).ok()?.len();
    Some(format!("{} MB", bytes.div_ceil(1_000_000)))
}
