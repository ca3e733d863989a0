//! A session's Socket.IO side: one client and the namespaces it is in. This module has what its packets do, how it
//! joins and leaves, and the [`link`] by which its sockets reach it. What happens to a socket after it has joined is
//! in [`socket`](crate::socket).
//!
//! ```text
//!              CONNECT            parents, then middlewares, let it in
//!   (nothing) ─────────► waiting ──────────────────────────────────────► joined
//!       ▲                  │ ▲ events wait                                 │
//!       │   refused: 44    │ └─ CONNECT again: a new one                   │ DISCONNECT, from either side: 41
//!       └──────────────────┴──────────────────────────────────────────────┘
//! ```
//!
//! A packet that is not in this diagram ends the session. The exception: after the server has sent 41 or 44,
//! the client may not have received it yet.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use bytestring::ByteString;
use engineio::observe::What;
use engineio::{
    Application, CloseReason, Frame, HandshakeRequest, Layer, Limit, Message, Opened, Revision, Transport,
};

use crate::client::link::{Command, Link, Overloaded};
use crate::error::DisconnectReason;
use crate::handler::queue::Job;
use crate::io::Io;
use crate::log::Excerpt;
use crate::packet::decoder::{Decoder, DecoderLimits};
use crate::packet::error::PacketViolation;
use crate::packet::{Body, Packet};

mod departed;
mod joining;
pub(crate) mod link;
mod namespace_join;
pub mod observe;
#[cfg(test)]
mod tests;

use departed::Departed;
use namespace_join::{NamespaceJoin, PendingJoin, WaitsFor};

/// One client: the [`Layer`] of a session. A server's driver makes it through [`Io`] and calls it.
///
/// ```
/// use std::time::Instant;
/// use engineio::{Application, Layer, Opened};
/// use socketio::{Client, Io};
///
/// /// What a server does with each session: open it, hand it messages, close it.
/// fn open(io: &Io, opened: Opened) {
///     let mut client: Client = io.open(opened, Instant::now());
///     client.message("0".into(), Instant::now());
/// }
/// ```
pub struct Client {
    io: Io,
    link: Arc<Link>,
    decoder: Decoder,
    /// Nearly always one.
    joins: Vec<NamespaceJoin>,
    departed: Departed,
    /// When the session ends unless a namespace has been joined.
    connect_deadline: Option<Instant>,
    next_serial: u32,
    /// The session is about to end; what still arrives is ignored.
    closing: bool,
}

impl Application for Io {
    type Layer = Client;

    fn open(&self, opened: Opened, now: Instant) -> Client {
        Client::open(self.clone(), opened, now)
    }
}

impl Client {
    pub(crate) fn open(io: Io, opened: Opened, now: Instant) -> Client {
        io.session_opened();
        let link = Arc::new(Link::new(opened));
        let connect_deadline = now.checked_add(io.config().connect_timeout);
        let mut client = Client {
            io,
            link,
            decoder: Decoder::default(),
            joins: Vec::new(),
            departed: Departed::default(),
            connect_deadline,
            next_serial: 0,
            closing: false,
        };
        if client.io.is_closed() {
            client.close(CloseReason::ServerShuttingDown);
        } else if client.link.revision == Revision::V3 {
            // In revision 3, there is no CONNECT to `/`: a session joins it when it opens.
            client.connect(&ByteString::from_static("/"), None);
        }
        client
    }

    fn packet(&mut self, packet: Packet) {
        if let Body::Connect { auth } = &packet.body {
            return self.connect(&packet.nsp, auth.as_deref());
        }
        if let Err(error) = packet.check_from_client(self.io.config().max_event_name) {
            return self.violation(error);
        }
        let Some(at) = self.find(&packet.nsp) else {
            if self.departed.contains(&packet.nsp) {
                tracing::debug!(namespace = %Excerpt(&packet.nsp), "a packet crossed the namespace's end");
            } else {
                tracing::debug!(namespace = %Excerpt(&packet.nsp), "a packet for a namespace not joined");
                self.violation(PacketViolation::NotJoined);
            }
            return;
        };
        match (&mut self.joins[at], packet.body) {
            (join, Body::Disconnect) => {
                join.end_history();
                self.end(at, DisconnectReason::ClientNamespaceDisconnect);
            }
            (NamespaceJoin::Pending(pending), body) => {
                let packet = Packet { nsp: packet.nsp, body };
                let cost = packet.cost();
                pending.packets.push(packet);
                if let Err(overloaded) = self.link.hold(cost, self.io.config().max_backlog) {
                    self.overloaded(overloaded);
                }
            }
            // The server has disconnected the socket, and the client does not know yet.
            (NamespaceJoin::Joined(socket), _) if !socket.is_connected() => {}
            (NamespaceJoin::Joined(socket), Body::Event(event)) => {
                if let Err(overloaded) = socket.submit(Job::Event(event)) {
                    self.overloaded(overloaded);
                }
            }
            (NamespaceJoin::Joined(socket), Body::Ack { id: Some(id), args }) => {
                socket.pending_acks().resolve(id, args);
            }
            (
                NamespaceJoin::Joined(_),
                Body::Ack { id: None, .. } | Body::Connect { .. } | Body::ConnectError { .. },
            ) => {}
        }
    }

    /// Ends the session: more of the client's packets wait than are allowed.
    fn overloaded(&mut self, Overloaded(limit): Overloaded) {
        self.io.hits().count(limit);
        tracing::warn!(limit = limit.name(), "too many packets of a client wait");
        self.close(CloseReason::ForcedClose);
    }

