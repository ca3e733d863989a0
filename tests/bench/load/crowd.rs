//! Many clients by WebSocket, on one thread.

use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};
use socketio_load::{Histogram, Schedule};

use crate::arrive::arrive;
use crate::process::{Cpu, Server};
use crate::websocket::{Client, compressed_frame, frame};

/// How long a load runs before anything counts.
pub const WARM_UP: Duration = Duration::from_millis(700);

pub struct Crowd {
    pub clients: Vec<Client>,
    poll: Poll,
    events: Events,
    scratch: Vec<u8>,
}

/// What a load came to.
pub struct Measured {
    /// Answers and deliveries.
    pub received: u64,
    pub elapsed: Duration,
    pub cpu: Cpu,
    pub latencies: Histogram,
    /// Bytes that all clients have read for them.
    pub read: u64,
}

impl Measured {
    /// The server's time for each answer or delivery.
    pub fn cpu_each(&self) -> f64 {
        self.cpu.all / self.received as f64
    }

    pub fn per_second(&self) -> f64 {
        self.received as f64 / self.elapsed.as_secs_f64()
    }
}

/// A client that sends its next message when it has got an answer.
#[derive(Clone)]
pub struct Sender {
    message: Rc<[u8]>,
    /// When the messages that wait for their answers were sent, and how many at once.
    waiting: VecDeque<(Instant, u64)>,
}

impl Sender {
    pub fn new(message: &str) -> Sender {
        Sender { message: frame(message).into(), waiting: VecDeque::new() }
    }

    /// The same with a message that is compressed.
    pub fn compressing(message: &str) -> Sender {
        Sender { message: compressed_frame(message).into(), ..Sender::new("") }
    }

    fn send(&mut self, client: &mut Client, count: u64, batch: &mut Vec<u8>) -> io::Result<()> {
        batch.clear();
        (0..count).for_each(|_| batch.extend_from_slice(&self.message));
        self.waiting.push_back((Instant::now(), count));
        client.send(batch)
    }

    /// Takes `count` messages off, and records how long they took.
    fn answered(&mut self, mut count: u64, latencies: &mut Histogram) {
        let now = Instant::now();
        while let Some((sent, left)) = self.waiting.front_mut() {
            let taken = count.min(*left);
            latencies.record(now - *sent, taken);
            *left -= taken;
            count -= taken;
            if *left > 0 || count == 0 {
                break;
            }
            self.waiting.pop_front();
        }
        if self.waiting.front().is_some_and(|(_, left)| *left == 0) {
            self.waiting.pop_front();
        }
    }
}

impl Crowd {
    /// Connects so many clients; each joins `/`, and the namespaces besides.
    pub fn gather(server: &Server, count: usize, namespaces: &[String]) -> io::Result<Crowd> {
        Crowd::of(arrive(count, None, |_| Client::connect(server, namespaces))?)
    }

    pub fn of(clients: Vec<Client>) -> io::Result<Crowd> {
        let mut crowd = Crowd {
            clients,
            poll: Poll::new()?,
            events: Events::with_capacity(1024),
            scratch: vec![0; 64 * 1024],
        };
        for (at, client) in crowd.clients.iter_mut().enumerate() {
            let interest = Interest::READABLE | Interest::WRITABLE;
            crowd.poll.registry().register(&mut client.stream, Token(at), interest)?;
        }
        Ok(crowd)
    }

    fn read(&self) -> u64 {
        self.clients.iter().map(|client| client.read).sum()
    }

    /// Waits for something to come, for so long at most, and tells `got` of each client's answers.
    pub fn turn(
        &mut self,
        timeout: Duration,
        mut got: impl FnMut(usize, &mut Client, u64) -> io::Result<()>,
    ) -> io::Result<()> {
        self.poll.poll(&mut self.events, Some(timeout))?;
        for event in &self.events {
            let Token(at) = event.token();
            let client = &mut self.clients[at];
            client.flush()?;
            if event.is_readable() {
                match client.receive(&mut self.scratch)? {
                    0 => {}
                    count => got(at, client, count)?,
                }
            }
        }
        Ok(())
    }

    /// Lets the first clients send, so many at a time, each as soon as it has its answers.
    pub fn run(
        &mut self,
        server: &Server,
        mut senders: Vec<Sender>,
        in_flight: u64,
        time: Duration,
    ) -> io::Result<Measured> {
        let mut batch = Vec::new();
        for (client, sender) in self.clients.iter_mut().zip(&mut senders) {
            sender.send(client, in_flight, &mut batch)?;
        }
        let mut latencies = Histogram::new();
        let mut received = 0;
        let mut run = |crowd: &mut Crowd, latencies: &mut Histogram, end: Instant| {
            received = 0;
            while Instant::now() < end {
                crowd.turn(Duration::from_millis(100), |at, client, count| {
                    received += count;
                    if let Some(sender) = senders.get_mut(at) {
                        sender.answered(count, latencies);
                        sender.send(client, count, &mut batch)?;
                    }
                    Ok(())
                })?;
            }
            Ok::<_, io::Error>(received)
        };
        run(self, &mut latencies, Instant::now() + WARM_UP)?;
        latencies.clear();
        let (cpu, began, read) = (server.cpu()?, Instant::now(), self.read());
        let received = run(self, &mut latencies, began + time)?;
        let read = self.read() - read;
        Ok(Measured { received, elapsed: began.elapsed(), cpu: server.cpu()? - cpu, latencies, read })
    }

