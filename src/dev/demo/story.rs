//! The story of one verification, step by step: what is sent, what is seen, how long it takes.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::json;

use super::{
    figures, manifests,
    manifests::{File, Manifests, Name},
    person,
    stage::Stage,
    vendor::{Account, Vendor, base},
    voice::{Tone, Voice, duration},
    watch, yaml,
};
use crate::{
    api::{ConditionStatus, ConditionType, IdentityVerification, OnfidoProvider, Phase, find_condition},
    one_line::one_line,
    simulator::DEMO_ACCOUNT,
};

/// For what the operator does by itself.
const PATIENCE: Duration = Duration::from_secs(60);
/// For what the real vendor takes to check a document.
const VENDOR_PATIENCE: Duration = Duration::from_secs(60 * 60);
const BETWEEN_LOOKS: Duration = Duration::from_millis(250);

/// Who tells, to whom, with what.
pub(super) struct Teller<'a> {
    pub(super) stage: &'a Stage<'a>,
    pub(super) vendor: &'a Vendor,
    /// Where the real vendor is said to be.
    pub(super) endpoint: Option<&'a str>,
    pub(super) manifests: &'a Manifests,
    pub(super) voice: &'a Voice,
    /// Whether somebody is there to do the capture.
    pub(super) person: bool,
}

/// What came of it.
pub(super) struct Told {
    /// Why the verdict is not what was wanted, if it is not.
    pub(super) wrong: Option<String>,
    pub(super) secret: String,
    pub(super) to_token: Duration,
    pub(super) calls: Vec<String>,
    pub(super) writes: Vec<String>,
    /// How long a person was waited for.
    pub(super) waited: Duration,
}

