//! Conditions: bounded, stable, and acknowledged.

use super::super::conditions::{acknowledge, say, set};
use super::*;
use crate::api::{ConditionStatus as S, ConditionType as C, Reason as R};

#[test]
fn a_transition_time_moves_with_the_status_only() {
    let mut all = vec![];
    for (at, status, reason, since) in [(0, S::False, R::Pending, 0), (10, S::False, R::Processing, 0), (20, S::True, R::Started, 20)] {
        set(&mut all, C::Ready, (status, reason, "m".into()), at, t(at));
        assert_eq!((all[0].last_transition_time.0, all[0].observed_generation), (t(since), Some(at)));
        assert_eq!(all.len(), 1);
    }
}

#[test]
fn a_message_is_never_longer_than_the_schema_allows() {
    let mut status = IdentityVerificationStatus::default();
    let fields = vec!["f\u{fc}nf".repeat(20); 40];
    say(&mut status, 1, t(0), Some(&Failure::RequestRefused { fields }), None);
    let longest = status.conditions.iter().map(|c| c.message.chars().count()).max();
    assert_eq!(longest, Some(1024));
}

#[test]
fn an_acknowledgement_says_nothing_new() {
    let before = open("awaiting_input").status;
    let mut after = before.clone();
    acknowledge(&mut after, 9, t(50));
    assert_eq!(after.observed_generation, Some(9));
    assert!(after.conditions.iter().all(|c| c.observed_generation == Some(9)));
    acknowledge(&mut after, 1, t(60));
    assert_eq!(after, before);
    let mut fresh = IdentityVerificationStatus::default();
    acknowledge(&mut fresh, 1, t(0));
    assert_eq!(fresh.conditions.len(), 7, "where nothing was said yet, everything is");
}