    /// Sends so many messages a second, by all clients in turn, whether or not the answers keep up. A
    /// latency counts from when the message was due.
    pub fn run_at(
        &mut self,
        server: &Server,
        message: &str,
        per_second: u64,
        time: Duration,
    ) -> io::Result<Measured> {
        let message = frame(message);
        let schedule = Schedule::new(per_second as f64);
        let mut waiting = vec![VecDeque::new(); self.clients.len()];
        let mut latencies = Histogram::new();
        let (mut received, mut sent, mut cpu, mut read) = (0, 0, Cpu::default(), 0);
        let began = Instant::now();
        let counts_from = began + WARM_UP;
        let mut warm = false;
        while began.elapsed() < WARM_UP + time {
            let now = Instant::now();
            if !warm && now >= counts_from {
                warm = true;
                latencies.clear();
                (received, cpu, read) = (0, server.cpu()?, self.read());
            }
            loop {
                let due = began + schedule.due(sent);
                if due > now {
                    break;
                }
                let at = sent as usize % self.clients.len();
                waiting[at].push_back(due);
                self.clients[at].send(&message)?;
                sent += 1;
            }
            // This thread has a processor of its own, and a sleep would be late by more than is measured.
            self.turn(Duration::ZERO, |at, _, count| {
                received += count;
                for due in waiting[at].drain(..count as usize) {
                    latencies.record(due.elapsed(), 1);
                }
                Ok(())
            })?;
        }
        let read = self.read() - read;
        Ok(Measured { received, elapsed: counts_from.elapsed(), cpu: server.cpu()? - cpu, latencies, read })
    }

    /// Lets the first client broadcast, the next one as soon as fewer than `in_flight` are on their way to
    /// anybody.
    pub fn run_broadcasts(
        &mut self,
        server: &Server,
        mut sender: Sender,
        in_flight: u64,
        time: Duration,
    ) -> io::Result<Measured> {
        let everybody = self.clients.len() as u64;
        let mut batch = Vec::new();
        let mut latencies = Histogram::new();
        // Deliveries, those of them that counted already, and broadcasts that everybody has.
        let (mut received, mut warm, mut done) = (0, None, 0);
        let (mut cpu, mut read) = (Cpu::default(), 0);
        let began = Instant::now();
        sender.send(&mut self.clients[0], in_flight, &mut batch)?;
        while began.elapsed() < WARM_UP + time {
            if warm.is_none() && began.elapsed() >= WARM_UP {
                latencies.clear();
                (warm, cpu, read) = (Some(received), server.cpu()?, self.read());
            }
            self.turn(Duration::from_millis(100), |_, _, count| {
                received += count;
                Ok(())
            })?;
            let complete = received / everybody - done;
            if complete > 0 {
                done += complete;
                sender.answered(complete, &mut latencies);
                sender.send(&mut self.clients[0], complete, &mut batch)?;
            }
        }
        Ok(Measured {
            received: received - warm.unwrap_or(0),
            elapsed: began.elapsed() - WARM_UP,
            cpu: server.cpu()? - cpu,
            latencies,
            read: self.read() - read,
        })
    }

    /// Lets the first client broadcast so many times, each time until everybody has got it. Says whether the
    /// server broadcasts at all.
    pub fn broadcast_times(&mut self, message: &str, times: u64) -> io::Result<bool> {
        let message = frame(message);
        for _ in 0..times {
            self.clients[0].send(&message)?;
            let mut missing = self.clients.len() as u64;
            let mut heard = Instant::now();
            while missing > 0 {
                self.turn(Duration::from_millis(100), |_, _, count| {
                    missing -= count;
                    heard = Instant::now();
                    Ok(())
                })?;
                if heard.elapsed() > Duration::from_secs(3) {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Lets the first client broadcast, one after the other, and measures how long each broadcast takes to
    /// each client.
    pub fn broadcast(&mut self, server: &Server, message: &str, time: Duration) -> io::Result<Measured> {
        let message = frame(message);
        let mut sent = vec![Instant::now()];
        self.clients[0].send(&message)?;
        let mut seen = vec![0; self.clients.len()];
        let mut latencies = Histogram::new();
        let mut received = 0;
        let (cpu, began, read) = (server.cpu()?, Instant::now(), self.read());
        // The last one is waited for, so that the next to measure something begins with nothing on its way.
        while began.elapsed() < time || seen.iter().any(|seen| *seen < sent.len()) {
            let more = began.elapsed() < time;
            self.turn(Duration::from_millis(100), |at, client, count| {
                let now = Instant::now();
                for _ in 0..count {
                    latencies.record(now - sent[seen[at]], 1);
                    seen[at] += 1;
                    received += 1;
                }
                if at == 0 && more {
                    sent.push(Instant::now());
                    client.send(&message)?;
                }
                Ok(())
            })?;
        }
        let read = self.read() - read;
        Ok(Measured { received, elapsed: began.elapsed(), cpu: server.cpu()? - cpu, latencies, read })
    }
}
