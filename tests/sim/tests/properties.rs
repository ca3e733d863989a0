//! The simulation itself: it repeats itself, it sees each property broken, and what it is there for happens.

use std::collections::BTreeMap;

use socketio_sim::{Counts, Property, Sabotage, is_of_a_cluster, run, trace};

/// Seeds that are run here; many more are by `tests/sim/run`.
const SEEDS: u64 = 300;

#[test]
fn every_property_holds() {
    let mut counts = Counts::new();
    for seed in 0..SEEDS {
        let outcome = run(seed, None);
        if let Some(failure) = outcome.failure {
            panic!("seed {seed}: {failure}; see its steps with: tests/sim/run --seed {seed}");
        }
        outcome.counts.into_iter().for_each(|(what, count)| *counts.entry(what).or_default() += count);
    }
    // What never happens proves nothing.
    for what in [
        "connects",
        "events",
        "events between nodes",
        "failed upgrades",
        "harm",
        "lost between nodes",
        "put out",
        "questions",
        "questions between nodes",
        "recoveries",
        "recoveries of a pid in use",
        "recoveries too late",
        "refused emits",
        "restarts",
        "retried until acknowledged",
        "told of a drain",
        "twins",
        "upgrades",
    ] {
        assert!(counts.contains_key(what), "never happened: {what}");
    }
}

#[test]
fn a_seed_is_always_the_same_run() {
    let mut steps = 0;
    for seed in 0..20 {
        let (once, again) = (trace(seed, None), trace(seed, None));
        assert_eq!(once.trace, again.trace, "seed {seed}");
        steps += once.trace.len();
    }
    assert!(steps > 5000, "only {steps} steps");
}

/// Runs seeds until the planted fault is seen for what it is.
fn caught(sabotage: Sabotage, property: Property) {
    let mut seen = BTreeMap::new();
    for seed in 0..200 {
        if let Some(failure) = run(seed, Some(sabotage)).failure {
            if failure.property == property {
                return;
            }
            *seen.entry(failure.property).or_insert(0) += 1;
        }
    }
    panic!("{sabotage:?} was never seen as {property:?}, but as {seen:?}");
}

#[test]
fn events_that_change_places_are_seen() {
    caught(Sabotage::Swap, Property::Order);
}

#[test]
fn an_event_that_arrives_twice_is_seen() {
    caught(Sabotage::Repeat, Property::Once);
}

#[test]
fn a_lost_event_is_seen() {
    caught(Sabotage::Lose, Property::Lossless);
}

#[test]
fn a_gap_before_a_disconnect_is_seen() {
    caught(Sabotage::Gap, Property::Prefix);
}

#[test]
fn an_answer_that_arrives_twice_is_seen() {
    caught(Sabotage::AnswerTwice, Property::Acks);
}

#[test]
fn retries_out_of_order_are_seen() {
    caught(Sabotage::Overtake, Property::Retries);
}

#[test]
fn a_replay_of_what_was_not_missed_is_seen() {
    caught(Sabotage::OldOffset, Property::Recovery);
}

#[test]
fn a_member_that_left_and_is_still_there_is_seen() {
    caught(Sabotage::Room, Property::Rooms);
}

#[test]
fn what_a_drain_swallows_is_seen() {
    caught(Sabotage::Drain, Property::Drain);
}

#[test]
fn a_task_that_is_left_behind_is_seen() {
    caught(Sabotage::Leak, Property::Liveness);
}

#[test]
fn a_panic_that_the_server_catches_is_seen() {
    caught(Sabotage::Panic, Property::Panic);
}

#[test]
fn what_goes_wrong_between_nodes_is_seen() {
    let planted = [
        (Sabotage::Swap, Property::Order),
        (Sabotage::Repeat, Property::Once),
        (Sabotage::Lose, Property::Lossless),
        (Sabotage::Room, Property::Rooms),
    ];
    for (sabotage, property) in planted {
        let mut seeds = (0..400).filter(|seed| is_of_a_cluster(*seed));
        let seen =
            |seed| run(seed, Some(sabotage)).failure.is_some_and(|failure| failure.property == property);
        assert!(seeds.any(seen), "{sabotage:?} was never seen as {property:?}");
    }
}
