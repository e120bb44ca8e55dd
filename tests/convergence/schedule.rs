//! A schedule: what happens to one verification, as data. Knows nothing of the world it happens in.

use proptest::{collection::vec, option, prelude::*};

/// Who acts: both believe that they lead.
pub type Op = usize;

/// What happens to one verification, step by step; then the faults stop, and the vendor speaks its last word.
#[derive(Clone, Debug)]
pub struct Schedule {
    pub scene: Scene,
    pub steps: Vec<Step>,
    pub end: Word,
}

/// What the lives of a schedule are lived in.
#[derive(Clone, Debug, Default)]
pub struct Scene {
    /// With an idempotency key.
    pub keyed: bool,
    /// Captured on the vendor's page.
    pub link: bool,
    /// How many seconds a verdict is valid.
    pub validity: Option<i64>,
    /// Every outcome may be tried again, and a review.
    pub retries_all: bool,
    pub cool_down: bool,
    /// The operator was down when the object was created.
    pub old: bool,
    /// Both operators go on to the end.
    pub both: bool,
    /// The last outcome's delivery is lost.
    pub lost: bool,
    /// No feed tells of a run that has ended.
    pub feedless: bool,
    /// The deletion policy is to erase.
    pub erases: bool,
    /// How many seconds the person is kept, and the object.
    pub redact_after: Option<i64>,
    pub delete_after: Option<i64>,
    /// Deleted in the end, at the latest.
    pub deleted: bool,
    /// What is broken from the end of the schedule on, if the object is being deleted.
    pub broken: Broken,
}

/// What no deletion may wait for without end.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Broken {
    #[default]
    Nothing,
    /// Nobody answers.
    Vendor,
    /// Neither the vendor nor the ledger.
    VendorAndLedger,
    /// The provider does not exist.
    Provider,
    /// Nothing may be called.
    Suspended,
}

/// One thing that happens.
#[derive(Clone, Debug)]
pub enum Step {
    /// An operator makes a pass, or goes on with the one it was stopped in, to its end.
    Pass(Op),
    /// So many steps of one: to plan, to record, to act, to learn.
    Some(Op, u8),
    /// Time passes until the operator's next pass is due, and it makes it.
    Due(Op),
    /// A pass from what the operator saw when it made the last.
    Stale(Op),
    /// The process dies: pass and memory are gone.
    Crash(Op),
    /// Time passes.
    Wait(i64),
    /// Somebody sets the operators' clocks.
    Clock(i64),
    /// What becomes of the next call that must not be repeated.
    Post(Fate),
    /// What becomes of the next other call.
    Get(Fate),
    /// What becomes of the next write of a status.
    Write(Patch),
    /// The person finishes the newest run.
    Finish,
    /// The vendor speaks of a run: the newest, or the one before.
    Say { newest: bool, word: Word },
    /// One of the deliveries so far arrives, perhaps not for the first time.
    Ring(u8),
    /// The feed speaks of a run, the newest or the one before, in a word that may not be true.
    Feed { newest: bool, word: Word },
    /// The time of the daily audit has come.
    Audit,
    /// Somebody edits something.
    Edit(Edit),
    /// Everything is noted as it is, for a restore.
    Snapshot,
    /// Etcd is put back to the snapshot. The operators are stopped for it, as long as their calls can take effect.
    Restore,
    /// Somebody deletes the object.
    Delete,
}

/// What becomes of one call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fate {
    /// Carried out, and the answer is lost.
    Lost,
    /// It never arrives, and nobody answers.
    Vanished,
    /// Carried out so many seconds later; nobody answers.
    Late(i64),
    /// Not carried out, and so answered.
    Status(u16),
    /// The same with so many seconds to wait.
    SlowDown(Option<u64>),
    /// Carried out, and a gateway fails.
    Failed,
    /// Carried out, and the answer cannot be read.
    Garbled,
    /// No connection.
    NotSent,
}

/// What becomes of one write to the API server.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Patch {
    /// Not done, and no answer.
    Failed,
    /// Done, and no answer.
    Unanswered,
}

/// What the vendor says of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Word {
    Approved,
    /// Approved, but the last name was not compared.
    NotCompared,
    Declined,
    Review,
    Abandoned,
    Error,
    /// It waits for the person again.
    AwaitingInput,
    Processing,
    /// A word nobody told us of.
    Unknown,
    /// Approved, but shown as somebody else's run.
    AsAnothers,
}

impl Word {
    /// Whether the vendor speaks none after it, as far as it knows.
    pub fn is_last(self) -> bool {
        !matches!(self, Self::AwaitingInput | Self::Processing | Self::Review | Self::Unknown)
    }
}

/// What somebody edits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Edit {
    /// The first name in the person's Secret: 0 is on the document, the others are not.
    Name(usize),
    SecretGone,
    CaptureSecretGone,
    /// A field that goes with the next run only.
    Tags,
    Submitted,
    Attempt,
    Cancelled,
    Suspend(bool),
    FreshToken,
    ReconcileNow,
    ProviderSuspend(bool),
    ProviderGone(bool),
    /// The vendor refuses the provider's token, or takes it.
    Token(bool),
    Validity(Option<i64>),
    /// Whether its deletion erases.
    Erases(bool),
    Retention(Option<i64>, Option<i64>),
    /// The feed tells of what has ended, or does not.
    Feed(bool),
    /// The ledger can be written, or cannot.
    Ledger(bool),
}

/// As the rules of the API server have it: nobody is redacted once the object is gone.
fn retention() -> impl Strategy<Value = (Option<i64>, Option<i64>)> {
    (option::of(prop::sample::select(vec![60, 600, 90_000])), option::of(prop::sample::select(vec![1200, 100_000, 50 * 86_400])))
        .prop_map(|(redact, delete)| (redact, delete.filter(|delete| redact.is_none_or(|redact| redact < *delete))))
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![3 => Just(0), 1 => Just(1)]
}

