//! A client's session in virtual time: what it sends, and when.

use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::Message;

const SECOND: Duration = Duration::from_secs(1);

fn open_packet(upgrades: &str) -> String {
    format!(
        r#"0{{"sid":"a b","upgrades":{upgrades},"pingInterval":25000,"pingTimeout":20000,"maxPayload":20}}"#
    )
}

fn ok(body: impl Into<Bytes>) -> HttpAnswer {
    HttpAnswer { status: 200, binary: false, body: body.into() }
}

/// A session and its clock.
struct Client {
    session: ClientSession,
    now: Instant,
}

impl Client {
    fn new(config: ClientConfig) -> (Client, Vec<ClientOutput>) {
        let (now, mut out) = (Instant::now(), Vec::new());
        (Client { session: ClientSession::new(config, now, &mut out), now }, out)
    }

    fn polling(revision: Revision, upgrades: &str) -> Client {
        let (mut client, out) = Client::new(ClientConfig { revision, ..ClientConfig::default() });
        assert_eq!(out, [ClientOutput::Get]);
        let open = open_packet(upgrades);
        let body = if revision == Revision::V3 { format!("{}:{open}", open.len()) } else { open };
        let out = client.handle(ClientInput::GetAnswered(ok(body)));
        assert!(matches!(out[0], ClientOutput::Opened(_)), "{out:?}");
        assert_eq!(out.last(), Some(&ClientOutput::Get));
        client
    }

