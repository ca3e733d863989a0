//! Drives a client's own side of a session: moves its bytes, and tells it the time.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use bytestring::ByteString;
use engineio::client::{
    ClientConfig, ClientEnding, ClientInput, ClientOutput, ClientSession, HttpAnswer, OpenPacket,
};
use engineio::{Frame, Message, QueueError, Transport};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as Tungstenite;

use super::http::{Lane, Reply};
use super::outgoing::Outgoing;
use super::stream::Stream;
use super::target::Target;
use super::websocket::{OpenedWebSocket, WebSocketError};
use crate::tasks::with_its_panic;

/// Inputs that may wait before whoever sends them does.
const WAITING: usize = 64;

/// How long the last frames of a WebSocket may take.
const GOODBYE: Duration = Duration::from_secs(2);

/// Stands for the code of a close frame that has none: RFC 6455, section 7.1.5.
const NO_CODE: u16 = 1005;

type Socket = WebSocketStream<Box<dyn Stream>>;

/// What a session brings.
#[derive(Debug)]
pub(crate) enum DriverEvent {
    Opened,
    Message(Message),
    Upgraded,
    UpgradeFailed(String),
    /// There is [room](Driver::has_room) again.
    Room,
    /// It is over; what the wires said, if they did, in words.
    Ended(ClientEnding, Option<String>),
    /// Something went over the wires: whether this side sent it, as what, and its bytes.
    Wire {
        sent: bool,
        kind: WireKind,
        bytes: Bytes,
    },
}

/// What went over the wires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WireKind {
    Payload,
    Text,
    Binary,
}

/// What a task tells: what happened, and the words for it if it went wrong.
type News = (ClientInput, Option<String>);

/// A session with its wires.
pub(crate) struct Driver {
    target: Arc<Target>,
    machine: ClientSession,
    events: VecDeque<DriverEvent>,
    news: mpsc::Receiver<News>,
    tell: mpsc::Sender<News>,
    tasks: JoinSet<()>,
    get: Arc<Mutex<Lane>>,
    post: Arc<Mutex<Lane>>,
    /// What goes out on the WebSocket.
    websocket: Option<Outgoing>,
    /// The bytes that may wait there: then nothing more is taken to be sent.
    budget: usize,
    /// Whether that much waited when [`next`](Driver::next) looked last.
    full: bool,
    /// The tasks that write and read WebSockets: they may outlive the session for a moment.
    websockets: JoinSet<()>,
    /// Whether messages go by WebSocket, and whether all of them were written.
    by_websocket: bool,
    written: Arc<AtomicBool>,
    /// The latest words of what went wrong on the wires.
    trouble: Option<String>,
    /// Frames of this side, until the driver is at work again.
    outputs: Vec<ClientOutput>,
}

impl Driver {
    pub(crate) fn open(target: Arc<Target>, config: ClientConfig) -> Driver {
        let (mut outputs, budget) = (Vec::new(), config.send_budget);
        let by_websocket = config.transport == Transport::WebSocket;
        let machine = ClientSession::new(config, Instant::now().into_std(), &mut outputs);
        let (tell, news) = mpsc::channel(WAITING);
        Driver {
            target,
            machine,
            events: VecDeque::new(),
            news,
            tell,
            tasks: JoinSet::new(),
            get: Arc::default(),
            post: Arc::default(),
            websocket: None,
            budget,
            full: false,
            websockets: JoinSet::new(),
            by_websocket,
            written: Arc::default(),
            trouble: None,
            outputs,
        }
    }

    /// Queues messages, which go out while [`next`](Driver::next) is waited for.
    ///
    /// # Errors
    /// If too much waits, or the session is over.
    pub(crate) fn send(&mut self, frames: &[Frame]) -> Result<(), QueueError> {
        if !self.has_room() {
            return Err(QueueError::Full);
        }
        self.machine.send(frames, &mut self.outputs)
    }

    /// Ends the session. The end comes as an event.
    pub(crate) fn close(&mut self) {
        self.machine.handle(Instant::now().into_std(), ClientInput::Close, &mut self.outputs);
    }

    /// What the server said when the session opened.
    pub(crate) fn opened(&self) -> Option<&OpenPacket> {
        self.machine.opened()
    }

