//! The Engine.IO protocol, revisions 3 and 4, without IO.
//!
//! Bytes, packets and instants go in; packets, deadlines and events come out. This crate has no sockets, no
//! tasks and no clock, so tests can check every rule of the protocol in virtual time.
//!
//! ```text
//!                            the layer above: Socket.IO, an echo …
//!                      Layer::message ▲              │ Mailbox::push
//!                   ┌─────────────────┴──────────────▼──────────────────┐
//!   Route::find     │ Session                     Mailbox               │  one task
//!   Refusal         │  turns: Input ─▶ StateMachine ─▶ Output           │  gives it
//!   SessionHandle ─▶│  doors, inbox ─▶             ─▶ outbox            │  turns
//!                   └─────────────────▲──────────────┬──────────────────┘
//!                       Packet decode │              │ Frame, encoded once
//!                       Payload       │              ▼ Payload
//!                            the wires: HTTP and WebSocket (session::Wires)
//! ```
//!
//! | item | is |
//! |---|---|
//! | [`Packet`], [`Message`] | codes 0 to 6 in text and binary |
//! | [`Frame`] | one encoded packet, shared by all sessions that send it |
//! | [`PayloadFormat`] | many packets in one HTTP body |
//! | [`Route`], [`ErrorCode`], [`open_packet`] | what a request asks for, and the handshake |
//! | [`Session`] | a session without its wires: what waits for what, in which order, and for how long |
//! | [`StateMachine`] | a session's state machine: polls, probe, upgrade, heartbeat, end |
//! | [`Mailbox`], [`MailboxReceiver`] | the queue of what a session has to send: everyone's handle on it, and the session's |
//! | [`EngineConfig`], [`Engine`] | the settings, and what the sessions of a server share beside them |
//! | [`Limit`], [`LimitHits`], [`TokenBucket`] | limits for clients, and how often they were met |
//! | [`websocket`] | reads messages from a client's WebSocket frames |
//! | `client` | a client's own side of a session, with the feature `client` |
//! | [`plain`] | WebSockets for clients that speak neither Engine.IO nor Socket.IO, without their wires |
//! | [`Application`], [`Layer`] | the boundary to the application on a session |
//!
//! The crate knows the parts of HTTP that the protocol names: methods, the statuses of the six [`ErrorCode`]s, and
//! [`Jsonp`]. It reads no heads and no bodies. Some [`Refusal`]s come from elsewhere, such as the check of a page's
//! origin, because clients see them as one of the six codes. [`Limit`] and [`observe::What`] also list what other crates
//! limit and observe, so that each is one list.
//!
//! This example goes from the handshake to the answer of a poll:
//!
//! ```
//! use std::{sync::Arc, time::Instant};
//! use engineio::{Engine, Input, Method, Output, PollAnswer, Query, Route, StateMachine, Transport};
//!
//! let engine = Arc::new(Engine::default());
//! let query = Query::new("EIO=4&transport=polling");
//! let route = Route::find(&engine.config, Method::Get, query, Transport::Polling, |_| None);
//! let Ok(Route::Open(open)) = route else { panic!("a handshake") };
//! let revision = open.format(&engine.config).unwrap().revision;
//!
//! let now = Instant::now();
//! let mut session = StateMachine::new(engine.clone(), revision, open.transport, now);
//! let mut out = Vec::new();
//! session.handle(now, Input::PollOpened { queued: false }, &mut out);
//! assert!(session.is_parked() && out.is_empty());
//!
//! session.handle(now, Input::Queued, &mut out);
//! assert_eq!(out, [Output::Answer(PollAnswer::Queued)]);
//! assert_eq!(session.deadline(), Some(now + engine.config.ping_interval));
//! ```

mod attached;
#[cfg(feature = "client")]
pub mod client;
mod config;
mod deadline;
mod engine;
mod error;
mod frame;
mod framing;
mod handshake_request;
mod jsonp;
mod layer;
mod limit;
mod limit_hits;
mod mailbox;
pub mod memory;
pub mod observe;
mod pace;
mod packet;
mod payload;
pub mod plain;
mod query;
mod rate;
mod refusal;
mod route;
mod rule;
pub mod session;
mod sid;
mod stalled;
mod sync;
mod transport;
pub mod websocket;
pub mod webtransport;

pub use attached::Attached;
pub use config::EngineConfig;
pub use deadline::deadline;
pub use engine::Engine;
pub use error::{CloseReason, Violation};
pub use frame::{FRAME_OVERHEAD, Frame};
pub use framing::{Framing, MessageReader};
pub use handshake_request::{HandshakeRequest, Headers};
pub use jsonp::Jsonp;
pub use layer::{Application, Layer, Opened};
pub use limit::Limit;
pub use limit_hits::LimitHits;
pub use mailbox::{HIGH_WATER, LongAnswer, Mailbox, MailboxReceiver, Outlet, QueueError};
pub use packet::{Message, Packet, PacketType, Revision};
pub use payload::{Identity, Payload, PayloadFormat, PayloadReader};
pub use query::Query;
pub use rate::TokenBucket;
pub use refusal::{ErrorCode, Refusal};
pub use route::{Known, Method, Open, Route, open_packet};
pub use session::{Input, Output, PollAnswer, Session, StateMachine};
pub use sid::Sid;
pub use stalled::Stalled;
pub use transport::{CurrentTransport, Transport};
