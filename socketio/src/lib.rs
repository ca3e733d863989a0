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
//!   │ lane      the order in which a socket's handlers start            │
//!   │ rooms     who is in which room of a namespace                     │
//!   │ recovery  sockets that lost their connection, and missed events   │
//!   │ client    a session's namespaces: pending, joined, ended          │
//!   │ decoder   a packet and its attachments, put together              │
//!   │ packet    what may stand in a packet                              │
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

mod ack;
mod adapter;
mod answers;
mod args;
mod binary;
mod broadcast;
mod client;
mod cluster;
mod config;
mod date;
mod deadline;
mod decoder;
mod dispatch;
mod error;
mod event;
mod fetched;
mod gathering;
mod handler;
mod io;
mod json;
mod lane;
mod link;
mod listener;
mod log;
mod middleware;
mod msgpack;
mod namespace;
pub mod observe;
mod packet;
mod parents;
mod parser;
mod raw_json;
mod reader;
mod recovery;
mod room_events;
mod rooms;
mod socket;
mod state;
#[cfg(test)]
mod testing;
mod text;
mod to_rooms;
mod unhandled;
mod value;

pub use ack::{Ack, AckSender};
pub use adapter::{Adapter, AdapterError, AdapterFuture, Flags, Message, MessageBody, NodeId, RequestId};
pub use answers::{Answer, Answers, BroadcastAck};
#[doc(hidden)]
pub use args::ArgsWriter;
pub use args::{Args, ArgsError, FromArgs, Rest, ToArgs};
pub use binary::Binary;
pub use broadcast::Broadcast;
pub use client::Client;
pub use cluster::{ClusterError, FetchError, Node, ServerSideError};
pub use config::Config;
pub use engineio::{Revision, Transport};
pub use error::{AckError, DisconnectReason, Error, JoinError, SendError};
pub use event::Event;
pub use fetched::{FetchedSocket, HandshakeDetails, SocketDetails};
pub use handler::EventError;
pub use io::Io;
pub use listener::ListenerHandle;
pub use middleware::ConnectError;
pub use namespace::Namespace;
pub use packet::{PacketError, PacketType, RawPacket};
pub use parents::PatternError;
pub use parser::{PacketParser, Parser, ParserError};
pub use raw_json::RawJson;
pub use reader::PacketReader;
pub use recovery::{Recovery, RecoveryCounts};
pub use room_events::RoomEvent;
pub use rooms::{Room, Selection};
pub use socket::{Emitter, Handshake, Socket};
pub use to_rooms::ToRooms;
pub use unhandled::{Unhandled, UnhandledCounts};
pub use value::Value;
