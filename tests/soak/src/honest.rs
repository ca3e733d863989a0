//! How honest clients live: none of them may notice what the [others](crate::hostile) do.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::sleep;

use crate::client::{Client, Heard, to_reset};

/// One honest life. `n` says which, so that all variants come up in turn.
pub(crate) async fn live(server: SocketAddr, n: usize) {
    match n % 8 {
        0 | 1 => talk(Client::websocket(server).await, n).await,
        2 | 3 => talk(Client::polling(server).await, n).await,
        4 | 5 => {
            let mut client = Client::polling(server).await;
            client.say(&["40"]).await;
            client.hear_until("40{").await;
            client.upgrade().await;
            // In `/` already; `talk` joins the other namespaces.
            talk(client, n | 1 << 20).await;
        }
        6 => come_back(server, n).await,
        _ => be_asked(server, n).await,
    }
}

/// Talks in two namespaces and in rooms, for a second or so, and leaves in one of several ways.
async fn talk(mut client: Client, n: usize) {
    if n < 1 << 20 {
        client.say(&["40"]).await;
        client.hear_until("40{").await;
    }
    client.say(&["40/test,"]).await;
    client.hear_until("40/test,{").await;
    let room = n % 10;
    client.say(&[&format!(r#"42/test,1["join","room-{room}"]"#)]).await;
    client.hear_until("43/test,1[").await;
    client.say(&[&format!(r#"42/test,2["join","own-{n}"]"#)]).await;
    client.hear_until("43/test,2[").await;
    for round in 0..10 {
        let events = [
            format!(r#"42["message",{round},"{}"]"#, "x".repeat(n % 3_000)),
            format!(r#"42/test,["to-room","room-{room}",{round}]"#),
            format!(r#"42{round}["message-with-ack",{round}]"#),
        ];
        client.say(&events.each_ref().map(String::as_str)).await;
        // In order, and once: an answer to another would be seen here.
        let back = client.hear_until(r#"42["message-back""#).await;
        assert!(back.starts_with(&format!(r#"42["message-back",{round},"#)), "{round} came back as {back}");
        assert!(client.hear_until("43").await.starts_with(&format!("43{round}[{round}]")));
        if round % 4 == n % 4 {
            client.say_with_attachment(r#"451-["message",{"_placeholder":true,"num":0}]"#).await;
            client.hear_until(r#"451-["message-back""#).await;
            assert_eq!(client.hear().await, Heard::Attachment, "an event and its attachment are together");
        }
        if round == n % 10 && n.is_multiple_of(7) {
            client.say(&[r#"42["broadcast","to","everyone"]"#]).await;
            client.hear_until(r#"42["bcast","to","everyone""#).await;
        }
        sleep(Duration::from_millis(50 + (n as u64 * 37) % 150)).await;
    }
    match n / 8 % 4 {
        0 => client.close().await,
        1 => client.say(&["41/test,", "41"]).await,
        2 => {
            client.say(&[&format!(r#"42/test,3["leave","own-{n}"]"#)]).await;
            client.hear_until("43/test,3[").await;
        }
        // It is gone without a word.
        _ => {}
    }
}

/// Loses its connection and comes back in time: it is the same socket then.
async fn come_back(server: SocketAddr, n: usize) {
    let id = |connected: &str, name: &str| {
        let fields: serde_json::Value = serde_json::from_str(&connected[2..]).expect("a CONNECT's payload");
        fields[name].as_str().expect("an id").to_owned()
    };
    let mut client = Client::websocket_over(to_reset(server).await).await;
    client.say(&["40"]).await;
    let mut connected = client.hear_until("40{").await;
    let (sid, pid) = (id(&connected, "sid"), id(&connected, "pid"));
    for round in 0..3 {
        client.say(&[&format!(r#"42["message",{round}]"#)]).await;
        let event = client.hear_until(r#"42["message-back""#).await;
        let event: Vec<serde_json::Value> = serde_json::from_str(&event[2..]).expect("an event");
        assert_eq!(event[1], round, "what has come is not sent again");
        let offset = event.last().and_then(serde_json::Value::as_str).expect("an offset").to_owned();
        drop(client);
        sleep(Duration::from_millis(100 + (n as u64 * 13) % 700)).await;
        client = Client::websocket_over(to_reset(server).await).await;
        client.say(&[&format!(r#"40{{"pid":"{pid}","offset":"{offset}"}}"#)]).await;
        connected = client.hear_until("40{").await;
        assert_eq!(id(&connected, "sid"), sid, "a client that comes back in time has its socket back");
    }
    client.say(&["41"]).await;
}

/// Is asked by the server, and answers, or lets the question time out, or leaves with it.
async fn be_asked(server: SocketAddr, n: usize) {
    let mut client =
        if n.is_multiple_of(2) { Client::websocket(server).await } else { Client::polling(server).await };
    client.say(&["40/test,"]).await;
    client.hear_until("40/test,{").await;
    for round in 0..5 {
        client.say(&[&format!(r#"42/test,{round}["ask",{round}]"#)]).await;
        let question = client.hear_until("42/test,").await;
        let (id, _) = question["42/test,".len()..].split_once('[').expect("a question with an id");
        client.say(&[&format!(r#"43/test,{id}["yes"]"#)]).await;
        assert_eq!(client.hear_until("43/test,").await, format!(r#"43/test,{round}["yes"]"#));
        client.say(&[r#"42/test,7["ask-briefly",100]"#]).await;
        assert_eq!(client.hear_until("43/test,").await, r#"43/test,7["timeout"]"#);
    }
    // These are never answered.
    client.say(&[r#"42/test,8["ask"]"#, r#"42/test,9["ask"]"#]).await;
    client.hear_until("42/test,").await;
    sleep(Duration::from_millis((n as u64 * 17) % 500)).await;
}
