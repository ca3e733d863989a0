//! An echo of WebSocket messages on the reader that sessions have, for the Autobahn test suite. Sessions
//! themselves speak Engine.IO, which its cases don't.
//!
//! ```sh
//! cargo run --package socketio-tests --example autobahn-echo -- 127.0.0.1:9001
//! ```

use std::io;

use engineio::websocket::{self, FrameEvent, FrameLimits, Reader};
use engineio::{Frame, Revision};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// The largest messages of the suite have 16 MiB, and the most fragments 65,536.
const LIMITS: FrameLimits = FrameLimits { message: 17_000_000, fragments: 100_000 };

/// The most that one read takes, as in the server.
const READ: usize = 64 * 1024;

#[tokio::main]
async fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:9001".to_owned());
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (connection, _) = listener.accept().await?;
        tokio::spawn(async move {
            if let Err(error) = serve(connection).await {
                eprintln!("a connection was lost: {error}");
            }
        });
    }
}

async fn serve(mut connection: TcpStream) -> io::Result<()> {
    connection.set_nodelay(true)?;
    let mut input = Vec::with_capacity(READ);
    let head = loop {
        if connection.read_buf(&mut input).await? == 0 {
            return Ok(());
        }
        if let Some(at) = input.windows(4).position(|window| window == b"\r\n\r\n") {
            break input.drain(..at + 4).collect::<Vec<u8>>();
        }
    };
    let Some(key) = key(&head) else {
        return connection.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
    };
    let accept = derive_accept_key(key.as_bytes());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    connection.write_all(answer.as_bytes()).await?;
    echo(&mut connection, input).await?;
    // Closing a socket with unread bytes resets it, and the client may never see the close frame.
    connection.shutdown().await?;
    while connection.read(&mut [0; 1024]).await? > 0 {}
    Ok(())
}

/// The value of `Sec-WebSocket-Key` in a request.
fn key(head: &[u8]) -> Option<&str> {
    let fields = std::str::from_utf8(head).ok()?.lines().filter_map(|line| line.split_once(':'));
    let mut keys = fields.filter(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key"));
    keys.next().map(|(_, key)| key.trim())
}

/// Sends every message back until the connection ends.
async fn echo(connection: &mut TcpStream, mut input: Vec<u8>) -> io::Result<()> {
    let mut reader = Reader::new(LIMITS);
    let mut output = Vec::new();
    loop {
        reader.feed(&input);
        let ended = answer(&mut reader, &mut output);
        connection.write_all(&output).await?;
        output.clear();
        input.clear();
        if ended || connection.read_buf(&mut input).await? == 0 {
            return Ok(());
        }
    }
}

/// Appends the answer to all that can be read. Says whether the last of it is a close frame.
fn answer(reader: &mut Reader, output: &mut Vec<u8>) -> bool {
    loop {
        match reader.next() {
            Ok(Some(FrameEvent::Text(text))) => {
                // Frames of text are packets, with a digit that isn't wanted here; the header is the same.
                let at = output.len();
                output.extend_from_slice(Frame::binary(text.as_bytes()).websocket(Revision::V4));
                output[at] = 0x81;
            }
            Ok(Some(FrameEvent::Binary(bytes))) => {
                output.extend_from_slice(Frame::binary(&bytes).websocket(Revision::V4));
            }
            Ok(Some(FrameEvent::Ping(payload))) => websocket::pong(&payload, output),
            Ok(Some(FrameEvent::Pong(_))) => {}
            Ok(Some(FrameEvent::Close { code, .. })) => {
                websocket::close(code, "", output);
                return true;
            }
            Ok(None) => return false,
            Err(violation) => {
                websocket::close(Some(violation.code()), "", output);
                return true;
            }
        }
    }
}
