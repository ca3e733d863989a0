//! Each case is right: a model client passes it, and a mutant of that, with one fault, fails the cases that are about it.

mod faults;
#[expect(clippy::unwrap_used, reason = "what the lab sends is as the model expects it, or the test fails")]
mod model;
#[expect(clippy::unwrap_used, reason = "the same")]
mod net;

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use engineio::Revision;
use faults::{FAULTS, Fault};
use model::Model;
use socketio_lab::case::{Case, Needs, Requirement};
use socketio_lab::cases::for_clients;
use socketio_lab::peer::LabPeer;
use socketio_lab::run::{Agent, CaseRun, Outcome, Pace};
use socketio_lab::stream::Memory;
use socketio_lab::verdict::Verdict;
use tokio::runtime::Builder;

/// A case, the model's revision, and its fault.
type Trial = (Arc<Case<LabPeer>>, Revision, Option<Fault>);

fn agent(revision: Revision) -> Agent {
    let lacks = if revision == Revision::V3 { vec!["ack-timeout".to_owned()] } else { Vec::new() };
    Agent { name: "the model".to_owned(), revision, level: Needs::Driven, lacks }
}

/// Runs a case with the model: in memory, or over TCP without a network. `None` if the case is not about that revision.
async fn run((case, revision, fault): Trial, network: Option<Memory>) -> Option<Outcome> {
    let agent = agent(revision);
    let transport = agent.transport(&case.about).ok()?;
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let pace = Pace { listen, patience: Duration::from_secs(10), timeout: Duration::from_secs(60) };
    let run = match &network {
        Some(network) => CaseRun::begin_in_memory(network, case.clone(), &agent, transport, pace).await,
        None => CaseRun::begin(case.clone(), &agent, transport, pace, 1).await,
    };
    let run = run.expect("a port");
    let model = Model::new(&run.invitation, network, revision, fault, run.observations.clone());
    let client = tokio::spawn(model.run(case.about.first.clone()));
    let outcome = run.outcome.await.expect("an outcome");
    client.abort();
    Some(outcome)
}

