//! What the demo starts beside the control plane: the kinds, the simulator, the operator; both the real binary. No story.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use k8s_openapi::{
    api::core::v1::Namespace, apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition as Definition,
};
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams},
    runtime::wait,
};

use super::{
    manifests::Manifests,
    vendor::{Account, Vendor},
    voice::Voice,
};
use crate::{
    dev::{
        ADMIN, ControlPlane, DevError, Port,
        child::{Child, Start},
        error::tail,
    },
    one_line::one_line,
    simulator::{AdminClient, DEMO_ACCOUNT},
};

const READY_WITHIN: Duration = Duration::from_secs(60);
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);
const BETWEEN_CHECKS: Duration = Duration::from_millis(200);
/// The operator lets paid calls end before it does.
const GRACE: Duration = Duration::from_secs(5);
/// The namespace of the operator's own Secret.
const OPERATOR_NAMESPACE: &str = "onfido-operator";

/// How to reach what runs.
pub(super) struct Stage<'a> {
    pub(super) control_plane: &'a ControlPlane,
    pub(super) client: Client,
    pub(super) http: reqwest::Client,
    /// The simulator's owner's entrance.
    pub(super) admin: Option<AdminClient>,
    /// The operator's probes and metrics.
    pub(super) health: String,
    /// The operator's process id.
    pub(super) operator: u32,
    _ports: Vec<Port>,
}

/// What runs. Stopped on drop, the operator before what it speaks to.
pub(super) struct Children(Vec<Child>);

impl<'a> Stage<'a> {
    /// Starts it all, and tells how it goes. `endpoint` is where the real vendor is said to be.
    pub(super) async fn start(
        control_plane: &'a ControlPlane,
        vendor: &Vendor,
        manifests: &Manifests,
        endpoint: Option<&str>,
        voice: &Voice,
    ) -> Result<(Self, Children), String> {
        let client = control_plane.client(ADMIN).map_err(one_line)?;
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().timeout(Duration::from_secs(20));
        let http = http.build().map_err(one_line)?;
        let binary = std::env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?;
        let ports = [lease()?, lease()?, lease()?];
        let [webhook, health, vendor_address] = [0, 1, 2].map(|i: usize| format!("127.0.0.1:{}", ports[i].number()));

        let since = Instant::now();
        voice.pending("kinds", "installing");
        install(&client).await?;
        voice.timed("kinds", "OnfidoProvider and IdentityVerification", since.elapsed());

        let account = manifests.account()?;
        let mut admin = None;
        let mut simulator = None;
        let mut elsewhere = endpoint.map(str::to_owned);
        if let Vendor::Simulator = vendor {
            let since = Instant::now();
            voice.pending("simulator", "starting");
            let provider = manifests.provider()?;
            let webhook = format!("http://{webhook}/webhooks/{}/{}", provider.namespace, provider.name);
            let mut child = start(control_plane, &binary, "simulator", simulator_arguments(&vendor_address, &webhook, &account), &account)?;
            let url = format!("http://{vendor_address}");
            until_answers(&http, &format!("{url}/"), "the simulator", &mut child).await?;
            voice.timed("simulator", &format!("in Onfido's place on {url}/"), since.elapsed());
            admin = Some(AdminClient::new(&url).map_err(one_line)?);
            simulator = Some(child);
            elsewhere = Some(url);
        }

        let since = Instant::now();
        voice.pending("operator", "starting");
        let mut args = vec!["run".to_owned(), "--kubeconfig".to_owned(), control_plane.kubeconfig().to_string_lossy().into_owned()];
        args.extend(["--webhook-listen", &webhook, "--health-listen", &health].map(str::to_owned));
        args.extend(["--webhook-public-url".to_owned(), format!("http://{webhook}")]);
        if let Some(url) = elsewhere {
            args.extend(["--onfido-endpoint".to_owned(), format!("{}={url}", account.region)]);
        }
        let mut operator = start(control_plane, &binary, "operator", args, &account)?;
        let health = format!("http://{health}");
        until_answers(&http, &format!("{health}/readyz"), "the operator", &mut operator).await?;
        voice.timed("operator", &format!("onfido-operator run, webhooks on {webhook}"), since.elapsed());
        let stage = Self { control_plane, client, http, admin, health, operator: operator.id(), _ports: ports.into() };
        Ok((stage, Children(std::iter::once(operator).chain(simulator).collect())))
    }
}

