//! How those live who keep to no rule. Whatever the server makes of them, they take it.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};

use socketio_tests::WebSocket;

use crate::client::{POLLING, WEBSOCKET};

/// How long one of them stays at most: longer than the server bears any of them.
const STAY: Duration = Duration::from_secs(15);

/// One life of those who drop their connection, as a reset, wherever they are. They are quick.
pub(crate) async fn reset(server: SocketAddr, n: usize) {
    drop(fall_away(server, n).await);
    sleep(Duration::from_millis(20 + (n as u64 * 7) % 60)).await;
}

/// One life of those who stay and do nothing of what they should.
pub(crate) async fn linger(server: SocketAddr, n: usize) {
    drop(stay(server, n).await);
}

/// A connection on which nothing fails: there is nobody to tell.
struct Raw(TcpStream);

impl Raw {
    async fn open(server: SocketAddr) -> std::io::Result<Raw> {
        let stream = TcpStream::connect(server).await?;
        stream.set_zero_linger()?;
        Ok(Raw(stream))
    }

    async fn send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.0.write_all(bytes.as_ref()).await
    }

    async fn text(&mut self, text: &str) -> std::io::Result<()> {
        self.send(WebSocket::frame(0x81, text.as_bytes())).await
    }

    async fn get(&mut self, target: &str) -> std::io::Result<()> {
        self.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")).await
    }

    async fn post(&mut self, target: &str, len: usize, body: &str) -> std::io::Result<()> {
        let head = format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {len}\r\n\r\n");
        self.send(head + body).await
    }

    async fn upgrade(&mut self, target: &str) -> std::io::Result<()> {
        self.send(format!(
            "GET {target} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        ))
        .await
    }

    /// Reads something.
    async fn read(&mut self) -> std::io::Result<String> {
        let mut some = vec![0; 4096];
        let len = self.0.read(&mut some).await?;
        if len == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(String::from_utf8_lossy(&some[..len]).into_owned())
    }

    /// Reads until the server ends the connection.
    async fn read_all(&mut self) {
        while self.read().await.is_ok() {}
    }

    /// Opens a session by polling on this connection; its target.
    async fn open_polling(&mut self) -> std::io::Result<String> {
        self.get(POLLING).await?;
        let opened = self.read().await?;
        let sid = opened.split_once(r#""sid":""#).and_then(|(_, rest)| rest.get(..20)).unwrap_or("none");
        Ok(format!("{POLLING}&sid={sid}"))
    }

    /// Opens a WebSocket and joins.
    async fn join(&mut self) -> std::io::Result<()> {
        self.upgrade(WEBSOCKET).await?;
        self.text("40").await?;
        while !self.read().await?.contains("40{") {}
        Ok(())
    }
}

/// Comes as far as one of the states that a connection can be in.
async fn fall_away(server: SocketAddr, n: usize) -> std::io::Result<(Raw, Raw)> {
    let (mut one, mut other) = (Raw::open(server).await?, Raw::open(server).await?);
    match n % 14 {
        0 => {}
        1 => one.send("GET /socket.io/?EIO=4&tra").await?,
        2 => one.get(POLLING).await?,
        3 => drop(one.open_polling().await?),
        // A poll that waits.
        4 => {
            let target = one.open_polling().await?;
            one.get(&target).await?;
        }
        // A body that is half there, beside a poll.
        5 => {
            let target = one.open_polling().await?;
            one.get(&target).await?;
            other.post(&target, 1_000, "42[\"message\",1").await?;
        }
        // An answer that nobody reads.
        6 => {
            let target = one.open_polling().await?;
            other.post(&target, 2, "40").await?;
            one.get(&target).await?;
        }
        7 => one.upgrade(WEBSOCKET).await?,
        // A probe, from its beginning to its end.
        8..=10 => {
            let target = one.open_polling().await?;
            one.get(&target).await?;
            other.upgrade(&target.replace("polling", "websocket")).await?;
            if n % 14 > 8 {
                other.text("2probe").await?;
                other.read().await?;
            }
            if n % 14 > 9 {
                one.read().await?;
                other.text("5").await?;
            }
        }
        11 => one.join().await?,
        // A frame, and an event, of which the end is missing.
        12 => {
            one.join().await?;
            let frame = WebSocket::frame(0x81, &[b'4'; 1_000]);
            one.send(&frame[..500]).await?;
        }
        _ => {
            one.join().await?;
            one.text(r#"452-["message",{"_placeholder":true,"num":0}]"#).await?;
            one.send(WebSocket::frame(0x82, &[0; 100])).await?;
        }
    }
    Ok((one, other))
}

/// Stays until the server has had enough.
async fn stay(server: SocketAddr, n: usize) -> std::io::Result<()> {
    let mut one = Raw::open(server).await?;
    match n % 8 {
        // It asks for much and takes little of it, and answers pings that it has not seen.
        0 | 1 => {
            let socket = TcpSocket::new_v4()?;
            socket.set_recv_buffer_size(4_096)?;
            let mut slow = Raw(socket.connect(server).await?);
            slow.join().await?;
            let event = format!(r#"42["message","{}"]"#, "x".repeat(10_000));
            let asked = timeout(STAY, async {
                loop {
                    for _ in 0..10 {
                        slow.text(&event).await?;
                    }
                    slow.text("3").await?;
                    slow.read().await?;
                    sleep(Duration::from_millis(200)).await;
                }
            });
            return asked.await.unwrap_or(Ok(()));
        }
        // It never polls.
        2 => {
            let target = one.open_polling().await?;
            one.post(&target, 2, "40").await?;
            one.read().await?;
            for _ in 0..20 {
                one.post(&target, 1_000, &format!(r#"42["message","{}"]"#, "x".repeat(985))).await?;
                one.read().await?;
            }
        }
        // It joins nothing.
        3 => one.upgrade(WEBSOCKET).await?,
        // It probes and falls silent.
        4 => {
            let target = one.open_polling().await?;
            one.upgrade(&target.replace("polling", "websocket")).await?;
            one.text("2probe").await?;
        }
        // Half a body, half a head, attachments that never come.
        5 => {
            let target = one.open_polling().await?;
            one.post(&target, 1_000, "4").await?;
        }
        6 => {
            one.join().await?;
            one.text(r#"452-["message",{"_placeholder":true,"num":0}]"#).await?;
        }
        _ => {
            one.join().await?;
            let wrong = ["9", "42[", "4\u{e9}", "45-", "40[1]", "0", "42[\"connect\"]", "421e9[\"a\"]"];
            one.text(wrong[n / 8 % wrong.len()]).await?;
        }
    }
    drop(timeout(STAY, one.read_all()).await);
    Ok(())
}
