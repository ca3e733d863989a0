//! Rows 32 to 43: WebSocket frames.

use engineio::Limit;

use super::*;

/// A WebSocket that gets exactly this close frame for these bytes, and is closed.
async fn closes(server: &TestServer, name: &str, bytes: &[u8], code: Option<u16>) {
    let mut websocket = open(server).await;
    websocket.raw(bytes).await;
    assert_eq!(websocket.next().await, Received::Close(code), "{name}");
    // Whatever has not been read is thrown away with the connection, which may reset it.
    assert_eq!(websocket.next().await, Received::End, "{name}");
}

// proves: hostile/32
#[tokio::test]
async fn row_32_a_client_that_never_reads_is_put_out_once_too_much_waits_for_it() {
    let config = EngineConfig { send_budget: 100_000, ..EngineConfig::default() };
    let settings = Hostile { config, limits: impatient().limits, ..Hostile::default() };
    hostile_with(
        settings,
        |builder, _| builder,
        async |server| {
            // In a namespace of their own, where the bystander hears nothing.
            let member = async || {
                let mut websocket = opened(server, SOCKETIO).await;
                websocket.text("40/custom").await;
                assert!(websocket.next_text().await.starts_with("40/custom,"));
                assert_eq!(websocket.next_text().await, r#"42/custom,["auth",{}]"#);
                websocket
            };
            let _deaf = member().await;
            let mut speaker = member().await;
            // More than the kernel's buffers hold, in the end.
            let text = "x".repeat(50_000);
            while server.service().limit_hits(Limit::SendBudget) == 0 {
                speaker.text(format!(r#"42/custom,["broadcast","{text}"]"#)).await;
                loop {
                    match speaker.next_text().await.as_str() {
                        "2" => speaker.text("3").await,
                        heard => {
                            assert!(heard.starts_with(r#"42/custom,["bcast""#));
                            break;
                        }
                    }
                }
            }
            // The other still hears everything.
            speaker.text(r#"42/custom,7["message-with-ack"]"#).await;
            while speaker.next_text().await != "43/custom,7[]" {}
        },
    )
    .await;
}

// proves: flaw/ws-8-23-pongs, hostile/34, security/silent-clients
#[tokio::test]
async fn row_34_a_flood_of_pings_whose_pongs_nobody_reads_waits_and_is_ended_by_the_heartbeat() {
    hostile_with(
        impatient(),
        |builder, _| builder,
        async |server| {
            let mut websocket = open(server).await;
            // 30 MB of pings. The pongs fill the socket, and then nothing more is read.
            let flood = WebSocket::frame(0x89, &[b'p'; 125]).repeat(230_000);
            websocket.flood(&flood).await;
        },
    )
    .await;
}

// proves: hostile/36
#[tokio::test]
async fn row_36_what_breaks_rfc_6455_is_1002() {
    hostile(async |server| {
        for (name, frame) in [
            ("unmasked", vec![0x81, 0x02, b'4', b'a']),
            ("RSV1", WebSocket::frame(0xc1, b"4a")),
            ("RSV2", WebSocket::frame(0xa1, b"4a")),
            ("RSV3", WebSocket::frame(0x91, b"4a")),
            ("opcode 3", WebSocket::frame(0x83, b"4a")),
            ("opcode 7", WebSocket::frame(0x87, b"4a")),
            ("opcode 11", WebSocket::frame(0x8b, b"4a")),
            ("opcode 15", WebSocket::frame(0x8f, b"")),
            ("a fragmented ping", WebSocket::frame(0x09, b"")),
            ("a fragmented close", WebSocket::frame(0x08, b"")),
            ("a ping of 126 bytes", WebSocket::frame(0x89, &[0; 126])),
            ("a lone continuation", WebSocket::frame(0x80, b"4a")),
            ("text within a message", [WebSocket::frame(0x01, b"4"), WebSocket::frame(0x81, b"4")].concat()),
            ("close 999", WebSocket::frame(0x88, &999u16.to_be_bytes())),
            ("close 1005", WebSocket::frame(0x88, &1005u16.to_be_bytes())),
            ("close 1006", WebSocket::frame(0x88, &1006u16.to_be_bytes())),
            ("close 2999", WebSocket::frame(0x88, &2999u16.to_be_bytes())),
            ("close of one byte", WebSocket::frame(0x88, b"\x03")),
        ] {
            closes(server, name, &frame, Some(1002)).await;
        }
    })
    .await;
}

// proves: hostile/37
#[tokio::test]
async fn row_37_text_and_reasons_that_are_not_utf8_are_1007() {
    hostile(async |server| {
        let reason = WebSocket::frame(0x88, &[&1000u16.to_be_bytes()[..], b"\xff"].concat());
        let split = [WebSocket::frame(0x01, b"4\xe2"), WebSocket::frame(0x80, b"\x28\xa1")].concat();
        for (name, frame) in [
            ("text", WebSocket::frame(0x81, b"4\xff")),
            ("a surrogate", WebSocket::frame(0x81, b"4\xed\xa0\x80")),
            ("a character cut short", WebSocket::frame(0x81, b"4\xe2\x82")),
            ("across fragments", split),
            ("a close frame's reason", reason),
        ] {
            closes(server, name, &frame, Some(1007)).await;
        }
    })
    .await;
}

// proves: flaw/cve-2016-10542, flaw/cve-2026-48809, hostile/38, limit/max-payload
#[tokio::test]
async fn row_38_a_message_over_the_limit_is_1009_by_its_header_alone() {
    hostile(async |server| {
        let header =
            |opcode: u8, length: u64| [&[opcode, 0x80 | 127][..], &length.to_be_bytes(), &[0; 4]].concat();
        closes(server, "one byte over", &header(0x81, 1_000_001), Some(1009)).await;
        closes(server, "binary", &header(0x82, 1_000_001), Some(1009)).await;
        closes(server, "2^40", &header(0x82, 1 << 40), Some(1009)).await;
        let fragments = [WebSocket::frame(0x01, &[b'4'; 999_999]), WebSocket::frame(0x80, b"xx")].concat();
        closes(server, "fragments in all", &fragments, Some(1009)).await;
        // And exactly the limit is taken.
        let mut websocket = open(server).await;
        let exact = format!("4{}", "x".repeat(999_999));
        websocket.text(&exact).await;
        assert_eq!(websocket.next_text().await, exact);
    })
    .await;
}

// proves: hostile/38
#[tokio::test]
async fn row_38_a_length_of_2_to_63_is_1002_or_1009() {
    hostile(async |server| {
        let mut websocket = open(server).await;
        websocket.raw([&[0x82, 0x80 | 127][..], &(1u64 << 63).to_be_bytes(), &[0; 4]].concat()).await;
        let closed = websocket.next().await;
        assert!(matches!(closed, Received::Close(Some(1002 | 1009))), "{closed:?}");
    })
    .await;
}

// proves: hostile/39
#[tokio::test]
async fn row_39_headers_that_claim_16_mib_and_bring_nothing_are_refused() {
    hostile(async |server| {
        let header = [&[0x82, 0x80 | 127][..], &(16u64 << 20).to_be_bytes(), &[0; 4]].concat();
        for n in 0..500 {
            closes(server, &n.to_string(), &header, Some(1009)).await;
        }
    })
    .await;
}

// proves: hostile/39, security/silent-clients
#[tokio::test]
async fn row_39_headers_that_claim_the_limit_and_bring_nothing_go_with_the_heartbeat() {
    hostile_with(
        impatient(),
        |builder, _| builder,
        async |server| {
            let header = [&[0x82, 0x80 | 127][..], &1_000_000u64.to_be_bytes(), &[0; 4]].concat();
            let mut claiming = Vec::new();
            for _ in 0..100 {
                let mut websocket = open(server).await;
                websocket.raw(&header).await;
                claiming.push(websocket);
            }
            for websocket in &mut claiming {
                assert_eq!(websocket.next_text().await, "2");
                assert_eq!(websocket.next().await, Received::Close(None));
            }
        },
    )
    .await;
}

// proves: flaw/ghsa-5v72-xg48-5rpm, hostile/41
#[tokio::test]
async fn row_41_compression_is_not_negotiated_and_what_uses_it_is_1002() {
    hostile(async |server| {
        for offer in ["permessage-deflate; client_max_window_bits", "constructor"] {
            let headers = [("Sec-WebSocket-Extensions", offer)];
            let (response, connection) = WebSocket::handshake(server.address(), WEBSOCKET, &headers).await;
            assert_eq!((response.status, response.header("sec-websocket-extensions")), (101, None));
            let mut websocket = WebSocket::on(connection);
            websocket.next_text().await;
            websocket.raw(WebSocket::frame(0xc1, b"\xaa\x05\x00")).await;
            websocket.expect_close(Some(1002)).await;
        }
    })
    .await;
}

// proves: flaw/engineioxide-794, hostile/43
#[tokio::test]
async fn row_43_what_is_no_packet_closes_without_a_code() {
    hostile(async |server| {
        for text in ["", "9", "2", "x", "-1", "éaaaa"] {
            closes(server, text, &WebSocket::frame(0x81, text.as_bytes()), None).await;
        }
        // Base64 in a text frame is binary, as the reference has it.
        let mut websocket = open(server).await;
        websocket.text("bAQID").await;
        assert_eq!(websocket.next().await, Received::Binary(vec![1, 2, 3]));
    })
    .await;
}

// proves: ws/fragments, flaw/cve-2026-48779, hostile/40, limit/max-fragments
#[tokio::test]
async fn row_40_a_message_of_4096_fragments_is_taken_and_one_more_is_1008() {
    hostile(async |server| {
        let fragments = |count: usize| {
            let between = WebSocket::frame(0x00, b"").repeat(count - 2);
            [WebSocket::frame(0x01, b"4a"), between, WebSocket::frame(0x80, b"")].concat()
        };
        let mut websocket = open(server).await;
        websocket.raw(fragments(4_096)).await;
        assert_eq!(websocket.next_text().await, "4a");
        assert_eq!(server.service().limit_hits(Limit::Fragments), 0);
        closes(server, "4,097 fragments", &fragments(4_097), Some(1008)).await;
        assert_eq!(server.service().limit_hits(Limit::Fragments), 1);
    })
    .await;
}

// proves: hostile/35, limit/max-ping-rate
#[tokio::test]
async fn row_35_pings_over_their_rate_are_1008() {
    let settings = Hostile {
        config: EngineConfig { pings_per_second: Some(200), ..EngineConfig::default() },
        ..Hostile::default()
    };
    hostile_with(
        settings,
        |builder, _| builder,
        async |server| {
            // As many may come at once, and pongs that nobody asked for are no better.
            let mut websocket = open(server).await;
            websocket.raw(WebSocket::frame(0x89, b"p").repeat(199)).await;
            websocket.raw(WebSocket::frame(0x8a, b"p")).await;
            for _ in 0..199 {
                assert_eq!(websocket.next().await, Received::Pong(b"p".into()));
            }
            websocket.text("4alive").await;
            assert_eq!(websocket.next_text().await, "4alive");
            assert_eq!(server.service().limit_hits(Limit::PingRate), 0);
            for first_byte in [0x89, 0x8a] {
                let mut websocket = open(server).await;
                let frames = WebSocket::frame(first_byte, b"p").repeat(10_000);
                let sent = websocket.raw_in_background(frames);
                let (mut pongs, mut last) = (0, websocket.next().await);
                while last == Received::Pong(b"p".into()) {
                    (pongs, last) = (pongs + 1, websocket.next().await);
                }
                assert_eq!(last, Received::Close(Some(1008)));
                // While they come, a few more may.
                assert!(first_byte == 0x8a && pongs == 0 || (200..2_000).contains(&pongs), "{pongs}");
                sent.abort();
            }
            assert_eq!(server.service().limit_hits(Limit::PingRate), 2);
        },
    )
    .await;
}

// proves: hostile/35
#[tokio::test]
async fn row_35_pings_whose_pongs_are_read_are_all_answered() {
    hostile(async |server| {
        let mut websocket = open(server).await;
        for batch in 0..20u32 {
            let batch = batch * 1_000..(batch + 1) * 1_000;
            let pings = batch.clone().flat_map(|n| WebSocket::frame(0x89, &n.to_be_bytes()));
            websocket.raw(pings.collect::<Vec<u8>>()).await;
            for n in batch {
                assert_eq!(websocket.next().await, Received::Pong(n.to_be_bytes().to_vec()));
            }
        }
    })
    .await;
}
