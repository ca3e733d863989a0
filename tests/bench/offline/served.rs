//! The whole server, and one client of it, on one thread: what the kernel does is not counted, everything else is.

use std::future::pending;

use socketio::Io;
use socketio_server::Server;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};

/// A server on a port of its own. Its tasks run while a client waits.
pub struct Served {
    runtime: Runtime,
    address: String,
}

impl Served {
    /// Serves the application.
    pub fn new(io: Io) -> Served {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let server = Server::builder().socketio("/socket.io/", io).build().expect("a server");
        runtime.spawn(server.serve(listener, pending()));
        Served { runtime, address }
    }

    fn connect(&self) -> Wire<'_> {
        let connected = self.runtime.block_on(TcpStream::connect(&self.address)).expect("a connection");
        connected.set_nodelay(true).expect("a socket");
        Wire { served: self, stream: connected, received: Vec::new() }
    }

    /// A client that polls, and has joined `/`.
    pub fn polling(&self) -> ServedPolling<'_> {
        let mut client =
            ServedPolling { wire: self.connect(), get: request("GET", "", ""), sid: String::new() };
        client.wire.write(client.get.as_bytes());
        let opened = client.wire.answer();
        client.sid = opened.split('"').nth(3).expect("a session's id").to_owned();
        client.get = request("GET", &format!("&sid={}", client.sid), "");
        let join = client.body("40");
        client.post(&join);
        assert!(client.get().starts_with("40{\""), "not joined");
        client
    }

    /// A client on a WebSocket, which has joined `/`.
    pub fn websocket(&self) -> ServedWebSocket<'_> {
        let mut wire = self.connect();
        let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        let address = &self.address;
        wire.write(
            format!("GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {address}\r\n{upgrade}\r\n")
                .as_bytes(),
        );
        let head = wire.until(|received| find(received, b"\r\n\r\n").map(|at| at + 4));
        assert!(head.starts_with(b"HTTP/1.1 101"), "no WebSocket");
        let mut client = ServedWebSocket { wire };
        client.receive();
        client.send(&frame("40"));
        assert!(client.receive().starts_with(b"40{\""), "not joined");
        client
    }
}

fn request(method: &str, more: &str, body: &str) -> String {
    let length = if method == "POST" { format!("Content-Length: {}\r\n", body.len()) } else { String::new() };
    format!(
        "{method} /socket.io/?EIO=4&transport=polling{more} HTTP/1.1\r\nHost: 127.0.0.1\r\n{length}\r\n{body}"
    )
}

/// A client's text frame, with a mask of zeros.
pub fn frame(text: &str) -> Vec<u8> {
    let length = match text.len() {
        short @ 0..126 => vec![0x80 | short as u8],
        long => [vec![0x80 | 126], (long as u16).to_be_bytes().to_vec()].concat(),
    };
    [&[0x81], &length[..], &[0; 4], text.as_bytes()].concat()
}

fn find(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    bytes.windows(pattern.len()).position(|window| window == pattern)
}

/// A client's connection.
struct Wire<'a> {
    served: &'a Served,
    stream: TcpStream,
    received: Vec<u8>,
}

impl Wire<'_> {
    fn write(&mut self, bytes: &[u8]) {
        self.served.runtime.block_on(self.stream.write_all(bytes)).expect("a server");
    }

    /// Waits until what was received begins with a whole thing, of the length that `whole` finds. Takes that.
    fn until(&mut self, whole: impl Fn(&[u8]) -> Option<usize>) -> Vec<u8> {
        loop {
            if let Some(length) = whole(&self.received) {
                return self.received.drain(..length).collect();
            }
            self.read();
        }
    }

    fn read(&mut self) {
        let read = self.served.runtime.block_on(self.stream.read_buf(&mut self.received));
        assert_ne!(read.expect("a server"), 0, "the server has closed the connection");
    }

    /// The body of an answer.
    fn answer(&mut self) -> String {
        // As hyper writes it.
        const NAME: &[u8] = b"content-length: ";
        let answer = self.until(|received| {
            let head = find(received, b"\r\n\r\n")? + 4;
            let length = find(&received[..head], NAME)? + NAME.len();
            let digits = received[length..].iter().take_while(|digit| digit.is_ascii_digit());
            let length = digits.fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0'));
            Some(head + length).filter(|whole| received.len() >= *whole)
        });
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
        let head = find(&answer, b"\r\n\r\n").map_or(0, |at| at + 4);
        String::from_utf8(answer[head..].to_vec()).expect("UTF-8")
    }
}

/// A client that polls.
pub struct ServedPolling<'a> {
    wire: Wire<'a>,
    get: String,
    sid: String,
}

impl ServedPolling<'_> {
    /// A POST with that body.
    pub fn body(&self, body: &str) -> Vec<u8> {
        request("POST", &format!("&sid={}", self.sid), body).into_bytes()
    }

    /// Posts, and waits until it is accepted.
    pub fn post(&mut self, request: &[u8]) {
        self.wire.write(request);
        assert_eq!(self.wire.answer(), "ok");
    }

    /// Polls once.
    pub fn get(&mut self) -> String {
        let get = std::mem::take(&mut self.get);
        self.wire.write(get.as_bytes());
        self.get = get;
        self.wire.answer()
    }
}

/// A client on a WebSocket.
pub struct ServedWebSocket<'a> {
    wire: Wire<'a>,
}

impl ServedWebSocket<'_> {
    /// Sends [frames](frame).
    pub fn send(&mut self, frames: &[u8]) {
        self.wire.write(frames);
    }

    /// The next message.
    pub fn receive(&mut self) -> Vec<u8> {
        let frame =
            self.wire.until(|received| Some(payload(received)?.end).filter(|end| received.len() >= *end));
        payload(&frame).map(|payload| frame[payload].to_vec()).unwrap_or_default()
    }

    /// Receives so many messages, and drops them.
    pub fn skip(&mut self, messages: usize) {
        let (mut seen, mut at) = (0, 0);
        while seen < messages {
            match payload(&self.wire.received[at..]).map(|payload| at + payload.end) {
                Some(end) if end <= self.wire.received.len() => (seen, at) = (seen + 1, end),
                _ => self.wire.read(),
            }
        }
        self.wire.received.drain(..at);
    }
}

/// Where the payload of the server's frame is, which may not be whole.
fn payload(frame: &[u8]) -> Option<std::ops::Range<usize>> {
    let (begin, length) = match *frame.get(1)? {
        126 => (4, usize::from(u16::from_be_bytes([*frame.get(2)?, *frame.get(3)?]))),
        short => (2, usize::from(short)),
    };
    Some(begin..begin + length)
}