impl Children {
    /// Ends when one of them does, and tells why.
    pub(super) async fn one_ended(&mut self) -> String {
        loop {
            for child in &mut self.0 {
                if let Err(why) = alive(child) {
                    return why;
                }
            }
            tokio::time::sleep(BETWEEN_CHECKS).await;
        }
    }
}

fn simulator_arguments(address: &str, webhook: &str, account: &Account) -> Vec<String> {
    // Invented by the quickstart, so they may stand in a command line.
    let flag = format!("name={DEMO_ACCOUNT},token={},workflow={}", account.token, account.workflow);
    let mut args = ["simulator", "--listen", address, "--account", &flag].map(str::to_owned).to_vec();
    if account.webhook_token.is_some() {
        args.extend(["--webhook-url".to_owned(), webhook.to_owned()]);
    }
    args
}

fn start(control_plane: &ControlPlane, binary: &Path, name: &str, args: Vec<String>, account: &Account) -> Result<Child, String> {
    let webhook_token = account.webhook_token.as_ref().filter(|_| name == "simulator");
    let start = Start {
        name: name.to_owned(),
        shim: binary.to_owned(),
        program: binary.to_owned(),
        args: args.into_iter().map(Into::into).collect(),
        env: webhook_token.map(|token| ("ONFIDO_SIMULATOR_WEBHOOK_TOKEN".into(), token.into())).into_iter().collect(),
        log: log(control_plane, name),
        grace: GRACE,
    };
    Child::start(&start).map_err(one_line)
}

fn log(control_plane: &ControlPlane, name: &str) -> PathBuf {
    control_plane.folder().join(format!("{name}.log"))
}

fn lease() -> Result<Port, String> {
    Port::lease().map_err(one_line)
}

/// An error, in one line, if it ended.
fn alive(child: &mut Child) -> Result<(), String> {
    match child.check() {
        Ok(()) => Ok(()),
        Err(DevError::Exited { name, status, log, .. }) => {
            let last = tail(&log).lines().last().unwrap_or_default().to_owned();
            Err(format!("the {name} ended early ({status}): {last}"))
        }
        Err(error) => Err(one_line(error)),
    }
}

async fn until_answers(http: &reqwest::Client, url: &str, who: &str, child: &mut Child) -> Result<(), String> {
    let deadline = Instant::now() + READY_WITHIN;
    loop {
        alive(child)?;
        if http.get(url).send().await.is_ok_and(|answer| answer.status().is_success()) {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(format!("{who} is not ready after {} s", READY_WITHIN.as_secs()));
        }
        tokio::time::sleep(BETWEEN_LOOKS).await; // there is nothing to watch in another process
    }
}

/// What an installation brings: the kinds and the operator's own namespace.
async fn install(client: &Client) -> Result<(), String> {
    let failed = |error: kube::Error| format!("cannot install the kinds: {}", one_line(error));
    let apply = PatchParams::apply("demo").force();
    let definitions = Api::<Definition>::all(client.clone());
    for definition in crate::api::definitions() {
        definitions.patch(&definition.name_any(), &apply, &Patch::Apply(&definition)).await.map_err(failed)?;
    }
    for definition in crate::api::definitions() {
        let name = definition.name_any();
        let established = wait::await_condition(definitions.clone(), &name, wait::conditions::is_crd_established());
        match tokio::time::timeout(READY_WITHIN, established).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(format!("cannot install the kinds: {}", one_line(error))),
            Err(_) => return Err(format!("{name} is not established after {} s", READY_WITHIN.as_secs())),
        }
    }
    let own =
        Namespace { metadata: kube::api::ObjectMeta { name: Some(OPERATOR_NAMESPACE.into()), ..Default::default() }, ..Default::default() };
    let namespaces = Api::<Namespace>::all(client.clone());
    namespaces.patch(OPERATOR_NAMESPACE, &apply, &Patch::Apply(&own)).await.map_err(failed)?;
    Ok(())
}
