//! Long polling: what GETs and POSTs are answered, together and alone.

use engineio::EngineConfig;
use socketio_tests::{Received, TestServer};

use crate::{POLLING, echo};

// proves: protocol/answers-content-type, protocol/ok-at-once
#[tokio::test]
async fn a_post_is_answered_ok_and_a_get_brings_what_is_queued() {
    let server = echo().await;
    let target = server.open_polling("/engine.io/", 4).await;
    let posted = server.post(&target, "4hello\u{1e}4wörld\u{1e}bAQID").await;
    assert_eq!((posted.status, posted.text()), (200, "ok"));
    assert_eq!(posted.header("content-type"), Some("text/html"));
    let polled = server.get(&target).await;
    assert_eq!(polled.text(), "4hello\u{1e}4wörld\u{1e}bAQID");
    assert_eq!(polled.header("content-type"), Some("text/plain; charset=UTF-8"));
    assert_eq!(polled.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn a_parked_get_is_answered_when_something_comes() {
    let server = echo().await;
    let target = server.open_polling("/engine.io/", 4).await;
    let mut poll = server.connect().await;
    poll.send("GET", &target, &[], b"").await;
    server.post(&target, "4a\u{1e}4b").await;
    assert_eq!(poll.response().await.text(), "4a\u{1e}4b");
    // On the same connection, and with the POST before the GET.
    server.post(&target, "4c").await;
    poll.send("GET", &target, &[], b"").await;
    assert_eq!(poll.response().await.text(), "4c");
}

// proves: protocol/overlap
#[tokio::test]
async fn an_overlapping_get_is_refused_the_first_gets_a_close_and_the_session_ends() {
    let server = echo().await;
    let target = server.open_polling("/engine.io/", 4).await;
    let mut first = server.connect().await;
    let mut second = server.connect().await;
    first.send("GET", &target, &[], b"").await;
    second.send("GET", &target, &[], b"").await;
    // Which one is the second is the network's choice.
    let mut answers =
        [first.response().await, second.response().await].map(|a| (a.status, a.text().to_owned()));
    answers.sort();
    assert_eq!(answers, [(200, "1".to_owned()), (400, String::new())]);
    assert_eq!(server.get(&target).await.text(), r#"{"code":1,"message":"Session ID unknown"}"#);
}

// proves: protocol/overlap
#[tokio::test]
async fn an_overlapping_post_is_refused_and_the_session_ends() {
    let server = echo().await;
    let target = server.open_polling("/engine.io/", 4).await;
    let mut poll = server.connect().await;
    poll.send("GET", &target, &[], b"").await;
    let mut first = server.connect().await;
    first
        .write(format!(
            "POST {target} HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n"
        ))
        .await;
    // The server asks for the body once the first has its door.
    assert_eq!(first.response().await.status, 100);
    let second = server.post(&target, "4b").await;
    assert_eq!((second.status, second.text()), (400, ""));
    assert_eq!(poll.response().await.text(), "1");
    assert_eq!(server.get(&target).await.status, 400);
}

// proves: protocol/aborted-get
#[tokio::test]
async fn an_aborted_get_ends_the_session() {
    let server = echo().await;
    let target = server.open_polling("/engine.io/", 4).await;
    let mut poll = server.connect().await;
    poll.send("GET", &target, &[], b"").await;
    drop(poll);
    // The end of a connection is noticed soon, though not at once.
    loop {
        let answer = server.post(&target, "3").await;
        if answer.status == 400 {
            assert_eq!(answer.text(), r#"{"code":1,"message":"Session ID unknown"}"#);
            break;
        }
    }
}

// proves: protocol/overlap
#[tokio::test]
async fn an_aborted_post_ends_the_session_and_the_parked_get_gets_a_close() {
    let server = echo().await;
    let target = server.open_polling("/engine.io/", 4).await;
    let mut poll = server.connect().await;
    poll.send("GET", &target, &[], b"").await;
    let mut post = server.connect().await;
    post.write(format!("POST {target} HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\n4abc")).await;
    drop(post);
    assert_eq!(poll.response().await.text(), "1");
}

// proves: features/max-http-buffer-size, protocol/post-over-the-limit
#[tokio::test]
async fn a_post_of_the_limit_is_taken_and_one_byte_more_is_413_and_the_session_survives() {
    let config = EngineConfig { max_payload: 10_000, ..EngineConfig::default() };
    let server = TestServer::echo(config).await;
    let target = server.open_polling("/engine.io/", 4).await;
    let exact = format!("4{}", "x".repeat(9_999));
    assert_eq!(server.post(&target, &exact).await.text(), "ok");
    assert_eq!(server.get(&target).await.text(), exact);
    let refused = server.post(&target, format!("{exact}x")).await;
    assert_eq!((refused.status, refused.text()), (413, ""));
    assert_eq!(server.post(&target, "4alive").await.text(), "ok");
    assert_eq!(server.get(&target).await.text(), "4alive");
}

// proves: features/wish/size-limit, protocol/post-over-the-limit
#[tokio::test]
async fn a_chunked_post_over_the_limit_is_413() {
    let config = EngineConfig { max_payload: 100, ..EngineConfig::default() };
    let server = TestServer::echo(config).await;
    let target = server.open_polling("/engine.io/", 4).await;
    let mut post = server.connect().await;
    post.write(format!("POST {target} HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n")).await;
    post.write(format!("32\r\n4{}\r\n33\r\n{}\r\n", "a".repeat(49), "b".repeat(51))).await;
    assert_eq!(post.response().await.status, 413);
    assert_eq!(server.post(&target, "4alive").await.text(), "ok");
}

// proves: protocol/closing-polls, protocol/ok-at-once
#[tokio::test]
async fn a_malformed_post_is_answered_ok_and_the_session_ends() {
    let server = echo().await;
    for body in [&b""[..], b"abc", b"2", b"4\xff\xfe", b"4a\x1e", "éaaaa".as_bytes()] {
        let target = server.open_polling("/engine.io/", 4).await;
        let posted = server.post(&target, body).await;
        assert_eq!((posted.status, posted.text()), (200, "ok"), "{body:?}");
        let gone = server.get(&target).await;
        assert_eq!(gone.text(), r#"{"code":1,"message":"Session ID unknown"}"#, "{body:?}");
    }
}

#[tokio::test]
async fn a_malformed_post_gives_the_parked_get_a_close() {
    let server = echo().await;
    let target = server.open_polling("/engine.io/", 4).await;
    let mut poll = server.connect().await;
    poll.send("GET", &target, &[], b"").await;
    // A second GET would end the session, so there is no asking whether the first is parked: its connection
    // answers in order, and the refused request after it was read after it.
    let mut post = server.connect().await;
    let posted = post.request("POST", &target, &[], b"abc").await;
    assert_eq!(posted.text(), "ok");
    let polled = poll.response().await;
    assert!(polled.text() == "1" || polled.status == 400, "{polled:?}");
}

// proves: protocol/octets
#[tokio::test]
async fn octets_are_no_payload_of_revision_4() {
    let server = echo().await;
    let target = server.open_polling("/engine.io/", 4).await;
    let headers = [("Content-Type", "application/octet-stream")];
    let refused = server.connect().await.request("POST", &target, &headers, b"4a").await;
    assert_eq!((refused.status, refused.text()), (400, ""));
    assert_eq!(server.get(&target).await.text(), r#"{"code":1,"message":"Session ID unknown"}"#);
}

// proves: protocol/methods
#[tokio::test]
async fn other_methods_on_a_session_are_405() {
    let server = echo().await;
    let target = server.open_polling("/engine.io/", 4).await;
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS"] {
        let refused = server.connect().await.request(method, &target, &[], b"").await;
        assert_eq!(refused.status, 405, "{method}");
    }
    assert_eq!(server.post(&target, "4alive").await.text(), "ok");
}

// proves: protocol/cut-answers
#[tokio::test]
async fn an_answer_is_cut_at_max_payload_and_one_larger_packet_goes_alone() {
    let config = EngineConfig { max_payload: 30, ..EngineConfig::default() };
    let server = TestServer::echo(config).await;
    let target = server.open_polling("/engine.io/", 4).await;
    for message in ["4aaaaaaaaa", "4bbbbbbbbb", "4cccccccccccccccccccc"] {
        server.post(&target, message).await;
    }
    assert_eq!(server.get(&target).await.text(), "4aaaaaaaaa\u{1e}4bbbbbbbbb");
    assert_eq!(server.get(&target).await.text(), "4cccccccccccccccccccc");
    // 30 raw bytes are 41 in base64.
    let mut websocket = server.websocket(crate::WEBSOCKET).await;
    websocket.next_text().await;
    server.post(&target, "bAAAAAAAAAAAAAAAAAAAAAAAA").await;
    assert_eq!(server.get(&target).await.text(), "bAAAAAAAAAAAAAAAAAAAAAAAA");
}

#[tokio::test]
async fn open_upgrade_and_noop_from_a_client_mean_nothing() {
    let server = echo().await;
    let target = server.open_polling("/engine.io/", 4).await;
    assert_eq!(server.post(&target, "0\u{1e}5\u{1e}6\u{1e}3\u{1e}4a").await.text(), "ok");
    assert_eq!(server.get(&target).await.text(), "4a");
}

#[tokio::test]
async fn revision_3_counts_text_in_utf16_units_both_ways() {
    let server = echo().await;
    let opened = server.get("/engine.io/?EIO=3&transport=polling&b64=1").await;
    let target = format!("/engine.io/?EIO=3&transport=polling&b64=1&sid={}", opened.sid());
    assert_eq!(server.post(&target, "3:4hé3:4😀").await.text(), "ok");
    assert_eq!(server.get(&target).await.text(), "3:4hé3:4😀");
}

// proves: protocol/revision-3-unicode
#[tokio::test]
async fn revision_3_sends_text_beyond_ascii_in_its_binary_payload_unless_b64_was_asked_for() {
    let server = echo().await;
    let target = server.open_polling("/engine.io/", 3).await;
    assert_eq!(server.post(&target, "2:4a3:4hé").await.text(), "ok");
    let polled = server.get(&target).await;
    assert_eq!(polled.body, b"\x00\x02\xff4a\x00\x04\xff4h\xc3\xa9");
    assert_eq!(polled.header("content-type"), Some("application/octet-stream"));
    assert_eq!(server.post(&target, "2:4a").await.text(), "ok");
    let polled = server.get(&target).await;
    assert_eq!(polled.text(), "2:4a");
    assert_eq!(polled.header("content-type"), Some("text/plain; charset=UTF-8"));
}

// proves: protocol/payload-3-binary
#[tokio::test]
async fn revision_3_uses_its_binary_payload_for_binary() {
    let server = echo().await;
    let target = server.open_polling("/engine.io/", 3).await;
    let octets = [("Content-Type", "application/octet-stream")];
    let body = b"\x00\x03\xff4\xc3\xa9\x01\x03\xff\x04\x01\x02";
    assert_eq!(server.connect().await.request("POST", &target, &octets, body).await.text(), "ok");
    let polled = server.get(&target).await;
    assert_eq!(polled.body, body);
    assert_eq!(polled.header("content-type"), Some("application/octet-stream"));
    assert_eq!(server.post(&target, "6:b4AQID").await.text(), "ok");
    assert_eq!(server.get(&target).await.body, b"\x01\x04\xff\x04\x01\x02\x03");
}

// proves: protocol/payload-3-binary
#[tokio::test]
async fn revision_3_uses_base64_where_b64_was_asked_for() {
    let server = echo().await;
    let opened = server.get("/engine.io/?EIO=3&transport=polling&b64=0").await;
    let target = format!("/engine.io/?EIO=3&transport=polling&b64=0&sid={}", opened.sid());
    assert_eq!(server.post(&target, "6:b4AQID2:4a").await.text(), "ok");
    let polled = server.get(&target).await;
    assert_eq!(polled.text(), "6:b4AQID2:4a");
    assert_eq!(polled.header("content-type"), Some("text/plain; charset=UTF-8"));
}

// proves: protocol/base64
#[tokio::test]
async fn base64_may_have_line_ends_and_the_alphabet_of_urls_and_no_padding() {
    let server = echo().await;
    let plain = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+P0A=";
    // Java's encoder for MIME: lines of 76 characters, and one more end.
    let java = format!("{}\n{}\n", &plain[..76], &plain[76..]);
    let carriage = java.replace('\n', "\r\n");
    for (sent, back) in [
        (plain, plain),
        (&*java, plain),
        (&carriage, plain),
        ("-_8=", "+/8="),
        ("+/8", "+/8="),
        ("AQ==AQID", "AQ=="),
    ] {
        let target = server.open_polling("/engine.io/", 4).await;
        assert_eq!(server.post(&target, format!("b{sent}")).await.text(), "ok");
        assert_eq!(server.get(&target).await.text(), format!("b{back}"));
        let mut websocket = server.websocket(crate::WEBSOCKET).await;
        websocket.next_text().await;
        let target = format!("{}&b64=1", server.open_polling("/engine.io/", 3).await);
        let body = format!("{}:b4{sent}", sent.len() + 2);
        assert_eq!(server.post(&target, body).await.text(), "ok");
        let binary = server.get(&target).await.body;
        websocket.text(format!("b{sent}")).await;
        // Both are the bytes, the poll's after its mark and type.
        let Received::Binary(bytes) = websocket.next().await else { panic!("{sent:?}: no bytes came back") };
        let mark = binary.iter().position(|byte| *byte == 0xff).expect("a binary payload");
        assert_eq!(binary[mark + 2..], bytes, "{sent:?}");
    }
}

#[tokio::test]
async fn a_revision_3_body_that_is_cut_short_ends_the_session() {
    let server = echo().await;
    let target = server.open_polling("/engine.io/", 3).await;
    let octets = [("Content-Type", "application/octet-stream")];
    let body = b"\x01\x05\xff\x04\x01\x02";
    assert_eq!(server.connect().await.request("POST", &target, &octets, body).await.text(), "ok");
    assert_eq!(server.get(&target).await.status, 400);
}

// proves: protocol/max-packets
#[tokio::test]
async fn packets_of_one_payload_are_counted() {
    let server = TestServer::echo(EngineConfig { max_packets: 100, ..EngineConfig::default() }).await;
    let target = server.open_polling("/engine.io/", 4).await;
    let body = ["3"; 100].join("\u{1e}");
    assert_eq!(server.post(&target, &body).await.text(), "ok");
    assert_eq!(server.post(&target, "4alive").await.text(), "ok");
    assert_eq!(server.get(&target).await.text(), "4alive");
    assert_eq!(server.post(&target, format!("{body}\u{1e}3")).await.text(), "ok");
    // More than a round of packets may be taken in after the answer.
    while server.post(&target, "3").await.status == 200 {}
}

// proves: protocol/backpressure
#[tokio::test]
async fn a_post_that_brings_more_than_the_send_budget_holds_is_answered_in_full() {
    let server = echo().await;
    let target = server.open_polling("/engine.io/", 4).await;
    // With its 64 bytes of overhead each echo counts 70 bytes, 5.6 MB in all against a budget of 1 MB.
    let count = 80_000;
    let body: Vec<String> = (0..count).map(|n| format!("4{n:05}")).collect();
    assert_eq!(server.post(&target, body.join("\u{1e}")).await.text(), "ok");
    let mut poll = server.connect().await;
    let mut seen = 0;
    while seen < count {
        for packet in poll.request("GET", &target, &[], b"").await.text().split('\u{1e}') {
            assert_eq!(packet, body[seen]);
            seen += 1;
        }
    }
}

// proves: protocol/answers-before-the-end
#[tokio::test]
async fn what_was_answered_before_an_end_reaches_the_parked_get() {
    let server = echo().await;
    for end in ["abc", "1", "2"] {
        let target = server.open_polling("/engine.io/", 4).await;
        let mut poll = server.connect().await;
        poll.send("GET", &target, &[], b"").await;
        assert_eq!(server.post(&target, format!("4a\u{1e}{end}")).await.text(), "ok");
        let polled = poll.response().await;
        // The GET may come late, and then finds no session.
        assert!(polled.text() == "4a" || polled.status == 400, "{end}: {polled:?}");
    }
}

#[tokio::test]
async fn a_bystander_never_notices() {
    let server = echo().await;
    let bystander = server.open_polling("/engine.io/", 4).await;
    for _ in 0..20 {
        let target = server.open_polling("/engine.io/", 4).await;
        server.post(&target, "abc").await;
    }
    assert_ne!(server.get(POLLING).await.sid(), "");
    assert_eq!(server.post(&bystander, "4still here").await.text(), "ok");
    assert_eq!(server.get(&bystander).await.text(), "4still here");
}
