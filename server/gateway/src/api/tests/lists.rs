//! Sockets and rooms, in pages.

use super::*;

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
