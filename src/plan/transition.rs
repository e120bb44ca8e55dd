//! The table of phases: which follows which, and why. The rows of `plan` decide; this says what they come to, for the page of the life. A
//! test lives a hundred thousand lives and holds both against each other.

use crate::api::Phase::{self, Abandoned, Approved, AwaitingInput, Cancelled, Declined, Failed, InReview, Pending, Processing};

/// From any of these phases to any of those.
#[derive(Clone, Copy, Debug)]
pub struct Transition {
    /// Where the verification is.
    pub from: &'static [Phase],
    /// Where it is next.
    pub to: &'static [Phase],
    /// Why, for a person.
    pub because: &'static str,
}

/// A run exists at the vendor, and it has not spoken its last word.
const OPEN: &[Phase] = &[AwaitingInput, Processing, InReview];
/// The vendor's last word.
const OUTCOME: &[Phase] = &[Approved, Declined, Abandoned, Failed];

const fn row(from: &'static [Phase], to: &'static [Phase], because: &'static str) -> Transition {
    Transition { from, to, because }
}

/// Every transition there is; no pair of phases twice.
pub const TRANSITIONS: &[Transition] = &[
    row(&[Pending], &[AwaitingInput], "the run is started"),
    row(&[Pending], &[Processing, InReview], "the run is started or found, and waits for nobody"),
    row(&[AwaitingInput], &[Processing], "the person has finished"),
    row(&[Processing], &[AwaitingInput], "the workflow asks the person for more"),
    row(&[AwaitingInput, Processing], &[InReview], "somebody at the vendor reviews it"),
    row(&[InReview], &[AwaitingInput, Processing], "the review is over, and the workflow goes on"),
    row(OPEN, OUTCOME, "the vendor has spoken its last word"),
    row(&[Pending], &[Cancelled], "cancelled before there was a run"),
    row(OPEN, &[Cancelled], "cancelled, and the run goes on without us"),
    row(OUTCOME, &[Pending], "another attempt begins"),
    row(&[InReview], &[Pending], "another attempt begins, where the provider lets one follow a review"),
    row(OUTCOME, OPEN, "another attempt finds its run, as after a restore"),
];

/// What is drawn as one, with its name.
const GROUPS: [(&str, &[Phase]); 2] = [("Open", OPEN), ("Outcome", OUTCOME)];

/// The table as a state diagram in the words of Mermaid.
pub fn diagram() -> String {
    let mut out = String::from("stateDiagram-v2\n    [*] --> Pending\n");
    for (name, phases) in GROUPS {
        out.push_str(&format!("    state {name} {{\n"));
        phases.iter().for_each(|phase| out.push_str(&format!("        {phase:?}\n")));
        out.push_str("    }\n");
    }
    for Transition { from, to, because } in TRANSITIONS {
        for from in ends(from) {
            for to in ends(to) {
                out.push_str(&format!("    {from} --> {to}: {because}\n"));
            }
        }
    }
    out
}

/// A whole group by its name, other phases one by one.
fn ends(phases: &[Phase]) -> Vec<String> {
    match GROUPS.iter().find(|(_, group)| *group == phases) {
        Some((name, _)) => vec![(*name).to_owned()],
        None => phases.iter().map(|phase| format!("{phase:?}")).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_pair_of_phases_stands_in_two_rows() {
        let pairs = TRANSITIONS.iter().flat_map(|row| row.from.iter().flat_map(|from| row.to.iter().map(move |to| (*from, *to))));
        let mut pairs: Vec<_> = pairs.collect();
        let count = pairs.len();
        pairs.sort_by_key(|(from, to)| (*from as u8, *to as u8));
        pairs.dedup();
        assert_eq!(pairs.len(), count);
        assert!(pairs.iter().all(|(from, to)| from != to && *from != Cancelled), "what is given up stays so");
    }
}
