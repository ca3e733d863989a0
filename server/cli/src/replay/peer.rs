//! A client that does what a script says.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use bytestring::ByteString;
use engineio::observe::PacketView;
use engineio::{Packet, PayloadFormat};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use http_body_util::Full;
use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::Message as Tungstenite;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::compare::{Heard, text};
use super::fetch::fetch;
use super::script::{Act, Opcode, Request, Script};
use super::settings::Replay;
use crate::tasks::with_its_panic;

/// Header fields that belong to a connection and not to what was asked.
const CONNECTION_FIELDS: [&str; 6] =
    ["accept-encoding", "connection", "content-length", "host", "transfer-encoding", "upgrade"];

/// Header fields that a journal holds only if it was told to.
const SECRET_FIELDS: [&str; 4] = ["authorization", "cookie", "proxy-authorization", "set-cookie"];

/// What the server has to read a poll before the next request, which comes on another connection. A POST may end the
/// session, and a poll that is read after that is refused.
const HEAD_START: Duration = Duration::from_millis(5);

/// What the server said so far.
#[derive(Default)]
struct Ear {
    heard: Mutex<Heard>,
    /// The session's id.
    sid: Mutex<Option<String>>,
    /// The last poll.
    poll: Mutex<Poll>,
    /// Which requests of the journal are polls that brought heartbeats alone.
    idle: BTreeSet<u64>,
    /// Whoever posts holds this: POSTs that overlap break the protocol, and pongs are posted as pings come.
    posting: tokio::sync::Mutex<()>,
    news: Notify,
}

/// The last GET of a client.
#[derive(Default)]
enum Poll {
    /// There is none to go on from.
    #[default]
    None,
    /// It waits for its answer. In the journal it is the requests of these records: there a heartbeat may have answered
    /// where none has come here.
    Sent(Vec<u64>),
    /// Its answer brought something: the client polls again.
    Brought,
}

impl Ear {
    fn packet(&self, packet: &Packet) {
        if let Packet::Open(json) = packet
            && let Ok(open) = serde_json::from_str::<serde_json::Value>(json)
        {
            *self.sid.lock() = open["sid"].as_str().map(str::to_owned);
        }
        let view = PacketView::from(packet);
        let text = if view.binary {
            text(true, view.payload)
        } else {
            text(false, &[&[view.kind.digit()], view.payload].concat())
        };
        self.heard.lock().add(text);
        self.news.notify_waiters();
    }

    fn status(&self, record: u64, status: u16) {
        self.heard.lock().answered(record, status, self.idle.contains(&record));
        self.news.notify_waiters();
    }

    /// Waits until something is so, for as long as there is news in time.
    async fn wait(&self, patience: Duration, is_so: impl Fn(&Heard) -> bool) {
        loop {
            let news = self.news.notified();
            if is_so(&self.heard.lock()) || timeout(patience, news).await.is_err() {
                return;
            }
        }
    }
}

type Stream = WebSocketStream<TcpStream>;
type Sink = Arc<tokio::sync::Mutex<SplitSink<Stream, Tungstenite>>>;

/// A client under way.
struct Peer {
    against: String,
    patience: Duration,
    old_sid: Option<String>,
    format: PayloadFormat,
    ear: Arc<Ear>,
    /// Requests that wait for their answers, by their records.
    requests: HashMap<u64, JoinHandle<()>>,
    /// The last GET and the last POST: a client has one of each at a time.
    last: [Option<u64>; 2],
    /// The last GET.
    poll: Option<Request>,
    websockets: HashMap<u64, (Sink, JoinHandle<()>)>,
    /// A message of which fragments came.
    fragments: Option<(Opcode, Vec<u8>)>,
}

/// Plays a script; gives what the client heard.
pub(super) async fn play(script: Script, replay: Replay, began: Instant, first: f64) -> Heard {
    let mut peer = Peer {
        against: replay.against,
        patience: replay.patience,
        old_sid: script.sid.clone(),
        format: script.format,
        ear: Arc::new(Ear { idle: script.heard.idle.clone(), ..Ear::default() }),
        requests: HashMap::new(),
        last: [None; 2],
        poll: None,
        websockets: HashMap::new(),
        fragments: None,
    };
    for step in &script.steps {
        if !replay.fast {
            let pause = Duration::from_secs_f64(((step.time - first) / 1e3).max(0.0));
            tokio::time::sleep_until(began + pause).await;
        }
        let has_heard = |heard: &Heard| heard.reaches(step.packets, step.probes, step.answers);
        peer.hear(step.packets, has_heard).await;
        match &step.act {
            Act::Request(request) if request.is_websocket() => peer.open(request).await,
            Act::Request(request) => peer.request(request).await,
            Act::Abort(record) => peer.abort(*record),
            Act::Frame { websocket, opcode, fin, payload } => {
                peer.frame(*websocket, *opcode, *fin, payload).await;
            }
        }
    }
    let (packets, answers) = (script.heard.packets.len(), script.heard.answers);
    let complete = |heard: &Heard| heard.reaches(packets, script.heard.probes, answers);
    peer.hear(packets, complete).await;
    // What comes beyond that is a difference, too.
    if complete(&peer.ear.heard.lock()) {
        peer.ear.wait(Duration::from_millis(100), |heard| heard.packets.len() > packets).await;
    }
    // A poll that waits was taken: it would be refused at once. What it brings was heard by others.
    let poll = std::mem::take(&mut *peer.ear.poll.lock());
    if let Poll::Sent(records) = poll {
        records.iter().for_each(|record| peer.ear.status(*record, 200));
    }
    peer.requests.values().for_each(JoinHandle::abort);
    peer.websockets.values().for_each(|(_, reading)| reading.abort());
    std::mem::take(&mut *peer.ear.heard.lock())
}