    fn websocket(revision: Revision) -> Client {
        let config = ClientConfig { revision, transport: Transport::WebSocket, ..ClientConfig::default() };
        let (mut client, out) = Client::new(config);
        assert_eq!(out, [ClientOutput::OpenWebSocket]);
        assert_eq!(client.handle(ClientInput::WebSocketOpened), []);
        let out = client.text(&open_packet(r#"["websocket"]"#));
        assert!(matches!(&out[..], [ClientOutput::Opened(_)]), "{out:?}");
        client
    }

    fn handle(&mut self, input: ClientInput) -> Vec<ClientOutput> {
        let mut out = Vec::new();
        self.session.handle(self.now, input, &mut out);
        out
    }

    fn text(&mut self, text: &str) -> Vec<ClientOutput> {
        self.handle(ClientInput::Text(text.into()))
    }

    fn polled(&mut self, body: &'static str) -> Vec<ClientOutput> {
        self.handle(ClientInput::GetAnswered(ok(body)))
    }

    fn send(&mut self, frame: Frame) -> Vec<ClientOutput> {
        let mut out = Vec::new();
        self.session.send(&[frame], &mut out).unwrap();
        out
    }

    /// Time goes on to the deadline, which must be that far.
    fn after(&mut self, time: Duration) -> Vec<ClientOutput> {
        assert_eq!(self.session.deadline(), Some(self.now + time));
        self.now += time;
        self.handle(ClientInput::Timeout)
    }
}

fn post(body: &'static str) -> ClientOutput {
    ClientOutput::Post(body.into())
}

fn text(text: &'static str) -> ClientOutput {
    ClientOutput::SendText(text.into())
}

fn ended(ending: ClientEnding) -> [ClientOutput; 1] {
    [ClientOutput::Ended(ending)]
}

#[test]
fn one_get_and_one_post_are_under_way_at_a_time() {
    let mut client = Client::polling(Revision::V4, "[]");
    assert_eq!(client.send(Frame::text("a")), [post("4a")]);
    assert_eq!(client.send(Frame::text("b")), []);
    assert_eq!(client.send(Frame::binary(&[1, 2, 3])), []);
    assert_eq!(client.handle(ClientInput::PostAnswered(ok("ok"))), [post("4b\x1ebAQID")]);
    let out = client.polled("4hi\x1ebAQID");
    let messages = [Message::from("hi"), Message::from(vec![1, 2, 3])].map(ClientOutput::Message);
    assert_eq!(out, [&messages[..], &[ClientOutput::Get]].concat());
    assert_eq!(client.session.query(Transport::Polling), "EIO=4&transport=polling&sid=a+b");
}

#[test]
fn a_post_keeps_to_max_payload() {
    let mut client = Client::polling(Revision::V4, "[]");
    client.send(Frame::text("first"));
    for _ in 0..3 {
        client.send(Frame::text("12345678"));
    }
    // Twice nine bytes and a separator make 19.
    let out = client.handle(ClientInput::PostAnswered(ok("ok")));
    assert_eq!(out, [post("412345678\x1e412345678")]);
    assert_eq!(client.handle(ClientInput::PostAnswered(ok("ok"))), [post("412345678")]);
    assert_eq!(client.session.queued(), 0);
}

#[test]
fn revision_3_counts_characters_and_marks_bytes() {
    let mut client = Client::polling(Revision::V3, "[]");
    assert_eq!(client.send(Frame::text("é😀")), [post("4:4é😀")]);
    client.send(Frame::binary(&[1, 2, 3]));
    assert_eq!(client.handle(ClientInput::PostAnswered(ok("ok"))), [post("6:b4AQID")]);
    let body = Bytes::from_static(b"\x01\x04\xff\x04\x01\x02\x03");
    let out = client.handle(ClientInput::GetAnswered(HttpAnswer { status: 200, binary: true, body }));
    assert_eq!(out[0], ClientOutput::Message(Message::from(vec![1, 2, 3])));

    let mut client = Client::websocket(Revision::V3);
    let bytes = Bytes::from_static(&[4, 1, 2, 3]);
    assert_eq!(client.send(Frame::binary(&[1, 2, 3])), [ClientOutput::SendBinary(bytes)]);
}

#[test]
fn a_server_that_pings_is_answered_and_one_that_falls_silent_is_given_up() {
    for polling in [true, false] {
        let mut client =
            if polling { Client::polling(Revision::V4, "[]") } else { Client::websocket(Revision::V4) };
        client.now += 40 * SECOND;
        if polling {
            assert_eq!(client.polled("2"), [ClientOutput::Get, post("3")]);
        } else {
            assert_eq!(client.text("2"), [text("3")]);
        }
        client.now += 44 * SECOND;
        assert_eq!(client.handle(ClientInput::Timeout), []);
        assert_eq!(client.after(SECOND), ended(ClientEnding::PingTimeout));
        assert_eq!(client.session.deadline(), None);
    }
}

#[test]
fn in_revision_3_the_client_pings() {
    let mut client = Client::websocket(Revision::V3);
    for _ in 0..2 {
        assert_eq!(client.after(25 * SECOND), [text("2")]);
        client.now += SECOND;
        assert_eq!(client.text("3"), []);
    }
    assert_eq!(client.after(25 * SECOND), [text("2")]);
    assert_eq!(client.after(20 * SECOND), ended(ClientEnding::PingTimeout));
}

#[test]
fn an_upgrade_waits_for_the_requests_that_are_under_way() {
    let mut client = Client::polling(Revision::V4, r#"["websocket"]"#);
    assert_eq!(client.session.query(Transport::WebSocket), "EIO=4&transport=websocket&sid=a+b");
    assert_eq!(client.send(Frame::text("a")), [post("4a")]);
    assert_eq!(client.handle(ClientInput::WebSocketOpened), [text("2probe")]);
    assert_eq!(client.text("3probe"), []);
    assert_eq!(client.send(Frame::text("b")), []);
    assert_eq!(client.polled("6"), [], "no GET follows");
    assert_eq!(client.session.transport(), Some(Transport::Polling));
    let out = client.handle(ClientInput::PostAnswered(ok("ok")));
    assert_eq!(out, [text("5"), ClientOutput::Upgraded, text("4b")]);
    assert_eq!(client.session.transport(), Some(Transport::WebSocket));
    assert_eq!(client.text("4c"), [ClientOutput::Message("c".into())]);
}

#[test]
fn a_probe_that_fails_leaves_polling_as_it_is() {
    let failed = [ClientOutput::CloseWebSocket, ClientOutput::UpgradeFailed];
    let refused = HttpAnswer { status: 400, ..ok("") };
    let upgrading = || Client::polling(Revision::V4, r#"["websocket"]"#);

    let mut client = upgrading();
    assert_eq!(client.handle(ClientInput::WebSocketRefused(refused)), failed);
    assert_eq!(client.send(Frame::text("a")), [post("4a")]);

    let mut client = upgrading();
    client.handle(ClientInput::WebSocketOpened);
    assert_eq!(client.text("4a"), failed, "something else than 3probe");

    // While it pauses, no GET is out: it has to poll again.
    let mut client = upgrading();
    client.send(Frame::text("a"));
    client.handle(ClientInput::WebSocketOpened);
    client.text("3probe");
    client.polled("6");
    let out = client.handle(ClientInput::WebSocketClosed { code: None });
    assert_eq!(out, [&failed[..], &[ClientOutput::Get]].concat());

    let mut client = upgrading();
    assert_eq!(client.after(10 * SECOND), failed, "silence");
    assert_eq!(client.handle(ClientInput::WebSocketOpened), [], "too late");
}

#[test]
fn a_goodbye_by_polling_goes_after_all_messages() {
    let mut client = Client::polling(Revision::V4, r#"["websocket"]"#);
    client.send(Frame::text("a"));
    client.send(Frame::text("b"));
    assert_eq!(client.handle(ClientInput::Close), [ClientOutput::CloseWebSocket]);
    let mut out = Vec::new();
    assert_eq!(client.session.send(&[Frame::text("c")], &mut out), Err(QueueError::Closed));
    assert_eq!(client.handle(ClientInput::PostAnswered(ok("ok"))), [post("4b\x1e1")]);
    assert_eq!(client.handle(ClientInput::PostAnswered(ok("ok"))), ended(ClientEnding::ClosedHere));

    let mut client = Client::polling(Revision::V4, "[]");
    assert_eq!(client.handle(ClientInput::Close), [post("1")]);
    assert_eq!(client.after(5 * SECOND), ended(ClientEnding::ClosedHere), "no answer");

    let mut client = Client::websocket(Revision::V4);
    let goodbye = [ClientOutput::CloseWebSocket, ClientOutput::Ended(ClientEnding::ClosedHere)];
    assert_eq!(client.handle(ClientInput::Close), goodbye);
}

/// A session by polling that is being closed. With `owes`, a POST of a message is under way; without, that of `1`.
fn closing(owes: bool) -> Client {
    let mut client = Client::polling(Revision::V4, "[]");
    if owes {
        assert_eq!(client.send(Frame::text("a")), [post("4a")]);
        assert_eq!(client.handle(ClientInput::Close), []);
    } else {
        assert_eq!(client.handle(ClientInput::Close), [post("1")]);
    }
    client
}

#[test]
fn once_the_server_has_all_messages_every_end_of_a_session_that_is_being_closed_is_this_sides() {
    let refused = HttpAnswer { status: 400, ..ok(r#"{"code":1,"message":"Session ID unknown"}"#) };
    let refusal = ClientEnding::Refused(ServerRefusal::of(&refused));
    let broken = ClientEnding::Broken(Violation::UnknownPacketType(b'<'));
    for (input, ending) in [
        (ClientInput::PostAnswered(refused.clone()), refusal.clone()),
        (ClientInput::GetAnswered(refused), refusal),
        (ClientInput::RequestFailed, ClientEnding::TransportError),
        (ClientInput::GetAnswered(ok("1")), ClientEnding::ServerClosed),
        (ClientInput::GetAnswered(ok("<html>")), broken),
    ] {
        let mut client = closing(false);
        assert_eq!(client.handle(input.clone()), ended(ClientEnding::ClosedHere), "{input:?}");
        let mut client = closing(true);
        assert_eq!(client.handle(input.clone()), ended(ending), "a message may be lost: {input:?}");
    }
    assert_eq!(closing(false).after(5 * SECOND), ended(ClientEnding::ClosedHere));
    assert_eq!(
        closing(true).after(5 * SECOND),
        ended(ClientEnding::TransportError),
        "no answer to the message"
    );

    // A message that waits for the POST before it is owed as well.
    let mut client = Client::polling(Revision::V4, "[]");
    assert_eq!(client.polled("2"), [ClientOutput::Get, post("3")]);
    client.send(Frame::text("a"));
    client.handle(ClientInput::Close);
    assert_eq!(client.handle(ClientInput::RequestFailed), ended(ClientEnding::TransportError));
}

#[test]
fn a_silent_server_is_no_ping_timeout_once_the_goodbye_is_on_its_way() {
    for (owes, ending) in [(false, ClientEnding::ClosedHere), (true, ClientEnding::PingTimeout)] {
        let mut client = Client::polling(Revision::V4, "[]");
        client.now += 44 * SECOND;
        if owes {
            client.send(Frame::text("a"));
        }
        client.handle(ClientInput::Close);
        assert_eq!(client.after(SECOND), ended(ending));
    }
}

#[test]
fn nothing_goes_out_after_the_goodbye() {
    let mut client = closing(true);
    assert_eq!(client.polled("2"), [], "no pong");
    assert_eq!(client.handle(ClientInput::PostAnswered(ok("ok"))), [post("1")]);

    let mut client = Client::polling(Revision::V3, "[]");
    client.send(Frame::text("a"));
    client.now += 24 * SECOND;
    client.handle(ClientInput::Close);
    assert_eq!(client.after(SECOND), [], "no ping");
    assert_eq!(client.handle(ClientInput::PostAnswered(ok("ok"))), [post("1:1")]);
    assert_eq!(client.handle(ClientInput::PostAnswered(ok("ok"))), ended(ClientEnding::ClosedHere));
}

#[test]
fn what_comes_of_an_upgrade_that_was_given_up_changes_nothing() {
    let refused = HttpAnswer { status: 400, ..ok("") };
    let late = [
        ClientInput::WebSocketRefused(refused),
        ClientInput::WebSocketOpened,
        ClientInput::Text("3probe".into()),
        ClientInput::Text("<html>".into()),
        ClientInput::WebSocketClosed { code: None },
    ];
    for input in late {
        let mut client = Client::polling(Revision::V4, r#"["websocket"]"#);
        client.after(10 * SECOND);
        assert_eq!(client.handle(input.clone()), [], "{input:?}");
        assert_eq!(client.send(Frame::text("a")), [post("4a")], "{input:?}");

        let mut client = Client::polling(Revision::V4, r#"["websocket"]"#);
        client.send(Frame::text("a"));
        client.handle(ClientInput::Close);
        assert_eq!(client.handle(input.clone()), [], "while it closes: {input:?}");
        assert_eq!(client.handle(ClientInput::PostAnswered(ok("ok"))), [post("1")], "{input:?}");
    }
}

#[test]
fn a_refusal_is_told_in_the_servers_words() {
    let (mut client, _) = Client::new(ClientConfig::default());
    let body = r#"{"code":5,"message":"Unsupported protocol version"}"#;
    let out = client.handle(ClientInput::GetAnswered(HttpAnswer { status: 400, ..ok(body) }));
    let [ClientOutput::Ended(ClientEnding::Refused(refusal))] = &out[..] else { panic!("{out:?}") };
    assert_eq!((refusal.status, refusal.code), (400, Some(5)));
    let words = r#"the server answered 400: code 5, "Unsupported protocol version""#;
    assert_eq!(refusal.to_string(), words);

    let html = HttpAnswer { status: 502, ..ok("<html>") };
    assert_eq!(ServerRefusal::of(&html).to_string(), r#"the server answered 502: "<html>""#);
}

#[test]
fn what_is_no_session_is_no_session() {
    for (body, ending) in [
        ("<html>", ClientEnding::Broken(Violation::UnknownPacketType(b'<'))),
        ("6", ClientEnding::NotOpened),
        (r#"0{"sid":"a"}"#, ClientEnding::NotOpened),
    ] {
        let (mut client, _) = Client::new(ClientConfig::default());
        assert_eq!(client.polled(body), ended(ending), "{body}");
    }
    let (mut client, _) = Client::new(ClientConfig::default());
    assert_eq!(client.after(20 * SECOND), ended(ClientEnding::OpenTimeout));
    let (mut client, _) = Client::new(ClientConfig::default());
    assert_eq!(client.handle(ClientInput::RequestFailed), ended(ClientEnding::TransportError));
}

#[test]
fn the_servers_end_is_told_apart() {
    let mut client = Client::polling(Revision::V4, "[]");
    let out = client.polled("4a\x1e1\x1e4b");
    let last = [ClientOutput::Message("a".into()), ClientOutput::Ended(ClientEnding::ServerClosed)];
    assert_eq!(out, last, "nothing comes after it");
    assert_eq!(client.polled("4c"), []);

    let mut client = Client::websocket(Revision::V4);
    let code = Some(1001);
    let out = client.handle(ClientInput::WebSocketClosed { code });
    assert_eq!(out, ended(ClientEnding::TransportClosed { code }));
}

#[test]
fn no_more_waits_than_may() {
    let config = ClientConfig { send_budget: 100, ..ClientConfig::default() };
    let (mut client, _) = Client::new(config);
    let mut out = Vec::new();
    assert_eq!(client.session.send(&[Frame::text(&"a".repeat(100))], &mut out), Ok(()));
    assert_eq!(client.session.send(&[Frame::text("b")], &mut out), Err(QueueError::Full));
    assert_eq!(out, [], "the session is not open yet");
}
