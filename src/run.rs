//! The running operator: waits for the custom resources, then runs the controllers and the two servers until it is told to stop.

mod options;

pub use options::{LogFormat, Options};

use std::time::Duration;

use k8s_openapi::{
    NamespaceResourceScope,
    api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec},
};
use kube::{
    Api, Client, Config, Resource,
    api::{ListParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig, KubeconfigError},
};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::{Layer, filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};

use crate::{
    api::{IdentityVerification, OnfidoProvider},
    controller::{Controllers, Settings},
    health::{self, NotReady, Readiness},
    metrics::Metrics,
    one_line::one_line,
    plan::Timing,
    webhook::{self, Door, Limits, Providers, Verifications, serve},
};

/// Between looks for what is missing.
const LOOK: Duration = Duration::from_secs(1);

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
        () = wait_for_definitions(&client, options.only_namespace.as_deref(), &readiness) => {}
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

/// Waits, visibly, until both kinds are installed and may be watched and written.
async fn wait_for_definitions(client: &Client, namespace: Option<&str>, readiness: &Readiness) {
    let mut told: Option<NotReady> = None;
    loop {
        let missing = match missing::<OnfidoProvider>(client, namespace).await {
            None => missing::<IdentityVerification>(client, namespace).await,
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

async fn missing<K>(client: &Client, namespace: Option<&str>) -> Option<NotReady>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let api: Api<K> = namespace.map_or_else(|| Api::all(client.clone()), |namespace| Api::namespaced(client.clone(), namespace));
    let resource = format!("{}.{}", K::plural(&()), K::group(&()));
    let right = |verb: &str, resource: &str| NotReady::MissingRight { verb: verb.into(), resource: resource.into() };
    match api.list_metadata(&ListParams::default().limit(1)).await {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if status.code == 404 => return Some(NotReady::MissingDefinition(resource)),
        Err(kube::Error::Api(status)) if status.code == 403 => return Some(right("list", &resource)),
        Err(kube::Error::Api(status)) if status.code == 401 => return Some(NotReady::Unauthenticated),
        Err(_) => return Some(NotReady::Unreachable),
    }
    let status = format!("{}/status.{}", K::plural(&()), K::group(&()));
    for (verb, subresource, resource) in [("watch", None, &resource), ("patch", Some("status"), &status)] {
        if refused::<K>(client, namespace, verb, subresource).await {
            return Some(right(verb, resource));
        }
    }
    None
}

/// Whether the API server says that we lack a right. Where it will not say, it will when the right is used.
async fn refused<K: Resource<DynamicType = ()>>(client: &Client, namespace: Option<&str>, verb: &str, subresource: Option<&str>) -> bool {
    let attributes = ResourceAttributes {
        group: Some(K::group(&()).into_owned()),
        resource: Some(K::plural(&()).into_owned()),
        subresource: subresource.map(Into::into),
        namespace: namespace.map(Into::into),
        verb: Some(verb.into()),
        ..ResourceAttributes::default()
    };
    let spec = SelfSubjectAccessReviewSpec { resource_attributes: Some(attributes), non_resource_attributes: None };
    let review = SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() };
    let answer = Api::<SelfSubjectAccessReview>::all(client.clone()).create(&PostParams::default(), &review).await;
    answer.is_ok_and(|review| review.status.is_some_and(|status| !status.allowed))
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