    /// Whether more may wait to be sent.
    pub(crate) fn has_room(&self) -> bool {
        self.machine.queued() < self.budget
            && self.websocket.as_ref().is_none_or(|websocket| websocket.bytes() < self.budget)
    }

    /// What happens next. After the end there is nothing any more, and this waits for ever. Nothing is lost if this is
    /// dropped before it is ready.
    pub(crate) async fn next(&mut self) -> DriverEvent {
        loop {
            self.carry_out();
            let full = !self.has_room();
            if std::mem::replace(&mut self.full, full) && !full {
                self.events.push_back(DriverEvent::Room);
            }
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            let deadline = self.machine.deadline().map(Instant::from_std);
            let waits = self.websocket.as_ref().is_some_and(Outgoing::is_waiting);
            let (input, trouble) = tokio::select! {
                // However much waits to be sent: a server may read once it is read.
                Some(news) = self.news.recv() => news,
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                    (ClientInput::Timeout, None)
                }
                () = hand_over(&mut self.websocket), if waits => continue,
                Some(done) = self.tasks.join_next() => {
                    with_its_panic(done);
                    continue;
                }
                else => std::future::pending().await,
            };
            self.trouble = trouble.or(self.trouble.take());
            self.see(&input);
            self.machine.handle(Instant::now().into_std(), input, &mut self.outputs);
        }
    }

    /// Waits until the last frames have gone out and the server has closed the WebSocket as well. If this side went
    /// without reading what is still on its way, the system would reset the connection, and what the server has not yet
    /// read would be lost. Says whether all went out: a server may be too slow, or gone.
    pub(crate) async fn finish(mut self) -> bool {
        self.carry_out();
        self.close_websocket();
        self.news.close();
        let _ = timeout(GOODBYE, async {
            while let Some(done) = self.websockets.join_next().await {
                with_its_panic(done);
            }
        })
        .await;
        !self.by_websocket || self.written.load(Ordering::Acquire)
    }

    /// Closes the WebSocket after the last message that waits for it.
    fn close_websocket(&mut self) {
        if let Some(websocket) = self.websocket.take() {
            self.websockets.spawn(websocket.finish());
        }
    }

    /// What came in, for those who look at the wires.
    fn see(&mut self, input: &ClientInput) {
        let (kind, bytes) = match input {
            ClientInput::GetAnswered(answer) => (WireKind::Payload, answer.body.clone()),
            ClientInput::Text(text) => (WireKind::Text, text.as_bytes().clone()),
            ClientInput::Binary(bytes) => (WireKind::Binary, bytes.clone()),
            _ => return,
        };
        self.events.push_back(DriverEvent::Wire { sent: false, kind, bytes });
    }

    fn carry_out(&mut self) {
        for output in std::mem::take(&mut self.outputs) {
            match output {
                ClientOutput::Get => self.request(None),
                ClientOutput::Post(body) => {
                    let bytes = body.clone();
                    self.events.push_back(DriverEvent::Wire { sent: true, kind: WireKind::Payload, bytes });
                    self.request(Some(body));
                }
                ClientOutput::OpenWebSocket => self.open_websocket(),
                ClientOutput::SendText(text) => {
                    let bytes = text.as_bytes().clone();
                    self.events.push_back(DriverEvent::Wire { sent: true, kind: WireKind::Text, bytes });
                    self.write(Tungstenite::text(text.to_string()));
                }
                ClientOutput::SendBinary(bytes) => {
                    let seen = bytes.clone();
                    self.events.push_back(DriverEvent::Wire {
                        sent: true,
                        kind: WireKind::Binary,
                        bytes: seen,
                    });
                    self.write(Tungstenite::Binary(bytes));
                }
                ClientOutput::CloseWebSocket => self.close_websocket(),
                ClientOutput::Opened(_) => self.events.push_back(DriverEvent::Opened),
                ClientOutput::Message(message) => self.events.push_back(DriverEvent::Message(message)),
                ClientOutput::Upgraded => {
                    // There are no more requests.
                    (self.get, self.post) = Default::default();
                    self.by_websocket = true;
                    self.events.push_back(DriverEvent::Upgraded);
                }
                ClientOutput::UpgradeFailed => {
                    let why = self.trouble.take().unwrap_or_else(|| "the probe got no answer".to_owned());
                    self.events.push_back(DriverEvent::UpgradeFailed(why));
                }
                ClientOutput::Ended(ending) => {
                    self.tasks.abort_all();
                    self.close_websocket();
                    self.events.push_back(DriverEvent::Ended(ending, self.trouble.take()));
                }
            }
        }
    }

    fn write(&mut self, message: Tungstenite) {
        if let Some(websocket) = &mut self.websocket {
            websocket.push(message);
        }
    }

    /// A GET, or a POST with that body.
    fn request(&mut self, body: Option<Bytes>) {
        let (target, tell) = (self.target.clone(), self.tell.clone());
        let query = self.machine.query(Transport::Polling);
        let (lane, answered): (_, fn(HttpAnswer) -> ClientInput) = match body {
            None => (self.get.clone(), ClientInput::GetAnswered),
            Some(_) => (self.post.clone(), ClientInput::PostAnswered),
        };
        self.tasks.spawn(async move {
            let mut lane = lane.lock().await;
            let reply = match body {
                None => lane.get(&target, &query).await,
                Some(body) => lane.post(&target, &query, body).await,
            };
            let news = match reply {
                Ok(reply) => (answered(answer(reply)), None),
                Err(error) => (ClientInput::RequestFailed, Some(error.to_string())),
            };
            let _ = tell.send(news).await;
        });
    }

    fn open_websocket(&mut self) {
        let (target, tell) = (self.target.clone(), self.tell.clone());
        let query = self.machine.query(Transport::WebSocket);
        let (websocket, queue) = Outgoing::new();
        self.websocket = Some(websocket);
        let (hand_over, opened) = oneshot::channel::<Socket>();
        let (told, written) = (tell.clone(), self.written.clone());
        self.websockets.spawn(async move {
            if let Ok(stream) = opened.await {
                let (sink, stream) = stream.split();
                tokio::join!(write(sink, queue, &written), read(stream, told));
            }
        });
        self.tasks.spawn(async move {
            let news = match OpenedWebSocket::open(&target, &query).await {
                Ok(OpenedWebSocket { stream }) => {
                    let _ = tell.send((ClientInput::WebSocketOpened, None)).await;
                    let _ = hand_over.send(stream);
                    return;
                }
                Err(WebSocketError::Refused(reply)) => {
                    let words = format!("the server answered {} to the WebSocket", reply.status);
                    (ClientInput::WebSocketRefused(answer(*reply)), Some(words))
                }
                Err(WebSocketError::Failed(problem)) => {
                    (ClientInput::WebSocketClosed { code: None }, Some(problem))
                }
            };
            let _ = tell.send(news).await;
        });
    }
}

