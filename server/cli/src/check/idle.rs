//! Do connections live until the next heartbeat?

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::time::Duration;

use engineio::client::OpenPacket;
use engineio::{Message as Text, Packet, PayloadFormat, Revision};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_tungstenite::tungstenite::Message;

use super::finding::{Finding, Fix};
use super::session::{Polling, close, packet};
use crate::dial::{OpenedWebSocket, Reply, Target};
use crate::options::Check;

/// How much later than promised a heartbeat may come.
const LATE: Duration = Duration::from_secs(5);

/// The longest ping interval that is waited for.
pub(super) const LONGEST: Duration = Duration::from_secs(120);

/// What a session waits for. In revision 4 the server pings; in revision 3 the client does, and the server answers.
struct Heartbeat {
    revision: Revision,
    interval: Duration,
}

/// Waits for the heartbeat of a session on a poll and on a WebSocket.
pub(super) async fn check(target: &Target, options: &Check, opened: &OpenPacket) -> Vec<Finding> {
    if opened.ping_interval > LONGEST {
        let says = format!("not looked at: pings come only every {:?}", opened.ping_interval);
        return vec![Finding::note("idle", says)];
    }
    let heartbeat = Heartbeat { revision: options.revision, interval: opened.ping_interval };
    let (polled, direct) = tokio::join!(heartbeat.poll(target), heartbeat.websocket(target));
    if polled.is_none() && direct.is_none() {
        return vec![Finding::note("idle", "not looked at: no session stays open".to_owned())];
    }
    polled.into_iter().chain(direct).collect()
}

