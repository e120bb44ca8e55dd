//! What a verification costs, counted by those who are asked: the API server's audit log and the vendor's ledger.
//!
//! An operator, a control plane and an account of its own, so that nobody else's requests are among those counted.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use futures::future::join_all;
use onfido_operator::{
    api::{ConditionType, Phase},
    dev::{AuditEntry, ControlPlane},
    simulator::admin::{DefaultOutcome, LedgerEntry, Operation},
};
use serde_json::{Value, json};

use crate::support::{
    control_plane::options,
    erasure::erasing,
    operator::{OPERATOR_NAMESPACE, Operator, Run, Scene, install},
};

/// At once.
const LIVES: usize = 50;
/// Two intents, the Secret, started, the wake-up, the outcome.
const WRITES: usize = 6;
/// Applicant, run, one look.
const CALLS: usize = 3;
/// The person's Secret, before it is sent and before the verdict.
const READS: usize = 2;
/// How much faster the clock of the slow lives runs.
const FASTER: u32 = 50;
/// How long the vendor takes over them.
const FIVE_MINUTES: Duration = Duration::from_secs(300);
const IDLE: Duration = Duration::from_secs(10);

/// What one or more lives cost.
struct Cost {
    what: &'static str,
    lives: usize,
    /// By what was asked of the API server.
    asked: BTreeMap<String, usize>,
    writes: usize,
    /// Writes to anything but verifications and the Secrets beside them.
    other_writes: usize,
    /// Gets of the Secrets named as the lives are, and all other reads but watches and leases.
    reads: usize,
    other_reads: usize,
    calls: usize,
    /// Of the provider's feed.
    pages: usize,
    /// The most that one life had of writes to its object, reads of its Secret, and calls.
    most: [usize; 3],
}

fn by_the_operator(entry: &AuditEntry) -> bool {
    entry.user_agent.starts_with("onfido-operator/")
}

fn routine(entry: &AuditEntry) -> bool {
    entry.verb == "watch" || entry.resource == "leases"
}

/// A probe of the credentials and the feed belong to the provider, not to a life.
fn of_a_life(entry: &&LedgerEntry) -> bool {
    !entry.path.contains("00000000-0000-0000-0000-000000000000") && entry.operation != Operation::ListEndedRuns
}

fn cost(what: &'static str, names: &[String], audit: &[AuditEntry], ledger: &[LedgerEntry], runs: &BTreeMap<String, String>) -> Cost {
    let audit: Vec<_> = audit.iter().filter(|entry| by_the_operator(entry) && !routine(entry)).collect();
    let pages = ledger.iter().filter(|entry| entry.operation == Operation::ListEndedRuns).count();
    let ledger: Vec<_> = ledger.iter().filter(of_a_life).collect();
    let mut asked = BTreeMap::new();
    for entry in &audit {
        let part = if entry.subresource.is_empty() { String::new() } else { format!("/{}", entry.subresource) };
        let who = if entry.uri.contains("onfido-operator-webhook") { " (wake-up)" } else { "" };
        let who = if entry.namespace == OPERATOR_NAMESPACE { " (the operator's own)" } else { who };
        let answer = if entry.code < 400 { String::new() } else { format!(" -> {}", entry.code) };
        *asked.entry(format!("{} {}{part}{who}{answer}", entry.verb, entry.resource)).or_default() += 1;
    }
    let of_lives = |entry: &AuditEntry| entry.namespace != OPERATOR_NAMESPACE && entry.resource != "onfidoproviders";
    let named = |entry: &&&AuditEntry| names.contains(&entry.name);
    let writes = |name: &String| audit.iter().filter(|entry| entry.is_write() && entry.name == *name).count();
    let reads = |name: &String| audit.iter().filter(|entry| !entry.is_write() && entry.name == *name).count();
    let calls = |name: &String| ledger.iter().filter(|entry| entry.run_id.as_ref() == runs.get(name)).count();
    let most = |of: &dyn Fn(&String) -> usize| names.iter().map(of).max().unwrap_or_default();
    Cost {
        what,
        lives: names.len(),
        writes: audit.iter().filter(|entry| entry.is_write() && of_lives(entry)).count(),
        other_writes: audit.iter().filter(|entry| entry.is_write() && !of_lives(entry)).count(),
        reads: audit.iter().filter(|entry| !entry.is_write()).filter(named).count(),
        other_reads: audit.iter().filter(|entry| !entry.is_write()).filter(|entry| !named(entry)).count(),
        calls: ledger.len(),
        pages,
        most: [most(&writes), most(&reads), most(&calls)],
        asked,
    }
}

impl Cost {
    fn each(&self, count: usize) -> f64 {
        count as f64 / self.lives.max(1) as f64
    }

