//! The load of the bench: many clients of one server, on one thread and on raw sockets, so that no client
//! library is measured.
//!
//!     load ROW --pid PID --address 127.0.0.1:PORT [--path /socket.io/] [--seconds 3]
//!
//! `--api ADDRESS:PORT` is where a backend publishes, and on `--backend ADDRESS:PORT` the load answers as a backend.
//! `--pid` and `--address` stand there again for each other server of the cluster. It prints one JSON object: what the server took for each unit of work, and how long the clients waited.

mod arrive;
mod cluster;
mod crowd;
mod gateway;
mod http;
mod polling;
mod process;
mod rows;
mod websocket;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use process::Server;
use rows::{ROWS, Row};

fn main() -> ExitCode {
    let Some(Asked { row, server, time, backend }) = options(std::env::args().skip(1)) else {
        eprintln!("usage: load ROW --pid PID --address ADDRESS:PORT [--path /socket.io/] [--seconds 3]");
        eprintln!("rows: {}", ROWS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(" "));
        return ExitCode::from(2);
    };
    process::pin(1);
    // Its threads inherit the processor.
    let ready = backend.map_or(Ok(()), gateway::answer_hooks);
    match ready.and_then(|()| row.measure(&server, time)) {
        Ok(figures) => {
            // A figure that is none, because nothing came back in time, is left out.
            let figures = figures.iter().filter(|(_, figure)| figure.is_finite());
            let figures: Vec<String> =
                figures.map(|(name, figure)| format!(r#""{name}":{figure:.3}"#)).collect();
            println!("{{{}}}", figures.join(","));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// What is asked for on the command line.
struct Asked {
    row: Row,
    server: Server,
    time: Duration,
    backend: Option<SocketAddr>,
}

fn options(mut arguments: impl Iterator<Item = String>) -> Option<Asked> {
    let name = arguments.next()?;
    let (_, row) = ROWS.iter().find(|(row, _)| *row == name)?;
    let (mut pids, mut addresses, mut path, mut seconds) = (vec![], vec![], "/socket.io/".to_owned(), 3.0);
    let (mut api, mut backend) = (None, None);
    while let Some(flag) = arguments.next() {
        let value = arguments.next()?;
        match flag.as_str() {
            "--pid" => pids.push(value.parse().ok()?),
            "--address" => addresses.push(value.parse().ok()?),
            "--path" => path = value,
            "--api" => api = Some(value.parse().ok()?),
            "--backend" => backend = Some(value.parse().ok()?),
            "--seconds" => seconds = value.parse().ok()?,
            _ => return None,
        }
    }
    let server = |(pid, address)| Server { pid, address, path: path.clone(), others: Vec::new(), api };
    let mut servers = pids.into_iter().zip(addresses).map(server);
    let first = servers.next()?;
    let server = Server { others: servers.collect(), ..first };
    Some(Asked { row: *row, server, time: Duration::from_secs_f64(seconds), backend })
}
