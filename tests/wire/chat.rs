//! The chat with people in it who come by Socket.IO and by plain WebSocket.

use std::future::ready;
use std::time::Duration;

use engineio::EngineConfig;
use serde_json::{Value, json};
use socketio::Io;
use socketio_server::Server;
use socketio_server_cli::apps;
use socketio_tests::{Received, TestServer, WebSocket};

async fn chat() -> TestServer {
    chat_with(EngineConfig { close_timeout: Duration::from_millis(500), ..EngineConfig::default() }).await
}

async fn chat_with(config: EngineConfig) -> TestServer {
    let io = Io::new();
    let chat = apps::chat(&io);
    let builder = Server::builder().config(config).socketio("/socket.io/", io);
    TestServer::start(builder.websocket("/ws", move |request| ready(chat.websocket(request)))).await
}

/// Somebody who came by Socket.IO, and the name that they got.
async fn guest(server: &TestServer) -> (WebSocket, String) {
    let mut websocket = server.websocket("/socket.io/?EIO=4&transport=websocket").await;
    websocket.next_text().await;
    websocket.text("40").await;
    websocket.next_text().await;
    let welcome = event(&mut websocket).await;
    assert_eq!(welcome[0], "welcome");
    let name = welcome[1]["you"].as_str().expect("a name").to_owned();
    (websocket, name)
}

/// The next event that somebody gets by Socket.IO.
async fn event(websocket: &mut WebSocket) -> Value {
    let packet = websocket.next_text().await;
    let event = packet.strip_prefix("42").unwrap_or_else(|| panic!("no event: {packet}"));
    serde_json::from_str(event).expect("JSON")
}

/// The answer to an event, with whatever came before it.
async fn call(websocket: &mut WebSocket, event: &str) -> Value {
    websocket.text(format!("427{event}")).await;
    loop {
        if let Some(answer) = websocket.next_text().await.strip_prefix("437") {
            return serde_json::from_str(answer).expect("JSON");
        }
    }
}

/// The next object that somebody gets by plain WebSocket.
async fn object(websocket: &mut WebSocket) -> Value {
    serde_json::from_str(&websocket.next_text().await).expect("JSON")
}

/// Somebody who came by plain WebSocket and has a name, which they have been told.
async fn named(server: &TestServer, name: &str) -> WebSocket {
    let mut websocket = server.websocket("/ws").await;
    websocket.text(json!({ "type": "online", "from": name }).to_string()).await;
    let online = object(&mut websocket).await;
    assert_eq!((&online["type"], &online["from"]), (&json!("online"), &json!(name)));
    websocket
}

/// Somebody who came by plain WebSocket and wants JSON, and the name that they got.
async fn in_json(server: &TestServer) -> (WebSocket, String) {
    let offer = [("Sec-WebSocket-Protocol", "chat.json")];
    let (answer, connection) = WebSocket::handshake(server.address(), "/ws", &offer).await;
    assert_eq!((answer.status, answer.header("sec-websocket-protocol")), (101, Some("chat.json")));
    let mut websocket = WebSocket::on(connection);
    let welcome = object(&mut websocket).await;
    assert_eq!(welcome["type"], "welcome");
    let name = welcome["you"].as_str().expect("a name").to_owned();
    (websocket, name)
}

