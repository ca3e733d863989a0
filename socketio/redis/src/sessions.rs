//! Sessions of clients that have lost their connection, as `@socket.io/redis-streams-adapter` keeps them: a key for
//! each, with MessagePack in base64, and what was missed in the stream.
//!
//! ```text
//!   SET sio:session:PID BASE64 PX 120000       the connection is lost
//!   GETDEL sio:session:PID                     the client comes back: whoever gets it has it
//!   XRANGE socket.io OFFSET +                  what it has missed
//! ```

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use socketio::{
    AdapterError, AdapterFuture, MessageBody, NodeMessage, Offset, PersistedSession, RawJson, SessionStore,
};
use tokio::sync::Semaphore;

use crate::format::{Format as _, Heard};
use crate::link::{Command, Entry, Position, Told};
use crate::publisher::{PublishError, Publisher};
use crate::streams::Streams;
use crate::wire::{self, Garbage, Rooms};

/// Entries that are read at once.
const COUNT: usize = 1000;
/// For how many clients streams are read at once.
pub(crate) const READS_AT_ONCE: usize = 8;
/// How many times that may be: more entries than streams have.
const READS: usize = 100;

pub(crate) struct StoredSessions {
    pub(crate) publisher: Arc<Publisher>,
    pub(crate) streams: Arc<Streams>,
    pub(crate) prefix: Arc<str>,
    /// The bytes that one client may have missed.
    pub(crate) limit: usize,
    /// After a server has gone, all of its clients come at once. Each takes memory while the stream is read for it.
    pub(crate) reads: Arc<Semaphore>,
}

impl StoredSessions {
    fn key(&self, pid: &str) -> Arc<str> {
        format!("{}{pid}", self.prefix).into()
    }

    /// Asks Redis, unless it is away: a client that comes back doesn't wait for it.
    fn ask(&self, command: Command) -> AdapterFuture<Result<Told, AdapterError>> {
        if self.publisher.is_away() {
            return Box::pin(std::future::ready(Err("Redis can't be reached".into())));
        }
        let answer = self.publisher.send(command);
        Box::pin(async move { answer.await.map_err(Into::into) })
    }
}

impl SessionStore for StoredSessions {
    /// That of its stream.
    fn order(&self, namespace: &str) -> u16 {
        // Streams beyond these would share their orders, as all of them did before.
        self.streams.number(namespace) as u16
    }

    fn keep(&self, session: PersistedSession, time: Duration) {
        match write(&session) {
            Ok(value) => {
                let key = self.key(&session.pid);
                drop(self.publisher.send(Command::Keep { key, value, time }));
            }
            Err(error) => tracing::warn!(%error, "a client's session can't be stored"),
        }
    }

    fn take(&self, pid: &str) -> AdapterFuture<Result<Option<PersistedSession>, AdapterError>> {
        let taken = self.ask(Command::Take(self.key(pid)));
        Box::pin(async move {
            match taken.await? {
                Told::Value(value) => Ok(Some(read(&value).map_err(|garbage| garbage.0.to_string())?)),
                _ => Ok(None),
            }
        })
    }

    fn forget(&self, pid: &str) {
        drop(self.publisher.send(Command::Forget(self.key(pid))));
    }

    fn missed(
        &self,
        namespace: &str,
        after: Offset,
    ) -> AdapterFuture<Result<Option<Vec<NodeMessage>>, AdapterError>> {
        let (streams, publisher) = (Arc::clone(&self.streams), Arc::clone(&self.publisher));
        let (namespace, limit) = (namespace.to_owned(), self.limit);
        let (stream, reads) = (streams.of(&namespace), Arc::clone(&self.reads));
        Box::pin(async move {
            let _turn = reads.acquire().await;
            let is_broadcast = |entry: &Entry| entry.is("nsp", &namespace) && entry.is("type", "3");
            let (mut missed, mut bytes) = (Vec::new(), 0);
            let mut from = Position { stream, id: after.to_string().into() };
            for read in 0..READS {
                let command = Command::Range { from: from.clone(), inclusive: read == 0, count: COUNT };
                let Told::Entries(entries) = publisher.send(command).await? else { return Ok(None) };
                let is_last = entries.len() < COUNT;
                // The client's own offset has to be there: what was before it may be gone, and nothing after it.
                let known = entries.first().is_some_and(|first| first.id == from.id && is_broadcast(first));
                if read == 0 && !known {
                    return Ok(None);
                }
                for entry in entries.into_iter().skip(usize::from(read == 0)) {
                    from.id.clone_from(&entry.id);
                    if !is_broadcast(&entry) {
                        continue;
                    }
                    bytes += entry.cost();
                    // What can't be read was not delivered to anybody.
                    if let Ok(Heard::Message(message)) = streams.decode_entry(&entry)
                        && let MessageBody::Broadcast { .. } = message.body
                    {
                        missed.push(*message);
                    }
                }
                if bytes > limit {
                    return Ok(None);
                }
                if is_last {
                    return Ok(Some(missed));
                }
            }
            Ok(None)
        })
    }
}

