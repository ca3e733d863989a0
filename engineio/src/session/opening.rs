//! How a session begins.

use std::sync::Arc;
use std::time::Instant;

use super::inbox::Inbox;
use super::outbox::Outbox;
use super::progress::Progress;
use super::wires::{WebSocketWire as _, Wires};
use super::{Session, SessionHandle, StateMachine};
use crate::observe::What;
use crate::{
    Application, Engine, Frame, HandshakeRequest, Layer, MailboxReceiver, Opened, Stalled, Transport,
    open_packet,
};

/// What a session begins with.
#[derive(Debug)]
pub struct Opening<W: Wires> {
    /// The handle for requests.
    pub handle: Arc<SessionHandle<W>>,
    /// The session's end of the handle's mailbox.
    pub mailbox: MailboxReceiver,
    /// The WebSocket that it begins with; `None` if it polls.
    pub link: Option<W::WebSocket>,
    /// Its handshake.
    pub handshake: HandshakeRequest,
    /// That request's number, for observers.
    pub exchange: u64,
}

impl<L: Layer, W: Wires> Session<L, W> {
    /// Begins a session: makes the layer and, on a WebSocket, queues the open packet first. By polling, the open
    /// packet is the answer to the handshake, which the caller sends.
    pub fn open<A: Application<Layer = L>>(
        application: &A,
        opening: Opening<W>,
        engine: Arc<Engine>,
        now: Instant,
    ) -> Session<L, W> {
        let Opening { handle, mailbox, link, handshake, exchange } = opening;
        let (sid, format) = (handle.sid, handle.format);
        let transport = link.as_ref().map_or(Transport::Polling, |link| link.framing().transport());
        if link.is_some() {
            // It comes first, before anything that the layer queues when it opens.
            mailbox.push_control(Frame::from(&open_packet(&engine.config, &sid, transport, format.revision)));
        }
        engine.observers.see(Some(&sid), || What::Opened {
            exchange,
            transport,
            revision: format.revision,
            base64: format.base64,
            handshake: &handshake,
        });
        let layer = application.open(
            Opened {
                sid,
                revision: format.revision,
                transport,
                mailbox: handle.mailbox.clone(),
                handshake,
                observers: engine.observers.clone(),
            },
            now,
        );
        Session {
            machine: StateMachine::new(engine, format.revision, transport, now),
            mailbox,
            handle,
            received: 0,
            sent: u32::from(link.is_none()),
            close_code: None,
            rounds: 0,
            stirred: true,
            held_back: false,
            moved: false,
            taken: 0,
            reason: None,
            link,
            probe: None,
            inbox: Inbox::new(),
            stalled: Stalled::default(),
            progress: Progress::default(),
            layer,
            outbox: Outbox::default(),
        }
    }
}
