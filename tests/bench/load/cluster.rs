//! What several servers do that are one cluster.

use std::io;
use std::time::{Duration, Instant};

use socketio_load::Schedule;

use crate::arrive::arrive;
use crate::crowd::{Crowd, Sender, WARM_UP};
use crate::process::Server;
use crate::rows::{Figures, in_rooms, settle};
use crate::websocket::{Blocking, Client, frame};

/// How many clients each server has.
const CLIENTS: usize = 1_000;

fn other(server: &Server) -> io::Result<&Server> {
    server.others.first().ok_or_else(|| io::Error::other("this row needs two servers"))
}

/// One client of the first server, who sends, and so many of another.
fn apart(server: &Server, count: usize) -> io::Result<Crowd> {
    let mut clients = vec![Client::connect(server, &[])?];
    let other = other(server)?;
    clients.extend(arrive(count, None, |_| Client::connect(other, &[]))?);
    Crowd::of(clients)
}

fn broadcast() -> String {
    format!(r#"42["broadcast","{}"]"#, "x".repeat(32))
}

pub fn broadcasts(server: &Server, in_flight: u64, time: Duration) -> io::Result<Figures> {
    let mut crowd = apart(server, CLIENTS)?;
    let measured = crowd.run_broadcasts(server, Sender::new(&broadcast()), in_flight, time)?;
    let broadcasts = measured.received as f64 / (CLIENTS + 1) as f64;
    Ok(vec![
        ("cpu_us", measured.cpu_each()),
        ("publish_us", measured.cpu.own / broadcasts),
        ("p50_us", measured.latencies.percentile(0.5)),
        ("p99_us", measured.latencies.percentile(0.99)),
    ])
}

pub fn paced(server: &Server, per_second: u64, time: Duration) -> io::Result<Figures> {
    const RECEIVERS: usize = 10;
    let mut crowd = apart(server, RECEIVERS)?;
    let message = frame(&broadcast());
    let schedule = Schedule::new(per_second as f64);
    let began = Instant::now();
    let (mut sent, mut received, mut warm) = (0, 0, None);
    while began.elapsed() < WARM_UP + time {
        if warm.is_none() && began.elapsed() >= WARM_UP {
            (warm, received) = (Some(server.cpu()?), 0);
        }
        while schedule.due(sent) <= began.elapsed() {
            crowd.clients[0].send(&message)?;
            sent += 1;
        }
        crowd.turn(Duration::ZERO, |_, _, count| {
            received += count;
            Ok(())
        })?;
    }
    let cpu = server.cpu()? - warm.unwrap_or_default();
    let broadcasts = received as f64 / (RECEIVERS + 1) as f64;
    Ok(vec![
        ("cpu_us", cpu.all / broadcasts),
        ("publish_us", cpu.own / broadcasts),
        ("broadcasts_per_second", broadcasts / (began.elapsed() - WARM_UP).as_secs_f64()),
    ])
}

pub fn own_rooms(server: &Server, time: Duration) -> io::Result<Figures> {
    const SENDERS: usize = 100;
    let mut crowd = Crowd::of(arrive(SENDERS, None, |at| in_rooms(server, [at]))?)?;
    let sender = |at| Sender::new(&format!(r#"42["to-room","room-{at}","{}"]"#, "x".repeat(32)));
    let measured = crowd.run(server, (0..SENDERS).map(sender).collect(), 16, time)?;
    let received = measured.received as f64;
    let others = measured.cpu.all - measured.cpu.own;
    Ok(vec![("cpu_us", measured.cpu.own / received), ("others_us", others / received)])
}

pub fn fetch(server: &Server, time: Duration) -> io::Result<Figures> {
    let mut crowds = Vec::new();
    for other in &server.others {
        crowds.push(Crowd::gather(other, CLIENTS, &[])?);
    }
    let mut crowd = Crowd::gather(server, CLIENTS, &[])?;
    // Only when all have found each other is it the work that is meant.
    let mut socket = Blocking::open(server, None)?;
    socket.wait_for("0{")?;
    socket.send("40")?;
    socket.wait_for("40{")?;
    socket.send(r#"421["fetch"]"#)?;
    socket.wait_for(&format!("431[{}]", CLIENTS * (1 + server.others.len()) + 1))?;
    drop(socket);
    let measured = crowd.run(server, vec![Sender::new(r#"421["fetch"]"#)], 1, time)?;
    Ok(vec![
        ("cpu_ms", measured.cpu_each() / 1000.0),
        ("own_ms", measured.cpu.own / measured.received as f64 / 1000.0),
        ("p50_ms", measured.latencies.percentile(0.5) / 1000.0),
    ])
}

pub fn remote_rooms(server: &Server) -> io::Result<Figures> {
    const ROOMS: usize = 10;
    let other = other(server)?;
    let clients = arrive(CLIENTS, None, |_| Client::connect(other, &[]))?;
    settle();
    let before = (server.resident_kib()?, other.resident_kib()?);
    drop(clients);
    settle();
    let rooms = |at| (0..ROOMS).map(move |room| at * ROOMS + room);
    let _clients = arrive(CLIENTS, None, |at| in_rooms(other, rooms(at)))?;
    settle();
    let each = |kib: f64| kib * 1024.0 / (CLIENTS * ROOMS) as f64;
    Ok(vec![
        ("remote_bytes", each(server.resident_kib()? - before.0)),
        ("own_bytes", each(other.resident_kib()? - before.1)),
    ])
}
