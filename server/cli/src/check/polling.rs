//! Long polling through proxies: does it reach one server, at once, with all that may be sent?

use std::io;
use std::time::Duration;

use engineio::client::{HttpAnswer, OpenPacket, ServerRefusal};
use engineio::{Message, Packet, Revision};
use tokio::time::Instant;

use super::finding::{Finding, Fix};
use super::report::Report;
use super::session::{Polling, packet};
use crate::dial::{Connected, Reply, Target};
use crate::options::Check;

/// Requests of one session, each on a connection of its own.
const REQUESTS: u32 = 8;

/// An answer that takes longer than this beyond a round trip was held back.
const AT_ONCE: Duration = Duration::from_millis(400);

/// A packet that changes nothing: servers ignore a pong that they did not ask for, and revision 3 answers a ping.
fn idle_packet(revision: Revision, payload: String) -> Packet {
    match revision {
        Revision::V4 => Packet::Pong(payload.into()),
        Revision::V3 => Packet::Ping(payload.into()),
    }
}

fn refusal(reply: &Reply) -> ServerRefusal {
    ServerRefusal::of(&HttpAnswer { status: reply.status, binary: false, body: reply.body.clone() })
}

/// Whether all requests of a session reach one server. Says whether polling can be used.
pub(super) async fn sticky(target: &Target, options: &Check, report: &mut Report) -> bool {
    let lost = lost(target, options).await;
    let lost = match lost {
        Ok(lost) => lost,
        Err(error) => {
            report.add(Finding::bad("polling", error, None));
            return false;
        }
    };
    if lost > 0 {
        let says = format!(
            "{lost} of {REQUESTS} requests of one session came to a server that does not know it (\"Session ID \
             unknown\"): several servers, and the balancer does not keep a client on one"
        );
        report.add(Finding::bad("sticky", says, Some(Fix::STICKY)));
        return false;
    }
    report.add(Finding::ok("sticky", format!("{REQUESTS} requests of a session reached its server")));
    true
}

/// How many of a session's requests came to a server that doesn't know it.
async fn lost(target: &Target, options: &Check) -> Result<u32, String> {
    let revision = options.revision;
    let session = Polling::open(target, revision).await.map_err(|error| error.to_string())?;
    let mut lost = 0;
    for _ in 0..REQUESTS {
        let body = packet(&idle_packet(revision, String::new()), revision);
        let reply = session.post(target, body).await.map_err(|error| format!("a POST failed: {error}"))?;
        let refusal = refusal(&reply);
        match (reply.status, refusal.code) {
            (200, _) => {}
            (_, Some(1)) => lost += 1,
            _ => return Err(format!("a POST was refused: {refusal}")),
        }
    }
    session.close(target, revision).await;
    Ok(lost)
}

/// Whether what the server sends on a parked poll comes at once.
pub(super) async fn parked(target: &Target, options: &Check, report: &mut Report) {
    let Timed { near, request, sent } = match time(target, options.revision).await {
        Ok(timed) => timed,
        Err(problem) => return report.add(Finding::bad("parked poll", problem, None)),
    };
    report.add(match sent {
        Err(error) if error.kind() == io::ErrorKind::TimedOut => {
            let says =
                format!("what the server sends on a waiting poll did not come within {:?}", target.timeout);
            Finding::bad("parked poll", says, Some(Fix::BUFFER))
        }
        Err(error) => Finding::bad("parked poll", format!("a waiting poll failed: {error}"), None),
        Ok((reply, _)) if reply.status != 200 => {
            Finding::bad("parked poll", format!("a waiting poll was refused: {}", refusal(&reply)), None)
        }
        Ok((_, took)) if took > AT_ONCE + 4 * near => {
            let says = format!(
                "what the server sends on a waiting poll comes {took:.1?} late: something holds it back"
            );
            Finding::bad("parked poll", says, Some(Fix::BUFFER))
        }
        Ok((_, took)) => {
            Finding::ok("parked poll", "what the server sends comes at once".to_owned()).took(took)
        }
    });
    if request > AT_ONCE + 4 * near {
        let says = format!("a request takes {request:.1?}: something holds requests back");
        report.add(Finding::bad("requests", says, Some(Fix::BUFFER)));
    }
}