impl Teller<'_> {
    pub(super) async fn tell(&self) -> Result<Told, String> {
        let (provider, verification) = (self.manifests.provider()?, self.manifests.verification()?);
        self.provider_is_applied(&provider).await?;

        let mark = self.stage.control_plane.audit_mark().await.map_err(one_line)?;
        let before = self.calls(0).await?.len();
        let counted = figures::counted_calls(&self.stage.http, &self.stage.health).await.unwrap_or(0);
        let (secret, to_token) = self.verification_is_created(&verification, before).await?;
        let run = self.get(&verification).await?.status.and_then(|status| status.workflow_run_id).unwrap_or_default();

        let (waited, captured) = self.person_captures(&verification, &secret, &run).await?;
        let finalized = Instant::now();
        self.application_finalizes(&verification).await?;
        let wrong = self.verdict(&verification, &run, captured.unwrap_or(finalized)).await?;

        let mut calls = self.calls(before).await?;
        if let Vendor::Real(_) = self.vendor {
            let now = figures::counted_calls(&self.stage.http, &self.stage.health).await.unwrap_or(counted);
            calls = vec!["counted by the operator".to_owned(); usize::try_from(now - counted).unwrap_or(0)];
        }
        let writes = figures::writes(self.stage.control_plane, mark, &verification.namespace).await?;
        Ok(Told { wrong, secret, to_token, calls, writes, waited })
    }

    async fn provider_is_applied(&self, provider: &Name) -> Result<(), String> {
        let voice = self.voice;
        voice.chapter("The platform team connects an Onfido account, once");
        let since = Instant::now();
        self.apply(self.manifests.platform()).await?;
        voice.pending("provider", "waiting until it is ready");
        let api = Api::<OnfidoProvider>::namespaced(self.client(), &provider.namespace);
        let ready = watch::until(api, provider, ConditionType::Ready, PATIENCE, |status| status == ConditionStatus::True).await?;
        let took = since.elapsed();
        for call in self.calls(0).await? {
            voice.line("operator → Onfido", &format!("{call}, so the token works"));
        }
        let environment = ready.status.as_ref().and_then(|status| status.environment);
        let environment = environment.map(|environment| format!(", {environment:?}")).unwrap_or_default();
        voice.toned("provider", Tone::Good, &format!("{provider} Ready=True{environment}"), Some(took));
        match ready.status.and_then(|status| status.webhook) {
            Some(webhook) => voice.line("webhook", &webhook.url),
            None => voice.line("webhook", "none: results are found by polling"),
        }
        Ok(())
    }

    /// The capture Secret's name, and how long it took until it was there.
    async fn verification_is_created(&self, of: &Name, before: usize) -> Result<(String, Duration), String> {
        let voice = self.voice;
        voice.chapter("An application asks: is this person who they say they are?");
        let since = Instant::now();
        self.apply(self.manifests.application()).await?;
        voice.pending("verification", "waiting for the SDK token");
        let ready = self.until(of, ConditionType::CaptureReady, PATIENCE, |status| status == ConditionStatus::True).await?;
        let took = since.elapsed();
        for call in self.calls(before).await? {
            voice.line("operator → Onfido", &call);
        }
        let status = ready.status.unwrap_or_default();
        voice.toned("verification", Tone::Good, &format!("{of} {:?}", status.phase), Some(took));
        let secret = status.capture.map(|capture| capture.secret_ref.name).unwrap_or_default();
        voice.line("SDK token", &format!("in Secret {}/{secret}, key sdk_token", of.namespace));
        voice.line("", "The app hands it to Onfido's SDK on the person's device.");
        Ok((secret, took))
    }

    /// How long somebody was waited for, and when the capture was finished if that is known.
    async fn person_captures(&self, of: &Name, secret: &str, run: &str) -> Result<(Duration, Option<Instant>), String> {
        let voice = self.voice;
        voice.chapter("The person shows a document and their face");
        let since = Instant::now();
        match self.vendor {
            Vendor::Real(account) => {
                if !self.person {
                    voice.say("This is the real vendor, so a real person must do this, and that needs a terminal.");
                    return Err(format!("stopped before the capture: nobody is at a terminal; run {run} stays open at Onfido"));
                }
                voice.line("capture page", &self.hosted_link(account, run).await?);
                voice.say("Open it where there is a camera, go through it, then press Enter here.");
                // A closed keyboard counts as Enter.
                let _ = person::enter().await;
                Ok((since.elapsed(), None))
            }
            Vendor::Simulator => {
                let captured = if self.person { self.offer_the_page(run).await? } else { false };
                let waited = if self.person { since.elapsed() } else { Duration::ZERO };
                if captured {
                    voice.timed("person", "finished the capture page", waited);
                    return Ok((waited, Some(Instant::now())));
                }
                let since = Instant::now();
                let admin = self.stage.admin.as_ref().ok_or("there is no simulator")?;
                let steps = person::capture(&self.stage.http, admin.base(), &self.sdk_token(of, secret).await?).await?;
                voice.timed("capture page", &format!("{}: filled in and submitted", steps.join(", ")), since.elapsed());
                Ok((waited, Some(Instant::now())))
            }
        }
    }

    /// Whether somebody went through the page rather than press Enter.
    async fn offer_the_page(&self, run: &str) -> Result<bool, String> {
        let admin = self.stage.admin.as_ref().ok_or("there is no simulator")?;
        let view = async || -> Result<_, String> {
            let runs = admin.runs(Some(DEMO_ACCOUNT), None).await.map_err(one_line)?;
            runs.into_iter().find(|view| view.id == run).ok_or_else(|| "the simulator has no such run".to_owned())
        };
        self.voice.toned("capture page", Tone::Bold, &view().await?.capture_url, None);
        self.voice.say("Open it and click through it yourself, or press Enter and the demo does it for you.");
        let submitted = async {
            loop {
                if view().await?.status != "awaiting_input" {
                    return Ok(true);
                }
                tokio::time::sleep(BETWEEN_LOOKS).await; // there is nothing to watch in another process
            }
        };
        tokio::select! {
            submitted = submitted => submitted,
            _ = person::enter() => Ok(false),
        }
    }

    async fn application_finalizes(&self, of: &Name) -> Result<(), String> {
        let voice = self.voice;
        voice.chapter("The application says that the capture is done");
        voice.command(&format!(
            r#"kubectl patch idv {} -n {} --type=merge -p '{{"spec":{{"submittedAttempt":1}}}}'"#,
            of.name, of.namespace
        ));
        let since = Instant::now();
        let patch = Patch::Merge(json!({ "spec": { "submittedAttempt": 1 } }));
        let patched = self.api(of).patch(&of.name, &PatchParams::default(), &patch).await;
        patched.map_err(|error| format!("cannot finalize: {}", one_line(error)))?;
        voice.timed("finalized", "a hint to look soon; only Onfido decides", since.elapsed());
        Ok(())
    }

    /// Why the verdict is not what was wanted, if it is not.
    async fn verdict(&self, of: &Name, run: &str, captured: Instant) -> Result<Option<String>, String> {
        let voice = self.voice;
        voice.chapter("Onfido decides and rings; the operator looks for itself");
        let patience = if let Vendor::Real(_) = self.vendor { VENDOR_PATIENCE } else { PATIENCE };
        voice.pending("outcome", "waiting for it");
        let done = self.until(of, ConditionType::Completed, patience, |status| status == ConditionStatus::True).await?;
        let took = captured.elapsed();
        let status = done.status.unwrap_or_default();
        if let Some(admin) = &self.stage.admin {
            for delivery in figures::deliveries(admin, run).await? {
                for attempt in delivery.attempts {
                    let path = delivery.url.splitn(4, '/').nth(3).unwrap_or_default();
                    let answer = attempt.status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
                    voice.line("Onfido → operator", &format!("POST /{path} → {answer}"));
                }
            }
            let digest = status.answered_notifications.last().or_else(|| status.notification.as_ref().map(|n| &n.digest));
            if let Some(digest) = digest {
                voice.line("", "signed: X-SHA2-Signature, HMAC-SHA256 of the body");
                voice.line("", &format!("a wake-up was stored first, body digest {}…", digest.get(..12).unwrap_or(digest)));
            }
            let looked = self.calls(0).await?.into_iter().rfind(|call| call.starts_with("GET"));
            let word = status.vendor_status.as_deref().unwrap_or("unknown");
            voice.line("operator → Onfido", &format!("{}: {word}", looked.unwrap_or_default()));
        }
        let verified = find_condition(&status.conditions, ConditionType::Verified);
        let (good, reason) = verified.map_or((false, "Unknown".to_owned()), |c| (c.status == ConditionStatus::True, c.reason.clone()));
        let word = if good { "True" } else { "False" };
        let tone = if good { Tone::Good } else { Tone::Bad };
        let text = format!("Verified={word}, phase {:?}", status.phase);
        voice.toned("verdict", tone, &text, Some(took));
        voice.gap();
        voice.command(&format!("kubectl get idv {} -n {} -o yaml    (shortened)", of.name, of.namespace));
        let value = serde_json::to_value(&status).map_err(one_line)?;
        for line in yaml::lines(&value) {
            voice.say(&line);
        }
        let right = good && status.phase == Phase::Approved;
        Ok((!right).then(|| format!("the verdict is Verified={word} ({reason}), not Verified=True")))
    }

    async fn apply(&self, files: &[File]) -> Result<(), String> {
        for file in files {
            self.voice.command(&format!("kubectl apply -f {}", file.path));
        }
        manifests::apply(&self.stage.client, files).await
    }

    fn client(&self) -> Client {
        self.stage.client.clone()
    }

    fn api(&self, of: &Name) -> Api<IdentityVerification> {
        Api::namespaced(self.client(), &of.namespace)
    }

    async fn get(&self, of: &Name) -> Result<IdentityVerification, String> {
        self.api(of).get(&of.name).await.map_err(one_line)
    }

    async fn until(
        &self,
        of: &Name,
        type_: ConditionType,
        within: Duration,
        satisfies: impl Fn(ConditionStatus) -> bool,
    ) -> Result<IdentityVerification, String> {
        watch::until(self.api(of), of, type_, within, satisfies).await
    }

    /// As the application reads it.
    async fn sdk_token(&self, of: &Name, secret: &str) -> Result<String, String> {
        let api: Api<Secret> = Api::namespaced(self.client(), &of.namespace);
        let secret = api.get(secret).await.map_err(|error| format!("cannot read the SDK token: {}", one_line(error)))?;
        let token = secret.data.unwrap_or_default().remove("sdk_token").ok_or("the capture Secret has no sdk_token")?;
        String::from_utf8(token.0).map_err(|_| "the SDK token is no text".to_owned())
    }

    /// The vendor's own page for a run, which every run has.
    async fn hosted_link(&self, account: &Account, run: &str) -> Result<String, String> {
        let url = format!("{}/workflow_runs/{run}", base(&account.region, self.endpoint));
        let request = self.stage.http.get(url).header("authorization", format!("Token token={}", account.token));
        let answer = request.send().await.map_err(|error| format!("cannot read the run's link: {}", one_line(error)))?;
        let body = answer.bytes().await.map_err(one_line)?;
        let run: serde_json::Value = serde_json::from_slice(&body).map_err(|_| "the run's link cannot be read")?;
        run["link"]["url"].as_str().map(str::to_owned).ok_or_else(|| "the run has no link to its capture page".to_owned())
    }

    async fn calls(&self, skip: usize) -> Result<Vec<String>, String> {
        match &self.stage.admin {
            Some(admin) => Ok(figures::calls(admin).await?.iter().skip(skip).map(figures::call).collect()),
            None => Ok(Vec::new()),
        }
    }
}

