//! The running operator: waits for the custom resources, then runs the controllers and the two servers until it is told to stop.

use std::time::Duration;

use kube::{
    Api, Client, Config, Resource,
    api::ListParams,
    config::{KubeConfigOptions, Kubeconfig},
};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::{Layer, filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};

use crate::{
    api::{IdentityVerification, OnfidoProvider},
    cli::{LogFormat, Run, one_line},
    controller::{Controllers, Settings},
    health::{self, NotReady, Readiness},
    metrics::Metrics,
    plan::Timing,
    webhook::{self, Door, Limits, Providers, Verifications, serve},
};

/// Between looks for what is missing.
const LOOK: Duration = Duration::from_secs(1);

/// Runs until SIGTERM or SIGINT.
pub async fn run(options: Run) -> Result<(), String> {
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
    let health = tokio::spawn(serve::serve(health, health::router(readiness.clone(), metrics.clone()), Limits::default(), stop.clone()));

    tokio::select! {
        () = wait_for_definitions(&client, &readiness) => {}
        () = stop.cancelled() => return Ok(()),
    }
    let settings = Settings {
        namespace: options.namespace.clone(),
        only_namespace: options.only_namespace.clone(),
        webhook_public_url: options.webhook_public_url.clone(),
        endpoints: options.endpoints.clone(),
        timing: Timing::default().scaled(options.time_scale),
        metrics: metrics.clone(),
    };
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
    let _ = tokio::join!(door, health);
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

async fn client(options: &Run) -> Result<Client, String> {
    let mut config = match &options.kubeconfig {
        Some(file) => {
            let kubeconfig = Kubeconfig::read_from(file).map_err(|error| format!("kubeconfig {}: {}", file.display(), one_line(error)))?;
            Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
                .await
                .map_err(|error| format!("kubeconfig {}: {}", file.display(), one_line(error)))?
        }
        None => Config::infer().await.map_err(|error| format!("no kubeconfig and no Pod credentials: {}", one_line(error)))?,
    };
    let agent = concat!("onfido-operator/", env!("CARGO_PKG_VERSION"));
    config.headers.push((hyper::header::USER_AGENT, hyper::header::HeaderValue::from_static(agent)));
    Client::try_from(config).map_err(one_line)
}

/// Waits, visibly, until both kinds are installed and may be listed.
async fn wait_for_definitions(client: &Client, readiness: &Readiness) {
    let mut told: Option<NotReady> = None;
    loop {
        let missing = match missing::<OnfidoProvider>(client).await {
            None => missing::<IdentityVerification>(client).await,
            found => found,
        };
        if told != missing {
            if let Some(told) = &told {
                readiness.clear(told);
            }
            if let Some(missing) = &missing {
                tracing::warn!("waiting: {missing}");
                readiness.block(missing.clone());
            }
            told = missing;
        }
        if told.is_none() {
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn missing<K>(client: &Client) -> Option<NotReady>
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let api: Api<K> = Api::all(client.clone());
    let resource = format!("{}.{}", K::plural(&()), K::group(&()));
    match api.list_metadata(&ListParams::default().limit(1)).await {
        Ok(_) => None,
        Err(kube::Error::Api(status)) if status.code == 404 => Some(NotReady::MissingDefinition(resource)),
        Err(kube::Error::Api(status)) if status.code == 403 => Some(NotReady::MissingRight { verb: "list".into(), resource }),
        Err(_) => Some(NotReady::Unreachable),
    }
}

/// Logs to stderr. Only the operator's own crate is logged below warn: others may print what a request holds.
fn log_to_stderr(options: &Run) {
    let filter = Targets::new().with_default(tracing::Level::WARN.min(options.log_level)).with_target("onfido_operator", options.log_level);
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
