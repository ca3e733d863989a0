//! The journal: what is written, and that its documentation shows just that.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use engineio::EngineConfig;
use engineio::websocket::deflate::PerMessageDeflate;
use serde_json::Value;
use socketio::{Io, Note, Socket};
use socketio_server::Server;
use socketio_server::journal::{self, Carrier, Entry, Journal, JournalConfig, Raw, Record};
use socketio_server_cli::apps;
use socketio_tests::{Deflate, Received, TestServer, WebSocket};

/// A file in memory.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("nothing has panicked").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Page {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("nothing has panicked").clone()).expect("UTF-8")
    }

    fn records(&self) -> Vec<Record> {
        journal::read(self.text().as_bytes()).expect("a journal").1
    }
}

async fn traced(config: JournalConfig) -> (TestServer, Arc<Journal>, Page) {
    let page = Page::default();
    let journal = Journal::lines(Box::new(page.clone()), config).expect("memory");
    let observer = journal.clone();
    let server = TestServer::echo_with(EngineConfig::default(), |builder| builder.observer(observer)).await;
    (server, journal, page)
}

/// A client by polling that joins with a token, and one by WebSocket that leaves.
async fn visit(server: &TestServer) {
    let target = "/socket.io/?EIO=4&transport=polling&token=hunter2";
    let headers = [("Cookie", "id=hunter2"), ("Authorization", "Bearer hunter2")];
    let opened = server.connect().await.request("GET", target, &headers, b"").await;
    let target = format!("{target}&sid={}", opened.sid());
    server.post(&target, "40{\"token\":\"hunter2\"}").await;
    let mut websocket = WebSocket::open(server.address(), "/socket.io/?EIO=4&transport=websocket").await;
    websocket.next_text().await;
    websocket.text("40").await;
    assert!(websocket.next_text().await.starts_with("40{"));
    assert_eq!(websocket.next_text().await, "42[\"auth\",{}]");
    websocket.text("420[\"message-with-ack\",1]").await;
    assert_eq!(websocket.next_text().await, "430[1]");
    websocket.text("9").await;
    assert_eq!(websocket.next().await, Received::Close(None));
}

// proves: features/wish/traffic
#[tokio::test]
async fn each_record_names_the_one_that_it_came_out_of() {
    let (server, journal, page) = traced(JournalConfig::default()).await;
    visit(&server).await;
    journal.finish();
    let records = page.records();
    let by_number = |n: u64| records.iter().find(|record| record.n == n);
    let event = records.iter().find(|record| {
        matches!(&record.entry, Entry::SocketPacket { packet, id: Some(0), .. } if packet == "event")
    });
    let event = event.expect("the event");
    let packet = event.from.and_then(by_number).expect("its packet");
    assert_eq!(packet.raw, Some(Raw(b"420[\"message-with-ack\",1]".to_vec())));
    let frame = packet.from.and_then(by_number).expect("its frame");
    assert_eq!((frame.carrier, &frame.raw), (Some(Carrier::WebSocket), &packet.raw));
    let request = frame.from.and_then(by_number).expect("its request");
    assert!(matches!(&request.entry, Entry::Request { target, .. } if target.contains("websocket")));
    let violation = records.iter().find(|record| {
        matches!(&record.entry, Entry::Violation { rule, section, .. }
            if rule == "UNKNOWN_PACKET_TYPE" && section == "Engine.IO protocol 4, \"Protocol\"")
    });
    let wrong = violation.and_then(|record| record.from).and_then(by_number).expect("what was wrong");
    assert_eq!(wrong.raw, Some(Raw(b"9".to_vec())));
    assert!(records.iter().zip(1..).all(|(record, n)| record.n == n), "none is missing");
    assert!(records.windows(2).all(|two| two[0].time <= two[1].time));
    let connect = records.iter().find(|record| matches!(record.entry, Entry::Body));
    let raw = connect.and_then(|record| record.raw.clone());
    assert_eq!(raw, Some(Raw(b"40{\"token\":\"*******\"}".to_vec())));
}

