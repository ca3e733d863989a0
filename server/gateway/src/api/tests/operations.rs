//! Events, questions, rooms and disconnections, one at a time and in batches.

use super::*;

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
