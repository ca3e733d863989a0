//! The API over real connections, with real clients' bytes.

use std::net::SocketAddr;

use serde_json::{Value, json};
use socketio::{Io, Socket};
use socketio_server::Server;
use socketio_tests::{Connection, Received, Response, TestServer, WebSocket};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;

const KEY: &str = "the-key-0123456789";

struct Running {
    io: Io,
    clients: TestServer,
    api: SocketAddr,
    serving: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Running {
    async fn start(keys: Keys) -> Running {
        let io = Io::new();
        io.of("/chat");
        // Real clients would have joined by an event.
        io.on_sync("join", |socket: Socket, room: String| socket.join(room).is_ok());
        let clients = TestServer::start(Server::builder().socketio("/socket.io/", io.clone())).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let api = listener.local_addr().unwrap();
        let serving = Api::new(io.clone(), Node::new("here", false), keys);
        let serving = tokio::spawn(serving.serve(listener, std::future::pending()));
        Running { io, clients, api, serving }
    }

    async fn open() -> Running {
        Running::start(Keys::default()).await
    }

    async fn client(&self) -> (WebSocket, String) {
        let mut client = self.clients.websocket("/socket.io/?EIO=4&transport=websocket").await;
        assert!(client.next_text().await.starts_with('0'));
        client.text("40").await;
        let connected = client.next_text().await;
        let sid: Value = serde_json::from_str(connected.strip_prefix("40").unwrap()).unwrap();
        (client, sid["sid"].as_str().unwrap().to_owned())
    }

    async fn connect(&self) -> Connection {
        let mut connection = Connection::open(self.api).await;
        connection.host = self.api.to_string();
        connection
    }

    async fn post_with(&self, path: &str, fields: &[(&str, &str)], body: &[u8]) -> Response {
        let mut headers = vec![("Content-Type", "application/json")];
        headers.extend(fields);
        self.connect().await.request("POST", path, &headers, body).await
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        let answer = self.post_with(path, &[], body.to_string().as_bytes()).await;
        (answer.status, serde_json::from_str(answer.text()).unwrap())
    }

    async fn get(&self, target: &str) -> (u16, Value) {
        let answer = self.connect().await.request("GET", target, &[], b"").await;
        assert_eq!(answer.header("content-type"), Some("application/json"));
        (answer.status, serde_json::from_str(answer.text()).unwrap())
    }
}

/// The status, code and place of an error.
fn told((status, body): (u16, Value)) -> (u16, String, String) {
    let word = |name: &str| body["error"][name].as_str().unwrap_or_default().to_owned();
    (status, word("code"), word("at"))
}

fn error(status: u16, code: &str, at: &str) -> (u16, String, String) {
    (status, code.to_owned(), at.to_owned())
}

#[tokio::test]
async fn an_event_goes_to_everybody_to_rooms_to_one_and_to_nobody() {
    let server = Running::open().await;
    let ((mut one, first), (mut two, _)) = (server.client().await, server.client().await);
    server.io.socket(&first).unwrap().join("r").unwrap();
    let count = |sockets| (200, json!({ "sockets": sockets, "scope": "cluster" }));
    let emit = async |fields: Value| server.post("/api/emit", fields).await;
    assert_eq!(emit(json!({ "event": "all", "args": [1, {"a": null}] })).await, count(2));
    assert_eq!(one.next_text().await, r#"42["all",1,{"a":null}]"#);
    assert_eq!(two.next_text().await, r#"42["all",1,{"a":null}]"#);
    assert_eq!(emit(json!({ "event": "nobody", "to": [] })).await, count(0));
    assert_eq!(emit(json!({ "event": "elsewhere", "namespace": "/chat" })).await, count(0));
    assert_eq!(emit(json!({ "event": "room", "to": ["r", "none"] })).await, count(1));
    assert_eq!(one.next_text().await, r#"42["room"]"#);
    assert_eq!(emit(json!({ "event": "one", "to": [first] })).await, count(1));
    assert_eq!(one.next_text().await, r#"42["one"]"#);
    assert_eq!(emit(json!({ "event": "except", "except": [first], "volatile": false })).await, count(1));
    assert_eq!(two.next_text().await, r#"42["except"]"#);
}

#[tokio::test]
async fn bytes_come_as_attachments() {
    let server = Running::open().await;
    let (mut client, _) = server.client().await;
    let picture = json!({ "_placeholder": true, "num": 0 });
    let emit = json!({ "event": "picture", "args": [{ "bytes": picture }], "attachments": ["AQID"] });
    assert_eq!(server.post("/api/emit", emit).await.0, 200);
    assert_eq!(client.next_text().await, r#"451-["picture",{"bytes":{"_placeholder":true,"num":0}}]"#);
    assert_eq!(client.next().await, Received::Binary(vec![1, 2, 3]));
    let lacking =
        json!({ "event": "e", "args": [{ "_placeholder": true, "num": 1 }], "attachments": ["AQID"] });
    assert_eq!(told(server.post("/api/emit", lacking).await), error(400, "bad_field", "args"));
    let no_base64 = json!({ "event": "e", "args": [], "attachments": ["%"] });
    assert_eq!(told(server.post("/api/emit", no_base64).await), error(400, "bad_field", "attachments"));
}

#[tokio::test]
async fn clients_answer_in_the_response() {
    let server = Running::open().await;
    let ((mut one, first), (mut two, second)) = (server.client().await, server.client().await);
    let ask = json!({ "event": "ask", "args": ["?"], "timeout": "300ms" });
    let asking = server.post("/api/emit", ask);
    let answering = async {
        let asked = one.next_text().await;
        let id: String = asked[2..].chars().take_while(char::is_ascii_digit).collect();
        one.text(format!(r#"43{id}["yes",1]"#)).await;
        two.next_text().await
    };
    let ((status, answers), asked) = tokio::join!(asking, answering);
    assert!(asked.ends_with(r#"["ask","?"]"#), "{asked}");
    let expected = json!({
        "answers": [{ "socket": first, "args": ["yes", 1] }, { "socket": second, "error": "timeout" }],
        "scope": "cluster",
        "silent_nodes": 0,
    });
    assert_eq!((status, answers), (200, expected));
    for timeout in ["0s", "61s", "2", "", "1m", "60001ms", "01s", "+1s"] {
        let ask = json!({ "event": "ask", "timeout": timeout });
        assert_eq!(
            told(server.post("/api/emit", ask).await),
            error(400, "bad_field", "timeout"),
            "{timeout}"
        );
    }
}

#[tokio::test]
async fn sockets_join_leave_and_are_put_out() {
    let server = Running::open().await;
    let (mut client, id) = server.client().await;
    let one = json!({ "sockets": 1, "scope": "cluster" });
    assert_eq!(
        server.post("/api/join", json!({ "in": [id], "rooms": ["a", "b"] })).await,
        (200, one.clone())
    );
    assert_eq!(server.post("/api/leave", json!({ "in": ["a"], "rooms": ["b"] })).await, (200, one.clone()));
    let rooms = server.get("/api/rooms").await.1;
    assert_eq!(rooms, json!({ "rooms": [{ "name": "a", "sockets": 1 }], "next": null, "scope": "cluster" }));
    assert_eq!(server.post("/api/disconnect", json!({ "in": [], "close": true })).await.1["sockets"], 0);
    assert_eq!(server.post("/api/disconnect", json!({ "in": ["a"] })).await, (200, one));
    assert_eq!(client.next_text().await, "41");
    // Whom it is for is never left out by accident.
    assert_eq!(server.post("/api/disconnect", json!({})).await.0, 400);
    assert_eq!(server.post("/api/join", json!({ "in": null, "rooms": [] })).await.0, 400);
    assert_eq!(server.post("/api/emit", json!({ "to": null, "event": "e" })).await.0, 400);
}

#[tokio::test]
async fn a_batch_is_done_in_order_or_not_at_all() {
    let server = Running::open().await;
    let (mut client, id) = server.client().await;
    let join = json!({ "join": { "in": [id], "rooms": ["r"] } });
    let emit = json!({ "emit": { "to": ["r"], "event": "e" } });
    let leave = json!({ "leave": { "in": [id], "rooms": ["r"] } });
    let batch = |operations: &[&Value]| json!({ "operations": operations });
    let (status, results) = server.post("/api/batch", batch(&[&emit, &join, &emit, &leave, &emit])).await;
    let results = results["results"].as_array().unwrap();
    let counts: Vec<_> = results.iter().map(|result| result["sockets"].as_u64().unwrap()).collect();
    assert_eq!((status, counts), (200, vec![0, 1, 1, 1, 0]));
    assert_eq!(client.next_text().await, r#"42["e"]"#);
    for (wrong, code, at) in [
        (json!({ "emit": { "event": "e", "rom": 1 } }), "bad_field", "operations[1].emit.rom"),
        (json!({ "emit": { "event": "disconnect" } }), "bad_field", "operations[1].emit.event"),
        (json!({ "emit": { "event": "e", "timeout": "1s" } }), "bad_field", "operations[1].emit.timeout"),
        (json!({ "emit": { "event": "e", "args": {} } }), "bad_field", "operations[1].emit.args"),
        (json!({ "join": { "in": [1], "rooms": [] } }), "bad_field", "operations[1].join.in[0]"),
        (json!({ "fly": {} }), "bad_field", "operations[1]"),
    ] {
        assert_eq!(told(server.post("/api/batch", batch(&[&join, &wrong])).await), error(400, code, at));
    }
    let nowhere = json!({ "leave": { "in": [], "rooms": [], "namespace": "/no" } });
    let answer = told(server.post("/api/batch", batch(&[&join, &nowhere])).await);
    assert_eq!(answer, error(404, "unknown_namespace", "operations[1].leave.namespace"));
    assert!(!server.io.has_room("r"), "a batch with a mistake does nothing");
}

#[tokio::test]
async fn sockets_and_rooms_are_listed_in_pages_without_secrets() {
    let server = Running::open().await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(server.client().await);
    }
    let mut ids: Vec<_> = clients.iter().map(|(_, id)| id.clone()).collect();
    ids.sort();
    server.io.socket(&ids[0]).unwrap().set_data("name", "Anna").unwrap();
    server.io.sockets_join(["a:1", "a:2", "b"]);
    let page = |value: &Value| -> Vec<String> {
        value["sockets"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let (_, first) = server.get("/api/sockets?limit=2").await;
    assert_eq!((page(&first), &first["next"]), (ids[..2].to_vec(), &json!(ids[1])));
    let (_, second) = server.get(&format!("/api/sockets?limit=2&after={}", ids[1])).await;
    assert_eq!((page(&second), &second["next"]), (ids[2..].to_vec(), &Value::Null));
    assert!(page(&server.get("/api/sockets?room=none").await.1).is_empty());
    assert!(page(&server.get("/api/sockets?namespace=/chat").await.1).is_empty());

    let (status, socket) = server.get(&format!("/api/sockets/{}", ids[0])).await;
    assert_eq!((status, &socket), (200, &first["sockets"][0]));
    assert_eq!(
        (&socket["data"], &socket["transport"], &socket["node"]),
        (&json!({ "name": "Anna" }), &json!("websocket"), &json!("here"))
    );
    assert_eq!(socket["handshake"]["address"], "127.0.0.1");
    assert!(socket["handshake"].get("auth").is_none() && socket["handshake"].get("query").is_none());
    assert_eq!(told(server.get("/api/sockets/none").await), error(404, "unknown_socket", ""));

    let names = async |target: &str| -> Vec<String> {
        let (_, rooms) = server.get(target).await;
        rooms["rooms"]
            .as_array()
            .unwrap()
            .iter()
            .map(|room| room["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names("/api/rooms").await, ["a:1", "a:2", "b"]);
    assert_eq!(names("/api/rooms?prefix=a:").await, ["a:1", "a:2"]);
    assert_eq!(names("/api/rooms?after=a:1&limit=1").await, ["a:2"]);
    for (target, at) in [
        ("/api/sockets?limit=0", "limit"),
        ("/api/rooms?limit=1001", "limit"),
        ("/api/info?x=1", "x"),
        ("/api/rooms?prefix=a&prefix=b", "prefix"),
    ] {
        assert_eq!(told(server.get(target).await), error(400, "bad_parameter", at), "{target}");
    }
    let (_, info) = server.get("/api/info").await;
    assert_eq!(
        (&info["nodes"], &info["sessions"], &info["namespaces"]["/"]["sockets"]),
        (&json!(1), &json!(3), &json!(3))
    );
    assert_eq!(server.get("/api/openapi.json").await.1["openapi"], "3.1.0");
}

#[tokio::test]
async fn what_is_wrong_is_told_by_the_status() {
    let server = Running::open().await;
    let body = br#"{"event":"e"}"#;
    let refused = async |path: &str, fields: &[(&str, &str)], body: &[u8]| {
        let answer = server.post_with(path, fields, body).await;
        told((answer.status, serde_json::from_str(answer.text()).unwrap()))
    };
    assert_eq!(refused("/api/emit", &[], b"{").await, error(400, "bad_json", ""));
    assert_eq!(refused("/api/emit", &[], b"{\"event\":\"e\"} x").await, error(400, "bad_json", ""));
    assert_eq!(refused("/api/emit", &[], b"{}").await, error(400, "bad_field", "event"));
    assert_eq!(refused("/api/emit", &[], b"{\"event\":7}").await, error(400, "bad_field", "event"));
    assert_eq!(refused("/api/emit?x=1", &[], body).await, error(400, "bad_parameter", "x"));
    assert_eq!(refused("/api/none", &[], body).await, error(404, "unknown_path", ""));
    assert_eq!(refused("/api/info", &[], body).await, error(405, "method_not_allowed", ""));
    assert_eq!(
        refused("/api/emit", &[("Origin", "http://a.test")], body).await,
        error(403, "forbidden_host", "")
    );
    let no_type =
        server.connect().await.request("POST", "/api/emit", &[("Content-Type", "text/plain")], body).await;
    assert_eq!(no_type.status, 415);
    let large = vec![b' '; MAX_BODY + 1];
    assert_eq!(refused("/api/emit", &[], &large).await, error(413, "too_large", ""));
    let mut rebound = server.connect().await;
    rebound.host = "attacker.test".to_owned();
    assert_eq!(rebound.request("GET", "/api/info", &[], b"").await.status, 403);
    let allowed = server.connect().await.request("DELETE", "/api/emit", &[], b"").await;
    assert_eq!((allowed.status, allowed.header("allow")), (405, Some("POST")));
}

#[tokio::test]
async fn a_mistake_in_a_body_is_told_with_its_place_and_what_is_wanted() {
    let server = Running::open().await;
    let placeholder = json!({ "_placeholder": true, "num": 0 });
    for (body, at, message) in [
        (json!({ "args": [] }), "event", "missing field `event`"),
        (json!({ "event": "e", "args": "hi" }), "args", "must be a list: one argument is a list of one"),
        (json!({ "event": "e", "to": "r" }), "to", "must be a list of strings"),
        (json!({ "event": "e", "to": ["r", 7] }), "to[1]", "must be a list of strings"),
        (json!({ "event": "e", "namespace": "chat" }), "namespace", "must begin with /"),
        (
            json!({ "event": "e", "args": [[{ "a": placeholder }]] }),
            "args",
            "a placeholder has no attachment: send the bytes in attachments, as base64",
        ),
    ] {
        let (status, answer) = server.post("/api/emit", body).await;
        let expected = json!({ "error": { "code": "bad_field", "message": message, "at": at } });
        assert_eq!((status, answer), (400, expected));
    }
    // Words that are not a placeholder are data.
    let word = json!({ "event": "e", "args": ["_placeholder", { "_placeholder": 1 }] });
    assert_eq!(server.post("/api/emit", word).await.0, 200);
    let batch = json!({ "operations": [{ "emit": {} }] });
    let answer = told(server.post("/api/batch", batch).await);
    assert_eq!(answer, error(400, "bad_field", "operations[0].emit.event"));
    let answer = told(server.get("/api/rooms?namespace=chat").await);
    assert_eq!(answer, error(400, "bad_parameter", "namespace"));
    // A room or a socket that isn't there is nobody.
    let nobody = json!({ "in": ["no socket"], "rooms": ["r"] });
    assert_eq!(server.post("/api/join", nobody).await, (200, json!({ "sockets": 0, "scope": "cluster" })));
}

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
        Api::new(io, Node::new("here", false), Keys::default())
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
