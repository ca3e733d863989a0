//! Fixed workloads to count instructions of: `instructions WORKLOAD` runs one, within `counted`.
//!
//! `tests/bench/instructions` runs all of them below valgrind and compares with what is checked in.

use std::hint::black_box;

use bytes::Bytes;
use bytestring::ByteString;
use offline::{Offline, Served, application, frame};

/// How often each workload does its work.
const TIMES: usize = 2_000;
const CLIENTS: usize = 1_000;

/// Everything below this function is counted, and nothing else.
#[inline(never)]
fn counted(work: &mut dyn FnMut()) {
    work();
}

/// Warms up, so that what grows once has grown, and then counts.
fn repeat(times: usize, mut work: impl FnMut()) -> usize {
    work();
    counted(&mut || (0..times).for_each(|_| work()));
    times
}

fn event(name: &str, size: usize) -> ByteString {
    format!(r#"42["{name}","{}"]"#, "x".repeat(size)).into()
}

/// Runs one workload; gives how many units of work were counted.
fn run(workload: &str) -> Option<usize> {
    if let Some(workload) = workload.strip_prefix("served-") {
        return served(workload);
    }
    // Handlers that are not done at once would go on here; those of the workloads are.
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let _entered = runtime.enter();
    let io = application();
    let mut session = Offline::join(&io);
    Some(match workload {
        "echo" => {
            let message = event("message", 32);
            repeat(TIMES, || {
                session.receive(&message);
                session.write();
                black_box(&session.written);
            })
        }
        "echo-batch-of-16" => {
            let message = event("message", 32);
            16 * repeat(TIMES / 16, || {
                (0..16).for_each(|_| session.receive(&message));
                session.write();
                black_box(&session.written);
            })
        }
        "echo-4k" => {
            let message = event("message", 4_096);
            repeat(TIMES, || {
                session.receive(&message);
                session.write();
                black_box(&session.written);
            })
        }
        "ack" => {
            let message = ByteString::from(format!(r#"421["message-with-ack","{}"]"#, "x".repeat(32)));
            repeat(TIMES, || {
                session.receive(&message);
                session.write();
                black_box(&session.written);
            })
        }
        "attachment" => {
            let event = ByteString::from_static(r#"451-["attach",{"_placeholder":true,"num":0}]"#);
            let bytes = Bytes::from(vec![7; 256]);
            repeat(TIMES, || {
                session.receive(&event);
                session.receive_binary(&bytes);
                session.write();
                black_box(&session.written);
            })
        }
        "broadcast-to-1000" => {
            let mut others: Vec<Offline> = (1..CLIENTS).map(|_| Offline::join(&io)).collect();
            let message = event("broadcast", 32);
            CLIENTS
                * repeat(20, || {
                    session.receive(&message);
                    session.write();
                    others.iter_mut().for_each(Offline::write);
                    black_box(&session.written);
                })
        }
        "polling-16" => {
            let mut session = Offline::join_polling(&io);
            let body = Bytes::from(payload_of_16());
            16 * repeat(TIMES / 16, || {
                session.post(&body);
                black_box(session.get());
            })
        }
        "polling-64k" => {
            let mut session = Offline::join_polling(&io);
            let body = Bytes::from(event("message", 65_536).to_string());
            repeat(TIMES / 20, || {
                session.post(&body);
                black_box(session.get());
            })
        }
        "join" => repeat(TIMES / 4, || drop(black_box(Offline::join(&io)))),
        _ => return None,
    })
}

/// The same with the server around it, and its client.
fn served(workload: &str) -> Option<usize> {
    let served = Served::new(application());
    Some(match workload {
        "echo" => {
            let mut client = served.websocket();
            let message = frame(&event("message", 32));
            repeat(TIMES, || {
                client.send(&message);
                client.skip(1);
            })
        }
        "echo-16" => {
            let mut client = served.websocket();
            let messages = frame(&event("message", 32)).repeat(16);
            16 * repeat(TIMES / 16, || {
                client.send(&messages);
                client.skip(16);
            })
        }
        "polling-1" => {
            let mut client = served.polling();
            let body = client.body(&event("message", 32));
            repeat(TIMES / 4, || {
                client.post(&body);
                black_box(client.get());
            })
        }
        "polling-16" => {
            let mut client = served.polling();
            let body = client.body(&payload_of_16());
            16 * repeat(TIMES / 16, || {
                client.post(&body);
                black_box(client.get());
            })
        }
        _ => return None,
    })
}

fn payload_of_16() -> String {
    vec![event("message", 32).to_string(); 16].join("\u{1e}")
}

fn main() {
    let workload = std::env::args().nth(1).unwrap_or_default();
    match run(&workload) {
        Some(units) => println!("{units}"),
        None => {
            eprintln!("no workload of that name: {workload}");
            std::process::exit(2);
        }
    }
}
