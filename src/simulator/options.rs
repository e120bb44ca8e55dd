//! The simulator's flags, and what they mean for the vendor. Starts nothing.

use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use jiff::SignedDuration;

use super::admin::AccountSetting;
use super::delivery::Tempo;
use super::vendor::Settings;

/// The API token of the account that exists when no other is asked for.
pub const DEMO_TOKEN: &str = "api_sandbox.simulator-demo-token";
/// Its workflow.
pub const DEMO_WORKFLOW: &str = "5c1d9b0e-6f0e-4c52-9d3f-0f5f0a3c9b11";
/// Its name.
pub const DEMO_ACCOUNT: &str = "demo";

/// A stand-in for the vendor on this machine: its API, its webhooks and a capture page.
#[derive(Clone, clap::Args)]
pub struct Options {
    /// Address to listen on; port 0 picks a free one
    #[arg(long, default_value = "127.0.0.1:8090", value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// Seed of all ids and tokens: the same calls get the same ids [default: another one each time]
    #[arg(long)]
    pub seed: Option<u64>,
    /// An account: token=…,workflow=…[,name=…][,live]; token and workflow may be repeated [default: one for the demo]
    #[arg(long = "account", value_name = "ACCOUNT")]
    pub accounts: Vec<AccountFlag>,
    /// Where events of these accounts are delivered
    #[arg(long, requires = "webhook_token", value_name = "URL")]
    pub webhook_url: Option<String>,
    /// The token deliveries are signed with (at least 16 characters)
    #[arg(long, env = "ONFIDO_SIMULATOR_WEBHOOK_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub webhook_token: Option<String>,
    /// From a finished capture to the outcome
    #[arg(long, default_value = "500ms", value_name = "DURATION")]
    pub processing_time: SignedDuration,
    /// How long a delivery may take to be acknowledged
    #[arg(long, default_value = "10s", value_name = "DURATION")]
    pub webhook_timeout: SignedDuration,
    /// Before a delivery is tried again; doubles each time
    #[arg(long, default_value = "1s", value_name = "DURATION")]
    pub webhook_retry: SignedDuration,
    /// The longest it doubles to
    #[arg(long, default_value = "10m", value_name = "DURATION")]
    pub webhook_longest_retry: SignedDuration,
    /// How often a delivery is tried in all
    #[arg(long, default_value_t = 10, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub webhook_attempts: u32,
    /// Lifetime of a run's SDK token
    #[arg(long, default_value = "840h", value_name = "DURATION")]
    pub sdk_token_lifetime: SignedDuration,
    /// The simulator's own address as browsers see it [default: the address it listens on]
    #[arg(long, value_name = "URL")]
    pub public_url: Option<String>,
}

impl Options {
    /// A free port, no accounts but the demo's: for tests.
    pub fn ephemeral() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            seed: None,
            accounts: Vec::new(),
            webhook_url: None,
            webhook_token: None,
            processing_time: SignedDuration::from_millis(20),
            webhook_timeout: SignedDuration::from_secs(10),
            webhook_retry: SignedDuration::from_millis(100),
            webhook_longest_retry: SignedDuration::from_secs(1),
            webhook_attempts: 100,
            sdk_token_lifetime: SignedDuration::from_hours(840),
            public_url: None,
        }
    }

    pub(super) fn settings(&self, public_url: String) -> Settings {
        Settings { processing_time: self.processing_time, sdk_token_lifetime: self.sdk_token_lifetime, public_url, ..Settings::default() }
    }

    pub(super) fn tempo(&self) -> Tempo {
        let positive = |d: SignedDuration| Duration::try_from(d).unwrap_or(Duration::ZERO);
        Tempo {
            acknowledge: positive(self.webhook_timeout),
            retry: positive(self.webhook_retry),
            longest_retry: positive(self.webhook_longest_retry),
            attempts: self.webhook_attempts,
        }
    }

    pub(super) fn accounts(&self) -> Vec<AccountSetting> {
        if self.accounts.is_empty() {
            return vec![AccountSetting::new(DEMO_ACCOUNT, DEMO_TOKEN, DEMO_WORKFLOW)];
        }
        let named = |(index, flag): (usize, &AccountFlag)| {
            let mut setting = flag.0.clone();
            if setting.name.is_empty() {
                setting.name = format!("account-{}", index + 1);
            }
            setting
        };
        self.accounts.iter().enumerate().map(named).collect()
    }
}

impl AccountSetting {
    /// A sandbox account with one token and one workflow.
    pub fn new(name: &str, token: &str, workflow: &str) -> Self {
        Self { name: name.into(), tokens: vec![token.into()], workflows: vec![workflow.into()], ..Self::default() }
    }
}

/// The value of `--account`.
#[derive(Clone)]
pub struct AccountFlag(pub AccountSetting);

impl FromStr for AccountFlag {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut setting = AccountSetting::default();
        for part in text.split(',') {
            match part.split_once('=') {
                Some(("name", value)) => setting.name = value.into(),
                Some(("token", value)) if !value.is_empty() => setting.tokens.push(value.into()),
                Some(("workflow", value)) if !value.is_empty() => setting.workflows.push(value.into()),
                None if part == "live" => setting.live = true,
                // The part itself may be a token: it is not repeated.
                _ => return Err("expected token=…,workflow=…[,name=…][,live]".into()),
            }
        }
        if setting.tokens.is_empty() || setting.workflows.is_empty() {
            return Err("an account needs at least one token and one workflow".into());
        }
        Ok(Self(setting))
    }
}
