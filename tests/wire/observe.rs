//! What those who watch get to see: everything, in order, and once.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use engineio::EngineConfig;
use engineio::observe::{Observation, Observer, What};
use socketio::{Io, Note, Socket};
use socketio_server::Server;
use socketio_server_cli::apps;
use socketio_tests::{Received, TestServer, WebSocket};

use crate::probing;

/// Notes each observation as a line.
#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

impl Observer for Notes {
    fn observe(&self, observation: &Observation<'_>) {
        let mut line = String::from(if observation.sid.is_some() { "" } else { "- " });
        let text = String::from_utf8_lossy;
        let written = match observation.what {
            What::Request(request) => {
                let path = request.target.split('?').next().unwrap_or_default();
                write!(line, "request {} {path}", request.method)
            }
            What::RequestBody { body, .. } => write!(line, "body {}", text(body)),
            What::Refused { refusal, .. } => write!(line, "refused {}", refusal.name()),
            What::Response(response) => write!(line, "response {} {}", response.status, text(response.body)),
            What::Aborted { .. } => write!(line, "aborted"),
            What::Opened { transport, revision, .. } => {
                write!(line, "opened {} {}", transport.as_str(), revision.number())
            }
            What::ProbeOpened => write!(line, "probe opened"),
            What::ProbeDropped => write!(line, "probe dropped"),
            What::Upgraded { transport } => write!(line, "upgraded {}", transport.as_str()),
            What::Closed { reason, transport } => write!(line, "closed {} {reason}", transport.as_str()),
            What::Ended { transport } => write!(line, "ended {}", transport.as_str()),
            What::Frame(frame) => {
                let (direction, carrier) = (frame.direction, frame.carrier);
                let payload = shown(frame.opcode == 2, frame.payload);
                write!(line, "frame {direction:?} {carrier:?} {} {payload}", frame.opcode)
            }
            What::Packet { direction, carrier, packet } => {
                let digit = char::from(packet.kind.digit());
                let payload = shown(packet.binary, packet.payload);
                write!(line, "packet {direction:?} {carrier:?} {digit} {payload}")
            }
            What::SocketPacket { direction, packet } => {
                let id = packet.id.map(|id| format!(" {id}")).unwrap_or_default();
                write!(line, "socket {direction:?} {} {}{id} {}", packet.kind, packet.nsp, packet.payload)
            }
            What::Attachment { direction, bytes } => write!(line, "attachment {direction:?} {bytes:?}"),
            What::Joined { nsp, .. } => write!(line, "joined {nsp}"),
            What::RoomJoined { nsp, room, .. } => write!(line, "joined room {room} of {nsp}"),
            What::RoomLeft { nsp, room, .. } => write!(line, "left room {room} of {nsp}"),
            What::PlainOpened { .. } => write!(line, "plain opened"),
            What::PlainEnded { code, reason } => write!(line, "plain ended {code} {reason}"),
            What::Left { nsp, reason, .. } => write!(line, "left {nsp} {reason}"),
            What::Note { nsp, note, .. } => {
                write!(line, "note {nsp} {} {} {}", note.source, note.name, note.text)
            }
            What::Handled { nsp, name, .. } => write!(line, "handled {nsp} {name}"),
            What::Violation { rule, error, .. } => write!(line, "violation {rule}: {error}"),
            What::Limit(limit) => write!(line, "limit {}", limit.name()),
            other => panic!("new: {other:?}"),
        };
        written.expect("a string takes everything");
        self.0.lock().expect("nothing has panicked").push(line);
    }
}

fn shown(binary: bool, bytes: &[u8]) -> String {
    if binary { format!("{bytes:?}") } else { String::from_utf8_lossy(bytes).into_owned() }
}

impl Notes {
    /// What was seen since the last call, without what differs from run to run.
    fn take(&self) -> Vec<String> {
        let lines = std::mem::take(&mut *self.0.lock().expect("nothing has panicked"));
        lines.into_iter().map(|line| line.split("{\"sid\"").next().unwrap_or_default().to_owned()).collect()
    }

    /// Waits until a line is there, and takes all.
    async fn take_until(&self, last: &str) -> Vec<String> {
        while !self.0.lock().expect("nothing has panicked").iter().any(|line| line == last) {
            tokio::task::yield_now().await;
        }
        self.take()
    }
}