/// The figures at the end.
pub(super) fn sum_up(voice: &Voice, stage: &Stage<'_>, told: &Told, median: Option<(Duration, usize)>, total: Duration) {
    let build = if cfg!(debug_assertions) { " (debug build)" } else { "" };
    voice.title("In figures");
    let median = median.map(|(median, of)| format!("; median of {of} more: {}", duration(median))).unwrap_or_default();
    voice.line("create to token", &format!("{}{median}", duration(told.to_token)));
    voice.line("Onfido calls", &format!("{}: {}", told.calls.len(), figures::tally(told.calls.iter().map(|call| call_name(call)))));
    voice.line("API writes", &format!("{}: {}", told.writes.len(), figures::tally(told.writes.iter().cloned())));
    if let Some(memory) = figures::resident(stage.operator) {
        voice.line("operator's memory", &format!("{memory}{build}"));
    }
    if let Some(size) = figures::binary_size() {
        voice.line("its binary", &format!("{size}{build}"));
    }
    let without = if told.waited.is_zero() { "" } else { ", without the time you took" };
    voice.line("whole demo", &format!("{}{without}", duration(total.saturating_sub(told.waited))));
}

/// Without its answer and the object's id.
fn call_name(call: &str) -> String {
    let name = call.split(" → ").next().unwrap_or_default();
    name.strip_suffix('…').and_then(|name| Some(name.rsplit_once('/')?.0)).unwrap_or(name).to_owned()
}
