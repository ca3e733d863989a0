//! Rows 44 to 52: the upgrade, and connections that are reset in every state.

use engineio::Limit;

use super::http::{end, still_polls};
use super::*;

/// A polling session and a WebSocket for it.
async fn probe(server: &TestServer) -> (String, WebSocket) {
    let target = server.open_polling("/engine.io/", 4).await;
    let websocket = server.websocket(&probing(&target)).await;
    (target, websocket)
}

/// The same, its probe answered.
async fn probed(server: &TestServer) -> (String, WebSocket) {
    let (target, mut websocket) = probe(server).await;
    websocket.text("2probe").await;
    assert_eq!(websocket.next_text().await, "3probe");
    (target, websocket)
}

fn short_upgrades() -> Hostile {
    let mut settings = impatient();
    settings.config =
        EngineConfig { upgrade_timeout: settings.config.upgrade_timeout, ..EngineConfig::default() };
    settings
}

// proves: flaw/engineioxide, hostile/44, limit/upgrade-timeout
#[tokio::test]
async fn row_44_a_silent_probe_is_dropped_at_the_upgrade_timeout_and_polling_goes_on() {
    hostile_with(
        short_upgrades(),
        |builder, _| builder,
        async |server| {
            let (target, mut websocket) = probe(server).await;
            websocket.expect_close(None).await;
            assert_eq!(server.service().limit_hits(Limit::UpgradeTimeout), 1);
            still_polls(server, &target).await;
        },
    )
    .await;
}

// proves: hostile/45
#[tokio::test]
async fn row_45_an_answered_probe_that_goes_silent_is_dropped_too() {
    hostile_with(
        short_upgrades(),
        |builder, _| builder,
        async |server| {
            let (target, mut websocket) = probed(server).await;
            // The client goes on polling meanwhile.
            let mut poll = server.connect().await;
            assert_eq!(poll.request("GET", &target, &[], b"").await.text(), "6");
            websocket.expect_close(None).await;
            assert_eq!(server.service().limit_hits(Limit::UpgradeTimeout), 1);
            still_polls(server, &target).await;
        },
    )
    .await;
}

// proves: hostile/46
#[tokio::test]
async fn row_46_a_second_websocket_is_closed_and_the_first_goes_on() {
    hostile(async |server| {
        let (target, mut first) = probed(server).await;
        let mut second = server.websocket(&probing(&target)).await;
        second.expect_close(None).await;
        first.text("5").await;
        first.text("4a").await;
        assert_eq!(first.next_text().await, "4a");
        let mut third = server.websocket(&probing(&target)).await;
        third.expect_close(None).await;
        first.text("4b").await;
        assert_eq!(first.next_text().await, "4b");
    })
    .await;
}

// proves: hostile/47
#[tokio::test]
async fn row_47_posts_during_an_upgrade_are_taken_once_and_in_order() {
    hostile(async |server| {
        let (target, mut websocket) = probed(server).await;
        for n in 0..5 {
            assert_eq!(server.post(&target, format!("4{n}")).await.text(), "ok");
        }
        websocket.text("5").await;
        websocket.text("45").await;
        for n in 0..=5 {
            assert_eq!(websocket.next_text().await, format!("4{n}"));
        }
    })
    .await;
}

// proves: hostile/48
#[tokio::test]
async fn row_48_requests_after_the_upgrade_are_code_3() {
    hostile(async |server| {
        let (target, mut websocket) = probed(server).await;
        websocket.text("5").await;
        websocket.text("4a").await;
        assert_eq!(websocket.next_text().await, "4a");
        assert_eq!(server.get(&target).await.text(), BAD_REQUEST);
        assert_eq!(server.post(&target, "4x").await.text(), BAD_REQUEST);
        websocket.text("4b").await;
        assert_eq!(websocket.next_text().await, "4b");
    })
    .await;
}

// proves: hostile/49
#[tokio::test]
async fn row_49_a_5_without_a_probe_upgrades_once() {
    hostile(async |server| {
        let (target, mut websocket) = probe(server).await;
        for _ in 0..2 {
            websocket.text("5").await;
        }
        websocket.text("4a").await;
        assert_eq!(websocket.next_text().await, "4a");
        assert_eq!(server.get(&target).await.text(), BAD_REQUEST);
    })
    .await;
}

// proves: hostile/50
#[tokio::test]
async fn row_50_a_probe_that_begins_with_anything_else_is_dropped_and_polling_goes_on() {
    hostile(async |server| {
        for first in ["3probe", "40", "2", "2prob", "2probe ", "9", "", "test"] {
            let (target, mut websocket) = probe(server).await;
            websocket.text(first).await;
            websocket.expect_close(None).await;
            still_polls(server, &target).await;
        }
        let (target, mut websocket) = probe(server).await;
        websocket.binary("2probe").await;
        websocket.expect_close(None).await;
        still_polls(server, &target).await;
    })
    .await;
}

