//! A session's Socket.IO side: one client and the namespaces it is in.
//!
//! ```text
//!              CONNECT            parents, then middlewares, let it in
//!   (nothing) ─────────► waiting ──────────────────────────────────────► joined
//!       ▲                  │ ▲ events wait                                 │
//!       │   refused: 44    │ └─ CONNECT again: a new one                   │ DISCONNECT, from either side: 41
//!       └──────────────────┴──────────────────────────────────────────────┘
//! ```
//!
//! A packet that has no place in this diagram ends the session, except that after we said 41 or 44 the
//! client may not have heard of it yet.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use bytestring::ByteString;
use engineio::{CloseReason, Frame, Layer, Limit, Message, Opened, Revision, Sid};

use crate::decoder::{Decoder, Limits};
use crate::error::DisconnectReason;
use crate::handler::{Middleware, Task, finish, first_poll};
use crate::io::{Io, TooManyNamespaces};
use crate::lane::Job;
use crate::link::{Command, Link};
use crate::log::Excerpt;
use crate::middleware::ConnectError;
use crate::packet::{Body, Packet, PacketError};
use crate::parents::choose;
use crate::recovery::{Claim, Granted, Presented, Trail};
use crate::rooms::Room;
use crate::{Config, Namespace, Socket};

/// One client: the [`Layer`] of a session. A server's driver makes it through [`Io`] and calls it.
pub struct Client {
    io: Io,
    link: Arc<Link>,
    decoder: Decoder,
    /// Nearly always one.
    memberships: Vec<Membership>,
    departed: Departed,
    /// When the session ends unless a namespace has been joined.
    connect_deadline: Option<Instant>,
    next_serial: u32,
    /// The session is about to end; what still arrives is ignored.
    closing: bool,
}

/// A namespace that the client is in, or wants to join.
enum Membership {
    /// It is not decided yet whether the client may.
    Waiting(Box<Waiting>),
    Joined(Socket),
}

/// A client that waits to be let in.
struct Waiting {
    serial: u32,
    gate: Gate,
    /// Packets that came too early.
    packets: Vec<Packet>,
}

/// Who decides.
enum Gate {
    /// The parents of namespaces that are not there yet: whether there is such a namespace.
    Parents {
        nsp: Box<str>,
        auth: Option<Box<str>>,
    },
    Middlewares(Socket),
    /// Nobody: the socket that the client comes back for has to end first.
    OldSocket {
        namespace: Namespace,
        auth: Option<Box<str>>,
        trail: Arc<Trail>,
    },
}

impl Membership {
    fn nsp(&self) -> &str {
        match self {
            Membership::Joined(socket) => socket.namespace_name(),
            Membership::Waiting(waiting) => match &waiting.gate {
                Gate::Parents { nsp, .. } => nsp,
                Gate::Middlewares(socket) => socket.namespace_name(),
                Gate::OldSocket { namespace, .. } => namespace.name(),
            },
        }
    }

    /// The client leaves: it doesn't come back for what it has claimed.
    fn end_trail(&self) {
        let Membership::Waiting(waiting) = self else { return };
        match &waiting.gate {
            Gate::Parents { .. } => {}
            Gate::Middlewares(socket) => socket.end_trail(),
            Gate::OldSocket { namespace, trail, .. } => namespace.end_trail(trail),
        }
    }