/// Runs cases, each in memory and in a time of its own: it passes when nothing is left to do, so no outcome depends on how busy
/// the machine is.
fn all(trials: impl Iterator<Item = Trial>) -> Vec<(Revision, Option<Fault>, Outcome)> {
    let trials: Vec<Trial> = trials.collect();
    let (next, outcomes) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some(trial) = trials.get(next.fetch_add(1, Ordering::Relaxed)) {
            let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
            let outcome = runtime.expect("a runtime").block_on(run(trial.clone(), Some(Memory::default())));
            let (_, revision, fault) = trial;
            outcomes.lock().expect("no panic").extend(outcome.map(|outcome| (*revision, *fault, outcome)));
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    outcomes.into_inner().expect("no panic")
}

fn cases() -> Vec<Arc<Case<LabPeer>>> {
    let only = std::env::var("CASE").ok();
    let wanted =
        |case: &Case<LabPeer>| only.as_ref().is_none_or(|only| case.about.id.starts_with(only.as_str()));
    for_clients().into_iter().filter(wanted).map(Arc::new).collect()
}

const BOTH: [Revision; 2] = [Revision::V3, Revision::V4];

#[test]
fn a_right_client_passes_every_case() {
    let cases = cases();
    let runs = cases.iter().flat_map(|case| BOTH.map(|revision| (case.clone(), revision, None)));
    let outcomes = all(runs);
    let passes = |verdict| matches!(verdict, Verdict::Pass | Verdict::Informational | Verdict::NonStrict);
    if std::env::var_os("CASE").is_some() {
        outcomes.iter().for_each(|(.., outcome)| println!("{}", outcome.journal.whole()));
    }
    let failed: Vec<String> = outcomes
        .iter()
        .filter(|(.., outcome)| !passes(outcome.verdict))
        .map(|(revision, _, outcome)| {
            format!(
                "{} in revision {}: {}, expected {}; seen: {}\n",
                outcome.case,
                revision.number(),
                outcome.verdict,
                outcome.expected,
                outcome.seen
            )
        })
        .collect();
    println!("{} cases, {} runs by the model, {} not passed", cases.len(), outcomes.len(), failed.len());
    assert!(failed.is_empty(), "{}", failed.concat());
}

#[test]
fn a_case_finds_its_faults() {
    let cases = cases();
    let runs = FAULTS.iter().flat_map(|(fault, found_by)| {
        let found_by = cases.iter().filter(|case| found_by.contains(&case.about.id));
        found_by.flat_map(|case| BOTH.map(|revision| (case.clone(), revision, Some(*fault))))
    });
    let outcomes = all(runs);
    let mut missed = Vec::new();
    let mut caught = BTreeSet::new();
    for (fault, found_by) in FAULTS {
        for case in found_by.iter().filter(|id| cases.iter().any(|case| case.about.id == **id)) {
            let of =
                outcomes.iter().filter(|(_, one, outcome)| *one == Some(*fault) && outcome.case == *case);
            // A fault may be one of one revision only.
            let found =
                of.clone().any(|(.., outcome)| matches!(outcome.verdict, Verdict::Fail | Verdict::NonStrict));
            if found {
                caught.insert(format!("{fault:?}"));
            } else {
                let seen: Vec<_> =
                    of.map(|(.., outcome)| (outcome.verdict, outcome.expected.clone())).collect();
                missed.push(format!("{case} doesn't find {fault:?}: {seen:?}\n"));
            }
        }
    }
    let tried = FAULTS.iter().filter(|(_, found_by)| !found_by.is_empty()).count();
    println!("{tried} mutants tried in {} runs, {} caught", outcomes.len(), caught.len());
    assert!(missed.is_empty(), "{}", missed.concat());
}

/// No document says when a client upgrades: some do before they poll or join.
#[test]
fn a_client_that_upgrades_first_is_right_too() {
    let cases: Vec<_> = cases().into_iter().filter(|case| case.about.group() == 4).collect();
    let first = Some(Fault::UpgradesFirst);
    let outcomes = all(cases.iter().flat_map(|case| BOTH.map(|revision| (case.clone(), revision, first))));
    let failed = outcomes.iter().filter(|(.., outcome)| outcome.verdict == Verdict::Fail);
    let failed: Vec<_> =
        failed.map(|(_, _, outcome)| (outcome.case, &outcome.expected, &outcome.seen)).collect();
    assert!(failed.is_empty(), "{failed:?}");
    let count = |verdict| outcomes.iter().filter(|(.., outcome)| outcome.verdict == verdict).count();
    assert!(count(Verdict::Pass) > 25 && count(Verdict::NotRun) < 20, "{} pass", count(Verdict::Pass));
}

/// Whether a client gives up at all is the question of other cases.
#[test]
fn a_client_that_never_gives_up_does_not_do_so_too_early() {
    let case = for_clients().into_iter().find(|case| case.about.id == "3.3.3").map(Arc::new);
    let case = case.expect("the case");
    let outcomes = all(BOTH.map(|revision| (case.clone(), revision, Some(Fault::NeverGivesUp))).into_iter());
    assert_eq!(outcomes.len(), 2);
    assert!(outcomes.iter().all(|(.., outcome)| outcome.verdict == Verdict::Pass), "{outcomes:?}");
}

/// What passes in memory passes over TCP, where a reset is one.
#[tokio::test]
async fn a_right_client_passes_over_tcp() {
    let wanted = [
        "1.1.1", "1.6.1", "2.1.1", "2.2.1", "4.2.4", "5.2.1", "6.2.7", "7.1.2", "7.1.5", "9.2.1", "10.1.2",
        "12.4.1",
    ];
    for case in for_clients().into_iter().filter(|case| wanted.contains(&case.about.id)).map(Arc::new) {
        let outcome = run((case, Revision::V4, None), None).await.expect("a case of revision 4");
        assert_eq!(outcome.verdict, Verdict::Pass, "{}: {outcome:?}", outcome.case);
    }
}

#[test]
fn every_must_case_finds_a_fault() {
    let found: BTreeSet<&str> = FAULTS.iter().flat_map(|(_, found_by)| found_by.iter().copied()).collect();
    let all = for_clients();
    let ids: BTreeSet<&str> = all.iter().map(|case| case.about.id).collect();
    let unknown: Vec<_> = found.difference(&ids).collect();
    assert!(unknown.is_empty(), "no such cases: {unknown:?}");
    let must = all.iter().filter(|case| case.about.level == Requirement::Must).map(|case| case.about.id);
    let without: Vec<_> = must.filter(|id| !found.contains(id)).collect();
    assert!(without.is_empty(), "no fault is known that these find: {without:?}");
}
