//! The probe and the upgrade, step by step and cut off at each.

use std::sync::Arc;
use std::time::Instant;

use engineio::{
    Application, CloseReason, Frame, HandshakeRequest, Layer, Mailbox, Message, Opened, Transport,
};
use socketio::{Io, Socket};
use socketio_server::Server;
use socketio_tests::{Received, TestServer, WebSocket};

use crate::{echo, impatient_echo, probing};

/// A polling session and a WebSocket for it whose probe was answered.
async fn probed(server: &TestServer) -> (String, WebSocket) {
    let target = server.open_polling("/engine.io/", 4).await;
    let mut websocket = server.websocket(&probing(&target)).await;
    websocket.text("2probe").await;
    assert_eq!(websocket.next_text().await, "3probe");
    (target, websocket)
}

/// The session is there and polls.
async fn assert_polls(server: &TestServer, target: &str) {
    assert_eq!(server.post(target, "4alive").await.text(), "ok");
    // A noop of the probe may come first.
    loop {
        let polled = server.get(target).await;
        if polled.text() != "6" {
            assert_eq!(polled.text(), "4alive");
            break;
        }
    }
}

#[tokio::test]
async fn the_parked_poll_is_let_go_and_messages_move_to_the_websocket() {
    let server = echo().await;
    for revision in [3, 4] {
        let target = server.open_polling("/engine.io/", revision).await;
        let mut poll = server.connect().await;
        poll.send("GET", &target, &[], b"").await;
        let mut websocket = server.websocket(&probing(&target)).await;
        websocket.text("2probe").await;
        assert_eq!(websocket.next_text().await, "3probe");
        let noop = if revision == 4 { "6" } else { "1:6" };
        assert_eq!(poll.response().await.text(), noop);
        websocket.text("5").await;
        websocket.text("4hello").await;
        assert_eq!(websocket.next_text().await, "4hello");
    }
}

