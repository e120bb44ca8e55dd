//! The running operator: waits for the custom resources, then runs the controllers and the two servers until it is told to stop.

mod options;
mod rights;

pub use options::{LogFormat, Options};

use std::sync::Arc;

use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig, KubeconfigError},
};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::{Layer, filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};

use crate::{
    controller::{Controllers, Settings},
    health::{self, NotReady, Readiness},
    metrics::Metrics,
    one_line::one_line,
    plan::Timing,
    webhook::{self, Door, Limits, Providers, Verifications, serve},
};

/// Runs until SIGTERM or SIGINT.
pub async fn run(options: Options) -> Result<(), String> {
    log_to_stderr(&options);
    let metrics = Metrics::default();
    let readiness = Readiness::starting();
    let door = serve::bind(options.webhook_listen).await.map_err(|error| format!("webhook endpoint: {}", one_line(error)))?;
    let health = serve::bind(options.health_listen).await.map_err(|error| format!("health endpoint: {}", one_line(error)))?;
    let client = client(&options).await?;

    let stop = CancellationToken::new();
    tokio::spawn({
        let (stop, readiness) = (stop.clone(), readiness.clone());
        async move {
            stopped().await;
            tracing::info!("stopping");
            readiness.block(NotReady::Stopping);
            stop.cancel();
            stopped().await; // asked twice
            std::process::exit(1);
        }
    });
    // Probes are answered to the very end.
    let end = CancellationToken::new();
    let health = tokio::spawn(serve::serve(health, health::router(readiness.clone(), metrics.clone()), Limits::default(), end.clone()));

    tokio::select! {
        () = rights::wait(&client, &options, &readiness) => {}
        () = stop.cancelled() => return Ok(()),
    }
    let settings = Settings {
        namespace: options.namespace.clone(),
        watch_namespaces: options.watch_namespaces.clone(),
        watch_secrets: options.watch_secrets,
        webhook_public_url: options.webhook_public_url.clone(),
        endpoints: options.endpoints.clone(),
        ledger_entries: options.ledger_entries,
        timing: Timing::default().scaled(options.time_scale),
        metrics: metrics.clone(),
        right_gone: Arc::default(),
    };
    tokio::spawn({
        let (client, options, readiness, right_gone) = (client.clone(), options.clone(), readiness.clone(), settings.right_gone.clone());
        async move {
            loop {
                right_gone.notified().await;
                rights::wait(&client, &options, &readiness).await;
            }
        }
    });
    let controllers = Controllers::new(client.clone(), settings).map_err(one_line)?;
    let filled = readiness.clone();
    let door_keeper = Door::new(
        Providers::new(controllers.providers()),
        Verifications::new(controllers.verifications()),
        controllers.ctx().secrets(),
        client,
        move || !filled.blocked_by().contains(&NotReady::Starting),
        metrics,
        Limits::default(),
    )
    .map_err(one_line)?;
    let filled = controllers.filled();
    tokio::spawn(async move {
        filled.await;
        readiness.clear(&NotReady::Starting);
        tracing::info!("ready");
    });
    let door = tokio::spawn(serve::serve(door, webhook::router(door_keeper), Limits::default(), stop.clone()));
    controllers.run(stop).await;
    let _ = door.await;
    end.cancel();
    let _ = health.await;
    Ok(())
}

/// SIGTERM or SIGINT.
pub async fn stopped() {
    let interrupt = async { drop(tokio::signal::ctrl_c().await) };
    #[cfg(unix)]
    if let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        tokio::select! {
            () = interrupt => {}
            _ = terminate.recv() => {}
        }
        return;
    }
    interrupt.await;
}

async fn client(options: &Options) -> Result<Client, String> {
    let mut config = match &options.kubeconfig {
        Some(file) => {
            let wrong = |error| format!("kubeconfig {}: {}", file.display(), kubeconfig_fault(error));
            let kubeconfig = Kubeconfig::read_from(file).map_err(wrong)?;
            Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.map_err(wrong)?
        }
        // As `Config::infer`, which prints what it could not read: a kubeconfig holds secrets.
        None => match Config::from_kubeconfig(&KubeConfigOptions::default()).await {
            Ok(config) => config,
            Err(error) => Config::incluster()
                .map_err(|inside| format!("no Pod credentials ({}) and no kubeconfig ({})", one_line(inside), kubeconfig_fault(error)))?,
        },
    };
    let agent = concat!("onfido-operator/", env!("CARGO_PKG_VERSION"));
    config.headers.push((hyper::header::USER_AGENT, hyper::header::HeaderValue::from_static(agent)));
    Client::try_from(config).map_err(one_line)
}

/// What is wrong with a kubeconfig, without a line of it.
fn kubeconfig_fault(error: KubeconfigError) -> String {
    match error {
        KubeconfigError::ReadConfig(error, _) => format!("cannot be read: {error}"),
        KubeconfigError::Parse(error) => {
            let place = error.location().map_or(String::new(), |place| format!(", line {}", place.line()));
            format!("is not a kubeconfig{place}")
        }
        error => one_line(error),
    }
}

/// Logs to stderr. Only the operator's own crate is logged below warn: others may print what a request holds.
fn log_to_stderr(options: &Options) {
    let filter = Targets::new()
        .with_default(tracing::Level::WARN.min(options.log_level))
        .with_target("onfido_operator", options.log_level)
        .with_target("kube_client", tracing::Level::ERROR);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let layer = match options.log_format {
        LogFormat::Text => layer.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).boxed(),
        LogFormat::Json => layer.json().boxed(),
    };
    // Set already where a program embeds the operator.
    let _ = tracing_subscriber::registry().with(layer.with_filter(filter)).try_init();
    // A panic's message can hold what a user wrote; where it happened cannot.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panicked");
    }));
}
