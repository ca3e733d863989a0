//! Clients that connect: what the backend says of them, when their turn comes, and which namespaces there are.

use parking_lot::Mutex;
use serde_json::{Value, json};
use socketio::IoConfig;
use socketio_tests::Received;

use super::*;
use crate::jwt::Jwt;
use crate::jwt::tests as jwt_tests;
use crate::presence::Presence;
use crate::rules::{Action, Rule, Rules};

#[tokio::test]
async fn a_client_is_let_in_with_rooms_data_and_events() {
    let mut backend = Backend::start().await;
    let server = Running::start(&backend, |settings| {
        settings.webhook.as_mut().unwrap().headers = vec!["host".to_owned(), "cookie".to_owned()];
    })
    .await;
    let mut client = server.connect(r#"{"token":"t"}"#).await;
    let asked = backend.expect("connect").await;
    let id = asked.body["socket"].as_str().unwrap().to_owned();
    assert_eq!(asked.body["auth"], json!({ "token": "t" }));
    assert_eq!(asked.body["query"]["q"], "1");
    assert_eq!((&asked.body["address"], &asked.body["namespace"]), (&json!("127.0.0.1"), &json!("/")));
    assert_eq!((&asked.body["node"], &asked.body["recovered"]), (&json!("here"), &json!(false)));
    assert!(asked.body["epoch"].is_u64() && asked.body["timestamp"].is_string());
    assert_eq!(asked.body["headers"], json!({ "host": "test" }), "only fields that are allowed");
    assert!(!asked.headers.contains_key("webhook-signature"), "there is no secret");
    let answer = json!({
        "join": ["r"],
        "data": { "name": "Anna" },
        "emit": [{ "to": [id], "event": "welcome", "args": [1] }, { "to": ["r"], "event": "joined" }],
    });
    asked.answer(200, &answer.to_string());
    assert!(client.next_text().await.starts_with("40{"));
    assert_eq!(client.next_text().await, r#"42["welcome",1]"#);
    let socket = server.io.socket(&id).unwrap();
    assert_eq!(
        (socket.data::<Value>().unwrap(), socket.rooms()),
        (json!({ "name": "Anna" }), vec!["r".into()])
    );
}

#[tokio::test]
async fn at_most_28_calls_run_at_once_and_clients_come_in_as_they_arrived() {
    let mut backend = Backend::start().await;
    let server = Running::start(&backend, |_| {}).await;
    let mut clients = Vec::new();
    for n in 0..40 {
        clients.push(server.connect(&format!("{{\"n\":{n}}}")).await);
        // So that they arrive one after the other.
        while server.gateway.clone().calls() <= n {
            tokio::task::yield_now().await;
        }
    }
    let mut running = std::collections::VecDeque::new();
    for _ in 0..LIMIT {
        running.push_back(backend.next().await);
    }
    assert!(backend.asked.try_recv().is_err(), "28 calls run");
    let text = server.metrics();
    assert!(
        text.contains("socketio_gateway_calls_running 28\n")
            && text.contains("socketio_gateway_calls_waiting 12\n"),
        "{text}"
    );
    for n in LIMIT..40 {
        running.pop_front().unwrap().answer(204, "");
        let next = backend.next().await;
        assert_eq!(next.body["auth"]["n"], n);
        running.push_back(next);
    }
    running.into_iter().for_each(|asked| asked.answer(204, ""));
    for mut client in clients {
        assert!(client.next_text().await.starts_with("40{"));
    }
}

// As after a restart of the server: tests/gateway/run return does it with 10,000.
#[tokio::test]
async fn clients_whose_turn_does_not_come_in_time_are_closed_come_back_and_get_in() {
    const CLIENTS: usize = 240;
    let mut backend = Backend::start().await;
    let config = IoConfig { hook_timeout: Duration::from_secs(4), ..IoConfig::default() };
    let server = Arc::new(Running::with(config, &backend, |_| {}).await);
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let server = Arc::clone(&server);
            tokio::spawn(async move {
                for tries in 0.. {
                    let mut client = server.connect("").await;
                    match client.next().await {
                        Received::Text(text) if text.starts_with("40{") => return tries,
                        Received::Text(text) => panic!("{text}: a refusal is for good"),
                        _ => tokio::time::sleep(Duration::from_millis(100)).await,
                    }
                }
                unreachable!("it tries again and again")
            })
        })
        .collect();
    let running = Arc::new(Mutex::new((0_usize, 0_usize)));
    let counted = Arc::clone(&running);
    let answering = tokio::spawn(async move {
        loop {
            let asked = backend.next().await;
            let counted = Arc::clone(&counted);
            {
                let (now, most) = &mut *counted.lock();
                *now += 1;
                *most = (*most).max(*now);
            }
            tokio::spawn(async move {
                // A call may wait for 3 s: six times 28 get their turn.
                tokio::time::sleep(Duration::from_millis(500)).await;
                counted.lock().0 -= 1;
                asked.answer(204, "");
            });
        }
    });
    let mut returned = 0;
    for client in clients {
        returned += usize::from(client.await.unwrap() > 0);
    }
    answering.abort();
    assert_eq!(running.lock().1, LIMIT);
    assert!(returned > 0 && server.metrics().contains("outcome=\"waited\""), "{}", server.metrics());
}

