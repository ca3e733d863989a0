//! Do connections live until the server's ping?

use std::io;
use std::time::Duration;

use engineio::Revision;
use engineio::client::OpenPacket;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::Message;

use super::finding::{Finding, Fix};
use super::session::{Polling, close};
use crate::dial::{OpenedWebSocket, Target};

/// How much later than promised a ping may come.
const LATE: Duration = Duration::from_secs(5);

/// The longest ping interval that is waited for.
const LONGEST: Duration = Duration::from_secs(120);

/// Waits for the ping of a session of revision 4 on a poll and on a WebSocket.
pub(super) async fn check(target: &Target, opened: &OpenPacket) -> Vec<Finding> {
    if opened.ping_interval > LONGEST {
        let says = format!("not looked at: the server pings only every {:?}", opened.ping_interval);
        return vec![Finding::note("idle", says)];
    }
    let (polled, direct) = tokio::join!(poll(target, opened), websocket(target, opened));
    if polled.is_none() && direct.is_none() {
        return vec![Finding::note("idle", "not looked at: no session stays open".to_owned())];
    }
    polled.into_iter().chain(direct).collect()
}

fn cut(what: &str, after: Duration, opened: &OpenPacket, how: &str) -> Finding {
    let says = format!(
        "an idle {what} is cut after {:.1} s ({how}), before the server's ping, which comes every {:?}",
        after.as_secs_f64(),
        opened.ping_interval
    );
    Finding::bad("idle", says, Some(Fix::IDLE))
}

fn alive(what: &str, took: Duration) -> Finding {
    Finding::ok("idle", format!("an idle {what} stays open until the server's ping")).took(took)
}

async fn poll(target: &Target, opened: &OpenPacket) -> Option<Finding> {
    let session = Polling::open(target, Revision::V4).await.ok()?;
    let began = Instant::now();
    let answer = session.poll(target, opened.ping_interval + LATE).await;
    let took = began.elapsed();
    let early = took + Duration::from_millis(500) < opened.ping_interval;
    Some(match answer {
        Ok(reply) if reply.status == 200 && reply.body.starts_with(b"2") => alive("poll", took),
        // What else is wrong with it is told by others.
        Ok(reply) if !early || reply.status == 400 => return None,
        Ok(reply) => cut("poll", took, opened, &format!("the answer is {}", reply.status)),
        Err(error) if error.kind() == io::ErrorKind::TimedOut => {
            Finding::bad("idle", "a waiting poll gets no ping in time".to_owned(), Some(Fix::BUFFER))
        }
        Err(error) => cut("poll", took, opened, &error.to_string()),
    })
}

async fn websocket(target: &Target, opened: &OpenPacket) -> Option<Finding> {
    let OpenedWebSocket { mut stream } =
        OpenedWebSocket::open(target, "EIO=4&transport=websocket").await.ok()?;
    let began = Instant::now();
    let waited = timeout(opened.ping_interval + LATE, async {
        loop {
            match stream.next().await {
                Some(Ok(Message::Text(text))) if text.as_str() == "2" => return Ok(()),
                // Without a CONNECT the server may end the session after a while, which says so.
                Some(Ok(Message::Text(text))) if text.starts_with('0') => {
                    let _ = stream.send(Message::text("40")).await;
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
        Ok(Ok(())) => alive("WebSocket", took),
        Ok(Err(how)) => cut("WebSocket", took, opened, &how),
        Err(_) => {
            Finding::bad("idle", "an idle WebSocket gets no ping in time".to_owned(), Some(Fix::BUFFER))
        }
    })
}
