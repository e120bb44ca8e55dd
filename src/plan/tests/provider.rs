//! The rows of a provider.

use super::super::{
    debts::{self, Debt, Known},
    provider::{Effect, Facts, Observed, ProviderPlan, plan},
};
use super::*;
use crate::api::{OnfidoProviderStatus, SecretUse};

fn provider() -> Observed {
    Observed {
        generation: 1,
        asked: None,
        spec: provider_spec(json!({"webhook": {"management": "Manual", "tokenSecretRefs": [{"name": "w", "key": "token"}]}})),
        status: OnfidoProviderStatus::default(),
        webhook_url: "https://operator.example.test/webhooks/identity/onfido".into(),
        last_probe: None,
        jitter: 0.0,
        debts: Known::Empty,
        facts: Facts { credentials: Some(Ok(Environment::Live)), webhook: Some(Ok(())), ..Facts::default() },
        timing: Timing::default(),
    }
}

fn with(mut o: Observed, change: impl FnOnce(&mut Observed)) -> Observed {
    change(&mut o);
    o
}

/// A provider probed well at 0 s.
fn proven() -> Observed {
    let o = with(provider(), |o| o.facts.probe = Some(Ok(())));
    let status = plan(&o, t(0)).status;
    Observed { status, last_probe: Some(t(0)), ..provider() }
}

fn missing(for_use: SecretUse) -> Failure {
    Failure::SecretNotFound { namespace: "identity".into(), name: "s".into(), key: Some("token".into()), for_use }
}

fn says(plan: &ProviderPlan) -> String {
    let all = plan.status.conditions.iter().map(|c| format!("{}={:?}/{}", c.type_, c.status, c.reason));
    all.collect::<Vec<_>>().join(" ")
}

fn wake(plan: &ProviderPlan, at: i64) -> String {
    match plan.wake {
        Wake::OnChange => "OnChange".into(),
        Wake::Backoff => "Backoff".into(),
        Wake::At(moment) => format!("+{}", moment.duration_since(t(at)).as_secs()),
    }
}

