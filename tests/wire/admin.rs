//! The namespace of administrators: what the page of @socket.io/admin-ui is sent, and what it can do.

use serde_json::{Value, json};
use socketio::{Io, Socket};
use socketio_admin::{Admin, AdminMode, Auth};
use socketio_server::Server;
use socketio_tests::{Received, TestServer, WebSocket};

const TARGET: &str = "/socket.io/?EIO=4&transport=websocket&token=hunter2";
const TOKEN: &str = "0123456789abcdef";

/// A server with administrators, who know the token.
async fn start(settings: impl FnOnce(Admin) -> Admin) -> TestServer {
    let io = Io::new();
    io.on("name", |socket: Socket, name: String| async move { drop(socket.set_data("name", name)) });
    let admin = settings(Admin::new(Auth::token(TOKEN))).attach(&io);
    TestServer::start(Server::builder().socketio("/socket.io/", io).observer(admin)).await
}

/// A client in `/`, and its id.
async fn client(server: &TestServer) -> (WebSocket, String) {
    let mut client = server.websocket(TARGET).await;
    assert!(client.next_text().await.starts_with("0{"));
    client.text("40").await;
    let connect: Value = serde_json::from_str(&client.next_text().await[2..]).expect("JSON");
    (client, connect["sid"].as_str().expect("an id").to_owned())
}

/// An administrator, or what the server answers to one with this auth.
async fn administrator(server: &TestServer, auth: Value) -> Result<WebSocket, String> {
    let mut admin = server.websocket(TARGET).await;
    assert!(admin.next_text().await.starts_with("0{"));
    admin.text(format!("40/admin,{auth}")).await;
    match admin.next_text().await {
        answer if answer.starts_with("40/admin,") => Ok(admin),
        answer => Err(answer),
    }
}

/// The arguments of the next event of that name.
async fn next(admin: &mut WebSocket, name: &str) -> Value {
    loop {
        let text = admin.next_text().await;
        let event: Value = serde_json::from_str(text.strip_prefix("42/admin,").expect(&text)).expect("JSON");
        if event[0] == name {
            return event;
        }
    }
}

async fn tells(admin: &mut WebSocket, command: Value) {
    admin.text(format!("42/admin,{command}")).await;
}

