//! How a client joins a namespace: CONNECT, the parents, the recovery of its old socket, the middlewares.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytestring::ByteString;
use engineio::{CloseReason, Frame, Limit, LimitHits, Revision, Sid};

use super::Client;
use super::namespace_join::{NamespaceJoin, PendingJoin, WaitsFor};
use crate::client::link::{Command, JoinDecision};
use crate::error::DisconnectReason;
use crate::error::connect_error::ConnectError;
use crate::handler::task::{Task, finish, first_poll};
use crate::handler::{Middleware, RecoveryGuard};
use crate::io::{Io, TooManyNamespaces};
use crate::log::Excerpt;
use crate::namespace::Namespace;
use crate::namespace::parents::choose;
use crate::namespace::room::Room;
use crate::packet::Packet;
use crate::recovery::claimed::Claimed;
use crate::recovery::history::{Claim, RecoveredSocket};
use crate::recovery::request::{RecoveryFailure, RecoveryRequest};
use crate::socket::Socket;
use crate::socket::life::NotAdmitted;

impl Client {
    pub(super) fn connect(&mut self, nsp: &ByteString, auth: Option<&str>) {
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
            self.io.hits().count(Limit::Namespaces);
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
                self.io.hits().count(Limit::NamespaceName);
            }
            return self.refuse(nsp, self.io.config().parser.invalid_namespace(nsp));
        }
        let json = auth.as_deref().unwrap_or("{}").into();
        let mut choosing: Task<_> = Box::pin(choose(parents, nsp.into(), json));
        let parent = match first_poll(&mut choosing) {
            Ok(Poll::Ready(parent)) => parent,
            Ok(Poll::Pending) => {
                let serial = self.next_serial();
                self.wait(serial, WaitsFor::Parents { nsp: nsp.into(), auth }, Vec::new());
                let (link, time) = (Arc::clone(&self.link), HookTime::of(&self.io));
                tokio::spawn(async move {
                    let chosen = time.limit("a rule of dynamic namespaces", finish(choosing)).await;
                    let parent = chosen.and_then(Result::ok).flatten();
                    link.command(Command::Parent { serial, parent });
                });
                return;
            }
            Err(_) => None,
        };
        self.join_child(nsp, parent, auth, Vec::new());
    }

    /// Lets the client join a child of the parent, if one was found.
    pub(super) fn join_child(
        &mut self,
        nsp: &str,
        parent: Option<u64>,
        auth: Option<Box<str>>,
        packets: Vec<Packet>,
    ) {
        let parent = parent.and_then(|number| self.io.parent(number));
        match parent.map(|parent| self.io.enter_child(nsp, &parent)) {
            Some(Ok(namespace)) => return self.join(namespace, auth, packets),
            Some(Err(TooManyNamespaces)) => {
                self.io.hits().count(Limit::DynamicNamespaces);
                self.refuse_with(nsp, &too_many_namespaces());
            }
            None => self.refuse(nsp, self.io.config().parser.invalid_namespace(nsp)),
        }
        self.release(&packets);
    }

    /// Lets the middlewares decide. The client has already entered the namespace.
    pub(super) fn join(&mut self, namespace: Namespace, auth: Option<Box<str>>, packets: Vec<Packet>) {
        self.departed.remove(namespace.name());
        match self.claim(&namespace, auth.as_deref()) {
            Some(Claim::Granted(granted)) if namespace.shared_recovery().is_some() => {
                let presented = granted.presented();
                self.take_session(namespace, auth, packets, presented, Some(granted));
            }
            Some(Claim::Granted(granted)) => self.ask(namespace, auth, packets, Some(granted)),
            Some(Claim::Elsewhere(presented)) => {
                self.take_session(namespace, auth, packets, presented, None);
            }
            Some(Claim::NotYet(history, ended)) => {
                let serial = self.next_serial();
                self.wait(serial, WaitsFor::OldSocket { namespace, auth, history }, packets);
                let link = Arc::clone(&self.link);
                tokio::spawn(async move {
                    // An error says that it has ended for good.
                    let _ = ended.await;
                    link.command(Command::OldSocketEnded { serial });
                });
            }
            Some(Claim::Refused(_)) | None => self.ask(namespace, auth, packets, None),
        }
    }

    /// Asks the adapter for the session that the client wants to recover. `here` is its socket, if it was on this
    /// node.
    fn take_session(
        &mut self,
        namespace: Namespace,
        auth: Option<Box<str>>,
        packets: Vec<Packet>,
        presented: RecoveryRequest,
        here: Option<RecoveredSocket>,
    ) {
        let (link, serial) = (Arc::clone(&self.link), self.next_serial());
        self.wait(serial, WaitsFor::Session { namespace: namespace.clone(), auth }, packets);
        let taking: Task<_> = Box::pin(namespace.take_session(presented, here));
        tokio::spawn(async move {
            // A custom parser may panic over what was missed.
            let claimed = finish(taking).await.unwrap_or(Err(RecoveryFailure::Unreadable));
            link.command(Command::Claimed { serial, claimed });
        });
    }

    /// The adapter has answered. If the client has gone meanwhile, the socket is given back.
    pub(super) fn claimed(&mut self, serial: u32, claimed: Result<Claimed, RecoveryFailure>) {
        let Some(PendingJoin { waits_for: WaitsFor::Session { namespace, auth }, packets, .. }) =
            self.take_pending(serial)
        else {
            return;
        };
        let granted = match claimed {
            Ok(claimed) => claimed.into_granted(),
            Err(refusal) => {
                if let Some(recovery) = namespace.recovery() {
                    recovery.refused(refusal, namespace.name());
                }
                None
            }
        };
        self.ask(namespace, auth, packets, granted);
    }

    /// Lets the application decide about a socket: a new one, or the one that the client wants to recover.
    fn ask(
        &mut self,
        namespace: Namespace,
        auth: Option<Box<str>>,
        packets: Vec<Packet>,
        granted: Option<RecoveredSocket>,
    ) {
        let guard =
            granted.as_ref().and_then(|_| namespace.find_handler(|table| table.allow_recovery.clone()));
        let middlewares = match (&granted, &self.io.config().recovery) {
            // A session that another node has kept doesn't say for which namespace it was.
            (Some(granted), Some(recovery)) if recovery.skip_middlewares && !granted.is_foreign => Vec::new(),
            _ => namespace.middlewares(),
        };
        let socket = self.new_socket(namespace, auth, granted);
        if middlewares.is_empty() && guard.is_none() {
            return self.decided(&socket, packets, JoinDecision::Admitted);
        }
        let mut deciding: Task<_> = Box::pin(decide(guard, middlewares, socket.clone()));
        let decision = match first_poll(&mut deciding) {
            Ok(Poll::Ready(decision)) => decision,
            Ok(Poll::Pending) => {
                let (link, serial) = (Arc::clone(&self.link), socket.serial());
                let nsp = socket.namespace_name().to_owned();
                let time = HookTime::of(&self.io);
                self.wait(serial, WaitsFor::Middlewares(socket), packets);
                tokio::spawn(async move {
                    let what = format!("the middlewares of {}", Excerpt(&nsp));
                    let decision = match time.limit(&what, finish(deciding)).await {
                        Some(decided) => {
                            decided.unwrap_or_else(|_| JoinDecision::Refused(internal_error(&nsp)))
                        }
                        None => {
                            JoinDecision::Refused(ConnectError::new("The server took too long to decide"))
                        }
                    };
                    link.command(Command::Decided { serial, decision });
                });
                return;
            }
            Err(_) => JoinDecision::Refused(internal_error(socket.namespace_name())),
        };
        self.decided(&socket, packets, decision);
    }

    /// Tries a recovery, if the client asks for one.
    fn claim(&self, namespace: &Namespace, auth: Option<&str>) -> Option<Claim> {
        let recovery = namespace.recovery().filter(|_| self.link.revision == Revision::V4)?;
        let is_shared = namespace.shared_recovery().is_some();
        Some(recovery.claim(RecoveryRequest::read(auth?)?, namespace.name(), is_shared))
    }

    /// Whether the client may not have another socket. Sockets that ended count for as long as handlers (or
    /// the application) hold them, so that connecting over and over can't pile up running handlers.
    fn has_too_many_sockets(&self) -> bool {
        let limit = self.io.config().max_namespaces;
        // Each socket holds the link, and so does the client itself.
        let alive = Arc::strong_count(&self.link) - 1;
        self.joins.len() >= limit || alive >= limit.saturating_mul(2)
    }

    fn new_socket(
        &mut self,
        namespace: Namespace,
        auth: Option<Box<str>>,
        granted: Option<RecoveredSocket>,
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

    fn wait(&mut self, serial: u32, waits_for: WaitsFor, packets: Vec<Packet>) {
        self.joins.push(NamespaceJoin::Pending(Box::new(PendingJoin { serial, waits_for, packets })));
    }

    /// Takes out a pending join that something was decided about. `None` if it has ended meanwhile.
    pub(super) fn take_pending(&mut self, serial: u32) -> Option<PendingJoin> {
        let at = self.find_serial(serial).filter(|_| !self.closing)?;
        match self.joins.swap_remove(at) {
            NamespaceJoin::Pending(pending) => Some(*pending),
            joined @ NamespaceJoin::Joined(_) => {
                self.joins.push(joined);
                None
            }
        }
    }

    /// The application has decided on a socket.
    pub(super) fn decided(&mut self, socket: &Socket, packets: Vec<Packet>, decision: JoinDecision) {
        let nsp = socket.namespace_name();
        let refusal = match decision {
            JoinDecision::NotRecovered => return self.join_anew(socket, packets, RecoveryFailure::Denied),
            JoinDecision::Admitted if socket.is_incomplete() => {
                return self.join_anew(socket, packets, RecoveryFailure::Offset);
            }
            JoinDecision::Refused(error) if error.closes_session() => {
                self.release(&packets);
                socket.discard(DisconnectReason::ForcedClose);
                return self.close(CloseReason::ForcedClose);
            }
            JoinDecision::Refused(error) => {
                self.io.config().parser.connect_error(self.link.revision, nsp, &error)
            }
            JoinDecision::Admitted => match socket.admit() {
                Ok(()) => {
                    self.release(&packets);
                    self.connect_deadline = None;
                    self.joins.push(NamespaceJoin::Joined(socket.clone()));
                    for packet in packets {
                        if !self.closing {
                            self.packet(packet);
                        }
                    }
                    return;
                }
                Err(NotAdmitted::Incomplete) => {
                    return self.join_anew(socket, packets, RecoveryFailure::Offset);
                }
                Err(NotAdmitted::Closed) => self.io.config().parser.invalid_namespace(nsp),
            },
        };
        self.release(&packets);
        socket.discard(DisconnectReason::ServerNamespaceDisconnect);
        self.refuse(nsp, refusal);
    }

    /// The client does not recover its socket, and joins as a new one.
    fn join_anew(&mut self, recovered: &Socket, packets: Vec<Packet>, why: RecoveryFailure) {
        let namespace = recovered.namespace().clone();
        // The new socket enters before the old one leaves, so that the namespace is not removed in between.
        namespace.enter();
        let auth = recovered.auth();
        recovered.discard(DisconnectReason::ServerNamespaceDisconnect);
        if let Some(recovery) = namespace.recovery() {
            recovery.refused(why, namespace.name());
        }
        self.ask(namespace, auth, packets, None);
    }

    /// Tells the client that it can't join. The session continues, at least until the connect timeout.
    fn refuse(&mut self, nsp: &str, answer: Frame) {
        self.departed.insert(nsp, self.io.config());
        self.link.mailbox.push_owed(&[answer]);
    }

    fn refuse_with(&mut self, nsp: &str, error: &ConnectError) {
        self.refuse(nsp, self.io.config().parser.connect_error(self.link.revision, nsp, error));
    }
}

