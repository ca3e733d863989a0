//! What the machine allows: one epoll loop that answers with canned frames, one read and one write a wake.

mod canned;
mod frames;

use std::collections::HashMap;
use std::io::{self, Read, Write};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use canned::OPEN;
use frames::{ACCEPT, Canned, frame};

const LISTENER: Token = Token(usize::MAX);
const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                      Sec-WebSocket-Accept: ";

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
            answers.extend_from_slice([SWITCH, ACCEPT, "\r\n\r\n"].concat().as_bytes());
            answers.extend_from_slice(&frame(OPEN.as_bytes()));
        }
        used + canned.answer(&mut bytes[used..], answers, |frame| broadcasts.extend_from_slice(frame))
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