#[tokio::test]
async fn a_namespace_of_a_pattern_has_rules_hooks_and_presence_and_can_be_published_to() {
    let mut backend = Backend::start().await;
    let server = Running::start(&backend, |settings| {
        settings.namespaces.push("/orders-*".to_owned());
        settings.webhook.as_mut().unwrap().hooks.insert(HookType::RoomOccupied);
        settings.presence = Presence { rooms: vec!["r".to_owned()], data: Vec::new() };
        let rule = |namespace: &str, action| Rule {
            name: "e".to_owned(),
            namespace: Some(namespace.to_owned()),
            action,
            rate: None,
        };
        let rules = vec![rule("/orders-*", Action::Refuse), rule("/orders-8", Action::RelayToRooms)];
        settings.rules = Rules::new(rules, Action::Backend);
    })
    .await;
    let mut client = server.clients.websocket("/socket.io/?EIO=4&transport=websocket").await;
    client.next_text().await;
    for name in ["/orders-7", "/orders-8"] {
        client.text(format!("40{name},")).await;
        let asked = backend.expect("connect").await;
        assert_eq!(asked.body["namespace"], name);
        asked.answer(200, r#"{"join":["r"]}"#);
        assert!(client.next_text().await.starts_with(&format!("40{name},{{")));
        assert!(client.next_text().await.starts_with(&format!("42{name},[\"presence:members\"")));
    }
    let batch = backend.expect("batch").await;
    assert_eq!(
        (&batch.body["hooks"][0]["namespace"], &batch.body["hooks"][0]["room"]),
        (&json!("/orders-7"), &json!("r"))
    );
    client.text(r#"42/orders-7,1["e"]"#).await;
    assert!(client.next_text().await.starts_with(r#"43/orders-7,1[{"error""#));
    client.text(r#"42/orders-8,1["e"]"#).await;
    assert_eq!(client.next_text().await, "43/orders-8,1[]");
    client.text("40/other,").await;
    assert!(client.next_text().await.starts_with("44/other,"));
    let publish = |namespace: &str| {
        let emit: crate::operations::Emit =
            serde_json::from_value(json!({ "namespace": namespace, "event": "news" })).unwrap();
        emit.prepare(&server.io, "/").map(|emit| emit.send()).ok()
    };
    // Clients may be there one day.
    assert_eq!([publish("/orders-7"), publish("/orders-9"), publish("/other")], [Some(1), Some(0), None]);
    assert_eq!(publish("/orders-*"), None, "which of them is not said");
    assert!(server.io.namespace("/orders-9").is_none(), "nothing is kept of a name that was published to");
    assert_eq!(client.next_text().await, r#"42/orders-7,["news"]"#);
}

// Clients can always try to join `/`.
#[tokio::test]
async fn the_namespace_of_the_root_is_closed_unless_it_is_listed() {
    for (listed, answer) in
        [("/chat", r#"44{"message":"Invalid namespace"}"#), ("/*", "44{\"message\":\"send a token")]
    {
        let backend = Backend::start().await;
        let server = Running::start(&backend, |settings| {
            settings.namespaces = vec![listed.to_owned()];
            settings.jwt = Some(Jwt::new(jwt_tests::SECRET).unwrap());
            settings.webhook = None;
        })
        .await;
        let mut client = server.connect("").await;
        assert!(client.next_text().await.starts_with(answer), "{listed}");
        let token = jwt_tests::hs256(&json!({ "exp": jwt_tests::in_seconds(600) }));
        let auth = json!({ "token": token });
        client.text(format!("40/chat,{auth}")).await;
        assert!(client.next_text().await.starts_with("40/chat,{"), "{listed}");
        // Clients of revision 3 join it before any other, so it asks for a token there.
        let mut old = server.clients.websocket("/socket.io/?EIO=3&transport=websocket").await;
        old.next_text().await;
        let refused = old.next_text().await;
        assert!(refused.starts_with("44") && refused.contains("token_missing"), "{listed} {refused}");
        assert_eq!(server.io.socket_count(), 0);
    }
}