    /// Ends a join. If it is the server's doing, the client is told.
    fn end(&mut self, at: usize, reason: DisconnectReason) {
        match self.joins.swap_remove(at) {
            NamespaceJoin::Pending(pending) => {
                self.release(&pending.packets);
                match pending.waits_for {
                    WaitsFor::Parents { .. } => {}
                    WaitsFor::Middlewares(socket) => socket.discard(reason),
                    WaitsFor::OldSocket { namespace, .. } | WaitsFor::Session { namespace, .. } => {
                        namespace.leave();
                    }
                }
            }
            NamespaceJoin::Joined(socket) => {
                let told = reason == DisconnectReason::ServerNamespaceDisconnect;
                if told {
                    self.departed.insert(socket.namespace_name(), self.io.config());
                }
                socket.finish(
                    reason,
                    told.then(|| self.io.config().parser.disconnect(socket.namespace_name())),
                );
            }
        }
    }

    fn release(&self, pending: &[Packet]) {
        self.link.release(pending.iter().map(Packet::cost).sum());
    }

    fn violation(&mut self, error: PacketViolation) {
        tracing::info!(rule = error.name(), section = error.section(), %error, "a client broke the protocol");
        self.link.see(|| What::Violation { rule: error.name(), section: error.section(), error: &error });
        if let Some(limit) = error.limit() {
            self.io.hits().count(limit);
        }
        self.close(error.close_reason());
    }

    /// Asks for the session's end.
    fn close(&mut self, reason: CloseReason) {
        self.closing = true;
        self.link.mailbox.close(reason);
    }

    fn run_commands(&mut self) {
        for command in self.link.take_commands() {
            match command {
                Command::Parent { serial, parent } => {
                    let pending = self.take_pending(serial);
                    if let Some(PendingJoin { waits_for: WaitsFor::Parents { nsp, auth }, packets, .. }) =
                        pending
                    {
                        self.join_child(&nsp, parent, auth, packets);
                    }
                }
                Command::Decided { serial, decision } => {
                    let pending = self.take_pending(serial);
                    if let Some(PendingJoin { waits_for: WaitsFor::Middlewares(socket), packets, .. }) =
                        pending
                    {
                        self.decided(&socket, packets, decision);
                    }
                }
                Command::OldSocketEnded { serial } => {
                    let pending = self.take_pending(serial);
                    if let Some(PendingJoin {
                        waits_for: WaitsFor::OldSocket { namespace, auth, .. },
                        packets,
                        ..
                    }) = pending
                    {
                        self.join(namespace, auth, packets);
                    }
                }
                Command::Claimed { serial, claimed } => self.claimed(serial, claimed),
                Command::Disconnect { serial } => {
                    if let Some(at) = self.find_serial(serial) {
                        self.end(at, DisconnectReason::ServerNamespaceDisconnect);
                    }
                }
                Command::Close => {
                    while let Some(last) = self.joins.len().checked_sub(1) {
                        self.end(last, DisconnectReason::ServerNamespaceDisconnect);
                    }
                    self.close(CloseReason::ForcedClose);
                }
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn link(&self) -> &Link {
        &self.link
    }

    fn find(&self, nsp: &str) -> Option<usize> {
        self.joins.iter().position(|join| join.nsp() == nsp)
    }

    fn find_serial(&self, serial: u32) -> Option<usize> {
        self.joins.iter().position(|join| join.serial() == serial)
    }
}

impl Layer for Client {
    fn message(&mut self, message: Message, now: Instant) {
        if self.closing {
            return;
        }
        let config = self.io.config();
        let limits = DecoderLimits::of(config);
        self.link.see_incoming(&message, &config.parser);
        let before = self.decoder.bytes();
        let decoded = self.decoder.message(message, &config.parser, self.link.revision, limits, now);
        let waits = match self.decoder.bytes().checked_sub(before) {
            Some(0) => Ok(()),
            Some(more) => self.link.hold(more, limits.bytes),
            None => {
                self.link.release(before);
                Ok(())
            }
        };
        match (decoded, waits) {
            (Err(error), _) => self.violation(error),
            (Ok(_), Err(overloaded)) => self.overloaded(overloaded),
            (Ok(Some(packet)), Ok(())) => self.packet(packet),
            (Ok(None), Ok(())) => {}
        }
    }

    fn poll(&mut self, now: Instant) {
        self.run_commands();
        if self.closing {
            return;
        }
        if self.decoder.deadline().is_some_and(|deadline| deadline <= now) {
            self.violation(PacketViolation::AttachmentTimeout);
        } else if self.connect_deadline.is_some_and(|deadline| deadline <= now) {
            tracing::debug!("a client joined no namespace in time");
            self.io.hits().count(Limit::ConnectTimeout);
            self.close(CloseReason::ForcedClose);
        }
    }

    fn deadline(&self) -> Option<Instant> {
        if self.closing {
            return None;
        }
        [self.decoder.deadline(), self.connect_deadline].into_iter().flatten().min()
    }

    fn upgraded(&mut self, transport: Transport, _: Option<HandshakeRequest>) {
        self.link.upgraded(transport);
        for join in &self.joins {
            if let NamespaceJoin::Joined(socket) = join {
                // It takes no place among what waits.
                let _ = socket.submit(Job::Upgraded);
            }
        }
    }

    fn closed(&mut self, reason: CloseReason) {
        self.run_commands();
        self.closing = true;
        while let Some(last) = self.joins.len().checked_sub(1) {
            self.end(last, reason.into());
        }
        self.link.end();
    }

    fn sent(&mut self, frame: &Frame) {
        self.link.see_outgoing(frame, &self.io.config().parser);
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.io.session_ended();
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.joins.iter().map(NamespaceJoin::nsp)).finish()
    }
}
