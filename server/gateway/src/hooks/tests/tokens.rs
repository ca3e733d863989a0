//! Clients with a token, and those who come back.

use serde_json::{Value, json};
use socketio::{IoConfig, Recovery};
use socketio_tests::{Received, WebSocket};

use super::*;
use crate::jwt::tests as jwt_tests;
use crate::jwt::{Identity, Jwt};
use crate::presence::Presence;

#[tokio::test]
async fn a_token_gives_rooms_and_data_and_its_end_puts_the_client_out() {
    let mut backend = Backend::start().await;
    let server = Running::start(&backend, |settings| {
        settings.jwt = Some(Jwt::new(jwt_tests::SECRET).unwrap());
        settings.presence = Presence { rooms: vec!["r".to_owned()], data: vec!["sub".to_owned()] };
    })
    .await;
    let mut client = server.connect("").await;
    let missing = r#"44{"message":"send a token: auth: { token }","data":{"code":"token_missing"}}"#;
    assert_eq!(client.next_text().await, missing);
    let token = |sub: &str, seconds| {
        jwt_tests::hs256(&json!({ "sub": sub, "rooms": ["r"], "exp": jwt_tests::in_seconds(seconds) }))
    };
    let auth = |token: String| json!({ "token": token }).to_string();
    let mut client = server.connect(&auth(token("anna", -60))).await;
    assert!(client.next_text().await.contains("token_expired"));
    let mut client = server.connect(&auth("x.y.z".to_owned())).await;
    assert!(client.next_text().await.contains("token_invalid"));

    let mut anna = server.connect(&auth(token("anna", 600))).await;
    let asked = backend.expect("connect").await;
    let first = asked.body["socket"].clone();
    assert_eq!(asked.body["data"], json!({ "sub": "anna" }), "the backend sees what the token says");
    asked.answer(204, "");
    assert!(anna.next_text().await.starts_with("40{"));
    let member = |socket: &Value, sub: &str| json!({ "socket": socket, "data": { "sub": sub } });
    let event = |name: &str, body: Value| format!("42{}", json!([name, body]));
    let alone = json!({ "members": [member(&first, "anna")], "room": "r" });
    assert_eq!(anna.next_text().await, event("presence:members", alone));

    // The clocks may be 10 s apart.
    let mut bert = server.connect(&auth(token("bert", -9))).await;
    let asked = backend.expect("connect").await;
    let second = asked.body["socket"].clone();
    asked.answer(204, "");
    assert!(bert.next_text().await.starts_with("40{"));
    let joined = json!({ "member": member(&second, "bert"), "room": "r" });
    assert_eq!(anna.next_text().await, event("presence:joined", joined.clone()));
    assert!(bert.next_text().await.starts_with(r#"42["presence:members""#));
    assert_eq!(bert.next_text().await, r#"42["token_expired"]"#);
    assert_eq!(bert.next_text().await, "41");
    assert_eq!(anna.next_text().await, event("presence:left", joined));
}

/// A server whose clients can come back, with tokens and without a backend.
async fn recovering(skip_middlewares: bool) -> Running {
    let recovery = Recovery { skip_middlewares, ..Recovery::default() };
    let config = IoConfig { recovery: Some(recovery), ..IoConfig::default() };
    Running::with(config, &Backend::start().await, |settings| {
        settings.jwt = Some(Jwt::new(jwt_tests::SECRET).unwrap());
        settings.webhook = None;
    })
    .await
}

/// Connects with these claims, and with a `pid` if there is one. Gives the socket's id and `pid`.
async fn arrive(server: &Running, mut claims: Value, pid: Option<&str>) -> (WebSocket, String, String) {
    if claims["exp"].is_null() {
        claims["exp"] = json!(jwt_tests::in_seconds(600));
    }
    let token = jwt_tests::hs256(&claims);
    let auth = pid.map_or_else(|| json!({ "token": token }), |pid| json!({ "token": token, "pid": pid }));
    let mut client = server.connect(&auth.to_string()).await;
    let answer = client.next_text().await;
    let answer: Value = serde_json::from_str(answer.strip_prefix("40").expect(&answer)).unwrap();
    let field = |name: &str| answer[name].as_str().unwrap().to_owned();
    (client, field("sid"), field("pid"))
}

/// The client's connection is lost, and the server knows.
async fn lose(server: &Running, client: WebSocket) {
    drop(client);
    while server.io.socket_count() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn only_the_same_user_gets_a_socket_back() {
    let server = recovering(false).await;
    for (was, is, same) in [
        (json!({ "sub": "anna" }), json!({ "sub": "anna" }), true),
        (json!({ "sub": 7 }), json!({ "sub": 7 }), true),
        (json!({ "sub": "anna" }), json!({ "sub": "bert" }), false),
        (json!({ "sub": 7 }), json!({ "sub": 8 }), false),
        (json!({ "sub": 7 }), json!({ "sub": "7" }), false),
        (json!({ "sub": 7 }), json!({}), false),
        (json!({}), json!({}), false),
        (json!({ "sub": null }), json!({ "sub": null }), false),
    ] {
        let (client, first, pid) = arrive(&server, was.clone(), None).await;
        lose(&server, client).await;
        let (client, second, _) = arrive(&server, is.clone(), Some(&pid)).await;
        assert_eq!(first == second, same, "{was} {is}");
        lose(&server, client).await;
    }
}

#[tokio::test]
async fn a_client_that_comes_back_has_the_time_of_its_new_token() {
    for skip_middlewares in [false, true] {
        let server = recovering(skip_middlewares).await;
        let (client, first, pid) = arrive(&server, json!({ "sub": "anna" }), None).await;
        lose(&server, client).await;
        let later = jwt_tests::in_seconds(6000);
        let claims = json!({ "sub": "anna", "exp": later });
        let (_client, second, _) = arrive(&server, claims, Some(&pid)).await;
        assert_eq!(first, second);
        let identity = server.io.socket(&second).unwrap().get::<Identity>().unwrap();
        let expires = identity.expires.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        assert_eq!(expires, u64::try_from(later).unwrap() + 10, "skip_middlewares: {skip_middlewares}");
    }
}

#[tokio::test]
async fn a_client_that_the_backend_does_not_let_back_joins_as_new_if_it_lets_it_in() {
    let mut backend = Backend::start().await;
    let config = IoConfig { recovery: Some(Recovery::default()), ..IoConfig::default() };
    let server = Running::with(config, &backend, |_| {}).await;
    // What the backend is asked with, and what it answers.
    let mut arrive = async |auth: &str, answers: &[(bool, Value, u16, &str)]| {
        let mut client = server.connect(auth).await;
        for (recovered, data, status, body) in answers {
            let asked = backend.expect("connect").await;
            assert_eq!((&asked.body["recovered"], &asked.body["data"]), (&json!(recovered), data));
            asked.answer(*status, body);
        }
        let answer = client.next().await;
        assert!(backend.asked.try_recv().is_err(), "nothing else is asked");
        (client, answer)
    };
    let field = |answer: &Received, name: &str| match answer {
        Received::Text(text) => {
            let connected: Value = serde_json::from_str(text.strip_prefix("40").expect(text)).unwrap();
            connected[name].as_str().unwrap().to_owned()
        }
        other => panic!("{other:?}"),
    };
    let pid = |answer: &Received| json!({ "pid": field(answer, "pid") }).to_string();
    let anna = json!({ "user": "anna" });
    let (client, first) = arrive("", &[(false, json!({}), 200, r#"{"data":{"user":"anna"}}"#)]).await;
    lose(&server, client).await;
    let (client, second) = arrive(&pid(&first), &[(true, anna.clone(), 204, "")]).await;
    assert_eq!(field(&second, "sid"), field(&first, "sid"));
    lose(&server, client).await;
    let no = r#"{"message":"no"}"#;
    let (client, third) = arrive(&pid(&second), &[(true, anna, 403, no), (false, json!({}), 204, "")]).await;
    assert_ne!(field(&third, "sid"), field(&first, "sid"));
    lose(&server, client).await;
    let (_, refused) = arrive(&pid(&third), &[(true, json!({}), 403, no), (false, json!({}), 403, no)]).await;
    assert_eq!(refused, Received::Text(format!("44{no}")));
    // No answer is no refusal.
    let (client, first) = arrive("", &[(false, json!({}), 204, "")]).await;
    lose(&server, client).await;
    let (_, closed) = arrive(&pid(&first), &[(true, json!({}), 500, "")]).await;
    assert!(matches!(closed, Received::Close(_) | Received::End), "{closed:?}");
}
