//! Runs seeds, and shows those that fail. See `--help`.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use socketio_sim::{Counts, Failure, run, trace};

const HELP: &str = "usage: socketio-sim [--from SEED] [--seeds COUNT | --until-stopped] [--counts]
       socketio-sim --seed SEED        runs one seed and shows what happens";

fn main() -> ExitCode {
    let (mut from, mut seeds, mut one, mut counts) = (0, Some(1000), None, false);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut number = || args.next().and_then(|number| number.parse::<u64>().ok());
        match (arg.as_str(), ()) {
            ("--from", ()) => from = number().unwrap_or_default(),
            ("--seeds", ()) => seeds = number(),
            ("--until-stopped", ()) => seeds = None,
            ("--seed", ()) => one = number(),
            ("--counts", ()) => counts = true,
            _ => {
                eprintln!("{HELP}");
                return ExitCode::from(2);
            }
        }
    }
    if let Some(seed) = one {
        let outcome = trace(seed, None);
        outcome.trace.iter().for_each(|line| println!("{line}"));
        return match outcome.failure {
            Some(failure) => {
                println!("seed {seed}: {failure}");
                ExitCode::FAILURE
            }
            None => ExitCode::SUCCESS,
        };
    }
    many(from, seeds, counts)
}

fn many(from: u64, seeds: Option<u64>, show_counts: bool) -> ExitCode {
    let began = Instant::now();
    let (next, stop) = (AtomicU64::new(from), AtomicBool::new(false));
    let end = seeds.map_or(u64::MAX, |seeds| from.saturating_add(seeds));
    let failed: Mutex<Vec<(u64, Failure)>> = Mutex::default();
    let total: Mutex<Counts> = Mutex::default();
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        break;
                    }
                    let outcome = run(seed, None);
                    if let Ok(mut total) = total.lock() {
                        outcome
                            .counts
                            .into_iter()
                            .for_each(|(what, count)| *total.entry(what).or_default() += count);
                    }
                    if let Some(failure) = outcome.failure {
                        println!("seed {seed}: {failure}");
                        let Ok(mut failed) = failed.lock() else { break };
                        failed.push((seed, failure));
                        stop.fetch_or(failed.len() >= 10, Ordering::Relaxed);
                    }
                    let done = seed - from + 1;
                    if done.is_multiple_of(10_000) {
                        println!("{done} seeds in {:.0?}", began.elapsed());
                    }
                }
            });
        }
    });
    if show_counts && let Ok(total) = total.lock() {
        total.iter().for_each(|(what, count)| println!("{count:>10} {what}"));
    }
    let done = next.load(Ordering::Relaxed).min(end) - from;
    let failed = failed.into_inner().unwrap_or_default();
    println!("{done} seeds from {from}, {} failed, in {:.1?}", failed.len(), began.elapsed());
    let Some((seed, _)) = failed.iter().min_by_key(|(seed, _)| seed) else { return ExitCode::SUCCESS };
    println!("the steps of the first:  tests/sim/run --seed {seed}");
    ExitCode::FAILURE
}
