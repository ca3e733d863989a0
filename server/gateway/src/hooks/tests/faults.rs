//! What a backend that fails costs, and whom.

use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use socketio_tests::Received;

use super::*;

/// What broken backends answer, and what kind of failure that is.
fn broken_answers() -> [(Vec<u8>, &'static str); 9] {
    let answer = |head: &str, length: usize, body: &str| {
        format!("HTTP/1.1 {head}\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes()
    };
    [
        (answer("500 x", 0, ""), "status"),
        (answer("404 x", 6, "<html>"), "bad_answer"),
        (answer("403 x", 0, ""), "bad_answer"),
        (answer("302 x\r\nlocation: /login", 0, ""), "redirect"),
        (answer("200 x", 6, "<html>"), "bad_answer"),
        (answer("200 x", 12, "{\"jion\":[\"\"]}"), "bad_answer"),
        (answer("200 x", 10, "half"), "cut"),
        (answer("200 x", 1_000_001, &" ".repeat(1_000_001)), "too_large"),
        // The rest doesn't come.
        (answer("200 x", 10, "slow"), "timeout"),
    ]
}

async fn faults_of(mut backend: Backend, authorities: Authorities) {
    let server = Running::start(&backend, |settings| {
        let webhook = settings.webhook.as_mut().unwrap();
        webhook.connect_timeout = Duration::from_millis(500);
        webhook.authorities = authorities;
    })
    .await;
    let mut client = server.connect("").await;
    backend.next().await.answer(401, r#"{"message":"who are you?","data":{"code":7}}"#);
    assert_eq!(client.next_text().await, r#"44{"message":"who are you?","data":{"code":7}}"#);
    for (bytes, kind) in broken_answers() {
        let mut client = server.connect("").await;
        backend.next().await.answer_bytes(bytes);
        // Without a refusal before it.
        assert!(matches!(client.next().await, Received::Close(_) | Received::End), "{kind}");
        assert!(server.metrics().contains(&format!("outcome=\"{kind}\"")), "{kind}: {}", server.metrics());
    }
    let mut client = server.connect("").await;
    let _silent = backend.next().await;
    assert!(matches!(client.next().await, Received::Close(_) | Received::End));
    assert!(server.metrics().contains("outcome=\"timeout\"} 2\n"));
    assert_eq!(server.io.socket_count(), 0);
}

#[tokio::test]
async fn a_refusal_is_told_and_a_failure_closes_the_session_so_that_the_client_comes_back() {
    faults_of(Backend::start().await, Authorities::default()).await;
}

#[tokio::test]
async fn a_failure_costs_an_event_its_acknowledgement_and_nothing_else() {
    let mut backend = Backend::start().await;
    let server = Running::start(&backend, |settings| {
        settings.webhook.as_mut().unwrap().event_timeout = Duration::from_millis(500);
    })
    .await;
    let (mut client, _) = server.join(&mut backend).await;
    for (n, (bytes, kind)) in broken_answers().into_iter().enumerate() {
        client.text(format!(r#"421{n}["lost"]"#)).await;
        client.text(format!(r#"422{n}["chat"]"#)).await;
        backend.expect("event").await.answer_bytes(bytes);
        let next = backend.expect("event").await;
        assert_eq!(next.body["event"], "chat", "after {kind}");
        next.answer(200, r#"{"ack":["ok"]}"#);
        assert_eq!(client.next_text().await, format!(r#"432{n}["ok"]"#));
        assert!(server.metrics().contains(&format!("hook=\"event\",outcome=\"{kind}\"")), "{kind}");
    }
}

/// The certificate authorities in a file that has this certificate.
fn trusting(certified: &CertifiedKey<KeyPair>) -> Authorities {
    let name = format!("socketio-gateway-{}-{}.pem", std::process::id(), rand::rng().random::<u64>());
    let path = std::env::temp_dir().join(name);
    std::fs::write(&path, certified.cert.pem()).unwrap();
    let authorities = Authorities::from_file(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(Authorities::from_file(&path).is_err());
    authorities
}

#[tokio::test]
async fn the_same_by_https_with_an_authority_of_ones_own() {
    let certified = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    faults_of(Backend::start_tls(&certified).await, trusting(&certified)).await;
}

#[tokio::test]
async fn a_backend_with_a_wrong_certificate_gets_nothing() {
    let right = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let of_another_name = generate_simple_self_signed(["other.test".to_owned()]).unwrap();
    // Of another authority, and of another host.
    for (served, trusted) in [(&right, &of_another_name), (&of_another_name, &of_another_name)] {
        let mut backend = Backend::start_tls(served).await;
        let server = Running::start(&backend, |settings| {
            settings.webhook.as_mut().unwrap().authorities = trusting(trusted);
        })
        .await;
        let mut client = server.connect("").await;
        assert!(matches!(client.next().await, Received::Close(_) | Received::End));
        assert!(server.metrics().contains("outcome=\"unreachable\"} 1\n"), "{}", server.metrics());
        assert!(backend.asked.try_recv().is_err());
    }
}

#[tokio::test]
async fn other_authorities_can_be_trusted_while_it_runs() {
    let [certified, other] =
        ["localhost", "other.test"].map(|name| generate_simple_self_signed([name.to_owned()]).unwrap());
    let mut backend = Backend::start_tls(&certified).await;
    let server = Running::start(&backend, |settings| {
        settings.webhook.as_mut().unwrap().authorities = trusting(&other);
    })
    .await;
    let mut client = server.connect("").await;
    assert!(matches!(client.next().await, Received::Close(_) | Received::End));
    server.gateway.set_authorities(&trusting(&certified)).unwrap();
    server.join(&mut backend).await;
    server.gateway.set_authorities(&trusting(&other)).unwrap();
    let mut client = server.connect("").await;
    assert!(matches!(client.next().await, Received::Close(_) | Received::End));
    assert!(backend.asked.try_recv().is_err());
}

#[test]
fn a_hook_ends_before_the_time_of_middlewares_is_over() {
    let seconds = Duration::from_secs_f64;
    assert_eq!(connect_times(seconds(20.0), seconds(3.0), Duration::ZERO), (seconds(15.0), seconds(3.0)));
    for (hook_timeout, wanted) in [(20.0, 5.0), (20.0, 60.0), (2.0, 3.0), (60.0, 30.0)] {
        // A token's key may have been fetched for half of it.
        for passed in [0.0, hook_timeout / 4.0, hook_timeout / 2.0] {
            let (patience, limit) = connect_times(seconds(hook_timeout), seconds(wanted), seconds(passed));
            assert!(
                passed + (patience + limit).as_secs_f64() < hook_timeout * 0.96,
                "{hook_timeout} {wanted}"
            );
        }
    }
}

#[tokio::test]
async fn a_backend_that_fails_is_left_alone_and_found_again() {
    let mut backend = Backend::start().await;
    let server = Running::start(&backend, |_| {}).await;
    for _ in 0..10 {
        let mut client = server.connect("").await;
        backend.next().await.answer(503, "");
        assert!(matches!(client.next().await, Received::Close(_) | Received::End));
    }
    let mut turned_away = server.connect("").await;
    assert!(matches!(turned_away.next().await, Received::Close(_) | Received::End));
    assert!(backend.asked.try_recv().is_err(), "the backend is left alone");
    let text = server.metrics();
    assert!(text.contains("outcome=\"circuit_open\"} 1\n") && text.contains("circuit_open 1\n"), "{text}");
    // After a second, a client that comes back finds it again.
    let (mut client, asked) = loop {
        let mut client = server.connect("").await;
        tokio::select! {
            asked = backend.next() => break (client, asked),
            _ = client.next() => {}
        }
    };
    asked.answer(204, "");
    assert!(client.next_text().await.starts_with("40{"));
    assert!(server.metrics().contains("circuit_open 0\n"));
}

#[tokio::test]
async fn a_backend_that_answers_wrongly_is_not_left_alone() {
    let mut backend = Backend::start().await;
    let server = Running::start(&backend, |_| {}).await;
    let (mut client, _) = server.join(&mut backend).await;
    // Whoever finds an event that the backend stumbles over must not cut off all others.
    for n in 0..20 {
        client.text(r#"42["trips"]"#).await;
        let asked = backend.expect("event").await;
        asked.answer(if n % 2 == 0 { 200 } else { 404 }, "<html>");
    }
    client.text(r#"421["chat"]"#).await;
    backend.expect("event").await.answer(204, "");
    assert_eq!(client.next_text().await, "431[]");
}
