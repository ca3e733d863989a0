//! Events of clients: order, answers and rules.

use serde_json::{Value, json};
use socketio_tests::Received;
use std::collections::BTreeMap;

use super::*;
use crate::rules::{Action, Rule, Rules};

#[tokio::test]
async fn the_answer_to_an_event_is_its_acknowledgement() {
    let mut backend = Backend::start().await;
    let server = Running::start(&backend, |_| {}).await;
    let (mut client, id) = server.join(&mut backend).await;
    client.text(r#"421["chat","hi",{"a":1}]"#).await;
    let asked = backend.expect("event").await;
    assert_eq!((&asked.body["event"], &asked.body["args"]), (&json!("chat"), &json!(["hi", { "a": 1 }])));
    assert_eq!((&asked.body["ack"], &asked.body["socket"]), (&json!(true), &json!(id)));
    let answer = json!({
        "ack": ["ok", { "_placeholder": true, "num": 0 }], "attachments": ["AQID"],
        "join": ["a", "b"], "leave": ["b"], "data": { "n": 1 }, "emit": [{ "event": "news" }],
    });
    asked.answer(200, &answer.to_string());
    assert_eq!(client.next_text().await, r#"42["news"]"#);
    assert_eq!(client.next_text().await, r#"461-1["ok",{"_placeholder":true,"num":0}]"#);
    assert_eq!(client.next().await, Received::Binary(vec![1, 2, 3]));
    let socket = server.io.socket(&id).unwrap();
    assert_eq!((socket.rooms(), socket.data::<Value>().unwrap()), (vec!["a".into()], json!({ "n": 1 })));

    client.text(r#"422["nothing"]"#).await;
    let asked = backend.expect("event").await;
    assert_eq!(asked.body["data"], json!({ "n": 1 }));
    asked.answer(204, "");
    assert_eq!(client.next_text().await, "432[]");

    // What the backend fails to answer with 2xx has no acknowledgement; later events have theirs.
    for (status, body) in [(400, r#"{"message":"no"}"#), (400, ""), (500, "")] {
        client.text(r#"423["refused"]"#).await;
        backend.expect("event").await.answer(status, body);
    }
    let text = server.metrics();
    for (outcome, count) in [("answered", 2), ("bad_answer", 2)] {
        let line = format!("{{hook=\"event\",outcome=\"{outcome}\"}} {count}\n");
        assert!(text.contains(&line), "{line} in {text}");
    }
    client.text(r#"42["bye"]"#).await;
    let asked = backend.expect("event").await;
    assert_eq!(asked.body["ack"], json!(false));
    asked.answer(200, r#"{"ack":["nobody asked"],"disconnect":true}"#);
    assert_eq!(client.next_text().await, "41");
}

#[tokio::test]
async fn an_event_has_the_data_that_the_answer_to_the_one_before_has_set() {
    let mut backend = Backend::start().await;
    let server = Running::start(&backend, |_| {}).await;
    let (mut client, _) = server.join(&mut backend).await;
    client.text(r#"42["login"]"#).await;
    client.text(r#"42["chat"]"#).await;
    let login = backend.expect("event").await;
    while server.gateway.calls() < 2 {
        tokio::task::yield_now().await;
    }
    login.answer(200, r#"{"data":{"user":"Anna"}}"#);
    assert_eq!(backend.expect("event").await.body["data"], json!({ "user": "Anna" }));
}

#[tokio::test]
async fn attachments_come_in_base64() {
    let mut backend = Backend::start().await;
    let server = Running::start(&backend, |_| {}).await;
    let (mut client, _) = server.join(&mut backend).await;
    client.text(r#"451-["picture",{"_placeholder":true,"num":0}]"#).await;
    client.binary([1, 2, 3]).await;
    let asked = backend.expect("event").await;
    assert_eq!(asked.body["args"], json!([{ "_placeholder": true, "num": 0 }]));
    assert_eq!(asked.body["attachments"], json!(["AQID"]));
}

#[tokio::test]
async fn a_sockets_events_come_in_order_and_other_sockets_do_not_wait_for_them() {
    let mut backend = Backend::start().await;
    let server = Running::start(&backend, |_| {}).await;
    let (mut slow, _) = server.join(&mut backend).await;
    let (mut quick, _) = server.join(&mut backend).await;
    for n in 0..3 {
        slow.text(format!(r#"42{n}["slow",{n}]"#)).await;
    }
    let first = backend.expect("event").await;
    quick.text(r#"427["quick"]"#).await;
    let other = backend.expect("event").await;
    assert_eq!((&first.body["args"], &other.body["event"]), (&json!([0]), &json!("quick")));
    other.answer(204, "");
    assert_eq!(quick.next_text().await, "437[]");
    first.answer(204, "");
    for n in 1..3 {
        let next = backend.expect("event").await;
        assert_eq!(next.body["args"], json!([n]));
        next.answer(204, "");
    }
    for n in 0..3 {
        assert_eq!(slow.next_text().await, format!("43{n}[]"));
    }
}

#[tokio::test]
async fn events_are_relayed_refused_dropped_and_limited_as_the_rules_say() {
    let mut backend = Backend::start().await;
    let rule = |name: &str, action, rate: Option<&str>| Rule {
        name: name.to_owned(),
        namespace: None,
        action,
        rate: rate.map(|rate| rate.parse().unwrap()),
    };
    let server = Running::start(&backend, |settings| {
        let rules = vec![
            rule("typing", Action::RelayToRooms, None),
            rule("shout", Action::RelayToNamespace, Some("1/m")),
            rule("no", Action::Refuse, None),
            rule("chat", Action::Backend, None),
        ];
        settings.rules = Rules::new(rules, Action::Drop);
    })
    .await;
    let (mut one, first) = server.join(&mut backend).await;
    let (mut two, second) = server.join(&mut backend).await;
    let (mut three, _) = server.join(&mut backend).await;
    for id in [&first, &second] {
        server.io.socket(id).unwrap().join("r").unwrap();
    }
    one.text(r#"421["typing",1]"#).await;
    assert_eq!(one.next_text().await, "431[]");
    assert_eq!(two.next_text().await, r#"42["typing",1]"#);
    one.text(r#"42["shout"]"#).await;
    assert_eq!([two.next_text().await, three.next_text().await], [r#"42["shout"]"#, r#"42["shout"]"#]);
    one.text(r#"42["shout","too often"]"#).await;
    one.text(r#"42["unknown"]"#).await;
    one.text(r#"422["no"]"#).await;
    assert_eq!(
        one.next_text().await,
        r#"432[{"error":{"code":"refused","message":"this event is not allowed"}}]"#
    );
    one.text(r#"42["chat"]"#).await;
    backend.expect("event").await.answer(204, "");
    let text = server.metrics();
    for (result, count) in [("relayed", 2), ("over_rate", 1), ("dropped", 1), ("refused", 1), ("backend", 1)]
    {
        assert!(text.contains(&format!("result=\"{result}\"}} {count}\n")), "{result} in {text}");
    }
}

/// A small generator: the tests need no other.
fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

// A property: whatever time each answer takes, no event overtakes another of its socket, and none is lost or doubled.
#[tokio::test]
async fn each_sockets_events_come_in_order_from_a_backend_that_answers_at_random_times() {
    const EVENTS: u64 = 30;
    for seed in 1..=12_u64 {
        let mut backend = Backend::start().await;
        let server = Running::start(&backend, |_| {}).await;
        let mut clients = Vec::new();
        for _ in 0..6 {
            clients.push(server.join(&mut backend).await);
        }
        let ids: Vec<_> = clients.iter().map(|(_, id)| id.clone()).collect();
        for (client, _) in &mut clients {
            for n in 0..EVENTS {
                client.text(format!(r#"42{n}["e",{n}]"#)).await;
            }
        }
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut last: BTreeMap<String, u64> = BTreeMap::new();
        let mut waiting: Vec<(Instant, Asked)> = Vec::new();
        let (mut seen, mut most) = (0, 0);
        while seen < EVENTS * 6 || !waiting.is_empty() {
            let next = waiting.iter().map(|(due, _)| *due).min();
            tokio::select! {
                asked = backend.next(), if seen < EVENTS * 6 => {
                    let socket = asked.body["socket"].as_str().unwrap().to_owned();
                    let n = asked.body["args"][0].as_u64().unwrap();
                    let expected = last.get(&socket).map_or(0, |last| last + 1);
                    assert_eq!(n, expected, "seed {seed}");
                    let another = |(_, other): &(Instant, Asked)| other.body["socket"] == asked.body["socket"];
                    assert!(!waiting.iter().any(another), "two of one socket at once, seed {seed}");
                    last.insert(socket, n);
                    seen += 1;
                    let micros = random(&mut state) % 3000;
                    waiting.push((Instant::now() + Duration::from_micros(micros), asked));
                    most = most.max(waiting.len());
                }
                () = tokio::time::sleep_until(next.unwrap_or_else(Instant::now).into()), if next.is_some() => {
                    let now = Instant::now();
                    for (_, asked) in waiting.extract_if(.., |(due, _)| *due <= now) {
                        let ack = json!({ "ack": asked.body["args"] }).to_string();
                        asked.answer(200, &ack);
                    }
                }
            }
        }
        assert_eq!(last.len(), ids.len());
        assert!(most > 1, "sockets don't wait for each other");
        for (client, _) in &mut clients {
            for n in 0..EVENTS {
                assert_eq!(client.next_text().await, format!("43{n}[{n}]"), "seed {seed}");
            }
        }
    }
}
