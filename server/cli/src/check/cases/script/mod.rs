//! Carries a case's lines out.

mod answers;
mod websocket;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use engineio::client::OpenPacket;
use engineio::{Revision, Transport};
use http::Method;
use serde_json::Value;
use tokio::time::sleep;

use super::caller::{Caller, Came, WebSocket, payload};
use super::pattern::{is_filled_text, matches, same};
use crate::check::{idle, polling};
use crate::dial::{Reply, Target};

/// How long nothing must come.
const QUIET: Duration = Duration::from_millis(300);

type Done = Result<(), String>;

/// How a case ended that met no problem.
#[derive(Debug)]
pub(super) enum Ended {
    Passed,
    /// Why what it needs was not sent, or not waited for.
    NotRun(String),
}

/// What the last request was answered with.
enum Last {
    None,
    Reply(Reply),
    /// A WebSocket is open.
    Open(Box<WebSocket>),
    Failed(String),
}

/// A case under way.
pub(super) struct Run {
    target: Arc<Target>,
    revision: Revision,
    by: Transport,
    caller: Option<Caller>,
    last: Last,
    /// The WebSocket that probes.
    probe: Option<WebSocket>,
    /// What is compared later.
    kept: String,
}

impl Run {
    pub(super) fn new(target: Arc<Target>, revision: Revision, by: Transport) -> Run {
        Run { target, revision, by, caller: None, last: Last::None, probe: None, kept: String::new() }
    }

    /// Carries the lines out up to the first whose expectation is not met.
    pub(super) async fn carry_out(mut self, lines: &[&str]) -> Result<Ended, String> {
        for line in lines {
            if let Some(why) = self.is_too_much(line) {
                return Ok(Ended::NotRun(why));
            }
            let written = self.filled(line);
            let (verb, rest) = written.split_once(' ').unwrap_or((&written, ""));
            let done = match verb {
                "GET" | "POST" | "PUT" | "DELETE" | "WS" | "=" | "packet" | "count" | "text" | "texts"
                | "body" | "field" | "keep" | "differs" => self.http(verb, rest).await,
                "open" | "join" | "skip-auth" | "alive" | "fresh" | "ended" | "ended-or-refused"
                | "ended-or-alive" | "quiet" | "nothing" | "settle" | "ping" | "keep-id" | "other-id" => {
                    self.session(verb, rest).await
                }
                ">" | ">>" | ">b" | "<" | "<=" | "<b" | "<text" | "any-binary" => {
                    self.packets(verb, rest).await
                }
                "post" | "post-binary" | "get" | "request" | "park" | "parked" | "parked-packet" => {
                    self.polling(verb, rest).await
                }
                _ => self.websocket(verb, rest).await,
            };
            let shown: String = line.chars().take(100).collect();
            done.map_err(|problem| format!("at `{shown}`: {problem}"))?;
        }
        Ok(Ended::Passed)
    }

    /// Why a line is not carried out: what it would take is the server's choice, and may be more than anybody has.
    fn is_too_much(&self, line: &str) -> Option<String> {
        let opened = &self.caller.as_ref()?.opened;
        let (size, interval) = (most_and_one(opened), opened.ping_interval);
        if line.contains("{toolarge}") && size > polling::MOST {
            let most = polling::MOST;
            return Some(format!("maxPayload is {}, and no more than {most} bytes are sent", size - 1));
        }
        (line == "ping" && interval > idle::LONGEST)
            .then(|| format!("the server pings only every {interval:?}"))
    }

