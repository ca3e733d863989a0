//! Clients by long polling: each has a connection for its GETs and one for its POSTs.

use std::io;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};
use socketio_load::Histogram;

use crate::arrive::arrive;
use crate::http::{Blocking, Connection, request};
use crate::process::Server;

const WARM_UP: Duration = Duration::from_millis(700);

struct Client {
    get: Connection,
    post: Connection,
    get_request: Vec<u8>,
    post_request: Vec<u8>,
    /// Messages that are to come before the next round, and whether the POST's answer is.
    missing: usize,
    posted: bool,
    began: Instant,
}

pub struct Measured {
    pub messages: u64,
    pub requests: u64,
    pub elapsed: Duration,
    pub cpu_micros: f64,
    pub latencies: Histogram,
}

impl Client {
    fn connect(server: &Server, messages: usize, size: usize) -> io::Result<Client> {
        let mut get = Blocking::connect(server)?;
        let sid = get.open_session(server)?;
        let t = format!("{messages}-{size}");
        let message = format!(r#"42["message","{}"]"#, "x".repeat(size));
        let body = vec![message; messages].join("\u{1e}");
        Ok(Client {
            get: Connection::from(get)?,
            post: Connection::from(Blocking::connect(server)?)?,
            get_request: request(server, Some(&sid), Some(&t), None),
            post_request: request(server, Some(&sid), Some(&t), Some(&body)),
            missing: messages,
            posted: false,
            began: Instant::now(),
        })
    }

    fn send(&mut self, messages: usize) -> io::Result<()> {
        (self.missing, self.posted, self.began) = (messages, false, Instant::now());
        self.get.send(&self.get_request)?;
        self.post.send(&self.post_request)
    }
}

/// Each client has a GET waiting and POSTs so many messages, until the answers to all of them are there.
pub fn run(
    server: &Server,
    clients: usize,
    messages: usize,
    size: usize,
    time: Duration,
) -> io::Result<Measured> {
    let mut poll = Poll::new()?;
    let mut crowd = arrive(clients, None, |_| Client::connect(server, messages, size))?;
    for (at, client) in crowd.iter_mut().enumerate() {
        let interest = Interest::READABLE | Interest::WRITABLE;
        poll.registry().register(&mut client.get.stream, Token(at * 2), interest)?;
        poll.registry().register(&mut client.post.stream, Token(at * 2 + 1), interest)?;
    }
    crowd.iter_mut().try_for_each(|client| client.send(messages))?;
    let mut events = Events::with_capacity(1024);
    let mut scratch = vec![0; 256 * 1024];
    let mut latencies = Histogram::new();
    let (mut received, mut requests, mut cpu, mut warm) = (0, 0, 0.0, false);
    let began = Instant::now();
    while began.elapsed() < WARM_UP + time {
        if !warm && began.elapsed() >= WARM_UP {
            warm = true;
            latencies.clear();
            (received, requests, cpu) = (0, 0, server.cpu_micros()?);
        }
        poll.poll(&mut events, Some(Duration::from_millis(100)))?;
        for event in &events {
            let Token(token) = event.token();
            let client = &mut crowd[token / 2];
            let is_get = token % 2 == 0;
            let connection = if is_get { &mut client.get } else { &mut client.post };
            connection.flush()?;
            let Some(body) = connection.receive(&mut scratch)? else { continue };
            requests += 1;
            if is_get {
                let answers = body.split(|byte| *byte == 0x1e).filter(|packet| packet.starts_with(b"42"));
                let answers = answers.count();
                received += answers as u64;
                client.missing = client.missing.saturating_sub(answers);
                if client.missing > 0 {
                    client.get.send(&client.get_request)?;
                }
            } else {
                client.posted = true;
            }
            if client.posted && client.missing == 0 {
                latencies.record(client.began.elapsed(), 1);
                client.send(messages)?;
            }
        }
    }
    Ok(Measured {
        messages: received,
        requests,
        elapsed: began.elapsed() - WARM_UP,
        cpu_micros: server.cpu_micros()? - cpu,
        latencies,
    })
}

/// Sessions that wait with a GET.
pub fn park(server: &Server, clients: usize) -> io::Result<Vec<Blocking>> {
    let open = |_| {
        let mut get = Blocking::connect(server)?;
        let sid = get.open_session(server)?;
        get.send(&request(server, Some(&sid), None, None))?;
        Ok(get)
    };
    arrive(clients, None, open)
}

/// A session that begins by polling and goes on by WebSocket, as the official client does it.
pub fn upgrade(server: &Server) -> io::Result<()> {
    let mut get = Blocking::connect(server)?;
    let sid = get.open_session(server)?;
    get.send(&request(server, Some(&sid), None, None))?;
    let mut socket = crate::websocket::Blocking::open(server, Some(&sid))?;
    socket.send("2probe")?;
    socket.wait_for("3probe")?;
    // The GET is let go, so that nothing is on its way by polling.
    get.receive()?;
    socket.send("5")?;
    socket.send(r#"42["message","x"]"#)?;
    socket.wait_for("42")
}