fn seconds() -> impl Strategy<Value = i64> {
    prop_oneof![
        6 => 1..130i64,
        3 => 130..4000i64,
        1 => prop::sample::select(vec![4 * 3600, 7 * 3600, 26 * 3600, 40 * 86_400]),
    ]
}

/// Before it can be taken for absent; just then; and later.
fn late() -> impl Strategy<Value = i64> {
    prop_oneof![2 => 1..300i64, 2 => 300..400i64, 1 => prop::sample::select(vec![1000, 3700, 4000, 30_000])]
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        3 => Just(Fate::Lost),
        3 => Just(Fate::Vanished),
        4 => late().prop_map(Fate::Late),
        2 => prop::sample::select(vec![400, 401, 403, 404, 408, 409, 410, 422, 500, 503]).prop_map(Fate::Status),
        1 => option::of(1..200u64).prop_map(Fate::SlowDown),
        1 => Just(Fate::Failed),
        1 => Just(Fate::Garbled),
        1 => Just(Fate::NotSent),
    ]
}

fn word() -> impl Strategy<Value = Word> {
    use Word::*;
    prop_oneof![
        6 => Just(Approved),
        3 => Just(Declined),
        2 => Just(Review),
        1 => prop::sample::select(vec![NotCompared, Abandoned, Error, AwaitingInput, Processing, Unknown, AsAnothers]),
    ]
}

fn last_word() -> impl Strategy<Value = Word> {
    use Word::*;
    prop_oneof![6 => Just(Approved), 2 => Just(Declined), 1 => prop::sample::select(vec![NotCompared, Abandoned, Error])]
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        3 => (0..3usize).prop_map(Edit::Name),
        1 => Just(Edit::SecretGone),
        1 => Just(Edit::CaptureSecretGone),
        2 => Just(Edit::Tags),
        3 => Just(Edit::Submitted),
        6 => Just(Edit::Attempt),
        1 => Just(Edit::Cancelled),
        2 => any::<bool>().prop_map(Edit::Suspend),
        1 => Just(Edit::FreshToken),
        2 => Just(Edit::ReconcileNow),
        1 => any::<bool>().prop_map(Edit::ProviderSuspend),
        1 => any::<bool>().prop_map(Edit::ProviderGone),
        2 => any::<bool>().prop_map(Edit::Token),
        1 => option::of(prop::sample::select(vec![600, 90_000])).prop_map(Edit::Validity),
        2 => any::<bool>().prop_map(Edit::Erases),
        2 => retention().prop_map(|(redact, delete)| Edit::Retention(redact, delete)),
        1 => any::<bool>().prop_map(Edit::Feed),
        1 => any::<bool>().prop_map(Edit::Ledger),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => op().prop_map(Step::Pass),
        10 => (op(), 1..10u8).prop_map(|(op, steps)| Step::Some(op, steps)),
        10 => op().prop_map(Step::Due),
        2 => op().prop_map(Step::Stale),
        5 => op().prop_map(Step::Crash),
        4 => seconds().prop_map(Step::Wait),
        1 => prop_oneof![3 => -100..100i64, 1 => 100..20_000i64].prop_map(Step::Clock),
        14 => fate().prop_map(Step::Post),
        4 => fate().prop_map(Step::Get),
        2 => prop_oneof![Just(Patch::Failed), Just(Patch::Unanswered)].prop_map(Step::Write),
        4 => Just(Step::Finish),
        12 => (prop::bool::weighted(0.8), word()).prop_map(|(newest, word)| Step::Say { newest, word }),
        5 => any::<u8>().prop_map(Step::Ring),
        2 => (prop::bool::weighted(0.8), word()).prop_map(|(newest, word)| Step::Feed { newest, word }),
        1 => Just(Step::Audit),
        12 => edit().prop_map(Step::Edit),
        2 => Just(Step::Snapshot),
        2 => Just(Step::Restore),
        1 => Just(Step::Delete),
    ]
}

fn ending() -> impl Strategy<Value = Scene> {
    let broken = prop::sample::select(vec![Broken::Vendor, Broken::VendorAndLedger, Broken::Provider, Broken::Suspended]);
    let broken = prop_oneof![2 => Just(Broken::Nothing), 1 => broken];
    let retention = prop_oneof![2 => Just((None, None)), 1 => retention()];
    (prop::bool::weighted(0.4), any::<bool>(), retention, prop::bool::weighted(0.4), broken).prop_map(
        |(feedless, erases, (redact_after, delete_after), deleted, broken)| Scene {
            feedless,
            erases,
            redact_after,
            delete_after,
            deleted,
            broken,
            ..Scene::default()
        },
    )
}

fn scene() -> impl Strategy<Value = Scene> {
    let rare = || prop::bool::weighted(0.2);
    (
        rare(),
        rare(),
        prop_oneof![3 => Just(None), 1 => prop::sample::select(vec![600, 90_000]).prop_map(Some)],
        any::<bool>(),
        rare(),
        rare(),
        rare(),
        any::<bool>(),
        ending(),
    )
        .prop_map(|(keyed, link, validity, retries_all, cool_down, old, both, lost, ending)| Scene {
            keyed,
            link,
            validity,
            retries_all,
            cool_down,
            old,
            both,
            lost,
            ..ending
        })
}

/// Every schedule there is.
pub fn schedules() -> impl Strategy<Value = Schedule> {
    let steps = prop_oneof![4 => vec(step(), 3..14), 1 => vec(step(), 14..32)];
    (scene(), steps, last_word()).prop_map(|(scene, steps, end)| Schedule { scene, steps, end })
}
