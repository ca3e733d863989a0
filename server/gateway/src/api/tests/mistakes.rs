//! What is wrong with a request is told: by the status, with its place, and with what is wanted.

use super::*;

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
        (json!({ "event": "" }), "event", "must not be empty"),
        (json!({ "event": "e", "timeout": 2 }), "timeout", "must be a time from \"1ms\" to \"60s\""),
        (json!({ "event": "e", "timeout": "61s" }), "timeout", "must be a time from \"1ms\" to \"60s\""),
        (json!({ "event": "e", "volatile": 1 }), "volatile", "must be true or false"),
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
    let one_key = "an operation has one key: emit, join, leave or disconnect";
    let leave = json!({ "in": [], "rooms": [] });
    for (operation, at, message) in [
        (json!({ "leave": leave, "join": leave }), "operations[0]", one_key),
        (json!({}), "operations[0]", one_key),
        (
            json!({ "jion": leave }),
            "operations[0]",
            "unknown operation `jion`, expected one of `emit`, `join`, `leave`, `disconnect`",
        ),
        (
            json!(["leave", leave]),
            "operations[0]",
            "must be an object with one key: emit, join, leave or disconnect",
        ),
        (json!({ "leave": [null, [], []] }), "operations[0].leave", "must be an object"),
    ] {
        let (status, answer) = server.post("/api/batch", json!({ "operations": [operation] })).await;
        let expected = json!({ "error": { "code": "bad_field", "message": message, "at": at } });
        assert_eq!((status, answer), (400, expected));
    }
    let twice = server.post_with("/api/emit", &[], br#"{"event":"e","event":"e"}"#).await;
    let twice = told((twice.status, serde_json::from_str(twice.text()).unwrap()));
    assert_eq!(twice, error(400, "bad_field", "event"));
    let answer = told(server.get("/api/rooms?namespace=chat").await);
    assert_eq!(answer, error(400, "bad_parameter", "namespace"));
    // A room or a socket that isn't there is nobody.
    let nobody = json!({ "in": ["no socket"], "rooms": ["r"] });
    assert_eq!(server.post("/api/join", nobody).await, (200, json!({ "sockets": 0, "scope": "cluster" })));
}

#[tokio::test]
async fn a_list_is_not_taken_for_an_object() {
    let server = Running::open().await;
    let (_client, id) = server.client().await;
    let message = "the body must be a JSON object";
    let expected = json!({ "error": { "code": "bad_field", "message": message } });
    for (path, body) in [
        ("/api/emit", json!(["/", null, [], "e"])),
        ("/api/join", json!(["/", [id], ["zz"]])),
        ("/api/leave", json!(["/", [id], ["zz"]])),
        ("/api/disconnect", json!(["/", [id], false])),
        ("/api/batch", json!([[]])),
        ("/api/emit", json!("e")),
        ("/api/emit", json!(null)),
    ] {
        assert_eq!(server.post(path, body).await, (400, expected.clone()), "{path}");
    }
    assert!(!server.io.has_room("zz"));
}
