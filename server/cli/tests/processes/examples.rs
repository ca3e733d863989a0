//! The examples do what they say.

use socketio_tests::{Connection, Received, WebSocket};

use crate::program::{Program, connect, get, join};

/// Stops a program as a terminal does, with a client still there: the client is told, and the program ends well.
async fn stop(mut program: Program, mut client: WebSocket) {
    program.signal("INT").await;
    assert_eq!(client.next().await, Received::Close(None));
    drop(client);
    let (status, log) = program.ended().await;
    assert!(status.success(), "{status}: {log}");
}

#[tokio::test]
async fn chat() {
    let (program, address) = Program::example("chat").await;
    let (mut ann, mut bob, mut eve) = (join(address).await, join(address).await, join(address).await);
    bob.text(r#"421["enter","kitchen"]"#).await;
    assert_eq!(bob.next_text().await, "431[0]");
    ann.text(r#"421["enter","kitchen"]"#).await;
    assert_eq!(ann.next_text().await, "431[1]");
    ann.text(r#"42["say","kitchen","Hello"]"#).await;
    let said = bob.next_text().await;
    assert!(said.starts_with(r#"42["said","kitchen","guest-"#) && said.ends_with(r#"","Hello"]"#), "{said}");
    ann.text("41").await;
    assert!(bob.next_text().await.starts_with(r#"42["left","kitchen","guest-"#));
    // Whoever is not in the room has heard nothing of it.
    eve.text(r#"421["enter","hall"]"#).await;
    assert_eq!(eve.next_text().await, "431[0]");
    drop((ann, bob));
    stop(program, eve).await;
}

#[tokio::test]
async fn acks() {
    let (program, address) = Program::example("acks").await;
    let mut client = join(address).await;
    client.text(r#"421["divide",7,2]"#).await;
    assert_eq!(client.next_text().await, r#"431[{"quotient":3,"rest":1}]"#);
    client.text(r#"422["divide",7,0]"#).await;
    assert_eq!(client.next_text().await, r#"432[{"error":"that can't be divided"}]"#);
    client.text(r#"423["ask me","wheels"]"#).await;
    assert_eq!(client.next_text().await, r#"420["how many?","wheels"]"#);
    client.text("430[4]").await;
    assert_eq!(client.next_text().await, r#"433["You have 4 wheels."]"#);
    client.text(r#"424["remind me",10]"#).await;
    assert_eq!(client.next_text().await, r#"434["it is time",10]"#);
    stop(program, client).await;
}

#[tokio::test]
async fn auth() {
    let (program, address) = Program::example("auth").await;
    for (auth, refusal) in [
        ("", r#"{"message":"a token is missing"}"#),
        (r#"{"token":"x"}"#, r#"{"message":"not authorized","data":{"code":401,"retry":false}}"#),
    ] {
        let connection = Connection::open(address).await;
        let (_, answer) = connect(connection, &format!("40/staff,{auth}")).await;
        assert_eq!(answer, format!("44/staff,{refusal}"));
    }
    let connection = Connection::open(address).await;
    let (mut client, answer) = connect(connection, r#"40/staff,{"token":"ada-1815"}"#).await;
    assert!(answer.starts_with("40/staff,"), "{answer}");
    client.text(r#"42/staff,1["who am I?"]"#).await;
    assert_eq!(client.next_text().await, r#"43/staff,1["Ada"]"#);
    stop(program, client).await;
}

#[tokio::test]
async fn recovery() {
    let (program, address) = Program::example("recovery").await;
    let mut player = join(address).await;
    let (mut client, reply) = connect(Connection::open(address).await, r#"40{"name":"Ann"}"#).await;
    let (_, pid) = reply.split_once(r#""pid":""#).expect("a pid");
    let pid = pid.strip_suffix(r#""}"#).expect("nothing behind it");
    client.text(r#"421["watch","game 7"]"#).await;
    assert_eq!(client.next_text().await, "431[]");
    player.text(r#"42["move","game 7","e2-e4"]"#).await;
    let event = client.next_text().await;
    let offset = event.strip_prefix(r#"42["move","e2-e4",""#).and_then(|rest| rest.strip_suffix(r#""]"#));
    let offset: u64 = offset.expect("an offset behind the move").parse().expect("a number");

    drop(client);
    let away = format!(r#"42["away","Ann","transport close","{}"]"#, offset + 1);
    assert_eq!(player.next_text().await, away);
    player.text(r#"42["move","game 7","e7-e5"]"#).await;
    player.text(r#"42["move","another game","b1-c3"]"#).await;
    player.text(r#"421["watch","another game"]"#).await;
    assert_eq!(player.next_text().await, "431[]");

    // What was missed comes before the reply, which is the same as before.
    let again = format!(r#"40{{"pid":"{pid}","offset":"{offset}","name":"Eve"}}"#);
    let (mut client, missed) = connect(Connection::open(address).await, &again).await;
    assert_eq!(missed, format!(r#"42["move","e7-e5","{}"]"#, offset + 2));
    assert_eq!(client.next_text().await, reply);
    client.text(r#"423["who am I?"]"#).await;
    assert_eq!(client.next_text().await, r#"433["Ann"]"#);
    player.text(r#"42["move","game 7","g1-f3"]"#).await;
    assert!(client.next_text().await.starts_with(r#"42["move","g1-f3","#));
    drop(player);
    assert!(client.next_text().await.starts_with(r#"42["away",null,"#));
    stop(program, client).await;
}

// proves: features/other-servers, ws/server
#[tokio::test]
async fn axum() {
    let (program, address) = Program::example("axum").await;
    let page = get(address, "/").await;
    assert_eq!((page.status, page.text()), (200, "Connect to me with Socket.IO."));
    assert_eq!(get(address, "/nothing").await.status, 404);
    assert_eq!(get(address, "/news").await.status, 405);

    let mut client = upgraded(address, "where am I?").await;
    let posted = Connection::open(address).await.request("POST", "/news", &[], b"The kettle is on.").await;
    assert_eq!(posted.status, 204);
    assert_eq!(client.next_text().await, r#"42["news","The kettle is on."]"#);
    stop(program, client).await;
}

// proves: features/other-servers, ws/server
#[tokio::test]
async fn hyper() {
    let (program, address) = Program::example("hyper").await;
    assert_eq!(get(address, "/").await.status, 404);
    let client = upgraded(address, "where am I?").await;
    stop(program, client).await;
}

/// A client that began with polling, has sent a message by POST and has upgraded. The server has told it the
/// address that it has by polling, and a second client has heard from it.
async fn upgraded(address: std::net::SocketAddr, question: &str) -> WebSocket {
    let mut bystander = join(address).await;
    let opened = get(address, "/socket.io/?EIO=4&transport=polling").await;
    assert_eq!(opened.status, 200);
    let target = format!("/socket.io/?EIO=4&transport=polling&sid={}", opened.sid());
    let question = format!(r#"421["{question}"]"#);
    for packet in ["40", &question] {
        let posted = Connection::open(address).await.request("POST", &target, &[], packet.as_bytes()).await;
        assert_eq!(posted.text(), "ok");
    }
    let polled = get(address, &target).await;
    let (joined, answer) = polled.text().split_once('\u{1e}').expect("two packets");
    assert!(joined.starts_with("40{"), "{joined}");
    assert!(answer.starts_with(r#"431["127.0.0.1:"#), "{answer}");

    let target = target.replace("polling", "websocket");
    let mut client = WebSocket::open(address, &target).await;
    client.text("2probe").await;
    assert_eq!(client.next_text().await, "3probe");
    client.text("5").await;
    client.text(r#"42["say","hello"]"#).await;
    assert_eq!(bystander.next_text().await, r#"42["said","hello"]"#);
    client
}
