//! SIGKILL around each effect of an object's end, then a restart: its deletion was held before anything was at the vendor, and what was
//! there is erased or owed, once.

use onfido_operator::{
    api::{ConditionType, Phase},
    simulator::admin::{DefaultOutcome, Operation},
};

use super::{FAST, NAME, PATIENT, Plot, captured, play};
use crate::support::erasure::{FINALIZER, erasing, finalizers};

/// Where it is killed, and whether a run is in progress, so that erasure can only be owed.
#[derive(Clone)]
struct Point {
    place: &'static str,
    busy: bool,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_anywhere_on_its_way_the_object_goes_and_its_applicant_is_erased_or_owed() {
    let point = |place, busy| (place, Point { place, busy });
    let points = vec![
        point("before:HoldDeletion", false),
        point("after:HoldDeletion", false),
        point("before:EraseApplicant", false),
        point("after:EraseApplicant", false),
        point("before:ReleaseDeletion", false),
        point("after:ReleaseDeletion", false),
        point("before:OweErasure", true),
        point("after:OweErasure", true),
    ];
    play(points, one).await;
}

async fn one(Point { place, busy }: Point) {
    let plot = Plot::new("erased").await;
    let scene = &plot.scene;
    let mut first = plot.operator(PATIENT, Some(place)).await;
    scene.until_provider("onfido", ConditionType::Ready, "True", "Succeeded").await;
    let hold = DefaultOutcome { hold: true, ..DefaultOutcome::default() };
    scene.simulator.default_outcome(&scene.account, &hold).await.unwrap();
    scene.verification(NAME, erasing()).await;
    let held = place.ends_with("HoldDeletion");
    if !held {
        ends(&plot, busy).await;
    }
    first.until_logged(&format!("paused at {place}")).await;
    first.child.kill();

    let mut second = plot.operator(FAST, None).await;
    if held {
        let object = scene.until(NAME, "a token", captured).await;
        assert_eq!(finalizers(&object), [FINALIZER]);
        ends(&plot, busy).await;
    }
    scene.until_gone(NAME).await;
    let created = plot.calls(Operation::CreateApplicant).await;
    assert_eq!((created.len(), plot.calls(Operation::CreateWorkflowRun).await.len()), (1, 1));
    let applicant = created[0].applicant_id.clone().unwrap();
    match busy {
        true => {
            scene.until_owed(&[&applicant]).await;
            assert_eq!(scene.erased().await.len(), 0);
        }
        false => {
            assert_eq!(scene.erased().await, std::slice::from_ref(&applicant));
            assert_eq!(scene.debt_maps().await.len(), 0);
        }
    }
    plot.namesake_untouched(&[&applicant]).await;
    second.child.kill();
}

/// Its person is expected, or has finished and the vendor works on it; then it is deleted.
async fn ends(plot: &Plot, busy: bool) {
    let scene = &plot.scene;
    scene.until(NAME, "a token", captured).await;
    if busy {
        scene.simulator.capture(&scene.run_of(NAME).await).await.unwrap();
        scene.finalize(NAME).await;
        scene.until_phase(NAME, Phase::Processing).await;
    }
    scene.delete(NAME).await;
}
