//! What the backend is told without being asked: signatures, batches, the end of the server.

use serde_json::{Value, json};

use super::*;

#[tokio::test]
async fn hooks_are_signed_with_each_secret_and_no_two_are_the_same() {
    let mut backend = Backend::start().await;
    let secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"];
    let server = Running::start(&backend, |settings| {
        settings.webhook.as_mut().unwrap().secrets = Secrets::new(secrets).unwrap();
    })
    .await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let _client = server.connect("").await;
        let asked = backend.expect("connect").await;
        let (id, timestamp) =
            (&asked.headers["webhook-id"], asked.headers["webhook-timestamp"].parse().unwrap());
        let expected = Secrets::new(secrets).unwrap().sign(id, timestamp, asked.text.as_bytes());
        assert_eq!(asked.headers["webhook-signature"], expected);
        assert_eq!(expected.split(' ').count(), 2);
        assert!(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() - timestamp < 60);
        ids.push(id.clone());
        asked.answer(204, "");
    }
    assert_ne!(ids[0], ids[1]);
    // As after SIGHUP.
    server.gateway.set_secrets(Secrets::new(&secrets[1..]).unwrap());
    let _client = server.connect("").await;
    let asked = backend.expect("connect").await;
    assert_eq!(asked.headers["webhook-signature"].split(' ').count(), 1);
}

#[tokio::test]
async fn joining_leaving_and_rooms_are_told_in_order_in_batches_and_again_if_that_fails() {
    let mut backend = Backend::start().await;
    let server = Running::start(&backend, |settings| {
        let webhook = settings.webhook.as_mut().unwrap();
        webhook.hooks = HookType::ALL.into();
        webhook.hooks.remove(&HookType::Connect);
    })
    .await;
    let mut client = server.connect("").await;
    let connected = client.next_text().await;
    let id = serde_json::from_str::<Value>(&connected[2..]).unwrap()["sid"].as_str().unwrap().to_owned();
    server.io.sockets_join("r");
    client.text("41").await;
    let mut hooks = Vec::new();
    // What comes is told 500 ms after the first of it, so it may be in one batch or in two.
    while hooks.len() < 5 {
        let asked = backend.expect("batch").await;
        assert_eq!(asked.body["node"], "here");
        let (batch, id) = (asked.body["hooks"].clone(), asked.headers["webhook-id"].clone());
        asked.answer(500, "");
        let again = backend.expect("batch").await;
        assert_eq!((&again.body["hooks"], &again.headers["webhook-id"]), (&batch, &id), "the same again");
        again.answer(200, "ok");
        hooks.extend(batch.as_array().unwrap().clone());
    }
    let told: Vec<_> = hooks.iter().map(|hook| hook["type"].as_str().unwrap()).collect();
    assert_eq!(told, ["node_started", "connected", "room_occupied", "room_vacated", "disconnected"]);
    assert_eq!((&hooks[1]["socket"], &hooks[1]["transport"]), (&json!(id), &json!("websocket")));
    assert_eq!((&hooks[2]["room"], &hooks[2]["namespace"]), (&json!("r"), &json!("/")));
    assert_eq!(
        (&hooks[4]["reason"], &hooks[4]["rooms"]),
        (&json!("client namespace disconnect"), &json!(["r"]))
    );
}

#[tokio::test]
async fn a_batch_counts_as_waiting_until_the_backend_has_accepted_it() {
    let mut backend = Backend::start().await;
    let server = Running::start(&backend, |settings| {
        settings.webhook.as_mut().unwrap().hooks = [HookType::NodeStarted].into();
    })
    .await;
    let batch = backend.expect("batch").await;
    assert!(server.metrics().contains("hooks_waiting 1\n"), "{}", server.metrics());
    batch.answer(204, "");
    server.gateway.finish(Duration::from_secs(20)).await;
    assert!(server.metrics().contains("hooks_waiting 0\n"), "{}", server.metrics());
}

#[tokio::test]
async fn the_end_of_the_server_waits_for_what_runs_and_what_is_to_be_told() {
    let mut backend = Backend::start().await;
    let server = Running::start(&backend, |settings| {
        settings.webhook.as_mut().unwrap().hooks.insert(HookType::Disconnected);
    })
    .await;
    let (mut client, id) = server.join(&mut backend).await;
    client.text(r#"42["last"]"#).await;
    let last = backend.expect("event").await;
    let Running { clients, gateway, .. } = server;
    clients.stop().await;
    let finishing = tokio::spawn(async move { gateway.finish(Duration::from_secs(20)).await });
    last.answer(204, "");
    let batch = backend.expect("batch").await;
    assert_eq!(batch.body["hooks"][0]["socket"], json!(id));
    assert!(!finishing.is_finished());
    batch.answer(204, "");
    finishing.await.unwrap();
}

#[tokio::test]
async fn the_end_of_the_server_does_not_wait_for_a_backend_that_asked_to_be_left_alone() {
    let mut backend = Backend::start().await;
    let server = Running::start(&backend, |settings| {
        settings.webhook.as_mut().unwrap().hooks = [HookType::NodeStarted].into();
    })
    .await;
    let leave_alone = "HTTP/1.1 503 x\r\nretry-after: 3600\r\ncontent-length: 0\r\n\r\n";
    backend.expect("batch").await.answer_bytes(leave_alone);
    while !server.metrics().contains("circuit_open 1\n") {
        tokio::task::yield_now().await;
    }
    let gateway = server.gateway.clone();
    let finishing = tokio::spawn(async move { gateway.finish(Duration::from_secs(20)).await });
    // Nor if it asks again.
    for _ in 0..2 {
        backend.expect("batch").await.answer_bytes(leave_alone);
    }
    let batch = backend.expect("batch").await;
    assert_eq!(batch.body["hooks"][0]["type"], "node_started");
    batch.answer(204, "");
    finishing.await.unwrap();
}
