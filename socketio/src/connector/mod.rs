//! A client's own side of Socket.IO, without IO: it connects to a server's namespaces, and reads what the server sends.
//!
//! What it writes goes out on a session, such as the
//! [`ClientSession`](engineio::client::ClientSession) of `engineio`; what comes in on it is
//! [read](Connector::read). A session that begins anew needs a new connector.

mod refusal;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use bytestring::ByteString;
use engineio::{Frame, Message, Revision};
use serde::Deserialize;

use crate::args::event::{Event, check_name};
use crate::args::{Args, ToArgs};
use crate::error::SendError;
use crate::error::connect_error::ConnectError;
use crate::io::config::IoConfig;
use crate::packet::decoder::{Decoder, DecoderLimits};
use crate::packet::error::PacketViolation;
use crate::packet::frames::{Frames, Tail};
use crate::packet::parser::Parser;
use crate::packet::{Body, Packet};

/// What a server sent.
///
/// ```
/// use socketio::ServerPacket;
///
/// fn show(packet: &ServerPacket) {
///     match packet {
///         ServerPacket::Event { nsp, event, .. } => println!("{nsp} {}", event.name()),
///         other => println!("{other:?}"),
///     }
/// }
/// ```
#[derive(Clone, Debug)]
pub enum ServerPacket {
    /// The client has joined the namespace.
    Connected {
        /// The namespace.
        nsp: ByteString,
        /// The socket's id; in revision 3 the server doesn't say.
        id: Option<String>,
        /// With this the client can come back, if the server keeps sockets for a while.
        pid: Option<String>,
    },
    /// The client may not join the namespace.
    Refused {
        /// The namespace.
        nsp: ByteString,
        /// Why not.
        error: ConnectError,
    },
    /// The server has put the client out of the namespace.
    Disconnected {
        /// The namespace.
        nsp: ByteString,
    },
    /// An event.
    Event {
        /// The namespace.
        nsp: ByteString,
        /// Its name and its arguments.
        event: Event,
        /// The id with which the server wants it [acknowledged](Connector::ack).
        ack: Option<u64>,
    },
    /// The answer to an event.
    Ack {
        /// The namespace.
        nsp: ByteString,
        /// The id that [`Connector::emit_with_ack`] gave.
        id: u64,
        /// The answer.
        args: Args,
    },
    /// A packet that a client ignores: for a namespace in which it is not, or an answer for which nobody waits.
    Stray {
        /// The namespace.
        nsp: ByteString,
    },
}

/// A client's own side of Socket.IO on one session.
///
/// ```
/// use std::time::Instant;
/// use engineio::Revision;
/// use socketio::{Connector, IoConfig, ServerPacket};
///
/// let mut connector = Connector::new(&IoConfig::default(), Revision::V4);
/// let connect = connector.connect("/", None).expect("revision 4 says CONNECT");
/// assert_eq!(connect.packet(), b"40");
///
/// let now = Instant::now();
/// connector.read(r#"0{"sid":"a"}"#.into(), now)?;
/// let frames = connector.emit("/", "chat", ("hi", 1))?;
/// assert_eq!(frames[0].packet(), br#"42["chat","hi",1]"#);
///
/// let packet = connector.read(r#"2["news",7]"#.into(), now)?;
/// assert!(matches!(packet, Some(ServerPacket::Event { event, .. }) if event.name() == "news"));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Connector {
    revision: Revision,
    parser: Parser,
    limits: DecoderLimits,
    decoder: Decoder,
    namespaces: BTreeMap<ByteString, Part>,
    next_ack: u64,
}

/// The client's part in a namespace.
#[derive(Debug)]
enum Part {
    /// CONNECT was sent.
    Asked,
    /// It is in it, and waits for the answers with these ids.
    Joined { acks: BTreeSet<u64> },
}

impl Connector {
    /// A connector for a new session. Of `config` it takes the parser and the limits of packets.
    #[must_use]
    pub fn new(config: &IoConfig, revision: Revision) -> Connector {
        let mut namespaces = BTreeMap::new();
        if revision == Revision::V3 {
            // Revision 3 has no CONNECT to `/`: the server says it at once.
            namespaces.insert(ByteString::from_static("/"), Part::Asked);
        }
        Connector {
            revision,
            parser: config.parser.clone(),
            limits: DecoderLimits::of(config),
            decoder: Decoder::default(),
            namespaces,
            next_ack: 0,
        }
    }

    /// Asks for a namespace. `auth` is the JSON of an object; in revision 3 it goes unsaid, and a query in the
    /// namespace's name takes its place. `None` if nothing needs to be sent: `/` in revision 3.
    pub fn connect(&mut self, nsp: &str, auth: Option<&str>) -> Option<Frame> {
        let name = self.name(nsp);
        if self.revision == Revision::V3 && name == "/" {
            return None;
        }
        self.namespaces.insert(name.into(), Part::Asked);
        let auth = auth.filter(|_| self.revision == Revision::V4).unwrap_or_default();
        Some(self.parser.join(nsp, auth))
    }

    /// Leaves a namespace; `None` if the client is not in it.
    pub fn disconnect(&mut self, nsp: &str) -> Option<Frame> {
        let name = self.name(nsp);
        self.namespaces.remove(name)?;
        Some(self.parser.disconnect(name))
    }

    /// Whether the client is in the namespace.
    #[must_use]
    pub fn is_joined(&self, nsp: &str) -> bool {
        matches!(self.namespaces.get(self.name(nsp)), Some(Part::Joined { .. }))
    }