#[tokio::test]
async fn answers_that_are_sent_once_their_session_is_over_name_it_and_their_requests() {
    let (server, journal, page) = traced(JournalConfig::default()).await;
    let target = server.open_polling("/socket.io/", 4).await;
    let mut poll = server.connect().await;
    poll.send("GET", &target, &[], b"").await;
    assert_eq!(server.post(&target, "1").await.text(), "ok");
    assert_eq!(poll.response().await.text(), "6");
    server.stop().await;
    journal.finish();
    let records = page.records();
    let answers = records.iter().filter(|record| matches!(record.entry, Entry::Response { .. }));
    let requests = records.iter().filter(|record| matches!(record.entry, Entry::Request { .. }));
    let mut answered: Vec<Option<u64>> = answers.clone().map(|record| record.from).collect();
    answered.sort_unstable();
    assert_eq!(answered, requests.map(|record| Some(record.n)).collect::<Vec<_>>());
    assert!(answers.into_iter().all(|record| record.session == Some(1) && record.at.is_some()));
}

#[tokio::test]
async fn a_note_of_the_application_is_a_record_of_the_session_and_none_after_its_end() {
    let page = Page::default();
    let journal = Journal::lines(Box::new(page.clone()), JournalConfig::default()).expect("memory");
    let io = Io::new();
    let (sender, mut sockets) = tokio::sync::mpsc::unbounded_channel();
    io.on_connect(move |socket: Socket| {
        let took = Some(Duration::from_millis(12));
        socket.note(Note { source: "hook", name: "connect", text: "204", took });
        let _ = sender.send(socket);
        std::future::ready(())
    });
    let builder = Server::builder().socketio("/socket.io/", io).observer(journal.clone());
    let server = TestServer::start(builder).await;
    let mut client = server.websocket("/socket.io/?EIO=4&transport=websocket").await;
    client.next_text().await;
    client.text("40").await;
    client.next_text().await;
    let socket = sockets.recv().await.expect("a socket");
    drop(client);
    server.stop().await;
    socket.note(Note { source: "hook", name: "late", text: "", took: None });
    journal.finish();
    let records = page.records();
    let notes: Vec<_> = records.iter().filter(|record| matches!(record.entry, Entry::Note { .. })).collect();
    let [note] = notes[..] else { panic!("{notes:?}") };
    let expected = Entry::Note {
        nsp: "/".to_owned(),
        socket: socket.id().to_owned(),
        source: "hook".to_owned(),
        name: "connect".to_owned(),
        text: "204".to_owned(),
        took: Some(12.0),
    };
    assert_eq!((&note.entry, note.session), (&expected, Some(1)));
}

#[tokio::test]
async fn secrets_are_written_only_if_asked_for() {
    for secrets in [false, true] {
        let (server, journal, page) = traced(JournalConfig { secrets, ..JournalConfig::default() }).await;
        visit(&server).await;
        journal.finish();
        // The echo tells the client its auth, but this one never polls for it.
        assert_eq!(page.text().contains("hunter2"), secrets, "{}", page.text());
    }
}

#[tokio::test]
async fn a_journal_ends_where_it_is_full() {
    let (server, journal, page) = traced(JournalConfig { limit: 1500, ..JournalConfig::default() }).await;
    visit(&server).await;
    journal.finish();
    let records = page.records();
    assert_eq!(records.last().map(|record| &record.entry), Some(&Entry::Full));
    assert!(records.len() > 2 && page.text().len() < 1500 + 100, "{}", page.text());
}

#[tokio::test]
async fn a_plain_websocket_is_a_session_of_frames_and_what_it_carries_is_shown() {
    let page = Page::default();
    let journal = Journal::lines(Box::new(page.clone()), JournalConfig::default()).expect("memory");
    let observer = journal.clone();
    let server = TestServer::echo_with(EngineConfig::default(), |builder| {
        let builder = builder.observer(observer);
        builder.websocket("/ws", |request| std::future::ready(apps::plain_echo(request)))
    })
    .await;
    let mut websocket = server.websocket("/ws?token=hunter2").await;
    websocket.text("40{\"looks\":\"like auth\"}").await;
    websocket.next_text().await;
    websocket.raw(WebSocket::frame(0x88, b"\x03\xe8bye")).await;
    assert_eq!(websocket.next().await, Received::Close(Some(1000)));
    drop(websocket);
    server.stop().await;
    journal.finish();
    let records = page.records();
    let request = &records[0];
    assert!(matches!(&request.entry, Entry::Request { target, .. } if target == "/ws?token=*******"));
    let opened = records.iter().find(|record| record.entry == Entry::PlainOpened).expect("its beginning");
    assert_eq!((opened.from, opened.session), (Some(request.n), Some(1)));
    let frames: Vec<_> =
        records.iter().filter(|record| matches!(record.entry, Entry::Frame { .. })).collect();
    assert!(frames.iter().all(|frame| frame.from == Some(request.n) && frame.session == Some(1)));
    assert_eq!(frames[0].raw, Some(Raw(b"40{\"looks\":\"like auth\"}".to_vec())));
    let ended = records.last().map(|record| (&record.entry, record.session));
    assert_eq!(ended, Some((&Entry::PlainEnded { code: 1000, reason: "bye".to_owned() }, Some(1))));
}

