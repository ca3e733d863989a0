//! Socket.IO: namespaces, rooms, events and acknowledgements on top of the sessions of [`engineio`].
//!
//! ```
//! use socketio::{ConnectError, DisconnectReason, Io, Socket};
//!
//! let io = Io::new();
//! io.of("/chat")
//!     .middleware(|socket: Socket| async move {
//!         #[derive(serde::Deserialize)]
//!         struct Auth {
//!             token: String,
//!         }
//!         match socket.handshake().auth::<Auth>() {
//!             Ok(auth) if auth.token == "secret" => Ok(()),
//!             _ => Err(ConnectError::new("not authorized")),
//!         }
//!     })
//!     .on_connect(|socket: Socket| async move { socket.join("lobby") })
//!     // A tuple means several arguments.
//!     .on("chat", |socket: Socket, (room, text): (String, String)| async move {
//!         socket.to(room).emit("chat", &text)
//!     })
//!     // If the client asked for an acknowledgement, the handler's result is sent.
//!     .on("add", |_: Socket, (a, b): (i64, i64)| async move { a + b })
//!     // The server can ask clients, too.
//!     .on("greet", |socket: Socket, ()| async move {
//!         if let Ok(name) = socket.emit_with_ack::<String>("your name?", ()).await {
//!             let _ = socket.broadcast().emit("hello", format!("{name} is here"));
//!         }
//!     })
//!     .on_disconnect(|socket: Socket, reason: DisconnectReason| async move {
//!         println!("{} left: {reason}", socket.id());
//!     });
//!
//! io.of("/chat").to("lobby").emit("news", ("the server", "is up"))?;
//! # Ok::<(), socketio::SendError>(())
//! ```
//!
//! # Layers
//!
//! [`Io`] is an [`engineio::Application`]. A server, such as the `socketio-server` crate, owns the sessions
//! and drives a [`Client`] on each. This crate opens no sockets. It uses tokio for tasks, and the clock for
//! acknowledgements and recovery.
//!
//! ```text
//!   ┌───────────────────────────────────────────────────────────────────┐
//!   │ your handlers         Io ─ Namespace ─ Socket ─ Broadcast ─ Ack   │
//!   ├───────────────────────────────────────────────────────────────────┤
//!   │ cluster   other nodes, through an Adapter                         │
//!   │ dispatch  listeners, middlewares, and the handler of an event     │
//!   │ queue     the order in which a socket's handlers start            │
//!   │ rooms     who is in which room of a namespace                     │
//!   │ recovery  sockets that lost their connection, and missed events   │
//!   │ client    a session's namespaces: pending, joined, ended          │
//!   │ decoder   a packet and its attachments, put together              │
//!   │ packet    what a packet may contain                               │
//!   │ parser    one packet as text, as MessagePack, or as you write it  │
//!   ├──────────────────────────────▲─────────────────────┬──────────────┤
//!   │ engineio       Layer::message│         Mailbox::push▼             │
//!   └───────────────────────────────────────────────────────────────────┘
//! ```
//!
//! # Sending
//!
//! `emit` never waits. It queues the event for the client, and returns [`SendError::Full`] if too much
//! already waits there. [`Socket::ready`] waits until there is room. A broadcast is encoded once for all
//! receivers, and is always queued. A volatile event is dropped if it can't be written at once.
//!
//! # Several nodes
//!
//! [`Io::with_adapter`] creates a node of a cluster. What you do with many sockets ([`Broadcast`]) then
//! affects all nodes, unless it is [`local`](Broadcast::local). Servers can send events to each other
//! ([`Namespace::server_side_emit`]). An [`Adapter`] carries the messages.

// A module with children is `name/mod.rs`, so that a folder holds all of it.

mod ack;
mod args;
mod client;
mod clock;
mod cluster;
mod connector;
mod error;
mod handler;
mod io;
mod log;
mod namespace;
mod packet;
mod recovery;
mod socket;
#[cfg(test)]
mod testing;

pub use ack::Ack;
pub use ack::answers::{Answer, Answers};
pub use ack::broadcast::BroadcastAck;
pub use ack::sender::AckSender;
#[doc(hidden)]
pub use args::ArgsWriter;
pub use args::binary::Binary;
pub use args::event::Event;
pub use args::raw_json::RawJson;
pub use args::value::Value;
pub use args::{Args, ArgsError, FromArgs, Rest, ToArgs};
pub use client::{Client, observe};
pub use cluster::adapter::Adapter;
pub use cluster::details::{HandshakeDetails, SocketDetails, WrittenHandshake};
pub use cluster::error::{ClusterError, ServerSideError};
pub use cluster::fetched::{FetchError, FetchedSocket};
pub use cluster::message::{AdapterError, AdapterFuture, MessageBody, NodeId, NodeMessage, RequestId};
pub use cluster::node::Node;
pub use cluster::sessions::{PersistedSession, SessionStore};
pub use connector::{Connector, ServerPacket};
pub use engineio::observe::Note;
pub use engineio::{Revision, Transport};
pub use error::any::Error;
pub use error::connect_error::ConnectError;
pub use error::{AckError, DisconnectReason, JoinError, SendError};
pub use handler::unhandled::{Unhandled, UnhandledCounts};
pub use handler::{EventError, ListenerHandle};
pub use io::Io;
pub use io::config::IoConfig;
pub use namespace::Namespace;
pub use namespace::broadcast::Broadcast;
pub use namespace::flags::Flags;
pub use namespace::parents::PatternError;
pub use namespace::room::{Room, Selection};
pub use namespace::room_event::RoomEvent;
pub use namespace::to_rooms::ToRooms;
pub use packet::error::PacketViolation;
pub use packet::parser::{PacketParser, Parser, ParserError};
pub use packet::raw::{RawPacket, RawPacketType};
pub use packet::reader::PacketReader;
pub use recovery::offset::{NoOffset, Offset};
pub use recovery::settings::{Recovery, RecoveryCounts};
pub use socket::Socket;
pub use socket::handshake::Handshake;
pub use socket::sending::SocketEmitter;