    fn serial(&self) -> u32 {
        match self {
            Membership::Joined(socket) => socket.serial(),
            Membership::Waiting(waiting) => waiting.serial,
        }
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
            memberships: Vec::new(),
            departed: Departed::default(),
            connect_deadline,
            next_serial: 0,
            closing: false,
        };
        if client.io.is_closed() {
            client.close(CloseReason::ServerShuttingDown);
        } else if client.link.revision == Revision::V3 {
            // Revision 3 has no CONNECT to `/`: a session is in it from the start.
            client.connect(&ByteString::from_static("/"), None);
        }
        client
    }

    fn packet(&mut self, packet: Packet) {
        if let Body::Connect { auth } = &packet.body {
            return self.connect(&packet.nsp, auth.as_deref());
        }
        if let Body::Event(event) = &packet.body
            && event.name.len() > self.io.config().max_event_name
        {
            return self.violation(PacketError::EventNameTooLong);
        }
        let Some(at) = self.find(&packet.nsp) else {
            if self.departed.contains(&packet.nsp) {
                tracing::debug!(namespace = %Excerpt(&packet.nsp), "a packet crossed the namespace's end");
            } else {
                tracing::debug!(namespace = %Excerpt(&packet.nsp), "a packet for a namespace not joined");
                self.close(CloseReason::ForcedClose);
            }
            return;
        };
        match (&mut self.memberships[at], packet.body) {
            (membership, Body::Disconnect) => {
                membership.end_trail();
                self.end(at, DisconnectReason::ClientNamespaceDisconnect);
            }
            (Membership::Waiting(waiting), body) => {
                let packet = Packet { nsp: packet.nsp, body };
                let cost = packet.cost();
                waiting.packets.push(packet);
                if !self.link.hold(cost, self.io.config().max_backlog) {
                    self.io.config().hits.count(Limit::Backlog);
                    self.close(CloseReason::ForcedClose);
                }
            }
            // The socket was told to end, and the client does not know yet.
            (Membership::Joined(socket), _) if !socket.is_connected() => {}
            (Membership::Joined(socket), Body::Event(event)) => {
                if socket.submit(Job::Event(event)).is_err() {
                    self.io.config().hits.count(Limit::Backlog);
                    tracing::warn!(namespace = %Excerpt(&packet.nsp), "a client's events wait too long");
                    self.close(CloseReason::ForcedClose);
                }
            }
            (Membership::Joined(socket), Body::Ack { id: Some(id), args }) => {
                socket.pending_acks().resolve(id, args);
            }
            (Membership::Joined(_), Body::Ack { id: None, .. } | Body::Connect { .. }) => {}
        }
    }

    fn connect(&mut self, nsp: &ByteString, auth: Option<&str>) {
        let revision = self.link.revision;
        let joined = self.find(nsp);
        if revision == Revision::V3 && **nsp == *"/" && joined.is_some() {
            return;
        }
        if self.io.is_closed() {
            return self.close(CloseReason::ServerShuttingDown);
        }
        // "A repeated CONNECT, pending or joined, replaces."
        if let Some(at) = joined {
            self.end(at, DisconnectReason::ClientNamespaceDisconnect);
        }
        if self.has_too_many_sockets() {
            self.io.config().hits.count(Limit::Namespaces);
            return self.refuse_with(nsp, &too_many_namespaces());
        }
        let auth = auth.map(Box::from);
        match self.io.enter(nsp) {
            Some(namespace) => self.join(namespace, auth, Vec::new()),
            None => self.find_parent(nsp, auth),
        }
    }

    /// Asks the parents whether they have a child of that name.
    fn find_parent(&mut self, nsp: &str, auth: Option<Box<str>>) {
        let parents = self.io.parents();
        let too_long = nsp.len() > self.io.config().max_dynamic_name;
        if parents.is_empty() || too_long {
            if !parents.is_empty() {
                self.io.config().hits.count(Limit::NamespaceName);
            }
            return self.refuse(nsp, self.io.config().parser.invalid_namespace(nsp));
        }
        let json = auth.as_deref().unwrap_or("{}").into();
        let mut choosing: Task<_> = Box::pin(choose(parents, nsp.into(), json));
        let parent = match first_poll(&mut choosing) {
            Ok(Poll::Ready(parent)) => parent,
            Ok(Poll::Pending) => {
                let serial = self.next_serial();
                self.wait(serial, Gate::Parents { nsp: nsp.into(), auth }, Vec::new());
                let link = Arc::clone(&self.link);
                tokio::spawn(async move {
                    let parent = finish(choosing).await.unwrap_or_default();
                    link.command(Command::Parent { serial, parent });
                });
                return;
            }
            Err(_) => None,
        };
        self.join_child(nsp, parent.as_ref(), auth, Vec::new());
    }

    /// Has the client join a child of the parent that was found, if any was.
    fn join_child(
        &mut self,
        nsp: &str,
        parent: Option<&Namespace>,
        auth: Option<Box<str>>,
        packets: Vec<Packet>,
    ) {
        match parent.map(|parent| self.io.enter_child(nsp, parent)) {
            Some(Ok(namespace)) => return self.join(namespace, auth, packets),
            Some(Err(TooManyNamespaces)) => {
                self.io.config().hits.count(Limit::DynamicNamespaces);
                self.refuse_with(nsp, &too_many_namespaces());
            }
            None => self.refuse(nsp, self.io.config().parser.invalid_namespace(nsp)),
        }
        self.release(&packets);
    }

    /// Has the middlewares of a namespace, which the client has entered, decide.
    fn join(&mut self, namespace: Namespace, auth: Option<Box<str>>, packets: Vec<Packet>) {
        self.departed.remove(namespace.name());
        let granted = match self.claim(&namespace, auth.as_deref()) {
            Some(Claim::Granted(granted)) => Some(granted),
            Some(Claim::NotYet(trail, ended)) => {
                let serial = self.next_serial();
                self.wait(serial, Gate::OldSocket { namespace, auth, trail }, packets);
                let link = Arc::clone(&self.link);
                tokio::spawn(async move {
                    // An error says that it has ended for good.
                    let _ = ended.await;
                    link.command(Command::OldSocketEnded { serial });
                });
                return;
            }
            Some(Claim::Refused(_)) | None => None,
        };
        let middlewares = match (&granted, &self.io.config().recovery) {
            (Some(_), Some(recovery)) if recovery.skip_middlewares => Vec::new(),
            _ => namespace.middlewares(),
        };
        let socket = self.new_socket(namespace, auth, granted);
        if middlewares.is_empty() {
            return self.decided(&socket, packets, Ok(()));
        }
        let mut deciding: Task<_> = Box::pin(decide(middlewares, socket.clone()));
        let verdict = match first_poll(&mut deciding) {
            Ok(Poll::Ready(verdict)) => verdict,
            Ok(Poll::Pending) => {
                let (link, serial) = (Arc::clone(&self.link), socket.serial());
                let nsp = socket.namespace_name().to_owned();
                self.wait(serial, Gate::Middlewares(socket), packets);
                tokio::spawn(async move {
                    let verdict = finish(deciding).await.unwrap_or_else(|_| Err(internal_error(&nsp)));
                    link.command(Command::Verdict { serial, verdict });
                });
                return;
            }
            Err(_) => Err(internal_error(socket.namespace_name())),
        };
        self.decided(&socket, packets, verdict);
    }

    /// What comes of it if the client says that it had a socket here.
    fn claim(&self, namespace: &Namespace, auth: Option<&str>) -> Option<Claim> {
        let recovery = namespace.recovery().filter(|_| self.link.revision == Revision::V4)?;
        Some(recovery.claim(Presented::read(auth?)?, namespace))
    }

    /// Whether the client may not have another socket. Sockets that ended count for as long as handlers (or
    /// the application) hold them, so that connecting over and over can't pile up running handlers.
    fn has_too_many_sockets(&self) -> bool {
        let limit = self.io.config().max_namespaces;
        // Each socket holds the link, and so does this.
        let alive = Arc::strong_count(&self.link) - 1;
        self.memberships.len() >= limit || alive >= limit.saturating_mul(2)
    }

    fn new_socket(
        &mut self,
        namespace: Namespace,
        auth: Option<Box<str>>,
        granted: Option<Granted>,
    ) -> Socket {
        let id: Room = match (self.link.revision, namespace.name(), &granted) {
            // Clients of revision 3 are not told their ids: they derive them from the session's.
            (Revision::V3, "/", _) => self.link.sid.as_str().into(),
            (Revision::V3, nsp, _) => format!("{nsp}#{}", self.link.sid).into(),
            (Revision::V4, _, None) => Sid::generate().as_str().into(),
            (Revision::V4, _, Some(granted)) => Arc::clone(&granted.id),
        };
        Socket::new(id, self.next_serial(), Arc::clone(&self.link), namespace, auth, granted)
    }

    fn next_serial(&mut self) -> u32 {
        let serial = self.next_serial;
        self.next_serial = serial.wrapping_add(1);
        serial
    }

    fn wait(&mut self, serial: u32, gate: Gate, packets: Vec<Packet>) {
        self.memberships.push(Membership::Waiting(Box::new(Waiting { serial, gate, packets })));
    }

    /// Takes out a membership for which something was decided. One that is no longer wanted is not found.
    fn take_waiting(&mut self, serial: u32) -> Option<Waiting> {
        let at = self.find_serial(serial).filter(|_| !self.closing)?;
        match self.memberships.swap_remove(at) {
            Membership::Waiting(waiting) => Some(*waiting),
            joined @ Membership::Joined(_) => {
                self.memberships.push(joined);
                None
            }
        }
    }

    /// The middlewares have decided on a socket.
    fn decided(&mut self, socket: &Socket, packets: Vec<Packet>, verdict: Result<(), ConnectError>) {
        self.release(&packets);
        let nsp = socket.namespace_name();
        let refusal = match verdict {
            Err(error) => self.io.config().parser.connect_error(self.link.revision, nsp, &error),
            Ok(()) if socket.admit() => {
                self.connect_deadline = None;
                self.memberships.push(Membership::Joined(socket.clone()));
                for packet in packets {
                    if !self.closing {
                        self.packet(packet);
                    }
                }
                return;
            }
            // The namespace was taken out of service meanwhile.
            Ok(()) => self.io.config().parser.invalid_namespace(nsp),
        };
        socket.discard(DisconnectReason::ServerNamespaceDisconnect);
        self.refuse(nsp, refusal);
    }

    /// Tells the client that it can't join. The session goes on, until the connect timeout at the least.
    fn refuse(&mut self, nsp: &str, answer: Frame) {
        self.departed.insert(nsp, self.io.config());
        self.link.send_or_close(&[answer]);
    }

    fn refuse_with(&mut self, nsp: &str, error: &ConnectError) {
        self.refuse(nsp, self.io.config().parser.connect_error(self.link.revision, nsp, error));
    }

    /// Ends a membership. If it is the server's doing, the client is told.
    fn end(&mut self, at: usize, reason: DisconnectReason) {
        match self.memberships.swap_remove(at) {
            Membership::Waiting(waiting) => {
                self.release(&waiting.packets);
                match waiting.gate {
                    Gate::Parents { .. } => {}
                    Gate::Middlewares(socket) => socket.discard(reason),
                    Gate::OldSocket { namespace, .. } => namespace.leave(),
                }
            }
            Membership::Joined(socket) => {
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

    fn release(&self, waiting: &[Packet]) {
        self.link.release(waiting.iter().map(Packet::cost).sum());
    }

    fn violation(&mut self, error: PacketError) {
        tracing::debug!(%error, "a client broke the protocol");
        if let Some(limit) = error.limit() {
            self.io.config().hits.count(limit);
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
                    let waiting = self.take_waiting(serial);
                    if let Some(Waiting { gate: Gate::Parents { nsp, auth }, packets, .. }) = waiting {
                        self.join_child(&nsp, parent.as_ref(), auth, packets);
                    }
                }
                Command::Verdict { serial, verdict } => {
                    let waiting = self.take_waiting(serial);
                    if let Some(Waiting { gate: Gate::Middlewares(socket), packets, .. }) = waiting {
                        self.decided(&socket, packets, verdict);
                    }
                }
                Command::OldSocketEnded { serial } => {
                    let waiting = self.take_waiting(serial);
                    if let Some(Waiting { gate: Gate::OldSocket { namespace, auth, .. }, packets, .. }) =
                        waiting
                    {
                        self.join(namespace, auth, packets);
                    }
                }
                Command::Disconnect { serial } => {
                    if let Some(at) = self.find_serial(serial) {
                        self.end(at, DisconnectReason::ServerNamespaceDisconnect);
                    }
                }
                Command::Close => {
                    while let Some(last) = self.memberships.len().checked_sub(1) {
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
        self.memberships.iter().position(|membership| membership.nsp() == nsp)
    }

    fn find_serial(&self, serial: u32) -> Option<usize> {
        self.memberships.iter().position(|membership| membership.serial() == serial)
    }
}

impl Layer for Client {
    fn message(&mut self, message: Message, now: Instant) {
        if self.closing {
            return;
        }
        let config = self.io.config();
        let limits = Limits {
            attachments: config.max_attachments,
            bytes: config.max_backlog,
            timeout: config.attachment_timeout,
        };
        match self.decoder.message(message, &config.parser, self.link.revision, limits, now) {
            Ok(Some(packet)) => self.packet(packet),
            Ok(None) => {}
            Err(error) => self.violation(error),
        }
    }

    fn poll(&mut self, now: Instant) {
        self.run_commands();
        if self.closing {
            return;
        }
        if self.decoder.deadline().is_some_and(|deadline| deadline <= now) {
            self.violation(PacketError::AttachmentTimeout);
        } else if self.connect_deadline.is_some_and(|deadline| deadline <= now) {
            tracing::debug!("a client joined no namespace in time");
            self.io.config().hits.count(Limit::ConnectTimeout);
            self.close(CloseReason::ForcedClose);
        }
    }

    fn deadline(&self) -> Option<Instant> {
        if self.closing {
            return None;
        }
        [self.decoder.deadline(), self.connect_deadline].into_iter().flatten().min()
    }

    fn upgraded(&mut self) {
        self.link.upgraded();
        for membership in &self.memberships {
            if let Membership::Joined(socket) = membership {
                // It takes no place among what waits.
                let _ = socket.submit(Job::Upgraded);
            }
        }
    }

    fn closed(&mut self, reason: CloseReason) {
        self.run_commands();
        self.closing = true;
        while let Some(last) = self.memberships.len().checked_sub(1) {
            self.end(last, reason.into());
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.io.session_ended();
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.memberships.iter().map(Membership::nsp)).finish()
    }
}

/// Runs the middlewares one after the other, up to the first that refuses.
async fn decide(middlewares: Vec<Middleware>, socket: Socket) -> Result<(), ConnectError> {
    for middleware in middlewares {
        middleware(socket.clone()).await?;
    }
    Ok(())
}

fn too_many_namespaces() -> ConnectError {
    ConnectError::new("Too many namespaces")
}

/// What a client is told when a middleware panicked.
fn internal_error(nsp: &str) -> ConnectError {
    tracing::error!(namespace = %Excerpt(nsp), "a middleware panicked");
    ConnectError::new("Internal error")
}

/// The namespaces that the server put this client out of, or did not let it in.
///
/// "After we send 41 or 44, packets for that namespace except CONNECT are ignored": they cross on the wire.
/// As many as a client can be in are remembered, by a hash of their names, since clients choose the names.
#[derive(Default)]
struct Departed(Vec<u64>);

impl Departed {
    fn insert(&mut self, nsp: &str, config: &Config) {
        self.remove(nsp);
        if self.0.len() >= config.max_namespaces {
            self.0.remove(0);
        }
        self.0.push(Departed::hash(nsp));
    }

    fn remove(&mut self, nsp: &str) {
        let hash = Departed::hash(nsp);
        self.0.retain(|departed| *departed != hash);
    }

    fn contains(&self, nsp: &str) -> bool {
        self.0.contains(&Departed::hash(nsp))
    }

    fn hash(nsp: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        nsp.hash(&mut hasher);
        hasher.finish()
    }
}

#[cfg(test)]
mod tests;