async fn watched(config: EngineConfig) -> (TestServer, Arc<Notes>) {
    let notes = Arc::new(Notes::default());
    let observer = notes.clone();
    (TestServer::echo_with(config, |builder| builder.observer(observer)).await, notes)
}

#[tokio::test]
async fn what_the_application_notes_is_seen_with_its_session() {
    let notes = Arc::new(Notes::default());
    let io = Io::new();
    io.on_sync("price", |socket: Socket, name: String| {
        socket.note(Note { source: "database", name: "price", text: &name, took: None });
        7
    });
    let builder = Server::builder().socketio("/socket.io/", io).observer(notes.clone());
    let server = TestServer::start(builder).await;
    let mut client = server.websocket("/socket.io/?EIO=4&transport=websocket").await;
    client.next_text().await;
    client.text("40").await;
    client.next_text().await;
    client.text(r#"421["price","tea"]"#).await;
    assert_eq!(client.next_text().await, "431[7]");
    let seen = notes.take_until("note / database price tea").await;
    let place = |line: &str| seen.iter().position(|seen| seen == line);
    assert!(place(r#"socket In 2 / 1 ["price","tea"]"#) < place("note / database price tea"), "{seen:?}");
}

#[tokio::test]
async fn polling_and_its_upgrade_are_seen_in_order() {
    let (server, notes) = watched(EngineConfig::default()).await;
    let target = server.open_polling("/socket.io/", 4).await;
    assert_eq!(
        notes.take(),
        ["- request GET /socket.io/", "opened polling 4", "packet Out Get 0 ", "- response 200 0",]
    );
    server.post(&target, "40").await;
    let post = [
        "- request POST /socket.io/",
        "body 40",
        "packet In Post 4 0",
        "socket In 0 / ",
        "joined /",
        "joined room all of /",
        "handled / on_connect",
    ];
    let seen = notes.take();
    assert_eq!(seen[..7], post);
    assert_eq!(seen.last().map(String::as_str), Some("- response 200 ok"));

    assert!(server.get(&target).await.text().starts_with("40{"));
    let get = ["- request GET /socket.io/", "packet Out Get 4 0", "socket Out 0 / "];
    let seen = notes.take();
    assert_eq!(seen[..3], get);
    assert!(seen.last().is_some_and(|line| line.starts_with("- response 200 40")), "{seen:?}");

    let mut poll = server.connect().await;
    poll.send("GET", &target, &[], b"").await;
    notes.take_until("- request GET /socket.io/").await;
    let mut websocket = server.websocket(&probing(&target)).await;
    websocket.text("2probe").await;
    assert_eq!(websocket.next_text().await, "3probe");
    assert_eq!(poll.response().await.text(), "6");
    let probe = [
        "- request GET /socket.io/",
        "- response 101 ",
        "probe opened",
        "frame In Probe 1 2probe",
        "packet In Probe 2 probe",
        "frame Out Probe 1 3probe",
        "packet Out Probe 3 probe",
        "packet Out Get 6 ",
        "- response 200 6",
    ];
    assert_eq!(notes.take(), probe);

    websocket.text("5").await;
    websocket.text(r#"451-["message",{"_placeholder":true,"num":0}]"#).await;
    websocket.binary([1, 2]).await;
    assert!(websocket.next_text().await.starts_with("451-"));
    assert_eq!(websocket.next().await, Received::Binary(vec![1, 2]));
    let event = |direction| {
        let text = r#"51-["message",{"_placeholder":true,"num":0}]"#;
        [
            format!("frame {direction} WebSocket 1 4{text}"),
            format!("packet {direction} WebSocket 4 {text}"),
            format!("socket {direction} 5 / {}", &text[3..]),
            format!("frame {direction} WebSocket 2 [1, 2]"),
            format!("packet {direction} WebSocket 4 [1, 2]"),
            format!("attachment {direction} [1, 2]"),
        ]
    };
    let upgrade = ["frame In Probe 1 5", "packet In Probe 5 ", "upgraded websocket"].map(str::to_owned);
    let handled = ["handled / message".to_owned()];
    let echoed = event("Out").map(|line| line.replace("\"message\"", "\"message-back\""));
    assert_eq!(notes.take(), [&upgrade[..], &event("In"), &handled, &echoed].concat());

    websocket.text("41").await;
    websocket.text("1").await;
    assert_eq!(websocket.next().await, Received::Close(None));
    drop(websocket);
    let end = [
        "frame In WebSocket 1 41",
        "packet In WebSocket 4 1",
        "socket In 1 / ",
        "left / client namespace disconnect",
        "frame In WebSocket 1 1",
        "packet In WebSocket 1 ",
        "closed websocket transport close",
        "frame Out WebSocket 8 ",
        "ended websocket",
    ];
    assert_eq!(notes.take_until("ended websocket").await, end);
}

#[tokio::test]
async fn a_client_that_ends_the_connection_is_sent_no_close_frame() {
    let (server, notes) = watched(EngineConfig::default()).await;
    let mut websocket = WebSocket::open(server.address(), "/socket.io/?EIO=4&transport=websocket").await;
    websocket.next_text().await;
    notes.take();
    drop(websocket);
    let end = ["closed websocket transport close", "ended websocket"];
    assert_eq!(notes.take_until("ended websocket").await, end);
}

#[tokio::test]
async fn what_was_wrong_is_seen() {
    let (server, notes) = watched(EngineConfig { max_payload: 10, ..EngineConfig::default() }).await;
    assert_eq!(server.get("/engine.io/?EIO=9&transport=polling").await.status, 400);
    let seen = notes.take();
    assert_eq!(seen[..2], ["- request GET /engine.io/", "- refused UNSUPPORTED_PROTOCOL_VERSION"]);

    let target = server.open_polling("/engine.io/", 4).await;
    assert_eq!(server.post(&target, "4 is too long").await.status, 413);
    notes.take_until("- limit payload").await;
    server.post(&target, "9").await;
    let seen = notes.take_until("ended polling").await.join("\n");
    assert!(
        seen.contains("body 9\nviolation UNKNOWN_PACKET_TYPE: unknown packet type '9'\nclosed"),
        "{seen}"
    );

    let mut websocket = WebSocket::open(server.address(), "/socket.io/?EIO=4&transport=websocket").await;
    websocket.next_text().await;
    websocket.text("42").await;
    assert_eq!(websocket.next().await, Received::Close(None));
    drop(websocket);
    let seen = notes.take_until("ended websocket").await.join("\n");
    let violation =
        "packet In WebSocket 4 2\nsocket In 2 / \nviolation MISSING_PAYLOAD: an event without a payload";
    assert!(seen.contains(violation), "{seen}");

    let mut websocket = WebSocket::open(server.address(), "/socket.io/?EIO=4&transport=websocket").await;
    websocket.next_text().await;
    websocket.text("41").await;
    assert_eq!(websocket.next().await, Received::Close(None));
    drop(websocket);
    let seen = notes.take_until("ended websocket").await.join("\n");
    assert!(seen.contains("violation NOT_JOINED: "), "{seen}");
}

#[tokio::test]
async fn a_poll_whose_client_goes_away_is_seen() {
    let (server, notes) = watched(EngineConfig::default()).await;
    let target = server.open_polling("/engine.io/", 4).await;
    notes.take();
    let mut poll = server.connect().await;
    poll.send("GET", &target, &[], b"").await;
    notes.take_until("- request GET /engine.io/").await;
    drop(poll);
    let seen = notes.take_until("ended polling").await;
    let violation = "violation ABORTED_REQUEST: a request that the client abandoned";
    assert_eq!(seen, ["- aborted", violation, "closed polling transport error", "ended polling"]);
}

#[tokio::test]
async fn what_breaks_no_packet_but_a_rule_has_a_name_too() {
    let (server, notes) = watched(EngineConfig::default()).await;
    let ends = async |rule: &str, transport: &str| {
        let seen = notes.take_until(&format!("ended {transport}")).await;
        let violation = seen.iter().position(|line| line.starts_with(&format!("violation {rule}: ")));
        let closed = format!("closed {transport} transport error");
        let closed = seen.iter().position(|line| *line == closed);
        assert!(violation.is_some() && violation < closed, "{rule}: {seen:#?}");
    };
    let target = server.open_polling("/engine.io/", 4).await;
    let mut poll = server.connect().await;
    poll.send("GET", &target, &[], b"").await;
    notes.take_until("- request GET /engine.io/").await;
    server.get(&target).await;
    ends("OVERLAPPING_REQUEST", "polling").await;

    let target = server.open_polling("/engine.io/", 4).await;
    let binary = [("Content-Type", "application/octet-stream")];
    server.connect().await.request("POST", &target, &binary, b"4").await;
    ends("BINARY_PAYLOAD", "polling").await;

    for (revision, packet) in [(4, "2"), (3, "3")] {
        let target = format!("/engine.io/?EIO={revision}&transport=websocket");
        let mut websocket = server.websocket(&target).await;
        websocket.next_text().await;
        websocket.text(packet).await;
        assert_eq!(websocket.next().await, Received::Close(None));
        drop(websocket);
        ends("HEARTBEAT_DIRECTION", "websocket").await;
    }

    let target = server.open_polling("/engine.io/", 4).await;
    let mut probe = server.websocket(&probing(&target)).await;
    probe.text("2prob").await;
    assert_eq!(probe.next().await, Received::Close(None));
    let seen = notes.take_until("probe dropped").await.join("\n");
    let broken = "packet In Probe 2 prob\n\
        violation BROKEN_PROBE: a packet other than 2probe and 5 on a probing WebSocket\n";
    assert!(seen.contains(broken) && !seen.contains("closed"), "{seen}");
}

// proves: features/wish/traffic
#[tokio::test]
async fn rooms_are_seen_as_sockets_join_and_leave_them() {
    let notes = Arc::new(Notes::default());
    let io = Io::new();
    io.of("/").on("join", |socket: Socket, room: String| async move { socket.join(room).is_ok() });
    io.of("/").on("leave", |socket: Socket, room: String| async move { socket.leave(&room) });
    let builder = Server::builder().socketio("/socket.io/", io).observer(notes.clone());
    let server = TestServer::start(builder).await;
    let mut websocket = server.websocket("/socket.io/?EIO=4&transport=websocket").await;
    websocket.text("40").await;
    // In one room twice, and out of one that it is not in.
    for (event, room) in [("join", "a"), ("join", "a"), ("join", "b"), ("leave", "a"), ("leave", "c")] {
        websocket.text(format!("420[\"{event}\",\"{room}\"]")).await;
        while !websocket.next_text().await.starts_with("430") {}
    }
    websocket.text("41").await;
    let seen = notes.take_until("left / client namespace disconnect").await;
    let rooms: Vec<_> = seen.iter().filter(|line| line.contains(" room ")).collect();
    assert_eq!(rooms, ["joined room a of /", "joined room b of /", "left room a of /"]);
}

// proves: features/wish/traffic
#[tokio::test]
async fn a_plain_websocket_is_seen_from_its_request_to_its_end() {
    let notes = Arc::new(Notes::default());
    let server = Server::builder().observer(notes.clone());
    let echo = server.websocket("/ws", |request| std::future::ready(apps::plain_echo(request)));
    let server = TestServer::start(echo).await;
    let mut websocket = server.websocket("/ws").await;
    websocket.text("40{\"a\":1}").await;
    assert_eq!(websocket.next_text().await, "40{\"a\":1}");
    websocket.raw(WebSocket::frame(0x89, b"p")).await;
    assert_eq!(websocket.next().await, Received::Pong(b"p".to_vec()));
    websocket.raw(WebSocket::frame(0x88, b"\x03\xe8bye")).await;
    assert_eq!(websocket.next().await, Received::Close(Some(1000)));
    drop(websocket);
    let expected = [
        "- request GET /ws",
        "- response 101 ",
        "plain opened",
        "frame In WebSocket 1 40{\"a\":1}",
        "frame Out WebSocket 1 40{\"a\":1}",
        "frame In WebSocket 9 p",
        "frame Out WebSocket 10 p",
        "frame In WebSocket 8 \u{3}\u{fffd}bye",
        "frame Out WebSocket 8 \u{3}\u{fffd}bye",
        "plain ended 1000 bye",
    ];
    assert_eq!(notes.take_until("plain ended 1000 bye").await, expected);

    let mut websocket = server.websocket("/ws").await;
    websocket.raw(WebSocket::frame(0x83, b"")).await;
    assert_eq!(websocket.next().await, Received::Close(Some(1002)));
    drop(websocket);
    let seen = notes.take_until("plain ended 1002 ").await;
    let violation = seen.iter().find(|line| line.starts_with("violation "));
    assert_eq!(
        violation.map(String::as_str),
        Some("violation WEBSOCKET_OPCODE: a frame with the reserved opcode 3")
    );
}
