//! A stand-in vendor: its API, its deliveries, its capture page. Owns start and stop; knows nothing of Kubernetes or of
//! the operator's decisions.

pub mod admin;
mod client;
pub mod delivery;
pub mod faults;
mod http;
mod options;
mod page;
pub mod vendor;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use self::client::{AdminClient, AdminError};
pub use self::options::{AccountFlag, DEMO_ACCOUNT, DEMO_TOKEN, DEMO_WORKFLOW, Options};

use self::admin::Webhook;
use self::delivery::{Deliveries, DeliveryError};
use self::http::Shared;
use self::vendor::Vendor;

/// Why the simulator did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot listen on {address}")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error("cannot use the webhook token")]
    WebhookToken(#[from] DeliveryError),
    #[error("cannot set up the HTTP client")]
    Client(#[from] reqwest::Error),
    #[error("cannot set up the client of the simulator")]
    Admin(#[from] AdminError),
}

/// A simulator running in this process; it stops when dropped.
pub struct Simulator {
    /// Its root; the vendor's API is below `/v3.6`.
    pub url: String,
    /// Speaks to its owner's endpoints.
    pub admin: AdminClient,
    task: JoinHandle<()>,
    stop: DropGuard,
}

impl Simulator {
    /// Serves from the moment this returns.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let refused = |source| Error::Listen { address: options.listen, source };
        let listener = TcpListener::bind(options.listen).await.map_err(refused)?;
        let own = format!("http://{}", listener.local_addr().map_err(refused)?);
        let public = options.public_url.as_deref().unwrap_or(&own).trim_end_matches('/').to_owned();
        let stop = CancellationToken::new();
        let deliveries = Deliveries::new(http_client()?, options.tempo(), stop.clone());
        let mut vendor = Vendor::new(options.seed.unwrap_or_else(rand::random), options.settings(public));
        for account in options.accounts() {
            if let (Some(url), Some(token)) = (&options.webhook_url, &options.webhook_token) {
                let hook = Webhook { url: url.clone(), token: token.clone(), enabled: true, drop: false };
                deliveries.configure(&account.name, &[hook])?;
            }
            vendor.set_account(account);
        }
        let admin = AdminClient::new(&own)?;
        let shared = Arc::new(Shared::new(vendor, deliveries, stop.clone()));
        let task = tokio::spawn(http::serve(listener, shared));
        Ok(Self { url: own, admin, task, stop: stop.drop_guard() })
    }

    /// Stop and wait until the port is free again.
    pub async fn stop(self) {
        drop(self.stop);
        // Only a panic of the server could be told here, and it was already printed.
        let _ = self.task.await;
    }
}

/// Serve until `shutdown` is done: the subcommand.
pub async fn run(options: Options, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
    let accounts = options.accounts();
    let simulator = Simulator::start(options).await?;
    println!("simulator of the Onfido API on {}/v3.6, its runs on {}/", simulator.url, simulator.url);
    for account in accounts {
        // Invented tokens, given by whoever started this: without them nobody could call.
        println!("account {}: API token {}, workflow {}", account.name, account.tokens.join(" or "), account.workflows.join(" or "));
    }
    shutdown.await;
    simulator.stop().await;
    Ok(())
}

/// A client without redirects or proxies: it speaks to this machine and to the webhook's receiver only.
fn http_client() -> Result<reqwest::Client, reqwest::Error> {
    // Fails if one is installed already, which is just as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .connect_timeout(Duration::from_secs(10))
        .timeout(Duration::from_secs(700))
        .build()
}
