//! Rows in the size that they are listed in, where that takes too long for every day:
//! `cargo test --release -p socketio-tests --test hostile -- --ignored --nocapture full_size`.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use engineio::Limit;

use super::process::{PAYLOAD_LIMIT, Process};
use super::*;

// proves: hostile/21
#[tokio::test]
#[ignore = "takes seconds"]
async fn row_21_a_hundred_thousand_guesses_at_sids_are_all_code_1() {
    hostile(async |server| {
        let mut connection = server.connect().await;
        for n in 0..100_000u64 {
            let sid = format!("{:020}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let response = connection.request("GET", &format!("{POLLING}&sid={sid}"), &[], b"").await;
            assert_eq!((response.status, response.text()), (400, SESSION_UNKNOWN));
        }
    })
    .await;
}

// proves: hostile/30
#[tokio::test]
#[ignore = "takes seconds"]
async fn row_30_fifty_thousand_handshakes_that_nobody_polls_all_go() {
    let mut settings = impatient();
    settings.limits.max_sessions = 50_000;
    // All of them are there before the first one goes.
    settings.config.ping_timeout = Duration::from_secs(15);
    hostile_with(
        settings,
        |builder, _| builder,
        async |server| {
            let mut connection = server.connect().await;
            // The bystander has one.
            for n in 1..50_000 {
                assert_eq!(connection.request("GET", POLLING, &[], b"").await.status, 200, "{n}");
            }
            assert_eq!(connection.request("GET", POLLING, &[], b"").await.status, 503);
            assert_eq!(server.service().sessions(), 50_000);
            assert_eq!(server.service().limit_hits(Limit::Sessions), 1);
        },
    )
    .await;
}

// proves: hostile/39
#[tokio::test]
#[ignore = "needs a thousand file descriptors"]
async fn row_39_five_hundred_headers_that_claim_a_message_reserve_nothing() {
    let server = Process::start(&[PAYLOAD_LIMIT, "=1000000"]);
    let before = server.resident();
    let mut claiming = Vec::new();
    for _ in 0..500 {
        let mut websocket = WebSocket::open(server.address, WEBSOCKET).await;
        websocket.next_text().await;
        websocket.raw([&[0x82, 0x80 | 127][..], &1_000_000u64.to_be_bytes(), &[0; 4]].concat()).await;
        claiming.push(websocket);
    }
    let held = server.resident().saturating_sub(before);
    println!("{held} bytes for 500 messages of 1,000,000 that never come");
    assert!(held < 500 * 20_000, "{held}");
}

// proves: hostile/56
#[tokio::test]
#[ignore = "takes seconds"]
async fn row_56_ten_thousand_namespaces_that_clients_made_are_the_limit_and_go_with_them() {
    let mut settings = Hostile::default();
    settings.socketio.cleanup_empty_child_namespaces = true;
    let mut namespaces = None;
    hostile_with(
        settings,
        |builder, io| {
            io.of_pattern(r"^/n\d+$").expect("a pattern");
            namespaces = Some(io.clone());
            builder
        },
        async |server| {
            let mut clients = Vec::new();
            for first in (0..10_000).step_by(50) {
                let mut websocket = opened(server, SOCKETIO).await;
                for n in first..first + 50 {
                    websocket.text(format!("40/n{n},")).await;
                    assert!(websocket.next_text().await.starts_with(&format!("40/n{n},{{\"sid\"")));
                }
                clients.push(websocket);
            }
            assert_eq!(server.service().limit_hits(Limit::DynamicNamespaces), 0);
            let mut websocket = opened(server, SOCKETIO).await;
            websocket.text("40/n10000,").await;
            assert_eq!(websocket.next_text().await, r#"44/n10000,{"message":"Too many namespaces"}"#);
            assert_eq!(server.service().limit_hits(Limit::DynamicNamespaces), 1);
        },
    )
    .await;
    let left = namespaces.expect("the application").namespaces().len();
    assert!(left < 10, "{left} namespaces are left");
}

/// A member of the echo's other namespace, where broadcasts are heard.
async fn listener(address: SocketAddr) -> WebSocket {
    let mut websocket = WebSocket::open(address, SOCKETIO).await;
    assert!(websocket.next_text().await.starts_with("0{"));
    websocket.text("40/custom").await;
    assert!(websocket.next_text().await.starts_with("40/custom,"));
    assert!(websocket.next_text().await.starts_with(r#"42/custom,["auth""#));
    websocket
}

/// The 99th percentile of the time that a broadcast takes to come back to whoever asked for it.
async fn p99(speaker: &mut WebSocket) -> Duration {
    let event = format!(r#"42/custom,["broadcast","{}"]"#, "x".repeat(10_000));
    let mut times = Vec::new();
    for _ in 0..2_000 {
        let began = Instant::now();
        speaker.text(&event).await;
        while speaker.next_text().await == "2" {
            speaker.text("3").await;
        }
        times.push(began.elapsed());
    }
    times.sort();
    times[times.len() * 99 / 100]
}

// proves: hostile/32
#[tokio::test]
#[ignore = "prints times, which are nobody's to assert"]
async fn row_32_broadcasts_past_clients_that_never_read_take_no_longer_than_past_others() {
    for reads in [true, false] {
        let server = Process::start(&[PAYLOAD_LIMIT, "=1000000"]);
        let mut speaker = listener(server.address).await;
        let mut others = Vec::new();
        for _ in 0..100 {
            let mut other = listener(server.address).await;
            others.push(tokio::spawn(async move {
                while reads && other.next_bytes().await.is_some() {}
                std::future::pending::<()>().await;
            }));
        }
        println!("100 others, which read: {reads}, p99 {:?}", p99(&mut speaker).await);
        others.iter().for_each(tokio::task::JoinHandle::abort);
    }
}