async fn hand_over(websocket: &mut Option<Outgoing>) {
    if let Some(websocket) = websocket {
        websocket.hand_over().await;
    }
}

fn answer(reply: Reply) -> HttpAnswer {
    HttpAnswer { status: reply.status, binary: reply.is_binary(), body: reply.body }
}

/// Writes what the queue brings, and a close frame after it.
async fn write(
    mut sink: SplitSink<Socket, Tungstenite>,
    mut queue: mpsc::Receiver<Tungstenite>,
    written: &AtomicBool,
) {
    while let Some(message) = queue.recv().await {
        if sink.send(message).await.is_err() {
            return;
        }
    }
    written.store(true, Ordering::Release);
    let _ = sink.close().await;
}

/// Reads a WebSocket to its end, also when nobody listens any more. Pings are answered by tungstenite.
async fn read(mut stream: SplitStream<Socket>, tell: mpsc::Sender<News>) {
    let mut code = None;
    let trouble = loop {
        let input = match stream.next().await {
            Some(Ok(Tungstenite::Text(text))) => ClientInput::Text(ByteString::from(text.as_str())),
            Some(Ok(Tungstenite::Binary(bytes))) => ClientInput::Binary(bytes),
            Some(Ok(Tungstenite::Close(frame))) => {
                code = Some(frame.map_or(NO_CODE, |frame| u16::from(frame.code)));
                continue;
            }
            Some(Ok(_)) => continue,
            Some(Err(error)) => break Some(error.to_string()),
            None => break None,
        };
        let _ = tell.send((input, None)).await;
    };
    let _ = tell.send((ClientInput::WebSocketClosed { code }, trouble)).await;
}
