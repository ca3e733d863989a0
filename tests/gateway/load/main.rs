//! The gateway under load: clients that all come back after a restart, and a backend that fails at random for minutes.
//!
//! ```text
//! gateway-load return --server PROGRAM [--clients 10000] [--delay 200ms]
//! gateway-load soak   --server PROGRAM [--minutes 10]
//! ```

mod backend;
mod program;
mod returning;
mod soak;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// What is asked for on the command line.
struct Asked {
    server: PathBuf,
    clients: usize,
    delay: Duration,
    minutes: f64,
}

impl Asked {
    fn read(mut arguments: impl Iterator<Item = String>) -> Option<Asked> {
        let (mut server, mut clients, mut minutes) = (None, 10_000, 10.0);
        let mut delay = Duration::from_millis(200);
        while let Some(name) = arguments.next() {
            let value = arguments.next()?;
            match name.as_str() {
                "--server" => server = Some(value.into()),
                "--clients" => clients = value.parse().ok().filter(|clients| *clients > 0)?,
                "--delay" => delay = humantime::parse_duration(&value).ok()?,
                "--minutes" => minutes = value.parse().ok().filter(|minutes| *minutes > 0.0)?,
                _ => return None,
            }
        }
        Some(Asked { server: server?, clients, delay, minutes })
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let faults = match (command.as_str(), Asked::read(arguments)) {
        ("return", Some(asked)) => returning::run(&asked.server, asked.clients, asked.delay).await,
        ("soak", Some(asked)) => soak::run(&asked.server, asked.minutes).await,
        _ => {
            eprintln!(
                "usage: gateway-load return|soak --server PROGRAM [--clients N] [--delay TIME] [--minutes N]"
            );
            return ExitCode::from(2);
        }
    };
    for fault in &faults {
        println!("FAIL {fault}");
    }
    if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A small generator: it needs no other.
#[derive(Clone, Copy)]
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Random {
        Random(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}
