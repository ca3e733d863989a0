//! Rows 23 to 29, 33 and 70: polling.

use engineio::Limit;

use super::handshakes::refused;
use super::http::still_polls;
use super::*;

// proves: hostile/23
#[tokio::test]
async fn row_23_a_poll_on_a_websocket_session_is_code_3() {
    hostile(async |server| {
        let mut websocket = server.websocket(WEBSOCKET).await;
        let open = websocket.next_text().await;
        let sid = &open[9..29];
        refused(server, "GET", &format!("{POLLING}&sid={sid}"), BAD_REQUEST).await;
        refused(server, "POST", &format!("{POLLING}&sid={sid}"), BAD_REQUEST).await;
        websocket.text("4alive").await;
        assert_eq!(websocket.next_text().await, "4alive");
    })
    .await;
}

// proves: hostile/24
#[tokio::test]
async fn row_24_another_method_on_a_session_is_405() {
    hostile(async |server| {
        let target = server.open_polling("/engine.io/", 4).await;
        for method in ["PUT", "DELETE", "PATCH", "OPTIONS"] {
            let response = server.connect().await.request(method, &target, &[], b"").await;
            assert_eq!((response.status, response.text()), (405, ""), "{method}");
        }
        still_polls(server, &target).await;
    })
    .await;
}

// proves: hostile/25
#[tokio::test]
async fn row_25_of_two_polls_the_second_is_400_and_the_first_gets_a_close() {
    hostile(async |server| {
        let target = server.open_polling("/engine.io/", 4).await;
        let (mut first, mut second) = (server.connect().await, server.connect().await);
        first.send("GET", &target, &[], b"").await;
        second.send("GET", &target, &[], b"").await;
        // Which one is the second is the network's choice.
        let mut answers = [first.response().await, second.response().await];
        answers.sort_by_key(|answer| answer.status);
        assert_eq!(answers.map(|a| (a.status, a.text().to_owned())), [(200, "1".into()), (400, "".into())]);
        refused(server, "GET", &target, SESSION_UNKNOWN).await;
    })
    .await;
}

// proves: hostile/26
#[tokio::test]
async fn row_26_of_two_posts_the_second_is_400_and_the_session_ends() {
    hostile(async |server| {
        let target = server.open_polling("/engine.io/", 4).await;
        let mut first = server.connect().await;
        let head = format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n");
        first.write(format!("{head}Expect: 100-continue\r\n\r\n")).await;
        // The server asks for the body once the first has its door.
        assert_eq!(first.response().await.status, 100);
        let second = server.post(&target, "4b").await;
        assert_eq!((second.status, second.text()), (400, ""));
        refused(server, "GET", &target, SESSION_UNKNOWN).await;
    })
    .await;
}

// proves: hostile/27
#[tokio::test]
async fn row_27_a_post_that_is_no_payload_is_ok_and_the_session_ends() {
    hostile(async |server| {
        for body in [&b""[..], b"abc", b"2", b"4\xff\xfe", b"4a\x1e", b"\x1e", "éaaaa".as_bytes()] {
            let target = server.open_polling("/engine.io/", 4).await;
            let posted = server.post(&target, body).await;
            assert_eq!((posted.status, posted.text()), (200, "ok"), "{body:?}");
            refused(server, "GET", &target, SESSION_UNKNOWN).await;
        }
    })
    .await;
}

// proves: hostile/28
#[tokio::test]
async fn row_28_a_poll_whose_client_goes_away_ends_the_session() {
    hostile(async |server| {
        let target = server.open_polling("/engine.io/", 4).await;
        let mut poll = server.connect().await;
        poll.send("GET", &target, &[], b"").await;
        drop(poll);
        // That its session is gone is what the harness waits for.
    })
    .await;
}

// proves: hostile/29, security/silent-clients
#[tokio::test]
async fn row_29_a_client_that_goes_away_behind_a_pipelined_byte_is_reclaimed_by_the_heartbeat() {
    hostile_with(
        impatient(),
        |builder, _| builder,
        async |server| {
            let target = server.open_polling("/engine.io/", 4).await;
            let mut poll = server.connect().await;
            poll.write(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\nG")).await;
            drop(poll);
        },
    )
    .await;
}

// proves: hostile/33, limit/send-budget
#[tokio::test]
async fn row_33_a_client_that_never_polls_is_put_out_once_too_much_waits_for_it() {
    let config = EngineConfig { send_budget: 10_000, ..EngineConfig::default() };
    let settings = Hostile { config, limits: impatient().limits, ..Hostile::default() };
    hostile_with(
        settings,
        |builder, _| builder,
        async |server| {
            let target = server.open_polling("/socket.io/", 4).await;
            assert_eq!(server.post(&target, "40/custom").await.text(), "ok");
            assert!(server.get(&target).await.text().starts_with("40/custom,"));
            let mut speaker = opened(server, SOCKETIO).await;
            speaker.text("40/custom").await;
            assert!(speaker.next_text().await.starts_with("40/custom,"));
            assert_eq!(speaker.next_text().await, r#"42/custom,["auth",{}]"#);
            // Each event of 1,000 bytes goes to both. The one that never polls is put out at the write timeout.
            let mut heard = 0;
            while server.service().limit_hits(Limit::SendBudget) == 0 {
                speaker.text(format!(r#"42/custom,["broadcast","{}"]"#, "x".repeat(1_000))).await;
                assert!(speaker.next_text().await.starts_with(r#"42/custom,["bcast""#));
                heard += 1;
            }
            assert!(heard > 10, "{heard} events of 1,000 bytes and 64 each are not over its budget");
            refused(server, "GET", &target, SESSION_UNKNOWN).await;
        },
    )
    .await;
}

// proves: hostile/70, limit/max-packets
#[tokio::test]
async fn row_70_packets_of_one_payload_are_counted() {
    let settings = Hostile {
        config: EngineConfig { max_packets: 500, ..EngineConfig::default() },
        ..Hostile::default()
    };
    hostile_with(
        settings,
        |builder, _| builder,
        async |server| {
            let target = server.open_polling("/engine.io/", 4).await;
            let exact = ["3"; 500].join("\u{1e}");
            assert_eq!(server.post(&target, &exact).await.text(), "ok");
            assert_eq!(server.service().limit_hits(Limit::Packets), 0);
            assert_eq!(server.post(&target, format!("{exact}\u{1e}3")).await.text(), "ok");
            while server.post(&target, "3").await.status == 200 {}
            assert_eq!(server.service().limit_hits(Limit::Packets), 1);
        },
    )
    .await;
}

// proves: hostile/70
#[tokio::test]
async fn row_70_half_a_million_packets_in_a_megabyte_are_over_the_default() {
    hostile(async |server| {
        let target = server.open_polling("/engine.io/", 4).await;
        let body = "2\u{1e}".repeat(500_000);
        assert_eq!(server.post(&target, &body).await.text(), "ok");
        while server.post(&target, "3").await.status == 200 {}
        // `2` from a client ends the session at once; pongs mean nothing, and are counted.
        let target = server.open_polling("/engine.io/", 4).await;
        let body = format!("{}3", "3\u{1e}".repeat(499_999));
        assert_eq!(server.post(&target, &body).await.text(), "ok");
        while server.post(&target, "3").await.status == 200 {}
        assert_eq!(server.service().limit_hits(Limit::Packets), 1);
    })
    .await;
}
