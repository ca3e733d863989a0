//! A client for tests: it speaks to a [`Client`] as a session's driver would, with a clock of its own.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use engineio::observe::Observers;
use engineio::{
    Application, Attached, CloseReason, Frame, HandshakeRequest, Headers, Layer, Mailbox, MailboxReceiver,
    Message, Opened, Outlet, Revision, Sid, Transport,
};

use crate::Client;
use crate::io::Io;

/// Bytes that may wait in a test's mailbox.
pub(crate) const BUDGET: usize = 1_000_000;

pub(crate) struct Peer {
    pub(crate) client: Client,
    pub(crate) mailbox: Arc<Mailbox>,
    driver: MailboxReceiver,
    pub(crate) sid: Sid,
    now: Instant,
}

impl Peer {
    /// A session of revision 4, in no namespace.
    pub(crate) fn open(io: &Io) -> Peer {
        Peer::open_with(io, Revision::V4)
    }

    /// A session of revision 4 that has joined `/`.
    pub(crate) fn join(io: &Io) -> Peer {
        let mut peer = Peer::open(io);
        peer.send("0");
        assert!(peer.next().starts_with(r#"0{"sid":""#));
        peer
    }

    pub(crate) fn open_with(io: &Io, revision: Revision) -> Peer {
        Peer::open_watched(io, revision, Observers::default())
    }

    pub(crate) fn open_watched(io: &Io, revision: Revision, observers: Observers) -> Peer {
        let (sid, now) = (Sid::generate(), Instant::now());
        let (mailbox, driver) = Mailbox::new(BUDGET).split();
        let handshake = HandshakeRequest {
            time: SystemTime::now(),
            address: Some(([127, 0, 0, 1], 50_000).into()),
            secure: false,
            url: "/socket.io/?EIO=4&transport=polling&t=1".into(),
            headers: Headers::new([("User-Agent", &b"test"[..])].into_iter()),
            attached: Attached::default(),
        };
        let opened = Opened {
            sid,
            revision,
            transport: Transport::Polling,
            mailbox: Arc::clone(&mailbox),
            handshake,
            observers,
        };
        Peer { client: io.open(opened, now), mailbox, driver, sid, now }
    }

    /// Sends a text message: a Socket.IO packet without the `4` of Engine.IO.
    pub(crate) fn send(&mut self, text: &str) {
        self.send_message(Message::Text(text.into()));
    }

    pub(crate) fn send_message(&mut self, message: Message) {
        self.client.message(message, self.now);
    }

    pub(crate) fn send_binary(&mut self, bytes: &'static [u8]) {
        self.send_message(Message::Binary(Bytes::from_static(bytes)));
    }

    /// The frames that have been sent, as they are. They count as written.
    pub(crate) fn take_frames(&mut self) -> Vec<Frame> {
        let mut frames = VecDeque::new();
        self.driver.take(&mut frames);
        self.driver.written(frames.iter().map(Frame::cost).sum());
        frames.into()
    }

    /// What has been sent: text without the `4`, and binary as `b:…`.
    pub(crate) fn take(&mut self) -> Vec<String> {
        let text = |frame: &Frame| match (frame.is_binary(), String::from_utf8_lossy(frame.packet())) {
            (true, packet) => format!("b:{packet}"),
            (false, packet) => packet[1..].to_owned(),
        };
        self.take_frames().iter().map(text).collect()
    }

    /// The only thing that has been sent.
    pub(crate) fn next(&mut self) -> String {
        let mut sent = self.take();
        assert_eq!(sent.len(), 1, "sent: {sent:?}");
        sent.remove(0)
    }

    /// Does as a driver that has nothing to do and could write: volatile events are taken then.
    pub(crate) fn sleep(&mut self) {
        self.driver.look(Outlet::Open);
        let _ = self.driver.poll_left(&mut Context::from_waker(Waker::noop()), Outlet::Open);
    }

    /// Runs the commands left for the client.
    pub(crate) fn poll(&mut self) {
        self.client.poll(self.now);
    }

    /// Waits until something is left for the client, and runs it.
    pub(crate) async fn woken(&mut self) {
        self.left(Outlet::Shut).await;
    }

    async fn left(&mut self, outlet: Outlet) {
        poll_fn(|cx| self.driver.poll_left(cx, outlet)).await;
        self.driver.look(outlet);
        self.poll();
    }

    /// Waits until something is sent, and gives it.
    pub(crate) async fn receive(&mut self) -> Vec<String> {
        loop {
            let sent = self.take();
            if !sent.is_empty() {
                return sent;
            }
            self.left(Outlet::Open).await;
        }
    }

    pub(crate) fn advance(&mut self, time: Duration) {
        self.now += time;
    }

    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.client.deadline().map(|deadline| deadline - self.now)
    }

    /// The reason of a close that was asked for. The session ends with it, as a driver does it.
    pub(crate) fn close_requested(&mut self) -> Option<CloseReason> {
        let reason = self.driver.take_close()?;
        self.close(reason);
        Some(reason)
    }

    /// The session ends.
    pub(crate) fn close(&mut self, reason: CloseReason) {
        self.driver.shut();
        self.client.closed(reason);
    }

    /// Sends what must end the session, and says with which reason it does.
    pub(crate) fn sending_closes(&mut self, text: &str) -> Option<CloseReason> {
        self.send(text);
        self.close_requested()
    }
}
