//! `onfido-operator demo`: one verification from YAML to verdict, on this machine, told step by step. Owns the order of things and how
//! they end; each part is in a file of its own.
//!
//! Exit code 0 only if the verdict is `Verified=True`. With the real vendor a person must capture: without a terminal it stops before
//! that, with a reason and exit code 1.

mod figures;
mod keep;
mod manifests;
mod person;
mod sample;
mod stage;
mod story;
mod vendor;
mod voice;
mod watch;
mod yaml;

use std::cell::Cell;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Instant;

use self::{
    manifests::Manifests,
    stage::Stage,
    story::Teller,
    vendor::Vendor,
    voice::{Tone, Voice},
};
use super::{ADMIN, ControlPlane, Options as How, Program, assets, install_crypto};
use crate::{one_line::one_line, run::stopped};

/// How the demo runs. ONFIDO_API_TOKEN, ONFIDO_WORKFLOW_ID and ONFIDO_REGION, all three, make it use the real vendor.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Leave everything running until Ctrl-C, and say how to reach it
    #[arg(long, env = "KEEP", value_parser = clap::builder::FalseyValueParser::new())]
    keep: bool,
    /// Where the real vendor is said to be: for trying that way out
    #[arg(long, hide = true, value_name = "URL")]
    vendor_endpoint: Option<String>,
}

/// How the story ended, where everything was left running after it.
type Kept = Cell<Option<Result<(), String>>>;

/// Runs until the story is told, something fails, or somebody has had enough.
pub async fn run(options: Options) -> Result<(), String> {
    let voice = Voice::new();
    let kept = Cell::new(None);
    let interrupted = async {
        had_enough().await;
        voice.gap();
        voice.say("Stopping …");
    };
    // Whoever loses is dropped, and with it whatever it had started.
    let told = tokio::select! {
        told = perform(&options, &voice, &kept) => Some(told),
        () = interrupted => None,
    };
    match told {
        Some(Ok(())) => {
            voice.gap();
            voice.say("Everything is stopped and removed.");
            voice.say("`make demo KEEP=1` leaves it running, to try things.");
            Ok(())
        }
        Some(Err(why)) => {
            voice.gap();
            Err(why)
        }
        None => {
            voice.say("Everything is stopped and removed.");
            kept.take().unwrap_or_else(|| Err("interrupted before there was a verdict".into()))
        }
    }
}

async fn perform(options: &Options, voice: &Voice, kept: &Kept) -> Result<(), String> {
    let started = Instant::now();
    install_crypto();
    let root = repository();
    let (vendor, note) = Vendor::from_environment()?;
    let mut manifests = Manifests::read(&root)?;

    voice.title("Onfido operator: one verification, from YAML to verdict");
    voice.gap();
    match &vendor {
        Vendor::Simulator => {
            voice.say("The operator and the Kubernetes API server are real; a simulator takes Onfido's place.");
            voice.say("The person is invented. Nothing leaves this machine.");
        }
        Vendor::Real(account) => {
            manifests.adapt(account)?;
            voice.say("ONFIDO_API_TOKEN, ONFIDO_WORKFLOW_ID and ONFIDO_REGION are set: this is the real Onfido, region");
            voice.say(&format!("{}, for an invented person. Without a webhook: results are found by polling.", account.region));
            if account.is_live() {
                voice.toned("note", Tone::Bad, "the token is not a sandbox token: the run may cost money", None);
            }
        }
    }
    note.iter().for_each(|note| voice.say(note));

    voice.chapter("Getting ready");
    let tools = root.join("tools");
    // May take minutes the first time, and says so.
    assets::find(&tools, &[Program::KubeApiserver, Program::Etcd]).await.map_err(one_line)?;
    let binary = std::env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?;
    let since = Instant::now();
    voice.pending("control plane", "starting");
    let control_plane = ControlPlane::start(How::new(binary, tools)).await.map_err(one_line)?;
    let client = control_plane.client(ADMIN).map_err(one_line)?;
    let version = client.apiserver_version().await.map(|version| version.git_version).unwrap_or_default();
    voice.timed("control plane", &format!("kube-apiserver {version} and etcd"), since.elapsed());

    let told = tell(&control_plane, &Telling { options, voice, kept, vendor: &vendor, manifests: &manifests, started }).await;
    if told.is_err() {
        control_plane.keep_logs();
    }
    told
}

/// What the telling needs to know.
struct Telling<'a> {
    options: &'a Options,
    voice: &'a Voice,
    kept: &'a Kept,
    vendor: &'a Vendor,
    manifests: &'a Manifests,
    started: Instant,
}

async fn tell(control_plane: &ControlPlane, telling: &Telling<'_>) -> Result<(), String> {
    let Telling { options, voice, kept, vendor, manifests, started } = *telling;
    let endpoint = options.vendor_endpoint.as_deref();
    let person = std::io::stdin().is_terminal() && std::io::stdout().is_terminal() && std::env::var_os("CI").is_none();
    let (stage, mut children) = Stage::start(control_plane, vendor, manifests, endpoint, voice).await?;
    let teller = Teller { stage: &stage, vendor, endpoint, manifests, voice, person };
    let story = async {
        let told = teller.tell().await?;
        // Fifty more would only be in the way of somebody who wants to try things.
        let sample = stage.admin.is_some() && !options.keep;
        let median = if sample { Some(sample::median(&stage, &manifests.account()?.region).await?) } else { None };
        story::sum_up(voice, &stage, &told, median, started.elapsed());
        if options.keep {
            keep::explain(voice, &stage, &manifests.verification()?, &told.secret).await;
            kept.set(Some(told.wrong.map_or(Ok(()), Err)));
            std::future::pending().await
        } else {
            told.wrong.map_or(Ok(()), Err)
        }
    };
    tokio::select! {
        told = story => told,
        why = children.one_ended() => Err(why),
    }
}

/// Ctrl-C, SIGTERM, or the terminal's end.
async fn had_enough() {
    #[cfg(unix)]
    if let Ok(mut hangup) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()) {
        tokio::select! {
            () = stopped() => {}
            _ = hangup.recv() => {}
        }
        return;
    }
    stopped().await;
}

/// Where the examples and the pinned tools are: here, or where this was built.
fn repository() -> PathBuf {
    let here = PathBuf::from(".");
    if here.join(manifests::FOLDER).is_dir() { here } else { Path::new(env!("CARGO_MANIFEST_DIR")).to_owned() }
}