    /// A line with what its braces stand for.
    fn filled(&self, line: &str) -> String {
        if !line.contains('{') {
            return line.to_owned();
        }
        let v3 = self.revision == Revision::V3;
        let mut line = line
            .replace("{eio}", &self.revision.number().to_string())
            .replace("{connect}", if v3 { r#"2["nothing"]"# } else { "0" })
            .replace("{separator}", if v3 { ":" } else { "\u{1e}" });
        for number in [5_000, 10_000, 50_000] {
            line = line.replace(&format!("{{x{number}}}"), &"x".repeat(number));
        }
        if line.contains("{deep5000}") {
            line = line.replace("{deep5000}", &format!("{}{}", "[".repeat(5000), "]".repeat(5000)));
        }
        if line.contains("{wide}") {
            let fields: Vec<_> = (0..5000).map(|number| format!("\"k{number}\":{number}")).collect();
            line = line.replace("{wide}", &format!("{{{}}}", fields.join(",")));
        }
        if let Some(caller) = &self.caller {
            line = line.replace("{sid}", &caller.opened.sid);
            if line.contains("{toolarge}") {
                line = line.replace("{toolarge}", &"4".repeat(most_and_one(&caller.opened)));
            }
        }
        if let Some((before, after)) = line.split_once("{frame:") {
            let packet = after.strip_suffix('}').unwrap_or(after);
            let framed = payload(&[Came::Text(packet.to_owned())], self.revision);
            line = format!("{before}{}", String::from_utf8_lossy(&framed));
        }
        line
    }

    fn caller(&mut self) -> Result<&mut Caller, String> {
        self.caller.as_mut().ok_or_else(|| "there is no session".to_owned())
    }

    async fn session(&mut self, verb: &str, rest: &str) -> Done {
        let patience = self.target.timeout;
        match verb {
            "open" => self.caller = Some(Caller::open(self.target.clone(), self.revision, self.by).await?),
            "join" => {
                if self.caller.is_none() {
                    self.caller = Some(Caller::open(self.target.clone(), self.revision, self.by).await?);
                }
                return self.join(rest).await;
            }
            "skip-auth" => drop(self.caller()?.next(patience).await),
            "alive" => return self.alive(rest).await,
            "fresh" => drop(Caller::open(self.target.clone(), self.revision, self.by).await?),
            "quiet" | "nothing" => {
                let came = self.caller()?.next(QUIET).await;
                // A session that has ended sends nothing either.
                if came != Came::Nothing && !(verb == "nothing" && matches!(came, Came::End(_))) {
                    return Err(format!("expected nothing; seen: {came:?}"));
                }
            }
            "settle" => sleep(QUIET).await,
            "ping" => {
                let caller = self.caller()?;
                let within = caller.opened.ping_interval + patience;
                let came = caller.any(within).await;
                if came != Came::Text("2".to_owned()) {
                    return Err(format!("expected a ping; seen: {came:?}"));
                }
            }
            "ended" => return self.ended(None).await,
            "ended-or-refused" => return self.ended(Some("44")).await,
            "ended-or-alive" => {
                // The documents leave it open.
                let _ = self.ended(None).await;
            }
            _ => {
                let Came::Text(text) = self.caller()?.next(patience).await else {
                    return Err("expected a CONNECT".to_owned());
                };
                let id = text.split_once("\"sid\":\"").map(|(_, rest)| rest.to_owned()).unwrap_or_default();
                if verb == "other-id" && (id.is_empty() || id == self.kept) {
                    return Err(format!("expected another id; seen: {text}"));
                }
                self.kept = id;
                // The application's first event.
                drop(self.caller()?.next(patience).await);
            }
        }
        Ok(())
    }

    async fn join(&mut self, nsp: &str) -> Done {
        let patience = self.target.timeout;
        let of = if nsp.is_empty() { String::new() } else { format!("{nsp},") };
        let implied = self.revision == Revision::V3 && nsp.is_empty();
        let caller = self.caller()?;
        if !implied {
            caller.send(&[Came::Text(format!("40{of}"))]).await?;
        }
        let connected = format!("40{}*", nsp);
        let came = caller.next(patience).await;
        if !matches!(&came, Came::Text(text) if matches(&connected, text)) {
            return Err(format!("expected `{connected}`; seen: {came:?}"));
        }
        let auth = format!("42{of}[\"auth\",*");
        match caller.next(patience).await {
            Came::Text(text) if matches(&auth, &text) => Ok(()),
            other => Err(format!("expected `{auth}` of the application; seen: {other:?}")),
        }
    }

    async fn alive(&mut self, nsp: &str) -> Done {
        let patience = self.target.timeout;
        let of = if nsp.is_empty() { String::new() } else { format!("{nsp},") };
        let expected = format!("43{of}99[\"alive\"]");
        let caller = self.caller()?;
        caller.send(&[Came::Text(format!("42{of}99[\"message-with-ack\",\"alive\"]"))]).await?;
        match caller.next(patience).await {
            Came::Text(text) if same(&expected, &text) => Ok(()),
            other => Err(format!("expected a session that answers; seen: {other:?}")),
        }
    }

    /// The session is over, or the server says so to the namespace.
    async fn ended(&mut self, or: Option<&str>) -> Done {
        let patience = self.target.timeout;
        for _ in 0..10 {
            match self.caller()?.next(patience).await {
                Came::End(_) => return Ok(()),
                Came::Text(text) if or.is_some_and(|or| text.starts_with(or)) => return Ok(()),
                Came::Text(text) if text.starts_with("41") => return Ok(()),
                Came::Nothing => break,
                // What was sent before may still come.
                Came::Text(_) | Came::Binary(_) => {}
            }
        }
        Err("expected the end of the session; seen: it goes on".to_owned())
    }

    async fn packets(&mut self, verb: &str, rest: &str) -> Done {
        let patience = self.target.timeout;
        let caller = self.caller()?;
        match verb {
            ">" => caller.send(&[Came::Text(rest.to_owned())]).await,
            ">>" => {
                let packets: Vec<_> = rest.split(' ').map(|packet| Came::Text(packet.to_owned())).collect();
                caller.send(&packets).await
            }
            ">b" => caller.send(&[Came::Binary(bytes(rest))]).await,
            "any-binary" => {
                for at in 0..=rest.parse().unwrap_or(1) {
                    match caller.next(patience).await {
                        Came::Text(_) if at == 0 => {}
                        Came::Binary(_) if at > 0 => {}
                        other => {
                            return Err(format!(
                                "expected a packet with {rest} attachments; seen: {other:?}"
                            ));
                        }
                    }
                }
                Ok(())
            }
            "<text" => {
                let (name, head) = rest.split_once(' ').unwrap_or((rest, ""));
                let came = caller.next(patience).await;
                let json = match &came {
                    Came::Text(text) => {
                        text.strip_prefix(head).and_then(|json| serde_json::from_str(json).ok())
                    }
                    _ => None,
                };
                let fields: Value = json.unwrap_or_default();
                if is_filled_text(&fields[name]) {
                    return Ok(());
                }
                Err(format!("expected `{head}` with `{name}`, a text that is not empty; seen: {came:?}"))
            }
            _ => {
                let came = caller.next(patience).await;
                let right = match (&came, verb) {
                    (Came::Text(text), "<") => matches(rest, text),
                    (Came::Text(text), "<=") => same(rest, text),
                    (Came::Binary(seen), "<b") => *seen == bytes(rest),
                    _ => false,
                };
                if right { Ok(()) } else { Err(format!("expected `{rest}`; seen: {came:?}")) }
            }
        }
    }

    async fn polling(&mut self, verb: &str, rest: &str) -> Done {
        let patience = self.target.timeout;
        let caller = self.caller()?;
        let query = caller.query(Transport::Polling);
        match verb {
            "park" => {
                caller.park();
                // It is to wait before what comes next does.
                sleep(QUIET).await;
                return Ok(());
            }
            "parked" => {
                return match caller.parked(patience).await {
                    Some(Ok(reply)) if rest.split('|').any(|status| status == reply.status.to_string()) => {
                        Ok(())
                    }
                    Some(Ok(reply)) => Err(format!("expected {rest}; seen: status {}", reply.status)),
                    // The connection ended, which tells it too, but not a client that waits for an answer.
                    Some(Err(_)) if rest.split('|').any(|one| one == "gone") => Ok(()),
                    Some(Err(error)) => Err(format!("expected {rest}; seen: {error}")),
                    None => Err("expected an answer to the GET that waits; seen: none".to_owned()),
                };
            }
            "parked-packet" => {
                let Some(Ok(reply)) = caller.parked(patience).await else {
                    return Err(format!("expected `{rest}` on the GET that waits; seen: no answer"));
                };
                caller.keep(&reply);
                return self.packets("<=", rest).await;
            }
            "get" => self.request(Method::GET, &query, "", "text/plain").await,
            "request" => {
                let method = Method::from_bytes(rest.as_bytes()).map_err(|error| error.to_string())?;
                self.request(method, &query, "", "text/plain").await;
            }
            "post-binary" => {
                self.request(Method::POST, &query, rest, "application/octet-stream").await;
            }
            _ => self.request(Method::POST, &query, rest, "text/plain;charset=UTF-8").await,
        }
        Ok(())
    }
}

/// A byte more than the server accepts. Older ones name no number.
fn most_and_one(opened: &OpenPacket) -> usize {
    opened.max_payload.unwrap_or(1_000_000).saturating_add(1)
}

/// Bytes in hexadecimal.
fn bytes(hex: &str) -> Bytes {
    let digits: Vec<u8> =
        hex.bytes().filter_map(|digit| char::from(digit).to_digit(16)).map(|d| d as u8).collect();
    digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect()
}