/// Asks whether the client may recover its socket, if it wants to, and runs the middlewares one after the other until
/// one refuses.
async fn decide(guard: Option<RecoveryGuard>, middlewares: Vec<Middleware>, socket: Socket) -> JoinDecision {
    if let Some(guard) = guard
        && !guard(socket.clone()).await
    {
        return JoinDecision::NotRecovered;
    }
    for middleware in middlewares {
        if let Err(error) = middleware(socket.clone()).await {
            return JoinDecision::Refused(error);
        }
    }
    JoinDecision::Admitted
}

/// How long the decision about a join may take.
struct HookTime {
    limit: Duration,
    hits: Arc<LimitHits>,
}

impl HookTime {
    fn of(io: &Io) -> HookTime {
        HookTime { limit: io.config().hook_timeout, hits: Arc::clone(io.hits()) }
    }

    /// What is decided, if that is in time.
    async fn limit<T>(self, what: &str, deciding: impl Future<Output = T>) -> Option<T> {
        let decided = tokio::time::timeout(self.limit, deciding).await.ok();
        if decided.is_none() {
            self.hits.count(Limit::HookTimeout);
            tracing::warn!(hook = what, limit = ?self.limit, "a hook took longer than hook-timeout: its client is refused");
        }
        decided
    }
}

fn too_many_namespaces() -> ConnectError {
    ConnectError::new("Too many namespaces")
}

/// What a client is told when a middleware panicked.
fn internal_error(nsp: &str) -> ConnectError {
    tracing::error!(namespace = %Excerpt(nsp), "a middleware panicked");
    ConnectError::new("Internal error")
}
