//! The gateway: a backend that publishes by HTTP, and one that is asked by HTTP. The load is that backend.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use socketio_load::Histogram;

use crate::crowd::{Crowd, Sender, WARM_UP};
use crate::http::Blocking;
use crate::process::Server;
use crate::rows::{Figures, figures};

/// What the backend answers to each event.
const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n{\"ack\":[\"ok\"]}";

/// Answers each hook at once, on a thread for each connection.
pub fn answer_hooks(address: SocketAddr) -> io::Result<()> {
    let listener = TcpListener::bind(address)?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer(stream));
        }
    });
    Ok(())
}

fn answer(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut pending, mut scratch) = (Vec::new(), [0; 4096]);
    loop {
        while let Some(used) = request(&pending) {
            pending.drain(..used);
            stream.write_all(ANSWER)?;
        }
        match stream.read(&mut scratch)? {
            0 => return Ok(()),
            read => pending.extend_from_slice(&scratch[..read]),
        }
    }
}

/// How many bytes the request at the start of `bytes` takes up, if it is whole.
fn request(bytes: &[u8]) -> Option<usize> {
    let start = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&bytes[..start]).to_ascii_lowercase();
    let length =
        head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    let end = start + length.unwrap_or(0);
    (bytes.len() >= end).then_some(end)
}

/// Publishes to one client, over one connection, one request after the other.
pub fn publish(server: &Server, api: SocketAddr, time: Duration) -> io::Result<Figures> {
    let mut crowd = Crowd::gather(server, 1, &[])?;
    let mut connection = Blocking::open(api)?;
    let body = format!(r#"{{"event":"news","args":["{}"]}}"#, "x".repeat(32));
    let request = format!(
        "POST /api/emit HTTP/1.1\r\nHost: {api}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut run = |time: Duration| {
        let (mut count, mut latencies) = (0_u64, Histogram::new());
        let began = Instant::now();
        while began.elapsed() < time {
            let sent = Instant::now();
            connection.send(request.as_bytes())?;
            connection.receive()?;
            latencies.record(sent.elapsed(), 1);
            count += 1;
            crowd.turn(Duration::ZERO, |_, _, _| Ok(()))?;
        }
        Ok::<_, io::Error>((count as f64, began.elapsed().as_secs_f64(), latencies))
    };
    run(WARM_UP)?;
    let before = server.cpu_micros()?;
    let (count, seconds, latencies) = run(time)?;
    Ok(vec![
        ("cpu_us", (server.cpu_micros()? - before) / count),
        ("publishes_per_second", count / seconds),
        ("p50_us", latencies.percentile(0.5)),
        ("p99_us", latencies.percentile(0.99)),
    ])
}

/// Clients send events that the backend answers, one at a time each.
pub fn hooks(server: &Server, clients: usize, time: Duration) -> io::Result<Figures> {
    run(server, clients, "chat", time)
}

/// What an acknowledgement takes by way of the backend, and what more than one that the server gives by itself.
pub fn ack(server: &Server, time: Duration) -> io::Result<Figures> {
    let figure = |figures: &Figures, wanted| {
        figures.iter().find(|(name, _)| *name == wanted).map_or(f64::NAN, |(_, figure)| *figure)
    };
    let own = run(server, 1, "typing", time / 2)?;
    let asked = run(server, 1, "chat", time / 2)?;
    Ok(vec![
        ("p50_us", figure(&asked, "p50_us")),
        ("p99_us", figure(&asked, "p99_us")),
        ("added_us", figure(&asked, "p50_us") - figure(&own, "p50_us")),
    ])
}

fn run(server: &Server, clients: usize, event: &str, time: Duration) -> io::Result<Figures> {
    let message = format!(r#"421["{event}","{}"]"#, "x".repeat(32));
    let mut crowd = Crowd::gather(server, clients, &[])?;
    Ok(figures(&crowd.run(server, vec![Sender::new(&message); clients], 1, time)?))
}
