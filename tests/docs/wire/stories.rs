//! The conversations that the pages tell: what the clients send, and when.

use std::time::Duration;

use engineio::EngineConfig;
use socketio::Recovery;
use socketio_tests::{Received, WebSocket};

use super::stage::{Stage, Story};

const POLLING: &str = "/socket.io/?EIO=4&transport=polling";
const WEBSOCKET: &str = "/socket.io/?EIO=4&transport=websocket";
const PLACEHOLDER: &str = r#"{"_placeholder":true,"num":0}"#;

/// The echo application as it is run without options.
async fn echo() -> Stage {
    Stage::echo(EngineConfig::default(), socketio::IoConfig::default()).await
}

/// A session by WebSocket, in no namespace.
async fn open(stage: &Stage) -> WebSocket {
    let mut websocket = stage.websocket(WEBSOCKET).await;
    websocket.next_text().await;
    websocket
}

/// A session by WebSocket in `/`.
async fn join(stage: &Stage) -> WebSocket {
    let mut websocket = open(stage).await;
    say(&mut websocket, "40").await;
    websocket.next_text().await;
    websocket
}

/// Sends text and waits for one answer.
async fn say(websocket: &mut WebSocket, text: &str) -> String {
    websocket.text(text).await;
    websocket.next_text().await
}

pub(super) async fn handshake() -> Story {
    let stage = echo().await;
    let target = stage.open_polling("/socket.io/", 4).await;
    stage.post(&target, "40").await;
    stage.get(&target).await;
    stage.told(
        "handshake",
        "A client opens a session by long polling and joins the main namespace",
        &["client"],
    )
}

pub(super) async fn direct() -> Story {
    let stage = echo().await;
    let _websocket = join(&stage).await;
    stage.told("direct", "A client opens a session by WebSocket and joins the main namespace", &["client"])
}