/// How long things take.
struct Timed {
    /// The way there and back, as no proxy can delay it.
    near: Duration,
    /// A POST and its answer.
    request: Duration,
    /// What the server sends on a waiting poll, and how long after it was asked for.
    sent: io::Result<(Reply, Duration)>,
}

async fn time(target: &Target, revision: Revision) -> Result<Timed, String> {
    let session =
        Polling::open(target, revision).await.map_err(|error| format!("no session opens: {error}"))?;
    let connected = Connected::open(target).await.map_err(|error| format!("no connection: {error}"))?;
    let began = Instant::now();
    let body = packet(&idle_packet(revision, String::new()), revision);
    session.post(target, body).await.map_err(|error| format!("a POST fails: {error}"))?;
    let request = began.elapsed();
    if revision == Revision::V3 {
        // The server's CONNECT, and the answer to the ping.
        let first = session.poll(target, target.timeout).await;
        first.map_err(|error| format!("a poll fails: {error}"))?;
    }
    // The answer to CONNECT is sent at once, whatever it is.
    let connect = Packet::Message(Message::from(if revision == Revision::V3 { "0/check" } else { "0" }));
    let poll = async {
        let reply = session.poll(target, target.timeout).await;
        reply.map(|reply| (reply, Instant::now()))
    };
    let post = async {
        // The poll is to be parked by then.
        tokio::time::sleep(request + Duration::from_millis(100)).await;
        let began = Instant::now();
        let posted = session.post(target, packet(&connect, revision)).await;
        (posted, began)
    };
    let (polled, (posted, began)) = tokio::join!(poll, post);
    session.close(target, revision).await;
    posted.map_err(|error| format!("a POST beside a waiting poll fails: {error}"))?;
    let sent = polled.map(|(reply, at)| (reply, at.saturating_duration_since(began)));
    Ok(Timed { near: connected.tcp, request, sent })
}

/// The most that is sent to find the limit, in bytes.
pub(super) const MOST: usize = 10_000_000;

/// Whether a request may be as large as the server says.
pub(super) async fn largest(target: &Target, options: &Check, opened: &OpenPacket, report: &mut Report) {
    let Some(promised) = opened.max_payload else { return };
    let size = promised.min(MOST);
    match fits(target, options, size).await {
        Ok(true) => report.add(Finding::ok("largest", format!("a request of {size} bytes is accepted"))),
        Err(error) => {
            report.add(Finding::bad("largest", format!("a request of {size} bytes: {error}"), None));
        }
        Ok(false) => {
            // What fits, and what does not: halved until they are near.
            let (mut fit, mut too_large) = (0, size);
            while too_large - fit > promised.max(20_000) / 20 {
                let middle = fit + (too_large - fit) / 2;
                match fits(target, options, middle).await {
                    Ok(true) => fit = middle,
                    Ok(false) => too_large = middle,
                    Err(error) => {
                        let says = format!("a request of {middle} bytes: {error}");
                        return report.add(Finding::bad("largest", says, None));
                    }
                }
            }
            let says = format!(
                "a request of {too_large} bytes is refused with 413, and one of {fit} is not, though the server accepts \
                 {promised}: a proxy has a lower limit, and larger messages fail by polling"
            );
            report.add(Finding::bad("largest", says, Some(Fix::LARGEST)));
        }
    }
}

/// Whether a request of that size is accepted.
async fn fits(target: &Target, options: &Check, size: usize) -> Result<bool, String> {
    let revision = options.revision;
    let session = Polling::open(target, revision).await.map_err(|error| error.to_string())?;
    let empty = packet(&idle_packet(revision, String::new()), revision).len();
    // In revision 3 the length in front grows by a few digits.
    let payload = "x".repeat(size.saturating_sub(empty + if revision == Revision::V3 { 8 } else { 0 }));
    let reply = session.post(target, packet(&idle_packet(revision, payload), revision)).await;
    session.close(target, revision).await;
    match reply {
        Ok(reply) if reply.status == 200 => Ok(true),
        Ok(reply) if reply.status == 413 => Ok(false),
        Ok(reply) => Err(refusal(&reply).to_string()),
        Err(error) => Err(error.to_string()),
    }
}