impl Peer {
    /// Waits until the client has heard enough, for as long as there is news in time. A server may spread over
    /// several polls what another sent with one, so it is polled until there are as many `packets`.
    async fn hear(&mut self, packets: usize, enough: impl Fn(&Heard) -> bool) {
        loop {
            let ear = self.ear.clone();
            let polls_again =
                |heard: &Heard| heard.packets.len() < packets && matches!(*ear.poll.lock(), Poll::Brought);
            ear.wait(self.patience, |heard| enough(heard) || polls_again(heard)).await;
            if !polls_again(&ear.heard.lock()) {
                return;
            }
            let Some(poll) = self.poll.clone() else { return };
            self.send(&poll, None).await;
        }
    }

    /// A request's target, with this session's id in the place of that in the journal.
    fn target(&self, request: &Request) -> String {
        match (&self.old_sid, &*self.ear.sid.lock()) {
            (Some(old), Some(new)) => request.target.replace(old.as_str(), new),
            _ => request.target.clone(),
        }
    }

    fn fields<'a>(&self, request: &'a Request) -> impl Iterator<Item = &'a (String, String)> + use<'a> {
        request.headers.iter().filter(|(name, value)| {
            let starred = SECRET_FIELDS.contains(&name.as_str()) && value.bytes().all(|byte| byte == b'*');
            !starred && !CONNECTION_FIELDS.contains(&name.as_str()) && !name.starts_with("sec-websocket-")
        })
    }

    async fn request(&mut self, request: &Request) {
        if !request.overlaps
            && request.heard.is_some_and(|heard| self.ear.heard.lock().packets.len() >= heard)
        {
            // An earlier poll has brought here what this one brought there.
            return self.ear.status(request.record, 200);
        }
        if let Poll::Sent(records) = &mut *self.ear.poll.lock()
            && request.method == "GET"
            && !request.overlaps
        {
            // The one that waits is this one, too: a second would overlap with it.
            records.push(request.record);
            return;
        }
        self.send(request, Some(request.record)).await;
    }

    /// Leaves a request alone that waits for its answer.
    fn abort(&mut self, record: u64) {
        let mut poll = self.ear.poll.lock();
        let polled = matches!(&*poll, Poll::Sent(records) if records.contains(&record));
        let sent = if polled { self.last[0] } else { Some(record) };
        if polled {
            *poll = Poll::None;
        }
        if let Some(task) = sent.and_then(|sent| self.requests.remove(&sent)) {
            task.abort();
        }
    }

    /// Sends a request, which is that of `record` in the journal, or none.
    async fn send(&mut self, request: &Request, record: Option<u64>) {
        let kind = usize::from(request.method == "POST");
        // The last one of its kind is answered, or its client would not go on.
        if let Some(last) = self.last[kind].replace(request.record)
            && !request.overlaps
            && let Some(task) = self.requests.get_mut(&last)
        {
            answered(self.patience, task).await;
        }
        if request.method == "POST" && request.body == b"3" {
            // Pings are answered as they come.
            return self.ear.status(request.record, 200);
        }
        let mut built = http::Request::builder().method(request.method.as_str()).uri(self.target(request));
        built = built.header("host", &self.against).header("connection", "close");
        for (name, value) in self.fields(request) {
            built = built.header(name, value);
        }
        let Ok(built) = built.body(Full::new(Bytes::from(request.body.clone()))) else { return };
        let opens = self.old_sid.is_some() && self.ear.sid.lock().is_none();
        let polls = kind == 0 && !opens && self.old_sid.is_some();
        if polls {
            *self.ear.poll.lock() = Poll::Sent(record.into_iter().collect());
            self.poll = Some(request.clone());
        }
        let (ear, against, format) = (self.ear.clone(), self.against.clone(), self.format);
        let pong = self.target(request);
        let (sent, mut on_its_way) = mpsc::channel(1);
        let task = tokio::spawn(async move {
            loop {
                let turn = if kind == 1 { Some(ear.posting.lock().await) } else { None };
                let fetched = fetch(&against, built.clone(), &sent).await;
                drop(turn);
                let Some((status, binary, body)) = fetched else { return };
                let packets: Vec<Packet> = match (status, kind) {
                    (200, 0) => format.reader(body, binary, usize::MAX).map_while(Result::ok).collect(),
                    _ => Vec::new(),
                };
                let beat = |packet: &Packet| matches!(packet, Packet::Ping(_) | Packet::Pong(_));
                let pinged = packets.contains(&Packet::Ping(ByteString::new()));
                // The server sets the pace of heartbeats, so the client polls on after one.
                let again = polls && !packets.is_empty() && packets.iter().all(beat);
                let mut records: Vec<u64> = record.into_iter().collect();
                if polls {
                    let next = if again {
                        Poll::Sent(Vec::new())
                    } else if packets.iter().any(|packet| !beat(packet) && *packet != Packet::Noop) {
                        Poll::Brought
                    } else {
                        Poll::None
                    };
                    // Before anybody can hear what it brought, and poll after that.
                    if let Poll::Sent(sent) = std::mem::replace(&mut *ear.poll.lock(), next) {
                        records = sent;
                    }
                }
                packets.iter().for_each(|packet| ear.packet(packet));
                records.iter().for_each(|record| ear.status(*record, status));
                ear.news.notify_waiters();
                if pinged {
                    let pong =
                        http::Request::post(&pong).header("host", &against).header("connection", "close");
                    if let Ok(pong) = pong.body(Full::new(Bytes::from_static(b"3"))) {
                        let _turn = ear.posting.lock().await;
                        fetch(&against, pong, &sent).await;
                    }
                }
                if !again {
                    return;
                }
            }
        });
        if opens {
            // Everything else needs the session's id.
            answered(self.patience, &mut { task }).await;
        } else {
            self.requests.insert(request.record, task);
            // The server gets requests in the order of the journal, though each has a connection of its own.
            let _ = timeout(self.patience, on_its_way.recv()).await;
            if polls {
                tokio::time::sleep(HEAD_START).await;
            }
        }
    }

    async fn open(&mut self, request: &Request) {
        let target = format!("ws://{}{}", self.against, self.target(request));
        let Ok(mut built) = target.into_client_request() else { return };
        for (name, value) in self.fields(request) {
            if let (Ok(name), Ok(value)) =
                (http::HeaderName::try_from(name), http::HeaderValue::try_from(value))
            {
                built.headers_mut().insert(name, value);
            }
        }
        let Ok(stream) = TcpStream::connect(&self.against).await else { return };
        let opened = timeout(self.patience, client_async(built, stream)).await;
        let (stream, status) = match opened {
            Ok(Ok((stream, response))) => (stream, response.status().as_u16()),
            Ok(Err(tokio_tungstenite::tungstenite::Error::Http(response))) => {
                return self.ear.status(request.record, response.status().as_u16());
            }
            _ => return,
        };
        self.ear.status(request.record, status);
        let (sink, stream) = stream.split();
        let sink = Arc::new(tokio::sync::Mutex::new(sink));
        let reading = tokio::spawn(listen(stream, sink.clone(), self.ear.clone(), self.format));
        self.websockets.insert(request.record, (sink, reading));
        if self.old_sid.is_some() {
            let ear = self.ear.clone();
            ear.wait(self.patience, |_| ear.sid.lock().is_some()).await;
        }
    }

    async fn frame(&mut self, websocket: u64, opcode: Opcode, fin: bool, payload: &[u8]) {
        let Some((sink, _)) = self.websockets.get(&websocket) else { return };
        let (opcode, payload) = match (opcode, &mut self.fragments) {
            (Opcode::Continuation, Some((_, whole))) => {
                whole.extend_from_slice(payload);
                if !fin {
                    return;
                }
                let Some(whole) = self.fragments.take() else { return };
                whole
            }
            (Opcode::Text | Opcode::Binary, _) if !fin => {
                self.fragments = Some((opcode, payload.to_vec()));
                return;
            }
            _ => (opcode, payload.to_vec()),
        };
        let message = match opcode {
            // Pings are answered as they come.
            Opcode::Text if payload == b"3" => return,
            Opcode::Text => Tungstenite::text(String::from_utf8_lossy(&payload).into_owned()),
            Opcode::Binary => Tungstenite::binary(payload),
            Opcode::Close => Tungstenite::Close(None),
            Opcode::Ping => Tungstenite::Ping(payload.into()),
            Opcode::Pong | Opcode::Continuation => return,
        };
        // If the server has closed it, what is missing will show.
        drop(sink.lock().await.send(message).await);
    }
}

/// Waits for the end of a request, for as long as it may take.
async fn answered(patience: Duration, task: &mut JoinHandle<()>) {
    if let Ok(done) = timeout(patience, task).await {
        with_its_panic(done);
    }
}

/// Reads a WebSocket, and answers its pings.
async fn listen(mut stream: SplitStream<Stream>, sink: Sink, ear: Arc<Ear>, format: PayloadFormat) {
    while let Some(Ok(message)) = stream.next().await {
        let packet = match message {
            Tungstenite::Text(text) => Packet::decode_text(&ByteString::from(text.as_str()), format.revision),
            Tungstenite::Binary(bytes) => Packet::decode_binary(&bytes, format.revision),
            _ => continue,
        };
        let Ok(packet) = packet else { continue };
        ear.packet(&packet);
        if packet == Packet::Ping(ByteString::new()) {
            drop(sink.lock().await.send(Tungstenite::text("3")).await);
        }
    }
}
