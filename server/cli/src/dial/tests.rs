//! A driver on servers that don't read.

use std::sync::Arc;
use std::time::Duration;

use engineio::client::{ClientConfig, ClientEnding};
use engineio::{Frame, QueueError, Transport};
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, accept_async};

use super::{Driver, DriverEvent, Target, TargetOptions};

/// As long as anything may take.
const LIMIT: Duration = Duration::from_secs(30);

/// More than the buffers of a connection take.
const FRAMES: usize = 200;

type Server = WebSocketStream<TcpStream>;

/// A session by WebSocket, and the server's end of it. Heartbeats come every so many milliseconds, and may take as long.
async fn open(heartbeat: u64, send_budget: usize) -> (Driver, Server) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let target = TargetOptions {
        url: listener.local_addr().expect("an address").to_string(),
        path: "/socket.io/".to_owned(),
        headers: Vec::new(),
        ca: None,
        timeout: LIMIT,
    };
    let target = Arc::new(Target::new(&target).expect("a target"));
    let config = ClientConfig { transport: Transport::WebSocket, send_budget, ..ClientConfig::default() };
    let mut driver = Driver::open(target, config);
    let accept = async {
        let (stream, _) = listener.accept().await.expect("a connection");
        let mut server = accept_async(stream).await.expect("a WebSocket");
        let packet = format!(
            r#"0{{"sid":"a","upgrades":[],"pingInterval":{heartbeat},"pingTimeout":{heartbeat},"maxPayload":1000}}"#
        );
        server.send(Message::text(packet)).await.expect("it is open");
        server
    };
    let opened = async { while !matches!(driver.next().await, DriverEvent::Opened) {} };
    let (server, ()) = timeout(LIMIT, async { tokio::join!(accept, opened) }).await.expect("a session");
    (driver, server)
}

fn frame(number: usize) -> Frame {
    Frame::text(&format!("{number} {}", "x".repeat(100_000)))
}

/// The numbers of the frames that come, and whether a close frame is the last.
async fn read(mut server: Server, most: usize) -> (Vec<usize>, bool) {
    let mut numbers = Vec::new();
    while numbers.len() < most {
        match server.next().await {
            Some(Ok(Message::Text(text))) => {
                let number = text.strip_prefix('4').and_then(|text| text.split(' ').next());
                numbers.push(number.and_then(|number| number.parse().ok()).expect("a number"));
            }
            Some(Ok(Message::Close(_))) => {
                while let Some(last) = server.next().await {
                    last.expect("it is closed and not reset");
                }
                return (numbers, true);
            }
            other => panic!("{other:?}"),
        }
    }
    (numbers, false)
}

/// Drives until the session ends.
async fn end(driver: &mut Driver) -> ClientEnding {
    loop {
        if let DriverEvent::Ended(ending, _) = driver.next().await {
            return ending;
        }
    }
}

#[tokio::test]
async fn nothing_is_lost_if_whoever_waits_for_what_is_next_does_something_else_instead() {
    let (mut driver, server) = open(60_000, usize::MAX).await;
    for number in 0..FRAMES {
        driver.send(&[frame(number)]).expect("there is room");
        // What there is comes at once; the one that has to wait is dropped.
        while driver.next().now_or_never().is_some() {}
    }
    let all = timeout(LIMIT, async {
        tokio::select! {
            read = read(server, FRAMES) => read,
            ending = end(&mut driver) => panic!("{ending:?}"),
        }
    });
    assert_eq!(all.await.expect("they come").0, (0..FRAMES).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_server_that_reads_once_it_is_read_is_no_deadlock() {
    let (mut driver, mut server) = open(60_000, usize::MAX).await;
    for number in 0..FRAMES {
        driver.send(&[frame(number)]).expect("there is room");
    }
    let served = async {
        // It takes nothing before all of this is taken.
        for _ in 0..FRAMES {
            server.send(Message::text(format!("4{}", "x".repeat(100_000)))).await.expect("it is taken");
        }
        read(server, FRAMES).await.0
    };
    let all = timeout(LIMIT, async {
        tokio::select! {
            numbers = served => numbers,
            ending = end(&mut driver) => panic!("{ending:?}"),
        }
    });
    assert_eq!(all.await.expect("no deadlock"), (0..FRAMES).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_server_that_does_not_read_stops_no_deadline() {
    let (mut driver, _server) = open(100, usize::MAX).await;
    for number in 0..FRAMES {
        driver.send(&[frame(number)]).expect("there is room");
    }
    let ended = timeout(LIMIT, end(&mut driver)).await;
    assert_eq!(ended.expect("its heartbeat is missed"), ClientEnding::PingTimeout);
}

#[tokio::test]
async fn no_more_waits_for_a_server_that_does_not_read_than_may() {
    let (mut driver, _server) = open(60_000, 1_000_000).await;
    let full = (0..FRAMES).find_map(|number| {
        let sent = driver.send(&[frame(number)]).err();
        drop(driver.next().now_or_never());
        sent
    });
    assert_eq!(full, Some(QueueError::Full));
}

#[tokio::test]
async fn once_a_server_reads_there_is_room_again() {
    let (mut driver, server) = open(60_000, 1_000_000).await;
    for number in 0..FRAMES {
        let _ = driver.send(&[frame(number)]);
        drop(driver.next().now_or_never());
    }
    assert!(!driver.has_room());
    let room = async { while !matches!(driver.next().await, DriverEvent::Room) {} };
    let room = async {
        tokio::select! {
            () = room => (),
            _ = read(server, usize::MAX) => panic!("the client goes on"),
        }
    };
    timeout(LIMIT, room).await.expect("there is room");
    assert!(driver.has_room());
    driver.send(&[frame(0)]).expect("there is room");
}

#[tokio::test]
async fn a_goodbye_to_a_server_that_does_not_read_says_that_not_all_has_gone_out() {
    let (mut driver, _server) = open(60_000, usize::MAX).await;
    for number in 0..FRAMES {
        driver.send(&[frame(number)]).expect("there is room");
    }
    driver.close();
    assert_eq!(timeout(LIMIT, end(&mut driver)).await.expect("it ends"), ClientEnding::ClosedHere);
    assert!(!timeout(LIMIT, driver.finish()).await.expect("it ends"));
}

#[tokio::test]
async fn the_goodbye_comes_after_all_that_waits_and_loses_nothing_that_the_server_has_yet_to_read() {
    let (mut driver, mut server) = open(60_000, usize::MAX).await;
    // What nobody reads any more makes a system reset the connection that is closed then.
    for _ in 0..1000 {
        server.feed(Message::text("4hi")).await.expect("it is sent");
    }
    server.flush().await.expect("it is sent");
    for number in 0..FRAMES {
        driver.send(&[frame(number)]).expect("there is room");
    }
    driver.close();
    let goodbye = async {
        assert_eq!(end(&mut driver).await, ClientEnding::ClosedHere);
        assert!(driver.finish().await, "all has gone out");
    };
    let both = timeout(LIMIT, async { tokio::join!(read(server, usize::MAX), goodbye) });
    let ((numbers, closed), ()) = both.await.expect("it ends");
    assert_eq!((numbers, closed), ((0..FRAMES).collect(), true));
}
