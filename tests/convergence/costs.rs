//! What each story of `docs/life.md` costs, counted in this world: the page quotes it. (`tests/counts.rs` counts the plain life for real.)

use onfido_operator::plan;

use super::{
    schedule::{
        Edit::{self, Attempt, Cancelled, FreshToken, Name, ProviderGone, ReconcileNow, Submitted},
        Fate, Scene, Schedule,
        Step::{self, Audit, Delete, Due, Feed, Finish, Pass, Post, Ring, Say, Some as Steps, Wait},
        Word::{self, Approved, Declined, Review},
    },
    world::World,
};

fn say(word: Word) -> Step {
    Say { newest: true, word }
}

fn edit(edit: Edit) -> Step {
    Step::Edit(edit)
}

/// Calls and writes of the second part, which follows on the first.
fn row(story: &str, scene: &Scene, before: &[Step], part: &[Step]) -> String {
    let schedule = Schedule { scene: scene.clone(), steps: vec![], end: Approved };
    let mut world = World::new(1, &schedule, plan::verification::plan);
    let live = |world: &mut World, steps: &[Step]| {
        for step in steps {
            world.step(step).unwrap_or_else(|violation| panic!("{story}: {violation:?}"));
        }
    };
    live(&mut world, before);
    let (calls, writes) = (world.network.calls, world.writes());
    live(&mut world, part);
    format!("| {story} | {} | {} |", world.network.calls - calls, world.writes() - writes)
}

#[test]
fn each_story_costs_what_its_page_says() {
    let plain = Scene::default();
    let link = Scene { link: true, ..plain.clone() };
    let keyed = Scene { keyed: true, ..plain.clone() };
    let erasing = Scene { erases: true, ..plain.clone() };
    let redacted = Scene { redact_after: Some(600), ..plain.clone() };
    let removed = Scene { delete_after: Some(600), ..plain.clone() };
    let valid = Scene { validity: Some(600), ..plain.clone() };
    let waiting = &[Pass(0)][..];
    let verified = &[Pass(0), say(Approved), Ring(0), Pass(0)][..];
    let declined = &[Pass(0), say(Declined), Ring(0), Pass(0)][..];
    let misspelt = &[edit(Name(1)), Pass(0), say(Approved), Ring(0), Pass(0)][..];
    let again = &[edit(Attempt), Pass(0), say(Approved), Ring(1), Pass(0)][..];
    let corrected = &[edit(Name(0)), edit(Attempt), Pass(0), say(Approved), Ring(1), Pass(0)][..];
    let rows = [
        row("From create to verdict, told by a delivery", &plain, &[], verified),
        row("The same on Onfido's page", &link, &[], verified),
        row("The same with an `idempotencyKey`", &keyed, &[], &[&[Wait(5)], verified].concat()),
        row(
            "The same with `submittedAttempt`, the delivery lost, and Onfido still at work at the first look",
            &plain,
            &[],
            &[Pass(0), edit(Submitted), Pass(0), Finish, Due(0), say(Approved), Due(0)],
        ),
        row("A day of a run that waits for the person or a reviewer: its audit", &plain, waiting, &[Wait(86_400), Audit, Pass(0)]),
        row(
            "An outcome whose delivery was lost, told by the feed",
            &plain,
            waiting,
            &[say(Approved), Feed { newest: true, word: Approved }, Pass(0)],
        ),
        row("A fresh SDK token", &plain, waiting, &[edit(FreshToken), Pass(0)]),
        row("Another attempt to its verdict, nothing edited", &plain, declined, again),
        row("Another attempt to its verdict, something edited", &plain, misspelt, corrected),
        row("A review, told by a delivery", &plain, waiting, &[say(Review), Ring(0), Pass(0)]),
        row("A change of mind, told by a delivery", &plain, verified, &[say(Declined), Ring(1), Pass(0)]),
        row("A delivery that comes again", &plain, verified, &[Ring(0), Pass(0)]),
        row("The end of its validity", &valid, verified, &[Wait(600), Pass(0)]),
        row("Given up while the person captures", &plain, waiting, &[edit(Cancelled), Pass(0)]),
        row("`reconcile-now` on a verdict", &plain, verified, &[edit(ReconcileNow), Pass(0)]),
        row(
            "The answer to the start of a run is missing, and the run is there (beside the plain life)",
            &plain,
            &[Steps(0, 7), Post(Fate::Lost), Pass(0)],
            &[Due(0)],
        ),
        row("From create to verdict with `deletionPolicy: DeleteApplicant`", &erasing, &[], verified),
        row("Its deletion", &erasing, verified, &[Delete, Pass(0)]),
        row(
            "Its deletion where Onfido cannot be asked, until the ledger has it",
            &erasing,
            verified,
            &[edit(ProviderGone(true)), Delete, Pass(0), Wait(600), Pass(0)],
        ),
        row("Redaction", &redacted, verified, &[Wait(600), Pass(0)]),
        row("Deletion by `retention.deleteAfter`", &removed, verified, &[Wait(600), Pass(0)]),
        row("A day of a verdict: its audit", &plain, verified, &[Wait(86_400), Audit, Pass(0)]),
        row("A verdict at rest", &plain, verified, &[Wait(80_000), Pass(0), Pass(1)]),
    ];
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/life.md")).expect("the page of the life");
    let missing: Vec<_> = rows.iter().filter(|row| !page.contains(row.as_str())).map(String::as_str).collect();
    assert!(missing.is_empty(), "docs/life.md says otherwise:\n{}", missing.join("\n"));
}