/// Sentence, situation, second; effect, conditions, wake.
type ProviderRow = (&'static str, Observed, i64, Option<Effect>, &'static str, &'static str);

const GOOD: &str = "CredentialsValid=True/Authenticated WebhookReady=True/TokensLoaded Ready=True/Succeeded";

#[test]
fn a_provider_is_ready_once_the_vendor_takes_its_token() {
    let probed = |probe| with(provider(), |o| o.facts.probe = Some(probe));
    let no_credentials = with(provider(), |o| o.facts.credentials = Some(Err(missing(SecretUse::Credentials))));
    let no_token = with(provider(), |o| (o.facts.webhook, o.facts.probe) = (Some(Err(missing(SecretUse::Webhook))), Some(Ok(()))));
    let disabled = with(probed(Ok(())), |o| o.spec = provider_spec(json!({})));
    let rows: Vec<ProviderRow> = vec![
        ("Secrets are read first", with(provider(), |o| o.facts = Facts::default()), 0, Some(Effect::ReadSecrets), "", "OnChange"),
        ("all of them", with(provider(), |o| o.facts.webhook = None), 0, Some(Effect::ReadSecrets), "", "OnChange"),
        ("then the vendor is asked", provider(), 0, Some(Effect::Probe), "", "OnChange"),
        ("and takes the token", probed(Ok(())), 0, None, GOOD, "+60"),
        (
            "or does not",
            probed(Err(Failure::Unauthorized)),
            0,
            None,
            "CredentialsValid=False/Unauthorized WebhookReady=True/TokensLoaded Ready=False/Unauthorized",
            "Backoff",
        ),
        (
            "another region",
            probed(Err(Failure::WrongRegion)),
            0,
            None,
            "CredentialsValid=False/WrongRegion WebhookReady=True/TokensLoaded Ready=False/WrongRegion",
            "Backoff",
        ),
        (
            "a vendor that does not answer leaves it open",
            probed(Err(Failure::Unreachable)),
            0,
            None,
            "CredentialsValid=Unknown/Unreachable WebhookReady=True/TokensLoaded Ready=Unknown/Unreachable",
            "Backoff",
        ),
        (
            "as does one that asks to slow down, and it is heeded",
            probed(Err(Failure::RateLimited { after: Some(secs(40)) })),
            0,
            None,
            "CredentialsValid=Unknown/RateLimited WebhookReady=True/TokensLoaded Ready=Unknown/RateLimited",
            "+40",
        ),
        (
            "a missing Secret",
            no_credentials,
            0,
            None,
            "CredentialsValid=False/SecretNotFound WebhookReady=True/TokensLoaded Ready=False/SecretNotFound",
            "Backoff",
        ),
        (
            "a webhook that is not ready stops nothing",
            no_token,
            0,
            None,
            "CredentialsValid=True/Authenticated WebhookReady=False/TokenMissing Ready=True/Succeeded",
            "Backoff",
        ),
        (
            "nor does one that is switched off",
            disabled,
            0,
            None,
            "CredentialsValid=True/Authenticated WebhookReady=False/Disabled Ready=True/Succeeded",
            "+60",
        ),
        ("a recent probe is enough", proven(), 599, None, GOOD, "+60"),
        ("an old one is repeated", proven(), 600, Some(Effect::Probe), "", "OnChange"),
        ("one with another token does not count", with(proven(), |o| o.last_probe = None), 10, Some(Effect::Probe), "", "OnChange"),
        (
            "suspended, nobody is asked",
            with(proven(), |o| (o.spec.suspend, o.last_probe) = (true, None)),
            10,
            None,
            "CredentialsValid=True/Authenticated WebhookReady=True/TokensLoaded Ready=False/Suspended",
            "+60",
        ),
        (
            "suspended from the start",
            with(provider(), |o| o.spec.suspend = true),
            10,
            None,
            "CredentialsValid=Unknown/Pending WebhookReady=True/TokensLoaded Ready=False/Suspended",
            "+60",
        ),
    ];
    for (name, o, at, effect, expected, when) in rows {
        let plan = plan(&o, t(at));
        assert_eq!(plan.effect, effect, "{name}");
        assert_eq!(wake(&plan, at), when, "{name}");
        assert_eq!(plan.fence, Fence::Fields);
        assert!(plan.notices.is_empty());
        if effect.is_some() {
            assert_eq!(plan.status, o.status, "{name}");
            continue;
        }
        assert_eq!(says(&plan), expected, "{name}");
        assert_eq!(plan.status.observed_generation, Some(1));
        let again = Observed { status: plan.status.clone(), ..o };
        assert_eq!(super::super::provider::plan(&again, t(at + 1)).status, plan.status, "a second time: {name}");
    }
}

#[test]
fn a_secret_that_is_back_is_probed_at_once_though_its_token_was_probed_lately() {
    let forbidden = Failure::SecretForbidden { namespace: "identity".into(), name: "s".into() };
    for trouble in [missing(SecretUse::Credentials), forbidden] {
        let gone = with(proven(), |o| o.facts.credentials = Some(Err(trouble.clone())));
        let status = plan(&gone, t(10)).status;
        let back = Observed { status, ..proven() };
        assert_eq!(plan(&back, t(20)).effect, Some(Effect::Probe), "{trouble:?}");
    }
}

#[test]
fn what_is_known_of_the_account_is_shown() {
    let o = proven();
    assert_eq!(o.status.environment, Some(Environment::Live));
    assert_eq!(o.status.webhook.as_ref().map(|w| w.url.as_str()), Some("https://operator.example.test/webhooks/identity/onfido"));
    let disabled = with(proven(), |o| o.spec = provider_spec(json!({})));
    assert_eq!(plan(&disabled, t(1)).status.webhook, None);
    assert_eq!(wake(&plan(&with(proven(), |o| o.jitter = 1.0), t(1)), 1), "+72");
}

#[test]
fn a_probe_of_tomorrow_is_none() {
    let o = with(proven(), |o| o.last_probe = Some(t(86_400)));
    assert_eq!(plan(&o, t(100)).effect, Some(Effect::Probe), "the clock was set back");
    assert_eq!(plan(&proven(), t(100)).effect, None);
}

#[test]
fn a_person_who_asks_has_the_token_probed_now() {
    let asked = |o: Observed| with(o, |o| (o.asked, o.facts.debts) = (Some("now-1".into()), Some(Ok(vec![]))));
    let answer = |o: &Observed| plan(o, t(10)).status.reconciled;
    assert_eq!(plan(&asked(proven()), t(10)).effect, Some(Effect::Probe));
    assert_eq!(plan(&proven(), t(10)).effect, None);
    for (probe, expected) in [
        (Ok(()), Some("now-1".to_owned())),
        (Err(Failure::Unauthorized), Some("now-1".to_owned())),
        (Err(Failure::RateLimited { after: Some(secs(9)) }), None),
    ] {
        assert_eq!(answer(&with(asked(proven()), |o| o.facts.probe = Some(probe.clone()))), expected, "{probe:?}");
    }
    let missing = with(asked(proven()), |o| o.facts.credentials = Some(Err(missing(SecretUse::Credentials))));
    assert_eq!(answer(&missing).as_deref(), Some("now-1"));
    let suspended = with(asked(proven()), |o| o.spec.suspend = true);
    assert_eq!((plan(&suspended, t(10)).effect, answer(&suspended)), (None, None));
    let done = with(asked(proven()), |o| o.facts.probe = Some(Ok(())));
    let done = Observed { status: plan(&done, t(10)).status, last_probe: Some(t(10)), ..asked(proven()) };
    assert_eq!(plan(&done, t(11)).effect, None, "once");
}

// ---- What is owed ------------------------------------------------------------------------------------------------------------------

fn debt(id: &str, environment: Environment) -> Debt {
    Debt { id: crate::onfido::model::ApplicantId::parse(id).unwrap(), environment, map: 0 }
}

/// A provider whose credentials are good, and of whose ledger this is known.
fn owing(known: Known) -> Observed {
    with(proven(), |o| o.debts = known)
}

/// The same once the ledger was read.
fn read(known: Known, debts: &[Debt]) -> Observed {
    with(owing(known), |o| o.facts.debts = Some(Ok(debts.to_vec())))
}

fn asked(mut o: Observed, answers: &[(&str, Result<(), Failure>)]) -> Observed {
    o.facts.asked_for = Some(answers.iter().map(|(id, answer)| (debt(id, Environment::Live), answer.clone())).collect());
    o
}

fn owes(tried: Option<&str>, again: i64) -> Known {
    Known::Owes { tried: tried.map(|id| debt(id, Environment::Live).id), again: t(again) }
}

#[test]
fn the_ledger_is_read_until_it_is_known_to_be_empty() {
    let denied = |mut o: Observed| {
        o.facts.probe = Some(Err(Failure::Unauthorized));
        Observed { status: plan(&o, t(0)).status, last_probe: None, ..o }
    };
    let healed = with(denied(owing(owes(None, 9000))), |o| o.facts.probe = Some(Ok(())));
    let rows: Vec<(&str, Observed, Option<Effect>, &str)> = vec![
        ("at the start", owing(Known::Nothing), Some(Effect::ReadLedger), "OnChange"),
        ("never while it is empty", owing(Known::Empty), None, "+60"),
        (
            "but if somebody asks",
            with(owing(Known::Empty), |o| (o.asked, o.facts.probe) = (Some("a".into()), Some(Ok(())))),
            Some(Effect::ReadLedger),
            "OnChange",
        ),
        ("what is owed waits", owing(owes(None, 9000)), None, "+60"),
        ("its next try may come first", owing(owes(None, 120)), None, "+20"),
        ("until it is due", owing(owes(None, 100)), Some(Effect::ReadLedger), "OnChange"),
        (
            "or somebody asks",
            with(owing(owes(None, 9000)), |o| (o.asked, o.facts.probe) = (Some("a".into()), Some(Ok(())))),
            Some(Effect::ReadLedger),
            "OnChange",
        ),
        ("or the credentials have become good", healed, Some(Effect::ReadLedger), "OnChange"),
        ("not while they are bad", with(owing(Known::Nothing), |o| o.facts.probe = Some(Err(Failure::Unauthorized))), None, "Backoff"),
        ("nor while it is suspended", with(owing(Known::Nothing), |o| o.spec.suspend = true), None, "+60"),
        ("one that cannot be read is read again", with(owing(Known::Nothing), |o| o.facts.debts = Some(Err(()))), None, "+60"),
    ];
    for (name, o, effect, expected) in rows {
        let plan = plan(&o, t(100));
        assert_eq!(plan.effect, effect, "{name}");
        assert_eq!(wake(&plan, 100), expected, "{name}");
    }
}

#[test]
fn what_is_owed_is_asked_for_in_the_environment_it_is_in_and_struck_out() {
    let here = debt("b", Environment::Live);
    let anywhere = debt("c", Environment::Unknown);
    let all = [debt("a", Environment::Sandbox), here.clone(), anywhere.clone()];
    let effect = |o: &Observed| plan(o, t(100)).effect;
    assert_eq!(effect(&read(Known::Nothing, &all)), Some(Effect::EraseDebts(vec![here.clone(), anywhere.clone()])));
    assert_eq!(effect(&read(owes(Some("b"), 0), &all)), Some(Effect::EraseDebts(vec![anywhere])), "where it was left");
    assert_eq!(effect(&read(Known::Nothing, &all[..1])), None, "another environment knows nothing of it");
    let answered = asked(read(Known::Nothing, &all), &[("b", Ok(())), ("c", Err(Failure::RunInProgress))]);
    assert_eq!(effect(&answered), Some(Effect::StrikeOut(vec![here])));
    assert_eq!(effect(&with(answered, |o| o.facts.struck_out = true)), None);
    assert_eq!(effect(&asked(read(Known::Nothing, &all), &[("b", Err(Failure::Unreachable))])), None, "nothing is done");
}

#[test]
fn what_is_known_afterwards_tells_when_it_goes_on() {
    let all = [debt("a", Environment::Live), debt("b", Environment::Live)];
    let limited = Err(Failure::RateLimited { after: Some(secs(20)) });
    let struck = |o: Observed| with(o, |o| o.facts.struck_out = true);
    let many: Vec<Debt> = (0..60).map(|n| debt(&format!("a{n:02}"), Environment::Live)).collect();
    let answers: Vec<(String, Result<(), Failure>)> = (0..50).map(|n| (format!("a{n:02}"), Ok(()))).collect();
    let answers: Vec<(&str, Result<(), Failure>)> = answers.iter().map(|(id, answer)| (id.as_str(), answer.clone())).collect();
    let rows = [
        ("nothing was read", owing(owes(None, 9000)), owes(None, 9000)),
        ("nothing is owed", read(Known::Nothing, &[]), Known::Empty),
        ("all is done", struck(asked(read(Known::Nothing, &all), &[("a", Ok(())), ("b", Ok(()))])), Known::Empty),
        ("done, and not struck out", asked(read(Known::Nothing, &all), &[("a", Ok(())), ("b", Ok(()))]), owes(None, 3700)),
        (
            "a run in progress",
            struck(asked(read(Known::Nothing, &all), &[("a", Err(Failure::RunInProgress)), ("b", Ok(()))])),
            owes(None, 3700),
        ),
        ("the rate limit", struck(asked(read(Known::Nothing, &all), &[("a", Ok(())), ("b", limited.clone())])), owes(Some("a"), 120)),
        ("at once, where it was left", asked(read(owes(Some("0"), 0), &all), &[("a", limited)]), owes(Some("0"), 120)),
        ("no answer", asked(read(Known::Nothing, &all), &[("a", Err(Failure::Unreachable))]), owes(None, 400)),
        ("of another environment only", read(Known::Nothing, &[debt("a", Environment::Sandbox)]), owes(None, 3700)),
        ("more than one batch", struck(asked(read(Known::Nothing, &many), &answers)), owes(Some("a49"), 101)),
    ];
    for (name, o, expected) in rows {
        assert_eq!(debts::known(&o, t(100)), expected, "{name}");
    }
}