    fn row(&self) -> String {
        format!(
            "| {:<44} | {:>5} | {:>8.2} | {:>7.2} | {:>6.2} | {:>12} | {:>10} | {:>5} |\n",
            self.what,
            self.lives,
            self.each(self.writes),
            self.each(self.calls),
            self.each(self.reads),
            self.other_writes,
            self.other_reads,
            self.pages
        )
    }
}

fn names(word: &str) -> Vec<String> {
    (0..LIVES).map(|number| format!("{word}-{number}")).collect()
}

/// Lives side by side, from create to the verdict; `spec` is what they have beside the usual.
async fn lives(what: &'static str, control_plane: &ControlPlane, scene: &Scene, word: &str, spec: Value, finalize: bool) -> Cost {
    let names = names(word);
    let (mark, before) = (control_plane.audit_mark().await.unwrap(), ledger(scene).await.len());
    let runs = join_all(names.iter().map(async |name| {
        let run = scene.awaiting(name, spec.clone()).await;
        if finalize {
            scene.finalize(name).await;
        }
        scene.simulator.capture(&run).await.unwrap();
        scene.until_condition(name, ConditionType::Verified, "True", "Verified").await;
        (name.clone(), run)
    }));
    let runs = runs.await.into_iter().collect();
    let audit = control_plane.audit_since(mark).await.unwrap();
    cost(what, &names, &audit, &ledger(scene).await[before..], &runs)
}

/// The ends of lives whose person is erased at the vendor, from delete until they are gone.
async fn ends(what: &'static str, control_plane: &ControlPlane, scene: &Scene, word: &str) -> Cost {
    let names = names(word);
    let (mark, before) = (control_plane.audit_mark().await.unwrap(), ledger(scene).await.len());
    join_all(names.iter().map(async |name| {
        scene.delete(name).await;
        scene.until_gone(name).await;
    }))
    .await;
    let audit = control_plane.audit_since(mark).await.unwrap();
    cost(what, &names, &audit, &ledger(scene).await[before..], &BTreeMap::new())
}

/// Lives over which the vendor takes five minutes, after the finalize.
async fn slow_lives(control_plane: &ControlPlane, scene: &Scene, quick: Operator) -> Cost {
    let names: Vec<String> = (0..5).map(|number| format!("slow-{number}")).collect();
    let hold = DefaultOutcome { hold: true, ..DefaultOutcome::default() };
    scene.simulator.default_outcome(&scene.account, &hold).await.unwrap();
    let (mark, before) = (control_plane.audit_mark().await.unwrap(), ledger(scene).await.len());
    let runs = join_all(names.iter().map(async |name| (name.clone(), scene.awaiting(name, json!({})).await)));
    let runs: BTreeMap<_, _> = runs.await.into_iter().collect();
    // Only now is the clock made faster: scaled time-outs of paid calls would be shorter than a busy machine needs.
    drop(quick);
    let run = Run { watch: vec![scene.namespace.clone()], time_scale: 1.0 / f64::from(FASTER), ..Run::default() };
    let faster = Operator::start(control_plane, &run).await;
    scene.deliver_to(&faster).await;
    for (name, run) in &runs {
        scene.simulator.capture(run).await.unwrap();
        scene.finalize(name).await;
    }
    tokio::time::sleep(FIVE_MINUTES / FASTER).await; // not to wait for something: this is what is measured
    for (name, run) in &runs {
        scene.decide(run, "approved", json!({})).await;
        scene.until_phase(name, Phase::Approved).await;
    }
    let audit = control_plane.audit_since(mark).await.unwrap();
    cost("five minutes in processing, finalized", &names, &audit, &ledger(scene).await[before..], &runs)
}

async fn ledger(scene: &Scene) -> Vec<LedgerEntry> {
    scene.simulator.ledger(Some(&scene.account), None).await.unwrap()
}

