//! How the operator runs: its flags and environment.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, ValueEnum};

use crate::{api::Region, controller::LEDGER_ENTRIES, onfido::client::Endpoint};

/// How the operator runs.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// The kubeconfig; otherwise $KUBECONFIG, ~/.kube/config, or the Pod's own credentials.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// The namespace of the operator's own Secret.
    #[arg(long, env = "POD_NAMESPACE", default_value = "onfido-operator")]
    pub namespace: String,
    /// Where the webhook endpoint listens.
    #[arg(long, default_value = "0.0.0.0:8080", value_name = "ADDRESS")]
    pub webhook_listen: SocketAddr,
    /// How the vendor reaches the webhook endpoint; the beginning of status.webhook.url of every provider.
    #[arg(long, default_value = "http://localhost:8080", value_name = "URL", value_parser = public_url)]
    pub webhook_public_url: String,
    /// Where /healthz, /readyz and /metrics listen.
    #[arg(long, default_value = "0.0.0.0:8081", value_name = "ADDRESS")]
    pub health_listen: SocketAddr,
    /// Another host for a region, as REGION=URL: for tests, a proxy or the simulator. May be repeated.
    #[arg(long = "onfido-endpoint", value_name = "REGION=URL", value_parser = endpoint)]
    pub endpoints: Vec<(Region, Endpoint)>,
    /// How much to log: error, warn, info, debug or trace. Other crates than the operator's own never log below warn.
    #[arg(long, env = "ONFIDO_OPERATOR_LOG", default_value = "info", value_name = "LEVEL")]
    pub log_level: tracing::Level,
    /// How to log.
    #[arg(long, default_value = "text", value_name = "FORMAT")]
    pub log_format: LogFormat,
    /// Serve the objects of this namespace only; may be repeated. Otherwise those of all namespaces.
    #[arg(long = "watch-namespace", value_name = "NAMESPACE", value_parser = namespace)]
    pub watch_namespaces: Vec<String>,
    /// Watch Secrets too, which takes the right to list and watch them: what changes in one is noticed at once. Otherwise they are only read by
    /// name, and a changed value is noticed at the daily audit.
    #[arg(long)]
    pub watch_secrets: bool,
    /// How many entries one ConfigMap of the erasure ledger takes: for tests, which cannot make hundreds.
    #[arg(long, hide = true, default_value_t = LEDGER_ENTRIES, value_name = "COUNT")]
    pub ledger_entries: usize,
    /// Makes every wait this many times as long: for tests, which cannot wait six hours.
    #[arg(long, hide = true, default_value_t = 1.0, value_name = "FACTOR", value_parser = time_scale)]
    pub time_scale: f64,
}

/// How to log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// Each costs two connections to the API server, or three where Secrets are watched.
const MOST_NAMESPACES: usize = 64;

impl Options {
    /// What no flag can know alone.
    pub fn check(&self) -> Result<(), String> {
        let all = &self.watch_namespaces;
        if all.len() > MOST_NAMESPACES {
            return Err(format!("--watch-namespace may be given {MOST_NAMESPACES} times, not {}; without it, all are watched", all.len()));
        }
        match all.iter().enumerate().find(|(at, namespace)| all[..*at].contains(namespace)) {
            Some((_, namespace)) => Err(format!("--watch-namespace {namespace} is given twice")),
            None => Ok(()),
        }
    }
}

fn namespace(flag: &str) -> Result<String, String> {
    let edge = |c: Option<&u8>| c.is_some_and(|c| *c != b'-');
    let fine = flag.bytes().all(|c| matches!(c, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    let [first, last] = [flag.as_bytes().first(), flag.as_bytes().last()];
    if fine && flag.len() <= 63 && edge(first) && edge(last) {
        return Ok(flag.to_owned());
    }
    Err("a namespace's name has 1 to 63 of a-z, 0-9 and -, and begins and ends with a letter or digit".into())
}

fn endpoint(flag: &str) -> Result<(Region, Endpoint), String> {
    let (region, address) = flag.split_once('=').ok_or("must be REGION=URL, such as EU=http://127.0.0.1:8090")?;
    let region = match region {
        "EU" => Region::EU,
        "US" => Region::US,
        "CA" => Region::CA,
        _ => return Err("the region must be EU, US or CA".into()),
    };
    let address = address.trim_end_matches('/');
    // The vendor's version belongs to this client, not to the host.
    let address = if address.ends_with("/v3.6") { address.to_owned() } else { format!("{address}/v3.6") };
    Ok((region, Endpoint::parse(&address).map_err(|error| error.to_string())?))
}

fn public_url(flag: &str) -> Result<String, String> {
    Endpoint::parse(flag).map_err(|error| error.to_string())?;
    Ok(flag.trim_end_matches('/').to_owned())
}

/// Zero would leave no wait at all, and a duration times a negative number or none is no duration.
fn time_scale(flag: &str) -> Result<f64, String> {
    let factor = flag.parse().ok().filter(|factor| (1e-6..=1000.0).contains(factor));
    factor.ok_or_else(|| "must be a number above 0 (at least 0.000001) and at most 1000".into())
}