    /// Whether the client has asked for the namespace, and has no answer yet.
    #[must_use]
    pub fn is_asked(&self, nsp: &str) -> bool {
        matches!(self.namespaces.get(self.name(nsp)), Some(Part::Asked))
    }

    /// An event.
    ///
    /// # Errors
    /// [`SendError::Closed`] if the client is not in the namespace, [`SendError::ReservedEvent`] and
    /// [`SendError::Serialize`].
    pub fn emit(&mut self, nsp: &str, event: &str, args: impl ToArgs) -> Result<Vec<Frame>, SendError> {
        self.event(nsp, None, event, args)
    }

    /// An event that the server is to acknowledge with the id that is returned.
    ///
    /// # Errors
    /// As [`emit`](Connector::emit).
    pub fn emit_with_ack(
        &mut self,
        nsp: &str,
        event: &str,
        args: impl ToArgs,
    ) -> Result<(u64, Vec<Frame>), SendError> {
        let id = self.next_ack;
        let frames = self.event(nsp, Some(id), event, args)?;
        self.next_ack += 1;
        let name = self.name(nsp);
        if let Some(Part::Joined { acks }) = self.namespaces.get_mut(name) {
            acks.insert(id);
        }
        Ok((id, frames))
    }

    /// Nobody waits for that answer any more.
    pub fn forget(&mut self, nsp: &str, id: u64) {
        let name = self.name(nsp);
        if let Some(Part::Joined { acks }) = self.namespaces.get_mut(name) {
            acks.remove(&id);
        }
    }

    /// The answer to an event of the server.
    ///
    /// # Errors
    /// As [`emit`](Connector::emit).
    pub fn ack(&mut self, nsp: &str, id: u64, args: impl ToArgs) -> Result<Vec<Frame>, SendError> {
        if !self.is_joined(nsp) {
            return Err(SendError::Closed);
        }
        let frames = self.parser.ack(self.name(nsp), id, args).map_err(SendError::Serialize)?;
        Ok(list(frames))
    }

    /// Reads a message of the server. `None` while attachments are still to come.
    ///
    /// # Errors
    /// The rule that the server broke. The session is to be closed then.
    pub fn read(&mut self, message: Message, now: Instant) -> Result<Option<ServerPacket>, PacketViolation> {
        let packet = self.decoder.message(message, &self.parser, self.revision, self.limits, now)?;
        packet.map(|packet| self.packet(packet)).transpose()
    }

    fn packet(&mut self, packet: Packet) -> Result<ServerPacket, PacketViolation> {
        let Packet { nsp, body } = packet;
        let part = self.namespaces.get_mut(&nsp);
        Ok(match (part, body) {
            (Some(part), Body::Connect { auth }) => {
                let Answered { sid, pid } = Answered::read(auth.as_deref(), self.revision)?;
                *part = Part::Joined { acks: BTreeSet::new() };
                ServerPacket::Connected { nsp, id: sid, pid }
            }
            (Some(_), Body::ConnectError { payload }) => {
                self.namespaces.remove(&nsp);
                ServerPacket::Refused { nsp, error: refusal::read(&payload)? }
            }
            (Some(_), Body::Disconnect) => {
                self.namespaces.remove(&nsp);
                ServerPacket::Disconnected { nsp }
            }
            (Some(Part::Joined { .. }), Body::Event(event)) => {
                ServerPacket::Event { nsp, ack: event.id, event: Event::new(event.name, event.args) }
            }
            (Some(Part::Joined { acks }), Body::Ack { id: Some(id), args }) => {
                if acks.remove(&id) {
                    ServerPacket::Ack { nsp, id, args }
                } else {
                    ServerPacket::Stray { nsp }
                }
            }
            (_, _) => ServerPacket::Stray { nsp },
        })
    }

    fn event(
        &mut self,
        nsp: &str,
        id: Option<u64>,
        event: &str,
        args: impl ToArgs,
    ) -> Result<Vec<Frame>, SendError> {
        check_name(event)?;
        if !self.is_joined(nsp) {
            return Err(SendError::Closed);
        }
        let frames = self.parser.event(self.name(nsp), id, event, args, Tail::None);
        Ok(list(frames.map_err(SendError::Serialize)?))
    }

    /// A namespace as later packets name it. A query is part of its name in revision 4 alone.
    fn name<'a>(&self, nsp: &'a str) -> &'a str {
        match self.revision {
            Revision::V4 => nsp,
            Revision::V3 => nsp.split_once('?').map_or(nsp, |(name, _)| name),
        }
    }
}

/// The payload of the server's CONNECT.
#[derive(Default, Deserialize)]
struct Answered {
    sid: Option<String>,
    pid: Option<String>,
}

impl Answered {
    /// In revision 4 it names the socket's id; in revision 3 there is nothing to read.
    fn read(payload: Option<&str>, revision: Revision) -> Result<Answered, PacketViolation> {
        match (revision, payload) {
            (Revision::V4, Some(payload)) => serde_json::from_str(payload).map_err(|_| PacketViolation::Json),
            (Revision::V4, None) => Err(PacketViolation::MissingPayload),
            (Revision::V3, _) => Ok(Answered::default()),
        }
    }
}

fn list(frames: Frames) -> Vec<Frame> {
    match frames {
        Frames::One(frame) => vec![frame],
        Frames::Many(frames) => frames,
    }
}