#[tokio::test]
async fn a_life_costs_what_is_promised_and_rest_costs_nothing() {
    let control_plane = ControlPlane::start(options()).await.unwrap();
    install(&control_plane).await;
    let scene = Scene::bare(&control_plane, "counts").await;
    let operator = Operator::start(&control_plane, &Run { watch: vec![scene.namespace.clone()], ..Run::default() }).await;
    scene.deliver_to(&operator).await;
    scene.provider(json!({})).await;
    scene.until_provider("onfido", ConditionType::Ready, "True", "Succeeded").await;

    let plain = lives("no faults, 50 at once", &control_plane, &scene, "plain", json!({}), false).await;
    let finalized = lives("the same, finalized before the outcome", &control_plane, &scene, "final", json!({}), true).await;
    let erasable = lives("no faults, to be erased when deleted", &control_plane, &scene, "erasable", erasing(), false).await;
    let ends = ends("their ends", &control_plane, &scene, "erasable").await;

    let (mark, before) = (control_plane.audit_mark().await.unwrap(), ledger(&scene).await.len());
    tokio::time::sleep(IDLE).await; // this is what is measured
    operator.ready().await; // it rests; it is not dead
    let idle = control_plane.audit_since(mark).await.unwrap();
    let mut idle = cost("then ten seconds of rest, all together", &[], &idle, &ledger(&scene).await[before..], &BTreeMap::new());
    idle.lives = 1;

    let slow = slow_lives(&control_plane, &scene, operator).await;

    let mut table = String::from(
        "\n| What                                         | lives | writes/1 | calls/1 | gets/1 | other writes | other gets | pages |\n\
         |----------------------------------------------|------:|---------:|--------:|-------:|-------------:|-----------:|------:|\n",
    );
    for cost in [&plain, &finalized, &erasable, &ends, &idle, &slow] {
        table.push_str(&cost.row());
    }
    for cost in [&plain, &finalized, &erasable, &ends, &idle, &slow] {
        writeln!(table, "{}: {:?}", cost.what, cost.asked).unwrap();
    }
    // Past the capture of the test's output: who runs it wants to see the figures.
    std::io::Write::write_all(&mut std::io::stderr(), table.as_bytes()).unwrap();

    for cost in [&plain, &finalized] {
        assert_eq!(cost.writes, LIVES * WRITES, "{}: {:?}", cost.what, cost.asked);
        assert_eq!(cost.calls, LIVES * CALLS, "{}: vendor calls", cost.what);
        // The Secret's name is not in the log of its creation; all else is.
        assert_eq!(cost.asked.get("create secrets"), Some(&LIVES), "{}: {:?}", cost.what, cost.asked);
        assert_eq!(cost.most, [WRITES - 1, READS, CALLS - 1], "{}: the most that one life cost", cost.what);
        assert_eq!(cost.reads, LIVES * READS, "{}: {:?}", cost.what, cost.asked);
        assert!(cost.other_reads <= 8, "{}: what is shared is read now and then: {:?}", cost.what, cost.asked);
    }
    // The finalizer is put on, and taken off once the vendor was asked.
    assert_eq!((erasable.writes, erasable.calls), (LIVES * (WRITES + 1), LIVES * CALLS), "{}: {:?}", erasable.what, erasable.asked);
    assert_eq!((ends.writes, ends.calls, ends.reads), (LIVES, LIVES, 0), "{}: {:?}", ends.what, ends.asked);
    assert_eq!((erasable.other_writes, ends.other_writes), (0, 0), "nothing is owed");
    // The key of the digests, once in the life of an installation; the provider, once: its webhook has another address after the restart.
    assert_eq!([&plain, &finalized, &idle, &slow].map(|cost| cost.other_writes), [1, 0, 0, 1]);
    assert_eq!((idle.writes, idle.calls), (0, 0), "rest: {:?}", idle.asked);
    assert_eq!(idle.pages, 0, "rest: no feed is read where nobody waits");
    assert!(idle.other_reads <= 4, "rest: {:?}", idle.asked);
    // Looks after 3, 8, 20 and 50 s, each up to a fifth later, and that of the delivery; one more where it and the feed crossed.
    assert!(slow.most[2] <= 1 + 6, "looks at a slow run: {:?}", slow.most);
    // One more for the word that the vendor has begun to work; another where a look and the delivery crossed.
    let most = slow.lives * (WRITES + 2);
    assert!((slow.lives * (WRITES + 1)..=most).contains(&slow.writes), "{}: {:?}", slow.what, slow.asked);
    for cost in [&plain, &finalized, &erasable, &ends, &idle, &slow] {
        assert!(!cost.asked.keys().any(|asked| asked.contains("events")), "{}: {:?}", cost.what, cost.asked);
        // The key of the digests, before it is made, and the erasure ledger, where nothing was ever owed.
        let usual = ["get secrets (the operator's own) -> 404", "get configmaps (the operator's own) -> 404"];
        // With a clock so fast a pass can begin before the watch has brought the write of the one before it: its fence stops it.
        let fence = "patch identityverifications/status -> 422";
        let fenced = |asked: &str, times: usize| cost.what == slow.what && asked == fence && times <= slow.lives;
        let refused = cost.asked.iter().filter(|(asked, _)| asked.contains("->") && !usual.contains(&asked.as_str()));
        let refused = refused.filter(|(asked, times)| !fenced(asked, **times));
        assert_eq!(refused.count(), 0, "{}: {:?}", cost.what, cost.asked);
    }
}