pub(super) async fn polling() -> Story {
    let stage = echo().await;
    let target = stage.open_polling("/socket.io/", 4).await;
    stage.post(&target, "40").await;
    stage.get(&target).await;
    let mut poll = stage.connect().await;
    poll.send("GET", &target, &[], b"").await;
    stage.polled(3).await;
    stage.post(&target, r#"42["message","hello"]"#).await;
    poll.response().await;
    poll.send("GET", &target, &[], b"").await;
    stage.polled(4).await;
    stage.told("polling", "A poll waits until the server has something to say", &["client"])
}

pub(super) async fn payloads() -> Story {
    let stage = echo().await;
    let target = stage.open_polling("/socket.io/", 4).await;
    let events = ["40", r#"42["message","one"]"#, r#"42["message","two"]"#].join("\u{1e}");
    stage.post(&target, events).await;
    stage.get(&target).await;
    stage.told("payloads", "Several packets travel in one body, both ways", &["client"])
}

pub(super) async fn limit() -> Story {
    let stage = Stage::echo(
        EngineConfig { max_payload: 60, ..EngineConfig::default() },
        socketio::IoConfig::default(),
    )
    .await;
    let target = stage.open_polling("/socket.io/", 4).await;
    stage.post(&target, "40").await;
    stage.get(&target).await;
    stage.post(&target, format!(r#"42["message","{}"]"#, "long ".repeat(12).trim_end())).await;
    stage.post(&target, "42[\"message\",\"one\"]\u{1e}42[\"message\",\"two\"]").await;
    stage.post(&target, r#"42["message","three"]"#).await;
    stage.get(&target).await;
    stage.get(&target).await;
    stage.told(
        "limit",
        "A body that is too long is refused, and answers are cut to the same length",
        &["client"],
    )
}

pub(super) async fn upgrade() -> Story {
    let stage = echo().await;
    let target = stage.open_polling("/socket.io/", 4).await;
    stage.post(&target, "40").await;
    stage.get(&target).await;
    let mut poll = stage.connect().await;
    poll.send("GET", &target, &[], b"").await;
    stage.polled(3).await;
    let mut websocket = stage.websocket(&target.replace("=polling", "=websocket")).await;
    say(&mut websocket, "2probe").await;
    poll.response().await;
    websocket.text("5").await;
    say(&mut websocket, r#"42["message","hello"]"#).await;
    stage.told("upgrade", "A session moves from long polling to a WebSocket", &["client"])
}

/// A heartbeat that a reader, and a test, can wait for.
async fn impatient() -> Stage {
    let second = Duration::from_secs(1);
    let config = EngineConfig { ping_interval: second, ping_timeout: second, ..EngineConfig::default() };
    Stage::echo(config, socketio::IoConfig::default()).await
}

pub(super) async fn heartbeat() -> Story {
    let stage = impatient().await;
    let mut websocket = join(&stage).await;
    websocket.next_text().await;
    websocket.text("3").await;
    websocket.next_text().await;
    websocket.next().await;
    stage
        .told(
            "heartbeat",
            "The server asks whether the client is there; the second time nobody answers",
            &["client"],
        )
        .from(3)
}

pub(super) async fn heartbeat_polling() -> Story {
    let stage = impatient().await;
    let target = stage.open_polling("/socket.io/", 4).await;
    stage.post(&target, "40").await;
    stage.get(&target).await;
    stage.get(&target).await;
    let mut poll = stage.connect().await;
    poll.send("GET", &target, &[], b"").await;
    stage.polled(4).await;
    stage.post(&target, "3").await;
    stage
        .told("heartbeat-polling", "The same by long polling: the ping ends a poll that waits", &["client"])
        .from(7)
}

pub(super) async fn namespaces() -> Story {
    let stage = echo().await;
    let mut websocket = join(&stage).await;
    say(&mut websocket, r#"40/custom,{"token":"abc"}"#).await;
    websocket.next_text().await;
    say(&mut websocket, r#"42/custom,["message","hello"]"#).await;
    say(&mut websocket, "40/nowhere,").await;
    say(&mut websocket, r#"40/test,{"token":"bad"}"#).await;
    websocket.text("41/custom,").await;
    say(&mut websocket, r#"42["message","still here"]"#).await;
    stage.told("namespaces", "One session is in several namespaces", &["client"]).from(4)
}

pub(super) async fn rooms() -> Story {
    let stage = echo().await;
    let (mut ada, mut bob) = (open(&stage).await, open(&stage).await);
    say(&mut ada, "40/test,").await;
    say(&mut bob, "40/test,").await;
    say(&mut bob, r#"42/test,0["join","kitchen"]"#).await;
    ada.text(r#"42/test,["to-room","kitchen","tea is ready"]"#).await;
    bob.next_text().await;
    stage.told("rooms", "Bob joins a room, and Ada has something sent to it", &["Ada", "Bob"]).from(7)
}

pub(super) async fn acks() -> Story {
    let stage = echo().await;
    let mut websocket = open(&stage).await;
    say(&mut websocket, "40/test,").await;
    say(&mut websocket, r#"42/test,12["join","kitchen"]"#).await;
    let question = say(&mut websocket, r#"42/test,13["ask","tea or coffee?"]"#).await;
    assert_eq!(question, r#"42/test,0["question","tea or coffee?"]"#);
    say(&mut websocket, r#"43/test,0["tea"]"#).await;
    stage.told("acks", "Each side asks the other for an answer", &["client"]).from(4)
}

pub(super) async fn binary() -> Story {
    let stage = echo().await;
    let mut websocket = join(&stage).await;
    websocket.text(format!(r#"451-["message",{PLACEHOLDER}]"#)).await;
    websocket.binary([1, 2, 3]).await;
    websocket.next_text().await;
    websocket.next().await;
    websocket.text(format!(r#"451-7["message-with-ack",{PLACEHOLDER}]"#)).await;
    websocket.binary([255]).await;
    websocket.next_text().await;
    websocket.next().await;
    stage
        .told(
            "binary",
            "Bytes travel in frames of their own behind the packet that announces them",
            &["client"],
        )
        .from(7)
}

pub(super) async fn base64() -> Story {
    let stage = echo().await;
    let target = stage.open_polling("/socket.io/", 4).await;
    stage.post(&target, "40").await;
    stage.get(&target).await;
    stage.post(&target, format!("451-[\"message\",{PLACEHOLDER}]\u{1e}bAQID")).await;
    stage.get(&target).await;
    stage.told("base64", "The same by long polling, where bytes are written as base64", &["client"]).from(7)
}

pub(super) async fn refused() -> Story {
    let stage = echo().await;
    stage.get("/socket.io/?EIO=4&transport=telepathy").await;
    stage.get(&format!("{POLLING}&sid=not-a-session-of-ours")).await;
    stage.post(POLLING, "40").await;
    stage.get("/socket.io/?EIO=5&transport=polling").await;
    stage.get(WEBSOCKET).await;
    stage.told("refused", "Five requests that are refused", &[])
}

pub(super) async fn malformed() -> Story {
    let stage = echo().await;
    let mut websocket = join(&stage).await;
    websocket.text(r#"42["message","hello""#).await;
    assert_eq!(websocket.next().await, Received::Close(None));
    stage.told("malformed", "A packet is cut off, and the session ends", &["client"]).from(4)
}

pub(super) async fn malformed_polling() -> Story {
    let stage = echo().await;
    let target = stage.open_polling("/socket.io/", 4).await;
    stage.post(&target, "40").await;
    stage.get(&target).await;
    stage.post(&target, "42[]").await;
    stage.get(&target).await;
    stage.get(&target).await;
    stage
        .told("malformed-polling", "By long polling the client learns of it with its next poll", &["client"])
        .from(7)
}

pub(super) async fn leaving() -> Story {
    let stage = echo().await;
    let target = stage.open_polling("/socket.io/", 4).await;
    stage.post(&target, "40").await;
    stage.get(&target).await;
    let mut poll = stage.connect().await;
    poll.send("GET", &target, &[], b"").await;
    stage.polled(3).await;
    stage.post(&target, "41\u{1e}1").await;
    poll.response().await;
    stage.get(&target).await;
    stage.told("leaving", "A client leaves the namespace and ends its session", &["client"]).from(7)
}

pub(super) async fn put_out() -> Story {
    let stage = echo().await;
    let mut websocket = open(&stage).await;
    say(&mut websocket, "40/test,").await;
    say(&mut websocket, r#"42/test,["kick",true]"#).await;
    websocket.next().await;
    stage.told("put-out", "The server puts a client out", &["client"]).from(4)
}

pub(super) async fn stopping() -> Story {
    let stage = echo().await;
    let mut websocket = join(&stage).await;
    let told = async move {
        assert_eq!(websocket.next().await, Received::Close(None));
        // The server waits for the client's end of the connection.
        drop(websocket);
    };
    tokio::join!(told, stage.service().drain());
    stage
        .told(
            "stopping",
            "The server stops, and says nothing that would keep clients from coming back",
            &["client"],
        )
        .from(4)
}

pub(super) async fn recovery() -> Story {
    let socketio =
        socketio::IoConfig { recovery: Some(Recovery::default()), ..socketio::IoConfig::default() };
    let stage = Stage::echo(EngineConfig::default(), socketio).await;
    let mut ada = WebSocket::over(stage.connect_to_reset().await, WEBSOCKET).await;
    ada.next_text().await;
    let mut bob = join(&stage).await;
    let joined = say(&mut ada, "40").await;
    let (_, pid) = joined.split_once(r#""pid":""#).unwrap_or_else(|| panic!("no pid: {joined}"));
    ada.next_text().await;
    say(&mut bob, r#"42["broadcast","one"]"#).await;
    let last = ada.next_text().await;
    let offset = last.rsplit('"').nth(1).expect("an offset");
    drop(ada);
    while stage.service().sessions() > 1 {
        tokio::task::yield_now().await;
    }
    say(&mut bob, r#"42["broadcast","two"]"#).await;
    let mut ada = open(&stage).await;
    let missed =
        say(&mut ada, &format!(r#"40{{"pid":"{},"offset":"{offset}"}}"#, pid.trim_end_matches('}'))).await;
    assert!(missed.starts_with(r#"42["bcast","two","#), "{missed}");
    ada.next_text().await;
    stage
        .told(
            "recovery",
            "Ada loses her connection, and comes back for what she missed",
            &["Ada", "Bob", "Ada"],
        )
        .from(10)
}

pub(super) async fn revisions() -> Story {
    let stage = echo().await;
    let four = stage.open_polling("/socket.io/", 4).await;
    let three = stage.open_polling("/socket.io/", 3).await;
    stage.post(&four, "40").await;
    stage.get(&four).await;
    stage.get(&three).await;
    stage.post(&four, "42[\"message\",\"hé\"]").await;
    stage.get(&four).await;
    stage.post(&three, "18:42[\"message\",\"hé\"]").await;
    stage.get(&three).await;
    stage.post(&four, "40/custom,{\"token\":\"abc\"}").await;
    stage.get(&four).await;
    stage.post(&three, "20:40/custom?token=abc,").await;
    stage.get(&three).await;
    stage.post(&three, "1:2").await;
    stage.get(&three).await;
    stage
        .told("revisions", "A client of each revision says the same", &["EIO=4", "EIO=3"])
        .side_by_side(&[1, 5, 11, 19, 27])
}
