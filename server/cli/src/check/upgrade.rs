//! Does a WebSocket pass the proxies?

use engineio::client::OpenPacket;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::Message;

use super::finding::{Finding, Fix};
use super::report::Report;
use super::session::{Polling, close};
use crate::dial::{OpenedWebSocket, Target, WebSocketError};
use crate::options::Check;

pub(super) async fn check(
    target: &Target,
    options: &Check,
    sticky: bool,
    opened: &OpenPacket,
    report: &mut Report,
) {
    let began = Instant::now();
    let query = format!("EIO={}&transport=websocket", options.revision.number());
    match OpenedWebSocket::open(target, &query).await {
        Err(error) => return report.add(refused(&error, opened)),
        Ok(OpenedWebSocket { mut stream }) => {
            let first = timeout(target.timeout, stream.next()).await;
            let took = began.elapsed();
            report.add(match first {
                Ok(Some(Ok(Message::Text(text)))) if text.starts_with('0') => {
                    Finding::ok("websocket", "a session opens by WebSocket".to_owned()).took(took)
                }
                Ok(_) => Finding::bad(
                    "websocket",
                    "a WebSocket opens, and ends before the first packet".to_owned(),
                    Some(Fix::UPGRADE),
                ),
                Err(_) => Finding::bad(
                    "websocket",
                    format!("a WebSocket opens, but brings nothing within {:?}", target.timeout),
                    Some(Fix::BUFFER),
                ),
            });
            close(target, stream).await;
        }
    }
    if !opened.upgrades.iter().any(|name| name == "websocket") {
        return report.add(Finding::note("upgrade", "the server offers no upgrade".to_owned()));
    }
    if sticky {
        report.add(probe(target, options).await);
    }
}

fn refused(error: &WebSocketError, opened: &OpenPacket) -> Finding {
    let offers = opened.upgrades.iter().any(|name| name == "websocket");
    match error {
        WebSocketError::Refused(reply) if !offers && reply.status < 500 => Finding::note(
            "websocket",
            format!("the server offers no WebSocket, and answers {}", reply.status),
        ),
        WebSocketError::Refused(reply) => {
            let body: String = String::from_utf8_lossy(&reply.body).chars().take(80).collect();
            let says = format!(
                "a WebSocket handshake is answered with {} instead of 101 ({body:?}): the Upgrade header does not \
                 reach the server. Clients stay with polling",
                reply.status
            );
            Finding::bad("websocket", says, Some(Fix::UPGRADE))
        }
        WebSocketError::Failed(problem) => {
            Finding::bad("websocket", format!("no WebSocket: {problem}"), Some(Fix::UPGRADE))
        }
    }
}

/// Probes a session's upgrade.
async fn probe(target: &Target, options: &Check) -> Finding {
    let began = Instant::now();
    let session = match Polling::open(target, options.revision).await {
        Ok(session) => session,
        Err(error) => return Finding::bad("upgrade", format!("no session to upgrade: {error}"), None),
    };
    let query = session.query.replace("transport=polling", "transport=websocket");
    let mut stream = match OpenedWebSocket::open(target, &query).await {
        Ok(OpenedWebSocket { stream }) => stream,
        Err(error) => {
            return Finding::bad("upgrade", format!("a session can't upgrade: {error}"), Some(Fix::STICKY));
        }
    };
    let answer = timeout(target.timeout, async {
        // If it can't be sent, no answer comes either.
        let _ = stream.send(Message::text("2probe")).await;
        stream.next().await
    });
    let answer = answer.await;
    let finding = match answer {
        Ok(Some(Ok(Message::Text(text)))) if text.as_str() == "3probe" => {
            Finding::ok("upgrade", "a session upgrades from polling to WebSocket".to_owned())
                .took(began.elapsed())
        }
        Ok(other) => {
            let says = format!("the answer to an upgrade's probe is {other:?} instead of 3probe");
            Finding::bad("upgrade", says, Some(Fix::STICKY))
        }
        Err(_) => {
            let says = format!("a probe gets no answer within {:?}", target.timeout);
            Finding::bad("upgrade", says, Some(Fix::BUFFER))
        }
    };
    close(target, stream).await;
    session.close(target, options.revision).await;
    finding
}
