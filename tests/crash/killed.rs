//! SIGKILL before and after each effect of a life, then a restart.

use std::time::Duration;

use jiff::Timestamp;
use onfido_operator::simulator::admin::{FaultKind, Operation};

use super::{ABSENCE, DOUBT, FAST, NAME, PATIENT, Plot, play};

/// Where the operator is killed.
#[derive(Clone)]
enum Crash {
    /// At a place of its own; see `src/controller/drive.rs`.
    At(&'static str),
    /// While it waits for the answer to a call that the vendor has, or has not, carried out.
    During(Operation, FaultKind, Committed),
    /// Once the token is handed over and everything is on record.
    Waiting,
    /// Once the verdict is on record.
    Done,
}

#[derive(Clone, Copy, PartialEq)]
enum Committed {
    No,
    Yes,
}

/// A point of a life.
#[derive(Clone)]
struct Point {
    crashes: Vec<Crash>,
    /// The person has finished before the crash.
    late: bool,
    /// Nobody can know whether an applicant was created: a possible orphan is reported.
    orphan: bool,
    /// The run is not there, which must be found out before it is started.
    absent: bool,
}

fn points() -> Vec<(&'static str, Point)> {
    use {Crash::*, FaultKind::*, Operation::*};
    let point = |crashes: &[Crash]| Point { crashes: crashes.to_vec(), late: false, orphan: false, absent: false };
    let plain = |crash| point(&[crash]);
    let orphan = |crash| Point { orphan: true, ..point(&[crash]) };
    let absent = |crash| Point { absent: true, ..point(&[crash]) };
    let late = |crash| Point { late: true, ..point(&[crash]) };
    let lost_run = || During(CreateWorkflowRun, HangAfterCommit, Committed::Yes);
    vec![
        // The longest first.
        ("run intended", absent(At("before:StartRun"))),
        ("run sent", absent(During(CreateWorkflowRun, HangBeforeCommit, Committed::No))),
        ("run sent, and carried out while nobody looks", plain(During(CreateWorkflowRun, Delay { ms: 2500 }, Committed::No))),
        ("run sent, killed again while it tries again", {
            let first = During(CreateWorkflowRun, HangBeforeCommit, Committed::No);
            Point { absent: true, ..point(&[first, At("after:StartRun")]) }
        }),
        ("run sent, and carried out a little later", plain(During(CreateWorkflowRun, Delay { ms: 700 }, Committed::No))),
        ("run carried out", plain(lost_run())),
        ("run answered", plain(At("after:StartRun"))),
        ("run carried out, killed again before the look", point(&[lost_run(), At("before:LookForRun")])),
        ("run carried out, killed again after the look", point(&[lost_run(), At("after:LookForRun")])),
        ("run carried out, killed again with the Secret written", point(&[lost_run(), At("after:WriteCaptureSecret")])),
        ("attributes not read", plain(At("before:ReadAttributes"))),
        ("applicant not intended", plain(At("before-record:CreateApplicant"))),
        ("applicant intended", orphan(At("before:CreateApplicant"))),
        ("applicant sent", orphan(During(CreateApplicant, HangBeforeCommit, Committed::No))),
        ("applicant sent, and created later", orphan(During(CreateApplicant, Delay { ms: 700 }, Committed::No))),
        ("applicant created", orphan(During(CreateApplicant, HangAfterCommit, Committed::Yes))),
        ("applicant answered", orphan(At("after:CreateApplicant"))),
        ("applicant not recorded", orphan(At("before-record:StartRun"))),
        ("Secret not written", plain(At("before:WriteCaptureSecret"))),
        ("Secret written", plain(At("after:WriteCaptureSecret"))),
        ("run not recorded", plain(At("before-record:nothing"))),
        ("run recorded", plain(Waiting)),
        ("wake-up not recorded", late(At("before:WakeUp"))),
        ("wake-up recorded", late(At("after:WakeUp"))),
        ("outcome not read", late(At("before:ReadRun"))),
        ("outcome read", late(At("after:ReadRun"))),
        // A restart, so that the values are read for the outcome and not for the start.
        ("outcome not recorded", Point { late: true, ..point(&[Waiting, At("after:ReadAttributes")]) }),
        ("outcome recorded", late(Done)),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_anywhere_it_ends_with_one_run_and_the_verdict() {
    play(points(), one).await;
}

async fn one(point: Point) {
    let plot = Plot::new("killed").await;
    let last = point.crashes.len() - 1;
    for (turn, crash) in point.crashes.iter().enumerate() {
        let place = match crash {
            Crash::At(place) => Some(*place),
            _ => None,
        };
        if let Crash::During(operation, fault, _) = crash {
            plot.fault(*operation, fault.clone()).await;
        }
        // Who recovers goes by the fast clock.
        let mut operator = plot.operator(if turn == 0 { PATIENT } else { FAST }, place).await;
        if turn == 0 {
            plot.begin().await;
        }
        if point.late && turn == last {
            plot.person().await;
        }
        match crash {
            Crash::At(place) => operator.until_logged(&format!("paused at {place}")).await,
            Crash::During(operation, _, committed) => {
                let reached =
                    |call: &[_]| call.last().is_some_and(|call: &super::LedgerEntry| call.committed == (*committed == Committed::Yes));
                plot.until_called("the call", *operation, reached).await;
            }
            Crash::Waiting => drop(plot.scene.until(NAME, "a token", super::captured).await),
            Crash::Done => drop(plot.verified().await),
        }
        operator.child.kill();
    }
    let settled = plot.scene.verifications().get_status(NAME).await.unwrap();
    let asked = plot.ledger().await.len();

    let restarted = Timestamp::now();
    let operator = plot.operator(FAST, None).await;
    if !point.late {
        plot.person().await;
    }
    let done = plot.verified().await;
    plot.one_run(&done).await;
    let posts = plot.calls(Operation::CreateWorkflowRun).await.len();
    // Whoever else may have sent the call is waited for, by this process's own clock, before anything is asked or done.
    let in_doubt = settled.status.as_ref().is_some_and(|status| status.operation.as_ref().is_some_and(|operation| operation.looks == 0));
    if in_doubt {
        let calls = plot.ledger().await.into_iter().skip(asked);
        let looked: Vec<Timestamp> = calls
            .filter(|call| {
                matches!(call.operation, Operation::ListWorkflowRuns | Operation::CreateApplicant | Operation::CreateWorkflowRun)
            })
            .map(|call| call.time.parse().unwrap())
            .collect();
        let waited = Duration::try_from(looked[0].duration_since(restarted)).unwrap();
        assert!(waited >= DOUBT, "waited {waited:?} only");
    }
    let sent = usize::from(matches!(point.crashes[0], Crash::During(..)));
    assert_eq!(posts, if point.absent { sent + 1 } else { 1 });
    if point.absent {
        plot.looked_before_trying_again(sent == 0, ABSENCE).await;
    }
    assert_eq!(plot.events("PossibleOrphanApplicant").await, usize::from(point.orphan));
    assert_eq!(plot.events("ExtraRun").await, 0);
    let metrics = reqwest::get(format!("{}/metrics", operator.health)).await.unwrap().text().await.unwrap();
    let orphans = format!("onfido_operator_possible_orphan_applicants_total {}", u8::from(point.orphan));
    assert!(metrics.contains(&orphans), "no {orphans} in {metrics}");
    if matches!(point.crashes[..], [Crash::Done]) {
        assert_eq!(done.status, settled.status, "an outcome on record stays as it is");
        let calls = plot.ledger().await.into_iter().skip(asked);
        let about_it: Vec<_> = calls.filter(|call| call.run_id.is_some() || call.applicant_id.is_some()).collect();
        assert!(about_it.iter().all(|call| call.path.contains("/applicants/")), "asked again: {about_it:#?}");
    }
    kill(operator);
}

/// There is nothing to be graceful about at the end.
fn kill(mut operator: super::Operator) {
    operator.child.kill();
}