/// Writes `{sid, pid, rooms, data}`, byte for byte as npm's adapter does. Behind that comes the node, which npm's
/// adapter doesn't look at.
fn write(session: &PersistedSession) -> Result<Bytes, PublishError> {
    let node = session.node.as_deref().map(|node| format!(r#","node":{}"#, wire::quoted(node)));
    let json = format!(
        r#"{{"sid":{},"pid":{},"rooms":{},"data":{}{}}}"#,
        wire::quoted(&session.sid),
        wire::quoted(&session.pid),
        wire::rooms(&session.rooms),
        json!(session.data),
        node.unwrap_or_default()
    );
    Ok(STANDARD.encode(wire::to_msgpack(json, Vec::new())?).into())
}

fn read(value: &Bytes) -> Result<PersistedSession, Garbage> {
    #[derive(Deserialize)]
    struct Stored {
        sid: Box<str>,
        pid: Box<str>,
        #[serde(default)]
        rooms: Rooms,
        #[serde(default)]
        data: Value,
        node: Option<Box<str>>,
    }

    let packed = STANDARD.decode(value).map_err(|_| "a session is not base64")?;
    let whole = RawJson::from_msgpack(&packed.into(), wire::LIMIT)?;
    let Stored { sid, pid, rooms, data, node } = serde_json::from_str(&whole.stringified())?;
    // JavaScript lets an application put anything there.
    let data = if let Value::Object(data) = data { data } else { Map::new() };
    Ok(PersistedSession::new(sid.into(), pid, rooms.0, data).by(node.map(Into::into)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::fake::FakeRedis;

    fn unhex(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    #[test]
    fn a_session_is_written_as_node_writes_it_and_read_from_what_node_wrote() {
        let data = json!({ "k": 1 }).as_object().unwrap().clone();
        let session =
            PersistedSession::new("s".into(), "p".into(), vec!["s".into(), "r".into()], data.clone());
        let packed = STANDARD.decode(write(&session).unwrap()).unwrap();
        assert_eq!(packed, b"\x84\xa3sid\xa1s\xa3pid\xa1p\xa5rooms\x92\xa1s\xa1r\xa4data\x81\xa1k\x01");
        assert_eq!(read(&write(&session).unwrap()).unwrap(), session);
        let signed = session.by(Some("n".into()));
        let packed = STANDARD.decode(write(&signed).unwrap()).unwrap();
        assert!(packed.ends_with(b"\xa4data\x81\xa1k\x01\xa4node\xa1n"));
        assert_eq!(read(&write(&signed).unwrap()).unwrap(), signed);
        // With a number for a room, and bytes.
        let theirs = unhex(
            "84 a3736964 a173 a3706964 a170 a5726f6f6d73 92 a173 07 a464617461 82 a16b 01 a362696e c40101",
        );
        let read = read(&STANDARD.encode(theirs).into()).unwrap();
        let mut more = data;
        more.insert("bin".into(), json!({ "type": "Buffer", "data": [1] }));
        assert_eq!(read, PersistedSession::new("s".into(), "p".into(), vec!["s".into(), "7".into()], more));
    }

    #[test]
    fn what_is_no_session_is_refused() {
        for garbage in ["", "=", "gA==", "wA==", "gaNzaWTA", "kA=="] {
            assert!(read(&Bytes::from_static(garbage.as_bytes())).is_err(), "{garbage}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn streams_are_read_for_few_clients_at_once() {
        let redis = FakeRedis::new();
        let counts = Arc::default();
        let sessions = StoredSessions {
            publisher: Arc::new(Publisher::start(redis.dial(), 1_000_000, counts)),
            streams: Arc::new(Streams::new("s", 1, 10, "p")),
            prefix: "".into(),
            limit: 1_000_000,
            reads: Arc::new(Semaphore::new(READS_AT_ONCE)),
        };
        redis.set_silent(true);
        let all = futures_util::future::join_all(
            (0..20).map(|n| sessions.missed("/", format!("{n}-0").parse().unwrap())),
        );
        let all = tokio::spawn(all);
        tokio::time::sleep(Duration::from_secs(1)).await;
        redis.set_silent(false);
        assert!(all.await.unwrap().iter().all(|missed| matches!(missed, Ok(None))));
        let batches = redis.batches();
        assert!(batches.iter().sum::<usize>() == 20 && batches.iter().all(|size| *size <= 8), "{batches:?}");
    }
}