// proves: hostile/51
#[tokio::test]
async fn row_51_an_upgrade_that_is_cut_off_leaves_polling_and_may_be_tried_again() {
    hostile(async |server| {
        for step in 0..3 {
            for reset in [false, true] {
                let target = server.open_polling("/engine.io/", 4).await;
                let connection = if reset { server.connect_to_reset().await } else { server.connect().await };
                let mut websocket = WebSocket::over(connection, &probing(&target)).await;
                if step > 0 {
                    websocket.text("2probe").await;
                    assert_eq!(websocket.next_text().await, "3probe");
                }
                if step > 1 {
                    assert_eq!(server.get(&target).await.text(), "6");
                }
                drop(websocket);
                // Another may come as soon as the server knows that this one has gone.
                let mut again = loop {
                    let mut websocket = server.websocket(&probing(&target)).await;
                    websocket.text("2probe").await;
                    match websocket.next().await {
                        Received::Text(text) => {
                            assert_eq!(text, "3probe");
                            break websocket;
                        }
                        closed => assert_eq!(closed, Received::Close(None)),
                    }
                };
                again.text("5").await;
                again.text("4a").await;
                assert_eq!(again.next_text().await, "4a");
            }
        }
    })
    .await;
}

/// Brings a connection into some state, and drops it there, which resets it.
async fn reset(server: &TestServer, state: usize) {
    let mut connection = server.connect_to_reset().await;
    let session = async || server.open_polling("/engine.io/", 4).await;
    match state {
        0 => {}
        1 => connection.write("GET /engine.io/?EIO=4&tran").await,
        2 => connection.send("GET", POLLING, &[], b"").await,
        3 => connection.send("GET", &session().await, &[], b"").await,
        4 => {
            let head =
                format!("POST {} HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n4ab", session().await);
            connection.write(head).await;
        }
        5 => connection.send("POST", &session().await, &[], b"4a").await,
        6 => drop(WebSocket::over(connection, WEBSOCKET).await),
        7 => {
            let mut websocket = WebSocket::over(connection, WEBSOCKET).await;
            websocket.raw(&WebSocket::frame(0x81, b"4half a message")[..9]).await;
        }
        8 => {
            let mut websocket = WebSocket::over(connection, WEBSOCKET).await;
            websocket.text(format!("4{}", "x".repeat(100_000))).await;
        }
        9 => drop(WebSocket::over(connection, &probing(&session().await)).await),
        10 => {
            let target = session().await;
            let mut websocket = WebSocket::over(connection, &probing(&target)).await;
            websocket.text("2probe").await;
            websocket.text("5").await;
        }
        11 => {
            let mut websocket = WebSocket::over(connection, SOCKETIO).await;
            websocket.text("40").await;
            websocket.text(r#"451-["message",{"_placeholder":true,"num":0}]"#).await;
        }
        12 => {
            let mut websocket = WebSocket::over(connection, WEBSOCKET).await;
            websocket.raw(WebSocket::frame(0x88, &1000u16.to_be_bytes())).await;
        }
        _ => {
            let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";
            let target = "/engine.io/?EIO=4&transport=foo";
            let head =
                format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n");
            connection.write(format!("{head}{key}\r\n")).await;
        }
    }
}

const STATES: usize = 14;

// proves: hostile/52, security/resets
#[tokio::test]
async fn row_52_connections_that_are_reset_in_every_state_leave_nothing_behind() {
    // Sessions whose client just stays away are for the heartbeat.
    hostile_with(
        impatient(),
        |builder, _| builder,
        async |server| {
            for round in 0..20 {
                for state in 0..STATES {
                    reset(server, (state + round) % STATES).await;
                }
            }
        },
    )
    .await;
}

// proves: hostile/52
#[tokio::test]
#[ignore = "ten thousand resets take a while; --ignored runs them"]
async fn row_52_ten_thousand_resets_leave_nothing_behind() {
    hostile_with(
        impatient(),
        |builder, _| builder,
        async |server| {
            for n in 0..10_000 {
                reset(server, n % STATES).await;
            }
        },
    )
    .await;
}

// proves: flaw/cve-2022-41940
#[tokio::test]
async fn cve_2022_41940_a_bad_upgrade_that_is_reset_harms_nobody() {
    hostile(async |server| {
        for _ in 0..100 {
            reset(server, STATES - 1).await;
        }
        let target = server.open_polling("/engine.io/", 4).await;
        end(server, &target).await;
    })
    .await;
}