// proves: features/transport
#[tokio::test]
async fn the_application_is_told_of_the_upgrade_and_which_transport_is_in_use() {
    let io = Io::new();
    io.on_sync("transport", |socket: Socket, ()| (socket.transport().as_str(), socket.revision().number()))
        .on_connect(|socket: Socket| async move {
            socket
                .on_upgrade(|socket: Socket| async move { socket.emit("own", socket.transport().as_str()) });
        })
        .on_upgrade(|socket: Socket| async move { socket.emit("upgraded", socket.transport().as_str()) });
    let server = TestServer::start(Server::builder().socketio("/socket.io/", io)).await;

    let target = server.open_polling("/socket.io/", 4).await;
    assert_eq!(server.post(&target, "40\u{1e}421[\"transport\"]").await.text(), "ok");
    assert!(server.get(&target).await.text().ends_with("\u{1e}431[\"polling\",4]"));
    let mut websocket = server.websocket(&probing(&target)).await;
    websocket.text("2probe").await;
    assert_eq!(websocket.next_text().await, "3probe");
    websocket.text("5").await;
    assert_eq!(websocket.next_text().await, r#"42["own","websocket"]"#);
    assert_eq!(websocket.next_text().await, r#"42["upgraded","websocket"]"#);
    websocket.text(r#"422["transport"]"#).await;
    assert_eq!(websocket.next_text().await, r#"432["websocket",4]"#);

    // Who begins with WebSocket has nothing to go over from.
    let mut direct = server.websocket("/socket.io/?EIO=3&transport=websocket").await;
    assert!(direct.next_text().await.starts_with("0{"));
    assert_eq!(direct.next_text().await, "40");
    direct.text(r#"421["transport"]"#).await;
    assert_eq!(direct.next_text().await, r#"431["websocket",3]"#);
}

#[tokio::test]
async fn a_volatile_event_goes_out_on_a_websocket_that_has_just_taken_over() {
    let io = Io::new();
    io.on("ready?", |socket: Socket, ()| async move { socket.volatile().emit("perhaps", ()) });
    let server = TestServer::start(Server::builder().socketio("/socket.io/", io)).await;
    let target = server.open_polling("/socket.io/", 4).await;
    assert_eq!(server.post(&target, "40").await.text(), "ok");
    assert!(server.get(&target).await.text().starts_with("40"));
    let mut websocket = server.websocket(&probing(&target)).await;
    websocket.text("2probe").await;
    assert_eq!(websocket.next_text().await, "3probe");
    // They arrive together, so the server doesn't sleep between them.
    let together = ["5", r#"42["ready?"]"#].map(|text| WebSocket::frame(0x81, text.as_bytes()));
    websocket.raw(together.concat()).await;
    assert_eq!(websocket.next_text().await, r#"42["perhaps"]"#);
}

// proves: protocol/events-during-a-probe
#[tokio::test]
async fn what_is_queued_goes_out_on_the_websocket_after_5_in_order() {
    let server = echo().await;
    let (target, mut websocket) = probed(&server).await;
    let post = server.post(&target, "4a\u{1e}4b\u{1e}bAQID").await;
    assert_eq!(post.text(), "ok");
    websocket.text("5").await;
    websocket.text("4c").await;
    assert_eq!(websocket.next_text().await, "4a");
    assert_eq!(websocket.next_text().await, "4b");
    assert_eq!(websocket.next().await, Received::Binary(vec![1, 2, 3]));
    assert_eq!(websocket.next_text().await, "4c");
}

// proves: protocol/events-during-a-probe
#[tokio::test]
async fn what_comes_while_probing_goes_out_by_polling() {
    let server = echo().await;
    let (target, _websocket) = probed(&server).await;
    server.post(&target, "4a").await;
    assert_eq!(server.get(&target).await.text(), "4a");
}

// proves: protocol/polling-after-the-upgrade
#[tokio::test]
async fn polling_after_the_upgrade_is_code_3() {
    let server = echo().await;
    let (target, mut websocket) = probed(&server).await;
    websocket.text("5").await;
    websocket.text("4a").await;
    assert_eq!(websocket.next_text().await, "4a");
    let body = r#"{"code":3,"message":"Bad request"}"#;
    assert_eq!(server.get(&target).await.text(), body);
    assert_eq!(server.post(&target, "4x").await.text(), body);
    websocket.text("4b").await;
    assert_eq!(websocket.next_text().await, "4b");
}

// proves: protocol/poll-at-the-upgrade
#[tokio::test]
async fn a_get_that_is_parked_when_5_arrives_gets_a_noop() {
    let server = echo().await;
    let (target, mut websocket) = probed(&server).await;
    assert_eq!(server.get(&target).await.text(), "6", "the first is let go at once");
    let mut poll = server.connect().await;
    poll.send("GET", &target, &[], b"").await;
    websocket.text("5").await;
    assert_eq!(poll.response().await.text(), "6");
}

#[tokio::test]
async fn a_probe_that_opens_with_anything_else_is_dropped_and_polling_goes_on() {
    let server = echo().await;
    for first in ["40", "2", "3probe", "2prob", "9", ""] {
        let target = server.open_polling("/engine.io/", 4).await;
        let mut websocket = server.websocket(&probing(&target)).await;
        websocket.text(first).await;
        websocket.expect_close(None).await;
        assert_polls(&server, &target).await;
    }
    let target = server.open_polling("/engine.io/", 4).await;
    let mut websocket = server.websocket(&probing(&target)).await;
    websocket.binary("2probe").await;
    websocket.expect_close(None).await;
    assert_polls(&server, &target).await;
}

// proves: protocol/failed-probes
#[tokio::test]
async fn a_message_between_3probe_and_5_drops_that_websocket() {
    let server = echo().await;
    let (target, mut websocket) = probed(&server).await;
    websocket.text("4early").await;
    websocket.expect_close(None).await;
    assert_polls(&server, &target).await;
}

/// What clients send other than `2probe`, and `5` once `3probe` has come. The reference upgrades each time.
/// arduinoWebSockets sends `5` alone.
const OTHER_UPGRADES: [&[&str]; 4] =
    [&["5"], &["2probe", "5"], &["2probe", "2probe", "5"], &["2probe", "5", "4with"]];

fn frames(texts: &[&str]) -> Vec<u8> {
    texts.iter().flat_map(|text| WebSocket::frame(0x81, text.as_bytes())).collect()
}

/// What a client gets that sends these: `3probe` for each `2probe`, then what was posted, then its messages.
fn answers<'a>(sent: &[&'a str], posted: &[&'a str]) -> Vec<&'a str> {
    let probes = sent.iter().filter(|text| **text == "2probe").map(|_| "3probe");
    let messages = sent.iter().filter(|text| text.starts_with('4'));
    probes.chain(posted.iter().copied()).chain(messages.copied()).collect()
}

// proves: protocol/probe
#[tokio::test]
async fn a_client_may_leave_out_its_probe_repeat_it_or_send_all_at_once() {
    let server = echo().await;
    for sent in OTHER_UPGRADES {
        for with_the_request in [false, true] {
            let target = server.open_polling("/engine.io/", 4).await;
            let mut poll = server.connect().await;
            poll.send("GET", &target, &[], b"").await;
            let mut websocket = if with_the_request {
                WebSocket::open_with(server.address(), &probing(&target), &frames(sent)).await
            } else {
                let mut websocket = server.websocket(&probing(&target)).await;
                websocket.raw(frames(sent)).await;
                websocket
            };
            assert_eq!(poll.response().await.text(), "6", "{sent:?}: the parked poll is let go");
            websocket.text("4behind").await;
            for text in answers(sent, &[]).into_iter().chain(["4behind"]) {
                assert_eq!(websocket.next_text().await, text, "{sent:?}");
            }
        }
    }
}

// proves: protocol/probe
#[tokio::test]
async fn what_was_posted_comes_before_what_came_with_the_5_whatever_stood_before_it() {
    let server = echo().await;
    for sent in OTHER_UPGRADES {
        let target = server.open_polling("/engine.io/", 4).await;
        assert_eq!(server.post(&target, "4posted").await.text(), "ok");
        let mut websocket = server.websocket(&probing(&target)).await;
        websocket.raw(frames(sent)).await;
        for text in answers(sent, &["4posted"]) {
            assert_eq!(websocket.next_text().await, text, "{sent:?}");
        }
    }
}

// proves: protocol/probe
#[tokio::test]
async fn a_ping_in_the_segment_of_the_5_is_answered_and_ends_nothing() {
    let server = echo().await;
    let (_, mut websocket) = probed(&server).await;
    let frames = [(0x89, "beat"), (0x81, "5"), (0x81, "4hello")];
    websocket.raw(frames.map(|(kind, payload)| WebSocket::frame(kind, payload.as_bytes())).concat()).await;
    assert_eq!(websocket.next().await, Received::Pong(b"beat".to_vec()));
    assert_eq!(websocket.next_text().await, "4hello");
}

/// Tells a client which cookie came with the handshake, and which with the upgrade if `KEEPS` is set.
struct Cookies<const KEEPS: bool>;

struct Cookie(Arc<Mailbox>);

impl Cookie {
    fn tell(&self, request: Option<&HandshakeRequest>) {
        let cookie = request.map(|request| request.headers.get("cookie").unwrap_or("no cookie"));
        self.0.push(&[Frame::text(cookie.unwrap_or("no request"))]).expect("a client");
    }
}

impl<const KEEPS: bool> Application for Cookies<KEEPS> {
    type Layer = Cookie;

    const WANTS_UPGRADE_REQUEST: bool = KEEPS;

    fn open(&self, opened: Opened, _: Instant) -> Cookie {
        let cookie = Cookie(opened.mailbox);
        cookie.tell(Some(&opened.handshake));
        cookie
    }
}

impl Layer for Cookie {
    fn message(&mut self, _: Message, _: Instant) {}

    fn poll(&mut self, _: Instant) {}

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn upgraded(&mut self, _: Transport, request: Option<HandshakeRequest>) {
        self.tell(request.as_ref());
    }

    fn closed(&mut self, _: CloseReason) {}
}

#[tokio::test]
async fn an_application_reads_the_headers_of_the_handshake_and_if_it_wants_them_of_the_upgrade() {
    let builder = Server::builder().engineio("/kept/", Cookies::<true>).engineio("/not/", Cookies::<false>);
    let server = TestServer::start(builder).await;
    for (path, of_the_upgrade) in [("/kept/", "4new"), ("/not/", "4no request")] {
        let target = format!("{path}?EIO=4&transport=polling");
        let opened = server.connect().await.request("GET", &target, &[("Cookie", "old")], b"").await;
        let target = format!("{target}&sid={}", opened.sid());
        assert_eq!(server.get(&target).await.text(), "4old");
        let cookie = [("Cookie", "new")];
        let (switched, connection) = WebSocket::handshake(server.address(), &probing(&target), &cookie).await;
        assert_eq!(switched.status, 101);
        let mut websocket = WebSocket::on(connection);
        websocket.text("2probe").await;
        assert_eq!(websocket.next_text().await, "3probe");
        websocket.text("5").await;
        assert_eq!(websocket.next_text().await, of_the_upgrade);
    }
}

// proves: features/upgrade-timeout, protocol/failed-probes
#[tokio::test]
async fn a_silent_probe_is_dropped_at_upgrade_timeout() {
    let server = TestServer::echo(engineio::EngineConfig {
        upgrade_timeout: std::time::Duration::from_secs(1),
        ..Default::default()
    })
    .await;
    let target = server.open_polling("/engine.io/", 4).await;
    let mut websocket = server.websocket(&probing(&target)).await;
    websocket.expect_close(None).await;
    let mut websocket = server.websocket(&probing(&target)).await;
    websocket.text("2probe").await;
    assert_eq!(websocket.next_text().await, "3probe");
    websocket.expect_close(None).await;
    assert_polls(&server, &target).await;
}

// proves: features/upgrade-timeout, protocol/failed-probes
#[tokio::test]
async fn an_upgrade_that_is_cut_off_leaves_polling_as_it_was_and_can_be_tried_again() {
    let server = echo().await;
    let target = server.open_polling("/engine.io/", 4).await;
    drop(server.websocket(&probing(&target)).await);
    assert_polls(&server, &target).await;
    let mut websocket = loop {
        // The end of the first is noticed soon, though not at once; until then a second is closed.
        let mut websocket = server.websocket(&probing(&target)).await;
        websocket.text("2probe").await;
        if websocket.next().await == Received::Text("3probe".into()) {
            break websocket;
        }
    };
    websocket.text("5").await;
    websocket.text("4up").await;
    assert_eq!(websocket.next_text().await, "4up");
}

// proves: protocol/second-websocket
#[tokio::test]
async fn a_second_websocket_is_closed_during_and_after_an_upgrade() {
    let server = echo().await;
    let (target, mut first) = probed(&server).await;
    let mut second = server.websocket(&probing(&target)).await;
    second.expect_close(None).await;
    first.text("5").await;
    first.text("4a").await;
    assert_eq!(first.next_text().await, "4a");
    let mut third = server.websocket(&probing(&target)).await;
    third.expect_close(None).await;
    first.text("4b").await;
    assert_eq!(first.next_text().await, "4b");
}

#[tokio::test]
async fn a_websocket_for_a_session_that_began_on_one_is_closed() {
    let server = echo().await;
    let mut first = server.websocket(crate::WEBSOCKET).await;
    let open = first.next_text().await;
    let sid = &open[9..29];
    let mut second = server.websocket(&format!("{}&sid={sid}", crate::WEBSOCKET)).await;
    second.expect_close(None).await;
    first.text("4a").await;
    assert_eq!(first.next_text().await, "4a");
}

// proves: protocol/events-during-a-probe
#[tokio::test]
async fn posts_are_taken_during_an_upgrade_once_and_in_order() {
    let server = echo().await;
    let (target, mut websocket) = probed(&server).await;
    for n in 0..50 {
        assert_eq!(server.post(&target, format!("4{n}")).await.text(), "ok");
    }
    websocket.text("5").await;
    for n in 50..100 {
        websocket.text(format!("4{n}")).await;
    }
    for n in 0..100 {
        assert_eq!(websocket.next_text().await, format!("4{n}"));
    }
}

// proves: protocol/posts-that-wait
#[tokio::test]
async fn posts_of_a_client_that_has_stopped_polling_are_answered_and_come_before_its_websocket() {
    let server = echo().await;
    let (target, mut websocket) = probed(&server).await;
    // With its 64 bytes of overhead each echo counts 70 bytes: all of them more than half of the budget, beyond
    // which packets wait to be taken in.
    let body: Vec<String> = (0..10_000).map(|n| format!("4{n:05}")).collect();
    assert_eq!(server.post(&target, body.join("\u{1e}")).await.text(), "ok");
    assert_eq!(server.post(&target, "4posted").await.text(), "ok");
    websocket.text("5").await;
    websocket.text("4behind").await;
    for packet in &body {
        assert_eq!(websocket.next_text().await, *packet);
    }
    assert_eq!(websocket.next_text().await, "4posted");
    assert_eq!(websocket.next_text().await, "4behind");
}

#[tokio::test]
async fn a_heartbeat_goes_on_after_the_upgrade() {
    let server = impatient_echo().await;
    let (_, mut websocket) = probed(&server).await;
    websocket.text("5").await;
    for _ in 0..3 {
        assert_eq!(websocket.next_text().await, "2");
        websocket.text("3").await;
    }
}

// proves: protocol/poll-during-a-probe
#[tokio::test]
async fn in_revision_3_an_echo_goes_back_by_the_poll_that_is_parked_during_the_probe() {
    let server = echo().await;
    let opened = server.get("/engine.io/?EIO=3&transport=polling&b64=1").await;
    let target = format!("/engine.io/?EIO=3&transport=polling&b64=1&sid={}", opened.sid());
    let mut poll = server.connect().await;
    poll.send("GET", &target, &[], b"").await;
    let mut websocket = server.websocket(&probing(&target)).await;
    websocket.text("2probe").await;
    assert_eq!(websocket.next_text().await, "3probe");
    // What clients 1.x make of "hé": they encode it once more than they should.
    assert_eq!(server.post(&target, "5:4h\u{c3}\u{a9}!").await.text(), "ok");
    assert_eq!(poll.response().await.text(), "5:4h\u{c3}\u{a9}!");
    websocket.text("5").await;
    websocket.text("4up").await;
    assert_eq!(websocket.next_text().await, "4up");
}
