//! rust_socketio against the server under test: `socketio-interop [PART OF A TEST'S NAME]`.
//!
//! Each test runs in a process of its own, since a blocking client that has closed leaves a busy thread behind.

mod client;
mod scenarios;
mod server;

use std::env;
use std::fs::OpenOptions;
use std::io::Write;
use std::panic::catch_unwind;
use std::process::{Command, ExitCode, exit};
use std::thread;
use std::time::{Duration, Instant};

use client::{Mode, Style};
use scenarios::{SCENARIOS, Scenario, Stage};

const LIMIT: Duration = Duration::from_secs(20);
/// With more failures, it isn't chance.
const FEW: usize = 4;
const VERSION: &str = "0.6.0";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match &arguments[..] {
        [flag, name] if flag == "--alone" => alone(name),
        [] => all(""),
        [part] => all(part),
        _ => panic!("one argument at most: part of a test's name"),
    }
}

/// Every test and its name, which is also how a process of its own is told which one to run.
fn tests() -> impl Iterator<Item = (String, Style, Mode, &'static Scenario)> {
    Style::ALL.into_iter().flat_map(|style| {
        Mode::ALL.into_iter().flat_map(move |mode| {
            SCENARIOS.iter().map(move |scenario| {
                let name = format!("rust_socketio {VERSION} {style}, {mode}: {}", scenario.name);
                (name, style, mode, scenario)
            })
        })
    })
}

fn all(part: &str) -> ExitCode {
    let mut failed = Vec::new();
    for (name, style, mode, scenario) in tests().filter(|(name, ..)| name.contains(part)) {
        match (scenario.skip)(style, mode) {
            Some(reason) => println!("skip {name}: {reason}"),
            None => {
                if !in_a_process(&name, "fails") {
                    failed.push(name);
                }
            }
        }
    }
    // As tests/node-tests.mjs does it: a few may have failed since the machine was busy.
    let few = failed.len() <= FEW;
    let (passed, failed): (Vec<_>, Vec<_>) =
        failed.into_iter().partition(|name| few && in_a_process(name, "FAIL"));
    name_unsteady(&passed);
    if !few {
        failed.iter().for_each(|name| println!("FAIL {name} (not tried again)"));
    }
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs a test in a process of its own and says how it ended, by `failure` where it failed.
fn in_a_process(name: &str, failure: &str) -> bool {
    let start = Instant::now();
    let itself = env::current_exe().expect("the path of this program");
    let output = Command::new(itself).args(["--alone", name]).output().expect("this program runs");
    let took = start.elapsed().as_millis();
    let passed = output.status.success();
    if passed {
        println!("ok   {name} ({took} ms)");
    } else {
        let report = [output.stdout, output.stderr].concat();
        let report = String::from_utf8_lossy(&report).replace('\n', "\n     ");
        println!("{failure} {name} ({took} ms)\n     {report}");
    }
    passed
}

/// Tells tests/run which tests passed only the second time.
fn name_unsteady(names: &[String]) {
    let Some(path) = env::var_os("UNSTEADY") else { return };
    let mut file =
        OpenOptions::new().append(true).create(true).open(path).expect("the file of UNSTEADY opens");
    for name in names {
        writeln!(file, "{name}").expect("the file of UNSTEADY takes a line");
    }
}

fn alone(wanted: &str) -> ExitCode {
    let (_, style, mode, scenario) = tests().find(|(name, ..)| name == wanted).expect("a test of that name");
    thread::spawn(|| {
        thread::sleep(LIMIT);
        eprintln!("not done within {LIMIT:?}");
        server::report();
        server::kill_all();
        exit(1);
    });
    let passed = catch_unwind(|| (scenario.run)(&Stage { style, mode })).is_ok();
    if !passed {
        server::report();
    }
    server::kill_all();
    // Not a return: the client's threads never end.
    exit(i32::from(!passed));
}