// proves: features/admin-ui
#[tokio::test]
async fn an_administrator_is_sent_a_session_after_the_connect_and_comes_back_with_it() {
    let server = start(|admin| admin).await;
    let refused = Err(r#"44/admin,{"message":"invalid credentials"}"#.to_owned());
    for auth in [json!({}), json!({ "token": "0123456789abcdeF" }), json!({ "sessionId": "1-2" })] {
        assert_eq!(administrator(&server, auth).await.map(drop), refused);
    }
    let mut admin =
        administrator(&server, json!({ "username": "any", "password": TOKEN })).await.expect("let in");
    let session = admin.next_text().await;
    let session = session.strip_prefix(r#"42/admin,["session",""#).and_then(|rest| rest.strip_suffix("\"]"));
    let session = session.expect("a session, before anything else");
    let mut again = administrator(&server, json!({ "sessionId": session })).await.expect("let in");
    assert_eq!(next(&mut again, "config").await[1]["supportedFeatures"][0], "EMIT");
}

// proves: features/admin-ui
#[tokio::test]
async fn an_administrator_sees_sockets_rooms_data_and_events() {
    let server = start(|admin| admin).await;
    let (_first, first) = client(&server).await;
    let mut admin = administrator(&server, json!({ "token": TOKEN })).await.expect("let in");
    let config = next(&mut admin, "config").await;
    let features =
        ["EMIT", "JOIN", "LEAVE", "DISCONNECT", "MJOIN", "MLEAVE", "MDISCONNECT", "AGGREGATED_EVENTS"];
    assert_eq!(config[1]["supportedFeatures"], json!([&features[..], &["ALL_EVENTS"]].concat()));
    let all = next(&mut admin, "all_sockets").await;
    let all: Vec<_> =
        all[1].as_array().expect("sockets").iter().map(|socket| (&socket["nsp"], &socket["id"])).collect();
    assert!(all.contains(&(&json!("/"), &json!(first))), "{all:?}");
    assert_eq!(all.len(), 2, "the administrator is one of them");

    let (mut client, id) = client(&server).await;
    let joined = next(&mut admin, "room_joined").await;
    assert_eq!((&joined[1], &joined[2], &joined[3]), (&json!("/"), &json!(id), &json!(id)));
    let connected = &next(&mut admin, "socket_connected").await[1];
    assert_eq!((&connected["id"], &connected["transport"]), (&json!(id), &json!("websocket")));
    assert_eq!((&connected["rooms"], &connected["data"]), (&json!([id]), &json!({})));
    assert_eq!(connected["clientId"].as_str().map(str::len), Some(12));
    assert_eq!(connected["handshake"]["query"]["token"], "hunter2");
    assert_eq!(connected["handshake"].get("auth"), None);

    client.text("451-[\"bytes\",{\"_placeholder\":true,\"num\":0}]").await;
    client.binary(b"\x01").await;
    assert!(admin.next_text().await.starts_with(&format!(
        r#"451-/admin,["event_received","/","{id}",["bytes",{{"_placeholder":true,"num":0}}],""#
    )));
    assert_eq!(admin.next().await, Received::Binary(b"\x01".to_vec()));
    client.text(r#"42["name","Ada"]"#).await;
    assert_eq!(next(&mut admin, "event_received").await[3], json!(["name", "Ada"]));
    let updated = next(&mut admin, "socket_updated").await;
    assert_eq!(updated[1], json!({ "id": id, "nsp": "/", "data": { "name": "Ada" } }));
    client.text("41").await;
    let left = next(&mut admin, "socket_disconnected").await;
    assert_eq!((&left[2], &left[3]), (&json!(id), &json!("client namespace disconnect")));
    let stats = &next(&mut admin, "server_stats").await[1];
    assert_eq!((&stats["clientsCount"], &stats["pollingClientsCount"]), (&json!(3), &json!(0)));
    assert_eq!(stats["pid"], std::process::id());
}

// proves: features/admin-ui
#[tokio::test]
async fn an_administrator_moves_sockets_sends_events_and_disconnects() {
    let server = start(|admin| admin).await;
    let mut admin = administrator(&server, json!({ "token": TOKEN })).await.expect("let in");
    let ((mut one, one_id), (mut other, _)) = (client(&server).await, client(&server).await);
    tells(&mut admin, json!(["join", "/", "r", one_id])).await;
    tells(&mut admin, json!(["emit", "/", "r", "told", 1, [2]])).await;
    tells(&mut admin, json!(["leave", "/", "r"])).await;
    tells(&mut admin, json!(["emit", "/", "r", "nobody"])).await;
    tells(&mut admin, json!(["emit", "/", null, "all"])).await;
    assert_eq!(one.next_text().await, r#"42["told",1,[2]]"#);
    for client in [&mut one, &mut other] {
        assert_eq!(client.next_text().await, r#"42["all"]"#);
    }
    tells(&mut admin, json!(["_disconnect", "/", false, one_id])).await;
    assert_eq!(one.next_text().await, "41");
    tells(&mut admin, json!(["_disconnect", "/", true])).await;
    assert_eq!(other.next_text().await, "41");
    other.expect_close(None).await;
}

// proves: features/admin-ui
#[tokio::test]
async fn an_administrator_who_may_only_look_changes_nothing() {
    let server = start(|admin| admin.read_only(true)).await;
    let mut admin = administrator(&server, json!({ "token": TOKEN })).await.expect("let in");
    let config = next(&mut admin, "config").await;
    assert_eq!(config[1]["supportedFeatures"], json!(["AGGREGATED_EVENTS", "ALL_EVENTS"]));
    let (mut client, id) = client(&server).await;
    for command in
        [json!(["join", "/", "r", id]), json!(["emit", "/", null, "told"]), json!(["_disconnect", "/", true])]
    {
        tells(&mut admin, command).await;
    }
    // The next statistics come after them.
    next(&mut admin, "server_stats").await;
    client.text(r#"420["name","Ada"]"#).await;
    assert_eq!(client.next_text().await, "430[]");
}

// proves: features/admin-ui
#[tokio::test]
async fn in_production_there_are_numbers_alone() {
    let server = start(|admin| admin.mode(AdminMode::Production)).await;
    let (_client, _) = client(&server).await;
    let mut admin = administrator(&server, json!({ "token": TOKEN })).await.expect("let in");
    assert!(admin.next_text().await.starts_with(r#"42/admin,["session","#));
    let features = &next(&mut admin, "config").await[1]["supportedFeatures"];
    assert!(
        features.as_array().is_some_and(|features| !features.contains(&json!("ALL_EVENTS"))),
        "{features}"
    );
    let text = admin.next_text().await;
    assert!(text.starts_with(r#"42/admin,["server_stats",{"serverId":"#), "{text}");
    assert!(text.contains(r#"{"name":"/","socketsCount":1}"#), "{text}");
}

// proves: features/admin-ui
#[tokio::test]
async fn an_administrator_is_sent_no_secrets_where_others_see_what_is_sent() {
    let server = start(|admin| admin.secrets(false)).await;
    let mut admin = administrator(&server, json!({ "token": TOKEN })).await.expect("let in");
    loop {
        let text = admin.next_text().await;
        assert!(!text.contains("\"session\"") && !text.contains("hunter2"), "{text}");
        if text.starts_with(r#"42/admin,["config","#) {
            break;
        }
    }
    let all = next(&mut admin, "all_sockets").await;
    assert_eq!(all[1][0]["handshake"]["query"]["token"], "*******");
    let _client = client(&server).await;
    let connected = next(&mut admin, "socket_connected").await;
    assert!(!connected.to_string().contains("hunter2"), "{connected}");
}
