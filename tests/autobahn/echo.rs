//! An echo of WebSocket messages on the reader that sessions have, for the Autobahn test suite. Sessions
//! themselves speak Engine.IO, which its cases don't. Messages are compressed if the client offers that, and may refer to
//! those before them.
//!
//! ```sh
//! cargo run --package socketio-tests --example autobahn-echo -- 127.0.0.1:9001
//! ```

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use engineio::memory::Budget;
use engineio::websocket::deflate::{Agreement, Deflating, Inflating, PerMessageDeflate};
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
    let Some(key) = fields(&head, "sec-websocket-key").next() else {
        return connection.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
    };
    let accept = derive_accept_key(key.as_bytes());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {accept}\r\n"
    );
    connection.write_all(answer.as_bytes()).await?;
    let ours = PerMessageDeflate { threshold: 0, context_takeover: true, ..PerMessageDeflate::default() };
    let agreement = Agreement::find(&ours, fields(&head, "sec-websocket-extensions"), None);
    let answer = agreement.map(|agreement| format!("Sec-WebSocket-Extensions: {}\r\n", agreement.answer()));
    connection.write_all((answer.unwrap_or_default() + "\r\n").as_bytes()).await?;
    echo(&mut connection, input, agreement).await?;
    // Closing a socket with unread bytes resets it, and the client may never see the close frame.
    connection.shutdown().await?;
    while connection.read(&mut [0; 1024]).await? > 0 {}
    Ok(())
}

/// The values of that field in a request.
fn fields<'a>(head: &'a [u8], wanted: &str) -> impl Iterator<Item = &'a str> {
    let lines = std::str::from_utf8(head).unwrap_or_default().lines();
    let fields = lines.filter_map(|line| line.split_once(':'));
    fields.filter(move |(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim())
}

/// Sends every message back until the connection ends.
async fn echo(
    connection: &mut TcpStream,
    mut input: Vec<u8>,
    agreement: Option<Agreement>,
) -> io::Result<()> {
    let mut echo = Echo {
        reader: Reader::new(LIMITS),
        compression: agreement.map(|agreement| (agreement.deflating(), agreement.inflating())),
        memory: Budget::new(usize::MAX, Arc::default()),
        output: Vec::new(),
    };
    loop {
        echo.reader.feed(&input);
        let ended = echo.answer();
        connection.write_all(&echo.output).await?;
        echo.output.clear();
        input.clear();
        if ended || connection.read_buf(&mut input).await? == 0 {
            return Ok(());
        }
    }
}

/// One connection.
struct Echo {
    reader: Reader,
    compression: Option<(Deflating, Inflating)>,
    memory: Budget,
    output: Vec<u8>,
}

impl Echo {
    /// Appends the answer to all that can be read. Says whether the last of it is a close frame.
    fn answer(&mut self) -> bool {
        loop {
            let inflating = self.compression.as_mut().map(|(_, inflating)| inflating);
            match self.reader.next_inflated(inflating) {
                Ok(Some(FrameEvent::Text(text))) => {
                    // Frames of text are packets, with a digit that isn't wanted here; the header is the same.
                    let at = self.output.len();
                    self.message(text.as_bytes());
                    self.output[at] ^= 0x81 ^ 0x82;
                }
                Ok(Some(FrameEvent::Binary(bytes))) => self.message(&bytes),
                Ok(Some(FrameEvent::Ping(payload))) => websocket::pong(&payload, &mut self.output),
                Ok(Some(FrameEvent::Pong(_))) => {}
                Ok(Some(FrameEvent::Close { code, .. })) => {
                    websocket::close(code, "", &mut self.output);
                    return true;
                }
                Ok(None) => return false,
                Err(violation) => {
                    websocket::close(Some(violation.code()), "", &mut self.output);
                    return true;
                }
            }
        }
    }

    fn message(&mut self, message: &[u8]) {
        let queue = VecDeque::from([Frame::binary(message)]);
        let Some((deflating, _)) = &mut self.compression else {
            return self.output.extend_from_slice(queue[0].websocket(Revision::V4));
        };
        deflating.prepare(&queue, 0, Revision::V4, &self.memory);
        let form = deflating.form(0, &queue[0], Revision::V4);
        self.output.extend_from_slice(form);
        let len = form.len();
        deflating.pop_front(len);
    }
}
