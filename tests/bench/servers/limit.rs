//! What the machine allows: one epoll loop that answers with canned frames, one read and one write a wake. It
//! knows just enough of WebSocket to tell the frames that it is sent apart, and nothing of Socket.IO.

use std::collections::HashMap;
use std::io::{self, Read, Write};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

const LISTENER: Token = Token(usize::MAX);
const SWITCH: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
const OPEN: &[u8] = br#"0{"sid":"aaaaaaaaaaaaaaaaaaaa","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;
const CONNECT: &[u8] = br#"40{"sid":"bbbbbbbbbbbbbbbbbbbb"}"#;

/// What a client may send, and what the answer begins with.
const ECHO: (&[u8], &[u8]) = (br#"42["message",""#, br#"42["message-back",""#);
const ACK: (&[u8], &[u8]) = (br#"421["message-with-ack",""#, br#"431[""#);
const BROADCAST: (&[u8], &[u8]) = (br#"42["broadcast",""#, br#"42["bcast",""#);

struct Client {
    stream: TcpStream,
    open: bool,
    /// The start of a frame that is not whole yet.
    pending: Vec<u8>,
    /// What the socket could not take.
    unsent: Vec<u8>,
}

/// Buffers that all clients share, so that an idle one holds none.
struct Shared {
    canned: Canned,
    read: Vec<u8>,
    answers: Vec<u8>,
    broadcasts: Vec<u8>,
}

/// The answers, by the lengths of what was asked and the lengths of their heads.
#[derive(Default)]
struct Canned(HashMap<(usize, usize), Vec<u8>>);

impl Canned {
    /// An answer with a string as long as the one in a message of `len` bytes.
    fn get(&mut self, kind: (&[u8], &[u8]), len: usize) -> &[u8] {
        self.0.entry((kind.1.len(), len)).or_insert_with(|| {
            let string = vec![b'x'; len - kind.0.len() - 2];
            frame(&[kind.1, &string, br#""]"#].concat())
        })
    }
}

/// A server's frame.
fn frame(payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x81];
    if payload.len() < 126 {
        frame.push(payload.len() as u8);
    } else {
        frame.push(126);
        frame.extend_from_slice(&(payload.len() as u16).to_be_bytes());
    }
    frame.extend_from_slice(payload);
    frame
}

/// A client's frame at the start of `bytes`: where its mask and its payload begin, and its whole length.
fn parse(bytes: &[u8]) -> Option<(usize, usize)> {
    let (mask, len) = match *bytes.get(1)? & 0x7f {
        126 => (4, usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]))),
        len => (2, usize::from(len)),
    };
    (bytes.len() >= mask + 4 + len).then_some((mask, mask + 4 + len))
}

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).expect("an address").parse().expect("an address");
    let mut listener = TcpListener::bind(address)?;
    println!("listening on http://{}/", listener.local_addr()?);
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut clients: HashMap<usize, Client> = HashMap::new();
    let mut next = 0;
    let mut events = Events::with_capacity(1024);
    let mut shared = Shared {
        canned: Canned::default(),
        read: vec![0; 64 * 1024],
        answers: Vec::new(),
        broadcasts: Vec::new(),
    };
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            let Token(at) = event.token();
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    stream.set_nodelay(true)?;
                    let interest = Interest::READABLE | Interest::WRITABLE;
                    poll.registry().register(&mut stream, Token(next), interest)?;
                    let client = Client { stream, open: false, pending: Vec::new(), unsent: Vec::new() };
                    clients.insert(next, client);
                    next += 1;
                }
                continue;
            }
            let Some(client) = clients.get_mut(&at) else { continue };
            client.send(&[]);
            if !event.is_readable() {
                continue;
            }
            let there = client.wake(&mut shared);
            client.send(&shared.answers);
            shared.answers.clear();
            if !shared.broadcasts.is_empty() {
                clients.values_mut().for_each(|client| client.send(&shared.broadcasts));
                shared.broadcasts.clear();
            }
            if !there {
                clients.remove(&at);
            }
        }
    }
}

impl Client {
    /// Reads what has come and makes the answers. Says whether the client is still there.
    fn wake(&mut self, shared: &mut Shared) -> bool {
        loop {
            let mut bytes = std::mem::take(&mut shared.read);
            let read = self.stream.read(&mut bytes);
            if let Ok(read @ 1..) = read {
                if self.pending.is_empty() {
                    let used = self.answer(&mut bytes[..read], shared);
                    self.pending.extend_from_slice(&bytes[used..read]);
                } else {
                    let mut pending = std::mem::take(&mut self.pending);
                    pending.extend_from_slice(&bytes[..read]);
                    let used = self.answer(&mut pending, shared);
                    if used < pending.len() {
                        pending.drain(..used);
                        self.pending = pending;
                    }
                }
            }
            shared.read = bytes;
            match read {
                Ok(0) => return false,
                Ok(read) if read == shared.read.len() => {}
                Ok(_) => return true,
                Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
            }
        }
    }

    /// Makes the answers to whole frames; says how many bytes they take up.
    fn answer(&mut self, bytes: &mut [u8], shared: &mut Shared) -> usize {
        let Shared { canned, answers, broadcasts, .. } = shared;
        let mut used = 0;
        if !self.open {
            let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return 0 };
            used = end + 4;
            self.open = true;
            answers.extend_from_slice(SWITCH);
            answers.extend_from_slice(&frame(OPEN));
        }
        while let Some((mask, len)) = parse(&bytes[used..]) {
            let (key, payload) = bytes[used + mask..used + len].split_at_mut(4);
            // Canned answers need no more than what tells the questions apart.
            for (at, byte) in payload.iter_mut().take(5).enumerate() {
                *byte ^= key[at % 4];
            }
            let asked = payload.len();
            match payload {
                [b'4', b'0', ..] => answers.extend_from_slice(&frame(CONNECT)),
                [b'4', b'2', b'[', b'"', b'm', ..] => answers.extend_from_slice(canned.get(ECHO, asked)),
                [b'4', b'2', b'[', b'"', b'b', ..] => {
                    broadcasts.extend_from_slice(canned.get(BROADCAST, asked));
                }
                [b'4', b'2', b'1', ..] => answers.extend_from_slice(canned.get(ACK, asked)),
                _ => {}
            }
            used += len;
        }
        used
    }

    /// Writes what is left and `bytes`, now or when the socket can take them.
    fn send(&mut self, bytes: &[u8]) {
        if !self.unsent.is_empty() {
            self.unsent.extend_from_slice(bytes);
            let unsent = std::mem::take(&mut self.unsent);
            let written = write(&mut self.stream, &unsent);
            if written < unsent.len() {
                self.unsent = unsent;
                self.unsent.drain(..written);
            }
        } else if !bytes.is_empty() {
            let written = write(&mut self.stream, bytes);
            self.unsent.extend_from_slice(&bytes[written..]);
        }
    }
}

/// Writes as much as the socket takes; says how much that was.
fn write(stream: &mut TcpStream, bytes: &[u8]) -> usize {
    let mut written = 0;
    while written < bytes.len() {
        match stream.write(&bytes[written..]) {
            Ok(more) => written += more,
            Err(_) => break,
        }
    }
    written
}
