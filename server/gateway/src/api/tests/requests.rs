//! Requests whatever they ask for: keys, repetitions, and the end of the server.

use super::*;

#[tokio::test]
async fn a_key_is_refused_where_there_is_none() {
    let server = Running::open().await;
    let bearer = format!("Bearer {KEY}");
    let headers = [("Authorization", bearer.as_str())];
    let answer = server.connect().await.request("GET", "/api/info", &headers, b"").await;
    assert_eq!(answer.status, 401);
    assert!(answer.text().contains("this API has no key"), "{}", answer.text());
}

#[tokio::test]
async fn without_one_of_the_keys_nothing_is_told() {
    let server = Running::start(Keys::new([KEY, "another-key-01234"]).unwrap()).await;
    let info = async |key: Option<&str>| {
        let field = key.map(|key| format!("Bearer {key}"));
        let headers: Vec<_> = field.iter().map(|field| ("Authorization", field.as_str())).collect();
        server.connect().await.request("GET", "/api/info", &headers, b"").await
    };
    assert_eq!(info(Some(KEY)).await.status, 200);
    assert_eq!(info(Some("another-key-01234")).await.status, 200);
    for wrong in [None, Some("wrong-key-0123456"), Some("")] {
        let answer = info(wrong).await;
        assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some("Bearer")));
    }
    // Where there is a key, the name doesn't matter, since a page doesn't know the key.
    let mut named = server.connect().await;
    named.host = "api.example".to_owned();
    let bearer = format!("Bearer {KEY}");
    assert_eq!(named.request("GET", "/api/info", &[("Authorization", &bearer)], b"").await.status, 200);
    assert_eq!(server.get("/api/nothing").await.0, 401, "what exists is not told either");
}

#[tokio::test]
async fn a_request_with_a_key_is_done_once() {
    let server = Running::open().await;
    let (mut client, _) = server.client().await;
    let emit = br#"{"event":"once"}"#;
    let key = [("Idempotency-Key", "7")];
    let first = server.post_with("/api/emit", &key, emit).await;
    let again = server.post_with("/api/emit", &key, emit).await;
    assert_eq!((first.status, again.status, first.text()), (200, 200, again.text()));
    assert_eq!(server.post_with("/api/emit", &key, br#"{"event":"other"}"#).await.status, 409);
    for wrong in ["", "a b"] {
        assert_eq!(server.post_with("/api/emit", &[("Idempotency-Key", wrong)], emit).await.status, 400);
    }
    server.post("/api/emit", json!({ "event": "next" })).await;
    assert_eq!(client.next_text().await, r#"42["once"]"#);
    assert_eq!(client.next_text().await, r#"42["next"]"#, "it was done once");
}

#[tokio::test]
async fn requests_are_finished_when_the_server_stops() {
    let io = Io::new();
    io.of("/chat");
    let clients = TestServer::start(Server::builder().socketio("/socket.io/", io.clone())).await;
    let mut client = clients.websocket("/socket.io/?EIO=4&transport=websocket").await;
    client.next_text().await;
    client.text("40").await;
    client.next_text().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(
        Api::new(io, NodeInfo::new("here", false), Keys::default())
            .serve(listener, async { drop(stopped.await) }),
    );
    let (mut busy, _idle) = (Connection::open(address).await, Connection::open(address).await);
    busy.host = address.to_string();
    let ask = br#"{"event":"ask","timeout":"10s"}"#;
    busy.send("POST", "/api/emit", &[("Content-Type", "application/json")], ask).await;
    let asked = client.next_text().await;
    drop(stop);
    let id: String = asked[2..].chars().take_while(char::is_ascii_digit).collect();
    client.text(format!("43{id}[1]")).await;
    assert_eq!(busy.response().await.status, 200);
    serving.await.unwrap();
}
