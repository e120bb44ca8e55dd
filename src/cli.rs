//! The command line: subcommands, flags and environment in one place.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand, ValueEnum, error::ErrorKind};

use crate::{api::Region, onfido::client::Endpoint, run, simulator};

/// Verifies people's identity through Onfido, declared as Kubernetes objects.
#[derive(Parser)]
#[command(version, about)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the operator, with the kubeconfig or the Pod's own credentials.
    Run(Run),
    /// Print the custom resource definitions as YAML.
    Crds(Crds),
    /// Write the generated files of the repository in this folder.
    #[cfg(feature = "dev")]
    #[command(hide = true)]
    Generate,
    /// Run a stand-in vendor, for trying things out and for tests. Never for people.
    Simulator(Box<simulator::Options>),
    /// Start a control plane, the simulator and the operator, and tell one verification's story.
    #[cfg(feature = "dev")]
    Demo(crate::dev::demo::Options),
}

/// How the operator runs.
#[derive(Clone, Debug, Args)]
pub struct Run {
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
    /// Watch this namespace only: for tests that run several operators side by side.
    #[arg(long, hide = true, value_name = "NAMESPACE")]
    pub only_namespace: Option<String>,
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

#[derive(Debug, Args)]
struct Crds {
    /// Only this kind: onfidoproviders or identityverifications.
    plural: Option<String>,
}

/// Does what the command line says.
pub fn main() -> ExitCode {
    let Cli { command } = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return not_understood(&error),
    };
    let done = match command {
        Command::Run(options) => block_on(run::run(options)),
        Command::Crds(Crds { plural }) => crds(plural.as_deref()).map(|yaml| print!("{yaml}")),
        #[cfg(feature = "dev")]
        Command::Generate => crate::dev::generate::write(std::path::Path::new(".")),
        Command::Simulator(options) => block_on(async { simulator::run(*options, run::stopped()).await.map_err(one_line) }),
        #[cfg(feature = "dev")]
        Command::Demo(options) => block_on(crate::dev::demo::run(options)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Help and version as clap prints them; what is wrong in one line.
fn not_understood(error: &clap::Error) -> ExitCode {
    use ErrorKind as K;
    if let K::DisplayHelp | K::DisplayVersion | K::DisplayHelpOnMissingArgumentOrSubcommand = error.kind() {
        let _ = error.print();
    } else {
        eprintln!("{} (see --help)", clap_line(&error.to_string()));
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

/// Clap writes paragraphs: what is wrong, tips, then usage and a hint at the help.
fn clap_line(text: &str) -> String {
    let paragraphs = text.split("\n\n").take_while(|paragraph| !paragraph.starts_with("Usage:") && !paragraph.starts_with("For more"));
    paragraphs.map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>().join("; ")
}

fn block_on(work: impl Future<Output = Result<(), String>>) -> Result<(), String> {
    // The only error is "there is one already".
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(one_line)?;
    runtime.block_on(work)
}

/// An error and its sources in one line.
pub fn one_line(error: impl std::error::Error) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let text = error.to_string();
        if !line.contains(&text) {
            line = format!("{line}: {text}");
        }
        source = error.source();
    }
    line.replace('\n', " ")
}

/// The custom resource definitions as YAML, as they stand in `crds/`.
pub fn crds(plural: Option<&str>) -> Result<String, String> {
    let mut yaml = String::new();
    for definition in crate::api::definitions() {
        if plural.is_none_or(|plural| plural == definition.spec.names.plural) {
            yaml.push_str("---\n");
            yaml.push_str(&serde_saphyr::to_string(&definition).map_err(one_line)?);
        }
    }
    if yaml.is_empty() { Err("no such kind: it is onfidoproviders or identityverifications".into()) } else { Ok(yaml) }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clap_says_what_is_wrong_in_one_line() {
        for (args, line) in [
            (
                &["x", "run", "--kubeconfg", "a"][..],
                "error: unexpected argument '--kubeconfg' found; tip: a similar argument exists: '--kubeconfig'",
            ),
            (&["x", "nonsense"], "error: unrecognized subcommand 'nonsense'"),
            (
                &["x", "run", "--time-scale", "NaN"],
                "error: invalid value 'NaN' for '--time-scale <FACTOR>': must be a number above 0 (at least 0.000001) and at most 1000",
            ),
        ] {
            let error = Cli::try_parse_from(args).err().unwrap();
            assert_eq!(clap_line(&error.to_string()), line);
        }
    }
}
