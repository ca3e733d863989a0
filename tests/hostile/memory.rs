//! What clients can make a server hold, against the sum that its options imply (docs/security.md).

use std::net::SocketAddr;
use std::time::Duration;

use engineio::memory::ALLOWANCE;
use tokio::net::TcpSocket;
use tokio::task::JoinSet;

use super::process::{BACKLOG, BUDGET, MEMORY, PAYLOAD, PAYLOAD_LIMIT, Process};
use super::*;

/// Clients of each kind.
const CLIENTS: usize = 20;
const KINDS: usize = 5;

/// What one session can hold: what waits for it and one message beyond, a body or message that is coming in
/// a buffer that grows by doubling, packets that wait and one beyond, and its request's head.
const SESSION: usize = (BUDGET + PAYLOAD) + 2 * PAYLOAD + (BACKLOG + PAYLOAD) + 16 * 1024;

/// Brings one client into a state in which the server holds as much as it can for it.
async fn hog(address: SocketAddr, kind: usize) -> Box<dyn std::any::Any> {
    // A server that takes no more is what this waits for.
    const STUCK: Duration = Duration::from_millis(300);
    let event = format!(r#"42["message","{}"]"#, "x".repeat(9_000));
    let mut connection = socketio_tests::Connection::open(address).await;
    let polling = "/socket.io/?EIO=4&transport=polling";
    match kind {
        // It sends and never reads.
        0 => {
            let mut websocket = WebSocket::over(connection, SOCKETIO).await;
            websocket.text("40").await;
            let frame = WebSocket::frame(0x81, event.as_bytes());
            // More than the kernel's buffers hold, unless the server closes it before.
            for _ in 0..1_500 {
                if tokio::time::timeout(STUCK, websocket.flood(&frame)).await.is_err() {
                    break;
                }
            }
            Box::new(websocket)
        }
        // It posts and never polls.
        1 => {
            let opened = connection.request("GET", polling, &[], b"").await;
            let target = format!("{polling}&sid={}", opened.sid());
            connection.request("POST", &target, &[], b"40").await;
            let body = [event.as_str(); 10].join("\u{1e}");
            let body = body.as_bytes();
            for _ in 0..100 {
                let post = connection.request("POST", &target, &[], body);
                match tokio::time::timeout(STUCK, post).await {
                    Ok(answer) if answer.status == 200 => {}
                    _ => break,
                }
            }
            Box::new(connection)
        }
        // It sends all of a body but the last byte.
        2 => {
            let opened = connection.request("GET", polling, &[], b"").await;
            let target = format!("{polling}&sid={}", opened.sid());
            let head = format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {PAYLOAD}\r\n\r\n");
            connection.write_as_far_as_possible((head + &"4".repeat(PAYLOAD - 1)).as_bytes()).await;
            Box::new(connection)
        }
        // It sends all of a message but the last byte.
        3 => {
            let mut websocket = WebSocket::over(connection, SOCKETIO).await;
            let frame = WebSocket::frame(0x82, &[0; PAYLOAD]);
            websocket.flood(&frame[..frame.len() - 1]).await;
            Box::new(websocket)
        }
        // It sends all attachments but the last.
        _ => {
            let mut websocket = WebSocket::over(connection, SOCKETIO).await;
            websocket.text("40").await;
            websocket.text(r#"453-["message",{"_placeholder":true,"num":0}]"#).await;
            websocket.flood(&WebSocket::frame(0x82, &[0; PAYLOAD]).repeat(2)).await;
            Box::new(websocket)
        }
    }
}

// proves: security/memory-sum
#[tokio::test]
async fn slow_readers_never_pollers_and_half_sent_packets_hold_no_more_than_the_options_imply() {
    let server = Process::start(&[]);
    let before = server.resident();
    let mut hogs = Vec::new();
    for n in 0..CLIENTS * KINDS {
        hogs.push(hog(server.address, n % KINDS).await);
    }
    let held = server.resident() - before;
    let implied = CLIENTS * KINDS * SESSION;
    eprintln!("{held} bytes are held of {implied} that the options imply");
    assert!(held < implied, "{held} bytes are held, {implied} are implied");
    assert!(held > implied / 50, "{held} bytes are held: these clients are no hogs");
    // And it still serves.
    let mut websocket = WebSocket::open(server.address, SOCKETIO).await;
    assert!(websocket.next_text().await.starts_with("0{"));
    websocket.text("40").await;
    assert!(websocket.next_text().await.starts_with("40{"));
    drop(hogs);
}

/// What a session can hold while clients together hold all that they may: 16 KiB to be sent and a message of
/// [`hog`]'s beyond, 16 KiB that are coming in, that wait and that are handled, and one read beyond each; its
/// request's head; and itself.
const LEAST: usize = 4 * ALLOWANCE + 9_000 + 3 * 64 * 1024 + 16 * 1024 + 8 * 1024;

// proves: security/memory-sum
#[tokio::test]
async fn all_clients_together_hold_no_more_than_the_memory_budget_and_a_little_each() {
    const MEMORY_BUDGET: usize = 2_000_000;
    let server = Process::start(&[MEMORY, "=2000000 ", PAYLOAD_LIMIT, "=100000"]);
    let mut bystander = WebSocket::open(server.address, SOCKETIO).await;
    bystander.next_text().await;
    bystander.text("40").await;
    bystander.next_text().await;
    bystander.next_text().await;
    let before = server.resident();
    let mut hogs = Vec::new();
    for n in 0..CLIENTS * KINDS {
        hogs.push(hog(server.address, n % KINDS).await);
    }
    let held = server.resident() - before;
    let (alone, implied) = (CLIENTS * KINDS * SESSION, MEMORY_BUDGET + CLIENTS * KINDS * LEAST);
    eprintln!("{held} bytes are held of {implied} that the options imply, and would be of {alone}");
    assert!(held < implied, "{held} bytes are held, {implied} are implied");
    // Whoever does nothing wrong goes on.
    for n in 1..100 {
        bystander.text(format!(r#"42{n}["message-with-ack",{n}]"#)).await;
        assert_eq!(bystander.next_text().await, format!("43{n}[{n}]"));
    }
    drop(hogs);
}

/// A connection whose kernel takes little of what nobody reads.
async fn narrow(address: SocketAddr) -> Connection {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4 * 1024).expect("a small buffer");
    Connection::over(socket.connect(address).await.expect("a connection"))
}

/// What a server holds more once many clients have polled, and read no more than the beginning of what all of them
/// were sent.
async fn held_for_unread_polls(server: &Process, clients: usize, headers: &[(&str, &str)]) -> usize {
    const MESSAGE: usize = 900_000;
    let polling = "/socket.io/?EIO=4&transport=polling";
    let mut polls = Vec::new();
    for _ in 0..clients {
        let mut connection = narrow(server.address).await;
        let sid = connection.request("GET", polling, &[], b"").await.sid();
        let target = format!("{polling}&sid={sid}");
        connection.request("POST", &target, &[], b"40").await;
        let mut joined = connection.request("GET", &target, &[], b"").await;
        while !joined.text().ends_with(r#"42["auth",{}]"#) {
            joined = connection.request("GET", &target, &[], b"").await;
        }
        connection.send("GET", &target, headers, b"").await;
        polls.push(connection);
    }
    let mut sender = WebSocket::open(server.address, SOCKETIO).await;
    sender.text("40").await;
    let before = server.resident();
    // Letters in no order, so that compression makes little of them.
    let mut seed = 1_u32;
    let text: String = std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b'a' + (seed >> 24) as u8 % 26)
    })
    .take(MESSAGE)
    .collect();
    sender.text(format!(r#"42["broadcast","{text}"]"#)).await;
    for poll in &mut polls {
        poll.begun().await;
    }
    server.resident().saturating_sub(before)
}

// proves: security/unread-answers
#[tokio::test]
async fn answers_that_nobody_reads_take_no_more_than_the_message_that_all_of_them_carry() {
    const POLLS: usize = 200;
    for headers in [&[][..], &[("Accept-Encoding", "br")], &[("Accept-Encoding", "gzip")]] {
        let server = Process::start(&[MEMORY, "=20000000 ", PAYLOAD_LIMIT, "=1000000"]);
        let held = held_for_unread_polls(&server, POLLS, headers).await;
        // The budget, and for each what hyper and the answer hold of it.
        let implied = 20_000_000 + POLLS * 2 * ALLOWANCE;
        eprintln!("{held} bytes are held of {implied} that the options imply, for {headers:?}");
        assert!(held < implied, "{held} bytes are held, {implied} are implied, for {headers:?}");
    }
}

// proves: security/answers-memory
#[tokio::test]
async fn clients_that_do_not_read_their_polls_make_room_for_others() {
    const POLLS: usize = 60;
    const MESSAGE: usize = 900_000;
    const OTHERS: usize = 20;
    const MEMORY_BUDGET: usize = 20_000_000;
    let server = Process::start(&[MEMORY, "=20000000 ", PAYLOAD_LIMIT, "=1000000"]);
    let before = server.resident();
    let event = format!(r#"42["message","{}"]"#, "x".repeat(MESSAGE));
    let mut hogs = Vec::new();
    for _ in 0..POLLS {
        let polling = "/socket.io/?EIO=4&transport=polling";
        let mut connection = narrow(server.address).await;
        let sid = connection.request("GET", polling, &[], b"").await.sid();
        let target = format!("{polling}&sid={sid}");
        connection.request("POST", &target, &[], b"40").await;
        let mut joined = connection.request("GET", &target, &[], b"").await;
        while !joined.text().ends_with(r#"42["auth",{}]"#) {
            joined = connection.request("GET", &target, &[], b"").await;
        }
        // What it posts may be more than what the others hold, and then it is the one that goes.
        if connection.request("POST", &target, &[], event.as_bytes()).await.status != 200 {
            break;
        }
        connection.send("GET", &target, &[], b"").await;
        connection.begun().await;
        hogs.push(connection);
    }
    let held = server.resident().saturating_sub(before);
    let implied = MEMORY_BUDGET + POLLS * (ALLOWANCE + 64 * 1024);
    eprintln!("{held} bytes are held of {implied} that the options imply");
    assert!(held < implied, "{held} bytes are held, {implied} are implied");
    assert!(held > MEMORY_BUDGET / 2, "{held} bytes are held: these clients are no hogs");
    // Together they need more than what is left, and each less than what one of those holds.
    let event = format!(r#"42["message","{}"]"#, "x".repeat(300_000));
    let (frame, answer) = (WebSocket::frame(0x81, event.as_bytes()), event.len() + "-back".len());
    let mut others = Vec::new();
    for _ in 0..OTHERS {
        let mut other = WebSocket::open(server.address, SOCKETIO).await;
        other.next_text().await;
        other.text("40").await;
        other.next_text().await;
        other.next_text().await;
        other.flood(&frame[..frame.len() - 1]).await;
        others.push(other);
    }
    for other in &mut others {
        other.raw(&frame[frame.len() - 1..]).await;
        assert_eq!(other.next_text().await.len(), answer);
    }
    drop(hogs);
}

// proves: security/plain-memory
#[tokio::test]
async fn plain_websockets_with_half_a_message_each_hold_no_more_than_the_memory_budget_and_a_little_each() {
    const PLAIN: usize = 200;
    const MESSAGE: usize = 1_000_000;
    const MEMORY_BUDGET: usize = 20_000_000;
    let server = Process::start(&[MEMORY, "=20000000 ", PAYLOAD_LIMIT, "=1000000"]);
    let mut bystander = WebSocket::open(server.address, "/ws").await;
    let before = server.resident();
    let half = &WebSocket::frame(0x82, &[0; MESSAGE])[..MESSAGE * 9 / 10];
    let mut hogs = Vec::new();
    for _ in 0..PLAIN {
        let mut hog = WebSocket::open(server.address, "/ws").await;
        hog.flood(half).await;
        hogs.push(hog);
    }
    // They made room for one another, and whoever comes now is not refused for it.
    let mut last = WebSocket::open(server.address, "/ws").await;
    last.binary(vec![7; MESSAGE]).await;
    let answer = tokio::time::timeout(Duration::from_secs(20), last.next()).await;
    assert!(answer == Ok(Received::Binary(vec![7; MESSAGE])), "its message does not come back");
    let held = server.resident().saturating_sub(before);
    let implied = MEMORY_BUDGET + PLAIN * (ALLOWANCE + 64 * 1024);
    eprintln!("{held} bytes are held of {implied} that the options imply");
    assert!(held < implied, "{held} bytes are held, {implied} are implied");
    assert!(held > MEMORY_BUDGET / 2, "{held} bytes are held: these clients are no hogs");
    bystander.text("and now?").await;
    assert_eq!(bystander.next_text().await, "and now?");
}

// proves: security/half-bodies
#[tokio::test]
async fn half_a_body_is_given_up_for_whoever_holds_nothing() {
    const POSTS: usize = 40;
    const BODY: usize = 1_000_000;
    let server = Process::start(&[MEMORY, "=20000000 ", PAYLOAD_LIMIT, "=1000000"]);
    let polling = "/socket.io/?EIO=4&transport=polling";
    let mut hogs = Vec::new();
    for _ in 0..POSTS {
        let mut hog = socketio_tests::Connection::open(server.address).await;
        let sid = hog.request("GET", polling, &[], b"").await.sid();
        let head = format!(
            "POST {polling}&sid={sid} HTTP/1.1\r\nHost: {}\r\nContent-Length: {BODY}\r\n\r\n",
            hog.host
        );
        hog.write_as_far_as_possible((head + &"4".repeat(BODY * 9 / 10)).as_bytes()).await;
        hogs.push(hog);
    }
    for _ in 0..3 {
        let mut member = WebSocket::open(server.address, SOCKETIO).await;
        member.text("40").await;
        member.text(format!(r#"42["message","{}"]"#, "x".repeat(BODY / 2))).await;
        let answer = async { while member.next_text().await.len() < BODY / 2 {} };
        tokio::time::timeout(Duration::from_secs(20), answer).await.expect("the message back");
    }
    // Whoever is put out learns so at once: nobody waits for the rest of the body.
    let mut answers: JoinSet<_> =
        hogs.into_iter().map(|mut hog| async move { hog.response().await.status }).collect();
    let first = tokio::time::timeout(Duration::from_secs(20), answers.join_next()).await;
    assert!(matches!(first, Ok(Some(Ok(400)))), "{first:?}");
}