impl Heartbeat {
    fn of_whom(&self) -> &'static str {
        match self.revision {
            Revision::V4 => "the server's ping",
            Revision::V3 => "the client's ping",
        }
    }

    fn cut(&self, what: &str, after: Duration, how: &str) -> Finding {
        let says = format!(
            "an idle {what} is cut after {:.1} s ({how}), before {}, which comes every {:?}",
            after.as_secs_f64(),
            self.of_whom(),
            self.interval
        );
        Finding::bad("idle", says, Some(Fix::IDLE))
    }

    fn alive(&self, what: &str, took: Duration) -> Finding {
        Finding::ok("idle", format!("an idle {what} stays open until {}", self.of_whom())).took(took)
    }

    fn late(&self, what: &str) -> Finding {
        let lacks = match self.revision {
            Revision::V4 => "no ping",
            Revision::V3 => "no answer to a ping",
        };
        Finding::bad("idle", format!("{what} gets {lacks} in time"), Some(Fix::BUFFER))
    }

    /// No proxy does that.
    fn ended(&self, what: &str, after: Duration) -> Finding {
        let says = format!(
            "not looked at by {what}: the server itself ends the session after {:.1} s, before {}. Does it refuse clients \
             that join the main namespace without auth?",
            after.as_secs_f64(),
            self.of_whom()
        );
        Finding::note("idle", says)
    }

    async fn poll(&self, target: &Target) -> Option<Finding> {
        let session = Polling::open(target, self.revision).await.ok()?;
        let began = Instant::now();
        if self.revision == Revision::V4 {
            // Without a CONNECT the server ends the session after a while, perhaps before its ping.
            let connect = packet(&Packet::Message(Text::from("0")), self.revision);
            // What is wrong with a POST is told by others.
            session.post(target, connect).await.ok().filter(|reply| reply.status == 200)?;
        }
        let finding = tokio::select! {
            finding = self.polls(target, &session, began) => finding,
            never = self.pings(target, &session) => match never {},
        };
        session.close(target, self.revision).await;
        finding
    }

    /// Pings when a client does.
    async fn pings(&self, target: &Target, session: &Polling) -> Infallible {
        if self.revision == Revision::V3 {
            sleep(self.interval).await;
            // If it does not arrive, no answer comes either.
            let _ = session.post(target, packet(&Packet::Ping("".into()), self.revision)).await;
        }
        pending().await
    }

    /// Polls until the heartbeat comes: the application may send something before.
    async fn polls(&self, target: &Target, session: &Polling, began: Instant) -> Option<Finding> {
        loop {
            let asked = Instant::now();
            let left = (began + self.interval + LATE).saturating_duration_since(asked);
            let answer = session.poll(target, left).await;
            let (took, waited) = (began.elapsed(), asked.elapsed());
            let early = took + Duration::from_millis(500) < self.interval;
            return Some(match answer {
                Ok(reply) if reply.status == 200 => {
                    let packets = self.packets(&reply);
                    if packets.iter().any(|packet| self.is_beat(packet)) {
                        self.alive("poll", took)
                    } else if packets.contains(&Packet::Close) {
                        self.ended("polling", took)
                    } else if !packets.is_empty() {
                        continue;
                    } else if early {
                        self.cut("poll", waited, "the answer is 200, without a packet")
                    } else {
                        return None;
                    }
                }
                // What else is wrong with it is told by others.
                Ok(reply) if !early || reply.status == 400 => return None,
                Ok(reply) => self.cut("poll", waited, &format!("the answer is {}", reply.status)),
                Err(error) if error.kind() == io::ErrorKind::TimedOut => self.late("a waiting poll"),
                Err(error) => self.cut("poll", waited, &error.to_string()),
            });
        }
    }

    fn packets(&self, reply: &Reply) -> Vec<Packet> {
        let format = PayloadFormat { revision: self.revision, base64: true };
        let packets = format.reader(reply.body.clone(), reply.is_binary(), 100);
        packets.map_while(Result::ok).collect()
    }

    fn is_beat(&self, packet: &Packet) -> bool {
        match self.revision {
            Revision::V4 => matches!(packet, Packet::Ping(_)),
            Revision::V3 => matches!(packet, Packet::Pong(_)),
        }
    }

    async fn websocket(&self, target: &Target) -> Option<Finding> {
        let query = format!("EIO={}&transport=websocket", self.revision.number());
        let OpenedWebSocket { mut stream } = OpenedWebSocket::open(target, &query).await.ok()?;
        let began = Instant::now();
        let beat = if self.revision == Revision::V3 { "3" } else { "2" };
        let mut must_ping = self.revision == Revision::V3;
        // Whether the server says that the client is in no namespace: then it ends the session.
        let mut left = false;
        let waited = timeout(self.interval + LATE, async {
            loop {
                let next = if must_ping {
                    let Ok(next) = timeout_at(began + self.interval, stream.next()).await else {
                        must_ping = false;
                        // If it does not arrive, no answer comes either.
                        let _ = stream.send(Message::text("2")).await;
                        continue;
                    };
                    next
                } else {
                    stream.next().await
                };
                match next {
                    Some(Ok(Message::Text(text))) if text.as_str() == beat => return Ok(()),
                    // Without a CONNECT the server may end the session after a while, which says so.
                    Some(Ok(Message::Text(text)))
                        if text.starts_with('0') && self.revision == Revision::V4 =>
                    {
                        let _ = stream.send(Message::text("40")).await;
                    }
                    Some(Ok(Message::Text(text))) => {
                        left |= text.as_str() == "1" || text.starts_with("41") || text.starts_with("44");
                    }
                    Some(Ok(Message::Close(frame))) => {
                        return Err(frame.map_or("a close frame".to_owned(), |frame| {
                            format!("close code {}", u16::from(frame.code))
                        }));
                    }
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(error.to_string()),
                    None => return Err("the connection ended".to_owned()),
                }
            }
        });
        let waited = waited.await;
        let took = began.elapsed();
        close(target, stream).await;
        Some(match waited {
            Ok(Ok(())) => self.alive("WebSocket", took),
            Ok(Err(_)) if left => self.ended("WebSocket", took),
            Ok(Err(how)) => self.cut("WebSocket", took, &how),
            Err(_) => self.late("an idle WebSocket"),
        })
    }
}
