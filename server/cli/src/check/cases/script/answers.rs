//! Single requests, and what they are answered with.

use bytes::Bytes;
use engineio::Revision;
use engineio::client::{HttpAnswer, ServerRefusal};
use http::{HeaderValue, Method, header};
use serde_json::Value;

use super::super::caller::{Came, read_websocket};
use super::super::pattern::{is_count, is_filled_text, is_list_of_texts, matches};
use super::{Done, Last, Run};
use crate::dial::{Lane, OpenedWebSocket, WebSocketError, within};

impl Run {
    pub(super) async fn http(&mut self, verb: &str, rest: &str) -> Done {
        match verb {
            "WS" => {
                self.last = match OpenedWebSocket::open(&self.target, rest).await {
                    Ok(OpenedWebSocket { stream }) => Last::Open(Box::new(stream)),
                    Err(WebSocketError::Refused(reply)) => Last::Reply(*reply),
                    Err(WebSocketError::Failed(problem)) => Last::Failed(problem),
                };
            }
            "=" => return self.answered(rest).await,
            "packet" | "body" => {
                let packet = if verb == "packet" { self.packet()? } else { self.body()? };
                if !rest.split('|').any(|pattern| matches(pattern, &packet)) {
                    return Err(format!("expected `{rest}`; seen: `{packet}`"));
                }
            }
            "count" | "text" | "texts" => {
                let packet = self.packet()?;
                let fields: Value = packet
                    .strip_prefix('0')
                    .and_then(|json| serde_json::from_str(json).ok())
                    .unwrap_or_default();
                let (right, what) = match verb {
                    "count" => (is_count(&fields[rest]), "a whole number above 0"),
                    "text" => (is_filled_text(&fields[rest]), "a text"),
                    _ => (is_list_of_texts(&fields[rest]), "a list of texts"),
                };
                if !right {
                    return Err(format!(
                        "expected an open packet in which `{rest}` is {what}; seen: `{packet}`"
                    ));
                }
            }
            "field" => {
                let (name, pattern) = rest.split_once(' ').unwrap_or((rest, "*"));
                let Last::Reply(reply) = &self.last else { return Err("there is no answer".to_owned()) };
                let value = reply.field(name).unwrap_or_default();
                if !matches(pattern, &value.to_ascii_lowercase()) {
                    return Err(format!("expected {name}: `{pattern}`; seen: `{value}`"));
                }
            }
            "keep" => self.kept = self.body()?,
            "differs" if self.body()? == self.kept => {
                return Err("expected another sid; seen: the same".to_owned());
            }
            "differs" => {}
            method => {
                let (query, body) = rest.split_once(' ').unwrap_or((rest, ""));
                let method = Method::from_bytes(method.as_bytes()).map_err(|error| error.to_string())?;
                self.request(method, query, body, "text/plain;charset=UTF-8").await;
            }
        }
        Ok(())
    }

    /// The packet of the last answer.
    fn packet(&self) -> Result<String, String> {
        let body = self.body()?;
        // In revision 3 the length comes first.
        Ok(match body.split_once(':') {
            Some((_, packet)) if self.revision == Revision::V3 => packet.to_owned(),
            _ => body,
        })
    }

    fn body(&self) -> Result<String, String> {
        match &self.last {
            Last::Reply(reply) => Ok(String::from_utf8_lossy(&reply.body).into_owned()),
            Last::Failed(problem) => Err(format!("expected an answer; seen: {problem}")),
            Last::None | Last::Open(_) => Err("there is no answer".to_owned()),
        }
    }

    /// `200`, `400|413`, `400 code 1`, `refused` (of a WebSocket), `gone` (no answer at all).
    async fn answered(&mut self, expected: &str) -> Done {
        let patience = self.target.timeout;
        let (statuses, code) =
            expected.split_once(" code ").map_or((expected, None), |(s, code)| (s, Some(code)));
        let seen = match &mut self.last {
            Last::None => return Err("there was no request".to_owned()),
            Last::Failed(problem) if statuses.split('|').any(|one| one == "gone" || one == "refused") => {
                let _ = problem;
                return Ok(());
            }
            Last::Failed(problem) => problem.clone(),
            Last::Open(websocket) if statuses == "refused" => {
                // The reference opens some, and closes them at once.
                match read_websocket(websocket, self.revision, patience).await {
                    Came::End(_) => return Ok(()),
                    other => format!("an open WebSocket, and {other:?}"),
                }
            }
            Last::Open(_) => "an open WebSocket".to_owned(),
            Last::Reply(_) if statuses == "refused" => return Ok(()),
            Last::Reply(reply) => {
                let refusal = ServerRefusal::of(&HttpAnswer {
                    status: reply.status,
                    binary: false,
                    body: reply.body.clone(),
                });
                let right = statuses.split('|').any(|status| status == reply.status.to_string());
                if right && code.is_none_or(|code| refusal.code.is_some_and(|seen| seen.to_string() == code))
                {
                    return Ok(());
                }
                refusal.to_string()
            }
        };
        Err(format!("expected {expected}; seen: {seen}"))
    }

    /// Sends a request, and keeps what it is answered with.
    pub(super) async fn request(&mut self, method: Method, query: &str, body: &str, kind: &'static str) {
        let fields = [(header::CONTENT_TYPE, HeaderValue::from_static(kind))];
        let fields = if body.is_empty() && method != Method::POST { &[][..] } else { &fields[..] };
        let body = Bytes::copy_from_slice(body.as_bytes());
        let mut lane = Lane::default();
        let answered = lane.request(&self.target, method, query, fields, body);
        self.last = match within(self.target.timeout, answered).await {
            Ok(reply) => Last::Reply(reply),
            Err(error) => Last::Failed(error.to_string()),
        };
    }
}