#[tokio::test]
async fn a_frame_that_was_compressed_says_how_long_it_was() {
    let page = Page::default();
    let journal = Journal::lines(Box::new(page.clone()), JournalConfig::default()).expect("memory");
    let observer = journal.clone();
    for context_takeover in [false, true] {
        let deflate = PerMessageDeflate { context_takeover, ..PerMessageDeflate::default() };
        let config = EngineConfig { per_message_deflate: Some(deflate), ..EngineConfig::default() };
        let server = TestServer::echo_with(config, |builder| builder.observer(observer.clone())).await;
        let target = "/engine.io/?EIO=4&transport=websocket";
        let (_, mut websocket) = WebSocket::compressed(server.address(), target, "permessage-deflate").await;
        websocket.next_text().await;
        let message = format!("4{}", "tea ".repeat(500));
        let sent = Deflate::default().compress(&message);
        websocket.raw(WebSocket::frame(0xc1, &sent)).await;
        let Received::Compressed(_, received) = websocket.next().await else { panic!("it is compressed") };
        drop(websocket);
        server.stop().await;
        let expected = [(message.len(), sent.len()), (message.len(), received.len())];
        let frames = loop {
            let records = page.records();
            let frames = records.iter().filter_map(|record| match record.entry {
                Entry::Frame { compressed: Some(len), .. } => Some((record.raw.as_ref()?.0.len(), len)),
                _ => None,
            });
            let frames: Vec<_> = frames.collect();
            // A thread of its own writes them.
            if frames.len() == if context_takeover { 4 } else { 2 } {
                break frames;
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(frames[frames.len() - 2..], expected);
    }
}

/// Fields that differ from run to run, or with the version.
const SETTLED: [&str; 8] = ["time", "at", "sid", "socket", "address", "began", "by", "headers"];

/// What differs from run to run, made equal.
fn settled(line: &str) -> Value {
    fn settle(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    if SETTLED.contains(&name.as_str()) {
                        *value = Value::Null;
                    } else {
                        settle(value);
                    }
                }
            }
            Value::String(text) => {
                if let Some((before, after)) = text.split_once("\"sid\":\"") {
                    *text = format!("{before}\"sid\":\"{}", &after[20..]);
                }
            }
            Value::Array(values) => values.iter_mut().for_each(settle),
            _ => {}
        }
    }
    let mut value = serde_json::from_str(line).expect("JSON");
    settle(&mut value);
    value
}

#[tokio::test]
async fn the_example_in_the_documentation_is_what_is_written() {
    let (server, journal, page) = traced(JournalConfig::default()).await;
    let mut websocket = WebSocket::open(server.address(), "/socket.io/?EIO=4&transport=websocket").await;
    websocket.next_text().await;
    websocket.text("40").await;
    websocket.next_text().await;
    websocket.next_text().await;
    websocket.text("421[\"message-with-ack\",\"hello\"]").await;
    websocket.next_text().await;
    journal.finish();
    let documentation = include_str!("../../docs/journal.md");
    let example = documentation.split("```json\n").nth(1).and_then(|rest| rest.split("```").next());
    let example: Vec<Value> = example.unwrap_or_default().lines().map(settled).collect();
    let written: Vec<Value> = page.text().lines().map(settled).collect();
    assert_eq!(example, written, "docs/journal.md should say:\n{}", page.text());
}