// proves: ws/clients
#[tokio::test]
async fn what_a_plain_client_writes_reaches_everyone_else_as_it_is() {
    let server = chat().await;
    let mut ada = named(&server, "Ada").await;
    let mut ben = named(&server, "Ben").await;
    let (mut guest, _) = guest(&server).await;
    assert_eq!(object(&mut ada).await["from"], "Ben");
    let texts =
        ["hello", " \"héllo\"\n", "{", r#"{"a":1}"#, r#"{"type":"online"}"#, r#"{"to":null}"#, "[1]", "null"];
    for text in texts {
        ada.text(text).await;
        assert_eq!(ben.next_text().await, text);
        assert_eq!(event(&mut guest).await, json!(["message", { "from": "Ada", "text": text }]));
    }
    ben.text("and you?").await;
    assert_eq!(ada.next_text().await, "and you?", "and nothing of what Ada wrote herself");
}

#[tokio::test]
async fn what_a_socketio_client_writes_reaches_plain_ones() {
    let server = chat().await;
    let (mut guest, name) = guest(&server).await;
    let mut plain = named(&server, "Ada").await;
    let (mut json, _) = in_json(&server).await;
    guest.text(r#"42["message","hello"]"#).await;
    assert_eq!(plain.next_text().await, "hello");
    assert_eq!(json.next_text().await, format!(r#"{{"type":"message","from":"{name}","text":"hello"}}"#));
}

#[tokio::test]
async fn a_name_brings_a_plain_client_online_by_the_rules_for_names() {
    let server = chat().await;
    let (mut guest, _) = guest(&server).await;
    let (mut json, was) = in_json(&server).await;
    assert!(was.starts_with("guest-"));
    json.text(r#"{"type":"online","from":"  Ada  "}"#).await;
    let online = json!({ "type": "online", "from": "Ada", "was": was });
    assert_eq!(object(&mut json).await, online);
    assert_eq!(event(&mut guest).await, json!(["online", { "name": "Ada", "was": was }]));

    json.text(r#"{"type":"online","from":"Ada"}"#).await;
    assert_eq!(object(&mut json).await["from"], "Ada", "an answer where nothing changes");

    let taken = call(&mut guest, r#"["name","ADA"]"#).await;
    assert_eq!(taken[0]["code"], "taken", "by Socket.IO alike");
    call(&mut guest, r#"["name","Ben"]"#).await;
    assert_eq!(object(&mut json).await["from"], "Ben");
    for (name, code, message) in [
        ("ben", "taken", "“ben” is taken."),
        ("", "empty", "A name needs at least one character."),
        ("guest-7", "reserved", "Names that begin with “guest-” are given to guests."),
    ] {
        json.text(json!({ "type": "online", "from": name }).to_string()).await;
        let error = json!({ "type": "error", "code": code, "message": message });
        assert_eq!(object(&mut json).await, error, "{name:?}");
    }

    let (mut late, _) = in_json(&server).await;
    drop(json);
    assert_eq!(object(&mut late).await, json!({ "type": "offline", "from": "Ada" }));
    assert_eq!(event(&mut guest).await, json!(["offline", { "name": "Ada" }]));
}

#[tokio::test]
async fn who_comes_with_json_is_told_who_is_online() {
    let server = chat().await;
    let _ada = named(&server, "Ada").await;
    let (mut guest, _) = guest(&server).await;
    call(&mut guest, r#"["name","Ben"]"#).await;
    let offer = [("Sec-WebSocket-Protocol", "other, chat.json")];
    let (_, connection) = WebSocket::handshake(server.address(), "/ws", &offer).await;
    assert_eq!(object(&mut WebSocket::on(connection)).await["online"], json!(["Ada", "Ben"]));
}

// proves: protocol/chat-to
#[tokio::test]
async fn what_is_addressed_goes_to_that_one_alone() {
    let server = chat().await;
    let (mut guest, name) = guest(&server).await;
    let mut ada = named(&server, "Ada").await;
    let mut ben = named(&server, "Ben").await;
    let mut eve = named(&server, "Eve").await;
    for expected in ["Ada", "Ben", "Eve"] {
        assert_eq!(event(&mut guest).await[1]["name"], expected);
    }
    for expected in ["Ben", "Eve"] {
        assert_eq!(object(&mut ada).await["from"], expected);
    }
    assert_eq!(object(&mut ben).await["from"], "Eve");

    // All that was sent, digit for digit, but in nobody else's name.
    ada.text(r#"{"to":"BEN","from":"Eve","text":"psst","offer":{"sdp":[1.00,1e400]}}"#).await;
    assert_eq!(
        ben.next_text().await,
        r#"{"from":"Ada","offer":{"sdp":[1.00,1e400]},"text":"psst","to":"BEN"}"#
    );
    ada.text(json!({ "to": name, "text": "psst" }).to_string()).await;
    assert_eq!(event(&mut guest).await, json!(["direct", { "from": "Ada", "text": "psst" }]));
    let other = json!({ "to": name, "candidate": null }).to_string();
    ada.text(&other).await;
    assert_eq!(event(&mut guest).await, json!(["direct", { "from": "Ada", "text": other }]));

    assert_eq!(call(&mut guest, r#"["direct","ben","yes?"]"#).await, json!([{ "ok": true, "to": "Ben" }]));
    assert_eq!(ben.next_text().await, format!(r#"{{"to":"Ben","from":"{name}","text":"yes?"}}"#));

    ada.text(r#"{"to":"Zoe","text":"psst"}"#).await;
    let error = json!({ "type": "error", "code": "unknown-name", "message": "Nobody here is called “Zoe”." });
    assert_eq!(object(&mut ada).await, error);
    for to in [r#"["Ben"]"#, r#""\ud800""#, "7", "{}"] {
        ada.text(format!(r#"{{"to":{to},"text":"psst"}}"#)).await;
        assert_eq!(object(&mut ada).await["code"], "unknown-name", "{to} is nobody, which is not everybody");
    }
    // Eve has heard nothing of all that.
    ada.text("to all").await;
    assert_eq!(eve.next_text().await, "to all");
}

#[tokio::test]
async fn texts_are_refused_by_the_chats_rules() {
    let server = chat().await;
    let mut plain = server.websocket("/ws").await;
    for (text, code) in [(" ", "empty"), (&*"x".repeat(4_001), "too-long")] {
        plain.text(text).await;
        assert_eq!(object(&mut plain).await["code"], code);
    }
    plain.binary([1]).await;
    plain.expect_close_and_answer(1003).await;
}

#[tokio::test]
async fn who_writes_too_much_is_told_to_wait_and_nobody_else_is_held_up() {
    let server = chat().await;
    let mut fast = server.websocket("/ws").await;
    let mut ben = named(&server, "Ben").await;
    object(&mut fast).await;
    for _ in 0..300 {
        fast.text("again").await;
    }
    let refused = object(&mut fast).await;
    let message = "That was too much at once. Wait a moment, then send it again.";
    assert_eq!(refused, json!({ "type": "error", "code": "too-fast", "message": message }));
    let mut heard = 0;
    let (mut guest, _) = guest(&server).await;
    assert_eq!(call(&mut guest, r#"["message","and I?"]"#).await[0]["ok"], true);
    while ben.next_text().await == "again" {
        heard += 1;
    }
    assert!((100..300).contains(&heard), "{heard} of 300");
}

#[tokio::test]
async fn nobody_passes_for_somebody_else_whatever_they_came_by() {
    let server = chat().await;
    let mut ada = named(&server, "Ada").await;
    let (mut guest, _) = guest(&server).await;
    for name in ["Аda", "Ad\u{200b}a", "Ａｄａ", "Ada\u{2060}"] {
        let refused = call(&mut guest, &json!(["name", name]).to_string()).await;
        assert_eq!(refused[0]["ok"], false, "{name:?}: {refused}");
    }
    assert_eq!(call(&mut guest, r#"["name","Вen"]"#).await[0]["ok"], true);
    object(&mut ada).await;
    let mut ben = server.websocket("/ws").await;
    ben.text(r#"{"type":"online","from":"ben"}"#).await;
    let message = "“ben” looks like a name that is taken. Choose another.";
    let error = json!({ "type": "error", "code": "taken", "message": message });
    assert_eq!(object(&mut ben).await, error);
}

// proves: websocket-node/accept-reject
#[tokio::test]
async fn subprotocols_that_are_not_spoken_are_refused_with_the_reason() {
    let server = chat().await;
    let offer = [("Sec-WebSocket-Protocol", "echo-protocol")];
    let (answer, _) = WebSocket::handshake(server.address(), "/ws", &offer).await;
    let reason = answer.header("x-websocket-reject-reason");
    assert_eq!((answer.status, reason), (400, Some("offer the subprotocol chat.json, or none")));
}

#[tokio::test]
async fn a_plain_client_that_does_not_keep_up_is_let_go_and_the_others_are_not() {
    let server = chat_with(EngineConfig { send_budget: 1_000_000, ..EngineConfig::default() }).await;
    let mut slow = server.websocket("/ws").await;
    let mut ben = named(&server, "Ben").await;
    let text = "🙂".repeat(4_000);
    // More than sockets and the send budget hold, from as many as may say so much at once.
    for _ in 0..8 {
        let mut ada = server.websocket("/ws").await;
        for _ in 0..100 {
            ada.text(&text).await;
            assert_eq!(ben.next_text().await, text);
        }
    }
    let ended = loop {
        match slow.next().await {
            Received::Text(_) => {}
            ended => break ended,
        }
    };
    assert!(matches!(ended, Received::Close(Some(1008)) | Received::End), "{ended:?}");
}
