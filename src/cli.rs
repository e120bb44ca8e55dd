//! The command line: subcommands, flags and environment in one place.

use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand, error::ErrorKind};

use crate::{definitions, one_line::one_line, run, simulator};

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
    Run(run::Options),
    /// Print the custom resource definitions as YAML.
    Crds(Crds),
    /// Write the generated files of the repository in this folder.
    #[cfg(feature = "dev")]
    #[command(hide = true)]
    Generate,
    /// Write install.yaml of the repository in this folder.
    #[cfg(feature = "dev")]
    #[command(hide = true)]
    Manifests,
    /// Run a stand-in vendor, for trying things out and for tests. Never for people.
    Simulator(Box<simulator::Options>),
    /// Start a control plane, the simulator and the operator, and tell one verification's story.
    #[cfg(feature = "dev")]
    Demo(crate::dev::demo::Options),
}

#[derive(Debug, Args)]
struct Crds {
    /// Only this kind: onfidoproviders or identityverifications.
    plural: Option<String>,
}

/// Does what the command line says.
pub fn main() -> ExitCode {
    let Cli { command } = match Cli::try_parse().and_then(Cli::checked) {
        Ok(cli) => cli,
        Err(error) => return not_understood(&error),
    };
    let done = match command {
        Command::Run(options) => block_on(run::run(options)),
        Command::Crds(Crds { plural }) => definitions::yaml(plural.as_deref()).map(|yaml| print!("{yaml}")),
        #[cfg(feature = "dev")]
        Command::Generate => crate::dev::generate::write(std::path::Path::new(".")),
        #[cfg(feature = "dev")]
        Command::Manifests => block_on(crate::dev::generate::manifests::write(std::path::Path::new("."))),
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

impl Cli {
    /// What clap cannot check by itself.
    fn checked(self) -> Result<Self, clap::Error> {
        if let Command::Run(options) = &self.command {
            options.check().map_err(|why| Self::command().error(ErrorKind::ValueValidation, why))?;
        }
        Ok(self)
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
